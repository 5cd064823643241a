//! Our own log-in at carriers (A5): only their realm, only their address. And our registrations there.

use types::{Fact, TrunkAuth};

use crate::calls::{alice, carrier};
use crate::digest::Answer;
use crate::leg::Leg;
use crate::town::*;
use crate::ua::Ua;
use crate::wire::{ANSWER, Got, OFFER};
use crate::world::World;

const OURS: &str = "carrier.test";

fn town(register: bool) -> World {
    World::with(|town| {
        town.trunk(1).auth = Some(TrunkAuth {
            user: "ringfence".to_owned(),
            secret: "secret at the carrier".to_owned(),
            realm: OURS.to_owned(),
            register,
        });
    })
}

fn challenge(status: u16, realm: &str, nonce: &str) -> String {
    let name = if status == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
    format!("{name}: Digest realm=\"{realm}\",nonce=\"{nonce}\",algorithm=MD5,qop=\"auth\"\r\n")
}

/// The request carries the right answer to this challenge.
fn is_answered(got: &Got, status: u16, nonce: &str) {
    let name = if status == 401 { "Authorization" } else { "Proxy-Authorization" };
    let value = got.header(name);
    let part = |name: &str| {
        let at = value.find(&format!("{name}=\"")).unwrap_or_else(|| panic!("{name} in {value}"));
        value[at + name.len() + 2..].split('"').next().unwrap()
    };
    let mut answer = Answer {
        algorithm: "MD5",
        username: "ringfence",
        user: "ringfence",
        realm: OURS,
        secret: "secret at the carrier",
        method: &got.method,
        uri: &got.uri,
        nonce,
        nc: 1,
    };
    assert_eq!((part("realm"), part("nonce"), part("uri")), (OURS, nonce, got.uri.as_str()));
    // The test's own answer with its own cnonce would differ: compute it with the one that was sent.
    answer.nc = 1;
    let want = answer.response_with(part("cnonce"));
    assert_eq!(part("response"), want, "{value}");
}

fn talk(world: &World) -> (Leg, Leg) {
    crate::calls::talk(world, FIXED)
}

#[test]
fn an_invite_is_challenged() {
    for status in [401, 407] {
        let world = town(false);
        let mut caller = alice(&world).invite(FIXED);
        let box_of = carrier(&world);
        let mut first = box_of.expect_invite();
        first.reply_with(status, &challenge(status, OURS, "n1"), "");
        first.expect("ACK");
        let mut callee = box_of.expect_invite();
        let again = callee.invite.clone().unwrap();
        is_answered(&again, status, "n1");
        assert_eq!((again.call_id(), again.cseq()), (first.call_id.as_str(), 2));
        assert_ne!(again.branch(), first.invite.as_ref().unwrap().branch());
        assert_eq!(
            (again.body.as_str(), again.tag_of_from()),
            (OFFER, first.invite.as_ref().unwrap().tag_of_from())
        );
        callee.reply(200);
        callee.expect("ACK");
        caller.expect(200);
        caller.ack();
        world.advance(1_000);
        caller.bye();
        callee.take_bye();
        world.ended_as("outgoing 1000ms 200/100 normal 200 Caller");
        world.finish();
    }
}

#[test]
fn a_stale_nonce_is_answered_once_more_and_then_no_more() {
    let world = town(false);
    let mut caller = alice(&world).invite(FIXED);
    let box_of = carrier(&world);
    for nonce in ["n1", "n2", "n3"] {
        let mut leg = box_of.expect_invite();
        leg.reply_with(407, &challenge(407, OURS, nonce), "");
        leg.expect("ACK");
    }
    box_of.expect_nothing();
    let mut second = world.ua(CARRIER2, ("c2", "")).expect_invite();
    second.reply(486);
    second.expect("ACK");
    caller.refused(486);
    world.finish();
}

#[test]
fn another_realm_is_not_answered() {
    let world = town(false);
    let mut caller = alice(&world).invite(FIXED);
    let mut first = carrier(&world).expect_invite();
    first.reply_with(407, &challenge(407, "elsewhere.test", "n1"), "");
    first.expect("ACK");
    let mut second = world.ua(CARRIER2, ("c2", "")).expect_invite();
    assert!(!second.invite.as_ref().unwrap().has("Proxy-Authorization"));
    second.reply(486);
    second.expect("ACK");
    caller.refused(486);
    world.finish();
}

