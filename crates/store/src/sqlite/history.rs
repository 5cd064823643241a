//! What stood when. Lives here: history of controls, what is beneath them, requests: into rows and out of them.
//! Never here: what a change means.

use rusqlite::{Connection, OptionalExtension, Row};
use types::{
    AccountId, AccountRaises, Cdr, ControlRequest, LineId, LineStanding, Standing, TrunkId,
    TrunkStanding, UnixMicros,
};

use super::columns::{Code, Json};
use super::rows::{self, Rows, all};

/// Appends what stands for an account; the same time told again changes nothing. Gives its number.
pub fn append(conn: &Connection, standing: &Standing) -> rusqlite::Result<Option<u64>> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO account_history (seq, account, at, status, detail) \
         VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM account_history), $1, $2, $3, $4) \
         ON CONFLICT (account, at) DO NOTHING RETURNING seq",
    )?;
    let row = (standing.account.0, standing.at.0, Code(standing.status), Json(standing));
    insert.query_row(row, |row| rows::read(row, 0)).optional()
}

/// Appends what stands for a line; the same time told again changes nothing. Gives its number.
pub fn append_line(conn: &Connection, standing: &LineStanding) -> rusqlite::Result<Option<u64>> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO line_history (seq, line, at, account, detail) \
         VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM line_history), $1, $2, $3, $4) \
         ON CONFLICT (line, at) DO NOTHING RETURNING seq",
    )?;
    let row = (standing.line.0, standing.at.0, standing.account.0, Json(standing));
    insert.query_row(row, |row| rows::read(row, 0)).optional()
}

/// Appends what stands for a trunk; the same time told again changes nothing. Gives its number.
pub fn append_trunk(conn: &Connection, standing: &TrunkStanding) -> rusqlite::Result<Option<u64>> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO trunk_history (seq, trunk, at, cost_deck) \
         VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM trunk_history), $1, $2, $3) \
         ON CONFLICT (trunk, at) DO NOTHING RETURNING seq",
    )?;
    let row = (standing.trunk.0, standing.at.0, standing.cost_deck.map(|deck| deck.0));
    insert.query_row(row, |row| rows::read(row, 0)).optional()
}

/// Inserts or replaces what is beneath an account's controls; deletes it when there is nothing. Gives how many
/// rows that changed.
pub fn put_raises(conn: &Connection, raises: &AccountRaises) -> rusqlite::Result<usize> {
    if raises.is_empty() {
        let sql = "DELETE FROM account_raises WHERE account = $1";
        return conn.prepare_cached(sql)?.execute([raises.account.0]);
    }
    conn.prepare_cached(
        "INSERT INTO account_raises (account, detail) VALUES ($1, $2) \
         ON CONFLICT (account) DO UPDATE SET detail = excluded.detail",
    )?
    .execute((raises.account.0, Json(raises)))
}

/// Inserts or replaces a request.
pub fn put_request(conn: &Connection, request: &ControlRequest) -> rusqlite::Result<()> {
    let (account, state, at) = (request.account.0, request.state.code(), request.at.0);
    conn.prepare_cached(
        "INSERT INTO control_request (id, account, state, at, detail) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (id) DO UPDATE SET account = excluded.account, state = excluded.state, \
         at = excluded.at, detail = excluded.detail",
    )?
    .execute((request.id, account, state, at, Json(request)))
    .map(drop)
}

/// What stood for an account at a time.
pub fn at(conn: &Connection, id: AccountId, at: UnixMicros) -> rusqlite::Result<Option<Standing>> {
    let sql = "SELECT detail FROM account_history WHERE account = $1 AND at <= $2 \
               ORDER BY at DESC LIMIT 1";
    conn.prepare_cached(sql)?.query_row((id.0, at.0), rows::whole).optional()
}

/// Everything that stood for an account, the newest first.
pub fn of(conn: &Connection, id: AccountId, limit: u32) -> Rows<Standing> {
    let sql = "SELECT detail FROM account_history WHERE account = $1 ORDER BY at DESC LIMIT $2";
    all(conn, sql, (id.0, limit), rows::whole)
}

/// What stood for a line at a time.
pub fn line_at(
    conn: &Connection,
    id: LineId,
    at: UnixMicros,
) -> rusqlite::Result<Option<LineStanding>> {
    let sql = "SELECT detail FROM line_history WHERE line = $1 AND at <= $2 \
               ORDER BY at DESC LIMIT 1";
    conn.prepare_cached(sql)?.query_row((id.0, at.0), rows::whole).optional()
}

