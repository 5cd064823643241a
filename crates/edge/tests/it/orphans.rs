//! Calls that rang when the program died: cancelled, a late answer hung up, the hold kept until then.

use types::Money;

use crate::calls::{alice, carrier, ring};
use crate::leg::Leg;
use crate::town::*;
use crate::world::{Store, World};

fn take_cancel(leg: &mut Leg) {
    let cancel = leg.expect("CANCEL");
    let invite = leg.invite.as_ref().unwrap();
    assert_eq!((cancel.branch(), cancel.cseq()), (invite.branch(), invite.cseq()), "RFC 3261 §9.1");
    assert_eq!((&cancel.uri, cancel.header("From")), (&invite.uri, invite.header("From")));
    assert_eq!(cancel.header("To"), invite.header("To"));
    leg.respond(&cancel, 200, "", "");
}

#[test]
fn a_ringing_call_is_cancelled() {
    let world = World::new();
    let (caller, mut callee) = ring(&world, FIXED);
    world.restart(1_000);
    take_cancel(&mut callee);
    assert_eq!(world.held(1), Money::from_micros(6_000), "the carrier may still answer");
    callee.reply(487);
    callee.expect("ACK");
    let cdr = world.ended_as("outgoing 0ms 0/0 fault 500 Ringfence");
    assert_eq!((&cdr.a_leg.call_id, &cdr.b_leg.call_id), (&caller.call_id, &callee.call_id));
    assert_eq!(cdr.a_leg.user_agent, "Phone of alice1");
    assert_eq!(cdr.a_leg.peer, Some(caller.ua.flow.peer));
    assert_eq!(cdr.b_leg.peer, Some(callee.ua.flow.peer));
    assert_eq!(world.held(1), Money::ZERO);
    // The 487 again: its ACK was lost.
    callee.reply(487);
    callee.ua.forget();
    world.finish();
}

#[test]
fn a_cancel_is_repeated_until_it_is_answered() {
    let world = World::new();
    alice(&world).invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    callee.reply(180);
    world.restart(1_000);
    world.forget_post();
    world.advance(500);
    take_cancel(&mut callee);
    world.advance(20_000);
    callee.expect_nothing();
    assert_eq!(world.held(1), Money::from_micros(6_000));
    world.advance(20_000);
    callee.ua.forget();
    let cdr = world.ended_as("outgoing 0ms 0/0 fault 500 Ringfence");
    assert_eq!(cdr.b_leg.call_id, callee.call_id);
    assert_eq!(cdr.a_leg.user_agent, "Phone of alice1");
    world.finish();
}

#[test]
fn a_late_answer_is_hung_up() {
    let world = World::new();
    alice(&world).invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    callee.reply(180);
    world.restart(1_000);
    world.forget_post();
    callee.reply(200);
    callee.expect("ACK");
    let bye = callee.take_bye();
    assert_eq!((bye.call_id(), bye.to_tag()), (callee.call_id.as_str(), callee.local_tag()));
    assert!(bye.cseq() > callee.invite.as_ref().unwrap().cseq());
    assert_eq!(world.held(1), Money::from_micros(6_000));
    world.advance(40_000);
    callee.ua.forget();
    world.ended_as("outgoing 0ms 0/0 fault 500 Ringfence");
    world.finish();
}

#[test]
fn a_stranger_cannot_end_or_answer_it() {
    let world = World::new();
    alice(&world).invite(FIXED);
    let callee = carrier(&world).expect_invite();
    callee.reply(180);
    world.restart(1_000);
    world.forget_post();
    let stranger = Leg { ua: callee.ua.moved("203.0.113.66:5060"), ..callee.clone() };
    for status in [487, 200] {
        stranger.reply(status);
        stranger.expect_nothing();
    }
    assert_eq!(world.cdrs().len(), 0);
    world.advance(40_000);
    world.forget_post();
    world.ended_as("outgoing 0ms 0/0 fault 500 Ringfence");
    world.finish();
}

#[test]
fn every_leg_that_may_ring_is_cancelled_and_waited_for() {
    let world = World::new();
    alice(&world).invite(FIXED);
    let mut silent = carrier(&world).expect_invite();
    world.advance(4_000);
    let mut ringing = world.ua(CARRIER2, ("c2", "")).expect_invite();
    ringing.reply(180);
    world.restart(1_000);
    world.take(&silent.ua.flow, |got| got.method == "INVITE");
    silent.ua.forget();
    ringing.ua.pick("CANCEL");
    ringing.reply(487);
    ringing.expect("ACK");
    assert_eq!(world.cdrs().len(), 0, "the first may still answer");
    assert_eq!(world.held(1), Money::from_micros(6_000));
    silent.reply(200);
    silent.expect("ACK");
    silent.take_bye();
    world.forget_post();
    world.advance(40_000);
    world.forget_post();
    world.ended_as("outgoing 0ms 0/0 fault 500 Ringfence");
    world.finish();
}

