//! Coming in for the first time, or after a reset: the one-time link. Lives here: whether it opens, choosing a password.
//! Never here: who makes links (staff), what password will do (the desk).

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use types::{WebUser, WebUserId};
use zeroize::Zeroizing;

use crate::app::{App, Shared};
use crate::guard::Client;
use crate::page::{Errors, Frame, Problem, answer, page};
use crate::portal::sign_in::begin;
use crate::secrets::{hash, hash_password, is_same};
use crate::sessions::Stage;

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
pub async fn show(
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
pub async fn submit(
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
