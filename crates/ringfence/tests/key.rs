//! Keys that seal passwords: made, missing, wrong, exchanged, and killed while they are exchanged.

#[path = "common/client.rs"]
mod client;
mod common;

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use client::Way;
use common::{Node, SECRET, Sandbox};
use serde_json::{Value, json};
use sip::message::Method;

const LINES: usize = 1_500;

fn settled() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.settle("127.0.0.9:5060".parse().expect("an address"));
    sandbox
}

/// With many lines, all of the same secret.
fn crowded() -> Sandbox {
    let sandbox = settled();
    let rows = (0..LINES).map(|at| format!("alice,u{at},{SECRET}\n")).collect::<String>();
    sandbox.write("many.csv", &format!("account,user,secret\n{rows}"));
    sandbox.ok("line import many.csv");
    sandbox
}

fn status(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.ok("key status --json").json()
}

/// Rows by key: of the one that seals, and of all others.
fn rows(sandbox: &Sandbox) -> (u64, u64) {
    let of = |seals: bool| {
        let status = status(sandbox);
        let keys = status.iter().filter(|key| key["seals"] == seals);
        keys.map(|key| key["rows"].as_u64().unwrap_or(0)).sum()
    };
    (of(true), of(false))
}

fn registers(node: &Node, user: &str) -> bool {
    let ways = [Way::udp(node.udp), Way::tcp(node.tcp)];
    let answers = ways.map(|mut way| way.ask(Method::Register, "sip:example.com", (user, SECRET)));
    assert_eq!(answers[0], answers[1]);
    answers == [200, 200]
}

#[test]
fn a_key_is_made_at_the_first_start_and_readable_by_its_owner_only() {
    let sandbox = settled();
    let path = sandbox.path("data/ringfence.key");
    assert_eq!(std::fs::metadata(&path).expect("made").permissions().mode() & 0o777, 0o600);
    assert_eq!(rows(&sandbox), (1, 0), "the trunk has no secret");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("set");
    for words in ["serve", "line disable alice", "key status"] {
        let ran = sandbox.run(words);
        let want = "the key file DIR/data/ringfence.key can be read by others (mode 644): \
                    chmod 600 DIR/data/ringfence.key";
        assert!(ran.code == 1 && ran.err.contains(want), "{words}: {}", ran.shown());
    }
    assert_eq!(sandbox.run("line list").code, 0, "lists need no key");
}

#[test]
fn without_its_key_nothing_starts_and_no_other_key_is_made() {
    let sandbox = settled();
    let path = sandbox.path("data/ringfence.key");
    let key = std::fs::read(&path).expect("it is there");
    std::fs::remove_file(&path).expect("removed");
    let refused = |words: &str, want: &str| {
        let ran = sandbox.run(words);
        assert!(ran.code == 1 && ran.err.contains(want), "{words}: {}", ran.shown());
    };
    refused("serve", "put the key file back from your copy");
    refused("account add bob", "put the key file back from your copy");
    refused("key rotate", "put the key file back from your copy");
    assert!(!path.exists());
    sandbox.ok("line list");
    sandbox.ok("account show alice");
    let doctor = sandbox.run("doctor --offline");
    assert!(
        doctor.code == 1 && doctor.out.contains("ringfence.key is not there"),
        "{}",
        doctor.out
    );
    // Another database's key.
    let other = settled();
    std::fs::copy(other.path("data/ringfence.key"), &path).expect("copied");
    refused("serve", "which is not in DIR/data/ringfence.key: put the key file");
    let doctor = sandbox.run("doctor --offline");
    assert!(doctor.code == 1 && doctor.out.contains("put the key file"), "{}", doctor.out);
    // Another realm.
    std::fs::write(&path, key).expect("put back");
    let realm = [("RINGFENCE_NODE__REALM", "other.example")];
    let ran = sandbox.run_with(&["serve"], "", &realm);
    assert!(ran.code == 1 && ran.err.contains("was node.realm changed?"), "{}", ran.shown());
    assert!(registers(&Node::start(&sandbox), "alice"));
}

#[test]
fn one_line_that_does_not_open_is_out_of_use_and_named() {
    let sandbox = settled();
    let database = sandbox.path("data/ringfence.db");
    let line = ["line", "add", "alice", "bob", "--secret-stdin"];
    assert_eq!(sandbox.run_with(&line, &format!("{SECRET}\n"), &[]).code, 0);
    // Bob's database row gets Alice's verifiers: nobody may log in as Bob with her secret.
    let sql = "UPDATE line SET ha1_md5 = (SELECT ha1_md5 FROM line WHERE id = 1), \
               ha1_sha256 = (SELECT ha1_sha256 FROM line WHERE id = 1) WHERE id = 2";
    rusqlite::Connection::open(&database).expect("opens").execute(sql, []).expect("done");
    let mut node = Node::start(&sandbox);
    assert!(registers(&node, "alice"));
    assert!(!registers(&node, "bob"));
    let named =
        |line: &Value| line["message"].as_str().is_some_and(|text| text.contains("line 2 (bob)"));
    assert!(std::mem::take(&mut node.log).iter().any(named));
    let doctor = sandbox.run("doctor --offline");
    let want = "passwords: the secret of line 2 (bob) cannot be opened, it is out of use: \
                it was changed, or belongs to another line, account or realm";
    assert!(doctor.code == 1 && doctor.out.contains(want), "{}", doctor.out);
    let check = sandbox.run("key check");
    assert!(check.code == 1 && check.out.contains("1 of 2 passwords do not open"), "{}", check.out);
    // A rotation leaves it as it is, and the key that may open it.
    let rotated = sandbox.ok("key rotate");
    assert!(rotated.out.contains("the old keys stay: 1 passwords do not open"), "{}", rotated.out);
    // The way out: a new secret.
    sandbox.ok("line secret bob");
    sandbox.ok("line enable bob");
    sandbox.ok("key check");
}

