//! What only the engine knows, looked at: devices, lock-outs, why somebody cannot log in. Lives here:
//! questions and their answers as JSON. Never here: changes, how questions travel.

use std::net::{IpAddr, SocketAddr};

use anyhow::Context;
use engine::{Agent, Claim, Door, Engine};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use types::{AccountId, Device, DeviceState, LockOut, LockScope, Now, Reseller};

use crate::change::{find_account, find_line};
use crate::config::levels::levels_view;
use crate::pages::{overview, phones};
use crate::shell::control::bans_view;

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Question {
    /// The devices of an account, or of a line; of all.
    Devices {
        /// Id or name.
        account: Option<String>,
        /// User name.
        line: Option<String>,
    },
    /// The most that an account can lose.
    MostAtRisk {
        /// Id or name.
        account: String,
    },
    /// An account's money, as the pages show it.
    Overview(AccountId),
    /// An account's phones and lines, as the pages show them.
    Phones(AccountId),
    /// Requests of an account that nobody has looked at yet.
    Requests(AccountId),
    /// Would a log-in under this name be looked at?
    MayLogIn {
        /// The name.
        name: String,
        /// From there.
        source: IpAddr,
        /// What the client is known by there.
        known: Option<u64>,
    },
    /// Resellers, with what their accounts spend together.
    Resellers,
    /// Lock-outs in force.
    LockOuts,
    /// Bans in force.
    Bans,
    /// Can this user log in?
    Explain {
        /// User name.
        user: String,
        /// From there.
        source: Option<IpAddr>,
    },
}

/// Answers a question.
pub fn answer(question: &Question, engine: &Engine, now: Now) -> anyhow::Result<Value> {
    match question {
        Question::Devices { account, line } => devices(account.as_deref(), line.as_deref(), engine),
        Question::MostAtRisk { account } => most_at_risk(account, engine, now),
        Question::Resellers => {
            Ok(engine.resellers().map(|reseller| reseller_view(reseller, engine, now)).collect())
        }
        Question::Overview(account) => {
            Ok(serde_json::to_value(overview::of(engine, now, *account))?)
        }
        Question::Phones(account) => Ok(serde_json::to_value(phones::of(engine, now, *account))?),
        Question::Requests(account) => {
            let mine = engine.requests().filter(|request| request.account == *account);
            Ok(serde_json::to_value(mine.collect::<Vec<_>>())?)
        }
        Question::MayLogIn { name, known: Some(key), .. } => {
            Ok(json!(engine.may_known_log_in(now, name, *key)))
        }
        Question::MayLogIn { name, source, known: None } => {
            let claim = Claim::bare(name, SocketAddr::new(*source, 0), "https");
            Ok(json!(engine.may_log_in(now, &claim) != Door::Shut))
        }
        Question::LockOuts => {
            let locks = engine.access().lock_outs();
            Ok(locks.map(|lock| lock_view(lock, now)).collect())
        }
        Question::Bans => Ok(bans_view(engine.bans(now), now)),
        Question::Explain { user, source } => explain(user, *source, engine, now),
    }
}

fn most_at_risk(account: &str, engine: &Engine, now: Now) -> anyhow::Result<Value> {
    let account = find_account(engine, account)?;
    let most = engine.most_at_risk(now, account.id).context("the account is gone")?;
    let usage = engine.usage(now, account.id).context("the account is gone")?;
    let most: Vec<Value> = most
        .iter()
        .map(|most| {
            json!({
                "horizon": most.horizon.code(),
                "until": most.until.to_string(),
                "costly": most.most.costly.to_string(),
                "all": most.most.all.to_string(),
                "late_costly": most.late.costly.to_string(),
                "late_all": most.late.all.to_string(),
            })
        })
        .collect();
    Ok(json!({
        "id": account.id,
        "name": account.name,
        "status": account.status,
        "unbilled": usage.unbilled.saturating_add(usage.running).to_string(),
        "held": usage.held.to_string(),
        "most": most,
    }))
}

fn reseller_view(reseller: &Reseller, engine: &Engine, now: Now) -> Value {
    let accounts = engine.accounts().filter(|account| account.reseller == Some(reseller.id));
    let exposed = engine.reseller_exposed(now, reseller.id);
    json!({
        "id": reseller.id,
        "name": reseller.name,
        "accounts": accounts.count(),
        "stop_levels": levels_view(&reseller.stop_levels),
        "spent_1h": exposed.spent.hour.to_string(),
        "spent_24h": exposed.spent.day.to_string(),
        "spent_7d": exposed.spent.week.to_string(),
        "spent_all_24h": exposed.spent.all_day.to_string(),
        "held": exposed.held_all.to_string(),
        "held_costly": exposed.held_costly.to_string(),
    })
}

