//! Requests within a call's dialogs, passed from one side to the other. Lives here: re-INVITE,
//! UPDATE, INFO, PRACK. Never here: BYE, REFER (refused before it comes here), the first INVITE.

use types::cdr::HangupCause;

use crate::flow::Flow;
use crate::message::{Message, Method, Name, Refresher, print};
use crate::session_timer::{self, Granted};
use crate::transaction::ServerTx;

use super::compose::{self, OwnedMethod, Reply};
use super::{
    Asked, Body, Call, CallEvent, MAX_RELAYS, PeerKind, Phase, Purpose, Relay, Side, Waiting, Wire,
    answer, invite,
};

/// When a request within the dialog may be passed on.
enum Turn {
    Now,
    /// When the ACKs of the INVITE before it have gone all the way.
    Later,
    /// It crosses another INVITE.
    Never,
}

impl Call {
    /// Takes in a request within a dialog that was checked: order, target, session; then passes it on.
    pub fn handle_request(
        &mut self,
        wire: &mut Wire<'_>,
        from: Side,
        fork: u8,
        request: &Message<'_>,
        tx: ServerTx,
    ) {
        let Some(method) = relayed_method(request) else {
            self.refuse(wire, tx, 405);
            return;
        };
        self.show_life(from, wire.now.tick);
        if method.refreshes_session() {
            self.dialog_mut(from, fork).refresh_target(request);
        }
        let Some(granted) = self.granted_to(wire, request, method, tx) else { return };
        let is_refresh = method == OwnedMethod::Update && request.body.is_empty();
        if method == OwnedMethod::Options || is_refresh {
            self.answer_locally(wire, from, fork, granted, tx);
            return;
        }
        // Nobody on the other side knows of a branch that lost the call.
        if self.phase == Phase::Ending || self.winner.is_some_and(|winner| winner != fork) {
            self.refuse(wire, tx, 481);
            return;
        }
        let asked = Asked {
            method,
            server: tx,
            cseq: request.cseq().number,
            rseq: request.rack().and_then(Result::ok).map(|rack| rack.rseq),
            granted,
            body: Body::of(request),
        };
        match self.turn_of(method, from, fork) {
            Turn::Now => self.pass_on(wire, from, fork, asked),
            Turn::Later => self.waiting = Some(Waiting { from, fork, asked }),
            Turn::Never => self.refuse(wire, tx, 491),
        }
    }

    /// RFC 3261 §14.1: one INVITE at a time in a dialog, either way. Two that cross are refused. But an
    /// INVITE whose sender has seen the one before it through may be ahead of an ACK that the other side
    /// still has to get, because that waits for the store or was overtaken: it waits as well.
    fn turn_of(&self, method: OwnedMethod, from: Side, fork: u8) -> Turn {
        if method != OwnedMethod::Invite {
            return Turn::Now;
        }
        let is_invite = |relay: &Relay| relay.asked.method == OwnedMethod::Invite;
        let crosses = self.winner != Some(fork)
            || self.waiting.is_some()
            || self.relays.iter().any(is_invite)
            || self.owes_ack_to(from);
        match crosses {
            true => Turn::Never,
            false if self.is_settled() => Turn::Now,
            false => Turn::Later,
        }
    }

    /// Has this side's own 2xx had no ACK yet? Then its INVITE is still under way.
    fn owes_ack_to(&self, side: Side) -> bool {
        (side == Side::Callee && self.ack_withheld.is_some())
            || self.unacked.iter().any(|u| u.to != side && u.ack_owed.is_some())
    }

    /// Have all ACKs come and gone?
    fn is_settled(&self) -> bool {
        self.ack_withheld.is_none() && self.unacked.is_empty()
    }

    /// The ACKs before it have gone all the way: now it is the waiting re-INVITE's turn.
    pub(super) fn let_waiting_through(&mut self, wire: &mut Wire<'_>) {
        if self.phase == Phase::Answered
            && self.is_settled()
            && let Some(Waiting { from, fork, asked }) = self.waiting.take()
        {
            self.pass_on(wire, from, fork, asked);
        }
    }

