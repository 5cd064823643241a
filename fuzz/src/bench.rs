//! A real call between a stranger and a carrier. Lives here: a script of bytes, read as what both say
//! and when; the wiring that a node has. Never here: what may leave (see `leaving`).
//!
//! A script is cut at each byte 0x1e. The first piece is the INVITE, whole. Each further one begins with
//! a letter that says who does what, and ends with headers and body that are put behind the lines which
//! make it part of the call:
//!
//! | letters | what |
//! |---|---|
//! | `a` or `b`, method (`I U N P O B A C`), rest | a request of the caller or the callee |
//! | `A` or `B`, status (`a`…), rest | their answer to the last request that they got |
//! | `x` or `y`, rest | any bytes at all, from the caller's or the callee's address |
//! | `s` | the answer is on record |
//! | `h` | the provider cuts the call |
//! | `t`, digit | time passes: 100 ms, doubled so many times |

use sip::b2bua::{
    Call, CallEvent, CallKey, Credentials, DialogCheck, LegPlan, Listener, PeerKind, Phase,
    Purpose, Refused, Settings, Side, User, Wire, read_tag,
};
use sip::flow::{Flow, Outbox, Transport};
use sip::message::{Message, Method, Name, Origin};
use sip::session_timer::Policy;
use sip::tokens::Tokens;
use sip::transaction::{Limits, Matched, Timers, Transactions, TxEvent};
use types::cdr::{HangupCause, HangupSide};
use types::{HashKey, Now, Tick, UnixMicros};

use crate::leaving::{self, CANARY};

const SEPARATOR: u8 = 0x1e;
const MOST_STEPS: usize = 24;
const STATUSES: [u16; 20] = [
    100, 180, 183, 199, 200, 202, 299, 302, 401, 407, 408, 422, 481, 486, 487, 488, 491, 500, 503,
    603,
];
const KEY: CallKey = CallKey { slot: 0, generation: 0 };

/// One side as the script sees it.
#[derive(Default)]
struct Peer {
    /// The last request that it got, whole.
    got: Vec<u8>,
    /// From and To values and Call-ID of its dialog, as it writes them.
    dialog: Option<[String; 3]>,
    /// Of its last INVITE: Via and CSeq.
    invite: (String, u32),
    cseq: u32,
}

struct Bench {
    now: Now,
    transactions: Transactions,
    out: Outbox,
    tokens: Tokens,
    settings: Settings,
    call: Option<Call>,
    events: Vec<CallEvent>,
    peers: [Peer; 2],
    has_canary: bool,
}

