//! After a restart both sides of a call are asked whether they are there; who is charged for how long.

use types::Record;

use crate::calls::{alice, carrier, talk, talk_between, talk_from_carrier};
use crate::leg::Leg;
use crate::town::*;
use crate::wire::ANSWER;
use crate::world::{Store, World};

/// Until everybody was asked.
const ASKED_MS: u64 = 8_200;

/// Both sides were asked, and say that they are there. The CSeq that the called side was asked with.
pub fn both_are_there(caller: &mut Leg, callee: &mut Leg) -> u32 {
    answer_probe(caller, 200);
    answer_probe(callee, 200)
}

fn answer_probe(leg: &mut Leg, status: u16) -> u32 {
    let probe = leg.expect("OPTIONS");
    leg.respond(&probe, status, "", "");
    probe.cseq()
}

/// 10 s of talk; the node was last known to live 10 s after the answer, and dies within the next second.
fn talk_and_die(world: &World, down_ms: u64) -> (Leg, Leg) {
    let (caller, callee) = talk(world, FIXED);
    world.advance(10_400);
    world.restart(down_ms);
    (caller, callee)
}

#[test]
fn a_call_whose_sides_are_there_goes_on() {
    let world = World::new();
    let (mut caller, mut callee) = talk_and_die(&world, 2_000);
    world.advance(4_000);
    caller.expect_nothing();
    callee.expect_nothing();
    world.advance(4_200);
    both_are_there(&mut caller, &mut callee);
    world.advance(20_000);
    caller.expect_nothing();
    callee.expect_nothing();
    caller.bye();
    callee.take_bye();
    world.ended_as("outgoing 40600ms 8200/4100 normal 200 Caller");
    world.finish();
}

#[test]
fn the_caller_has_lost_it() {
    let world = World::new();
    let (mut caller, mut callee) = talk_and_die(&world, 2_000);
    world.advance(ASKED_MS);
    answer_probe(&mut caller, 481);
    answer_probe(&mut callee, 200);
    caller.take_bye();
    callee.take_bye();
    // The carrier had it until now, and charges for it.
    world.ended_as("outgoing 20600ms 4200/2100 session-expired 200 Ringfence");
    world.finish();
}

#[test]
fn both_have_lost_it() {
    for carrier_first in [true, false] {
        let world = World::new();
        let (mut caller, mut callee) = talk_and_die(&world, 4_000);
        world.advance(ASKED_MS);
        if carrier_first {
            answer_probe(&mut callee, 481);
            answer_probe(&mut caller, 481);
        } else {
            answer_probe(&mut caller, 481);
            answer_probe(&mut callee, 481);
        }
        // Once a second a mark, the last 10 s after the answer; and what the next may take: 1.5 s.
        world.ended_as("outgoing 11500ms 2400/1200 session-expired 200 Ringfence");
        caller.expect("BYE");
        callee.expect("BYE");
        world.forget_post();
        world.finish_with_post();
    }
}

#[test]
fn a_call_whose_record_was_lost_is_not_charged_until_the_restart() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    world.advance(2_400);
    world.store(Store::Silent);
    caller.bye();
    callee.take_bye();
    world.advance(10);
    world.restart(20_000);
    world.store(Store::Up);
    assert_eq!(world.cdrs().len(), 0);
    world.advance(ASKED_MS);
    answer_probe(&mut callee, 481);
    answer_probe(&mut caller, 481);
    world.ended_as("outgoing 3500ms 800/400 session-expired 200 Ringfence");
    world.forget_post();
    world.finish_with_post();
}

