//! A simulated phone or carrier that speaks real SIP over UDP. Lives here: just enough of a user
//! agent for loopback, where nothing is lost. Never here: who calls whom, and when.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};

use sip::digest::uac;
use sip::flow::Flow;
use sip::message::{Contacts, Message, Method, Name, Origin, ReplyHead, print};

use crate::shell::secrets::random;

/// Credentials of a phone.
#[derive(Clone, Debug)]
pub struct Login {
    /// User name.
    pub user: String,
    /// Secret.
    pub secret: String,
    /// Realm.
    pub realm: String,
}

/// What a user agent noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The registration was granted.
    Registered,
    /// A call that it placed was answered.
    Answered,
    /// A call that it placed was refused, with this status.
    Refused(u16),
    /// A call to it was answered after ringing.
    Took,
    /// The other side hung up.
    OtherSideEnded,
}

/// A user agent.
pub struct Agent {
    socket: UdpSocket,
    local: SocketAddr,
    server: SocketAddr,
    login: Login,
    calls: BTreeMap<String, Call>,
    register: Option<(String, u32)>,
    serial: u64,
    key: u64,
    /// How long it rings before it answers.
    ring_ms: u64,
    buffer: Vec<u8>,
}

struct Call {
    state: State,
    /// Request-URI of requests within the call.
    target: String,
    /// Our side and the other's, as in From and To of our requests.
    ours: String,
    theirs: String,
    cseq: u32,
    /// Request-URI and branch of our INVITE.
    invite: (String, String),
    has_answered_challenge: bool,
    /// For a call to us: how to answer the INVITE.
    reply: Option<(ReplyHead, String)>,
    talk_ms: u64,
    /// When it goes on by itself: answers, or hangs up.
    at_ms: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Calling,
    Ringing,
    Up,
    Ended,
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 8 0\r\na=inactive\r\n";

impl Agent {
    /// At this address (port 0: any), a client of `server`.
    pub fn new(
        address: SocketAddr,
        server: SocketAddr,
        login: Login,
        ring_ms: u64,
    ) -> anyhow::Result<Agent> {
        let socket = UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        Ok(Agent {
            socket,
            local,
            server,
            login,
            calls: BTreeMap::new(),
            register: None,
            serial: 0,
            key: u64::from_le_bytes(random()?),
            ring_ms,
            buffer: vec![0; 65_536],
        })
    }

    /// Its socket, to wait for.
    pub fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// Registers for an hour.
    pub fn register(&mut self) {
        let call_id = self.unique();
        self.register = Some((call_id, 1));
        self.send_register(&[]);
    }

    /// Calls a number and hangs up after talking for so long.
    pub fn call(&mut self, number: &str, talk_ms: u64) {
        let (call_id, tag) = (self.unique(), self.unique());
        let target = format!("sip:{number}@{}", self.server);
        let call = Call {
            state: State::Calling,
            ours: format!("<sip:{}@{}>;tag={tag}", self.login.user, self.login.realm),
            theirs: format!("<{target}>"),
            invite: (target.clone(), String::new()),
            target,
            cseq: 0,
            has_answered_challenge: false,
            reply: None,
            talk_ms,
            at_ms: u64::MAX,
        };
        self.calls.insert(call_id.clone(), call);
        self.send_invite(&call_id, &[]);
    }

    /// Hangs every call up.
    pub fn hang_up_all(&mut self) {
        let up: Vec<String> = self
            .calls
            .iter()
            .filter(|(_, call)| call.state == State::Up)
            .map(|(call_id, _)| call_id.clone())
            .collect();
        for call_id in up {
            self.hang_up(&call_id);
        }
    }

    /// Does what is due: takes what came, answers what rang long enough, ends what talked long enough.
    pub fn turn(&mut self, now_ms: u64, events: &mut Vec<Event>) {
        let mut buffer = std::mem::take(&mut self.buffer);
        loop {
            match self.socket.recv_from(&mut buffer) {
                Ok((length, peer)) => self.received(&mut buffer[..length], peer, now_ms, events),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // A port of ours was closed meanwhile, or a signal came.
                Err(_) => {}
            }
        }
        self.buffer = buffer;
        let due: Vec<String> = self
            .calls
            .iter()
            .filter(|(_, call)| call.at_ms <= now_ms)
            .map(|(call_id, _)| call_id.clone())
            .collect();
        for call_id in due {
            match self.calls.get(&call_id).map(|call| call.state) {
                Some(State::Ringing) => self.answer(&call_id, now_ms, events),
                Some(State::Up) => self.hang_up(&call_id),
                _ => drop(self.calls.remove(&call_id)),
            }
        }
    }

