//! The store is down: no new costs, everything else goes on. And a node that has enough to do.

use types::{Finding, Record};

use crate::calls::{HOME, alice, carrier, talk, talk_between, talk_from_carrier};
use crate::town::*;
use crate::world::{Store, World};

fn down(world: &World) {
    world.store(Store::Failing);
    world.store_health(false);
}

fn back(world: &World) {
    world.store(Store::Up);
    world.store_health(true);
    world.advance(0);
}

#[test]
fn chargeable_calls_are_refused() {
    let world = World::new();
    down(&world);
    let phone = alice(&world);
    let mut caller = phone.invite_with(phone.invite_request(FIXED));
    let got = caller.refused(503);
    assert!(got.header("Reason").contains("[store-down "), "{}", got.text());
    assert_eq!(got.header("Retry-After"), "10");
    carrier(&world).expect_nothing();
    assert_eq!(world.cdrs().len(), 0);
    back(&world);
    let cdr = world.ended_as("outgoing 0ms 0/0 refused 503 Ringfence");
    assert_eq!(cdr.explanation.findings, [Finding::StoreDown]);
    world.finish();
}

#[test]
fn a_first_hold_that_is_not_written_is_told() {
    let world = World::new();
    // It fails before anybody knows that the store is down.
    world.store(Store::Failing);
    let phone = alice(&world);
    let mut caller = phone.invite_with(phone.invite_request(FIXED));
    caller.expect(100);
    let got = caller.refused(503);
    assert!(got.header("Reason").contains("[store-down "), "{}", got.text());
    world.store(Store::Up);
    world.advance(1_000);
    let cdr = world.ended_as("outgoing 0ms 0/0 fault 503 Ringfence");
    assert_eq!(cdr.explanation.findings, [Finding::StoreDown]);
    world.finish();
}

#[test]
fn emergency_calls_pass_and_are_written_later() {
    let world = World::new();
    down(&world);
    let (mut caller, mut callee) = talk(&world, "112");
    world.advance(20_000);
    caller.bye();
    callee.take_bye();
    assert_eq!(world.cdrs().len(), 0);
    world.advance(60_000);
    back(&world);
    let cdr = world.ended_as("outgoing 20000ms 0/0 normal 200 Caller");
    assert_eq!(cdr.destination.class, types::DestinationClass::Emergency);
    world.finish();
}

#[test]
fn calls_that_nobody_pays_go_on() {
    let world = World::new();
    down(&world);
    let bob = world.ua("203.0.113.20:5070", BOB);
    bob.register();
    let (mut caller, mut callee) = talk_between(&alice(&world), &bob, "bob1");
    caller.bye();
    callee.take_bye();
    let (mut caller, mut callee) = talk_from_carrier(&world, &bob);
    callee.bye();
    caller.take_bye();
    back(&world);
    assert_eq!(world.cdrs().len(), 2);
    world.finish();
}

#[test]
fn live_calls_end_with_what_is_held() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    world.advance(10_000);
    down(&world);
    world.advance(19_749);
    caller.expect_nothing();
    world.advance(1);
    callee.take_bye();
    caller.take_bye();
    back(&world);
    world.ended_as("outgoing 29750ms 6000/3000 money-ended 200 Ringfence");
    world.finish();
}

#[test]
fn live_calls_go_on_when_it_is_back_in_time() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    world.advance(24_000);
    down(&world);
    world.advance(4_000);
    back(&world);
    world.advance(22_000);
    caller.bye();
    callee.take_bye();
    world.ended_as("outgoing 50000ms 10000/5000 normal 200 Caller");
    world.finish();
}

#[test]
fn a_command_says_that_it_is_not_written_yet() {
    let world = World::new();
    down(&world);
    let command = engine::Command::SetStatus(types::AccountId(1), types::AccountStatus::Frozen);
    let told = world.command(command).unwrap_err();
    assert!(told.contains("not yet written"), "{told}");
    let phone = alice(&world);
    phone.invite_with(phone.invite_request(FIXED)).refused(403);
    back(&world);
    assert!(world.facts().iter().any(|fact| matches!(fact, types::Fact::Lowered { .. })));
    world.finish();
}

