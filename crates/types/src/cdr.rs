//! The record of a call: one for each decision, admitted or refused.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::decision::{Destination, Explanation};
use crate::ids::{AccountId, DecisionId, DeviceId, LineId, TrunkId};
use crate::money::Money;
use crate::rate::Rate;
use crate::time::{Millis, UnixMicros};

/// Which way a call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// From an account to a carrier.
    Outgoing,
    /// From a carrier to an account.
    Incoming,
    /// From an account to an account.
    OnNet,
}

impl Direction {
    /// Stable name.
    pub const fn code(self) -> &'static str {
        match self {
            Direction::Outgoing => "outgoing",
            Direction::Incoming => "incoming",
            Direction::OnNet => "on-net",
        }
    }
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HangupSide {
    /// The caller.
    Caller,
    /// The called side.
    Callee,
    /// Ringfence.
    Ringfence,
}

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HangupCause {
    /// BYE after an answer.
    Normal,
    /// CANCEL before an answer.
    Cancelled,
    /// Refused by the engine.
    Refused,
    /// The called side refused; see the status.
    Rejected,
    /// Nobody answered in time.
    NoAnswer,
    /// The next slice of money could not be held.
    MoneyEnded,
    /// Hung up because of the account's status or a command.
    Cut,
    /// A session timer ran out, or a leg went silent.
    SessionExpired,
    /// A fault: no ACK, store lost, recovered call without dialog.
    Fault,
}

impl HangupCause {
    /// Stable name.
    pub const fn code(self) -> &'static str {
        match self {
            HangupCause::Normal => "normal",
            HangupCause::Cancelled => "cancelled",
            HangupCause::Refused => "refused",
            HangupCause::Rejected => "rejected",
            HangupCause::NoAnswer => "no-answer",
            HangupCause::MoneyEnded => "money-ended",
            HangupCause::Cut => "cut",
            HangupCause::SessionExpired => "session-expired",
            HangupCause::Fault => "fault",
        }
    }
}

impl fmt::Display for HangupCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// One side of a call on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegRecord {
    /// The peer's socket.
    pub peer: Option<SocketAddr>,
    /// Its Call-ID.
    pub call_id: String,
    /// Its User-Agent or Server, as said by the peer, cut at 128 bytes.
    pub user_agent: String,
}

/// The record of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cdr {
    /// Its decision.
    pub decision: DecisionId,
    /// Who pays, or who is called when nobody pays.
    pub account: AccountId,
    /// The line used by the account.
    pub line: Option<LineId>,
    /// The device that called.
    pub device: Option<DeviceId>,
    /// For on-net calls: the account called.
    pub to_account: Option<AccountId>,
    /// Which way.
    pub direction: Direction,
    /// Number or user shown as the caller.
    pub caller: String,
    /// What was dialled, as dialled, cut at 64 bytes.
    pub dialled: String,
    /// Where it leads.
    pub destination: Destination,
    /// When the request came.
    pub started: UnixMicros,
    /// When it was answered, if it was.
    pub answered: Option<UnixMicros>,
    /// When it ended.
    pub ended: UnixMicros,
    /// Time from answer to end by the monotonic clock, in milliseconds.
    pub duration_ms: Millis,
    /// What the holder pays.
    pub price: Money,
    /// What the carrier charges.
    pub cost: Money,
    /// The carrier's rate.
    pub cost_rate: Option<Rate>,
    /// The trunk used, the last one if several were tried.
    pub trunk: Option<TrunkId>,
    /// The caller's side.
    pub a_leg: LegRecord,
    /// The called side.
    pub b_leg: LegRecord,
    /// Why it ended.
    pub cause: HangupCause,
    /// The final SIP status the caller got; 200 for an answered call.
    pub status: u16,
    /// Who ended it.
    pub side: HangupSide,
    /// Why it was admitted or refused, and at which price.
    pub explanation: Explanation,
}
