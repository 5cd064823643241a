//! Warnings of un-billed usage: the moment in which they come, what moves it.

use engine::{Command, ControlChange, PostOrder, PostWhat};
use types::cdr::HangupCause;
use types::{By, Fact, Record, Setting, TransferKind};

use crate::world::*;

#[test]
fn a_warning_comes_in_the_moment_of_crossing() {
    // Paris: 0.0004 a second. Level 0.005: crossed by the 13th second, and by the 25th.
    let mut world = World::with(|controls| controls.warning_level = micros(5_000));
    let decision = world.call(PARIS);
    let answered = world.now.tick;
    world.engine.answered(world.now, decision);
    for (ms, level) in [(12_000, 5_000), (24_000, 10_000)] {
        let due = world.engine.next_timeout().expect("a warning is due");
        let after_ms = (due.0 - answered.0) / 1_000;
        assert!((ms..ms + 12).contains(&after_ms), "due after {after_ms} ms");
        world.pass_ms(after_ms - (world.now.tick.0 - answered.0) / 1_000 + 1);
        world.engine.handle_timeout(world.now);
        let facts = world.engine.take_facts();
        let [Record::Fact(_, Fact::WarningLevel { account, level: told, .. })] = &facts[..] else {
            panic!("no warning: {facts:?}");
        };
        assert_eq!((*account, told.micros()), (ALICE, level));
    }
    // The next one is beyond what is held: the extension asks again.
    world.end(decision, HangupCause::Normal);
    assert_eq!(world.engine.take_facts(), []);
}

/// A call to Paris at 0.0004 a second is warned of at its 13th second; then something is ordered, and the next warning
/// comes after so many milliseconds, at this level. `None`: what comes then is no warning, but the time to hold more.
#[track_caller]
fn the_next_warning_follows(order: Command, want_ms: u64, want_level: Option<i64>) {
    let mut world = World::with(|controls| controls.warning_level = micros(5_000));
    let decision = world.call(PARIS);
    let answered = world.now.tick;
    world.engine.answered(world.now, decision);
    world.pass_ms(12_600);
    world.engine.handle_timeout(world.now);
    assert_eq!(world.engine.take_facts().len(), 1, "warned");
    let done = world.engine.command(world.now, order).expect("a good order");
    let warned = |record: &Record| matches!(record, Record::Fact(_, Fact::WarningLevel { .. }));
    assert!(!done.records.iter().any(warned), "nothing new was crossed: {:?}", done.records);
    let due = world.engine.next_timeout().expect("a warning is due");
    let after_ms = (due.0 - answered.0) / 1_000;
    assert!((want_ms..want_ms + 12).contains(&after_ms), "due after {after_ms} ms");
    world.pass_ms(after_ms - 12_600 + 1);
    world.engine.handle_timeout(world.now);
    let facts = world.engine.take_facts();
    let level = |record: &Record| match record {
        Record::Fact(_, Fact::WarningLevel { level, .. }) => level.micros(),
        other => panic!("not a warning: {other:?}"),
    };
    assert_eq!(facts.iter().map(level).collect::<Vec<_>>(), Vec::from_iter(want_level));
}

#[test]
fn money_given_back_in_mid_call_moves_the_next_warning() {
    let give = |amount| {
        let what = PostWhat::Holder(TransferKind::Goodwill, ALICE, micros(amount));
        let (by, note) = ("ann".to_owned(), "as agreed".to_owned());
        Command::Post(Box::new(PostOrder { what, reference: None, at: None, by, note }))
    };
    // 5,200 less 2,000: below the level again, which 7,000 of talk reach: the 18th second.
    the_next_warning_follows(give(2_000), 17_000, Some(5_000));
    // 5,200 less 10: it was told of this level, and the next is beyond what is held.
    the_next_warning_follows(give(10), 24_750, None);
}

#[test]
fn another_warning_level_in_mid_call_counts_from_its_own_multiples() {
    let level = |amount| {
        Command::ChangeControls(Box::new(ControlChange {
            account: ALICE,
            settings: vec![Setting::WarningLevel(micros(amount))],
            by: By::STAFF,
            why: String::new(),
            until: None,
        }))
    };
    the_next_warning_follows(level(3_000), 14_000, Some(6_000));
    the_next_warning_follows(level(6_000), 14_000, Some(6_000));
}
