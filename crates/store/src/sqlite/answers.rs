//! Answers that are kept for repeated requests, into rows and out of them. Never here: what a request is, how long an answer is
//! kept (web).

use rusqlite::{Connection, OptionalExtension};
use types::{AccountId, KeptAnswer, UnixMicros, WebUserId};

use super::columns::{Json, Read};

/// Inserts or replaces a kept answer.
pub fn put(conn: &Connection, kept: &KeptAnswer) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO kept_answer (web_user, token, key, account, at, detail) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (web_user, token, key) DO UPDATE SET account = excluded.account, \
         at = excluded.at, detail = excluded.detail",
    )?
    .execute((kept.user.0, kept.token, &kept.key, kept.account.0, kept.at.0, Json(kept)))
    .map(drop)
}

/// Deletes those of requests before this time.
pub fn remove_before(conn: &Connection, before: UnixMicros) -> rusqlite::Result<()> {
    let mut delete = conn.prepare_cached("DELETE FROM kept_answer WHERE at < $1")?;
    delete.execute([before.0]).map(drop)
}

/// What is kept for a key.
pub fn of_key(
    conn: &Connection,
    user: WebUserId,
    token: u32,
    key: &str,
) -> rusqlite::Result<Option<KeptAnswer>> {
    let sql = "SELECT detail FROM kept_answer WHERE web_user = $1 AND token = $2 AND key = $3";
    let mut select = conn.prepare_cached(sql)?;
    let read = |row: &rusqlite::Row<'_>| Ok(row.get::<_, Json<KeptAnswer>>(0)?.0);
    select.query_row((user.0, token, key), read).optional()
}

/// How many are kept for an account, of requests at this time or later.
pub fn count(conn: &Connection, account: AccountId, since: UnixMicros) -> rusqlite::Result<u64> {
    let sql = "SELECT COUNT(*) FROM kept_answer WHERE account = $1 AND at >= $2";
    let mut select = conn.prepare_cached(sql)?;
    select.query_row((account.0, since.0), |row| Ok(row.get::<_, Read<u64>>(0)?.0))
}
