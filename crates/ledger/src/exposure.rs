//! What one account has spent in rolling windows and holds in open calls. Lives here: sparse
//! five-minute buckets and their sums. Never here: other accounts, decisions.

use types::reason::Window;
use types::{Money, UnixMicros};

use crate::money_at_risk::{Crossing, LedgerError};

/// Length of a bucket.
const BUCKET_S: i64 = 300;
/// Lengths of the windows.
const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;
const WEEK_S: i64 = 7 * DAY_S;

/// The stop levels that hold for an account at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Levels {
    /// Costly spending per rolling hour.
    pub hour: Option<Money>,
    /// Costly spending per rolling 24 hours.
    pub day: Money,
    /// Costly spending per rolling seven days.
    pub week: Option<Money>,
    /// Costly spending per rolling 24 hours, given only while it is off hours.
    pub off_hours: Option<Money>,
    /// All spending per rolling 24 hours.
    pub all_day: Money,
}

/// Settled spending in the windows; what open calls hold is not in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Costly, last hour.
    pub hour: Money,
    /// Costly, last 24 hours.
    pub day: Money,
    /// Costly, last seven days.
    pub week: Money,
    /// All, last 24 hours.
    pub all_day: Money,
}

/// Spending of five minutes: slot `n` begins `n` × 300 s after 1970.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    slot: i64,
    costly: Money,
    all: Money,
}

/// One account's money at risk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exposure {
    pub held_costly: Money,
    pub held_all: Money,
    pub holds: u32,
    pub unbilled: Money,
    /// By slot, oldest first; slots without spending are not there.
    buckets: Vec<Bucket>,
}

impl Exposure {
    /// Counts settled spending into the bucket of its time.
    pub fn spend(
        &mut self,
        at: UnixMicros,
        amount: Money,
        costly: bool,
    ) -> Result<(), LedgerError> {
        let slot = at.seconds().div_euclid(BUCKET_S);
        let position = match self.buckets.binary_search_by_key(&slot, |bucket| bucket.slot) {
            Ok(position) => position,
            Err(position) => {
                let empty = Bucket { slot, costly: Money::ZERO, all: Money::ZERO };
                self.buckets.insert(position, empty);
                position
            }
        };
        let bucket = &mut self.buckets[position];
        let costly_share = if costly { amount } else { Money::ZERO };
        // The costly part of a bucket is never above the whole: if the whole fits, so does it.
        bucket.all = bucket.all.checked_add(amount).ok_or(LedgerError::Overflow)?;
        bucket.costly = bucket.costly.checked_add(costly_share).ok_or(LedgerError::Overflow)?;
        Ok(())
    }

    /// Forgets buckets that no window reaches any more.
    pub fn prune(&mut self, now: UnixMicros) {
        let first_kept = first_slot(now, WEEK_S);
        if self.buckets.first().is_some_and(|oldest| oldest.slot < first_kept) {
            let gone = self.buckets.partition_point(|bucket| bucket.slot < first_kept);
            self.buckets.drain(..gone);
            if self.buckets.capacity() > 4 * self.buckets.len().max(4) {
                self.buckets.shrink_to_fit();
            }
        }
    }

    /// Has it nothing to remember?
    pub fn is_idle(&self) -> bool {
        self.holds == 0 && self.buckets.is_empty() && self.unbilled.is_zero()
    }

    /// Settled spending in all windows.
    pub fn spent(&self, now: UnixMicros) -> Spent {
        Spent {
            hour: self.sum(now, HOUR_S, |bucket| bucket.costly),
            day: self.sum(now, DAY_S, |bucket| bucket.costly),
            week: self.sum(now, WEEK_S, |bucket| bucket.costly),
            all_day: self.sum(now, DAY_S, |bucket| bucket.all),
        }
    }

