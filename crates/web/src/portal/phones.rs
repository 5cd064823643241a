//! "My phones". Lives here: every phone that has shown a password, "This was me" and "Not mine", what to enter in a new
//! one. Never here: who may come in, what "not mine" does (engine).

use askama::Template;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use types::{DeviceId, DeviceState, StalePhone};

use crate::app::{App, Shared};
use crate::desk::{Phone, PhoneLine, PhoneServer, Phones};
use crate::guard::Visitor;
use crate::page::{Frame, Problem, moment, page};
use crate::portal::freeze::say;
use crate::portal::totp::picture;
use crate::sessions::Pending;

/// Lines whose settings are shown.
const LINES: usize = 20;

/// A phone as a card.
pub struct Card {
    /// Names it.
    pub id: DeviceId,
    /// What it is.
    pub name: String,
    /// It says of itself.
    pub agent: String,
    /// The family of switches, if it is one.
    pub pbx: Option<String>,
    /// Where it is, and where that is.
    pub address: String,
    /// Its lines.
    pub lines: String,
    /// First and last use.
    pub seen: (String, String),
    /// Is it registered now?
    pub is_registered: bool,
    /// Calls in progress.
    pub calls: u32,
    /// New, until then.
    pub new_until: Option<String>,
    /// Kept out.
    pub is_banned: bool,
}

impl Card {
    /// Of a phone.
    pub fn of(phone: &Phone, zone: &str) -> Card {
        let device = &phone.device;
        let place = device.place;
        let network = [
            place.country.map(|country| country.to_string()),
            place.asn.map(|number| format!("network AS{number}")),
        ];
        let network: Vec<String> = network.into_iter().flatten().collect();
        let mut address = device.peer.ip().to_canonical().to_string();
        if !network.is_empty() {
            address = format!("{address} ({})", network.join(", "));
        }
        let name = if phone.name.is_empty() { "A phone without a name" } else { &phone.name };
        Card {
            id: device.id,
            name: name.to_owned(),
            agent: device.agent.clone(),
            pbx: phone.pbx.clone(),
            address: format!("{address}, by {}", device.transport.to_uppercase()),
            lines: phone.lines.join(", "),
            seen: (moment(device.first_seen, zone), moment(device.last_seen, zone)),
            is_registered: phone.is_registered,
            calls: phone.calls,
            new_until: match device.state {
                DeviceState::Seasoning { until, .. } => Some(moment(until, zone)),
                DeviceState::Known | DeviceState::Banned => None,
            },
            is_banned: device.state == DeviceState::Banned,
        }
    }
}

/// What may change while one looks.
#[derive(Template)]
#[template(path = "phones_live.html")]
pub struct PhonesLive {
    phones: Vec<Card>,
    stale: Vec<(StalePhone, String)>,
    wanting: Vec<PhoneLine>,
}

impl PhonesLive {
    /// Of an account at this place: new ones first.
    pub fn of(found: &Phones, zone: &str) -> PhonesLive {
        let mut phones: Vec<Card> =
            found.phones.iter().map(|phone| Card::of(phone, zone)).collect();
        phones.sort_by_key(|card| (card.is_banned, card.new_until.is_none(), !card.is_registered));
        let stale = found.stale.iter().map(|phone| (phone.clone(), moment(phone.changed, zone)));
        let wanting = found.lines.iter().filter(|line| line.wants_new_secret).cloned().collect();
        PhonesLive { phones, stale: stale.collect(), wanting }
    }
}

/// What to enter in a phone of a line.
struct Setup {
    user: String,
    qr: String,
}

#[derive(Template)]
#[template(path = "phones.html")]
struct PhonesPage {
    frame: Frame,
    live: PhonesLive,
    is_empty: bool,
    setups: Vec<Setup>,
    more_lines: usize,
    server: PhoneServer,
}

/// The address of a line as a SIP URI (RFC 3261 §19.1), with the safest way to it.
fn uri(user: &str, server: &PhoneServer) -> String {
    match server.listeners.first() {
        Some((transport, _)) => {
            format!("sip:{user}@{};transport={}", server.domain, transport.to_lowercase())
        }
        None => format!("sip:{user}@{}", server.domain),
    }
}

