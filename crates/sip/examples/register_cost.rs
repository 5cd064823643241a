//! What a REGISTER with digest costs: `cargo run --release -p sip --example register_cost`.
//! Prints nanoseconds for each step, and for users that exist and users that do not (they must be
//! the same). The parser has its own example.

use std::hint::black_box;

use sip::digest::uac::{Attempt, answer_response};
use sip::digest::{Authenticator, FORMER, Limits, Proven, Secrets, ha1};
use sip::flow::{Flow, Outbox};
use sip::message::{Message, Method, Name, Origin, ReplyHead, print};
use sip::registrar::{self, Registrar};
use sip::tokens::Tokens;
use sip::transaction::{self, Timers, Transactions};
use types::account::Ha1;
use types::{HashKey, LineId, Now, Tick, UnixMicros};

const ROUNDS: u32 = 20_000;
const CHUNK: usize = 16;

fn main() {
    for md5 in [true, false] {
        println!("digest with {}:", if md5 { "MD5" } else { "SHA-256" });
        measure(md5);
    }
}

fn measure(md5: bool) {
    let mut world = World::new();
    let credentials: Vec<String> = (0..ROUNDS).map(|_| world.credentials("alice", md5)).collect();
    let requests: Vec<Vec<u8>> =
        (0..).zip(&credentials).map(|(n, line)| register(n, line)).collect();
    let unknown: Vec<String> = (0..ROUNDS).map(|_| world.credentials("nobody", md5)).collect();
    let unknown: Vec<Vec<u8>> = (0..).zip(&unknown).map(|(n, line)| register(n, line)).collect();
    let wrong: Vec<String> = (0..ROUNDS).map(|_| world.credentials("bob", md5)).collect();
    let wrong: Vec<Vec<u8>> = (0..).zip(&wrong).map(|(n, line)| register(n, line)).collect();

    world.step("challenge, whole response", &requests, |world, request, flow| {
        let start = world.out.begin();
        let head = ReplyHead::new(request, flow);
        let tag = world.tokens.tag();
        head.begin(&mut world.out.arena, 401, "Unauthorized", &tag);
        let arena = &mut world.out.arena;
        world.authenticator.challenge(
            arena,
            Name::WwwAuthenticate,
            world.now,
            flow,
            false,
            usize::MAX,
        );
        print::finish(arena, None, b"");
        world.out.finish(start, *flow);
    });
    world.step("matching and making a transaction", &requests, |world, request, flow| {
        let tick = world.now.tick;
        black_box(world.transactions.match_request(tick, request, flow, &mut world.out));
        let tx = world.transactions.create_server(tick, request, *flow, 1).expect("there is room");
        world.transactions.respond(tick, tx, 200, &mut world.out, |head, bytes| {
            head.begin(bytes, 200, "OK", "t");
            print::finish(bytes, None, b"");
        });
    });
    world.step("verifying, right", &requests, |world, request, flow| {
        assert!(world.verify(request, flow) != Proven::Wrong);
    });
    world.step("verifying, wrong secret", &wrong, |world, request, flow| {
        assert!(world.verify(request, flow) == Proven::Wrong);
    });
    world.step("verifying, unknown user", &unknown, |world, request, flow| {
        assert!(world.verify(request, flow) == Proven::Wrong);
    });
    world.step("binding refreshed", &requests, |world, request, flow| {
        let registered = world.registrar.register(world.now, LineId(1), request, flow);
        black_box(registered.expect("in order"));
    });
    world.step("200 with its Contact", &requests, |world, request, flow| {
        let start = world.out.begin();
        let head = ReplyHead::new(request, flow);
        head.begin(&mut world.out.arena, 200, "OK", "t");
        world.registrar.write_contacts(LineId(1), world.now, &mut world.out.arena);
        print::finish(&mut world.out.arena, None, b"");
        world.out.finish(start, *flow);
    });
}

struct World {
    authenticator: Authenticator,
    transactions: Transactions,
    registrar: Registrar,
    tokens: Tokens,
    out: Outbox,
    alice: Ha1,
    now: Now,
}

