//! The whole outbox in a world of virtual time: facts at random, channels that fail, crashes at every moment. Lives here: the
//! world, what must hold in it. Never here: single rules (plan/tests.rs).

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::collections::{BTreeMap, BTreeSet};

use notify::{Job, Outbox, Outcome, Rules};
use store::{AlertReader, Backend, Batch, MemoryStore};
use types::*;

const START: UnixMicros = UnixMicros::from_seconds(1_795_312_800);
const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// What a reader has seen.
#[derive(Clone, Debug)]
struct Seen {
    at: UnixMicros,
    severity: Severity,
    class: EventClass,
    facts: Vec<u64>,
    entry: u64,
    contact: ContactId,
}

struct World {
    store: MemoryStore,
    outbox: Outbox,
    now: UnixMicros,
    dice: Dice,
    /// Messages by their names: a reader leaves out what he has.
    seen: BTreeMap<String, Seen>,
    sent: usize,
    /// No mail until then.
    mail_down: UnixMicros,
    ticket: u64,
    crashes: u32,
}

fn contact(id: u32, account: Option<u32>, channel: Channel) -> Contact {
    Contact {
        id: ContactId(id),
        account: account.map(AccountId),
        name: String::new(),
        channel,
        classes: EventClass::ALL.into(),
        is_on: true,
        quiet: None,
        order: 0,
        wait_ms: 15 * MINUTE,
        confirmed: Some(START),
        since: START,
        secret_version: 0,
        is_removed: false,
        at: START,
        by: By::STAFF,
        why: String::new(),
    }
}

fn mail(id: u32) -> Channel {
    Channel::Mail { address: format!("c{id}@example.com") }
}

fn hook(id: u32) -> Channel {
    Channel::Webhook { url: format!("https://h{id}.example.com/"), template: None }
}

fn fact(dice: &mut Dice) -> Fact {
    let all = fact_samples::all();
    // Those that name a contact want one that is there.
    let plain: Vec<Fact> =
        all.into_iter().filter(|fact| catalogue::of(fact).audience != Audience::Contact).collect();
    plain[dice.below(plain.len() as u64) as usize].clone()
}

impl World {
    fn new(seed: u64, contacts: Vec<Contact>) -> World {
        let mut world = World {
            store: MemoryStore::new(),
            outbox: outbox(),
            now: START,
            dice: Dice::simulated(seed, 0),
            seen: BTreeMap::new(),
            sent: 0,
            mail_down: START,
            ticket: 0,
            crashes: 0,
        };
        let entries = contacts.into_iter().map(|one| Record::Contact(Box::new(one)));
        world.write(entries.collect());
        world
    }

    fn write(&mut self, records: Vec<Record>) {
        self.ticket += 1;
        self.store.commit(&[Batch { ticket: self.ticket, records }]).unwrap();
    }

    fn happens(&mut self, fact: Fact) {
        self.write(vec![Record::Fact(self.now, fact)]);
    }

    /// The program dies and starts again: what it knew is gone, what was written is not.
    fn crash(&mut self) {
        self.outbox = outbox();
        self.crashes += 1;
    }

    /// Everything there is to do now; `crash_in`: dies after so many steps.
    fn round(&mut self, mut crash_in: u64) {
        let mut step = |world: &mut World| {
            crash_in = crash_in.saturating_sub(1);
            if crash_in == 0 {
                world.crash();
                crash_in = u64::MAX;
            }
        };
        for _ in 0..1_000 {
            loop {
                let records = self.outbox.records(self.now, &self.store).unwrap();
                step(self);
                if !records.is_empty() && self.crashes_before_writing() {
                    self.crash();
                    continue;
                }
                if !records.is_empty() {
                    self.write(records);
                }
                step(self);
                if !self.outbox.is_written() {
                    break;
                }
            }
            let jobs = self.outbox.jobs(self.now, &self.store, &mut |_| true).unwrap();
            if jobs.is_empty() {
                return;
            }
            for job in jobs {
                let outcome = self.send(&job);
                step(self);
                self.outbox.ended(job.alert.id, &job.entry.contact.channel, outcome);
            }
        }
        panic!("it never comes to rest");
    }

    fn crashes_before_writing(&mut self) -> bool {
        self.crashes > 0 && self.dice.chance(20)
    }

    fn send(&mut self, job: &Job) -> Outcome {
        let is_mail = matches!(job.entry.contact.channel, Channel::Mail { .. });
        if is_mail && self.now < self.mail_down {
            return Outcome::Failed("connection refused".to_owned());
        }
        self.sent += 1;
        let facts: Vec<u64> = job.facts.iter().map(|fact| fact.seq).collect();
        let name = format!("{}.{}", job.alert.id, job.alert.made.0);
        let seen = Seen {
            at: self.now,
            severity: job.alert.severity,
            class: job.alert.class,
            facts: facts.clone(),
            entry: job.entry.seq,
            contact: job.entry.contact.id,
        };
        let known = self.seen.entry(name).or_insert(seen);
        assert_eq!(known.facts, facts, "the same name, another message");
        Outcome::Delivered
    }

