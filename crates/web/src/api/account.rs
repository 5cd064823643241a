//! The account for programs. Lives here: money and status, stopping and starting again, what happened, who is signed in. Never
//! here: what a stop does to calls (engine).

use serde::Serialize;
use types::{AccountStatus, Proof, Setting};
use utoipa::ToSchema;

use super::fault::Fault;
use super::op::{Caller, Sent};
use super::values::{Amount, Moment, Most, Nothing, Said};
use crate::desk::{Event, Overview};
use crate::portal::safe::status;

/// Money and status of the account, as of one moment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Account {
    /// Its number.
    account: u32,
    /// What people call it.
    name: String,
    /// What it may do: `active`, `watched`, `frozen`, `limited`, `suspended`, `closed`.
    status: &'static str,
    /// How things stand, in a sentence.
    sentence: String,
    /// ISO 4217 code.
    currency: String,
    /// IANA name.
    time_zone: String,
    /// As of when.
    pub at: Moment,
    /// Used and not billed, calls in progress to this second among it.
    unbilled: Amount,
    /// Held for calls in progress beyond what they have cost.
    held: Amount,
    /// Spent on costly calls in the last 24 hours.
    spent_24h: Amount,
    /// Held by costly calls in progress.
    held_costly: Amount,
    /// What can still be spent on costly calls now.
    headroom_costly: Amount,
    /// The holder is told when un-billed usage crosses this, and each multiple.
    warning_level: Amount,
    /// The stop level of costly calls for 24 hours that holds at this moment.
    stop_level: Amount,
    /// Is it night, weekend or a holiday at the account's place?
    off_hours: bool,
    /// Calls in progress.
    live_calls: u64,
    /// The most that can be lost.
    most: Vec<MostLost>,
}

/// The most that can be lost until a moment.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct MostLost {
    /// `now`, `tonight` or `weekend`.
    horizon: String,
    /// The moment.
    until: Moment,
    /// By calls of every class.
    all: Amount,
    /// By costly ones.
    costly: Amount,
}

impl From<&Overview> for Account {
    fn from(overview: &Overview) -> Account {
        let most = overview.most.iter().map(|most| MostLost {
            horizon: most.horizon.clone(),
            until: most.until.into(),
            all: most.all.into(),
            costly: most.costly.into(),
        });
        Account {
            account: overview.account.0,
            name: overview.name.clone(),
            status: overview.status.code(),
            sentence: status(overview).1,
            currency: overview.currency.clone(),
            time_zone: overview.time_zone.clone(),
            at: overview.at.into(),
            unbilled: overview.unbilled.into(),
            held: overview.held.into(),
            spent_24h: overview.spent_24h.into(),
            held_costly: overview.held_costly.into(),
            headroom_costly: overview.headroom_costly.into(),
            warning_level: overview.controls.warning_level.into(),
            stop_level: overview.stop_level.into(),
            off_hours: overview.off_hours,
            live_calls: overview.calls.len() as u64,
            most: most.collect(),
        }
    }
}

/// GET /api/v1/account
pub async fn show(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<Account, Fault> {
    Ok(Account::from(&caller.overview().await?))
}

/// POST /api/v1/freeze: safer, so it is done at once.
pub async fn freeze(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<Account, Fault> {
    let account = caller.account;
    let frozen = vec![Setting::Status(AccountStatus::Frozen)];
    caller.ask(move |desk| desk.change_controls(account, frozen, "", Proof::Token)).await?;
    Ok(Account::from(&caller.overview().await?))
}

/// POST /api/v1/thaw: riskier, so the holder does it himself.
pub async fn thaw(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<Account, Fault> {
    let overview = caller.overview().await?;
    if overview.status != AccountStatus::Frozen {
        return Err(Fault::refused(
            "Outgoing calls were not stopped by the holder: there is nothing to start again",
        ));
    }
    let before = overview.raises.and_then(|raises| raises.frozen_from);
    let settings = vec![Setting::Status(before.unwrap_or(AccountStatus::Active))];
    let account = caller.account;
    caller.ask(move |desk| desk.change_controls(account, settings, "", Proof::Token)).await?;
    Ok(Account::from(&caller.overview().await?))
}

/// What happened, the newest first.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Happenings {
    events: Vec<Happening>,
}

/// Something that happened.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Happening {
    /// When.
    at: Moment,
    /// What, in a sentence without a full stop.
    words: String,
}

impl From<Vec<Event>> for Happenings {
    fn from(events: Vec<Event>) -> Happenings {
        let one = |event: Event| Happening { at: event.at.into(), words: event.words };
        Happenings { events: events.into_iter().map(one).collect() }
    }
}

/// GET /api/v1/history
pub async fn history(caller: Caller, sent: Sent<Most, Nothing>) -> Result<Happenings, Fault> {
    let (account, limit) = (caller.account, sent.query.limit);
    Ok(caller.ask(move |desk| desk.events(account, limit)).await?.into())
}

/// GET /api/v1/access-log
pub async fn access_log(caller: Caller, sent: Sent<Most, Nothing>) -> Result<Happenings, Fault> {
    let (account, limit) = (caller.account, sent.query.limit);
    Ok(caller.ask(move |desk| desk.access_log(account, limit)).await?.into())
}

/// Where the token's user is signed in.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OpenSessions {
    sessions: Vec<OpenSession>,
}

/// One sign-in in one browser.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OpenSession {
    /// From where.
    #[schema(value_type = String)]
    source: std::net::IpAddr,
    /// What the browser calls itself.
    agent: String,
    /// Since when.
    since: Moment,
    /// The last time something was asked in it.
    seen: Moment,
}

/// GET /api/v1/sessions
pub async fn sessions(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<OpenSessions, Fault> {
    let open = caller.app.sessions.list(Some(caller.user), caller.app.now());
    let one = |session: crate::sessions::Session| OpenSession {
        source: session.source,
        agent: session.agent,
        since: session.since.into(),
        seen: session.seen.into(),
    };
    Ok(OpenSessions { sessions: open.into_iter().map(one).collect() })
}

/// POST /api/v1/sessions/end
pub async fn end_sessions(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<Said, Fault> {
    let ended = caller.app.sessions.end_all(caller.user, None);
    caller.app.keep_sessions(caller.user).await?;
    Ok(Said::that(format!("Signed out everywhere. Sessions ended: {ended}.")))
}
