//! What a minute costs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::money::Money;
use crate::time::UnixMicros;

/// One row of a rate deck: the price of calls to numbers beginning with `prefix`, from a moment on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateRow {
    /// Leading digits of the E.164 number, without `+`.
    pub prefix: String,
    /// What people call the destination.
    pub name: Arc<str>,
    /// The price.
    pub rate: Rate,
    /// From when it holds.
    pub effective: UnixMicros,
}

/// The price of a call.
///
/// An answered call of `s` seconds is charged `connect_fee` plus `per_minute` for its billed seconds:
/// the first increment whole, then whole further increments, at least `minimum_s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Charged once when the call is answered.
    pub connect_fee: Money,
    /// Price of sixty seconds.
    pub per_minute: Money,
    /// Fewest billed seconds of an answered call.
    pub minimum_s: u32,
    /// Length of the first increment in seconds, at least 1.
    pub first_increment_s: u32,
    /// Length of each further increment in seconds, at least 1.
    pub increment_s: u32,
}

impl Rate {
    /// A rate that charges nothing.
    pub const FREE: Rate = Rate {
        connect_fee: Money::ZERO,
        per_minute: Money::ZERO,
        minimum_s: 0,
        first_increment_s: 1,
        increment_s: 1,
    };
}
