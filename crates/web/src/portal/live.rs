//! Live parts of pages, as server-sent events (HTML living standard §9.2). Lives here: the stream. Never here: what is
//! shown (`safe`, `phones`).

use std::convert::Infallible;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use types::AccountId;

use crate::app::Shared;
use crate::guard::Visitor;
use crate::page::Problem;
use crate::portal::phones;
use crate::portal::safe::Live;
use crate::seats::Seat;

/// Between looks.
const EVERY: Duration = Duration::from_secs(1);
/// Something is sent at least every so many looks, so that proxies keep the connection.
const QUIET_LOOKS: u32 = 15;

/// What is shown.
#[derive(Clone, Copy)]
enum Part {
    State,
    Phones,
}

struct Stream {
    app: Shared,
    part: Part,
    visitor: Visitor,
    told: String,
    quiet: u32,
    is_over: bool,
    _seat: Seat<AccountId>,
}

/// GET /live
pub async fn stream(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    begin(app, visitor, Part::State)
}

/// GET /phones/live
pub async fn phones(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    begin(app, visitor, Part::Phones)
}

fn begin(app: Shared, visitor: Visitor, part: Part) -> Result<Response, Problem> {
    let seat = app.streams.take(visitor.session.account).ok_or_else(Problem::busy)?;
    let (told, quiet, is_over) = (String::new(), 0, false);
    let start = Stream { app, part, visitor, told, quiet, is_over, _seat: seat };
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
        if let Some(text) = shown(&state).await
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

async fn shown(Stream { app, part, visitor, .. }: &Stream) -> Option<String> {
    match part {
        Part::State => {
            let overview = app.looked(visitor.session.account).await.ok()?;
            Live::of(&overview).render().ok()
        }
        Part::Phones => phones::live(app, visitor).await.ok()?.render().ok(),
    }
}
