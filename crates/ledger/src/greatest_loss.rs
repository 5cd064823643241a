//! The most that can be lost. Lives here: what the stop levels let through between now and a moment to come,
//! whoever tries. Never here: time zones, words, how late a call is hung up.
//!
//! Each level is looked at alone: an attacker who does nothing but fill this window spends as soon as he can,
//! all that is free, and again whenever spending leaves the window. Nobody spends more in it, and whoever has
//! to keep to several levels spends no more than the least of them lets through. What calls in progress hold
//! counts as spent now. Calls that are hung up late bring a window above its level by what they cost then, and
//! do so again whenever it is filled again.

use std::collections::VecDeque;

use types::{Money, UnixMicros};

use crate::exposure::{BUCKET_S, DAY_S, Exposure, HOUR_S, Levels, WEEK_S};

const SECOND_US: i64 = 1_000_000;

/// Levels that hold until a moment, from the end of the stretch before or from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// To when, exclusive.
    pub until: UnixMicros,
    /// Which.
    pub levels: Levels,
}

/// The most that can be lost, what calls in progress hold among it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GreatestLoss {
    /// By costly calls.
    pub costly: Money,
    /// By all calls.
    pub all: Money,
}

/// The most that can be spent from now to the end of the last stretch. `late`: the most that all calls at once
/// can cost beyond what is held for them.
pub(crate) fn of(
    exposure: &Exposure,
    now: UnixMicros,
    stretches: &[Stretch],
    late: GreatestLoss,
) -> GreatestLoss {
    let costly = |window_s, level: fn(&Levels) -> Option<Money>| {
        let spent = exposure.buckets().iter().map(|bucket| (bucket.slot, bucket.costly));
        let filling = Filling::start(now, window_s, spent, exposure.held_costly);
        filling.until_end(stretches, |levels| with(level(levels), late.costly))
    };
    let spent = exposure.buckets().iter().map(|bucket| (bucket.slot, bucket.all));
    let filling = Filling::start(now, DAY_S, spent, exposure.held_all);
    let all = filling.until_end(stretches, |levels| with(levels.all_day, late.all));
    let by_costly = [
        costly(HOUR_S, |levels| levels.hour),
        costly(DAY_S, least_of_day),
        costly(WEEK_S, |levels| levels.week),
    ];
    GreatestLoss { costly: by_costly.into_iter().fold(all, Money::min), all }
}

fn with(level: Option<Money>, late: Money) -> Option<Money> {
    level.map(|level| level.saturating_add(late))
}

/// By day and off hours the same 24 hours are looked at.
fn least_of_day(levels: &Levels) -> Option<Money> {
    match (levels.day, levels.off_hours) {
        (Some(day), Some(off)) => Some(day.min(off)),
        (day, off) => day.or(off),
    }
}

/// Somebody who fills one window.
struct Filling {
    now: UnixMicros,
    window_us: i64,
    /// What counts in the window, by when it leaves it.
    counted: VecDeque<(UnixMicros, Money)>,
    in_window: Money,
    total: Money,
}

impl Filling {
    fn start(
        now: UnixMicros,
        window_s: i64,
        spent: impl Iterator<Item = (i64, Money)>,
        held: Money,
    ) -> Filling {
        let window_us = window_s * SECOND_US;
        let mut filling = Filling {
            now,
            window_us,
            counted: VecDeque::new(),
            in_window: Money::ZERO,
            total: Money::ZERO,
        };
        for (slot, amount) in spent {
            filling.count(end_of(slot), amount);
        }
        filling.forget();
        filling.spend(held);
        filling
    }

    /// Spending that lies in a stretch of five minutes which ends then.
    fn count(&mut self, end: UnixMicros, amount: Money) {
        if !amount.is_zero() {
            let leaves = UnixMicros(end.0.saturating_add(self.window_us));
            let place = self.counted.partition_point(|(earlier, _)| *earlier <= leaves);
            self.counted.insert(place, (leaves, amount));
            self.in_window = self.in_window.saturating_add(amount);
        }
    }

    fn spend(&mut self, amount: Money) {
        self.total = self.total.saturating_add(amount);
        self.count(end_of(self.now.seconds().div_euclid(BUCKET_S)), amount);
    }

    fn forget(&mut self) {
        while let Some((_, amount)) = self.counted.pop_front_if(|(leaves, _)| *leaves <= self.now) {
            self.in_window = self.in_window.saturating_sub(amount);
        }
    }

