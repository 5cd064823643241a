//! Money while people talk: slice by slice, and never beyond what is stored.

use engine::{CallOrder, Deadlines, Extension};
use types::cdr::HangupCause;
use types::reason::Window;
use types::{AccountStatus, DecisionId, Fact, Finding, HoldState, Money, Record, Tick};

use crate::world::*;

fn at(world: &World, ms: u64) -> Tick {
    world.now.tick.plus_ms(ms)
}

#[test]
fn the_hard_stop_is_a_margin_before_the_end_of_what_is_held() {
    let mut world = World::new();
    let decision = world.call(PARIS);
    let hold = world.engine.hold(decision).expect("it is live");
    assert_eq!(
        (hold.amount, hold.covered_ms, hold.state),
        (micros(12_000), 30_000, HoldState::Pending)
    );
    let never = Deadlines { extend_at: Tick::NEVER, hard_stop: Tick::NEVER };
    assert_eq!(world.engine.deadlines(decision), Some(never), "nothing is paid for ringing");
    world.pass_ms(10_000);
    let want = Deadlines { extend_at: at(&world, 24_750), hard_stop: at(&world, 29_750) };
    assert_eq!(world.engine.answered(world.now, decision), want);
    assert_eq!(world.engine.next_timeout(), Some(want.extend_at));
    assert_eq!(
        world.engine.hold(decision).map(|hold| hold.state),
        Some(HoldState::Answered(world.now.wall))
    );
    world.pass_ms(3_000);
    assert_eq!(world.engine.answered(world.now, decision), want, "a second answer changes nothing");
}

#[test]
fn slices_are_held_stored_and_only_then_talked() {
    let mut world = World::new();
    let decision = world.call(PARIS);
    let first = world.engine.answered(world.now, decision);
    world.pass_ms(24_749);
    assert_eq!(world.engine.handle_timeout(world.now), []);
    world.pass_ms(1);
    assert_eq!(world.engine.handle_timeout(world.now), [CallOrder::Extend(decision)]);
    assert_eq!(world.engine.handle_timeout(world.now), [], "it is said once");
    assert_eq!(world.engine.extend(world.now, decision), Extension::Granted);
    let hold = world.engine.hold(decision).expect("it is live");
    assert_eq!((hold.amount, hold.covered_ms), (micros(24_000), 60_000));
    assert_eq!(world.usage().held, micros(24_000));
    assert_eq!(world.engine.deadlines(decision).map(|d| d.hard_stop), Some(first.hard_stop));
    world.pass_ms(20);
    let stored = world.engine.extension_stored(world.now, decision);
    assert_eq!(stored.hard_stop, first.hard_stop.plus_ms(30_000));
    assert_eq!(stored.extend_at, first.extend_at.plus_ms(30_000));
    let again = world.engine.extension_stored(world.now, decision);
    assert_eq!(again, stored, "a second word of the store moves nothing");
}

#[test]
fn a_slice_that_is_not_stored_ends_the_call() {
    let mut world = World::new();
    let decision = world.call(PARIS);
    let hard_stop = world.engine.answered(world.now, decision).hard_stop;
    world.pass_ms(25_000);
    world.engine.handle_timeout(world.now);
    assert_eq!(world.engine.extend(world.now, decision), Extension::Granted);
    world.engine.extension_failed(world.now, decision);
    // Asked again each second; the money is held once.
    for _ in 0..4 {
        world.pass_ms(1_000);
        assert_eq!(world.engine.handle_timeout(world.now), [CallOrder::Extend(decision)]);
        assert_eq!(world.engine.extend(world.now, decision), Extension::Granted);
        let deadlines = world.engine.extension_failed(world.now, decision);
        assert_eq!(deadlines.hard_stop, hard_stop);
        assert_eq!(world.usage().held, micros(24_000));
    }
    world.pass_ms(750);
    let cut = CallOrder::Cut(decision, HangupCause::MoneyEnded);
    assert_eq!(world.engine.handle_timeout(world.now), [cut]);
    assert_eq!(world.engine.extension_stored(world.now, decision).hard_stop, hard_stop);
    let records = world.end(decision, HangupCause::MoneyEnded);
    assert_eq!((cdr(&records).price, cdr(&records).duration_ms), (micros(12_000), 29_750));
    let fact = Fact::MoneyEnded { account: ALICE, decision };
    assert!(records.contains(&Record::Fact(world.now.wall, fact)));
    assert_eq!(world.usage().held, Money::ZERO);
}

