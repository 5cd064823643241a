//! Changes that a program asks for again: the same answer, and nothing is done twice.

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use types::{AccountId, KeptAnswer, TokenScope, UnixMicros, WebUserId};
use web::{Desk, MOST_KEPT_ANSWERS};

use crate::world::{Answer, World, own_call};

const KEY: (&str, &str) = ("Idempotency-Key", "8e03978e-40d5-43e8-bc93-6894a57f9324");
const ADD: &str = r#"{ "channel": "mail", "to": "bob@example.com" }"#;

fn add(world: &World, token: &str, key: (&str, &str), body: &str) -> Answer {
    world.api("POST /api/v1/contacts", token, &[key], body)
}

fn added(world: &World) -> usize {
    world.desk.state().told.changed.len()
}

#[test]
fn the_same_key_and_request_get_the_same_answer_once() {
    let world = World::new();
    let token = world.token(&TokenScope::ALL);
    let test = |key: &str| {
        world.api("POST /api/v1/contacts/1/test", &token, &[("Idempotency-Key", key)], "")
    };
    let first = test("a");
    assert!(first.status == 200 && first.header("idempotency-replayed").is_none(), "{first:?}");
    let again = test("a");
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.header("content-type"), first.header("content-type"));
    assert_eq!(test("\"a\"").header("idempotency-replayed"), Some("true"), "as RFC 8941 has it");
    assert_eq!(added(&world), 1);
    assert_eq!((test("b").status, added(&world)), (200, 2));
    // Without a key it is another change each time.
    for _ in 0..2 {
        world.api("POST /api/v1/contacts/1/test", &token, &[], "");
    }
    assert_eq!(added(&world), 4);
    // A refusal is an answer, too.
    let wrong = ADD.replace("bob@example.com", "nowhere");
    let refused = add(&world, &token, ("Idempotency-Key", "c"), &wrong);
    let again = add(&world, &token, ("Idempotency-Key", "c"), &wrong);
    assert_eq!((refused.status, again.status, &again.body), (422, 422, &refused.body));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
}

#[test]
fn a_key_is_good_for_one_request_of_one_token() {
    let world = World::new();
    let token = world.token(&TokenScope::ALL);
    assert_ne!(add(&world, &token, KEY, ADD).status, 409);
    let done = added(&world);
    let other = add(&world, &token, KEY, &ADD.replace("bob", "eve"));
    assert_eq!((other.status, other.problem()), (422, "key-reused".to_owned()));
    let elsewhere = world.api("POST /api/v1/freeze", &token, &[KEY], "");
    assert_eq!((elsewhere.status, elsewhere.problem()), (422, "key-reused".to_owned()));
    assert_eq!(world.desk.state().status, None);
    assert_eq!(added(&world), done);
    // Another program's key is another key.
    let second = world.token(&TokenScope::ALL);
    assert!(add(&world, &second, KEY, ADD).header("idempotency-replayed").is_none());
    assert_eq!(added(&world), done + 1);
    // Looking has no key, and what is no key is told of.
    assert_eq!(
        world.api("GET /api/v1/account", &token, &[("Idempotency-Key", "a b")], "").status,
        200
    );
    let wrong = add(&world, &token, ("Idempotency-Key", "a b"), ADD);
    assert_eq!(wrong.problem(), "invalid");
    assert_eq!(wrong.json()["errors"][0]["parameter"], "Idempotency-Key");
}

#[test]
fn one_that_is_being_carried_out_is_not_begun_again() {
    let world = World::new();
    let token = world.token(&[TokenScope::Stop]);
    let request = format!("POST /api/v1/live-calls/{}/cut", own_call());
    let cut = || world.api(&request, &token, &[KEY], "");
    std::thread::scope(|scope| {
        let way = world.desk.1.way.lock().expect("nobody panicked");
        let (tell, hear) = sync_channel(1);
        world.desk.1.came.lock().expect("nobody panicked").push(tell);
        let first = scope.spawn(cut);
        hear.recv_timeout(Duration::from_secs(20)).expect("it comes to the desk");
        let second = cut();
        assert_eq!((second.status, second.problem()), (409, "in-progress".to_owned()));
        drop(way);
        assert_eq!(first.join().expect("answered").status, 200);
    });
    assert_eq!(cut().header("idempotency-replayed"), Some("true"));
    assert_eq!(world.desk.state().cut, [own_call()]);
}

#[test]
fn answers_are_kept_over_a_restart_for_a_day_and_so_many() {
    let world = World::new();
    let token = world.token(&TokenScope::ALL);
    add(&world, &token, KEY, ADD);
    let world = world.again();
    assert_eq!(add(&world, &token, KEY, ADD).header("idempotency-replayed"), Some("true"));
    assert_eq!(added(&world), 1);
    let change = |with: &dyn Fn(&mut KeptAnswer)| {
        world.desk.state().kept.values_mut().for_each(with);
    };
    // The program ended while it was carried out.
    change(&|kept| kept.answer = None);
    let unknown = add(&world, &token, KEY, ADD);
    assert_eq!((unknown.status, unknown.problem()), (409, "outcome-unknown".to_owned()));
    assert_eq!(added(&world), 1);
    let now = world.desk.now();
    let day_ms = 24 * 3_600_000;
    let ago = move |ms: i64| UnixMicros(now.0 - ms * 1_000);
    change(&|kept| kept.at = ago(day_ms));
    assert_eq!(add(&world, &token, KEY, ADD).problem(), "outcome-unknown", "to the last moment");
    change(&|kept| kept.at = ago(day_ms + 1));
    assert!(add(&world, &token, KEY, ADD).header("idempotency-replayed").is_none());
    assert_eq!(added(&world), 2, "after a day it is another request");

    let fill = |at: UnixMicros| {
        for count in 0..MOST_KEPT_ANSWERS {
            let key = format!("k{count}");
            let kept = KeptAnswer {
                account: AccountId(1),
                user: WebUserId(1),
                token: 9,
                key: key.clone(),
                fingerprint: String::new(),
                at,
                answer: None,
            };
            world.desk.state().kept.insert((WebUserId(1), 9, key), kept);
        }
    };
    fill(now);
    let full = add(&world, &token, ("Idempotency-Key", "new"), ADD);
    assert_eq!((full.status, full.problem()), (429, "too-many-keys".to_owned()));
    assert_eq!((full.header("retry-after"), added(&world)), (Some("3600"), 2));
    assert_eq!(world.api("POST /api/v1/freeze", &token, &[], "").status, 200, "without a key");
    fill(ago(day_ms + 1));
    assert_ne!(add(&world, &token, ("Idempotency-Key", "new"), ADD).status, 429);
    assert!(world.desk.state().kept.len() < 5, "what is over is forgotten");
}
