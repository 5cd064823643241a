//! Rows into answers. Lives here: every query of people, and how rows become words.
//! Never here: writes.

use rusqlite::types::FromSql;
use rusqlite::{Connection, OptionalExtension, Params, Row, ToSql};
use types::account::Ha1;
use types::decision::{Destination, Explanation};
use types::record::Deck;
use types::{
    Account, AccountId, BindingRecord, Cdr, DecisionId, DeckId, Hold, HoldState, Line, Money,
    Number, Rate, RateRow, Transfer, Trunk, TrunkAuth, TrunkRoute, UnixMicros,
};

use super::columns::{self, Code, Json, Read};
use super::detail::{BindingDetail, CdrDetail, HoldDetail};
use super::{Doing, SqliteStore, verify};
use crate::error::StoreError;
use crate::queries::{
    Balance, CallFilter, Decided, DeckSummary, FactFilter, Reader, StoredFact, Verification,
};

type Rows<T> = rusqlite::Result<Vec<T>>;

/// A column that is a number of ours.
fn read<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<T>
where
    Read<T>: FromSql,
{
    row.get::<_, Read<T>>(index).map(|read| read.0)
}

/// The same, that may be absent.
fn maybe<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<T>>
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

pub const ACCOUNT: &str =
    "SELECT id, name, status, sell_deck, time_zone, controls, dial_plan FROM account";

pub fn account(row: &Row<'_>) -> rusqlite::Result<Account> {
    Ok(Account {
        id: read(row, 0)?,
        name: row.get(1)?,
        status: row.get::<_, Code<_>>(2)?.0,
        sell_deck: read(row, 3)?,
        time_zone: row.get(4)?,
        controls: row.get::<_, Json<_>>(5)?.0,
        dial_plan: row.get::<_, Json<_>>(6)?.0,
    })
}

pub const LINE: &str = "SELECT id, account, user_name, ha1_md5, ha1_sha256, status, caller_id, \
                        ip_lock FROM line";

pub fn line(row: &Row<'_>) -> rusqlite::Result<Line> {
    Ok(Line {
        id: read(row, 0)?,
        account: read(row, 1)?,
        user: row.get(2)?,
        ha1: Ha1 { md5: row.get(3)?, sha256: row.get(4)? },
        status: row.get::<_, Code<_>>(5)?.0,
        caller_id: maybe(row, 6)?,
        ip_lock: row.get::<_, Json<_>>(7)?.0,
    })
}

pub const NUMBER: &str = "SELECT e164, account, line FROM number";

pub fn number(row: &Row<'_>) -> rusqlite::Result<Number> {
    Ok(Number { number: read(row, 0)?, account: read(row, 1)?, line: maybe(row, 2)? })
}

/// All trunks with their routes.
pub fn trunks(conn: &Connection) -> Rows<Trunk> {
    let sql = "SELECT id, name, address, transport, host, auth_user, auth_secret, auth_realm, \
               auth_register, sources, cost_deck, number_format, emergency, enabled \
               FROM trunk ORDER BY id";
    let mut trunks = all(conn, sql, [], trunk)?;
    for trunk in &mut trunks {
        let sql = "SELECT prefix, priority FROM trunk_route WHERE trunk = $1 ORDER BY position";
        trunk.routes = all(conn, sql, [trunk.id.0], |row| {
            Ok(TrunkRoute { prefix: row.get(0)?, priority: read(row, 1)? })
        })?;
    }
    Ok(trunks)
}

fn trunk(row: &Row<'_>) -> rusqlite::Result<Trunk> {
    let auth = match row.get::<_, Option<String>>(5)? {
        None => None,
        Some(user) => Some(TrunkAuth {
            user,
            secret: row.get(6)?,
            realm: row.get(7)?,
            register: read(row, 8)?,
        }),
    };
    Ok(Trunk {
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
        emergency: read(row, 12)?,
        enabled: read(row, 13)?,
    })
}

/// One deck with its rows.
pub fn deck(conn: &Connection, id: DeckId) -> rusqlite::Result<Option<Deck>> {
    let name = conn
        .prepare_cached("SELECT name FROM deck WHERE id = $1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?;
    let Some(name) = name else { return Ok(None) };
    let sql = "SELECT prefix, name, effective, connect_fee, per_minute, minimum_s, \
               first_increment_s, increment_s FROM rate WHERE deck = $1 \
               ORDER BY prefix, effective";
    let rows = all(conn, sql, [id.0], |row| {
        Ok(RateRow {
            prefix: row.get(0)?,
            name: row.get::<_, String>(1)?.into(),
            effective: read(row, 2)?,
            rate: Rate {
                connect_fee: read(row, 3)?,
                per_minute: read(row, 4)?,
                minimum_s: read(row, 5)?,
                first_increment_s: read(row, 6)?,
                increment_s: read(row, 7)?,
            },
        })
    })?;
    Ok(Some(Deck { id, name, rows }))
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
            outcome: types::decision::Outcome::Admitted,
            findings: detail.findings,
            rate: detail.rate,
            rate_prefix: detail.rate_prefix,
        },
        legs: row.get(11)?,
    })
}

