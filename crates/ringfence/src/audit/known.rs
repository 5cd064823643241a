//! Calls that are remembered for judging others of their account. Lives here: by account, in a bounded memory. Never here:
//! what they mean.

use std::collections::BTreeMap;

use ::audit::{Calls, KnownCall};
use types::{AccountId, DecisionId, UnixMicros};

/// Calls remembered, some hundred bytes each.
const MOST_CALLS: usize = 200_000;
/// The longest window, the longest call, and a day more.
const REACH_US: i64 = 9 * 86_400_000_000;

/// Calls by account.
#[derive(Default)]
pub struct Known {
    accounts: BTreeMap<AccountId, Own>,
    calls: usize,
    /// Counts questions: who was not asked for longest is forgotten first.
    asked: u64,
}

struct Own {
    calls: Calls,
    asked: u64,
}

impl Known {
    /// Is an account remembered?
    pub fn has(&self, account: AccountId) -> bool {
        self.accounts.contains_key(&account)
    }

    /// The calls of an account, if it is remembered.
    pub fn of(&mut self, account: AccountId) -> Option<&Calls> {
        self.asked += 1;
        let asked = self.asked;
        let own = self.accounts.get_mut(&account)?;
        own.asked = asked;
        Some(&own.calls)
    }

    /// Remembers an account with these calls; others are forgotten for it.
    pub fn put(&mut self, account: AccountId, calls: Calls) {
        self.asked += 1;
        self.calls += calls.len();
        let own = Own { calls, asked: self.asked };
        if let Some(before) = self.accounts.insert(account, own) {
            self.calls -= before.calls.len();
        }
        while self.calls > MOST_CALLS && self.accounts.len() > 1 {
            let oldest = self.accounts.iter().min_by_key(|(_, own)| own.asked);
            let Some(oldest) = oldest.map(|(id, _)| *id) else { return };
            self.calls -= self.accounts.remove(&oldest).map_or(0, |own| own.calls.len());
        }
    }

    /// A call of an account that is remembered ended.
    pub fn ended(&mut self, account: AccountId, decision: DecisionId, call: KnownCall) {
        let Some(own) = self.accounts.get_mut(&account) else { return };
        let before = own.calls.len();
        own.calls.insert(decision, call);
        // What no window reaches any more, now and then.
        if own.calls.len() % 64 == 0 {
            let since = DecisionId::at(UnixMicros(decision.time().0.saturating_sub(REACH_US)));
            own.calls.retain(|id, _| *id > since);
        }
        self.calls = self.calls + own.calls.len() - before;
    }

    /// A call of an account that is remembered is in progress.
    pub fn open(&mut self, account: AccountId, decision: DecisionId, call: KnownCall) {
        let Some(own) = self.accounts.get_mut(&account) else { return };
        // Of one that has ended meanwhile, the end is known.
        if let std::collections::btree_map::Entry::Vacant(slot) = own.calls.entry(decision) {
            slot.insert(call);
            self.calls += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Money;

    fn call(ended: Option<i64>) -> KnownCall {
        KnownCall {
            line: None,
            started: UnixMicros(0),
            answered: None,
            ended: ended.map(UnixMicros),
            duration_ms: 0,
            price: Money::ZERO,
            rate: None,
            costly: false,
            counted: true,
            hotspot: false,
            interrupted: false,
        }
    }

    fn calls(count: u64) -> Calls {
        (0..count).map(|n| (DecisionId(n << 8), call(Some(1)))).collect()
    }

    #[test]
    fn memory_is_bounded_and_keeps_who_was_asked_last() {
        let mut known = Known::default();
        for account in 1..=3 {
            known.put(AccountId(account), calls(MOST_CALLS as u64 / 3));
        }
        assert!(known.of(AccountId(1)).is_some());
        known.put(AccountId(4), calls(10));
        assert_eq!([1, 2, 3, 4].map(|id| known.has(AccountId(id))), [true, false, true, true]);
        let sum: usize = known.accounts.values().map(|own| own.calls.len()).sum();
        assert_eq!(known.calls, sum);
        // One that is too large alone stays: there is nobody else to forget.
        known.put(AccountId(5), calls(MOST_CALLS as u64 + 1));
        assert_eq!(known.accounts.len(), 1);
    }

    #[test]
    fn ends_replace_calls_in_progress_and_not_the_other_way_round() {
        let mut known = Known::default();
        let (account, id) = (AccountId(1), DecisionId(9 << 8));
        known.open(account, id, call(None));
        assert!(!known.has(account), "nobody is remembered by halves");
        known.put(account, Calls::new());
        known.open(account, id, call(None));
        known.ended(account, id, call(Some(5)));
        known.open(account, id, call(None));
        assert_eq!(known.of(account).and_then(|calls| calls[&id].ended), Some(UnixMicros(5)));
        assert_eq!(known.calls, 1);
    }
}
