//! Names of things that have no other name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::UnixMicros;

macro_rules! small_id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0.to_string())
            }
        }
    };
}

small_id! {
    /// Who pays.
    AccountId(u32)
}
small_id! {
    /// One set of SIP credentials of an account.
    LineId(u32)
}

impl LineId {
    /// No line's: so that looking for nobody's takes the time that looking for a line takes.
    pub const NOBODY: LineId = LineId(u32::MAX);
}

small_id! {
    /// Who sells to accounts in the provider's place.
    ResellerId(u32)
}
small_id! {
    /// A connection to a carrier.
    TrunkId(u32)
}
small_id! {
    /// A phone, PBX or program that has shown a line's secret.
    DeviceId(u32)
}
small_id! {
    /// Somebody who logs in at the pages.
    WebUserId(u32)
}
small_id! {
    /// Somebody who is told when something happens.
    ContactId(u32)
}
small_id! {
    /// A table of rates.
    DeckId(u32)
}

/// Names one decision of the engine, and with it the call that was admitted or refused.
///
/// Microseconds of wall-clock time, made strictly increasing, with eight bits of shard below.
/// Printed as thirteen characters of Crockford's base 32, which people can read to each other.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct DecisionId(pub u64);

/// Not a decision id: thirteen characters of Crockford's base 32 were expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a decision id: expected 13 characters like 0D5KZQ4M2T8GR")]
pub struct DecisionIdError(pub String);

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl DecisionId {
    /// The next id: after `last`, and not before `wall`.
    pub fn next(last: DecisionId, wall: UnixMicros, shard: u8) -> DecisionId {
        let from_clock = u64::try_from(wall.0).unwrap_or(0) << 8 | u64::from(shard);
        DecisionId(from_clock.max(last.0 + 256))
    }

    /// The last id before, or at, a time of the wall clock.
    pub fn at(wall: UnixMicros) -> DecisionId {
        DecisionId(u64::try_from(wall.0).unwrap_or(0) << 8 | 255)
    }

    /// Its time: that of the request, or as little later as it takes to be the only one.
    pub const fn time(self) -> UnixMicros {
        UnixMicros((self.0 >> 8).cast_signed())
    }
}

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; 13];
        for (position, byte) in text.iter_mut().rev().enumerate() {
            *byte = CROCKFORD[(self.0 >> (5 * position) & 31) as usize];
        }
        f.pad(std::str::from_utf8(&text).expect("Crockford digits are ASCII"))
    }
}

impl FromStr for DecisionId {
    type Err = DecisionIdError;

    fn from_str(text: &str) -> Result<DecisionId, DecisionIdError> {
        let error = || DecisionIdError(text.to_owned());
        if text.len() != 13 {
            return Err(error());
        }
        let mut value: u64 = 0;
        for (position, byte) in text.bytes().enumerate() {
            let digit = match byte.to_ascii_uppercase() {
                b'O' => 0,
                b'I' | b'L' => 1,
                upper => {
                    CROCKFORD.iter().position(|&symbol| symbol == upper).ok_or_else(error)? as u64
                }
            };
            if position == 0 && digit > 15 {
                return Err(error());
            }
            value = value << 5 | digit;
        }
        Ok(DecisionId(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decision_ids_read_back() {
        for id in [0, 1, 459_582_243_000_123_392, u64::MAX] {
            let printed = DecisionId(id).to_string();
            assert_eq!(printed.parse(), Ok(DecisionId(id)), "{printed}");
            assert_eq!(printed.to_lowercase().parse(), Ok(DecisionId(id)));
        }
        assert!("short".parse::<DecisionId>().is_err());
        assert!("ZZZZZZZZZZZZZ".parse::<DecisionId>().is_err());
        assert!("U000000000000".parse::<DecisionId>().is_err());
    }

    #[test]
    fn decision_ids_increase_when_the_clock_stands() {
        let first = DecisionId::next(DecisionId(0), UnixMicros(5), 3);
        let second = DecisionId::next(first, UnixMicros(5), 3);
        assert!(second > first);
        assert_eq!(second.0 & 255, 3);
    }
}
