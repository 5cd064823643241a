//! Phones and carriers: scripts that send raw SIP and match what comes. Lives here: their verbs.
//! Never here: what is expected of the node.

use std::net::SocketAddr;

use sip::flow::{Flow, Transport};

use crate::digest::{Answer, REALM};
use crate::leg::Leg;
use crate::town::{NODE_TLS, NODE_UDP, NODE_UDP6, NODE_WSS};
use crate::wire::{Got, OFFER, Pattern, ending};
use crate::world::World;

/// A phone, a carrier, a stranger.
#[derive(Clone)]
pub struct Ua {
    pub world: World,
    pub flow: Flow,
    pub user: &'static str,
    pub secret: &'static str,
    pub algorithm: &'static str,
}

/// A request outside of a dialog, or the INVITE of one; tests change what they like.
#[derive(Clone)]
pub struct Request {
    pub method: String,
    pub uri: String,
    pub branch: String,
    pub from: String,
    pub to: String,
    pub call_id: String,
    pub cseq: u32,
    /// Whole header lines.
    pub extra: String,
    pub credentials: String,
    pub body: String,
}

impl Ua {
    pub fn new(
        world: World,
        transport: Transport,
        address: &str,
        (user, secret): (&'static str, &'static str),
    ) -> Ua {
        let peer: SocketAddr = address.parse().unwrap();
        let local = match transport {
            Transport::Tls => NODE_TLS,
            Transport::Wss => NODE_WSS,
            Transport::Udp | Transport::Tcp if peer.is_ipv4() => NODE_UDP,
            Transport::Udp | Transport::Tcp => NODE_UDP6,
        };
        let connection = if transport.is_reliable() { world.name() as u32 } else { 0 };
        let flow = Flow { transport, local: local.parse().unwrap(), peer, connection };
        Ua { world, flow, user, secret, algorithm: "SHA-256" }
    }

    /// The same person at another address.
    pub fn moved(&self, address: &str) -> Ua {
        Ua::new(self.world.clone(), self.flow.transport, address, (self.user, self.secret))
    }

    // ---- post

    pub fn send(&self, text: &str) {
        self.world.receive(self.flow, text.as_bytes());
    }

    /// The first message in the inbox; it must be this.
    pub fn expect(&self, what: impl Pattern) -> Got {
        let names = self.names();
        let got = self.world.take(&self.flow, |_| true);
        match got {
            Some(got) if what.fits(&got) => got,
            Some(got) => panic!("expected {}, got {names:?}:\n{}", what.name(), got.text()),
            None => panic!("expected {} at {}, got nothing", what.name(), self.flow.peer),
        }
    }

    /// The first message in the inbox that is this, whatever lies before it.
    pub fn pick(&self, what: impl Pattern) -> Got {
        let got = self.world.take(&self.flow, |got| what.fits(got));
        got.unwrap_or_else(|| panic!("expected {}, got {:?}", what.name(), self.names()))
    }

    pub fn expect_nothing(&self) {
        let texts: Vec<String> = self.world.inbox(&self.flow).iter().map(Got::text).collect();
        assert!(texts.is_empty(), "unexpected at {}:\n{}", self.flow.peer, texts.join("\n"));
    }

    /// What lies in the inbox, in words.
    pub fn names(&self) -> Vec<String> {
        self.world.inbox(&self.flow).iter().map(Got::name).collect()
    }

    /// Throws the inbox away and says what was in it.
    pub fn forget(&self) -> Vec<String> {
        let names = self.names();
        while self.world.take(&self.flow, |_| true).is_some() {}
        names
    }

    // ---- requests

    pub fn contact(&self) -> String {
        let param = match self.flow.transport {
            Transport::Udp => String::new(),
            other => format!(";transport={}", other.uri_param()),
        };
        format!("sip:{}@{}{param}", self.user, self.flow.peer)
    }

    pub fn via(&self, branch: &str) -> String {
        let (transport, peer) = (self.flow.transport.via_name(), self.flow.peer);
        format!("Via: SIP/2.0/{transport} {peer};branch={branch};rport\r\n")
    }

    pub fn branch(&self) -> String {
        format!("z9hG4bK-{}-{}", self.user, self.world.name())
    }

    /// A request with everything it needs but credentials.
    pub fn request(&self, method: &str, uri: &str) -> Request {
        let name = self.world.name();
        let from = format!("<sip:{}@{REALM}>;tag=f{name}", self.user);
        Request {
            method: method.to_owned(),
            uri: uri.to_owned(),
            branch: self.branch(),
            from,
            to: format!("<{uri}>"),
            call_id: format!("call{name}@{}", self.user),
            cseq: 1,
            extra: String::new(),
            credentials: String::new(),
            body: String::new(),
        }
    }

    /// An INVITE with an offer to a user or number of ours.
    pub fn invite_request(&self, number: &str) -> Request {
        let mut request = self.request("INVITE", &format!("sip:{number}@{REALM}"));
        request.extra =
            format!("Contact: <{}>\r\nUser-Agent: Phone of {}\r\n", self.contact(), self.user);
        request.body = OFFER.to_owned();
        request
    }

