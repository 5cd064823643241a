//! Changes that are asked for again (draft-ietf-httpapi-idempotency-key-header). Lives here: the same key and request get the same
//! answer and nothing is done, another request with it is refused, one that is being carried out is waited for by nobody. Never
//! here: what a change does.
//!
//! ```text
//! new ──► on disk, without an answer ──► carried out ──► on disk, with its answer ──► the same again, for a day
//!                                   └─ the program ended ─► nobody knows
//! ```

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};
use types::{Answered, KeptAnswer, ProblemKind, UnixMicros};

use super::bearer::TokenId;
use super::fault::{Fault, FieldFault};
use super::op::{Caller, whole};
use crate::app::Shared;

/// Characters of a key.
pub const LONGEST_KEY: usize = 200;
/// An answer is kept for so long.
pub const KEPT_MS: u64 = 24 * 3_600_000;
/// Answers that are kept for one account.
pub const MOST_KEPT: u64 = 1_000;
/// Bytes of an answer.
const LONGEST_ANSWER: usize = 4 << 20;
/// An answer that was given before says so.
const REPLAYED: &str = "idempotency-replayed";

/// Keys of requests that are being carried out.
#[derive(Default)]
pub struct UnderWay(Mutex<BTreeSet<(TokenId, String)>>);

/// One of them, as long as it is.
struct Place {
    app: Shared,
    key: (TokenId, String),
}

impl Place {
    fn take(app: &Shared, key: (TokenId, String)) -> Option<Place> {
        let mut all = app.under_way.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(key.clone()).then(|| Place { app: app.clone(), key })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.app.under_way.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.remove(&self.key);
    }
}

/// The key of a request, if it has one: with quotation marks, as a string of RFC 8941, or without.
fn key_of(headers: &HeaderMap) -> Result<Option<String>, Fault> {
    let name = HeaderName::from_static("idempotency-key");
    let mut all = headers.get_all(&name).iter();
    let Some(value) = all.next() else { return Ok(None) };
    let wrong =
        |detail: String| Fault::invalid(vec![FieldFault::parameter("Idempotency-Key", detail)]);
    if all.next().is_some() {
        return Err(wrong("is there twice".to_owned()));
    }
    let text = value.to_str().unwrap_or_default().trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte);
    match text.len() {
        1..=LONGEST_KEY if text.bytes().all(is_plain) => Ok(Some(text.to_owned())),
        _ => {
            Err(wrong(format!("must have 1 to {LONGEST_KEY} letters, digits, `.`, `_`, `:`, `-`")))
        }
    }
}

/// Carries a change out, once for each key.
pub async fn once(caller: Caller, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    match carry_out(caller, request, next).await {
        Ok(response) => response,
        Err(fault) => fault.of(&path).into_response(),
    }
}

async fn carry_out(caller: Caller, request: Request, next: Next) -> Result<Response, Fault> {
    let Some(key) = key_of(request.headers())? else { return Ok(next.run(request).await) };
    let id = (caller.user, caller.token.number);
    let place = Place::take(&caller.app, (id, key.clone()));
    let place = place.ok_or_else(|| Fault::new(ProblemKind::InProgress))?;
    let (parts, body) = request.into_parts();
    let bytes = whole(body).await?;
    let mut hashed = Sha256::new();
    for part in [parts.method.as_str(), &parts.uri.to_string()] {
        hashed.update((part.len() as u64).to_be_bytes());
        hashed.update(part);
    }
    hashed.update(&bytes);
    let fingerprint = data_encoding::HEXLOWER.encode(&hashed.finalize());
    let (account, at) = (caller.account, caller.app.now());
    let new = KeptAnswer { account, user: id.0, token: id.1, key, fingerprint, at, answer: None };
    if let Some(replayed) = begin(&caller, new.clone()).await? {
        return Ok(replayed);
    }
    let request = Request::from_parts(parts, Body::from(bytes));
    // It goes on if whoever asked has gone: what was begun has an end that can be asked for.
    let done = tokio::spawn(async move {
        let response = next.run(request).await;
        let response = keep(&place.app, new, response).await;
        drop(place);
        response
    });
    done.await.map_err(|_| Fault::new(ProblemKind::Busy))
}

/// What was answered to this key before, if it was asked for; else it is on disk that it is being carried out.
async fn begin(caller: &Caller, new: KeptAnswer) -> Result<Option<Response>, Fault> {
    let since = UnixMicros(new.at.0.saturating_sub_unsigned(KEPT_MS * 1_000));
    let (known, count) = caller
        .ask(move |desk| {
            let known = desk.kept_answer(new.user, new.token, &new.key)?;
            let known = known.filter(|known| known.at >= since);
            let count = desk.kept_answers(new.account, since)?;
            if known.is_none() && count < MOST_KEPT {
                desk.keep_answer(new.clone(), since)?;
            }
            Ok((known.map(|known| (known.fingerprint == new.fingerprint, known)), count))
        })
        .await?;
    match known {
        None if count >= MOST_KEPT => Err(Fault::new(ProblemKind::TooManyKeys).wait(3_600)),
        None => Ok(None),
        Some((false, _)) => Err(Fault::new(ProblemKind::KeyReused)),
        Some((true, KeptAnswer { answer: None, .. })) => {
            Err(Fault::new(ProblemKind::OutcomeUnknown))
        }
        Some((true, KeptAnswer { answer: Some(answer), .. })) => Ok(Some(again(answer))),
    }
}

fn again(Answered { status, kind, body }: Answered) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let mut response = (status, [(CONTENT_TYPE, kind)], body).into_response();
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// Keeps what was answered; of what could not be carried out nothing is kept, so that it can be tried again.
async fn keep(app: &Shared, new: KeptAnswer, response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, LONGEST_ANSWER).await else {
        return Fault::new(ProblemKind::Busy).into_response();
    };
    let is_kept = parts.status.as_u16() < 500;
    let kind = parts.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let answer = Answered {
        status: parts.status.as_u16(),
        kind: kind.unwrap_or("application/json").to_owned(),
        body: String::from_utf8_lossy(&bytes).into_owned(),
    };
    let kept = match is_kept {
        true => KeptAnswer { answer: Some(answer), ..new },
        // Of a time that is over: as if it had never been.
        false => KeptAnswer { at: UnixMicros(0), ..new },
    };
    let noted = app.ask(move |desk| desk.keep_answer(kept, UnixMicros(0))).await;
    if let Err(error) = noted {
        tracing::warn!(%error, "the answer to a program is not kept: the same key gets none");
    }
    Response::from_parts(parts, Body::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_or_refused() {
        fn check(values: &[&str], want: Result<Option<&str>, ()>) {
            let mut headers = HeaderMap::new();
            for value in values {
                let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
                headers.append("idempotency-key", value);
            }
            let found = key_of(&headers).map_err(drop);
            assert_eq!(found, want.map(|key| key.map(str::to_owned)), "{values:?}");
        }
        let longest = "a".repeat(LONGEST_KEY);
        check(&[], Ok(None));
        check(&["8e03978e-40d5:43.x_y"], Ok(Some("8e03978e-40d5:43.x_y")));
        check(&["\"8e03978e\""], Ok(Some("8e03978e")));
        check(&[&longest], Ok(Some(&longest)));
        check(&[&format!("{longest}a")], Err(()));
        check(&[""], Err(()));
        check(&["a b"], Err(()));
        check(&["a\"b"], Err(()));
        check(&["ä"], Err(()));
        check(&["a", "b"], Err(()));
    }
}
