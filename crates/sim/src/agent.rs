//! A SIP user agent for the simulated phones and carriers, with transactions and dialogs of its own.
//! Lives here: what both kinds of peer share. Never here: the product's transactions or dialogs, nor any wish to
//! call somebody (customers, carriers and attackers have those).

mod receive;
mod send;
mod timers;

use std::net::SocketAddr;

use sip::flow::Transport;
use types::Dice;

use crate::digest::{Challenge, LogIn};
use crate::wire::Wire;

/// T1, T2 and 64·T1 of RFC 3261 §17, in microseconds.
const T1: u64 = 500_000;
const T2: u64 = 4_000_000;
const LIFE: u64 = 64 * T1;

/// Something that travels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// How.
    pub transport: Transport,
    /// The sender's socket.
    pub from: SocketAddr,
    /// The receiver's socket.
    pub to: SocketAddr,
    /// What.
    pub bytes: Vec<u8>,
}

/// One call of an agent, by its place in [`Agent::calls`].
pub type CallRef = usize;

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallState {
    /// INVITE sent or received, nothing said yet.
    Calling,
    /// 18x sent or received.
    Ringing,
    /// 2xx sent or received.
    Talking,
    /// BYE sent, no answer yet.
    Ending,
    /// Over.
    Over,
}

/// One call of an agent.
#[derive(Clone, Debug)]
pub struct Call {
    /// Did the other side start it?
    pub incoming: bool,
    /// How far it has come.
    pub state: CallState,
    /// Call-ID.
    pub call_id: String,
    /// The INVITE, as sent last or as received first.
    pub invite: Wire,
    /// Who is called, as dialled.
    pub dialled: String,
    /// When it was started, answered (2xx sent or received), ended: microseconds of world time.
    pub started: u64,
    /// See `started`.
    pub answered: Option<u64>,
    /// See `started`.
    pub ended: Option<u64>,
    /// The final status of the INVITE; 0 before.
    pub status: u16,
    /// What the other side said about it.
    pub why: String,
    /// Was our 2xx acknowledged?
    pub acked: bool,
    /// Did the other side hang up?
    pub hung_up_by_peer: bool,
    /// Final session description seen from the other side.
    pub peer_sdp: String,
    local_tag: String,
    remote_tag: String,
    target: String,
    routes: Vec<String>,
    cseq: u32,
    remote_cseq: u32,
    /// Branch of our INVITE, or of the one we got.
    branch: String,
    ack: Option<Wire>,
    cancel_wanted: bool,
    /// Hung up by us, but the ACK for our 2xx has not come.
    bye_wanted: bool,
    /// It never came.
    given_up: bool,
    source: SocketAddr,
}

/// What an agent tells its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// 18x to our INVITE.
    Provisional(CallRef, u16),
    /// 2xx to our INVITE.
    Answered(CallRef),
    /// 3xx to 6xx to our INVITE, or none in time (408).
    Refused(CallRef, u16),
    /// An INVITE for us.
    Incoming(CallRef),
    /// The other side wants its INVITE back; it is for the owner to answer it.
    Cancelled(CallRef),
    /// Our 2xx was acknowledged.
    Acked(CallRef),
    /// Our 2xx never was: BYE was sent.
    NoAck(CallRef),
    /// The other side sent a new offer, which was accepted.
    Reinvited(CallRef),
    /// BYE came.
    HungUp(CallRef),
    /// Our INVITE was challenged, and answered with credentials.
    Challenged(CallRef),
    /// Our REGISTER was answered, or not (408).
    Registered(u16),
    /// Another request of ours was answered, or not (408).
    Response(CallRef, String, u16),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Trying,
    Proceeding,
    /// Answered with 3xx–6xx: the ACK is kept for retransmissions.
    Refused(Wire),
    Done,
}

#[derive(Clone, Debug)]
struct Client {
    branch: String,
    method: String,
    call: Option<CallRef>,
    request: Wire,
    to: SocketAddr,
    phase: Phase,
    again: u64,
    interval: u64,
    until: u64,
    tries: u8,
}

#[derive(Clone, Debug)]
struct Server {
    branch: String,
    method: String,
    call: Option<CallRef>,
    to: SocketAddr,
    last: Option<Wire>,
    /// An INVITE's final response waits for its ACK until then.
    unacked: bool,
    again: u64,
    interval: u64,
    until: u64,
}

