//! Coming in and going out. Lives here: password, code, what is counted. Never here: the one-time link (`welcome`),
//! sessions, how passwords are checked (`secrets`).
//!
//! ```text
//! link ──► choose a password ─────────────┐
//! password ──► (authenticator? ──► code) ─┴─► in
//! ```
//!
//! Who is unknown gets the answer that a wrong password gets, after the same work (A7). Failures are counted by the
//! brain that counts those of phones; during a lock-out no password is looked at, and the answer is the same again.

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use types::{WebUser, WebUserId};
use zeroize::Zeroizing;

use crate::app::{App, Shared};
use crate::desk::{DeskError, LogIn};
use crate::guard::{Client, Visitor, known, own_path, signed_in, signed_out};
use crate::page::{Errors, Frame, Problem, answer, page};
use crate::secrets::{hash, hash_recovery, is_password, is_same, token, totp_step};
use crate::sessions::{Session, Stage};

const WRONG: &str = "That name and password do not go together. After several wrong tries no more are looked at for \
                     15 minutes or longer, from where you are.";
/// Longer texts are no passwords.
const LONGEST: usize = 200;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'p> {
    frame: Frame,
    name: &'p str,
    then: &'p str,
    errors: Errors,
}

/// Where to go once one is in.
#[derive(Deserialize)]
pub struct Then {
    #[serde(default)]
    then: String,
}

/// The page that was wanted, if it is one of ours; else the first.
fn wanted(then: &str) -> &str {
    own_path(then).unwrap_or("/")
}

/// GET /sign-in
pub async fn show(visitor: Option<Visitor>, Query(query): Query<Then>) -> Response {
    let then = wanted(&query.then);
    if visitor.is_some_and(|visitor| visitor.session.stage == Stage::In) {
        return Redirect::to(then).into_response();
    }
    let (frame, errors) = (Frame::open("Sign in"), Errors::default());
    page(&SignInPage { frame, name: "", then, errors })
}

/// What is typed to sign in.
#[derive(Deserialize)]
pub struct SignIn {
    name: String,
    password: Zeroizing<String>,
    #[serde(default)]
    then: String,
}

/// POST /sign-in
pub async fn submit(
    State(app): State<Shared>,
    visitor: Option<Visitor>,
    client: Client,
    Form(form): Form<SignIn>,
) -> Result<Response, Problem> {
    let name = form.name.trim().to_lowercase();
    if name.len() > LONGEST || form.password.len() > LONGEST {
        return Ok(refused(&form.name, wanted(&form.then)));
    }
    let Some(user) = check_password(&app, &name, form.password, &client).await? else {
        return Ok(refused(&form.name, wanted(&form.then)));
    };
    if let Some(visitor) = visitor {
        end(&app, &visitor).await;
    }
    let stage = if user.totp.is_some() { Stage::HalfWay } else { Stage::In };
    if stage == Stage::In {
        note_seen(&app, user.id, &client).await?;
    }
    begin(&app, &user, stage, &client, wanted(&form.then)).await
}

