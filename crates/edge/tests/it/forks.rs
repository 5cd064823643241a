//! Several phones, several early dialogs, one answer.

use crate::calls::{HOME, alice, carrier};
use crate::leg::Leg;
use crate::town::*;
use crate::ua::Ua;
use crate::wire::{ANSWER, tag_of};
use crate::world::World;

/// Bob's two phones, registered.
fn phones(world: &World) -> (Ua, Ua) {
    let desk = world.ua("203.0.113.20:5070", BOB);
    let mobile = world.ua("203.0.113.21:5071", BOB);
    desk.register();
    mobile.register();
    (desk, mobile)
}

fn ring_both(world: &World) -> (Leg, Leg, Leg) {
    let (desk, mobile) = phones(world);
    let caller = alice(world).invite("bob1");
    let (desk, mobile) = (desk.expect_invite(), mobile.expect_invite());
    assert_ne!(desk.call_id, mobile.call_id);
    (caller, desk, mobile)
}

fn take_cancel(leg: &mut Leg) {
    let cancel = leg.expect("CANCEL");
    leg.respond(&cancel, 200, "", "");
    leg.reply(487);
    leg.expect("ACK");
}

#[test]
fn one_rings_one_answers() {
    let world = World::new();
    let (mut caller, mut desk, mut mobile) = ring_both(&world);
    desk.reply(180);
    caller.expect(180);
    mobile.reply(200);
    mobile.expect("ACK");
    caller.expect(200);
    take_cancel(&mut desk);
    caller.ack();
    world.advance(1_000);
    mobile.bye();
    caller.take_bye();
    desk.expect_nothing();
    let cdr = world.ended_as("on-net 1000ms 0/0 normal 200 Callee");
    assert_eq!(cdr.b_leg.call_id, mobile.call_id);
    world.finish();
}

#[test]
fn one_is_busy_one_answers() {
    let world = World::new();
    let (mut caller, mut desk, mut mobile) = ring_both(&world);
    desk.reply(486);
    desk.expect("ACK");
    caller.expect_nothing();
    mobile.reply(180);
    caller.expect(180);
    mobile.answer(&mut caller);
    caller.bye();
    mobile.take_bye();
    world.finish();
}

#[test]
fn the_best_refusal_wins() {
    for (first, second, want) in
        [(480, 486, 486), (486, 480, 486), (404, 603, 603), (503, 404, 404)]
    {
        let world = World::new();
        let (mut caller, mut desk, mut mobile) = ring_both(&world);
        desk.reply(first);
        desk.expect("ACK");
        mobile.reply(second);
        mobile.expect("ACK");
        caller.refused(want);
        world.ended_as(&format!("on-net 0ms 0/0 rejected {want} Callee"));
        world.finish();
    }
}

#[test]
fn declined_on_one_phone_is_declined() {
    // RFC 3261 §16.7 step 5: a 6xx is for all phones.
    let world = World::new();
    let (mut caller, mut desk, mut mobile) = ring_both(&world);
    desk.reply(180);
    caller.expect(180);
    mobile.reply(603);
    mobile.expect("ACK");
    take_cancel(&mut desk);
    caller.refused(603);
    world.ended_as("on-net 0ms 0/0 rejected 603 Callee");
    world.finish();
}

#[test]
fn both_answer_at_once() {
    let world = World::new();
    let (mut caller, mut desk, mut mobile) = ring_both(&world);
    desk.reply(180);
    mobile.reply(180);
    let (first, second) = (caller.expect(180), caller.expect(180));
    assert_ne!(first.to_tag(), second.to_tag(), "two early dialogs");
    desk.reply(200);
    desk.expect("ACK");
    let cancel = mobile.expect("CANCEL");
    mobile.reply(200);
    mobile.expect("ACK");
    mobile.take_bye();
    mobile.respond(&cancel, 481, "", "");
    let ok = caller.expect(200);
    assert_eq!(ok.to_tag(), first.to_tag(), "the desk phone's dialog");
    caller.expect_nothing();
    caller.ack();
    world.advance(1_000);
    caller.bye();
    desk.take_bye();
    let cdr = world.ended_as("on-net 1000ms 0/0 normal 200 Caller");
    assert_eq!(cdr.b_leg.call_id, desk.call_id);
    world.finish();
}

