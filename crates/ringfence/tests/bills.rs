//! Bills, payments and carriers' invoices as people order them. Lives here: the commands on snapshots,
//! with a node and without. Never here: what is on a bill (billing), sums.

mod common;

use std::path::Path;

use common::{Node, Sandbox};
use store::{Backend, Batch, OpenOptions, SqliteStore};
use types::{AccountId, Cdr, DecisionId, Money, Record, UnixMicros, record_samples};

/// 2025-01-20T10:00:00Z.
const BEGIN: i64 = 1_737_367_200_000_000;
const DAY_US: i64 = 86_400_000_000;

/// The n-th call of alice, so many days later, a minute long.
fn call(n: u32, days: i64, number: &str, price: i64) -> Vec<Record> {
    let started = UnixMicros(BEGIN + days * DAY_US + i64::from(n));
    let rate = record_samples::rate(price);
    let (price, cost) = (Money::from_micros(price), Money::from_micros(price / 2));
    let sample = record_samples::call(AccountId(1), number, started, 60_000, rate);
    let decision = DecisionId(started.0.cast_unsigned() << 8);
    record_samples::settled(Cdr { decision, price, cost, ..sample })
}

/// Calls as a node would have written them.
fn write(database: &Path, records: Vec<Record>) {
    let mut store = SqliteStore::open(database, OpenOptions::default()).expect("it opens");
    store.commit(&[Batch { ticket: 1, records }]).expect("it is written");
}

/// Alice with three calls in January and February 2025.
fn settled() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.settle("127.0.0.9:5060".parse().expect("an address"));
    let calls = [
        call(1, 0, "+33123456789", 12_000),
        call(2, 20, "+33123456789", 12_000),
        call(3, 21, "+5371234567", 720_000),
    ];
    write(&database(&sandbox), calls.concat());
    sandbox
}

fn database(sandbox: &Sandbox) -> std::path::PathBuf {
    let found = std::fs::read_dir(sandbox.path("data")).expect("a data directory");
    let mut files = found.map(|entry| entry.expect("an entry").path());
    files.find(|path| path.extension().is_some_and(|end| end == "db")).expect("a database")
}

/// Times and decisions of today differ from run to run.
fn steady(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive([' ', '\n', '"', ',']) {
        let bare = word.trim_end_matches([' ', '\n', '"', ',']);
        let is_time = bare.len() == 24 && bare.ends_with('Z') && !bare.starts_with("2025-0");
        // Those of the calls of early 2025 begin with 0CB.
        let own = bare.len() == 13 && bare.starts_with("0C") && !bare.starts_with("0CB");
        out.push_str(if is_time {
            "TIME"
        } else if own {
            "DECISION"
        } else {
            bare
        });
        out.push_str(&word[bare.len()..]);
    }
    out
}

fn session(sandbox: &Sandbox, lines: &[&str]) -> String {
    let mut shown = String::new();
    for line in lines {
        let words: Vec<String> =
            line.split_whitespace().map(|word| word.replace('_', " ")).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let ran = sandbox.run_with(&words, "", &[]);
        shown.push_str(&format!("$ ringfence {line}\n{}\n", steady(&ran.shown())));
    }
    shown
}

macro_rules! snapshot {
    ($name:literal, $shown:expr) => {
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!($name, $shown)
        })
    };
}

/// The decision of the dear call.
fn dear(sandbox: &Sandbox) -> String {
    let calls = sandbox.ok("calls --json").json();
    let dear = calls.iter().find(|call| call["price"] == 720_000).expect("it is there");
    dear["decision"].as_str().expect("a text").to_owned()
}

#[test]
fn from_calls_to_a_statement() {
    let sandbox = settled();
    let decision = dear(&sandbox);
    let lines = [
        "bill list",
        "bill run --until 2025-02-01 --dry-run",
        "bill run --until 2025-02-01",
        "bill run --until 2025-02-01",
        "bill show 1-1",
        "payment add alice 0.012 --reference FT1 --at 2025-02-03",
        "payment add alice 0.012 --reference FT1 --at 2025-02-03",
        "payment add alice 0.013 --reference FT1",
        "payment add carol 1 --reference FT2",
        "payment add alice 1.0000001 --reference FT2",
        "payment add alice -1 --reference FT2",
        "payment add alice 5 --reference FT2 --at 2999-01-01",
        "payment list",
        &format!("call cost-price {decision} --why shared_risk"),
        &format!("call cost-price {decision} --why shared_risk"),
        &format!("call zero-rate {decision} --why not_his --by ann"),
        &format!("call zero-rate {decision} --why not_his --by ann"),
        "call zero-rate 0D5KZQ4M2T8GR --why nothing",
        "credit add alice 0.002 --why lines_were_down",
        "credit list",
        "bill run --until 2025-03-01 --json",
        "bill list",
        "statement alice",
        "payment return FT1 --why refused",
        "payment return FT1 --why refused",
        "payment return FT9 --why refused",
        "statement alice --json",
        "bill show 2-1 --csv -",
        "bill show 3-1",
        "bill show 3",
        "account history alice --limit 1",
    ];
    snapshot!("bills", session(&sandbox, &lines));
    let doctor = sandbox.run("doctor").out;
    assert!(doctor.contains("ok       money: 3 calls and 11 transfers add up"), "{doctor}");
    sandbox.ok("bill show 1-1 --html bill.html");
    let page = std::fs::read_to_string(sandbox.path("bill.html")).expect("a page");
    assert!(page.starts_with("<!doctype html>") && page.contains("<h1>Bill 1-1</h1>"), "{page}");
}

