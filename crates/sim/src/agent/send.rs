//! What an agent says of its own accord.

use std::net::SocketAddr;

use super::{Agent, Call, CallRef, CallState, Client, LIFE, Phase, Server, T1, T2, sdp};
use crate::wire::{Wire, host_of};

impl Agent {
    /// Registers for `expires_s` seconds; 0 takes the binding back.
    pub fn register(&mut self, now: u64, expires_s: u32) {
        self.now = now;
        let (call_id, cseq) = match self.registration.take() {
            Some((call_id, cseq)) => (call_id, cseq + 1),
            None => (format!("r{}@{}", self.token(), self.address.ip()), 1),
        };
        self.registration = Some((call_id.clone(), cseq));
        let own = format!("<sip:{}@{}>", self.user, self.domain);
        let tag = self.token();
        let request = Wire::new(format!("REGISTER sip:{} SIP/2.0", self.domain))
            .with("Max-Forwards", "70")
            .with("From", format!("{own};tag={tag}"))
            .with("To", own)
            .with("Call-ID", call_id)
            .with("CSeq", format!("{cseq} REGISTER"))
            .with("Contact", self.contact())
            .with("Expires", expires_s.to_string())
            .with("User-Agent", self.product.clone());
        self.send_request(request, None, self.server, 0);
    }

    /// Calls `dialled`, showing `shown` as the caller.
    pub fn call(&mut self, now: u64, dialled: &str, shown: Option<&str>) -> CallRef {
        self.now = now;
        let uri = format!("sip:{dialled}@{}", self.domain);
        let from = format!("<sip:{}@{}>", shown.unwrap_or(&self.user), self.domain);
        let (tag, call_id) = (self.token(), format!("c{}@{}", self.token(), self.address.ip()));
        let session = self.dice.below(1 << 40);
        let request = Wire::new(format!("INVITE {uri} SIP/2.0"))
            .with("Max-Forwards", "70")
            .with("From", format!("{from};tag={tag}"))
            .with("To", format!("<{uri}>"))
            .with("Call-ID", call_id.clone())
            .with("CSeq", "1 INVITE")
            .with("Contact", self.contact())
            .with("User-Agent", self.product.clone())
            .with("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, UPDATE, INFO")
            .with_sdp(&sdp(self.address, session, "sendrecv"));
        let call = self.calls.len();
        self.calls.push(Call {
            incoming: false,
            state: CallState::Calling,
            call_id,
            invite: request.clone(),
            dialled: dialled.to_owned(),
            started: now,
            answered: None,
            ended: None,
            status: 0,
            why: String::new(),
            acked: false,
            hung_up_by_peer: false,
            peer_sdp: String::new(),
            local_tag: tag,
            remote_tag: String::new(),
            target: uri,
            routes: Vec::new(),
            cseq: 1,
            remote_cseq: 0,
            branch: String::new(),
            ack: None,
            cancel_wanted: false,
            bye_wanted: false,
            given_up: false,
            source: self.server,
        });
        let request = self.with_kept_nonce(request);
        self.send_request(request, Some(call), self.server, 0);
        call
    }

    /// Adds credentials before being asked, when the agent does such things.
    fn with_kept_nonce(&mut self, request: Wire) -> Wire {
        let (Some(log_in), Some(challenge), true) =
            (&self.log_in, &mut self.challenge, self.keeps_nonce)
        else {
            return request;
        };
        let cnonce = self.dice.bits();
        let (name, value) = challenge.answer(log_in, request.method(), request.uri(), cnonce);
        request.with(name, value)
    }

    /// Gives a call up or hangs it up, whichever fits its state.
    pub fn hang_up(&mut self, now: u64, call: CallRef) {
        self.now = now;
        match (self.calls[call].state, self.calls[call].incoming) {
            // RFC 3261 §15: the called side waits for the ACK with its BYE.
            (CallState::Talking, true) if !self.calls[call].acked && !self.calls[call].given_up => {
                self.calls[call].bye_wanted = true;
            }
            (CallState::Talking, _) => {
                self.calls[call].state = CallState::Ending;
                self.calls[call].ended = Some(now);
                self.in_dialog(call, "BYE", None);
            }
            (CallState::Calling | CallState::Ringing, false) => {
                self.calls[call].cancel_wanted = true;
                self.try_cancel(call);
            }
            (CallState::Calling | CallState::Ringing, true) => {
                self.respond(now, call, 486, "Busy Here");
            }
            (CallState::Ending | CallState::Over, _) => {}
        }
    }

    /// Offers a new session: `sendonly` to hold, `sendrecv` to resume.
    pub fn reinvite(&mut self, now: u64, call: CallRef, direction: &str) {
        self.now = now;
        if self.calls[call].state == CallState::Talking {
            let session = self.dice.below(1 << 40);
            let offer = sdp(self.address, session, direction);
            self.in_dialog(call, "INVITE", Some(offer));
        }
    }

