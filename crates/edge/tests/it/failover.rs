//! When a carrier does not take the call: the next one, and what the caller hears in the end.

use types::Fact;

use crate::calls::{alice, carrier};
use crate::town::*;
use crate::ua::Ua;
use crate::world::{Store, World};

fn second(world: &World) -> Ua {
    world.ua(CARRIER2, ("carrier2", ""))
}

#[test]
fn the_next_carrier_is_tried() {
    for status in [500, 503, 502, 504, 302, 408, 401, 407] {
        let world = World::new();
        let mut caller = alice(&world).invite(FIXED);
        let mut first = carrier(&world).expect_invite();
        first.reply_with(status, "Contact: <sip:+12025550100@elsewhere.example>\r\n", "");
        first.expect("ACK");
        let mut callee = second(&world).expect_invite();
        assert_eq!(callee.invite.as_ref().unwrap().uri, format!("sip:{FIXED}@{CARRIER2}"));
        callee.reply(180);
        caller.expect(180);
        callee.answer(&mut caller);
        world.advance(10_000);
        caller.bye();
        callee.take_bye();
        let cdr = world.ended_as("outgoing 10000ms 2000/1000 normal 200 Caller");
        assert_eq!(cdr.trunk.map(|trunk| trunk.0), Some(2));
        assert_eq!(cdr.b_leg.call_id, callee.call_id);
        world.finish();
    }
}

#[test]
fn the_next_carriers_hold_is_written_before_its_invite() {
    let world = World::new();
    let mut caller = alice(&world).invite(FIXED);
    let mut first = carrier(&world).expect_invite();
    world.store(Store::Silent);
    first.reply(503);
    first.expect("ACK");
    second(&world).expect_nothing();
    world.answer_store(true);
    let mut callee = second(&world).expect_invite();
    world.store(Store::Up);
    callee.decline(&mut caller);
    world.ended_as("outgoing 0ms 0/0 rejected 486 Callee");
    world.finish();
}

#[test]
fn a_silent_carrier_is_passed_over_and_tried_last_for_a_while() {
    let world = World::new();
    let phone = alice(&world);
    let mut caller = phone.invite(FIXED);
    let silent = carrier(&world);
    world.advance(3_999);
    second(&world).expect_nothing();
    world.advance(1);
    let mut callee = second(&world).expect_invite();
    assert!(world.facts().iter().any(|fact| {
        matches!(fact, Fact::TrunkReachable { trunk, reachable: false } if trunk.0 == 1)
    }));
    callee.answer(&mut caller);
    assert!(silent.forget().iter().all(|name| name == "INVITE"), "it was asked again and again");
    // It wakes up: it gets its CANCEL.
    let mut next = phone.invite(FIXED);
    silent.expect_nothing();
    let mut next_callee = second(&world).expect_invite();
    next_callee.reply(486);
    next_callee.expect("ACK");
    // Every carrier had its say: 486 is final.
    next.refused(486);
    caller.bye();
    callee.take_bye();
    world.advance(60_000);
    silent.forget();
    let mut third = phone.invite(FIXED);
    let mut late = silent.expect_invite();
    late.reply(603);
    late.expect("ACK");
    third.refused(603);
    world.finish();
}

#[test]
fn a_carrier_that_wakes_up_late_is_cancelled() {
    for (late_answer, want) in [(180, &["CANCEL"][..]), (200, &["ACK", "BYE"][..])] {
        let world = World::new();
        let mut caller = alice(&world).invite(FIXED);
        let mut late = carrier(&world).expect_invite();
        world.advance(4_000);
        let mut callee = second(&world).expect_invite();
        callee.reply(180);
        caller.expect(180);
        late.ua.forget();
        late.reply(late_answer);
        for name in want {
            let got = late.expect(*name);
            if *name == "CANCEL" {
                late.respond(&got, 200, "", "");
                late.reply(487);
                late.expect("ACK");
            } else if *name == "BYE" {
                late.respond(&got, 200, "", "");
            }
        }
        assert!(world.facts().iter().any(|fact| {
            matches!(fact, Fact::TrunkReachable { trunk, reachable: true } if trunk.0 == 1)
        }));
        callee.answer(&mut caller);
        world.advance(10_000);
        callee.bye();
        caller.take_bye();
        world.ended_as("outgoing 10000ms 2000/1000 normal 200 Callee");
        world.finish();
    }
}

