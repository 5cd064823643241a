//! The program dies and starts again: what was going on is taken up or ended, and charged once.

use types::{DecisionId, Fact, HoldState, Money};

use crate::calls::{alice, carrier, talk, talk_between, talk_from_carrier};
use crate::leg::Leg;
use crate::probing::both_are_there;
use crate::town::*;
use crate::world::World;

#[test]
fn the_phone_hangs_up_after_a_restart() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    callee.send("OPTIONS", "", "");
    callee.expect((200, "OPTIONS"));
    world.advance(10_000);
    world.restart(3_000);
    assert!(world.facts().contains(&Fact::Started { recovered: 1 }));
    caller.expect_nothing();
    callee.expect_nothing();
    assert_eq!((world.stats().calls, world.held(1)), (1, Money::from_micros(6_000)));
    world.advance(7_000);
    caller.bye();
    let bye = callee.take_bye();
    assert!(bye.cseq() > 2, "above everything that was used before");
    let cdr = world.ended_as("outgoing 20000ms 4000/2000 normal 200 Caller");
    assert_eq!((cdr.caller.as_str(), cdr.dialled.as_str()), (ALICE_NUMBER, FIXED));
    assert_eq!(cdr.a_leg.call_id, caller.call_id);
    assert_eq!(cdr.b_leg.call_id, callee.call_id);
    assert_eq!(cdr.a_leg.user_agent, "Phone of alice1");
    assert_eq!(cdr.b_leg.user_agent, "Box of carrier");
    world.finish();
}

#[test]
fn the_carrier_hangs_up_after_two_restarts() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    world.advance(10_000);
    world.restart(1_000);
    world.advance(8_200);
    let before = both_are_there(&mut caller, &mut callee);
    world.advance(31_800);
    world.restart(1_000);
    world.advance(8_200);
    let after = both_are_there(&mut caller, &mut callee);
    assert!(after > before, "above everything that was used before");
    callee.bye();
    caller.take_bye();
    world.ended_as("outgoing 60200ms 12200/6100 normal 200 Callee");
    world.finish();
}

#[test]
fn a_recovered_call_is_metered_again() {
    let world = World::with(|town| {
        town.account(1).controls.stop_level_all_24h = Money::from_micros(12_000);
    });
    let (mut caller, mut callee) = talk(&world, FIXED);
    world.advance(10_000);
    world.restart(2_000);
    world.advance(8_200);
    both_are_there(&mut caller, &mut callee);
    world.advance(39_549);
    caller.expect_nothing();
    callee.expect_nothing();
    world.advance(1);
    caller.take_bye();
    callee.take_bye();
    world.ended_as("outgoing 59750ms 12000/6000 money-ended 200 Ringfence");
    world.finish();
}

#[test]
fn what_was_held_has_run_out_meanwhile() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    world.advance(10_000);
    world.restart(60_000);
    world.advance(0);
    caller.take_bye();
    callee.take_bye();
    let cdr = world.ended_as("outgoing 70000ms 14000/7000 money-ended 200 Ringfence");
    assert_eq!(cdr.cause.code(), "money-ended");
    world.finish();
}

#[test]
fn requests_pass_after_a_restart() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    callee.send("INFO", "", "x");
    let before = caller.expect("INFO");
    caller.respond(&before, 200, "", "");
    callee.expect((200, "INFO"));
    world.restart(1_000);
    caller.send("INFO", "", "x");
    let info = callee.expect("INFO");
    callee.respond(&info, 200, "", "");
    caller.expect((200, "INFO"));
    callee.send("INVITE", "", crate::wire::OFFER);
    callee.expect(100);
    let invite = caller.expect("INVITE");
    assert!(invite.cseq() > before.cseq(), "above everything that was used before");
    caller.respond(&invite, 200, "", crate::wire::ANSWER);
    caller.expect("ACK");
    callee.expect((200, "INVITE"));
    callee.ack_with(callee.cseq, "");
    // A stranger is still a stranger.
    let mut stranger = Leg { ua: caller.ua.moved("203.0.113.66:5060"), ..caller.clone() };
    stranger.send("BYE", "", "");
    stranger.expect(407);
    caller.bye();
    callee.take_bye();
    world.finish();
}

#[test]
fn a_call_that_was_not_acknowledged_yet() {
    // Died between the 200 and its ACK: the phone says ACK to the new node, and it goes on.
    let world = World::new();
    let mut caller = alice(&world).invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    callee.reply(200);
    callee.expect("ACK");
    caller.expect(200);
    world.restart(500);
    caller.ack();
    // The carrier repeats its 200 because the ACK was lost: it is acknowledged again.
    callee.reply(200);
    callee.expect("ACK");
    world.advance(2_000);
    caller.bye();
    callee.take_bye();
    world.ended_as("outgoing 2500ms 600/300 normal 200 Caller");
    world.finish();
}

