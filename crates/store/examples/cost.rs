//! What the store costs in CPU: per completed call, per registration, and to load at the start.
//!
//! ```text
//! cargo run --release -p store --example cost -- [CALLS] [FILLED]
//! ```
//!
//! `CALLS` are measured (20,000), in a database that holds `FILLED` calls already (200,000). A call
//! is three batches: held; held again when answered; hold closed, CDR and two transfers. Only
//! commits are measured: records are made before. CPU is user and system time of the process; most
//! of the system time is the disk's sync, which costs the same for a group of any size.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use store::seal::{Key, Keys};
use store::{
    Backend, Batch, ChainQuestion, OpenOptions, Reader, Sealer, SnapshotWindow, SqliteStore,
    Writer, WriterOptions,
};
use types::account::{FormerSecret, Ha1};
use types::cdr::{Direction, HangupCause, LegRecord};
use types::decision::{Destination, Explanation, Outcome};
use types::*;

const ACCOUNTS: u64 = 100_000;
const SECOND: i64 = 1_000_000;
const T0: i64 = 1_795_336_863 * SECOND;

type Failure = Box<dyn std::error::Error>;

/// User and system time so far, in microseconds.
fn cpu_us() -> Result<(i64, i64), Failure> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok((usage.user_time().num_microseconds(), usage.system_time().num_microseconds()))
}

#[expect(clippy::disallowed_methods, reason = "a measurement needs a clock")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn rate(per_minute: i64) -> Rate {
    Rate { per_minute: Money::from_micros(per_minute), ..Rate::FREE }
}

fn hold(n: u64, dice: &mut Dice) -> Hold {
    let started = UnixMicros(T0 + n as i64 * 5_000);
    Hold {
        decision: DecisionId(started.0.cast_unsigned() << 8),
        account: AccountId(dice.below(ACCOUNTS) as u32),
        line: Some(LineId(7)),
        device: None,
        to_account: None,
        direction: Direction::Outgoing,
        amount: Money::from_micros(35_000),
        covered_ms: 30_000,
        state: HoldState::Pending,
        started,
        dialled: "02079460000".to_owned(),
        caller: "+442079460123".to_owned(),
        destination: Destination {
            class: DestinationClass::NationalFixed,
            e164: E164::try_from(442_079_460_000 + dice.below(9_999)).ok(),
            region: Some(Region::GB),
            tier: None,
            hotspot: false,
        },
        trunk: Some(TrunkId(1)),
        cost_rate: Some(rate(8_000)),
        explanation: Explanation {
            outcome: Outcome::Admitted,
            findings: Vec::new(),
            rate: Some(rate(12_500)),
            rate_prefix: Some("4420".to_owned()),
        },
        legs: vec![65; 900],
    }
}

fn leg(n: u64, port: u16) -> LegRecord {
    LegRecord {
        peer: Some(([127, 0, 0, 1], port).into()),
        call_id: format!("{n}-12345@127.0.0.1"),
        user_agent: "Phone/1.0 (model 7)".to_owned(),
    }
}

fn end(n: u64, hold: &Hold) -> Vec<Record> {
    let ended = UnixMicros(hold.started.0 + 65 * SECOND);
    let (price, cost) = (Money::from_micros(12_500), Money::from_micros(8_000));
    let cdr = Cdr {
        decision: hold.decision,
        account: hold.account,
        line: hold.line,
        device: None,
        to_account: None,
        direction: hold.direction,
        caller: hold.caller.clone(),
        dialled: hold.dialled.clone(),
        destination: hold.destination.clone(),
        started: hold.started,
        answered: Some(UnixMicros(hold.started.0 + 5 * SECOND)),
        ended,
        duration_ms: 60_000,
        price,
        cost,
        cost_rate: hold.cost_rate,
        trunk: hold.trunk,
        a_leg: leg(n, 5_070),
        b_leg: leg(n, 5_060),
        cause: HangupCause::Normal,
        status: 200,
        side: cdr::HangupSide::Caller,
        explanation: hold.explanation.clone(),
    };
    let transfer = |kind, debit, credit, amount| {
        Record::Transfer(Transfer {
            decision: hold.decision,
            kind,
            debit,
            credit,
            amount,
            at: ended,
        })
    };
    let owed = LedgerAccount::Receivable(hold.account);
    let payable = LedgerAccount::CarrierPayable(TrunkId(1));
    vec![
        Record::HoldClosed(hold.decision),
        Record::Cdr(Box::new(cdr)),
        transfer(TransferKind::Charge, owed, LedgerAccount::Revenue, price),
        transfer(TransferKind::Cost, LedgerAccount::CarrierCost, payable, cost),
    ]
}

