//! The end of a raise as people say it. Lives here: a time of day at an account's place. Never here: the clock.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::{Disambiguation, TimeZoneDatabase};
use types::UnixMicros;

/// The next `18:00` after a moment at a place. A time of day that comes twice in the night of a clock change is
/// the first, and one that does not come at all is so much earlier: a raise never lasts longer than said.
/// `None`: that is no time of day or no time zone.
pub fn next_time_of_day(time_zone: &str, time: &str, after: UnixMicros) -> Option<UnixMicros> {
    let zone = TimeZoneDatabase::bundled().get(time_zone).ok()?;
    let (hour, minute) = time.split_once(':').filter(|_| time.len() <= 5)?;
    let time = Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()?;
    let now = Timestamp::from_microsecond(after.0).ok()?;
    let mut date = zone.to_datetime(now).date();
    for _ in 0..3 {
        let at = zone.to_ambiguous_timestamp(date.to_datetime(time));
        let at = at.disambiguate(Disambiguation::Earlier).ok()?;
        if at > now {
            return Some(UnixMicros(at.as_microsecond()));
        }
        date = date.tomorrow().ok()?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time_of_day_is_found_through_clock_changes() {
        fn check(zone: &str, after: &str, time: &str, want: Option<&str>) {
            let after: Timestamp = after.parse().expect("a time");
            let got = next_time_of_day(zone, time, UnixMicros(after.as_microsecond()));
            assert_eq!(
                got.map(|at| at.to_string()).as_deref(),
                want,
                "{time} after {after} in {zone}"
            );
        }
        let london = "Europe/London";
        check(london, "2026-11-24T12:00:00Z", "18:00", Some("2026-11-24T18:00:00.000Z"));
        check(london, "2026-11-24T18:00:00Z", "18:00", Some("2026-11-25T18:00:00.000Z"));
        check(london, "2026-07-24T12:00:00Z", "18:00", Some("2026-07-24T17:00:00.000Z"));
        check("Asia/Tokyo", "2026-11-24T12:00:00Z", "08:00", Some("2026-11-24T23:00:00.000Z"));
        // 01:30 does not come on 29 March, and comes twice on 25 October.
        check(london, "2026-03-28T23:00:00Z", "01:30", Some("2026-03-29T00:30:00.000Z"));
        check(london, "2026-03-28T23:00:00Z", "06:00", Some("2026-03-29T05:00:00.000Z"));
        check(london, "2026-10-24T23:30:00Z", "01:30", Some("2026-10-25T00:30:00.000Z"));
        check(london, "2026-10-25T00:45:00Z", "01:30", Some("2026-10-26T01:30:00.000Z"));
        check(london, "2026-11-24T12:00:00Z", "25:00", None);
        check(london, "2026-11-24T12:00:00Z", "noon", None);
        check("Europe/Atlantis", "2026-11-24T12:00:00Z", "18:00", None);
    }
}