    /// Asks for a transfer (RFC 3515).
    pub fn refer(&mut self, now: u64, call: CallRef, number: &str) {
        self.now = now;
        self.calls[call].cseq += 1;
        let cseq = self.calls[call].cseq;
        let target = format!("<sip:{number}@{}>", self.domain);
        let request = self.dialog_request(call, "REFER", cseq);
        let request = request.with("Contact", self.contact()).with("Refer-To", target);
        let to = self.next_hop(call);
        self.send_request(request, Some(call), to, 0);
    }

    /// Any other request inside a call.
    pub fn request(&mut self, now: u64, call: CallRef, method: &str) {
        self.now = now;
        self.in_dialog(call, method, None);
    }

    /// Another branch of a forked INVITE answers too, with a dialog of its own.
    pub fn answer_fork(&mut self, now: u64, call: CallRef, tag: &str) -> CallRef {
        self.now = now;
        let session = self.dice.below(1 << 40);
        let mut other = self.calls[call].clone();
        let reply = other.invite.reply(200, "OK", tag).with("Contact", self.contact());
        let reply = reply.with_sdp(&sdp(self.address, session, "sendrecv"));
        tag.clone_into(&mut other.local_tag);
        (other.state, other.answered, other.acked) = (CallState::Talking, Some(now), false);
        (other.ended, other.cseq) = (None, 0);
        let (to, branch) = (other.source, other.branch.clone());
        self.put(to, &reply);
        self.calls.push(other);
        let other = self.calls.len() - 1;
        self.servers.push(Server {
            branch,
            method: "INVITE".to_owned(),
            call: Some(other),
            to,
            last: Some(reply),
            unacked: true,
            again: now + T1,
            interval: T1,
            until: now + LIFE,
        });
        other
    }

    /// Answers an INVITE that came in; 2xx carry a session.
    pub fn respond(&mut self, now: u64, call: CallRef, status: u16, reason: &str) {
        self.respond_with(now, call, status, reason, None, &[]);
    }

    /// Answers an INVITE that came in with a To tag and headers of the caller's choice.
    pub fn respond_with(
        &mut self,
        now: u64,
        call: CallRef,
        status: u16,
        reason: &str,
        tag: Option<&str>,
        headers: &[(&str, String)],
    ) {
        self.now = now;
        if matches!(self.calls[call].state, CallState::Over | CallState::Ending) {
            return;
        }
        if status >= 200 {
            if let Some(tag) = tag {
                self.calls[call].local_tag = tag.to_owned();
            }
            self.calls[call].status = status;
        }
        let tag = tag.unwrap_or(&self.calls[call].local_tag).to_owned();
        let mut reply = self.calls[call].invite.clone().reply(status, reason, &tag);
        if (101..300).contains(&status) {
            reply = reply.with("Contact", self.contact());
            if let Some(route) = &self.record_route {
                reply = reply.with("Record-Route", route.clone());
            }
        }
        for (name, value) in headers {
            reply = reply.with(name, value.clone());
        }
        if status == 183 || (200..300).contains(&status) {
            let session = self.dice.below(1 << 40);
            reply = reply.with("Server", self.product.clone()).with_sdp(&sdp(
                self.address,
                session,
                "sendrecv",
            ));
        }
        match status {
            100 => {}
            101..200 => self.calls[call].state = CallState::Ringing,
            200..300 => {
                self.calls[call].state = CallState::Talking;
                self.calls[call].answered.get_or_insert(now);
            }
            _ => self.end(call),
        }
        let branch = self.calls[call].branch.clone();
        self.answer(&branch, "INVITE", reply);
    }

    /// Sends a request in the dialog of a call.
    pub(super) fn in_dialog(&mut self, call: CallRef, method: &str, offer: Option<String>) {
        self.calls[call].cseq += 1;
        let cseq = self.calls[call].cseq;
        let mut request = self.dialog_request(call, method, cseq);
        if matches!(method, "INVITE" | "UPDATE") {
            request = request.with("Contact", self.contact());
        }
        let request = request.with_sdp(&offer.unwrap_or_default());
        let to = self.next_hop(call);
        self.send_request(request, Some(call), to, 0);
    }

    /// Where requests of a dialog go: its first route, else its target; phones sit behind their server.
    fn next_hop(&self, call: CallRef) -> SocketAddr {
        if self.log_in.is_some() {
            return self.server;
        }
        let call = &self.calls[call];
        let hop = call
            .routes
            .first()
            .map_or(call.target.as_str(), |route| route.trim_matches(['<', '>']));
        host_of(hop).unwrap_or(call.source)
    }