/// The groups that write `size` calls at once.
fn call_groups(first: u64, size: u64, dice: &mut Dice) -> [Vec<Batch>; 3] {
    let batch = |n: u64, records| Batch { ticket: n, records };
    let holds: Vec<(u64, Hold)> = (first..first + size).map(|n| (n, hold(n, dice))).collect();
    let answered = |hold: &Hold| Hold {
        state: HoldState::Answered(UnixMicros(hold.started.0 + 5 * SECOND)),
        amount: Money::from_micros(70_000),
        ..hold.clone()
    };
    [
        holds
            .iter()
            .map(|(n, hold)| batch(*n, vec![Record::Hold(Box::new(hold.clone()))]))
            .collect(),
        holds
            .iter()
            .map(|(n, hold)| batch(*n, vec![Record::Hold(Box::new(answered(hold)))]))
            .collect(),
        holds.iter().map(|(n, hold)| batch(*n, end(*n, hold))).collect(),
    ]
}

/// Commits the groups and prints what each of `count` things cost.
fn measure(
    what: &str,
    store: &mut SqliteStore,
    groups: impl Iterator<Item = Vec<Batch>>,
    count: u64,
) -> Result<(), Failure> {
    let groups: Vec<Vec<Batch>> = groups.collect();
    let ((user, system), wall) = (cpu_us()?, now());
    for group in &groups {
        store.commit(group)?;
    }
    let (user_after, system_after) = cpu_us()?;
    let each = |us: i64| us as f64 / count as f64;
    println!(
        "{what}: {:6.2} µs CPU each ({:.2} user, {:.2} system), {} groups, {:.1} s",
        each(user_after - user + system_after - system),
        each(user_after - user),
        each(system_after - system),
        groups.len(),
        wall.elapsed().as_secs_f64()
    );
    Ok(())
}

fn bindings(count: u64, size: u64, again: u32) -> impl Iterator<Item = Vec<Batch>> {
    let record = move |n: u64| {
        Record::Binding(Box::new(BindingRecord {
            line: LineId(n as u32),
            contact: format!("sip:user{n}@192.0.2.7:5070;transport=udp"),
            path: vec![],
            call_id: format!("{n}-98765@192.0.2.7"),
            cseq: again,
            expires: UnixMicros(T0 + 3_600 * SECOND),
            transport: "udp".to_owned(),
            peer: ([192, 0, 2, 7], 5_070).into(),
            local: ([127, 0, 0, 1], 5_060).into(),
            user_agent: "Phone/1.0 (model 7)".to_owned(),
            outbound: None,
        }))
    };
    let group = move |first: u64| {
        let numbers = first..(first + size).min(count);
        numbers.map(|n| Batch { ticket: n, records: vec![record(n)] }).collect()
    };
    (0..count).step_by(size as usize).map(group)
}

/// Submits calls to a writer at a steady rate, and prints what each cost.
fn offer(
    store: SqliteStore,
    first: u64,
    rate: u64,
    dice: &mut Dice,
) -> Result<SqliteStore, Failure> {
    let (seconds, lots) = (4, 250);
    let size = rate / lots;
    let groups: Vec<[Vec<Batch>; 3]> =
        (0..seconds * lots).map(|lot| call_groups(first + lot * size, size, dice)).collect();
    let writer = Writer::start(
        store,
        WriterOptions::default(),
        |_, outcome| {
            outcome.expect("a measurement on a disk that works");
        },
        || {},
    )?;
    let ((user, system), begun) = (cpu_us()?, now());
    for (lot, group) in (1..).zip(groups) {
        for batch in group.into_iter().flatten() {
            writer.submit(batch)?;
        }
        let due = Duration::from_micros(lot * 1_000_000 / lots);
        pause(due.saturating_sub(begun.elapsed()));
    }
    let groups = writer.health().groups;
    let store = writer.stop().ok_or("the writer panicked")?;
    let (user_after, system_after) = cpu_us()?;
    let each = |us: i64| us as f64 / (rate * seconds) as f64;
    println!(
        "call, {rate:4} a second: {:6.2} µs CPU each ({:.2} user, {:.2} system), {groups} groups, {:.1} s",
        each(user_after - user + system_after - system),
        each(user_after - user),
        each(system_after - system),
        begun.elapsed().as_secs_f64()
    );
    Ok(store)
}

