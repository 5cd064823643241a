//! Who may sign in at the pages, as staff set it up.

use crate::common::Sandbox;

fn link_of(answer: &[serde_json::Value]) -> String {
    answer[0]["link"].as_str().expect("a link").to_owned()
}

#[test]
fn users_are_added_reset_and_removed() {
    let sandbox = Sandbox::new();
    sandbox.settle("127.0.0.9:5060".parse().expect("an address"));
    let added = sandbox.ok("user add alice Amy@Example.com --json").json();
    let first = link_of(&added);
    assert!(first.starts_with("https://portal.example.com/welcome/1-"), "{first}");
    assert_eq!(first.len(), "https://portal.example.com/welcome/1-".len() + 43, "256 bits");
    let again = sandbox.run("user add alice amy@example.com");
    assert!(
        again.code == 1 && again.err.contains("signs in at account 1 already"),
        "{}",
        again.shown()
    );
    let users = sandbox.ok("user list --json").json();
    assert_eq!((users.len(), &users[0]["name"]), (1, &"amy@example.com".into()));
    let second = link_of(&sandbox.ok("user reset amy@example.com --json").json());
    assert_ne!(first, second);
    sandbox.ok("user remove amy@example.com");
    assert!(sandbox.ok("user list --json").json().is_empty());
    assert_eq!(sandbox.run("user reset amy@example.com").code, 1);
    // The name may be given again, the number is another.
    let third = link_of(&sandbox.ok("user add alice amy@example.com --json").json());
    assert!(third.contains("/welcome/2-"), "{third}");
    let history = sandbox.ok("account history alice").out;
    for words in [
        "added with a one-time link",
        "a new one-time link was made",
        "web user amy@example.com: removed",
    ] {
        assert!(history.contains(words), "{words}: {history}");
    }
    // The links themselves are kept nowhere.
    for link in [first, second, third] {
        let token = link
            .split_once("welcome/")
            .and_then(|(_, rest)| rest.split_once('-'))
            .expect("a link")
            .1;
        let found = std::fs::read_dir(sandbox.path("data")).expect("it is there").any(|file| {
            let bytes = std::fs::read(file.expect("a file").path()).unwrap_or_default();
            bytes.windows(token.len()).any(|window| window == token.as_bytes())
        });
        assert!(!found, "{token}");
    }
    assert_eq!(sandbox.ok("verify --json").code, 0);
}

#[test]
fn what_is_no_mail_address_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.settle("127.0.0.9:5060".parse().expect("an address"));
    for name in ["amy", "@example.com", "amy@", "a@b@c", "amy..@.com", "<amy@example.com>"] {
        let ran = sandbox.run(&format!("user add alice {name}"));
        let is_refused = ran.code == 1 && ran.err.contains("expected a mail address");
        assert!(is_refused, "{name}: {}", ran.shown());
    }
    let nobody = sandbox.run("user add nobody amy@example.com");
    assert!(nobody.code == 1 && nobody.err.contains("nobody"), "{}", nobody.shown());
}

#[test]
fn tokens_are_made_listed_and_revoked_and_kept_nowhere() {
    let sandbox = Sandbox::new();
    sandbox.settle("127.0.0.9:5060".parse().expect("an address"));
    sandbox.ok("user add alice amy@example.com");
    let made = sandbox
        .ok("token add amy@example.com --name backup --scope stop --scope read --json")
        .json();
    let secret = made[0]["secret"].as_str().expect("a token").to_owned();
    assert!(secret.starts_with("rft_1_1_") && secret.len() == "rft_1_1_".len() + 43, "{secret}");
    let listed = sandbox.ok("token list amy@example.com --json");
    assert!(!listed.out.contains(&secret), "{}", listed.out);
    let listed = listed.json();
    assert_eq!(listed[0]["scopes"], serde_json::json!(["read", "stop"]));
    assert_eq!(listed[0]["used"], serde_json::Value::Null);
    for (command, want) in [
        ("token add nobody@example.com --name x --scope read", "there is no web user"),
        ("token add amy@example.com --name x --scope root", "is no scope"),
        ("token add amy@example.com --name x", "--scope"),
        ("token add amy@example.com --name x --scope read --days 400", "400"),
        ("token revoke amy@example.com 7", "there is no token 7"),
    ] {
        let ran = sandbox.run(command);
        assert!(ran.code != 0 && ran.err.contains(want), "{command}: {}", ran.shown());
    }
    sandbox.ok("token revoke amy@example.com 1");
    assert!(sandbox.ok("token list --json").json().is_empty());
    // Its number is not given again.
    let next = sandbox.ok("token add amy@example.com --name other --scope read --json").json();
    assert_eq!(next[0]["token"], 2);
    // Who is reset has none, and who made it is on record.
    sandbox.ok("user reset amy@example.com");
    assert!(sandbox.ok("token list --account alice --json").json().is_empty());
    let history = sandbox.ok("account history alice").out;
    for words in ["token 1 “backup” made, good for read, stop", "token 1 “backup” revoked by staff"]
    {
        assert!(history.contains(words), "{words}: {history}");
    }
    let found = std::fs::read_dir(sandbox.path("data")).expect("it is there").any(|file| {
        let bytes = std::fs::read(file.expect("a file").path()).unwrap_or_default();
        bytes.windows(secret.len()).any(|window| window == secret.as_bytes())
    });
    assert!(!found, "the token is on the disk");
    assert_eq!(sandbox.ok("verify --json").code, 0);
}
