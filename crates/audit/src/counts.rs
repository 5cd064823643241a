//! How many calls at once. Lives here: calls and costly calls in progress at the decision, hotspots before it: those that
//! surely were, which are at most as many as there were. Never here: money (levels).

use types::{AccountStatus, DecisionId, Direction};

use crate::call::KnownCall;
use crate::case::Case;
use crate::verdict::Mismatch;

/// A call to a hotspot counts for so long.
const HOTSPOT_US: i64 = 12 * 3_600 * 1_000_000;

/// Calls that were surely admitted before this one.
fn before<'c>(case: &'c Case<'_>) -> impl Iterator<Item = (&'c DecisionId, &'c KnownCall)> {
    case.calls.range(..case.cdr.decision)
}

fn count(calls: impl Iterator<Item = bool>) -> u16 {
    u16::try_from(calls.filter(|is_one| *is_one).count()).unwrap_or(u16::MAX)
}

/// Calls at once were within the limit.
pub(crate) fn calls(case: &Case<'_>, found: &mut Vec<Mismatch>) {
    let is_asked = case.cdr.direction != Direction::Incoming && !case.exempt;
    let Some(stood) = case.stood.as_ref().filter(|_| is_asked) else { return };
    let limit = stood.controls.calls;
    let open = count(before(case).map(|(_, call)| call.counted && call.is_open_at(case.at)));
    if open >= limit {
        found.push(Mismatch::Calls { open, limit });
    }
}

/// Costly calls at once were; one only while the account was watched.
pub(crate) fn costly_calls(case: &Case<'_>, found: &mut Vec<Mismatch>) {
    let is_asked = case.is_paid() && case.is_costly();
    let Some(stood) = case.stood.as_ref().filter(|_| is_asked) else { return };
    let most = if stood.status == AccountStatus::Watched { 1 } else { u16::MAX };
    let limit = stood.controls.costly_calls.min(most);
    let is_one = |call: &KnownCall| call.counted && call.costly && call.is_open_at(case.at);
    let open = count(before(case).map(|(_, call)| is_one(call)));
    if open >= limit {
        found.push(Mismatch::CostlyCalls { open, limit });
    }
}

/// Calls to hotspots were, in twelve hours. One that was never answered counts only while it rings.
pub(crate) fn hotspots(case: &Case<'_>, found: &mut Vec<Mismatch>) {
    let is_asked = case.is_paid() && case.cdr.destination.hotspot;
    let Some(stood) = case.stood.as_ref().filter(|_| is_asked) else { return };
    let limit = stood.controls.hotspot_calls;
    let since = case.cdr.started.0.saturating_sub(HOTSPOT_US);
    let is_one = |call: &KnownCall| {
        let reached = call.answered.is_some() || call.is_open_at(case.at);
        call.counted && call.hotspot && reached && call.started.0 > since
    };
    let before = count(before(case).map(|(_, call)| is_one(call)));
    if before >= limit {
        found.push(Mismatch::Hotspots { before, limit });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{Sample, known};

    /// Other calls: seconds from start to answer (none: never) and end (none: not yet), before the decision negative.
    fn check(
        others: &[(i64, Option<i64>, Option<i64>)],
        limit: u16,
        watched: bool,
        want: [u16; 3],
    ) {
        let mut sample = Sample::new();
        let stood = sample.stood.as_mut().expect("it stands");
        let controls = &mut stood.controls;
        (controls.calls, controls.costly_calls, controls.hotspot_calls) = (limit, limit, limit);
        if watched {
            stood.status = AccountStatus::Watched;
        }
        sample.cdr.destination.hotspot = true;
        for &(start, answer, end) in others {
            sample.add(start, KnownCall { hotspot: true, ..known(start, answer, end) });
        }
        let text =
            |bad: Mismatch, open: u16| if open == 0 { String::new() } else { bad.to_string() };
        let costly = if watched { 1 } else { limit };
        assert_eq!(
            [sample.found(calls), sample.found(costly_calls), sample.found(hotspots)],
            [
                text(Mismatch::Calls { open: want[0], limit }, want[0]),
                text(Mismatch::CostlyCalls { open: want[1], limit: costly }, want[1]),
                text(Mismatch::Hotspots { before: want[2], limit }, want[2]),
            ],
            "{others:?}"
        );
    }

    #[test]
    fn calls_that_surely_were_in_progress_count() {
        check(&[], 1, false, [0, 0, 0]);
        check(&[(-60, Some(-50), Some(5))], 1, false, [1, 1, 1]);
        check(&[(-60, Some(-50), None)], 1, false, [1, 1, 1]);
        check(&[(-60, Some(-50), Some(5))], 2, false, [0, 0, 0]);
        check(&[(-60, Some(-50), Some(5)), (-30, None, Some(1))], 2, false, [2, 2, 2]);
        // Over by then, or later: only what was reached counts as a hotspot.
        check(&[(-60, Some(-50), Some(0))], 1, false, [0, 0, 1]);
        check(&[(-60, None, Some(0))], 1, false, [0, 0, 0]);
        check(&[(1, Some(2), Some(60))], 1, false, [0, 0, 0]);
        // Twelve hours to the second.
        check(&[(-43_199, Some(-43_190), Some(-43_000))], 1, false, [0, 0, 1]);
        check(&[(-43_200, Some(-43_190), Some(-43_000))], 1, false, [0, 0, 0]);
        check(&[(-60, Some(-50), Some(5))], 3, true, [0, 1, 0]);
    }

    #[test]
    fn calls_that_do_not_count_do_not() {
        fn check(change: impl Fn(&mut KnownCall, &mut Sample), want: [bool; 2]) {
            let mut sample = Sample::new();
            let mut other = known(-60, Some(-50), Some(5));
            let controls = &mut sample.stood.as_mut().expect("it stands").controls;
            (controls.calls, controls.costly_calls) = (1, 1);
            change(&mut other, &mut sample);
            sample.add(-60, other);
            let got = [sample.found(calls), sample.found(costly_calls)];
            assert_eq!(got.map(|text| !text.is_empty()), want);
        }
        check(|_, _| (), [true, true]);
        check(|other, _| other.counted = false, [false, false]);
        check(|other, _| other.costly = false, [true, false]);
        check(|_, sample| sample.class(types::DestinationClass::NationalFixed), [true, false]);
        check(|_, sample| sample.class(types::DestinationClass::Emergency), [false, false]);
        check(|_, sample| sample.cdr.direction = Direction::Incoming, [false, false]);
    }
}
