//! Lines and their secrets: made, imported, judged, changed with overlap. Never here: how a secret is sealed (key.rs).

use crate::common::{DECK, SECRET, Sandbox};
use crate::{session, steady};

#[test]
fn secrets_are_shown_once_and_taken_from_standard_input() {
    let sandbox = Sandbox::new();
    sandbox.write("deck.csv", DECK);
    sandbox.ok("rates import deck.csv --deck retail");
    sandbox.ok("account add alice");
    let made = sandbox.ok("line add alice one --json").json().remove(0);
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    assert_eq!((secret.split('-').count(), &made["bits"]), (5, &serde_json::json!(80)));
    let said = sandbox.ok("line secret one --say --json").json().remove(0);
    let words = said["secret"].as_str().map(|secret| secret.split(' ').count());
    assert_eq!((words, &said["bits"]), (Some(7), &serde_json::json!(77)));
    let again = sandbox.ok("line secret one --json").json().remove(0);
    assert_ne!(again["secret"], made["secret"]);
    let given = sandbox.run_with(
        &["line", "add", "alice", "two", "--secret-stdin", "--json"],
        &format!("{SECRET}\r\n"),
        &[],
    );
    assert_eq!((given.code, given.out.contains(SECRET)), (0, false), "{}", given.shown());
    let nothing = sandbox.run_with(&["line", "add", "alice", "three", "--secret-stdin"], "", &[]);
    assert_eq!(
        (nothing.code, nothing.err.as_str()),
        (1, "error: standard input holds no secret: expected it on the first line\n")
    );
    // S1: neither is found again.
    for file in ["data/ringfence.db", "data/ringfence.db-wal"] {
        let bytes = std::fs::read(sandbox.path(file)).unwrap_or_default();
        for canary in [secret.as_bytes(), SECRET.as_bytes()] {
            assert!(!bytes.windows(canary.len()).any(|window| window == canary), "{file}");
        }
    }
    assert!(!sandbox.ok("line list --json").out.contains(&secret));
}

#[test]
fn lines_come_from_a_file_all_or_none() {
    let sandbox = Sandbox::new();
    sandbox.write("deck.csv", DECK);
    sandbox.ok("rates import deck.csv --deck retail");
    sandbox.write("bad.csv", "account,user,secret,caller_id\nalice,a1,lusab.gutih.tugad.42,\nalice,A1,,\nalice,b!,,\n,c1,,\nalice,d1,,0207\nalice,e1,short,\nalice,f1,password1234,\nalice,g1,alice.g1.alice.g1,\nalice,h1,lusab'gutih'tugad,\n");
    sandbox
        .write("weak.csv", "account,user,secret\nalice,w1,sesame\nalice,w2,lusab.gutih.tugad.44\n");
    sandbox.write("good.csv", "user,account,secret\na1,alice,lusab.gutih.tugad.42\na2,alice,\nb1,bob,lusab.gutih.tugad.43\n");
    let lines = [
        "line import bad.csv",
        "line import good.csv",
        "line list",
        "line import good.csv --create-accounts --kind pbx",
        "account list",
        "line list",
        "line import good.csv --create-accounts",
        "line import weak.csv",
        "line import weak.csv --accept-weak",
        "account history alice --limit 2",
        "line import missing.csv",
        "line import deck.csv",
    ];
    snapshot!("line_import", session(&sandbox, &lines));
}

/// A device as the node keeps it, put into the database by hand.
fn put_device(sandbox: &Sandbox, id: u32, line: u32, state: types::DeviceState) {
    use store::Backend;
    let device = types::Device {
        id: types::DeviceId(id),
        account: types::AccountId(1),
        state,
        agent: "Yealink SIP-T46S".to_owned(),
        instance: None,
        contact: "192.168.1.20:5060".to_owned(),
        peer: "192.0.2.7:5060".parse().expect("a socket"),
        transport: "udp".to_owned(),
        place: types::Place::default(),
        first_seen: types::UnixMicros(1),
        last_seen: types::UnixMicros(1),
        lines: vec![types::LineId(line)],
    };
    let path = sandbox.path("data/ringfence.db");
    let mut store = store::SqliteStore::open(path, store::OpenOptions::default()).expect("opens");
    let records = vec![types::Record::Device(Box::new(device))];
    store.commit(&[store::Batch { ticket: 1, records }]).expect("written");
}

