//! Stop levels. Lives here: what was surely spent and held at the decision, what was spent when the call was over. Never
//! here: where holds are kept (ledger), levels of resellers and of the platform, whose calls are not one account's.
//!
//! Two bounds, because the record shows what calls cost and not what was held for them when:
//!
//! - At the decision: spent in the window, plus the least that was held for each call in progress, plus the least that was
//!   held for this one, is at most the level.
//! - At the end: whatever was spent in the window was spent or held when money was held for the last time, which was at the
//!   decision or later. So it is at most the highest level that stood in that time, and overruns that are on record. A call that the node took up after a
//!   restart may have cost more than was held, because nobody could cut it: it is judged by the first bound only.

use types::reason::Window;
use types::{Controls, LevelScope, LineId, Money, StopLevels, UnixMicros};

use crate::call::KnownCall;
use crate::case::Case;
use crate::verdict::Mismatch;

const HOUR_US: i64 = 3_600_000_000;

/// A level: which window, how long that is, costly calls only?
type Level = (Window, i64, bool, Option<Money>);

fn of_account(controls: &Controls, off_hours: bool) -> [Level; 5] {
    [
        (Window::Hour, HOUR_US, true, controls.stop_level_1h),
        (Window::Day, 24 * HOUR_US, true, Some(controls.stop_level_24h)),
        (Window::OffHours, 24 * HOUR_US, true, controls.stop_level_off_hours.filter(|_| off_hours)),
        (Window::Week, 168 * HOUR_US, true, controls.stop_level_7d),
        (Window::AllDay, 24 * HOUR_US, false, Some(controls.stop_level_all_24h)),
    ]
}

fn of_line(levels: &StopLevels) -> [Level; 4] {
    [
        (Window::Hour, HOUR_US, true, levels.stop_level_1h),
        (Window::Day, 24 * HOUR_US, true, levels.stop_level_24h),
        (Window::Week, 168 * HOUR_US, true, levels.stop_level_7d),
        (Window::AllDay, 24 * HOUR_US, false, levels.stop_level_all_24h),
    ]
}

/// Whose calls count for a level.
#[derive(Clone, Copy)]
struct Whose {
    line: Option<LineId>,
    costly: bool,
}

impl Whose {
    fn counts(self, call: &KnownCall) -> bool {
        (!self.costly || call.costly) && (self.line.is_none() || self.line == call.line)
    }
}

/// What was surely spent and held when the call was let out, with the least that was held for it, is within every level.
pub(crate) fn at_decision(case: &Case<'_>, found: &mut Vec<Mismatch>) {
    if !case.is_charged() {
        return;
    }
    let check = |scope, line, (window, stretch_us, costly, level): Level| {
        let level = level.filter(|_| !costly || case.is_costly())?;
        let at_least = Money::from_micros(surely_used(case, Whose { line, costly }, stretch_us));
        (at_least > level).then_some(Mismatch::StopLevel { scope, window, at_least, level })
    };
    if let Some(stood) = &case.stood {
        let is_off = case.calendar.is_off(&stood.time_zone, case.cdr.started) == Some(true);
        let levels = of_account(&stood.controls, is_off);
        found.extend(levels.into_iter().filter_map(|one| check(LevelScope::Account, None, one)));
    }
    if let Some(stood) = &case.line_stood {
        let (scope, line) = (LevelScope::Line, case.cdr.line);
        let levels = of_line(&stood.security.stop_levels);
        found.extend(levels.into_iter().filter_map(|one| check(scope, line, one)));
    }
}

fn surely_used(case: &Case<'_>, whose: Whose, stretch_us: i64) -> i64 {
    let rate = case.cdr.explanation.rate;
    let own = rate.as_ref().and_then(|rate| crate::money::cost(rate, 0)).unwrap_or(0);
    let others = case.calls.iter().filter(|(id, _)| **id != case.cdr.decision);
    others.filter(|(_, call)| whose.counts(call)).fold(own, |sum, (id, call)| {
        let held = match *id < case.cdr.decision && call.is_open_at(case.at) {
            true => call.held_at(case.at),
            false => 0,
        };
        sum.saturating_add(held).saturating_add(call.spent_at(case.at, stretch_us, case.at))
    })
}

