//! Who changes the database with plain SQL is found, and told where.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use store::chain::Span;
use store::*;
use types::*;

use crate::billing::{bill, plan, post, posting, run};
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

/// What the office writes after that: postings, a bill, histories, raises, a request. Links 18 to 31.
fn office(store: &mut dyn Backend) {
    let payment = posting(5, TransferKind::Payment, 1, 30);
    put(store, vec![post(Posting { reference: Some("FT1".to_owned()), ..payment }), run(1)]);
    let bill = bill(store, 1, 1, 2 * HOUR);
    put(
        store,
        vec![
            Record::Bill(Box::new(bill)),
            Record::BillRunDone(1),
            Record::Instalments(Box::new(plan(6, 1))),
            Record::Reseller(Box::new(reseller(2))),
            Record::Standing(Box::new(standing(1, 1))),
            Record::LineStanding(Box::new(line_standing(1, 1))),
            Record::Raises(Box::new(raises(1))),
            Record::ControlRequest(Box::new(request(1, 1))),
            Record::Raises(Box::new(raises(2))),
            Record::Raises(Box::new(AccountRaises::none(AccountId(2)))),
            Record::TrunkStanding(trunk_standing(1, 1)),
        ],
    );
}

impl Evidence {
    fn new() -> Evidence {
        Evidence::of(|_| {}, (17, 14))
    }

