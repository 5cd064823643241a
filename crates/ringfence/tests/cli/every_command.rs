//! What holds for every command. Lives here: examples in the help, JSON, the exit code of wrong usage. Never here: what
//! one of them does.

use crate::common::Sandbox;

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
        "report list",
        "report show",
        "user add",
        "user list",
        "user reset",
        "user remove",
        "user sessions",
        "user sign-out",
        "token add",
        "token list",
        "token revoke",
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
        "rates show",
        "rates history",
        "rates undo",
        "contact add",
        "contact list",
        "alert list",
        "alert preview",
        "calls",
        "call cut",
        "call zero-rate",
        "call cost-price",
        "bill run",
        "bill list",
        "bill show",
        "payment add",
        "payment return",
        "payment list",
        "statement",
        "credit add",
        "credit write-off",
        "credit list",
        "instalments add",
        "instalments list",
        "carrier reconcile",
        "carrier credit",
        "account risk",
        "account suggest",
        "reseller add",
        "reseller set",
        "reseller list",
        "explain",
        "doctor",
        "audit",
        "verify",
        "backup",
        "restore",
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
    ("rates show", Some("retail")),
    ("rates history", Some("retail")),
    ("rates undo", Some("retail")),
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
    ("user add", Some("alice amy@example.com")),
    ("user list", Some("--account alice")),
    ("user sessions", Some("")),
    ("user sign-out", Some("amy@example.com")),
    ("token add", Some("amy@example.com --name backup --scope read --scope stop")),
    ("token list", Some("amy@example.com")),
    ("token revoke", Some("amy@example.com 1")),
    ("user reset", Some("amy@example.com --authenticator")),
    ("user remove", Some("amy@example.com")),
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
    ("contact add", Some("bob webhook=https://hooks.example.com/x")),
    ("contact set", Some("1 name=Bob")),
    ("contact undo", Some("1")),
    ("contact confirm", Some("1 AAAAA-AAAAA")),
    ("contact secret", Some("1 --new")),
    ("contact history", Some("1")),
    ("contact list", Some("bob")),
    ("alert test", Some("1")),
    ("alert list", Some("--undelivered")),
    ("alert show", Some("1-1")),
    ("alert ack", Some("1-1")),
    ("alert preview", Some("new-device --sms")),
    ("contact remove", Some("1")),
    ("report list", Some("")),
    ("report show", Some("1-1")),
    ("calls", Some("")),
    ("call cut", Some("0D5KZQ4M2T8GR")),
    ("call zero-rate", Some("0D5KZQ4M2T8GR --why not-his")),
    ("call cost-price", Some("0D5KZQ4M2T8GR --why shared")),
    ("bill run", Some("--until 2025-01-01")),
    ("bill list", Some("")),
    ("bill show", Some("1-1")),
    ("payment add", Some("bob 1 --reference FT1")),
    ("payment list", Some("")),
    ("payment return", Some("FT1 --why refused")),
    ("statement", Some("bob")),
    ("credit add", Some("bob 1 --why sorry")),
    ("credit list", Some("")),
    ("credit write-off", Some("bob 1 --why gone")),
    ("instalments add", Some("bob --in 2 --first 2999-01-01 --why agreed")),
    ("instalments list", Some("")),
    ("carrier reconcile", Some("two invoice.csv")),
    ("carrier credit", Some("two 1 --why sorry")),
    ("account risk", Some("bob")),
    ("account suggest", Some("bob")),
    ("reseller add", Some("sons stop_level_24h=50")),
    ("reseller set", Some("sons stop_level_1h=5")),
    ("reseller list", Some("")),
    ("explain", Some("0D5KZQ4M2T8GR")),
    ("doctor", Some("")),
    ("audit", Some("")),
    ("verify", Some("")),
    ("backup", Some("copy.db")),
    ("restore", Some("copy.db --data-dir again --force")),
    ("sip parse", Some("message.txt")),
    ("status", Some("")),
];

#[test]
fn every_command_speaks_json() {
    let sandbox = Sandbox::new();
    sandbox.settle("127.0.0.9:5060".parse().expect("an address"));
    sandbox.write("lines.csv", "account,user,secret\ncarol,carol,vuzon-kilud-tapos-47\n");
    sandbox.write("failures.jsonl", "{\"source\":\"192.0.2.7\",\"user\":\"bob-desk\"}\n");
    sandbox.write("invoice.csv", "number,start,duration\n33,2025-01-20 10:00:00,1\n");
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
        let may_be_empty = [
            "alert list",
            "calls",
            "account history",
            "account suggest",
            "request list",
            "report list",
            "device list",
            "access locks",
            "bill list",
            "instalments list",
            "user sessions",
        ]
        .contains(words);
        assert!(may_be_empty || values.is_ok_and(|values| !values.is_empty()), "{words}: silence");
        assert!(ran.code < 2, "`{words} {arguments}` is wrong usage:\n{}", ran.shown());
    }
}
