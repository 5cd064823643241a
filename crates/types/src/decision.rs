//! What the engine decided, as it is kept.

use serde::{Deserialize, Serialize};

use crate::destination::{DestinationClass, InternationalTier};
use crate::number::{E164, Region};
use crate::rate::Rate;
use crate::reason::Finding;

/// Did the call go ahead?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Admitted.
    Admitted,
    /// Refused.
    Refused,
}

/// Where a called number leads, as numbering and rating saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// Its class.
    pub class: DestinationClass,
    /// The number in canonical form; `None` for short codes and on-net user names.
    pub e164: Option<E164>,
    /// Its country.
    pub region: Option<Region>,
    /// For `International`: how dear.
    pub tier: Option<InternationalTier>,
    /// Known as a target of international revenue share fraud.
    pub hotspot: bool,
}

/// The explanation of a decision, kept with the hold and the CDR.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Admitted or refused.
    pub outcome: Outcome,
    /// What spoke against it; empty when admitted.
    pub findings: Vec<Finding>,
    /// The price it was judged by.
    pub rate: Option<Rate>,
    /// The deck prefix that gave the price.
    pub rate_prefix: Option<String>,
}
