//! Secrets of lines: changed with overlap and without, remembered, growing old.

use engine::{Command, CommandError, Done, Overlap};
use types::account::{FormerSecret, Ha1};
use types::{DeviceId, Fact, Line, LineStatus, Now, Record, Snapshot, Tick, UnixMicros};

use crate::world::*;

const DAY_MS: u64 = 86_400_000;

fn ha1(n: u8) -> Ha1 {
    Ha1 { md5: [n; 16], sha256: [n; 32] }
}

fn set(world: &mut World, n: u8, overlap: Option<Overlap>) -> Result<Done, CommandError> {
    let command = Command::SetSecret { line: ALICE_LINE, ha1: ha1(n), overlap };
    world.engine.command(world.now, command)
}

fn alice(world: &World) -> Line {
    world.engine.line(ALICE_LINE).expect("she has one").clone()
}

fn overlap(world: &World, days: u64, devices: &[u32]) -> Option<Overlap> {
    let devices = devices.iter().map(|id| DeviceId(*id)).collect();
    Some(Overlap { until: world.now.wall.plus_ms(days * DAY_MS), devices })
}

#[test]
fn without_overlap_the_old_secret_is_worth_nothing() {
    let mut world = World::new();
    let first = alice(&world).ha1;
    let done = set(&mut world, 9, None).expect("good");
    let line = alice(&world);
    assert_eq!((line.ha1.clone(), line.secret_set), (ha1(9), NOON));
    let replaced = NOON;
    let former = FormerSecret { ha1: first, replaced, grace_until: None, grace_devices: vec![] };
    assert_eq!(line.former, [former]);
    assert_eq!((done.unbound, done.overlapping), (vec![ALICE_LINE], vec![]));
    assert_eq!(done.message, "line 1 of account 1: secret changed");
    let records = [Record::Line(Box::new(line.clone()))];
    assert_eq!(done.records[..1], records);
    let change = "secret changed".to_owned();
    let fact = Fact::LineChanged { account: ALICE, line: ALICE_LINE, change };
    assert_eq!(done.records[1..], [Record::Fact(NOON, fact)]);
}

#[test]
fn with_overlap_it_works_for_some_devices_for_a_while() {
    let mut world = World::new();
    let week = overlap(&world, 7, &[3, 4]);
    let done = set(&mut world, 9, week.clone()).expect("good");
    let former = alice(&world).former[0].clone();
    assert_eq!(former.grace_until, week.map(|overlap| overlap.until));
    assert_eq!(former.grace_devices, [DeviceId(3), DeviceId(4)]);
    assert_eq!(
        (done.unbound, done.overlapping),
        (vec![], vec![(ALICE_LINE, former.grace_devices)])
    );
    assert_eq!(
        done.message,
        "line 1 of account 1: secret changed; the one before works until \
         2026-12-01T12:00:00.000Z for devices 3, 4"
    );
    // The next change ends it: the secret of before is two changes old.
    set(&mut world, 10, None).expect("good");
    let former = alice(&world).former;
    assert_eq!(former.iter().map(|former| former.grace_until).collect::<Vec<_>>(), [None, None]);
    assert!(former.iter().all(|former| former.grace_devices.is_empty()));
}

#[test]
fn the_last_three_are_remembered() {
    let mut world = World::new();
    for n in 10..20 {
        world.pass_ms(1_000);
        set(&mut world, n, None).expect("good");
    }
    let former = alice(&world).former;
    let verifiers: Vec<Ha1> = former.iter().map(|former| former.ha1.clone()).collect();
    assert_eq!(verifiers, [ha1(18), ha1(17), ha1(16)], "the newest first");
    assert!(former.is_sorted_by(|newer, older| newer.replaced > older.replaced));
    let mut refused = |n: u8, want: &str| {
        assert_eq!(set(&mut world, n, None).expect_err(want).to_string(), want);
    };
    refused(19, "secret: it is the one in use: choose another");
    refused(17, "secret: it was used before: choose another");
}

#[test]
fn bad_overlaps_are_refused() {
    fn check(days: u64, devices: &[u32], want: &str) {
        let mut world = World::new();
        let (before, overlap) = (alice(&world), overlap(&world, days, devices));
        assert_eq!(set(&mut world, 9, overlap).expect_err(want).to_string(), want);
        assert_eq!(alice(&world), before);
    }
    check(0, &[1], "overlap: expected up to 30 days from now");
    check(31, &[1], "overlap: expected up to 30 days from now");
    check(7, &[], "overlap: expected 1 to 100 devices");
    check(7, &(1..102).collect::<Vec<_>>(), "overlap: expected 1 to 100 devices");
    let mut world = World::new();
    let month = overlap(&world, 30, &[1]);
    set(&mut world, 9, month).expect("the longest");
}

#[test]
fn a_line_that_is_put_keeps_what_belongs_to_its_secret() {
    let mut world = World::new();
    set(&mut world, 9, None).expect("good");
    let kept = alice(&world);
    let put = Line {
        former: Vec::new(),
        secret_set: UnixMicros(1),
        reminded_days: 90,
        wants_new_secret: true,
        caller_id: None,
        ..kept.clone()
    };
    world.engine.command(world.now, Command::PutLine(put)).expect("good");
    assert_eq!(alice(&world), kept);
}

#[test]
fn a_new_secret_is_no_longer_wanted_or_old() {
    let mut snapshot = snapshot();
    let line = &mut snapshot.lines[0];
    (line.wants_new_secret, line.reminded_days) = (true, 90);
    let mut world = World::from(&snapshot, NOON);
    set(&mut world, 9, None).expect("good");
    let line = alice(&world);
    assert_eq!((line.wants_new_secret, line.reminded_days), (false, 0));
}