fn refused(name: &str, then: &str) -> Response {
    let errors = Errors::one("password", WRONG);
    let page = SignInPage { frame: Frame::open("Sign in"), name, then, errors };
    answer(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

/// What a try is counted by: a browser that he has signed in with has a lane of its own, so that nobody locks him out by
/// getting passwords wrong under his name.
fn tried(name: &str, user: Option<&WebUser>, client: &Client) -> LogIn {
    let browser = client.browser.as_deref().map(hash);
    let known = browser.filter(|hash| {
        let mut known = user.iter().flat_map(|user| &user.browsers);
        known.any(|known| is_same(&known.hash, hash))
    });
    LogIn {
        name: name.to_owned(),
        source: client.source,
        agent: client.agent.clone(),
        known: known.and_then(|hash| u64::from_str_radix(hash.get(..16)?, 16).ok()),
    }
}

/// The user of this name, if this is his password and nobody is locked out. One at a time: a failure is counted before
/// the next password is looked at.
pub async fn check_password(
    app: &App,
    name: &str,
    password: Zeroizing<String>,
    client: &Client,
) -> Result<Option<WebUser>, Problem> {
    let _place = app.waiting.try_acquire().map_err(|_| Problem::busy())?;
    let _turn = app.log_ins.acquire().await.map_err(|_| Problem::busy())?;
    let (name, client) = (name.to_owned(), client.clone());
    let found = app
        .ask(move |desk| {
            let user = desk.user(&name)?;
            let tried = tried(&name, user.as_ref(), &client);
            let is_open = desk.may_log_in(&tried)?;
            // As much work in every case: nobody is to learn from the time whether there is such a name, nor whether
            // it is locked out.
            let phc = user.as_ref().and_then(|user| user.password.as_deref());
            let is_right = is_password(&password, phc) && is_open;
            if !is_right && is_open {
                desk.note_wrong_log_in(&tried)?;
            }
            Ok(user.filter(|_| is_right))
        })
        .await?;
    Ok(found)
}

/// Is it a code of his authenticator, or one for the day it is lost? It is taken once.
pub async fn check_code(
    app: &App,
    user: WebUserId,
    name: &str,
    code: String,
    client: &Client,
) -> Result<bool, Problem> {
    let _place = app.waiting.try_acquire().map_err(|_| Problem::busy())?;
    let _turn = app.log_ins.acquire().await.map_err(|_| Problem::busy())?;
    let (name, client) = (name.to_owned(), client.clone());
    let is_right = app
        .ask(move |desk| {
            let tried = tried(&name, desk.user(&name)?.as_ref(), &client);
            if !desk.may_log_in(&tried)? {
                return Ok(false);
            }
            let now = desk.now();
            let taken = desk.amend(user, &mut |user| take_code(user, &code, now));
            match taken {
                Ok(_) => Ok(true),
                Err(DeskError::Refused(_)) => {
                    desk.note_wrong_log_in(&tried)?;
                    Ok(false)
                }
                Err(down) => Err(down),
            }
        })
        .await?;
    Ok(is_right)
}

fn take_code(user: &mut WebUser, code: &str, now: types::UnixMicros) -> Result<String, String> {
    let secret = user.totp.as_ref().ok_or("there is no authenticator")?;
    if let Some(step) = totp_step(&secret.0, code, now, user.totp_step) {
        user.totp_step = step;
        return Ok("code taken".to_owned());
    }
    let hashed = hash_recovery(code);
    let place = user.recovery.iter().position(|known| is_same(known, &hashed));
    let place = place.ok_or("it is not a code")?;
    user.recovery.remove(place);
    Ok(format!("a recovery code was used, {} are left", user.recovery.len()))
}

async fn note_seen(app: &App, user: WebUserId, client: &Client) -> Result<(), Problem> {
    let source = client.source;
    app.ask(move |desk| {
        let now = desk.now();
        desk.amend(user, &mut |user| {
            user.last_seen = Some(now);
            Ok(format!("signed in from {source}"))
        })
    })
    .await?;
    Ok(())
}

/// Begins a session, whole or half way; `then`: where it goes on.
pub async fn begin(
    app: &App,
    user: &WebUser,
    stage: Stage,
    client: &Client,
    then: &str,
) -> Result<Response, Problem> {
    let mut session = Session::of(user, stage, (client.source, &client.agent), app.now());
    let place = match stage {
        Stage::In => then,
        Stage::HalfWay => "/sign-in/code",
    };
    session.then = (stage == Stage::HalfWay).then(|| then.to_owned());
    let begun = app.sessions.begin(session)?;
    let response = signed_in(Redirect::to(place), &begun);
    if stage == Stage::HalfWay {
        return Ok(response);
    }
    // The browser is known from now on, and by the same token as before, if it was.
    let old = client.browser.as_ref().filter(|browser| {
        let hash = hash(browser);
        user.browsers.iter().any(|known| is_same(&known.hash, &hash))
    });
    let browser = match old {
        Some(browser) => browser.clone(),
        None => token()?,
    };
    app.keep(user.id, Some(hash(&browser))).await?;
    Ok(known(response, &browser))
}

#[derive(Template)]
#[template(path = "code.html")]
struct CodePage {
    frame: Frame,
    errors: Errors,
}

/// GET /sign-in/code
pub async fn show_code() -> Response {
    page(&CodePage { frame: Frame::open("Your code"), errors: Errors::default() })
}

/// A code of an authenticator.
#[derive(Deserialize)]
pub struct Code {
    code: String,
}

/// POST /sign-in/code
pub async fn submit_code(
    State(app): State<Shared>,
    visitor: Visitor,
    client: Client,
    Form(form): Form<Code>,
) -> Result<Response, Problem> {
    let Session { user, name, then, .. } = visitor.session.clone();
    let is_right =
        form.code.len() <= LONGEST && check_code(&app, user, &name, form.code, &client).await?;
    if !is_right {
        let problem = "That code is not right, was used before, or too many wrong ones were tried. \
                       Wait for the next code and try again.";
        let errors = Errors::one("code", problem);
        let page = CodePage { frame: Frame::open("Your code"), errors };
        return Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    end(&app, &visitor).await;
    note_seen(&app, user, &client).await?;
    let found = app.ask(move |desk| desk.user(&name)).await?;
    let user = found.ok_or_else(Problem::signed_out)?;
    begin(&app, &user, Stage::In, &client, then.as_deref().unwrap_or("/")).await
}

/// Ends a session; one that was kept is not any more. Should that not be written, it ends by itself in time.
async fn end(app: &App, visitor: &Visitor) {
    app.sessions.end(&visitor.token);
    if visitor.session.stage == Stage::In
        && let Err(error) = app.keep_sessions(visitor.session.user).await
    {
        tracing::warn!(%error, "a session that ended may be back after a restart");
    }
}

/// POST /sign-out
pub async fn sign_out(State(app): State<Shared>, visitor: Option<Visitor>) -> Response {
    if let Some(visitor) = visitor {
        end(&app, &visitor).await;
    }
    signed_out(Redirect::to("/sign-in"))
}
