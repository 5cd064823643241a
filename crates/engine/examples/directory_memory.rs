//! What people cost in memory: bytes per account and per line at 100,000 lines, ten to an account; and
//! bytes per known device, each at a socket of its own.
//! Run with `cargo run --release -p engine --example directory_memory`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use engine::{Engine, EngineConfig};
use types::account::Ha1;
use types::record::Deck;
use types::{
    Account, AccountId, DeckId, Device, DeviceId, DeviceState, HashKey, Line, LineId, Now, Number,
    Place, Snapshot, UnixMicros, record_samples,
};

/// Counts what is allocated, as a common allocator rounds it: 8 bytes of header, steps of 16, 32 at least.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

fn rounded(layout: Layout) -> usize {
    (layout.size() + 8).next_multiple_of(16).max(32)
}

// SAFETY: every call goes to the system's allocator as it came; the count is beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        IN_USE.fetch_add(rounded(layout), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`, which is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(rounded(layout), Ordering::Relaxed);
        // SAFETY: the pointer came from `System.alloc` with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    println!("accounts × lines each   bytes/account   bytes/line in all");
    for (accounts, lines) in [(100_000, 1), (10_000, 10), (1_000, 100), (100_000, 0)] {
        let bytes = engine_bytes(accounts, lines, 0) - engine_bytes(0, 0, 0);
        let per_line = bytes.checked_div(accounts * lines).map(|bytes| bytes.to_string());
        println!(
            "{accounts:>8} × {lines:<12} {:>13} {:>19}",
            bytes / accounts,
            per_line.unwrap_or_else(|| "-".into())
        );
    }
    for devices in [100_000, 110_000, 200_000] {
        let bytes = engine_bytes(0, 0, devices) - engine_bytes(0, 0, 0);
        println!("{devices:>8} devices: {} bytes each", bytes / devices as usize);
    }
}

/// Memory of an engine alone; its snapshot is gone by then.
fn engine_bytes(accounts: usize, lines: usize, devices: u32) -> usize {
    let before = IN_USE.load(Ordering::Relaxed);
    let mut snapshot = snapshot(accounts as u32, lines as u32);
    snapshot.devices = (1..=devices).map(device).collect();
    let engine = Engine::new(EngineConfig::new(HashKey(1, 2)), &snapshot, Now::default());
    let engine = engine.expect("a good snapshot");
    drop(snapshot);
    let bytes = IN_USE.load(Ordering::Relaxed) - before;
    drop(engine);
    bytes
}

/// A phone behind a router, the only one of its line.
fn device(id: u32) -> Device {
    let address = std::net::Ipv4Addr::from_bits(0x1000_0000 + id);
    Device {
        id: DeviceId(id),
        account: AccountId(id),
        state: DeviceState::Known,
        agent: format!("Yealink SIP-T46S 66.86.0.{}", id % 50),
        instance: None,
        contact: format!("192.168.1.{}:5062", id % 250),
        peer: (address, 5_062).into(),
        transport: "udp".to_owned(),
        place: Place::default(),
        first_seen: UnixMicros(0),
        last_seen: UnixMicros(0),
        lines: vec![LineId(id)],
    }
}

/// One number for each line.
fn snapshot(accounts: u32, lines: u32) -> Snapshot {
    let account =
        |id: u32| Account { name: format!("Holder number {id}"), ..record_samples::account(id) };
    let line = |id: u32| {
        let ha1 = Ha1 { md5: [0; 16], sha256: [0; 32] };
        let account = AccountId(1 + id / lines);
        Line::new(LineId(id), account, format!("user{id:08}"), ha1, UnixMicros(0))
    };
    let number = |id: u32| Number {
        number: (442_071_000_000 + u64::from(id)).try_into().expect("a number"),
        account: AccountId(1 + id / lines),
        line: Some(LineId(id)),
    };
    Snapshot {
        accounts: (1..=accounts).map(account).collect(),
        lines: (0..accounts * lines).map(line).collect(),
        numbers: (0..accounts * lines).map(number).collect(),
        decks: vec![Deck { id: DeckId(1), name: "deck".into(), rows: Vec::new() }],
        ..Snapshot::default()
    }
}