/// Plays a script.
pub fn run(script: &[u8]) {
    let mut pieces = script.split(|byte| *byte == SEPARATOR);
    let mut bench = Bench::new(!contains(script, CANARY.as_bytes()));
    bench.begin(pieces.next().unwrap_or_default());
    if bench.call.is_none() {
        return; // A node would have refused it.
    }
    pieces.take(MOST_STEPS).for_each(|piece| bench.step(piece));
    bench.end();
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

const fn index_of(side: Side) -> usize {
    match side {
        Side::Caller => 0,
        Side::Callee => 1,
    }
}

fn flow(side: Side) -> Flow {
    let peer = match side {
        Side::Caller => "203.0.113.7:5062",
        Side::Callee => "198.51.100.1:5060",
    };
    let address = |text: &str| text.parse().expect("an address");
    Flow::udp(address("192.0.2.1:5060"), address(peer))
}

fn settings() -> Settings {
    let local = flow(Side::Caller).local;
    Settings {
        listeners: vec![Listener { transport: Transport::Udp, local, advertised: local }],
        realm: "ours.example".to_owned(),
        product: "Ringfence/fuzz".to_owned(),
        ring_ms: 180_000,
        session: Policy { session_expires_s: 1_800, min_se_s: 90 },
        t1_ms: 500,
        t2_ms: 4_000,
    }
}

fn plan() -> LegPlan {
    let credentials = Credentials {
        user: "us".to_owned(),
        secret: "secret".to_owned(),
        realm: "carrier".to_owned(),
    };
    LegPlan {
        flow: flow(Side::Callee),
        request_uri: "sip:+442079460999@198.51.100.1:5060".to_owned(),
        routes: Vec::new(),
        from_uri: "sip:+442079460001@ours.example".to_owned(),
        display: None,
        to_uri: "sip:+442079460999@198.51.100.1:5060".to_owned(),
        identity: Some("sip:+442079460001@ours.example".to_owned()),
        private: false,
        peer: PeerKind::Trunk(Some(credentials)),
        silence_ms: Some(4_000),
        mark: 1,
    }
}

impl Bench {
    fn new(has_canary: bool) -> Bench {
        let (key, tokens) = (HashKey(1, 2), Tokens::new([3; 16]));
        Bench {
            now: Now { tick: Tick(1_000_000), wall: UnixMicros(1_700_000_000_000_000) },
            transactions: Transactions::new(
                key,
                tokens.clone(),
                Timers::default(),
                Limits::default(),
            ),
            out: Outbox::new(),
            tokens,
            settings: settings(),
            call: None,
            events: Vec::new(),
            peers: [Peer::default(), Peer::default()],
            has_canary,
        }
    }

    /// The INVITE, if it is one and makes a call.
    fn begin(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        let Ok(invite) = Message::parse(&mut bytes, Origin::Datagram) else { return };
        if invite.method() != Some(Method::Invite) || invite.to().tag().is_some() {
            return;
        }
        let from = flow(Side::Caller);
        let user = User { call: KEY, purpose: Purpose::CallerInvite }.pack();
        let Ok(tx) = self.transactions.create_server(self.now.tick, &invite, from, user) else {
            return;
        };
        self.transactions.trying(self.now.tick, tx, &mut self.out);
        let mut wire = Wire {
            now: self.now,
            transactions: &mut self.transactions,
            out: &mut self.out,
            tokens: &mut self.tokens,
            settings: &self.settings,
        };
        let Some(mut call) = Call::new(KEY, &invite, &from, tx, &mut wire) else { return };
        let leg = call.prepare_leg(&mut wire, plan()).expect("the tables are empty");
        call.start_leg(&mut wire, leg);
        self.call = Some(call);
        let caller = &mut self.peers[0];
        let value = |name| invite.header(name).unwrap_or_default().to_owned();
        caller.dialog = Some([value(Name::From), value(Name::To), value(Name::CallId)]);
        caller.cseq = invite.cseq().number;
        caller.invite = (invite.via().raw.to_owned(), caller.cseq);
        self.look_at_what_leaves();
    }

    fn step(&mut self, piece: &[u8]) {
        let (what, rest) = piece.split_first().map_or((&0, piece), |(what, rest)| (what, rest));
        let (which, tail) = rest.split_first().map_or((&0, rest), |(which, tail)| (which, tail));
        match what {
            b'a' => self.ask(Side::Caller, *which, tail),
            b'b' => self.ask(Side::Callee, *which, tail),
            b'A' => self.answer(Side::Caller, *which, tail),
            b'B' => self.answer(Side::Callee, *which, tail),
            b'x' => self.receive(Side::Caller, rest),
            b'y' => self.receive(Side::Callee, rest),
            b's' => self.act(|call, wire, _| call.confirm(wire)),
            b'h' => self.cut(),
            b't' => self.pass(100 << (which & 15)),
            _ => {}
        }
    }

    /// A request of one side, with whatever headers and body it likes.
    fn ask(&mut self, side: Side, method: u8, rest: &[u8]) {
        let methods = ["INVITE", "UPDATE", "INFO", "PRACK", "OPTIONS", "BYE", "ACK", "CANCEL"];
        let letters = b"IUNPOBAC";
        let at = letters.iter().position(|letter| *letter == method).unwrap_or(0);
        let peer = &mut self.peers[index_of(side)];
        let Some([from, to, call_id]) = &peer.dialog else { return };
        let (method, is_new) = (methods[at], at < 6);
        if is_new {
            peer.cseq = peer.cseq.saturating_add(1);
        }
        let fresh = (format!("SIP/2.0/UDP h;branch=z9hG4bK{}", peer.cseq), peer.cseq);
        if method == "INVITE" {
            peer.invite = fresh.clone();
        }
        let (via, cseq) = if is_new { &fresh } else { &peer.invite };
        let mut text = format!(
            "{method} sip:x SIP/2.0\r\nVia: {via}\r\nFrom: {from}\r\nTo: {to}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nX-Odd: {CANARY}\r\n"
        )
        .into_bytes();
        append(&mut text, rest);
        self.receive(side, &text);
    }

    /// An answer of one side to the last request that it got.
    fn answer(&mut self, side: Side, status: u8, rest: &[u8]) {
        let status = STATUSES[usize::from(status.wrapping_sub(b'a')) % STATUSES.len()];
        let mut got = self.peers[index_of(side)].got.clone();
        let Ok(request) = Message::parse(&mut got, Origin::Datagram) else { return };
        let mut text = format!("SIP/2.0 {status} X\r\nSubject: {CANARY}\r\n");
        for line in request.lines() {
            let tag =
                if line.name == Name::To && request.to().tag().is_none() { ";tag=b" } else { "" };
            if [Name::Via, Name::From, Name::To, Name::CallId, Name::CSeq].contains(&line.name) {
                text.push_str(&format!("{}: {}{tag}\r\n", line.raw_name, line.value));
            }
        }
        let mut text = text.into_bytes();
        append(&mut text, rest);
        self.receive(side, &text);
    }

    fn receive(&mut self, side: Side, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        let Ok(message) = Message::parse(&mut bytes, Origin::Datagram) else { return };
        if message.is_request() {
            self.request(side, &message);
        } else {
            self.response(side, &message);
        }
    }

    /// As a node does it.
    fn request(&mut self, from: Side, request: &Message<'_>) {
        let (now, flow) = (self.now.tick, flow(from));
        match self.transactions.match_request(now, request, &flow, &mut self.out) {
            Matched::Absorbed | Matched::CancelUnknown => {}
            Matched::Cancel { user, invite } => match User::unpack(user).map(|user| user.purpose) {
                Some(Purpose::CallerInvite) => {
                    self.act(|call, wire, events| call.caller_cancelled(wire, events));
                }
                _ => self.act(|call, wire, _| call.relay_cancelled(wire, invite)),
            },
            Matched::DialogAck => self.in_dialog(request, &flow),
            Matched::New if request.to().tag().is_some() => self.in_dialog(request, &flow),
            Matched::New => {}
        }
        self.look_at_what_leaves();
    }

    fn in_dialog(&mut self, request: &Message<'_>, flow: &Flow) {
        let Some((key, side, index)) = request.to().tag().and_then(read_tag) else { return };
        let Some(call) = self.call.as_mut().filter(|_| key == KEY) else { return };
        if call.check_dialog(side, index, request, flow) != DialogCheck::SameFlow {
            return;
        }
        let Some(fork) = call.fork_of(side, index, request) else { return };
        if request.method() == Some(Method::Ack) {
            return self
                .act(|call, wire, events| call.handle_ack(wire, side, fork, request, events));
        }
        if !call.accept_cseq(side, fork, request) {
            return;
        }
        let user = User { call: KEY, purpose: Purpose::Nothing }.pack();
        let now = self.now.tick;
        let Ok(tx) = self.transactions.create_server(now, request, *flow, user) else { return };
        if request.method() == Some(Method::Invite) {
            self.transactions.trying(now, tx, &mut self.out);
        }
        self.act(|call, wire, events| match request.method() {
            Some(Method::Bye) => call.handle_bye(wire, side, fork, tx, events),
            _ => call.handle_request(wire, side, fork, request, tx),
        });
    }

    fn response(&mut self, from: Side, response: &Message<'_>) {
        let (now, flow) = (self.now.tick, flow(from));
        let found = self.transactions.match_response(now, response, &flow, &mut self.out);
        let is_answer = response.status().is_some_and(|status| (200..300).contains(&status))
            && response.cseq().method == Method::Invite;
        match found.and_then(|found| User::unpack(found.user)).map(|user| user.purpose) {
            Some(Purpose::LegInvite(leg)) => self.act(|call, wire, events| {
                call.leg_response(wire, leg, response, &flow, events);
            }),
            Some(Purpose::Relay(to, id)) => self.act(|call, wire, events| {
                call.relay_response(wire, to, id, response, &flow, events);
            }),
            Some(Purpose::Bye(side)) => self.act(|call, wire, events| {
                call.bye_response(wire, side, Some((response, &flow)), events);
            }),
            Some(Purpose::CallerInvite | Purpose::Nothing) => {}
            None if is_answer && self.transactions.is_ours(response) => {
                let Some((_, side, index)) = response.from().tag().and_then(read_tag) else {
                    return;
                };
                self.act(|call, wire, events| {
                    call.stray_answer(wire, (side, index), response, &flow, events);
                });
            }
            None => {}
        }
        self.look_at_what_leaves();
    }

    fn cut(&mut self) {
        self.act(|call, wire, events| {
            let reason = "SIP;cause=402;text=\"cut\"";
            call.hang_up(wire, HangupCause::Cut, 403, Some(reason), events);
        });
    }

    /// Lends the wire to the call, and follows up as its owner does.
    fn act(&mut self, act: impl FnOnce(&mut Call, &mut Wire<'_>, &mut Vec<CallEvent>)) {
        let Some(call) = &mut self.call else { return };
        let mut wire = Wire {
            now: self.now,
            transactions: &mut self.transactions,
            out: &mut self.out,
            tokens: &mut self.tokens,
            settings: &self.settings,
        };
        act(call, &mut wire, &mut self.events);
        let mut is_finished = false;
        while !self.events.is_empty() {
            match self.events.remove(0) {
                CallEvent::LegFailed { .. } if call.open_legs() == 0 => {
                    let ending = (HangupSide::Callee, HangupCause::Rejected);
                    call.reject(&mut wire, &Refused::plain(480), ending, &mut self.events);
                }
                CallEvent::Finished => is_finished = true,
                _ => {}
            }
        }
        if is_finished {
            self.call = None;
        }
        self.look_at_what_leaves();
    }

    /// Everything that is due within so many milliseconds.
    fn pass(&mut self, ms: u64) {
        let target = self.now.tick.plus_ms(ms);
        for _ in 0..10_000 {
            let call = self.call.as_ref().map(Call::next_timeout);
            let next = call.into_iter().chain(self.transactions.next_timeout()).min();
            let Some(next) = next.filter(|next| *next <= target) else { break };
            self.set_time(next.max(self.now.tick));
            let mut events = Vec::new();
            self.transactions.handle_timeout(self.now.tick, &mut self.out, &mut events);
            events.iter().for_each(|event| self.timed_out(event));
            self.act(|call, wire, events| call.handle_timeout(wire, events));
        }
        self.set_time(target);
        self.look_at_what_leaves();
    }

    fn set_time(&mut self, tick: Tick) {
        let micros = tick.micros_since(self.now.tick);
        self.now = Now { tick, wall: UnixMicros(self.now.wall.0 + micros as i64) };
    }

    fn timed_out(&mut self, event: &TxEvent) {
        let TxEvent::ClientTimeout { user, .. } = event else { return };
        match User::unpack(*user).map(|user| user.purpose) {
            Some(Purpose::LegInvite(leg)) => {
                self.act(|call, _, events| call.leg_timeout(leg, events));
            }
            Some(Purpose::Relay(to, id)) => {
                self.act(|call, wire, events| call.relay_timeout(wire, to, id, events));
            }
            Some(Purpose::Bye(side)) => {
                self.act(|call, wire, events| call.bye_response(wire, side, None, events));
            }
            _ => {}
        }
    }

    /// Whatever was said: a call that is cut is over soon, and nothing of it stays.
    fn end(&mut self) {
        self.cut();
        if let Some(call) = &self.call {
            assert_eq!(call.phase(), Phase::Ending);
        }
        self.pass(200_000);
        assert!(self.call.is_none(), "a call that does not end: {:#?}", self.call);
        assert_eq!(self.transactions.len(), (0, 0));
    }

    /// Checks what leaves, and has both sides take it in.
    fn look_at_what_leaves(&mut self) {
        let out = std::mem::take(&mut self.out);
        for (flow, bytes) in out.iter() {
            leaving::check(bytes, self.has_canary);
            let side = if flow == self::flow(Side::Callee) { Side::Callee } else { Side::Caller };
            self.peers[index_of(side)].take_in(bytes, side);
        }
    }
}

impl Peer {
    fn take_in(&mut self, bytes: &[u8], side: Side) {
        let mut copy = bytes.to_vec();
        let Ok(message) = Message::parse(&mut copy, Origin::Datagram) else { return };
        let value = |name| message.header(name).unwrap_or_default().to_owned();
        let is_first = self.dialog.is_none();
        match message.method() {
            Some(Method::Ack | Method::Cancel) => {}
            Some(_) => {
                if side == Side::Callee && is_first {
                    let us = format!("{};tag=b", value(Name::To));
                    self.dialog = Some([us, value(Name::From), value(Name::CallId)]);
                }
                self.got = bytes.to_vec();
            }
            None if message.to().tag().is_some() && message.cseq().method == Method::Invite => {
                if let Some(dialog) = &mut self.dialog {
                    dialog[1] = value(Name::To);
                }
            }
            None => {}
        }
    }
}

/// Puts headers and body behind the lines of a message, and an empty line if there is none.
fn append(text: &mut Vec<u8>, rest: &[u8]) {
    text.extend_from_slice(rest);
    if !rest.starts_with(b"\r\n") && !contains(rest, b"\r\n\r\n") {
        text.extend_from_slice(if rest.is_empty() { b"\r\n" } else { b"\r\n\r\n" });
    }
}
