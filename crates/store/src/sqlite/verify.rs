//! The sums of the database, computed again. Lives here: what `doctor` asks. Never here: repairs.

use std::collections::BTreeMap;

use rusqlite::Connection;
use types::{AccountId, DecisionId, Money, TransferKind};

use super::columns::{self, Read};
use super::{rows, snapshot};
use crate::queries::{Problem, Verification};
use crate::rules;

/// Sums by account. The order is that of `rules::compare`.
const SUMS: [&str; 4] = [
    "SELECT account, SUM(price) FROM cdr GROUP BY account",
    "SELECT debit_id, SUM(amount) FROM transfer WHERE kind = 1 AND debit = 1 GROUP BY debit_id",
    snapshot::UNBILLED,
    "SELECT account, SUM(amount) FROM (SELECT account, amount FROM spending UNION ALL \
     SELECT account, price FROM recent) AS both_parts GROUP BY account",
];

const _: () = assert!(TransferKind::Charge as i64 == 1 && columns::RECEIVABLE == 1);

/// Looks at the file and at every sum, as of one moment.
pub fn run(conn: &Connection) -> rusqlite::Result<Verification> {
    let tx = conn.unchecked_transaction()?;
    let mut problems = damage(&tx)?;
    let mut sums: BTreeMap<AccountId, [Money; 4]> = BTreeMap::new();
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

/// What SQLite itself finds wrong with the file.
fn damage(conn: &Connection) -> rusqlite::Result<Vec<Problem>> {
    let found: Vec<String> = rows::all(conn, "PRAGMA integrity_check", [], |row| row.get(0))?;
    Ok(found.into_iter().filter(|line| line != "ok").map(Problem::Damaged).collect())
}
