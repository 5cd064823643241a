//! Who changes the database with plain SQL is found, and told where. Lives here: every column, what calls and the directory
//! say, chains made by others. Never here: what the office wrote (office), the links themselves (links).

mod links;
mod office;

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use store::*;
use types::*;

use crate::samples::*;

/// A store with rows of every kind, closed: one file, to be copied and changed.
struct Evidence {
    directory: tempfile::TempDir,
    anchor: Anchor,
}

/// What is written to it, a batch each.
fn story() -> Vec<Vec<Record>> {
    let stricter = Account { status: AccountStatus::Limited, ..account(1) };
    vec![
        vec![
            Record::Account(Box::new(account(1))),
            Record::Line(Box::new(line(1, 1, "alice"))),
            Record::Number(number("442079460000", 1)),
            Record::Number(number("442079460001", 1)),
            Record::Trunk(Box::new(trunk(1))),
            put_deck(1, deck(1, &["33", "44"])),
            Record::Fact(
                at(0),
                Fact::AccountChanged { account: AccountId(1), change: "made".to_owned() },
            ),
        ],
        ended(1, 1, 12_500),
        vec![Record::Cdr(Box::new(refused(2, 1)))],
        vec![
            Record::Account(Box::new(stricter)),
            Record::NumberGone(e164("442079460001")),
            Record::Fact(at(1), Fact::Stopped),
        ],
        ended(3, 1, 700),
    ]
}

impl Evidence {
    fn new() -> Evidence {
        Evidence::of(|_| {}, (17, 14))
    }

    /// With rows in the tables of the office too.
    fn whole() -> Evidence {
        Evidence::of(office::office, (31, 25))
    }

    fn of(more: impl Fn(&mut dyn Backend), links_and_rows: (u64, u64)) -> Evidence {
        let directory = tempfile::tempdir().unwrap();
        let mut store = SqliteStore::open(directory.path().join("rf.db"), options()).unwrap();
        story().into_iter().for_each(|records| put(&mut store, records));
        more(&mut store);
        let report = walked(&store);
        assert_eq!((&report.breaks[..], report.links, report.rows), {
            let (links, rows) = links_and_rows;
            (&[][..], links, rows)
        });
        let anchor = store.anchor().unwrap().unwrap();
        drop(store);
        let evidence = Evidence { directory, anchor };
        assert!(!evidence.path().with_extension("db-wal").exists(), "all of it is in one file");
        evidence
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("rf.db")
    }

    /// What is said after these statements; `None` if there was nothing to change.
    fn after(&self, sql: &str) -> Option<Vec<String>> {
        let changed = self.directory.path().join("changed.db");
        fs::copy(self.path(), &changed).unwrap();
        let conn = Connection::open(&changed).unwrap();
        conn.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        let is_changed = conn.query_row("SELECT total_changes()", [], |row| row.get::<_, i64>(0));
        drop(conn);
        (is_changed.unwrap() > 0).then(|| breaks(&changed, ChainQuestion::default()))
    }

    #[track_caller]
    fn check(&self, sql: &str, want: &[&str]) {
        let told = self.after(sql).unwrap_or_else(|| panic!("{sql}: changes nothing"));
        assert_eq!(told, want, "{sql}");
    }
}

fn breaks(path: &Path, question: ChainQuestion) -> Vec<String> {
    let store = SqliteStore::open(path, OpenOptions { read_only: true, ..options() }).unwrap();
    let report = store.verify_chain(&question, &mut |_, _| {}).unwrap();
    report.breaks.iter().map(Break::to_string).collect()
}

