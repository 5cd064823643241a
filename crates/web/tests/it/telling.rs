//! "Alerts": links of mails, contacts, what needs proof.

use web::ContactAsk;

use crate::wood::{CODE, alert_id};
use crate::world::{FAILURES, NAME, PASSWORD, World};

/// Who is signed out signs in, and is where the mail led.
#[test]
fn a_mail_s_link_asks_to_sign_in_and_comes_back() {
    let world = World::new();
    world.come_in();
    let path = format!("/alerts/{}", alert_id());
    let asked = world.get(&path, None);
    let place = format!("/sign-in?then={path}");
    assert_eq!(asked.header("location"), Some(place.as_str()));
    let form = world.get(&place, None).body;
    assert!(form.contains(&format!("name=\"then\" value=\"{path}\"")), "{form}");
    let name = NAME.replace('@', "%40");
    let wrong = world.post("/sign-in", None, &format!("name={name}&password=wrong&then={path}"));
    assert!(wrong.body.contains(&format!("value=\"{path}\"")), "kept: {}", wrong.body);
    let sign_in = |then: &str| {
        let body = format!("name={name}&password={PASSWORD}&then={then}");
        world.post("/sign-in", None, &body)
    };
    assert_eq!(sign_in(&path).header("location"), Some(path.as_str()));
    for then in ["//evil.example", "https://evil.example/", "/\\evil.example", "", "/sign-in/code"]
    {
        assert_eq!(sign_in(then).header("location"), Some("/"), "{then}");
    }
    // Half way, too.
    world.desk.state().users[0].totp = Some(types::TotpSecret(vec![7; 20]));
    world.desk.state().users[0].recovery = vec![web::hash("abcdefghij")];
    let half = sign_in(&path).cookie().expect("a cookie");
    let now_in = world.post("/sign-in/code", Some(&half), "code=abcde-fghij");
    assert_eq!(now_in.header("location"), Some(path.as_str()));
}

#[test]
fn the_page_of_an_alert_asks_and_looking_changes_nothing() {
    let world = World::new();
    let cookie = world.come_in();
    let path = format!("/alerts/{}", alert_id());
    let page = world.get(&path, Some(&cookie)).body;
    for part in [
        "A new phone uses your account",
        "action=\"/phones/4/mine\"",
        "href=\"/phones/4/not-mine\"",
        "action=\"/stop\"",
        "action=\"/alerts/812-7/acknowledge\"",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(world.desk.state().told.acknowledged.is_empty());
    let known = world.post(&format!("{path}/acknowledge"), Some(&cookie), "");
    assert_eq!(known.header("location"), Some("/alerts"));
    assert_eq!(world.desk.state().told.acknowledged, [alert_id()]);
    assert!(!world.get(&path, Some(&cookie)).body.contains("acknowledge"), "it is known");
    for path in ["/alerts/812-8", "/alerts/nonsense"] {
        assert_eq!(world.get(path, Some(&cookie)).status, 404, "{path}");
    }
    assert_eq!(world.post("/alerts/812-8/acknowledge", Some(&cookie), "").status, 404);
}

/// Signed out: the code is what is shown. Wrong ones are counted, and looking uses nothing up.
#[test]
fn a_code_confirms_a_contact_and_guesses_are_counted() {
    let world = World::new();
    let shown = world.get("/contacts/1/confirm", None);
    assert_eq!(shown.status, 200);
    assert!(!shown.body.contains("amy@example.com"), "nothing of the contact is told");
    assert_eq!(shown.body, world.get("/contacts/9/confirm", None).body.replace("/9/", "/1/"));
    let wrong = world.post("/contacts/1/confirm", None, "code=WRONG");
    assert!(wrong.status == 422 && wrong.body.contains("value=\"WRONG\""), "{}", wrong.body);
    for _ in 1..FAILURES {
        world.post("/contacts/1/confirm", None, "code=WRONG");
    }
    let body = format!("code={CODE}");
    assert_eq!(world.post("/contacts/1/confirm", None, &body).status, 422, "locked out");
    assert!(!world.desk.state().told.confirmed);
    world.desk.state().failures.clear();
    let right = world.post("/contacts/1/confirm", None, &body);
    assert!(right.status == 200 && right.body.contains("Confirmed"), "{}", right.body);
    assert!(world.desk.state().told.confirmed);
}

#[test]
fn contacts_are_added_changed_and_removed() {
    let world = World::new();
    let cookie = world.come_in();
    world.grow_old(&cookie);
    let post = |path: &str, body: &str| world.post(path, Some(&cookie), body);
    // What was typed is kept beside what is wrong.
    let wrong = post("/contacts", "channel=sms&to=nowhere&name=Amy");
    assert!(wrong.status == 422 && wrong.body.contains("id=\"to-wrong\""), "{}", wrong.body);
    assert!(
        wrong.body.contains("value=\"nowhere\"") && wrong.body.contains("value=\"sms\" selected")
    );
    let added = post("/contacts", "channel=mail&to=bob%40example.com&name=");
    assert_eq!(added.header("location"), Some("/alerts"));
    let all = "name=Amy+%3Cb%3E&to=amy%40example.com&order=0&wait=15m&class-security=yes&class-money=yes\
               &class-devices=yes&class-controls=yes&class-billing=yes";
    assert_eq!(post("/contacts/1", &format!("{all}&on=yes&quiet=never")).status, 422);
    let quiet = post("/contacts/1", &format!("{all}&on=yes&quiet=22:00-07:00"));
    assert_eq!(quiet.header("location"), Some("/alerts"));
    // Off: needs proof, and is done with what was typed.
    assert_eq!(post("/contacts/1", &format!("{all}&quiet=")).header("location"), Some("/confirm"));
    let shown = post("/confirm", &format!("password={PASSWORD}"));
    assert_eq!(shown.header("location"), Some("/alerts"));
    world.grow_old(&cookie);
    assert_eq!(post("/contacts/1/remove", "").header("location"), Some("/confirm"));
    assert_eq!(post("/contacts/1/test", "").header("location"), Some("/alerts"));
    for path in ["/contacts/9", "/contacts/9/remove", "/contacts/9/test"] {
        assert_eq!(post(path, "").status, 404, "{path}");
    }
    let id = types::ContactId(1);
    let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
    let want = [
        ContactAsk::Add(pair("mail", "bob@example.com")),
        ContactAsk::Set(id, pair("quiet", "22:00-07:00")),
        ContactAsk::Set(id, pair("on", "no")),
        ContactAsk::Test(id),
    ];
    assert_eq!(world.desk.state().told.changed, want);
}

#[test]
fn which_new_phones_are_told_is_a_control() {
    let world = World::new();
    let cookie = world.come_in();
    let save = |body: &str| world.post("/alerts/new-phones", Some(&cookie), body);
    assert_eq!(save("notices=all").status, 422);
    assert_eq!(save("notices=agent-only").header("location"), Some("/alerts"));
    let controls = world.desk.state().controls.clone().expect("changed");
    assert_eq!(controls.device_notices, types::DeviceNotices::AgentOnly);
    let page = world.get("/alerts", Some(&cookie)).body;
    assert!(page.contains("value=\"agent-only\" checked"), "{page}");
}
