//! The answer and its ACKs, on both sides. Lives here: 2xx passed on and kept, ACKs sent, withheld,
//! repeated. Never here: answers that come too late.

use types::{Millis, Tick};

use crate::dialog::Dialog;
use crate::flow::Flow;
use crate::message::{Message, Method};
use crate::transaction::ServerTx;

use super::compose::{self, Reply};
use super::late_answer::send_ack_outside;
use super::{Body, Call, CallEvent, LegState, Phase, Side, Unacked, Wire, index_of};

/// RFC 3261 §13.3.1.4: 64·T1 without an ACK ends the call.
pub(super) const ACK_WAIT_FACTOR: Millis = 64;

impl Call {
    pub(super) fn success(
        &mut self,
        wire: &mut Wire<'_>,
        index: u8,
        response: &Message<'_>,
        flow: &Flow,
        events: &mut Vec<CallEvent>,
    ) {
        if self.repeat_ack(wire, Side::Callee, response) {
            return;
        }
        let state = self.legs[usize::from(index)].state;
        let wanted = self.phase == Phase::Routing
            && matches!(state, LegState::Calling | LegState::Ringing)
            && self.caller.invite.is_some();
        let fork = if wanted { self.fork_for(wire, index, response, flow) } else { None };
        let Some(fork) = fork else {
            self.refuse_late_answer(wire, index, response, flow, events);
            return;
        };
        self.take_answer(fork, response, flow);
        self.winner = Some(fork);
        self.phase = Phase::Answered;
        self.ring_deadline = Tick::NEVER;
        self.legs[usize::from(index)].state = LegState::Answered;
        self.cancel_other_legs(wire, index);
        self.answer_caller(wire, fork, response);
        if self.caller.offer.is_some() {
            self.ack_withheld = Some((response.cseq().number, None));
            self.caller.offer = None;
        }
        self.start_sessions(wire, response);
        events.push(CallEvent::Answered { leg: index });
    }

    /// The 2xx decides about route set and target, whatever the early dialog said (RFC 3261 §13.2.2.4).
    pub(super) fn take_answer(&mut self, fork: u8, response: &Message<'_>, flow: &Flow) {
        if let Ok(dialog) = Dialog::uac(response, flow) {
            let early = &mut self.forks[usize::from(fork)].callee;
            let local_cseq = early.local_cseq.max(dialog.local_cseq);
            *early = Dialog { local_cseq, ..dialog };
        }
    }

    /// The answer is on record: the callee gets its ACK. Until then it repeats its 2xx, and would
    /// repeat it to a node that came back from a crash and can then hang up on it.
    pub fn confirm(&mut self, wire: &mut Wire<'_>) {
        self.on_record = true;
        if let (Some((cseq, body)), Some(winner)) = (self.ack_withheld.take(), self.winner) {
            self.send_ack(wire, Side::Callee, winner, cseq, body.as_ref());
        }
        self.let_waiting_through(wire);
    }

    /// 200 to the caller, kept for repetition until the ACK comes.
    fn answer_caller(&mut self, wire: &mut Wire<'_>, fork: u8, response: &Message<'_>) {
        let Some(tx) = self.caller.invite.take() else { return };
        let dialog = &self.forks[usize::from(fork)].caller;
        let content_type = response.content_type().unwrap_or("application/sdp");
        let status = response.status().unwrap_or(200);
        let reply = Reply {
            contact: Some(dialog),
            for_session: true,
            session: self.caller.session.require.then_some(self.caller.session),
            body: (!response.body.is_empty()).then_some((content_type, response.body)),
            ..Reply::new(status, &dialog.local_tag)
        };
        let ack_owed = self.caller.offer.is_none().then_some(response.cseq().number);
        // Not the fork's: that one has counted a PRACK or UPDATE since.
        let cseq = self.caller.dialog.remote_cseq.unwrap_or(0);
        let flow = dialog.flow;
        let bytes = respond_and_keep(wire, tx, &reply);
        self.unacked.push(unacked(wire, Side::Caller, cseq, flow, bytes, ack_owed));
    }

