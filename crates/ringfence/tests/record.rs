//! The record that cannot be changed unseen; copies of the database while the node runs, and back again.

#[path = "common/client.rs"]
mod client;
mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use client::Way;
use common::{Node, Ran, SECRET, Sandbox};
use nix::sys::signal::Signal;
use serde_json::Value;
use sip::message::Method;

fn settled() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.settle("127.0.0.9:5060".parse().expect("an address"));
    sandbox
}

fn change(sandbox: &Sandbox, file: &str, sql: &str) {
    let done = rusqlite::Connection::open(sandbox.path(file)).expect("opens").execute(sql, []);
    assert_eq!(done.expect("done"), 1, "{sql}");
}

const RICHER: &str = "UPDATE account SET controls = \
    replace(controls, '\"stop_level_24h\":20000000', '\"stop_level_24h\":2000000000')";
const NAMED: &str = "account 1: controls differs from what was recorded at link ";

#[track_caller]
fn refused(ran: &Ran, want: &str) {
    assert!(ran.code == 1 && ran.err.contains(want), "{}", ran.shown());
}

fn anchor(sandbox: &Sandbox) -> String {
    sandbox.ok("verify --anchor").out.trim().to_owned()
}

#[test]
fn who_changes_a_stop_level_behind_our_back_is_found() {
    let sandbox = settled();
    let early = anchor(&sandbox);
    sandbox.ok("account set alice stop_level_7d=30");
    let verified = sandbox.ok(&format!("verify --since {early}"));
    for want in ["ok       record: ", "ok       money: 0 calls", "ok       anchor: the record goes"]
    {
        assert!(verified.out.contains(want), "{}", verified.shown());
    }
    let json = &sandbox.ok("verify --json").json()[0];
    assert_eq!((&json["ok"], &json["problems"]), (&Value::Bool(true), &Value::Array(vec![])));
    assert_eq!(json["anchor"], anchor(&sandbox).as_str());
    change(&sandbox, "data/ringfence.db", RICHER);
    let found = sandbox.run("verify");
    assert!(found.code == 1 && found.out.contains(NAMED), "{}", found.shown());
    assert_eq!(sandbox.run("verify --json").json()[0]["ok"], false);
    // The anchor still holds: it was no link that changed. A quick look sees links only.
    assert_eq!(sandbox.run("verify --quick").code, 0);
    change(&sandbox, "data/ringfence.db", "UPDATE link SET mac = zeroblob(16) WHERE seq = 3");
    let quick = sandbox.run("verify --quick");
    assert!(quick.code == 1 && quick.out.contains("link 3 was changed"), "{}", quick.shown());
    let doctor = sandbox.run("doctor --offline");
    assert!(doctor.out.contains("problem  record: link 3 was changed"), "{}", doctor.out);
    // Old keys could show who made it: they stay as long as it does not hold.
    let rotated = sandbox.ok("key rotate");
    assert!(
        rotated.out.contains("the old keys stay: the record does not hold: link 3"),
        "{}",
        rotated.out
    );
    refused(&sandbox.run("verify missing.db"), "missing.db: there is no database here");
    assert_eq!(sandbox.run("verify --since x").code, 2);
}

#[test]
fn keys_are_exchanged_and_the_record_holds() {
    let sandbox = settled();
    sandbox.ok("key rotate");
    let verified = sandbox.ok("verify");
    assert!(verified.out.contains("which is not here; later links vouch"), "{}", verified.out);
    let key = sandbox.path("data/ringfence.key");
    fs::rename(&key, sandbox.path("key")).expect("moved");
    let blind = sandbox.ok("verify");
    assert!(blind.out.contains("there is no key here"), "{}", blind.out);
}

#[test]
fn a_running_node_is_copied_and_the_copy_restored() {
    let sandbox = settled();
    let mut node = Node::start(&sandbox);
    sandbox.ok("account add bob");
    let copied = sandbox.ok("backup copy.db");
    assert!(
        copied.out.contains("verified") && copied.out.contains("which is not in it"),
        "{}",
        copied.out
    );
    let copy = sandbox.path("copy.db");
    assert_eq!(fs::metadata(&copy).expect("there").permissions().mode() & 0o777, 0o600);
    let before = fs::read(&copy).expect("readable");
    sandbox.ok("account add carol");
    refused(&sandbox.run("backup copy.db"), "copy.db is there already: --force takes its place");
    assert_eq!(fs::read(&copy).expect("readable"), before);
    fs::create_dir(sandbox.path("copies")).expect("made");
    sandbox.ok("backup copies");
    let names: Vec<String> = fs::read_dir(sandbox.path("copies"))
        .expect("readable")
        .map(|entry| entry.expect("named").file_name().into_string().expect("UTF-8"))
        .collect();
    assert!(names.len() == 1 && names[0].starts_with("ringfence-2"), "{names:?}");
    assert_eq!(
        fs::read_dir(sandbox.path(""))
            .expect("readable")
            .filter(|entry| {
                entry
                    .as_ref()
                    .is_ok_and(|entry| entry.path().extension().is_some_and(|end| end == "part"))
            })
            .count(),
        0,
        "nothing is left over"
    );
    sandbox.ok("verify copy.db");
    refused(&sandbox.run("restore copy.db --force"), "another ringfence works on this directory");
    node.signal(Signal::SIGTERM);
    let is_anchor = |line: &Value| line["anchor"].is_string();
    let early = std::mem::take(&mut node.log);
    let (code, late) = node.wait();
    assert_eq!(code, Some(0));
    let told: Vec<&Value> = early.iter().chain(&late).filter(|line| is_anchor(line)).collect();
    let last = told.last().expect("told at the end");
    assert_eq!((told.len() >= 2, last["anchor"].as_str()), (true, Some(anchor(&sandbox).as_str())));
    refused(&sandbox.run("restore copy.db"), "is not empty (DIR/data/");
    let restored = sandbox.ok("restore copy.db --force");
    assert!(
        restored.out.contains("what was there is in DIR/data/before-restore-"),
        "{}",
        restored.out
    );
    let accounts = sandbox.ok("account list").out;
    assert!(accounts.contains("bob") && !accounts.contains("carol"), "{accounts}");
    sandbox.ok("verify");
    let node = Node::start(&sandbox);
    let ways = [Way::udp(node.udp), Way::tcp(node.tcp)];
    let registered =
        ways.map(|mut way| way.ask(Method::Register, "sip:example.com", ("alice", SECRET)));
    assert_eq!(registered, [200, 200], "its passwords open");
}