impl World {
    fn new() -> World {
        let key = HashKey(1, 2);
        World {
            authenticator: Authenticator::new("sip.example.net", [7; 32], Limits::default()),
            transactions: Transactions::new(
                key,
                Tokens::new([1; 16]),
                Timers::default(),
                transaction::Limits::default(),
            ),
            registrar: Registrar::new(key, registrar::Limits::default(), Vec::new(), Vec::new()),
            tokens: Tokens::new([2; 16]),
            out: Outbox::new(),
            alice: ha1("alice", "sip.example.net", "secret"),
            now: Now { tick: Tick(1), wall: UnixMicros(1_800_000_000_000_000) },
        }
    }

    fn verify(&mut self, request: &Message<'_>, flow: &Flow) -> Proven {
        let presented = self.authenticator.read(self.now, request, flow, Name::Authorization);
        let presented = presented.expect("the form is right");
        let known = matches!(presented.user.as_str(), "alice" | "bob");
        let secrets = Secrets { current: &self.alice, former: [None; FORMER] };
        self.authenticator.prove(self.now, &presented, known.then_some(secrets))
    }

    /// Answers a new challenge as a phone would.
    fn credentials(&mut self, user: &str, md5: bool) -> String {
        let mut lines = Vec::new();
        self.authenticator.challenge(
            &mut lines,
            Name::WwwAuthenticate,
            self.now,
            &flow(),
            false,
            usize::MAX,
        );
        let lines = String::from_utf8(lines).expect("text");
        let mut picked = lines.lines();
        let line = if md5 { picked.next_back() } else { picked.next() }.expect("two challenges");
        let mut response = format!(
            "SIP/2.0 401 X\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@h>;tag=1\r\n\
             To: <sip:a@h>;tag=2\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n{line}\r\nContent-Length: 0\r\n\r\n"
        )
        .into_bytes();
        let response = Message::parse(&mut response, Origin::Datagram).expect("well-formed");
        let attempt = Attempt {
            method: Method::Register,
            uri: "sip:sip.example.net",
            user,
            secret: "secret",
            realm: "sip.example.net",
            cnonce: "0a4f113b0a4f113b",
            nc: 1,
        };
        let mut answer = Vec::new();
        answer_response(&mut answer, &response, &attempt).expect("our own challenge");
        String::from_utf8(answer).expect("text")
    }

    #[expect(clippy::disallowed_methods, reason = "an example measures; the library does not")]
    fn step(
        &mut self,
        what: &str,
        requests: &[Vec<u8>],
        mut run: impl FnMut(&mut World, &Message<'_>, &Flow),
    ) {
        // The best of many short stretches, with the messages in the cache as they are when they
        // have just been read: the machine has other things to do, too.
        let each = requests.chunks(CHUNK).map(|chunk| {
            let mut copies = chunk.to_vec();
            let parsed: Vec<Message<'_>> = copies
                .iter_mut()
                .map(|bytes| Message::parse(bytes, Origin::Datagram).expect("well-formed"))
                .collect();
            let flow = flow();
            let from = std::time::Instant::now();
            for request in &parsed {
                run(self, request, &flow);
                self.out.clear();
            }
            from.elapsed().as_nanos() / CHUNK as u128
        });
        let each = each.min().expect("there are rounds");
        println!("  {what}: {each} ns");
    }
}

fn flow() -> Flow {
    Flow::udp("192.0.2.1:5060".parse().expect("text"), "198.51.100.7:5062".parse().expect("text"))
}

fn register(number: u32, credentials: &str) -> Vec<u8> {
    format!(
        "REGISTER sip:sip.example.net SIP/2.0\r\n\
         Via: SIP/2.0/UDP 10.0.0.9:5062;branch=z9hG4bK{number};rport\r\n\
         From: <sip:alice@sip.example.net>;tag=a73kszlfl\r\nTo: <sip:alice@sip.example.net>\r\n\
         Call-ID: 1j9FpLxk3uxtm8tn@10.0.0.9\r\nCSeq: {} REGISTER\r\n\
         Contact: <sip:alice@10.0.0.9:5062;transport=udp>;expires=3600\r\n{credentials}\
         User-Agent: Yealink SIP-T46S 66.86.0.15\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        number + 1
    )
    .into_bytes()
}
