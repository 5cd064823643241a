//! Words that mean quantities. Never here: sentences.

use types::{E164, Money};

/// `500ms`, `10s`, `2m`, `1h`, `1m30s` in microseconds.
pub fn duration(text: &str) -> Result<u64, String> {
    let error =
        || format!("`{text}` is no time: expected something like 500ms, 10s, 2m, 1m30s or 1h");
    let (mut total, mut digits, mut unit) = (0u64, String::new(), String::new());
    for letter in text.chars().chain("0".chars()) {
        if letter.is_ascii_digit() && !unit.is_empty() {
            let factor = match unit.as_str() {
                "ms" => 1_000,
                "s" => 1_000_000,
                "m" => 60_000_000,
                "h" => 3_600_000_000,
                _ => return Err(error()),
            };
            total += digits.parse::<u64>().map_err(|_| error())? * factor;
            digits.clear();
            unit.clear();
        }
        if letter.is_ascii_digit() { digits.push(letter) } else { unit.push(letter) }
    }
    // The digit put at the end closes the last unit; anything more had none.
    if digits == "0" && unit.is_empty() && text != "0" && !text.is_empty() {
        Ok(total)
    } else {
        Err(error())
    }
}

/// As [`duration`], in milliseconds.
pub fn millis(text: &str) -> Result<u64, String> {
    duration(text).map(|us| us / 1_000)
}

/// An amount.
pub fn money(text: &str) -> Result<Money, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// A number with `+`.
pub fn e164(text: &str) -> Result<E164, String> {
    text.parse().map_err(|error| format!("{error}"))
}

/// A count.
pub fn count<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is no count"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times() {
        for (text, want) in [
            ("500ms", Some(500_000)),
            ("10s", Some(10_000_000)),
            ("1m30s", Some(90_000_000)),
            ("1h", Some(3_600_000_000)),
            ("0s", Some(0)),
            ("10", None),
            ("", None),
            ("s", None),
            ("3x", None),
            ("1s5", None),
        ] {
            assert_eq!(duration(text).ok(), want, "{text}");
        }
    }
}
