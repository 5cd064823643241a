//! Postings, bills and plans, as rows. Lives here: writing them once, asking for them, adding them up
//! again. Never here: when to commit, which calls are recent (`write`).

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, ToSql, ffi};
use types::{
    AccountId, Bill, BillRun, Coverage, DecisionId, InstalmentPlan, KnownRun, Marks, Money,
    Posting, StoredPosting, Transfer,
};

use super::columns::{self, Json, Read};
use super::query::TRANSFER;
use super::rows::{self, Rows, all, maybe, read, whole};
use crate::billing::{AboutPosting, BillFilter, BillItems, Judged, PostingFilter};
use crate::billing::{judge_bill, judge_posting};
use crate::rules::STRETCH_US;
use crate::verification::Problem;

/// A refusal of ours that undoes the group as one of the database does.
fn refused(message: String) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CONSTRAINT), Some(message))
}

/// Is it to be written?
fn is_new(judged: Judged) -> rusqlite::Result<bool> {
    match judged {
        Judged::New => Ok(true),
        Judged::Again => Ok(false),
        Judged::Refused(why) => Err(refused(why)),
    }
}

/// Writes a posting with its transfer, and changes un-billed usage, unless it is there; gives its number.
pub fn put_posting(conn: &Connection, posting: &Posting) -> rusqlite::Result<Option<u64>> {
    if !is_new(judge_posting(posting, &about_posting(conn, posting)?))? {
        return Ok(None);
    }
    let Transfer { decision, kind, debit, credit, amount, at } = posting.transfer;
    let ((debit, debit_id), (credit, credit_id)) =
        (columns::ledger_account(debit), columns::ledger_account(credit));
    let key = (columns::decision(decision), kind as i64);
    conn.prepare_cached(
        "INSERT INTO transfer (decision, kind, debit, debit_id, credit, credit_id, amount, at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )?
    .execute((key.0, key.1, debit, debit_id, credit, credit_id, amount.micros(), at.0))?;
    let mut insert = conn.prepare_cached(
        "INSERT INTO posting (seq, decision, kind, account, reference, ordered_by, note) \
         VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM posting), $1, $2, $3, $4, $5, $6) \
         RETURNING seq",
    )?;
    let row = (
        key.0,
        key.1,
        posting.account.map(|id| id.0),
        &posting.reference,
        &posting.by,
        &posting.note,
    );
    let seq = insert.query_row(row, |row| read(row, 0))?;
    if let Some(account) = posting.account {
        change_unbilled(conn, account, posting.adds_to_usage())?;
    }
    Ok(Some(seq))
}

fn about_posting(conn: &Connection, posting: &Posting) -> rusqlite::Result<AboutPosting> {
    let Transfer { decision, kind, .. } = posting.transfer;
    let id = columns::decision(decision);
    let transfers = transfers(conn, decision)?;
    let named = "SELECT 1 FROM posting WHERE kind = $1 AND reference = $2";
    let call = "SELECT account, price, cost FROM cdr WHERE decision = $1";
    let adjusted = transfers.iter().filter(|one| one.kind.adjusts_call());
    Ok(AboutPosting {
        same: transfers.iter().find(|one| one.kind == kind).copied(),
        named: match &posting.reference {
            Some(reference) => conn.prepare_cached(named)?.exists((kind as i64, reference))?,
            None => false,
        },
        call: conn
            .prepare_cached(call)?
            .query_row([id], |row| Ok((read(row, 0)?, read(row, 1)?, read(row, 2)?)))
            .optional()?,
        adjusted: adjusted.fold(Money::ZERO, |sum, one| sum.saturating_add(one.amount)),
    })
}

/// The transfers of a decision, in the order of their kind.
pub fn transfers(conn: &Connection, decision: DecisionId) -> Rows<Transfer> {
    let sql = format!("{TRANSFER} WHERE decision = $1 ORDER BY kind");
    all(conn, &sql, [columns::decision(decision)], super::query::transfer)
}

fn change_unbilled(conn: &Connection, account: AccountId, by: Money) -> rusqlite::Result<()> {
    if by.is_zero() {
        return Ok(());
    }
    conn.prepare_cached(
        "INSERT INTO account_total (account, unbilled) VALUES ($1, $2) ON CONFLICT (account) \
         DO UPDATE SET unbilled = account_total.unbilled + excluded.unbilled",
    )?
    .execute((account.0, by.micros()))
    .map(drop)
}

/// The run of this number.
pub fn run(conn: &Connection, run: u32) -> rusqlite::Result<Option<KnownRun>> {
    let sql = format!("{RUN} WHERE run = $1");
    conn.prepare_cached(&sql)?.query_row([run], known_run).optional()
}

/// Writes a new run with the marks of this moment; what is recent was moved before. Gives it as it is now.
pub fn put_run(conn: &Connection, new: &BillRun) -> rusqlite::Result<Option<KnownRun>> {
    conn.prepare_cached(
        "INSERT INTO bill_run (run, day, only_account, at, mark_calls, mark_postings, done) \
         VALUES ($1, $2, $3, $4, (SELECT COALESCE(MAX(move), 0) FROM move), \
         (SELECT COALESCE(MAX(seq), 0) FROM posting), 0)",
    )?
    .execute((new.run, new.day.0, new.only.map(|id| id.0), new.at.0))?;
    run(conn, new.run)
}

/// All bills of a run are made; gives the run as it is now, unless nothing changed.
pub fn end_run(conn: &Connection, number: u32) -> rusqlite::Result<Option<KnownRun>> {
    let sql = "UPDATE bill_run SET done = 1 WHERE run = $1 AND done = 0";
    match conn.prepare_cached(sql)?.execute([number])? {
        0 => Ok(None),
        _ => run(conn, number),
    }
}

/// Writes a bill, and lowers un-billed usage by it, unless it is there; gives how many were written.
pub fn put_bill(conn: &Connection, bill: &Bill) -> rusqlite::Result<usize> {
    let sql = "SELECT COALESCE(MAX(run), 0) FROM bill WHERE account = $1";
    let newest = conn.prepare_cached(sql)?.query_row([bill.account.0], |row| read(row, 0))?;
    let sql = "SELECT detail FROM bill WHERE account = $1 AND run = $2";
    let same: Option<Bill> = all(conn, sql, [bill.account.0, bill.run], whole)?.pop();
    let run = run(conn, bill.run)?;
    if !is_new(judge_bill(bill, run.as_ref(), newest, same.as_ref()))? {
        return Ok(0);
    }
    conn.prepare_cached(
        "INSERT INTO bill (account, run, previous, total, due, detail) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )?
    .execute((
        bill.account.0,
        bill.run,
        bill.previous,
        bill.total.micros(),
        bill.due.micros(),
        Json(bill),
    ))?;
    change_unbilled(conn, bill.account, Money::ZERO.saturating_sub(bill.total))?;
    Ok(1)
}

/// Writes a plan, unless it is there; gives how many were written.
pub fn put_plan(conn: &Connection, plan: &InstalmentPlan) -> rusqlite::Result<usize> {
    conn.prepare_cached(
        "INSERT INTO instalment_plan (id, account, detail) VALUES ($1, $2, $3) \
         ON CONFLICT (id) DO NOTHING",
    )?
    .execute((columns::decision(plan.id), plan.account.0, Json(plan)))
}

pub const RUN: &str =
    "SELECT run, day, only_account, at, mark_calls, mark_postings, done FROM bill_run";

pub fn known_run(row: &Row<'_>) -> rusqlite::Result<KnownRun> {
    let (day, only, at) = (read(row, 1)?, maybe(row, 2)?, read(row, 3)?);
    Ok(KnownRun {
        run: BillRun { run: read(row, 0)?, day, only, at },
        marks: Marks { calls: read(row, 4)?, postings: read(row, 5)? },
        done: read(row, 6)?,
    })
}

/// All runs, newest first.
pub fn runs(conn: &Connection) -> Rows<KnownRun> {
    all(conn, &format!("{RUN} ORDER BY run DESC"), [], known_run)
}

/// Bills, newest run first.
pub fn bills(conn: &Connection, filter: &BillFilter) -> Rows<Bill> {
    let (mut sql, mut values) = ("SELECT detail FROM bill".to_owned(), Vec::<u32>::new());
    let conditions = [("account", filter.account.map(|id| id.0)), ("run", filter.run)];
    for (column, value) in conditions {
        let Some(value) = value else { continue };
        values.push(value);
        let word = if values.len() == 1 { "WHERE" } else { "AND" };
        sql.push_str(&format!(" {word} {column} = ${}", values.len()));
    }
    values.push(filter.limit);
    sql.push_str(&format!(" ORDER BY run DESC, account LIMIT ${}", values.len()));
    all(conn, &sql, rusqlite::params_from_iter(values), whole)
}

/// The newest bill of each account of a range that has one, by account.
pub fn last_bills(conn: &Connection, (first, last): (AccountId, AccountId)) -> Rows<Bill> {
    let sql = "SELECT detail FROM bill WHERE account >= $1 AND account <= $2 AND run = \
               (SELECT MAX(run) FROM bill AS newer WHERE newer.account = bill.account) \
               ORDER BY account";
    all(conn, sql, [first.0, last.0], whole)
}

const POSTING: &str = "SELECT posting.seq, posting.account, posting.reference, posting.ordered_by, \
                       posting.note, transfer.decision, transfer.kind, transfer.debit, \
                       transfer.debit_id, transfer.credit, transfer.credit_id, transfer.amount, \
                       transfer.at FROM posting JOIN transfer ON \
                       transfer.decision = posting.decision AND transfer.kind = posting.kind";

fn posting(row: &Row<'_>) -> rusqlite::Result<StoredPosting> {
    let transfer = Transfer {
        decision: read(row, 5)?,
        kind: columns::read_transfer_kind(row.get(6)?)?,
        debit: columns::read_ledger_account(row.get(7)?, row.get(8)?)?,
        credit: columns::read_ledger_account(row.get(9)?, row.get(10)?)?,
        amount: read(row, 11)?,
        at: read(row, 12)?,
    };
    let (account, reference) = (maybe(row, 1)?, row.get(2)?);
    let posting = Posting { transfer, account, reference, by: row.get(3)?, note: row.get(4)? };
    Ok(StoredPosting { seq: read(row, 0)?, posting })
}

/// Postings, newest first.
pub fn postings(conn: &Connection, filter: &PostingFilter) -> Rows<StoredPosting> {
    let mut sql = POSTING.to_owned();
    let mut values: Vec<Box<dyn ToSql>> = Vec::new();
    let mut and = |condition: &str, value: Option<Box<dyn ToSql>>| {
        let Some(value) = value else { return };
        values.push(value);
        let word = if values.len() == 1 { "WHERE" } else { "AND" };
        sql.push_str(&format!(" {word} {condition} = ${}", values.len()));
    };
    and("posting.account", filter.account.map(|id| Box::new(id.0) as _));
    and("posting.kind", filter.kind.map(|kind| Box::new(kind as i64) as _));
    and("posting.reference", filter.reference.clone().map(|text| Box::new(text) as _));
    and("posting.decision", filter.decision.map(|id| Box::new(columns::decision(id)) as _));
    values.push(Box::new(filter.limit));
    sql.push_str(&format!(" ORDER BY posting.seq DESC LIMIT ${}", values.len()));
    all(conn, &sql, rusqlite::params_from_iter(values), posting)
}

/// What the one coverage holds of an account and the other does not.
pub fn items(
    conn: &Connection,
    account: AccountId,
    before: &Coverage,
    covers: &Coverage,
) -> rusqlite::Result<BillItems> {
    let count = |mark: u64| i64::try_from(mark).unwrap_or(i64::MAX);
    let (old, new) = (count(before.marks.calls), count(covers.marks.calls));
    // Of moves that the coverage before knew, those whose newest call may end after its time.
    let ended_late = before.until.0.saturating_sub(STRETCH_US);
    // SQLite numbers `$n` by the order in which they first appear.
    let of = |moves: &str| {
        format!(
            "{} WHERE decision IN (SELECT account_call.decision FROM move CROSS JOIN account_call \
             WHERE {moves} AND account_call.move = move.move AND account_call.account = $3) \
             AND account = $3 AND ended < $4",
            rows::CDR
        )
    };
    let (id, until, known_until) = (account.0, covers.until.0, before.until.0);
    let since = of("move.move > $1 AND move.move <= $2");
    let mut calls = all(conn, &since, (old.min(new), new, id, until), rows::cdr)?;
    let known = format!("{} AND ended >= $5", of("move.move <= $1 AND move.newest > $2"));
    let values = (old.min(new), ended_late, id, until, known_until);
    calls.extend(all(conn, &known, values, rows::cdr)?);
    if covers.marks.calls == u64::MAX {
        let sql = format!(
            "{} WHERE decision IN (SELECT decision FROM recent WHERE account = $1) AND ended < $2",
            rows::CDR
        );
        calls.extend(all(conn, &sql, (account.0, covers.until.0), rows::cdr)?);
    }
    calls.sort_unstable_by_key(|cdr| cdr.decision);
    let sql = format!(
        "{POSTING} WHERE posting.account = $1 AND posting.seq <= $2 AND transfer.at < $3 \
         AND NOT (posting.seq <= $4 AND transfer.at < $5) ORDER BY posting.seq"
    );
    let marks = (count(covers.marks.postings), count(before.marks.postings));
    let values = (account.0, marks.0, covers.until.0, marks.1, before.until.0);
    Ok(BillItems { calls, postings: all(conn, &sql, values, posting)? })
}

/// Plans of instalments, of one account or all, by id.
pub fn plans(conn: &Connection, account: Option<AccountId>) -> Rows<InstalmentPlan> {
    let mut plans: Vec<InstalmentPlan> =
        all(conn, "SELECT detail FROM instalment_plan ORDER BY id", [], whole)?;
    plans.retain(|plan| account.is_none_or(|id| plan.account == id));
    Ok(plans)
}

/// What a bill is known to cover, while its calls are added up.
struct Covered {
    before: Coverage,
    covers: Coverage,
    run: u32,
    kept: Money,
    calls: Money,
}

/// Adds the calls of every bill up again, in one go over all calls that were moved.
pub fn verify(conn: &Connection) -> Rows<Problem> {
    let mut bills: BTreeMap<AccountId, Vec<Covered>> = BTreeMap::new();
    let mut problems = Vec::new();
    let sql = "SELECT detail, account, run, previous, total, due FROM bill ORDER BY account, run";
    all(conn, sql, [], |row| {
        let bill: Bill = whole(row)?;
        let kept: [i64; 5] = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
        let numbers = [bill.account.0.into(), bill.run.into(), bill.previous.into()];
        let want = [numbers[0], numbers[1], numbers[2], bill.total.micros(), bill.due.micros()];
        if kept != want {
            problems.push(Problem::MixedUp { table: "bill", key: bill.id().to_string() });
        }
        let covered = Covered {
            before: bill.before,
            covers: bill.covers,
            run: bill.run,
            kept: bill.charges(),
            calls: Money::ZERO,
        };
        bills.entry(bill.account).or_default().push(covered);
        Ok(())
    })?;
    if bills.is_empty() {
        return Ok(problems);
    }
    let sql = "SELECT account_call.account, account_call.move, cdr.ended, cdr.price \
               FROM account_call JOIN cdr ON cdr.decision = account_call.decision \
               WHERE cdr.account = account_call.account AND cdr.price > 0";
    let mut statement = conn.prepare_cached(sql)?;
    let mut found = statement.query([])?;
    while let Some(row) = found.next()? {
        let account = row.get::<_, Read<AccountId>>(0)?.0;
        let (mark, ended, price) = (read(row, 1)?, read(row, 2)?, read::<Money>(row, 3)?);
        for bill in bills.get_mut(&account).into_iter().flatten() {
            if bill.covers.has_call(mark, ended) && !bill.before.has_call(mark, ended) {
                bill.calls = bill.calls.saturating_add(price);
            }
        }
    }
    for (account, covered) in bills {
        let wrong = covered.into_iter().filter(|bill| bill.kept != bill.calls);
        problems.extend(wrong.map(|bill| Problem::Billed {
            bill: types::BillId { run: bill.run, account },
            kept: bill.kept,
            cdrs: bill.calls,
        }));
    }
    Ok(problems)
}
