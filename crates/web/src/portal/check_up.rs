//! "Check-up". Lives here: the page with all points, what the holder says of one, the look from outside that he asks for.
//! Never here: how a point stands (`points`), looking (ringfence).

use std::net::IpAddr;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use types::{CheckPoint, OpenPort};

use crate::app::Shared;
use crate::guard::Visitor;
use crate::page::{Frame, Problem, moment, page};
use crate::portal::freeze::say;
use crate::portal::points::{Look, Point, State as Stands, count};

/// What a point asks for: title, what to do, where that is done.
pub struct Guide {
    /// What it asks for.
    pub title: &'static str,
    /// What to do.
    pub todo: &'static str,
    link: Option<(&'static str, &'static str)>,
}

const fn guide(title: &'static str, todo: &'static str) -> Guide {
    Guide { title, todo, link: None }
}

const fn guide_to(
    title: &'static str,
    todo: &'static str,
    link: (&'static str, &'static str),
) -> Guide {
    Guide { title, todo, link: Some(link) }
}

/// What a point asks for.
pub fn guide_of(point: CheckPoint) -> Guide {
    use CheckPoint as P;
    match point {
        P::RouterPassword => guide(
            "Your router has a password of its own",
            "Open your router’s page from home, and change its administrator’s password: not the one on its sticker.",
        ),
        P::RouterFirmware => guide(
            "Your router is up to date, its firewall is on",
            "On the router’s page, look for “update” or “firmware”, take the newest, and let it do so by itself from now on. See that \
             its firewall is on, and that no ports are opened to phones.",
        ),
        P::PhonePassword => guide(
            "Your phones’ own pages have passwords of their own",
            "Phones and switches have a page for settings. Change its administrator’s password: the one it came with is known to \
             everybody.",
        ),
        P::RemoteAccess => guide_to(
            "Nothing at home can be administered from outside",
            "Switch off “remote access”, “remote management” and port forwards, on the router and on phones and switches. \
             Then let us look from outside.",
            ("#outside", "Look from outside"),
        ),
        P::Dmz => guide(
            "No phone stands in the DMZ",
            "On the router’s page, see that no “DMZ” or “exposed host” is set. Phones work behind the firewall.",
        ),
        P::PhoneSoftware => guide_to(
            "Your phones and switches have new software",
            "On each phone’s page, look for “firmware”, and take the newest from its maker.",
            ("/phones", "See your phones"),
        ),
        P::Malware => guide(
            "Computers and mobiles are checked for viruses",
            "Run an up-to-date virus scanner on each computer, tablet and mobile that has seen your passwords.",
        ),
        P::LeftAround => guide(
            "Your passwords lie nowhere around",
            "Delete mails, notes, pictures and files with your log-ins, in the bin as well. Keep them in a password manager or on paper.",
        ),
        P::Browsers => guide(
            "Browsers keep no passwords of yours",
            "In your browsers’ settings, delete passwords of these pages and of your mail, and switch saving off.",
        ),
        P::Rotation => guide_to(
            "Your passwords are younger than 90 days",
            "Change the password of these pages and that of each line every 90 days.",
            ("/passwords", "Make new passwords"),
        ),
        P::StalePhones => guide_to(
            "Every phone has its line’s new password",
            "Enter the new password in the phones named, or make another one.",
            ("/phones", "See your phones"),
        ),
        P::NewPhones => guide_to(
            "You know all of your phones",
            "Say of each new phone whether it is yours.",
            ("/phones", "See your phones"),
        ),
        P::IpLock => guide_to(
            "Your account is locked to your address",
            "If your phones always stay at one address, lock the account to it: a stolen password is of no use elsewhere. If they \
             move, say that you have thought about it.",
            ("/from-where", "Lock it"),
        ),
        P::Limits => guide_to(
            "Your limits are no higher than you need",
            "Set what you may lose in a day to a little more than you use.",
            ("/limits", "Lower a limit"),
        ),
        P::Contacts => guide_to(
            "We can reach you",
            "Give us an address that you read, and confirm it with the code that we send there.",
            ("/alerts", "See who is told"),
        ),
        P::Authenticator => guide_to(
            "A password alone does not open these pages",
            "Add an authenticator: an app on your phone that shows a new code every 30 seconds.",
            ("/log-in/authenticator", "Add an authenticator"),
        ),
        P::UnusedLines => guide(
            "Lines that you do not use are switched off",
            "Ask your provider to switch off lines that nobody uses: whoever finds such a password is noticed by nobody.",
        ),
    }
}

/// What stands behind a port, and what to do about it.
fn about_port(port: &OpenPort) -> (&'static str, &'static str) {
    match port.port {
        5060 | 5061 => (
            "a phone or switch that takes calls from anybody",
            "Thieves look for just this. Close it in the router: your phone reaches us from inside.",
        ),
        7547 => (
            "your router’s door for your internet provider (TR-069)",
            "Often attacked. Ask your internet provider to close it to all others.",
        ),
        21..=23 => (
            "a way to administer a device, or its files",
            "Nobody needs it from outside. Switch off remote access at the device or in the router.",
        ),
        5001 | 5038 | 8088 => (
            "the administration of a telephone switch",
            "Close it in the router at once: whoever opens it makes calls in your name.",
        ),
        _ => (
            "a web page of a device",
            "Such a page often gives away passwords. Close it in the router, or switch off “remote access”.",
        ),
    }
}

