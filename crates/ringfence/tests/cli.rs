//! The commands as people see them. Lives here: what they print, on snapshots, and exit codes.
//! Never here: a running node (serve.rs).

mod common;

use common::{DECK, SECRET, Sandbox, root};

/// Figures that differ from run to run.
fn steady(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_inclusive([' ', '\n', '"']) {
        let bare = word.trim_end_matches([' ', '\n', '"']);
        let groups: Vec<_> = bare.split('-').collect();
        let is_secret = groups.len() == 5 && groups.iter().all(|group| group.len() == 5);
        let is_time = bare.len() == 24 && bare.ends_with('Z') && bare.starts_with("20");
        let shown = if is_secret {
            "SECRET"
        } else if is_time {
            "TIME"
        } else {
            bare
        };
        out.push_str(shown);
        out.push_str(&word[bare.len()..]);
    }
    out
}

/// Runs the lines one after the other, and shows each with what it printed.
fn session(sandbox: &Sandbox, lines: &[&str]) -> String {
    let mut shown = String::new();
    for line in lines {
        shown.push_str(&format!("$ ringfence {line}\n{}\n", steady(&sandbox.run(line).shown())));
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

#[test]
fn help_has_examples() {
    let sandbox = Sandbox::new();
    snapshot!("help", sandbox.run("--help").shown());
    let commands = [
        "serve",
        "demo",
        "check",
        "config show",
        "account add",
        "account list",
        "account show",
        "account set",
        "account history",
        "account undo",
        "account freeze",
        "request list",
        "request show",
        "request approve",
        "request refuse",
        "line add",
        "line import",
        "line list",
        "number add",
        "number list",
        "number remove",
        "trunk add",
        "trunk list",
        "trunk set",
        "ban list",
        "ban add",
        "ban lift",
        "ban show",
        "rates import",
        "rates list",
        "rates lookup",
        "calls",
        "call cut",
        "explain",
        "doctor",
        "sip parse",
        "status",
        "completions",
    ];
    for command in commands {
        let help = sandbox.ok(&format!("{command} --help")).out;
        assert!(help.contains("Example"), "{command} shows no example:\n{help}");
    }
}

#[test]
fn accounts_lines_numbers_and_trunks() {
    let sandbox = Sandbox::new();
    sandbox.write("deck.csv", DECK);
    let lines = [
        "account list",
        "account add alice",
        "rates import deck.csv --deck retail",
        "account add alice",
        "account add alice",
        "account add 42",
        "account add bakery --kind pbx --home DE --time-zone Europe/Berlin --outside-line 0",
        "account add nowhere --time-zone Europe/Atlantis",
        "account set alice stop_level_24h=5 ip_lock=192.0.2.7,2001:db8::/32 barred=premium",
        "account set alice stop_level=5",
        "account set alice calls=many",
        "account set carol calls=1",
        "account freeze alice --reason Holder_called",
        "account history alice",
        "account list",
        "account show alice",
        "account show bakery --json",
        "line add alice alice-desk --caller-id +442079460000",
        "line add alice Alice-Desk",
        "line add alice al!ce",
        "line add carol carol",
        "line list",
        "line disable alice-desk",
        "line set alice-desk ip_lock=192.0.2.8 caller_id=none",
        "line list --json",
        "number add +442079460000 alice alice-desk",
        "number add +442079460000 bakery",
        "number add +442079460001 bakery alice-desk",
        "number add 02079460001 bakery",
        "number list",
        "number remove +442079460000",
        "number remove +442079460000",
        "trunk add carrier 198.51.100.5:5060 --route 44:20 --route all:10 --emergency --cost-deck retail",
        "trunk add carrier 198.51.100.6:5060",
        "trunk add second 198.51.100.6:5060 --route 0:1",
        "trunk add second 198.51.100.6",
        "trunk set carrier routes=353:5 format=national enabled=no",
        "trunk list",
        "trunk enable carrier",
        "call cut 0D5KZQ4M2T8GR",
        "explain 0D5KZQ4M2T8GR",
        "explain wrong",
        "calls",
        "calls --since yesterday",
        "status",
    ];
    snapshot!("records", session(&sandbox, &lines));
}

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

#[test]
fn rates_show_what_would_change() {
    let sandbox = Sandbox::new();
    sandbox.write("deck.csv", DECK);
    sandbox.write(
        "next.csv",
        "prefix;rate;connect_fee\n44;0.012;0\n447;0.02;0\n33;0.012;0\n34;0.02;0\n",
    );
    sandbox.write("bad.csv", "prefix,per_minute\n44,abc\n4x,0.1\n33,0.1\n33,0.2\n");
    let lines = [
        "rates list",
        "rates import bad.csv --deck retail",
        "rates import deck.csv --deck retail --dry-run",
        "rates list",
        "rates import deck.csv --deck retail",
        "rates import next.csv --deck retail --dry-run",
        "rates import next.csv --deck retail --effective 2099-01-01 --json",
        "rates list --deck retail",
        "rates lookup 02079460000",
        "rates lookup +5351234567 --deck retail",
        "rates lookup +99999",
        "rates lookup 999 --deck wholesale",
    ];
    snapshot!("rates", session(&sandbox, &lines));
}

#[test]
fn the_configuration_is_judged_and_shown() {
    let sandbox = Sandbox::new();
    snapshot!("check", session(&sandbox, &["check", "check --json"]));
    sandbox.write(
        "wrong.toml",
        "[node]\nrealm = \"example.com\"\ndatadir = \"x\"\n[sip]\nlisten = \"udp\"\n",
    );
    snapshot!(
        "check_wrong",
        session(
            &sandbox,
            &["check -c wrong.toml", "check -c wrong.toml --json", "check -c none.toml"]
        )
    );
    let environment = [("RINGFENCE_MONEY__SLICE_S", "45")];
    let shown = sandbox.run_with(&["config", "show", "--origin"], "", &environment).out;
    let picked: Vec<&str> = shown
        .lines()
        .filter(|line| ["KEY", "node.realm", "money."].iter().any(|start| line.starts_with(start)))
        .map(|line| line.trim_end())
        .collect();
    let squeezed: Vec<String> =
        picked.iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    snapshot!("config_show", squeezed.join("\n"));
    let unknown = sandbox.run_with(&["check"], "", &[("RINGFENCE_SIP__LISTN", "x")]);
    assert_eq!(unknown.code, 1);
    assert!(unknown.err.contains("did you mean `RINGFENCE_SIP__LISTEN`?"), "{}", unknown.err);
}

#[test]
fn the_example_configuration_is_good_and_whole() {
    let sandbox = Sandbox::new();
    let example =
        std::fs::read_to_string(root().join("docs/ringfence.example.toml")).expect("it is there");
    sandbox.write("example.toml", &example);
    sandbox.ok("check -c example.toml");
    // With every mark before a key or a continued value removed: still good, and every key is there.
    let marked = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line != "#";
    let whole: Vec<&str> =
        example.lines().map(|line| if marked(line) { &line[1..] } else { line }).collect();
    sandbox.write("whole.toml", &(whole.join("\n") + "\n"));
    let shown = sandbox.ok("config show --origin --json -c whole.toml").json();
    let missing: Vec<_> = shown.iter().filter(|key| key["origin"]["kind"] != "file").collect();
    assert!(missing.is_empty(), "not in the example: {missing:?}");
    // What is shown as a default is one, but for the examples.
    let defaults = sandbox.ok("config show --json -c example.toml").json();
    let differing: Vec<_> = shown
        .iter()
        .zip(&defaults)
        .filter(|(one, other)| one["value"] != other["value"])
        .map(|(one, _)| one["key"].as_str().expect("a key"))
        .collect();
    assert_eq!(
        differing,
        [
            "node.key_file",
            "node.domains",
            "sip.advertise",
            "tls.certificate",
            "tls.key",
            "platform.support",
            "platform.bank_holidays",
            "access.country_files",
            "access.network_files",
            "access.allow"
        ]
    );
}

#[test]
fn bans_are_made_listed_exported_and_lifted() {
    let sandbox = Sandbox::new();
    sandbox.settle("198.51.100.5:5060".parse().expect("an address"));
    let lines = [
        "ban list",
        "ban add 192.0.2.7 --forever --note noise",
        "ban add 2001:db8:7::/64 --forever",
        "ban add 198.51.100.0/24 --forever",
        "ban add 127.0.0.0/16 --forever",
        "ban add 192.0.2.300 --forever",
        "ban add 192.0.2.8",
        "ban list",
        "ban list --format plain",
        "ban list --format nft",
        "ban list --format ipset",
        "ban show ::ffff:192.0.2.7",
        "ban show 192.0.2.8",
        "ban lift 2001:db8:7::9",
        "ban lift 192.0.2.8",
        "ban lift all",
        "ban lift all",
        "ban list --format plain",
    ];
    snapshot!("bans", session(&sandbox, &lines));
}

#[test]
fn doctor_names_remedies() {
    let sandbox = Sandbox::new();
    snapshot!("doctor_empty", session(&sandbox, &["doctor --offline"]));
    sandbox.settle("127.0.0.9:5060".parse().expect("an address"));
    snapshot!("doctor_settled", session(&sandbox, &["doctor --offline"]));
    sandbox.ok("trunk set carrier emergency=no");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(sandbox.path("data"), open).expect("the directory is ours");
    snapshot!("doctor_wrong", session(&sandbox, &["doctor --offline", "doctor --offline --json"]));
}

#[test]
fn sip_messages_are_described_or_refused() {
    let sandbox = Sandbox::new();
    let good = "INVITE sip:bob@example.com SIP/2.0\r\nv: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport\r\nMax-Forwards: 70\r\nf: \"Alice\" <sip:alice@example.com>;tag=1\r\nt: <sip:bob@example.com>\r\ni: 1@192.0.2.1\r\nCSeq: 1 INVITE\r\nm: <sip:alice@192.0.2.1>\r\nl: 0\r\n\r\n";
    sandbox.write("good.sip", good);
    sandbox.write("bad.sip", &good.replace("CSeq: 1 INVITE", "CSeq: one INVITE"));
    let lines = [
        "sip parse good.sip",
        "sip parse good.sip --json",
        "sip parse bad.sip",
        "sip parse good.sip bad.sip --json",
        "sip parse none.sip",
    ];
    snapshot!("sip_parse", session(&sandbox, &lines));
    let piped = sandbox.run_with(&["sip", "parse", "-"], good, &[]);
    assert_eq!(piped.code, 0, "{}", piped.shown());
}

#[test]
fn wrong_usage_exits_with_two() {
    let sandbox = Sandbox::new();
    for words in [
        "",
        "dance",
        "account",
        "account add",
        "calls --limit x",
        "calls --live --refused",
        "trunk add x nowhere",
    ] {
        assert_eq!(sandbox.run(words).code, 2, "{words}");
    }
}

#[test]
fn the_demo_bounds_the_loss() {
    let sandbox = Sandbox::new();
    let ran = sandbox.ok("demo --seconds 25 --json");
    let events = ran.json();
    let told = |event: &str| events.iter().filter(|told| told["event"] == event).count();
    assert_eq!(told("start"), 1);
    assert!(told("admitted") > 3 && told("refused") > 2 && told("cut") > 0, "{}", ran.out);
    let summary = events.last().expect("a summary");
    assert_eq!(
        (&summary["event"], &summary["bounded"], &summary["books_balance"]),
        (&"summary".into(), &true.into(), &true.into())
    );
    let amount = |name: &str| -> f64 {
        summary[name].as_str().expect("an amount").parse().expect("a number")
    };
    assert_eq!(amount("stop_level"), 5.0);
    let lost = amount("lost");
    assert!(lost > 2.0, "most of the stop level was used: {lost}");
    assert!(lost <= 5.0, "and no more: {lost}");
}

/// Commands that do something, read from the program's own help.
fn all_commands(sandbox: &Sandbox, words: &str, found: &mut Vec<String>) {
    let help = sandbox.ok(format!("{words} --help").trim()).out;
    let Some((_, list)) = help.split_once("\nCommands:\n") else {
        found.push(words.to_owned());
        return;
    };
    for line in list.lines().take_while(|line| line.starts_with("  ")) {
        let Some(name) = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')) else {
            continue;
        };
        let name = name.split_whitespace().next().expect("a name");
        if name != "help" {
            all_commands(sandbox, format!("{words} {name}").trim(), found);
        }
    }
}

/// What each command is tried with, in this order. `None`: it speaks no JSON, because it runs until it is stopped, or
/// writes a script.
const TRIED: &[(&str, Option<&str>)] = &[
    ("serve", None),
    ("demo", None),
    ("completions", None),
    ("check", Some("")),
    ("config show", Some("--origin")),
    ("rates import", Some("deck.csv --deck retail")),
    ("rates list", Some("")),
    ("rates lookup", Some("+442079460000 --deck retail")),
    ("account add", Some("bob --deck retail")),
    ("account list", Some("")),
    ("account show", Some("bob")),
    ("account set", Some("bob calls=4")),
    ("account history", Some("bob")),
    ("account undo", Some("bob")),
    ("request list", Some("")),
    ("request show", Some("1")),
    ("request approve", Some("1 --reason known")),
    ("request refuse", Some("1 --reason unknown")),
    ("line add", Some("bob bob-desk")),
    ("line list", Some("")),
    ("line set", Some("bob-desk ip_lock=192.0.2.7")),
    ("line import", Some("lines.csv --create-accounts --deck retail")),
    ("line disable", Some("bob-desk")),
    ("line enable", Some("bob-desk")),
    ("line secret", Some("bob-desk")),
    ("device list", Some("--account bob")),
    ("device mine", Some("1")),
    ("device not-mine", Some("1")),
    ("access locks", Some("")),
    ("access explain", Some("bob-desk --from 192.0.2.7")),
    ("access follow", Some("failures.jsonl --format jsonl")),
    ("access lift", Some("bob-desk")),
    ("key status", Some("")),
    ("key check", Some("")),
    ("key rotate", Some("")),
    ("ban add", Some("198.51.100.7 --for 1h")),
    ("ban list", Some("")),
    ("ban show", Some("198.51.100.7")),
    ("ban lift", Some("198.51.100.7")),
    ("number add", Some("+442079460000 bob bob-desk")),
    ("number list", Some("")),
    ("number remove", Some("+442079460000")),
    ("trunk add", Some("two 127.0.0.9:5062 --route :20 --source 127.0.0.10/32")),
    ("trunk list", Some("")),
    ("trunk set", Some("two emergency=no")),
    ("trunk disable", Some("two")),
    ("trunk enable", Some("two")),
    ("account freeze", Some("bob")),
    ("account suspend", Some("bob")),
    ("account activate", Some("bob")),
    ("account limit", Some("bob")),
    ("account watch", Some("bob")),
    ("account close", Some("bob")),
    ("calls", Some("")),
    ("call cut", Some("0D5KZQ4M2T8GR")),
    ("explain", Some("0D5KZQ4M2T8GR")),
    ("doctor", Some("")),
    ("sip parse", Some("message.txt")),
    ("status", Some("")),
];

#[test]
fn every_command_speaks_json() {
    let sandbox = Sandbox::new();
    sandbox.settle("127.0.0.9:5060".parse().expect("an address"));
    sandbox.write("lines.csv", "account,user,secret\ncarol,carol,vuzon-kilud-tapos-47\n");
    sandbox.write("failures.jsonl", "{\"source\":\"192.0.2.7\",\"user\":\"bob-desk\"}\n");
    sandbox.write("message.txt", "OPTIONS sip:a@b SIP/2.0\r\n\r\n");
    let mut found = Vec::new();
    all_commands(&sandbox, "", &mut found);
    found.sort();
    let mut tried: Vec<&str> = TRIED.iter().map(|(words, _)| *words).collect();
    tried.sort_unstable();
    assert_eq!(found, tried, "every command of the help is tried, and no other");
    for (words, arguments) in TRIED {
        let Some(arguments) = arguments else { continue };
        let ran = sandbox.run(&format!("{words} {arguments} --json"));
        let said = if ran.out.is_empty() { &ran.err } else { &ran.out };
        let values: Result<Vec<serde_json::Value>, _> =
            serde_json::Deserializer::from_str(said).into_iter().collect();
        let is_json = values
            .as_ref()
            .is_ok_and(|values| values.iter().all(|value| value.is_object() || value.is_array()));
        assert!(is_json, "`{words} {arguments} --json` said:\n{}", ran.shown());
        // A list may be empty; everything else says something.
        let may_be_empty =
            ["calls", "account history", "request list", "device list", "access locks"]
                .contains(words);
        assert!(may_be_empty || values.is_ok_and(|values| !values.is_empty()), "{words}: silence");
        assert!(ran.code < 2, "`{words} {arguments}` is wrong usage:\n{}", ran.shown());
    }
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

#[test]
fn controls_are_raised_lowered_asked_for_and_undone() {
    let sandbox = Sandbox::new();
    sandbox.settle("127.0.0.9:5060".parse().expect("an address"));
    let lines = [
        "account set alice stop_level_24h=5 calls=4 --by-holder",
        "account undo alice --by-holder --why wrong_account",
        "account set alice price_cap_international=0.30 --by-holder --until 2126-11-30T18:00:00Z",
        "account set alice stop_level_24h=500 price_cap_national=0.10 --by-holder --why trade_fair",
        "account set alice barred=none --by-holder",
        "account set alice name=al --by-holder",
        "account set alice calls=3 --until 2h",
        "account set alice calls=300 --until tonight",
        "account set alice calls=300 name=alison --until 2126-11-30T18:00:00Z",
        "account set alison calls=300 --json",
        "request list",
        "request show 1",
        "request approve 1 --reason known_for_years --until 2126-12-01T00:00:00Z",
        "request refuse 2 --reason could_not_be_reached",
        "request refuse 2 --reason again",
        "request list --all --json",
        "request show 9",
        "account freeze alison --reason holder_called",
        "line set alice tls_only=yes ip_lock=192.0.2.0/24",
        "account history alison --limit 4",
        "account history alison --controls",
        "account show alison --at 0s",
        "account show alison --at 2020-01-01",
        "account undo alison",
    ];
    snapshot!("controls", session(&sandbox, &lines));
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
