//! A world from a number. Lives here: what a seed draws, how long it lives, what is reported of it.
//! Never here: what is right (auditor).

use sip::flow::Transport;
use types::{
    AccountId, AccountStatus, Controls, Dice, LineId, Millis, Money, Record, TrunkId,
    TrunkTransport, UnixMicros,
};

use crate::actor::Actor;
use crate::agent::Agent;
use crate::attackers::race::Racer;
use crate::audited::audited;
use crate::auditor::Tally;
use crate::carrier::{Carrier, Life};
use crate::customers::{Habits, Phone, phone_agent};
use crate::disk::DiskFaults;
use crate::network::NetworkFaults;
use crate::office;
use crate::planted::Planted;
use crate::town;
use crate::world::{Deed, NODE, Setup, World};

/// What is played with a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long people live their lives before everything comes to rest.
    pub minutes: u64,
    /// Is the story kept?
    pub told: bool,
    /// With every message at the node's door?
    pub wire: bool,
    /// A bug to be found.
    pub planted: Option<Planted>,
    /// Do the network, the store and the node fail?
    pub faults: bool,
    /// Is there a thief in every world? Otherwise in one of five.
    pub thief: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { minutes: 20, told: false, wire: false, planted: None, faults: true, thief: false }
    }
}

/// What came of a seed.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// What is wrong; empty: nothing was found.
    pub violations: Vec<String>,
    /// A hash of everything the node said and wanted stored.
    pub digest: u64,
    /// What was seen.
    pub tally: Tally,
    /// Steps of the world.
    pub steps: u64,
    /// The story, if it was kept.
    pub story: String,
}

/// The office's stream of dice.
const OFFICE_DICE: u64 = 5;
/// After the end of all calls, until nothing may be left.
const QUIET_US: u64 = 600_000_000;
const USERS: [&str; 10] =
    ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy"];

/// Plays one seed until everybody is at rest, whatever the auditor finds if it `goes_on`.
pub fn play_seed(seed: u64, options: Options, goes_on: bool) -> World {
    let mut dice = Dice::simulated(seed, 0);
    let span = options.minutes * 60_000_000;
    let mut world = build(seed, &mut dice, options, span);
    (world.shows_wire, world.goes_on) = (options.wire, goes_on);
    world.run_until(span);
    world.at(span, Deed::Rest);
    // What the last crash or stall left takes its time as well.
    world.run_until(span + QUIET_US);
    world
}

/// Plays one seed.
pub fn run_seed(seed: u64, options: Options) -> Report {
    let mut world = play_seed(seed, options, false);
    if world.auditor.violations.is_empty() {
        finish(&mut world);
    }
    let World { story, auditor, .. } = &world;
    Report {
        seed,
        violations: auditor.violations.clone(),
        digest: world.digest(),
        tally: auditor.tally.clone(),
        steps: world.steps(),
        story: story.text(),
    }
}

/// The auditor's last look.
pub fn finish(world: &mut World) {
    let mut auditor = std::mem::take(&mut world.auditor);
    let carriers: Vec<(usize, &Carrier)> = world
        .actors
        .iter()
        .enumerate()
        .filter_map(|(at, actor)| match actor {
            Actor::Carrier(carrier) => Some((at, &**carrier)),
            _ => None,
        })
        .collect();
    let engine = &world.config().engine;
    let (judged, found) = audited(world.disk.store(), &engine.off_hours);
    auditor.tally.audited = judged;
    for one in found {
        let what = one.words().join("; ");
        auditor.blame(world.now, format!("the other auditor: {} {what}", one.cdr.decision));
    }
    match world.node() {
        Some(node) => auditor.finish(world.now, node, world.disk.store(), &carriers),
        None => auditor.blame(world.now, "there is no node at the end".to_owned()),
    }
    world.auditor = auditor;
}

fn build(seed: u64, dice: &mut Dice, options: Options, span: u64) -> World {
    let (network, disk) = if options.faults {
        (NetworkFaults::drawn(dice), DiskFaults::drawn(dice, span))
    } else {
        (NetworkFaults::CLEAN, DiskFaults::none())
    };
    let transports = [dice.chance(250), dice.chance(250)]
        .map(|tcp| if tcp { TrunkTransport::Tcp } else { TrunkTransport::Udp });
    let session_expires_s = 90 + dice.below(210) as u32;
    let setup = Setup {
        seed,
        start: start_of(dice),
        config: town::config(session_expires_s),
        records: records(dice, transports),
        network,
        disk,
        // Some machines are quick, some sleep long; a clean world is exact.
        wakes_late_ms: if options.faults { seed % 3 * 120 } else { 0 },
        planted: options.planted,
        told: options.told,
    };
    let mut world = World::new(setup);
    people(&mut world, dice, span, transports, options.thief);
    if options.faults {
        trouble(&mut world, dice, span, options.planted);
        office::plan(&mut world, &mut Dice::simulated(seed, OFFICE_DICE), span);
    }
    world
}

