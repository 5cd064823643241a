//! "My phones" and "Passwords": what is asked, what is done, what needs proof.

use types::{DeviceId, LineId};
use web::SecretShape;

use crate::wood::SECRET;
use crate::world::{PASSWORD, World};

#[test]
fn not_mine_asks_first_and_is_done_at_once() {
    let world = World::new();
    let cookie = world.come_in();
    world.grow_old(&cookie);
    let page = world.get("/phones", Some(&cookie)).body;
    for part in ["This was me", "Yealink SIP-T46S", "192.0.2.7", "AS64500", ">New<", "old password"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    let asked = world.get("/phones/4/not-mine", Some(&cookie)).body;
    assert!(asked.contains("Keep it out") && asked.contains("(1 now)"), "{asked}");
    assert!(world.desk.state().told.judged.is_empty(), "asking changes nothing");
    let done = world.post("/phones/4/not-mine", Some(&cookie), "");
    assert_eq!(done.header("location"), Some("/passwords"));
    assert_eq!(world.desk.state().told.judged, [(DeviceId(4), false)]);
    let page = world.get("/passwords", Some(&cookie)).body;
    assert!(page.contains("is kept out from now on") && page.contains("New one wanted"), "{page}");
    assert!(world.get("/phones", Some(&cookie)).body.contains("Kept out"));
}

#[test]
fn this_was_me_needs_proof() {
    let world = World::new();
    let cookie = world.come_in();
    world.grow_old(&cookie);
    let asked = world.post("/phones/4/mine", Some(&cookie), "");
    assert_eq!(asked.header("location"), Some("/confirm"));
    assert!(world.desk.state().told.judged.is_empty());
    let shown = world.post("/confirm", Some(&cookie), &format!("password={PASSWORD}"));
    assert_eq!(shown.header("location"), Some("/phones"));
    assert_eq!(world.desk.state().told.judged, [(DeviceId(4), true)]);
}

#[test]
fn another_s_phone_and_line_are_not_there() {
    let world = World::new();
    let cookie = world.come_in();
    for path in ["/phones/9/not-mine", "/passwords/9"] {
        assert_eq!(world.get(path, Some(&cookie)).status, 404, "{path}");
    }
    for path in ["/phones/9/mine", "/phones/9/not-mine", "/passwords/9"] {
        let answer = world.post(path, Some(&cookie), "shape=type&overlap=none");
        assert_eq!(answer.status, 404, "{path}");
    }
    let state = world.desk.state();
    assert!(state.told.judged.is_empty() && state.told.made.is_empty());
}

#[test]
fn nothing_registered_yet_shows_what_to_enter() {
    let world = World::new();
    let cookie = world.come_in();
    world.desk.state().told.is_empty = true;
    let page = world.get("/phones", Some(&cookie)).body;
    for part in ["No phone yet", "<details open>", "voice.example.com", "198.51.100.7:5061", "<svg"]
    {
        assert!(page.contains(part), "{part}");
    }
}

#[test]
fn a_new_password_is_shown_once_after_proof() {
    let world = World::new();
    let cookie = world.come_in();
    world.grow_old(&cookie);
    assert!(world.get("/passwords", Some(&cookie)).body.contains("Password set 93 days ago"));
    assert!(world.get("/passwords/1", Some(&cookie)).body.contains("seven more days"));
    let asked = world.post("/passwords/1", Some(&cookie), "shape=say&overlap=7d");
    assert_eq!(asked.header("location"), Some("/confirm"));
    assert!(world.desk.state().told.made.is_empty());
    let shown = world.post("/confirm", Some(&cookie), &format!("password={PASSWORD}"));
    assert!(shown.status == 200 && shown.body.contains(SECRET), "{}", shown.body);
    assert_eq!(shown.header("cache-control"), Some("no-store"));
    let week = Some(7 * 86_400_000);
    assert_eq!(world.desk.state().told.made, [(LineId(1), SecretShape::Say, week)]);
    for path in ["/passwords", "/passwords/1", "/phones", "/"] {
        assert!(!world.get(path, Some(&cookie)).body.contains(SECRET), "{path}");
    }
    let now = world.post("/passwords/1", Some(&cookie), "shape=type&overlap=none");
    assert!(now.body.contains(SECRET), "what was just shown is fresh");
}

/// Where a stranger may know it, the password before goes on for nobody.
#[test]
fn a_password_in_strange_hands_ends_at_once() {
    let world = World::new();
    let cookie = world.come_in();
    world.desk.state().told.judged.push((DeviceId(4), false));
    assert!(!world.get("/passwords/1", Some(&cookie)).body.contains("seven more days"));
    let answer = world.post("/passwords/1", Some(&cookie), "shape=type&overlap=7d");
    assert_eq!(answer.status, 422);
    assert!(
        answer.body.contains("id=\"overlap-wrong\"") && world.desk.state().told.made.is_empty()
    );
}
