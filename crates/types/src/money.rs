//! Whole millionths of the platform's currency unit, with checked arithmetic.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An amount of money in whole millionths of the platform's one currency unit: 0.0125 is `12_500`.
///
/// There is no `+` and no `-`: every sum is checked, and the caller says what an overflow means.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(i64);

/// Why a text is not an amount of money.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MoneyError {
    /// Not a decimal number.
    #[error("`{0}` is not an amount: expected digits with at most one point, like 0.0125")]
    NotANumber(String),
    /// More than six decimal places: smaller than a millionth.
    #[error("`{0}` has more than six decimal places; the smallest amount is 0.000001")]
    TooFine(String),
    /// Outside of what 64 bits of millionths hold.
    #[error("`{0}` is too large")]
    TooLarge(String),
}

impl Money {
    /// Nothing.
    pub const ZERO: Money = Money(0);
    /// More than any account will ever hold.
    pub const MAX: Money = Money(i64::MAX);

    /// From whole millionths.
    pub const fn from_micros(micros: i64) -> Money {
        Money(micros)
    }

    /// From whole currency units (pounds). Panics at compile time or run time on overflow: for constants.
    pub const fn from_units(units: i64) -> Money {
        Money(units * 1_000_000)
    }

    /// From hundredths of the currency unit (pence). For constants.
    pub const fn from_cents(cents: i64) -> Money {
        Money(cents * 10_000)
    }

    /// Whole millionths.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Is it exactly nothing?
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Is it less than nothing?
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Sum, or `None` on overflow.
    pub const fn checked_add(self, other: Money) -> Option<Money> {
        match self.0.checked_add(other.0) {
            Some(sum) => Some(Money(sum)),
            None => None,
        }
    }

    /// Difference, or `None` on overflow.
    pub const fn checked_sub(self, other: Money) -> Option<Money> {
        match self.0.checked_sub(other.0) {
            Some(difference) => Some(Money(difference)),
            None => None,
        }
    }

    /// Product with a count, or `None` on overflow.
    pub const fn checked_mul(self, count: i64) -> Option<Money> {
        match self.0.checked_mul(count) {
            Some(product) => Some(Money(product)),
            None => None,
        }
    }

    /// Sum that stops at the largest amount: for totals that are only compared with caps.
    pub const fn saturating_add(self, other: Money) -> Money {
        Money(self.0.saturating_add(other.0))
    }

    /// Difference that stops at the smallest amount.
    pub const fn saturating_sub(self, other: Money) -> Money {
        Money(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Money {
    /// At least two, at most six decimal places: `0.0125`, `10.00`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let magnitude = self.0.unsigned_abs();
        let whole = magnitude / 1_000_000;
        let mut fraction = format!("{:06}", magnitude % 1_000_000);
        while fraction.len() > 2 && fraction.ends_with('0') {
            fraction.pop();
        }
        f.pad(&format!("{sign}{whole}.{fraction}"))
    }
}

impl fmt::Debug for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Money({self})")
    }
}

impl FromStr for Money {
    type Err = MoneyError;

    fn from_str(text: &str) -> Result<Money, MoneyError> {
        let trimmed = text.trim();
        let plain = trimmed.strip_prefix('-').unwrap_or(trimmed);
        let has_digit = plain.bytes().any(|b| b.is_ascii_digit());
        let is_plain = plain.bytes().all(|b| b.is_ascii_digit() || b == b'.');
        if !has_digit || !is_plain || plain.matches('.').count() > 1 {
            return Err(MoneyError::NotANumber(text.to_owned()));
        }
        let decimal = rust_decimal::Decimal::from_str_exact(trimmed)
            .map_err(|_| MoneyError::TooLarge(text.to_owned()))?
            .normalize();
        if decimal.scale() > 6 {
            return Err(MoneyError::TooFine(text.to_owned()));
        }
        let micros = decimal
            .checked_mul(rust_decimal::Decimal::from(1_000_000))
            .and_then(|value| i64::try_from(value.normalize()).ok())
            .ok_or_else(|| MoneyError::TooLarge(text.to_owned()))?;
        Ok(Money(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_and_prints() {
        fn check(text: &str, want: Result<(i64, &str), MoneyError>) {
            let got = text.parse::<Money>();
            match want {
                Ok((micros, printed)) => {
                    assert_eq!(got, Ok(Money(micros)), "{text}");
                    assert_eq!(Money(micros).to_string(), printed, "{text}");
                }
                Err(error) => assert_eq!(got, Err(error), "{text}"),
            }
        }
        check("0.0125", Ok((12_500, "0.0125")));
        check("10", Ok((10_000_000, "10.00")));
        check(".5", Ok((500_000, "0.50")));
        check("-3.000001", Ok((-3_000_001, "-3.000001")));
        check("1.1000000", Ok((1_100_000, "1.10")));
        check("0.0000001", Err(MoneyError::TooFine("0.0000001".into())));
        check("", Err(MoneyError::NotANumber(String::new())));
        check("1e3", Err(MoneyError::NotANumber("1e3".into())));
        check("1.2.3", Err(MoneyError::NotANumber("1.2.3".into())));
        check("9223372036855", Err(MoneyError::TooLarge("9223372036855".into())));
        check("9223372036854.775807", Ok((i64::MAX, "9223372036854.775807")));
    }
}
