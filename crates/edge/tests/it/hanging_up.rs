//! The end of answered calls: crossing BYEs, lost messages, repeated messages. Exactly one CDR (F5).

use crate::calls::{alice, carrier, talk};
use crate::town::*;
use crate::wire::{ANSWER, OFFER};
use crate::world::{Store, World};

#[test]
fn byes_cross() {
    for answer in [200, 481] {
        let world = World::new();
        let (mut caller, mut callee) = talk(&world, FIXED);
        world.advance(10_000);
        caller.bye();
        // The callee has hung up before our BYE came.
        callee.bye_crossing();
        let bye = callee.expect("BYE");
        callee.expect((200, "BYE"));
        callee.respond(&bye, answer, "", "");
        world.ended_as("outgoing 10000ms 2000/1000 normal 200 Caller");
        world.finish();

        let world = World::new();
        let (mut caller, mut callee) = talk(&world, FIXED);
        world.advance(10_000);
        callee.bye();
        caller.bye_crossing();
        let bye = caller.expect("BYE");
        caller.expect((200, "BYE"));
        caller.respond(&bye, answer, "", "");
        world.ended_as("outgoing 10000ms 2000/1000 normal 200 Callee");
        world.finish();
    }
}

#[test]
fn a_bye_twice_is_one() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    world.advance(10_000);
    let bye = caller.send("BYE", "", "");
    let first = caller.expect((200, "BYE"));
    callee.take_bye();
    world.advance(500);
    caller.ua.send(&bye);
    assert_eq!(caller.expect((200, "BYE")).text(), first.text());
    callee.expect_nothing();
    world.ended_as("outgoing 10000ms 2000/1000 normal 200 Caller");
    // Another BYE afterwards meets nobody.
    caller.send("BYE", "", "");
    caller.expect((481, "BYE"));
    world.finish();
}

#[test]
fn a_lost_bye_is_repeated() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    world.advance(10_000);
    caller.bye();
    let bye = callee.expect("BYE");
    world.advance(499);
    callee.expect_nothing();
    world.advance(1);
    assert_eq!(callee.expect("BYE").text(), bye.text());
    world.advance(1_000);
    callee.respond(&bye, 200, "", "");
    callee.expect("BYE");
    world.ended_as("outgoing 10000ms 2000/1000 normal 200 Caller");
    world.finish();
}

#[test]
fn the_callee_never_confirms_the_bye() {
    let world = World::new();
    let (mut caller, callee) = talk(&world, FIXED);
    world.advance(10_000);
    caller.bye();
    world.ended_as("outgoing 10000ms 2000/1000 normal 200 Caller");
    world.advance(40_000);
    let sent = callee.ua.forget();
    assert_eq!(sent.len(), 11, "RFC 3261 §17.1.2.2: {sent:?}");
    world.finish();
}

#[test]
fn the_callers_ack_never_comes() {
    let world = World::new();
    let mut caller = alice(&world).invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    callee.reply(200);
    callee.expect("ACK");
    let ok = caller.expect(200);
    let mut repeats = 0;
    for _ in 0..319 {
        world.advance(100);
        while !caller.ua.names().is_empty() {
            assert_eq!(caller.expect(200).text(), ok.text());
            repeats += 1;
        }
    }
    assert_eq!(repeats, 10, "after 0.5, 1.5, 3.5, 7.5, 11.5, …, 31.5 s");
    callee.expect_nothing();
    world.advance(100);
    callee.take_bye();
    caller.take_bye();
    world.ended_as("outgoing 32000ms 6400/3200 fault 200 Ringfence");
    world.finish();
}

#[test]
fn an_ack_that_comes_late_is_enough() {
    let world = World::new();
    let mut caller = alice(&world).invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    callee.reply(200);
    callee.expect("ACK");
    caller.expect(200);
    world.advance(600);
    caller.expect(200);
    caller.ack();
    world.advance(20_000);
    caller.expect_nothing();
    caller.ack();
    caller.bye();
    callee.take_bye();
    world.ended_as("outgoing 20600ms 4200/2100 normal 200 Caller");
    world.finish();
}

#[test]
fn the_carriers_200_again_gets_the_ack_again() {
    let world = World::new();
    let mut caller = alice(&world).invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    callee.reply(200);
    let ack = callee.expect("ACK");
    caller.expect(200);
    caller.ack();
    world.advance(500);
    callee.reply(200);
    assert_eq!(callee.expect("ACK").text(), ack.text());
    caller.expect_nothing();
    caller.bye();
    callee.take_bye();
    callee.reply(200);
    callee.ua.forget();
    world.ended_as("outgoing 500ms 200/100 normal 200 Caller");
    world.finish();
}

#[test]
fn an_invite_again_is_answered_as_before() {
    let world = World::new();
    let phone = alice(&world);
    let mut caller = phone.invite(FIXED);
    let invite = phone.text(caller.request.as_ref().unwrap());
    phone.send(&invite);
    caller.expect(100);
    let mut callee = carrier(&world).expect_invite();
    callee.reply(180);
    let ringing = caller.expect(180);
    phone.send(&invite);
    assert_eq!(caller.expect(180).text(), ringing.text());
    callee.reply(200);
    callee.expect("ACK");
    caller.expect(200);
    phone.send(&invite);
    caller.expect_nothing();
    caller.ack();
    phone.send(&invite);
    world.advance(1_000);
    carrier(&world).expect_nothing();
    caller.bye();
    callee.take_bye();
    assert_eq!(world.stats().admitted, 1);
    world.ended_as("outgoing 1000ms 200/100 normal 200 Caller");
    world.finish();
}