/// A working day, one that becomes evening, or a weekend.
fn start_of(dice: &mut Dice) -> UnixMicros {
    // 2026-03-02 is a Monday.
    let monday = 1_772_409_600;
    let seconds = match dice.below(4) {
        0 => monday + 18 * 3_600 + 3_000,
        1 => monday + 5 * 86_400 + 12 * 3_600,
        2 => monday + 86_400 + 6 * 3_600 + 3_300,
        _ => monday + 2 * 86_400 + 10 * 3_600,
    };
    UnixMicros::from_seconds(seconds)
}

fn records(dice: &mut Dice, transports: [TrunkTransport; 2]) -> Vec<Record> {
    let decks = town::decks(&town::PRICES).into_iter();
    let mut records: Vec<Record> =
        decks.map(|deck| Record::Deck(UnixMicros(0), Box::new(deck))).collect();
    for (at, transport) in transports.into_iter().enumerate() {
        let id = at as u32 + 1;
        records.push(Record::Trunk(Box::new(town::trunk(id, id as u16, transport))));
    }
    for id in 1..=4 {
        records.push(Record::Account(Box::new(town::account(
            id,
            &format!("account {id}"),
            controls(dice),
        ))));
    }
    for (at, user) in USERS.iter().enumerate() {
        let (id, account) = (at as u32 + 1, AccountId(at as u32 % 4 + 1));
        let digits = format!("4420355500{id:02}");
        let line = town::line(id, account, user, None);
        records.push(Record::Line(Box::new(line)));
        records.push(Record::Number(town::number(
            &digits,
            account,
            (id % 3 != 0).then_some(LineId(id)),
        )));
    }
    records
}

fn controls(dice: &mut Dice) -> Controls {
    let level = |dice: &mut Dice| Money::from_cents([12, 30, 100, 500][dice.below(4) as usize]);
    Controls {
        stop_level_24h: level(dice),
        stop_level_1h: dice.chance(200).then(|| level(dice)),
        stop_level_7d: dice.chance(200).then(|| level(dice)),
        stop_level_off_hours: dice.chance(500).then(|| level(dice)),
        stop_level_all_24h: Money::from_cents([50, 200, 10_000][dice.below(3) as usize]),
        costly_calls: 1 + dice.below(30) as u16,
        calls: 3 + dice.below(100) as u16,
        warning_level: Money::from_cents(10),
        ip_lock: if dice.chance(100) {
            vec![std::net::IpAddr::from([192, 0, 2, 1]).into()]
        } else {
            Vec::new()
        },
        ..Controls::residential()
    }
}

fn people(
    world: &mut World,
    dice: &mut Dice,
    span: u64,
    transports: [TrunkTransport; 2],
    thief: bool,
) {
    let trouble = [0, 200, 500][dice.below(3) as usize];
    for (at, transport) in transports.into_iter().enumerate() {
        let life = Life {
            dids: (1..=11).map(|id| format!("+4420355500{id:02}")).collect(),
            gap_ms: 60_000 + dice.below(120_000),
            until: span,
            trouble,
        };
        let records_route = dice.chance(200);
        add_carrier(world, at as u32 + 1, transport, Some(life));
        if records_route {
            let route = format!("<sip:{};lr>", town::carrier_address(at as u32 + 1));
            world.actors.last_mut().expect("it was added").agent_mut().record_route = Some(route);
        }
    }
    let gap_ms = 20_000 + dice.below(100_000);
    let careless = dice.chance(500);
    for (at, user) in USERS.iter().enumerate() {
        let transport = if dice.chance(250) { Transport::Tcp } else { Transport::Udp };
        let id = at as u32 + 1;
        let habits = habits(dice, span, gap_ms, careless);
        let start = dice.below(10_000_000);
        let mut phone = new_phone(world, id, user, transport, start);
        phone.expires_s = 60 + dice.below(540) as u32;
        phone.live(habits, start + 2_000_000);
        world.add(Actor::Phone(Box::new(phone)));
    }
    if dice.chance(200) || thief {
        let user = USERS[dice.below(10) as usize];
        let (count, start) = (20 + dice.below(60) as usize, span / 4 + dice.below(span / 2));
        add_racer(world, user, &["+2348031234567", "0033142685300", "+37129123456"], count, start);
    }
}

