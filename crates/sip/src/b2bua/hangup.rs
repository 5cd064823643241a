//! The end of a call. Lives here: BYE, timeouts, tidying up. Never here: who pays.

use types::cdr::{HangupCause, HangupSide};

use crate::flow::Flow;
use crate::message::{Message, Method, Name, print};
use crate::session_timer::Wanted;
use crate::transaction::ServerTx;

use super::answer::ACK_WAIT_FACTOR;
use super::compose::{self, Reply};
use super::{
    Call, CallEvent, Fork, LegState, PeerKind, Phase, Purpose, Refused, Side, Unacked, Wire,
    invite, late_answer,
};

/// Most BYEs of a call that are waited for at one time.
const MAX_BYES: u8 = 32;

impl Call {
    /// BYE from one side: answered, and passed to the other side.
    pub fn handle_bye(
        &mut self,
        wire: &mut Wire<'_>,
        from: Side,
        fork: u8,
        tx: ServerTx,
        events: &mut Vec<CallEvent>,
    ) {
        let settings = wire.settings;
        wire.transactions.respond(wire.now.tick, tx, 200, wire.out, |head, out| {
            Reply::new(200, "").write(head, settings, out);
        });
        match (self.phase, from) {
            (Phase::Answered, _) if self.winner == Some(fork) => {
                self.forgive_acks(wire, from);
                let side = match from {
                    Side::Caller => HangupSide::Caller,
                    Side::Callee => HangupSide::Callee,
                };
                self.hang_up_side(wire, from.other());
                self.over(wire, side, HangupCause::Normal, 200, events);
            }
            // RFC 3261 §15: the caller may end an early dialog with BYE; we end the call.
            (Phase::Routing, Side::Caller) => self.caller_cancelled(wire, events),
            // Crossed BYEs: the other side's is on its way already.
            _ if self.winner == Some(fork) => self.unacked.retain(|unacked| unacked.to != from),
            // Another branch, hung up before.
            _ => {}
        }
        self.finish_if_tidy(events);
    }

    /// Ends the call from our side, both legs: money ended, cut, expired, a fault.
    /// `reason` is the value of the Reason header that both sides get.
    pub fn hang_up(
        &mut self,
        wire: &mut Wire<'_>,
        cause: HangupCause,
        status: u16,
        reason: Option<&str>,
        events: &mut Vec<CallEvent>,
    ) {
        match self.phase {
            Phase::Routing => {
                let refused = Refused { status, phrase: None, reason };
                self.reject(wire, &refused, (HangupSide::Ringfence, cause), events);
            }
            Phase::Answered => {
                self.bye_reason = reason.map(str::to_owned);
                self.hang_up_side(wire, Side::Callee);
                self.hang_up_side(wire, Side::Caller);
                self.over(wire, HangupSide::Ringfence, cause, 200, events);
            }
            Phase::Ending => {}
        }
        self.finish_if_tidy(events);
    }

    /// BYE towards one side of the answered call.
    fn hang_up_side(&mut self, wire: &mut Wire<'_>, side: Side) {
        let Some(winner) = self.winner else { return };
        if side == Side::Caller && self.unacked.iter().any(|unacked| unacked.to == Side::Caller) {
            // RFC 3261 §15: not before the ACK for our 2xx, or its time is over.
            self.bye_caller_after_ack = true;
            return;
        }
        if let Some(owed) = self.owed_ack(side) {
            self.send_ack(wire, side, winner, owed, None);
        }
        self.send_bye(wire, side, winner, None);
    }

    /// The CSeq of a side's 2xx that has had no ACK, because the other side owes the answer in its own,
    /// or because the answer was not on record yet.
    fn owed_ack(&mut self, side: Side) -> Option<u32> {
        if side == Side::Callee && self.ack_withheld.is_some() {
            return self.ack_withheld.take().map(|withheld| withheld.0);
        }
        let owes = |unacked: &&mut Unacked| unacked.to != side && unacked.ack_owed.is_some();
        self.unacked.iter_mut().find(owes)?.ack_owed.take()
    }

