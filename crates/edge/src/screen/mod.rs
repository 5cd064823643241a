//! Who is heard. Lives here: what a message goes through before anybody answers it.
//! Never here: log-ins, decisions, how bans are kept (engine).
//!
//! ```text
//! size, first byte ─► ban ─► known socket? ──yes──────────────────────────────► parse ─► node
//!      │ noise         │         │ no                                             ▲
//!      ▼               ▼         ▼            within                    no scanner│
//!   (garbage)       dropped   rate of the source ──────► parse ─► scanner? ───────┤
//!                                │ over                              │ yes        │
//!                                ├─ emergency INVITE ────► parse     ▼            │
//!                                ├─ customers' source ───► parse ─► familiar? ────┘
//!                                ▼                                   │ no
//!                             dropped                             dropped
//! ```
//!
//! Nothing here writes or logs for a message, nor allocates but the places of tables that are not full yet;
//! a ban is one record. Scanners are told by the
//! parsed User-Agent: looking for it in the bytes would cost every honest stranger more than parsing
//! costs the one message of a scanner before its source is banned.

mod familiar;
mod noise;
mod peek;
mod proven;
mod rates;
mod scanners;
mod sets;

use sip::flow::Flow;
use sip::message::Message;
use types::{BanReason, HashKey, Tick};

use crate::config::ScreenConfig;
use crate::node::Node;
use proven::Proven;
use rates::{Bucket, Rates};

/// While more comes than can be dealt with, all strangers together are heard so often a second.
const STRANGERS_WHEN_BUSY: u32 = 2_000;

/// What is remembered of strangers, in bounded memory.
pub(crate) struct Screen {
    rates: Rates,
    proven: Proven,
    is_busy: bool,
    together: Bucket,
    /// How the message that is being dealt with was taken.
    seen: Seen,
}

/// Messages that were not listened to, by the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Dropped {
    /// Cannot be SIP by size or first byte. Keep-alives are not counted.
    pub noise: u64,
    /// From a banned source.
    pub banned: u64,
    /// From a tool for scanning.
    pub scanner: u64,
    /// From strangers beyond their rate.
    pub rate: u64,
    /// From a customer's source beyond the rate, by somebody who does not look like one of its devices.
    pub unfamiliar: u64,
}

/// How a message is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    /// From a socket that has shown who it is.
    Known,
    /// From anybody, within the rate.
    Stranger,
    /// Only if it looks like a customer's device.
    OnlyFamiliar,
    /// Not at all.
    Dropped,
}

impl Screen {
    pub(crate) fn new(config: &ScreenConfig, hash: HashKey) -> Screen {
        Screen {
            rates: Rates::new(hash, config.stranger_rate, config.stranger_burst),
            proven: Proven::new(hash),
            is_busy: false,
            together: Bucket::default(),
            seen: Seen::Stranger,
        }
    }

    /// Does the message that is being dealt with come from a socket that has shown who it is?
    pub(crate) fn hears_known(&self) -> bool {
        self.seen == Seen::Known
    }

    /// Somebody behind this flow has shown the secret of a line.
    pub(crate) fn proved(&mut self, now: Tick, flow: &Flow) {
        self.proven.note(now, flow);
    }
}

impl Node {
    /// More has come than could be dealt with in one go, or no longer: strangers are shed first.
    pub fn set_busy(&mut self, is_busy: bool) {
        self.screen.is_busy = is_busy;
    }

    /// Steps before parsing.
    pub(crate) fn screen(&mut self, flow: &Flow, bytes: &[u8]) -> Seen {
        self.screen.seen = self.judge(flow, bytes);
        self.screen.seen
    }

    fn judge(&mut self, flow: &Flow, bytes: &[u8]) -> Seen {
        let (now, source) = (self.now.tick, flow.peer.ip());
        if !noise::worth_parsing(bytes) {
            if !noise::is_keep_alive(bytes) {
                self.stats.dropped.noise += 1;
                self.garbage(flow);
            }
            return Seen::Dropped;
        }
        if self.engine.is_banned(self.now, source) {
            self.stats.dropped.banned += 1;
            return Seen::Dropped;
        }
        if self.is_known(flow) {
            return Seen::Known;
        }
        let is_within = self.screen.rates.take(now, source);
        let is_shed = self.screen.is_busy
            && !self.screen.together.take(now, STRANGERS_WHEN_BUSY, STRANGERS_WHEN_BUSY);
        if is_within && !is_shed {
            return Seen::Stranger;
        }
        let is_emergency =
            peek::dialled(bytes).is_some_and(|code| self.engine.may_be_emergency(code.as_str()));
        if is_emergency && self.screen.rates.take_emergency(now, source) {
            return Seen::Stranger;
        }
        if self.knows_source(flow) {
            return Seen::OnlyFamiliar;
        }
        self.stats.dropped.rate += 1;
        Seen::Dropped
    }

    /// The step after parsing: is a stranger's message dropped after all? It gets no answer.
    pub(crate) fn turns_away(&mut self, seen: Seen, message: &Message<'_>, flow: &Flow) -> bool {
        if seen == Seen::Known {
            return false;
        }
        if scanners::is_scanner(message) {
            self.stats.dropped.scanner += 1;
            self.ban(flow, BanReason::Scanner);
            return true;
        }
        let is_turned_away = seen == Seen::OnlyFamiliar && !self.is_familiar(message, flow);
        self.stats.dropped.unfamiliar += u64::from(is_turned_away);
        is_turned_away
    }

    /// Something that is no SIP came from there. A source that goes on with it is banned.
    pub(crate) fn garbage(&mut self, flow: &Flow) {
        let source = flow.peer.ip();
        if self.screen.rates.garbage(self.now.tick, source) {
            self.ban(flow, BanReason::Garbage);
        }
    }

    /// Bans the source of a flow, but not one where customers are.
    fn ban(&mut self, flow: &Flow, reason: BanReason) {
        if !self.knows_source(flow) {
            self.engine.ban_for(self.now, flow.peer.ip(), reason);
        }
    }

    /// Has whoever is behind exactly this socket shown who he is?
    fn is_known(&self, flow: &Flow) -> bool {
        self.registrar.knows_socket(flow.transport, flow.peer)
            || self.screen.proven.has(self.now.tick, flow)
            || self.engine.access().is_known_socket(flow.peer)
            || self.engine.is_allowed(flow.peer.ip())
    }

    /// Are there customers at the address?
    fn knows_source(&self, flow: &Flow) -> bool {
        let source = flow.peer.ip();
        self.registrar.knows_source(source) || self.engine.access().knows_source(source)
    }
}
