//! Telephone numbers in their one canonical form.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An international number: country code and national number, 1 to 15 digits, never a leading zero.
///
/// Source: ITU-T E.164 §6. Held as an integer, so that two spellings cannot differ.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct E164(u64);

/// Not an E.164 number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an E.164 number: expected + and 1 to 15 digits, the first not 0")]
pub struct E164Error(pub String);

impl E164 {
    /// No number is longer.
    pub const MAX_DIGITS: usize = 15;

    /// From the digits without `+`.
    pub fn from_digits(digits: &str) -> Result<E164, E164Error> {
        let error = || E164Error(digits.to_owned());
        if digits.is_empty() || digits.len() > E164::MAX_DIGITS || digits.starts_with('0') {
            return Err(error());
        }
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(error());
        }
        digits.parse().map(E164).map_err(|_| error())
    }

    /// The digits as one integer.
    pub const fn value(self) -> u64 {
        self.0
    }

    /// The digits without `+`.
    pub fn digits(self) -> String {
        self.0.to_string()
    }
}

impl TryFrom<u64> for E164 {
    type Error = E164Error;

    fn try_from(value: u64) -> Result<E164, E164Error> {
        if value == 0 || value > 999_999_999_999_999 {
            return Err(E164Error(value.to_string()));
        }
        Ok(E164(value))
    }
}

impl From<E164> for u64 {
    fn from(number: E164) -> u64 {
        number.0
    }
}

impl FromStr for E164 {
    type Err = E164Error;

    /// Reads `+442079460000`; the `+` is required.
    fn from_str(text: &str) -> Result<E164, E164Error> {
        let digits = text.strip_prefix('+').ok_or_else(|| E164Error(text.to_owned()))?;
        E164::from_digits(digits).map_err(|_| E164Error(text.to_owned()))
    }
}

impl fmt::Display for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("+{}", self.0))
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "E164(+{})", self.0)
    }
}

/// ISO 3166-1 alpha-2 code of a country or territory, or `001` codes' stand-in `XG` (global networks).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region([u8; 2]);

/// Not a two-letter country code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a country code: expected two capital letters like GB")]
pub struct RegionError(pub String);

impl Region {
    /// The United Kingdom, the default home country.
    pub const GB: Region = Region(*b"GB");
    /// Networks that belong to no country: satellite, international networks, global services.
    pub const GLOBAL: Region = Region(*b"XG");

    /// The two letters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("regions are ASCII letters")
    }
}

impl FromStr for Region {
    type Err = RegionError;

    fn from_str(text: &str) -> Result<Region, RegionError> {
        match text.as_bytes() {
            [first, second] if first.is_ascii_uppercase() && second.is_ascii_uppercase() => {
                Ok(Region([*first, *second]))
            }
            _ => Err(RegionError(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Region {
    type Error = RegionError;

    fn try_from(text: String) -> Result<Region, RegionError> {
        text.parse()
    }
}

impl From<Region> for String {
    fn from(region: Region) -> String {
        region.as_str().to_owned()
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_e164() {
        fn check(text: &str, want: Option<u64>) {
            assert_eq!(text.parse::<E164>().ok().map(E164::value), want, "{text}");
        }
        check("+442079460000", Some(442_079_460_000));
        check("+1", Some(1));
        check("+123456789012345", Some(123_456_789_012_345));
        check("+1234567890123456", None);
        check("442079460000", None);
        check("+0207", None);
        check("+", None);
        check("+44 20", None);
        check("+４４", None);
    }
}
