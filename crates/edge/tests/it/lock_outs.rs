//! Who is locked out, for how long, and the lane of a known device. Lives here: also trying to log in, for its
//! neighbours. Never here: devices themselves (devices), phones with an old secret (stale_phones).

use engine::Command;
use types::{Fact, LockScope, Millis};

use crate::calls::{alice, carrier};
use crate::town::*;
use crate::ua::Ua;
use crate::world::World;

pub const MINUTE_MS: Millis = 60_000;
/// Another port of the house that Alice's phone is in.
pub const SAME_HOUSE: &str = "203.0.113.7:40000";
pub const ABROAD: &str = "203.0.113.66:5060";

/// Tries to register; the status of the answer.
pub fn try_to_register(phone: &Ua) -> u16 {
    phone.send_with_login(&mut phone.register_request(3600));
    let got = phone.world.take(&phone.flow, |_| true).expect("an answer");
    got.status
}

fn guess(world: &World, address: &str, user: &'static str) -> u16 {
    try_to_register(&world.ua(address, (user, "a guess")))
}

pub fn locked(world: &World) -> Vec<String> {
    let facts = world.facts();
    let scopes = facts.iter().filter_map(|fact| match fact {
        Fact::LockedOut { lock, .. } => Some(lock.scope.to_string()),
        _ => None,
    });
    scopes.collect()
}

#[test]
fn after_five_failures_the_right_secret_does_not_pass_for_a_quarter_of_an_hour() {
    let world = World::new();
    for _ in 0..5 {
        assert_eq!(guess(&world, ABROAD, "alice1"), 403);
    }
    let thief = world.ua(ABROAD, ALICE);
    for _ in 0..10 {
        assert_eq!(try_to_register(&thief), 403);
    }
    assert_eq!(world.stats().log_ins_locked, 10);
    assert_eq!(locked(&world), ["alice1@203.0.113.66"]);
    // Others from there, and she from elsewhere, have nothing to do with it.
    assert_eq!(try_to_register(&world.ua("203.0.113.66:5070", BOB)), 200);
    assert_eq!(try_to_register(&alice(&world)), 200);
    world.advance(15 * MINUTE_MS - 1);
    assert_eq!(try_to_register(&thief), 403);
    world.advance(1);
    assert_eq!(try_to_register(&thief), 200);
    world.finish();
}

#[test]
fn every_name_of_an_account_is_one_name() {
    let world = World::new();
    for name in ["alice1", "ALICE1", "alice%31", "Alice1", "%41lice1"] {
        assert_eq!(guess(&world, ABROAD, name), 403, "{name}");
    }
    assert_eq!(try_to_register(&world.ua(ABROAD, ALICE)), 403);
    assert_eq!(world.stats().log_ins_locked, 1);
    world.finish();
}

#[test]
fn methods_share_one_count() {
    let world = World::new();
    let wrong = world.ua(ABROAD, ("alice1", "a guess"));
    for round in 0..5 {
        if round % 2 == 0 {
            assert_eq!(try_to_register(&wrong), 403);
        } else {
            wrong.invite_with(wrong.invite_request(FIXED)).refused(403);
        }
    }
    let thief = world.ua(ABROAD, ALICE);
    thief.invite_with(thief.invite_request(FIXED)).refused(403);
    assert_eq!(world.stats().log_ins_locked, 1);
    assert_eq!(world.cdrs().len(), 0, "nobody was asked to pay");
    world.finish();
}

#[test]
fn names_that_nobody_has_are_locked_out_alike() {
    let world = World::new();
    let statuses = |user: &'static str, address: &str| -> Vec<u16> {
        (0..8).map(|_| guess(&world, address, user)).collect()
    };
    assert_eq!(statuses("alice1", ABROAD), statuses("nobody", "203.0.113.67:5060"));
    assert_eq!(world.stats().log_ins_locked, 6, "three each");
    world.finish();
}

#[test]
fn a_known_phone_has_its_own_lane_behind_its_own_address() {
    let world = World::new();
    let phone = alice(&world);
    phone.register();
    for _ in 0..6 {
        assert_eq!(guess(&world, SAME_HOUSE, "alice1"), 403);
    }
    assert_eq!(try_to_register(&world.ua(SAME_HOUSE, ALICE)), 403, "even with the right secret");
    for _ in 0..3 {
        assert_eq!(try_to_register(&phone), 200);
        world.advance(5 * MINUTE_MS);
        guess(&world, SAME_HOUSE, "alice1");
    }
    let mut caller = phone.invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    callee.decline(&mut caller);
    world.finish();
}