/// Amounts that no sum can hold do not keep the record from naming them.
#[test]
fn what_cannot_be_summed_up_is_named() {
    let sandbox = settled();
    for decision in [1, 2] {
        let row =
            format!("INSERT INTO transfer VALUES ({decision}, 1, 1, 1, 2, 0, {}, 0)", i64::MAX);
        change(&sandbox, "data/ringfence.db", &row);
    }
    let found = sandbox.run("verify");
    assert_eq!(found.code, 1, "{}", found.shown());
    for want in ["problem  record: charge of call ", "is on no link", "integer overflow"] {
        assert!(found.out.contains(want), "{}", found.shown());
    }
}

/// Not even by force: without the key nothing opens, and a node goes on writing to a file that has lost its name.
#[test]
fn a_copy_takes_the_place_of_nothing_that_the_node_works_with() {
    let sandbox = settled();
    let ours = ["data/ringfence.db", "data/ringfence.key"].map(|file| sandbox.path(file));
    let before = ours.each_ref().map(|file| fs::read(file).expect("readable"));
    for to in ["data/ringfence.db", "data/ringfence.key", "data", "data/../data/copy.db"] {
        let ran = sandbox.run(&format!("backup {to} --force"));
        refused(&ran, "is in the data directory: a copy belongs elsewhere");
    }
    let key = sandbox.path("elsewhere.key");
    fs::copy(&ours[1], &key).expect("copied");
    let moved = [("RINGFENCE_NODE__KEY_FILE", key.to_str().expect("UTF-8"))];
    for force in [&["backup", "elsewhere.key"][..], &["backup", "elsewhere.key", "--force"]] {
        refused(&sandbox.run_with(force, "", &moved), "is a key file: nothing takes its place");
    }
    assert_eq!(ours.map(|file| fs::read(file).expect("readable")), before);
    assert_eq!(fs::read(key).expect("readable"), before[1]);
    assert!(!sandbox.path("data/copy.db").exists());
}

#[test]
fn what_is_broken_is_neither_copied_over_what_is_good_nor_restored() {
    let sandbox = settled();
    sandbox.ok("backup copy.db");
    let good = fs::read(sandbox.path("copy.db")).expect("readable");
    change(&sandbox, "data/ringfence.db", RICHER);
    let ran = sandbox.run("backup copy.db --force");
    refused(&ran, "the copy has the faults of the database");
    assert!(ran.out.contains(NAMED), "{}", ran.shown());
    assert_eq!(fs::read(sandbox.path("copy.db")).expect("readable"), good);
    // From the good copy all is well again. Keys stay where they are, that of webhooks too.
    sandbox.write("data/webhook.key", "a key");
    sandbox.ok("restore copy.db --force");
    assert!(
        sandbox.path("data/webhook.key").exists() && sandbox.path("data/ringfence.key").exists()
    );
    sandbox.ok("verify");
    change(&sandbox, "copy.db", RICHER);
    refused(
        &sandbox.run("restore copy.db --data-dir new"),
        "is not as it was recorded (record: account 1",
    );
    assert!(
        !sandbox.path("new/ringfence.db").exists()
            && !sandbox.path("new/ringfence.db.part").exists()
    );
    sandbox.write("noise.db", &"noise".repeat(1_000));
    refused(&sandbox.run("restore noise.db --data-dir new"), "file is not a database");
    refused(&sandbox.run("restore nothing.db --data-dir new"), "nothing.db: there is no such file");
    // Without the key it is told which one is needed; with it, the node starts.
    sandbox.ok("backup fresh.db");
    let restored = sandbox.ok("restore fresh.db --data-dir other");
    assert!(restored.out.contains("it belongs in other/ringfence.key"), "{}", restored.out);
    assert!(
        restored.out.contains("the key is not there: put the key file back"),
        "{}",
        restored.out
    );
    fs::copy(sandbox.path("data/ringfence.key"), sandbox.path("other/ringfence.key"))
        .expect("copied");
    let data_dir = [("RINGFENCE_NODE__DATA_DIR", "other")];
    let verified = sandbox.run_with(&["verify"], "", &data_dir);
    assert_eq!(verified.code, 0, "{}", verified.shown());
}
