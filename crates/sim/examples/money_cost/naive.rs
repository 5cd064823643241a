//! A ledger as billing systems have it: each step of a call is a transaction of its own, which asks what is spent and
//! held, then writes. Lives here: for comparison. Never here: anything of ours.

use std::path::Path;

use rusqlite::{Connection, params};

use crate::Failure;
use crate::load::{Figures, Op, clock, cpu_us, figures};
use crate::town;

const SCHEMA: &str = "
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE account (id INTEGER PRIMARY KEY, spent INTEGER NOT NULL, cap INTEGER NOT NULL);
    CREATE TABLE hold (id INTEGER PRIMARY KEY, account INTEGER NOT NULL, amount INTEGER NOT NULL, detail TEXT NOT NULL);
    CREATE INDEX hold_account ON hold (account);
    CREATE TABLE cdr (id INTEGER PRIMARY KEY, account INTEGER NOT NULL, price INTEGER NOT NULL, detail TEXT NOT NULL);
    CREATE INDEX cdr_account ON cdr (account);";

/// As long as what we keep of a call.
const DETAIL_BYTES: usize = 400;

pub fn run(place: &Path, calls: usize) -> Result<Vec<(Op, Figures)>, Failure> {
    let mut conn = Connection::open(place)?;
    conn.execute_batch(SCHEMA)?;
    let tx = conn.transaction()?;
    for id in 1..=town::ACCOUNTS {
        tx.execute("INSERT INTO account VALUES (?1, 0, 20000000)", [id])?;
    }
    tx.commit()?;
    let (detail, later) = ("x".repeat(DETAIL_BYTES), "y".repeat(DETAIL_BYTES));
    let account = |nth: usize| 1 + (nth as u32).wrapping_mul(7_919) % town::ACCOUNTS;
    let reserved = in_turn(&mut conn, calls, |tx, nth| {
        check(tx, account(nth), 5_000)?;
        let sql = "INSERT INTO hold VALUES (?1, ?2, 5000, ?3)";
        tx.prepare_cached(sql)?.execute(params![nth as i64, account(nth), detail])
    })?;
    let answered = in_turn(&mut conn, calls, |tx, nth| {
        let sql = "UPDATE hold SET detail = ?2 WHERE id = ?1";
        tx.prepare_cached(sql)?.execute(params![nth as i64, later])
    })?;
    let extended = in_turn(&mut conn, calls, |tx, nth| {
        check(tx, account(nth), 5_000)?;
        let sql = "UPDATE hold SET amount = amount + 5000 WHERE id = ?1";
        tx.prepare_cached(sql)?.execute([nth as i64])
    })?;
    let settled = in_turn(&mut conn, calls, |tx, nth| {
        tx.prepare_cached("DELETE FROM hold WHERE id = ?1")?.execute([nth as i64])?;
        let spent = "UPDATE account SET spent = spent + 7000 WHERE id = ?1";
        tx.prepare_cached(spent)?.execute([account(nth)])?;
        let cdr = "INSERT INTO cdr VALUES (?1, ?2, 7000, ?3)";
        tx.prepare_cached(cdr)?.execute(params![nth as i64, account(nth), detail])
    })?;
    Ok(vec![
        (Op::Reserve, reserved),
        (Op::Answer, answered),
        (Op::Extend, extended),
        (Op::Settle, settled),
    ])
}

/// Is there room for so much more?
fn check(conn: &Connection, account: u32, more: i64) -> rusqlite::Result<()> {
    let level = "SELECT spent, cap FROM account WHERE id = ?1";
    let (spent, cap): (i64, i64) =
        conn.prepare_cached(level)?.query_row([account], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let sum = "SELECT COALESCE(SUM(amount), 0) FROM hold WHERE account = ?1";
    let held: i64 = conn.prepare_cached(sum)?.query_row([account], |row| row.get(0))?;
    assert!(spent + held + more <= cap, "the levels are far away");
    Ok(())
}

fn in_turn(
    conn: &mut Connection,
    count: usize,
    mut step: impl FnMut(&Connection, usize) -> rusqlite::Result<usize>,
) -> Result<Figures, Failure> {
    let (before, begun) = (cpu_us()?, clock());
    let mut latencies_ms = Vec::with_capacity(count);
    for nth in 0..count {
        let started = clock();
        let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        step(&tx, nth)?;
        tx.commit()?;
        latencies_ms.push(started.elapsed().as_secs_f64() * 1_000.0);
    }
    figures(&mut latencies_ms, begun, before)
}
