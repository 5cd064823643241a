//! "From where". Lives here: the networks that the account is locked to, a lock on trial and its confirmation, the phones
//! that a lock would shut out. Never here: which change is risky, when a trial is over (engine).

use std::net::IpAddr;

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use ipnet::IpNet;
use types::{Proof, Setting, UnixMicros};

use crate::app::Shared;
use crate::desk::{DeskError, RegisteredPhone};
use crate::guard::{Client, Visitor};
use crate::page::{Errors, Frame, Problem, answer, moment, page};
use crate::portal::freeze::say;
use crate::portal::hours;
use crate::portal::limits::Fields;
use crate::sessions::Pending;

/// Networks in a lock; an engine's list may be longer.
const MOST_NETWORKS: usize = 100;

#[derive(Template)]
#[template(path = "lock.html")]
struct LockPage {
    frame: Frame,
    source: String,
    lock: Vec<String>,
    lines: Vec<(String, String)>,
    /// Until when a lock is on trial, what stood before, whether this browser is behind it.
    trial: Option<(String, String, bool)>,
    phones: Vec<(String, bool)>,
    networks: String,
    shut_out: Vec<String>,
    hours: Option<String>,
    errors: Errors,
}

/// Is an address in a lock? An empty one lets in everybody.
fn lets_in(lock: &[IpNet], address: IpAddr) -> bool {
    lock.is_empty() || lock.iter().any(|net| net.contains(&address.to_canonical()))
}

fn phone_words(phone: &RegisteredPhone) -> String {
    let agent = match phone.agent.as_str() {
        "" => "A phone that does not say what it is",
        agent => agent,
    };
    format!("{agent} on {}, at {}", phone.line, phone.address.to_canonical())
}

fn typed<'f>(fields: &'f [(String, String)], name: &str) -> &'f str {
    let found = fields.iter().find(|(known, _)| known == name);
    found.map_or("", |(_, value)| value.as_str())
}

/// Reads networks as people list them: one a line, or with commas; an address is a network of one.
fn read(text: &str) -> Result<Vec<IpNet>, String> {
    let words = text.split([',', ' ', '\n', '\r', '\t']).filter(|word| !word.is_empty());
    let mut nets = Vec::new();
    for word in words {
        let net = match word.parse::<IpAddr>() {
            Ok(address) => Some(IpNet::from(address.to_canonical())),
            Err(_) => word.parse::<IpNet>().ok().map(|net| net.trunc()),
        };
        nets.push(net.ok_or_else(|| {
            format!(
                "“{word}” is not an address or a network: write it like 192.0.2.7 or 192.0.2.0/24"
            )
        })?);
    }
    let mut nets = IpNet::aggregate(&nets);
    nets.sort_unstable();
    match nets.len() {
        0 => Err("Write at least one address".to_owned()),
        1..=MOST_NETWORKS => Ok(nets),
        _ => Err(format!("At most {MOST_NETWORKS} networks")),
    }
}

async fn view(
    app: &Shared,
    visitor: &Visitor,
    client: &Client,
    (networks, shut_out): (Option<&str>, Vec<String>),
    errors: Errors,
) -> Result<LockPage, Problem> {
    let account = visitor.session.account;
    let overview = app.overview(account).await?;
    let found = app.ask(move |desk| desk.phones_and_locks(account)).await?;
    let lock = &overview.controls.ip_lock;
    let shown: Vec<String> = lock.iter().map(short).collect();
    let trial = overview.raises.as_ref().and_then(|raises| raises.trial.as_ref());
    let mine = client.source;
    Ok(LockPage {
        frame: Frame::of(app, visitor, "From where", "from"),
        source: mine.to_string(),
        trial: trial.map(|trial| {
            let before: Vec<String> = trial.before.iter().map(short).collect();
            let before = match before.is_empty() {
                true => "no lock".to_owned(),
                false => before.join(", "),
            };
            (time_of(trial.until, &overview.time_zone), before, lets_in(lock, mine))
        }),
        phones: found
            .phones
            .iter()
            .map(|phone| (phone_words(phone), lets_in(lock, phone.address)))
            .collect(),
        lines: found
            .locks
            .iter()
            .map(|(line, nets)| {
                (line.clone(), nets.iter().map(short).collect::<Vec<_>>().join(", "))
            })
            .collect(),
        networks: match networks {
            Some(typed) => typed.to_owned(),
            None if lock.is_empty() => suggestion(&found.phones, mine),
            None => shown.join("\n"),
        },
        lock: shown,
        shut_out,
        hours: hours::in_words(overview.controls.barred_hours),
        errors,
    })
}