    fn pass_on(&mut self, wire: &mut Wire<'_>, from: Side, fork: u8, asked: Asked) {
        let to = from.other();
        let is_taken = |id: &u8| self.relays.iter().any(|r| r.id == *id && r.to == to);
        let Some(id) = (0..MAX_RELAYS).find(|id| !is_taken(id)) else {
            self.refuse(wire, asked.server, 503);
            return;
        };
        let Ok(client) = wire.transactions.new_client(self.user(Purpose::Relay(to, id))) else {
            self.refuse(wire, asked.server, 503);
            return;
        };
        let cseq = self.dialog_mut(to, fork).next_cseq();
        let relay = Relay { id, to, fork, asked, client, cseq, challenged: false };
        self.send_relay(wire, &relay, None);
        self.relays.push(relay);
    }

    fn send_relay(&self, wire: &mut Wire<'_>, relay: &Relay, credentials: Option<&[u8]>) {
        let branch = wire.transactions.branch(relay.client).to_string();
        let dialog = self.dialog(relay.to, relay.fork);
        let (settings, asked) = (wire.settings, &relay.asked);
        let method = asked.method.method();
        let invite_cseq =
            self.legs.get(usize::from(self.forks[usize::from(relay.fork)].leg)).map(|leg| leg.cseq);
        wire.transactions.send(wire.now.tick, relay.client, dialog.flow, method, wire.out, |out| {
            compose::in_dialog(out, dialog, method, relay.cseq, &branch, settings);
            if let (OwnedMethod::Prack, Some(rseq), Some(cseq)) =
                (asked.method, asked.rseq, invite_cseq)
            {
                // The RSeq is the callee's own, passed on in the provisional response.
                print::header(out, Name::RAck, format_args!("{rseq} {cseq} INVITE"));
            }
            if asked.method.refreshes_session() {
                print::header(out, Name::Allow, compose::ALLOW);
                print::header(out, Name::Supported, "timer");
                let offered = self.session_offered(settings, relay.to, Refresher::Uas);
                session_timer::write_offered(out, &offered);
            }
            if let Some(line) = credentials {
                out.extend_from_slice(line);
            }
            compose::finish(out, asked.body.as_ref());
        });
    }

    /// A response to a relayed request, or to a probe (`id` 255).
    pub fn relay_response(
        &mut self,
        wire: &mut Wire<'_>,
        to: Side,
        id: u8,
        response: &Message<'_>,
        flow: &Flow,
        events: &mut Vec<CallEvent>,
    ) {
        let status = response.status().unwrap_or(0);
        if status >= 200 {
            self.show_life(to, wire.now.tick);
        }
        if (200..300).contains(&status) {
            self.session_agreed(to, wire.now.tick, response);
        }
        if self.repeat_ack_if_invite(wire, to, response) {
            return;
        }
        if id == u8::MAX {
            if matches!(status, 408 | 481) {
                self.hang_up(wire, HangupCause::SessionExpired, 408, None, events);
            }
            return;
        }
        let cseq = response.cseq().number;
        let is_it = |relay: &Relay| relay.id == id && relay.to == to && relay.cseq == cseq;
        let Some(position) = self.relays.iter().position(is_it) else {
            self.acknowledge_late(wire, to, response);
            return;
        };
        match status {
            0..=100 => {}
            101..=199 => self.relay_provisional(wire, position, response),
            401 | 407 if self.answer_relay_challenge(wire, position, response, flow) => {}
            _ => self.relay_final(wire, position, response, events),
        }
    }

    fn repeat_ack_if_invite(
        &mut self,
        wire: &mut Wire<'_>,
        to: Side,
        response: &Message<'_>,
    ) -> bool {
        let is_success = response.status().is_some_and(|status| (200..300).contains(&status));
        response.cseq().method == Method::Invite
            && is_success
            && self.repeat_ack(wire, to, response)
    }