/// Each column of each table that is chained, by name, and what stands in the words about it.
#[test]
fn every_column_of_every_row_is_watched() {
    let evidence = Evidence::whole();
    let call = format!("call {}", decision(1));
    let charge = format!("charge of {call}");
    let plan = format!("instalment plan {}", decision(6));
    let tables: [(&str, &str, &str, &str); 20] = [
        ("cdr", "decision", &call, ""),
        ("transfer", "decision, kind", &charge, ""),
        ("fact", "seq", "fact 1", ""),
        ("account", "id", "account 1", ""),
        ("line", "id", "line 1", ""),
        ("number", "e164", "number +442079460000", ""),
        ("trunk", "id", "trunk 1", ""),
        ("trunk_route", "trunk, position", "trunk 1", "position"),
        ("deck_state", "deck, state", "state 1 of deck 1", ""),
        ("rate", "deck, prefix, effective, since", "state 1 of deck 1", ""),
        ("posting", "seq", "posting 1", ""),
        ("bill_run", "run", "bill run 1", ""),
        ("bill", "account, run", "bill 1-1", ""),
        ("instalment_plan", "id", &plan, ""),
        ("reseller", "id", "reseller 2", ""),
        ("account_history", "seq", "entry 1 of the history of accounts", ""),
        ("line_history", "seq", "entry 1 of the history of lines", ""),
        ("trunk_history", "seq", "entry 1 of the history of trunks", ""),
        ("account_raises", "account", "raises of account 1", ""),
        ("control_request", "id", "request 1", ""),
    ];
    let mut columns = 0;
    for (table, order, named, harmless) in tables {
        for column in columns_of(&evidence.path(), table) {
            let first =
                format!("({order}) = (SELECT {order} FROM {table} ORDER BY {order} LIMIT 1)");
            let edit = format!(
                "CASE typeof({column}) WHEN 'integer' THEN CASE {column} WHEN 1 THEN 0 \
                 ELSE {column} + 1 END WHEN 'text' THEN {column} || 'x' \
                 WHEN 'blob' THEN zeroblob(length({column})) ELSE 5 END"
            );
            let sql = format!("UPDATE OR IGNORE {table} SET {column} = {edit} WHERE {first}");
            let Some(told) = evidence.after(&sql) else {
                assert_eq!(column, harmless, "{table}.{column} could not be changed");
                continue;
            };
            let is_named = told.iter().any(|told| told.contains(named));
            assert!(is_named, "{table}.{column}: {told:?}");
            columns += 1;
        }
    }
    assert_eq!(columns, 141, "columns that were changed");
}

fn columns_of(path: &Path, table: &str) -> Vec<String> {
    let conn = Connection::open(path).unwrap();
    let mut names = conn.prepare("SELECT name FROM pragma_table_info($1)").unwrap();
    let names = names.query_map([table], |row| row.get(0)).unwrap();
    names.map(Result::unwrap).collect()
}

/// A change that reads well is told by the field, in words.
#[test]
fn what_was_changed_is_named() {
    let evidence = Evidence::new();
    let (one, three) = (decision(1), decision(3));
    let call = |sql: &str, want: &str| {
        let sql = format!("UPDATE cdr SET {sql} WHERE decision = {}", one.0);
        let want = format!("call {one}: {want} from what was recorded at link 10");
        evidence.check(&sql, &[&want]);
    };
    call("price = 0", "price differs");
    call("price = 0, cost = 0", "price, cost differ");
    call("answered = NULL", "answered differs");
    call("account = 2", "account differs");
    call("e164 = 442079460999", "destination differs");
    call("detail = replace(detail, '+442079460000', '+442079460009')", "caller differs");
    call("detail = replace(detail, 'Phone/1.0', 'Phone/2.0')", "a_leg differs");
    evidence.check(
        &format!("UPDATE transfer SET amount = 1 WHERE decision = {} AND kind = 1", three.0),
        &[&format!("charge of call {three}: amount differs from what was recorded at link 15")],
    );
    evidence.check(
        "UPDATE account SET controls = replace(controls, '\"stop_level_24h\":20000000', '\"stop_level_24h\":99000000')",
        &["account 1: controls differs from what was recorded at link 12"],
    );
    evidence.check(
        "UPDATE account SET status = 'active'",
        &["account 1: status differs from what was recorded at link 12"],
    );
    evidence.check(
        "UPDATE rate SET per_minute = 1 WHERE prefix = '33'",
        &["state 1 of deck 1: rows differs from what was recorded at link 6"],
    );
    evidence.check(
        "UPDATE line SET ha1_md5 = zeroblob(44)",
        &["line 1: secret differs from what was recorded at link 2"],
    );
    evidence.check(
        "UPDATE fact SET body = replace(body, 'made', 'kept') WHERE seq = 1",
        &["fact 1: fact differs from what was recorded at link 7"],
    );
    let unreadable = format!("UPDATE cdr SET cause = 'magic' WHERE decision = {}", one.0);
    let told = evidence.after(&unreadable).unwrap();
    let begins = format!("call {one}, recorded at link 10, cannot be read: ");
    assert!(told.len() == 1 && told[0].starts_with(&begins), "{told:?}");
}

