//! "Alerts": what was told, to whom, whether it arrived. Lives here: the list, the page that a mail links to, acknowledging,
//! which new phones are told. Never here: who is told (`contacts`), when (notify).

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use types::{AlertId, AlertState, DeviceNotices, DeviceState, Proof, Setting};

use crate::app::{App, Shared};
use crate::desk::{DeskError, ToldAlert};
use crate::guard::Visitor;
use crate::page::{Errors, Frame, Problem, answer, moment, page};
use crate::portal::contacts::{Added, Card};
use crate::portal::freeze::say;
use crate::portal::phones::Card as PhoneCard;
use crate::sessions::Pending;

/// Alerts on the page.
const ALERTS: u32 = 30;
/// What the holder is told of new phones, and in words.
const NOTICES: [(DeviceNotices, &str); 3] = [
    (DeviceNotices::Both, "Of a new kind of phone, and of a new address"),
    (DeviceNotices::AgentOnly, "Of a new kind of phone only"),
    (DeviceNotices::Off, "Of no new phone"),
];

/// An alert as a row.
pub struct Row {
    id: AlertId,
    at: String,
    title: String,
    words: String,
    to: String,
    state: String,
    is_open: bool,
}

/// How far an alert has come, in words; does it wait for somebody to say that he knows?
fn state_words(told: &ToldAlert, zone: &str) -> (String, bool) {
    let at = |time| moment(time, zone);
    match &told.alert.state {
        AlertState::Waiting { until } => {
            (format!("Told {} if nobody before has said that he knows", at(*until)), true)
        }
        AlertState::Gathering { until } => (format!("To be sent {}", at(*until)), true),
        AlertState::Due { .. } if told.alert.tries > 0 => {
            (format!("Not delivered yet, tried {} times", told.alert.tries), true)
        }
        AlertState::Due { .. } => ("On its way".to_owned(), true),
        AlertState::Digested { .. } => ("Sent together with others".to_owned(), true),
        AlertState::Delivered { at: time } => (format!("Sent {}", at(*time)), true),
        AlertState::Acknowledged { at: time, .. } => (format!("You knew {}", at(*time)), false),
        AlertState::GivenUp { at: time } => {
            (format!("Could not be delivered; given up {}", at(*time)), true)
        }
        AlertState::NotNeeded => ("Not needed: somebody else knew".to_owned(), false),
    }
}

fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    match chars.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), chars.as_str()),
        None => String::new(),
    }
}

impl Row {
    fn of(told: &ToldAlert, zone: &str) -> Row {
        let (state, is_open) = state_words(told, zone);
        Row {
            id: told.alert.id,
            at: moment(told.happened, zone),
            title: told.title.clone(),
            words: sentence(&told.sentence),
            to: told.to.clone(),
            state,
            is_open,
        }
    }
}

#[derive(Template)]
#[template(path = "alerts.html")]
struct AlertsPage {
    frame: Frame,
    contacts: Vec<Card>,
    added: Added,
    notices: Vec<(&'static str, &'static str, bool)>,
    alerts: Vec<Row>,
    errors: Errors,
}