fn habits(dice: &mut Dice, span: u64, gap_ms: Millis, careless: bool) -> Habits {
    let pick = |dice: &mut Dice| match dice.below(4) {
        0 => USERS[dice.below(10) as usize].to_owned(),
        1 => format!("+4420355500{:02}", 1 + dice.below(12)),
        _ => town::NUMBERS[dice.below(town::NUMBERS.len() as u64) as usize].to_owned(),
    };
    let often = |dice: &mut Dice, most: u64| if careless { dice.below(most) } else { 0 };
    Habits {
        numbers: (0..6).map(|_| pick(dice)).collect(),
        gap_ms,
        talk_ms: 5_000 + dice.below(200_000),
        patience_ms: 5_000 + dice.below(60_000),
        early_cancel: often(dice, 200),
        holds: often(dice, 300),
        vanishes: often(dice, 150),
        crashes: often(dice, 60),
        loses_acks: often(dice, 60),
        spoofs: often(dice, 300),
        until: span,
    }
}

/// Crashes, wrong clocks, staff at work.
fn trouble(world: &mut World, dice: &mut Dice, span: u64, planted: Option<Planted>) {
    let mut crashes = if dice.chance(600) { 1 + dice.below(3) } else { 0 };
    if planted.is_some_and(Planted::needs_crash) {
        crashes = crashes.max(1);
    }
    for _ in 0..crashes {
        let hour = 3_600_000_000_i64;
        let clock_jump_us = [0, 0, hour, -hour, hour / 60, -hour / 60][dice.below(6) as usize];
        let back_after_ms = 100 + dice.below(20_000);
        world.at(dice.below(span), Deed::Crash { back_after_ms, clock_jump_us });
    }
    for _ in 0..dice.below(4) {
        let account = AccountId(1 + dice.below(4) as u32);
        let status = [
            AccountStatus::Frozen,
            AccountStatus::Limited,
            AccountStatus::Watched,
            AccountStatus::Suspended,
            AccountStatus::Active,
        ][dice.below(5) as usize];
        let command = engine::Command::SetStatus(account, status);
        world.at(dice.below(span), Deed::Command(Box::new(command)));
        let again = engine::Command::SetStatus(account, AccountStatus::Active);
        world.at(dice.below(span), Deed::Command(Box::new(again)));
    }
    if dice.chance(200) {
        let dearer = town::PRICES.map(|row| (row.0, row.1 * 2, row.2, row.3, row.4, row.5, row.6));
        let [sell, _] = town::decks(&dearer);
        world.at(dice.below(span), Deed::Command(Box::new(engine::Command::PutDeck(sell))));
    }
}

/// A phone with the right password.
pub fn new_phone(world: &World, id: u32, user: &str, transport: Transport, start: u64) -> Phone {
    let address = town::phone_address(id);
    let password = town::password(user);
    Phone::new(
        phone_agent(user, address, transport, NODE, town::DOMAIN, &password, world.actor_dice()),
        start,
    )
}

/// A carrier behind a trunk.
pub fn add_carrier(
    world: &mut World,
    id: u32,
    transport: TrunkTransport,
    life: Option<Life>,
) -> usize {
    let transport = match transport {
        TrunkTransport::Udp => Transport::Udp,
        TrunkTransport::Tcp => Transport::Tcp,
        TrunkTransport::Tls => Transport::Tls,
    };
    let address = town::carrier_address(id);
    let agent = Agent::new(
        &format!("carrier{id}"),
        address,
        transport,
        NODE,
        town::DOMAIN,
        world.actor_dice(),
    );
    let mut carrier = Carrier::new(agent, TrunkId(id), town::cost_table(&town::PRICES));
    if let Some(life) = life {
        carrier.live(life, 15_000_000);
    }
    world.add(Actor::Carrier(Box::new(carrier)))
}

/// A thief with the password of `user`, at an address of his own.
pub fn add_racer(
    world: &mut World,
    user: &str,
    numbers: &[&str],
    count: usize,
    start: u64,
) -> usize {
    let address = town::phone_address(200);
    let password = town::password(user);
    let agent = phone_agent(
        user,
        address,
        Transport::Udp,
        NODE,
        town::DOMAIN,
        &password,
        world.actor_dice(),
    );
    let numbers = numbers.iter().map(|number| (*number).to_owned()).collect();
    world.add(Actor::Racer(Box::new(Racer::new(agent, numbers, count, start))))
}