#[test]
fn a_late_word_of_the_store_counts_until_the_hard_stop() {
    fn check(late_ms: u64, moves: bool) {
        let mut world = World::new();
        let decision = world.call(PARIS);
        let hard_stop = world.engine.answered(world.now, decision).hard_stop;
        world.pass_ms(25_000);
        world.engine.handle_timeout(world.now);
        assert_eq!(world.engine.extend(world.now, decision), Extension::Granted);
        world.pass_ms(late_ms);
        let moved = world.engine.extension_stored(world.now, decision).hard_stop > hard_stop;
        assert_eq!(moved, moves, "{late_ms} ms later");
    }
    check(4_749, true);
    check(4_750, false);
    check(9_000, false);
}

#[test]
fn a_lost_tick_ends_a_call_and_never_frees_it() {
    let mut world = World::new();
    let decision = world.call(PARIS);
    let hard_stop = world.engine.answered(world.now, decision).hard_stop;
    world.pass_ms(30_000);
    assert_eq!(
        world.engine.extend(world.now, decision),
        Extension::Refused(vec![Finding::StoreDown])
    );
    assert_eq!(world.engine.deadlines(decision).map(|d| d.hard_stop), Some(hard_stop));
    world.pass_ms(3_600_000);
    let cut = CallOrder::Cut(decision, HangupCause::MoneyEnded);
    assert_eq!(world.engine.handle_timeout(world.now), [cut]);
    assert_eq!(world.engine.handle_timeout(world.now), [], "it is said once");
    assert_eq!(world.engine.next_timeout(), None);
    // The overrun is charged and can be seen.
    let held = world.engine.hold(decision).expect("it is live").amount;
    let price = cdr(&world.end(decision, HangupCause::MoneyEnded)).price;
    assert_eq!((held, price), (micros(12_000), micros(12_000 + 24_000 * 60)));
    assert_eq!(world.engine.money_totals().largest_overrun, micros(24_000 * 60));
}

#[test]
fn a_full_level_refuses_the_next_slice_until_money_is_free() {
    let mut world = World::with(|controls| controls.stop_level_24h = micros(25_000));
    let (first, second) = (world.call(PARIS), world.call(PARIS));
    world.engine.answered(world.now, first);
    world.pass_ms(25_000);
    world.engine.handle_timeout(world.now);
    let Extension::Refused(findings) = world.engine.extend(world.now, first) else {
        panic!("0.036 is more than 0.025");
    };
    assert_eq!(findings[0].reason().code(), "stop-level");
    world.end(second, HangupCause::Cancelled);
    world.pass_ms(1_000);
    assert_eq!(world.engine.handle_timeout(world.now), [CallOrder::Extend(first)]);
    assert_eq!(world.engine.extend(world.now, first), Extension::Granted);
}

#[test]
fn extensions_ask_status_and_store() {
    fn check(change: impl FnOnce(&mut World, DecisionId), want: Option<&str>) {
        let mut world = World::new();
        let decision = world.call(PARIS);
        world.engine.answered(world.now, decision);
        world.pass_ms(25_000);
        change(&mut world, decision);
        let got = match world.engine.extend(world.now, decision) {
            Extension::Granted => None,
            Extension::Refused(findings) => Some(findings[0].reason().code()),
        };
        assert_eq!(got, want);
    }
    check(|_, _| (), None);
    check(|world, _| world.engine.store_health(false), Some("store-down"));
    check(|world, _| drop(world.set_status(AccountStatus::Limited)), Some("account-status"));
    check(|world, _| drop(world.set_status(AccountStatus::Frozen)), Some("account-status"));
    check(|world, _| drop(world.set_status(AccountStatus::Watched)), None);
    check(|world, decision| drop(world.end(decision, HangupCause::Normal)), Some("store-down"));
}