struct Card {
    point: Point,
    guide: Guide,
}

/// What was found at an address.
struct Outside {
    address: IpAddr,
    /// When, and how many ports were tried.
    at: Option<(String, u32)>,
    /// Port, what it says, what it is, what to do.
    open: Vec<(String, String, &'static str, &'static str)>,
    /// A phone is there now: it may be looked at.
    is_here: bool,
}

#[derive(Template)]
#[template(path = "check_up.html")]
struct CheckUpPage {
    frame: Frame,
    good: usize,
    all: usize,
    at_home: Vec<Card>,
    ours: Vec<Card>,
    outside: Vec<Outside>,
    switches: Vec<String>,
}

fn outside(look: &Look) -> Vec<Outside> {
    let zone = &look.overview.time_zone;
    let here = look.addresses();
    let known = look.check_up.ports.iter().map(|seen| Outside {
        address: seen.address,
        at: Some((moment(seen.at, zone), seen.tried)),
        open: seen
            .open
            .iter()
            .map(|port| {
                let (what, todo) = about_port(port);
                let kind = if port.is_udp { "UDP" } else { "TCP" };
                (format!("{kind} {}", port.port), port.says.clone(), what, todo)
            })
            .collect(),
        is_here: here.contains(&seen.address),
    });
    let mut all: Vec<Outside> = known.collect();
    for address in &here {
        if !all.iter().any(|one| one.address == *address) {
            all.push(Outside { address: *address, at: None, open: Vec::new(), is_here: true });
        }
    }
    all
}

/// GET /check-up
pub async fn show(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    let overview = app.overview(visitor.session.account).await?;
    let look = Look::take(&app, visitor.session.account, overview).await?;
    let points = look.points();
    let (good, all) = count(&points);
    let cards = points.into_iter().map(|point| Card { guide: guide_of(point.point), point });
    let (at_home, ours) = cards.partition(|card| card.point.point.is_at_home());
    let switches = look.phones.phones.iter().filter_map(|phone| phone.pbx.clone());
    let mut switches: Vec<String> = switches.collect();
    switches.sort();
    switches.dedup();
    Ok(page(&CheckUpPage {
        frame: Frame::of(&app, &visitor, "Check-up", "check-up"),
        good,
        all,
        at_home,
        ours,
        outside: outside(&look),
        switches,
    }))
}

/// What the holder says of a point.
#[derive(Deserialize)]
pub struct Said {
    #[serde(default)]
    is: String,
}

/// POST /check-up/{point}
pub async fn say_point(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(point): Path<String>,
    Form(form): Form<Said>,
) -> Result<Response, Problem> {
    let point: CheckPoint = point.parse().map_err(|_| Problem::not_found())?;
    let is_done = match form.is.as_str() {
        "done" => true,
        "to-do" => false,
        _ => return Err(Problem::not_found()),
    };
    let overview = app.overview(visitor.session.account).await?;
    let look = Look::take(&app, visitor.session.account, overview).await?;
    // What we see for ourselves is not for anybody to say.
    if look.points().iter().any(|one| one.point == point && !one.can_say) {
        say(&app, &visitor, "We see for ourselves how that stands: see what to do there.");
        return Ok(Redirect::to(&format!("/check-up#{point}")).into_response());
    }
    let (account, by) = (visitor.session.account, visitor.session.name.clone());
    app.ask(move |desk| desk.say_point(account, point, is_done, &by)).await?;
    let words =
        if is_done { "Good. It is noted with today’s date." } else { "It is noted as to do." };
    say(&app, &visitor, words);
    Ok(Redirect::to(&format!("/check-up#{point}")).into_response())
}

/// The address to look at.
#[derive(Deserialize)]
pub struct Wanted {
    #[serde(default)]
    address: String,
}

/// POST /check-up/outside: at an address at which a phone of the account is registered now, and at no other.
pub async fn look_outside(
    State(app): State<Shared>,
    visitor: Visitor,
    Form(form): Form<Wanted>,
) -> Result<Response, Problem> {
    let address: IpAddr = form.address.parse().map_err(|_| Problem::not_found())?;
    let (account, by) = (visitor.session.account, visitor.session.name.clone());
    let found = app.ask(move |desk| desk.check_ports(account, address, &by)).await?;
    let found = found.ok_or_else(Problem::not_found)?;
    let words = match found.open.len() {
        0 => format!("We looked: nothing answers at {address}. That is how it should be."),
        1 => format!(
            "We looked: one port answers at {address}. See below what it is, and what to do."
        ),
        count => {
            format!(
                "We looked: {count} ports answer at {address}. See below what they are, and what to do."
            )
        }
    };
    say(&app, &visitor, &words);
    Ok(Redirect::to("/check-up#outside").into_response())
}

/// Class of the ring around the count.
impl CheckUpPage {
    fn is_open(card: &Card) -> bool {
        card.point.state == Stands::ToDo
    }
}