const CDR: &str = "SELECT decision, account, line, to_account, direction, outcome, class, e164, \
                   region, hotspot, started, answered, ended, duration_ms, price, cost, trunk, \
                   cause, status, detail FROM cdr";

fn cdr(row: &Row<'_>) -> rusqlite::Result<Cdr> {
    let detail: CdrDetail = row.get::<_, Json<_>>(19)?.0;
    Ok(Cdr {
        decision: read(row, 0)?,
        account: read(row, 1)?,
        line: maybe(row, 2)?,
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

/// A query that grows by the conditions that are asked for. Values are always bound.
struct Conditions {
    sql: String,
    values: Vec<Box<dyn ToSql>>,
}

impl Conditions {
    fn of(sql: &str) -> Conditions {
        Conditions { sql: sql.to_owned(), values: Vec::new() }
    }

    /// Adds a condition with `$` where its one value stands, if there is a value.
    fn and<V: ToSql + 'static>(&mut self, condition: &str, value: Option<V>) {
        let Some(value) = value else { return };
        self.values.push(Box::new(value));
        self.sql.push_str(if self.values.len() == 1 { " WHERE " } else { " AND " });
        self.sql.push_str(&condition.replace('$', &format!("${}", self.values.len())));
    }

    fn newest(mut self, order: &str, limit: u32) -> (String, Vec<Box<dyn ToSql>>) {
        self.values.push(Box::new(limit));
        self.sql.push_str(&format!(" ORDER BY {order} LIMIT ${}", self.values.len()));
        (self.sql, self.values)
    }
}

/// Calls of an account that were moved to its index, and those that were not yet.
const OF_ACCOUNT: &str = "decision IN (\
    SELECT account_call.decision FROM move CROSS JOIN account_call \
    WHERE account_call.move = move.move AND account_call.account = $ \
    UNION SELECT recent.decision FROM recent WHERE recent.account = $ OR recent.to_account = $)";

/// A decision id is the time of the request, made increasing: it is never before that time, and
/// never this much after it.
const ID_AHEAD_US: i64 = 3_600 * 1_000_000;

/// The smallest decision id of a time.
fn id_at(at: UnixMicros) -> i64 {
    at.0.clamp(0, i64::MAX >> 8) << 8
}

fn calls(conn: &Connection, filter: &CallFilter) -> Rows<Cdr> {
    let mut query = Conditions::of(CDR);
    let ahead = |until: UnixMicros| id_at(UnixMicros(until.0.saturating_add(ID_AHEAD_US)));
    query.and("decision >= $", filter.since.map(id_at));
    query.and("decision <= $", filter.until.map(ahead));
    query.and(OF_ACCOUNT, filter.account.map(|id| id.0));
    query.and("started >= $", filter.since.map(|at| at.0));
    query.and("started < $", filter.until.map(|at| at.0));
    query.and("direction = $", filter.direction.map(|direction| direction.code()));
    query.and("e164 = $", filter.number.map(columns::e164));
    query.and("outcome = $", filter.outcome.map(columns::outcome));
    let (sql, values) = query.newest("decision DESC", filter.limit);
    all(conn, &sql, rusqlite::params_from_iter(values), cdr)
}

fn facts(conn: &Connection, filter: &FactFilter) -> Rows<StoredFact> {
    let mut query = Conditions::of("SELECT seq, at, body FROM fact");
    query.and("account = $", filter.account.map(|id| id.0));
    query.and("at >= $", filter.since.map(|at| at.0));
    query.and("at < $", filter.until.map(|at| at.0));
    query.and("kind = $", filter.kind.clone());
    let (sql, values) = query.newest("seq DESC", filter.limit);
    all(conn, &sql, rusqlite::params_from_iter(values), |row| {
        let fact = row.get::<_, Json<_>>(2)?.0;
        Ok(StoredFact { seq: read(row, 0)?, at: read(row, 1)?, fact })
    })
}

fn decision(conn: &Connection, id: DecisionId) -> rusqlite::Result<Option<Decided>> {
    let id = columns::decision(id);
    let ended = conn
        .prepare_cached(&format!("{CDR} WHERE decision = $1"))?
        .query_row([id], cdr)
        .optional()?;
    if let Some(cdr) = ended {
        return Ok(Some(Decided::Ended(Box::new(cdr))));
    }
    let open = conn
        .prepare_cached(&format!("{HOLD} WHERE decision = $1"))?
        .query_row([id], hold)
        .optional()?;
    Ok(open.map(|hold| Decided::Open(Box::new(hold))))
}

fn transfer(row: &Row<'_>) -> rusqlite::Result<Transfer> {
    Ok(Transfer {
        decision: read(row, 0)?,
        kind: columns::read_transfer_kind(row.get(1)?)?,
        debit: columns::read_ledger_account(row.get(2)?, row.get(3)?)?,
        credit: columns::read_ledger_account(row.get(4)?, row.get(5)?)?,
        amount: read(row, 6)?,
        at: read(row, 7)?,
    })
}

fn balances(conn: &Connection) -> Rows<Balance> {
    let sql = "SELECT kind, id, SUM(debits), SUM(credits) FROM (\
               SELECT debit AS kind, debit_id AS id, SUM(amount) AS debits, 0 AS credits \
               FROM transfer GROUP BY debit, debit_id UNION ALL \
               SELECT credit, credit_id, 0, SUM(amount) FROM transfer \
               GROUP BY credit, credit_id) AS sides GROUP BY kind, id ORDER BY kind, id";
    all(conn, sql, [], |row| {
        Ok(Balance {
            account: columns::read_ledger_account(row.get(0)?, row.get(1)?)?,
            debits: read(row, 2)?,
            credits: read(row, 3)?,
        })
    })
}

/// All rows, or those of one account.
fn of_account<T>(
    conn: &Connection,
    (select, condition, order): (&str, &str, &str),
    account: Option<AccountId>,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Rows<T> {
    match account {
        None => all(conn, &format!("{select} ORDER BY {order}"), [], read),
        Some(id) => {
            all(conn, &format!("{select} WHERE {condition} ORDER BY {order}"), [id.0], read)
        }
    }
}

impl Reader for SqliteStore {
    fn calls(&self, filter: &CallFilter) -> Result<Vec<Cdr>, StoreError> {
        calls(self.conn()?, filter).doing(&self.file, "list calls")
    }

    fn decision(&self, id: DecisionId) -> Result<Option<Decided>, StoreError> {
        decision(self.conn()?, id).doing(&self.file, "look a decision up")
    }

    fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        all(self.conn()?, &format!("{ACCOUNT} ORDER BY id"), [], account)
            .doing(&self.file, "list accounts")
    }

    fn account(&self, id: AccountId) -> Result<Option<Account>, StoreError> {
        let found = all(self.conn()?, &format!("{ACCOUNT} WHERE id = $1"), [id.0], account);
        found.map(|mut found| found.pop()).doing(&self.file, "look an account up")
    }

    fn lines(&self, account: Option<AccountId>) -> Result<Vec<Line>, StoreError> {
        of_account(self.conn()?, (LINE, "account = $1", "id"), account, line)
            .doing(&self.file, "list lines")
    }

    fn numbers(&self, account: Option<AccountId>) -> Result<Vec<Number>, StoreError> {
        of_account(self.conn()?, (NUMBER, "account = $1", "e164"), account, number)
            .doing(&self.file, "list numbers")
    }

    fn trunks(&self) -> Result<Vec<Trunk>, StoreError> {
        trunks(self.conn()?).doing(&self.file, "list trunks")
    }

    fn decks(&self) -> Result<Vec<DeckSummary>, StoreError> {
        let sql = "SELECT id, name, (SELECT COUNT(*) FROM rate WHERE deck = deck.id) \
                   FROM deck ORDER BY id";
        all(self.conn()?, sql, [], |row| {
            Ok(DeckSummary { id: read(row, 0)?, name: row.get(1)?, rows: read(row, 2)? })
        })
        .doing(&self.file, "list decks")
    }

    fn deck(&self, id: DeckId) -> Result<Option<Deck>, StoreError> {
        deck(self.conn()?, id).doing(&self.file, "read a deck")
    }

    fn bindings(&self, account: Option<AccountId>) -> Result<Vec<BindingRecord>, StoreError> {
        let mine = "line IN (SELECT id FROM line WHERE account = $1)";
        of_account(self.conn()?, (BINDING, mine, "line, contact"), account, binding)
            .doing(&self.file, "list bindings")
    }

    fn holds(&self, account: Option<AccountId>) -> Result<Vec<Hold>, StoreError> {
        of_account(self.conn()?, (HOLD, "account = $1", "decision"), account, hold)
            .doing(&self.file, "list holds")
    }

    fn unbilled(&self, account: AccountId) -> Result<Money, StoreError> {
        let sql = "SELECT (SELECT COALESCE(SUM(unbilled), 0) FROM account_total WHERE account = $1) \
                   + (SELECT COALESCE(SUM(price), 0) FROM recent WHERE account = $1)";
        let sum = all(self.conn()?, sql, [account.0], |row| read(row, 0));
        sum.map(|sum| sum.first().copied().unwrap_or_default())
            .doing(&self.file, "ask for un-billed usage")
    }

    fn transfers(&self, decision: DecisionId) -> Result<Vec<Transfer>, StoreError> {
        let sql = "SELECT decision, kind, debit, debit_id, credit, credit_id, amount, at \
                   FROM transfer WHERE decision = $1 ORDER BY kind";
        all(self.conn()?, sql, [columns::decision(decision)], transfer)
            .doing(&self.file, "list transfers")
    }

    fn balances(&self) -> Result<Vec<Balance>, StoreError> {
        balances(self.conn()?).doing(&self.file, "sum up the ledger")
    }

    fn facts(&self, filter: &FactFilter) -> Result<Vec<StoredFact>, StoreError> {
        facts(self.conn()?, filter).doing(&self.file, "list facts")
    }

    fn verify(&self) -> Result<Verification, StoreError> {
        verify::run(self.conn()?).doing(&self.file, "verify its sums")
    }
}