#[test]
fn whole_increments_are_held() {
    let mut world = World::new();
    let decision = world.call("+35312345678");
    let hold = world.engine.hold(decision).expect("it is live");
    assert_eq!((hold.amount, hold.covered_ms), (micros(24_000), 60_000));
    let deadlines = world.engine.answered(world.now, decision);
    assert_eq!(deadlines.hard_stop, at(&world, 59_750));
    world.pass_ms(55_000);
    world.engine.handle_timeout(world.now);
    assert_eq!(world.engine.extend(world.now, decision), Extension::Granted);
    world.engine.extension_stored(world.now, decision);
    world.pass_ms(5_001);
    let records = world.end(decision, HangupCause::Normal);
    assert_eq!(cdr(&records).price, micros(48_000));
}

#[test]
fn a_cut_that_comes_late_costs_no_more_than_was_held() {
    fn check(dialled: &str, first_slice_ms: u64, late_ms: u64, is_held: bool) {
        let mut world = World::with_config(|config| {
            config.first_slice_ms = first_slice_ms;
            config.extend_lead_ms = 300;
        });
        let decision = world.call(dialled);
        let deadlines = world.engine.answered(world.now, decision);
        assert!(deadlines.extend_at < deadlines.hard_stop);
        world.pass_ms(deadlines.hard_stop.ms_since(world.now.tick) + late_ms);
        let orders = world.engine.handle_timeout(world.now);
        assert_eq!(orders, [CallOrder::Cut(decision, HangupCause::MoneyEnded)]);
        let held = world.engine.hold(decision).expect("it is live").amount;
        let price = cdr(&world.end(decision, HangupCause::MoneyEnded)).price;
        assert_eq!(price <= held, is_held, "{dialled}, {late_ms} ms late: {price} of {held}");
    }
    // By the second, and by the minute.
    for dialled in [PARIS, "+35312345678"] {
        check(dialled, 30_000, 0, true);
        check(dialled, 30_000, 250, true);
        check(dialled, 30_000, 251, false);
    }
    check(PARIS, 1_000, 250, true);
}

#[test]
fn a_margin_longer_than_a_slice_leaves_half_of_it() {
    let mut world = World::with_config(|config| {
        (config.first_slice_ms, config.slice_ms) = (4_000, 4_000);
        (config.extend_lead_ms, config.cut_margin_ms) = (500, 3_000);
    });
    let decision = world.call(PARIS);
    let want = Deadlines { extend_at: at(&world, 1_500), hard_stop: at(&world, 2_000) };
    assert_eq!(world.engine.answered(world.now, decision), want);
}

#[test]
fn calls_that_nobody_pays_have_no_deadline() {
    for dialled in ["1001", "08001111111"] {
        let mut world = World::new();
        let decision = world.call(dialled);
        let deadlines = world.engine.answered(world.now, decision);
        assert_eq!((deadlines.extend_at, deadlines.hard_stop), (Tick::NEVER, Tick::NEVER));
        assert_eq!(world.engine.next_timeout(), None);
        assert_eq!(world.engine.extend(world.now, decision), Extension::Granted);
    }
}

#[test]
fn a_watched_accounts_costly_call_ends_after_ten_minutes() {
    let mut world = World::new();
    world.set_status(AccountStatus::Watched);
    let (decision, cheap) = (world.call(PARIS), world.call(LONDON));
    let start = world.now.tick;
    world.engine.answered(world.now, decision);
    world.engine.answered(world.now, cheap);
    let mut cut = None;
    while cut.is_none() {
        let next = world.engine.next_timeout().expect("two calls are metered");
        world.pass_ms(next.ms_since(world.now.tick));
        for order in world.engine.handle_timeout(world.now) {
            match order {
                CallOrder::Extend(decision) => {
                    assert_eq!(world.engine.extend(world.now, decision), Extension::Granted);
                    world.engine.extension_stored(world.now, decision);
                }
                CallOrder::Cut(decision, cause) => cut = Some((decision, cause)),
            }
        }
    }
    assert_eq!(world.now.tick, start.plus_ms(599_750));
    assert_eq!(cut, Some((decision, HangupCause::MoneyEnded)));
    assert_eq!(world.engine.hold(decision).map(|hold| hold.covered_ms), Some(600_000));
    assert_eq!(
        world.engine.extend(world.now, decision),
        Extension::Refused(vec![
            Finding::AccountStatus { status: AccountStatus::Watched },
            Finding::StoreDown
        ])
    );
}