#[test]
fn keys_are_exchanged_while_no_node_runs() {
    let sandbox = crowded();
    let before = std::fs::read_to_string(sandbox.path("data/ringfence.key")).expect("a key");
    let all = LINES as u64 + 1;
    assert_eq!(rows(&sandbox), (all, 0));
    let told = sandbox.ok("key rotate --keep-old --json").json();
    let last = told.last().expect("an answer");
    assert_eq!((&last["sealed"], &last["old_keys_kept"]), (&json!(all), &json!(true)));
    assert_eq!(told[0], json!({ "sealed": 1_000, "of": all }));
    assert_eq!((rows(&sandbox), status(&sandbox).len()), ((all, 0), 2));
    let second = sandbox.ok("key rotate");
    assert!(second.out.contains("2 old keys were forgotten"), "{}", second.out);
    assert_eq!((rows(&sandbox), status(&sandbox).len()), ((all, 0), 1));
    sandbox.ok("key check");
    let after = std::fs::read_to_string(sandbox.path("data/ringfence.key")).expect("a key");
    assert_ne!(before, after);
    assert!(registers(&Node::start(&sandbox), "u7"));
    // The old key opens nothing any more.
    std::fs::write(sandbox.path("data/ringfence.key"), before).expect("written");
    assert_eq!(sandbox.run("serve").code, 1);
}

#[test]
fn keys_are_exchanged_while_the_node_runs() {
    let sandbox = crowded();
    let node = Node::start(&sandbox);
    sandbox.ok("key rotate");
    assert_eq!(status(&sandbox).len(), 1);
    // What the node writes from now on is sealed with the new key.
    let line = ["line", "add", "alice", "late", "--secret-stdin"];
    assert_eq!(sandbox.run_with(&line, &format!("{SECRET}\n"), &[]).code, 0);
    assert_eq!(rows(&sandbox), (LINES as u64 + 2, 0));
    assert!(registers(&node, "late") && registers(&node, "u1"));
    drop(node);
    let node = Node::start(&sandbox);
    assert!(registers(&node, "late") && registers(&node, "u1"));
    sandbox.ok("key check");
}

/// Kills what exchanges keys after its first thousands, by its process id.
fn kill_midway(sandbox: &Sandbox, node: Option<Node>) {
    let mut child = sandbox
        .command(&["key", "rotate", "--json", "--batch", "20"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut told = BufReader::new(child.stdout.take().expect("piped")).lines();
    told.by_ref().take(2).for_each(|line| drop(line.expect("a line")));
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    // Drop is SIGKILL, too.
    drop(node);
    let (new, old) = rows(sandbox);
    assert!(new >= 40 && old > 0, "killed midway: {new} new, {old} old");
    assert_eq!(status(sandbox).len(), 2);
}

#[test]
fn a_killed_exchange_goes_on() {
    for with_node in [false, true] {
        let sandbox = crowded();
        kill_midway(&sandbox, with_node.then(|| Node::start(&sandbox)));
        let keys: Vec<Value> = status(&sandbox).iter().map(|key| key["id"].clone()).collect();
        sandbox.ok("key check");
        let node = Node::start(&sandbox);
        let users = [0, LINES / 2, LINES - 1].map(|at| format!("u{at}"));
        assert!(users.iter().all(|user| registers(&node, user)), "both keys open");
        let told = sandbox.ok("key rotate --json").json();
        assert_eq!(told.last().expect("an answer")["continued"], true);
        assert_eq!(rows(&sandbox), (LINES as u64 + 1, 0));
        let now: Vec<Value> = status(&sandbox).iter().map(|key| key["id"].clone()).collect();
        assert_eq!(now, keys[..1], "the key that was begun with");
        assert!(users.iter().all(|user| registers(&node, user)));
    }
}

#[test]
fn a_key_may_come_from_the_environment() {
    let sandbox = Sandbox::new();
    let first = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
    let second = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=";
    let both = format!("{second} {first}");
    sandbox.write("deck.csv", common::DECK);
    let run = |key: &str, words: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        sandbox.run_with(&words, "", &[("RINGFENCE_KEY", key)])
    };
    for words in ["rates import deck.csv --deck retail", "account add alice", "line add alice one"]
    {
        assert_eq!(run(first, words).code, 0);
    }
    assert!(!sandbox.path("data/ringfence.key").exists());
    let bad = run("AAAA", "key status");
    assert!(bad.err.contains("RINGFENCE_KEY: not a key: 3 bytes, expected 32"), "{}", bad.err);
    assert_eq!(run(second, "line add alice two").code, 1, "another key");
    let alone = run(first, "key rotate");
    assert!(alone.code == 1 && alone.err.contains("put a new one"), "{}", alone.shown());
    let rotated = run(&both, "key rotate");
    assert!(
        rotated.out.contains("take the old keys out of RINGFENCE_KEY now"),
        "{}",
        rotated.shown()
    );
    assert_eq!(run(second, "key check").code, 0);
}