/// Everything that stood for a line, the newest first.
pub fn of_line(conn: &Connection, id: LineId) -> Rows<LineStanding> {
    let sql = "SELECT detail FROM line_history WHERE line = $1 ORDER BY at DESC";
    all(conn, sql, [id.0], rows::whole)
}

/// What came to stand for an account after a time, until another, oldest first.
pub fn within(conn: &Connection, id: AccountId, times: (i64, i64)) -> Rows<Standing> {
    let sql = "SELECT detail FROM account_history WHERE account = $1 AND at > $2 AND at <= $3 \
               ORDER BY at";
    all(conn, sql, (id.0, times.0, times.1), rows::whole)
}

/// What came to stand for a line after a time, until another, oldest first.
pub fn line_within(conn: &Connection, id: LineId, times: (i64, i64)) -> Rows<LineStanding> {
    let sql = "SELECT detail FROM line_history WHERE line = $1 AND at > $2 AND at <= $3 \
               ORDER BY at";
    all(conn, sql, (id.0, times.0, times.1), rows::whole)
}

/// What stood for a trunk at a time.
pub fn trunk_at(
    conn: &Connection,
    id: TrunkId,
    at: UnixMicros,
) -> rusqlite::Result<Option<TrunkStanding>> {
    let sql = "SELECT trunk, at, cost_deck FROM trunk_history WHERE trunk = $1 AND at <= $2 \
               ORDER BY at DESC LIMIT 1";
    conn.prepare_cached(sql)?.query_row((id.0, at.0), trunk_standing).optional()
}

/// A row of the history of trunks.
pub fn trunk_standing(row: &Row<'_>) -> rusqlite::Result<TrunkStanding> {
    let (trunk, at) = (rows::read(row, 0)?, rows::read(row, 1)?);
    Ok(TrunkStanding { trunk, at, cost_deck: rows::maybe(row, 2)? })
}

/// Moves the auditor's mark forward.
pub fn move_mark(conn: &Connection, link: u64) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO audit_mark (one, link) VALUES (1, $1) \
         ON CONFLICT (one) DO UPDATE SET link = excluded.link WHERE excluded.link > audit_mark.link",
    )?
    .execute([link.cast_signed()])
    .map(drop)
}

/// The auditor's mark.
pub fn mark(conn: &Connection) -> rusqlite::Result<u64> {
    let mut select = conn.prepare_cached("SELECT link FROM audit_mark")?;
    let link: Option<i64> = select.query_row([], |row| row.get(0)).optional()?;
    Ok(link.map_or(0, i64::cast_unsigned))
}

/// Calls on the links after one, as far as another.
pub fn calls_on(conn: &Connection, (after, upto): (u64, u64)) -> Rows<(u64, Cdr)> {
    let sql = "SELECT cdr.decision, account, line, to_account, direction, outcome, class, e164, \
               region, hotspot, started, answered, ended, duration_ms, price, cost, trunk, cause, \
               status, detail, link.seq \
               FROM link JOIN cdr ON cdr.decision = link.key \
               WHERE link.seq > $1 AND link.seq <= $2 AND link.kind = 1 ORDER BY link.seq";
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(20)?.cast_unsigned(), rows::cdr(row)?));
    all(conn, sql, (after.cast_signed(), upto.cast_signed()), read)
}

/// What is beneath the controls of an account.
pub fn raises(conn: &Connection, id: AccountId) -> rusqlite::Result<Option<AccountRaises>> {
    let sql = "SELECT detail FROM account_raises WHERE account = $1";
    conn.prepare_cached(sql)?.query_row([id.0], rows::whole).optional()
}

/// One request.
pub fn request(conn: &Connection, id: u32) -> rusqlite::Result<Option<ControlRequest>> {
    let sql = "SELECT detail FROM control_request WHERE id = $1";
    conn.prepare_cached(sql)?.query_row([id], rows::whole).optional()
}

/// What a node needs: what is beneath, requests that wait, the highest number of a request.
pub fn snapshot(
    conn: &Connection,
) -> rusqlite::Result<(Vec<AccountRaises>, Vec<ControlRequest>, u32)> {
    let raises = "SELECT detail FROM account_raises ORDER BY account";
    let waiting = "SELECT detail FROM control_request WHERE state = 'open' ORDER BY id";
    let last = "SELECT COALESCE(MAX(id), 0) FROM control_request";
    Ok((
        all(conn, raises, [], rows::whole)?,
        all(conn, waiting, [], rows::whole)?,
        conn.query_row(last, [], |row| row.get(0))?,
    ))
}