#[test]
fn becoming_watched_bounds_a_call_that_is_further() {
    let mut world = World::new();
    let decision = world.call(PARIS);
    world.engine.answered(world.now, decision);
    for _ in 0..24 {
        world.pass_ms(26_000);
        assert_eq!(world.engine.extend(world.now, decision), Extension::Granted);
        world.engine.extension_stored(world.now, decision);
    }
    // 624 s of talk.
    assert_eq!(world.set_status(AccountStatus::Watched), []);
    let cut = CallOrder::Cut(decision, HangupCause::Cut);
    assert_eq!(world.engine.handle_timeout(world.now), [cut]);
}

#[test]
fn a_call_that_is_not_live_may_not_be_answered() {
    let mut world = World::new();
    let nobody = DecisionId(4);
    assert_eq!(world.engine.answered(world.now, nobody).hard_stop, world.now.tick);
    assert_eq!(world.engine.extension_stored(world.now, nobody).hard_stop, world.now.tick);
    assert_eq!(world.engine.extension_failed(world.now, nobody).hard_stop, world.now.tick);
    assert_eq!(world.engine.deadlines(nobody), None);
    assert!(world.engine.hold(nobody).is_none());
}

#[test]
fn warnings_come_once_for_each_multiple_while_people_talk() {
    // Paris: 0.0004 a second. Level 0.005: crossed at 12.5 s, 25 s, …
    let mut world = World::with(|controls| controls.warning_level = micros(5_000));
    let decision = world.call(PARIS);
    world.engine.answered(world.now, decision);
    let told = |records: Vec<Record>| -> Vec<(i64, i64)> {
        let level = |record| match record {
            Record::Fact(_, Fact::WarningLevel { level, usage, .. }) => {
                Some((level.micros(), usage.micros()))
            }
            _ => None,
        };
        records.into_iter().filter_map(level).collect()
    };
    world.pass_ms(12_000);
    assert_eq!(world.engine.extend(world.now, decision), Extension::Granted);
    world.engine.extension_stored(world.now, decision);
    assert_eq!(told(world.engine.take_facts()), []);
    world.pass_ms(24_000);
    assert_eq!(world.engine.extend(world.now, decision), Extension::Granted);
    assert_eq!(told(world.engine.take_facts()), [(10_000, 14_400)], "the highest multiple only");
    world.engine.extension_stored(world.now, decision);
    assert_eq!(world.engine.extend(world.now, decision), Extension::Granted);
    assert_eq!(told(world.engine.take_facts()), []);
    world.engine.extension_stored(world.now, decision);
    // At the settlement; and a fact that nobody took comes along.
    world.pass_ms(2_000);
    assert_eq!(world.engine.extend(world.now, decision), Extension::Granted);
    world.pass_ms(12_000);
    let records = world.end(decision, HangupCause::Normal);
    assert_eq!(told(records), [(15_000, 15_200), (20_000, 20_000)]);
}

#[test]
fn evening_comes_while_people_talk() {
    // Off hours begin seven hours after noon; their level is below what two slices hold.
    let mut world = World::with(|controls| controls.stop_level_off_hours = Some(micros(23_999)));
    world.pass_ms(7 * 3_600_000 - 26_000);
    let decision = world.call(PARIS);
    world.engine.answered(world.now, decision);
    world.pass_ms(25_000);
    assert_eq!(world.engine.extend(world.now, decision), Extension::Granted);
    world.engine.extension_stored(world.now, decision);
    world.pass_ms(1_000);
    let Extension::Refused(findings) = world.engine.extend(world.now, decision) else {
        panic!("it is seven in the evening");
    };
    assert_eq!(findings.len(), 1);
    assert!(matches!(findings[0], Finding::StopLevel { window: Window::OffHours, .. }));
}

#[test]
fn an_answer_that_crosses_a_cut_is_cut() {
    for dialled in [PARIS, "1001"] {
        let mut world = World::new();
        let decision = world.call(dialled);
        world.engine.command(world.now, engine::Command::Cut(decision)).expect("it is live");
        world.pass_ms(50);
        assert_eq!(world.engine.answered(world.now, decision).hard_stop, world.now.tick);
        let cut = CallOrder::Cut(decision, HangupCause::Cut);
        assert_eq!(world.engine.handle_timeout(world.now), [cut]);
        assert_eq!(world.engine.handle_timeout(world.now), [], "it is said once");
    }
}
