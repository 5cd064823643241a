//! Rows into words of ours. Lives here: how each table is read. Never here: which rows are asked for.

use rusqlite::types::FromSql;
use rusqlite::{Connection, Params, Row};
use types::account::Ha1;
use types::decision::{Destination, Explanation, Outcome};
use types::{
    Account, Ban, BindingRecord, Cdr, Hold, HoldState, Line, LockOut, Number, Reseller, Trunk,
    TrunkAuth, TrunkId, TrunkRoute, UnixMicros,
};

use super::columns::{Code, Json, Read};
use super::detail::{BindingDetail, CdrDetail, HoldDetail};
use super::sealed::{Opener, SealedFormer, SealedLine};

pub type Rows<T> = rusqlite::Result<Vec<T>>;

/// A column that is a number of ours.
pub fn read<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<T>
where
    Read<T>: FromSql,
{
    row.get::<_, Read<T>>(index).map(|read| read.0)
}

/// The same, that may be absent.
pub fn maybe<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<T>>
where
    Read<T>: FromSql,
{
    row.get::<_, Option<Read<T>>>(index).map(|read| read.map(|read| read.0))
}

/// All rows of a query.
pub fn all<T>(
    conn: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Rows<T> {
    conn.prepare_cached(sql)?.query_map(params, read)?.collect()
}

pub const ACCOUNT: &str = "SELECT id, name, status, sell_deck, time_zone, controls, dial_plan, reseller, billing_day FROM account";

pub fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        id: read(row, 0)?,
        name: row.get(1)?,
        status: row.get::<_, Code<_>>(2)?.0,
        sell_deck: read(row, 3)?,
        time_zone: row.get(4)?,
        billing_day: row.get(8)?,
        controls: row.get::<_, Json<_>>(5)?.0,
        dial_plan: row.get::<_, Json<_>>(6)?.0,
        reseller: maybe(row, 7)?,
    })
}

pub const RESELLER: &str = "SELECT id, name, stop_levels FROM reseller ORDER BY id";

pub fn reseller(row: &Row<'_>) -> rusqlite::Result<Reseller> {
    let stop_levels = row.get::<_, Json<_>>(2)?.0;
    Ok(Reseller { id: read(row, 0)?, name: row.get(1)?, stop_levels })
}

pub const LINE: &str = "SELECT id, account, user_name, kind, ha1_md5, ha1_sha256, secret_set, former, \
                        reminded, wants_new, tls_only, sha256_only, status, caller_id, ip_lock, stop_levels \
                        FROM line";

/// The verifiers of a line as they are sealed.
pub fn sealed_line(row: &Row<'_>) -> rusqlite::Result<SealedLine> {
    let former = row.get::<_, Json<Vec<SealedFormer>>>(7)?.0;
    Ok(SealedLine { md5: row.get(4)?, sha256: row.get(5)?, former })
}

/// A line, with what opens of its verifiers.
pub fn line(row: &Row<'_>, opener: &Opener<'_>) -> rusqlite::Result<Line> {
    let sealed = sealed_line(row)?;
    let mut line = Line {
        id: read(row, 0)?,
        account: read(row, 1)?,
        user: row.get(2)?,
        kind: row.get::<_, Code<_>>(3)?.0,
        ha1: Ha1 { md5: [0; 16], sha256: [0; 32] },
        secret_set: read(row, 6)?,
        former: Vec::new(),
        reminded_days: row.get(8)?,
        wants_new_secret: read(row, 9)?,
        tls_only: read(row, 10)?,
        sha256_only: read(row, 11)?,
        status: row.get::<_, Code<_>>(12)?.0,
        caller_id: maybe(row, 13)?,
        ip_lock: row.get::<_, Json<_>>(14)?.0,
        stop_levels: row.get::<_, Option<Json<_>>>(15)?.map(|levels| levels.0),
    };
    opener.line(&mut line, &sealed)?;
    Ok(line)
}

pub const DEVICE: &str = "SELECT detail FROM device";

/// Lock-outs that end after a time, by scope.
pub fn lock_outs(conn: &Connection, after: UnixMicros) -> Rows<LockOut> {
    let sql = "SELECT detail FROM lock_out WHERE until > $1";
    let mut found: Vec<LockOut> = all(conn, sql, [after.0], whole)?;
    found.sort_unstable_by(|one, other| one.scope.cmp(&other.scope));
    Ok(found)
}

/// Bans that end after a time, or never, by source.
pub fn bans(conn: &Connection, after: UnixMicros) -> Rows<Ban> {
    let sql = "SELECT detail FROM ban WHERE until IS NULL OR until > $1";
    let mut found: Vec<Ban> = all(conn, sql, [after.0], whole)?;
    found.sort_unstable_by_key(|ban| ban.source);
    Ok(found)
}

/// What is kept whole, as JSON, in the first column.
pub fn whole<T: serde::de::DeserializeOwned>(row: &Row<'_>) -> rusqlite::Result<T> {
    Ok(row.get::<_, Json<T>>(0)?.0)
}

pub const NUMBER: &str = "SELECT e164, account, line FROM number";

pub fn number(row: &Row<'_>) -> rusqlite::Result<Number> {
    Ok(Number { number: read(row, 0)?, account: read(row, 1)?, line: maybe(row, 2)? })
}

/// All trunks, by id.
pub const TRUNK: &str = "SELECT id, name, address, transport, host, auth_user, auth_secret, auth_realm, \
                         auth_register, sources, cost_deck, number_format, emergency, enabled, \
                         dial_plan FROM trunk ORDER BY id";

