//! Calls in progress. Lives here: the money timers, extension, cutting.
//! Never here: whether a new call is admitted, SIP.

use types::cdr::HangupCause;
use types::{DecisionId, Finding, Tick};

/// When a live call wants attention. Both are `Tick::NEVER` for calls that nobody pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// When the next slice is asked for.
    pub extend_at: Tick,
    /// When the call is cut, unless the next slice is stored before.
    pub hard_stop: Tick,
}

/// The answer to asking for the next slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extension {
    /// The money is held; write `Engine::hold`, then say `extension_stored`.
    Granted,
    /// It is not; the call ends at its hard stop unless asking again succeeds.
    Refused(Vec<Finding>),
}

/// What the engine wants done with a live call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOrder {
    /// Ask for the next slice: `Engine::extend`.
    Extend(DecisionId),
    /// Hang up both legs, then `Engine::end`. Given once.
    Cut(DecisionId, HangupCause),
}
