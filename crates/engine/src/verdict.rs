//! What is asked of the engine and what it answers. Lives here: attempt, verdict, the admission token.
//! Never here: SIP, statuses of SIP responses, how the answer was found.

use std::net::IpAddr;

use rating::Called;
use types::cdr::LegRecord;
use types::decision::Destination;
use types::{
    AccountId, DecisionId, DeviceId, Direction, E164, Finding, HangupSide, LineId, Rate, TrunkId,
    UnixMicros,
};

/// A call somebody asks for. The caller is authenticated, or came from a trunk's own networks.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// Who asks, and so who pays.
    pub from: Caller,
    /// The device that asks, if it is one of ours.
    pub device: Option<DeviceId>,
    /// User part of what was dialled, decoded.
    pub dialled: &'a str,
    /// Number or user the caller claims to be; it decides nothing but what is shown.
    pub claimed_caller: Option<&'a str>,
    /// The socket's peer address (I1: no header is believed).
    pub peer: IpAddr,
}

/// Who asks for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// An authenticated line of ours.
    Line(LineId),
    /// A carrier.
    Trunk(TrunkId),
}

/// The engine's answer.
#[derive(Debug)]
pub enum Verdict {
    /// The call may go out, once.
    Admit(Admission),
    /// It may not, for at least one reason.
    Refuse(Refusal),
}

/// Proof that a call may go out. Only the engine makes one; it is used by value, once.
///
/// Whoever holds it ends the call with `Engine::end`, also when it never went out.
#[derive(Debug)]
#[must_use = "an admitted call keeps its hold until it is ended"]
pub struct Admission {
    pub(crate) decision: DecisionId,
    pub(crate) account: AccountId,
    pub(crate) line: Option<LineId>,
    pub(crate) direction: Direction,
    pub(crate) destination: Destination,
    pub(crate) caller: String,
    pub(crate) target: Target,
    pub(crate) chargeable: bool,
}

impl Admission {
    /// Its decision: the name of the call from now on.
    pub fn decision(&self) -> DecisionId {
        self.decision
    }

    /// Who pays, or who is called when nobody pays.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// The line used: the caller's, or for incoming calls the called one if the number names one.
    pub fn line(&self) -> Option<LineId> {
        self.line
    }

    /// Which way the call goes.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// Where it leads.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// What to show as the caller: `+` and E.164, a user name, or `anonymous`.
    pub fn caller(&self) -> &str {
        &self.caller
    }

    /// Where to send it.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Does it cost the holder money?
    pub fn chargeable(&self) -> bool {
        self.chargeable
    }

    /// Must its hold be durable before the call goes out? Calls that nobody pays may go at once,
    /// their hold is written beside.
    pub fn needs_store(&self) -> bool {
        self.chargeable
    }

    /// Uses the token up.
    pub fn into_route(self) -> Route {
        Route {
            decision: self.decision,
            account: self.account,
            line: self.line,
            direction: self.direction,
            destination: self.destination,
            caller: self.caller,
            target: self.target,
        }
    }
}

/// What the way out needs, made from an admission and from nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The decision.
    pub decision: DecisionId,
    /// Who pays, or who is called when nobody pays.
    pub account: AccountId,
    /// The line used.
    pub line: Option<LineId>,
    /// Which way the call goes.
    pub direction: Direction,
    /// Where it leads.
    pub destination: Destination,
    /// What to show as the caller.
    pub caller: String,
    /// Where to send it.
    pub target: Target,
}

impl Route {
    /// The number to send to a trunk: the one that was rated, or the short code.
    pub fn number(&self) -> Option<&Called> {
        match &self.target {
            Target::Trunks { number, .. } => Some(number),
            Target::Lines(_) => None,
        }
    }
}

/// Where an admitted call goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Out, to the first carrier that takes it.
    Trunks {
        /// What to call: E.164 or a short code, as it was rated (F3).
        number: Called,
        /// Whom to try, in order; never empty.
        trunks: Vec<TrunkId>,
    },
    /// To all phones of these lines; never empty.
    Lines(Vec<LineId>),
}

impl Target {
    /// The E.164 number that goes out, if one does.
    pub fn e164(&self) -> Option<E164> {
        match self {
            Target::Trunks { number, .. } => number.destination.e164,
            Target::Lines(_) => None,
        }
    }
}

/// Why a call may not go out. Hand it back to `Engine::refused` for its record.
#[derive(Debug)]
#[must_use = "a refusal is recorded with `Engine::refused`"]
pub struct Refusal {
    /// Its decision.
    pub decision: DecisionId,
    /// Everything that speaks against the call; at least one.
    pub findings: Vec<Finding>,
    pub(crate) account: AccountId,
    pub(crate) line: Option<LineId>,
    pub(crate) device: Option<DeviceId>,
    pub(crate) to_account: Option<AccountId>,
    pub(crate) direction: Direction,
    pub(crate) caller: String,
    pub(crate) dialled: String,
    pub(crate) destination: Destination,
    pub(crate) rate: Option<Rate>,
    pub(crate) rate_prefix: Option<String>,
    pub(crate) trunk: Option<TrunkId>,
    pub(crate) started: UnixMicros,
}

impl Refusal {
    /// Whose call it would have been; account 0 when an incoming call asked for a number of nobody.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// Where it would have led.
    pub fn destination(&self) -> &Destination {
        &self.destination
    }
}

/// How a call ended, as seen on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Why.
    pub cause: types::cdr::HangupCause,
    /// The final SIP status the caller got; 200 for an answered call.
    pub status: u16,
    /// Who ended it.
    pub side: HangupSide,
    /// The caller's side.
    pub a_leg: LegRecord,
    /// The called side.
    pub b_leg: LegRecord,
    /// The trunk used last; `None`: the one of the last `use_trunk`.
    pub trunk: Option<TrunkId>,
    /// Of a call taken up after a restart: the last that is known of the program that carried it, if the
    /// side whose word counts has lost the call since. It ended no later than that program.
    pub lost_after: Option<UnixMicros>,
    /// What kept an admitted call from going out after all; its CDR tells it.
    pub finding: Option<Finding>,
}