    /// A re-INVITE was answered after the call was over: only acknowledged.
    fn acknowledge_late(&mut self, wire: &mut Wire<'_>, to: Side, response: &Message<'_>) {
        let is_success = response.status().is_some_and(|status| (200..300).contains(&status));
        if let Some(winner) = self.winner.filter(|_| is_success)
            && response.cseq().method == Method::Invite
        {
            self.send_ack(wire, to, winner, response.cseq().number, None);
        }
    }

    fn relay_provisional(&mut self, wire: &mut Wire<'_>, position: usize, response: &Message<'_>) {
        let relay = &self.relays[position];
        if relay.asked.method != OwnedMethod::Invite {
            return;
        }
        let reply = Reply::new(response.status().unwrap_or(183), "");
        let (tx, settings) = (relay.asked.server, wire.settings);
        wire.transactions.respond(wire.now.tick, tx, reply.status, wire.out, |head, out| {
            reply.write(head, settings, out);
        });
    }

    fn relay_final(
        &mut self,
        wire: &mut Wire<'_>,
        position: usize,
        response: &Message<'_>,
        events: &mut Vec<CallEvent>,
    ) {
        let Relay { to, fork, cseq, asked, .. } = self.relays.swap_remove(position);
        let status = response.status().unwrap_or(500);
        let success = (200..300).contains(&status);
        let refreshed = success && asked.method.refreshes_session();
        if refreshed {
            self.dialog_mut(to, fork).refresh_target(response);
        }
        let content_type = response.content_type().unwrap_or("application/sdp");
        let granted = asked.granted.filter(|_| success);
        self.session_granted(to.other(), wire.now.tick, granted);
        let dialog = self.dialog(to.other(), fork);
        // A challenge of the far side is not for the near side's eyes.
        let status = if matches!(status, 401 | 407) { 403 } else { status };
        let reply = Reply {
            contact: refreshed.then_some(dialog),
            for_session: refreshed,
            session: granted.filter(|granted| granted.require),
            body: (!response.body.is_empty()).then_some((content_type, response.body)),
            ..Reply::new(status, &dialog.local_tag)
        };
        if asked.method == OwnedMethod::Invite && success {
            let (flow, offered) = (dialog.flow, asked.body.is_some());
            let bytes = answer::respond_and_keep(wire, asked.server, &reply);
            let ack_owed = (!offered).then_some(cseq);
            let unacked = answer::unacked(wire, to.other(), asked.cseq, flow, bytes, ack_owed);
            self.unacked.push(unacked);
            if offered {
                self.send_ack(wire, to, fork, cseq, None);
            }
        } else {
            let settings = wire.settings;
            wire.transactions.respond(
                wire.now.tick,
                asked.server,
                status,
                wire.out,
                |head, out| {
                    reply.write(head, settings, out);
                },
            );
        }
        self.end_if_gone(wire, asked.method, status, events);
    }

    /// RFC 5057 §5: 481 says that the other side's dialog is gone.
    fn end_if_gone(
        &mut self,
        wire: &mut Wire<'_>,
        method: OwnedMethod,
        status: u16,
        events: &mut Vec<CallEvent>,
    ) {
        if status == 481 && method != OwnedMethod::Prack {
            self.hang_up(wire, HangupCause::SessionExpired, 408, None, events);
        }
    }

    /// CANCEL of a re-INVITE: passed on; its final response comes back the usual way. One that still
    /// waits ends here.
    pub fn relay_cancelled(&mut self, wire: &mut Wire<'_>, invite: ServerTx) {
        if let Some(waiting) = self.waiting.take_if(|waiting| waiting.asked.server == invite) {
            self.refuse(wire, waiting.asked.server, 487);
        }
        let is_it = |relay: &&Relay| {
            relay.asked.server == invite && relay.asked.method == OwnedMethod::Invite
        };
        if let Some(relay) = self.relays.iter().find(is_it) {
            wire.transactions.cancel(wire.now.tick, relay.client, wire.out);
        }
    }

