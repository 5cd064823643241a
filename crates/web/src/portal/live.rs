//! Live parts of pages, as server-sent events (HTML living standard §9.2). Lives here: the stream. Never here: what is
//! shown (`safe`).

use std::convert::Infallible;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;

use crate::app::Shared;
use crate::guard::Visitor;
use crate::page::Problem;
use crate::portal::safe::Live;

/// Between looks.
const EVERY: Duration = Duration::from_secs(1);
/// Something is sent at least every so many looks, so that proxies keep the connection.
const QUIET_LOOKS: u32 = 15;

struct Stream {
    app: Shared,
    visitor: Visitor,
    told: String,
    quiet: u32,
    is_over: bool,
    _place: OwnedSemaphorePermit,
}

/// GET /live
pub async fn stream(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    let place = app.streams.clone().try_acquire_owned().map_err(|_| Problem::busy())?;
    let (told, quiet, is_over) = (String::new(), 0, false);
    let start = Stream { app, visitor, told, quiet, is_over, _place: place };
    Ok(Sse::new(stream::unfold(start, next)).into_response())
}

async fn next(mut state: Stream) -> Option<(Result<Event, Infallible>, Stream)> {
    if state.is_over {
        return None;
    }
    loop {
        // A stream that is open keeps nobody signed in, and ends with its session.
        let (app, token) = (&state.app, &state.visitor.token);
        if app.sessions.find(token, app.now(), false).is_none() {
            state.is_over = true;
            return Some((Ok(Event::default().event("over").data("over")), state));
        }
        // When the node does not answer, the page stays as it is; the next look may.
        if let Ok(overview) = app.looked(state.visitor.session.account).await
            && let Ok(text) = Live::of(&overview).render()
            && text != state.told
        {
            state.told.clone_from(&text);
            state.quiet = 0;
            return Some((Ok(Event::default().event("state").data(text)), state));
        }
        tokio::time::sleep(EVERY).await;
        state.quiet += 1;
        if state.quiet >= QUIET_LOOKS {
            state.quiet = 0;
            return Some((Ok(Event::default().comment("still here")), state));
        }
    }
}