    /// Lets time pass to the next thing that is due, or by so much.
    fn pass(&mut self, most_ms: u64) {
        let next = self.store.next_due().unwrap().unwrap_or(UnixMicros(i64::MAX));
        let by = self.now.plus_ms(most_ms);
        self.now = if next > self.now { next.min(by) } else { self.now.plus_ms(SECOND).min(by) };
    }

    /// Until so much time has passed, without anything that happens.
    fn rest(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        while self.now < end {
            self.round(u64::MAX);
            self.pass(end.ms_since(self.now).max(1));
        }
        self.round(u64::MAX);
    }

    /// How often each fact was told to each entry.
    fn told(&self) -> BTreeMap<(u64, u64), usize> {
        let mut told = BTreeMap::new();
        for seen in self.seen.values() {
            for fact in &seen.facts {
                *told.entry((*fact, seen.entry)).or_default() += 1;
            }
        }
        told
    }
}

fn outbox() -> Outbox {
    Outbox::new(Rules::default(), "UTC".to_owned())
}

/// Facts that somebody of the holder's is told of.
fn wanted(world: &World) -> Vec<(u64, Severity)> {
    let facts = world.store.facts_after(0, u32::MAX).unwrap();
    let mut wanted = Vec::new();
    for fact in facts {
        let about = catalogue::of(&fact.fact);
        if about.audience.has_holder() {
            wanted.push((fact.seq, about.severity));
        }
    }
    wanted
}

/// No alert is lost, none is there twice for a reader, whatever dies when.
#[test]
fn every_fact_is_told_once_whatever_crashes() {
    let mut crashes = 0;
    for seed in 0..60 {
        let mut world =
            World::new(seed, vec![contact(1, Some(1), mail(1)), contact(2, None, hook(2))]);
        for _ in 0..40 {
            for _ in 0..world.dice.below(4) {
                let fact = fact(&mut world.dice);
                world.happens(fact);
                world.now = world.now.plus_ms(1);
            }
            if world.dice.chance(100) {
                world.mail_down = world.now.plus_ms(10 * MINUTE);
            }
            let crash_in = if world.dice.chance(500) { world.dice.below(12) + 1 } else { u64::MAX };
            world.round(crash_in);
            let ms = world.dice.below(5 * MINUTE) + 1;
            world.pass(ms);
        }
        world.rest(4 * HOUR);
        let told = world.told();
        for (fact, _) in wanted(&world) {
            assert_eq!(told.get(&(fact, 1)), Some(&1), "seed {seed}: fact {fact} to the holder");
        }
        assert!(told.values().all(|times| *times == 1), "seed {seed}: told twice");
        assert!(world.sent >= world.seen.len());
        let open = world.store.next_due().unwrap();
        assert_eq!(open, None, "seed {seed}: something is left");
        crashes += world.crashes;
    }
    assert!(crashes > 300, "{crashes} crashes");
}

/// A contact who is told too often gets few messages with all of it.
#[test]
fn many_become_few() {
    for seed in 0..20 {
        let mut world = World::new(seed, vec![contact(1, Some(1), mail(1))]);
        for _ in 0..200 {
            let fact = fact(&mut world.dice);
            world.happens(fact);
            let ms = world.dice.below(20 * SECOND);
            world.now = world.now.plus_ms(ms + 1);
            world.round(u64::MAX);
        }
        world.rest(HOUR);
        let told = world.told();
        for (fact, _) in wanted(&world) {
            assert_eq!(told.get(&(fact, 1)), Some(&1), "seed {seed}: fact {fact}");
        }
        let mut times: BTreeMap<EventClass, Vec<UnixMicros>> = BTreeMap::new();
        for seen in world.seen.values().filter(|seen| seen.severity < Severity::Critical) {
            times.entry(seen.class).or_default().push(seen.at);
        }
        for (class, mut times) in times {
            times.sort();
            for window in times.windows(8) {
                let ms = window[7].ms_since(window[0]);
                assert!(ms >= 10 * MINUTE, "seed {seed}: eight of {class} within {ms} ms");
            }
        }
    }
}

/// Nobody is woken for what is not critical, and everybody for what is.
#[test]
fn nights_are_quiet() {
    let asleep =
        |id: u32| Contact { quiet: "22:00-07:00".parse().ok(), ..contact(id, Some(1), mail(id)) };
    for seed in 0..20 {
        let mut world = World::new(seed, vec![asleep(1)]);
        for _ in 0..60 {
            let fact = fact(&mut world.dice);
            world.happens(fact);
            let ms = world.dice.below(40 * MINUTE);
            world.round(u64::MAX);
            world.rest(ms + 1);
        }
        world.rest(24 * HOUR);
        let mut awake = 0;
        for seen in world.seen.values() {
            let minute = seen.at.seconds().rem_euclid(86_400) / 60;
            let is_night = !(420..1_320).contains(&minute);
            assert!(!is_night || seen.severity == Severity::Critical, "seed {seed}: {seen:?}");
            awake += usize::from(!is_night);
        }
        assert!(awake > 0);
        let told = world.told();
        for (fact, _) in wanted(&world) {
            assert_eq!(told.get(&(fact, 1)), Some(&1), "seed {seed}: fact {fact}");
        }
    }
}