    /// A side hung up: its ACKs are not waited for any more, and not withheld from the other side.
    fn forgive_acks(&mut self, wire: &mut Wire<'_>, side: Side) {
        if let Some(owed) = self.owed_ack(side.other())
            && let Some(winner) = self.winner
        {
            self.send_ack(wire, side.other(), winner, owed, None);
        }
        self.unacked.retain(|unacked| unacked.to != side);
    }

    /// BYE on a dialog. Why we hung up is said each time, but not to branches that lost the call.
    pub(super) fn send_bye(
        &mut self,
        wire: &mut Wire<'_>,
        side: Side,
        fork: u8,
        credentials: Option<&[u8]>,
    ) {
        let cseq = self.dialog_mut(side, fork).next_cseq();
        if self.byes_open >= MAX_BYES {
            // A carrier answers with ever new branches: nobody waits for those.
            return late_answer::send_outside(wire, self.dialog(side, fork), Method::Bye, cseq);
        }
        let Ok(tx) = wire.transactions.new_client(self.user(Purpose::Bye(side))) else { return };
        let branch = wire.transactions.branch(tx).to_string();
        let (dialog, settings) = (self.dialog(side, fork), wire.settings);
        let reason = self.bye_reason.as_ref().filter(|_| self.winner == Some(fork));
        wire.transactions.send(wire.now.tick, tx, dialog.flow, Method::Bye, wire.out, |out| {
            compose::in_dialog(out, dialog, Method::Bye, cseq, &branch, settings);
            if let Some(reason) = reason {
                print::header(out, Name::Reason, reason);
            }
            if let Some(line) = credentials {
                out.extend_from_slice(line);
            }
            compose::finish(out, None);
        });
        self.byes_open += 1;
    }

