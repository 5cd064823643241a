//! The end of a call. Lives here: steps 13 and 14 of ARCHITECTURE.md, what a failed leg means, what the
//! caller is told, settling. Never here: how a call gets so far (call_path), what it costs.

use engine::Ended;
use sip::b2bua::{CallKey, PeerKind, Presence, Refused, Side};
use types::cdr::{HangupCause, HangupSide, LegRecord};
use types::{Finding, TrunkId};

use crate::node::Node;
use crate::sip_reply;

impl Node {
    pub(crate) fn leg_failed(&mut self, key: CallKey, leg: u8, status: u16) {
        let Some(live) = self.calls.find(key) else { return };
        live.best_status = better_status(live.best_status, status);
        if matches!(status, 600..=699) {
            // RFC 3261 §16.7 step 5: declined on one phone is declined on all.
            return self.reject(key, status, HangupSide::Callee, cause_of(status));
        }
        if self.try_other_flow(key, leg, status) {
            return;
        }
        let Some(live) = self.calls.find(key) else { return };
        if live.call.open_legs() > 0 {
            return;
        }
        let failed = &live.call.legs()[usize::from(leg)];
        let (is_trunk, silent) =
            (matches!(failed.plan.peer, PeerKind::Trunk(_)), !failed.was_heard());
        let trunk = TrunkId(failed.plan.mark);
        if is_trunk && silent && status == 408 {
            self.trunk_silent(trunk);
        }
        let fails_over = is_trunk && matches!(status, 300..=399 | 401 | 407 | 408 | 500..=599);
        if fails_over {
            return self.try_targets(key);
        }
        self.reject_as_best(key);
    }

    /// Nobody took the call: the caller is told the best that was said of it.
    pub(crate) fn reject_as_best(&mut self, key: CallKey) {
        let Some(live) = self.calls.find(key) else { return };
        let status = final_status(live.best_status);
        self.reject(key, status, HangupSide::Callee, cause_of(status));
    }

    fn reject(&mut self, key: CallKey, status: u16, side: HangupSide, cause: HangupCause) {
        self.with_call(key, |live, wire, events| {
            let refused = Refused { status, phrase: None, reason: None };
            live.call.reject(wire, &refused, (side, cause), events);
        });
    }

    /// Ends an admitted call that cannot go on after all.
    pub(crate) fn reject_with(&mut self, key: CallKey, finding: &Finding) {
        let Some(decision) = self.calls.find(key).map(|live| live.decision) else { return };
        let told = sip_reply::told(std::slice::from_ref(finding), decision);
        let cause = match finding {
            Finding::NotRegistered | Finding::NotSecure => HangupCause::Rejected,
            _ => HangupCause::Fault,
        };
        self.with_call(key, |live, wire, events| {
            live.finding = Some(finding.clone());
            let refused = Refused {
                status: told.status,
                phrase: Some(&told.phrase),
                reason: Some(&told.reason),
            };
            live.call.reject(wire, &refused, (HangupSide::Ringfence, cause), events);
        });
    }

    /// 13 The call is over for people. An answered call is settled at once; one that never was
    /// answered keeps its hold until no carrier can answer it any more.
    pub(crate) fn over(&mut self, key: CallKey, side: HangupSide, cause: HangupCause, status: u16) {
        let Some(live) = self.calls.find(key) else { return };
        live.ending = Some((side, cause, status));
        let decision = live.decision;
        if live.call.winning_leg().is_none() {
            return;
        }
        if live.call.presence(live.witness) != Presence::Unknown {
            return self.settle(key);
        }
        // Taken up after a restart, and nobody knows since when it is over: the answer to the BYE tells.
        self.engine.hung_up(self.now, decision);
    }

