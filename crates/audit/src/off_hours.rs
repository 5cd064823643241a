//! Is it off hours at an account's place? Lives here: the calendar, by the minutes of a week. Never here: money.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZoneDatabase;
use types::{UnixMicros, WeekHour};

/// When nobody watches: the operator's settings, which are not on the record, so that it is known only from when on they
/// are what they are.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// From when on these settings hold: the node's last start.
    pub since: UnixMicros,
    /// First hour of a weekday's night, 0 to 24.
    pub from_h: u8,
    /// First hour of its day, 0 to 24.
    pub to_h: u8,
    /// Are Saturdays and Sundays off hours all day?
    pub weekends: bool,
    /// Days that are.
    pub holidays: BTreeSet<Date>,
    zones: TimeZoneDatabase,
}

impl Calendar {
    /// Off hours from one hour to another on weekdays, and on these days.
    pub fn new(
        since: UnixMicros,
        (from_h, to_h): (u8, u8),
        weekends: bool,
        holidays: impl IntoIterator<Item = Date>,
    ) -> Calendar {
        let (holidays, zones) = (holidays.into_iter().collect(), TimeZoneDatabase::bundled());
        Calendar { since, from_h, to_h, weekends, holidays, zones }
    }

    /// Which hour of the week it is then, in the zone of this name. `None`: nobody knows.
    pub(crate) fn week_hour(&self, zone: &str, at: UnixMicros) -> Option<WeekHour> {
        let zone = self.zones.get(zone).ok()?;
        let local = Timestamp::from_microsecond(at.0).ok()?.to_zoned(zone);
        let day = u8::try_from(local.weekday().to_monday_zero_offset()).ok()?;
        Some(WeekHour { day, hour: u8::try_from(local.hour()).ok()? })
    }

    /// Is it off hours then, in the zone of this name? `None`: nobody knows.
    pub(crate) fn is_off(&self, zone: &str, at: UnixMicros) -> Option<bool> {
        if at < self.since {
            return None;
        }
        let zone = self.zones.get(zone).ok()?;
        let local = Timestamp::from_microsecond(at.0).ok()?.to_zoned(zone);
        let day = local.weekday().to_monday_zero_offset();
        if day >= 5 && self.weekends || self.holidays.contains(&local.date()) {
            return Some(true);
        }
        let hour = u8::try_from(local.hour()).ok()?;
        // Hours of the night, counted from its beginning.
        let length = (24 + self.to_h - self.from_h) % 24;
        let whole_day = self.from_h == 0 && self.to_h == 24;
        Some(whole_day || (24 + hour - self.from_h) % 24 < length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nights_weekends_and_holidays_are_off_hours() {
        fn check(zone: &str, hours: (u8, u8), utc: &str, want: Option<bool>) {
            let christmas = jiff::civil::date(2026, 12, 25);
            let since = "2026-01-01T00:00:00Z".parse::<Timestamp>().expect("a time");
            let since = UnixMicros(since.as_microsecond());
            let calendar = Calendar::new(since, hours, true, [christmas]);
            let at: Timestamp = utc.parse().expect("a time");
            let got = calendar.is_off(zone, UnixMicros(at.as_microsecond()));
            assert_eq!(got, want, "{zone} {utc}");
        }
        let (london, usual) = ("Europe/London", (19, 7));
        check(london, usual, "2026-11-24T06:59:59.999999Z", Some(true));
        check(london, usual, "2026-11-24T07:00:00Z", Some(false));
        check(london, usual, "2026-11-24T18:59:59.999999Z", Some(false));
        check(london, usual, "2026-11-24T19:00:00Z", Some(true));
        check("America/New_York", usual, "2026-11-24T07:00:00Z", Some(true));
        check("America/New_York", usual, "2026-11-24T19:00:00Z", Some(false));
        // Summer time.
        check(london, usual, "2026-07-07T18:30:00Z", Some(true));
        check(london, usual, "2026-07-07T06:30:00Z", Some(false));
        check(london, usual, "2026-11-28T12:00:00Z", Some(true));
        check(london, usual, "2026-11-30T12:00:00Z", Some(false));
        check(london, usual, "2026-12-25T12:00:00Z", Some(true));
        check(london, usual, "2026-12-24T12:00:00Z", Some(false));
        // Within a day, none, all of it.
        check("UTC", (9, 12), "2026-11-24T09:00:00Z", Some(true));
        check("UTC", (9, 12), "2026-11-24T12:00:00Z", Some(false));
        check("UTC", (5, 5), "2026-11-24T05:30:00Z", Some(false));
        check("UTC", (0, 24), "2026-11-24T05:30:00Z", Some(true));
        check("UTC", (19, 24), "2026-11-24T20:30:00Z", Some(true));
        check("UTC", (19, 24), "2026-11-24T02:30:00Z", Some(false));
        check("Europe/Atlantis", usual, "2026-11-24T12:00:00Z", None);
        check(london, usual, "2025-12-31T12:00:00Z", None);
    }
}
