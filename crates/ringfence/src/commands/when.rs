//! Moments as people type them. Lives here: reading them. Never here: the clock.

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use types::UnixMicros;

/// Reads `2026-11-22`, `2026-11-22T08:00:00Z`, or a time ago: `90s`, `30m`, `2h`, `7d`.
pub fn moment(text: &str, now: UnixMicros) -> Result<UnixMicros, String> {
    let wrong = || {
        format!(
            "`{}` is not a time: expected 2026-11-22, 2026-11-22T08:00:00Z, or a time ago like 30m, 2h, 7d",
            text.escape_debug()
        )
    };
    if let Some(ago) = ago(text) {
        let at = i128::from(now.0) - ago.as_micros();
        // Nothing of ours is older than the count of time.
        return i64::try_from(at).ok().filter(|at| *at >= 0).map(UnixMicros).ok_or_else(wrong);
    }
    if let Ok(date) = text.parse::<Date>()
        && text.len() == 10
    {
        let start = date.in_tz("UTC").map_err(|_| wrong())?;
        return Ok(UnixMicros(start.timestamp().as_microsecond()));
    }
    let at: Timestamp = text.parse().map_err(|_| wrong())?;
    Ok(UnixMicros(at.as_microsecond()))
}

/// A stretch of time: from a moment on, and before another. What is left out has no bound.
pub fn stretch(
    since: Option<&str>,
    until: Option<&str>,
    now: UnixMicros,
) -> Result<(Option<UnixMicros>, Option<UnixMicros>), String> {
    let read = |text: Option<&str>| text.map(|text| moment(text, now)).transpose();
    let (since, until) = (read(since)?, read(until)?);
    match since.zip(until).filter(|(since, until)| since >= until) {
        Some((since, until)) => {
            Err(format!("--since {since} is not before --until {until}: nothing lies between them"))
        }
        None => Ok((since, until)),
    }
}

/// Reads a day: `2026-12-01`.
pub fn day(text: &str) -> Result<Date, String> {
    let read = text.parse::<Date>().ok().filter(|day| text.len() == 10 && day.year() >= 1970);
    // The last year of the calendar has days that have begun in no place of it.
    read.filter(|day| day.year() < 9_999)
        .ok_or_else(|| format!("`{}` is not a day: expected 2026-12-01", text.escape_debug()))
}

/// Reads a length of time, `36h` or `7d`, into milliseconds.
pub fn span_ms(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{}` is not a time: expected 90s, 30m, 36h or 7d", text.escape_debug());
    let span = ago(text).filter(|span| span.is_positive()).ok_or_else(wrong)?;
    u64::try_from(span.as_millis()).map_err(|_| wrong())
}

fn ago(text: &str) -> Option<SignedDuration> {
    let (count, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let count: u32 = count.parse().ok()?;
    Some(SignedDuration::from_secs(i64::from(count) * seconds))
}

/// How long something took, for people: `4.2 s`, `3 min 05 s`, `1 h 02 min`.
pub fn span(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..60 => format!("{}.{} s", seconds, ms % 1_000 / 100),
        60..3_600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read() {
        fn check(text: &str, want: Option<&str>) {
            let now = UnixMicros::from_seconds(1_795_336_863);
            let got = moment(text, now).ok().map(|at| at.to_string());
            assert_eq!(got.as_deref(), want, "{text}");
        }
        check("2026-11-22", Some("2026-11-22T00:00:00.000Z"));
        check("2026-11-22T08:41:03+01:00", Some("2026-11-22T07:41:03.000Z"));
        check("3s", Some("2026-11-22T08:41:00.000Z"));
        check("1d", Some("2026-11-21T08:41:03.000Z"));
        check("yesterday", None);
        check("20779d", Some("1970-01-01T08:41:03.000Z"));
        check("20780d", None);
        check("4294967295d", None);
        check("h", None);
        check("", None);
        check("é", None);
    }

    #[test]
    fn stretches_have_an_end_behind_their_beginning() {
        fn check(since: Option<&str>, until: Option<&str>, want: Result<(bool, bool), &str>) {
            let now = UnixMicros::from_seconds(1_795_336_863);
            let got = stretch(since, until, now);
            let bounds = got.map(|(since, until)| (since.is_some(), until.is_some()));
            assert_eq!(bounds, want.map_err(str::to_owned), "{since:?} {until:?}");
        }
        let order = "--since 2026-11-22T08:40:03.000Z is not before --until \
                     2026-11-22T08:39:03.000Z: nothing lies between them";
        let none = "--since 2026-11-01T00:00:00.000Z is not before --until \
                    2026-11-01T00:00:00.000Z: nothing lies between them";
        let time = "`7` is not a time: expected 2026-11-22, 2026-11-22T08:00:00Z, or a time ago like 30m, 2h, 7d";
        check(None, None, Ok((false, false)));
        check(Some("7d"), None, Ok((true, false)));
        check(None, Some("7d"), Ok((false, true)));
        check(Some("2m"), Some("1m"), Ok((true, true)));
        check(Some("1m"), Some("2m"), Err(order));
        check(Some("2026-11-01"), Some("2026-11-01"), Err(none));
        check(Some("7"), Some("1m"), Err(time));
        check(Some("1m"), Some("7"), Err(time));
    }

    #[test]
    fn days_are_read() {
        for (text, want) in [
            ("2026-12-01", Some("2026-12-01")),
            ("1970-01-01", Some("1970-01-01")),
            ("9998-12-31", Some("9998-12-31")),
            ("9999-12-31", None),
            ("1969-12-31", None),
            ("-009999-01-01", None),
            ("2026-13-01", None),
            ("2026-02-29", None),
            ("2026-12-01T08:00", None),
            ("20261201", None),
            ("tomorrow", None),
        ] {
            assert_eq!(day(text).ok().map(|day| day.to_string()).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn lengths_are_read() {
        for (text, want) in
            [("90s", Some(90_000)), ("2h", Some(7_200_000)), ("0s", None), ("1", None)]
        {
            assert_eq!(span_ms(text).ok(), want, "{text}");
        }
    }

    #[test]
    fn spans_are_readable() {
        for (ms, want) in [(4_250, "4.2 s"), (185_000, "3 min 05 s"), (3_720_000, "1 h 02 min")] {
            assert_eq!(span(ms), want);
        }
    }
}