    /// Every level that `asked` more would cross.
    pub fn crossings(
        &self,
        now: UnixMicros,
        asked: Money,
        costly: bool,
        levels: &Levels,
    ) -> Vec<Crossing> {
        let mut crossed = Vec::new();
        let mut judge = |window, level: Money, spent: Money, held: Money| {
            let total =
                i128::from(spent.micros()) + i128::from(held.micros()) + i128::from(asked.micros());
            if total > i128::from(level.micros()) {
                crossed.push(Crossing { window, spent, held, asked, level });
            }
        };
        if costly {
            if let Some(level) = levels.hour {
                let spent = self.sum(now, HOUR_S, |bucket| bucket.costly);
                judge(Window::Hour, level, spent, self.held_costly);
            }
            let day = self.sum(now, DAY_S, |bucket| bucket.costly);
            judge(Window::Day, levels.day, day, self.held_costly);
            if let Some(level) = levels.off_hours {
                judge(Window::OffHours, level, day, self.held_costly);
            }
            if let Some(level) = levels.week {
                let spent = self.sum(now, WEEK_S, |bucket| bucket.costly);
                judge(Window::Week, level, spent, self.held_costly);
            }
        }
        let all = self.sum(now, DAY_S, |bucket| bucket.all);
        judge(Window::AllDay, levels.all_day, all, self.held_all);
        crossed
    }

    /// Sum over a window. A bucket counts until its end has left the window: never too little.
    fn sum(&self, now: UnixMicros, window_s: i64, part: impl Fn(&Bucket) -> Money) -> Money {
        let first = first_slot(now, window_s);
        self.buckets
            .iter()
            .rev()
            .take_while(|bucket| bucket.slot >= first)
            .fold(Money::ZERO, |sum, bucket| sum.saturating_add(part(bucket)))
    }
}

/// The first slot whose end is after `now - window_s`, to the microsecond.
fn first_slot(now: UnixMicros, window_s: i64) -> i64 {
    // A slot counts when (slot + 1) × 300 s > now - window, so slot ≥ floor((now - window) / 300 s).
    now.0.saturating_sub(window_s * 1_000_000).div_euclid(BUCKET_S * 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: i64 = 1_800_000_000 + 123;

    /// One costly spending of 1.00, `age_s` before `NOW_S`.
    fn spent_ago(age_s: i64) -> Spent {
        let mut exposure = Exposure::default();
        let at = UnixMicros::from_seconds(NOW_S - age_s);
        exposure.spend(at, Money::from_units(1), true).expect("fits");
        exposure.spent(UnixMicros::from_seconds(NOW_S))
    }

    #[test]
    fn a_bucket_counts_until_its_end_has_left_the_window() {
        fn check(age_s: i64, want: [i64; 3]) {
            let spent = spent_ago(age_s);
            let got = [spent.hour, spent.day, spent.week].map(|money| money.micros() / 1_000_000);
            assert_eq!(got, want, "{age_s} s ago");
        }
        // NOW_S is 123 s into its bucket: the hour reaches back to the bucket 123 + 3,600 s ago.
        check(0, [1, 1, 1]);
        check(-500, [1, 1, 1]);
        check(3_600, [1, 1, 1]);
        check(3_723, [1, 1, 1]);
        check(3_724, [0, 1, 1]);
        check(86_400 + 123, [0, 1, 1]);
        check(86_400 + 124, [0, 0, 1]);
        check(604_800 + 123, [0, 0, 1]);
        check(604_800 + 124, [0, 0, 0]);
    }

    #[test]
    fn a_window_that_ends_on_a_bucket_leaves_the_ended_bucket_out() {
        let mut exposure = Exposure::default();
        let start = UnixMicros::from_seconds(1_800_000_000);
        exposure.spend(start, Money::from_units(1), true).expect("fits");
        let check = |now: UnixMicros, want: i64| {
            assert_eq!(exposure.spent(now).hour, Money::from_units(want), "{now}");
        };
        check(UnixMicros(start.0 + (300 + 3_600) * 1_000_000 - 1), 1);
        check(UnixMicros(start.0 + (300 + 3_600) * 1_000_000), 0);
    }

    #[test]
    fn pruning_changes_no_sum() {
        let mut exposure = Exposure::default();
        for age_s in (0..900_000).step_by(700) {
            let at = UnixMicros::from_seconds(NOW_S - age_s);
            exposure.spend(at, Money::from_micros(age_s + 1), age_s % 2 == 0).expect("fits");
        }
        let now = UnixMicros::from_seconds(NOW_S);
        let before = (exposure.spent(now), exposure.buckets.len());
        exposure.prune(now);
        assert_eq!(exposure.spent(now), before.0);
        assert!(exposure.buckets.len() < before.1);
    }
}