    fn received(
        &mut self,
        bytes: &mut [u8],
        peer: SocketAddr,
        now_ms: u64,
        events: &mut Vec<Event>,
    ) {
        let Ok(message) = Message::parse(bytes, Origin::Datagram) else { return };
        match message.status() {
            Some(status) => self.response(&message, status, now_ms, events),
            None => self.request(&message, peer, now_ms, events),
        }
    }

    fn response(
        &mut self,
        message: &Message<'_>,
        status: u16,
        now_ms: u64,
        events: &mut Vec<Event>,
    ) {
        match message.cseq().method {
            Method::Register if matches!(status, 401 | 407) => {
                let uri = format!("sip:{}", self.server);
                if let Some(line) = self.authorization(message, Method::Register, &uri)
                    && self.register.as_ref().is_some_and(|(_, cseq)| *cseq < 4)
                {
                    self.send_register(&line);
                }
            }
            Method::Register if status < 300 => events.push(Event::Registered),
            Method::Invite if status >= 200 => self.final_response(message, status, now_ms, events),
            _ => {}
        }
    }

    fn final_response(
        &mut self,
        message: &Message<'_>,
        status: u16,
        now_ms: u64,
        events: &mut Vec<Event>,
    ) {
        let call_id = message.call_id().to_owned();
        let Some(call) = self.calls.get_mut(&call_id) else { return };
        let tag = message.to().tag().unwrap_or_default();
        let with_tag =
            format!("{};tag={tag}", call.theirs.split(";tag=").next().unwrap_or_default());
        if status < 300 {
            let is_first = call.state == State::Calling;
            call.theirs = with_tag;
            if let Some(contact) = contact_of(message) {
                call.target = contact;
            }
            if is_first {
                call.state = State::Up;
                call.at_ms = now_ms.saturating_add(call.talk_ms);
                events.push(Event::Answered);
            }
            let (target, cseq) = (call.target.clone(), message.cseq().number);
            let branch = format!("z9hG4bK{}", self.unique());
            return self.send_in_call(&call_id, "ACK", &target, cseq, &branch, None);
        }
        let invite = call.invite.clone();
        let theirs = std::mem::replace(&mut call.theirs, with_tag);
        self.send_in_call(&call_id, "ACK", &invite.0, message.cseq().number, &invite.1, None);
        let is_challenge = matches!(status, 401 | 407);
        let Some(call) = self.calls.get_mut(&call_id) else { return };
        call.theirs = theirs;
        let may_answer = is_challenge && !call.has_answered_challenge;
        call.has_answered_challenge |= is_challenge;
        match self.authorization(message, Method::Invite, &invite.0) {
            Some(line) if may_answer => self.send_invite(&call_id, &line),
            _ => {
                self.calls.remove(&call_id);
                events.push(Event::Refused(status));
            }
        }
    }

    fn request(
        &mut self,
        message: &Message<'_>,
        peer: SocketAddr,
        now_ms: u64,
        events: &mut Vec<Event>,
    ) {
        let call_id = message.call_id().to_owned();
        let flow = Flow::udp(self.local, peer);
        let head = ReplyHead::new(message, &flow);
        match message.method() {
            Some(Method::Invite) if message.to().tag().is_none() => {
                let tag = self.unique();
                self.reply(&head, 180, "Ringing", &tag, false);
                let contact = contact_of(message);
                let from = message.header(Name::From).unwrap_or_default().to_owned();
                let to = message.header(Name::To).unwrap_or_default();
                let call = Call {
                    state: State::Ringing,
                    target: contact.unwrap_or_default(),
                    ours: format!("{to};tag={tag}"),
                    theirs: from,
                    cseq: 100,
                    invite: (String::new(), String::new()),
                    has_answered_challenge: true,
                    reply: Some((head, tag)),
                    talk_ms: u64::MAX,
                    at_ms: now_ms.saturating_add(self.ring_ms),
                };
                self.calls.insert(call_id, call);
            }
            Some(Method::Invite | Method::Update | Method::Options) => {
                self.reply(&head, 200, "OK", "x", true)
            }
            Some(Method::Bye) => {
                self.reply(&head, 200, "OK", "", false);
                if self.calls.remove(&call_id).is_some() {
                    events.push(Event::OtherSideEnded);
                }
            }
            Some(Method::Cancel) => {
                self.reply(&head, 200, "OK", "", false);
                if let Some((head, tag)) = self.calls.remove(&call_id).and_then(|call| call.reply) {
                    self.reply(&head, 487, "Request Terminated", &tag, false);
                }
            }
            Some(Method::Ack) | None => {}
            Some(_) => self.reply(&head, 405, "Method Not Allowed", "x", false),
        }
    }