#[expect(clippy::disallowed_methods, reason = "the load of a measurement comes at a steady rate")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Lines with a former secret each: four sealed values.
fn sealed_lines(count: u32) -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let keys = Keys::new(vec![Key::random(UnixMicros(T0))?])?;
    let sealer = Some(Arc::new(Sealer::new("example.com", "memory", keys)));
    let options = OpenOptions { sealer, ..OpenOptions::default() };
    let mut store = SqliteStore::open(directory.path().join("lines.db"), options)?;
    let ha1 = || Ha1 { md5: [7; 16], sha256: [8; 32] };
    let ids: Vec<u32> = (1..=count).collect();
    let begun = now();
    for ids in ids.chunks(1_000) {
        let line = |id: &u32| {
            let user = format!("user{id}");
            let mut line = Line::new(LineId(*id), AccountId(*id), user, ha1(), UnixMicros(T0));
            line.former.push(FormerSecret {
                ha1: ha1(),
                replaced: UnixMicros(T0),
                grace_until: None,
                grace_devices: Vec::new(),
            });
            Record::Line(Box::new(line))
        };
        store.commit(&[Batch { ticket: 0, records: ids.iter().map(line).collect() }])?;
    }
    let written = begun.elapsed().as_secs_f64();
    let begun = now();
    let lines = store.snapshot(SnapshotWindow::at(UnixMicros(T0)))?.lines.len();
    let loaded = begun.elapsed().as_secs_f64();
    println!(
        "{lines} lines of four sealed values: written in {written:.2} s, loaded in {loaded:.2} s"
    );
    Ok(())
}

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let calls = args.next().transpose()?.unwrap_or(20_000);
    let filled = args.next().transpose()?.unwrap_or(200_000);
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("cost.db");
    let mut store = SqliteStore::open(&path, OpenOptions::default())?;
    let mut dice = Dice::simulated(1, 0);
    let mut next = 0;
    while next < filled {
        let size = 1_000.min(filled - next);
        let [_, _, ends] = call_groups(next, size, &mut dice);
        store.commit(&ends)?;
        next += size;
    }
    for size in [1, 8, 64] {
        let rounds = calls / if size == 1 { 8 } else { 1 } / size;
        let first = next;
        let groups =
            (0..rounds).flat_map(|round| call_groups(first + round * size, size, &mut dice));
        measure(&format!("call, groups of {size:2}"), &mut store, groups, rounds * size)?;
        next += rounds * size;
    }
    measure("new binding, groups of 64", &mut store, bindings(calls, 64, 1), calls)?;
    measure("refreshed binding, groups of 64", &mut store, bindings(calls, 64, 2), calls)?;
    for rate in [250, 1_000] {
        store = offer(store, next, rate, &mut dice)?;
        next += rate * 4;
    }
    drop(store);
    let begun = now();
    let store = SqliteStore::open(&path, OpenOptions::default())?;
    let snapshot = store.snapshot(SnapshotWindow::at(UnixMicros(T0 + 60 * SECOND)))?;
    println!(
        "opened and loaded in {:.2} s: {next} calls, {} stretches of spending, {} bindings",
        begun.elapsed().as_secs_f64(),
        snapshot.spending.len(),
        snapshot.bindings.len()
    );
    sealed_lines(300_000)?;
    let begun = now();
    let verification = store.verify()?;
    println!(
        "verified in {:.2} s: {} problems; {} bytes a call",
        begun.elapsed().as_secs_f64(),
        verification.problems.len(),
        std::fs::metadata(&path)?.len() / next
    );
    for is_quick in [true, false] {
        let begun = now();
        let question = ChainQuestion { is_quick, ..ChainQuestion::default() };
        let walked = store.verify_chain(&question, &mut |_, _| {})?;
        println!(
            "{} links walked in {:.2} s, {} rows compared, {} breaks",
            walked.links,
            begun.elapsed().as_secs_f64(),
            walked.rows,
            walked.breaks.len()
        );
    }
    Ok(())
}
