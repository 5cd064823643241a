//! Money while people talk: slices, their end, a store that does not write.

use types::{AccountId, AccountStatus, Fact, Money, Record};

use crate::calls::{alice, carrier, talk};
use crate::leg::Leg;
use crate::town::*;
use crate::world::{Store, World};

fn money_ended_facts(world: &World) -> usize {
    world.facts().iter().filter(|fact| matches!(fact, Fact::MoneyEnded { .. })).count()
}

pub fn both_are_hung_up(caller: &mut Leg, callee: &mut Leg, why: &str) {
    for leg in [callee, caller] {
        let bye = leg.take_bye();
        assert!(bye.header("Reason").contains(why), "{}", bye.text());
    }
}

#[test]
fn slices_are_held_before_they_are_talked() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    let held = |world: &World| world.open_holds()[0].amount.micros();
    assert_eq!(held(&world), 6_000);
    world.advance(24_749);
    assert_eq!(held(&world), 6_000);
    world.advance(1);
    assert_eq!(held(&world), 12_000);
    world.advance(30_000);
    assert_eq!(held(&world), 18_000);
    world.advance(245_250);
    callee.bye();
    caller.take_bye();
    world.ended_as("outgoing 300000ms 60000/30000 normal 200 Callee");
    assert_eq!(money_ended_facts(&world), 0);
    world.finish();
}

#[test]
fn the_level_is_reached() {
    let world = World::with(|town| {
        town.account(1).controls.stop_level_all_24h = Money::from_micros(12_000);
    });
    let (mut caller, mut callee) = talk(&world, FIXED);
    world.advance(59_749);
    caller.expect_nothing();
    callee.expect_nothing();
    world.advance(1);
    both_are_hung_up(&mut caller, &mut callee, "the money held has run out");
    world.ended_as("outgoing 59750ms 12000/6000 money-ended 200 Ringfence");
    assert_eq!(money_ended_facts(&world), 1);
    assert_eq!(world.stats().cut, 1);
    world.finish();
}

#[test]
fn the_extension_is_not_written() {
    for store in [Store::Failing, Store::Silent] {
        let world = World::new();
        let (mut caller, mut callee) = talk(&world, FIXED);
        world.store(store);
        world.advance(29_749);
        caller.expect_nothing();
        world.advance(1);
        both_are_hung_up(&mut caller, &mut callee, "the money held has run out");
        assert_eq!(world.cdrs().len(), 0);
        world.store(Store::Up);
        world.advance(1_000);
        world.ended_as("outgoing 29750ms 6000/3000 money-ended 200 Ringfence");
        assert_eq!(money_ended_facts(&world), 1);
        world.finish();
    }
}

#[test]
fn a_late_write_of_the_extension_still_counts() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    world.store(Store::Silent);
    world.advance(29_000);
    world.store(Store::Up);
    world.advance(20_000);
    caller.bye();
    callee.take_bye();
    world.ended_as("outgoing 49000ms 9800/4900 normal 200 Caller");
    world.finish();
}

#[test]
fn a_failed_extension_is_asked_for_again() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    world.store(Store::Failing);
    world.advance(25_500);
    world.store(Store::Up);
    world.advance(24_500);
    caller.bye();
    callee.take_bye();
    world.ended_as("outgoing 50000ms 10000/5000 normal 200 Caller");
    world.finish();
}

#[test]
fn the_first_increment_is_held_whole() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FRANCE);
    assert_eq!(world.held(1), Money::from_micros(30_000), "60 s of 3p");
    world.advance(1_000);
    caller.bye();
    callee.take_bye();
    world.ended_as("outgoing 1000ms 30000/250 normal 200 Caller");
    world.finish();
}