    /// A final response to a BYE of ours, or `None` when none came.
    pub fn bye_response(
        &mut self,
        wire: &mut Wire<'_>,
        side: Side,
        response: Option<(&Message<'_>, &Flow)>,
        events: &mut Vec<CallEvent>,
    ) {
        let status = response.and_then(|(response, _)| response.status());
        if status.is_some_and(|status| status < 200) {
            return;
        }
        self.byes_open = self.byes_open.saturating_sub(1);
        if let Some((response, flow)) = response.filter(|_| matches!(status, Some(401 | 407))) {
            self.answer_bye_challenge(wire, side, response, flow);
        }
        self.finish_if_tidy(events);
    }

    /// A carrier challenged our BYE: answered once, on our own trunk's dialog only (A5).
    fn answer_bye_challenge(
        &mut self,
        wire: &mut Wire<'_>,
        side: Side,
        response: &Message<'_>,
        flow: &Flow,
    ) {
        let is_it = |fork: &Fork| side == Side::Callee && fork.callee.matches(response);
        let Some(fork) = self.forks.iter().position(is_it) else { return };
        let leg = &mut self.legs[usize::from(self.forks[fork].leg)];
        let PeerKind::Trunk(Some(credentials)) = leg.plan.peer.clone() else { return };
        if leg.challenges_answered >= 2 * invite::MAX_CHALLENGES || flow.peer != leg.plan.flow.peer
        {
            return;
        }
        leg.challenges_answered += 1;
        let uri = self.forks[fork].callee.remote_target.clone();
        let line = invite::credentials_for(wire, response, Method::Bye, &uri, &credentials);
        let Some(line) = line else { return };
        self.send_bye(wire, side, fork as u8, Some(&line));
    }

    /// ACK from one side: our 2xx arrived; the other side's ACK may follow now.
    pub fn handle_ack(
        &mut self,
        wire: &mut Wire<'_>,
        from: Side,
        fork: u8,
        ack: &Message<'_>,
        events: &mut Vec<CallEvent>,
    ) {
        let cseq = ack.cseq().number;
        let Some(position) = self.unacked.iter().position(|u| u.to == from && u.cseq == cseq)
        else {
            return;
        };
        let unacked = self.unacked.swap_remove(position);
        if let Some(owed) = unacked.ack_owed {
            let body = super::Body::of(ack);
            if self.on_record {
                self.send_ack(wire, from.other(), fork, owed, body.as_ref());
            } else {
                self.ack_withheld = Some((owed, body));
            }
        }
        self.let_waiting_through(wire);
        self.send_deferred_bye(wire);
        self.finish_if_tidy(events);
    }

    fn send_deferred_bye(&mut self, wire: &mut Wire<'_>) {
        if self.bye_caller_after_ack && !self.unacked.iter().any(|u| u.to == Side::Caller) {
            self.bye_caller_after_ack = false;
            self.hang_up_side(wire, Side::Caller);
        }
    }

    /// Everything of the call that time decides.
    pub fn handle_timeout(&mut self, wire: &mut Wire<'_>, events: &mut Vec<CallEvent>) {
        let now = wire.now.tick;
        if self.phase == Phase::Routing && now >= self.ring_deadline {
            let ending = (HangupSide::Ringfence, HangupCause::NoAnswer);
            self.reject(wire, &Refused::plain(480), ending, events);
        }
        for index in 0..self.legs.len() {
            let leg = &self.legs[index];
            if leg.state == LegState::Calling && !leg.heard && now >= leg.silence_deadline {
                self.give_up_leg(wire, index as u8, events);
            }
        }
        self.repeat_answers(wire, events);
        self.probe_if_due(wire);
        for side in [Side::Caller, Side::Callee] {
            let session = self.sessions[super::index_of(side)].as_mut();
            match session.map_or(Wanted::Nothing, |session| session.timer.due(now)) {
                Wanted::Nothing => {}
                Wanted::Refresh => self.refresh_session(wire, side),
                Wanted::Bye => {
                    self.hang_up(wire, HangupCause::SessionExpired, 408, None, events);
                }
            }
        }
        if self.phase == Phase::Ending && now >= self.tidy_deadline {
            self.abandon_rest(events);
        }
    }

    /// Repeats 2xx responses that had no ACK; a side that never acknowledges ends the call.
    fn repeat_answers(&mut self, wire: &mut Wire<'_>, events: &mut Vec<CallEvent>) {
        let (now, t2) = (wire.now.tick, wire.settings.t2_ms);
        let overdue = |unacked: &&Unacked| now >= unacked.until;
        let given_up: Vec<Side> = self.unacked.iter().filter(overdue).map(|u| u.to).collect();
        given_up.iter().for_each(|side| self.forgive_acks(wire, *side));
        self.unacked.iter_mut().for_each(|unacked: &mut Unacked| {
            if now >= unacked.next {
                wire.out.push(unacked.flow, &unacked.bytes);
                unacked.interval_ms = (unacked.interval_ms * 2).min(t2);
                unacked.next = now.plus_ms(unacked.interval_ms);
            }
        });
        if !given_up.is_empty() {
            self.send_deferred_bye(wire);
            self.hang_up(wire, HangupCause::Fault, 408, None, events);
        }
    }

    /// After 64·T1 nothing more will come: what is left is dropped.
    fn abandon_rest(&mut self, events: &mut Vec<CallEvent>) {
        for leg in &mut self.legs {
            if leg.state == LegState::Cancelling {
                leg.state = LegState::Over;
            }
        }
        self.unacked.clear();
        self.byes_open = 0;
        self.bye_caller_after_ack = false;
        self.finish_if_tidy(events);
    }

    /// The call is over for people; tells the owner once.
    pub(super) fn over(
        &mut self,
        wire: &mut Wire<'_>,
        side: HangupSide,
        cause: HangupCause,
        status: u16,
        events: &mut Vec<CallEvent>,
    ) {
        if self.phase == Phase::Ending {
            return;
        }
        self.phase = Phase::Ending;
        self.sessions = [None, None];
        self.abandon_relays(wire);
        self.tidy_deadline = wire.now.tick.plus_ms((ACK_WAIT_FACTOR + 8) * wire.settings.t1_ms);
        events.push(CallEvent::Over { side, cause, status });
    }

    /// Says once that nothing is left on the wire.
    pub(super) fn finish_if_tidy(&mut self, events: &mut Vec<CallEvent>) {
        let tidy = self.phase == Phase::Ending
            && self.byes_open == 0
            && !self.bye_caller_after_ack
            && self.unacked.is_empty()
            && self.legs.iter().all(|leg| matches!(leg.state, LegState::Over | LegState::Answered));
        if tidy && !self.finished {
            self.finished = true;
            events.push(CallEvent::Finished);
        }
    }
}