#[test]
fn a_known_phone_is_known_by_more_than_its_socket() {
    // Its NAT gave it another port, or it was switched off and on: the house is under attack meanwhile.
    type Change = fn(&mut crate::ua::Request, &Ua);
    fn check(what: &str, change: Change, want: u16) {
        let world = World::new();
        let phone = alice(&world);
        let mut first = phone.register_request(3600);
        let instance = "+sip.instance=\"<urn:uuid:0f>\"";
        first.extra = first.extra.replace("\r\nExpires", &format!(";{instance}\r\nExpires"));
        phone.send_with_login(&mut first);
        phone.expect(200);
        for _ in 0..6 {
            guess(&world, SAME_HOUSE, "alice1");
        }
        let other = world.ua("203.0.113.7:31000", ALICE);
        let mut request = other.register_request(3600);
        change(&mut request, &phone);
        if what == "Call-ID" {
            request.call_id.clone_from(&first.call_id);
        }
        request.cseq = 10;
        other.send_with_login(&mut request);
        let got = world.take(&other.flow, |_| true).unwrap();
        assert_eq!(got.status, want, "{what}");
        world.finish();
    }
    check("nothing", |_, _| {}, 403);
    check("Call-ID", |_, _| {}, 200);
    check(
        "instance",
        |request, _| {
            let named = ";+sip.instance=\"<urn:uuid:0f>\"\r\nExpires";
            request.extra = request.extra.replace("\r\nExpires", named);
        },
        200,
    );
    check("look", |request, phone| request.extra = phone.register_request(3600).extra, 200);
    check(
        "another look",
        |request, phone| {
            let extra = phone.register_request(3600).extra;
            request.extra = extra.replace("Phone of", "Robot of");
        },
        403,
    );
}

#[test]
fn a_device_that_fails_itself_is_locked_out_itself() {
    let world = World::new();
    let phone = alice(&world);
    phone.register();
    let broken = Ua { secret: "mistyped", ..phone.clone() };
    for _ in 0..5 {
        assert_eq!(try_to_register(&broken), 403);
    }
    assert_eq!(try_to_register(&phone), 403);
    assert_eq!(locked(&world), ["alice1#socket-0000000000000001"]);
    // Nobody else in the house is.
    assert_eq!(try_to_register(&world.ua(SAME_HOUSE, ALICE2)), 200);
    assert_eq!(try_to_register(&world.ua("203.0.113.7:40001", BOB)), 200);
    let lift = LockScope::Device { user: "alice1".into(), by: "socket".into(), key: 1 };
    world.command(Command::LiftLockOut(lift.clone())).unwrap();
    assert_eq!(try_to_register(&phone), 200);
    let again = world.command(Command::LiftLockOut(lift));
    assert_eq!(again, Err("alice1#socket-0000000000000001 is not locked out".to_owned()));
    world.finish();
}

#[test]
fn guessing_from_everywhere_ends_with_known_devices_only_and_lapses() {
    let world = World::new();
    let phone = alice(&world);
    phone.register();
    for n in 0..100u32 {
        let address = format!("203.0.114.{}:5060", n + 1);
        assert_eq!(guess(&world, &address, "alice1"), 403);
    }
    assert_eq!(locked(&world), ["alice1"]);
    let traveller = world.ua("192.0.2.200:5060", ALICE);
    assert_eq!(try_to_register(&traveller), 403);
    assert_eq!(try_to_register(&phone), 200);
    // Who comes from her house is no stranger.
    assert_eq!(try_to_register(&world.ua(SAME_HOUSE, ALICE)), 200);
    world.advance(15 * MINUTE_MS);
    assert_eq!(try_to_register(&traveller), 200);
    // One more guess, and it goes on, for longer.
    assert_eq!(guess(&world, "203.0.120.1:5060", "alice1"), 403);
    assert_eq!(try_to_register(&world.ua("192.0.2.201:5060", ALICE)), 403);
    world.advance(29 * MINUTE_MS);
    assert_eq!(try_to_register(&world.ua("192.0.2.201:5060", ALICE)), 403);
    world.advance(MINUTE_MS);
    assert_eq!(try_to_register(&world.ua("192.0.2.201:5060", ALICE)), 200);
    world.finish();
}

#[test]
fn a_source_that_tries_many_names_is_locked_out_but_for_who_is_known_there() {
    let world = World::new();
    let phone = world.ua(ABROAD, ALICE);
    phone.register();
    let names = ["u1", "u2", "u3", "u4", "u5", "u6", "u7", "u8"];
    // Thirty, and one more for the phone that is known there.
    for n in 0..31 {
        assert_eq!(guess(&world, "203.0.113.66:7000", names[n % names.len()]), 403);
    }
    assert_eq!(locked(&world), ["203.0.113.66"]);
    assert_eq!(try_to_register(&world.ua("203.0.113.66:7001", BOB)), 403);
    assert_eq!(try_to_register(&phone), 200);
    assert_eq!(try_to_register(&world.ua("203.0.113.66:7002", ALICE)), 200);
    assert_eq!(try_to_register(&world.ua("203.0.113.67:5060", BOB)), 200);
    world.finish();
}

#[test]
fn a_lock_out_outlives_the_program() {
    let world = World::new();
    let phone = alice(&world);
    phone.register();
    for _ in 0..5 {
        guess(&world, ABROAD, "alice1");
    }
    world.advance(1_000);
    world.restart(5 * MINUTE_MS);
    let thief = world.ua(ABROAD, ALICE);
    assert_eq!(try_to_register(&thief), 403);
    assert_eq!(world.stats().log_ins_locked, 1);
    // So does what is known of her phone.
    for _ in 0..6 {
        guess(&world, SAME_HOUSE, "alice1");
    }
    assert_eq!(try_to_register(&phone), 200);
    world.advance(10 * MINUTE_MS);
    assert_eq!(try_to_register(&thief), 200);
    world.finish();
}
