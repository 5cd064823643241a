//! Answers that nobody waits for: acknowledged and hung up (RFC 3261 §13.2.2.4). Lives here: of legs that
//! were given up, of other branches, of calls that are gone. Never here: how many of them are remembered
//! when their call is gone.

use crate::dialog::Dialog;
use crate::flow::Flow;
use crate::message::{Message, Method};

use super::{Call, CallEvent, LegState, Side, User, Wire, compose};

impl Call {
    /// A 2xx whose INVITE transaction is over: the answer of the call again, or one too late. True when
    /// it was one of this call's.
    pub fn stray_answer(
        &mut self,
        wire: &mut Wire<'_>,
        (side, index): (Side, u8),
        response: &Message<'_>,
        flow: &Flow,
        events: &mut Vec<CallEvent>,
    ) -> bool {
        if self.repeat_ack(wire, side, response) {
            return true;
        }
        if let Some(winner) = self.winner
            && self.dialog(side, winner).matches(response)
        {
            // Of a re-INVITE that was given up: whatever comes next, it is not repeated any more.
            send_ack_outside(wire, self.dialog(side, winner), response.cseq().number);
            return true;
        }
        let leg = self.legs.get(usize::from(index)).filter(|_| side == Side::Callee);
        let is_ours = leg.is_some_and(|leg| {
            leg.call_id == response.call_id()
                && response.from().tag() == Some(leg.local_tag.as_str())
        });
        if is_ours {
            self.refuse_late_answer(wire, index, response, flow, events);
        }
        is_ours
    }

    /// An answer that nobody waits for, or that makes no dialog: acknowledge it and hang up at once.
    pub(super) fn refuse_late_answer(
        &mut self,
        wire: &mut Wire<'_>,
        index: u8,
        response: &Message<'_>,
        flow: &Flow,
        events: &mut Vec<CallEvent>,
    ) {
        match self.fork_for(wire, index, response, flow) {
            Some(fork) => self.refuse_branch(wire, fork, response, flow),
            // It makes no dialog, and comes again.
            None if self.legs[usize::from(index)].state == LegState::Over => {
                acknowledge_refused(wire, response, flow);
            }
            // Of the leg that talks: more branches than are kept.
            None if self.legs[usize::from(index)].state == LegState::Answered => {
                hang_up_untracked(wire, response, flow);
            }
            None => refuse_answer(wire, response, flow),
        }
        events.push(CallEvent::AnsweredInVain { leg: index });
        if self.legs[usize::from(index)].state != LegState::Answered {
            // Who waits for this leg hears that it failed: its answer is of no use.
            self.leg_over(index, 502, events);
        }
        self.finish_if_tidy(events);
    }

    /// Hangs up on one branch, once; a repeated 2xx only gets its ACK again.
    fn refuse_branch(
        &mut self,
        wire: &mut Wire<'_>,
        fork: u8,
        response: &Message<'_>,
        flow: &Flow,
    ) {
        self.take_answer(fork, response, flow);
        let refused = std::mem::replace(&mut self.forks[usize::from(fork)].refused, true);
        send_ack_outside(wire, self.dialog(Side::Callee, fork), response.cseq().number);
        if !refused {
            self.send_bye(wire, Side::Callee, fork, None);
        }
    }
}

/// Acknowledges an answer that belongs to no call any more, and hangs up: the BYE is repeated until
/// it is answered (RFC 3261 §13.2.2.4).
pub fn refuse_answer(wire: &mut Wire<'_>, response: &Message<'_>, flow: &Flow) {
    let Ok(mut dialog) = Dialog::uac_refused(response, flow) else { return };
    let Ok(tx) = wire.transactions.new_client(User::NOBODY) else {
        return hang_up_untracked(wire, response, flow);
    };
    send_ack_outside(wire, &dialog, response.cseq().number);
    let branch = wire.transactions.branch(tx);
    let (cseq, settings) = (dialog.next_cseq(), wire.settings);
    wire.transactions.send(wire.now.tick, tx, dialog.flow, Method::Bye, wire.out, |out| {
        compose::in_dialog(out, &dialog, Method::Bye, cseq, branch.as_str(), settings);
        compose::finish(out, None);
    });
}

/// Only the ACK, because [`refuse_answer`] has been called for the same answer before.
pub fn acknowledge_refused(wire: &mut Wire<'_>, response: &Message<'_>, flow: &Flow) {
    if let Ok(dialog) = Dialog::uac_refused(response, flow) {
        send_ack_outside(wire, &dialog, response.cseq().number);
    }
}

/// As [`refuse_answer`], when there are too many: one ACK and one BYE, and nothing stays behind.
pub fn hang_up_untracked(wire: &mut Wire<'_>, response: &Message<'_>, flow: &Flow) {
    let Ok(mut dialog) = Dialog::uac_refused(response, flow) else { return };
    send_ack_outside(wire, &dialog, response.cseq().number);
    let cseq = dialog.next_cseq();
    send_outside(wire, &dialog, Method::Bye, cseq);
}

pub(super) fn send_ack_outside(wire: &mut Wire<'_>, dialog: &Dialog, cseq: u32) {
    send_outside(wire, dialog, Method::Ack, cseq);
}

/// A request of a dialog without a transaction.
pub(super) fn send_outside(wire: &mut Wire<'_>, dialog: &Dialog, method: Method<'_>, cseq: u32) {
    let branch = wire.tokens.branch();
    let start = wire.out.begin();
    let out = &mut wire.out.arena;
    compose::in_dialog(out, dialog, method, cseq, branch.as_str(), wire.settings);
    compose::finish(out, None);
    wire.out.finish(start, dialog.flow);
}
