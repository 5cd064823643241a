//! D2: what a node keeps of strangers, from a million addresses. Lives here: memory counted by the
//! allocator, records counted by the node. A program of its own: nothing else may allocate meanwhile.
#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use edge::*;
use engine::EngineConfig;
use sip::flow::{Flow, Transport};
use types::*;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static CALLS: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: everything is passed on to the system's allocator; counting has no part in it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(layout.size(), Relaxed);
        CALLS.fetch_add(1, Relaxed);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The profile with optimisation does the whole million.
const SOURCES: u32 = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
const LOCAL: &str = "192.0.2.10:5060";

fn node() -> Node {
    let local: SocketAddr = LOCAL.parse().unwrap();
    let hash = HashKey(11, 22);
    let config = NodeConfig {
        realm: "ringfence.test".to_owned(),
        domains: Vec::new(),
        listeners: vec![Listener { transport: Transport::Udp, local, advertised: local }],
        secrets: Secrets { nonce: [3; 32], tokens: [4; 16], hash },
        limits: Limits::default(),
        timers: Timers::default(),
        screen: ScreenConfig::default(),
        engine: EngineConfig::new(hash),
    };
    Node::new(config, Snapshot::default(), now(0)).unwrap()
}

fn now(n: u32) -> Now {
    let us = u64::from(n) * 50;
    let wall = UnixMicros(1_795_435_200_000_000 + us.cast_signed());
    Now { tick: Tick(7_000_000 + us), wall }
}

/// What stranger number `n` sends: log-ins, calls, garbage, broken requests, scans of an honest look.
fn message(n: u32, peer: SocketAddr) -> Vec<u8> {
    let request = |method: &str, to: &str| {
        format!(
            "{method} sip:{to} SIP/2.0\r\nVia: SIP/2.0/UDP {peer};branch=z9hG4bK{n};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:u{n}@ringfence.test>;tag={n}\r\n\
             To: <sip:u{n}@ringfence.test>\r\nCall-ID: {n}@somewhere\r\nCSeq: 1 {method}\r\n\
             Contact: <sip:u{n}@{peer}>\r\nUser-Agent: Phone\r\nContent-Length: 0\r\n\r\n"
        )
    };
    match n % 8 {
        0 | 1 => request("REGISTER", "ringfence.test").into_bytes(),
        2 => request("INVITE", "999@ringfence.test").into_bytes(),
        3 => request("OPTIONS", "ringfence.test").into_bytes(),
        4 => request("BYE", "x@ringfence.test").into_bytes(),
        5 => request("REGISTER", "ringfence.test").replace("CSeq: 1", "CSeq: x").into_bytes(),
        6 => vec![0xAA; 300],
        _ => request("REGISTER", "ringfence.test")
            .replace(
                "User-Agent: Phone\r\n",
                "Authorization: Digest username=\"alice\", realm=\"ringfence.test\", nonce=\"x\", \
                 uri=\"sip:ringfence.test\", response=\"00000000000000000000000000000000\"\r\n",
            )
            .into_bytes(),
    }
}

#[test]
fn d2_a_million_strangers_leave_nothing_behind() {
    let before = IN_USE.load(Relaxed);
    let mut node = node();
    let mut outputs = Outputs::default();
    // That it was started is on record.
    node.drain(&mut outputs);
    let (mut stores, mut most, mut answers) = (0, 0, 0);
    for n in 0..SOURCES {
        let address =
            Ipv4Addr::from_bits(0x1000_0000 + n.wrapping_mul(2_654_435_761) % 0x4000_0000);
        let peer = SocketAddr::from((address, 5060));
        let mut bytes = message(n, peer);
        let flow = Flow::udp(LOCAL.parse().unwrap(), peer);
        node.handle(now(n), Input::Received { flow, bytes: &mut bytes });
        node.drain(&mut outputs);
        stores += outputs.stores.len();
        answers += outputs.sends.sends.len();
        most = most.max(IN_USE.load(Relaxed) - before);
    }
    let stats = node.stats();
    assert_eq!((stores, stats.transactions, stats.calls), (0, (0, 0), 0));
    assert!(answers > SOURCES as usize / 2, "{answers}: the test sees nothing");
    // All tables counted, those for the first stranger included.
    let each = most as f64 / f64::from(1_000_000);
    assert!(each <= 128.0, "{each} bytes for each of a million");
    println!("{each:.1} bytes for each of a million sources, {answers} answers, no record");
    what_is_dropped_allocates_nothing(&mut node, &mut outputs);
}

/// One source beyond its rate, and one that is banned.
fn what_is_dropped_allocates_nothing(node: &mut Node, outputs: &mut Outputs) {
    let peer: SocketAddr = "198.51.100.77:5060".parse().unwrap();
    let flow = Flow::udp(LOCAL.parse().unwrap(), peer);
    for is_banned in [false, true] {
        if is_banned {
            let mut scan = message(3, peer);
            let at = scan.windows(5).position(|five| five == b"Phone").unwrap();
            scan.splice(at..at + 5, *b"friendly-scanner");
            node.handle(now(SOURCES + 4_000_000), Input::Received { flow, bytes: &mut scan });
            node.drain(outputs);
            assert_eq!(outputs.stores.len(), 1);
        }
        let text = message(0, peer);
        let mut bytes = text.clone();
        let at = now(SOURCES + if is_banned { 4_000_000 } else { 0 });
        for round in 0..1_000 {
            bytes.copy_from_slice(&text);
            let allocations = CALLS.load(Relaxed);
            node.handle(at, Input::Received { flow, bytes: &mut bytes });
            if round >= 100 || is_banned {
                assert_eq!(CALLS.load(Relaxed), allocations, "round {round}");
            }
            node.drain(outputs);
            assert!(outputs.stores.is_empty());
        }
    }
    let dropped = node.stats().dropped;
    assert_eq!((dropped.rate, dropped.banned), (900, 1_000));
}
