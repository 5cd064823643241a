//! A small world to bill in. Lives here: accounts, a deck, calls, a desk that can be killed, what must hold at any time.
//! Never here: tests.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use engine::{CallFacts, Engine, EngineConfig, PostOrder, PostWhat};
use jiff::civil::Date;
use serde_json::Value;
use store::{
    Backend, Batch, BillFilter, CallFilter, MemoryStore, OpenOptions, PostingFilter, Reader,
    SnapshotWindow, SqliteStore, Synchronous,
};
use types::record::Deck;
use types::*;

use crate::billing::{Desk, Report, RunOrder, run, statement};
use crate::change::{self, Change};

pub(super) const DAY_US: i64 = 86_400_000_000;
/// 2025-01-15T00:00:00Z.
pub(super) const BEGIN: i64 = 1_736_899_200_000_000;

/// Where the world is killed: at the n-th change, before or after it is on disk.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kill {
    pub at: u32,
    pub after: bool,
}

/// A store with an engine, as a node or a command has them.
pub(super) struct World {
    pub store: Box<dyn Backend>,
    pub engine: Engine,
    pub now: UnixMicros,
    pub dice: Dice,
    pub changes: u32,
    pub kill: Option<Kill>,
    /// Is everything told to the store many times?
    pub stutters: bool,
}

pub(super) fn snapshot(store: &dyn Backend) -> Snapshot {
    store.snapshot(SnapshotWindow::at(UnixMicros(0))).expect("it can be read")
}

impl World {
    pub fn new(store: Box<dyn Backend>, seed: u64) -> World {
        let (now, dice) = (UnixMicros(BEGIN), Dice::simulated(seed, 0));
        let engine = engine(&*store, now);
        let mut world = World { store, engine, now, dice, changes: 0, kill: None, stutters: false };
        let deck = Record::Deck(UnixMicros(0), Box::new(deck()));
        world.commit((1..=5).map(|id| Record::Account(Box::new(account(id)))).chain([deck]));
        world.restart();
        world
    }

    /// Comes back from the store.
    pub fn restart(&mut self) {
        self.engine = engine(&*self.store, self.now);
    }

    pub fn commit(&mut self, records: impl IntoIterator<Item = Record>) {
        let batch = Batch { ticket: 1, records: records.into_iter().collect() };
        let times = if self.stutters { 1 + self.dice.below(10) } else { 1 };
        for _ in 0..times {
            self.store.commit(std::slice::from_ref(&batch)).expect("it can be written");
        }
    }

    /// A call that ends now costs this; its records are not written yet.
    pub fn call(&mut self, n: u32, account: u32, price: i64, ended: UnixMicros) -> Vec<Record> {
        record_samples::settled(cdr(n, account, price, ended))
    }

    pub fn post(&mut self, what: PostWhat, reference: Option<&str>) -> anyhow::Result<()> {
        let (by, note) = ("ann".to_owned(), "as agreed".to_owned());
        let reference = reference.map(str::to_owned);
        let order = PostOrder { what, reference, at: None, by, note };
        self.change(Change::Post(Box::new(order))).map(drop)
    }

    pub fn bill(&mut self, day: &str, batch: usize) -> anyhow::Result<Report> {
        let day: Date = day.parse().expect("a date");
        let order = RunOrder { day, only: None, dry: false, batch, now: self.now };
        run(self, &order, &mut |_, _| {})
    }

    pub fn bills(&self) -> Vec<Bill> {
        let filter = BillFilter { limit: u32::MAX, ..BillFilter::default() };
        self.store.bills(&filter).expect("it can be read")
    }

    pub fn calls_of(&self, bill: &Bill) -> Vec<Cdr> {
        let items = self.store.bill_items(bill.account, &bill.before, &bill.covers);
        items.expect("it can be read").calls
    }

    pub fn check_after_restart(&mut self) {
        self.kill = None;
        self.restart();
        self.check();
    }

    /// Everything that must hold at any time.
    pub fn check(&self) {
        let problems = self.store.verify().expect("it can be read").problems;
        assert_eq!(problems, []);
        let balances = self.store.balances().expect("it can be read");
        let debits: i64 = balances.iter().map(|balance| balance.debits.micros()).sum();
        let credits: i64 = balances.iter().map(|balance| balance.credits.micros()).sum();
        assert_eq!(debits, credits, "debits equal credits");
        let (mut billed, mut seen) = (BTreeMap::<AccountId, i64>::new(), BTreeSet::new());
        for bill in self.bills() {
            *billed.entry(bill.account).or_default() += bill.total.micros();
            for cdr in self.calls_of(&bill) {
                assert!(seen.insert(cdr.decision), "call {} is on two bills", cdr.decision);
                assert!(cdr.ended < bill.covers.until);
            }
        }
        for id in (1..=5).map(AccountId) {
            let filter = CallFilter { account: Some(id), limit: u32::MAX, ..Default::default() };
            let calls = self.store.calls(&filter).expect("it can be read");
            let charges: i64 = calls.iter().map(|cdr| cdr.price.micros()).sum();
            let filter = PostingFilter { account: Some(id), limit: u32::MAX, ..Default::default() };
            let postings = self.store.postings(&filter).expect("it can be read");
            let given: i64 =
                postings.iter().map(|stored| stored.posting.adds_to_usage().micros()).sum();
            let unbilled = self.store.unbilled(id).expect("it can be read");
            let sum = billed.get(&id).copied().unwrap_or(0) + unbilled.micros();
            assert_eq!(sum, charges + given, "bills and un-billed usage of account {id}");
            let now = Now { tick: Tick(0), wall: self.now };
            let usage = self.engine.usage(now, id).expect("it is there");
            assert_eq!(usage.unbilled, unbilled, "the engine's of account {id}");
            let owed = balances.iter().find(|one| one.account == LedgerAccount::Receivable(id));
            let owed = owed.map_or(0, |one| one.debits.micros() - one.credits.micros());
            let told = statement(&*self.store, id).expect("it can be read");
            assert_eq!(told.balance.micros() + unbilled.micros(), owed, "account {id}");
            let later = LedgerAccount::Instalments(id);
            let kept = balances.iter().find(|one| one.account == later);
            let kept = kept.map_or(0, |one| one.debits.micros() - one.credits.micros());
            assert_eq!(told.later.micros(), kept, "instalments of account {id}");
        }
    }
}

