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
