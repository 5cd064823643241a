//! The authenticator (RFC 6238). Lives here: adding one with a QR code, recovery codes, taking it away. Never here: looking
//! at codes when somebody signs in (`sign_in`).

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use qrcode::QrCode;
use qrcode::render::svg;
use serde::Deserialize;
use types::TotpSecret;

use crate::app::Shared;
use crate::guard::Visitor;
use crate::page::{Errors, Frame, Problem, answer, page};
use crate::portal::freeze::say;
use crate::secrets::{
    hash_recovery, read_totp_text, recovery_codes, totp_secret, totp_step, totp_text,
};
use crate::sessions::Pending;

#[derive(Template)]
#[template(path = "totp.html")]
struct TotpPage {
    frame: Frame,
    has_totp: bool,
    secret: String,
    shown: String,
    qr: String,
    errors: Errors,
}

#[derive(Template)]
#[template(path = "recovery.html")]
struct RecoveryPage {
    frame: Frame,
    codes: Vec<String>,
}

/// What an authenticator reads from the QR code.
fn address(name: &str, secret: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@.-_".contains(c);
    let name: String = name.chars().filter(|c| plain(*c)).collect();
    let name = name.replace('@', "%40");
    format!("otpauth://totp/Ringfence:{name}?secret={secret}&issuer=Ringfence")
}

/// A QR code as SVG.
pub fn picture(text: &str) -> String {
    let Ok(code) = QrCode::new(text) else { return String::new() };
    let drawn = code.render::<svg::Color<'_>>().min_dimensions(220, 220).build();
    // Without the XML declaration: it stands in a page.
    drawn.find("<svg").map(|from| drawn[from..].to_owned()).unwrap_or_default()
}

async fn view(
    app: &Shared,
    visitor: &Visitor,
    secret: String,
    errors: Errors,
) -> Result<TotpPage, Problem> {
    let name = visitor.session.name.clone();
    let user = app.ask(move |desk| desk.user(&name)).await?.ok_or_else(Problem::signed_out)?;
    let groups: Vec<&str> =
        secret.as_bytes().chunks(4).filter_map(|group| std::str::from_utf8(group).ok()).collect();
    Ok(TotpPage {
        frame: Frame::of(app, visitor, "Your authenticator", "log-in"),
        has_totp: user.totp.is_some(),
        qr: picture(&address(&user.name, &secret)),
        shown: groups.join(" "),
        secret,
        errors,
    })
}

/// Who finds a browser open must not put his own authenticator between its owner and the page.
fn ask_first(app: &Shared, visitor: &Visitor) -> Option<Response> {
    if visitor.session.is_fresh(app.now()) {
        return None;
    }
    app.sessions.amend(&visitor.token, |session| session.pending = Some(Pending::Totp));
    Some(Redirect::to("/confirm").into_response())
}

/// GET /log-in/authenticator: a secret is drawn, and kept nowhere until its code was shown.
pub async fn show(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    if let Some(question) = ask_first(&app, &visitor) {
        return Ok(question);
    }
    let secret = totp_text(&totp_secret()?);
    Ok(page(&view(&app, &visitor, secret, Errors::default()).await?))
}

/// The secret that was shown, and the code that the authenticator made of it.
#[derive(Deserialize)]
pub struct Enrol {
    secret: String,
    code: String,
}

/// POST /log-in/authenticator
pub async fn enrol(
    State(app): State<Shared>,
    visitor: Visitor,
    Form(form): Form<Enrol>,
) -> Result<Response, Problem> {
    if let Some(question) = ask_first(&app, &visitor) {
        return Ok(question);
    }
    let secret = read_totp_text(&form.secret).ok_or_else(Problem::not_found)?;
    let Some(step) = totp_step(&secret, &form.code, app.now(), 0) else {
        let problem =
            "That code does not fit. Is the clock of your phone right? Type the one it shows now.";
        let errors = Errors::one("code", problem);
        let page = view(&app, &visitor, form.secret, errors).await?;
        return Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
    };
    let codes = recovery_codes()?;
    let hashes: Vec<String> = codes.iter().map(|code| hash_recovery(code)).collect();
    let user = visitor.session.user;
    app.ask(move |desk| {
        desk.amend(user, &mut |user| {
            // Another authenticator in place of the one there is would be a way around it.
            if user.totp.is_some() {
                return Err("there is an authenticator already: remove it first".to_owned());
            }
            user.totp = Some(TotpSecret(secret.clone()));
            user.totp_step = step;
            user.recovery.clone_from(&hashes);
            Ok("authenticator added".to_owned())
        })
    })
    .await?;
    let frame = Frame::of(&app, &visitor, "Recovery codes", "log-in");
    Ok(page(&RecoveryPage { frame, codes }))
}

/// POST /log-in/authenticator/remove: needs fresh proof.
pub async fn remove(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    if visitor.session.is_fresh(app.now()) {
        return remove_now(&app, &visitor).await;
    }
    app.sessions.amend(&visitor.token, |session| session.pending = Some(Pending::NoTotp));
    Ok(Redirect::to("/confirm").into_response())
}

/// Takes the authenticator away; other sessions end.
pub async fn remove_now(app: &Shared, visitor: &Visitor) -> Result<Response, Problem> {
    let user = visitor.session.user;
    app.ask(move |desk| {
        desk.amend(user, &mut |user| {
            user.totp = None;
            user.recovery.clear();
            Ok("authenticator removed".to_owned())
        })
    })
    .await?;
    app.sessions.end_all(user, Some(&visitor.token));
    app.keep_sessions(user).await?;
    say(app, visitor, "Your authenticator is removed. Your password alone opens this page now.");
    Ok(Redirect::to("/log-in").into_response())
}
