//! Calls that are asked for. Lives here: which rows of them, a page of an account's at a time. Never here: other
//! questions (query), how a row is read.

use rusqlite::{Connection, OptionalExtension, ToSql};
use types::{AccountId, Cdr, DecisionId, UnixMicros};

use super::columns::{self, Code};
use super::rows::{self, Rows, all, read};
use crate::queries::{CallFilter, CallPage, LastUsed};

/// A query that grows by the conditions that are asked for. Values are always bound.
pub struct Conditions {
    sql: String,
    values: Vec<Box<dyn ToSql>>,
}

impl Conditions {
    /// A query with these tables and columns.
    pub fn of(sql: &str) -> Conditions {
        Conditions { sql: sql.to_owned(), values: Vec::new() }
    }

    /// Adds a condition with `$` where its one value stands, if there is a value.
    pub fn and<V: ToSql + 'static>(&mut self, condition: &str, value: Option<V>) {
        let Some(value) = value else { return };
        self.values.push(Box::new(value));
        self.sql.push_str(if self.values.len() == 1 { " WHERE " } else { " AND " });
        self.sql.push_str(&condition.replace('$', &format!("${}", self.values.len())));
    }

    /// The whole query, with its last value: how many rows at most.
    pub fn newest(mut self, order: &str, limit: u32) -> (String, Vec<Box<dyn ToSql>>) {
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

/// Calls, newest first.
pub fn calls(conn: &Connection, filter: &CallFilter) -> Rows<Cdr> {
    let mut query = Conditions::of(rows::CDR);
    query.and("decision >= $", filter.since.map(id_at));
    query.and("decision < $", end_of(filter));
    query.and(OF_ACCOUNT, filter.account.map(|id| id.0));
    of_call(&mut query, filter);
    let (sql, values) = query.newest("decision DESC", filter.limit);
    all(conn, &sql, rusqlite::params_from_iter(values), rows::cdr)
}

/// What is asked of a call itself, whoever's it is.
fn of_call(query: &mut Conditions, filter: &CallFilter) {
    query.and("started >= $", filter.since.map(|at| at.0));
    query.and("started < $", filter.until.map(|at| at.0));
    query.and("line = $", filter.line.map(|line| line.0));
    query.and("(price > 0) = $", filter.charged);
    query.and("direction = $", filter.direction.map(|direction| direction.code()));
    query.and("e164 = $", filter.number.map(columns::e164));
    query.and("CAST(e164 AS TEXT) LIKE $ || '%'", filter.digits.clone());
    query.and("trunk = $", filter.trunk.map(|trunk| trunk.0));
    query.and("outcome = $", filter.outcome.map(columns::outcome));
}

/// The decisions asked for are smaller than this one.
fn end_of(filter: &CallFilter) -> Option<i64> {
    let ahead = |until: UnixMicros| id_at(UnixMicros(until.0.saturating_add(ID_AHEAD_US)));
    let until = filter.until.map(ahead);
    let before = filter.before.map(columns::decision);
    until.into_iter().chain(before).min()
}

/// Decisions of an account before one, newest first, at most so many. Moves are looked at from the one with the newest
/// decision on, and only until no older one can have any that belongs among them.
fn decisions_of(
    conn: &Connection,
    account: AccountId,
    (from, to): (i64, i64),
    most: usize,
) -> rusqlite::Result<Vec<i64>> {
    let recent = "SELECT decision FROM recent \
                  WHERE (account = $1 OR to_account = $1) AND decision >= $2 AND decision < $3";
    let mut found: Vec<i64> = all(conn, recent, (account.0, from, to), |row| row.get(0))?;
    let moved = "SELECT move.last_decision, account_call.decision FROM move CROSS JOIN account_call \
                 WHERE account_call.account = $1 AND account_call.move = move.move \
                 AND move.last_decision >= $2 AND move.first_decision < $3 \
                 AND account_call.decision >= $2 AND account_call.decision < $3 \
                 ORDER BY move.last_decision DESC";
    let mut statement = conn.prepare_cached(moved)?;
    let mut rows = statement.query((account.0, from, to))?;
    let (mut of_move, mut is_kept) = (i64::MAX, 0);
    while let Some(row) = rows.next()? {
        let (last, decision): (i64, i64) = (row.get(0)?, row.get(1)?);
        if last != of_move {
            // Between two moves: is the oldest that is wanted newer than everything in the rest?
            found.sort_unstable_by(|one, other| other.cmp(one));
            found.truncate(most);
            is_kept = found.len();
            of_move = last;
            if is_kept == most && found.last().is_some_and(|oldest| *oldest > last) {
                return Ok(found);
            }
        }
        found.push(decision);
    }
    if found.len() > is_kept {
        found.sort_unstable_by(|one, other| other.cmp(one));
        found.truncate(most);
    }
    Ok(found)
}

/// A page of an account's calls: see [`crate::Reader::call_page`].
pub fn call_page(
    conn: &Connection,
    account: AccountId,
    filter: &CallFilter,
    look: u32,
) -> rusqlite::Result<CallPage> {
    let (limit, look) = (filter.limit.max(1) as usize, look.max(1) as usize);
    let span = (filter.since.map_or(0, id_at), end_of(filter).unwrap_or(i64::MAX));
    let mut query = Conditions::of(rows::CDR);
    query.and("decision = $", Some(0));
    of_call(&mut query, filter);
    // Asked for nothing else, each call that is looked at is one of the page.
    let most = if query.values.len() == 1 { look.min(limit) } else { look };
    let decisions = decisions_of(conn, account, span, most)?;
    let mut statement = conn.prepare_cached(&query.sql)?;
    let mut page = CallPage::default();
    for decision in &decisions {
        query.values[0] = Box::new(*decision);
        let values = rusqlite::params_from_iter(&query.values);
        page.calls.extend(statement.query_row(values, rows::cdr).optional()?);
        if page.calls.len() == limit {
            break;
        }
    }
    let is_full = page.calls.len() == limit;
    let last = if is_full { page.calls.last().map(|call| call.decision) } else { None };
    let looked = decisions.last().filter(|_| decisions.len() == most);
    page.next = last.or(looked.map(|last| DecisionId(last.cast_unsigned())));
    Ok(page)
}

/// Where an account has called: see [`crate::Reader::last_used`].
pub fn last_used(conn: &Connection, account: AccountId, look: u32) -> rusqlite::Result<LastUsed> {
    let decisions = decisions_of(conn, account, (0, i64::MAX), look as usize)?;
    let mut found = LastUsed { is_all: decisions.len() < look as usize, ..LastUsed::default() };
    let mut statement = conn.prepare_cached(
        "SELECT class, region, started FROM cdr WHERE decision = $1 AND account = $2 \
         AND answered IS NOT NULL AND direction <> 'incoming'",
    )?;
    for decision in decisions {
        let call = statement.query_row((decision, account.0), |row| {
            let region: Option<String> = row.get(1)?;
            Ok((row.get::<_, Code<_>>(0)?.0, region, read(row, 2)?))
        });
        if let Some((class, region, started)) = call.optional()? {
            found.take(class, region.and_then(|code| code.parse().ok()), started);
        }
    }
    let ever = "SELECT region FROM country_called WHERE account = $1 ORDER BY region";
    let ever: Vec<String> = all(conn, ever, [account.0], |row| row.get(0))?;
    found.countries = ever.iter().filter_map(|code| code.parse().ok()).collect();
    Ok(found)
}
