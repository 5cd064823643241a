//! What calls are told from outside of their signalling. Lives here: the engine's money orders, cuts.
//! Never here: who decides (engine), commands (command_path).

use engine::{CallOrder, Extension};
use types::cdr::HangupCause;
use types::{DecisionId, Record};

use crate::node::Node;
use crate::sip_reply;
use crate::store_path::Pending;

impl Node {
    /// The engine's timers: money for the next slice, or the end.
    pub(crate) fn money_orders(&mut self) {
        for order in self.engine.handle_timeout(self.now) {
            match order {
                CallOrder::Extend(decision) => self.extend(decision),
                CallOrder::Cut(decision, cause) => {
                    self.cut(decision, cause, "the money held has run out")
                }
            }
        }
    }

    fn extend(&mut self, decision: DecisionId) {
        match self.engine.extend(self.now, decision) {
            Extension::Granted => {
                if let Some(hold) = self.hold_with_legs(decision) {
                    self.store(vec![Record::Hold(Box::new(hold))], Pending::Extension(decision));
                }
            }
            Extension::Refused(_) => {
                // The hard stop stands: the engine orders the cut when it comes.
            }
        }
    }

    /// Ends a call from our side, both legs.
    pub(crate) fn cut(&mut self, decision: DecisionId, cause: HangupCause, why: &str) {
        let Some(key) = self.by_decision.get(&decision).copied() else { return };
        self.stats.cut += 1;
        let reason = sip_reply::cut_reason(why, decision);
        self.with_call(key, |live, wire, events| {
            live.call.hang_up(wire, cause, 403, Some(&reason), events);
        });
    }
}