#[test]
fn two_calls_share_one_level() {
    let world = World::with(|town| {
        town.account(1).controls.stop_level_all_24h = Money::from_micros(15_000);
    });
    let (mut first, mut first_callee) = talk(&world, FIXED);
    let (mut second, mut second_callee) = talk(&world, FIXED);
    let phone = alice(&world);
    let mut third = phone.invite_with(phone.invite_request(FIXED));
    let told = third.refused(403);
    assert!(told.phrase.starts_with("0.00 spent and 0.012 held"), "{}", told.phrase);
    world.advance(30_000);
    both_are_hung_up(&mut first, &mut first_callee, "money");
    both_are_hung_up(&mut second, &mut second_callee, "money");
    let total: i64 = world.cdrs().iter().map(|cdr| cdr.price.micros()).sum();
    assert_eq!(total, 12_000);
    world.finish();
}

#[test]
fn a_watched_account_talks_ten_minutes() {
    let world = World::with(|town| town.account(1).status = AccountStatus::Watched);
    let (mut caller, mut callee) = talk(&world, FRANCE);
    world.advance(599_749);
    caller.expect_nothing();
    world.advance(1);
    both_are_hung_up(&mut caller, &mut callee, "money");
    let cdr = world.cdr();
    assert_eq!(cdr.duration_ms, 599_750);
    assert_eq!(cdr.price, Money::from_micros(300_000));
    world.finish();
}

#[test]
fn a_status_that_bars_cuts_live_calls() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    world.advance(10_000);
    let command = engine::Command::SetStatus(AccountId(1), AccountStatus::Suspended);
    assert_eq!(world.command(command).unwrap().cut, 1);
    both_are_hung_up(&mut caller, &mut callee, "cut by the provider");
    world.ended_as("outgoing 10000ms 2000/1000 cut 200 Ringfence");
    world.finish();
}

#[test]
fn charge_and_cost_are_posted_with_the_cdr() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, MOBILE);
    world.advance(60_000);
    caller.bye();
    callee.take_bye();
    world.ended_as("outgoing 60000ms 70000/6000 normal 200 Caller");
    let transfers: Vec<(String, i64)> = world
        .written()
        .iter()
        .filter_map(|record| match record {
            Record::Transfer(transfer) => {
                Some((format!("{:?}", transfer.kind), transfer.amount.micros()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(transfers, [("Charge".to_owned(), 70_000), ("Cost".to_owned(), 6_000)]);
    world.finish();
}

#[test]
fn the_cdr_is_asked_for_until_it_is_written() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    world.advance(10_000);
    world.store(Store::Failing);
    caller.bye();
    callee.take_bye();
    world.advance(10_000);
    assert_eq!(world.cdrs().len(), 0);
    world.store(Store::Up);
    world.advance(5_000);
    world.ended_as("outgoing 10000ms 2000/1000 normal 200 Caller");
    world.finish();
}

#[test]
fn the_most_that_can_be_lost() {
    // 500 INVITEs in the same instant on an account that can afford ten holds.
    let world = World::with(|town| {
        let controls = &mut town.account(1).controls;
        controls.calls = 1_000;
        controls.stop_level_all_24h = Money::from_micros(60_000);
    });
    world.store(Store::Silent);
    let phone = alice(&world);
    let mut admitted = 0;
    for _ in 0..500 {
        phone.invite_with(phone.invite_request(FIXED));
        admitted += usize::from(phone.forget().contains(&"100 INVITE".to_owned()));
    }
    assert_eq!(admitted, 10);
    world.store(Store::Up);
    let carrier = carrier(&world);
    let invites = carrier.names();
    assert_eq!(invites, vec!["INVITE"; 10]);
    let mut legs: Vec<Leg> = invites.iter().map(|_| carrier.expect_invite()).collect();
    for leg in &mut legs {
        leg.reply(200);
        leg.expect("ACK");
    }
    world.advance(30_000);
    for leg in &mut legs {
        leg.take_bye();
    }
    phone.forget();
    let total: i64 = world.cdrs().iter().map(|cdr| cdr.price.micros()).sum();
    assert_eq!(total, 60_000);
    assert_eq!(world.cdrs().len(), 500);
    world.finish_with_post();
}
