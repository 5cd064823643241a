//! Tokens: who may ask, and how often. Lives here: reading a token, whose it is, its scopes, its pace, when it was used last. Never
//! here: making one (`portal::tokens`), sessions of browsers.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use axum::extract::{FromRequestParts, Request};
use axum::http::Method;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use types::{ApiToken, ProblemKind, TokenScope, UnixMicros, WebUser, WebUserId};

use super::fault::Fault;
use super::keys;
use super::op::Caller;
use crate::app::Shared;
use crate::desk::{Desk, DeskError, LogIn};
use crate::guard::{Client, Who};
use crate::secrets::{NoDice, hash, is_same, token};

/// How a token begins: so that a search for secrets finds it where it should not be.
const PREFIX: &str = "rft_";
/// Longer texts are no tokens.
const LONGEST: usize = 100;
/// A token may make as many requests at once as in so many seconds.
pub const BURST_S: u64 = 12;
/// When a token was used is written once in so long.
const KEEP_MS: u64 = 10 * 60_000;
/// Tokens of which it is known how they were used lately.
const MOST_KNOWN: usize = 100_000;

/// Which token: its user, and its number among his.
pub type TokenId = (WebUserId, u32);

/// A new token of this number, and what is kept of it.
pub fn make(user: WebUserId, number: u32) -> Result<(String, String), NoDice> {
    let text = format!("{PREFIX}{user}_{number}_{}", token()?);
    let kept = hash(&text);
    Ok((text, kept))
}

/// Which token a text claims to be; it may be none.
fn claimed(text: &str) -> TokenId {
    let mut parts = text.strip_prefix(PREFIX).unwrap_or_default().splitn(3, '_');
    let mut number = || parts.next().and_then(|part| part.parse().ok()).unwrap_or(0);
    (WebUserId(number()), number())
}

/// How tokens were used lately, in memory.
#[derive(Default)]
pub struct Paces(Mutex<BTreeMap<TokenId, Pace>>);

#[derive(Clone, Copy)]
struct Pace {
    /// The time at which all requests would be free again.
    full: UnixMicros,
    /// The last request, and when it was written that there was one.
    used: UnixMicros,
    source: IpAddr,
    kept: Option<UnixMicros>,
}

impl Paces {
    /// One more request: an error is how many seconds to wait. `true`: it is to be written that the token was used.
    fn step(
        &self,
        (id, source): (TokenId, IpAddr),
        rate: u32,
        now: UnixMicros,
    ) -> Result<bool, u64> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KNOWN {
            known.retain(|_, pace| pace.full > now);
        }
        let new = Pace { full: now, used: now, source, kept: None };
        let pace = known.entry(id).or_insert(new);
        let one_us = 1_000_000 / i64::from(rate.max(1));
        let full = UnixMicros(pace.full.max(now).0.saturating_add(one_us));
        let ahead = full.ms_since(now);
        if ahead > BURST_S * 1_000 {
            return Err((ahead - BURST_S * 1_000).div_ceil(1_000).max(1));
        }
        (pace.full, pace.used) = (full, now);
        let is_due =
            pace.kept.is_none_or(|kept| now >= kept.plus_ms(KEEP_MS)) || pace.source != source;
        pace.source = source;
        if is_due {
            pace.kept = Some(now);
        }
        Ok(is_due)
    }

    /// When a token was used last, if it was since the program began.
    pub fn used(&self, id: TokenId) -> Option<(UnixMicros, IpAddr)> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&id).map(|pace| (pace.used, pace.source))
    }
}

/// What a try is counted by: a source from which this token was used before has a lane of its own, so that nobody locks a
/// program out by guessing under its name.
fn tried(id: TokenId, known: Option<&ApiToken>, client: &Client) -> LogIn {
    let (user, number) = id;
    let was_here =
        known.and_then(|known| known.used).is_some_and(|(_, source)| source == client.source);
    let lane = hash(&format!("token {user} {number} {}", client.source));
    LogIn {
        name: format!("token-{user}"),
        source: client.source,
        agent: client.agent.clone(),
        known: was_here.then(|| u64::from_str_radix(lane.get(..16)?, 16).ok()).flatten(),
    }
}

/// Whose token a text is, if it is good now and nobody is locked out. What is unknown costs what is known costs (A7).
pub fn judge(
    desk: &dyn Desk,
    text: &str,
    client: &Client,
    used: impl FnOnce(TokenId) -> Option<(UnixMicros, IpAddr)>,
) -> Result<Option<(WebUser, ApiToken)>, DeskError> {
    const NOBODY: &str = "0000000000000000000000000000000000000000000000000000000000000000";
    let (id, hashed) = (claimed(text), hash(text));
    let user = desk.user_of_id(id.0)?.filter(|user| !user.is_removed);
    let known = user
        .as_ref()
        .and_then(|user| user.tokens.iter().find(|token| token.number == id.1).cloned());
    let known = known.map(|token| ApiToken { used: used(id).or(token.used), ..token });
    let tried = tried(id, known.as_ref(), client);
    let is_open = desk.may_log_in(&tried)?;
    let is_same = is_same(known.as_ref().map_or(NOBODY, |known| &known.hash), &hashed);
    let is_in_time = known.as_ref().is_some_and(|known| desk.now() < known.until);
    if !is_same && is_open {
        desk.note_wrong_log_in(&tried)?;
    }
    let is_good = is_same && is_open && is_in_time;
    Ok(user.zip(known).filter(|_| is_good))
}

