//! Controls. Lives here: from what somebody wants to a command, and what is said of it. Never here: who may what (engine).

use anyhow::{Context, bail};
use engine::{AccountEntry, Command, ControlChange, Engine, Judgement, Weighed, next_time_of_day};
use jiff::Timestamp;
use serde_json::{Value, json};
use types::{Changed, Now, Setting, Tick, UnixMicros};

use super::{Plan, Wish};

/// Settings of an account, status included.
pub fn set(
    account: &AccountEntry,
    settings: Vec<Setting>,
    wish: Wish,
    now: UnixMicros,
    engine: &Engine,
) -> anyhow::Result<Plan> {
    let until = wish.until.map(|text| until(&text, account.time_zone(), now)).transpose();
    let (by, why) = (wish.by, wish.why);
    let until = until?;
    let change = ControlChange { account: account.id, settings, by, why, until };
    let weighed = engine.weigh(Now { tick: Tick(0), wall: now }, &change)?;
    let mut answer = json!({ "id": account.id, "name": account.name });
    answer["changes"] = changes_view(&weighed);
    answer["until"] = json!(until.map(|until| until.to_string()));
    Ok(Plan::one(Command::ChangeControls(Box::new(change)), answer))
}

/// What staff say to a request.
pub fn judge(
    request: u32,
    approve: bool,
    wish: Wish,
    now: UnixMicros,
    engine: &Engine,
) -> anyhow::Result<Plan> {
    let known = engine.requests().find(|known| known.id == request);
    let known = known.with_context(|| {
        format!("there is no request {request} that waits; `ringfence request list` shows those there are")
    })?;
    if wish.why.is_empty() {
        bail!("say why, for the account's history");
    }
    let zone = engine.account(known.account).map_or("UTC", AccountEntry::time_zone);
    let until = wish.until.map(|text| until(&text, zone, now)).transpose();
    let until = until?;
    let (by, reason) = (wish.by, wish.why);
    let answer = json!({ "request": request, "account": known.account, "approved": approve });
    let judgement = Judgement { request, approve, by, reason, until };
    Ok(Plan::one(Command::JudgeRequest(Box::new(judgement)), answer))
}

/// Reads the end of a raise: `18:00` is the next at the account's place; `2026-11-30T18:00:00Z`; or so long, `2h`.
fn until(text: &str, time_zone: &str, now: UnixMicros) -> anyhow::Result<UnixMicros> {
    if let Some(at) = next_time_of_day(time_zone, text, now) {
        return Ok(at);
    }
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(UnixMicros(at.as_microsecond()));
    }
    let units = [("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    let long = units.into_iter().find_map(|(unit, ms): (&str, u64)| {
        let count: u32 = text.strip_suffix(unit)?.parse().ok()?;
        Some(now.plus_ms(u64::from(count) * ms))
    });
    long.with_context(|| {
        format!(
            "`{}` is not an end: expected 18:00 (at the account's place), 2026-11-30T18:00:00Z, or so long: 30m, 2h, 7d",
            text.escape_debug()
        )
    })
}

/// Each setting that changes, with what becomes of it.
fn changes_view(weighed: &Weighed) -> Value {
    let view = |change: &Changed, outcome: &str| {
        json!({
            "setting": change.from.name(),
            "from": change.from.to_string(),
            "to": change.to.to_string(),
            "risk": change.risk,
            "outcome": outcome,
        })
    };
    let done = weighed.now.iter().map(|change| view(change, "done"));
    done.chain(weighed.asked.iter().map(|change| view(change, "asked"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_read() {
        fn check(text: &str, want: Option<&str>) {
            let noon = UnixMicros::from_seconds(1_795_521_600);
            let got = until(text, "Europe/Berlin", noon).ok().map(|at| at.to_string());
            assert_eq!(got.as_deref(), want, "{text}");
        }
        check("18:00", Some("2026-11-24T17:00:00.000Z"));
        check("12:30", Some("2026-11-25T11:30:00.000Z"));
        check("2026-11-30T18:00:00Z", Some("2026-11-30T18:00:00.000Z"));
        check("90m", Some("2026-11-24T13:30:00.000Z"));
        check("7d", Some("2026-12-01T12:00:00.000Z"));
        check("18", None);
        check("tonight", None);
        check("-2h", None);
    }
}
