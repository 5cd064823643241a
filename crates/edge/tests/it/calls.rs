//! Calls from an account to a carrier, from INVITE to CDR.

use types::{Direction, Money};

use crate::town::*;
use crate::ua::{Leg, Ua};
use crate::wire::{ANSWER, OFFER};
use crate::world::{Store, World};

/// Where Alice's phone is.
pub const HOME: &str = "203.0.113.7:5060";

pub fn alice(world: &World) -> Ua {
    world.ua(HOME, ALICE)
}

pub fn carrier(world: &World) -> Ua {
    world.ua(CARRIER, ("carrier", ""))
}

/// A call of Alice to a number by the first carrier, answered and acknowledged.
pub fn talk(world: &World, number: &str) -> (Leg, Leg) {
    talk_between(&alice(world), &carrier(world), number)
}

pub fn talk_between(phone: &Ua, carrier: &Ua, number: &str) -> (Leg, Leg) {
    let mut caller = phone.invite(number);
    let mut callee = carrier.expect_invite();
    callee.reply(200);
    callee.expect("ACK");
    caller.expect(200);
    caller.ack();
    (caller, callee)
}

#[test]
fn the_hold_is_written_before_the_invite_leaves() {
    let world = World::new();
    let (phone, carrier) = (alice(&world), carrier(&world));
    world.store(Store::Silent);
    let mut caller = phone.invite(FIXED);
    carrier.expect_nothing();
    world.advance(5_000);
    carrier.expect_nothing();
    let waiting = world.unanswered();
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    assert_eq!(world.held(1), Money::from_micros(6_000), "30 s of 1.2p");
    world.answer_store(true);
    let mut callee = carrier.expect_invite();
    world.store(Store::Up);
    callee.reply(100);
    callee.reply(180);
    assert!(!caller.expect(180).to_tag().is_empty());
    callee.reply(200);
    callee.expect("ACK");
    let ok = caller.expect(200);
    assert_eq!(ok.body, ANSWER);
    caller.ack();
    world.advance(10_000);
    caller.bye();
    callee.take_bye();
    let cdr = world.ended_as("outgoing 10000ms 2000/1000 normal 200 Caller");
    assert_eq!(cdr.direction, Direction::Outgoing);
    assert_eq!((cdr.caller.as_str(), cdr.dialled.as_str()), (ALICE_NUMBER, FIXED));
    assert_eq!(cdr.a_leg.call_id, caller.call_id);
    assert_eq!(cdr.b_leg.call_id, callee.call_id);
    assert_eq!(cdr.a_leg.user_agent, "Phone of alice1");
    assert_eq!(cdr.b_leg.user_agent, "Box of carrier");
    assert_eq!(cdr.a_leg.peer, Some(HOME.parse().unwrap()));
    assert_eq!(cdr.b_leg.peer, Some(CARRIER.parse().unwrap()));
    world.finish();
}

#[test]
fn the_carrier_hangs_up() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    world.advance(61_000);
    callee.bye();
    caller.take_bye();
    world.ended_as("outgoing 61000ms 12200/6100 normal 200 Callee");
    world.finish();
    let _ = OFFER;
}
