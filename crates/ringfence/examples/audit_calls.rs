//! Writes a database of many calls for `ringfence audit`, which prints what judging one costs:
//! `cargo run --release -p ringfence --example audit_calls -- DIR 100000`, then
//! `RINGFENCE_NODE__REALM=example.com RINGFENCE_NODE__DATA_DIR=DIR ringfence audit`.
//! Never here: judging.

use std::path::Path;

use store::{Backend, Batch, OpenOptions, SqliteStore};
use types::cdr::LegRecord;
use types::record::Deck;
use types::record_samples::{self, rate};
use types::{
    AccountId, AccountStatus, By, Cdr, Controls, DeckId, LineId, LineSecurity, LineStanding,
    LineStatus, Money, RateRow, Record, Standing, StopLevels, TrunkId, TrunkStanding, UnixMicros,
};

/// 2026-11-23, a Monday.
const START: i64 = 1_795_392_000_000_000;
/// Calls of one account.
const EACH: u32 = 20;

fn deck(id: u32, per_minute: i64) -> Record {
    let row = |prefix: String| RateRow {
        name: prefix.as_str().into(),
        prefix,
        rate: rate(per_minute),
        effective: UnixMicros(0),
    };
    let prefixes = (1..=9_999).map(|n: u32| n.to_string());
    let deck =
        Deck { id: DeckId(id), name: format!("deck {id}"), rows: prefixes.map(row).collect() };
    Record::Deck(UnixMicros(1), Box::new(deck))
}

fn stood(account: u32) -> [Record; 2] {
    let (at, by, why) = (UnixMicros(1), By::STAFF, String::new());
    let security = LineSecurity {
        status: LineStatus::Active,
        tls_only: false,
        sha256_only: false,
        ip_lock: Vec::new(),
        stop_levels: StopLevels::NONE,
    };
    let (id, line) = (AccountId(account), LineId(account));
    let line = LineStanding { line, account: id, at, security, by: by.clone(), why: why.clone() };
    let standing = Standing {
        account: id,
        at,
        status: AccountStatus::Active,
        controls: Controls::residential(),
        sell_deck: DeckId(1),
        reseller: None,
        time_zone: "Europe/London".to_owned(),
        by,
        why,
    };
    [Record::Standing(Box::new(standing)), Record::LineStanding(Box::new(line))]
}

fn call(n: i64, accounts: u32) -> Vec<Record> {
    let started = UnixMicros(START + n * 2_000_000);
    let account = AccountId(n as u32 % accounts + 1);
    let sample = record_samples::call(account, "+33142685300", started, 30_000, rate(10_000));
    let mut cdr = Cdr {
        price: Money::from_micros(5_000),
        cost: Money::from_micros(3_000),
        cost_rate: Some(rate(6_000)),
        ..sample
    };
    cdr.explanation.rate_prefix = Some("3314".to_owned());
    cdr.a_leg = LegRecord {
        peer: Some("192.0.2.7:5060".parse().expect("a socket")),
        call_id: format!("{n}@a.example"),
        user_agent: "Phone/1.0".to_owned(),
    };
    cdr.b_leg.call_id = format!("{n}@b.example");
    record_samples::settled(cdr)
}

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let (Some(dir), Some(calls)) = (words.next(), words.next()) else {
        anyhow::bail!("usage: audit_calls DIR CALLS");
    };
    let calls: u32 = calls.parse()?;
    std::fs::create_dir_all(&dir)?;
    let mut store =
        SqliteStore::open(Path::new(&dir).join("ringfence.db"), OpenOptions::default())?;
    let accounts = (calls / EACH).max(1);
    let trunk = TrunkStanding { trunk: TrunkId(1), at: UnixMicros(1), cost_deck: Some(DeckId(2)) };
    let mut records = vec![deck(1, 10_000), deck(2, 6_000), Record::TrunkStanding(trunk)];
    records.extend((1..=accounts).flat_map(stood));
    store.commit(&[Batch { ticket: 1, records }])?;
    for first in (0..i64::from(calls)).step_by(1_000) {
        let last = (first + 1_000).min(i64::from(calls));
        let records = (first..last).flat_map(|n| call(n, accounts)).collect();
        store.commit(&[Batch { ticket: 1, records }])?;
    }
    println!("{calls} calls of {accounts} accounts in {dir}");
    Ok(())
}