#[test]
fn never_more_than_was_held() {
    // The money ran out while the program was down: hung up at once, settled when the carrier has answered.
    for (status, want) in [
        (481, "outgoing 11500ms 2400/1200 money-ended 200 Ringfence"),
        (200, "outgoing 70400ms 14200/7100 money-ended 200 Ringfence"),
    ] {
        let world = World::new();
        let (mut caller, mut callee) = talk_and_die(&world, 60_000);
        world.advance(0);
        caller.take_bye();
        assert_eq!(world.cdrs().len(), 0, "the carrier has not spoken");
        assert_eq!(world.held(1).micros(), 6_000);
        let bye = callee.expect("BYE");
        callee.respond(&bye, status, "", "");
        world.ended_as(want);
        world.finish();
    }
}

#[test]
fn the_first_of_several_deaths_counts() {
    // Also where the store was down when the second life began.
    for store in [Store::Up, Store::Failing] {
        let world = World::new();
        let (mut caller, mut callee) = talk(&world, FIXED);
        world.advance(10_400);
        world.store(store);
        world.restart(2_000);
        world.advance(500);
        world.store(Store::Up);
        world.advance(2_500);
        world.restart(2_000);
        world.advance(3_000);
        world.restart(1_000);
        world.advance(ASKED_MS);
        answer_probe(&mut caller, 481);
        answer_probe(&mut callee, 481);
        world.ended_as("outgoing 11500ms 2400/1200 session-expired 200 Ringfence");
        world.forget_post();
        world.finish_with_post();
    }

    // But one that has heard of the carrier carries the call itself; the store is told until it knows.
    let world = World::new();
    let (mut caller, mut callee) = talk_and_die(&world, 2_000);
    world.store(Store::Failing);
    world.advance(ASKED_MS);
    both_are_there(&mut caller, &mut callee);
    world.store(Store::Up);
    world.advance(2_300);
    world.restart(2_000);
    world.advance(ASKED_MS);
    answer_probe(&mut caller, 200);
    answer_probe(&mut callee, 481);
    world.ended_as("outgoing 23900ms 4800/2400 session-expired 200 Ringfence");
    caller.take_bye();
    world.forget_post();
    world.finish_with_post();
}

#[test]
fn who_says_nothing_may_still_charge() {
    let world = World::new();
    let (mut caller, mut callee) = talk_and_die(&world, 2_000);
    world.advance(ASKED_MS);
    answer_probe(&mut caller, 200);
    callee.expect("OPTIONS");
    world.advance(34_000);
    caller.take_bye();
    world.forget_post();
    assert_eq!(world.cdrs().len(), 0, "the answer to the BYE may still come");
    world.advance(40_000);
    let cdr = world.cdr();
    assert_eq!((cdr.cause.code(), cdr.status), ("session-expired", 200));
    assert!((50_000..54_000).contains(&cdr.duration_ms), "{}", cdr.duration_ms);
    world.forget_post();
    world.finish_with_post();
}

#[test]
fn who_hung_up_meanwhile_is_heard_before_anybody_is_asked() {
    let world = World::new();
    let (mut caller, mut callee) = talk_and_die(&world, 2_000);
    world.advance(3_900);
    callee.bye();
    caller.take_bye();
    world.ended_as("outgoing 16300ms 3400/1700 normal 200 Callee");
    world.advance(ASKED_MS);
    caller.expect_nothing();
    callee.expect_nothing();
    world.finish();
}

#[test]
fn who_spoke_meanwhile_is_not_asked() {
    let world = World::new();
    let (mut caller, mut callee) = talk_and_die(&world, 2_000);
    callee.send("OPTIONS", "", "");
    callee.expect((200, "OPTIONS"));
    world.advance(ASKED_MS);
    callee.expect_nothing();
    answer_probe(&mut caller, 200);
    caller.bye();
    let bye = callee.expect("BYE");
    // It was there, so it charges until now, whatever it says to a BYE that crosses its own.
    callee.respond(&bye, 481, "", "");
    world.ended_as("outgoing 20600ms 4200/2100 normal 200 Caller");
    world.finish();
}

