//! What an agent hears.

use std::net::SocketAddr;

use super::{Agent, Call, CallRef, CallState, Happened, LIFE, Phase, Server, sdp};
use crate::digest::Challenge;
use crate::wire::Wire;

impl Agent {
    /// One message from `from`. What is no SIP is a complaint.
    pub fn receive(&mut self, now: u64, from: SocketAddr, bytes: &[u8]) -> Vec<Happened> {
        self.now = now;
        let mut happened = Vec::new();
        if self.dead || bytes.iter().all(|byte| byte.is_ascii_whitespace()) {
            return happened;
        }
        match Wire::parse(bytes) {
            Ok(wire) if wire.is_request() => self.handle_request(from, wire, &mut happened),
            Ok(wire) => self.handle_response(wire, &mut happened),
            Err(error) => self.complaints.push(format!("unreadable message: {error}")),
        }
        happened
    }

    fn handle_response(&mut self, wire: Wire, happened: &mut Vec<Happened>) {
        let status = wire.status().unwrap_or(0);
        let found = self
            .clients
            .iter()
            .position(|one| one.branch == wire.branch() && one.method == wire.method());
        let Some(at) = found else { return };
        let call = self.clients[at].call;
        match (&self.clients[at].phase, status) {
            (Phase::Trying | Phase::Proceeding, 100..200) => {
                self.clients[at].phase = Phase::Proceeding;
                if self.clients[at].method == "INVITE" {
                    // A ringing call has no end of its own; its owner gives up.
                    self.clients[at].until = self.now + 10 * LIFE;
                    self.clients[at].again = u64::MAX;
                    if let Some(call) = call.filter(|&call| self.calls[call].answered.is_none()) {
                        self.ringing(call, &wire, happened);
                    }
                }
            }
            (Phase::Trying | Phase::Proceeding, 200..700) => self.finish(at, wire, happened),
            (Phase::Refused(ack), 300..700) => {
                let (ack, to) = (ack.clone(), self.clients[at].to);
                self.put(to, &ack);
            }
            (Phase::Done, 200..300) if wire.method() == "INVITE" => {
                self.again_answered(call, &wire)
            }
            _ => {}
        }
    }

    fn ringing(&mut self, call: CallRef, wire: &Wire, happened: &mut Vec<Happened>) {
        let status = wire.status().unwrap_or(0);
        if status > 100 {
            if self.calls[call].state == CallState::Calling {
                self.calls[call].state = CallState::Ringing;
            }
            happened.push(Happened::Provisional(call, status));
        }
        self.try_cancel(call);
    }

    /// A first final response.
    fn finish(&mut self, at: usize, wire: Wire, happened: &mut Vec<Happened>) {
        let status = wire.status().unwrap_or(0);
        let client = self.clients[at].clone();
        let is_invite = client.method == "INVITE";
        self.clients[at].until = self.now + LIFE;
        self.clients[at].again = u64::MAX;
        if is_invite && status >= 300 {
            let ack = ack_of_refusal(&client.request, &wire);
            self.put(client.to, &ack);
            self.clients[at].phase = Phase::Refused(ack);
        } else {
            self.clients[at].phase = Phase::Done;
        }
        if matches!(status, 401 | 407)
            && client.tries < 3
            && self.authenticate(&client.request, &wire, client.call, client.to, client.tries)
        {
            happened.extend(client.call.filter(|_| is_invite).map(Happened::Challenged));
            return;
        }
        match (client.method.as_str(), client.call) {
            ("REGISTER", _) => happened.push(Happened::Registered(status)),
            ("INVITE", Some(call)) if self.calls[call].answered.is_none() => {
                self.invite_finished(call, status, &wire, happened);
            }
            ("INVITE", Some(call)) => {
                if status < 300 {
                    self.acknowledge(call, wire.cseq().0);
                }
                happened.push(Happened::Response(call, client.method, status));
            }
            ("BYE", Some(call)) => {
                self.end(call);
                happened.push(Happened::Response(call, client.method, status));
            }
            (_, Some(call)) => happened.push(Happened::Response(call, client.method, status)),
            (_, None) => {}
        }
    }

    fn invite_finished(
        &mut self,
        call: CallRef,
        status: u16,
        wire: &Wire,
        happened: &mut Vec<Happened>,
    ) {
        self.calls[call].status = status;
        self.calls[call].why = wire.why();
        if status >= 300 {
            self.end(call);
            happened.push(Happened::Refused(call, status));
            return;
        }
        let gave_up = self.calls[call].cancel_wanted;
        let one = &mut self.calls[call];
        one.state = CallState::Talking;
        one.answered = Some(self.now);
        one.remote_tag = wire.to_tag().to_owned();
        one.target = wire.contact().unwrap_or_else(|| one.target.clone());
        one.routes = wire.record_routes().into_iter().rev().collect();
        one.peer_sdp = wire.body.clone();
        self.acknowledge(call, wire.cseq().0);
        happened.push(Happened::Answered(call));
        if gave_up {
            let now = self.now;
            self.hang_up(now, call);
        }
    }

