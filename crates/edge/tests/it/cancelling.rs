//! Calls that are given up before the answer, and the races around it: exactly one settlement (F5).

use types::Money;

use crate::calls::{alice, carrier, ring};
use crate::town::*;
use crate::world::{Store, World};

const CANCELLED: &str = "outgoing 0ms 0/0 cancelled 487 Caller";

#[test]
fn while_the_store_is_silent() {
    let world = World::new();
    world.store(Store::Silent);
    let mut caller = alice(&world).invite(FIXED);
    caller.give_up();
    world.store(Store::Up);
    carrier(&world).expect_nothing();
    world.ended_as(CANCELLED);
    world.finish();
}

#[test]
fn before_any_response_of_the_carrier() {
    let world = World::new();
    let mut caller = alice(&world).invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    caller.give_up();
    callee.expect_nothing();
    assert_eq!(world.held(1), Money::from_micros(6_000), "the carrier may still answer");
    world.advance(400);
    callee.reply(100);
    let cancel = callee.expect("CANCEL");
    let invite = callee.invite.as_ref().unwrap();
    assert_eq!((cancel.branch(), cancel.cseq()), (invite.branch(), invite.cseq()));
    assert_eq!((&cancel.uri, cancel.header("From")), (&invite.uri, invite.header("From")));
    assert_eq!(cancel.header("To"), invite.header("To"));
    callee.respond(&cancel, 200, "", "");
    callee.reply(487);
    callee.expect("ACK");
    world.ended_as(CANCELLED);
    world.finish();
}

#[test]
fn after_ringing() {
    let world = World::new();
    let (mut caller, mut callee) = ring(&world, FIXED);
    caller.give_up();
    let cancel = callee.expect("CANCEL");
    callee.respond(&cancel, 200, "", "");
    assert_eq!(world.cdrs().len(), 0);
    callee.reply(487);
    callee.expect("ACK");
    world.ended_as(CANCELLED);
    assert_eq!(world.held(1), Money::ZERO);
    world.finish();
}

#[test]
fn the_answer_crosses_the_cancel() {
    let world = World::new();
    let (mut caller, mut callee) = ring(&world, FIXED);
    caller.give_up();
    let cancel = callee.expect("CANCEL");
    callee.reply(200);
    callee.expect("ACK");
    let bye = callee.expect("BYE");
    assert_eq!(world.held(1), Money::from_micros(6_000), "held until the carrier hung up");
    // The 200 again: acknowledged again; the BYE is on its way.
    callee.reply(200);
    callee.expect("ACK");
    callee.expect_nothing();
    callee.respond(&cancel, 481, "", "");
    callee.respond(&bye, 200, "", "");
    // The carrier bills its answer, so giving up in that moment is not free.
    world.ended_as("outgoing 0ms 200/100 cancelled 487 Caller");
    assert_eq!(world.held(1), Money::ZERO);
    world.finish();
}

#[test]
fn the_cancel_crosses_the_answer() {
    let world = World::new();
    let mut caller = alice(&world).invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    callee.reply(200);
    callee.expect("ACK");
    caller.cancel();
    caller.expect((200, "INVITE"));
    caller.expect((200, "CANCEL"));
    callee.expect_nothing();
    caller.ack();
    world.advance(2_000);
    caller.bye();
    callee.take_bye();
    world.ended_as("outgoing 2000ms 400/200 normal 200 Caller");
    world.finish();
}

#[test]
fn the_carrier_never_confirms() {
    let world = World::new();
    let (mut caller, callee) = ring(&world, FIXED);
    caller.give_up();
    world.advance(31_000);
    let sent = callee.ua.forget();
    assert!(sent.len() > 3 && sent.iter().all(|name| name == "CANCEL"), "{sent:?}");
    assert_eq!(world.held(1), Money::from_micros(6_000));
    world.advance(6_000);
    world.ended_as(CANCELLED);
    callee.ua.forget();
    world.finish();
}

#[test]
fn cancel_is_not_believed_from_elsewhere() {
    let world = World::new();
    let mut caller = alice(&world).invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    // The same branch from another socket has another sent-by.
    let stranger = alice(&world).moved("198.51.100.77:5060");
    let mut foreign = caller.clone();
    foreign.ua = stranger.clone();
    foreign.cancel();
    stranger.expect(481);
    callee.expect_nothing();
    callee.decline(&mut caller);
    world.finish();
}

#[test]
fn nobody_answers_for_three_minutes() {
    let world = World::new();
    let (mut caller, mut callee) = ring(&world, FIXED);
    world.advance(179_999);
    caller.expect_nothing();
    world.advance(1);
    let cancel = callee.expect("CANCEL");
    callee.respond(&cancel, 200, "", "");
    callee.reply(487);
    callee.expect("ACK");
    caller.refused(480);
    world.ended_as("outgoing 0ms 0/0 no-answer 480 Ringfence");
    world.finish();
}

#[test]
fn bye_instead_of_cancel() {
    let world = World::new();
    let (mut caller, mut callee) = ring(&world, FIXED);
    caller.send("BYE", "", "");
    caller.expect((200, "BYE"));
    caller.refused(487);
    let cancel = callee.expect("CANCEL");
    callee.respond(&cancel, 200, "", "");
    callee.reply(487);
    callee.expect("ACK");
    world.ended_as(CANCELLED);
    world.finish();
}

#[test]
fn the_stop_of_a_live_call_before_its_answer() {
    let world = World::new();
    let (mut caller, mut callee) = ring(&world, FIXED);
    let frozen = engine::Command::SetStatus(types::AccountId(1), types::AccountStatus::Frozen);
    assert_eq!(world.command(frozen).unwrap().cut, 1);
    let cancel = callee.expect("CANCEL");
    callee.respond(&cancel, 200, "", "");
    let told = caller.refused(403);
    assert!(told.header("Reason").starts_with("SIP;cause=402;text=\"cut by the provider ["));
    callee.reply(487);
    callee.expect("ACK");
    world.ended_as("outgoing 0ms 0/0 cut 403 Ringfence");
    world.finish();
}
