//! Contacts and alerts without a node: who is told, what would be told. Never here: sending (xtask's peers).

use crate::common::{DECK, Sandbox};
use crate::session;

#[test]
fn contacts_and_alerts() {
    let sandbox = Sandbox::new();
    sandbox.write("deck.csv", DECK);
    sandbox.ok("rates import deck.csv --deck retail");
    sandbox.ok("account add alice");
    let lines = [
        "contact list",
        "contact add mail=alice@example.com",
        "contact add carol mail=alice@example.com",
        "contact add alice mail=alice@example.com quiet=22:00-07:00",
        "contact add alice mail=alice@example.com",
        "contact add alice sms=+447700900123 order=1 wait=10m classes=security,money",
        "contact add --staff webhook=https://hooks.example.com/T0/B0/s3cr3t template=chat",
        "contact add alice mail=not-an-address",
        "contact add alice mail=bob@example.com --by-holder",
        "contact set 3 on=no --by-holder",
        "contact set 1 mail=alice@example.net --why moved",
        "contact set 1 quiet=sometimes",
        "contact set 9 on=no",
        "contact undo 1",
        "contact confirm 4 AAAAA-AAAAA",
        "contact list",
        "contact list --staff",
        "contact history 1",
        "contact remove 2 --why gone",
        "contact list alice",
        "alert list",
        "alert show 1-1",
        "alert show 1",
        "alert ack 1-1",
        "alert test 1",
        "alert test 4",
        "alert preview nothing",
        "alert preview new-device --sms",
        "alert preview list",
        "account history alice",
    ];
    snapshot!("telling", session(&sandbox, &lines));
    // A webhook's URL may be a secret of its owner: its host is all that is shown.
    for command in ["contact list --json", "contact history 3 --json", "verify --json"] {
        assert!(!sandbox.ok(command).out.contains("s3cr3t"), "{command} tells the URL");
    }
}

#[test]
fn secrets_of_webhooks_are_made_anew() {
    let sandbox = Sandbox::new();
    sandbox.ok("contact add --staff webhook=https://hooks.example.com/x");
    let secret = |command: &str| sandbox.ok(command).out.trim().to_owned();
    let first = secret("contact secret 1");
    assert!(first.starts_with("whsec_") && first.len() == 70, "{first}");
    assert_eq!(secret("contact secret 1"), first);
    let second = secret("contact secret 1 --new");
    assert_ne!(second, first);
    let key = std::fs::read_to_string(sandbox.path("data/webhook.key")).expect("a key");
    assert_eq!(key.trim().len(), 64);
    sandbox.write("data/webhook.key", "short\n");
    let wrong = sandbox.run("contact secret 1");
    assert!(wrong.err.contains("webhook.key:1: expected 64 hexadecimal digits"), "{}", wrong.err);
}

#[test]
fn wrong_templates_are_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let shown = directory.path().display().to_string();
    let sandbox = Sandbox::with(&format!("[alerts]\ntemplates = {shown:?}\n"));
    sandbox.ok("check");
    std::fs::write(directory.path().join("mail.txt"), "one\n{{ nothing }}\n").expect("written");
    let wrong = sandbox.run("check");
    assert_eq!(wrong.code, 1);
    assert!(wrong.err.contains(&format!("{shown}/mail.txt:2: undefined value")), "{}", wrong.err);
}