/// Lets a program in, or not. Part of the one layer that lets requests in (`guard`).
pub async fn admit(app: Shared, who: Who, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    match let_in(&app, who, request).await {
        Ok((caller, request)) if matches!(*request.method(), Method::GET | Method::HEAD) => {
            drop(caller);
            next.run(request).await
        }
        Ok((caller, request)) => keys::once(caller, request, next).await,
        Err(fault) => fault.of(&path).into_response(),
    }
}

async fn let_in(app: &Shared, who: Who, request: Request) -> Result<(Caller, Request), Fault> {
    let (mut parts, body) = request.into_parts();
    let client = Client::from_request_parts(&mut parts, app).await?;
    let shown = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown = shown.and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    });
    let Some(text) = shown.filter(|text| !text.is_empty()) else {
        return Err(Fault::new(ProblemKind::NoToken).challenge(None, None));
    };
    let bad = || Fault::new(ProblemKind::BadToken).challenge(Some("invalid_token"), None);
    if text.len() > LONGEST {
        return Err(bad());
    }
    let (asker, shared) = (client.clone(), app.clone());
    let found = app.ask(move |desk| judge(desk, &text, &asker, |id| shared.paces.used(id))).await?;
    let (user, token) = found.ok_or_else(bad)?;
    let id = (user.id, token.number);
    match app.paces.step((id, client.source), app.settings.token_rate, app.now()) {
        Err(wait_s) => return Err(Fault::new(ProblemKind::TooFast).wait(wait_s)),
        Ok(true) => note_used(app, id, client.source),
        Ok(false) => {}
    }
    if let Who::Token(scope) = who
        && !token.scopes.contains(&scope)
    {
        return Err(missing(scope));
    }
    let caller = Caller {
        app: app.clone(),
        account: user.account,
        user: user.id,
        name: user.name,
        token,
        client,
    };
    parts.extensions.insert(caller.clone());
    Ok((caller, Request::from_parts(parts, body)))
}

fn missing(scope: TokenScope) -> Fault {
    let detail = format!(
        "It needs the scope `{scope}`. The holder makes a token with it under Your log-in."
    );
    Fault::because(ProblemKind::MissingScope, detail)
        .challenge(Some("insufficient_scope"), Some(scope))
}

/// Nobody waits for it: what is lost is that it was in use lately.
fn note_used(app: &Shared, (user, number): TokenId, source: IpAddr) {
    let app = app.clone();
    tokio::spawn(async move {
        let noted = app.ask(move |desk| {
            let now = desk.now();
            desk.amend_tokens(user, &mut |user| {
                let token = user.tokens.iter_mut().find(|token| token.number == number);
                token.ok_or("it was revoked")?.used = Some((now, source));
                Ok(String::new())
            })
        });
        if let Err(error) = noted.await {
            tracing::debug!(%error, "when a token was used is not written");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_whose_it_claims_to_be() {
        fn check(text: &str, user: u32, number: u32) {
            assert_eq!(claimed(text), (WebUserId(user), number), "{text}");
        }
        check("rft_7_3_abc_def-gh", 7, 3);
        check("rft_7_x_abc", 7, 0);
        check("7_3_abc", 0, 0);
        check("", 0, 0);
        check("rft_99999999999_3_a", 0, 3);
        let (text, kept) = make(WebUserId(7), 3).expect("dice");
        assert_eq!(claimed(&text), (WebUserId(7), 3));
        assert!(kept == hash(&text) && text.len() <= LONGEST && !text.contains(&kept));
    }

    #[test]
    fn a_pace_is_kept() {
        let (paces, id) = (Paces::default(), (WebUserId(1), 1));
        let at = |ms: u64| UnixMicros::from_seconds(1_000).plus_ms(ms);
        let here = IpAddr::from([192, 0, 2, 1]);
        let step = |ms| paces.step((id, here), 10, at(ms));
        assert_eq!(step(0), Ok(true), "the first is written");
        for _ in 1..BURST_S * 10 {
            assert_eq!(step(0), Ok(false));
        }
        assert_eq!(step(0), Err(1));
        assert_eq!(step(99), Err(1));
        assert_eq!(step(100), Ok(false));
        assert_eq!(paces.step(((WebUserId(1), 2), here), 10, at(0)), Ok(true), "each its own");
        assert_eq!(step(KEEP_MS), Ok(true), "once in a while");
        assert_eq!(
            paces.step((id, IpAddr::from([192, 0, 2, 2])), 10, at(KEEP_MS)),
            Ok(true),
            "elsewhere"
        );
        assert_eq!(paces.used(id), Some((at(KEEP_MS), IpAddr::from([192, 0, 2, 2]))));
    }
}
