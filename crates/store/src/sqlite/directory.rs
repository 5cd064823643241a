//! Records that people make, into rows. Lives here: accounts, lines, numbers, trunks, facts.
//! Never here: calls and bindings, which come in thousands (`write`).

use rusqlite::{Connection, OptionalExtension, params};
use types::{
    Account, Ban, Device, DeviceId, E164, Fact, Line, LockOut, LockScope, Number, Reseller, Trunk,
    UnixMicros,
};

use super::columns::{self, Code, Json};
use super::sealed;
use crate::rules;
use crate::seal::Sealer;

/// Appends a fact, unless the same is there with the same time; gives its number.
pub fn append_fact(
    conn: &Connection,
    at: UnixMicros,
    fact: &Fact,
) -> rusqlite::Result<Option<u64>> {
    let body = columns::json(fact)?;
    let mut insert = conn.prepare_cached(
        "INSERT INTO fact (seq, at, kind, account, body) \
         VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM fact), $1, $2, $3, $4) \
         ON CONFLICT (at, body) DO NOTHING RETURNING seq",
    )?;
    let row = (at.0, rules::kind_of(&body), rules::account_of(fact).map(|id| id.0), &body);
    let seq = insert.query_row(row, |row| row.get::<_, columns::Read<u64>>(0)).optional()?;
    Ok(seq.map(|seq| seq.0))
}

/// Inserts or replaces an account.
pub fn put_account(conn: &Connection, account: &Account) -> rusqlite::Result<()> {
    let Account {
        id,
        name,
        status,
        controls,
        dial_plan,
        sell_deck,
        reseller,
        time_zone,
        billing_day,
    } = account;
    conn.prepare_cached(
        "INSERT INTO account (id, name, status, sell_deck, time_zone, controls, dial_plan, \
         reseller, billing_day) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (id) DO UPDATE SET \
         name = excluded.name, status = excluded.status, sell_deck = excluded.sell_deck, \
         reseller = excluded.reseller, \
         time_zone = excluded.time_zone, controls = excluded.controls, \
         dial_plan = excluded.dial_plan, billing_day = excluded.billing_day",
    )?
    .execute(params![
        id.0,
        name,
        status.code(),
        sell_deck.0,
        time_zone,
        Json(controls),
        Json(dial_plan),
        reseller.map(|reseller| reseller.0),
        billing_day
    ])
    .map(drop)
}

/// Inserts or replaces a reseller.
pub fn put_reseller(conn: &Connection, reseller: &Reseller) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO reseller (id, name, stop_levels) VALUES ($1, $2, $3) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, stop_levels = excluded.stop_levels",
    )?
    .execute((reseller.id.0, &reseller.name, Json(&reseller.stop_levels)))
    .map(drop)
}

/// Inserts or replaces a line; gives what its verifiers are sealed as.
pub fn put_line(
    conn: &Connection,
    sealer: &Sealer,
    line: &Line,
) -> rusqlite::Result<sealed::SealedLine> {
    let sealed = sealed::line(sealer, line)?;
    let caller_id = line.caller_id.map(columns::e164);
    conn.prepare_cached(
        "INSERT INTO line (id, account, user_name, kind, ha1_md5, ha1_sha256, secret_set, former, \
         reminded, wants_new, tls_only, sha256_only, status, caller_id, ip_lock, \
         stop_levels) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
         ON CONFLICT (id) DO UPDATE SET \
         account = excluded.account, user_name = excluded.user_name, kind = excluded.kind, \
         ha1_md5 = excluded.ha1_md5, ha1_sha256 = excluded.ha1_sha256, \
         secret_set = excluded.secret_set, former = excluded.former, \
         reminded = excluded.reminded, wants_new = excluded.wants_new, \
         tls_only = excluded.tls_only, sha256_only = excluded.sha256_only, \
         status = excluded.status, caller_id = excluded.caller_id, ip_lock = excluded.ip_lock, \
         stop_levels = excluded.stop_levels",
    )?
    .execute(params![
        line.id.0,
        line.account.0,
        line.user,
        line.kind.code(),
        sealed.md5,
        sealed.sha256,
        line.secret_set.0,
        Json(&sealed.former),
        line.reminded_days,
        line.wants_new_secret,
        line.tls_only,
        line.sha256_only,
        Code(line.status),
        caller_id,
        Json(&line.ip_lock),
        line.stop_levels.as_deref().map(Json)
    ])?;
    Ok(sealed)
}

