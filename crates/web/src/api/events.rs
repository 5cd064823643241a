//! The account's money and live calls as they change, as server-sent events (HTML living standard §9.2). Lives here: the stream. Never
//! here: the page's own (`portal::live`), which sends HTML.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde_json::{Value, json};
use types::{AccountId, ProblemKind};

use super::account::Account;
use super::calls::InProgress;
use super::fault::Fault;
use super::op::Caller;
use crate::seats::Seat;

/// Between looks.
const EVERY: Duration = Duration::from_secs(1);
/// Something is sent at least every so many looks, so that proxies keep the connection.
const QUIET_LOOKS: u32 = 15;

struct Stream {
    caller: Caller,
    told: Value,
    quiet: u32,
    is_over: bool,
    _seat: Seat<AccountId>,
}

/// GET /api/v1/events: `state` with the account and its live calls, at first and at each change; `over` when the token is not good
/// any more.
pub async fn stream(caller: Caller) -> Result<Response, Fault> {
    let seat = caller.app.streams.take(caller.account);
    let seat = seat.ok_or_else(|| Fault::new(ProblemKind::Busy))?;
    let start = Stream { caller, told: Value::Null, quiet: 0, is_over: false, _seat: seat };
    Ok(Sse::new(stream::unfold(start, next)).into_response())
}

async fn next(mut state: Stream) -> Option<(Result<Event, Infallible>, Stream)> {
    if state.is_over {
        return None;
    }
    loop {
        if !is_good(&state.caller).await {
            state.is_over = true;
            return Some((Ok(Event::default().event("over").data("{}")), state));
        }
        // When the node does not answer, nothing is told; the next look may be answered.
        if let Some((shown, without_time)) = shown(&state.caller).await
            && without_time != state.told
        {
            (state.told, state.quiet) = (without_time, 0);
            return Some((Ok(Event::default().event("state").data(shown.to_string())), state));
        }
        tokio::time::sleep(EVERY).await;
        state.quiet += 1;
        if state.quiet >= QUIET_LOOKS {
            state.quiet = 0;
            return Some((Ok(Event::default().comment("still here")), state));
        }
    }
}

/// Is the token as it was when the stream began? What is revoked ends within a second. When nobody can tell, it goes on: it was let in.
async fn is_good(caller: &Caller) -> bool {
    let (user, token) = (caller.user, caller.token.clone());
    let found = caller.app.ask(move |desk| {
        let user = desk.user_of_id(user)?.filter(|user| !user.is_removed);
        let known = user.into_iter().flat_map(|user| user.tokens);
        let mut known = known.filter(|known| known.hash == token.hash);
        Ok(known.any(|known| desk.now() < known.until))
    });
    found.await.unwrap_or(true)
}

/// What is told, and the same without the time: that alone is no news.
async fn shown(caller: &Caller) -> Option<(Value, Value)> {
    let overview = caller.app.looked(caller.account).await.ok()?;
    let (account, calls) = (Account::from(&*overview), InProgress::from(&*overview));
    let shown = json!({ "account": account, "live": calls });
    let mut without_time = shown.clone();
    without_time["account"]["at"] = Value::Null;
    Some((shown, without_time))
}