#[test]
fn what_the_caller_hears_in_the_end() {
    fn check(first: u16, then: Option<u16>, want: u16, cdr: &str) {
        let world = World::new();
        let mut caller = alice(&world).invite(FIXED);
        let mut leg = carrier(&world).expect_invite();
        leg.reply(first);
        leg.expect("ACK");
        if let Some(then) = then {
            let mut leg = second(&world).expect_invite();
            leg.reply(then);
            leg.expect("ACK");
        }
        caller.refused(want);
        world.ended_as(&format!("outgoing 0ms 0/0 {cdr} {want} Callee"));
        world.finish();
    }
    check(404, None, 404, "rejected");
    check(486, None, 486, "rejected");
    check(480, None, 480, "no-answer");
    check(487, None, 480, "no-answer");
    check(603, None, 603, "rejected");
    check(403, None, 403, "rejected");
    check(503, Some(503), 503, "rejected");
    check(503, Some(404), 404, "rejected");
    check(302, Some(302), 480, "no-answer");
    check(302, Some(503), 503, "rejected");
    check(407, Some(401), 480, "no-answer");
    check(500, Some(486), 486, "rejected");
}

#[test]
fn all_carriers_are_silent() {
    let world = World::new();
    let mut caller = alice(&world).invite(FIXED);
    world.advance(8_000);
    caller.refused(480);
    assert_eq!(world.cdrs().len(), 0, "the hold is kept while a carrier may answer");
    assert_eq!(world.open_holds().len(), 1);
    carrier(&world).forget();
    second(&world).forget();
    world.advance(64_000);
    world.ended_as("outgoing 0ms 0/0 no-answer 480 Callee");
    world.forget_post();
    world.finish();
}

/// A 2xx that makes no dialog is acknowledged and hung up on once, and costs what the carrier bills.
#[test]
fn an_answer_that_cannot_be_used_is_charged_and_the_next_carrier_tried() {
    let world = World::new();
    let routes = "Record-Route: <sip:proxy.example;lr>\r\n".repeat(40);
    let mut caller = alice(&world).invite(FIXED);
    let mut first = carrier(&world).expect_invite();
    first.reply_with(200, &routes, "");
    first.expect("ACK");
    let bye = first.expect("BYE");
    first.reply_with(200, &routes, "");
    first.expect("ACK");
    first.expect_nothing();
    first.respond(&bye, 200, "", "");
    let mut callee = second(&world).expect_invite();
    callee.decline(&mut caller);
    let cdr = world.ended_as("outgoing 0ms 200/100 rejected 486 Callee");
    assert_eq!((cdr.trunk.map(|trunk| trunk.0), cdr.b_leg.call_id), (Some(1), first.call_id));
    world.finish();
}

/// F3: an American account, a British carrier that wants national numbers.
#[test]
fn a_national_number_is_the_carriers_not_the_accounts() {
    let world = World::with(|town| {
        let plan = &mut town.account(1).dial_plan;
        plan.home = "US".parse().unwrap();
        (plan.national_prefix, plan.international_prefix) = ("1".to_owned(), "011".to_owned());
        town.trunk(1).number_format = types::TrunkNumberFormat::National;
    });
    for (dialled, sent) in [(FRANCE, "0033140000000"), (FIXED, "02079460999")] {
        let mut caller = alice(&world).invite(dialled);
        let mut callee = carrier(&world).expect_invite();
        let invite = callee.invite.clone().unwrap();
        assert_eq!(invite.uri, format!("sip:{sent}@{CARRIER}"), "{dialled}");
        callee.decline(&mut caller);
    }
    world.finish();
}
