//! Carriers that answer when nobody waits any more: ACK and BYE (RFC 3261 §13.2.2.4), and no more.

use crate::calls::{alice, carrier, talk};
use crate::leg::Leg;
use crate::town::*;
use crate::world::World;

/// A call that the first carrier was silent to and the second answered.
fn talk_by_the_second(world: &World) -> (Leg, Leg, Leg) {
    let mut caller = alice(world).invite(FIXED);
    let silent = carrier(world).expect_invite();
    world.advance(4_000);
    let mut callee = world.ua(CARRIER2, ("c2", "")).expect_invite();
    callee.answer(&mut caller);
    silent.ua.forget();
    (caller, silent, callee)
}

fn is_hung_up(leg: &mut Leg) {
    leg.reply(200);
    let ack = leg.expect("ACK");
    assert_eq!((ack.to_tag(), ack.cseq()), (leg.local_tag(), 1));
    let bye = leg.expect("BYE");
    assert_eq!((bye.to_tag(), bye.cseq()), (leg.local_tag(), 2));
    // Both are lost: the 200 comes again for want of an ACK, the BYE again for want of an answer.
    leg.reply(200);
    assert_eq!(leg.expect("ACK").cseq(), 1);
    leg.expect_nothing();
    leg.ua.world.advance(500);
    assert_eq!(leg.expect("BYE").text(), bye.text());
    leg.respond(&bye, 200, "", "");
    leg.ua.world.advance(40_000);
    leg.expect_nothing();
}

#[test]
fn after_timer_b_while_the_call_goes_on() {
    let world = World::new();
    let (mut caller, mut silent, mut callee) = talk_by_the_second(&world);
    world.advance(60_000);
    silent.ua.forget();
    is_hung_up(&mut silent);
    caller.expect_nothing();
    callee.expect_nothing();
    caller.bye();
    callee.take_bye();
    assert_eq!(world.cdr().cause.code(), "normal");
    world.finish();
}

#[test]
fn after_the_call() {
    let world = World::new();
    let (mut caller, mut silent, mut callee) = talk_by_the_second(&world);
    caller.bye();
    callee.take_bye();
    world.advance(90_000);
    assert_eq!(world.stats().calls, 0);
    silent.ua.forget();
    is_hung_up(&mut silent);
    world.finish();
}

#[test]
fn from_another_branch_after_a_refusal() {
    let world = World::new();
    let mut caller = alice(&world).invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    callee.decline(&mut caller);
    assert_eq!(world.stats().calls, 0);
    let mut other = Leg { local: format!("{}x", callee.local), ..callee };
    is_hung_up(&mut other);
    world.finish();
}

#[test]
fn the_answer_of_a_live_call_is_only_acknowledged() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    world.advance(40_000);
    callee.reply(200);
    assert_eq!(callee.expect("ACK").cseq(), 1);
    callee.expect_nothing();
    world.advance(10_000);
    caller.bye();
    callee.take_bye();
    world.ended_as("outgoing 50000ms 10000/5000 normal 200 Caller");
    world.finish();
}

#[test]
fn a_stranger_gets_nothing() {
    let world = World::new();
    let (mut caller, silent, mut callee) = talk_by_the_second(&world);
    caller.bye();
    callee.take_bye();
    world.advance(90_000);
    silent.ua.forget();
    let mut guess = silent.clone();
    let invite = guess.invite.as_mut().unwrap();
    let branch = invite.branch().to_owned();
    let wrong = format!("{}0", &branch[..branch.len() - 1]);
    for (name, value) in &mut invite.headers {
        if name == "Via" {
            *value = value.replace(&branch, &wrong);
        }
    }
    guess.reply(200);
    guess.expect_nothing();
    world.finish();
}

#[test]
fn what_stays_behind_is_bounded() {
    let world = World::new();
    let (mut caller, silent, mut callee) = talk_by_the_second(&world);
    caller.bye();
    callee.take_bye();
    world.advance(90_000);
    silent.ua.forget();
    for at in 0..1_000 {
        let mut branch = Leg { local: format!("{}{at}", silent.local), ..silent.clone() };
        branch.reply(200);
        assert_eq!(branch.ua.names(), ["ACK", "BYE"]);
        branch.expect("ACK");
        branch.expect("BYE");
    }
    assert_eq!(world.stats().transactions, (0, 256));
    world.advance(40_000);
    silent.ua.forget();
    world.finish();
}

#[test]
fn ever_new_branches_of_a_live_call_are_bounded() {
    let world = World::new();
    let (mut caller, silent, mut callee) = talk_by_the_second(&world);
    for leg in [&silent, &callee] {
        for at in 0..300 {
            let branch = Leg { local: format!("{}x{at}", leg.local), ..leg.clone() };
            branch.reply(200);
            let sent = branch.ua.names();
            assert!(sent == ["ACK", "BYE"] || sent == ["CANCEL", "ACK", "BYE"], "{sent:?}");
            branch.ua.forget();
        }
    }
    assert!(world.stats().transactions.1 <= 40, "{:?}", world.stats());
    world.advance(1_000);
    callee.ua.forget();
    caller.bye();
    let bye = callee.expect("BYE");
    assert_eq!(bye.to_tag(), callee.local_tag());
    callee.respond(&bye, 200, "", "");
    world.forget_post();
    world.finish_with_post();
}
