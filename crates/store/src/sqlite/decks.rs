//! Decks, as they stand and as they stood. Lives here: their rows and puts in tables. Never here: which versions
//! begin and end with a put (`deck_states`).

use rusqlite::{Connection, OptionalExtension, Row, params};
use types::record::Deck;
use types::{DeckId, Rate, RateRow, Record, UnixMicros};

use super::rows::{self, Rows, all as select, maybe, read};
use crate::chain::key_of_state;
use crate::deck_states::{self, DeckState, Edit, Version};
use crate::queries::DeckSummary;

const RATE: &str = "SELECT prefix, name, effective, connect_fee, per_minute, minimum_s, \
                    first_increment_s, increment_s, since, gone FROM rate WHERE deck = $1 ";
const STOOD: &str = "AND since <= $2 AND (gone IS NULL OR gone > $2) ";

/// Puts a deck; the same time told again changes nothing. Gives its key in the chain.
pub fn put(conn: &Connection, at: UnixMicros, deck: &Deck) -> rusqlite::Result<Option<u64>> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO deck_state (deck, state, at, name) VALUES ($1, \
         (SELECT COALESCE(MAX(state), 0) + 1 FROM deck_state WHERE deck = $1), $2, $3) \
         ON CONFLICT (deck, at) DO NOTHING RETURNING state",
    )?;
    let new = (deck.id.0, at.0, &deck.name);
    let state: Option<u32> = insert.query_row(new, |row| row.get(0)).optional()?;
    let Some(state) = state else { return Ok(None) };
    let after = "SELECT MIN(at) FROM deck_state WHERE deck = $1 AND at > $2";
    let next = conn.prepare_cached(after)?.query_row((deck.id.0, at.0), |row| maybe(row, 0))?;
    let stood = stood(conn, deck.id, at)?;
    let rows = deck_states::in_order(deck).rows;
    let mut end = conn.prepare_cached(
        "UPDATE rate SET gone = $1 WHERE deck = $2 AND prefix = $3 AND effective = $4 AND since = $5",
    )?;
    for edit in deck_states::edits(&stood, &rows, (at, next)) {
        match edit {
            Edit::End(Version { row, since, .. }) => {
                end.execute((at.0, deck.id.0, &row.prefix, row.effective.0, since.0))?;
            }
            Edit::Begin(row, since, gone) => begin(conn, deck.id, row, (since, gone))?,
        }
    }
    Ok(Some(key_of_state(deck.id, state)))
}