/// Phones of who is signed in, and the time zone of his account.
async fn found(app: &App, visitor: &Visitor) -> Result<(Phones, String), Problem> {
    let account = visitor.session.account;
    let zone = app.looked(account).await?.time_zone.clone();
    Ok((app.ask(move |desk| desk.phones(account)).await?, zone))
}

/// What the live part shows now.
pub async fn live(app: &App, visitor: &Visitor) -> Result<PhonesLive, Problem> {
    let (phones, zone) = found(app, visitor).await?;
    Ok(PhonesLive::of(&phones, &zone))
}

/// GET /phones
pub async fn show(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    let (found, zone) = found(&app, &visitor).await?;
    let lines = found.lines.iter().filter(|line| line.is_active);
    let setups = lines.clone().take(LINES).map(|line| Setup {
        user: line.user.clone(),
        qr: picture(&uri(&line.user, &found.server)),
    });
    Ok(page(&PhonesPage {
        frame: Frame::of(&app, &visitor, "My phones", "phones"),
        live: PhonesLive::of(&found, &zone),
        is_empty: found.phones.is_empty(),
        more_lines: lines.clone().count().saturating_sub(LINES),
        setups: setups.collect(),
        server: found.server.clone(),
    }))
}

/// POST /phones/{device}/mine: it may spend as others may, so it needs fresh proof.
pub async fn mine(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(device): Path<u32>,
) -> Result<Response, Problem> {
    let device = DeviceId(device);
    one(&app, &visitor, device).await?;
    if !visitor.session.is_fresh(app.now()) {
        let pending = Some(Pending::Mine(device));
        app.sessions.amend(&visitor.token, |session| session.pending = pending);
        return Ok(Redirect::to("/confirm").into_response());
    }
    mine_now(&app, &visitor, device).await
}

/// The phone is the holder's.
pub async fn mine_now(app: &App, visitor: &Visitor, device: DeviceId) -> Result<Response, Problem> {
    judge(app, visitor, device, true).await?;
    say(app, visitor, "Thank you. This phone may do what your other phones may.");
    Ok(Redirect::to("/phones").into_response())
}

#[derive(Template)]
#[template(path = "phone_not_mine.html")]
struct NotMinePage {
    frame: Frame,
    phone: Card,
}

/// The phone of this number, if it is the holder's account's (W6).
async fn one(app: &App, visitor: &Visitor, device: DeviceId) -> Result<Card, Problem> {
    let (found, zone) = found(app, visitor).await?;
    let phone = found.phones.iter().find(|phone| phone.device.id == device);
    Ok(Card::of(phone.ok_or_else(Problem::not_found)?, &zone))
}

/// GET /phones/{device}/not-mine: asks, and changes nothing.
pub async fn ask_not_mine(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(device): Path<u32>,
) -> Result<Response, Problem> {
    let phone = one(&app, &visitor, DeviceId(device)).await?;
    let frame = Frame::of(&app, &visitor, "Not your phone?", "phones");
    Ok(page(&NotMinePage { frame, phone }))
}

/// POST /phones/{device}/not-mine: safer, so it is done at once.
pub async fn not_mine(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(device): Path<u32>,
) -> Result<Response, Problem> {
    let device = DeviceId(device);
    let phone = one(&app, &visitor, device).await?;
    judge(&app, &visitor, device, false).await?;
    let calls = match phone.calls {
        0 => "It had no call in progress.",
        _ => "Its calls are hung up.",
    };
    let words = format!(
        "{} is kept out from now on, whatever password it shows. {calls} Whoever used it knows a password of yours: \
         make a new one now.",
        phone.name
    );
    say(&app, &visitor, &words);
    Ok(Redirect::to("/passwords").into_response())
}

async fn judge(
    app: &App,
    visitor: &Visitor,
    device: DeviceId,
    is_mine: bool,
) -> Result<(), Problem> {
    let account = visitor.session.account;
    let done = app.ask(move |desk| desk.judge_phone(account, device, is_mine)).await?;
    done.map(drop).ok_or_else(Problem::not_found)
}