    /// A 2xx again: its ACK again, or the end of another branch of a fork.
    fn again_answered(&mut self, call: Option<CallRef>, wire: &Wire) {
        let Some(call) = call else { return };
        if self.calls[call].remote_tag != wire.to_tag() {
            let known = self.calls.iter().any(|other| {
                other.call_id == self.calls[call].call_id && other.remote_tag == wire.to_tag()
            });
            if !known {
                self.drop_fork(call, wire);
            }
        } else if let Some(ack) =
            self.calls[call].ack.clone().filter(|ack| ack.cseq().0 == wire.cseq().0)
            && !self.loses_acks
        {
            let to = self.calls[call].source;
            self.put(if self.log_in.is_some() { self.server } else { to }, &ack);
        }
    }

    fn authenticate(
        &mut self,
        request: &Wire,
        wire: &Wire,
        call: Option<CallRef>,
        to: SocketAddr,
        tries: u8,
    ) -> bool {
        let Some(log_in) = self.log_in.clone() else {
            return false;
        };
        let proxy = wire.status() == Some(407);
        let name = if proxy { "Proxy-Authenticate" } else { "WWW-Authenticate" };
        let Some(mut challenge) = Challenge::choose(wire.all(name), proxy, log_in.sha256) else {
            return false;
        };
        let cnonce = self.dice.bits();
        let (header, value) = challenge.answer(&log_in, request.method(), request.uri(), cnonce);
        self.challenge = Some(challenge);
        let mut again = request.clone();
        again.headers.retain(|(name, _)| !name.ends_with("uthorization"));
        let cseq = match (request.method(), call) {
            ("REGISTER", _) => {
                let (_, cseq) = self.registration.as_mut().expect("a REGISTER was sent");
                *cseq += 1;
                *cseq
            }
            (_, Some(call)) => {
                self.calls[call].cseq += 1;
                self.calls[call].cseq
            }
            _ => request.cseq().0 + 1,
        };
        for (name, value) in &mut again.headers {
            if name == "CSeq" {
                *value = format!("{cseq} {}", request.method());
            }
        }
        self.send_request(again.with(header, value), call, to, tries + 1);
        if let Some(call) = call {
            self.try_cancel(call);
        }
        true
    }

    fn handle_request(&mut self, from: SocketAddr, wire: Wire, happened: &mut Vec<Happened>) {
        let (branch, method) = (wire.branch().to_owned(), wire.method().to_owned());
        if method == "ACK" {
            return self.handle_ack(&wire, happened);
        }
        if let Some(at) =
            self.servers.iter().position(|one| one.branch == branch && one.method == method)
        {
            if let Some(last) = self.servers[at].last.clone() {
                self.put(from, &last);
            }
            return;
        }
        let call = self.dialog_of(&wire);
        self.servers.push(Server {
            branch: branch.clone(),
            method: method.clone(),
            call,
            to: from,
            last: None,
            unacked: false,
            again: u64::MAX,
            interval: 0,
            until: self.now + 20 * LIFE,
        });
        match (method.as_str(), call) {
            ("INVITE", None) if wire.to_tag().is_empty() => {
                let call = self.take_call(from, wire);
                let at = self.servers.len() - 1;
                self.servers[at].call = Some(call);
                happened.push(Happened::Incoming(call));
            }
            ("CANCEL", _) => self.handle_cancel(&wire, happened),
            ("OPTIONS", None) if wire.to_tag().is_empty() => {
                self.answer(&branch, &method, wire.reply(200, "OK", "opt"))
            }
            (_, Some(call)) => self.handle_in_dialog(call, &wire, happened),
            _ => self.answer(
                &branch,
                &method,
                wire.reply(481, "Call/Transaction Does Not Exist", "none"),
            ),
        }
    }

    fn dialog_of(&self, wire: &Wire) -> Option<CallRef> {
        self.calls.iter().rposition(|call| {
            call.call_id == wire.call_id()
                && call.local_tag == wire.to_tag()
                && call.remote_tag == wire.from_tag()
        })
    }

