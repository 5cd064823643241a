//! Messages as people get them: snapshots, escaping, the operator's own templates.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use notify::mail;
use notify::message::{House, Item, Message, samples};
use notify::templates::Templates;

fn house(portal: bool) -> House {
    House {
        platform: "Example Voice".to_owned(),
        portal_url: portal.then(|| "https://voice.example.com".to_owned()),
        domain: "example.com".to_owned(),
        currency: "GBP".to_owned(),
    }
}

fn sample(kind: &str, portal: bool) -> Message {
    let found = samples(&house(portal)).into_iter().find(|(known, _)| *known == kind);
    found.unwrap_or_else(|| panic!("no {kind}")).1
}

/// One of each form.
#[test]
fn messages_read_like_this() {
    let templates = Templates::load(None).unwrap();
    let mut all = String::new();
    for (kind, portal) in
        [("new-device", true), ("stop-level-reached", false), ("digest", true), ("confirm", true)]
    {
        let message = templates.with_text(sample(kind, portal)).unwrap();
        all.push_str(&format!("=== {kind}: {}\n", templates.subject(&message).unwrap()));
        for form in ["mail.txt", "sms.txt", "chat.json"] {
            all.push_str(&format!("--- {form}\n{}\n", templates.render(form, &message).unwrap()));
        }
    }
    insta::assert_snapshot!("messages", all);
    insta::assert_snapshot!(
        "html",
        templates.render("mail.html", &sample("new-device", true)).unwrap()
    );
    let json = serde_json::to_string_pretty(&sample("new-device", true)).unwrap();
    insta::assert_snapshot!("webhook", json);
}

/// Headers of a mail, and what it is made of.
#[test]
fn a_mail_says_what_it_is() {
    let templates = Templates::load(None).unwrap();
    let message = sample("outside-lock", true);
    let from = "Example Voice <alerts@example.com>";
    let mail = mail::preview(from, "alice@example.org", &message, &templates).unwrap();
    for header in [
        "From: \"Example Voice\" <alerts@example.com>",
        "To: alice@example.org",
        "Message-ID: <812-7.",
        "Auto-Submitted: auto-generated",
        "X-Ringfence-Alert: 812-7",
        "Importance: high",
        "Date: ",
        "multipart/alternative",
        "text/plain; charset=utf-8",
        "text/html; charset=utf-8",
    ] {
        assert!(mail.contains(header), "no `{header}` in:\n{mail}");
    }
    let wrong = mail::preview("nobody", "alice@example.org", &message, &templates).unwrap_err();
    assert!(wrong.starts_with("`nobody` is not a sender"), "{wrong}");
}

/// W3: what strangers say stays what it is, in every form.
#[test]
fn strangers_words_break_nothing() {
    let templates = Templates::load(None).unwrap();
    let mut message = sample("new-device", true);
    let evil = "<script>alert(1)</script> \" {{ 7 * 7 }} \\ \u{fffd}Bcc: eve@example.com";
    message.items[0] =
        Item { sentence: evil.to_owned(), title: evil.to_owned(), ..message.items[0].clone() };
    message.account_name = evil.to_owned();
    let message = templates.with_text(message).unwrap();
    let html = templates.render("mail.html", &message).unwrap();
    assert!(!html.contains("<script>") && html.contains("&lt;script&gt;"), "{html}");
    assert!(!html.contains("49"), "a stranger's template was carried out");
    for form in ["chat.json", "sms.json"] {
        let text = templates.render(form, &message).unwrap();
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(json["text"].as_str().unwrap().contains("<script>"), "{text}");
    }
    let subject = templates.subject(&message).unwrap();
    assert!(!subject.contains(['\r', '\n']) && subject.chars().count() <= 200, "{subject}");
}

#[test]
fn the_operators_templates_take_the_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("subject.txt"), "Hallo: {{ items[0].title }}\n").unwrap();
    std::fs::write(
        path("pager.json"),
        "{\"page\": {{ text }}, \"critical\": {{ severity == \"critical\" }}}",
    )
    .unwrap();
    std::fs::write(path("README"), "{{ not a template").unwrap();
    let templates = Templates::load(Some(directory.path())).unwrap();
    let message = templates.with_text(sample("new-device", false)).unwrap();
    assert_eq!(templates.subject(&message).unwrap(), "Hallo: A new phone uses your account");
    let page = templates.render("pager.json", &message).unwrap();
    assert!(page.ends_with("\"critical\": false}"), "{page}");
    let missing = templates.render("nothing.json", &message).unwrap_err().to_string();
    assert!(missing.starts_with("there is no template `nothing`"), "{missing}");
}

#[test]
fn errors_name_file_and_line() {
    fn check(name: &str, source: &str, want: &str) {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(name), source).unwrap();
        let error = Templates::load(Some(directory.path())).unwrap_err().to_string();
        let shown = error.replace(&format!("{}/", directory.path().display()), "");
        assert!(shown.starts_with(want), "{source}: {shown}");
    }
    check("mail.txt", "good\n{% if %}\n", "mail.txt:2: syntax error");
    check("mail.html", "a\nb\n{{ nothing }}\n", "mail.html:3: undefined value");
    check("subject.txt", "{{ items[0].title | shout }}", "subject.txt:1: unknown filter");
    check("chat.json", "{\"text\": {{ text }}", "chat.json: it makes no JSON");
    let none = std::path::Path::new("nowhere/at/all");
    let error = Templates::load(Some(none)).unwrap_err().to_string();
    assert!(error.starts_with("cannot read the template nowhere/at/all"), "{error}");
}
