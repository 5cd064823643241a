//! An account's money as the pages show it. Lives here: putting together what the engine knows. Never here: words.

use engine::Engine;
use types::{AccountId, Money, Now};
use web::{LiveCall, MostLost, Overview};

/// Of an account; `None` if the engine knows none of this number.
pub fn of(engine: &Engine, now: Now, id: AccountId) -> Option<Overview> {
    let account = engine.account(id)?;
    let usage = engine.usage(now, id)?;
    let controls = account.to_account().controls;
    let day = controls.stop_level_24h;
    let off_hours = controls.stop_level_off_hours.filter(|_| usage.off_hours);
    let most = engine.most_at_risk(now, id).into_iter().flatten().map(|most| MostLost {
        horizon: most.horizon.code().to_owned(),
        until: most.until,
        all: most.most.all,
        costly: most.most.costly,
    });
    Some(Overview {
        account: id,
        name: account.name.to_string(),
        status: account.status,
        currency: String::new(),
        time_zone: account.time_zone().to_owned(),
        at: now.wall,
        controls,
        ceiling: engine.config().self_service.clone(),
        raises: engine.raises_of(id).cloned(),
        unbilled: usage.unbilled.saturating_add(usage.running),
        // What calls have cost so far is part of what they hold, and is shown as used already.
        held: usage.held.saturating_sub(usage.running).max(Money::ZERO),
        spent_24h: usage.spent_24h,
        held_costly: usage.held_costly,
        headroom_costly: usage.headroom_costly,
        off_hours: usage.off_hours,
        stop_level: off_hours.map_or(day, |level| level.min(day)),
        calls: calls(engine, now, id),
        most: most.collect(),
    })
}

fn calls(engine: &Engine, now: Now, id: AccountId) -> Vec<LiveCall> {
    let live = engine.live_of(now, id).into_iter();
    live.map(|(call, cost)| LiveCall {
        decision: call.decision,
        line: call.line.and_then(|line| engine.line(line)).map(|line| line.user.clone()),
        direction: call.direction,
        caller: call.caller.to_owned(),
        dialled: call.dialled.to_owned(),
        class: call.class,
        started: call.started,
        talk_ms: call.answered.map(|at| now.wall.ms_since(at)),
        cost,
        held: call.held,
        costly: call.costly,
    })
    .collect()
}
