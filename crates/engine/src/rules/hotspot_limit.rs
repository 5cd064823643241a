//! Rule: calls to destinations known for revenue share fraud, per rolling twelve hours.

use types::{Finding, Millis, UnixMicros};

/// Length of the window.
const WINDOW_MS: Millis = 12 * 3_600_000;

/// `calls` are the times of earlier calls to hotspots, those in progress among them.
pub(crate) fn check(calls: &[UnixMicros], now: UnixMicros, limit: u16) -> Option<Finding> {
    let recent = calls.iter().filter(|&&at| is_recent(at, now)).count();
    let recent = u16::try_from(recent).unwrap_or(u16::MAX);
    (recent >= limit).then_some(Finding::HotspotLimit { now: recent, limit })
}

/// Is a call of that time still in the window?
pub(crate) fn is_recent(at: UnixMicros, now: UnixMicros) -> bool {
    now.0.saturating_sub(at.0) < (WINDOW_MS * 1_000).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_counts_for_twelve_hours() {
        fn check_row(ages_ms: &[i64], limit: u16, want: Option<u16>) {
            let now = UnixMicros::from_seconds(1_800_000_000);
            let calls: Vec<UnixMicros> =
                ages_ms.iter().map(|age| UnixMicros(now.0 - age * 1_000)).collect();
            let want = want.map(|now| Finding::HotspotLimit { now, limit });
            assert_eq!(check(&calls, now, limit), want, "{ages_ms:?}");
        }
        let window = 43_200_000;
        check_row(&[], 1, None);
        check_row(&[0], 1, Some(1));
        check_row(&[window - 1], 1, Some(1));
        check_row(&[window], 1, None);
        check_row(&[-5], 1, Some(1));
        check_row(&[1, 2], 3, None);
        check_row(&[1, 2, window + 1], 2, Some(2));
        check_row(&[], 0, Some(0));
    }
}
