//! Web users, into rows and out of them. Never here: who may log in (web).

use rusqlite::{Connection, OptionalExtension, Row};
use types::{WebUser, WebUserId};

use super::chain::agree;
use super::columns::Json;
use super::sealed::Opener;

/// All web users.
pub const USER: &str = "SELECT id, account, name, is_removed, totp, detail FROM web_user";

/// Inserts or replaces a web user; his secret comes sealed.
pub fn put(conn: &Connection, user: &WebUser, totp: Option<Vec<u8>>) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO web_user (id, account, name, is_removed, totp, detail) \
         VALUES ($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (id) DO UPDATE SET account = excluded.account, name = excluded.name, \
         is_removed = excluded.is_removed, totp = excluded.totp, detail = excluded.detail",
    )?
    .execute((
        user.id.0,
        user.account.0,
        &user.name,
        user.is_removed,
        totp,
        Json(&user.without_secret()),
    ))
    .map(drop)
}

/// A web user, with what opens of his secret.
pub fn read(row: &Row<'_>, opener: &Opener<'_>) -> rusqlite::Result<WebUser> {
    let (mut user, sealed) = unopened(row)?;
    if let Some(sealed) = sealed {
        opener.web_user(&mut user, &sealed);
    }
    Ok(user)
}

/// What can be told of a web user without a key, and his secret as it is sealed. An error if columns and
/// detail are not of one mind.
pub fn unopened(row: &Row<'_>) -> rusqlite::Result<(WebUser, Option<Vec<u8>>)> {
    let user = row.get::<_, Json<WebUser>>(5)?.0;
    let kept: (i64, i64, String, bool) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    let want = (user.id.0.into(), user.account.0.into(), user.name.clone(), user.is_removed);
    agree(kept == want, "id, account, name and is_removed")?;
    Ok((user, row.get(4)?))
}

/// The web user of this name who is not removed.
pub fn named(
    conn: &Connection,
    name: &str,
    opener: &Opener<'_>,
) -> rusqlite::Result<Option<WebUser>> {
    let sql = format!("{USER} WHERE name = $1 AND is_removed = 0");
    conn.prepare_cached(&sql)?.query_row([name], |row| read(row, opener)).optional()
}

/// The web user of this number.
pub fn of_id(
    conn: &Connection,
    id: WebUserId,
    opener: &Opener<'_>,
) -> rusqlite::Result<Option<WebUser>> {
    let sql = format!("{USER} WHERE id = $1");
    conn.prepare_cached(&sql)?.query_row([id.0], |row| read(row, opener)).optional()
}
