//! Which dialog of a call a message belongs to. Lives here: finding it by tags, its flow and order.
//! Never here: what the message does.

use crate::dialog::Dialog;
use crate::flow::Flow;
use crate::message::Message;

use super::{Call, DialogCheck, Side};

impl Call {
    /// Our tag in the dialog with a side, once there is one.
    pub fn local_tag(&self, side: Side) -> Option<&str> {
        let fork = self.winner.unwrap_or(0);
        (usize::from(fork) < self.forks.len()).then(|| self.dialog(side, fork).local_tag.as_str())
    }

    /// The flow of the dialog that a tag's side and index mean; for the callee that of its leg.
    pub fn flow_of(&self, side: Side, index: u8) -> Option<Flow> {
        match side {
            Side::Caller => self.forks.get(usize::from(index)).map(|fork| fork.caller.flow),
            Side::Callee => self.legs.get(usize::from(index)).map(|leg| leg.plan.flow),
        }
    }

    /// The flow of a side of the answered call, as it is now: phones move.
    pub fn answered_flow(&self, side: Side) -> Option<Flow> {
        self.winner.map(|fork| self.dialog(side, fork).flow)
    }

    /// Does a request with our tag belong to a dialog of this call?
    pub fn check_dialog(
        &self,
        side: Side,
        index: u8,
        request: &Message<'_>,
        flow: &Flow,
    ) -> DialogCheck {
        let Some(dialog) = self.find_fork(side, index, request).map(|fork| self.dialog(side, fork))
        else {
            return DialogCheck::Unknown;
        };
        let is_ours = dialog.call_id == request.call_id()
            && request.to().tag() == Some(dialog.local_tag.as_str())
            && request.from().tag().unwrap_or("") == dialog.remote_tag;
        if !is_ours {
            return DialogCheck::Unknown;
        }
        if !dialog.matches_flow(flow) {
            return DialogCheck::OtherFlow;
        }
        DialogCheck::SameFlow
    }

    /// The fork that a request from `side` with our tag's `index` means.
    pub(super) fn find_fork(&self, side: Side, index: u8, request: &Message<'_>) -> Option<u8> {
        match side {
            Side::Caller => (usize::from(index) < self.forks.len()).then_some(index),
            Side::Callee => {
                let remote = request.from().tag().unwrap_or("");
                let found = self
                    .forks
                    .iter()
                    .position(|fork| fork.leg == index && fork.callee.remote_tag == remote)?;
                u8::try_from(found).ok()
            }
        }
    }

    pub(super) fn dialog(&self, side: Side, fork: u8) -> &Dialog {
        let fork = &self.forks[usize::from(fork)];
        match side {
            Side::Caller => &fork.caller,
            Side::Callee => &fork.callee,
        }
    }

    pub(super) fn dialog_mut(&mut self, side: Side, fork: u8) -> &mut Dialog {
        let fork = &mut self.forks[usize::from(fork)];
        match side {
            Side::Caller => &mut fork.caller,
            Side::Callee => &mut fork.callee,
        }
    }

    /// The fork that a request means, after [`Call::check_dialog`] said it is one of ours.
    pub fn fork_of(&self, side: Side, index: u8, request: &Message<'_>) -> Option<u8> {
        self.find_fork(side, index, request)
    }

    /// Is the CSeq of a request newer than the last? Remembers it if so (RFC 3261 §12.2.2).
    pub fn accept_cseq(&mut self, side: Side, fork: u8, request: &Message<'_>) -> bool {
        self.dialog_mut(side, fork).accepts_cseq(request.cseq().number)
    }

    /// A side proved itself on another flow: its dialog goes on there.
    pub fn move_flow(&mut self, side: Side, fork: u8, flow: &Flow) {
        self.dialog_mut(side, fork).flow = *flow;
    }
}
