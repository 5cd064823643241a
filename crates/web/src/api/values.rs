//! Values that answers share. Lives here: money, moments, a sentence as an answer, the way there is nothing to send. Never here:
//! what they are of.

use serde::{Deserialize, Serialize};
use types::{Money, UnixMicros};
use utoipa::ToSchema;

/// Money in units of the account's currency, as a decimal with two to six places.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = r"^-?[0-9]+\.[0-9]{2,6}$", example = "12.50")]
pub struct Amount(String);

impl From<Money> for Amount {
    fn from(money: Money) -> Amount {
        Amount(money.to_string())
    }
}

/// A time in UTC (RFC 3339).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, format = DateTime, example = "2026-11-22T02:14:00.000Z")]
pub struct Moment(String);

impl From<UnixMicros> for Moment {
    fn from(at: UnixMicros) -> Moment {
        Moment(at.to_string())
    }
}

/// What was done, in words.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Said {
    /// A sentence.
    pub message: String,
}

impl Said {
    /// This sentence.
    pub fn that(message: impl Into<String>) -> Said {
        Said { message: message.into() }
    }
}

/// Nothing is sent.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// How many at most.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Most {
    /// How many at most.
    #[serde(default = "thirty")]
    #[schema(minimum = 1, maximum = 100, default = 30)]
    pub limit: u32,
}

fn thirty() -> u32 {
    30
}

/// How long something that is riskier is to last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub enum Lasts {
    /// An hour.
    #[serde(rename = "1h")]
    Hour,
    /// A day.
    #[default]
    #[serde(rename = "24h")]
    Day,
    /// A week.
    #[serde(rename = "7d")]
    Week,
    /// For good.
    #[serde(rename = "good")]
    Good,
}

impl Lasts {
    /// As the desk has it.
    pub const fn text(self) -> &'static str {
        match self {
            Lasts::Hour => "1h",
            Lasts::Day => "24h",
            Lasts::Week => "7d",
            Lasts::Good => "",
        }
    }
}
