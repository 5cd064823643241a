//! The file itself: who may read it, who refuses it, what a killed process leaves of it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use store::*;
use types::*;

use crate::samples::*;

fn read_only() -> OpenOptions {
    OpenOptions { read_only: true, ..options() }
}

#[test]
fn only_the_owner_can_read_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    let mut store = SqliteStore::open(&path, options()).unwrap();
    put(&mut store, vec![Record::Line(Box::new(line(1, 1, "alice")))]);
    let mut seen = 0;
    for entry in fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
        seen += 1;
    }
    assert_eq!(seen, 3, "database, log and index");
}

#[test]
fn a_reader_sees_what_was_committed_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    let mut store = SqliteStore::open(&path, options()).unwrap();
    put(&mut store, ended(1, 1, 10));
    let mut reader = SqliteStore::open(&path, read_only()).unwrap();
    assert_eq!(everything(&reader), everything(&store));
    put(&mut store, ended(2, 1, 10));
    assert_eq!(everything(&reader), everything(&store));
    let error = reader.commit(&[batch(1, ended(3, 1, 10))]).unwrap_err();
    assert_eq!(
        error,
        CommitError::Failed(StoreError::ReadOnly { file: path.display().to_string() })
    );
}

#[test]
fn two_writers_do_not_mix_up_their_outcomes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    let mut first = SqliteStore::open(&path, options()).unwrap();
    let mut second = SqliteStore::open(&path, options()).unwrap();
    put(&mut first, vec![held(1, 1)]);
    put(&mut second, vec![held(2, 1)]);
    put(&mut first, vec![held(3, 1)]);
    assert_eq!((first.resolve(), second.resolve()), (Ok(true), Ok(true)));
    assert_eq!(everything(&first), everything(&second));
    assert_eq!(first.snapshot(ALL_TIME).unwrap().last_decision, decision(3));
}

#[test]
fn what_cannot_be_opened_is_named() {
    fn check(prepare: impl Fn(&Path), options: OpenOptions, want: &str) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rf.db");
        prepare(&path);
        let error = SqliteStore::open(&path, options).unwrap_err().to_string();
        let want = want.replace("FILE", &path.display().to_string());
        assert!(error.starts_with(&want), "{error}, not {want}");
    }
    fn version(path: &Path, version: u32) {
        drop(SqliteStore::open(path, options()).unwrap());
        let sql = format!("UPDATE meta SET value = {version}");
        rusqlite::Connection::open(path).unwrap().execute(&sql, []).unwrap();
    }
    let write = options;
    check(|_| {}, read_only(), "FILE: there is no database here");
    check(
        |path| fs::write(path, [7; 4_096]).unwrap(),
        write(),
        "FILE: cannot open it: file is not a database",
    );
    check(|path| fs::create_dir(path).unwrap(), write(), "FILE: cannot open it: ");
    check(
        |path| version(path, 9),
        write(),
        "FILE: its schema version is 9, this program knows versions up to 1: use a newer ringfence",
    );
    check(
        |path| version(path, 9),
        read_only(),
        "FILE: its schema version is 9, this program knows",
    );
    check(
        |path| version(path, 0),
        read_only(),
        "FILE: its schema version is 0, this program needs 1",
    );
    let error = SqliteStore::open("/nowhere/rf.db", write()).unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/rf.db: cannot create it"), "{error}");
}

#[test]
fn a_damaged_row_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    let mut store = SqliteStore::open(&path, options()).unwrap();
    put(&mut store, ended(1, 1, 10));
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute("UPDATE cdr SET direction = 'sideways'", []).unwrap();
    let error = store.calls(&CallFilter::default()).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert!(error.to_string().contains("sideways"), "{error}");
}

#[test]
fn sums_that_were_tampered_with_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    let options = OpenOptions { recent_calls: 1, ..options() };
    let mut store = SqliteStore::open(&path, options).unwrap();
    put(&mut store, ended(1, 1, 10));
    // The next commit moves the call into the sums.
    put(&mut store, vec![]);
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch(
        "UPDATE account_total SET unbilled = 9; UPDATE spending SET amount = 11; \
         INSERT INTO hold SELECT decision, account, line, to_account, direction, price, 0, started, \
         NULL, NULL, detail, x'' FROM cdr",
    )
    .unwrap();
    let problems = store.verify().unwrap().problems;
    let (account, cdrs) = (AccountId(1), Money::from_micros(10));
    let want = [
        Problem::Unbilled { account, kept: Money::from_micros(9), cdrs },
        Problem::Spending { account, spending: Money::from_micros(11), cdrs },
        Problem::HeldAndEnded(decision(1)),
    ];
    assert_eq!(problems, want);
}

/// Not a test by itself: what the killed process does. Prints the number of each call once it is
/// acknowledged.
#[test]
fn child_that_is_killed() {
    let Ok(path) = std::env::var("RINGFENCE_TEST_STORE") else { return };
    let mut store = SqliteStore::open(path, options()).unwrap();
    for n in 1.. {
        put(&mut store, vec![held(n, 1)]);
        println!("held {n}");
        put(&mut store, ended(n, n % 5, 10));
        println!("ended {n}");
    }
}

#[test]
fn a_killed_process_leaves_all_it_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    let mut ended = 0;
    for round in 1..=3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "files::child_that_is_killed", "--nocapture"])
            .env("RINGFENCE_TEST_STORE", &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut open = 0;
        let mut note = |line: String| {
            if let Some(n) = line.strip_prefix("ended ") {
                ended = ended.max(n.parse::<u64>().unwrap());
                open = 0;
            } else if line.starts_with("held ") {
                open = 1;
            }
        };
        lines.by_ref().take(40 * round).for_each(&mut note);
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had printed before the signal came was acknowledged too.
        lines.for_each(&mut note);
        let store = SqliteStore::open(&path, options()).unwrap();
        let verification = store.verify().unwrap();
        assert_eq!(verification.problems, []);
        let (cdrs, holds) = (verification.cdrs, store.holds(None).unwrap().len() as u64);
        assert!(cdrs == ended || cdrs == ended + 1, "round {round}: {cdrs} of {ended}");
        assert_eq!(verification.transfers, 2 * cdrs);
        assert!(holds <= 1 && (holds == 1 || open == 0 || cdrs == ended + 1), "round {round}");
    }
    assert!(ended > 20, "the child got only {ended} calls done");
}

/// A put costs what it changes: rows that stay the same are neither written again nor touched.
#[test]
fn a_put_writes_the_rows_that_changed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    let mut store = SqliteStore::open(&path, options()).unwrap();
    let prefixes: Vec<String> = (1_000..2_000).map(|prefix| prefix.to_string()).collect();
    let prefixes: Vec<&str> = prefixes.iter().map(String::as_str).collect();
    let mut changed = deck(1, &prefixes);
    changed.rows[500].rate = rate(99);
    changed.rows.pop();
    put(&mut store, vec![put_deck(1, deck(1, &prefixes))]);
    put(&mut store, vec![put_deck(2, changed)]);
    drop(store);
    let conn = rusqlite::Connection::open(&path).unwrap();
    let count = |condition: &str| -> i64 {
        let sql = format!("SELECT COUNT(*) FROM rate WHERE {condition}");
        conn.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count("gone IS NULL"), 999);
    assert_eq!((count("gone IS NOT NULL"), count("since > 0")), (2, 1_001));
}