#[test]
fn a_challenged_leg_is_cancelled_by_its_last_invite() {
    let world = World::with(|town| {
        town.trunk(1).auth = Some(types::TrunkAuth {
            user: "ringfence".to_owned(),
            secret: "x".to_owned(),
            realm: "carrier.test".to_owned(),
            register: false,
        });
    });
    alice(&world).invite(FIXED);
    let mut first = carrier(&world).expect_invite();
    let challenge =
        "Proxy-Authenticate: Digest realm=\"carrier.test\",nonce=\"n\",qop=\"auth\"\r\n";
    first.reply_with(407, challenge, "");
    first.expect("ACK");
    let mut callee = carrier(&world).expect_invite();
    callee.reply(180);
    world.restart(1_000);
    take_cancel(&mut callee);
    callee.reply(487);
    callee.expect("ACK");
    world.forget_post();
    world.finish();
}

#[test]
fn died_between_answer_and_its_record() {
    // The carrier's 200 is not acknowledged before the answer is on record, so it comes again to the
    // new node, which hangs up.
    let world = World::new();
    let mut caller = alice(&world).invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    world.store(Store::Silent);
    callee.reply(200);
    caller.expect(200);
    callee.expect_nothing();
    callee.reply(200);
    callee.expect_nothing();
    world.restart(1_000);
    world.store(Store::Up);
    take_cancel(&mut callee);
    callee.reply(200);
    callee.expect("ACK");
    callee.take_bye();
    world.advance(40_000);
    callee.ua.forget();
    world.ended_as("outgoing 0ms 0/0 fault 500 Ringfence");
    world.finish();
}

#[test]
fn a_hold_that_was_never_written_leaves_nothing() {
    let world = World::new();
    world.store(Store::Silent);
    alice(&world).invite(FIXED);
    world.restart(1_000);
    world.store(Store::Up);
    carrier(&world).expect_nothing();
    assert_eq!((world.held(1), world.cdrs().len()), (Money::ZERO, 0));
    world.finish();
}

#[test]
fn phones_do_not_ring_on() {
    // Nobody pays, nobody waits for the store; still it is on record that they ring.
    let world = World::new();
    let (desk, mobile) = (world.ua("203.0.113.20:5070", BOB), world.ua("203.0.113.21:5071", BOB));
    desk.register();
    mobile.register();
    let mut caller = alice(&world).invite("bob1");
    let (mut desk, mut mobile) = (desk.expect_invite(), mobile.expect_invite());
    desk.reply(180);
    caller.expect(180);
    world.restart(1_000);
    take_cancel(&mut desk);
    take_cancel(&mut mobile);
    desk.reply(487);
    desk.expect("ACK");
    assert_eq!(world.cdrs().len(), 0);
    mobile.reply(487);
    mobile.expect("ACK");
    world.ended_as("on-net 0ms 0/0 fault 500 Ringfence");
    world.finish();
}

#[test]
fn an_emergency_call_that_was_ringing_has_its_cdr() {
    let world = World::new();
    alice(&world).invite("999");
    let mut callee = carrier(&world).expect_invite();
    callee.reply(180);
    world.restart(1_000);
    world.ua(crate::calls::HOME, ALICE).forget();
    take_cancel(&mut callee);
    callee.reply(487);
    callee.expect("ACK");
    world.ended_as("outgoing 0ms 0/0 fault 500 Ringfence");
    world.finish();
}

/// What a thousand responses of strangers cost beside so many calls of an earlier run.
#[expect(clippy::disallowed_methods, reason = "it is the cost that is measured")]
fn cost_beside(orphans: u32) -> std::time::Duration {
    let world = World::new();
    alice(&world).invite(FIXED);
    let callee = carrier(&world).expect_invite();
    callee.reply(180);
    let hold = world.open_holds().remove(0);
    let world = World::with(|town| {
        town.account(1).controls.stop_level_all_24h = Money::from_units(1_000_000);
        town.snapshot.holds.extend((0..orphans).map(|n| another(&hold, &callee.call_id, n)));
    });
    world.forget_post();
    let stranger = world.ua("203.0.113.66:5060", EVE);
    let response = |n: u32| {
        format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bKs{n}\r\nFrom: <sip:a@b>;tag=1\r\n\
             To: <sip:c@d>;tag=2\r\nCall-ID: s{n}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        )
    };
    let round = |_| {
        let began = std::time::Instant::now();
        (0..1_000).for_each(|n| stranger.send(&response(n)));
        began.elapsed()
    };
    (0..3).map(round).min().unwrap()
}

/// The same ringing call with another decision and another Call-ID.
fn another(hold: &types::Hold, call_id: &str, n: u32) -> types::Hold {
    let mut hold = hold.clone();
    hold.decision = types::DecisionId(hold.decision.0 + 256 * u64::from(n));
    let length = call_id.len();
    let mut parts = hold.legs.windows(length);
    let at = parts.position(|part| part == call_id.as_bytes()).expect("the leg names its Call-ID");
    hold.legs[at..at + 8].copy_from_slice(format!("{n:08x}").as_bytes());
    hold
}

#[test]
fn calls_of_an_earlier_run_do_not_cost_every_packet() {
    let (alone, beside) = (cost_beside(0), cost_beside(10_000));
    // Going through all of them made it two hundred times.
    assert!(beside < 20 * alone, "{beside:?} beside ten thousand orphans, {alone:?} alone");
}
