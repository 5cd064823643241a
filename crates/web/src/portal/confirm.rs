//! "Show again that it is you". Lives here: the question before a risky change, and going on with it afterwards with what
//! was typed. Never here: which change is risky (engine).

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use types::UnixMicros;
use zeroize::Zeroizing;

use crate::app::Shared;
use crate::guard::{Client, Visitor};
use crate::page::{Errors, Frame, Problem, answer, page};
use crate::portal::{
    alerts, call, contacts, freeze, hours, limits, lock, passwords, phones, sign_in, totp, turn_on,
};
use crate::sessions::Pending;

#[derive(Template)]
#[template(path = "confirm.html")]
struct ConfirmPage {
    frame: Frame,
    what: &'static str,
    has_totp: bool,
    errors: Errors,
}

fn in_words(pending: Option<&Pending>) -> &'static str {
    match pending {
        Some(Pending::Limits(_)) => {
            "This allows more than before, so we ask again who you are. What you typed is kept."
        }
        Some(Pending::Allow { .. }) => {
            "This lets calls out that were stopped, so we ask again who you are."
        }
        Some(Pending::TurnOn(_)) => {
            "Turning calls on again needs your password, so that nobody else can do it."
        }
        Some(Pending::Lock(_)) => {
            "This lets calls come from where they could not before, so we ask again who you are."
        }
        Some(Pending::Hours(_)) => {
            "This lets calls out at hours when they were stopped, so we ask again who you are."
        }
        Some(Pending::Unlock) => {
            "Without the lock your account can be used from everywhere, so we ask again who you are."
        }
        Some(Pending::Thaw) => {
            "Letting calls out again needs your password, so that nobody else can do it."
        }
        Some(Pending::NoTotp) => "Without your authenticator your password alone opens this page.",
        Some(Pending::Totp) => "An authenticator is added only by you.",
        Some(Pending::Mine(_)) => {
            "A phone that is yours may spend more than a new one, so we ask again who you are."
        }
        Some(Pending::Secret(..)) => "A new password is shown only to you.",
        Some(Pending::Contact(_) | Pending::Notices(_)) => {
            "With this we tell you less than before, or somebody else, so we ask again who you are."
        }
        None => "Show again that it is you.",
    }
}

async fn view(app: &Shared, visitor: &Visitor, errors: Errors) -> Result<ConfirmPage, Problem> {
    let name = visitor.session.name.clone();
    let user = app.ask(move |desk| desk.user(&name)).await?.ok_or_else(Problem::signed_out)?;
    let what = in_words(visitor.session.pending.as_ref());
    let frame = Frame::of(app, visitor, "Is it you?", "");
    Ok(ConfirmPage { frame, what, has_totp: user.totp.is_some(), errors })
}

/// GET /confirm
pub async fn show(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    Ok(page(&view(&app, &visitor, Errors::default()).await?))
}

/// Password, and code where there is an authenticator.
#[derive(Deserialize)]
pub struct Shown {
    password: Zeroizing<String>,
    #[serde(default)]
    code: String,
}

/// POST /confirm
pub async fn submit(
    State(app): State<Shared>,
    visitor: Visitor,
    client: Client,
    Form(form): Form<Shown>,
) -> Result<Response, Problem> {
    let name = &visitor.session.name;
    let user = sign_in::check_password(&app, name, form.password, &client).await?;
    let wrong = match user {
        None => Some("password"),
        Some(user) if user.totp.is_some() => {
            let is_right = sign_in::check_code(&app, user.id, name, form.code, &client).await?;
            (!is_right).then_some("code")
        }
        Some(_) => None,
    };
    if let Some(field) = wrong {
        let problem = "That is not right, or too many wrong ones were tried lately.";
        let page = view(&app, &visitor, Errors::one(field, problem)).await?;
        return Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    app.sessions.freshen(&visitor.token, app.now());
    app.sessions.amend(&visitor.token, |session| session.pending = None);
    go_on(&app, visitor, &client).await
}

async fn go_on(app: &Shared, mut visitor: Visitor, client: &Client) -> Result<Response, Problem> {
    let account = visitor.session.account;
    match visitor.session.pending.take() {
        None => Ok(Redirect::to("/").into_response()),
        Some(Pending::Thaw) => {
            let said = freeze::thaw_now(app, account).await?;
            freeze::say(app, &visitor, &said);
            Ok(Redirect::to("/").into_response())
        }
        Some(Pending::Totp) => Ok(Redirect::to("/log-in/authenticator").into_response()),
        Some(Pending::NoTotp) => totp::remove_now(app, &visitor).await,
        Some(Pending::Allow { decision, lasts }) => {
            call::allow_now(app, &visitor, (decision, lasts), true).await
        }
        Some(Pending::TurnOn(fields)) => turn_on::on_now(app, &visitor, fields, true).await,
        Some(Pending::Lock(fields)) => lock::put_now(app, &visitor, client, fields, true).await,
        Some(Pending::Unlock) => lock::remove_now(app, &visitor, true).await,
        Some(Pending::Hours(fields)) => hours::save_now(app, &visitor, fields, true).await,
        Some(Pending::Limits(fields)) => limits::save_now(app, &visitor, fields, true).await,
        Some(Pending::Mine(device)) => phones::mine_now(app, &visitor, device).await,
        Some(Pending::Secret(line, shape, overlap_ms)) => {
            passwords::make_now(app, &visitor, (line, shape, overlap_ms)).await
        }
        Some(Pending::Contact(ask)) => {
            // What it was shown for just now is fresh in this copy of the session, too.
            visitor.session.fresh_until = UnixMicros(i64::MAX);
            contacts::change_now(app, &visitor, ask).await
        }
        Some(Pending::Notices(notices)) => {
            alerts::save_notices_now(app, &visitor, notices, true).await
        }
    }
}
