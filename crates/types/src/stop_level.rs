//! Money levels beside those of an account: of one line, of a reseller, of the whole platform.
//! Never here: what is spent (ledger).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, LineId, ResellerId};
use crate::money::Money;
use crate::reason::Window;

/// Levels at which calls end, each for a rolling window; `None`: no level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StopLevels {
    /// Costly spending per rolling hour.
    pub stop_level_1h: Option<Money>,
    /// Costly spending per rolling 24 hours.
    pub stop_level_24h: Option<Money>,
    /// Costly spending per rolling seven days.
    pub stop_level_7d: Option<Money>,
    /// All spending (costly or not) per rolling 24 hours.
    pub stop_level_all_24h: Option<Money>,
}

impl StopLevels {
    /// No level at all.
    pub const NONE: StopLevels = StopLevels {
        stop_level_1h: None,
        stop_level_24h: None,
        stop_level_7d: None,
        stop_level_all_24h: None,
    };

    /// Is no level set?
    pub fn is_none(&self) -> bool {
        *self == StopLevels::NONE
    }

    /// Each level with its name in settings and JSON.
    pub fn named(&self) -> [(&'static str, Option<Money>); 4] {
        [
            ("stop_level_1h", self.stop_level_1h),
            ("stop_level_24h", self.stop_level_24h),
            ("stop_level_7d", self.stop_level_7d),
            ("stop_level_all_24h", self.stop_level_all_24h),
        ]
    }
}

/// Who sells to accounts in the provider's place, and answers for what they spend together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reseller {
    /// Its number.
    pub id: ResellerId,
    /// What staff call it.
    pub name: String,
    /// What bounds the spending of all its accounts together.
    pub stop_levels: StopLevels,
}

/// Whose spending a stop level bounds. Levels are asked, and money is held, in this order.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum LevelScope {
    /// One line of the account.
    Line,
    /// The account.
    #[default]
    Account,
    /// All accounts of the reseller.
    Reseller,
    /// All accounts.
    Platform,
}

impl LevelScope {
    /// Every scope, in the order in which they are asked.
    pub const ALL: [LevelScope; 4] =
        [LevelScope::Line, LevelScope::Account, LevelScope::Reseller, LevelScope::Platform];

    /// Stable name.
    pub const fn code(self) -> &'static str {
        match self {
            LevelScope::Line => "line",
            LevelScope::Account => "account",
            LevelScope::Reseller => "reseller",
            LevelScope::Platform => "platform",
        }
    }

    /// May the holder of an account know its figures?
    pub const fn is_holders(self) -> bool {
        matches!(self, LevelScope::Line | LevelScope::Account)
    }
}

impl fmt::Display for LevelScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// A stop level that is about to be reached, or is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelNotice {
    /// Whose level it is.
    pub scope: LevelScope,
    /// Whose call brought it there; for a level of the line or the account also whose level it is.
    pub account: AccountId,
    /// For a level of a line: which.
    pub line: Option<LineId>,
    /// For a level of a reseller: which.
    pub reseller: Option<ResellerId>,
    /// Which window.
    pub window: Window,
    /// Spent in the window and held, what the last call asked for among it.
    pub usage: Money,
    /// The level.
    pub level: Money,
}
