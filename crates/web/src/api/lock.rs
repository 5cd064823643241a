//! The lock to addresses, for programs. Lives here: the lock, one on trial, the phones that it would shut out. Never here: which change is
//! risky, when a trial is over (engine).

use serde::{Deserialize, Serialize};
use types::{ProblemKind, Proof, Setting};
use utoipa::ToSchema;

use super::fault::{Fault, FieldFault};
use super::op::{Caller, Sent};
use super::values::{Moment, Nothing};
use crate::desk::Overview;
use crate::portal::lock::{lets_in, phone_words, read, short};

/// The lock to addresses.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Lock {
    /// Networks from which the account may be used; empty: from everywhere.
    networks: Vec<String>,
    /// It is on trial.
    trial: Option<Trial>,
    /// Phones that are registered now.
    phones: Vec<LockedPhone>,
    /// Lines with a lock of their own.
    lines: Vec<LockedLine>,
    /// From where this was asked.
    your_address: String,
}

/// A lock on trial: what stood before stands again when the time is over, unless it is confirmed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Trial {
    /// Until when.
    until: Moment,
    /// What stood before.
    before: Vec<String>,
}

/// A phone that is registered now.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LockedPhone {
    /// The user name of its line.
    line: String,
    /// What it says it is.
    agent: String,
    /// Where it is.
    address: String,
    /// Does the lock let it in?
    is_let_in: bool,
}

/// A line with a lock of its own.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LockedLine {
    /// Its user name.
    line: String,
    /// From where it may be used.
    networks: Vec<String>,
}

async fn shown(caller: &Caller) -> Result<Lock, Fault> {
    let account = caller.account;
    let overview = caller.overview().await?;
    let found = caller.ask(move |desk| desk.phones_and_locks(account)).await?;
    let lock = &overview.controls.ip_lock;
    let trial = overview.raises.as_ref().and_then(|raises| raises.trial.as_ref());
    Ok(Lock {
        networks: lock.iter().map(short).collect(),
        trial: trial.map(|trial| Trial {
            until: trial.until.into(),
            before: trial.before.iter().map(short).collect(),
        }),
        phones: found
            .phones
            .iter()
            .map(|phone| LockedPhone {
                line: phone.line.clone(),
                agent: phone.agent.clone(),
                address: phone.address.to_canonical().to_string(),
                is_let_in: lets_in(lock, phone.address),
            })
            .collect(),
        lines: found
            .locks
            .into_iter()
            .map(|(line, nets)| LockedLine { line, networks: nets.iter().map(short).collect() })
            .collect(),
        your_address: caller.source().to_string(),
    })
}

/// GET /api/v1/lock
pub async fn show(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<Lock, Fault> {
    shown(&caller).await
}

/// A lock to try.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TryLock {
    /// Addresses and networks.
    #[schema(min_items = 1, max_items = 100, example = json!(["192.0.2.7", "198.51.100.0/24"]))]
    networks: Vec<String>,
    /// Phones that are registered now may be shut out.
    #[serde(default)]
    shut_out: bool,
}

/// POST /api/v1/lock/trial: it holds for ten minutes, unless it is confirmed.
pub async fn put(caller: Caller, sent: Sent<Nothing, TryLock>) -> Result<Lock, Fault> {
    let TryLock { networks, shut_out } = sent.body;
    let errors: Vec<FieldFault> = networks
        .iter()
        .enumerate()
        .filter_map(|(place, one)| {
            Some(FieldFault::at(format!("/networks/{place}"), read(one).err()?))
        })
        .collect();
    if !errors.is_empty() {
        return Err(Fault::invalid(errors));
    }
    let lock = read(&networks.join("\n"))
        .map_err(|problem| Fault::invalid(vec![FieldFault::at("/networks", problem)]))?;
    let account = caller.account;
    let found = caller.ask(move |desk| desk.phones_and_locks(account)).await?;
    let outside = found.phones.iter().filter(|phone| !lets_in(&lock, phone.address));
    let outside: Vec<String> = outside.map(phone_words).collect();
    if !outside.is_empty() && !shut_out {
        let detail = format!(
            "Phones that are registered now would be shut out, say `true` if they may be: {}",
            outside.join("; ")
        );
        return Err(Fault::invalid(vec![FieldFault::at("/shut_out", detail)]));
    }
    caller.ask(move |desk| desk.try_lock(account, lock, Proof::Token)).await?;
    shown(&caller).await
}

/// The account's money, if a lock is on trial.
async fn on_trial(caller: &Caller) -> Result<Overview, Fault> {
    let overview = caller.overview().await?;
    match overview.raises.as_ref().is_some_and(|raises| raises.trial.is_some()) {
        true => Ok(overview),
        false => Err(Fault::because(ProblemKind::NotFound, "No lock is on trial")),
    }
}

/// POST /api/v1/lock/trial/confirm: only from behind the lock, else nobody knows that it works.
pub async fn confirm(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<Lock, Fault> {
    let account = caller.account;
    let overview = on_trial(&caller).await?;
    if !lets_in(&overview.controls.ip_lock, caller.source()) {
        return Err(Fault::refused(format!(
            "This was asked from {}, which is outside of the lock. Confirm it from one of its addresses",
            caller.source()
        )));
    }
    caller.ask(move |desk| desk.end_trial(account, true)).await?;
    shown(&caller).await
}

/// DELETE /api/v1/lock/trial: what stood before stands again, as it would by itself.
pub async fn give_up(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<Lock, Fault> {
    let account = caller.account;
    on_trial(&caller).await?;
    caller.ask(move |desk| desk.end_trial(account, false)).await?;
    shown(&caller).await
}

/// DELETE /api/v1/lock: riskier, so the holder does it himself.
pub async fn remove(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<Lock, Fault> {
    let account = caller.account;
    let open = vec![Setting::IpLock(Vec::new())];
    caller.ask(move |desk| desk.change_controls(account, open, "", Proof::Token)).await?;
    shown(&caller).await
}