#[test]
fn debts_are_paid_bit_by_bit() {
    let sandbox = settled();
    sandbox.ok("bill run --until 2025-03-01");
    let lines = [
        "instalments add alice --in 3 --first 2999-01-31 --why by_phone",
        "instalments list",
        "instalments add alice --in 3 --first 2999-01-31 --why by_phone",
        "credit write-off alice 0.1 --why gone",
        "statement alice",
    ];
    snapshot!("instalments", session(&sandbox, &lines));
    let parts = sandbox.ok("instalments list --json").json();
    let amounts = parts.iter().map(|part| part["amount"].as_str().expect("a text"));
    let sum: i64 = amounts.map(|text| text.parse::<Money>().expect("an amount").micros()).sum();
    assert_eq!(sum, 744_000);
}

#[test]
fn invoices_are_reconciled() {
    let sandbox = settled();
    let decision = dear(&sandbox);
    sandbox.write(
        "invoice.csv",
        "Call Date,B-Number,Secs,Charge\n\
         2025-01-20 10:00:06,0033123456789,60,0.006\n\
         2025-02-09 10:00:06,33123456789,95,0.0095\n\
         2025-02-10 09:00:00,+44 20 7946 0000,10,0.1\n\
         2025-02-10T10:00:05Z,5371234567,1:00,0.40\n",
    );
    sandbox.write("broken.csv", "number,start,duration\nabc,2025-01-20 10:00:06,60\n33,never,1\n");
    let lines = [
        "carrier reconcile carrier invoice.csv",
        "carrier reconcile carrier invoice.csv --duration-tolerance 60 --price-tolerance 1 --json",
        "carrier reconcile carrier invoice.csv --map price=Fee",
        "carrier reconcile carrier broken.csv",
        "carrier reconcile nobody invoice.csv",
        "carrier reconcile carrier none.csv",
        &format!("carrier credit carrier 0.04 --call {decision} --why billed_too_much"),
        &format!("carrier credit carrier 0.04 --call {decision} --why billed_too_much"),
        &format!("carrier credit carrier 0.5 --call {decision} --why billed_too_much"),
        "carrier credit carrier 3 --why invoice_81",
    ];
    snapshot!("carrier", session(&sandbox, &lines));
}

/// The same orders, carried out by a running node, hold at once in its memory.
#[test]
fn a_running_node_bills() {
    let sandbox = settled();
    let decision = dear(&sandbox);
    let node = Node::start(&sandbox);
    let unbilled = || sandbox.ok("account show alice --json").json()[0]["unbilled"].clone();
    assert_eq!(unbilled(), "0.744");
    let zero = ["call", "zero-rate", &decision, "--why", "not his"];
    for _ in 0..3 {
        assert_eq!(sandbox.run_with(&zero, "", &[]).code, 0);
        assert_eq!(unbilled(), "0.024");
    }
    let report = sandbox.ok("bill run --until 2025-02-01 --json").json().remove(0);
    assert_eq!((&report["run"], &report["bills"]), (&1.into(), &1.into()));
    assert_eq!(unbilled(), "0.012");
    sandbox.ok("bill run --until 2025-03-01");
    // What was given back today is on the bill of this month.
    assert_eq!(unbilled(), "-0.72");
    for _ in 0..10 {
        sandbox.ok("payment add alice 0.012 --reference FT1");
    }
    assert_eq!(sandbox.ok("payment list --json").json().len(), 1);
    let statement = sandbox.ok("statement alice --json").json().remove(0);
    assert_eq!((&statement["balance"], &statement["unbilled"]), (&"0.732".into(), &"-0.72".into()));
    drop(node);
    assert!(sandbox.run("doctor").out.contains("3 calls and 8 transfers add up"));
    // The killed node's successor knows the bills.
    let _node = Node::start(&sandbox);
    assert_eq!(unbilled(), "-0.72");
    let again = sandbox.ok("bill run --until 2025-03-01 --json").json().remove(0);
    assert_eq!((&again["done_before"], &again["bills"]), (&true.into(), &0.into()));
}
