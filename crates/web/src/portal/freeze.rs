//! "Stop outgoing calls now", and start again. Lives here: the question, the stop, the thaw. Never here: what a stop does
//! to calls (engine).

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use types::{AccountId, AccountStatus, Proof, Setting};

use crate::app::{App, Shared};
use crate::desk::DeskError;
use crate::guard::Visitor;
use crate::page::{Frame, Problem, page};
use crate::sessions::Pending;

#[derive(Template)]
#[template(path = "stop.html")]
struct StopPage {
    frame: Frame,
    is_frozen: bool,
    calls: usize,
}

/// GET /stop: asks, and changes nothing.
pub async fn show(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    let overview = app.overview(visitor.session.account).await?;
    let is_frozen = overview.status == AccountStatus::Frozen;
    let title = if is_frozen { "Start outgoing calls again" } else { "Stop outgoing calls" };
    let frame = Frame::of(&app, &visitor, title, "safe");
    Ok(page(&StopPage { frame, is_frozen, calls: overview.calls.len() }))
}

/// POST /stop: safer, so it is done at once.
pub async fn stop(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    let account = visitor.session.account;
    let frozen = vec![Setting::Status(AccountStatus::Frozen)];
    app.ask(move |desk| desk.change_controls(account, frozen, "", Proof::LoggedIn)).await?;
    say(
        &app,
        &visitor,
        "Outgoing calls are stopped. Calls that cost money were hung up. Emergency calls and calls to your provider still work.",
    );
    Ok(Redirect::to("/").into_response())
}

/// POST /start-again: riskier, so it needs fresh proof.
pub async fn thaw(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    if !visitor.session.is_fresh(app.now()) {
        app.sessions.amend(&visitor.token, |session| session.pending = Some(Pending::Thaw));
        return Ok(Redirect::to("/confirm").into_response());
    }
    let said = thaw_now(&app, visitor.session.account).await?;
    say(&app, &visitor, &said);
    Ok(Redirect::to("/").into_response())
}

/// Back to what stood before the stop: a holder cannot lift what others put on him.
pub async fn thaw_now(app: &App, account: AccountId) -> Result<String, DeskError> {
    let overview = app.overview(account).await?;
    if overview.status != AccountStatus::Frozen {
        return Ok(
            "Outgoing calls were not stopped by you: there is nothing to start again.".to_owned()
        );
    }
    let before = overview.raises.and_then(|raises| raises.frozen_from);
    let before = before.unwrap_or(AccountStatus::Active);
    let settings = vec![Setting::Status(before)];
    let outcome =
        app.ask(move |desk| desk.change_controls(account, settings, "", Proof::Fresh)).await?;
    let after = app.overview(account).await?;
    Ok(match after.status {
        AccountStatus::Frozen => format!("Your provider has to agree to this: {}", outcome.message),
        AccountStatus::Active => "Outgoing calls work again, within your limits.".to_owned(),
        status => format!(
            "Your stop is lifted. The account is still {status} by your provider.",
            status = status.code()
        ),
    })
}

/// Said at the top of the next page.
pub fn say(app: &App, visitor: &Visitor, words: &str) {
    app.sessions.amend(&visitor.token, |session| session.flash = Some(words.to_owned()));
}
