//! M2: a million calls through the engine into SQLite, and every sum is one sum. Lives here: the calls, the
//! customers' own notes of them, the second rating, and a third from the record alone (`rerating`). Never here: a line
//! of `rating` in what is expected.
//!
//! A debug build places fewer calls; the release build of `cargo xtask test --tier release` places the million.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod rerating;

use std::collections::{BTreeMap, BTreeSet};

use engine::{
    Attempt, CallOrder, Caller, Command, Ended, Engine, EngineConfig, Extension, Target, Verdict,
};
use sim::auditor::prices::{self, Prices};
use store::{
    Backend, Batch, CallFilter, OpenOptions, Reader, SnapshotWindow, SqliteStore, Synchronous,
};
use types::account::Ha1;
use types::cdr::{HangupCause, LegRecord};
use types::record::Deck;
use types::*;

/// Answered calls that somebody pays.
const CALLS: usize = if cfg!(debug_assertions) { 5_000 } else { 1_000_000 };
/// So many batches are one transaction; a call is three and more.
const GROUP: usize = 40_000;
/// CDRs that are read back in one go.
const PAGE: u32 = 100_000;
const ACCOUNTS: u32 = 300;
const T0: UnixMicros = UnixMicros::from_seconds(1_795_521_600);
/// A call begins every so many milliseconds.
const STEP_MS: u64 = 10;
/// Of all calls, so far away lie the new prices: those with an effective date, then those of a new deck.
const EFFECTIVE: UnixMicros = UnixMicros(T0.0 + (CALLS as u64 * STEP_MS * 1_000 * 2 / 5) as i64);
const NEW_DECK: UnixMicros = UnixMicros(T0.0 + (CALLS as u64 * STEP_MS * 1_000 * 7 / 10) as i64);

const SELL: [DeckId; 2] = [DeckId(1), DeckId(2)];
const COST: [DeckId; 2] = [DeckId(3), DeckId(4)];