impl Desk for World {
    fn reader(&self) -> &dyn Reader {
        &*self.store
    }

    fn change(&mut self, change: Change) -> anyhow::Result<Value> {
        self.changes += 1;
        let kill = self.kill.filter(|kill| kill.at == self.changes);
        if kill.is_some_and(|kill| !kill.after) {
            bail!("killed");
        }
        let plan = change::plan(change, self.now, &self.engine)?;
        let now = Now { tick: Tick(0), wall: self.now };
        let done = self.engine.commands(now, plan.commands)?;
        self.commit(done.records);
        if kill.is_some() {
            bail!("killed");
        }
        Ok(plan.answer.with(done.message))
    }
}

pub(super) fn engine(store: &dyn Backend, now: UnixMicros) -> Engine {
    let now = Now { tick: Tick(0), wall: now };
    let config = EngineConfig::new(HashKey(1, 2));
    Engine::new(config, &snapshot(store), now).expect("a good snapshot")
}

/// Accounts differ in calendar and billing day.
pub(super) fn account(id: u32) -> Account {
    let zones = ["Europe/London", "America/New_York", "Asia/Kolkata", "UTC", "Europe/London"];
    Account {
        name: format!("Smith & Sons <{id}>"),
        time_zone: zones[id as usize - 1].to_owned(),
        billing_day: [1, 1, 15, 31, 1][id as usize - 1],
        ..record_samples::account(id)
    }
}

pub(super) fn deck() -> Deck {
    let row = |prefix: &str, name: &str, effective| RateRow {
        prefix: prefix.to_owned(),
        name: name.into(),
        rate: rate(),
        effective: UnixMicros(effective),
    };
    let far = UnixMicros(i64::MAX / 2).0;
    let rows = vec![row("33", "France", 0), row("33", "France, later", far), row("53", "Cuba", 0)];
    Deck { id: DeckId(1), name: "retail".to_owned(), rows }
}

pub(super) fn rate() -> Rate {
    Rate { first_increment_s: 60, increment_s: 60, ..record_samples::rate(12_500) }
}

/// The n-th call, 61 seconds long.
pub(super) fn cdr(n: u32, account: u32, price: i64, ended: UnixMicros) -> Cdr {
    let started = UnixMicros(ended.0 - 66_000_000);
    let (number, region) = match n.is_multiple_of(3) {
        true => ("+5371234567", "CU"),
        false => ("+33123456789", "FR"),
    };
    let sample = record_samples::call(AccountId(account), number, started, 61_000, rate());
    let mut cdr = Cdr {
        decision: DecisionId((started.0.cast_unsigned() << 8) + u64::from(n) * 256),
        line: Some(LineId(1)),
        price: Money::from_micros(price),
        cost: Money::from_micros(price / 3),
        ..sample
    };
    cdr.destination.region = Some(region.parse().expect("a country"));
    if n == 4 {
        cdr.caller = "=<b>1</b>".to_owned();
    }
    cdr
}

/// Runs a test in a world of each kind of store.
pub(super) fn each(seed: u64, test: impl Fn(&mut World)) {
    test(&mut World::new(Box::new(MemoryStore::new()), seed));
    let directory = tempfile::tempdir().expect("a directory");
    test(&mut World::new(sqlite(&directory), seed));
}

pub(super) fn sqlite(directory: &tempfile::TempDir) -> Box<dyn Backend> {
    // Moved often, so that runs meet moved and recent calls.
    // What a sync is good for is tested by the store itself.
    let synchronous = Synchronous::Normal;
    let options = OpenOptions { recent_calls: 5, synchronous, ..OpenOptions::default() };
    let store = SqliteStore::open(directory.path().join("rf.db"), options);
    Box::new(store.expect("it can be opened"))
}

pub(super) fn time(text: &str) -> UnixMicros {
    let at: jiff::Timestamp = text.parse().expect("a time");
    UnixMicros(at.as_microsecond())
}

pub(super) fn facts(world: &World, cdr: &Cdr) -> CallFacts {
    let transfers = world.store.transfers(cdr.decision).expect("it can be read");
    CallFacts::of(cdr, &transfers)
}

/// What happened in a world, without the marks, which each store counts in its own way.
pub(super) fn told(world: &World) -> Vec<Bill> {
    let mut bills = world.bills();
    for bill in &mut bills {
        (bill.before.marks, bill.covers.marks) = (Marks::default(), Marks::default());
    }
    bills
}