/// What is critical reaches somebody within a minute while any channel works; what is not, when its time has come; and
/// nobody later in the order is told in vain.
#[test]
fn the_second_channel_takes_over() {
    for seed in 0..40 {
        let second = Contact { order: 1, ..contact(2, Some(1), hook(2)) };
        let mut world = World::new(seed, vec![contact(1, Some(1), mail(1)), second]);
        let is_down = seed % 2 == 0;
        if is_down {
            world.mail_down = START.plus_ms(2 * HOUR);
        }
        let mut made = BTreeMap::new();
        for seq in 1..=10_u64 {
            let fact = fact(&mut world.dice);
            world.happens(fact);
            made.insert(seq, world.now);
            world.rest(20 * MINUTE);
        }
        world.rest(4 * HOUR);
        let facts = world.store.facts_after(0, u32::MAX).unwrap();
        for fact in facts {
            let about = catalogue::of(&fact.fact);
            if !about.audience.has_holder() {
                continue;
            }
            let mut seen: Vec<&Seen> =
                world.seen.values().filter(|seen| seen.facts.contains(&fact.seq)).collect();
            seen.sort_by_key(|seen| seen.at);
            let first = seen.first().unwrap();
            let after = first.at.ms_since(fact.at);
            let by_second = seen.iter().any(|seen| seen.contact == ContactId(2));
            let most = match (about.severity, is_down) {
                (_, false) => SECOND,
                (Severity::Critical, true) => MINUTE,
                (_, true) => 15 * MINUTE + SECOND,
            };
            assert!(after <= most, "seed {seed}: {} after {after} ms", about.code);
            if about.severity < Severity::Critical && !is_down {
                assert!(!by_second, "seed {seed}: {} was told to both", about.code);
            }
        }
    }
}

/// Who knows is not told again, nor is anybody after him.
#[test]
fn acknowledged_is_known() {
    let second = Contact { order: 1, ..contact(2, Some(1), hook(2)) };
    let mut world = World::new(1, vec![contact(1, Some(1), mail(1)), second]);
    let critical = fact_samples::all()
        .into_iter()
        .find(|fact| catalogue::of(fact).code == "outside-lock")
        .unwrap();
    world.happens(critical.clone());
    world.rest(MINUTE);
    let id = AlertId { fact: 1, entry: 1 };
    let records = notify::outbox::acknowledge(id, &By::STAFF, world.now, &world.store).unwrap();
    assert_eq!(records.len(), 2);
    world.write(records);
    world.rest(HOUR);
    assert_eq!(world.told().into_keys().collect::<Vec<_>>(), [(1, 1)]);
    // The same without it: the second is told when the first did not answer.
    world.happens(critical);
    world.rest(HOUR);
    let told: BTreeSet<(u64, u64)> = world.told().into_keys().collect();
    assert_eq!(told, BTreeSet::from([(1, 1), (2, 1), (2, 2)]));
}

/// A day of silence: staff see it, once.
#[test]
fn what_cannot_be_delivered_is_a_fact() {
    let mut world = World::new(1, vec![contact(1, Some(1), mail(1)), contact(2, None, hook(2))]);
    world.mail_down = START.plus_ms(72 * HOUR);
    let fact =
        fact_samples::all().into_iter().find(|fact| catalogue::of(fact).code == "warning-level");
    world.happens(fact.unwrap());
    world.rest(48 * HOUR);
    let facts = world.store.facts_after(1, 9).unwrap();
    let [given_up] = &facts[..] else { panic!("{facts:?}") };
    assert!(
        matches!(&given_up.fact, Fact::AlertGivenUp { alert, why, .. } if alert == "1-1" && why == "connection refused"),
        "{given_up:?}"
    );
    assert_eq!(world.told().into_keys().collect::<Vec<_>>(), [(2, 2)], "staff are told");
    let tries = world.store.alert(AlertId { fact: 1, entry: 1 }).unwrap().unwrap().tries;
    assert!((50..70).contains(&tries), "{tries} tries in a day");
}

/// When the server is back, what waited for it does not wait out its pauses.
#[test]
fn a_server_that_is_back_gets_everything_at_once() {
    let mut world = World::new(1, vec![contact(1, Some(1), mail(1))]);
    world.mail_down = START.plus_ms(3 * HOUR);
    let facts = fact_samples::all();
    let told: Vec<Fact> =
        facts.into_iter().filter(|fact| catalogue::of(fact).audience.has_holder()).collect();
    let count = told.len();
    for fact in told {
        world.happens(fact);
        world.rest(5 * MINUTE + 11 * SECOND);
    }
    assert!(world.now < world.mail_down, "all of it happens while it is down");
    world.rest((3 * HOUR).saturating_sub(world.now.ms_since(START)) + 31 * MINUTE);
    let first = world.seen.values().map(|seen| seen.at).min().unwrap();
    let last = world.seen.values().map(|seen| seen.at).max().unwrap();
    assert_eq!(world.told().len(), count);
    assert!(first >= world.mail_down);
    assert!(last.ms_since(first) < SECOND, "{} ms", last.ms_since(first));
}