/// What was spent when the call was over is within the highest level that stood since its decision.
pub(crate) fn at_end(case: &Case<'_>, found: &mut Vec<Mismatch>) {
    if !case.is_charged() || case.interrupted || case.cdr.answered.is_none() {
        return;
    }
    let check = |scope, line, (window, stretch_us, costly, level): Level| {
        let level = level.filter(|_| !costly || case.is_costly())?;
        let spent = Money::from_micros(spent_by_end(case, Whose { line, costly }, stretch_us));
        (spent > level).then_some(Mismatch::Overspent { scope, window, spent, level })
    };
    let accounts = case.standings().map(|stood| {
        let is_off = off_throughout(case, &stood.time_zone);
        of_account(&stood.controls, is_off)
    });
    let highest = highest(accounts);
    found.extend(highest.into_iter().filter_map(|one| check(LevelScope::Account, None, one)));
    let lines = case.line_stood.iter().chain(&case.line_later);
    let (scope, line) = (LevelScope::Line, case.cdr.line);
    let highest = self::highest(lines.map(|stood| of_line(&stood.security.stop_levels)));
    found.extend(highest.into_iter().filter_map(|one| check(scope, line, one)));
}

/// Is it no more than what calls cost beyond their holds, as was recorded?
pub(crate) fn is_overrun(mismatch: &Mismatch, overrun: Money) -> bool {
    match mismatch {
        Mismatch::Overspent { spent, level, .. } => *spent <= level.saturating_add(overrun),
        _ => false,
    }
}

fn spent_by_end(case: &Case<'_>, whose: Whose, stretch_us: i64) -> i64 {
    let others = case.calls.iter().filter(|(id, _)| **id != case.cdr.decision);
    let counted = others.filter(|(_, call)| whose.counts(call));
    counted.fold(case.cdr.price.micros(), |sum, (_, call)| {
        sum.saturating_add(call.spent_at(case.cdr.ended, stretch_us, case.at))
    })
}

/// Of each level the highest that stood; none where there was none at some time.
fn highest<const N: usize>(mut all: impl Iterator<Item = [Level; N]>) -> Vec<Level> {
    let Some(first) = all.next() else { return Vec::new() };
    let both = |(one, other): (Level, Level)| {
        (one.0, one.1, one.2, one.3.zip(other.3).map(|(one, other)| one.max(other)))
    };
    all.fold(first.to_vec(), |highest, next| highest.into_iter().zip(next).map(both).collect())
}