/// Inserts or replaces a device.
pub fn put_device(conn: &Connection, device: &Device) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO device (id, account, state, last_seen, detail) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (id) DO UPDATE SET account = excluded.account, state = excluded.state, \
         last_seen = excluded.last_seen, detail = excluded.detail",
    )?
    .execute((device.id.0, device.account.0, device.state.code(), device.last_seen.0, Json(device)))
    .map(drop)
}

/// Deletes a device.
pub fn remove_device(conn: &Connection, id: DeviceId) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM device WHERE id = $1")?.execute([id.0]).map(drop)
}

/// Inserts or replaces a lock-out.
pub fn put_lock_out(conn: &Connection, lock: &LockOut) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO lock_out (scope, until, detail) VALUES ($1, $2, $3) \
         ON CONFLICT (scope) DO UPDATE SET until = excluded.until, detail = excluded.detail",
    )?
    .execute((Json(&lock.scope), lock.until.0, Json(lock)))
    .map(drop)
}

/// Deletes a lock-out.
pub fn remove_lock_out(conn: &Connection, scope: &LockScope) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM lock_out WHERE scope = $1")?.execute([Json(scope)]).map(drop)
}

/// Inserts or replaces a ban.
pub fn put_ban(conn: &Connection, ban: &Ban) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO ban (source, until, detail) VALUES ($1, $2, $3) \
         ON CONFLICT (source) DO UPDATE SET until = excluded.until, detail = excluded.detail",
    )?
    .execute((ban.source.to_string(), ban.until.map(|until| until.0), Json(ban)))
    .map(drop)
}

/// Deletes a ban.
pub fn remove_ban(conn: &Connection, source: ipnet::IpNet) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM ban WHERE source = $1")?
        .execute([source.to_string()])
        .map(drop)
}

/// Inserts or replaces a number.
pub fn put_number(conn: &Connection, number: &Number) -> rusqlite::Result<()> {
    let Number { number, account, line } = number;
    conn.prepare_cached(
        "INSERT INTO number (e164, account, line) VALUES ($1, $2, $3) \
         ON CONFLICT (e164) DO UPDATE SET account = excluded.account, line = excluded.line",
    )?
    .execute((columns::e164(*number), account.0, line.map(|line| line.0)))
    .map(drop)
}

/// Inserts or replaces a trunk with its routes; its secret comes sealed.
pub fn put_trunk(
    conn: &Connection,
    trunk: &Trunk,
    sealed_secret: Option<Vec<u8>>,
) -> rusqlite::Result<()> {
    let auth = trunk.auth.as_ref();
    conn.prepare_cached(
        "INSERT INTO trunk (id, name, address, transport, host, auth_user, auth_secret, \
         auth_realm, auth_register, sources, cost_deck, number_format, emergency, enabled, \
         dial_plan) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, address = excluded.address, \
         transport = excluded.transport, host = excluded.host, auth_user = excluded.auth_user, \
         auth_secret = excluded.auth_secret, auth_realm = excluded.auth_realm, \
         auth_register = excluded.auth_register, sources = excluded.sources, \
         cost_deck = excluded.cost_deck, number_format = excluded.number_format, \
         emergency = excluded.emergency, enabled = excluded.enabled, \
         dial_plan = excluded.dial_plan",
    )?
    .execute(params![
        trunk.id.0,
        trunk.name,
        trunk.address.to_string(),
        Code(trunk.transport),
        trunk.host,
        auth.map(|auth| &auth.user),
        sealed_secret,
        auth.map(|auth| &auth.realm),
        auth.map(|auth| auth.register),
        Json(&trunk.sources),
        trunk.cost_deck.map(|deck| deck.0),
        Code(trunk.number_format),
        trunk.emergency,
        trunk.enabled,
        Json(&trunk.dial_plan),
    ])?;
    conn.execute("DELETE FROM trunk_route WHERE trunk = $1", [trunk.id.0])?;
    let mut insert = conn.prepare_cached(
        "INSERT INTO trunk_route (trunk, position, prefix, priority) VALUES ($1, $2, $3, $4)",
    )?;
    for (position, route) in (0i64..).zip(&trunk.routes) {
        insert.execute((trunk.id.0, position, &route.prefix, route.priority))?;
    }
    Ok(())
}

/// Deletes a number; gives how many there were.
pub fn remove_number(conn: &Connection, number: E164) -> rusqlite::Result<usize> {
    conn.execute("DELETE FROM number WHERE e164 = $1", [columns::e164(number)])
}
