//! Telling the holder in time. Lives here: un-billed usage, running calls included, against the
//! warning level. It stops nothing. Never here: mails.

use types::{AccountId, DecisionId, Fact, Money, Now, Record};

use crate::engine::Engine;

impl Engine {
    /// Notes a warning if the account of a live call has crossed its level or a further multiple.
    pub(crate) fn warn(&mut self, now: Now, decision: DecisionId) {
        if let Some(account) = self.calls.find(decision).map(|call| call.hold.account)
            && let Some(fact) = self.warning(now, account)
        {
            self.facts.push(fact);
        }
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
        let costs = self.calls.of_account(account).filter_map(|call| {
            let rate = call.hold.explanation.rate?;
            call.answered_at()?;
            rating::cost(&rate, call.talk_us(now.tick) / 1_000).ok()
        });
        costs.fold(Money::ZERO, Money::saturating_add)
    }
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