#[test]
fn lines_have_kinds_and_secrets_that_overlap() {
    use types::DeviceState::{Banned, Known};
    let sandbox = Sandbox::new();
    sandbox.settle("127.0.0.9:5060".parse().expect("an address"));
    let seasoning =
        types::DeviceState::Seasoning { until: types::UnixMicros(9), spent: types::Money::ZERO };
    for (id, line, state) in [(3, 1, Known), (4, 1, seasoning), (5, 2, Known), (6, 1, Banned)] {
        put_device(&sandbox, id, line, state);
    }
    let mut shown = String::new();
    let mut run = |words: &str, last: Option<&str>| {
        let words: Vec<&str> = words.split(' ').chain(last).collect();
        let ran = sandbox.run_with(&words, "", &[]);
        shown.push_str(&format!("$ ringfence {}\n{}\n", words.join(" "), steady(&ran.shown())));
    };
    run("line secret alice --overlap 7d", None);
    run("line secret alice --overlap 36h --device 4 --device 5", None);
    run("line secret alice --overlap 7d --device 6", None);
    run("line secret alice --overlap 7d --device 9", None);
    run("line secret alice --overlap 31d", None);
    run("line secret alice --overlap soon", None);
    run("line secret alice --device 3", None);
    run("line secret nobody", None);
    run("line add alice pbx --kind pbx", None);
    run("line secret pbx --overlap 1d", None);
    run("line add alice sim --kind sip2sim --ip-lock 198.51.100.0/24", None);
    let consent = Some("A. Holder, letter of 3 May");
    run("line add alice sim --kind sip2sim --consent", consent);
    run("line add alice sim --kind sip2sim --ip-lock 198.51.100.0/24 --consent", consent);
    run("line set pbx kind=sip2sim ip_lock=198.51.100.0/24", None);
    run("line set pbx kind=sip2sim ip_lock=198.51.100.0/24 --consent", consent);
    run("line set pbx kind=phone --consent", consent);
    run("line set alice tls_only=yes sha256_only=yes kind=pbx", None);
    run("line set alice kind=fax", None);
    run("line list", None);
    run("account history alice", None);
    snapshot!("line_kinds", shown);
}

/// A secret that was typed is judged with the account's own words.
#[test]
fn weak_secrets_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.settle("127.0.0.9:5060".parse().expect("an address"));
    sandbox.ok("number add +442079460123 alice alice");
    let check = |secret: &str, want: Option<&str>| {
        for words in ["line secret alice --secret-stdin", "line add alice new --secret-stdin"] {
            let words: Vec<&str> = words.split(' ').collect();
            let ran = sandbox.run_with(&words, &format!("{secret}\n"), &[]);
            match want {
                None => assert_eq!(ran.code, 0, "{secret}: {}", ran.shown()),
                Some(want) => {
                    assert!(ran.code == 1 && ran.err.contains(want), "{secret}: {}", ran.shown());
                    assert!(!ran.err.contains(secret), "it is not said again");
                }
            }
        }
    };
    check("short", Some("the secret is too weak: 5 characters, expected at least 12"));
    check("password1234", Some("This is a very common password."));
    check("02079460123.alice", Some("names and numbers of the account"));
    check("lusab\"gutih\"tugad", Some("the secret cannot be used: many phones choke on quotes"));
    check("lusab.gutih.tugad.43", None);
    let again = sandbox.run_with(
        &["line", "secret", "alice", "--secret-stdin"],
        "lusab.gutih.tugad.43\n",
        &[],
    );
    assert!(again.err.contains("it is the one in use: choose another"), "{}", again.err);
}