/// The page, with what was typed into the form for a new contact.
pub async fn whole(
    app: &App,
    visitor: &Visitor,
    added: Added,
    errors: Errors,
) -> Result<Response, Problem> {
    let account = visitor.session.account;
    let overview = app.looked(account).await?;
    let zone = &overview.time_zone;
    let (contacts, alerts) =
        app.ask(move |desk| Ok((desk.contacts(account)?, desk.alerts(account, ALERTS)?))).await?;
    let chosen = overview.controls.device_notices;
    let status = match errors.0.is_empty() {
        true => StatusCode::OK,
        false => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let page = AlertsPage {
        frame: Frame::of(app, visitor, "Alerts", "alerts"),
        contacts: contacts.iter().map(|contact| Card::of(contact, zone)).collect(),
        added,
        notices: NOTICES.iter().map(|(one, words)| (one.code(), *words, *one == chosen)).collect(),
        alerts: alerts.iter().map(|told| Row::of(told, zone)).collect(),
        errors,
    };
    Ok(answer(status, &page))
}

/// GET /alerts
pub async fn show(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    whole(&app, &visitor, Added::default(), Errors::default()).await
}

/// Which new phones are told.
#[derive(Deserialize)]
pub struct Notices {
    #[serde(default)]
    notices: String,
}

/// POST /alerts/new-phones: less needs fresh proof.
pub async fn save_notices(
    State(app): State<Shared>,
    visitor: Visitor,
    Form(form): Form<Notices>,
) -> Result<Response, Problem> {
    let Some((notices, _)) = NOTICES.iter().find(|(one, _)| one.code() == form.notices) else {
        let errors = Errors::one("notices-both", "Choose what we tell you of new phones.");
        return whole(&app, &visitor, Added::default(), errors).await;
    };
    let is_fresh = visitor.session.is_fresh(app.now());
    save_notices_now(&app, &visitor, *notices, is_fresh).await
}

/// Changes it, or asks for fresh proof first.
pub async fn save_notices_now(
    app: &App,
    visitor: &Visitor,
    notices: DeviceNotices,
    is_fresh: bool,
) -> Result<Response, Problem> {
    let account = visitor.session.account;
    if app.overview(account).await?.controls.device_notices == notices {
        say(app, visitor, "Nothing was changed: it stands so already.");
        return Ok(Redirect::to("/alerts").into_response());
    }
    let settings = vec![Setting::DeviceNotices(notices)];
    let proof = if is_fresh { Proof::Fresh } else { Proof::LoggedIn };
    match app.ask(move |desk| desk.change_controls(account, settings, "", proof)).await {
        Ok(_) => {
            let stands = app.overview(account).await?.controls.device_notices;
            let words =
                NOTICES.iter().find(|(one, _)| *one == stands).map_or("", |(_, words)| words);
            say(app, visitor, &format!("We tell you: {}.", words.to_lowercase()));
            Ok(Redirect::to("/alerts").into_response())
        }
        Err(DeskError::NeedsProof) => {
            let pending = Some(Pending::Notices(notices));
            app.sessions.amend(&visitor.token, |session| session.pending = pending);
            Ok(Redirect::to("/confirm").into_response())
        }
        Err(other) => Err(other.into()),
    }
}

#[derive(Template)]
#[template(path = "alert.html")]
struct AlertPage {
    frame: Frame,
    row: Row,
    advice: String,
    phone: Option<PhoneCard>,
    is_new: bool,
    can_stop: bool,
}

async fn one(app: &App, visitor: &Visitor, id: &str) -> Result<ToldAlert, Problem> {
    let id: AlertId = id.parse().map_err(|_| Problem::not_found())?;
    let account = visitor.session.account;
    let found = app.ask(move |desk| desk.alert(account, id)).await?;
    // Another's alert is not there (W6).
    found.ok_or_else(Problem::not_found)
}

/// GET /alerts/{id}: where the link of a mail leads. It asks, and changes nothing.
pub async fn show_one(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let told = one(&app, &visitor, &id).await?;
    let account = visitor.session.account;
    let overview = app.looked(account).await?;
    let zone = &overview.time_zone;
    let phone = match told.device {
        Some(device) => {
            let found = app.ask(move |desk| desk.phones(account)).await?;
            found.phones.into_iter().find(|phone| phone.device.id == device)
        }
        None => None,
    };
    use types::AccountStatus as S;
    Ok(page(&AlertPage {
        frame: Frame::of(&app, &visitor, "What happened", "alerts"),
        row: Row::of(&told, zone),
        advice: told.advice.clone(),
        is_new: phone
            .as_ref()
            .is_some_and(|phone| matches!(phone.device.state, DeviceState::Seasoning { .. })),
        phone: phone.map(|phone| PhoneCard::of(&phone, zone)),
        can_stop: matches!(overview.status, S::Active | S::Watched | S::Limited),
    }))
}

/// POST /alerts/{id}/acknowledge
pub async fn acknowledge(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let told = one(&app, &visitor, &id).await?;
    let account = visitor.session.account;
    app.ask(move |desk| desk.acknowledge(account, told.alert.id)).await?;
    say(&app, &visitor, "Thank you. Nobody else is told of it.");
    Ok(Redirect::to("/alerts").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_begin_large_and_end() {
        assert_eq!(sentence("line 7 registered"), "Line 7 registered.");
        assert_eq!(sentence(""), "");
    }
}
