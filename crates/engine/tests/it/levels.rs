//! Stop levels of lines, resellers and the platform beside those of accounts, and what is told of them.

use engine::{Command, Horizon};
use types::{
    AccountId, Fact, Finding, LevelScope, Line, LineId, Money, Record, Reseller, ResellerId,
    StopLevels,
};

use crate::world::*;

const RESELLER: ResellerId = ResellerId(5);

fn day(cents: i64) -> StopLevels {
    StopLevels { stop_level_24h: Some(Money::from_cents(cents)), ..StopLevels::NONE }
}

/// Whose levels speak against a call of this line.
fn against(world: &mut World, line: LineId) -> Vec<LevelScope> {
    let Err(refusal) = world.dial(line, GERMANY) else { return Vec::new() };
    let scope = |finding: &Finding| match finding {
        Finding::StopLevel { scope, .. } => *scope,
        other => panic!("not a stop level: {other}"),
    };
    refusal.findings.iter().map(scope).collect()
}

/// 0.06 a minute: 0.03 for the first slice. Above the usual cap.
const GERMANY: &str = "004930123456";

fn world(platform: StopLevels) -> World {
    let mut world = World::with_config(|config| config.platform = platform);
    for id in [ALICE, BOB] {
        let mut account = world.engine.account(id).expect("known").to_account();
        account.controls.price_cap_international = Money::from_units(1);
        account.reseller = Some(RESELLER);
        let reseller =
            Reseller { id: RESELLER, name: "Resell".into(), stop_levels: StopLevels::NONE };
        let commands = vec![Command::PutReseller(reseller), Command::PutAccount(account)];
        world.engine.commands(world.now, commands).expect("good");
    }
    world
}

fn put_reseller(world: &mut World, stop_levels: StopLevels) {
    let reseller = Reseller { id: RESELLER, name: "Resell".into(), stop_levels };
    world.engine.command(world.now, Command::PutReseller(reseller)).expect("good");
}

#[test]
fn a_reseller_and_the_platform_bound_all_their_accounts_together() {
    let mut world = world(day(14));
    put_reseller(&mut world, day(10));
    // 3p each: three fit into 10p, whoever calls.
    assert_eq!(against(&mut world, ALICE_LINE), []);
    assert_eq!(against(&mut world, BOB_LINE), []);
    assert_eq!(against(&mut world, ALICE_LINE), []);
    assert_eq!(against(&mut world, BOB_LINE), [LevelScope::Reseller]);
    put_reseller(&mut world, StopLevels::NONE);
    assert_eq!(against(&mut world, BOB_LINE), []);
    assert_eq!(against(&mut world, BOB_LINE), [LevelScope::Platform]);
    assert_eq!(world.engine.audit(), Ok(()));
}

#[test]
fn a_line_with_levels_of_its_own_is_bounded_beside_its_account() {
    let mut world = world(StopLevels::NONE);
    let own = |world: &World| {
        let line = world.engine.line(ALICE_DESK).expect("known").clone();
        Line { stop_levels: Some(Box::new(day(7))), ..line }
    };
    // What it has held before counts from the moment it gets levels.
    assert_eq!(against(&mut world, ALICE_DESK), []);
    let line = own(&world);
    world.engine.command(world.now, Command::PutLine(line)).expect("good");
    assert_eq!(against(&mut world, ALICE_DESK), []);
    assert_eq!(against(&mut world, ALICE_DESK), [LevelScope::Line]);
    assert_eq!(against(&mut world, ALICE_LINE), [], "the other line of the account goes on");
    assert_eq!(world.engine.audit(), Ok(()));
    // What it holds while it has no levels counts when it gets them back.
    let with = own(&world);
    let without = Line { stop_levels: None, ..with.clone() };
    world.engine.command(world.now, Command::PutLine(without)).expect("good");
    assert_eq!(against(&mut world, ALICE_DESK), []);
    let more = Line { stop_levels: Some(Box::new(day(11))), ..with };
    world.engine.command(world.now, Command::PutLine(more)).expect("good");
    assert_eq!(against(&mut world, ALICE_DESK), [LevelScope::Line]);
    assert_eq!(world.engine.audit(), Ok(()));
    let bad = Line { stop_levels: Some(Box::new(day(-1))), ..own(&world) };
    let refused =
        world.engine.command(world.now, Command::PutLine(bad)).expect_err("below nothing");
    assert_eq!(refused.to_string(), "stop_level_24h: cannot be negative");
}

#[test]
fn near_and_reached_are_told_in_the_records() {
    let mut world = world(StopLevels::NONE);
    put_reseller(&mut world, day(10));
    let told = |world: &mut World| -> Vec<(bool, LevelScope, i64)> {
        let fact = |record: Record| match record {
            Record::Fact(_, Fact::StopLevelNear(it)) => Some((false, it.scope, it.usage.micros())),
            Record::Fact(_, Fact::StopLevelReached(it)) => {
                Some((true, it.scope, it.usage.micros()))
            }
            _ => None,
        };
        world.engine.take_facts().into_iter().filter_map(fact).collect()
    };
    against(&mut world, ALICE_LINE);
    against(&mut world, ALICE_LINE);
    assert_eq!(told(&mut world), []);
    against(&mut world, BOB_LINE);
    assert_eq!(told(&mut world), [(false, LevelScope::Reseller, 90_000)]);
    against(&mut world, BOB_LINE);
    against(&mut world, ALICE_LINE);
    assert_eq!(told(&mut world), [(true, LevelScope::Reseller, 120_000)], "once, not each time");
}

#[test]
fn an_account_of_an_unknown_reseller_is_refused() {
    let mut world = World::new();
    let mut account = world.engine.account(ALICE).expect("known").to_account();
    account.reseller = Some(ResellerId(9));
    let refused = world.engine.command(world.now, Command::PutAccount(account));
    assert_eq!(refused.expect_err("unknown").to_string(), "there is no reseller 9");
}

#[test]
fn the_most_you_can_lose_says_until_when() {
    // Tuesday noon in London.
    let world = World::with(|controls| (controls.calls, controls.costly_calls) = (10, 2));
    let most = world.engine.most_at_risk(world.now, ALICE).expect("known");
    let shown = most.map(|most| {
        let (costly, all) = (most.most.costly.micros(), most.most.all.micros());
        (most.horizon, most.until.to_string(), costly, all)
    });
    // Four days of 20.00 and a weekend of off hours. Late hang-ups: an increment of a minute at the cap of 0.20, twice and ten times.
    let until = |text: &str| format!("2026-11-{text}:00.000Z");
    assert_eq!(
        shown,
        [
            (Horizon::Now, until("24T12:00"), 20_400_000, 102_000_000),
            (Horizon::Tonight, until("25T07:00"), 20_400_000, 102_000_000),
            (Horizon::Weekend, until("30T07:00"), 92_400_000, 612_000_000),
        ]
    );
    assert_eq!(world.engine.most_at_risk(world.now, AccountId(99)), None);
}
