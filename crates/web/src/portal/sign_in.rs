//! Coming in and going out. Lives here: password, code, one-time link, what is counted. Never here: sessions, how
//! passwords are checked (`secrets`).
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
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use types::{WebUser, WebUserId};
use zeroize::Zeroizing;

use crate::app::{App, Shared};
use crate::desk::{DeskError, LogIn};
use crate::guard::{Client, Visitor, known, own_path, signed_in, signed_out};
use crate::page::{Errors, Frame, Problem, answer, page};
use crate::secrets::{hash, hash_password, hash_recovery, is_password, is_same, token, totp_step};
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

async fn begin(
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

#[derive(Template)]
#[template(path = "welcome.html")]
struct WelcomePage<'p> {
    frame: Frame,
    link: &'p str,
    name: &'p str,
    errors: Errors,
}

/// User and token of a link's last part: `7-TOKEN`.
fn read_link(link: &str) -> Option<(WebUserId, &str)> {
    let (id, token) = link.split_once('-')?;
    Some((WebUserId(id.parse().ok()?), token))
}

/// Is this the link that was made for the user, and still good?
fn opens(user: &WebUser, token: &str, now: types::UnixMicros) -> bool {
    let hashed = hash(token);
    let good = |link: &types::OneTimeLink| is_same(&link.hash, &hashed) && now < link.until;
    !user.is_removed && user.link.as_ref().is_some_and(good)
}

async fn user_of_link(app: &App, link: &str) -> Result<WebUser, Problem> {
    let spent = || {
        Problem::new(StatusCode::NOT_FOUND, "This link does not work any more")
            .help("It works once, and for a day. Ask your provider for a new one, or sign in if you have a password.")
    };
    let (id, token) = read_link(link).ok_or_else(spent)?;
    let (token, now) = (token.to_owned(), app.now());
    let user = app.ask(move |desk| desk.user_of_id(id)).await?;
    user.filter(|user| opens(user, &token, now)).ok_or_else(spent)
}

/// GET /welcome/{link}
pub async fn show_welcome(
    State(app): State<Shared>,
    Path(link): Path<String>,
) -> Result<Response, Problem> {
    let user = user_of_link(&app, &link).await?;
    let (frame, name) = (Frame::open("Choose your password"), user.name.as_str());
    Ok(page(&WelcomePage { frame, link: &link, name, errors: Errors::default() }))
}

/// A new password, typed twice.
#[derive(Deserialize)]
pub struct NewPassword {
    password: Zeroizing<String>,
    again: Zeroizing<String>,
}

impl NewPassword {
    /// The password if it will do, or what is wrong.
    pub async fn judge(
        self,
        app: &App,
        name: &str,
    ) -> Result<Result<Zeroizing<String>, Errors>, Problem> {
        if self.password != self.again {
            return Ok(Err(Errors::one("again", "The two are not the same: type it again.")));
        }
        let (name, password) = (name.to_owned(), self.password);
        let judged = app.ask(move |desk| {
            let own: Vec<&str> = name.split(['@', '.']).chain([name.as_str()]).collect();
            Ok(desk.judge_password(&password, &own).map(|()| password))
        });
        Ok(judged.await?.map_err(|problem: String| Errors::one("password", problem)))
    }
}

/// POST /welcome/{link}
pub async fn submit_welcome(
    State(app): State<Shared>,
    Path(link): Path<String>,
    client: Client,
    Form(form): Form<NewPassword>,
) -> Result<Response, Problem> {
    let user = user_of_link(&app, &link).await?;
    let password = match form.judge(&app, &user.name).await? {
        Ok(password) => password,
        Err(errors) => {
            let frame = Frame::open("Choose your password");
            let page = WelcomePage { frame, link: &link, name: &user.name, errors };
            return Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
        }
    };
    let phc = {
        let _turn = app.log_ins.acquire().await.map_err(|_| Problem::busy())?;
        app.work(move || hash_password(&password)).await??
    };
    let (now, id) = (app.now(), user.id);
    let user = app
        .ask(move |desk| {
            desk.amend(id, &mut |user| {
                // Looked at again, alone: a link is used once.
                let token = read_link(&link).map(|(_, token)| token).unwrap_or_default();
                if !opens(user, token, now) {
                    return Err("this link was used already".to_owned());
                }
                user.password = Some(phc.clone());
                user.password_since = Some(now);
                user.last_seen = Some(now);
                user.link = None;
                Ok("password set with a one-time link".to_owned())
            })
        })
        .await?;
    app.sessions.end_all(id, None);
    app.keep_sessions(id).await?;
    // Who has an authenticator shows its code even now: whoever reads his mail does not get in by that alone.
    match user.totp {
        Some(_) => begin(&app, &user, Stage::HalfWay, &client, "/").await,
        None => begin(&app, &user, Stage::In, &client, "/log-in/authenticator").await,
    }
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
