//! What goes into a node and what comes out. Lives here: inputs, outputs, figures about a node.
//! Never here: what is done with them.

use sip::flow::{Flow, Outbox};
use types::Record;

use crate::screen::Dropped;

/// One thing that happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram, or one framed message of a stream. Header folds are undone in place.
    Received {
        /// The way it came.
        flow: Flow,
        /// Its bytes.
        bytes: &'a mut [u8],
    },
    /// A stream was closed, or could not be opened.
    FlowClosed(Flow),
    /// The instant of `next_timeout` has come.
    Timeout,
    /// The store has dealt with a request.
    Stored {
        /// Which.
        ticket: u64,
        /// Is it durable? False: nothing of it was written.
        ok: bool,
    },
    /// The store went down or came back.
    StoreHealth(bool),
    /// Staff or a holder want something changed.
    Command {
        /// Comes back with the reply.
        id: u64,
        /// What: all of it, or nothing.
        commands: Vec<engine::Command>,
    },
}

/// Records to be written in one transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreRequest {
    /// Comes back with `Input::Stored`. Tickets increase.
    pub ticket: u64,
    /// What to write.
    pub records: Vec<Record>,
}

/// The answer to a command, once it is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// In words.
    pub message: String,
    /// Calls that were cut by it.
    pub cut: usize,
}

/// What a node wants done.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Messages to send, in order.
    pub sends: Outbox,
    /// Records to write, in order.
    pub stores: Vec<StoreRequest>,
    /// Answers to commands.
    pub replies: Vec<(u64, Result<Reply, String>)>,
}

impl Outputs {
    /// Is there nothing to do?
    pub fn is_empty(&self) -> bool {
        self.sends.is_empty() && self.stores.is_empty() && self.replies.is_empty()
    }

    /// Forgets everything, keeping the memory.
    pub fn clear(&mut self) {
        self.sends.clear();
        self.stores.clear();
        self.replies.clear();
    }
}

/// Figures about a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Stats {
    /// Messages that came in.
    pub received: u64,
    /// Messages that could not be parsed.
    pub malformed: u64,
    /// Messages that were not listened to.
    pub dropped: Dropped,
    /// Bans now, ended ones that are still remembered included.
    pub bans: usize,
    /// Bans that nobody ordered and that could not be made, because too many were in force.
    pub bans_not_made: u64,
    /// Requests answered with a challenge.
    pub challenged: u64,
    /// Log-ins refused.
    pub log_ins_refused: u64,
    /// Log-ins that were not looked at, because of a lock-out.
    pub log_ins_locked: u64,
    /// Registrations granted.
    pub registered: u64,
    /// Calls admitted.
    pub admitted: u64,
    /// Calls refused.
    pub refused: u64,
    /// Calls answered.
    pub answered: u64,
    /// Phones that did not ring because too many are registered for one number.
    pub phones_not_rung: u64,
    /// Calls ended by Ringfence.
    pub cut: u64,
    /// Calls in memory now, ended ones that are still being tidied included.
    pub calls: usize,
    /// Server and client transactions now.
    pub transactions: (usize, usize),
    /// Bindings now.
    pub bindings: usize,
    /// Store requests without an answer now.
    pub stores_open: usize,
    /// Transactions that the store refused and that wait to be asked for again.
    pub records_waiting: usize,
    /// Transactions given up because too many waited: CDRs of refused calls first, then others that
    /// cost nobody anything.
    pub records_dropped: u64,
}
