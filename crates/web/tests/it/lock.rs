//! The page about from where one may call: a lock on trial, who it would shut out, who may confirm it.

use types::Proof;

use crate::world::{PASSWORD, World};

fn lock(world: &World) -> Vec<String> {
    let state = world.desk.state();
    let nets = state.controls.as_ref().map(|controls| controls.ip_lock.clone());
    nets.unwrap_or_default().iter().map(ToString::to_string).collect()
}

#[test]
fn phones_that_would_be_shut_out_are_named_first() {
    let world = World::new();
    let cookie = world.come_in();
    world.grow_old(&cookie);
    let page = world.get("/from-where", Some(&cookie)).body;
    for part in [
        "can be used from everywhere",
        "&#60;i&#62;Yealink&#60;/i&#62; on desk, at 192.0.2.7",
        "alice: 198.51.100.0/24",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let put = |body: &str| world.post("/from-where", Some(&cookie), body);
    let wrong = put("networks=nowhere");
    assert!(wrong.status == 422 && wrong.body.contains("id=\"networks-wrong\""));
    assert!(wrong.body.contains(">nowhere</textarea>"), "what was typed is kept");
    let warned = put("networks=127.0.0.1");
    assert_eq!(warned.status, 422);
    assert!(
        warned.body.contains("Shut them out all the same")
            && warned.body.contains("href=\"#shut_out\"")
    );
    assert!(lock(&world).is_empty());
    let tried = put("networks=127.0.0.1&shut_out=yes");
    assert_eq!(tried.header("location"), Some("/from-where"));
    assert_eq!(lock(&world), ["127.0.0.1/32"]);
    assert_eq!(world.desk.state().proofs, [Proof::LoggedIn], "less is done at once");
}

#[test]
fn only_who_is_behind_a_lock_confirms_it() {
    let world = World::new();
    let cookie = world.come_in();
    world.post("/from-where", Some(&cookie), "networks=192.0.2.0/24");
    let page = world.get("/from-where", Some(&cookie)).body;
    assert!(
        page.contains("This lock is on trial until 10:10") || page.contains("on trial until"),
        "{page}"
    );
    assert!(
        page.contains("this stands again: no lock") && page.contains("outside of the lock: open")
    );
    let outside = world.post("/from-where/confirm", Some(&cookie), "");
    assert!(
        outside.status == 422 && outside.body.contains("outside of this lock"),
        "{}",
        outside.body
    );
    assert!(world.desk.state().trial.is_some());
    world.post("/from-where/give-up", Some(&cookie), "");
    assert!(lock(&world).is_empty() && world.desk.state().trial.is_none());

    world.post("/from-where", Some(&cookie), "networks=127.0.0.0/8&shut_out=yes");
    let inside = world.post("/from-where/confirm", Some(&cookie), "");
    assert_eq!(inside.header("location"), Some("/from-where"));
    assert!(world.desk.state().trial.is_none());
    assert_eq!(lock(&world), ["127.0.0.0/8"]);
}

#[test]
fn a_lock_goes_or_moves_only_with_proof() {
    let world = World::new();
    let cookie = world.come_in();
    world.post("/from-where", Some(&cookie), "networks=192.0.2.0/24");
    world.desk.state().trial = None;
    world.grow_old(&cookie);
    let moved = world.post("/from-where", Some(&cookie), "networks=192.0.2.0/24+198.51.100.0/24");
    assert_eq!(moved.header("location"), Some("/confirm"));
    world.post("/confirm", Some(&cookie), &format!("password={PASSWORD}"));
    assert_eq!(lock(&world), ["192.0.2.0/24", "198.51.100.0/24"]);
    world.desk.state().trial = None;
    world.grow_old(&cookie);
    let removed = world.post("/from-where/remove", Some(&cookie), "");
    assert_eq!(removed.header("location"), Some("/confirm"));
    assert!(!lock(&world).is_empty());
    world.post("/confirm", Some(&cookie), &format!("password={PASSWORD}"));
    assert!(lock(&world).is_empty());
}

/// The form of hours: every day from one hour to another.
fn hours(days: [(u8, u8); 7]) -> String {
    let codes = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let fields = codes.into_iter().zip(days);
    let fields = fields.map(|(day, (from, to))| format!("from-{day}={from}&to-{day}={to}"));
    fields.collect::<Vec<_>>().join("&")
}

#[test]
fn fewer_hours_hold_at_once_and_more_need_proof() {
    let world = World::new();
    let cookie = world.come_in();
    world.grow_old(&cookie);
    let barred = || world.desk.state().controls.as_ref().map(|of| of.barred_hours.to_string());
    let put = |days| world.post("/from-where/hours", Some(&cookie), &hours(days));
    let office = [(8, 18), (8, 18), (8, 18), (8, 18), (8, 18), (0, 0), (0, 0)];
    let saved = put(office);
    assert_eq!(saved.header("location"), Some("/from-where/hours"));
    assert_eq!(barred().as_deref(), Some("mon-fri:0-8,mon-fri:18-24,sat-sun:0-24"));
    let page = world.get("/from-where/hours", Some(&cookie)).body;
    assert!(page.contains("only in these hours"), "{page}");
    assert!(page.contains("<option value=\"18\" selected>18:00</option>"), "{page}");
    let page = world.get("/from-where", Some(&cookie)).body;
    assert!(page.contains("Monday to Friday 8:00 to 18:00; Saturday to Sunday none"), "{page}");

    let mut wrong = office;
    wrong[2] = (20, 6);
    let wrong = put(wrong);
    assert!(wrong.status == 422 && wrong.body.contains("id=\"from-wed-wrong\""), "{}", wrong.body);
    assert!(wrong.body.contains("<option value=\"20\" selected>"), "what was chosen is kept");

    let mut longer = office;
    longer[4] = (8, 20);
    assert_eq!(put(longer).header("location"), Some("/confirm"));
    assert_eq!(barred().as_deref(), Some("mon-fri:0-8,mon-fri:18-24,sat-sun:0-24"));
    world.post("/confirm", Some(&cookie), &format!("password={PASSWORD}"));
    assert_eq!(
        barred().as_deref(),
        Some("mon-thu:0-8,mon-thu:18-24,fri:0-8,fri:20-24,sat-sun:0-24")
    );
    assert_eq!(world.desk.state().proofs, [Proof::LoggedIn, Proof::Fresh]);
}