/// What stands in the field at first: where the phones are, else where the browser is.
fn suggestion(phones: &[RegisteredPhone], mine: IpAddr) -> String {
    let mut all: Vec<String> =
        phones.iter().map(|phone| phone.address.to_canonical().to_string()).collect();
    all.sort_unstable();
    all.dedup();
    if all.is_empty() { mine.to_string() } else { all.join("\n") }
}

/// A network of one address as this address.
fn short(net: &IpNet) -> String {
    match net.prefix_len() == net.max_prefix_len() {
        true => net.addr().to_string(),
        false => net.to_string(),
    }
}

fn time_of(at: UnixMicros, time_zone: &str) -> String {
    let text = moment(at, time_zone);
    text.rsplit_once(' ').map_or(text.clone(), |(_, time)| time.to_owned())
}

/// GET /from-where
pub async fn show(
    State(app): State<Shared>,
    visitor: Visitor,
    client: Client,
) -> Result<Response, Problem> {
    let nothing = (None, Vec::new());
    Ok(page(&view(&app, &visitor, &client, nothing, Errors::default()).await?))
}

/// POST /from-where: the lock is put on trial. Who would be shut out is named first, once.
pub async fn put(
    State(app): State<Shared>,
    visitor: Visitor,
    client: Client,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let is_fresh = visitor.session.is_fresh(app.now());
    put_now(&app, &visitor, &client, fields, is_fresh).await
}

