//! Controls that change while people talk. Lives here: who is hung up on, when, and what is written of it.
//! Never here: who may change what (engine).

use engine::{Command, ControlChange};
use types::{
    AccountId, By, ClassSet, DestinationClass, Fact, Money, Proof, Record, Setting, Standing,
    UnixMicros,
};

use crate::calls::talk;
use crate::money::both_are_hung_up;
use crate::town::*;
use crate::world::{Store, World, in_a_line};

/// 0.051 a minute: above the cap at first.
const GERMANY: &str = "+49301234567";

fn order(
    world: &World,
    setting: Setting,
    until: Option<UnixMicros>,
) -> Result<edge::Reply, String> {
    let by = match until {
        Some(_) => By::STAFF,
        None => By::Holder { proof: Proof::LoggedIn },
    };
    let (account, settings, why) = (AccountId(1), vec![setting], String::new());
    let change = ControlChange { account, settings, by, why, until };
    world.command(Command::ChangeControls(Box::new(change)))
}

/// Raises the cap for Germany for so long.
fn raise(world: &World, ms: u64) -> UnixMicros {
    let until = world.wall().plus_ms(ms);
    let cap = Setting::PriceCapInternational(Money::from_cents(10));
    order(world, cap, Some(until)).unwrap();
    until
}

/// What stood, the newest last, with the price cap in millionths.
fn stood(world: &World) -> Vec<(UnixMicros, i64)> {
    let standing = |record| match record {
        Record::Standing(standing) => {
            let Standing { at, controls, .. } = *standing;
            Some((at, controls.price_cap_international.micros()))
        }
        _ => None,
    };
    world.written().into_iter().filter_map(standing).collect()
}

#[test]
fn what_is_lowered_hangs_up_the_dear_call_and_leaves_the_cheap_one() {
    fn check(setting: Setting, dear: &str, want: &str) {
        let world = World::new();
        let (mut caller, mut callee) = talk(&world, dear);
        let (mut other, mut other_callee) = talk(&world, FIXED);
        world.advance(5_000);
        let reply = order(&world, setting.clone(), None).unwrap();
        assert_eq!(reply.cut, 1, "{}: {}", setting.name(), reply.message);
        assert!(reply.message.ends_with("(safer); 1 live calls cut"), "{}", reply.message);
        both_are_hung_up(&mut caller, &mut callee, "cut by the provider");
        world.ended_as(want);
        world.advance(5_000);
        other.expect_nothing();
        other.bye();
        other_callee.take_bye();
        assert_eq!(in_a_line(&world.cdrs()[1]), "outgoing 10000ms 2000/1000 normal 200 Caller");
        world.finish();
    }
    let paris = "outgoing 5000ms 30000/1250 cut 200 Ringfence";
    check(Setting::PriceCapInternational(Money::from_micros(29_999)), FRANCE, paris);
    let barred = ClassSet::barred_by_default().with(DestinationClass::International);
    check(Setting::Barred(barred), FRANCE, paris);
    let mobile = "outgoing 5000ms 15000/500 cut 200 Ringfence";
    check(Setting::PriceCapNational(Money::from_micros(59_999)), MOBILE, mobile);
    check(Setting::ConnectFeeCap(Money::from_micros(9_999)), MOBILE, mobile);
}

#[test]
fn above_a_lowered_stop_level_a_call_ends_with_its_held_slice() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FRANCE);
    let (mut other, mut other_callee) = talk(&world, FIXED);
    world.advance(5_000);
    assert_eq!(order(&world, Setting::StopLevel24h(Money::from_micros(1)), None).unwrap().cut, 0);
    world.advance(54_749);
    caller.expect_nothing();
    world.advance(1);
    both_are_hung_up(&mut caller, &mut callee, "the money held has run out");
    world.ended_as("outgoing 59750ms 30000/15000 money-ended 200 Ringfence");
    other.expect_nothing();
    other.bye();
    other_callee.take_bye();
    world.finish();
}

#[test]
fn a_raise_that_ends_hangs_up_what_it_allowed_at_that_moment() {
    let world = World::new();
    let until = raise(&world, 40_000);
    let (mut caller, mut callee) = talk(&world, GERMANY);
    let (mut other, mut other_callee) = talk(&world, FRANCE);
    world.advance(39_999);
    caller.expect_nothing();
    world.advance(1);
    both_are_hung_up(&mut caller, &mut callee, "cut by the provider");
    world.ended_as("outgoing 40000ms 34000/0 cut 200 Ringfence");
    other.expect_nothing();
    other.bye();
    other_callee.take_bye();
    assert_eq!(stood(&world).last(), Some(&(until, 50_000)));
    assert!(world.facts().iter().any(|fact| matches!(fact, Fact::RaiseEnded { .. })));
    world.finish();
}

#[test]
fn a_raise_that_ended_while_the_program_was_down_ends_with_its_start() {
    let world = World::new();
    let until = raise(&world, 20_000);
    let (mut caller, mut callee) = talk(&world, GERMANY);
    world.advance(10_000);
    world.restart(15_000);
    both_are_hung_up(&mut caller, &mut callee, "cut by the provider");
    assert_eq!(stood(&world).last(), Some(&(until, 50_000)));
    assert_eq!(world.cdr().cause, types::cdr::HangupCause::Cut);
    world.finish();
}

#[test]
fn a_raise_ends_though_nothing_can_be_written_and_is_written_later() {
    let world = World::new();
    let until = raise(&world, 10_000);
    let (mut caller, mut callee) = talk(&world, GERMANY);
    world.store(Store::Failing);
    world.advance(10_000);
    both_are_hung_up(&mut caller, &mut callee, "cut by the provider");
    assert_eq!(stood(&world).len(), 1);
    world.store(Store::Up);
    world.advance(5_000);
    assert_eq!(stood(&world).last(), Some(&(until, 50_000)));
    let raises = |record| match record {
        Record::Raises(raises) => Some(raises.is_empty()),
        _ => None,
    };
    assert_eq!(world.written().into_iter().filter_map(raises).last(), Some(true));
    world.finish();
}

#[test]
fn phones_outside_a_lock_that_was_widened_for_a_while_are_forgotten() {
    let world = World::with(|town| {
        town.account(1).controls.ip_lock = vec!["192.0.2.0/24".parse().unwrap()];
    });
    let until = world.wall().plus_ms(60_000);
    let wide = ["192.0.2.0/24", "203.0.113.0/24"].map(|net| net.parse().unwrap());
    order(&world, Setting::IpLock(wide.to_vec()), Some(until)).unwrap();
    world.ua("203.0.113.20:5070", ALICE).register();
    assert_eq!(world.bindings().len(), 1);
    world.advance(60_000);
    assert_eq!(world.bindings().len(), 0);
    world.finish_with_post();
}
