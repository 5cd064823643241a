//! The transaction layer seen from outside: messages and time in, messages and events out.

mod client;
mod limits;
mod server;

use types::{HashKey, Tick};

use super::{Limits, Matched, ResponseFor, ServerTx, Timers, Transactions, TxEvent};
use crate::flow::{Flow, Outbox};
use crate::message::{Message, Method, Origin, print};
use crate::tokens::Tokens;

/// Milliseconds as an instant.
fn at(ms: u64) -> Tick {
    Tick(ms * 1_000)
}

fn udp(peer: &str) -> Flow {
    Flow::udp("192.0.2.1:5060".parse().unwrap(), peer.parse().unwrap())
}

fn tcp(peer: &str, connection: u32) -> Flow {
    Flow::tcp("192.0.2.1:5060".parse().unwrap(), peer.parse().unwrap(), connection)
}

const PEER: &str = "198.51.100.7:5060";

/// A request of a peer.
fn request(method: &str, branch: &str) -> String {
    request_with(method, branch, "198.51.100.7", "c1", "1")
}

fn request_with(method: &str, branch: &str, sent_by: &str, call_id: &str, cseq: &str) -> String {
    format!(
        "{method} sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP {sent_by};branch={branch}\r\n\
         From: <sip:alice@example.com>;tag=f\r\nTo: <sip:bob@example.com>\r\nCall-ID: {call_id}\r\n\
         CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
}

fn with<T>(text: &str, check: impl FnOnce(&Message<'_>) -> T) -> T {
    let mut bytes = text.as_bytes().to_vec();
    check(&Message::parse(&mut bytes, Origin::Datagram).expect(text))
}

/// The layer, its surroundings, and what it did.
struct World {
    layer: Transactions,
    out: Outbox,
    events: Vec<TxEvent>,
}

impl World {
    fn new() -> World {
        World::with_limits(Limits::default())
    }

    fn with_limits(limits: Limits) -> World {
        let layer =
            Transactions::new(HashKey(1, 2), Tokens::new([3; 16]), Timers::default(), limits);
        World { layer, out: Outbox::new(), events: Vec::new() }
    }

    /// First lines of what was sent since the last look, shortened: `INVITE`, `180`.
    fn sent(&mut self) -> Vec<String> {
        let lines = self.out.iter().map(|(_, bytes)| {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            let words: Vec<&str> = text.split(' ').take(2).collect();
            if words[0] == "SIP/2.0" { words[1].to_owned() } else { words[0].to_owned() }
        });
        let lines = lines.collect();
        self.out.clear();
        lines
    }

    fn sent_text(&mut self) -> String {
        let text = self.out.iter().map(|(_, bytes)| String::from_utf8(bytes.to_vec()).unwrap());
        let text = text.collect();
        self.out.clear();
        text
    }

    /// Lets time pass up to `until_ms`, timer by timer: when what was sent.
    fn run(&mut self, until_ms: u64) -> Vec<(u64, String)> {
        let mut sent = Vec::new();
        while let Some(next) = self.layer.next_timeout().filter(|next| *next <= at(until_ms)) {
            self.layer.handle_timeout(next, &mut self.out, &mut self.events);
            sent.extend(self.sent().into_iter().map(|line| (next.0 / 1_000, line)));
        }
        sent
    }

    // ---- as a server

    fn arrives(&mut self, ms: u64, text: &str, flow: &Flow) -> Matched {
        with(text, |message| self.layer.match_request(at(ms), message, flow, &mut self.out))
    }

    fn creates(&mut self, ms: u64, text: &str, flow: &Flow, user: u64) -> ServerTx {
        assert_eq!(self.arrives(ms, text, flow), Matched::New);
        with(text, |message| self.layer.create_server(at(ms), message, *flow, user)).unwrap()
    }

    fn responds(&mut self, ms: u64, tx: ServerTx, status: u16) -> bool {
        self.layer.respond(at(ms), tx, status, &mut self.out, |head, bytes| {
            head.begin(bytes, status, print::reason_phrase(status), "tl");
            print::finish(bytes, None, b"");
        })
    }

    // ---- as a client

    fn sends(&mut self, ms: u64, method: Method<'_>, flow: &Flow, user: u64) -> super::ClientTx {
        let tx = self.layer.new_client(user).unwrap();
        let branch = self.layer.branch(tx);
        self.layer.send(at(ms), tx, *flow, method, &mut self.out, |bytes| {
            print::request_line(bytes, &method, "sip:+4420@carrier.example");
            let via = format!("SIP/2.0/UDP 192.0.2.1:5060;branch={branch};rport");
            print::header(bytes, crate::message::Name::Via, via);
            bytes.extend_from_slice(
                b"Max-Forwards: 70\r\nRoute: <sip:r1;lr>\r\nFrom: <sip:a@h>;tag=f\r\n\
                  To: <sip:+4420@carrier.example>\r\nCall-ID: c9\r\n",
            );
            let cseq = format!("9 {}", method.as_str());
            print::header(bytes, crate::message::Name::CSeq, cseq);
            print::finish(bytes, None, b"");
        });
        tx
    }

    /// The peer answers what `tx` sent.
    fn answered(
        &mut self,
        ms: u64,
        tx: super::ClientTx,
        status: u16,
        method: &str,
    ) -> Option<ResponseFor> {
        let text = response(&self.layer.branch(tx), status, method);
        self.hears(ms, &text, &udp(PEER))
    }

    fn hears(&mut self, ms: u64, text: &str, flow: &Flow) -> Option<ResponseFor> {
        with(text, |message| self.layer.match_response(at(ms), message, flow, &mut self.out))
    }
}

fn response(branch: &str, status: u16, method: &str) -> String {
    response_to("192.0.2.1:5060", branch, status, method)
}

fn response_to(sent_by: &str, branch: &str, status: u16, method: &str) -> String {
    format!(
        "SIP/2.0 {status} X\r\nVia: SIP/2.0/UDP {sent_by};branch={branch};rport=5060\r\n\
         From: <sip:a@h>;tag=f\r\nTo: <sip:+4420@carrier.example>;tag=t{status}\r\nCall-ID: c9\r\n\
         CSeq: 9 {method}\r\nContent-Length: 0\r\n\r\n"
    )
}
