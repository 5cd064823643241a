//! What the node needs at its start, read in one transaction. Never here: writes.

use rusqlite::Connection;
use types::record::Spending;
use types::{DecisionId, Money, Snapshot, UnixMicros};

use super::columns::Code;
use super::rows::{self, read};
use super::sealed::Opener;
use crate::backend::SnapshotWindow;

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
    let snapshot = Snapshot {
        accounts: rows::all(&tx, &accounts, [], rows::account)?,
        lines: rows::all(&tx, &lines, [], |row| rows::line(row, opener))?,
        numbers: rows::all(&tx, &numbers, [], rows::number)?,
        trunks: rows::trunks(&tx, opener)?,
        decks: decks(&tx)?,
        bindings: rows::all(&tx, &bindings, [window.now.0], rows::binding)?,
        devices: rows::all(&tx, &devices, [], rows::whole)?,
        lock_outs: rows::lock_outs(&tx, window.now)?,
        bans: rows::bans(&tx, window.bans_since)?,
        holds: rows::all(&tx, &holds, [], rows::hold)?,
        spending: spending(&tx, window.spending_since)?,
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

fn decks(conn: &Connection) -> rusqlite::Result<Vec<types::record::Deck>> {
    let ids = rows::all(conn, "SELECT id FROM deck ORDER BY id", [], |row| read(row, 0))?;
    let decks = ids.into_iter().map(|id| rows::deck(conn, id));
    decks.filter_map(Result::transpose).collect()
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

fn hotspot_calls(
    conn: &Connection,
    since: UnixMicros,
) -> rusqlite::Result<Vec<(types::AccountId, UnixMicros)>> {
    let sql = "SELECT account, started FROM cdr WHERE hotspot = 1 AND started >= $1 \
               AND direction = 'outgoing' AND outcome = 'admitted' ORDER BY decision";
    rows::all(conn, sql, [since.0], |row| Ok((read(row, 0)?, read(row, 1)?)))
}
