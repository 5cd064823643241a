//! What the node needs at its start, read in one transaction. Never here: writes.

use std::collections::BTreeMap;

use rusqlite::Connection;
use types::record::Spending;
use types::{DecisionId, DestinationClass, Money, Snapshot, UnixMicros};

use super::columns::{self, Code};
use super::decks;
use super::rows::{self, read};
use super::sealed::Opener;
use crate::backend::SnapshotWindow;
use crate::rules;

/// Un-billed usage by account, of those who have any.
pub const UNBILLED: &str = "SELECT account, SUM(amount) FROM (\
    SELECT account, unbilled AS amount FROM account_total UNION ALL \
    SELECT account, price FROM recent WHERE price > 0) AS both_parts \
    GROUP BY account HAVING SUM(amount) <> 0 ORDER BY account";

/// The run of the newest bill by account.
const LAST_BILLS: &str = "SELECT account, MAX(run) FROM bill GROUP BY account ORDER BY account";

/// Reads everything as of one moment.
pub fn take(
    conn: &Connection,
    window: SnapshotWindow,
    opener: &Opener<'_>,
) -> rusqlite::Result<Snapshot> {
    // Only reads: the transaction is there so that they all see the same moment.
    let tx = conn.unchecked_transaction()?;
    let (last_decision, newest) = newest(&tx)?;
    let accounts = format!("{} ORDER BY id", rows::ACCOUNT);
    let lines = format!("{} ORDER BY id", rows::LINE);
    let numbers = format!("{} ORDER BY e164", rows::NUMBER);
    let bindings = format!("{} WHERE expires > $1 ORDER BY line, contact", rows::BINDING);
    let devices = format!("{} ORDER BY id", rows::DEVICE);
    let holds = format!("{} ORDER BY decision", rows::HOLD);
    let (raises, requests, last_request) = super::history::snapshot(&tx)?;
    let snapshot = Snapshot {
        raises,
        requests,
        last_request,
        accounts: rows::all(&tx, &accounts, [], rows::account)?,
        lines: rows::all(&tx, &lines, [], |row| rows::line(row, opener))?,
        resellers: rows::all(&tx, rows::RESELLER, [], rows::reseller)?,
        numbers: rows::all(&tx, &numbers, [], rows::number)?,
        trunks: rows::trunks(&tx, opener)?,
        decks: decks::all(&tx)?,
        bindings: rows::all(&tx, &bindings, [window.now.0], rows::binding)?,
        devices: rows::all(&tx, &devices, [], rows::whole)?,
        lock_outs: rows::lock_outs(&tx, window.now)?,
        bans: rows::bans(&tx, window.bans_since)?,
        holds: rows::all(&tx, &holds, [], rows::hold)?,
        spending: spending(&tx, window.spending_since)?,
        line_spending: line_spending(&tx, window.spending_since)?,
        unbilled: rows::all(&tx, UNBILLED, [], |row| Ok((read(row, 0)?, read(row, 1)?)))?,
        last_bills: rows::all(&tx, LAST_BILLS, [], |row| Ok((read(row, 0)?, read(row, 1)?)))?,
        last_bill_run: tx
            .query_row("SELECT COALESCE(MAX(run), 0) FROM bill_run", [], |row| read(row, 0))?,
        hotspot_calls: hotspot_calls(&tx, window.hotspots_since)?,
        countries_called: rows::all(
            &tx,
            "SELECT account, region FROM country_called ORDER BY account, region",
            [],
            |row| Ok((read(row, 0)?, row.get::<_, Code<_>>(1)?.0)),
        )?,
        last_decision,
        newest,
    };
    tx.finish()?;
    Ok(snapshot)
}

/// The newest decision and time that any writer has seen.
pub fn newest(conn: &Connection) -> rusqlite::Result<(DecisionId, UnixMicros)> {
    let sql = "SELECT COALESCE(MAX(last_decision), 0), COALESCE(MAX(newest), 0) FROM applied";
    conn.query_row(sql, [], |row| Ok((read(row, 0)?, read(row, 1)?)))
}

fn spending(conn: &Connection, since: UnixMicros) -> rusqlite::Result<Vec<Spending>> {
    let sql = "SELECT at, account, costly, SUM(amount) FROM (\
               SELECT at, account, costly, amount FROM spending WHERE at >= $1 UNION ALL \
               SELECT at, account, costly, price FROM recent WHERE at >= $1 AND price > 0) AS both_parts \
               GROUP BY at, account, costly ORDER BY at, account, costly";
    rows::all(conn, sql, [since.0], |row| {
        let (at, account, costly) = (read(row, 0)?, read(row, 1)?, read(row, 2)?);
        Ok(Spending { account, at, amount: read::<Money>(row, 3)?, costly })
    })
}

/// The same of one account.
pub fn spending_of(
    conn: &Connection,
    account: types::AccountId,
    since: UnixMicros,
) -> rusqlite::Result<Vec<Spending>> {
    let sql = "SELECT at, costly, SUM(amount) FROM (\
               SELECT at, costly, amount FROM spending WHERE at >= $1 AND account = $2 UNION ALL \
               SELECT at, costly, price FROM recent WHERE at >= $1 AND account = $2 AND price > 0) \
               AS both_parts GROUP BY at, costly ORDER BY at, costly";
    rows::all(conn, sql, (since.0, account.0), |row| {
        let (at, costly) = (read(row, 0)?, read(row, 1)?);
        Ok(Spending { account, at, amount: read::<Money>(row, 2)?, costly })
    })
}

/// Of lines with stop levels of their own. Their calls are looked for by time: a decision's id begins with it.
fn line_spending(
    conn: &Connection,
    since: UnixMicros,
) -> rusqlite::Result<Vec<(types::LineId, Spending)>> {
    let sql = "SELECT line, account, ended, class, price FROM cdr \
               WHERE decision >= $1 AND ended >= $2 AND price > 0 \
               AND line IN (SELECT id FROM line WHERE stop_levels IS NOT NULL)";
    let earliest = columns::decision(rules::first_decision_that_may_end_after(since));
    let mut found: BTreeMap<(types::LineId, UnixMicros, bool), Spending> = BTreeMap::new();
    rows::all(conn, sql, (earliest, rules::stretch(since).0), |row| {
        let class: DestinationClass = row.get::<_, Code<_>>(3)?.0;
        let (line, account) = (read(row, 0)?, read(row, 1)?);
        let (at, costly) = (rules::stretch(read(row, 2)?), class.is_costly());
        let empty = Spending { account, at, amount: Money::ZERO, costly };
        let sum = found.entry((line, at, costly)).or_insert(empty);
        sum.amount = sum.amount.saturating_add(read(row, 4)?);
        Ok(())
    })?;
    Ok(found.into_iter().map(|((line, ..), spending)| (line, spending)).collect())
}

fn hotspot_calls(
    conn: &Connection,
    since: UnixMicros,
) -> rusqlite::Result<Vec<(types::AccountId, UnixMicros)>> {
    let sql = "SELECT account, started FROM cdr WHERE hotspot = 1 AND started >= $1 \
               AND direction = 'outgoing' AND outcome = 'admitted' ORDER BY decision";
    rows::all(conn, sql, [since.0], |row| Ok((read(row, 0)?, read(row, 1)?)))
}