/// All trunks with their routes.
pub fn trunks(conn: &Connection, opener: &Opener<'_>) -> Rows<Trunk> {
    let mut trunks = all(conn, TRUNK, [], |row| trunk(row, opener))?;
    for trunk in &mut trunks {
        trunk.routes = routes(conn, trunk.id)?;
    }
    Ok(trunks)
}

/// The routes of a trunk.
pub fn routes(conn: &Connection, trunk: TrunkId) -> Rows<TrunkRoute> {
    let sql = "SELECT prefix, priority FROM trunk_route WHERE trunk = $1 ORDER BY position";
    all(conn, sql, [trunk.0], |row| Ok(TrunkRoute { prefix: row.get(0)?, priority: read(row, 1)? }))
}

/// A trunk without its routes, with what opens of its secret.
pub fn trunk(row: &Row<'_>, opener: &Opener<'_>) -> rusqlite::Result<Trunk> {
    let (mut auth, mut sealed) = (None, None);
    if let Some(user) = row.get::<_, Option<String>>(5)? {
        sealed = Some(row.get::<_, Vec<u8>>(6)?);
        let (secret, realm, register) = (String::new(), row.get(7)?, read(row, 8)?);
        auth = Some(TrunkAuth { user, secret, realm, register });
    }
    let mut trunk = Trunk {
        id: read(row, 0)?,
        name: row.get(1)?,
        address: row.get::<_, Code<_>>(2)?.0,
        transport: row.get::<_, Code<_>>(3)?.0,
        host: row.get(4)?,
        auth,
        sources: row.get::<_, Json<_>>(9)?.0,
        routes: Vec::new(),
        cost_deck: maybe(row, 10)?,
        number_format: row.get::<_, Code<_>>(11)?.0,
        dial_plan: row.get::<_, Json<_>>(14)?.0,
        emergency: read(row, 12)?,
        enabled: read(row, 13)?,
    };
    if let Some(sealed) = sealed {
        opener.trunk(&mut trunk, &sealed);
    }
    Ok(trunk)
}

pub const BINDING: &str = "SELECT line, contact, expires, detail FROM binding";

pub fn binding(row: &Row<'_>) -> rusqlite::Result<BindingRecord> {
    let detail: BindingDetail = row.get::<_, Json<_>>(3)?.0;
    Ok(BindingRecord {
        line: read(row, 0)?,
        contact: row.get(1)?,
        expires: read(row, 2)?,
        path: detail.path,
        call_id: detail.call_id,
        cseq: detail.cseq,
        transport: detail.transport,
        peer: detail.peer,
        local: detail.local,
        user_agent: detail.user_agent,
        outbound: detail.outbound,
    })
}

pub const HOLD: &str = "SELECT decision, account, line, to_account, direction, amount, covered_ms, \
                        started, answered, trunk, detail, legs FROM hold";

pub fn hold(row: &Row<'_>) -> rusqlite::Result<Hold> {
    let detail: HoldDetail = row.get::<_, Json<_>>(10)?.0;
    Ok(Hold {
        decision: read(row, 0)?,
        account: read(row, 1)?,
        line: maybe(row, 2)?,
        device: detail.device,
        to_account: maybe(row, 3)?,
        direction: row.get::<_, Code<_>>(4)?.0,
        amount: read(row, 5)?,
        covered_ms: read(row, 6)?,
        state: maybe(row, 8)?.map_or(HoldState::Pending, HoldState::Answered),
        started: read(row, 7)?,
        dialled: detail.dialled,
        caller: detail.caller,
        destination: detail.destination,
        trunk: maybe(row, 9)?,
        cost_rate: detail.cost_rate,
        explanation: Explanation {
            // Only what was admitted is held.
            outcome: Outcome::Admitted,
            findings: detail.findings,
            rate: detail.rate,
            rate_prefix: detail.rate_prefix,
        },
        legs: row.get(11)?,
    })
}

pub const CDR: &str = "SELECT decision, account, line, to_account, direction, outcome, class, e164, \
                   region, hotspot, started, answered, ended, duration_ms, price, cost, trunk, \
                   cause, status, detail FROM cdr";

pub fn cdr(row: &Row<'_>) -> rusqlite::Result<Cdr> {
    let detail: CdrDetail = row.get::<_, Json<_>>(19)?.0;
    Ok(Cdr {
        decision: read(row, 0)?,
        account: read(row, 1)?,
        line: maybe(row, 2)?,
        device: detail.device,
        to_account: maybe(row, 3)?,
        direction: row.get::<_, Code<_>>(4)?.0,
        caller: detail.caller,
        dialled: detail.dialled,
        destination: Destination {
            class: row.get::<_, Code<_>>(6)?.0,
            e164: maybe(row, 7)?,
            region: row.get::<_, Option<Code<_>>>(8)?.map(|code| code.0),
            tier: detail.tier,
            hotspot: read(row, 9)?,
        },
        started: read(row, 10)?,
        answered: maybe(row, 11)?,
        ended: read(row, 12)?,
        duration_ms: read(row, 13)?,
        price: read(row, 14)?,
        cost: read(row, 15)?,
        cost_rate: detail.cost_rate,
        trunk: maybe(row, 16)?,
        a_leg: detail.a_leg,
        b_leg: detail.b_leg,
        cause: row.get::<_, Code<_>>(17)?.0,
        status: read(row, 18)?,
        side: detail.side,
        explanation: Explanation {
            outcome: row.get::<_, Code<_>>(5)?.0,
            findings: detail.findings,
            rate: detail.rate,
            rate_prefix: detail.rate_prefix,
        },
    })
}