#[test]
fn incoming_and_on_net_calls_go_on() {
    // Incoming to a number that rings all lines: the phone may still speak.
    let world = World::new();
    let bob = world.ua("203.0.113.20:5070", BOB);
    bob.register();
    let (mut caller, mut callee) = talk_from_carrier(&world, &bob);
    world.advance(5_000);
    world.restart(1_000);
    world.advance(4_000);
    callee.bye();
    caller.take_bye();
    world.ended_as("incoming 10000ms 0/0 normal 200 Callee");
    world.finish();

    // On-net: the called phone moves with its own credentials, not with the caller's.
    let world = World::new();
    let bob = world.ua("203.0.113.20:5070", BOB);
    bob.register();
    let (mut caller, callee) = talk_between(&alice(&world), &bob, "bob1");
    world.advance(5_000);
    world.restart(1_000);
    let moved = bob.moved("203.0.113.30:5090");
    let mut callee = Leg { ua: moved.clone(), ..callee };
    callee.send("UPDATE", "", "");
    let challenge = callee.expect(407);
    let line = moved.credentials(&challenge, "UPDATE", &callee.target, 1);
    callee.send("UPDATE", &line, "");
    callee.expect((200, "UPDATE"));
    caller.send("BYE", "", "");
    caller.expect((200, "BYE"));
    callee.take_bye();
    world.ended_as("on-net 6000ms 0/0 normal 200 Caller");
    world.finish();
}

#[test]
fn the_called_lines_lock_is_its_own() {
    let world = World::with(|town| {
        town.account(1).controls.ip_lock = vec!["203.0.113.7/32".parse().unwrap()];
    });
    let bob = world.ua("203.0.113.20:5070", BOB);
    bob.register();
    let (mut caller, mut callee) = talk_between(&alice(&world), &bob, "bob1");
    world.restart(1_000);
    callee.bye();
    caller.take_bye();
    world.finish();
}

#[test]
fn a_stream_of_an_earlier_run_is_opened_anew() {
    let world = World::new();
    let phone = world.tcp_ua("203.0.113.7:5060", ALICE);
    let (caller, mut callee) = talk_between(&phone, &carrier(&world), FIXED);
    world.restart(1_000);
    callee.bye();
    let mut caller = caller;
    let bye = caller.expect("BYE");
    assert_eq!(bye.flow.connection, sip::flow::Flow::ANY_CONNECTION, "numbers of an earlier run");
    caller.respond(&bye, 200, "", "");
    world.finish();
}

#[test]
fn legs_that_cannot_be_read() {
    for answered in [true, false] {
        let world = World::new();
        if answered {
            talk(&world, FIXED);
        } else {
            alice(&world).invite(FIXED);
            carrier(&world).expect_invite();
        }
        world.advance(10_000);
        world.forget_post();
        let state = world.open_holds()[0].state;
        assert_eq!(matches!(state, HoldState::Answered(_)), answered);
        world.spoil_legs();
        world.restart(1_000);
        let cdr = world.cdr();
        assert_eq!(cdr.cause.code(), "fault");
        // Nobody knows when it ended: what it talked until now is charged, an unanswered call nothing.
        assert_eq!(cdr.price.micros(), if answered { 2_200 } else { 0 });
        world.forget_post();
        world.finish();
    }
}

#[test]
fn bindings_reach_phones_again() {
    let world = World::new();
    let phone = alice(&world);
    phone.register();
    world.advance(100_000);
    world.restart(60_000);
    let mut caller = carrier(&world).invite_as_carrier(ALICE_NUMBER);
    caller.expect(100);
    let mut callee = phone.expect_invite();
    callee.decline(&mut caller);
    world.advance(3_440_000);
    assert_eq!((world.stats().bindings, world.bindings().len()), (0, 0), "at its old end");
    world.finish();
}

#[test]
fn decisions_go_on_counting() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    let first = world.open_holds()[0].decision;
    world.restart(0);
    let (mut second, mut second_callee) = talk(&world, FIXED);
    let decisions: Vec<DecisionId> = world.open_holds().iter().map(|hold| hold.decision).collect();
    assert!(decisions[1] > first, "{decisions:?}");
    for (caller, callee) in [(&mut caller, &mut callee), (&mut second, &mut second_callee)] {
        caller.bye();
        callee.take_bye();
    }
    assert_eq!(world.cdrs().len(), 2);
    world.finish();
}