    /// With rows in the tables of the office too.
    fn whole() -> Evidence {
        Evidence::of(office, (31, 25))
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

/// The same of what the office wrote, and of what it may set in accounts and lines.
#[test]
fn what_was_changed_in_the_office_is_named() {
    let evidence = Evidence::whole();
    let (paid, plan) = (decision(5), decision(6));
    let check = |sql: &str, what: &str, link: u64| {
        evidence.check(sql, &[&format!("{what} from what was recorded at link {link}")]);
    };
    check("UPDATE account SET reseller = NULL", "account 1: reseller differs", 12);
    check("UPDATE account SET billing_day = 28", "account 1: billing_day differs", 12);
    check("UPDATE line SET stop_levels = NULL", "line 1: stop_levels differs", 2);
    let amount = "UPDATE transfer SET amount = 300 WHERE kind = 6";
    check(amount, &format!("payment {paid}: amount differs"), 18);
    check("UPDATE posting SET ordered_by = 'bob'", "posting 1: by differs", 19);
    let told = "UPDATE posting SET reference = NULL, note = ''";
    check(told, "posting 1: reference, note differ", 19);
    check("UPDATE bill_run SET mark_calls = 0", "bill run 1: marks differs", 22);
    check("UPDATE bill_run SET done = 0", "bill run 1: done differs", 22);
    let name = "UPDATE bill SET detail = replace(detail, 'France', 'Spain')";
    check(name, "bill 1-1: lines differs", 21);
    let note = "UPDATE instalment_plan SET detail = replace(detail, 'bit by bit', 'at once')";
    check(note, &format!("instalment plan {plan}: note differs"), 23);
    check("UPDATE reseller SET name = 'x'", "reseller 2: name differs", 24);
    let by = "UPDATE account_history SET detail = replace(detail, '\"eve\"', '\"bob\"')";
    check(by, "entry 1 of the history of accounts: by differs", 25);
    let tls = "UPDATE line_history SET detail = replace(detail, '\"tls_only\":true', '\"tls_only\":false')";
    check(tls, "entry 1 of the history of lines: security differs", 26);
    let frozen = "UPDATE account_raises SET detail = replace(detail, '\"limited\"', 'null')";
    check(frozen, "raises of account 1: frozen_from differs", 27);
    let note = "UPDATE control_request SET detail = replace(detail, 'trade fair', 'no reason')";
    check(note, "request 1: note differs", 28);
    // What a bill is found by does not say what the bill says.
    let told = evidence.after("UPDATE bill SET total = total - 1").unwrap();
    let begins = "bill 1-1, recorded at link 21, cannot be read: ";
    assert!(told.len() == 1 && told[0].starts_with(begins), "{told:?}");
}

/// Rows of the office that are gone, or came from nowhere.
#[test]
fn the_office_has_no_row_more_and_none_less() {
    let evidence = Evidence::whole();
    let gone = |table: &str, what: &str, link: u64| {
        let sql = format!("DELETE FROM {table}");
        evidence.check(&sql, &[&format!("{what}, recorded at link {link}, is gone")]);
    };
    gone("transfer WHERE kind = 6", &format!("payment {}", decision(5)), 18);
    gone("posting", "posting 1", 19);
    gone("bill_run", "bill run 1", 22);
    gone("bill", "bill 1-1", 21);
    gone("instalment_plan", &format!("instalment plan {}", decision(6)), 23);
    gone("reseller", "reseller 2", 24);
    gone("account_history", "entry 1 of the history of accounts", 25);
    gone("line_history", "entry 1 of the history of lines", 26);
    gone("trunk_history", "entry 1 of the history of trunks", 31);
    gone("account_raises", "raises of account 1", 27);
    gone("control_request", "request 1", 28);
    let stranger = |sql: &str, what: &str| {
        let why =
            "is on no link: it was inserted by somebody else, or the end of the chain was cut off";
        evidence.check(&format!("INSERT INTO {sql}"), &[&format!("{what} {why}")]);
    };
    stranger(
        "posting SELECT 2, decision, 5, account, NULL, ordered_by, note FROM posting",
        "posting 2",
    );
    stranger(
        "bill_run SELECT 2, day, only_account, at, mark_calls, mark_postings, 0 FROM bill_run",
        "bill run 2",
    );
    stranger("bill SELECT 7, 3, previous, total, due, detail FROM bill", "bill 3-7");
    stranger(
        &format!("instalment_plan SELECT {}, account, detail FROM instalment_plan", decision(9).0),
        &format!("instalment plan {}", decision(9)),
    );
    stranger("reseller SELECT 3, name, stop_levels FROM reseller", "reseller 3");
    stranger(
        "account_history SELECT 2, account, at + 1, status, detail FROM account_history",
        "entry 2 of the history of accounts",
    );
    stranger(
        "line_history SELECT 2, line, at + 1, account, detail FROM line_history",
        "entry 2 of the history of lines",
    );
    stranger(
        "trunk_history SELECT 2, trunk, at + 1, cost_deck FROM trunk_history",
        "entry 2 of the history of trunks",
    );
    stranger("account_raises SELECT 3, detail FROM account_raises", "raises of account 3");
    stranger(
        "control_request SELECT 2, account, state, at, detail FROM control_request",
        "request 2",
    );
    evidence.check(
        "INSERT INTO account_raises SELECT 2, detail FROM account_raises",
        &["raises of account 2 is there, though link 30 records that it was taken back"],
    );
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
fn who_touches_the_chain_itself_is_found() {
    let evidence = Evidence::new();
    let forged = |links: &str| format!("{links} changed, moved or forged: the key does not fit");
    for column in ["kind", "key", "part", "marks", "hash", "mac"] {
        for (seq, edit) in [
            (10, "CASE typeof(COL) WHEN 'integer' THEN COL + 1 ELSE zeroblob(length(COL)) END"),
            (10, "NULL"),
        ] {
            let edit = edit.replace("COL", column);
            let sql = format!("UPDATE OR IGNORE link SET {column} = {edit} WHERE seq = {seq}");
            let Some(told) = evidence.after(&sql) else { continue };
            assert!(told.iter().any(|told| told.contains(" 10 ")), "{sql}: {told:?}");
        }
    }
    evidence.check("UPDATE link SET body = zeroblob(32) WHERE seq = 1", &[&forged("link 1 was")]);
    evidence.check("UPDATE link SET body = NULL WHERE seq = 1", &[&forged("link 1 was")]);
    let told = evidence.after("UPDATE link SET key_id = 77 WHERE seq = 10").unwrap();
    assert_eq!(told, [forged("link 10 was")]);
    let told = evidence.after("UPDATE link SET key_id = NULL WHERE seq = 10").unwrap();
    let public = "link 10 was made without a key: anybody can make such links";
    assert_eq!(told, [forged("link 10 was"), public.to_owned()]);
    let told = evidence.after("UPDATE link SET mac = x'00' WHERE seq = 10").unwrap();
    assert!(told[0].starts_with("link 10 cannot be read: "), "{told:?}");
    evidence.check("DELETE FROM link WHERE seq BETWEEN 2 AND 3", &[
        "links 2 to 3 are gone",
        "line 1 is on no link: it was inserted by somebody else, or the end of the chain was cut off",
        "number +442079460000 is on no link: it was inserted by somebody else, or the end of the chain was cut off",
    ]);
    // Two links change places: the two, and the one behind them.
    let swap = "UPDATE link SET seq = 99 WHERE seq = 8; UPDATE link SET seq = 8 WHERE seq = 9; \
                UPDATE link SET seq = 9 WHERE seq = 99";
    evidence.check(swap, &[&forged("links 8 to 10 were")]);
    // So do their contents, not their numbers.
    let told = evidence.after(
        "UPDATE link SET (hash, mac) = (SELECT hash, mac FROM link WHERE seq = 9) WHERE seq = 8",
    );
    assert_eq!(told.unwrap(), [forged("links 8 to 9 were")]);
}

/// Where the end is cut off, rows included, only an anchor shows it; without the rows, they show it themselves.
#[test]
fn an_end_that_was_cut_off_is_found() {
    let evidence = Evidence::new();
    let three = decision(3);
    let stranger = |what: String| {
        format!(
            "{what} is on no link: it was inserted by somebody else, or the end of the chain was cut off"
        )
    };
    evidence.check(
        "DELETE FROM link WHERE seq > 14",
        &[
            &stranger(format!("call {three}")),
            &stranger(format!("charge of call {three}")),
            &stranger(format!("cost of call {three}")),
        ],
    );
    let sql = format!(
        "DELETE FROM link WHERE seq > 14; DELETE FROM cdr WHERE decision = {0}; \
         DELETE FROM transfer WHERE decision = {0}",
        three.0
    );
    evidence.check(&sql, &[]);
    let changed = evidence.directory.path().join("changed.db");
    let since = ChainQuestion { since: Some(evidence.anchor), ..ChainQuestion::default() };
    let cut = "the chain ends with link 14, before the anchor at link 17: its end was cut off";
    assert_eq!(breaks(&changed, since), [cut]);
    assert_eq!(breaks(&evidence.path(), since), [""; 0]);
}

/// Who has the program but not the key makes a chain of his own: cheaper calls, all links new.
#[test]
fn a_chain_made_without_the_key_is_found() {
    let evidence = Evidence::new();
    let cheaper = || {
        story().into_iter().map(|mut records| {
            for record in &mut records {
                if let Record::Cdr(cdr) = record {
                    cdr.price = Money::ZERO;
                }
            }
            records
        })
    };
    let forge = |name: &str, sealer: Option<std::sync::Arc<Sealer>>| {
        let path = evidence.directory.path().join(name);
        let mut store =
            SqliteStore::open(&path, OpenOptions { sealer, ..OpenOptions::default() }).unwrap();
        let can_seal = name != "public.db";
        for records in cheaper() {
            let kept = records
                .into_iter()
                .filter(|record| can_seal || !matches!(record, Record::Line(_) | Record::Trunk(_)));
            put(&mut store, kept.collect());
        }
        path
    };
    let all = ChainQuestion::default();
    // The sealed rows open with our key only, so that such a database is not even opened with it.
    let foreign = forge("foreign.db", Some(sealer_with(&[9])));
    let error =
        SqliteStore::open(&foreign, OpenOptions { read_only: true, ..options() }).unwrap_err();
    assert!(matches!(error, StoreError::WrongKey { .. }), "{error:?}");
    let graft = |from: &Path| {
        // His chain and calls, in our database: rows with secrets stay ours.
        format!(
            "ATTACH '{}' AS his; DELETE FROM link; INSERT INTO link SELECT * FROM his.link; \
             DELETE FROM cdr; INSERT INTO cdr SELECT * FROM his.cdr;",
            from.display()
        )
    };
    let told = evidence.after(&graft(&foreign)).unwrap();
    let his = sealer_with(&[9]).keys().newest().id();
    let unproven = Break::Unproven(Span { first: 1, last: 17 }, his).to_string();
    assert!(told.contains(&unproven), "{told:?}");
    let ours = sealer().keys().newest().id().number();
    let relabelled = format!("{} UPDATE link SET key_id = {ours};", graft(&foreign));
    let told = evidence.after(&relabelled).unwrap();
    let forged = "links 1 to 17 were changed, moved or forged: the key does not fit";
    assert!(told.contains(&forged.to_owned()), "{told:?}");
    let told = evidence.after(&graft(&forge("public.db", None))).unwrap();
    assert!(told.iter().any(|told| told.contains("made without a key")), "{told:?}");
    // And an anchor sees all of it, key or no key.
    let since = ChainQuestion { since: Some(evidence.anchor), ..all };
    let changed = evidence.directory.path().join("changed.db");
    let other = Break::CutOff { anchor: 17, head: 15 }.to_string();
    assert!(breaks(&changed, since).contains(&other));
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