/// The days told of while the time passes, with the wall clock.
fn reminded(world: &mut World, ms: u64) -> Vec<u32> {
    let until = world.now.tick.plus_ms(ms);
    let mut told = Vec::new();
    while let Some(at) = world.engine.next_timeout().filter(|at| *at <= until) {
        world.pass_ms(at.micros_since(world.now.tick).div_ceil(1_000));
        world.engine.handle_timeout(world.now);
        let facts = world.engine.take_facts();
        told.extend(facts.iter().filter_map(|record| match record {
            Record::Fact(_, Fact::SecretAge { days, .. }) => Some(*days),
            _ => None,
        }));
    }
    world.pass_ms(until.micros_since(world.now.tick) / 1_000);
    told
}

fn aged(days: u64) -> Snapshot {
    let mut snapshot = snapshot();
    snapshot.lines.truncate(1);
    snapshot.lines[0].secret_set = UnixMicros(NOON.0 - (days * DAY_MS * 1_000) as i64);
    snapshot
}

#[test]
fn holders_are_reminded_twice_and_once_each() {
    let mut world = World::from(&aged(0), NOON);
    assert_eq!(reminded(&mut world, 79 * DAY_MS), []);
    assert_eq!(reminded(&mut world, DAY_MS + 3_600_000), [80]);
    assert_eq!(reminded(&mut world, 9 * DAY_MS), []);
    assert_eq!(reminded(&mut world, DAY_MS), [90]);
    assert_eq!(reminded(&mut world, 100 * DAY_MS), []);
    // A new secret begins anew.
    set(&mut world, 9, None).expect("good");
    assert_eq!(reminded(&mut world, 81 * DAY_MS), [80]);
}

#[test]
fn the_reminder_is_written_with_its_line() {
    let mut world = World::from(&aged(80), NOON);
    world.pass_ms(1_000);
    world.engine.handle_timeout(world.now);
    let records = world.engine.take_facts();
    let line = alice(&world);
    assert_eq!(line.reminded_days, 80);
    let fact = Fact::SecretAge { account: ALICE, line: ALICE_LINE, days: 80 };
    assert_eq!(records, [Record::Line(Box::new(line.clone())), Record::Fact(world.now.wall, fact)]);
    // After a restart it is not said again; the next one is.
    let mut snapshot = aged(80);
    snapshot.lines = vec![line];
    let mut world = World::from(&snapshot, world.now.wall);
    assert_eq!(reminded(&mut world, 9 * DAY_MS), []);
    assert_eq!(reminded(&mut world, 2 * DAY_MS), [90]);
}

#[test]
fn clocks_that_jump_tell_nothing_twice() {
    // Ahead over both: the higher one only.
    let mut world = World::from(&aged(10), NOON);
    assert_eq!(reminded(&mut world, 7_200_000), []);
    world.now.wall = world.now.wall.plus_ms(100 * DAY_MS);
    assert_eq!(reminded(&mut world, 7_200_000), [110]);
    // And back again.
    world.now.wall = UnixMicros(NOON.0 - 50 * DAY_MS as i64 * 1_000);
    assert_eq!(reminded(&mut world, 7_200_000), [], "set in the future: no age at all");
    world.now.wall = NOON.plus_ms(85 * DAY_MS);
    assert_eq!(reminded(&mut world, 7_200_000), []);
}

#[test]
fn nobody_is_reminded_of_a_line_that_is_not_used() {
    fn check(change: impl FnOnce(&mut Snapshot), want: &[u32]) {
        let mut snapshot = aged(95);
        change(&mut snapshot);
        assert_eq!(reminded(&mut World::from(&snapshot, NOON), 7_200_000), want);
    }
    check(|_| {}, &[95]);
    check(|snapshot| snapshot.lines[0].status = LineStatus::Disabled, &[]);
    check(|snapshot| snapshot.accounts[0].status = types::AccountStatus::Closed, &[]);
    check(|snapshot| snapshot.lines[0].secret_set = UnixMicros(0), &[]);
    check(|snapshot| snapshot.lines[0].reminded_days = 90, &[]);
    check(|snapshot| snapshot.lines[0].reminded_days = 80, &[95]);
}

/// All of many lines within an hour, few at a time.
#[test]
fn many_lines_are_looked_at_in_turn() {
    let mut snapshot = aged(80);
    let first = snapshot.lines[0].clone();
    snapshot.lines = (1..=9_000)
        .map(|id| Line { id: types::LineId(id), user: format!("u{id}"), ..first.clone() })
        .collect();
    let mut world = World::from(&snapshot, NOON);
    let (mut told, mut most) = (0, 0);
    let end = world.now.tick.plus_ms(3_600_000);
    while let Some(at) = world.engine.next_timeout().filter(|at| *at <= end) {
        world.now = Now { tick: at.max(Tick(1)), wall: NOON };
        world.engine.handle_timeout(world.now);
        let records = world.engine.take_facts().len();
        (told, most) = (told + records / 2, most.max(records / 2));
    }
    assert_eq!(told, 9_000);
    assert!(most <= 2_000, "{most} at once");
}

#[test]
fn what_is_sealed_anew_is_what_it_was() {
    let mut world = World::new();
    let nobody = types::LineId(999);
    let command = Command::Reseal(vec![ALICE_LINE, nobody], vec![MAIN_TRUNK]);
    let done = world.engine.command(world.now, command).expect("good");
    let trunk = world.engine.trunk(MAIN_TRUNK).expect("there is one").clone();
    let want = [Record::Line(Box::new(alice(&world))), Record::Trunk(Box::new(trunk))];
    assert_eq!(
        done,
        Done { records: want.to_vec(), message: done.message.clone(), ..Done::default() }
    );
    assert_eq!(done.message, "2 secrets sealed anew");
}
