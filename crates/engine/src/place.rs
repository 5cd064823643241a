//! Where callers sit while they talk. Lives here: the IP lock of calls in progress (I1).
//! Never here: the lock's meaning (rules::ip_lock), new calls (admission).

use std::net::IpAddr;

use types::{DecisionId, DestinationClass, Direction, Finding};

use crate::engine::Engine;
use crate::live_call::Call;
use crate::rules::ip_lock;

impl Engine {
    /// The caller of a live call speaks from here now: taken up after a restart, or moved. A call
    /// that a carrier began has no place.
    pub fn sits_at(&mut self, decision: DecisionId, peer: IpAddr) {
        let Some(call) = self.calls.find_mut(decision) else {
            return;
        };
        if call.hold.direction != Direction::Incoming {
            call.peer = Some(peer);
        }
    }

    /// What speaks against a call going on where its caller sits. Nothing does against emergency
    /// and support calls.
    pub(crate) fn against_place(&self, call: &Call) -> Option<Finding> {
        let class = call.hold.destination.class;
        if matches!(class, DestinationClass::Emergency | DestinationClass::Support) {
            return None;
        }
        let line = self.directory.line(call.hold.line?)?;
        let account = self.directory.account(line.account)?;
        ip_lock::check(&account.controls.ip_lock, &line.ip_lock, call.peer?)
    }
}