/// Answers a request with a challenge that comes from another address.
fn challenge_from_elsewhere(leg: &Leg, got: &Got) {
    let elsewhere = leg.ua.moved("203.0.113.50:5060");
    let to = if got.to_tag().is_empty() { leg.local.as_str() } else { got.header("To") };
    elsewhere.send(&elsewhere.response(got, 401, to, &challenge(401, OURS, "n1"), ""));
    elsewhere.expect_nothing();
}

#[test]
fn another_address_is_not_answered() {
    let world = town(false);
    let mut caller = alice(&world).invite(FIXED);
    let callee = carrier(&world).expect_invite();
    challenge_from_elsewhere(&callee, callee.invite.as_ref().unwrap());
    let sent = callee.ua.forget();
    assert!(!sent.contains(&"INVITE".to_owned()), "{sent:?}");
    let mut second = world.ua(CARRIER2, ("c2", "")).expect_invite();
    second.reply(486);
    second.expect("ACK");
    caller.refused(486);
    world.finish();
    // BYE.
    let world = town(false);
    let (mut caller, mut callee) = talk(&world);
    caller.bye();
    let bye = callee.expect("BYE");
    challenge_from_elsewhere(&callee, &bye);
    let sent = callee.ua.forget();
    assert!(sent.is_empty(), "{sent:?}");
    world.finish();
    // re-INVITE.
    let world = town(false);
    let (mut caller, mut callee) = talk(&world);
    caller.send("INVITE", "", OFFER);
    caller.expect(100);
    let invite = callee.expect("INVITE");
    challenge_from_elsewhere(&callee, &invite);
    callee.expect("ACK");
    callee.expect_nothing();
    let refusal = caller.expect(403);
    caller.ua.send(&caller.in_dialog("ACK", caller.cseq, refusal.branch(), "", ""));
    caller.bye();
    callee.take_bye();
    world.finish();
}

#[test]
fn a_phone_cannot_make_us_log_in() {
    // Bob's phone challenges: our secrets are the carriers', and there are none for phones.
    let world = town(false);
    let bob = world.ua("203.0.113.20:5070", BOB);
    bob.register();
    let mut caller = alice(&world).invite("bob1");
    let mut callee = bob.expect_invite();
    callee.reply_with(407, &challenge(407, OURS, "n1"), "");
    callee.expect("ACK");
    callee.expect_nothing();
    caller.refused(480);
    world.finish();
}

#[test]
fn requests_within_the_dialog_are_challenged() {
    let world = town(false);
    let (mut caller, mut callee) = talk(&world);
    for method in ["INVITE", "UPDATE", "INFO"] {
        caller.send(method, "", OFFER);
        let got = callee.expect(method);
        callee.respond(&got, 407, &challenge(407, OURS, "n5"), "");
        if method == "INVITE" {
            callee.expect("ACK");
            caller.expect(100);
        }
        let again = callee.expect(method);
        is_answered(&again, 407, "n5");
        assert_eq!((again.cseq(), again.body.as_str()), (got.cseq() + 1, OFFER));
        callee.respond(&again, 200, "", ANSWER);
        if method == "INVITE" {
            callee.expect("ACK");
        }
        caller.expect((200, method));
        if method == "INVITE" {
            caller.ack_with(caller.cseq, "");
        }
        // Once only.
        caller.send("INFO", "", "x");
        let info = callee.expect("INFO");
        callee.respond(&info, 407, &challenge(407, OURS, "n6"), "");
        let info = callee.expect("INFO");
        callee.respond(&info, 407, &challenge(407, OURS, "n7"), "");
        caller.expect((403, "INFO"));
    }
    caller.bye();
    let bye = callee.expect("BYE");
    callee.respond(&bye, 401, &challenge(401, OURS, "n8"), "");
    let again = callee.take_bye();
    is_answered(&again, 401, "n8");
    assert_eq!(again.cseq(), bye.cseq() + 1);
    world.ended_as("outgoing 0ms 200/100 normal 200 Caller");
    world.finish();
}

