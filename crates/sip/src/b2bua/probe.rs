//! Is the peer still there? Lives here: what a call that was taken up after a restart knows of its sides, and the
//! question it asks each of them. Never here: what follows from the answer (relay, hangup), who pays.
//!
//! A program that died does not know whether its calls went on without it. RFC 3261 §12.2.2: a user agent that has
//! lost a dialog says 481 to a request within it.

use types::Tick;

use super::{Call, Phase, Side, Wire, index_of};

/// What is known of a side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Nothing was heard of it since the call was taken up after a restart.
    Unknown,
    /// It spoke within the dialog, or answered a request within it.
    Here,
    /// It said that it has no such dialog, before it said anything else.
    Gone,
}

impl Call {
    /// What is known of a side; of a call of this run, that it is there.
    pub fn presence(&self, side: Side) -> Presence {
        self.presence[index_of(side)]
    }

    /// A side sent a request within the dialog, or its 2xx again.
    pub fn side_spoke(&mut self, side: Side) {
        self.learn(side, Presence::Here);
    }

    /// A side gave a final response to a request of ours within the dialog. 408 comes from somebody on the way, and
    /// says nothing of the peer.
    pub fn side_answered(&mut self, side: Side, status: u16) {
        match status {
            0..=199 | 408 => {}
            481 => self.learn(side, Presence::Gone),
            _ => self.learn(side, Presence::Here),
        }
    }

    /// Asks both sides at `at` whether they are still there.
    pub fn probe(&mut self, at: Tick) {
        self.probe_at = at;
    }

    /// Asks those of whom nothing was heard meanwhile, if it is time.
    pub(super) fn probe_if_due(&mut self, wire: &mut Wire<'_>) {
        if wire.now.tick < self.probe_at {
            return;
        }
        self.probe_at = Tick::NEVER;
        for side in [Side::Caller, Side::Callee] {
            if self.phase == Phase::Answered && self.presence(side) == Presence::Unknown {
                self.refresh_session(wire, side);
            }
        }
    }

    fn learn(&mut self, side: Side, presence: Presence) {
        let known = &mut self.presence[index_of(side)];
        if *known == Presence::Unknown {
            *known = presence;
        }
    }
}