    /// Sends the ACK for a 2xx and keeps it, to repeat it when the 2xx is repeated.
    pub(super) fn send_ack(
        &mut self,
        wire: &mut Wire<'_>,
        to: Side,
        fork: u8,
        cseq: u32,
        body: Option<&Body>,
    ) {
        let branch = wire.tokens.branch();
        let dialog = match to {
            Side::Caller => &self.forks[usize::from(fork)].caller,
            Side::Callee => &self.forks[usize::from(fork)].callee,
        };
        let flow = dialog.flow;
        let start = wire.out.begin();
        compose::in_dialog(
            &mut wire.out.arena,
            dialog,
            Method::Ack,
            cseq,
            branch.as_str(),
            wire.settings,
        );
        compose::finish(&mut wire.out.arena, body);
        let bytes = wire.out.finish(start, flow);
        let kept = &mut self.last_acks[index_of(to)];
        kept.cseq = cseq;
        kept.flow = Some(flow);
        kept.bytes.clear();
        kept.bytes.extend_from_slice(bytes);
    }

    /// Repeats the ACK for a repeated 2xx; false when the 2xx is new, or its ACK still owed.
    pub(super) fn repeat_ack(
        &mut self,
        wire: &mut Wire<'_>,
        to: Side,
        response: &Message<'_>,
    ) -> bool {
        let cseq = response.cseq().number;
        let Some(winner) = self.winner else { return false };
        let dialog = self.dialog(to, winner);
        if response.to().tag() != Some(dialog.remote_tag.as_str())
            || dialog.call_id != response.call_id()
        {
            return false;
        }
        let kept = &self.last_acks[index_of(to)];
        match kept.flow {
            Some(flow) if kept.cseq == cseq => {
                wire.out.push(flow, &kept.bytes);
                true
            }
            _ if self.ack_withheld.as_ref().is_some_and(|withheld| withheld.0 == cseq) => true,
            _ if self.unacked.iter().any(|unacked| unacked.ack_owed == Some(cseq)) => true,
            // A 2xx from before the last re-INVITE, whose ACK was lost and is not kept any more: it
            // is no new answer, and must not be hung up on.
            Some(_) if cseq < kept.cseq => {
                let dialog = self.dialog(to, winner).clone();
                send_ack_outside(wire, &dialog, cseq);
                true
            }
            _ => false,
        }
    }

    /// The callee repeats the 2xx of an earlier run, because that run's ACK was lost.
    pub fn acknowledge_again(&mut self, wire: &mut Wire<'_>, response: &Message<'_>) {
        let Some(winner) = self.winner else { return };
        let dialog = self.dialog(Side::Callee, winner);
        if self.phase == Phase::Answered && dialog.matches(response) {
            self.send_ack(wire, Side::Callee, winner, response.cseq().number, None);
        }
    }
}

/// Sends a 2xx and returns its bytes for repetition.
pub(super) fn respond_and_keep(wire: &mut Wire<'_>, tx: ServerTx, reply: &Reply<'_>) -> Vec<u8> {
    let settings = wire.settings;
    let mut bytes = Vec::new();
    wire.transactions.respond(wire.now.tick, tx, reply.status, wire.out, |head, out| {
        let start = out.len();
        reply.write(head, settings, out);
        bytes.extend_from_slice(&out[start..]);
    });
    bytes
}

pub(super) fn unacked(
    wire: &Wire<'_>,
    to: Side,
    cseq: u32,
    flow: Flow,
    bytes: Vec<u8>,
    ack_owed: Option<u32>,
) -> Unacked {
    let (now, t1) = (wire.now.tick, wire.settings.t1_ms);
    Unacked {
        to,
        cseq,
        flow,
        bytes,
        next: now.plus_ms(t1),
        interval_ms: t1,
        until: now.plus_ms(ACK_WAIT_FACTOR * t1),
        ack_owed,
    }
}