#[test]
fn early_dialogs_keep_their_tags() {
    let world = World::new();
    let mut caller = alice(&world).invite(FIXED);
    let callee = carrier(&world).expect_invite();
    let with_tag = |tag: &str| {
        let to = format!("{};tag={tag}", callee.invite.as_ref().unwrap().header("To"));
        Leg { local: to, ..callee.clone() }
    };
    let (one, two, mut three) = (with_tag("one"), with_tag("two"), with_tag("three"));
    let mut tags = Vec::new();
    for leg in [&one, &two, &three, &one, &two] {
        leg.reply(183);
        tags.push(caller.expect(183).to_tag().to_owned());
    }
    assert_eq!((&tags[0], &tags[1]), (&tags[3], &tags[4]));
    let mut different = tags.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), 3, "{tags:?}");
    three.reply(200);
    let ack = three.expect("ACK");
    assert_eq!(ack.to_tag(), "three");
    let ok = caller.expect(200);
    assert_eq!(ok.to_tag(), tags[2]);
    // Another fork of the carrier answers, too: acknowledged and hung up, once each time it comes.
    let mut two = two;
    two.reply(200);
    let ack = two.expect("ACK");
    assert_eq!(ack.to_tag(), "two");
    let bye = two.expect("BYE");
    assert_eq!(bye.to_tag(), "two");
    two.respond(&bye, 200, "", "");
    caller.expect_nothing();
    caller.ack();
    caller.bye();
    let bye = three.take_bye();
    assert_eq!(bye.to_tag(), "three");
    world.finish();
}

#[test]
fn early_media_passes_untouched() {
    let world = World::new();
    let mut caller = alice(&world).invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    callee.reply_with(183, "", ANSWER);
    let progress = caller.expect(183);
    assert_eq!(
        (progress.body.as_str(), progress.header("Content-Type")),
        (ANSWER, "application/sdp")
    );
    assert_eq!(tag_of(progress.header("To")), progress.to_tag());
    callee.decline(&mut caller);
    world.finish();
}

#[test]
fn the_caller_gives_up_both() {
    let world = World::new();
    let (mut caller, mut desk, mut mobile) = ring_both(&world);
    desk.reply(180);
    caller.expect(180);
    caller.give_up();
    take_cancel(&mut desk);
    // The other said nothing yet; it is cancelled when it does.
    mobile.expect_nothing();
    mobile.reply(180);
    take_cancel(&mut mobile);
    world.ended_as("on-net 0ms 0/0 cancelled 487 Caller");
    world.finish();
}

#[test]
fn all_lines_of_a_number_ring() {
    let world = World::with(|town| {
        town.snapshot.numbers.push(number("+442079460022", 1, None));
    });
    let first = world.ua(HOME, ALICE);
    let second = world.ua("203.0.113.8:5060", ALICE2);
    first.register();
    second.register();
    let mut caller = carrier(&world).invite_as_carrier("+442079460022");
    caller.expect(100);
    let (mut one, mut two) = (first.expect_invite(), second.expect_invite());
    two.reply(180);
    caller.expect(180);
    one.reply(200);
    one.expect("ACK");
    take_cancel(&mut two);
    caller.expect(200);
    caller.ack();
    caller.bye();
    one.take_bye();
    let cdr = world.ended_as("incoming 0ms 0/0 normal 200 Caller");
    assert_eq!(cdr.account.0, 1);
    world.finish();
}

#[test]
fn a_phone_that_forwards_is_not_followed() {
    // F2: a forward costs money, so it has to go through the gate first.
    for contact in ["sip:+449098790000@ringfence.test", "tel:+33140000000", "sip:x@198.51.100.9"] {
        let world = World::new();
        let bob = world.ua("203.0.113.20:5070", BOB);
        bob.register();
        let mut caller = alice(&world).invite("bob1");
        let mut callee = bob.expect_invite();
        callee.reply_with(302, &format!("Contact: <{contact}>\r\n"), "");
        callee.expect("ACK");
        let got = caller.refused(480);
        assert!(!got.has("Contact"));
        carrier(&world).expect_nothing();
        world.ended_as("on-net 0ms 0/0 no-answer 480 Callee");
        world.finish();
    }
}

/// However many branches ring, the one that answers gets the call.
#[test]
fn the_answer_finds_a_dialog_behind_a_hundred_that_ring() {
    let world = World::new();
    let mut caller = alice(&world).invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    let to = callee.local.clone();
    for branch in 0..100 {
        callee.local = format!("{to}{branch}");
        callee.reply(180);
        caller.expect(180);
    }
    callee.local = format!("{to}answers");
    callee.answer(&mut caller);
    world.advance(1_000);
    callee.bye();
    caller.take_bye();
    world.ended_as("outgoing 1000ms 200/100 normal 200 Callee");
    world.finish();
}