    /// Spends all that is free, again and again. Without a level for a while, everything is.
    fn until_end(
        mut self,
        stretches: &[Stretch],
        level: impl Fn(&Levels) -> Option<Money>,
    ) -> Money {
        for stretch in stretches {
            let Some(level) = level(&stretch.levels) else { return Money::MAX };
            while self.now < stretch.until {
                let free = level.saturating_sub(self.in_window);
                if free > Money::ZERO {
                    self.spend(free);
                }
                let next = self.counted.front().map_or(stretch.until, |(leaves, _)| *leaves);
                self.now = next.min(stretch.until);
                self.forget();
            }
        }
        self.total
    }
}

/// The end of a stretch of five minutes.
fn end_of(slot: i64) -> UnixMicros {
    UnixMicros((slot + 1).saturating_mul(BUCKET_S * SECOND_US))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: UnixMicros = UnixMicros::from_seconds(1_800_000_000);

    fn later(hours: i64) -> UnixMicros {
        UnixMicros(START.0 + hours * HOUR_S * SECOND_US)
    }

    fn pounds(pounds: i64) -> Option<Money> {
        Some(Money::from_units(pounds))
    }

    /// £100 in all a day, and these.
    fn levels(hour: Option<Money>, day: Option<Money>, week: Option<Money>) -> Levels {
        Levels { hour, day, week, off_hours: None, all_day: pounds(100) }
    }

    /// The most by costly calls with so many pounds spent and held, in one stretch of so many hours.
    fn most(spent: &[(i64, i64)], held: i64, levels: Levels, hours: i64) -> i64 {
        let mut exposure = Exposure::default();
        exposure.held_costly = Money::from_units(held);
        exposure.held_all = exposure.held_costly;
        for (hours_ago, pounds) in spent {
            exposure.spend(later(-hours_ago), Money::from_units(*pounds), true).expect("fits");
        }
        let stretch = Stretch { until: later(hours), levels };
        of(&exposure, START, &[stretch], GreatestLoss::default()).costly.micros() / 1_000_000
    }

    #[test]
    fn a_level_lets_itself_through_once_in_its_window() {
        let day = levels(None, pounds(20), None);
        assert_eq!(most(&[], 0, day, 1), 20);
        assert_eq!(most(&[], 0, day, 24), 20);
        // The five minutes of the first spending leave the window after 24:05.
        assert_eq!(most(&[], 0, day, 25), 40);
        assert_eq!(most(&[], 0, day, 49), 60);
    }

    #[test]
    fn what_is_spent_and_held_is_not_free() {
        let day = levels(None, pounds(20), None);
        assert_eq!(most(&[(1, 5)], 0, day, 12), 15);
        assert_eq!(most(&[(13, 5)], 0, day, 12), 20, "the five leave the window within the time");
        assert_eq!(most(&[(1, 5)], 3, day, 12), 15, "what is held can be lost too");
        assert_eq!(most(&[(1, 20)], 4, day, 12), 4, "and is not above the level twice");
        assert_eq!(most(&[(30, 20)], 0, day, 12), 20);
    }

    #[test]
    fn a_late_hang_up_counts_each_time() {
        let pence = Money::from_cents(50);
        let late = GreatestLoss { costly: pence, all: pence };
        let check = |hours: i64, want: i64| {
            let levels = levels(pounds(3), pounds(20), None);
            let stretch = Stretch { until: later(hours), levels };
            let most = of(&Exposure::default(), START, &[stretch], late);
            assert_eq!(most.costly, Money::from_cents(want), "{hours} hours");
        };
        check(1, 350);
        check(3, 1_050);
        check(12, 2_050);
    }

    #[test]
    fn the_least_of_several_levels_holds() {
        assert_eq!(most(&[], 0, levels(pounds(3), pounds(20), None), 1), 3);
        assert_eq!(most(&[], 0, levels(pounds(3), pounds(20), None), 4), 12);
        assert_eq!(most(&[], 0, levels(pounds(3), pounds(20), None), 12), 20);
        assert_eq!(most(&[], 0, levels(None, pounds(20), pounds(50)), 24 * 7), 50);
        assert_eq!(most(&[], 0, levels(None, pounds(200), None), 12), 100, "all calls together");
    }

    #[test]
    fn off_hours_hold_while_they_last() {
        let by_day = levels(None, pounds(20), None);
        let off = Levels { off_hours: pounds(5), ..by_day };
        let check = |stretches: &[(i64, Levels)], want: i64| {
            let stretches: Vec<Stretch> = stretches
                .iter()
                .map(|&(until, levels)| Stretch { until: later(until), levels })
                .collect();
            let most = of(&Exposure::default(), START, &stretches, GreatestLoss::default());
            assert_eq!(most.costly, Money::from_units(want), "{stretches:?}");
        };
        check(&[(12, off)], 5);
        check(&[(12, off), (13, by_day)], 20);
        check(&[(12, by_day), (20, off)], 20);
        // Twenty by day, nothing while they are in the window, and off hours again behind it.
        check(&[(1, by_day), (60, off)], 30);
    }
}
