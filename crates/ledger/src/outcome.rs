//! What is asked of the ledger, and what comes of it. Never here: how that is found.

use types::reason::Window;
use types::{DecisionId, Finding, LevelScope, Money};

use crate::exposure::Spent;
use crate::payer::Payer;

/// Money asked for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// For which call.
    pub decision: DecisionId,
    /// Whose spending it is.
    pub payer: Payer,
    /// How much.
    pub amount: Money,
    /// Does it count against the costly levels?
    pub costly: bool,
}

/// A stop level that a call would cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossing {
    /// Whose level.
    pub scope: LevelScope,
    /// Which window.
    pub window: Window,
    /// Spent in it.
    pub spent: Money,
    /// Held by open calls.
    pub held: Money,
    /// What was asked.
    pub asked: Money,
    /// The level.
    pub level: Money,
}

impl From<Crossing> for Finding {
    fn from(crossing: Crossing) -> Finding {
        let Crossing { scope, window, spent, held, asked, level } = crossing;
        Finding::StopLevel { scope, window, spent, held, asked, level }
    }
}

/// Why money was not held.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Levels would be crossed; at least one.
    #[error("{} stop level(s) would be crossed", .0.len())]
    Levels(Vec<Crossing>),
    /// The ask makes no sense.
    #[error(transparent)]
    Fault(#[from] LedgerError),
}

/// A movement of money that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// More than 64 bits of millionths.
    #[error("a sum of money is too large")]
    Overflow,
    /// An amount below nothing.
    #[error("an amount of money is negative")]
    Negative,
    /// The call has a hold already.
    #[error("call {0} holds money already")]
    HoldExists(DecisionId),
    /// The call has no hold, or not any more.
    #[error("call {0} holds no money")]
    NoHold(DecisionId),
    /// An extension asked for less than is held.
    #[error("call {0} holds more than the extension asks in all")]
    Shrinks(DecisionId),
}

/// An open hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenHold {
    /// Whose spending it is.
    pub payer: Payer,
    /// How much.
    pub amount: Money,
    /// Does it count against the costly levels?
    pub costly: bool,
}

/// How a hold was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// What was held.
    pub held: Money,
    /// What was spent instead.
    pub price: Money,
    /// What the price exceeds the hold by: a late hang-up.
    pub overrun: Money,
}

/// What an account has at risk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposed {
    /// Settled, in the windows.
    pub spent: Spent,
    /// Held by costly open calls.
    pub held_costly: Money,
    /// Held by all open calls.
    pub held_all: Money,
    /// Settled and not billed yet.
    pub unbilled: Money,
}

/// Counts since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Holds made, adopted ones included.
    pub reserved: u64,
    /// Holds settled.
    pub settled: u64,
    /// Holds released.
    pub released: u64,
    /// Holds expired.
    pub expired: u64,
    /// Largest overrun of one call.
    pub largest_overrun: Money,
}

/// What the audit found wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// A kept sum differs from its holds.
    #[error("{place} keeps {kept} as held, the open holds sum up to {found}")]
    Held {
        /// Whose.
        place: String,
        /// The kept sum.
        kept: Money,
        /// The sum found.
        found: Money,
    },
    /// Holds opened and closed do not match the open ones.
    #[error("{reserved} holds made, {closed} closed, {open} open")]
    Count {
        /// Made.
        reserved: u64,
        /// Closed.
        closed: u64,
        /// Open.
        open: u64,
    },
}
