//! "Your log-in". Lives here: password, sessions, signing out everywhere. Never here: the authenticator (`totp`), passwords
//! of phones.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use types::WebUser;
use zeroize::Zeroizing;

use crate::app::Shared;
use crate::guard::{Client, Visitor};
use crate::page::{Errors, Frame, Problem, answer, moment, page};
use crate::portal::freeze::say;
use crate::portal::sign_in::check_password;
use crate::portal::welcome::NewPassword;
use crate::secrets::hash_password;

#[derive(Template)]
#[template(path = "log_in.html")]
struct LogInPage {
    frame: Frame,
    name: String,
    password_since: String,
    has_totp: bool,
    recovery_left: usize,
    sessions: Vec<(String, String, String, bool)>,
    tokens: usize,
    errors: Errors,
}

async fn user_of(app: &Shared, visitor: &Visitor) -> Result<WebUser, Problem> {
    let name = visitor.session.name.clone();
    app.ask(move |desk| desk.user(&name)).await?.ok_or_else(Problem::signed_out)
}

async fn view(app: &Shared, visitor: &Visitor, errors: Errors) -> Result<LogInPage, Problem> {
    let user = user_of(app, visitor).await?;
    let zone = app.overview(visitor.session.account).await?.time_zone;
    let sessions = app.sessions.list(Some(user.id), app.now());
    let sessions = sessions.iter().map(|session| {
        let is_this = session.number == visitor.session.number;
        let agent = if session.agent.is_empty() { "unknown browser" } else { &session.agent };
        (agent.to_owned(), session.source.to_string(), moment(session.since, &zone), is_this)
    });
    Ok(LogInPage {
        frame: Frame::of(app, visitor, "Your log-in", "log-in"),
        password_since: user.password_since.map_or_else(String::new, |at| moment(at, &zone)),
        has_totp: user.totp.is_some(),
        recovery_left: user.recovery.len(),
        sessions: sessions.collect(),
        tokens: user.tokens.iter().filter(|token| app.now() < token.until).count(),
        name: user.name,
        errors,
    })
}

/// GET /log-in
pub async fn show(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    Ok(page(&view(&app, &visitor, Errors::default()).await?))
}

/// The old password, and a new one twice.
#[derive(Deserialize)]
pub struct Change {
    old: Zeroizing<String>,
    #[serde(flatten)]
    new: NewPassword,
}

/// POST /log-in/password: other sessions end.
pub async fn change_password(
    State(app): State<Shared>,
    visitor: Visitor,
    client: Client,
    Form(form): Form<Change>,
) -> Result<Response, Problem> {
    let wrong = |errors: Errors| async {
        let page = view(&app, &visitor, errors).await?;
        Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page))
    };
    let name = visitor.session.name.clone();
    let Some(user) = check_password(&app, &name, form.old, &client).await? else {
        let problem = "That is not your password, or too many wrong ones were tried lately.";
        return wrong(Errors::one("old", problem)).await;
    };
    let password = match form.new.judge(&app, &name).await? {
        Ok(password) => password,
        Err(errors) => return wrong(errors).await,
    };
    let phc = {
        let _turn = app.log_ins.acquire().await.map_err(|_| Problem::busy())?;
        app.work(move || hash_password(&password)).await??
    };
    let now = app.now();
    app.ask(move |desk| {
        desk.amend(user.id, &mut |user| {
            user.password = Some(phc.clone());
            user.password_since = Some(now);
            user.link = None;
            Ok("password changed".to_owned())
        })
    })
    .await?;
    let ended = app.sessions.end_all(visitor.session.user, Some(&visitor.token));
    app.keep_sessions(visitor.session.user).await?;
    say(&app, &visitor, &format!("Your password is changed. Other sessions signed out: {ended}."));
    Ok(Redirect::to("/log-in").into_response())
}

/// POST /log-in/sign-out-everywhere
pub async fn sign_out_everywhere(
    State(app): State<Shared>,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let ended = app.sessions.end_all(visitor.session.user, Some(&visitor.token));
    app.keep_sessions(visitor.session.user).await?;
    say(&app, &visitor, &format!("Signed out everywhere else. Sessions ended: {ended}."));
    Ok(Redirect::to("/log-in").into_response())
}
