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
        return Ok(UnixMicros(now.0.saturating_sub(ago.as_micros() as i64)));
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
        check("h", None);
        check("", None);
        check("é", None);
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
