//! After a restart: the same exposure or more, and every call metered again.

use engine::{CallOrder, Ended, Extension};
use types::cdr::HangupCause;
use types::record::Spending;
use types::{Hold, HoldState, Money, Snapshot, UnixMicros};

use crate::world::*;

/// Holds of a world in which one call rings, one talks for 20 s and one is on-net.
fn holds() -> (Vec<Hold>, UnixMicros) {
    let mut world = World::new();
    let (rings, talks, free) = (world.call(PARIS), world.call(PARIS), world.call("1001"));
    world.engine.answered(world.now, talks);
    world.engine.answered(world.now, free);
    world.pass_ms(20_000);
    let hold = |decision| world.engine.hold(decision).expect("it is live");
    (vec![hold(rings), hold(talks), hold(free)], world.now.wall)
}

#[test]
fn live_calls_are_held_counted_and_metered_again() {
    let (holds, wall) = holds();
    let mut world = World::from(&Snapshot { holds: holds.clone(), ..snapshot() }, wall);
    let ids: Vec<_> = holds.iter().map(|hold| hold.decision).collect();
    assert_eq!(world.engine.recovered(), ids);
    let usage = world.usage();
    assert_eq!((usage.held_costly, usage.calls, usage.costly_calls), (micros(24_000), 3, 2));
    // 20 of 30 s were talked before.
    let deadlines = world.engine.deadlines(ids[1]).expect("it is live");
    assert_eq!(deadlines.hard_stop, world.now.tick.plus_ms(9_750));
    assert_eq!(deadlines.extend_at, world.now.tick.plus_ms(4_750));
    world.pass_ms(5_000);
    assert_eq!(world.engine.handle_timeout(world.now), [CallOrder::Extend(ids[1])]);
    assert_eq!(world.engine.extend(world.now, ids[1]), Extension::Granted);
    world.engine.extension_stored(world.now, ids[1]);
    world.pass_ms(5_000);
    let records = world.end(ids[1], HangupCause::Normal);
    assert_eq!((cdr(&records).price, cdr(&records).duration_ms), (micros(12_000), 30_000));
    let records = world.end(ids[2], HangupCause::Normal);
    assert_eq!((cdr(&records).to_account, cdr(&records).price), (Some(BOB), Money::ZERO));
    world.end(ids[0], HangupCause::Fault);
    assert_eq!(world.engine.recovered(), []);
    assert_eq!(world.usage().held, Money::ZERO);
    assert_eq!(world.engine.audit(), Ok(()));
}

#[test]
fn a_call_that_outlived_its_slice_while_we_were_down_is_cut_at_once() {
    let (holds, wall) = holds();
    let down = Snapshot { holds: holds.clone(), ..snapshot() };
    let mut world = World::from(&down, wall.plus_ms(60_000));
    let talks = holds[1].decision;
    let cut = CallOrder::Cut(talks, HangupCause::MoneyEnded);
    assert_eq!(world.engine.handle_timeout(world.now), [cut]);
    // It is metered from its answer by the wall clock: 80 s.
    let records = world.end(talks, HangupCause::MoneyEnded);
    assert_eq!((cdr(&records).price, cdr(&records).duration_ms), (micros(32_000), 80_000));
    assert_eq!(cdr(&records).answered, Some(NOON));
}

/// A call that talked for 20 s of 30 paid ones when the last mark was written, ended `down_ms` later.
fn lost(marked_ms: i64, down_ms: u64, is_lost: bool) -> (i64, u64) {
    let (holds, wall) = holds();
    let newest = UnixMicros(wall.0 + marked_ms * 1_000);
    let down = Snapshot { holds: holds.clone(), ..snapshot() };
    let mut world = World::from(&down, wall.plus_ms(down_ms));
    let lost_after = is_lost.then_some(newest);
    let ended = Ended { lost_after, ..ended(HangupCause::SessionExpired) };
    let records = world.engine.end(world.now, holds[1].decision, ended);
    (cdr(&records).price.micros(), cdr(&records).duration_ms)
}

#[test]
fn a_call_that_the_carrier_has_lost_is_charged_to_the_last_mark_of_life() {
    // The last mark at 20 s, and what the next may take.
    assert_eq!(lost(0, 8_000, true), (8_800, 21_500));
    assert_eq!(lost(0, 8_000, false), (11_200, 28_000), "the carrier has it still, and charges");
    assert_eq!(lost(0, 1_000, true), (8_400, 21_000), "never more than until now");
    assert_eq!(lost(-5_000, 8_000, true), (6_800, 16_500));
    assert_eq!(lost(-60_000, 8_000, true), (400, 0), "the minimum at least");
    assert_eq!(lost(50_000, 60_000, true), (12_000, 30_000), "what was held at most");
    assert_eq!(lost(50_000, 60_000, false), (32_000, 80_000));
}