    /// The call is over: what was asked meanwhile gets no answer from the other side.
    pub(super) fn abandon_relays(&mut self, wire: &mut Wire<'_>) {
        // RFC 3261 §15.1.2: requests that are pending when the BYE comes are answered with 487.
        if let Some(waiting) = self.waiting.take() {
            self.refuse(wire, waiting.asked.server, 487);
        }
        for relay in std::mem::take(&mut self.relays) {
            self.refuse(wire, relay.asked.server, 487);
            wire.transactions.cancel(wire.now.tick, relay.client, wire.out);
        }
    }

    /// Nothing came back for a relayed request or a probe.
    pub fn relay_timeout(
        &mut self,
        wire: &mut Wire<'_>,
        to: Side,
        id: u8,
        events: &mut Vec<CallEvent>,
    ) {
        if id == u8::MAX {
            self.hang_up(wire, HangupCause::SessionExpired, 408, None, events);
            return;
        }
        let Some(position) = self.relays.iter().position(|r| r.id == id && r.to == to) else {
            return;
        };
        let relay = self.relays.swap_remove(position);
        self.refuse(wire, relay.asked.server, 408);
        if relay.asked.method != OwnedMethod::Prack {
            self.hang_up(wire, HangupCause::SessionExpired, 408, None, events);
        }
    }

    /// A carrier challenged a relayed request: answered once, on our own trunk's dialog only (A5).
    fn answer_relay_challenge(
        &mut self,
        wire: &mut Wire<'_>,
        position: usize,
        response: &Message<'_>,
        flow: &Flow,
    ) -> bool {
        let relay = &self.relays[position];
        let (to, fork) = (relay.to, relay.fork);
        let leg = &self.legs[usize::from(self.forks[usize::from(fork)].leg)];
        let PeerKind::Trunk(Some(credentials)) = leg.plan.peer.clone() else { return false };
        if to != Side::Callee || relay.challenged || flow.peer != leg.plan.flow.peer {
            return false;
        }
        let (uri, method) =
            (self.dialog(to, fork).remote_target.clone(), relay.asked.method.method());
        let user = self.user(Purpose::Relay(to, relay.id));
        let answer = invite::credentials_for(wire, response, method, &uri, &credentials);
        let Some(line) = answer else { return false };
        let Ok(client) = wire.transactions.new_client(user) else { return false };
        let cseq = self.dialog_mut(to, fork).next_cseq();
        let mut relay = self.relays.swap_remove(position);
        relay.challenged = true;
        relay.client = client;
        relay.cseq = cseq;
        self.send_relay(wire, &relay, Some(&line));
        self.relays.push(relay);
        true
    }

    fn answer_locally(
        &mut self,
        wire: &mut Wire<'_>,
        from: Side,
        fork: u8,
        granted: Option<Granted>,
        tx: ServerTx,
    ) {
        self.session_granted(from, wire.now.tick, granted);
        let dialog = self.dialog(from, fork);
        let reply = Reply {
            contact: Some(dialog),
            for_session: true,
            session: granted.filter(|granted| granted.require),
            ..Reply::new(if self.phase == Phase::Ending { 481 } else { 200 }, &dialog.local_tag)
        };
        let settings = wire.settings;
        wire.transactions.respond(wire.now.tick, tx, reply.status, wire.out, |head, out| {
            reply.write(head, settings, out);
        });
    }

    pub(super) fn refuse(&self, wire: &mut Wire<'_>, tx: ServerTx, status: u16) {
        let settings = wire.settings;
        wire.transactions.respond(wire.now.tick, tx, status, wire.out, |head, out| {
            Reply::new(status, &self.caller.dialog.local_tag).write(head, settings, out);
        });
    }
}

fn relayed_method(request: &Message<'_>) -> Option<OwnedMethod> {
    match request.method()? {
        Method::Invite => Some(OwnedMethod::Invite),
        Method::Update => Some(OwnedMethod::Update),
        Method::Info => Some(OwnedMethod::Info),
        Method::Prack => Some(OwnedMethod::Prack),
        Method::Options => Some(OwnedMethod::Options),
        _ => None,
    }
}
