//! What the node needs at its start, read in one transaction. Never here: writes.

use rusqlite::{Connection, Row};
use types::record::Spending;
use types::{DecisionId, Money, Snapshot, UnixMicros};

use super::columns::{Code, Read};
use super::query;
use crate::backend::SnapshotWindow;

const OPEN_ACCOUNTS: &str = "account IN (SELECT id FROM account WHERE status <> 'closed')";

/// Un-billed usage by account, of those who have any.
pub const UNBILLED: &str = "SELECT account, SUM(amount) FROM (\
    SELECT account, unbilled AS amount FROM account_total UNION ALL \
    SELECT account, price FROM recent WHERE price > 0) AS both_parts \
    GROUP BY account ORDER BY account";

/// Reads everything as of one moment.
pub fn read(conn: &Connection, window: SnapshotWindow) -> rusqlite::Result<Snapshot> {
    // Only reads: the transaction is there so that they all see the same moment.
    let tx = conn.unchecked_transaction()?;
    let (last_decision, newest) = newest(&tx)?;
    let open_accounts = format!("{} WHERE status <> 'closed' ORDER BY id", query::ACCOUNT);
    let lines = format!("{} WHERE {OPEN_ACCOUNTS} ORDER BY id", query::LINE);
    let numbers = format!("{} WHERE {OPEN_ACCOUNTS} ORDER BY e164", query::NUMBER);
    let bindings = format!("{} WHERE expires > $1 ORDER BY line, contact", query::BINDING);
    let holds = format!("{} ORDER BY decision", query::HOLD);
    let snapshot = Snapshot {
        accounts: query::all(&tx, &open_accounts, [], query::account)?,
        lines: query::all(&tx, &lines, [], query::line)?,
        numbers: query::all(&tx, &numbers, [], query::number)?,
        trunks: query::trunks(&tx)?,
        decks: decks(&tx)?,
        bindings: query::all(&tx, &bindings, [window.now.0], query::binding)?,
        holds: query::all(&tx, &holds, [], query::hold)?,
        spending: spending(&tx, window.spending_since)?,
        unbilled: query::all(&tx, UNBILLED, [], |row| Ok((get(row, 0)?, get(row, 1)?)))?,
        hotspot_calls: hotspot_calls(&tx, window.hotspots_since)?,
        countries_called: query::all(
            &tx,
            "SELECT account, region FROM country_called ORDER BY account, region",
            [],
            |row| Ok((get(row, 0)?, row.get::<_, Code<_>>(1)?.0)),
        )?,
        last_decision,
        newest,
    };
    tx.finish()?;
    Ok(snapshot)
}

fn get<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<T>
where
    Read<T>: rusqlite::types::FromSql,
{
    row.get::<_, Read<T>>(index).map(|read| read.0)
}

/// The newest decision and time that any writer has seen.
pub fn newest(conn: &Connection) -> rusqlite::Result<(DecisionId, UnixMicros)> {
    let sql = "SELECT COALESCE(MAX(last_decision), 0), COALESCE(MAX(newest), 0) FROM applied";
    conn.query_row(sql, [], |row| Ok((get(row, 0)?, get(row, 1)?)))
}

fn decks(conn: &Connection) -> rusqlite::Result<Vec<types::record::Deck>> {
    let ids = query::all(conn, "SELECT id FROM deck ORDER BY id", [], |row| get(row, 0))?;
    let decks = ids.into_iter().map(|id| query::deck(conn, id));
    decks.filter_map(Result::transpose).collect()
}

fn spending(conn: &Connection, since: UnixMicros) -> rusqlite::Result<Vec<Spending>> {
    let sql = "SELECT at, account, costly, SUM(amount) FROM (\
               SELECT at, account, costly, amount FROM spending WHERE at >= $1 UNION ALL \
               SELECT at, account, costly, price FROM recent WHERE at >= $1 AND price > 0) AS both_parts \
               GROUP BY at, account, costly ORDER BY at, account, costly";
    query::all(conn, sql, [since.0], |row| {
        let (at, account, costly) = (get(row, 0)?, get(row, 1)?, get(row, 2)?);
        Ok(Spending { account, at, amount: get::<Money>(row, 3)?, costly })
    })
}

fn hotspot_calls(
    conn: &Connection,
    since: UnixMicros,
) -> rusqlite::Result<Vec<(types::AccountId, UnixMicros)>> {
    let sql = "SELECT account, started FROM cdr WHERE hotspot = 1 AND started >= $1 \
               AND direction = 'outgoing' AND outcome = 'admitted' ORDER BY decision";
    query::all(conn, sql, [since.0], |row| Ok((get(row, 0)?, get(row, 1)?)))
}