/// What stood in a deck once is watched like what stands in it now, each state by itself.
#[test]
fn former_states_of_decks_are_watched() {
    let dearer = |prefixes: &[&str]| {
        let mut deck = deck(1, prefixes);
        deck.rows[0].rate = rate(99_000);
        deck
    };
    let evidence = Evidence::of(
        |store| {
            put(store, vec![put_deck(20, dearer(&["33", "44"]))]);
            put(store, vec![put_deck(30, dearer(&["33"]))]);
        },
        (19, 16),
    );
    let state = |state: u32, link: u64| {
        format!("state {state} of deck 1: rows differs from what was recorded at link {link}")
    };
    // One of 33 is gone since the second put, one stands since then; 44 stood until the third.
    evidence
        .check("UPDATE rate SET per_minute = 1 WHERE prefix = '33' AND gone > 0", &[&state(1, 6)]);
    evidence.check(
        "UPDATE rate SET per_minute = 1 WHERE prefix = '33' AND gone IS NULL",
        &[&state(2, 18), &state(3, 19)],
    );
    evidence
        .check("UPDATE rate SET name = 'x' WHERE prefix = '44'", &[&state(1, 6), &state(2, 18)]);
    evidence.check("UPDATE rate SET gone = NULL WHERE prefix = '44'", &[&state(3, 19)]);
    evidence.check("DELETE FROM rate WHERE gone > 0 AND prefix = '33'", &[&state(1, 6)]);
    let moved = "UPDATE rate SET (since, gone) = (since + 5, gone + 5) WHERE prefix = '44'";
    let told = evidence.after(moved).unwrap();
    assert!(told[0].starts_with("state 1 of deck 1, recorded at link 6, cannot"), "{told:?}");
    // A row that stood between two puts only, or from after the last one on.
    let row = "deck, prefix, effective, SINCE, GONE, name, connect_fee, 1, minimum_s, first_increment_s, \
               increment_s FROM rate WHERE prefix = '44'";
    let begin = at(0).0;
    for (since, gone, told_of) in [
        (22, "25", "state 2 of deck 1, recorded at link 18"),
        (35, "NULL", "state 3 of deck 1, recorded at link 19"),
        (-5, "-2", "state 1 of deck 1, recorded at link 6"),
    ] {
        let gone = if gone == "NULL" { gone.to_owned() } else { format!("{begin} + {gone}") };
        let values = row.replace("SINCE", &format!("{begin} + {since}")).replace("GONE", &gone);
        let told = evidence.after(&format!("INSERT INTO rate SELECT {values}")).unwrap();
        let why = "one of its rows begins or ends where nothing was put";
        assert!(told.iter().any(|told| told.contains(told_of) && told.contains(why)), "{told:?}");
    }
    let stray = row.replacen("deck", "9", 1).replace("SINCE", "since").replace("GONE", "gone");
    assert_eq!(evidence.after(&format!("INSERT INTO rate SELECT {stray}")), Some(vec![]));
    let changed = evidence.directory.path().join("changed.db");
    let store = SqliteStore::open(&changed, OpenOptions { read_only: true, ..options() }).unwrap();
    let problems = store.verify().unwrap().problems;
    assert_eq!(problems, [Problem::MixedUp { table: "rate", key: "of deck 9".to_owned() }]);
}