fn begin(
    conn: &Connection,
    deck: DeckId,
    row: &RateRow,
    (since, gone): (UnixMicros, Option<UnixMicros>),
) -> rusqlite::Result<()> {
    let rate = &row.rate;
    conn.prepare_cached(
        "INSERT INTO rate (deck, prefix, effective, since, gone, name, connect_fee, per_minute, \
         minimum_s, first_increment_s, increment_s) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )?
    .execute(params![
        deck.0,
        row.prefix,
        row.effective.0,
        since.0,
        gone.map(|gone| gone.0),
        &*row.name,
        rate.connect_fee.micros(),
        rate.per_minute.micros(),
        rate.minimum_s,
        rate.first_increment_s,
        rate.increment_s,
    ])
    .map(drop)
}

fn version(row: &Row<'_>) -> rusqlite::Result<Version> {
    let rate = RateRow {
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
    };
    Ok(Version { row: rate, since: read(row, 8)?, gone: maybe(row, 9)? })
}

fn stood(conn: &Connection, id: DeckId, at: UnixMicros) -> Rows<Version> {
    select(conn, &[RATE, STOOD, "ORDER BY prefix, effective"].concat(), (id.0, at.0), version)
}

/// A deck as it stood at a time.
pub fn at(conn: &Connection, id: DeckId, at: UnixMicros) -> rusqlite::Result<Option<Deck>> {
    let newest =
        "SELECT name FROM deck_state WHERE deck = $1 AND at <= $2 ORDER BY at DESC LIMIT 1";
    let mut newest = conn.prepare_cached(newest)?;
    let name = newest.query_row((id.0, at.0), |row| row.get(0)).optional()?;
    let Some(name) = name else { return Ok(None) };
    let rows = stood(conn, id, at)?.into_iter().map(|version| version.row).collect();
    Ok(Some(Deck { id, name, rows }))
}

/// Its rows for a number. One look-up for each length that a prefix can have.
pub fn rows_at(conn: &Connection, id: DeckId, digits: &str, at: UnixMicros) -> Rows<RateRow> {
    let sql = [RATE, STOOD, "AND prefix = $3 ORDER BY effective"].concat();
    let mut select = conn.prepare_cached(&sql)?;
    let mut found = Vec::new();
    for prefix in deck_states::beginnings(digits) {
        let mut rows = select.query((id.0, at.0, prefix))?;
        while let Some(row) = rows.next()? {
            found.push(version(row)?.row);
        }
    }
    Ok(found)
}

/// All decks as they stand.
pub fn all(conn: &Connection) -> Rows<Deck> {
    let ids = "SELECT DISTINCT deck FROM deck_state ORDER BY deck";
    let ids: Vec<DeckId> = select(conn, ids, [], |row| read(row, 0))?;
    let now = UnixMicros(i64::MAX);
    ids.into_iter().filter_map(|id| at(conn, id, now).transpose()).collect()
}

/// All decks without their rows.
pub fn summaries(conn: &Connection) -> Rows<DeckSummary> {
    let sql = "SELECT deck, name, \
               (SELECT COUNT(*) FROM rate WHERE rate.deck = put.deck AND gone IS NULL) \
               FROM deck_state AS put WHERE at = \
               (SELECT MAX(at) FROM deck_state WHERE deck_state.deck = put.deck) ORDER BY deck";
    select(conn, sql, [], |row| {
        Ok(DeckSummary { id: read(row, 0)?, name: row.get(1)?, rows: read(row, 2)? })
    })
}

/// What was put when, the newest first.
pub fn states(conn: &Connection, id: DeckId) -> Rows<DeckState> {
    let puts = "SELECT state, at, name FROM deck_state WHERE deck = $1 ORDER BY at";
    let puts = select(conn, puts, [id.0], |row| Ok((row.get(0)?, read(row, 1)?, row.get(2)?)))?;
    let versions = "SELECT prefix, effective, since, gone FROM rate WHERE deck = $1 \
                    ORDER BY prefix, effective, since";
    let versions = select(conn, versions, [id.0], |row| {
        let key: (Box<str>, UnixMicros) = (row.get(0)?, read(row, 1)?);
        Ok((key, read(row, 2)?, maybe(row, 3)?))
    })?;
    Ok(deck_states::states(id, puts, versions.into_iter()))
}

/// A deck as it was put, as it was recorded. Nothing of it may begin or end but with a put: what stood at a time that
/// is no put's is what stood at the put before.
pub fn state(conn: &Connection, id: DeckId, state: u32) -> rusqlite::Result<Option<Record>> {
    let put = "SELECT at, COALESCE((SELECT MAX(at) FROM deck_state WHERE deck = $1 AND at < put.at), $2), \
               COALESCE((SELECT MIN(at) FROM deck_state WHERE deck = $1 AND at > put.at), $3) \
               FROM deck_state AS put WHERE deck = $1 AND state = $4";
    let put = conn
        .prepare_cached(put)?
        .query_row((id.0, i64::MIN, i64::MAX, state), |row| {
            Ok((read(row, 0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })
        .optional()?;
    let Some((put, before, after)) = put else { return Ok(None) };
    let is_between = "SELECT 1 FROM rate WHERE deck = $1 AND \
                      ((since > $2 AND since < $3 AND since <> $4) OR \
                       (gone > $2 AND gone < $3 AND gone <> $4) OR gone <= since)";
    let UnixMicros(time) = put;
    if conn.prepare_cached(is_between)?.exists((id.0, before, after, time))? {
        let why = "one of its rows begins or ends where nothing was put".into();
        let column = rusqlite::types::Type::Integer;
        return Err(rusqlite::Error::FromSqlConversionFailure(8, column, why));
    }
    Ok(at(conn, id, put)?.map(|deck| Record::Deck(put, Box::new(deck))))
}

/// Decks that nobody put, and that have rows.
pub fn strays(conn: &Connection) -> Rows<DeckId> {
    let sql = "SELECT DISTINCT deck FROM rate WHERE deck NOT IN (SELECT deck FROM deck_state) \
               ORDER BY deck";
    select(conn, sql, [], |row| rows::read(row, 0))
}
