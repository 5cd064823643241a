//! The way of a command. Lives here: what ends at once because of it: calls, legs, bindings.
//! Never here: what a command changes (engine), how it travels.

use engine::{Command, DeviceAt, Done};
use sip::b2bua::{CallKey, PeerKind, Side};
use types::cdr::HangupCause;
use types::{DecisionId, LineId, Record};

use crate::io::Reply;
use crate::node::Node;
use crate::store_path::Pending;

/// Told to both sides of a call that a command ends.
const CUT: &str = "cut by the provider";

impl Node {
    /// Carries out commands, all of them or none; the reply comes when they are written.
    pub(crate) fn command(&mut self, id: u64, commands: Vec<Command>) {
        let named: Vec<DecisionId> = commands
            .iter()
            .filter_map(|command| match command {
                Command::Cut(decision) => Some(*decision),
                _ => None,
            })
            .collect();
        match self.engine.commands(self.now, commands) {
            Err(error) => self.out.replies.push((id, Err(error.to_string()))),
            Ok(mut done) => {
                let cut = self.end_calls(&done, named);
                self.after_command();
                let mut records = std::mem::take(&mut done.records);
                records.extend(self.forget_phones(&done));
                let reply = Reply { message: done.message, cut };
                self.store(records.clone(), Pending::Command(id, reply, records));
            }
        }
    }

    /// Hangs up what ends, and what was named to end and was ordered to before; how many calls.
    fn end_calls(&mut self, done: &Done, named: Vec<DecisionId>) -> usize {
        // A call that was ordered to end before is hung up on again.
        let again = named.into_iter().filter(|decision| !done.cut.contains(decision));
        let mut cut: Vec<DecisionId> = done.cut.iter().copied().chain(again).collect();
        cut.extend(self.answered_outside(&done.relocked, &cut));
        cut.extend(self.answered_by(&done.ousted, &cut));
        cut.retain(|decision| self.by_decision.contains_key(decision));
        for decision in &cut {
            self.cut(*decision, HangupCause::Cut, CUT);
        }
        cut.len()
    }

    /// Carries out what the end of a raise brings, as if staff had ordered it.
    pub(crate) fn raises_ended(&mut self) {
        let Some(mut done) = self.engine.take_ended() else { return };
        self.end_calls(&done, Vec::new());
        let mut records = std::mem::take(&mut done.records);
        records.extend(self.forget_phones(&done));
        self.must_store(records);
    }

    /// Phones that have to register again, or may not.
    fn forget_phones(&mut self, done: &Done) -> Vec<Record> {
        let mut gone = Vec::new();
        for line in done.lines_to_look_at() {
            let engine = &self.engine;
            let ends = |peer, agent: &str| engine.ends_binding(done, line, peer, agent);
            let contacts = self.registrar.remove_where(line, ends);
            gone.extend(contacts.into_iter().map(|contact| Record::BindingGone(line, contact)));
        }
        gone
    }

    /// Calls that a phone of these lines answered outside the line's lock, but those named; oldest first.
    fn answered_outside(&mut self, lines: &[LineId], but: &[DecisionId]) -> Vec<DecisionId> {
        if lines.is_empty() {
            return Vec::new();
        }
        let live: Vec<(DecisionId, CallKey)> =
            self.by_decision.iter().map(|(decision, key)| (*decision, *key)).collect();
        let mut outside: Vec<DecisionId> = live
            .into_iter()
            .filter(|(decision, _)| !but.contains(decision))
            .filter(|(_, key)| self.is_answered_outside(*key))
            .map(|(decision, _)| decision)
            .collect();
        outside.sort_unstable();
        outside
    }

    /// Calls that a device that is thrown out answered, but those named; oldest first.
    fn answered_by(&mut self, ousted: &[DeviceAt], but: &[DecisionId]) -> Vec<DecisionId> {
        if ousted.is_empty() {
            return Vec::new();
        }
        let mut live: Vec<(DecisionId, CallKey)> =
            self.by_decision.iter().map(|(decision, key)| (*decision, *key)).collect();
        live.retain(|(decision, key)| !but.contains(decision) && self.is_answered_by(*key, ousted));
        live.sort_unstable();
        live.into_iter().map(|(decision, _)| decision).collect()
    }

    fn is_answered_by(&mut self, key: CallKey, ousted: &[DeviceAt]) -> bool {
        let Some(live) = self.calls.find(key) else { return false };
        let Some(leg) = live.call.winning_leg().filter(|leg| leg.plan.peer == PeerKind::Phone)
        else {
            return false;
        };
        let line = LineId(leg.plan.mark);
        let agent = leg.user_agent.clone();
        let flow = live.call.answered_flow(Side::Callee).unwrap_or(leg.plan.flow);
        ousted.iter().any(|ousted| ousted.line == line && ousted.is_at(flow.peer, &agent))
    }

    /// Did a phone outside its line's IP lock answer the call (I1)?
    pub(crate) fn is_answered_outside(&mut self, key: CallKey) -> bool {
        let Some(live) = self.calls.find(key) else { return false };
        let Some(leg) = live.call.winning_leg() else { return false };
        if leg.plan.peer != PeerKind::Phone {
            return false;
        }
        let line = LineId(leg.plan.mark);
        let flow = live.call.answered_flow(Side::Callee).unwrap_or(leg.plan.flow);
        !self.engine.ip_allowed(line, flow.peer.ip())
    }
}
