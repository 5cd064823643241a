//! The sums of the database, computed again. Lives here: what `doctor` asks. Never here: repairs.

use std::collections::BTreeMap;

use rusqlite::Connection;
use types::{AccountId, Ban, DecisionId, Device, LockOut, Money, TransferKind};

use super::columns::{self, Read};
use super::{billing, decks, rows, sealed, snapshot};
use crate::rules;
use crate::seal::Sealer;
use crate::verification::{Problem, Verification};

/// Sums by account. The order is that of `rules::compare`.
const SUMS: [&str; rules::SUMS] = [
    "SELECT account, SUM(price) FROM cdr GROUP BY account",
    "SELECT debit_id, SUM(amount) FROM transfer WHERE kind = 1 AND debit = 1 GROUP BY debit_id",
    snapshot::UNBILLED,
    "SELECT account, SUM(amount) FROM (SELECT account, amount FROM spending UNION ALL \
     SELECT account, price FROM recent) AS both_parts GROUP BY account",
    "SELECT credit_id, SUM(amount) FROM transfer WHERE kind IN (3, 4, 5) AND credit = 1 \
     GROUP BY credit_id",
    "SELECT account, SUM(total) FROM bill GROUP BY account",
];

const _: () = assert!(TransferKind::Charge as i64 == 1 && columns::RECEIVABLE == 1);
const _: () = assert!(
    TransferKind::ZeroRating as i64 == 3
        && TransferKind::CostPrice as i64 == 4
        && TransferKind::Goodwill as i64 == 5
);

/// Looks at the file and at every sum, as of one moment.
pub fn run(conn: &Connection, sealer: Option<&Sealer>) -> rusqlite::Result<Verification> {
    let unopened = match sealer {
        Some(sealer) => sealed::survey(conn, sealer)?.unopened,
        None => Vec::new(),
    };
    let tx = conn.unchecked_transaction()?;
    let mut problems = damage(&tx)?;
    problems.extend(unopened.into_iter().map(Problem::Unopened));
    problems.extend(mixed_up(&tx)?);
    problems.extend(billing::verify(&tx)?);
    let mut sums: BTreeMap<AccountId, [Money; rules::SUMS]> = BTreeMap::new();
    for (column, sql) in SUMS.iter().enumerate() {
        let rows = rows::all(&tx, sql, [], |row| {
            let account: Read<AccountId> = row.get(0)?;
            Ok((account.0, row.get::<_, Read<Money>>(1)?.0))
        })?;
        for (account, sum) in rows {
            sums.entry(account).or_default()[column] = sum;
        }
    }
    problems.extend(sums.iter().flat_map(|(account, sums)| rules::compare(*account, *sums)));
    let money = |sql: &str| tx.query_row(sql, [], |row| row.get::<_, Read<Money>>(0));
    let posted = money("SELECT COALESCE(SUM(amount), 0) FROM transfer WHERE kind = 2")?.0;
    let cdrs = money("SELECT COALESCE(SUM(cost), 0) FROM cdr")?.0;
    if posted != cdrs {
        problems.push(Problem::Costs { costs: posted, cdrs });
    }
    let both = "SELECT hold.decision FROM hold JOIN cdr ON cdr.decision = hold.decision \
                ORDER BY hold.decision";
    let both = rows::all(&tx, both, [], |row| row.get::<_, Read<DecisionId>>(0))?;
    problems.extend(both.into_iter().map(|id| Problem::HeldAndEnded(id.0)));
    let count = |sql: &str| tx.query_row(sql, [], |row| row.get::<_, Read<u64>>(0));
    Ok(Verification {
        cdrs: count("SELECT COUNT(*) FROM cdr")?.0,
        transfers: count("SELECT COUNT(*) FROM transfer")?.0,
        charged: money(
            "SELECT COALESCE(SUM(amount), 0) FROM transfer WHERE kind = 1 AND debit = 1",
        )?
        .0,
        problems,
    })
}

/// Rows that are kept whole, and whose columns say something else.
fn mixed_up(conn: &Connection) -> rusqlite::Result<Vec<Problem>> {
    let mut problems = Vec::new();
    let mut compare = |table: &'static str, key: String, differ: bool| {
        if differ {
            problems.push(Problem::MixedUp { table, key });
        }
    };
    let devices = "SELECT detail, id, account, state, last_seen FROM device ORDER BY id";
    rows::all(conn, devices, [], |row| {
        let device: Device = rows::whole(row)?;
        let kept: (i64, i64, String, i64) = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        let (id, account) = (device.id.0.into(), device.account.0.into());
        let want = (id, account, device.state.code().to_owned(), device.last_seen.0);
        compare("device", kept.0.to_string(), kept != want);
        Ok(())
    })?;
    rows::all(conn, "SELECT detail, scope, until FROM lock_out ORDER BY scope", [], |row| {
        let lock: LockOut = rows::whole(row)?;
        let kept: (String, i64) = (row.get(1)?, row.get(2)?);
        let want = (columns::json(&lock.scope)?, lock.until.0);
        compare("lock_out", kept.0.clone(), kept != want);
        Ok(())
    })?;
    rows::all(conn, "SELECT detail, source, until FROM ban ORDER BY source", [], |row| {
        let ban: Ban = rows::whole(row)?;
        let kept: (String, Option<i64>) = (row.get(1)?, row.get(2)?);
        let want = (ban.source.to_string(), ban.until.map(|until| until.0));
        compare("ban", kept.0.clone(), kept != want);
        Ok(())
    })?;
    for deck in decks::strays(conn)? {
        problems.push(Problem::MixedUp { table: "rate", key: format!("of deck {deck}") });
    }
    Ok(problems)
}

/// What SQLite itself finds wrong with the file.
fn damage(conn: &Connection) -> rusqlite::Result<Vec<Problem>> {
    let found: Vec<String> = rows::all(conn, "PRAGMA integrity_check", [], |row| row.get(0))?;
    Ok(found.into_iter().filter(|line| line != "ok").map(Problem::Damaged).collect())
}
