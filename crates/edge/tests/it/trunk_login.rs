//! Our own log-in at carriers (A5): only their realm, only their address. Never here: our registrations there
//! (trunk_registration).

use types::TrunkAuth;

use crate::calls::{alice, carrier};
use crate::digest::Answer;
use crate::leg::Leg;
use crate::town::*;
use crate::wire::{ANSWER, Got, OFFER};
use crate::world::World;

pub const OURS: &str = "carrier.test";

pub fn town(register: bool) -> World {
    World::with(|town| {
        town.trunk(1).auth = Some(TrunkAuth {
            user: "ringfence".to_owned(),
            secret: "secret at the carrier".to_owned(),
            realm: OURS.to_owned(),
            register,
        });
    })
}

pub fn challenge(status: u16, realm: &str, nonce: &str) -> String {
    let name = if status == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
    format!("{name}: Digest realm=\"{realm}\",nonce=\"{nonce}\",algorithm=MD5,qop=\"auth\"\r\n")
}

/// The request carries the right answer to this challenge.
pub fn is_answered(got: &Got, status: u16, nonce: &str) {
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
        callee.answer(&mut caller);
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
    second.decline(&mut caller);
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
    second.decline(&mut caller);
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
    second.decline(&mut caller);
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

#[test]
fn a_challenged_prack_still_says_what_it_acknowledges() {
    let world = town(false);
    let phone = alice(&world);
    let mut request = phone.invite_request(FIXED);
    request.extra.push_str("Supported: 100rel\r\n");
    let mut caller = phone.invite_with(request);
    caller.expect(100);
    let mut callee = carrier(&world).expect_invite();
    callee.reply_with(183, "Require: 100rel\r\nRSeq: 4711\r\n", ANSWER);
    caller.expect(183);
    let rack = format!("RAck: 4711 {} INVITE\r\n", caller.request.as_ref().unwrap().cseq);
    caller.send("PRACK", &rack, OFFER);
    let prack = callee.expect("PRACK");
    callee.respond(&prack, 407, &challenge(407, OURS, "n3"), "");
    let again = callee.expect("PRACK");
    is_answered(&again, 407, "n3");
    assert_eq!((again.header("RAck"), again.body.as_str()), (prack.header("RAck"), OFFER));
    assert!(again.header("RAck").starts_with("4711 "));
    callee.respond(&again, 200, "", ANSWER);
    caller.expect((200, "PRACK"));
    callee.decline(&mut caller);
    world.finish();
}

#[test]
fn a_cut_says_why_however_often_its_bye_is_sent() {
    // Challenged: the one with credentials says it, too.
    let world = town(false);
    let (mut caller, mut callee) = talk(&world);
    let decision = world.open_holds()[0].decision;
    world.command(engine::Command::Cut(decision)).unwrap();
    let want = format!("SIP;cause=402;text=\"cut by the provider [{decision}]\"");
    assert_eq!(caller.take_bye().header("Reason"), want);
    let bye = callee.expect("BYE");
    callee.respond(&bye, 407, &challenge(407, OURS, "n9"), "");
    let again = callee.take_bye();
    is_answered(&again, 407, "n9");
    assert_eq!((bye.header("Reason"), again.header("Reason")), (want.as_str(), want.as_str()));
    world.finish();
    // Put off until the caller's ACK.
    let world = town(false);
    let mut caller = alice(&world).invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    callee.reply(200);
    callee.expect("ACK");
    caller.expect(200);
    let decision = world.open_holds()[0].decision;
    world.command(engine::Command::Cut(decision)).unwrap();
    callee.take_bye();
    caller.expect_nothing();
    caller.ack();
    let want = format!("SIP;cause=402;text=\"cut by the provider [{decision}]\"");
    assert_eq!(caller.take_bye().header("Reason"), want);
    world.finish();
}

#[test]
fn a_bye_to_another_branch_that_is_challenged_does_not_end_the_call() {
    // The carrier forked: a second phone answers late, is hung up on, and its BYE is challenged.
    let world = town(false);
    let (mut caller, mut callee) = talk(&world);
    let mut other = Leg { local: format!("{}x", callee.local), ..callee.clone() };
    other.reply(200);
    other.expect("ACK");
    let bye = other.expect("BYE");
    assert_eq!(bye.to_tag(), other.local_tag());
    other.respond(&bye, 407, &challenge(407, OURS, "n9"), "");
    let again = other.take_bye();
    assert_eq!((again.to_tag(), again.cseq()), (other.local_tag(), bye.cseq() + 1));
    is_answered(&again, 407, "n9");
    // Its 200 again, because the ACK was lost: no further BYE.
    other.reply(200);
    other.expect("ACK");
    // It may not speak to the caller.
    other.send("INFO", "", "x");
    other.expect((481, "INFO"));
    other.bye();
    world.advance(10_000);
    caller.expect_nothing();
    callee.expect_nothing();
    caller.bye();
    callee.take_bye();
    world.ended_as("outgoing 10000ms 2000/1000 normal 200 Caller");
    world.finish();
}
