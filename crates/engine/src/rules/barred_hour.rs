//! Rule: the hour is barred at the account's place. Calls that cost nothing are not asked, and those in progress go on.

use types::{Finding, HourSet, UnixMicros};

use crate::off_hours::Zone;

/// A time that no calendar shows is barred, unless no hour is.
pub(crate) fn check(barred: HourSet, zone: &Zone, at: UnixMicros) -> Option<Finding> {
    if barred.is_empty() {
        return None;
    }
    let at = zone.week_hour(at);
    barred.contains(at).then_some(Finding::BarredHour { at })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::off_hours::Zones;

    #[test]
    fn hours_are_those_of_the_accounts_place() {
        fn check_row(barred: &str, zone: &str, utc: &str, want: &str) {
            let zone = Zones::new().find(zone).expect("a zone");
            let at: Timestamp = utc.parse().expect("a time");
            let barred = barred.parse().expect("hours");
            let found = check(barred, &zone, UnixMicros(at.as_microsecond()));
            assert_eq!(found.map_or(String::new(), |found| found.to_string()), want, "{utc}");
        }
        let (london, nights) = ("Europe/London", "mon-fri:0-8,mon-fri:18-24");
        let barred = "calls that cost money are barred on Tuesday between 18:00 and 19:00";
        check_row(nights, london, "2026-11-24T17:59:59.999999Z", "");
        check_row(nights, london, "2026-11-24T18:00:00Z", barred);
        check_row(nights, "America/New_York", "2026-11-24T18:00:00Z", "");
        // Summer time: 17:00 UTC is 18:00.
        check_row(nights, london, "2026-07-07T17:00:00Z", barred);
        check_row(nights, london, "2026-07-07T16:59:59Z", "");
        check_row("none", london, "2026-11-24T18:00:00Z", "");
        check_row("sun:2-3", london, "2026-11-24T18:00:00Z", "");
    }
}
