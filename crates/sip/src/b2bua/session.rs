//! Session timers of a call (RFC 4028). Lives here: when a side must have shown life, when we ask.
//! Never here: the negotiation's headers.

use types::{Millis, Tick};

/// What keeps one side's session alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeper {
    /// Not set up yet.
    Nobody,
    /// The peer refreshes; silent until then, the session ends.
    Peer,
    /// We ask with OPTIONS, because the peer has no session timer.
    Probe,
}

/// The session timer towards one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    keeper: Keeper,
    interval_ms: Millis,
    deadline: Tick,
}

/// What a session timer wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionOrder {
    /// Nothing yet.
    Wait,
    /// Ask the side whether it is still there.
    Probe,
    /// The side has been silent for too long.
    Expired,
}

impl Session {
    /// No session yet.
    pub const NONE: Session =
        Session { keeper: Keeper::Nobody, interval_ms: 0, deadline: Tick::NEVER };

    /// The peer refreshes within `seconds`.
    pub const fn kept_by_peer(now: Tick, seconds: u32) -> Session {
        let interval_ms = seconds as Millis * 1_000;
        Session { keeper: Keeper::Peer, interval_ms, deadline: now.plus_ms(interval_ms) }
    }

    /// The peer has no session timer: we probe twice within `seconds`.
    pub const fn probed(now: Tick, seconds: u32) -> Session {
        let interval_ms = seconds as Millis * 500;
        Session { keeper: Keeper::Probe, interval_ms, deadline: now.plus_ms(interval_ms) }
    }

    /// When to look again.
    pub const fn next_timeout(&self) -> Tick {
        self.deadline
    }

    /// The side has shown life.
    pub const fn refresh(&mut self, now: Tick) {
        if !matches!(self.keeper, Keeper::Nobody) {
            self.deadline = now.plus_ms(self.interval_ms);
        }
    }

    /// What is to be done now? A probe starts the next interval.
    pub fn due(&mut self, now: Tick) -> SessionOrder {
        if now < self.deadline {
            return SessionOrder::Wait;
        }
        match self.keeper {
            Keeper::Nobody => SessionOrder::Wait,
            Keeper::Peer => SessionOrder::Expired,
            Keeper::Probe => {
                self.refresh(now);
                SessionOrder::Probe
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_expire_and_probes_repeat() {
        let mut peer = Session::kept_by_peer(Tick(0), 90);
        assert_eq!(peer.due(Tick(89_999_999)), SessionOrder::Wait);
        peer.refresh(Tick(80_000_000));
        assert_eq!(peer.due(Tick(90_000_000)), SessionOrder::Wait);
        assert_eq!(peer.due(Tick(170_000_000)), SessionOrder::Expired);

        let mut probed = Session::probed(Tick(0), 90);
        assert_eq!(probed.due(Tick(45_000_000)), SessionOrder::Probe);
        assert_eq!(probed.due(Tick(45_000_001)), SessionOrder::Wait);
        assert_eq!(probed.due(Tick(90_000_000)), SessionOrder::Probe);

        let mut none = Session::NONE;
        assert_eq!(none.due(Tick(u64::MAX - 1)), SessionOrder::Wait);
    }
}
