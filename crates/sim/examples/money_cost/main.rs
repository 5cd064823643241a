//! What it costs to hold money durably: the engine's decision, the store's writer and a disk, against the same without
//! a disk, and against a ledger as billing systems have it. Lives here: what is compared, how it is printed. Never here:
//! a copy of the product: engine, writer and store are called as the node calls them.
//!
//! `cargo xtask bench money`, or `cargo run --release -p sim --example money_cost -- [--rounds N] [--json]`

mod load;
mod naive;
mod town;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use store::seal::{Key, Keys};
use store::{MemoryStore, OpenOptions, Sealer, SqliteStore, WriterOptions};
use types::UnixMicros;

use load::{Figures, Op, Town};

/// Why a measurement fails.
pub type Failure = Box<dyn std::error::Error>;

/// Who keeps the books.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    /// The same way without a disk.
    Memory,
    /// As the node has it.
    Shipped,
    /// Groups of at most so many, written as soon as the disk is free.
    Eager(usize),
    /// One transaction for each step of a call.
    Naive,
}

impl Side {
    fn name(self) -> String {
        match self {
            Side::Memory => "memory".to_owned(),
            Side::Shipped => "as shipped".to_owned(),
            Side::Eager(group) => format!("groups of {group}"),
            Side::Naive => "naive".to_owned(),
        }
    }
}

/// The writer's own bound of a group.
const FULL: usize = 1_024;
/// Who is measured with how many calls in flight, and how many calls.
const PLAN: [(Side, usize, usize); 16] = [
    (Side::Memory, 1, 2_000),
    (Side::Memory, 8, 4_000),
    (Side::Memory, 64, 16_000),
    (Side::Memory, 512, 16_000),
    (Side::Shipped, 1, 40),
    (Side::Shipped, 8, 320),
    (Side::Shipped, 64, 2_560),
    (Side::Shipped, 512, 16_000),
    (Side::Eager(FULL), 1, 1_000),
    (Side::Eager(FULL), 8, 4_000),
    (Side::Eager(FULL), 64, 16_000),
    (Side::Eager(FULL), 512, 16_000),
    (Side::Eager(1), 512, 1_000),
    (Side::Eager(8), 512, 4_000),
    (Side::Eager(64), 512, 16_000),
    (Side::Naive, 1, 1_000),
];

type Key3 = (Side, usize, Op);

fn main() -> Result<(), Failure> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let is_json = words.iter().any(|word| word == "--json");
    let rounds = words.iter().position(|word| word == "--rounds");
    let rounds = rounds.and_then(|at| words.get(at + 1)).map(|count| count.parse()).transpose()?;
    let rounds: usize = rounds.unwrap_or(3);
    let folder = tempfile::tempdir()?;
    let decision = load::decision(&mut Town::new());
    print_decision(decision, is_json);
    let mut found: BTreeMap<Key3, Vec<Figures>> = BTreeMap::new();
    for round in 1..=rounds {
        for (side, in_flight, calls) in PLAN {
            let place = folder.path().join(format!("{round}-{}-{in_flight}.db", side.name()));
            for (op, figures) in measure(side, in_flight, calls, &place)? {
                found.entry((side, in_flight, op)).or_default().push(figures);
            }
            let _ = std::fs::remove_file(&place);
        }
    }
    let found: BTreeMap<Key3, Figures> =
        found.into_iter().map(|(key, rounds)| (key, load::median(&rounds))).collect();
    found.iter().for_each(|((side, in_flight, op), figures)| {
        print(&side.name(), *in_flight, *op, figures, is_json);
    });
    ratios(&found, is_json);
    Ok(())
}

fn measure(
    side: Side,
    in_flight: usize,
    calls: usize,
    place: &Path,
) -> Result<Vec<(Op, Figures)>, Failure> {
    let eager = |group| WriterOptions { group, pace: Duration::ZERO, ..WriterOptions::default() };
    let disk = || -> Result<SqliteStore, Failure> {
        let keys = Keys::new(vec![Key::random(UnixMicros(0))?])?;
        let sealer = Some(Arc::new(Sealer::new("example.com", "memory", keys)));
        Ok(SqliteStore::open(place, OpenOptions { sealer, ..OpenOptions::default() })?)
    };
    let mut town = Town::new();
    match side {
        Side::Memory => load::run(&mut town, MemoryStore::new(), eager(FULL), in_flight, calls),
        Side::Shipped => load::run(&mut town, disk()?, WriterOptions::default(), in_flight, calls),
        Side::Eager(group) => load::run(&mut town, disk()?, eager(group), in_flight, calls),
        Side::Naive => naive::run(place, calls),
    }
}