    /// The witness of a call that was taken up has it: from now on this program carries it, which is put on record like
    /// an answer, again and again until it is.
    pub(crate) fn note_witness(&mut self, key: CallKey) {
        let Some(live) = self.calls.find(key) else { return };
        let is_here = live.call.presence(live.witness) == Presence::Here;
        if !is_here || live.carried_until.take().is_none() || live.ending.is_some() {
            return;
        }
        self.record_answer(key);
    }

    /// A call that was hung up, and whose witness has been heard by now, is settled.
    pub(crate) fn settle_if_told(&mut self, key: CallKey) {
        let Some(live) = self.calls.find(key) else { return };
        let is_told = live.call.presence(live.witness) != Presence::Unknown;
        if is_told && live.ending.is_some() && live.call.winning_leg().is_some() {
            self.settle(key);
        }
    }

    /// 14 Settle and CDR, in one transaction.
    fn settle(&mut self, key: CallKey) {
        let Some(live) = self.calls.find(key) else { return };
        if live.settled {
            return;
        }
        live.settled = true;
        let (side, cause, status) =
            live.ending.unwrap_or((HangupSide::Ringfence, HangupCause::Fault, 500));
        let b_leg = live.b_leg();
        let trunk = live
            .told_leg()
            .filter(|leg| matches!(leg.plan.peer, PeerKind::Trunk(_)))
            .map(|leg| TrunkId(leg.plan.mark));
        let decision = live.decision;
        let is_gone = live.call.presence(live.witness) == Presence::Gone;
        let lost_after = live.carried_until.filter(|_| is_gone);
        let ended = ended(cause, status, side, live.a_leg.clone());
        let finding = live.finding.take();
        let ended = Ended { b_leg, trunk, lost_after, finding, ..ended };
        let records = self.engine.end(self.now, decision, ended);
        self.by_decision.remove(&decision);
        self.must_store(records);
    }

    pub(crate) fn finished(&mut self, key: CallKey) {
        self.settle(key);
        if let Some(live) = self.calls.remove(key) {
            for side in [Side::Caller, Side::Callee] {
                if let Some(tag) = live.call.local_tag(side) {
                    self.adopted.remove(tag);
                }
            }
        }
    }
}

/// How a call ended, with nothing known of its b-leg.
pub fn ended(cause: HangupCause, status: u16, side: HangupSide, a_leg: LegRecord) -> Ended {
    Ended {
        cause,
        status,
        side,
        a_leg,
        b_leg: LegRecord::default(),
        trunk: None,
        lost_after: None,
        finding: None,
    }
}

/// Of several refusals the one that tells most (RFC 3261 §16.7 step 6, shortened).
fn better_status(a: u16, b: u16) -> u16 {
    let rank = |status: u16| match status {
        600..=602 | 604..=699 => 0,
        486 | 603 => 1,
        400..=499 if status != 408 => 2,
        500..=599 => 3,
        408 => 4,
        300..=399 => 5,
        _ => 9,
    };
    if rank(b) < rank(a) { b } else { a }
}

/// What the caller is told when nobody took the call.
const fn final_status(status: u16) -> u16 {
    match status {
        // Redirection is a forward: refused until it goes through the gate. Challenges are not for the caller.
        300..=399 | 401 | 407 | 408 | 487 => 480,
        0 => 503,
        other => other,
    }
}

/// The cause of a call that ended with this status before it was answered.
const fn cause_of(status: u16) -> HangupCause {
    match status {
        480 => HangupCause::NoAnswer,
        _ => HangupCause::Rejected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_telling_status_wins() {
        fn check(statuses: &[u16], want: u16) {
            let best = statuses.iter().fold(0, |best, status| better_status(best, *status));
            assert_eq!(final_status(best), want, "{statuses:?}");
        }
        check(&[], 503);
        check(&[408], 480);
        check(&[408, 486], 486);
        check(&[486, 408], 486);
        check(&[404, 603], 603);
        check(&[503, 500], 503);
        check(&[302], 480);
        check(&[302, 503], 503);
        check(&[407], 480);
    }
}