/// A user agent.
#[derive(Debug)]
pub struct Agent {
    /// User part of its own URI.
    pub user: String,
    /// Its socket.
    pub address: SocketAddr,
    /// How it speaks.
    pub transport: Transport,
    /// Where requests outside of dialogs go.
    pub server: SocketAddr,
    /// The domain it belongs to.
    pub domain: String,
    /// How it proves who it is.
    pub log_in: Option<LogIn>,
    /// Its calls, finished ones too.
    pub calls: Vec<Call>,
    /// A dead agent hears and says nothing.
    pub dead: bool,
    /// Swallows every ACK it should send while set.
    pub loses_acks: bool,
    /// Uses a nonce for as many requests as it can.
    pub keeps_nonce: bool,
    /// Record-Route put into its answers, as a carrier's proxy would.
    pub record_route: Option<String>,
    /// What it calls itself in User-Agent and Server.
    pub product: String,
    /// Methods and statuses that struck it as wrong.
    pub complaints: Vec<String>,
    challenge: Option<Challenge>,
    registration: Option<(String, u32)>,
    clients: Vec<Client>,
    servers: Vec<Server>,
    out: Vec<Packet>,
    dice: Dice,
    now: u64,
}

impl Agent {
    /// An agent that has done nothing yet.
    pub fn new(
        user: &str,
        address: SocketAddr,
        transport: Transport,
        server: SocketAddr,
        domain: &str,
        dice: Dice,
    ) -> Agent {
        Agent {
            user: user.to_owned(),
            address,
            transport,
            server,
            domain: domain.to_owned(),
            log_in: None,
            calls: Vec::new(),
            dead: false,
            loses_acks: false,
            keeps_nonce: false,
            record_route: None,
            product: "sim".to_owned(),
            complaints: Vec::new(),
            challenge: None,
            registration: None,
            clients: Vec::new(),
            servers: Vec::new(),
            out: Vec::new(),
            dice,
            now: 0,
        }
    }

    /// What it wants to send.
    pub fn drain(&mut self) -> Vec<Packet> {
        let out = std::mem::take(&mut self.out);
        if self.dead { Vec::new() } else { out }
    }

    /// Its dice.
    pub fn dice(&mut self) -> &mut Dice {
        &mut self.dice
    }

    /// Our tag in a call's dialog.
    pub fn tag(&self, call: CallRef) -> &str {
        &self.calls[call].local_tag
    }

    /// Calls that are not over.
    pub fn live(&self) -> impl Iterator<Item = CallRef> {
        self.calls
            .iter()
            .enumerate()
            .filter(|(_, call)| call.state != CallState::Over)
            .map(|(at, _)| at)
    }

    /// Has it nothing left to do?
    pub fn is_idle(&self) -> bool {
        self.dead
            || self.live().next().is_none()
                && self.clients.iter().all(|one| one.phase == Phase::Done)
    }

    /// A call ends for us without a word to the other side.
    pub fn forget(&mut self, now: u64, call: CallRef) {
        self.now = now;
        self.end(call);
        self.servers
            .iter_mut()
            .filter(|one| one.call == Some(call))
            .for_each(|one| one.unacked = false);
    }

    /// Power comes back: nothing of before is known.
    pub fn reboot(&mut self, now: u64) {
        self.now = now;
        self.dead = false;
        self.clients.clear();
        self.servers.clear();
        self.out.clear();
        self.registration = None;
        self.challenge = None;
        for call in 0..self.calls.len() {
            if self.calls[call].state != CallState::Over {
                self.end(call);
            }
        }
    }

    fn token(&mut self) -> String {
        format!("{:016x}", self.dice.bits())
    }

    fn via(&mut self) -> (String, String) {
        let branch = format!("z9hG4bK{}", self.token());
        (
            format!("SIP/2.0/{} {};branch={branch};rport", self.transport.via_name(), self.address),
            branch,
        )
    }

    fn contact(&self) -> String {
        format!("<sip:{}@{};transport={}>", self.user, self.address, self.transport.uri_param())
    }

    fn end(&mut self, call: CallRef) {
        let call = &mut self.calls[call];
        call.state = CallState::Over;
        call.ended.get_or_insert(self.now);
    }

    fn put(&mut self, to: SocketAddr, wire: &Wire) {
        self.out.push(Packet {
            transport: self.transport,
            from: self.address,
            to,
            bytes: wire.bytes(),
        });
    }
}

/// A session description that names its owner, so that it can be recognised at the far end.
pub fn sdp(address: SocketAddr, session: u64, direction: &str) -> String {
    let ip = address.ip();
    format!(
        "v=0\r\no=- {session} {session} IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n\
         a={direction}\r\n"
    )
}
