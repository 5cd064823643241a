//! Answers that come when their INVITE is over and done with: acknowledged and hung up, or the carrier
//! would bill a call that nobody has (RFC 3261 §13.2.2.4). Lives here: whose they are, how many are
//! remembered. Never here: answers that a call waits for, those of an earlier run (recovery).

use std::collections::VecDeque;
use std::hash::BuildHasher;

use sip::b2bua::read_tag;
use sip::flow::Flow;
use sip::message::{Message, Method};
use types::Tick;

use crate::node::Node;

/// Most late answers whose BYE is waited for. Further ones get one ACK and one BYE for each 200 that
/// comes, and nothing of them is kept.
const MAX_REMEMBERED: usize = 256;

/// Late answers that were hung up lately, oldest first.
#[derive(Debug, Default)]
pub struct LateAnswers {
    hung_up: VecDeque<(Tick, u64)>,
}

impl Node {
    /// A 2xx to an INVITE without a transaction, or whose call is gone.
    pub(crate) fn late_answer(&mut self, response: &Message<'_>, flow: &Flow) {
        let is_answer = response.status().is_some_and(|status| (200..300).contains(&status))
            && response.cseq().method == Method::Invite;
        // Nobody but who got our INVITE can name its branch: a stranger learns and moves nothing.
        if !is_answer || !self.transactions.is_ours(response) {
            return;
        }
        let mut is_a_calls = false;
        let place = response.from().tag().and_then(read_tag);
        if let Some((key, side, index)) = place {
            self.with_call(key, |live, wire, events| {
                is_a_calls = live.call.stray_answer(wire, (side, index), response, flow, events);
            });
        }
        if !is_a_calls {
            self.hang_up_late(response, flow);
        }
    }

    /// Acknowledges and hangs up. The same answer again, while its BYE is on the way, only has missed
    /// its ACK.
    pub(crate) fn hang_up_late(&mut self, response: &Message<'_>, flow: &Flow) {
        let now = self.now.tick;
        let name = (response.call_id(), response.from().tag(), response.to().tag());
        let name = self.by_decision.hasher().hash_one(name);
        let seen = &mut self.late_answers.hung_up;
        while seen.front().is_some_and(|(until, _)| *until <= now) {
            seen.pop_front();
        }
        if seen.iter().any(|(_, known)| *known == name) {
            return sip::b2bua::acknowledge_refused(&mut self.wire(), response, flow);
        }
        if seen.len() >= MAX_REMEMBERED {
            return sip::b2bua::hang_up_untracked(&mut self.wire(), response, flow);
        }
        seen.push_back((now.plus_ms(self.timers.sip.give_up_ms()), name));
        sip::b2bua::refuse_answer(&mut self.wire(), response, flow);
    }
}
