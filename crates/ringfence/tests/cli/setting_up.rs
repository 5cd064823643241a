//! Commands of somebody who sets a node up: configuration, doctor, demo, one SIP message read. Never here: what staff
//! keep (records).

use crate::common::{Sandbox, root};
use crate::session;

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
            "web.url",
            "web.proxies",
            "platform.support",
            "platform.bank_holidays",
            "access.country_files",
            "access.network_files",
            "access.allow",
            "alerts.portal_url",
            "alerts.templates",
            "mail.server",
            "mail.ca_file",
            "mail.user",
            "mail.password_file",
            "mail.from",
            "webhook.key_file",
            "webhook.sms_url",
            "webhook.sms_authorization_file"
        ]
    );
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