    fn dialog_request(&self, call: CallRef, method: &str, cseq: u32) -> Wire {
        let call = &self.calls[call];
        let (theirs, ours) = if call.incoming { ("From", "To") } else { ("To", "From") };
        let strip = |name: &str| {
            let value = call.invite.get(name).unwrap_or_default();
            let end = value.find('>').map_or(value.len(), |close| close + 1);
            value[..end].to_owned()
        };
        let mut request =
            Wire::new(format!("{method} {} SIP/2.0", call.target)).with("Max-Forwards", "70");
        for route in &call.routes {
            request = request.with("Route", route.clone());
        }
        request
            .with("From", format!("{};tag={}", strip(ours), call.local_tag))
            .with("To", format!("{};tag={}", strip(theirs), call.remote_tag))
            .with("Call-ID", call.call_id.clone())
            .with("CSeq", format!("{cseq} {method}"))
            .with("User-Agent", self.product.clone())
    }

    /// Acknowledges a 2xx of our INVITE, now and whenever it is repeated (RFC 3261 §13.2.2.4).
    pub(super) fn acknowledge(&mut self, call: CallRef, cseq: u32) {
        let via = self.via().0;
        let mut ack = self.dialog_request(call, "ACK", cseq);
        ack.headers.insert(0, ("Via".to_owned(), via));
        if !self.loses_acks {
            let to = self.next_hop(call);
            self.put(to, &ack);
        }
        self.calls[call].ack = Some(ack);
    }

    /// Acknowledges and at once ends a 2xx of another branch of a fork.
    pub(super) fn drop_fork(&mut self, call: CallRef, answer: &Wire) {
        let mut other = self.calls[call].clone();
        other.remote_tag = answer.to_tag().to_owned();
        other.target = answer.contact().unwrap_or(other.target);
        other.state = CallState::Talking;
        let at = self.calls.len();
        self.calls.push(other);
        self.acknowledge(at, answer.cseq().0);
        let now = self.now;
        self.hang_up(now, at);
    }

    /// CANCEL, as soon as a provisional answer allows it (RFC 3261 §9.1).
    pub(super) fn try_cancel(&mut self, call: CallRef) {
        let branch = self.calls[call].branch.clone();
        let Some(client) =
            self.clients.iter().find(|one| one.branch == branch && one.method == "INVITE")
        else {
            return;
        };
        if client.phase != Phase::Proceeding || !self.calls[call].cancel_wanted {
            return;
        }
        let (invite, to) = (client.request.clone(), client.to);
        let mut cancel = Wire::new(invite.start.replacen("INVITE", "CANCEL", 1));
        for name in ["Via", "Max-Forwards", "From", "To", "Call-ID", "Route"] {
            for value in invite.all(name) {
                cancel = cancel.with(name, value);
            }
        }
        let cancel = cancel.with("CSeq", format!("{} CANCEL", invite.cseq().0));
        self.calls[call].cancel_wanted = false;
        self.start_client(branch, cancel, Some(call), to, 0);
    }

    /// Puts a Via on a request and sends it until it is answered.
    pub(super) fn send_request(
        &mut self,
        mut request: Wire,
        call: Option<CallRef>,
        to: SocketAddr,
        tries: u8,
    ) {
        let (via, branch) = self.via();
        request.headers.retain(|(name, _)| name != "Via");
        request.headers.insert(0, ("Via".to_owned(), via));
        if request.method() == "INVITE"
            && let Some(call) = call
            && self.calls[call].answered.is_none()
        {
            self.calls[call].branch = branch.clone();
            self.calls[call].invite = request.clone();
            self.calls[call].cseq = request.cseq().0;
        }
        self.start_client(branch, request, call, to, tries);
    }

    fn start_client(
        &mut self,
        branch: String,
        request: Wire,
        call: Option<CallRef>,
        to: SocketAddr,
        tries: u8,
    ) {
        self.put(to, &request);
        self.clients.push(Client {
            branch,
            method: request.method().to_owned(),
            call,
            request,
            to,
            phase: Phase::Trying,
            again: if self.transport.is_reliable() { u64::MAX } else { self.now + T1 },
            interval: T1,
            until: self.now + LIFE,
            tries,
        });
    }

    /// Sends a response on a server transaction and keeps it.
    pub(super) fn answer(&mut self, branch: &str, method: &str, reply: Wire) {
        let Some(at) =
            self.servers.iter().position(|one| one.branch == branch && one.method == method)
        else {
            return;
        };
        let to = self.servers[at].to;
        self.put(to, &reply);
        let is_final = reply.status().is_some_and(|status| status >= 200);
        let server = &mut self.servers[at];
        if is_final && method == "INVITE" {
            server.unacked = true;
            // RFC 3261 §13.3.1.4: the 2xx is repeated on every transport, others on unreliable ones only.
            let repeat =
                !self.transport.is_reliable() || reply.status().is_some_and(|status| status < 300);
            server.again = if repeat { self.now + T1 } else { u64::MAX };
            server.interval = T1.min(T2);
        }
        if is_final {
            server.until = self.now + LIFE;
        }
        server.last = Some(reply);
    }
}
