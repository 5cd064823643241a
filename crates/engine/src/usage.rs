//! What an account has used and what is going on, for pages and commands.
//! Never here: decisions.

use std::sync::Arc;
use types::{
    AccountId, Controls, DecisionId, Direction, LineId, Millis, Money, TrunkId, UnixMicros,
};

/// What an account has used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Settled and not billed yet.
    pub unbilled: Money,
    /// Cost of the calls in progress to this second.
    pub running: Money,
    /// Held by calls in progress.
    pub held: Money,
    /// Held by costly calls in progress.
    pub held_costly: Money,
    /// Costly, settled in the last hour.
    pub spent_1h: Money,
    /// Costly, settled in the last 24 hours.
    pub spent_24h: Money,
    /// Costly, settled in the last seven days.
    pub spent_7d: Money,
    /// All, settled in the last 24 hours.
    pub spent_all_24h: Money,
    /// Calls at once.
    pub calls: u16,
    /// Costly calls at once.
    pub costly_calls: u16,
    /// Is it off hours at the account's place?
    pub off_hours: bool,
    /// Costly spending still possible now, by the tightest stop level.
    pub headroom_costly: Money,
    /// Any spending still possible now.
    pub headroom: Money,
    /// The levels and limits that hold.
    pub levels: Arc<Controls>,
}

/// A call in progress.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveCall<'a> {
    /// Its decision.
    pub decision: DecisionId,
    /// Who pays, or who is called when nobody pays.
    pub account: AccountId,
    /// The line used.
    pub line: Option<LineId>,
    /// Which way.
    pub direction: Direction,
    /// Number or user shown as the caller.
    pub caller: &'a str,
    /// What was dialled.
    pub dialled: &'a str,
    /// The trunk in use.
    pub trunk: Option<TrunkId>,
    /// When the request came.
    pub started: UnixMicros,
    /// When it was answered, if it was.
    pub answered: Option<UnixMicros>,
    /// Held for it.
    pub held: Money,
    /// Talk time that is paid for and stored.
    pub covered_ms: Millis,
    /// Does it count against the costly limits?
    pub costly: bool,
    /// Does the holder pay?
    pub chargeable: bool,
}