    pub fn text(&self, request: &Request) -> String {
        let Request { method, uri, branch, from, to, call_id, cseq, extra, credentials, body } =
            request;
        format!(
            "{method} {uri} SIP/2.0\r\n{}Max-Forwards: 70\r\nFrom: {from}\r\nTo: {to}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{extra}{credentials}{}",
            self.via(branch),
            ending(body)
        )
    }

    pub fn send_request(&self, request: &Request) {
        self.send(&self.text(request));
    }

    /// The header line that answers a challenge.
    pub fn credentials(&self, challenge: &Got, method: &str, uri: &str, nc: u32) -> String {
        let (asks, answers) = match challenge.status {
            401 => ("WWW-Authenticate", "Authorization"),
            _ => ("Proxy-Authenticate", "Proxy-Authorization"),
        };
        let is_ours = |value: &&str| value.contains(&format!("algorithm={},", self.algorithm));
        let offered = challenge.all(asks).find(is_ours).expect("the algorithm is offered");
        let nonce = offered.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap();
        let answer = Answer {
            algorithm: self.algorithm,
            username: self.user,
            user: self.user,
            realm: REALM,
            secret: self.secret,
            method,
            uri,
            nonce,
            nc,
        };
        format!("{answers}: {}\r\n", answer.value())
    }

    /// Sends a request, is challenged, and sends it again with credentials.
    pub fn send_with_login(&self, request: &mut Request) {
        self.send_request(request);
        let challenge = self.challenge_of(request);
        request.credentials = self.credentials(&challenge, &request.method, &request.uri, 1);
        request.cseq += 1;
        request.branch = self.branch();
        self.send_request(request);
    }

    fn challenge_of(&self, request: &Request) -> Got {
        let status = if request.method == "REGISTER" { 401 } else { 407 };
        let challenge = self.expect(status);
        if request.method == "INVITE" {
            self.send(&self.ack_of_refusal(request, &challenge));
        }
        challenge
    }

    /// The ACK of a refused INVITE.
    pub fn ack_of_refusal(&self, invite: &Request, refusal: &Got) -> String {
        let ack = Request {
            method: "ACK".to_owned(),
            to: refusal.header("To").to_owned(),
            extra: String::new(),
            credentials: String::new(),
            body: String::new(),
            ..invite.clone()
        };
        self.text(&ack)
    }

    // ---- registrations

    pub fn register_request(&self, expires: u32) -> Request {
        let mut request = self.request("REGISTER", &format!("sip:{REALM}"));
        request.to = format!("<sip:{}@{REALM}>", self.user);
        request.extra = format!(
            "Contact: <{}>\r\nExpires: {expires}\r\nUser-Agent: Phone of {}\r\n",
            self.contact(),
            self.user
        );
        request
    }

    pub fn register(&self) -> Got {
        self.send_with_login(&mut self.register_request(3600));
        self.expect(200)
    }

    // ---- calls

    /// Sends an INVITE with credentials and takes the 100.
    pub fn invite(&self, number: &str) -> Leg {
        let leg = self.invite_with(self.invite_request(number));
        self.expect(100);
        leg
    }

    /// Sends this INVITE with credentials.
    pub fn invite_with(&self, mut request: Request) -> Leg {
        self.send_with_login(&mut request);
        self.leg_of(request)
    }

    /// Sends this INVITE as a carrier: without credentials.
    pub fn invite_as_carrier(&self, number: &str) -> Leg {
        let request = self.invite_request(number);
        self.send_request(&request);
        self.leg_of(request)
    }

    pub fn leg_of(&self, request: Request) -> Leg {
        Leg {
            ua: self.clone(),
            call_id: request.call_id.clone(),
            local: request.from.clone(),
            remote: request.to.clone(),
            target: request.uri.clone(),
            cseq: request.cseq,
            request: Some(request),
            invite: None,
        }
    }

    /// Takes an INVITE, which must be the next message; nothing is answered yet.
    pub fn expect_invite(&self) -> Leg {
        let invite = self.expect("INVITE");
        self.leg_from(invite)
    }

    pub fn leg_from(&self, invite: Got) -> Leg {
        let tag = format!("c{}", self.world.name());
        Leg {
            ua: self.clone(),
            call_id: invite.call_id().to_owned(),
            local: format!("{};tag={tag}", invite.header("To")),
            remote: invite.header("From").to_owned(),
            target: invite.contact().to_owned(),
            cseq: 100,
            request: None,
            invite: Some(invite),
        }
    }

    /// A response to a request that was got: `to` is the whole value of To.
    pub fn response(
        &self,
        request: &Got,
        status: u16,
        to: &str,
        extra: &str,
        body: &str,
    ) -> String {
        let vias: String = request.all("Via").map(|via| format!("Via: {via}\r\n")).collect();
        format!(
            "SIP/2.0 {status} Whatever\r\n{vias}From: {}\r\nTo: {to}\r\nCall-ID: {}\r\n\
             CSeq: {}\r\nServer: Box of {}\r\n{extra}{}",
            request.header("From"),
            request.call_id(),
            request.header("CSeq"),
            self.user,
            ending(body)
        )
    }
}
