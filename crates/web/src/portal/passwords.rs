//! "Passwords". Lives here: the passwords of lines with their age, a new one shown once, who signed in and who tried.
//! Never here: how a password is made (engine), that of these pages (`log_in`).

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use types::{LineId, LineKind};

use crate::app::{App, Shared};
use crate::desk::{NewSecret, PhoneLine, SecretShape};
use crate::guard::Visitor;
use crate::page::{Errors, Frame, Problem, answer, moment, page};
use crate::portal::totp::picture;
use crate::sessions::Pending;

/// Lines of the access log.
const LOG: u32 = 30;
/// Days after which a password is called old: the first reminder.
const OLD_DAYS: u32 = 80;
/// How long the password before may go on: what the form calls it, in words, in milliseconds.
const OVERLAPS: [(&str, &str, u64); 3] = [
    ("none", "not at all", 0),
    ("1d", "one more day", 86_400_000),
    ("7d", "seven more days", 7 * 86_400_000),
];

/// A line as a row.
struct Row {
    line: PhoneLine,
    kind: &'static str,
    age: String,
    is_old: bool,
    old_until: Option<String>,
}

impl Row {
    fn of(line: &PhoneLine, zone: &str) -> Row {
        let age = match line.days {
            None => "Nobody knows when its password was set".to_owned(),
            Some(0) => "Password set today".to_owned(),
            Some(1) => "Password set yesterday".to_owned(),
            Some(days) => format!("Password set {days} days ago"),
        };
        Row {
            kind: match line.kind {
                LineKind::Phone => "phone",
                LineKind::Pbx => "switch",
                LineKind::Sip2sim => "mobile network",
            },
            age,
            is_old: line.days.is_some_and(|days| days >= OLD_DAYS),
            old_until: line.old_until.map(|until| moment(until, zone)),
            line: line.clone(),
        }
    }
}

#[derive(Template)]
#[template(path = "passwords.html")]
struct PasswordsPage {
    frame: Frame,
    lines: Vec<Row>,
    log: Vec<(String, String)>,
}

/// GET /passwords
pub async fn show(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    let account = visitor.session.account;
    let zone = app.looked(account).await?.time_zone.clone();
    let (found, log) =
        app.ask(move |desk| Ok((desk.phones(account)?, desk.access_log(account, LOG)?))).await?;
    let log = log.into_iter().map(|event| (moment(event.at, &zone), event.words));
    Ok(page(&PasswordsPage {
        frame: Frame::of(&app, &visitor, "Passwords", "passwords"),
        lines: found.lines.iter().map(|line| Row::of(line, &zone)).collect(),
        log: log.collect(),
    }))
}

#[derive(Template)]
#[template(path = "password_new.html")]
struct NewPage {
    frame: Frame,
    line: PhoneLine,
    say: bool,
    overlap: String,
    overlaps: Vec<(&'static str, &'static str)>,
    errors: Errors,
}

/// The line of this number, if it is one of the account (W6).
async fn line_of(app: &App, visitor: &Visitor, line: LineId) -> Result<PhoneLine, Problem> {
    let account = visitor.session.account;
    let found = app.ask(move |desk| desk.phones(account)).await?;
    found.lines.into_iter().find(|one| one.id == line).ok_or_else(Problem::not_found)
}

/// How long the one before may go on. Where strangers may know it, or no phone is known: not at all.
fn overlaps(line: &PhoneLine) -> Vec<(&'static str, &'static str)> {
    let may = !line.wants_new_secret && line.known_phones > 0;
    let all = OVERLAPS.iter().map(|(name, words, _)| (*name, *words));
    all.take(if may { OVERLAPS.len() } else { 1 }).collect()
}

/// GET /passwords/{line}: asks, and changes nothing.
pub async fn ask(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(line): Path<u32>,
) -> Result<Response, Problem> {
    let line = line_of(&app, &visitor, LineId(line)).await?;
    let overlaps = overlaps(&line);
    let overlap = overlaps.last().map_or("none", |(name, _)| name).to_owned();
    let frame = Frame::of(&app, &visitor, "A new password", "passwords");
    Ok(page(&NewPage { frame, line, say: false, overlap, overlaps, errors: Errors::default() }))
}

/// What the new password is for, and how long the one before goes on.
#[derive(Deserialize)]
pub struct Wanted {
    #[serde(default)]
    shape: String,
    #[serde(default)]
    overlap: String,
}

/// POST /passwords/{line}: needs fresh proof.
pub async fn make(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(line): Path<u32>,
    Form(form): Form<Wanted>,
) -> Result<Response, Problem> {
    let line = line_of(&app, &visitor, LineId(line)).await?;
    let overlaps = overlaps(&line);
    let shape = if form.shape == "say" { SecretShape::Say } else { SecretShape::Type };
    let known = overlaps.iter().find(|(name, _)| *name == form.overlap);
    let known = known.and_then(|(name, _)| OVERLAPS.iter().find(|(one, ..)| one == name));
    let Some((_, _, ms)) = known else {
        let errors = Errors::one("overlap", "Choose how long the old password goes on working.");
        let frame = Frame::of(&app, &visitor, "A new password", "passwords");
        let (say, overlap) = (shape == SecretShape::Say, form.overlap);
        let page = NewPage { frame, line, say, overlap, overlaps, errors };
        return Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
    };
    let wanted = (line.id, shape, (*ms > 0).then_some(*ms));
    if !visitor.session.is_fresh(app.now()) {
        let pending = Some(Pending::Secret(wanted.0, wanted.1, wanted.2));
        app.sessions.amend(&visitor.token, |session| session.pending = pending);
        return Ok(Redirect::to("/confirm").into_response());
    }
    make_now(&app, &visitor, wanted).await
}

#[derive(Template)]
#[template(path = "password_shown.html")]
struct ShownPage {
    frame: Frame,
    secret: NewSecret,
    qr: String,
    old_until: Option<String>,
}

/// Makes it, and shows it: here and nowhere else.
pub async fn make_now(
    app: &App,
    visitor: &Visitor,
    (line, shape, overlap_ms): (LineId, SecretShape, Option<u64>),
) -> Result<Response, Problem> {
    let account = visitor.session.account;
    let zone = app.looked(account).await?.time_zone.clone();
    let made = app.ask(move |desk| desk.new_secret(account, line, shape, overlap_ms)).await?;
    let secret = made.ok_or_else(Problem::not_found)?;
    Ok(page(&ShownPage {
        frame: Frame::of(app, visitor, "Your new password", "passwords"),
        qr: picture(&secret.text),
        old_until: secret.old_until.map(|until| moment(until, &zone)),
        secret,
    }))
}
