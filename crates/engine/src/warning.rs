//! Telling the holder in time. Lives here: un-billed usage, running calls included, against the
//! warning level. It stops nothing. Never here: mails.

use types::{AccountId, DecisionId, Fact, Money, Now, Record, Tick};

use crate::engine::Engine;
use crate::live_call::Call;

/// How exactly the moment of a warning is looked for.
const RESOLUTION_US: u64 = 10_000;

impl Engine {
    /// Notes a warning if the account of a live call has crossed its level or a further multiple.
    pub(crate) fn warn(&mut self, now: Now, decision: DecisionId) {
        if let Some(account) = self.calls.find(decision).map(|call| call.hold.account) {
            self.warn_account(now, account);
        }
    }

    /// The same for an account whose time has come.
    pub(crate) fn warn_account(&mut self, now: Now, account: AccountId) {
        let fact = self.warning(now, account);
        self.facts.extend(fact);
        self.arm_warning(now, account);
    }

    /// Wakes up in the moment in which the calls in progress will have brought the account to its next
    /// warning level. Talk that is not held yet does not count: holding it asks again.
    pub(crate) fn arm_warning(&mut self, now: Now, account: AccountId) {
        let at = self.next_crossing(now, account);
        self.calls.arm_warning(account, at);
    }

    fn next_crossing(&self, now: Now, account: AccountId) -> Option<Tick> {
        let level = self.directory.account(account)?.controls.warning_level;
        let told = self.calls.activity(account)?.warned;
        let unbilled = self.ledger.unbilled(account);
        let next = last_multiple(told, level).checked_add(level).filter(|_| level > Money::ZERO)?;
        if unbilled.saturating_add(self.ledger.held(account)) < next {
            return None;
        }
        let stops = self.calls.of_account(account).map(|call| call.deadlines.hard_stop);
        let last = stops.filter(|stop| *stop != Tick::NEVER).max()?;
        let is_reached = |tick| unbilled.saturating_add(self.running_at(tick, account)) >= next;
        let (mut before, mut reached) = (now.tick.0, last.0);
        if before >= reached || !is_reached(last) {
            return None;
        }
        // Costs only grow while people talk.
        while reached - before > RESOLUTION_US {
            let middle = before + (reached - before) / 2;
            match is_reached(Tick(middle)) {
                true => reached = middle,
                false => before = middle,
            }
        }
        Some(Tick(reached))
    }

    /// The warning due for an account, once for each multiple of its level.
    pub(crate) fn warning(&mut self, now: Now, account: AccountId) -> Option<Record> {
        let level = self.directory.account(account)?.controls.warning_level;
        let told = self.calls.activity(account).map_or(Money::ZERO, |activity| activity.warned);
        let exposed = self.ledger.unbilled(account).saturating_add(self.ledger.held(account));
        // Calls in progress have cost at most what is held for them: mostly they need no counting.
        if last_multiple(exposed, level) <= told {
            return None;
        }
        let usage = self.ledger.unbilled(account).saturating_add(self.running(now, account));
        let crossed = last_multiple(usage, level);
        if crossed <= told {
            return None;
        }
        self.calls.activity_mut(account).warned = crossed;
        Some(Record::Fact(now.wall, Fact::WarningLevel { account, level: crossed, usage }))
    }

    /// What the account's calls in progress have cost to this second.
    pub(crate) fn running(&self, now: Now, account: AccountId) -> Money {
        self.running_at(now.tick, account)
    }

    fn running_at(&self, tick: Tick, account: AccountId) -> Money {
        let costs = self.calls.of_account(account).map(|call| running_cost(call, tick));
        costs.fold(Money::ZERO, Money::saturating_add)
    }
}

/// What a call has cost so far; nothing before it is answered.
pub(crate) fn running_cost(call: &Call, tick: Tick) -> Money {
    let rate = call.hold.explanation.rate.filter(|_| call.answered_at().is_some());
    let cost = rate.and_then(|rate| rating::cost(&rate, call.talk_us(tick) / 1_000).ok());
    cost.unwrap_or(Money::ZERO)
}

/// The largest multiple of the level that the usage has reached; nothing when there is no level.
pub(crate) fn last_multiple(usage: Money, level: Money) -> Money {
    if level <= Money::ZERO {
        return Money::ZERO;
    }
    let multiples = (usage.micros() / level.micros()).max(0);
    Money::from_micros(multiples * level.micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiples_are_reached_exactly() {
        fn check(usage: i64, level: i64, want: i64) {
            let (usage, level) = (Money::from_micros(usage), Money::from_micros(level));
            assert_eq!(last_multiple(usage, level), Money::from_micros(want));
        }
        check(9, 10, 0);
        check(10, 10, 10);
        check(29, 10, 20);
        check(30, 10, 30);
        check(30, 0, 0);
        check(-30, 10, 0);
        check(i64::MAX, 1, i64::MAX);
    }
}