    fn take_call(&mut self, from: SocketAddr, wire: Wire) -> CallRef {
        let local_tag = self.token();
        self.calls.push(Call {
            incoming: true,
            state: CallState::Calling,
            call_id: wire.call_id().to_owned(),
            dialled: wire.dialled(),
            started: self.now,
            answered: None,
            ended: None,
            status: 0,
            why: String::new(),
            acked: false,
            hung_up_by_peer: false,
            peer_sdp: wire.body.clone(),
            local_tag,
            remote_tag: wire.from_tag().to_owned(),
            target: wire.contact().unwrap_or_default(),
            routes: wire.record_routes(),
            cseq: 0,
            remote_cseq: wire.cseq().0,
            branch: wire.branch().to_owned(),
            ack: None,
            cancel_wanted: false,
            bye_wanted: false,
            given_up: false,
            source: from,
            invite: wire,
        });
        self.calls.len() - 1
    }

    fn handle_ack(&mut self, wire: &Wire, happened: &mut Vec<Happened>) {
        let waiting = self.servers.iter_mut().find(|one| {
            one.unacked
                && one.last.as_ref().is_some_and(|last| {
                    last.call_id() == wire.call_id()
                        && last.cseq().0 == wire.cseq().0
                        && last.from_tag() == wire.from_tag()
                        && last.to_tag() == wire.to_tag()
                })
        });
        let Some(server) = waiting else { return };
        server.unacked = false;
        server.again = u64::MAX;
        server.until = self.now + LIFE;
        let accepted =
            server.last.as_ref().and_then(Wire::status).is_some_and(|status| status < 300);
        if let Some(call) = server.call.filter(|_| accepted)
            && !self.calls[call].acked
        {
            self.calls[call].acked = true;
            happened.push(Happened::Acked(call));
            if self.calls[call].bye_wanted {
                let now = self.now;
                self.hang_up(now, call);
            }
        }
    }

    fn handle_cancel(&mut self, wire: &Wire, happened: &mut Vec<Happened>) {
        let invite =
            self.servers.iter().find(|one| one.branch == wire.branch() && one.method == "INVITE");
        let (status, reason, call) = match invite {
            Some(invite) => (200, "OK", invite.call),
            None => (481, "Call/Transaction Does Not Exist", None),
        };
        let branch = wire.branch().to_owned();
        self.answer(&branch, "CANCEL", wire.reply(status, reason, "cancel"));
        if let Some(call) = call.filter(|&call| {
            self.calls[call].answered.is_none() && self.calls[call].state != CallState::Over
        }) {
            happened.push(Happened::Cancelled(call));
        }
    }

    fn handle_in_dialog(&mut self, call: CallRef, wire: &Wire, happened: &mut Vec<Happened>) {
        let (branch, method) = (wire.branch().to_owned(), wire.method().to_owned());
        let (cseq, tag) = (wire.cseq().0, self.calls[call].local_tag.clone());
        // RFC 3261 §12.2.2: without the dialog there is no order to be out of.
        if self.calls[call].state == CallState::Over {
            return self.answer(
                &branch,
                &method,
                wire.reply(481, "Call/Transaction Does Not Exist", &tag),
            );
        }
        if cseq <= self.calls[call].remote_cseq {
            return self.answer(&branch, &method, wire.reply(500, "CSeq Out Of Order", &tag));
        }
        self.calls[call].remote_cseq = cseq;
        match method.as_str() {
            "BYE" => {
                self.answer(&branch, "BYE", wire.reply(200, "OK", &tag));
                self.calls[call].hung_up_by_peer = true;
                self.calls[call].why = wire.why();
                self.end(call);
                happened.push(Happened::HungUp(call));
            }
            "INVITE" | "UPDATE" => {
                let session = self.dice.below(1 << 40);
                let body = if wire.body.is_empty() && method == "UPDATE" {
                    String::new()
                } else {
                    sdp(self.address, session, "sendrecv")
                };
                let mut reply = wire.reply(200, "OK", &tag).with("Contact", self.contact());
                if let Some(expires) = wire.get("Session-Expires") {
                    reply = reply.with("Session-Expires", expires).with("Require", "timer");
                }
                self.answer(&branch, &method, reply.with_sdp(&body));
                happened.push(Happened::Reinvited(call));
            }
            "OPTIONS" | "INFO" | "NOTIFY" => {
                self.answer(&branch, &method, wire.reply(200, "OK", &tag))
            }
            _ => self.answer(&branch, &method, wire.reply(501, "Not Implemented", &tag)),
        }
    }
}

/// The ACK of a refusal belongs to the INVITE's transaction (RFC 3261 §17.1.1.3).
fn ack_of_refusal(invite: &Wire, refusal: &Wire) -> Wire {
    let mut ack = Wire::new(invite.start.replacen("INVITE", "ACK", 1));
    for name in ["Via", "Max-Forwards", "From", "Call-ID", "Route"] {
        for value in invite.all(name) {
            ack = ack.with(name, value);
        }
    }
    ack.with("To", refusal.get("To").unwrap_or_default())
        .with("CSeq", format!("{} ACK", invite.cseq().0))
}
