//! Bringing a database to the newest schema, one step after the other. Lives here: the steps, the
//! version. Never here: what the tables mean.

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::connect::Doing;
use crate::error::StoreError;

/// Every step, oldest first: the n-th leads to version n.
pub const MIGRATIONS: &[&str] = &[include_str!("../../migrations/0001_first.sql")];

/// The version of the schema; 0 for an empty database.
fn version(conn: &Connection) -> rusqlite::Result<u32> {
    let has_meta = conn
        .query_row("SELECT 1 FROM sqlite_schema WHERE name = 'meta'", [], |_| Ok(()))
        .optional()?;
    if has_meta.is_none() {
        return Ok(0);
    }
    conn.query_row("SELECT value FROM meta WHERE name = 'schema'", [], |row| row.get(0))
}

/// Takes every step that is missing, each in a transaction with its version. Whatever stops it, the
/// database is before a step or after it.
pub fn run(conn: &Connection, file: &str, steps: &[&str]) -> Result<(), StoreError> {
    loop {
        let found = version(conn).doing(file, "ask for its schema version")?;
        let known = u32::try_from(steps.len()).expect("steps are few");
        if found > known {
            return Err(StoreError::NewerSchema { file: file.to_owned(), found, known });
        }
        if found == known {
            return Ok(());
        }
        step(conn, steps).doing(file, "bring its schema up to date")?;
    }
}

/// Takes the next step, if another program has not been faster.
fn step(conn: &Connection, steps: &[&str]) -> rusqlite::Result<()> {
    let tx = Transaction::new_unchecked(conn, TransactionBehavior::Immediate)?;
    let before = version(&tx)?;
    let Some(sql) = steps.get(before as usize) else {
        return Ok(());
    };
    if before == 0 {
        tx.execute_batch("CREATE TABLE meta (name TEXT PRIMARY KEY, value BIGINT NOT NULL)")?;
        tx.execute("INSERT INTO meta (name, value) VALUES ('schema', 0)", [])?;
    }
    tx.execute_batch(sql)?;
    tx.execute("UPDATE meta SET value = $1 WHERE name = 'schema'", [before + 1])?;
    tx.commit()
}

/// For readers, who change nothing: is it the schema this program knows?
pub fn check(conn: &Connection, file: &str) -> Result<(), StoreError> {
    let found = version(conn).doing(file, "ask for its schema version")?;
    let known = u32::try_from(MIGRATIONS.len()).expect("steps are few");
    let file = file.to_owned();
    match found.cmp(&known) {
        std::cmp::Ordering::Greater => Err(StoreError::NewerSchema { file, found, known }),
        std::cmp::Ordering::Less => Err(StoreError::OlderSchema { file, found, known }),
        std::cmp::Ordering::Equal => Ok(()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    const STEPS: &[&str] = &[
        "CREATE TABLE a (x BIGINT); INSERT INTO a VALUES (1)",
        "CREATE TABLE b (y BIGINT); INSERT INTO b SELECT x FROM a; UPDATE a SET x = 2",
        "ALTER TABLE b ADD COLUMN z BIGINT; INSERT INTO b VALUES (3, 3)",
    ];

    fn memory() -> Connection {
        Connection::open_in_memory().expect("memory opens")
    }

    fn dump(conn: &Connection) -> Vec<String> {
        let mut tables = conn
            .prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")
            .unwrap();
        let sql = tables.query_map([], |row| row.get(0)).unwrap();
        sql.map(Result::unwrap).collect()
    }

    #[test]
    fn steps_are_taken_once() {
        let conn = memory();
        run(&conn, "test", &STEPS[..1]).unwrap();
        assert_eq!(version(&conn).unwrap(), 1);
        run(&conn, "test", STEPS).unwrap();
        let after = dump(&conn);
        run(&conn, "test", STEPS).unwrap();
        assert_eq!((version(&conn).unwrap(), dump(&conn)), (3, after));
    }

    #[test]
    fn newer_is_refused() {
        let conn = memory();
        run(&conn, "rf.db", STEPS).unwrap();
        let refused = run(&conn, "rf.db", &STEPS[..2]).unwrap_err();
        let want = StoreError::NewerSchema { file: "rf.db".into(), found: 3, known: 2 };
        assert_eq!(refused, want);
        assert!(refused.to_string().starts_with("rf.db: its schema version is 3"), "{refused}");
        assert_eq!(
            check(&memory(), "x").unwrap_err().to_string(),
            format!(
                "x: its schema version is 0, this program needs {}: open it once for writing",
                MIGRATIONS.len()
            )
        );
    }

    /// A step stopped after any number of SQLite's own operations leaves its version or the next.
    #[test]
    fn a_stopped_step_leaves_either_side() {
        let sides: Vec<Vec<String>> = (0..=STEPS.len())
            .map(|count| {
                let conn = memory();
                run(&conn, "test", &STEPS[..count]).unwrap();
                dump(&conn)
            })
            .collect();
        let mut stopped = 0;
        for allowed in 1.. {
            let mut conn = memory();
            let mut left = allowed;
            let stop = move || {
                left -= 1;
                left == 0
            };
            conn.progress_handler(1, Some(stop)).unwrap();
            let result = run(&conn, "test", STEPS);
            conn.progress_handler(0, None::<fn() -> bool>).unwrap();
            if !conn.is_autocommit() {
                // Stopped within BEGIN itself. A killed program leaves no open transaction either.
                conn.execute_batch("ROLLBACK").unwrap();
            }
            let version = version(&conn).unwrap() as usize;
            assert_eq!(dump(&conn), sides[version], "stopped after {allowed}");
            if result.is_ok() {
                assert_eq!(version, STEPS.len());
                break;
            }
            stopped += 1;
            run(&conn, "test", STEPS).unwrap();
            assert_eq!(dump(&conn), sides[STEPS.len()]);
        }
        assert!(stopped > 100, "the test stopped only {stopped} times");
    }
}
