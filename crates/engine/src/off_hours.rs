//! Is it off hours at an account's place? Lives here: time zones and the calendar of nobody watching.
//! Never here: money.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::Weekday;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use types::{UnixMicros, WeekHour};

use crate::config::OffHours;

/// A time zone with its IANA name.
#[derive(Debug)]
pub struct Zone {
    /// IANA name.
    pub(crate) name: Box<str>,
    pub(crate) rules: TimeZone,
}

/// Time zones by name, from the database compiled into the program.
pub(crate) struct Zones {
    database: TimeZoneDatabase,
    known: BTreeMap<Box<str>, Arc<Zone>>,
}

impl Zones {
    pub fn new() -> Zones {
        Zones { database: TimeZoneDatabase::bundled(), known: BTreeMap::new() }
    }

    /// The zone of a name, if there is one.
    pub fn find(&mut self, name: &str) -> Option<Arc<Zone>> {
        if let Some(zone) = self.known.get(name) {
            return Some(Arc::clone(zone));
        }
        let rules = self.database.get(name).ok()?;
        let zone = Arc::new(Zone { name: name.into(), rules });
        self.known.insert(name.into(), Arc::clone(&zone));
        Some(zone)
    }
}

impl Zone {
    /// Which hour of the week it is there. A time that no calendar shows is in the first one.
    pub(crate) fn week_hour(&self, at: UnixMicros) -> WeekHour {
        let local = Timestamp::from_microsecond(at.0).map(|at| self.rules.to_datetime(at));
        let local = local.unwrap_or_default();
        let number = |value: i8| u8::try_from(value).unwrap_or(0);
        WeekHour {
            day: number(local.weekday().to_monday_zero_offset()),
            hour: number(local.hour()),
        }
    }
}

impl OffHours {
    /// Is it off hours at this moment in this zone? A time that no calendar shows is.
    pub(crate) fn is_off(&self, zone: &Zone, at: UnixMicros) -> bool {
        let Ok(timestamp) = Timestamp::from_microsecond(at.0) else {
            return true;
        };
        let local = zone.rules.to_datetime(timestamp);
        let weekend = matches!(local.weekday(), Weekday::Saturday | Weekday::Sunday);
        if self.weekends && weekend || self.bank_holidays.contains(&local.date()) {
            return true;
        }
        let (from, to) = (self.weekday_from_h, self.weekday_to_h);
        let hour = u8::try_from(local.hour()).expect("hours of a day are 0 to 23");
        if from <= to { (from..to).contains(&hour) } else { hour >= from || hour < to }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_nights_weekends_and_holidays_at_the_accounts_place() {
        fn check(zone: &str, utc: &str, want: bool) {
            let christmas = jiff::civil::date(2026, 12, 25);
            let hours = OffHours { bank_holidays: vec![christmas], ..OffHours::default() };
            let zone = Zones::new().find(zone).expect("the zone exists");
            let at: Timestamp = utc.parse().expect("a timestamp");
            assert_eq!(hours.is_off(&zone, UnixMicros(at.as_microsecond())), want, "{utc}");
        }
        // Tuesday 2026-11-24, London on GMT.
        check("Europe/London", "2026-11-24T06:59:59.999999Z", true);
        check("Europe/London", "2026-11-24T07:00:00Z", false);
        check("Europe/London", "2026-11-24T18:59:59.999999Z", false);
        check("Europe/London", "2026-11-24T19:00:00Z", true);
        // The same moments in New York are five hours earlier.
        check("America/New_York", "2026-11-24T07:00:00Z", true);
        check("America/New_York", "2026-11-24T19:00:00Z", false);
        // London on summer time: 18:30 UTC is 19:30.
        check("Europe/London", "2026-07-07T18:30:00Z", true);
        check("Europe/London", "2026-07-07T06:30:00Z", false);
        // Saturday, Sunday, and Monday noon.
        check("Europe/London", "2026-11-28T12:00:00Z", true);
        check("Europe/London", "2026-11-29T12:00:00Z", true);
        check("Europe/London", "2026-11-30T12:00:00Z", false);
        // Friday 25 December, and the Thursday before.
        check("Europe/London", "2026-12-25T12:00:00Z", true);
        check("Europe/London", "2026-12-24T12:00:00Z", false);
    }

    #[test]
    fn hours_may_lie_within_a_day_or_be_none() {
        fn check(from: u8, to: u8, hour: &str, want: bool) {
            let hours = OffHours { weekday_from_h: from, weekday_to_h: to, ..OffHours::default() };
            let zone = Zones::new().find("UTC").expect("the zone exists");
            let at: Timestamp = format!("2026-11-24T{hour}:30:00Z").parse().expect("a timestamp");
            assert_eq!(hours.is_off(&zone, UnixMicros(at.as_microsecond())), want);
        }
        check(9, 12, "08", false);
        check(9, 12, "09", true);
        check(9, 12, "12", false);
        check(5, 5, "05", false);
        check(0, 24, "05", true);
    }

    #[test]
    fn unknown_zones_are_none() {
        assert!(Zones::new().find("Europe/Atlantis").is_none());
    }
}
