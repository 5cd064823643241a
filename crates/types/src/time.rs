//! Instants as arguments: nothing in the pure zone reads a clock.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A length of time in whole milliseconds.
pub type Millis = u64;

/// Microseconds since the node was started, never backwards. Timers and call durations run on it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Tick(pub u64);

impl Tick {
    /// An instant that is never reached.
    pub const NEVER: Tick = Tick(u64::MAX);

    /// This instant and `ms` milliseconds.
    pub const fn plus_ms(self, ms: Millis) -> Tick {
        Tick(self.0.saturating_add(ms.saturating_mul(1_000)))
    }

    /// This instant less `ms` milliseconds, not before the start.
    pub const fn minus_ms(self, ms: Millis) -> Tick {
        Tick(self.0.saturating_sub(ms.saturating_mul(1_000)))
    }

    /// Milliseconds from `earlier` to this instant, rounded down; zero if `earlier` is later.
    pub const fn ms_since(self, earlier: Tick) -> Millis {
        self.0.saturating_sub(earlier.0) / 1_000
    }

    /// Microseconds from `earlier` to this instant; zero if `earlier` is later.
    pub const fn micros_since(self, earlier: Tick) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Wall-clock time: microseconds since 1970-01-01T00:00:00Z.
///
/// The shell hands out a disciplined wall clock: it never goes backwards, and after a restart it
/// starts no earlier than the newest time in the store. Money windows run on it.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMicros(pub i64);

impl UnixMicros {
    /// Whole seconds since 1970, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// From whole seconds since 1970.
    pub const fn from_seconds(seconds: i64) -> UnixMicros {
        UnixMicros(seconds.saturating_mul(1_000_000))
    }

    /// This time and `ms` milliseconds.
    pub const fn plus_ms(self, ms: Millis) -> UnixMicros {
        UnixMicros(self.0.saturating_add_unsigned(ms.saturating_mul(1_000)))
    }

    /// Milliseconds from `earlier` to this time, rounded down; zero if `earlier` is later.
    pub const fn ms_since(self, earlier: UnixMicros) -> Millis {
        let micros = self.0.saturating_sub(earlier.0);
        if micros < 0 { 0 } else { micros as u64 / 1_000 }
    }
}

impl fmt::Display for UnixMicros {
    /// RFC 3339 in UTC with milliseconds: `2026-11-22T08:41:03.250Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.div_euclid(1_000);
        let (days, ms_of_day) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
        let (year, month, day) = civil_from_days(days);
        let (hour, minute) = (ms_of_day / 3_600_000, ms_of_day / 60_000 % 60);
        let (second, milli) = (ms_of_day / 1_000 % 60, ms_of_day % 1_000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
    }
}

impl fmt::Debug for UnixMicros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Proleptic Gregorian date of a count of days since 1970-01-01.
fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * shifted_month + 2) / 5 + 1) as u32;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// The instant of one input, read once at the shell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For timers and durations.
    pub tick: Tick,
    /// For records, money windows and certificates.
    pub wall: UnixMicros,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_dates() {
        fn check(seconds: i64, want: &str) {
            assert_eq!(UnixMicros::from_seconds(seconds).to_string(), want);
        }
        check(0, "1970-01-01T00:00:00.000Z");
        check(951_782_400, "2000-02-29T00:00:00.000Z");
        check(1_795_336_863, "2026-11-22T08:41:03.000Z");
        check(-1, "1969-12-31T23:59:59.000Z");
    }
}
