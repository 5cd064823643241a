//! What calls are told from outside of their signalling. Lives here: the engine's money orders, commands
//! of staff and holders. Never here: who decides (engine).

use engine::{CallOrder, Extension};
use types::cdr::HangupCause;
use types::{DecisionId, Record};

use crate::io::Reply;
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

    pub(crate) fn command(&mut self, id: u64, command: engine::Command) {
        let cut = match &command {
            engine::Command::Cut(decision) => Some(*decision),
            _ => None,
        };
        match self.engine.command(self.now, command) {
            Err(error) => self.out.replies.push((id, Err(error.to_string()))),
            Ok(done) => {
                let mut count = 0;
                for decision in done.cut.iter().copied().chain(cut) {
                    if self.by_decision.contains_key(&decision) {
                        count += 1;
                        self.cut(decision, HangupCause::Cut, "cut by the provider");
                    }
                }
                self.after_command();
                let reply = Reply { message: done.message, cut: count };
                self.store(done.records.clone(), Pending::Command(id, reply, done.records));
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
