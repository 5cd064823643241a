//! What an account has used and what is going on, for pages and commands.
//! Never here: decisions.

use std::sync::Arc;

use ledger::Exposed;
use types::{
    AccountId, Controls, DecisionId, DestinationClass, DeviceId, Direction, LineId, Millis, Money,
    Now, ResellerId, TrunkId, UnixMicros,
};

use crate::engine::Engine;
use crate::intern::Shared;
use crate::live_call::Call;
use crate::rules::stop_level;
use crate::warning::running_cost;

/// What an account has used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Settled and not billed yet.
    pub unbilled: Money,
    /// Cost of the calls in progress to this second.
    pub running: Money,
    /// Held by calls in progress.
    pub held: Money,
    /// Held by costly calls in progress.
    pub held_costly: Money,
    /// Costly, settled in the last hour.
    pub spent_1h: Money,
    /// Costly, settled in the last 24 hours.
    pub spent_24h: Money,
    /// Costly, settled in the last seven days.
    pub spent_7d: Money,
    /// All, settled in the last 24 hours.
    pub spent_all_24h: Money,
    /// Calls at once.
    pub calls: u16,
    /// Costly calls at once.
    pub costly_calls: u16,
    /// Is it off hours at the account's place?
    pub off_hours: bool,
    /// Costly spending still possible now, by the tightest stop level.
    pub headroom_costly: Money,
    /// Any spending still possible now.
    pub headroom: Money,
    /// The levels and limits that hold.
    pub levels: Arc<Shared<Controls>>,
}

/// A call in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveCall<'a> {
    /// Its decision.
    pub decision: DecisionId,
    /// Who pays, or who is called when nobody pays.
    pub account: AccountId,
    /// The line used.
    pub line: Option<LineId>,
    /// The device that calls.
    pub device: Option<DeviceId>,
    /// For on-net calls: the account called.
    pub to_account: Option<AccountId>,
    /// Which way.
    pub direction: Direction,
    /// Number or user shown as the caller.
    pub caller: &'a str,
    /// What was dialled.
    pub dialled: &'a str,
    /// The class of where it leads.
    pub class: DestinationClass,
    /// The trunk in use.
    pub trunk: Option<TrunkId>,
    /// When the request came.
    pub started: UnixMicros,
    /// When it was answered, if it was.
    pub answered: Option<UnixMicros>,
    /// Held for it.
    pub held: Money,
    /// Talk time that is paid for and stored.
    pub covered_ms: Millis,
    /// Does it count against the costly limits?
    pub costly: bool,
    /// Does the holder pay?
    pub chargeable: bool,
    /// Was it live before this start of the program?
    pub recovered: bool,
}

impl Engine {
    /// What an account has used; `None` if there is no such account.
    pub fn usage(&self, now: Now, account: AccountId) -> Option<Usage> {
        let entry = self.directory.account(account)?;
        let exposed = self.ledger.exposed(now.wall, account);
        let off_hours = self.config.off_hours.is_off(&entry.zone, now.wall);
        let levels = stop_level::levels(&entry.controls, off_hours);
        let activity = self.calls.activity(account);
        let held_costly = exposed.held_costly;
        let headroom = left(levels.all_day, exposed.spent.all_day, exposed.held_all);
        let costly = [
            left(levels.hour, exposed.spent.hour, held_costly),
            left(levels.day, exposed.spent.day, held_costly),
            left(levels.off_hours, exposed.spent.day, held_costly),
            left(levels.week, exposed.spent.week, held_costly),
        ];
        Some(Usage {
            unbilled: exposed.unbilled,
            running: self.running(now, account),
            held: exposed.held_all,
            held_costly,
            spent_1h: exposed.spent.hour,
            spent_24h: exposed.spent.day,
            spent_7d: exposed.spent.week,
            spent_all_24h: exposed.spent.all_day,
            calls: activity.map_or(0, |activity| activity.calls),
            costly_calls: activity.map_or(0, |activity| activity.costly),
            off_hours,
            headroom_costly: costly.into_iter().fold(headroom, Money::min),
            headroom,
            levels: Arc::clone(&entry.controls),
        })
    }

    /// What all accounts of a reseller have at risk.
    pub fn reseller_exposed(&self, now: Now, reseller: ResellerId) -> Exposed {
        self.ledger.reseller_exposed(now.wall, reseller)
    }

    /// What everybody has at risk.
    pub fn platform_exposed(&self, now: Now) -> Exposed {
        self.ledger.platform_exposed(now.wall)
    }

    /// Every call in progress, oldest first.
    pub fn live(&self) -> impl Iterator<Item = LiveCall<'_>> {
        self.calls.all().map(live_call)
    }

    /// An account's calls in progress, with what each has cost to this second.
    pub fn live_of(&self, now: Now, account: AccountId) -> Vec<(LiveCall<'_>, Money)> {
        let calls = self.calls.of_account(account);
        calls.map(|call| (live_call(call), running_cost(call, now.tick))).collect()
    }
}

fn live_call(call: &Call) -> LiveCall<'_> {
    LiveCall {
        decision: call.hold.decision,
        account: call.hold.account,
        line: call.hold.line,
        device: call.hold.device,
        to_account: call.hold.to_account,
        direction: call.hold.direction,
        caller: &call.hold.caller,
        dialled: &call.hold.dialled,
        class: call.hold.destination.class,
        trunk: call.hold.trunk,
        started: call.hold.started,
        answered: call.answered_at(),
        held: call.hold.amount,
        covered_ms: call.stored_ms,
        costly: call.costly,
        chargeable: call.chargeable(),
        recovered: call.recovered,
    }
}

/// What a level leaves, never below nothing; a level that is not set leaves everything.
fn left(level: Option<Money>, spent: Money, held: Money) -> Money {
    let used = spent.saturating_add(held);
    level.map_or(Money::MAX, |level| level.saturating_sub(used).max(Money::ZERO))
}