#[test]
fn who_keeps_session_timers_is_asked_by_update() {
    let world = World::new();
    let mut caller = alice(&world).invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    let timer = "Require: timer\r\nSession-Expires: 1800;refresher=uac\r\n";
    callee.reply_with(200, timer, ANSWER);
    callee.expect("ACK");
    caller.expect(200);
    caller.ack();
    world.restart(1_000);
    world.advance(ASKED_MS);
    answer_probe(&mut caller, 200);
    let update = callee.expect("UPDATE");
    assert_eq!(update.body, "");
    callee.respond(&update, 200, timer, "");
    world.advance(20_000);
    caller.bye();
    callee.take_bye();
    world.finish();
}

#[test]
fn many_calls_are_asked_one_after_the_other() {
    let world = World::with(|town| town.account(1).controls.calls = 50);
    let mut calls: Vec<(Leg, Leg)> = (0..40).map(|_| talk(&world, FIXED)).collect();
    world.restart(1_000);
    let mut most = 0;
    for _ in 0..90 {
        world.advance(100);
        let mut asked = 0;
        for (caller, callee) in &mut calls {
            if world.inbox(&callee.ua.flow).iter().any(|got| got.call_id() == callee.call_id) {
                both_are_there(caller, callee);
                asked += 1;
            }
        }
        most = most.max(asked);
    }
    assert_eq!(most, 1, "at once");
    for (mut caller, mut callee) in calls {
        caller.bye();
        callee.take_bye();
    }
    world.finish();
}

#[test]
fn whose_word_counts_for_other_directions() {
    // Incoming: the carrier is the caller.
    let world = World::new();
    let bob = world.ua("203.0.113.20:5070", BOB);
    bob.register();
    let (mut caller, mut callee) = talk_from_carrier(&world, &bob);
    world.advance(5_000);
    world.restart(2_000);
    world.advance(ASKED_MS);
    answer_probe(&mut caller, 200);
    answer_probe(&mut callee, 481);
    caller.take_bye();
    world.ended_as("incoming 15200ms 0/0 session-expired 200 Ringfence");
    world.forget_post();
    world.finish_with_post();

    // On-net: the called phone. Nobody pays, so no marks are written: the answer is the last that is known.
    let world = World::new();
    let bob = world.ua("203.0.113.20:5070", BOB);
    bob.register();
    let (_, mut callee) = talk_between(&alice(&world), &bob, "bob1");
    world.advance(5_000);
    world.restart(2_000);
    world.advance(ASKED_MS);
    answer_probe(&mut callee, 481);
    world.ended_as("on-net 1500ms 0/0 session-expired 200 Ringfence");
    world.forget_post();
    world.finish_with_post();
}

#[test]
fn life_is_marked_each_second_while_somebody_pays() {
    let marks = |world: &World| {
        world.written().iter().filter(|record| matches!(record, Record::Alive(_))).count()
    };
    let world = World::new();
    world.advance(10_000);
    assert_eq!(marks(&world), 0, "nobody talks");
    let bob = world.ua("203.0.113.20:5070", BOB);
    bob.register();
    let (mut free, mut free_callee) = talk_between(&alice(&world), &bob, "bob1");
    world.advance(10_000);
    assert_eq!(marks(&world), 0, "nobody pays");
    let (mut caller, mut callee) = talk(&world, FIXED);
    let (mut other, mut other_callee) = talk(&world, FIXED);
    world.advance(10_500);
    assert_eq!(marks(&world), 10, "one for all calls");
    world.store(Store::Silent);
    world.advance(3_000);
    let open = |request: &edge::StoreRequest| matches!(request.records[..], [Record::Alive(_)]);
    assert_eq!(world.unanswered().iter().filter(|request| open(request)).count(), 1, "no pile");
    world.store(Store::Up);
    for (caller, callee) in
        [(&mut caller, &mut callee), (&mut other, &mut other_callee), (&mut free, &mut free_callee)]
    {
        caller.bye();
        callee.take_bye();
    }
    let before = marks(&world);
    world.advance(10_000);
    assert_eq!(marks(&world), before, "nobody talks any more");
    world.finish();
}