fn print_decision((mean, p50, p99): (f64, f64, f64), is_json: bool) {
    if is_json {
        let row =
            json!({ "bench": "decision", "unit": "us", "cpu_mean": mean, "p50": p50, "p99": p99 });
        return println!("{row}");
    }
    println!("decision: {mean:.2} us of CPU, p50 {p50:.2} us, p99 {p99:.2} us\n");
    println!(
        "{:<16} {:>9} {:<8} {:>10} {:>11} {:>9} {:>9}",
        "side", "in flight", "step", "a second", "us-cpu each", "p50 ms", "p99 ms"
    );
}

fn print(side: &str, in_flight: usize, op: Op, figures: &Figures, is_json: bool) {
    let Figures { per_second, cpu_us, p50_ms, p99_ms } = *figures;
    if is_json {
        let row = json!({
            "bench": "money", "side": side, "in_flight": in_flight, "step": op.name(),
            "per_second": per_second, "cpu_us": cpu_us, "p50_ms": p50_ms, "p99_ms": p99_ms,
        });
        return println!("{row}");
    }
    println!(
        "{side:<16} {in_flight:>9} {:<8} {per_second:>10.0} {cpu_us:>11.1} {p50_ms:>9.3} {p99_ms:>9.3}",
        op.name()
    );
}

/// CPU of a whole call: all its steps.
fn call_cpu(found: &BTreeMap<Key3, Figures>, side: Side, in_flight: usize) -> f64 {
    Op::ALL.iter().filter_map(|op| found.get(&(side, in_flight, *op))).map(|one| one.cpu_us).sum()
}

/// Calls a second: what the steps together take.
fn calls_per_second(found: &BTreeMap<Key3, Figures>, side: Side, in_flight: usize) -> f64 {
    let steps = Op::ALL.iter().filter_map(|op| found.get(&(side, in_flight, *op)));
    1.0 / steps.map(|one| 1.0 / one.per_second).sum::<f64>()
}

fn ratios(found: &BTreeMap<Key3, Figures>, is_json: bool) {
    let say = |what: String, ratio: f64, unit: &str| match is_json {
        true => println!(
            "{}",
            json!({ "bench": "money-ratio", "what": what, "value": ratio, "unit": unit })
        ),
        false => println!("{what}: {ratio:.2} {unit}"),
    };
    let naive = (call_cpu(found, Side::Naive, 1), calls_per_second(found, Side::Naive, 1));
    for in_flight in [1, 8, 64, 512] {
        let ours = call_cpu(found, Side::Eager(FULL), in_flight);
        let speed = calls_per_second(found, Side::Eager(FULL), in_flight);
        say(
            format!("calls a second, ours to naive, {in_flight} in flight"),
            speed / naive.1,
            "times",
        );
        say(
            format!("CPU of a call, ours to naive, {in_flight} in flight"),
            ours / naive.0,
            "times",
        );
        let memory = call_cpu(found, Side::Memory, in_flight);
        say(
            format!("CPU of a call, durable to memory, {in_flight} in flight"),
            ours / memory,
            "times",
        );
        let p99 = |side| found.get(&(side, in_flight, Op::Reserve)).map_or(0.0, |one| one.p99_ms);
        for side in [Side::Shipped, Side::Eager(FULL)] {
            let what = format!("p99 added to call set-up, {}, {in_flight} in flight", side.name());
            say(what, p99(side) - p99(Side::Memory), "ms");
        }
    }
    let alone = call_cpu(found, Side::Eager(1), 512);
    for group in [8, 64] {
        let grouped = call_cpu(found, Side::Eager(group), 512);
        say(format!("CPU of a call, groups of {group} to groups of 1"), grouped / alone, "times");
    }
}