/// Prefix, fee, price of a minute, minimum, first increment, increment, and from when.
type Row = (&'static str, i64, i64, u32, u32, u32, UnixMicros);

const ROWS: [Row; 12] = [
    ("44", 0, 12_500, 0, 1, 1, T0),
    ("447", 10_000, 61_003, 0, 1, 1, T0),
    ("33", 0, 30_000, 0, 60, 60, T0),
    ("331", 0, 31_337, 0, 30, 30, EFFECTIVE),
    ("49", 0, 47_777, 30, 1, 1, T0),
    ("49", 5_001, 41_111, 0, 1, 1, EFFECTIVE),
    // The minimum ends within an increment.
    ("34", 17, 20_000, 90, 60, 60, T0),
    ("1", 7, 13_001, 0, 30, 6, T0),
    ("12", 9, 17_003, 0, 6, 6, T0),
    ("353", 0, 24_001, 10, 7, 11, T0),
    ("31", 100_000, 0, 0, 1, 1, T0),
    // No price before this one.
    ("81", 0, 29_999, 0, 1, 1, EFFECTIVE),
];

const NUMBERS: [&str; 11] = [
    "+442079460123",
    "+447400123456",
    "+33142345678",
    "+33612345678",
    "+4930123456",
    "+34910123456",
    "+12125550123",
    "+16135550123",
    "+35312345678",
    "+31201234567",
    "+81312345678",
];

fn deck(id: DeckId, percent: i64) -> Deck {
    let row = |&(prefix, fee, minute, minimum_s, first, increment, effective): &Row| RateRow {
        prefix: prefix.to_owned(),
        name: prefix.into(),
        rate: Rate {
            connect_fee: Money::from_micros(fee * percent / 100),
            per_minute: Money::from_micros(minute * percent / 100),
            minimum_s,
            first_increment_s: first,
            increment_s: increment,
        },
        effective,
    };
    Deck { id, name: format!("deck {id}"), rows: ROWS.iter().map(row).collect() }
}

fn first_decks() -> Vec<Deck> {
    vec![deck(SELL[0], 100), deck(SELL[1], 83), deck(COST[0], 61), deck(COST[1], 49)]
}

/// What takes their place later: another price for everything.
fn new_decks() -> Vec<Deck> {
    vec![deck(SELL[0], 91), deck(COST[1], 53)]
}

fn snapshot() -> Snapshot {
    let account = |id| Account {
        reseller: None,
        id: AccountId(id),
        name: format!("Holder {id}"),
        status: AccountStatus::Active,
        controls: Controls {
            calls: 60_000,
            costly_calls: 60_000,
            stop_level_24h: Money::from_units(100_000_000),
            stop_level_off_hours: None,
            stop_level_all_24h: Money::from_units(100_000_000),
            warning_level: Money::from_units(100_000_000),
            price_cap_international: Money::from_units(1),
            ..Controls::residential()
        },
        dial_plan: DialPlan::default(),
        sell_deck: SELL[id as usize % 2],
        time_zone: "Europe/London".into(),
        billing_day: 1,
    };
    let line = |id| {
        let ha1 = Ha1 { md5: [0; 16], sha256: [0; 32] };
        Line::new(LineId(id), AccountId(id), format!("user{id}"), ha1, UnixMicros(0))
    };
    let trunk = |id: u32| Trunk {
        id: TrunkId(id),
        name: format!("carrier {id}"),
        address: ([192, 0, 2, id as u8], 5060).into(),
        transport: TrunkTransport::Udp,
        host: "carrier.example".into(),
        auth: None,
        sources: Vec::new(),
        routes: vec![TrunkRoute { prefix: String::new(), priority: id as u16 }],
        cost_deck: Some(COST[id as usize - 1]),
        number_format: TrunkNumberFormat::E164Plus,
        dial_plan: types::DialPlan::default(),
        emergency: true,
        enabled: true,
    };
    Snapshot {
        accounts: (1..=ACCOUNTS).map(account).collect(),
        lines: (1..=ACCOUNTS).map(line).collect(),
        trunks: vec![trunk(1), trunk(2)],
        decks: first_decks(),
        newest: T0,
        ..Snapshot::default()
    }
}

/// A call as its customer noted it: by his own clock, and by which carrier he heard the ringing.
#[derive(Clone, Copy)]
struct Note {
    account: AccountId,
    number: &'static str,
    trunk: TrunkId,
    started: UnixMicros,
    answered: Option<UnixMicros>,
    talked_ms: u64,
}

struct World {
    engine: Engine,
    store: SqliteStore,
    now: Now,
    dice: Dice,
    notes: BTreeMap<DecisionId, Note>,
    refused: BTreeSet<DecisionId>,
    /// Calls that will be hung up, by when.
    leaving: BTreeSet<(Tick, DecisionId)>,
    answered: usize,
    group: Vec<Batch>,
    extended: usize,
}

impl World {
    fn new(folder: &std::path::Path) -> World {
        let now = Now { tick: Tick(0), wall: T0 };
        let mut config = EngineConfig::new(HashKey(1, 2));
        config.numbering.hotspots.clear();
        config.slice_ms = 60_000;
        let engine = Engine::new(config, &snapshot(), now).unwrap();
        // What is looked at are sums: a disk that may forget at a power cut is good enough here.
        let options = OpenOptions { synchronous: Synchronous::Normal, ..OpenOptions::default() };
        let mut store = SqliteStore::open(folder.join("million.db"), options).unwrap();
        let put = |deck| Record::Deck(UnixMicros(0), Box::new(deck));
        let records = first_decks().into_iter().map(put).collect();
        store.commit(&[Batch { ticket: 0, records }]).unwrap();
        World {
            engine,
            store,
            now,
            dice: Dice::simulated(2_026, 7),
            notes: BTreeMap::new(),
            refused: BTreeSet::new(),
            leaving: BTreeSet::new(),
            answered: 0,
            group: Vec::new(),
            extended: 0,
        }
    }

    fn write(&mut self, records: Vec<Record>) {
        self.group.push(Batch { ticket: 0, records });
        if self.group.len() >= GROUP {
            self.commit();
        }
    }

    fn commit(&mut self) {
        let group = std::mem::take(&mut self.group);
        self.store.commit(&group).unwrap();
    }

    /// Lets time pass; slices are held, calls hung up, each at its moment.
    fn pass_to(&mut self, to: Tick) {
        loop {
            let money = self.engine.next_timeout().unwrap_or(Tick::NEVER);
            let leave = self.leaving.first().map_or(Tick::NEVER, |&(at, _)| at);
            let next = money.min(leave).min(to);
            let micros = next.micros_since(self.now.tick);
            self.now = Now { tick: next, wall: UnixMicros(self.now.wall.0 + micros as i64) };
            if next == to {
                return;
            }
            if leave == next {
                let (_, decision) = self.leaving.pop_first().unwrap();
                self.end(decision, HangupCause::Normal);
            } else {
                self.extend();
            }
        }
    }

    fn extend(&mut self) {
        for order in self.engine.handle_timeout(self.now) {
            let CallOrder::Extend(decision) = order else { panic!("{order:?}: levels are high") };
            assert_eq!(self.engine.extend(self.now, decision), Extension::Granted);
            let hold = self.engine.hold(decision).unwrap();
            self.write(vec![Record::Hold(Box::new(hold))]);
            self.engine.extension_stored(self.now, decision);
            self.extended += 1;
        }
    }

    fn end(&mut self, decision: DecisionId, cause: HangupCause) {
        let note = self.notes.get_mut(&decision).unwrap();
        if let Some(answered) = note.answered {
            note.talked_ms = ((self.now.wall.0 - answered.0) / 1_000) as u64;
        }
        let (trunk, side) = (Some(note.trunk), HangupSide::Caller);
        let (a_leg, b_leg) = (LegRecord::default(), LegRecord::default());
        let ended = Ended {
            cause,
            status: 200,
            side,
            a_leg,
            b_leg,
            trunk,
            lost_after: None,
            finding: None,
        };
        let records = self.engine.end(self.now, decision, ended);
        self.write(records);
    }

    /// Somebody calls some number; some are refused, some give up, some talk.
    fn call(&mut self) {
        let line = LineId(1 + self.dice.below(u64::from(ACCOUNTS)) as u32);
        let number = NUMBERS[self.dice.below(NUMBERS.len() as u64) as usize];
        let attempt = Attempt {
            from: Caller::Line(line),
            device: None,
            dialled: number,
            claimed_caller: None,
            peer: [198, 51, 100, 7].into(),
        };
        let admission = match self.engine.admit(self.now, attempt) {
            Verdict::Admit(admission) => admission,
            Verdict::Refuse(refusal) => {
                self.refused.insert(refusal.decision);
                assert!(number.starts_with("+81"), "{number}: {:?}", refusal.findings);
                let records = self.engine.refused(self.now, refusal, LegRecord::default(), 403);
                return self.write(records);
            }
        };
        let (decision, started) = (admission.decision(), self.now.wall);
        let Target::Trunks { trunks, .. } = admission.into_route().target else { panic!() };
        // The first carrier refuses one call in five.
        let trunk = trunks[usize::from(self.dice.below(5) == 0)];
        self.engine.use_trunk(decision, trunk);
        let account = AccountId(line.0);
        let mut note = Note { account, number, trunk, started, answered: None, talked_ms: 0 };
        let is_answered = self.dice.below(10) > 0;
        if is_answered {
            self.engine.answered(self.now, decision);
            note.answered = Some(started);
            self.answered += 1;
            let talk_us = self.talk_us();
            self.leaving.insert((Tick(self.now.tick.0 + talk_us), decision));
        }
        self.notes.insert(decision, note);
        let hold = self.engine.hold(decision).unwrap();
        self.write(vec![Record::Hold(Box::new(hold))]);
        if !is_answered {
            self.end(decision, HangupCause::Cancelled);
        }
    }

    /// Most calls are short; some end at, just before or just after a full second or minute.
    fn talk_us(&mut self) -> u64 {
        let seconds = match self.dice.below(10) {
            0..=5 => self.dice.below(40),
            6..=8 => self.dice.below(150),
            _ => self.dice.below(420),
        };
        let seconds = if self.dice.below(8) == 0 { seconds / 60 * 60 } else { seconds };
        let beside = match self.dice.below(4) {
            0 => 0,
            1 => 1_000,
            2 => 999_000,
            _ => self.dice.below(1_000_000),
        };
        seconds * 1_000_000 + beside
    }

    fn run(&mut self) {
        let mut is_new = false;
        while self.answered < CALLS {
            if !is_new && self.now.wall >= NEW_DECK {
                is_new = true;
                for deck in new_decks() {
                    let done = self.engine.command(self.now, Command::PutDeck(deck)).unwrap();
                    self.write(done.records);
                }
            }
            self.call();
            self.pass_to(self.now.tick.plus_ms(STEP_MS));
        }
        assert!(is_new, "the new deck came");
        while let Some(&(last, _)) = self.leaving.last() {
            self.pass_to(last.plus_ms(1));
        }
        self.commit();
    }
}

/// The second rating: from the customers' notes and the rows of the decks, slowly.
struct Rater {
    before: Prices,
    after: Prices,
}

impl Rater {
    fn new() -> Rater {
        let (mut before, mut after) = (Prices::default(), Prices::default());
        for deck in first_decks() {
            before.put(&deck);
            after.put(&deck);
        }
        for deck in new_decks() {
            after.put(&deck);
        }
        Rater { before, after }
    }

    fn amount(&self, deck: DeckId, note: &Note) -> i64 {
        let prices = if note.started >= NEW_DECK { &self.after } else { &self.before };
        let rate = prices.of(deck, &note.number[1..], note.started).unwrap();
        note.answered.map_or(0, |_| prices::cost(&rate, note.talked_ms))
    }

    /// Price and cost.
    fn rate(&self, note: &Note) -> (i64, i64) {
        let sell = SELL[note.account.0 as usize % 2];
        (self.amount(sell, note), self.amount(COST[note.trunk.0 as usize - 1], note))
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    price: i64,
    cost: i64,
}

/// Reads every CDR back, page by page, and holds it against its note; the sums of both.
fn compare(world: &World) -> (Sums, Sums) {
    let (rater, mut cdrs, mut again) = (Rater::new(), Sums::default(), Sums::default());
    let (mut seen, mut until) = (0, None);
    loop {
        // No two calls begin at the same moment, so that pages do not overlap.
        let filter = CallFilter { until, limit: PAGE, ..CallFilter::default() };
        let page = world.store.calls(&filter).unwrap();
        let Some(oldest) = page.last() else { break };
        until = Some(oldest.started);
        seen += page.len();
        for cdr in page {
            cdrs.price += cdr.price.micros();
            cdrs.cost += cdr.cost.micros();
            if world.refused.contains(&cdr.decision) {
                assert_eq!((cdr.price, cdr.cost), (Money::ZERO, Money::ZERO), "{cdr:?}");
                continue;
            }
            let note = &world.notes[&cdr.decision];
            let (price, cost) = rater.rate(note);
            again.price += price;
            again.cost += cost;
            assert_eq!(
                (cdr.account, cdr.duration_ms, cdr.price.micros(), cdr.cost.micros()),
                (note.account, note.talked_ms, price, cost),
                "{cdr:?}"
            );
        }
    }
    assert_eq!(seen, world.notes.len() + world.refused.len(), "one CDR for each decision");
    (cdrs, again)
}

#[test]
fn a_million_calls_and_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new(folder.path());
    world.run();
    assert_eq!(world.answered, CALLS);
    assert!(world.extended > CALLS / 4 && !world.refused.is_empty());

    let (cdrs, again) = compare(&world);
    assert_eq!(cdrs, again);
    let deck_of = |cdr: &Cdr| SELL[cdr.account.0 as usize % 2];
    let carrier_of = |cdr: &Cdr| cdr.trunk.map(|trunk| COST[trunk.0 as usize - 1]);
    let rerated = rerating::run(&world.store, deck_of, carrier_of);
    assert_eq!((rerated.price, rerated.cost), (again.price, again.cost), "from the record");
    assert_eq!(rerated.states, 6, "four decks, two of them put again");

    let mut kept = Sums::default();
    let mut posted = Sums::default();
    let (mut debits, mut credits) = (0, 0);
    for balance in world.store.balances().unwrap() {
        debits += balance.debits.micros();
        credits += balance.credits.micros();
        match balance.account {
            LedgerAccount::Receivable(_) => posted.price += balance.debits.micros(),
            LedgerAccount::CarrierPayable(_) => posted.cost += balance.credits.micros(),
            LedgerAccount::Revenue => kept.price = balance.credits.micros(),
            LedgerAccount::CarrierCost => kept.cost = balance.debits.micros(),
            other => panic!("nobody posted to {other:?}"),
        }
    }
    assert_eq!(debits, credits);
    assert_eq!((&posted, &kept), (&again, &again), "transfers");

    let accounts = (1..=ACCOUNTS).map(AccountId);
    let stored = |account| world.store.unbilled(account).unwrap().micros();
    let at_risk = |account| world.engine.usage(world.now, account).unwrap().unbilled.micros();
    assert_eq!(accounts.clone().map(stored).sum::<i64>(), again.price, "un-billed, in the store");
    assert_eq!(accounts.map(at_risk).sum::<i64>(), again.price, "un-billed, in the engine");
    world.engine.audit().unwrap();
    let found = world.store.verify().unwrap();
    assert_eq!((found.charged.micros(), found.problems), (again.price, Vec::new()));
    let left = world.store.snapshot(SnapshotWindow::at(world.now.wall)).unwrap().holds;
    assert_eq!(left, Vec::new(), "holds left");
}
