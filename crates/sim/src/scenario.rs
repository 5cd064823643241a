//! Scenarios as text: a fraud analyst writes what people do, and reads what happened. Lives here: the language.
//! Never here: what the words do to the world (steps), golden files (tests).
//!
//! One step a line, `#` begins a comment. First what there is, then what happens, in order of time:
//!
//! ```text
//! account acme stop-level 1.00 costly-calls 4
//! line alice of acme
//! number +442035550001 of acme for alice
//! trunk 1
//! carrier1 answers after 3s
//! at 10s alice calls +2348031234567
//! at 40s expect alice talking
//! at 50s alice hangs up
//! end 2m
//! ```

mod people;
mod steps;
mod words;

use types::record::Deck;
use types::{Account, AccountId, LineId, Number, Record, TrunkTransport, UnixMicros};

use crate::disk::DiskFaults;
use crate::network::NetworkFaults;
use crate::seeds;
use crate::town;
use crate::world::{Deed, Setup, World};

/// Everything that the lines before the first `at` say.
#[derive(Debug)]
struct Plan {
    start: UnixMicros,
    accounts: Vec<Account>,
    lines: Vec<PlannedLine>,
    numbers: Vec<Number>,
    trunks: Vec<(u32, TrunkTransport)>,
    records: Vec<Record>,
    decks: [Deck; 2],
    thieves: Vec<(String, String, usize, u64)>,
    manners: Vec<(usize, Vec<String>)>,
    session_expires_s: u32,
    dies_after: Option<u64>,
}

#[derive(Debug)]
struct PlannedLine {
    user: String,
    account: AccountId,
    tcp: bool,
    caller_id: Option<types::E164>,
    phone: bool,
}

/// Plays a scenario to its end. `Ok`: the story, every expectation met and nothing found wrong. `Err`: what is not as
/// expected, with the line's number.
pub fn play(text: &str) -> Result<String, String> {
    play_with(text, None).map(|(story, _)| story)
}

/// As [`play`], but the node dies, and comes back, right after it has done so many things (see
/// [`World::dies_after`]); also how many it did in all.
pub fn play_with(text: &str, dies_after: Option<u64>) -> Result<(String, u64), String> {
    let mut plan = Plan::new();
    plan.dies_after = dies_after;
    let mut world: Option<World> = None;
    let mut last = 0;
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        let told = |world: &Option<World>, what: String| {
            let story = world.as_ref().map_or(String::new(), |world| world.story.text());
            format!("{}: {what}\n{story}", at + 1)
        };
        let result = match words.as_slice() {
            [] => Ok(()),
            ["at", when, rest @ ..] => words::duration(when).and_then(|when| {
                if when < last {
                    return Err("time does not go back".to_owned());
                }
                last = when;
                let world = world.get_or_insert_with(|| plan.build());
                world.run_until(when);
                steps::step(world, &plan, rest)?;
                sound(world)
            }),
            ["end", when] => words::duration(when).and_then(|when| {
                let world = world.get_or_insert_with(|| plan.build());
                end(world, when)
            }),
            _ if world.is_some() => Err("what there is comes before the first `at`".to_owned()),
            words => plan.add(at + 1, words),
        };
        result.map_err(|what| told(&world, what))?;
    }
    let world = world.ok_or("nothing happens: there is no `at` and no `end`")?;
    Ok((world.story.text(), world.things_done))
}

/// Everybody goes home; nothing is left behind.
fn end(world: &mut World, when: u64) -> Result<(), String> {
    world.run_until(when);
    sound(world)?;
    world.story.tell(when, || "everybody goes home".to_owned());
    world.at(when, Deed::Rest);
    world.run_until(when + 600_000_000);
    seeds::finish(world);
    sound(world)
}

fn sound(world: &World) -> Result<(), String> {
    match world.auditor.violations.as_slice() {
        [] => Ok(()),
        found => Err(format!("the auditor found: {}", found.join("; "))),
    }
}

impl Plan {
    fn new() -> Plan {
        Plan {
            // A Monday morning.
            start: UnixMicros::from_seconds(1_772_445_600),
            accounts: Vec::new(),
            lines: Vec::new(),
            numbers: Vec::new(),
            trunks: Vec::new(),
            records: Vec::new(),
            decks: town::decks(&town::PRICES),
            thieves: Vec::new(),
            manners: Vec::new(),
            session_expires_s: 1_800,
            dies_after: None,
        }
    }

    fn account(&self, name: &str) -> Result<AccountId, String> {
        let found = self.accounts.iter().find(|account| account.name == name);
        found.map(|account| account.id).ok_or(format!("there is no account {name}"))
    }

    fn line(&self, user: &str) -> Result<LineId, String> {
        let found = self.lines.iter().position(|line| line.user == user);
        found.map(|at| LineId(at as u32 + 1)).ok_or(format!("there is no line {user}"))
    }

    fn build(&self) -> World {
        let mut records = self.records.clone();
        let decks = self.decks.iter().cloned();
        records.extend(decks.map(|deck| Record::Deck(UnixMicros(0), Box::new(deck))));
        records.extend(
            self.accounts.iter().cloned().map(|account| Record::Account(Box::new(account))),
        );
        for (at, line) in self.lines.iter().enumerate() {
            let line = town::line(at as u32 + 1, line.account, &line.user, line.caller_id);
            records.push(Record::Line(Box::new(line)));
        }
        records.extend(self.numbers.iter().cloned().map(Record::Number));
        let mut world = World::new(Setup {
            seed: 1,
            start: self.start,
            config: town::config(self.session_expires_s),
            records,
            network: NetworkFaults::CLEAN,
            wakes_late_ms: 0,
            disk: DiskFaults::none(),
            planted: None,
            told: true,
        });
        world.names_decisions = false;
        (world.dies_after, world.things_done) = (self.dies_after, 0);
        people::move_in(&mut world, self);
        for (line, words) in &self.manners {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            if let Err(what) = steps::step(&mut world, self, &words) {
                world.auditor.blame(0, format!("line {line}: {what}"));
            }
        }
        world
    }
}