fn devices(account: Option<&str>, line: Option<&str>, engine: &Engine) -> anyhow::Result<Value> {
    let account = account.map(|text| find_account(engine, text)).transpose()?;
    let line = line.map(|user| find_line(engine, user)).transpose()?;
    let lines = engine.lines().filter(|known| {
        account.as_ref().is_none_or(|account| known.account == account.id)
            && line.as_ref().is_none_or(|line| known.id == line.id)
    });
    let mut found: Vec<Device> =
        lines.flat_map(|line| engine.access().devices_of(line.id)).collect();
    found.sort_by_key(|device| device.id);
    found.dedup_by_key(|device| device.id);
    Ok(found.iter().map(|device| device_view(device, engine)).collect())
}

fn device_view(device: &Device, engine: &Engine) -> Value {
    let agent = Agent::read(&device.agent);
    let user = |line| engine.line(line).map(|line| line.user.clone());
    let lines: Vec<String> = device.lines.iter().filter_map(|line| user(*line)).collect();
    let (until, spent) = match device.state {
        DeviceState::Seasoning { until, spent } => {
            (Some(until.to_string()), Some(spent.to_string()))
        }
        DeviceState::Known | DeviceState::Banned => (None, None),
    };
    json!({
        "id": device.id,
        "account": device.account,
        "state": device.state.code(),
        "new_until": until,
        "spent_while_new": spent,
        "agent": device.agent,
        "name": agent.name,
        "version": agent.version,
        "pbx": agent.pbx,
        "instance": device.instance,
        "contact": device.contact,
        "peer": device.peer,
        "transport": device.transport,
        "country": device.place.country,
        "asn": device.place.asn,
        "first_seen": device.first_seen.to_string(),
        "last_seen": device.last_seen.to_string(),
        "lines": lines,
    })
}

fn lock_view(lock: &LockOut, now: Now) -> Value {
    json!({
        "name": lock.scope.to_string(),
        "what": in_words(&lock.scope),
        "since": lock.since.to_string(),
        "until": lock.until.to_string(),
        "left_s": lock.until.ms_since(now.wall).div_ceil(1_000),
        "level": lock.level,
        "failures": lock.failures,
        "scope": lock.scope,
    })
}

fn in_words(scope: &LockScope) -> String {
    match scope {
        LockScope::SourceUser { user, source } => {
            format!("log-ins as {user} from {}, but for devices known there", source.addr())
        }
        LockScope::Device { user, by, .. } => {
            format!("log-ins as {user} by whoever is like one of its devices ({by})")
        }
        LockScope::Source { source } => {
            format!("log-ins from {}, but for devices known there", source.addr())
        }
        LockScope::User { user } => format!("log-ins as {user}, but for known devices"),
    }
}

fn explain(user: &str, source: Option<IpAddr>, engine: &Engine, now: Now) -> anyhow::Result<Value> {
    let user = sip::digest::canonical_user(user)
        .with_context(|| format!("`{}` is not a SIP user name", user.escape_debug()))?;
    let line = engine.line_by_user(&user);
    let is_here =
        |locked: &IpNet| source.is_some_and(|source| locked.contains(&source.to_canonical()));
    let concerns = |lock: &&LockOut| match &lock.scope {
        // Asked about one address, a lock-out of another is of no interest.
        LockScope::SourceUser { user: locked, source: from } => {
            locked == user.as_str() && (source.is_none() || is_here(from))
        }
        LockScope::Device { user: locked, .. } | LockScope::User { user: locked } => {
            locked == user.as_str()
        }
        LockScope::Source { source: locked } => is_here(locked),
    };
    let locks: Vec<Value> =
        engine.access().lock_outs().filter(concerns).map(|lock| lock_view(lock, now)).collect();
    let known: Vec<Device> = line.map_or_else(Vec::new, |line| engine.access().devices_of(line.id));
    let here = |device: &&Device| {
        source.is_none_or(|source| device.peer.ip().to_canonical() == source.to_canonical())
    };
    let stranger = source.map(|source| {
        let claim = Claim::bare(&user, SocketAddr::new(source, 0), "udp");
        engine.may_log_in(now, &claim) != Door::Shut
    });
    Ok(json!({
        "user": user.as_str(),
        "exists": line.is_some(),
        "account": line.map(|line| line.account),
        "wants_new_secret": line.is_some_and(|line| line.wants_new_secret),
        "source": source,
        "a_new_phone_is_looked_at": stranger,
        "ip_lock_lets_in": line.zip(source).map(|(line, source)| engine.ip_allowed(line.id, source)),
        "locks": locks,
        "devices": known.iter().filter(here).map(|device| device_view(device, engine)).collect::<Vec<_>>(),
    }))
}