#[test]
fn the_callee_hangs_up_before_the_callers_ack() {
    let world = World::new();
    let mut caller = alice(&world).invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    callee.reply(200);
    callee.expect("ACK");
    caller.expect(200);
    callee.bye();
    // RFC 3261 §15: not before the ACK.
    caller.expect_nothing();
    caller.ack();
    caller.take_bye();
    world.ended_as("outgoing 0ms 200/100 normal 200 Callee");
    world.finish();
}

#[test]
fn the_answer_is_in_the_ack() {
    let world = World::new();
    let phone = alice(&world);
    let mut request = phone.invite_request(FIXED);
    request.body = String::new();
    let mut caller = phone.invite_with(request);
    caller.expect(100);
    let mut callee = carrier(&world).expect_invite();
    let invite = callee.invite.clone().unwrap();
    assert_eq!((invite.body.as_str(), invite.has("Content-Type")), ("", false));
    callee.reply_with(200, "", OFFER);
    callee.expect_nothing();
    assert_eq!(caller.expect(200).body, OFFER);
    // Repeated by the carrier meanwhile: the ACK is owed by the caller.
    callee.reply_with(200, "", OFFER);
    callee.expect_nothing();
    caller.ack_with(caller.request.as_ref().unwrap().cseq, ANSWER);
    let ack = callee.expect("ACK");
    assert_eq!((ack.body.as_str(), ack.header("Content-Type")), (ANSWER, "application/sdp"));
    callee.reply_with(200, "", OFFER);
    assert_eq!(callee.expect("ACK").text(), ack.text());
    world.advance(1_000);
    caller.bye();
    callee.take_bye();
    world.ended_as("outgoing 1000ms 200/100 normal 200 Caller");
    world.finish();
}

#[test]
fn an_owed_ack_goes_before_the_bye() {
    for caller_hangs_up in [true, false] {
        let world = World::new();
        let phone = alice(&world);
        let mut request = phone.invite_request(FIXED);
        request.body = String::new();
        let mut caller = phone.invite_with(request);
        caller.expect(100);
        let mut callee = carrier(&world).expect_invite();
        callee.reply_with(200, "", OFFER);
        caller.expect(200);
        if caller_hangs_up {
            caller.bye();
        } else {
            world.advance(32_000);
            caller.ua.forget();
        }
        callee.expect("ACK");
        callee.take_bye();
        if !caller_hangs_up {
            // Sent with the end of the wait for its ACK.
            let end = world.cdr();
            assert_eq!(end.cause.code(), "fault");
        }
        world.finish();
    }
}

#[test]
fn cut_by_command() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    world.advance(10_000);
    let decision = world.open_holds()[0].decision;
    let reply = world.command(engine::Command::Cut(decision)).unwrap();
    assert_eq!(reply.cut, 1, "{reply:?}");
    for leg in [&mut caller, &mut callee] {
        let bye = leg.take_bye();
        let want = format!("SIP;cause=402;text=\"cut by the provider [{decision}]\"");
        assert_eq!(bye.header("Reason"), want);
    }
    world.ended_as("outgoing 10000ms 2000/1000 cut 200 Ringfence");
    assert!(world.command(engine::Command::Cut(decision)).is_err());
    world.finish();
}

#[test]
fn the_carriers_ack_waits_until_the_answer_is_on_record() {
    for who in ["nobody", "caller", "callee"] {
        let world = World::new();
        let mut caller = alice(&world).invite(FIXED);
        let mut callee = carrier(&world).expect_invite();
        world.store(Store::Silent);
        callee.reply(200);
        callee.expect_nothing();
        caller.expect(200);
        caller.ack();
        match who {
            "caller" => {
                caller.bye();
                callee.expect("ACK");
                callee.take_bye();
            }
            "callee" => {
                callee.bye();
                caller.take_bye();
            }
            _ => {}
        }
        world.store(Store::Up);
        if who == "nobody" {
            callee.expect("ACK");
            caller.bye();
            callee.take_bye();
        }
        callee.ua.forget();
        assert_eq!(world.cdr().cause.code(), "normal", "{who}");
        world.finish();
    }
}

#[test]
fn an_answer_that_cannot_be_recorded_is_recorded_later() {
    let world = World::new();
    let mut caller = alice(&world).invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    world.store(Store::Failing);
    callee.reply(200);
    caller.expect(200);
    caller.ack();
    world.advance(3_000);
    callee.reply(200);
    callee.expect_nothing();
    world.store(Store::Up);
    world.advance(1_000);
    callee.expect("ACK");
    world.advance(6_000);
    caller.bye();
    callee.take_bye();
    world.ended_as("outgoing 10000ms 2000/1000 normal 200 Caller");
    world.finish();
}
