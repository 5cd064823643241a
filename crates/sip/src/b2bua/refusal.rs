//! Giving up before the answer. Lives here: refusal, the caller's CANCEL, ours to the legs.
//! Never here: the end of an answered call.

use types::cdr::{HangupCause, HangupSide};

use super::compose::Reply;
use super::{Call, CallEvent, Leg, LegState, Phase, Refused, Wire};

impl Call {
    /// Refuses the call: a final response to the caller, CANCEL to all legs.
    pub fn reject(
        &mut self,
        wire: &mut Wire<'_>,
        refused: &Refused<'_>,
        ending: (HangupSide, HangupCause),
        events: &mut Vec<CallEvent>,
    ) {
        let status = refused.status;
        if self.phase != Phase::Routing {
            return;
        }
        if let Some(tx) = self.caller.invite.take() {
            let reply = Reply {
                phrase: refused.phrase,
                reason: refused.reason,
                retry_after_s: (status == 503).then_some(10),
                ..Reply::new(status, &self.caller.dialog.local_tag)
            };
            let settings = wire.settings;
            wire.transactions.respond(wire.now.tick, tx, status, wire.out, |head, out| {
                reply.write(head, settings, out);
            });
        }
        self.cancel_other_legs(wire, u8::MAX);
        self.over(wire, ending.0, ending.1, status, events);
        self.finish_if_tidy(events);
    }

    /// The caller's CANCEL: 487 to his INVITE, CANCEL to all legs. The transaction layer has
    /// answered the CANCEL itself.
    pub fn caller_cancelled(&mut self, wire: &mut Wire<'_>, events: &mut Vec<CallEvent>) {
        self.reject(
            wire,
            &Refused::plain(487),
            (HangupSide::Caller, HangupCause::Cancelled),
            events,
        );
    }

    /// CANCELs every leg but one.
    pub(super) fn cancel_other_legs(&mut self, wire: &mut Wire<'_>, but: u8) {
        for (index, leg) in self.legs.iter_mut().enumerate() {
            if index == usize::from(but) {
                continue;
            }
            match leg.state {
                LegState::Calling | LegState::Ringing => {
                    leg.state = LegState::Cancelling;
                    wire.transactions.cancel(wire.now.tick, leg.invite, wire.out);
                }
                LegState::Prepared => {
                    leg.state = LegState::Over;
                    wire.transactions.discard(leg.invite);
                }
                LegState::Cancelling | LegState::Answered | LegState::Over => {}
            }
        }
    }

    /// Gives up one leg that stays silent, so that the next can be tried.
    pub(super) fn give_up_leg(
        &mut self,
        wire: &mut Wire<'_>,
        index: u8,
        events: &mut Vec<CallEvent>,
    ) {
        let leg = &mut self.legs[usize::from(index)];
        leg.state = LegState::Cancelling;
        // The hold may be settled before this INVITE has timed out: it must not go out again.
        wire.transactions.give_up(wire.now.tick, leg.invite, wire.out);
        events.push(CallEvent::LegFailed { leg: index, status: 408 });
    }

    pub(super) fn abandon_prepared(&mut self, wire: &mut Wire<'_>) {
        for leg in &mut self.legs {
            if leg.state == LegState::Prepared {
                leg.state = LegState::Over;
                wire.transactions.discard(leg.invite);
            }
        }
    }

    /// Legs that still may answer.
    pub fn open_legs(&self) -> usize {
        let open = |leg: &&Leg| {
            matches!(leg.state, LegState::Prepared | LegState::Calling | LegState::Ringing)
        };
        self.legs.iter().filter(open).count()
    }
}
