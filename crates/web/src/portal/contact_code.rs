//! The code that confirms a contact, where the message with it leads. Lives here: asking for it, counting wrong ones. Never
//! here: whether it is the code (notify).

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use types::ContactId;

use crate::app::{App, Shared};
use crate::desk::LogIn;
use crate::guard::{Client, Visitor};
use crate::page::{Errors, Frame, Problem, answer, page};
use crate::sessions::Stage;

#[derive(Template)]
#[template(path = "contact_confirm.html")]
struct ConfirmPage {
    frame: Frame,
    id: u32,
    code: String,
    is_done: bool,
    errors: Errors,
}

fn frame_for(app: &App, visitor: Option<&Visitor>, title: &'static str) -> Frame {
    match visitor.filter(|visitor| visitor.session.stage == Stage::In) {
        Some(visitor) => Frame::of(app, visitor, title, "alerts"),
        None => Frame::open(title),
    }
}

/// GET /contacts/{id}/confirm: where the mail with the code leads. It asks, and changes nothing; signed in or not: who
/// reads the mail need not be a web user, and the page says nothing about the contact.
pub async fn show(
    State(app): State<Shared>,
    visitor: Option<Visitor>,
    Path(id): Path<u32>,
) -> Response {
    let frame = frame_for(&app, visitor.as_ref(), "Confirm that you are told");
    let errors = Errors::default();
    page(&ConfirmPage { frame, id, code: String::new(), is_done: false, errors })
}

/// The code of a message.
#[derive(Deserialize)]
pub struct Code {
    #[serde(default)]
    code: String,
}

/// Is it the code that was sent to a contact? Then it is confirmed. One at a time: a failure is counted before the next code is
/// looked at.
pub async fn is_code(
    app: &App,
    id: ContactId,
    code: &str,
    client: &Client,
) -> Result<bool, Problem> {
    let _place = app.waiting.try_acquire().map_err(|_| Problem::busy())?;
    let _turn = app.log_ins.acquire().await.map_err(|_| Problem::busy())?;
    let Client { source, agent, .. } = client.clone();
    let (typed, name) = (code.to_owned(), format!("contact-{id}"));
    let tried = LogIn { name, source, agent, known: None };
    let is_right = app.ask(move |desk| {
        if !desk.may_log_in(&tried)? {
            return Ok(false);
        }
        let is_right = desk.confirm_contact(id, &typed)?;
        if !is_right {
            desk.note_wrong_log_in(&tried)?;
        }
        Ok(is_right)
    });
    Ok(is_right.await?)
}

/// POST /contacts/{id}/confirm: wrong codes are counted like wrong passwords.
pub async fn confirm(
    State(app): State<Shared>,
    visitor: Option<Visitor>,
    client: Client,
    Path(id): Path<u32>,
    Form(form): Form<Code>,
) -> Result<Response, Problem> {
    if is_code(&app, ContactId(id), &form.code, &client).await? {
        let frame = frame_for(&app, visitor.as_ref(), "Confirmed");
        let errors = Errors::default();
        return Ok(page(&ConfirmPage { frame, id, code: String::new(), is_done: true, errors }));
    }
    let problem = "That is not the code of the newest message, or it is older than seven days, or too many wrong ones \
                   were tried lately.";
    let frame = frame_for(&app, visitor.as_ref(), "Confirm that you are told");
    let errors = Errors::one("code", problem);
    let page = ConfirmPage { frame, id, code: form.code, is_done: false, errors };
    Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page))
}
