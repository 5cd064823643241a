//! Billing months. Lives here: when they end, in the account's own calendar. Never here: money.

use anyhow::Context;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use types::{Account, UnixMicros};

/// The time zone of an account.
pub fn zone(account: &Account) -> anyhow::Result<TimeZone> {
    TimeZone::get(&account.time_zone)
        .with_context(|| format!("account {}: its time zone is not known", account.id))
}

/// The first moment of a day somewhere. Where the clock change leaves midnight out, the day begins later.
pub fn day_start(day: Date, zone: &TimeZone) -> anyhow::Result<UnixMicros> {
    let noon = day.at(12, 0, 0, 0).to_zoned(zone.clone())?;
    Ok(UnixMicros(noon.start_of_day()?.timestamp().as_microsecond()))
}

/// The end of the last billing month that is over on a day, and by a moment: a month ends where the next
/// begins, on the billing day, or on the last day of a month that is shorter.
pub fn cycle_end(
    day: Date,
    billing_day: u8,
    zone: &TimeZone,
    not_after: UnixMicros,
) -> anyhow::Result<UnixMicros> {
    let wanted = i8::try_from(billing_day).unwrap_or(31);
    let mut month = day.first_of_month();
    loop {
        let begins = month.with().day(wanted.min(month.days_in_month())).build()?;
        let at = day_start(begins, zone)?;
        if begins <= day && at <= not_after {
            return Ok(at);
        }
        month = month.yesterday()?.first_of_month();
    }
}

/// The same day so many months later, or the last day of a month that is shorter.
pub fn months_later(first: Date, months: u32) -> anyhow::Result<Date> {
    let span = jiff::Span::new().try_months(months)?;
    first.checked_add(span).context("a date beyond any calendar")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn date(text: &str) -> Date {
        text.parse().expect("a date")
    }

    #[test]
    fn billing_months_end_in_the_own_calendar() {
        fn check(day: &str, billing_day: u8, zone: &str, not_after: &str, want: &str) {
            let tz = TimeZone::get(zone).expect("a zone");
            let limit: Timestamp = not_after.parse().expect("a time");
            let limit = UnixMicros(limit.as_microsecond());
            let end = cycle_end(date(day), billing_day, &tz, limit).expect("in the calendar");
            assert_eq!(end.to_string(), want, "{day}, from the {billing_day}. in {zone}");
        }
        let far = "2030-01-01T00:00:00Z";
        check("2026-12-01", 1, "Europe/London", far, "2026-12-01T00:00:00.000Z");
        check("2026-12-31", 1, "Europe/London", far, "2026-12-01T00:00:00.000Z");
        // Summer time: midnight in London is an hour before midnight UTC.
        check("2026-07-01", 1, "Europe/London", far, "2026-06-30T23:00:00.000Z");
        // The nights of the clock changes, 29 March and 25 October 2026, at 1 and 2 o'clock.
        check("2026-03-29", 29, "Europe/London", far, "2026-03-29T00:00:00.000Z");
        check("2026-03-30", 30, "Europe/London", far, "2026-03-29T23:00:00.000Z");
        check("2026-10-25", 25, "Europe/London", far, "2026-10-24T23:00:00.000Z");
        check("2026-10-26", 26, "Europe/London", far, "2026-10-26T00:00:00.000Z");
        // Beirut leaves out the hour after midnight: the day begins at one.
        check("2026-03-29", 29, "Asia/Beirut", far, "2026-03-28T22:00:00.000Z");
        // Shorter months end on their last day; the year turns.
        check("2026-03-01", 31, "UTC", far, "2026-02-28T00:00:00.000Z");
        check("2026-01-15", 20, "UTC", far, "2025-12-20T00:00:00.000Z");
        check("2028-02-29", 31, "UTC", far, "2028-02-29T00:00:00.000Z");
        // Somewhere the day has not begun yet.
        check(
            "2026-12-01",
            1,
            "America/New_York",
            "2026-12-01T04:59:59Z",
            "2026-11-01T04:00:00.000Z",
        );
        check(
            "2026-12-01",
            1,
            "America/New_York",
            "2026-12-01T05:00:00Z",
            "2026-12-01T05:00:00.000Z",
        );
    }

    #[test]
    fn months_later_stays_in_the_month() {
        for (months, want) in [(0, "2026-12-31"), (1, "2027-01-31"), (2, "2027-02-28")] {
            assert_eq!(months_later(date("2026-12-31"), months).ok(), Some(date(want)));
        }
    }
}