/// Judged anew when proof was shown: phones may have come meanwhile.
pub async fn put_now(
    app: &Shared,
    visitor: &Visitor,
    client: &Client,
    fields: Fields,
    is_fresh: bool,
) -> Result<Response, Problem> {
    let account = visitor.session.account;
    let networks = typed(&fields, "networks").to_owned();
    let again = |shut_out: Vec<String>, errors: Errors| {
        let networks = networks.clone();
        async move {
            let page = view(app, visitor, client, (Some(&networks), shut_out), errors).await?;
            Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
    };
    let lock = match read(&networks) {
        Ok(lock) => lock,
        Err(problem) => return again(Vec::new(), Errors::one("networks", problem)).await,
    };
    let found = app.ask(move |desk| desk.phones_and_locks(account)).await?;
    let outside = found.phones.iter().filter(|phone| !lets_in(&lock, phone.address));
    let outside: Vec<String> = outside.map(phone_words).collect();
    if !outside.is_empty() && typed(&fields, "shut_out") != "yes" {
        let problem = "Phones that are registered now would be shut out";
        return again(outside, Errors::one("shut_out", problem)).await;
    }
    let proof = if is_fresh { Proof::Fresh } else { Proof::LoggedIn };
    match app.ask(move |desk| desk.try_lock(account, lock, proof)).await {
        Ok(_) => {
            let said = "The lock holds now, on trial for ten minutes. Make a call from each phone. If all is well, \
                        confirm it below; if not, just wait, and it goes away by itself.";
            say(app, visitor, said);
            Ok(Redirect::to("/from-where").into_response())
        }
        Err(DeskError::NeedsProof) => {
            let pending = Some(Pending::Lock(fields));
            app.sessions.amend(&visitor.token, |session| session.pending = pending);
            Ok(Redirect::to("/confirm").into_response())
        }
        Err(DeskError::Refused(problem)) => {
            again(Vec::new(), Errors::one("networks", problem)).await
        }
        Err(down) => Err(down.into()),
    }
}

/// POST /from-where/confirm: only from behind the lock, else nobody knows that it works.
pub async fn confirm(
    State(app): State<Shared>,
    visitor: Visitor,
    client: Client,
) -> Result<Response, Problem> {
    let account = visitor.session.account;
    let overview = app.overview(account).await?;
    if !lets_in(&overview.controls.ip_lock, client.source) {
        let problem = format!(
            "You are at {}, which is outside of this lock. Open this page from one of its addresses to confirm it",
            client.source
        );
        let errors = Errors::one("confirm", problem);
        let page = view(&app, &visitor, &client, (None, Vec::new()), errors).await?;
        return Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    app.ask(move |desk| desk.end_trial(account, true)).await?;
    say(&app, &visitor, "The lock is confirmed: it stays until you remove it.");
    Ok(Redirect::to("/from-where").into_response())
}

/// POST /from-where/give-up: what stood before stands again, as it would by itself.
pub async fn give_up(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    let account = visitor.session.account;
    app.ask(move |desk| desk.end_trial(account, false)).await?;
    say(&app, &visitor, "The trial is over. What stood before stands again.");
    Ok(Redirect::to("/from-where").into_response())
}

/// POST /from-where/remove: riskier, so it needs fresh proof.
pub async fn remove(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    let is_fresh = visitor.session.is_fresh(app.now());
    remove_now(&app, &visitor, is_fresh).await
}

/// Whoever knows the password can call from everywhere again.
pub async fn remove_now(
    app: &Shared,
    visitor: &Visitor,
    is_fresh: bool,
) -> Result<Response, Problem> {
    let account = visitor.session.account;
    let proof = if is_fresh { Proof::Fresh } else { Proof::LoggedIn };
    let open = vec![Setting::IpLock(Vec::new())];
    match app.ask(move |desk| desk.change_controls(account, open, "", proof)).await {
        Ok(_) => {
            let locked = !app.overview(account).await?.controls.ip_lock.is_empty();
            let said = match locked {
                true => "Your provider was asked: the lock stays until he agrees.",
                false => "The lock is removed. Your phones can be anywhere, and so can a thief’s.",
            };
            say(app, visitor, said);
            Ok(Redirect::to("/from-where").into_response())
        }
        Err(DeskError::NeedsProof) => {
            app.sessions.amend(&visitor.token, |session| session.pending = Some(Pending::Unlock));
            Ok(Redirect::to("/confirm").into_response())
        }
        Err(other) => Err(other.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_read_or_refused_with_the_reason() {
        fn check(text: &str, want: Result<&[&str], &str>) {
            let got = read(text).map(|nets| nets.iter().map(short).collect::<Vec<_>>());
            match (got, want) {
                (Ok(got), Ok(want)) => assert_eq!(got, want, "{text}"),
                (Err(got), Err(want)) => assert!(got.contains(want), "{text}: {got}"),
                (got, want) => panic!("{text}: {got:?}, wanted {want:?}"),
            }
        }
        check("192.0.2.7\r\n198.51.100.0/24", Ok(&["192.0.2.7", "198.51.100.0/24"]));
        check("192.0.2.9/24, 2001:db8::1", Ok(&["192.0.2.0/24", "2001:db8::1"]));
        check("::ffff:192.0.2.7", Ok(&["192.0.2.7"]));
        check("192.0.2.0/25 192.0.2.128/25 192.0.2.7", Ok(&["192.0.2.0/24"]));
        check(" \n", Err("at least one"));
        check("home", Err("“home” is not an address"));
        check("192.0.2.0/33", Err("is not an address"));
        let many: Vec<String> = (0..101).map(|n| format!("10.0.{n}.1")).collect();
        check(&many.join(" "), Err("At most 100"));
    }

    #[test]
    fn a_lock_lets_in_who_is_in_it() {
        let lock = read("192.0.2.0/24 2001:db8::/32").expect("networks");
        let lets = |text: &str| lets_in(&lock, text.parse().expect("an address"));
        assert!(lets("192.0.2.7") && lets("::ffff:192.0.2.7") && lets("2001:db8::9"));
        assert!(!lets("198.51.100.7") && !lets("2001:db9::"));
        assert!(lets_in(&[], "198.51.100.7".parse().expect("an address")));
    }
}
