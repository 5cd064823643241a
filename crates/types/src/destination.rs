//! What kind of place a number leads to.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The class of a called number. *Costly* classes are all but the first six.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum DestinationClass {
    /// 999, 112 and the home country's other emergency numbers.
    Emergency = 0,
    /// The provider's own support number.
    Support,
    /// Another line of this platform.
    OnNet,
    /// Free to the caller.
    Freephone,
    /// Geographic and "standard rate" numbers of the home country.
    NationalFixed,
    /// Mobiles of the home country.
    NationalMobile,
    /// Shared-cost and directory numbers of the home country (084, 087, 118).
    NationalService,
    /// Follow-me numbers (070).
    Personal,
    /// Radio pagers (076).
    Pager,
    /// Premium rate of the home country (09).
    Premium,
    /// Abroad; its tier comes from the price in the deck.
    International,
    /// Satellite networks.
    Satellite,
    /// Premium rate and shared cost abroad, international premium (979).
    InternationalPremium,
    /// Not a number anybody can be reached at.
    Invalid,
}

impl DestinationClass {
    /// Every class, in order.
    pub const ALL: [DestinationClass; 14] = [
        DestinationClass::Emergency,
        DestinationClass::Support,
        DestinationClass::OnNet,
        DestinationClass::Freephone,
        DestinationClass::NationalFixed,
        DestinationClass::NationalMobile,
        DestinationClass::NationalService,
        DestinationClass::Personal,
        DestinationClass::Pager,
        DestinationClass::Premium,
        DestinationClass::International,
        DestinationClass::Satellite,
        DestinationClass::InternationalPremium,
        DestinationClass::Invalid,
    ];

    /// Stable name in configuration, records and JSON.
    pub const fn code(self) -> &'static str {
        match self {
            DestinationClass::Emergency => "emergency",
            DestinationClass::Support => "support",
            DestinationClass::OnNet => "on-net",
            DestinationClass::Freephone => "freephone",
            DestinationClass::NationalFixed => "national-fixed",
            DestinationClass::NationalMobile => "national-mobile",
            DestinationClass::NationalService => "national-service",
            DestinationClass::Personal => "personal",
            DestinationClass::Pager => "pager",
            DestinationClass::Premium => "premium",
            DestinationClass::International => "international",
            DestinationClass::Satellite => "satellite",
            DestinationClass::InternationalPremium => "international-premium",
            DestinationClass::Invalid => "invalid",
        }
    }

    /// Do calls of this class count against the costly limits and the stop level?
    pub const fn is_costly(self) -> bool {
        self as u8 > DestinationClass::NationalMobile as u8
    }

    /// Is it within the home country (as far as price caps go)?
    pub const fn is_national(self) -> bool {
        (self as u8) < DestinationClass::International as u8
    }
}

impl fmt::Display for DestinationClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// Not the name of a destination class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a destination class; one of: emergency, support, on-net, freephone, national-fixed, national-mobile, national-service, personal, pager, premium, international, satellite, international-premium, invalid"
)]
pub struct ClassError(pub String);

impl FromStr for DestinationClass {
    type Err = ClassError;

    fn from_str(text: &str) -> Result<DestinationClass, ClassError> {
        DestinationClass::ALL
            .into_iter()
            .find(|class| class.code() == text)
            .ok_or_else(|| ClassError(text.to_owned()))
    }
}

/// How dear an international destination is, by its price per minute in the deck.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InternationalTier {
    /// Up to 2p a minute.
    Low,
    /// Up to 20p a minute.
    Mid,
    /// Above.
    High,
}

/// A set of destination classes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<DestinationClass>", into = "Vec<DestinationClass>")]
pub struct ClassSet(u16);

impl ClassSet {
    /// No class.
    pub const EMPTY: ClassSet = ClassSet(0);

    /// The classes barred unless the operator says otherwise.
    pub const fn barred_by_default() -> ClassSet {
        ClassSet::EMPTY
            .with(DestinationClass::Premium)
            .with(DestinationClass::Personal)
            .with(DestinationClass::Pager)
            .with(DestinationClass::Satellite)
            .with(DestinationClass::InternationalPremium)
            .with(DestinationClass::Invalid)
    }

    /// This set and one more class.
    pub const fn with(self, class: DestinationClass) -> ClassSet {
        ClassSet(self.0 | 1 << class as u16)
    }

    /// This set less one class.
    pub const fn without(self, class: DestinationClass) -> ClassSet {
        ClassSet(self.0 & !(1 << class as u16))
    }

    /// Is the class in the set?
    pub const fn contains(self, class: DestinationClass) -> bool {
        self.0 & 1 << class as u16 != 0
    }

    /// The classes of the set, in order.
    pub fn iter(self) -> impl Iterator<Item = DestinationClass> {
        DestinationClass::ALL.into_iter().filter(move |class| self.contains(*class))
    }
}

impl From<Vec<DestinationClass>> for ClassSet {
    fn from(classes: Vec<DestinationClass>) -> ClassSet {
        classes.into_iter().fold(ClassSet::EMPTY, ClassSet::with)
    }
}

impl From<ClassSet> for Vec<DestinationClass> {
    fn from(set: ClassSet) -> Vec<DestinationClass> {
        set.iter().collect()
    }
}