/// Was it off hours from the decision to the end? They begin and end on whole hours of places that are whole quarters of
/// an hour apart.
fn off_throughout(case: &Case<'_>, zone: &str) -> bool {
    let (from, to) = (case.cdr.started, case.cdr.ended);
    // A call of more than a day is in and out of them.
    if to.0.saturating_sub(from.0) > 24 * HOUR_US {
        return false;
    }
    let quarter = HOUR_US / 4;
    let first = from.0.div_euclid(quarter) * quarter + quarter;
    let between = (0..=96).map(|step| first + step * quarter).take_while(|at| *at < to.0);
    let mut moments = [from.0, to.0].into_iter().chain(between).map(UnixMicros);
    moments.all(|at| case.calendar.is_off(zone, at) == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{START, Sample, known};
    use types::DestinationClass;

    fn cents(cents: i64) -> Money {
        Money::from_cents(cents)
    }

    /// A sample whose call costs 1p a minute by the minute, with these other calls: start, answer, end in seconds from the
    /// decision, price in pence.
    fn world(others: &[(i64, Option<i64>, Option<i64>, i64)]) -> Sample {
        let mut sample = Sample::new();
        let minutely =
            types::Rate { first_increment_s: 60, increment_s: 60, ..Sample::rate(10_000) };
        sample.cdr.explanation.rate = Some(minutely);
        (sample.cdr.price, sample.cdr.answered) = (cents(1), Some(sample.cdr.started));
        for &(start, answer, end, price) in others {
            let call = KnownCall {
                price: cents(price),
                rate: Some(minutely),
                ..known(start, answer, end)
            };
            sample.add(start, call);
        }
        sample
    }

    #[test]
    fn what_was_surely_used_at_the_decision() {
        fn check(others: &[(i64, Option<i64>, Option<i64>, i64)], level: i64, want: Option<i64>) {
            let mut sample = world(others);
            sample.controls().stop_level_24h = cents(level);
            let bad = |pence| Mismatch::StopLevel {
                scope: LevelScope::Account,
                window: Window::Day,
                at_least: cents(pence),
                level: cents(level),
            };
            let want = want.map_or(String::new(), |pence| bad(pence).to_string());
            assert_eq!(sample.found(at_decision), want, "{others:?}");
        }
        check(&[], 1, None);
        check(&[], 0, Some(1));
        // Spent, in the window.
        check(&[(-900, Some(-890), Some(-500), 7)], 8, None);
        check(&[(-900, Some(-890), Some(-500), 7)], 7, Some(8));
        check(&[(-90_000, Some(-89_000), Some(-86_399), 7)], 7, Some(8));
        check(&[(-90_000, Some(-89_000), Some(-86_400), 7)], 7, None);
        // In progress: what it had talked by then, ten minutes less a tenth and a second, is held for it; of one that is
        // still in progress now, its first minute.
        check(&[(-610, Some(-600), Some(10), 11)], 9, Some(10));
        check(&[(-610, Some(-600), Some(10), 11)], 10, None);
        check(&[(-610, Some(-600), None, 0)], 1, Some(2));
        check(&[(-610, None, None, 0)], 1, Some(2));
        check(&[(-610, None, Some(-5), 0)], 1, None);
        // Later ones are not in the way.
        check(&[(5, Some(6), Some(20), 50)], 1, None);
    }

    #[test]
    fn each_window_has_its_calls() {
        fn check(change: impl FnOnce(&mut Sample), class: DestinationClass, want: &str) {
            let mut sample = world(&[(-900, Some(-890), Some(-500), 7)]);
            let roomy = cents(1_000);
            let controls = sample.controls();
            (controls.stop_level_24h, controls.stop_level_all_24h) = (roomy, roomy);
            sample.class(class);
            change(&mut sample);
            assert_eq!(sample.found(at_decision), want);
        }
        use DestinationClass::{International, NationalFixed};
        let bad = |scope: &str, window: &str| {
            format!(
                "with it at least 0.08 was spent and held in {window}, the stop level of its {scope} was 0.05"
            )
        };
        let level = Some(cents(5));
        check(|_| (), International, "");
        check(|s| s.controls().stop_level_1h = level, International, &bad("account", "1 hour"));
        check(|s| s.controls().stop_level_1h = level, NationalFixed, "");
        check(|s| s.controls().stop_level_7d = level, International, &bad("account", "7 days"));
        check(
            |s| s.controls().stop_level_all_24h = cents(5),
            NationalFixed,
            &bad("account", "24 hours, all calls"),
        );
        // The sample's day is a Tuesday, ten in the morning in London.
        check(|s| s.controls().stop_level_off_hours = level, International, "");
        check(
            |s| {
                s.controls().stop_level_off_hours = level;
                s.stood.as_mut().expect("it stands").time_zone = "Asia/Tokyo".to_owned();
            },
            International,
            &bad("account", "24 hours, off hours"),
        );
        let line = |s: &mut Sample| {
            s.line_stood.as_mut().expect("it stands").security.stop_levels.stop_level_24h =
                Some(cents(5));
        };
        check(line, International, &bad("line", "24 hours"));
        check(
            |s| {
                line(s);
                s.calls.values_mut().for_each(|call| call.line = Some(LineId(99)));
            },
            International,
            "",
        );
    }

    #[test]
    fn overruns_on_record_are_nobodys_fault() {
        let bad = Mismatch::Overspent {
            scope: LevelScope::Account,
            window: Window::Day,
            spent: cents(12),
            level: cents(10),
        };
        assert!(!is_overrun(&bad, cents(1)));
        assert!(is_overrun(&bad, cents(2)));
        assert!(!is_overrun(&Mismatch::LineDisabled, Money::MAX));
    }

    #[test]
    fn what_was_spent_at_the_end() {
        fn check(change: impl FnOnce(&mut Sample), want: Option<(i64, i64)>) {
            let mut sample =
                world(&[(-900, Some(-890), Some(-500), 7), (5, Some(6), Some(20), 50)]);
            sample.controls().stop_level_24h = cents(58);
            change(&mut sample);
            let bad = |(spent, level)| Mismatch::Overspent {
                scope: LevelScope::Account,
                window: Window::Day,
                spent: cents(spent),
                level: cents(level),
            };
            assert_eq!(
                sample.found(at_end),
                want.map_or(String::new(), |two| bad(two).to_string())
            );
        }
        check(|_| (), None);
        check(|s| s.controls().stop_level_24h = cents(57), Some((58, 57)));
        // It was higher for a while: then money may have been held.
        let stood_later = |s: &mut Sample, pence| {
            s.controls().stop_level_24h = cents(10);
            let mut later = s.stood.clone().expect("it stands");
            later.controls.stop_level_24h = cents(pence);
            s.later.push(later);
        };
        check(|s| stood_later(s, 58), None);
        check(|s| stood_later(s, 57), Some((58, 57)));
        check(|s| stood_later(s, 3), Some((58, 10)));
        // After a restart nobody knows what was held.
        check(
            |s| {
                s.controls().stop_level_24h = cents(57);
                s.interrupted = true;
            },
            None,
        );
        let interrupt = |s: &mut Sample, at: i64| {
            s.controls().stop_level_24h = cents(8);
            let other =
                s.calls.values_mut().find(|call| call.started.0 == START.0 + at * 1_000_000);
            other.expect("it is there").interrupted = true;
        };
        check(|s| interrupt(s, 5), Some((9, 8)));
        check(|s| interrupt(s, -900), Some((52, 8)));
    }
}