#[test]
fn what_is_gone_or_came_from_nowhere_is_named() {
    let evidence = Evidence::new();
    let (one, two, nine) = (decision(1), decision(2), decision(9));
    let gone = |what: &str, link: u64| format!("{what}, recorded at link {link}, is gone");
    let stranger = |what: &str| {
        format!(
            "{what} is on no link: it was inserted by somebody else, or the end of the chain was cut off"
        )
    };
    let cdr = "decision, account, line, to_account, direction, outcome, class, e164, region, hotspot, \
               started, answered, ended, duration_ms, price, cost, trunk, cause, status, detail";
    let inserted = cdr.replacen("decision", &nine.0.to_string(), 1);
    evidence.check(
        &format!("DELETE FROM cdr WHERE decision = {}", two.0),
        &[&gone(&format!("call {two}"), 11)],
    );
    evidence.check(
        &format!("INSERT INTO cdr ({cdr}) SELECT {inserted} FROM cdr WHERE decision = {}", one.0),
        &[&stranger(&format!("call {nine}"))],
    );
    // One for another: the count is right.
    evidence.check(
        &format!("UPDATE cdr SET decision = {} WHERE decision = {}", nine.0, two.0),
        &[&gone(&format!("call {two}"), 11), &stranger(&format!("call {nine}"))],
    );
    evidence.check(
        &format!("DELETE FROM transfer WHERE decision = {} AND kind = 2", one.0),
        &[&gone(&format!("cost of call {one}"), 9)],
    );
    evidence.check(
        &format!("INSERT INTO transfer SELECT {}, kind, debit, debit_id, credit, credit_id, amount, at FROM transfer WHERE kind = 1 AND decision = {}", nine.0, one.0),
        &[&stranger(&format!("charge of call {nine}"))],
    );
    evidence.check("DELETE FROM fact WHERE seq = 2", &[&gone("fact 2", 14)]);
    evidence.check(
        "INSERT INTO fact SELECT 3, at + 1, kind, account, body FROM fact WHERE seq = 2",
        &[&stranger("fact 3")],
    );
    evidence.check("DELETE FROM account", &[&gone("account 1", 12)]);
    evidence.check("DELETE FROM number", &[&gone("number +442079460000", 3)]);
    evidence.check("DELETE FROM deck_state", &[&gone("state 1 of deck 1", 6)]);
    evidence.check(
        "INSERT INTO account SELECT 2, name || '2', status, sell_deck, reseller, time_zone, controls, dial_plan, \
         billing_day FROM account",
        &[&stranger("account 2")],
    );
    evidence.check(
        "INSERT INTO number VALUES (442079460001, 2, NULL)",
        &["number +442079460001 is there, though link 13 records that it was taken back"],
    );
    evidence.check(
        "DELETE FROM trunk_route",
        &["trunk 1: routes differs from what was recorded at link 5"],
    );
}

#[test]
fn breaks_are_counted_beyond_those_that_are_named() {
    let evidence = Evidence::new();
    let changed = evidence.directory.path().join("changed.db");
    assert!(evidence.after("UPDATE cdr SET price = price + 1").unwrap().len() == 3);
    let store = SqliteStore::open(&changed, OpenOptions { read_only: true, ..options() }).unwrap();
    let question = ChainQuestion { most_breaks: 2, ..ChainQuestion::default() };
    let report = store.verify_chain(&question, &mut |_, _| {}).unwrap();
    assert_eq!((report.breaks.len(), report.more_breaks), (2, 1));
    // A quick walk reads no row that is there, and misses none that is not.
    let quick = ChainQuestion { is_quick: true, ..question };
    assert_eq!(store.verify_chain(&quick, &mut |_, _| {}).unwrap().breaks, []);
    assert!(evidence.after("DELETE FROM cdr").is_some());
    let store = SqliteStore::open(&changed, OpenOptions { read_only: true, ..options() }).unwrap();
    let told = store.verify_chain(&quick, &mut |_, _| {}).unwrap().breaks;
    assert_eq!(told[0].to_string(), "table cdr: 3 links tell of 0 calls");
}
