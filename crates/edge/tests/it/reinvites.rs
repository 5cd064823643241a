//! Re-INVITEs that come close to another INVITE: which wait, which are refused (RFC 3261 §14).

use crate::calls::{alice, carrier, talk};
use crate::in_dialog::{HOLD, both_ways, branch_of, hang_up};
use crate::leg::Leg;
use crate::town::*;
use crate::wire::{ANSWER, Got, OFFER};
use crate::world::{Store, World};

/// Up to the answer: the callee's 200 has reached the caller, who has acknowledged nothing yet. With
/// a silent store the answer is not on record, and the carrier has no ACK for its 200.
fn answered(world: &World, offer: &str, store: Store) -> (Leg, Leg) {
    let phone = alice(world);
    let mut request = phone.invite_request(FIXED);
    request.body = offer.to_owned();
    let mut caller = phone.invite_with(request);
    caller.expect(100);
    let callee = carrier(world).expect_invite();
    world.store(store);
    callee.reply(200);
    caller.expect(200);
    (caller, callee)
}

fn ask_hold(leg: &mut Leg) {
    leg.send("INVITE", "", HOLD);
    leg.expect(100);
    leg.expect_nothing();
}

/// The hold arrives at this side and is agreed to.
fn agree(asks: &mut Leg, asked: &mut Leg) {
    let invite = asked.expect("INVITE");
    assert_eq!(invite.body, HOLD);
    asked.respond(&invite, 200, "", ANSWER);
    asked.expect("ACK");
    let ok: Got = asks.expect((200, "INVITE"));
    asks.ack_with(ok.cseq(), "");
}

fn refused(leg: &mut Leg, status: i32) {
    let refusal = leg.expect((status, "INVITE"));
    leg.ua.send(&leg.in_dialog("ACK", refusal.cseq(), branch_of(&refusal), "", ""));
}

#[test]
fn hold_right_after_the_answer_waits_for_the_record() {
    for offer in [OFFER, ""] {
        let world = World::new();
        let (mut caller, mut callee) = answered(&world, offer, Store::Silent);
        caller.ack_with(caller.cseq, if offer.is_empty() { ANSWER } else { "" });
        callee.expect_nothing();
        ask_hold(&mut caller);
        callee.expect_nothing();
        world.store(Store::Up);
        let ack = callee.expect("ACK");
        assert_eq!(ack.body.is_empty(), !offer.is_empty());
        agree(&mut caller, &mut callee);
        hang_up(&world, caller, callee);
    }
}

#[test]
fn a_hold_that_overtook_its_own_ack_waits_for_it() {
    for offer in [OFFER, ""] {
        let world = World::new();
        let (mut caller, mut callee) = answered(&world, offer, Store::Up);
        let invite_cseq = caller.cseq;
        if !offer.is_empty() {
            callee.expect("ACK");
        }
        ask_hold(&mut caller);
        callee.expect_nothing();
        caller.ack_with(invite_cseq, if offer.is_empty() { ANSWER } else { "" });
        if offer.is_empty() {
            assert_eq!(callee.expect("ACK").body, ANSWER);
        }
        agree(&mut caller, &mut callee);
        hang_up(&world, caller, callee);
    }
}

#[test]
fn the_callees_hold_waits_for_the_callers_ack() {
    let world = World::new();
    let (mut caller, mut callee) = answered(&world, OFFER, Store::Up);
    callee.expect("ACK");
    ask_hold(&mut callee);
    caller.expect_nothing();
    caller.ack();
    agree(&mut callee, &mut caller);
    hang_up(&world, caller, callee);
}

#[test]
fn a_callee_without_its_ack_may_not_ask() {
    for offer in [OFFER, ""] {
        let world = World::new();
        let (caller, mut callee) = answered(&world, offer, Store::Silent);
        if !offer.is_empty() {
            caller.ack();
        }
        callee.send("INVITE", "", HOLD);
        callee.expect(100);
        refused(&mut callee, 491);
        caller.expect_nothing();
        world.store(Store::Up);
        if offer.is_empty() {
            caller.ack_with(caller.cseq, ANSWER);
        }
        callee.expect("ACK");
        hang_up(&world, caller, callee);
    }
}

#[test]
fn the_side_that_just_agreed_to_hold_may_ask_at_once() {
    both_ways(|_, asks, asked| {
        ask_hold(asks);
        let invite = asked.expect("INVITE");
        asked.respond(&invite, 200, "", ANSWER);
        asked.expect("ACK");
        let ok = asks.expect((200, "INVITE"));
        ask_hold(asked);
        asks.expect_nothing();
        asks.ack_with(ok.cseq(), "");
        agree(asked, asks);
    });
}

#[test]
fn only_one_waits() {
    for second_is_callees in [false, true] {
        let world = World::new();
        let (mut caller, mut callee) = answered(&world, OFFER, Store::Silent);
        caller.ack();
        ask_hold(&mut caller);
        let second = if second_is_callees { &mut callee } else { &mut caller };
        second.send("INVITE", "", OFFER);
        second.expect(100);
        refused(second, 491);
        world.store(Store::Up);
        callee.expect("ACK");
        agree(&mut caller, &mut callee);
        hang_up(&world, caller, callee);
    }
}

#[test]
fn one_that_waits_ends_with_cancel_or_the_call() {
    let world = World::new();
    let (mut caller, mut callee) = answered(&world, OFFER, Store::Silent);
    caller.ack();
    let text = caller.send("INVITE", "", "");
    caller.expect(100);
    caller.ua.send(&text.replace("INVITE", "CANCEL"));
    caller.expect((200, "CANCEL"));
    refused(&mut caller, 487);
    ask_hold(&mut caller);
    callee.bye();
    caller.take_bye();
    refused(&mut caller, 487);
    world.store(Store::Up);
    callee.expect_nothing();
    assert_eq!(world.cdr().cause.code(), "normal");
    world.finish();
}

#[test]
fn reinvites_glare() {
    both_ways(|_, asks, asked| {
        ask_hold(asks);
        let invite = asked.expect("INVITE");
        asked.send("INVITE", "", OFFER);
        asked.expect(100);
        refused(asked, 491);
        asked.respond(&invite, 491, "", "");
        asked.expect("ACK");
        refused(asks, 491);
    });
}

#[test]
fn a_second_one_of_the_same_side_is_refused() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    ask_hold(&mut caller);
    caller.send("INVITE", "", OFFER);
    caller.expect(100);
    refused(&mut caller, 491);
    let invite = callee.expect("INVITE");
    callee.respond(&invite, 200, "", ANSWER);
    callee.expect("ACK");
    let ok = caller.expect((200, "INVITE"));
    caller.ack_with(ok.cseq(), "");
    hang_up(&world, caller, callee);
}
