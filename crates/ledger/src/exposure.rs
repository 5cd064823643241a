//! What one account has spent in rolling windows and holds in open calls. Lives here: sparse
//! five-minute buckets and their sums. Never here: other accounts, decisions.

use types::reason::Window;
use types::{Money, StopLevels, UnixMicros};

use crate::outcome::LedgerError;

/// Length of a bucket.
pub(crate) const BUCKET_S: i64 = 300;
/// Lengths of the windows.
pub(crate) const HOUR_S: i64 = 3_600;
pub(crate) const DAY_S: i64 = 24 * HOUR_S;
pub(crate) const WEEK_S: i64 = 7 * DAY_S;
/// From this share of a level on, in percent, it is about to be reached.
const NEAR_PERCENT: i64 = 80;
/// Below this share of a level, in percent, coming near it is news again.
const CALM_PERCENT: i64 = 60;

/// The stop levels of somebody at this moment; `None`: no level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Levels {
    /// Costly spending per rolling hour.
    pub hour: Option<Money>,
    /// Costly spending per rolling 24 hours.
    pub day: Option<Money>,
    /// Costly spending per rolling seven days.
    pub week: Option<Money>,
    /// Costly spending per rolling 24 hours, given only while it is off hours.
    pub off_hours: Option<Money>,
    /// All spending per rolling 24 hours.
    pub all_day: Option<Money>,
}

impl Levels {
    /// Is no level set?
    pub fn is_none(&self) -> bool {
        *self == Levels::default()
    }
}

impl From<StopLevels> for Levels {
    fn from(levels: StopLevels) -> Levels {
        Levels {
            hour: levels.stop_level_1h,
            day: levels.stop_level_24h,
            week: levels.stop_level_7d,
            off_hours: None,
            all_day: levels.stop_level_all_24h,
        }
    }
}

/// What is used of a level, with what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    pub window: Window,
    pub spent: Money,
    pub held: Money,
    pub level: Money,
}

impl Use {
    fn total(&self, asked: Money) -> i128 {
        let micros = |money: Money| i128::from(money.micros());
        micros(self.spent) + micros(self.held) + micros(asked)
    }

    /// Would asking for so much pass the level?
    pub fn is_crossed_by(&self, asked: Money) -> bool {
        self.total(asked) > i128::from(self.level.micros())
    }

    /// Is so much with what is asked at least this share of the level?
    fn is_above(&self, asked: Money, percent: i64) -> bool {
        self.total(asked) * 100 >= i128::from(self.level.micros()) * i128::from(percent)
    }
}

/// Which levels the holder was told of: each once, until spending has fallen well below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    near: u8,
    reached: u8,
}

/// What is news about a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It is about to be reached.
    Near,
    /// It is reached: a call was refused, or not extended.
    Reached,
}

impl Told {
    /// What is news after this was asked for, and granted or not.
    pub fn note(&mut self, used: &Use, asked: Money) -> Option<News> {
        let bit = 1 << used.window as u8;
        if !used.is_above(asked, CALM_PERCENT) {
            self.near &= !bit;
        }
        if !used.is_above(asked, NEAR_PERCENT) {
            self.reached &= !bit;
            return None;
        }
        let (told, news) = match used.is_crossed_by(asked) {
            true => (&mut self.reached, News::Reached),
            false => (&mut self.near, News::Near),
        };
        let is_news = *told & bit == 0;
        *told |= bit;
        is_news.then_some(news)
    }
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
pub(crate) struct Bucket {
    pub slot: i64,
    pub costly: Money,
    pub all: Money,
}

/// Money at risk of one account, line or reseller, or of the platform.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exposure {
    pub held_costly: Money,
    pub held_all: Money,
    pub holds: u32,
    pub unbilled: Money,
    pub told: Told,
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

    /// Would spending so much still fit?
    pub fn has_room(&self, at: UnixMicros, amount: Money) -> bool {
        let slot = at.seconds().div_euclid(BUCKET_S);
        let bucket = self.buckets.binary_search_by_key(&slot, |bucket| bucket.slot).ok();
        bucket.is_none_or(|at| self.buckets[at].all.checked_add(amount).is_some())
    }

    /// A hold of so much is closed.
    pub fn free(&mut self, now: UnixMicros, amount: Money, costly: bool) {
        self.held_all = self.held_all.saturating_sub(amount);
        if costly {
            self.held_costly = self.held_costly.saturating_sub(amount);
        }
        self.holds -= 1;
        self.prune(now);
        assert!(
            !self.held_all.is_negative() && !self.held_costly.is_negative(),
            "nobody ever holds less than nothing"
        );
    }

    /// The same spending, without holds and un-billed usage.
    pub fn spending_only(&self) -> Exposure {
        Exposure { buckets: self.buckets.clone(), ..Exposure::default() }
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

    /// What is used of each level that holds for such a call, in fixed order.
    pub fn used(
        &self,
        now: UnixMicros,
        costly: bool,
        levels: &Levels,
    ) -> impl Iterator<Item = Use> {
        let only_costly = |level: Option<Money>| level.filter(|_| costly);
        let costly_in = |window_s| self.sum(now, window_s, |bucket| bucket.costly);
        let held = self.held_costly;
        let day = only_costly(levels.day.or(levels.off_hours)).map(|_| costly_in(DAY_S));
        let day = day.unwrap_or_default();
        let used = |window, spent, held| move |level| Use { window, spent, held, level };
        let hour = only_costly(levels.hour);
        let week = only_costly(levels.week);
        [
            hour.map(|level| used(Window::Hour, costly_in(HOUR_S), held)(level)),
            only_costly(levels.day).map(used(Window::Day, day, held)),
            only_costly(levels.off_hours).map(used(Window::OffHours, day, held)),
            week.map(|level| used(Window::Week, costly_in(WEEK_S), held)(level)),
            levels.all_day.map(|level| {
                let spent = self.sum(now, DAY_S, |bucket| bucket.all);
                used(Window::AllDay, spent, self.held_all)(level)
            }),
        ]
        .into_iter()
        .flatten()
    }

    /// Spending by five minutes, oldest first.
    pub fn buckets(&self) -> &[Bucket] {
        &self.buckets
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
