//! Quiet hours at the place of an account. Never here: what may be told in them.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use types::{QuietHours, UnixMicros};

/// When the quiet hours that are now end; `None`: it is not quiet. An unknown time zone counts as UTC.
pub fn quiet_until(quiet: QuietHours, zone: &str, now: UnixMicros) -> Option<UnixMicros> {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let here = Timestamp::from_microsecond(now.0).ok()?.to_zoned(zone.clone());
    let minute = i32::from(here.hour()) * 60 + i32::from(here.minute());
    let (from, to) = (i32::from(quiet.from_min), i32::from(quiet.to_min));
    let is_quiet = match from < to {
        true => (from..to).contains(&minute),
        false => minute >= from || minute < to,
    };
    if !is_quiet {
        return None;
    }
    let day = here.date();
    let day = if minute < to { day } else { day.tomorrow().ok()? };
    let end = day.at((to / 60) as i8, (to % 60) as i8, 0, 0).to_zoned(zone).ok()?;
    let end = UnixMicros(end.timestamp().as_microsecond());
    // A clock that is set back repeats an hour: never an end that lies behind us.
    let later =
        |end: UnixMicros| UnixMicros(end.0 + SignedDuration::from_mins(1).as_micros() as i64);
    Some(if end > now { end } else { later(now) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_hours_end_in_the_morning_of_the_place() {
        fn check(quiet: &str, zone: &str, now: &str, want: Option<&str>) {
            let at = |text: &str| {
                UnixMicros(text.parse::<Timestamp>().expect("a time").as_microsecond())
            };
            let got = quiet_until(quiet.parse().expect("hours"), zone, at(now));
            assert_eq!(got, want.map(at), "{quiet} {zone} {now}");
        }
        let night = "22:00-07:00";
        check(night, "Europe/London", "2026-11-22T21:59:59Z", None);
        check(night, "Europe/London", "2026-11-22T22:00:00Z", Some("2026-11-23T07:00:00Z"));
        check(night, "Europe/London", "2026-11-23T06:59:59Z", Some("2026-11-23T07:00:00Z"));
        check(night, "Europe/London", "2026-11-23T07:00:00Z", None);
        check(night, "America/New_York", "2026-11-23T07:00:00Z", Some("2026-11-23T12:00:00Z"));
        check("13:00-14:30", "UTC", "2026-11-23T14:00:00Z", Some("2026-11-23T14:30:00Z"));
        check("13:00-14:30", "UTC", "2026-11-23T14:30:00Z", None);
        // The clock goes forward at 01:00 UTC: half past one is not there.
        check("22:00-01:30", "Europe/London", "2026-03-28T23:00:00Z", Some("2026-03-29T01:30:00Z"));
        check(night, "Nowhere/Land", "2026-11-22T23:00:00Z", Some("2026-11-23T07:00:00Z"));
    }
}
