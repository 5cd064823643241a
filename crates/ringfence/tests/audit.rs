//! The auditor beside the node: calls that do not fit are put on record and given back, once, whatever dies when.

mod common;

use common::{Node, Sandbox};
use nix::sys::signal::Signal;
use serde_json::Value;
use store::{Backend, Batch, OpenOptions, SqliteStore};
use types::record_samples::{self, rate};
use types::{AccountId, Cdr, DecisionId, DestinationClass, Money, Rate, Record, UnixMicros};

const MINUTE_MS: u64 = 60_000;

/// A call of a minute to a number, charged by this rate: with its postings, as the node writes them.
fn call(number: &str, class: DestinationClass, rate: Rate, price: i64) -> Vec<Record> {
    let started = UnixMicros(jiff::Timestamp::now().as_microsecond());
    let sample = record_samples::call(AccountId(1), number, started, MINUTE_MS, rate);
    let mut cdr = Cdr { price: Money::from_micros(price), ..sample };
    cdr.destination.class = class;
    cdr.a_leg.peer = Some("127.0.0.1:5070".parse().expect("a socket"));
    record_samples::settled(cdr)
}

fn decision_of(call: &[Record]) -> DecisionId {
    match call.last() {
        Some(Record::Cdr(cdr)) => cdr.decision,
        _ => unreachable!("a call ends with its CDR"),
    }
}

/// As a broken engine would write them.
fn write(sandbox: &Sandbox, calls: &[&Vec<Record>]) {
    let path = sandbox.path("data/ringfence.db");
    let mut store = SqliteStore::open(path, OpenOptions::default()).expect("it opens");
    let records = calls.iter().flat_map(|call| call.iter().cloned()).collect();
    store.commit(&[Batch { ticket: 1, records }]).expect("it is written");
}

/// An account with three calls: one that fits, one that was charged twice its price, one beyond the price cap.
struct World {
    sandbox: Sandbox,
    fits: DecisionId,
    dear: DecisionId,
    above: DecisionId,
}

fn world() -> World {
    let sandbox = Sandbox::new();
    sandbox.settle("127.0.0.9:5060".parse().expect("an address"));
    use DestinationClass::{International, NationalFixed};
    let fits = call("+442079460001", NationalFixed, rate(10_000), 10_000);
    let dear = call("+442079460002", NationalFixed, rate(10_000), 20_000);
    let cuba = Rate {
        connect_fee: Money::from_cents(5),
        first_increment_s: 60,
        increment_s: 60,
        ..rate(720_000)
    };
    let above = call("+5372041234", International, cuba, 770_000);
    let [a, b, c] = [&fits, &dear, &above].map(|call| decision_of(call));
    write(&sandbox, &[&fits, &dear, &above]);
    World { sandbox, fits: a, dear: b, above: c }
}

/// Asks until the answer is good; each question takes a moment.
fn until(what: &str, ask: impl Fn() -> bool) {
    assert!((0..400).any(|_| ask()), "{what} did not come");
}

fn has_judged(sandbox: &Sandbox, mismatches: u64) -> bool {
    let status = &sandbox.run("status --json").json()[0]["audit"];
    status["mismatches"] == mismatches && status["links_behind"] == 0
}

fn given_back(sandbox: &Sandbox) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = sandbox.ok("credit list --json").json();
    list.iter()
        .map(|one| (text(&one["decision"]), text(&one["amount"]), text(&one["by"])))
        .collect()
}