#[test]
fn enough_calls_are_enough() {
    let world = World::with(|town| town.config.limits.calls = 2);
    let bob = world.ua("203.0.113.20:5070", BOB);
    bob.register();
    let (mut one, mut one_callee) = talk(&world, FIXED);
    let (mut two, mut two_callee) = talk_between(&alice(&world), &bob, "bob1");
    let phone = world.ua(HOME, ALICE);
    let got = phone.invite_with(phone.invite_request(FIXED)).refused(503);
    assert!(got.has("Retry-After"), "{}", got.text());
    world.ended_as("outgoing 0ms 0/0 fault 503 Ringfence");
    let (mut help, mut helper) = talk(&world, "999");
    help.bye();
    helper.take_bye();
    assert_eq!(world.cdrs().len(), 2, "the one refused and the emergency");
    one.bye();
    one_callee.take_bye();
    two.bye();
    two_callee.take_bye();
    let (mut three, mut three_callee) = talk(&world, FIXED);
    three.bye();
    three_callee.take_bye();
    world.finish();
}

#[test]
fn enough_transactions_are_enough() {
    let world = World::with(|town| town.config.limits.transactions = 1);
    let phone = alice(&world);
    // The INVITE has its transaction, its leg finds no more room or takes the last: no panic, one answer.
    let mut first = phone.invite(FIXED);
    let mut callee = carrier(&world).expect_invite();
    let request = phone.invite_request(FIXED);
    let mut second = request.clone();
    phone.send_with_login(&mut second);
    let got = phone.expect(503);
    phone.send(&phone.ack_of_refusal(&second, &got));
    callee.decline(&mut first);
    world.finish();
}

/// The accounts written, as status and calls at once, oldest first.
fn accounts_written(world: &World) -> Vec<(types::AccountStatus, u16)> {
    let written = world.written();
    let account = |record| match record {
        Record::Account(account) => Some((account.status, account.controls.calls)),
        _ => None,
    };
    written.into_iter().filter_map(account).collect()
}

#[test]
fn a_change_that_is_written_late_does_not_undo_a_later_one() {
    let world = World::new();
    world.store(Store::Failing);
    let mut account = Town::new().account(1).clone();
    account.controls.calls = 4;
    world.command(engine::Command::PutAccount(account)).unwrap_err();
    world.store(Store::Up);
    let suspended = types::AccountStatus::Suspended;
    world.command(engine::Command::SetStatus(types::AccountId(1), suspended)).unwrap();
    world.advance(2_000);
    assert_eq!(accounts_written(&world), [(suspended, 4), (suspended, 4)]);
    world.finish();
}

#[test]
fn a_line_that_is_written_late_is_the_line_of_now() {
    let world = World::new();
    world.store(Store::Failing);
    let line = Town::new().line(1).clone();
    let named = types::Line { caller_id: Some(ALICE_NUMBER.parse().unwrap()), ..line };
    world.command(engine::Command::PutLine(named.clone())).unwrap_err();
    let number = number(FIXED, 1, None);
    world.command(engine::Command::PutNumber(number.clone())).unwrap_err();
    world.store(Store::Up);
    let off = types::Line { status: types::LineStatus::Disabled, ..named };
    world.command(engine::Command::PutLine(off.clone())).unwrap();
    world.command(engine::Command::RemoveNumber(number.number)).unwrap();
    world.advance(2_000);
    let written = world.written();
    let last = written.iter().rev().find(|record| matches!(record, Record::Line(_)));
    assert_eq!(last, Some(&Record::Line(Box::new(off))));
    let of_number = |record: &&Record| matches!(record, Record::Number(_) | Record::NumberGone(_));
    let last = written.iter().rev().find(of_number);
    assert_eq!(last, Some(&Record::NumberGone(number.number)));
    world.finish();
}

#[test]
fn what_cannot_be_written_is_bounded_and_money_is_kept() {
    let world = World::with(|town| town.config.limits.backlog = 20);
    let (mut caller, mut callee) = talk(&world, FIXED);
    world.advance(10_000);
    // The disk is full: neither database nor journal takes anything.
    down(&world);
    let phone = alice(&world);
    for _ in 0..100 {
        phone.invite_with(phone.invite_request(FIXED)).refused(503);
    }
    let stats = world.stats();
    assert_eq!((stats.records_waiting, stats.records_dropped), (10, 90));
    caller.bye();
    callee.take_bye();
    assert_eq!(world.stats().records_waiting, 11, "a charge is never given up");
    let asked = world.asked();
    world.advance(600_000);
    let times = world.asked() - asked;
    assert!(times <= 11 * 25, "asked {times} times in ten minutes");
    back(&world);
    // One refusal more had to make room for the charge.
    assert_eq!(world.cdrs().len(), 10);
    assert_eq!(world.stats().records_waiting, 0);
    let charged: i64 = world.cdrs().iter().map(|cdr| cdr.price.micros()).sum();
    assert_eq!(charged, 2_000);
    world.finish();
}