#[test]
fn nothing_is_metered_after_the_hang_up() {
    let (holds, wall) = holds();
    let mut world = World::from(&Snapshot { holds: holds.clone(), ..snapshot() }, wall);
    assert!(world.engine.is_metering());
    let talks = holds[1].decision;
    world.pass_ms(2_000);
    let hung_up = world.now;
    world.engine.hung_up(world.now, talks);
    assert!(!world.engine.is_metering());
    assert_eq!(world.engine.next_timeout(), None);
    world.pass_ms(9_000);
    world.engine.hung_up(world.now, talks);
    assert!(matches!(world.engine.extend(world.now, talks), Extension::Refused(_)));
    assert_eq!(world.engine.handle_timeout(world.now), []);
    assert_eq!(world.usage().held_costly, micros(24_000), "held until it is settled");
    let records = world.end(talks, HangupCause::Normal);
    let cdr = cdr(&records);
    assert_eq!((cdr.price, cdr.duration_ms, cdr.ended), (micros(8_800), 22_000, hung_up.wall));
}

#[test]
fn a_ringing_call_can_still_be_answered() {
    let (holds, wall) = holds();
    let mut world = World::from(&Snapshot { holds: holds.clone(), ..snapshot() }, wall);
    let deadlines = world.engine.answered(world.now, holds[0].decision);
    assert_eq!(deadlines.hard_stop, world.now.tick.plus_ms(29_750));
    let state = world.engine.hold(holds[0].decision).map(|hold| hold.state);
    assert_eq!(state, Some(HoldState::Answered(wall)));
}

#[test]
fn spending_warnings_and_hotspots_are_remembered() {
    let spent = |hours: i64, amount| Spending {
        account: ALICE,
        at: UnixMicros(NOON.0 - hours * 3_600_000_000),
        amount: micros(amount),
        costly: true,
    };
    let mut world = World::from(
        &Snapshot {
            spending: vec![spent(30, 500), spent(0, 100), spent(20, 70)],
            unbilled: vec![(ALICE, micros(25_000_000))],
            hotspot_calls: vec![(ALICE, UnixMicros(NOON.0 - 1))],
            ..snapshot()
        },
        NOON,
    );
    let usage = world.usage();
    assert_eq!(
        (usage.spent_1h, usage.spent_24h, usage.spent_7d),
        (micros(100), micros(170), micros(670))
    );
    assert_eq!(usage.unbilled, micros(25_000_000));
    assert_eq!(world.codes(RIGA), ["hotspot-limit"]);
    // The levels of 10 and 20 were told of before the restart.
    let decision = world.call(PARIS);
    world.engine.answered(world.now, decision);
    world.pass_ms(10_000);
    assert_eq!(world.end(decision, HangupCause::Normal).len(), 4, "no warning among them");
}

#[test]
fn a_hold_of_an_account_that_is_gone_can_be_ended() {
    let (holds, wall) = holds();
    let mut snapshot = Snapshot { holds: holds.clone(), ..snapshot() };
    snapshot.accounts.remove(0);
    let mut world = World::from(&snapshot, wall);
    let talks = holds[1].decision;
    assert!(matches!(world.engine.extend(world.now, talks), Extension::Refused(_)));
    assert_eq!(cdr(&world.end(talks, HangupCause::Cut)).price, micros(8_000));
}

#[test]
fn bad_snapshots_are_named() {
    fn check(change: impl FnOnce(&mut Snapshot), want: &str) {
        let mut snapshot = snapshot();
        change(&mut snapshot);
        let now = types::Now::default();
        let error = engine::Engine::new(config(), &snapshot, now).expect_err(want);
        assert_eq!(error.to_string(), want);
    }
    check(
        |snapshot| snapshot.accounts[1].time_zone = "Nowhere".into(),
        "account 2: `Nowhere` is not a time zone: expected an IANA name like Europe/London",
    );
    check(
        |snapshot| snapshot.decks[0].rows[0].prefix = "0".into(),
        "deck 1: prefix `0`: expected 1 to 15 digits, the first not 0",
    );
    check(
        |snapshot| {
            let (holds, _) = holds();
            snapshot.holds = vec![holds[0].clone(), holds[0].clone()];
        },
        &format!(
            "the money of the store does not add up: call {} holds money already",
            holds().0[0].decision
        ),
    );
}
