//! From the text of a cell to its value. Lives here: one reader per kind of cell, each with a
//! message that says what was expected. Never here: which column a cell is of.

use std::sync::Arc;

use types::{E164, Money, UnixMicros};

/// No carrier charges this for a minute; a deck that says so has its units wrong.
const MAX_PRICE: Money = Money::from_units(10_000);
/// Longest increment or minimum: a day.
const MAX_SECONDS: u32 = 86_400;
/// Longest name of a destination in bytes.
const MAX_NAME: usize = 200;

/// Leading digits of an E.164 number, with or without `+`.
pub(super) fn read_prefix(cell: &str) -> Result<String, String> {
    let digits = cell.strip_prefix('+').unwrap_or(cell);
    E164::from_digits(digits).map_err(|_| {
        format!("{} is not a prefix: expected 1 to 15 digits, the first not 0", shown(cell))
    })?;
    Ok(digits.to_owned())
}

/// What people call the destination.
pub(super) fn read_name(cell: &str) -> Result<Arc<str>, String> {
    if cell.len() > MAX_NAME {
        return Err(format!("{} is longer than {MAX_NAME} bytes", shown(cell)));
    }
    if cell.chars().any(char::is_control) {
        return Err(format!("{} has control characters; is a quote missing?", shown(cell)));
    }
    Ok(Arc::from(cell))
}

/// An amount of money, never negative.
pub(super) fn read_price(cell: &str) -> Result<Money, String> {
    let price: Money = cell.parse().map_err(|error: types::MoneyError| match error {
        types::MoneyError::NotANumber(_) => {
            format!(
                "{} is not an amount: expected digits with at most one point, like 0.0125",
                shown(cell)
            )
        }
        other => other.to_string(),
    })?;
    if price.is_negative() {
        return Err(format!("{} is negative", shown(cell)));
    }
    if price > MAX_PRICE {
        return Err(format!("{} is more than {MAX_PRICE}; is it in the right unit?", shown(cell)));
    }
    Ok(price)
}

/// Whole seconds.
pub(super) fn read_seconds(cell: &str) -> Result<u32, String> {
    let is_digits = cell.bytes().all(|byte| byte.is_ascii_digit());
    match cell.parse() {
        Ok(seconds) if is_digits && seconds <= MAX_SECONDS => Ok(seconds),
        _ => Err(format!("{} is not a whole number of seconds up to {MAX_SECONDS}", shown(cell))),
    }
}

/// Whole seconds, at least one.
pub(super) fn read_increment(cell: &str) -> Result<u32, String> {
    match read_seconds(cell)? {
        0 => Err("an increment must be at least 1 second".to_owned()),
        seconds => Ok(seconds),
    }
}

/// `60/60` is first and further; `60` is both.
pub(super) fn read_increments(cell: &str) -> Result<(u32, u32), String> {
    match cell.split_once('/') {
        Some((first, further)) => {
            Ok((read_increment(first.trim())?, read_increment(further.trim())?))
        }
        None => read_increment(cell).map(|seconds| (seconds, seconds)),
    }
}

/// RFC 3339, or a date, which is its midnight in UTC.
pub(super) fn read_time(cell: &str) -> Result<UnixMicros, String> {
    if let Ok(time) = cell.parse::<jiff::Timestamp>() {
        return Ok(UnixMicros(time.as_microsecond()));
    }
    let date = if cell.len() == 10 { cell.parse::<jiff::civil::Date>().ok() } else { None };
    date.and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .map(|midnight| UnixMicros(midnight.timestamp().as_microsecond()))
        .ok_or_else(|| {
            format!(
                "{} is not a time: expected a date like 2026-11-22 or a time like 2026-11-22T08:41:03Z",
                shown(cell)
            )
        })
}

/// A cell as it can be shown: quoted, control characters visible, cut.
pub(super) fn shown(cell: &str) -> String {
    let visible: String = cell.chars().take(40).flat_map(char::escape_debug).collect();
    let rest = if cell.chars().nth(40).is_some() { "…" } else { "" };
    format!("`{visible}{rest}`")
}