fn take_register(box_of: &Ua) -> Got {
    let register = box_of.expect("REGISTER");
    assert_eq!(register.uri, format!("sip:{CARRIER}"));
    assert_eq!(register.header("To"), format!("<sip:ringfence@{CARRIER}>"));
    assert_eq!(register.contact(), "sip:ringfence@192.0.2.10:5060");
    register
}

fn answer(box_of: &Ua, got: &Got, status: u16, extra: &str) {
    let to = format!("{};tag=reg", got.header("To"));
    box_of.send(&box_of.response(got, status, &to, extra, ""));
}

fn reachable(world: &World) -> Vec<bool> {
    let facts = world.facts();
    let seen = facts.iter().filter_map(|fact| match fact {
        Fact::TrunkReachable { reachable, .. } => Some(*reachable),
        _ => None,
    });
    seen.collect()
}

#[test]
fn we_register_and_refresh() {
    let world = town(true);
    world.advance(0);
    let box_of = carrier(&world);
    let first = take_register(&box_of);
    answer(&box_of, &first, 401, &challenge(401, OURS, "r1"));
    let second = take_register(&box_of);
    is_answered(&second, 401, "r1");
    assert_eq!((second.call_id(), second.cseq()), (first.call_id(), 2));
    answer(&box_of, &second, 200, "Contact: <sip:ringfence@192.0.2.10:5060>;expires=600\r\n");
    assert_eq!(reachable(&world), [true]);
    world.advance(299_999);
    box_of.expect_nothing();
    world.advance(1);
    let third = take_register(&box_of);
    assert_eq!(third.cseq(), 3);
    answer(&box_of, &third, 401, &challenge(401, OURS, "r2"));
    let fourth = take_register(&box_of);
    is_answered(&fourth, 401, "r2");
    answer(&box_of, &fourth, 200, "Expires: 600\r\n");
    assert_eq!(reachable(&world), [true]);
    world.finish();
}

#[test]
fn a_failed_registration_is_tried_again() {
    let world = town(true);
    world.advance(0);
    let box_of = carrier(&world);
    // Refused after our answer.
    let first = take_register(&box_of);
    answer(&box_of, &first, 401, &challenge(401, OURS, "r1"));
    let second = take_register(&box_of);
    answer(&box_of, &second, 401, &challenge(401, OURS, "r2"));
    box_of.expect_nothing();
    world.advance(29_999);
    box_of.expect_nothing();
    world.advance(1);
    // Another realm: not answered.
    let third = take_register(&box_of);
    answer(&box_of, &third, 401, &challenge(401, "elsewhere.test", "r3"));
    box_of.expect_nothing();
    world.advance(29_999);
    box_of.expect_nothing();
    world.advance(1);
    let fourth = take_register(&box_of);
    answer(&box_of, &fourth, 200, "Expires: 3600\r\n");
    // No answer at all.
    world.advance(1_800_000);
    world.advance(32_000);
    assert_eq!(box_of.forget().len(), 11);
    assert_eq!(reachable(&world), [true, false]);
    world.advance(30_000);
    let fifth = take_register(&box_of);
    answer(&box_of, &fifth, 200, "Expires: 3600\r\n");
    assert_eq!(reachable(&world), [true, false, true]);
    world.finish();
}

#[test]
fn a_trunk_added_later_is_registered_at() {
    let world = World::new();
    world.advance(10_000);
    let mut trunk = Town::new().trunk(1).clone();
    trunk.host = "carrier.test".to_owned();
    trunk.auth = Some(TrunkAuth {
        user: "ringfence".to_owned(),
        secret: "x".to_owned(),
        realm: OURS.to_owned(),
        register: true,
    });
    world.command(engine::Command::PutTrunk(trunk.clone())).unwrap();
    world.advance(0);
    let box_of = carrier(&world);
    let register = box_of.expect("REGISTER");
    assert_eq!(register.uri, "sip:carrier.test");
    answer(&box_of, &register, 200, "Expires: 3600\r\n");
    trunk.enabled = false;
    world.command(engine::Command::PutTrunk(trunk)).unwrap();
    world.advance(4_000_000);
    box_of.expect_nothing();
    world.finish();
}