#[test]
fn calls_that_do_not_fit_are_given_back_by_themselves() {
    let World { sandbox, fits, dear, above } = world();
    let node = Node::start(&sandbox);
    until("the verdict", || has_judged(&sandbox, 2));
    let unseen = sandbox.ok("audit --unseen").out;
    assert!(unseen.contains("charged 0.02, its talk comes to 0.01"), "{unseen}");
    assert!(unseen.contains("a call at 0.72 a minute was let out, the cap was 0.05"), "{unseen}");
    assert!(!unseen.contains(&fits.to_string()), "{unseen}");
    let auditor =
        |id: DecisionId, amount: &str| (id.to_string(), amount.to_owned(), "auditor".to_owned());
    let mut back = given_back(&sandbox);
    back.sort();
    let mut want = vec![auditor(dear, "0.02"), auditor(above, "0.77")];
    want.sort();
    assert_eq!(back, want);
    let told = sandbox.ok(&format!("explain {dear}")).out;
    assert!(
        told.contains("does not fit what stood for it:") && told.contains("the call is free"),
        "{told}"
    );
    let told = sandbox.ok(&format!("explain {fits}")).out;
    assert!(told.contains("The auditor found that it fits what stood for it."), "{told}");
    // It dies, and comes back: what was told is not told again.
    node.signal(Signal::SIGKILL);
    node.wait();
    let node = Node::start(&sandbox);
    until("the auditor's return", || {
        sandbox.run("status --json").json()[0]["audit"]["links_behind"] == 0
    });
    assert_eq!(given_back(&sandbox).len(), 2);
    assert_eq!(sandbox.ok("audit --unseen --json").json().len(), 2);
    let doctor = sandbox.run("doctor --offline").out;
    assert!(doctor.contains("problem  audited calls: 2 calls do not fit"), "{doctor}");
    assert!(doctor.contains("ok       auditor: it follows"), "{doctor}");
    for decision in [dear, above] {
        let words =
            ["audit", "--seen", &decision.to_string(), "--why", "deck was wrong", "--by", "eve"];
        let seen = sandbox.run_with(&words, "", &[]);
        assert_eq!(seen.code, 0, "{}", seen.shown());
        let again = sandbox.run_with(&words, "", &[]);
        assert!(
            again.code == 1 && again.err.contains("nothing that nobody has looked at"),
            "{}",
            again.shown()
        );
    }
    let doctor = sandbox.run("doctor --offline").out;
    for good in ["ok       audited calls: nothing", "ok       money: 3 calls"] {
        assert!(doctor.contains(good), "{doctor}");
    }
    node.signal(Signal::SIGTERM);
    let (code, _) = node.wait();
    assert_eq!(code, Some(0));
}

#[test]
fn staff_are_told_in_the_log() {
    let World { sandbox, dear, .. } = world();
    let node = Node::start(&sandbox);
    until("the verdict", || has_judged(&sandbox, 2));
    node.signal(Signal::SIGTERM);
    let (_, log) = node.wait();
    let told = log.iter().find(|line| line["decision"] == dear.to_string().as_str());
    let told = told.expect("a line of the log names it");
    assert_eq!(
        (&told["level"], &told["given_back"]),
        (&Value::from("ERROR"), &Value::from("0.02"))
    );
}

#[test]
fn calls_are_audited_by_hand() {
    let World { sandbox, dear, above, .. } = world();
    let dry = sandbox.run("audit --json");
    assert_eq!(dry.code, 1, "{}", dry.shown());
    let found = &dry.json()[0];
    assert_eq!((&found["judged"], &found["acted"]), (&Value::from(3), &Value::Bool(false)));
    let named: Vec<&str> = found["mismatches"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one["decision"].as_str())
        .collect();
    assert_eq!(named, [dear.to_string(), above.to_string()]);
    assert_eq!(given_back(&sandbox), []);
    assert_eq!(sandbox.run("audit --until 2026-01-01").code, 0);
    assert_eq!(sandbox.run("audit --account nobody").code, 1);
    let acted = sandbox.run("audit --account alice --act");
    assert!(acted.code == 1 && acted.out.contains("2 given back"), "{}", acted.shown());
    assert_eq!(given_back(&sandbox).len(), 2);
    // Again: it is all there. Nor does the node tell it again.
    let again = sandbox.run("audit --act");
    assert!(again.out.contains("nothing new was found"), "{}", again.shown());
    let node = Node::start(&sandbox);
    until("the verdict", || has_judged(&sandbox, 2));
    assert_eq!(given_back(&sandbox).len(), 2);
    assert_eq!(sandbox.ok("audit --unseen --json").json().len(), 2);
    drop(node);
}

/// A wrong time is told on any database, and makes none.
#[test]
fn times_are_read_before_anything_else() {
    let sandbox = Sandbox::new();
    for words in [
        "audit --since yesterdayy",
        "audit --until yesterdayy --account nobody",
        "calls --since yesterdayy",
        "account show nobody --at yesterdayy",
        "rates show nothing --at yesterdayy",
        "rates undo nothing --to yesterdayy",
        "payment add nobody 5 --reference FT1 --at yesterdayy",
    ] {
        let ran = sandbox.run(words);
        assert!(ran.code == 1 && ran.err.contains("`yesterdayy` is not a time"), "{}", ran.shown());
    }
    for command in ["audit", "calls"] {
        let ran = sandbox.run(&format!("{command} --since 2026-11-22 --until 2026-11-21"));
        assert!(ran.code == 1 && ran.err.contains("nothing lies between them"), "{}", ran.shown());
    }
    assert!(!sandbox.path("data").exists(), "no database was made");
}
