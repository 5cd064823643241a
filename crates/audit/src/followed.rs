//! What happened to the call when controls changed in its middle. Lives here: was it ended by what no longer allowed it?
//! Never here: IP locks (the record does not tell where a caller has moved to), money (levels).

use types::{AccountStatus, DestinationClass, Direction, LineStatus, Standing, UnixMicros};

use crate::bounds::{above_caps, closed_country};
use crate::case::Case;
use crate::verdict::{Change, Mismatch};

/// Within so long a call that may not go on is over.
const SOON_MS: u64 = 10_000;

/// A call that a change no longer allows ends within ten seconds. Where the node was not there all the time, or the clock
/// was set, nobody can tell.
pub(crate) fn ended(case: &Case<'_>, found: &mut Vec<Mismatch>) {
    let cdr = case.cdr;
    let Some(answered) = cdr.answered.filter(|_| !case.interrupted) else { return };
    let by_wall_ms = cdr.ended.ms_since(answered);
    if by_wall_ms.abs_diff(cdr.duration_ms) > cdr.duration_ms / 10 + 2_000 {
        return;
    }
    let mut check = |since: UnixMicros, because: Change| {
        let after_ms = cdr.ended.ms_since(since.max(answered));
        if after_ms > SOON_MS {
            found.push(Mismatch::NotCut { since, after_ms, because });
        }
        after_ms > SOON_MS
    };
    for stood in &case.later {
        if against(case, stood).is_some_and(|because| check(stood.at, because)) {
            return;
        }
    }
    for stood in &case.line_later {
        let is_disabled = stood.security.status == LineStatus::Disabled && case.is_charged();
        if is_disabled && check(stood.at, Change::LineDisabled) {
            return;
        }
    }
}

/// What of a standing does not allow the call to go on.
fn against(case: &Case<'_>, stood: &Standing) -> Option<Change> {
    let (class, charged) = (case.cdr.destination.class, case.is_charged());
    let ends = match stood.status {
        AccountStatus::Active | AccountStatus::Watched => false,
        AccountStatus::Limited => charged && case.is_costly(),
        AccountStatus::Frozen | AccountStatus::Suspended => charged,
        AccountStatus::Closed => class != DestinationClass::Emergency,
    };
    if ends {
        return Some(Change::Status { status: stood.status });
    }
    let counted = case.cdr.direction != Direction::Incoming && !case.exempt;
    if counted && stood.controls.barred.contains(class) {
        return Some(Change::Barred { class });
    }
    if let Some(region) = closed_country(case, stood).filter(|_| counted) {
        return Some(Change::BarredCountry { region });
    }
    let rate = case.cdr.explanation.rate.filter(|_| charged)?;
    above_caps(&stood.controls, class, &rate).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;
    use types::Money;

    /// The sample talks for thirty seconds; `at_s` of talk later something else stands.
    fn check(at_s: i64, change: impl FnOnce(&mut Sample, &mut Standing), want: &str) {
        let mut sample = Sample::new();
        let answered = sample.cdr.answered.expect("it was");
        let mut later = sample.stood.clone().expect("it stands");
        later.at = UnixMicros(answered.0 + at_s * 1_000_000);
        change(&mut sample, &mut later);
        sample.later.push(later);
        let found = sample.found(ended).replace(&sample.later[0].at.to_string(), "T");
        assert_eq!(found, want);
    }

    #[test]
    fn changes_end_calls() {
        let frozen = |_: &mut Sample, s: &mut Standing| s.status = AccountStatus::Frozen;
        check(20, frozen, "");
        check(19, frozen, "the account became frozen at T, it went on for 11.0 s");
        check(-5, frozen, "the account became frozen at T, it went on for 30.0 s");
        check(5, |_, _| (), "");
        check(5, |_, s| s.status = AccountStatus::Watched, "");
        check(
            5,
            |_, s| s.status = AccountStatus::Limited,
            "the account became limited at T, it went on for 25.0 s",
        );
        let home = |sample: &mut Sample, s: &mut Standing| {
            sample.class(DestinationClass::NationalFixed);
            s.status = AccountStatus::Limited;
        };
        check(5, home, "");
        check(
            5,
            |_, s| s.controls.barred = s.controls.barred.with(DestinationClass::International),
            "class international was barred at T, it went on for 25.0 s",
        );
        check(
            5,
            |sample, s| {
                sample.cdr.destination.region = "SO".parse().ok();
                s.controls.barred_countries = vec!["SO".parse().expect("a code")];
            },
            "Somalia was barred at T, it went on for 25.0 s",
        );
        check(
            5,
            |_, s| s.controls.price_cap_international = Money::from_micros(9_999),
            "the price cap was lowered to 0.009999 at T, it went on for 25.0 s",
        );
        let free = |sample: &mut Sample, s: &mut Standing| {
            sample.cdr.explanation.rate = Some(types::Rate::FREE);
            s.status = AccountStatus::Frozen;
        };
        check(5, free, "");
        let emergency = |sample: &mut Sample, s: &mut Standing| {
            sample.class(DestinationClass::Emergency);
            s.status = AccountStatus::Closed;
        };
        check(5, emergency, "");
    }

    #[test]
    fn what_nobody_can_tell_is_not_told() {
        check(
            5,
            |sample, s| {
                s.status = AccountStatus::Frozen;
                sample.interrupted = true;
            },
            "",
        );
        check(
            5,
            |sample, s| {
                s.status = AccountStatus::Frozen;
                sample.cdr.duration_ms = 7_000;
            },
            "",
        );
        check(
            5,
            |sample, s| {
                s.status = AccountStatus::Frozen;
                sample.cdr.answered = None;
            },
            "",
        );
    }

    #[test]
    fn a_disabled_line_ends_its_calls() {
        let mut sample = Sample::new();
        let mut later = sample.line_stood.clone().expect("it stands");
        later.at = sample.cdr.answered.expect("it was");
        later.security.status = LineStatus::Disabled;
        sample.line_later.push(later);
        assert!(sample.found(ended).starts_with("the line was disabled at"));
    }
}