    fn answer(&mut self, call_id: &str, now_ms: u64, events: &mut Vec<Event>) {
        let Some(call) = self.calls.get_mut(call_id) else { return };
        call.state = State::Up;
        call.at_ms = now_ms.saturating_add(call.talk_ms);
        if let Some((head, tag)) = call.reply.take() {
            events.push(Event::Took);
            self.reply(&head, 200, "OK", &tag, true);
        }
    }

    fn hang_up(&mut self, call_id: &str) {
        let Some(call) = self.calls.get_mut(call_id) else { return };
        call.cseq += 1;
        call.state = State::Ended;
        call.at_ms = 0;
        let (target, cseq) = (call.target.clone(), call.cseq);
        let branch = format!("z9hG4bK{}", self.unique());
        self.send_in_call(call_id, "BYE", &target, cseq, &branch, None);
        self.calls.remove(call_id);
    }

    fn authorization(
        &mut self,
        message: &Message<'_>,
        method: Method<'_>,
        uri: &str,
    ) -> Option<Vec<u8>> {
        let cnonce = self.unique();
        let attempt = uac::Attempt {
            method,
            uri,
            user: &self.login.user,
            secret: &self.login.secret,
            realm: &self.login.realm,
            cnonce: &cnonce,
            nc: 1,
        };
        let mut line = Vec::new();
        uac::answer_response(&mut line, message, &attempt).ok().map(|()| line)
    }

    fn send_register(&mut self, authorization: &[u8]) {
        let branch = self.unique();
        let Some((call_id, cseq)) = &mut self.register else { return };
        let (local, server, user, realm) =
            (self.local, self.server, &self.login.user, &self.login.realm);
        let mut out = format!(
            "REGISTER sip:{server} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:{user}@{realm}>;tag={call_id}\r\nTo: <sip:{user}@{realm}>\r\nCall-ID: {call_id}\r\n\
             CSeq: {cseq} REGISTER\r\nContact: <sip:{user}@{local}>\r\nExpires: 3600\r\n"
        )
        .into_bytes();
        *cseq += 1;
        out.extend_from_slice(authorization);
        print::finish(&mut out, None, b"");
        self.send(&out);
    }

    fn send_invite(&mut self, call_id: &str, authorization: &[u8]) {
        let branch = format!("z9hG4bK{}", self.unique());
        let Some(call) = self.calls.get_mut(call_id) else { return };
        call.cseq += 1;
        call.invite.1.clone_from(&branch);
        let (target, cseq) = (call.invite.0.clone(), call.cseq);
        self.send_in_call(call_id, "INVITE", &target, cseq, &branch, Some(authorization));
    }

    /// A request of a call; with `authorization`, an INVITE with an offer.
    fn send_in_call(
        &mut self,
        call_id: &str,
        method: &str,
        target: &str,
        cseq: u32,
        branch: &str,
        authorization: Option<&[u8]>,
    ) {
        let Some(call) = self.calls.get(call_id) else { return };
        let (local, user) = (self.local, &self.login.user);
        let (ours, theirs) = (&call.ours, &call.theirs);
        let mut out = format!(
            "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {local};rport;branch={branch}\r\nMax-Forwards: 70\r\n\
             From: {ours}\r\nTo: {theirs}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:{user}@{local}>\r\nUser-Agent: Ringfence demo\r\n"
        )
        .into_bytes();
        match authorization {
            Some(line) => {
                out.extend_from_slice(line);
                print::finish(&mut out, Some("application/sdp"), SDP.as_bytes());
            }
            None => print::finish(&mut out, None, b""),
        }
        self.send(&out);
    }

    fn reply(&mut self, head: &ReplyHead, status: u16, reason: &str, tag: &str, with_answer: bool) {
        let mut out = Vec::new();
        head.begin(&mut out, status, reason, tag);
        head.write_record_route(&mut out);
        print::header(
            &mut out,
            Name::Contact,
            format_args!("<sip:{}@{}>", self.login.user, self.local),
        );
        match with_answer {
            true => print::finish(&mut out, Some("application/sdp"), SDP.as_bytes()),
            false => print::finish(&mut out, None, b""),
        }
        self.send(&out);
    }

    fn send(&self, bytes: &[u8]) {
        // Loopback loses nothing while the server is there; without it there is nobody to tell.
        drop(self.socket.send_to(bytes, self.server));
    }

    fn unique(&mut self) -> String {
        self.serial += 1;
        format!("{:x}-{}", self.key, self.serial)
    }
}

fn contact_of(message: &Message<'_>) -> Option<String> {
    match message.contacts() {
        Ok(Contacts::List(contacts)) => contacts.first().map(|contact| contact.uri.to_owned()),
        _ => None,
    }
}
