//! How much memory a binding takes: `cargo run --release -p sip --example registrar_memory`.
//! Prints bytes per binding at 100,000 bindings of a typical phone, all tables counted, by what was
//! asked of the allocator and by what the allocator sets aside for it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use sip::flow::Flow;
use sip::message::{Message, Origin};
use sip::registrar::{Limits, Registrar};
use types::{HashKey, LineId, Now, Tick, UnixMicros};

static ASKED: AtomicUsize = AtomicUsize::new(0);
static TAKEN: AtomicUsize = AtomicUsize::new(0);

struct Counting;

/// What the C library's allocator sets aside: eight bytes more, in steps of 16, 32 at least.
const fn set_aside(size: usize) -> usize {
    let chunk = (size + 8 + 15) & !15;
    if chunk < 32 { 32 } else { chunk }
}

// SAFETY: everything is passed on to the system's allocator; counting has no part in it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ASKED.fetch_add(layout.size(), Relaxed);
        TAKEN.fetch_add(set_aside(layout.size()), Relaxed);
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        ASKED.fetch_sub(layout.size(), Relaxed);
        TAKEN.fetch_sub(set_aside(layout.size()), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const BINDINGS: u32 = 100_000;

fn main() {
    let before = (ASKED.load(Relaxed), TAKEN.load(Relaxed));
    let own = vec!["192.0.2.1:5060".parse().expect("an address")];
    let mut registrar = Registrar::new(HashKey(1, 2), Limits::default(), own, Vec::new());
    for number in 0..BINDINGS {
        register(&mut registrar, number, 1, 0);
    }
    print("bindings made", before);
    // Each phone refreshes at its own time, ten rounds long.
    for round in 1..=10 {
        for number in 0..BINDINGS {
            register(
                &mut registrar,
                number,
                1 + round,
                u64::from(round) * 1_800 + u64::from(number % 1_700),
            );
        }
    }
    print("refreshed ten times", before);
    let end = Now { tick: Tick(1_000_000_000_000), wall: UnixMicros(0) };
    assert_eq!(registrar.handle_timeout(end).len(), BINDINGS as usize);
    let left = ASKED.load(Relaxed) - before.0;
    println!("all ended: {left} bytes left");
}

fn register(registrar: &mut Registrar, number: u32, cseq: u32, at_s: u64) {
    let octets = [10, (number >> 16) as u8, (number >> 8) as u8, number as u8];
    let host = std::net::Ipv4Addr::from(octets);
    let mut bytes = format!(
        "REGISTER sip:sip.example.net SIP/2.0\r\n\
         Via: SIP/2.0/UDP {host}:5062;branch=z9hG4bK{number};rport\r\n\
         From: <sip:line{number}@sip.example.net>;tag=a{number}\r\nTo: <sip:line{number}@sip.example.net>\r\n\
         Call-ID: {number:08x}-7c1b-4d0e-9a53-5fb2c8e1d604\r\nCSeq: {cseq} REGISTER\r\n\
         Contact: <sip:line{number}@{host}:5062;transport=udp>;expires=3600\r\n\
         User-Agent: Yealink SIP-T46S 66.86.0.15\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes();
    let request = Message::parse(&mut bytes, Origin::Datagram).expect("well-formed");
    let flow = Flow::udp(
        "192.0.2.1:5060".parse().expect("an address"),
        std::net::SocketAddr::from((octets, 5062)),
    );
    let now = Now { tick: Tick(at_s * 1_000_000), wall: UnixMicros(at_s as i64 * 1_000_000) };
    registrar.register(now, LineId(number), &request, &flow).expect("within the limits");
}

fn print(what: &str, before: (usize, usize)) {
    let per = |counter: &AtomicUsize, before| (counter.load(Relaxed) - before) / BINDINGS as usize;
    println!(
        "{what}: {} bytes per binding asked for, {} set aside",
        per(&ASKED, before.0),
        per(&TAKEN, before.1)
    );
}
