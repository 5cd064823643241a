//! Bill runs against stores of both kinds. Lives here: a small world with calls, payments, runs that are
//! killed; pages as golden texts. Never here: commands as people type them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use engine::{CallFacts, Engine, EngineConfig, PlanOrder, PostOrder, PostWhat};
use jiff::civil::Date;
use serde_json::Value;
use store::{
    Backend, Batch, BillFilter, CallFilter, MemoryStore, OpenOptions, PostingFilter, Reader,
    SnapshotWindow, SqliteStore, Synchronous,
};
use types::cdr::{HangupCause, HangupSide, LegRecord};
use types::decision::{Destination, Explanation, Outcome};
use types::record::Deck;
use types::*;

use super::*;
use crate::change::{self, Change};

const DAY_US: i64 = 86_400_000_000;
/// 2025-01-15T00:00:00Z.
const BEGIN: i64 = 1_736_899_200_000_000;

/// Where the world is killed: at the n-th change, before or after it is on disk.
#[derive(Clone, Copy, Debug)]
struct Kill {
    at: u32,
    after: bool,
}

/// A store with an engine, as a node or a command has them.
struct World {
    store: Box<dyn Backend>,
    engine: Engine,
    now: UnixMicros,
    dice: Dice,
    changes: u32,
    kill: Option<Kill>,
    /// Is everything told to the store many times?
    stutters: bool,
}

fn snapshot(store: &dyn Backend) -> Snapshot {
    store.snapshot(SnapshotWindow::at(UnixMicros(0))).expect("it can be read")
}

impl World {
    fn new(store: Box<dyn Backend>, seed: u64) -> World {
        let (now, dice) = (UnixMicros(BEGIN), Dice::simulated(seed, 0));
        let engine = engine(&*store, now);
        let mut world = World { store, engine, now, dice, changes: 0, kill: None, stutters: false };
        let deck = Record::Deck(UnixMicros(0), Box::new(deck()));
        world.commit((1..=5).map(|id| Record::Account(Box::new(account(id)))).chain([deck]));
        world.restart();
        world
    }

    /// Comes back from the store.
    fn restart(&mut self) {
        self.engine = engine(&*self.store, self.now);
    }

    fn commit(&mut self, records: impl IntoIterator<Item = Record>) {
        let batch = Batch { ticket: 1, records: records.into_iter().collect() };
        let times = if self.stutters { 1 + self.dice.below(10) } else { 1 };
        for _ in 0..times {
            self.store.commit(std::slice::from_ref(&batch)).expect("it can be written");
        }
    }

    /// A call that ends now costs this; its records are not written yet.
    fn call(&mut self, n: u32, account: u32, price: i64, ended: UnixMicros) -> Vec<Record> {
        let cdr = cdr(n, account, price, ended);
        let transfers = ::ledger::call_transfers(
            cdr.decision,
            cdr.account,
            cdr.price,
            Some((TrunkId(1), cdr.cost)),
            ended,
        );
        let transfers: Vec<Record> = transfers.map(Record::Transfer).collect();
        [vec![Record::Cdr(Box::new(cdr))], transfers].concat()
    }

    fn post(&mut self, what: PostWhat, reference: Option<&str>) -> anyhow::Result<()> {
        let (by, note) = ("ann".to_owned(), "as agreed".to_owned());
        let reference = reference.map(str::to_owned);
        let order = PostOrder { what, reference, at: None, by, note };
        self.change(Change::Post(Box::new(order))).map(drop)
    }

    fn bill(&mut self, day: &str, batch: usize) -> anyhow::Result<Report> {
        let day: Date = day.parse().expect("a date");
        let order = RunOrder { day, only: None, dry: false, batch, now: self.now };
        run(self, &order, &mut |_, _| {})
    }

    fn bills(&self) -> Vec<Bill> {
        let filter = BillFilter { limit: u32::MAX, ..BillFilter::default() };
        self.store.bills(&filter).expect("it can be read")
    }

    fn calls_of(&self, bill: &Bill) -> Vec<Cdr> {
        let items = self.store.bill_items(bill.account, &bill.before, &bill.covers);
        items.expect("it can be read").calls
    }

    /// Everything that must hold at any time.
    fn check(&self) {
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

fn engine(store: &dyn Backend, now: UnixMicros) -> Engine {
    let now = Now { tick: Tick(0), wall: now };
    let config = EngineConfig::new(HashKey(1, 2));
    Engine::new(config, &snapshot(store), now).expect("a good snapshot")
}

/// Accounts differ in calendar and billing day.
fn account(id: u32) -> Account {
    let zones = ["Europe/London", "America/New_York", "Asia/Kolkata", "UTC", "Europe/London"];
    Account {
        reseller: None,
        id: AccountId(id),
        name: format!("Smith & Sons <{id}>"),
        status: AccountStatus::Active,
        controls: Controls::residential(),
        dial_plan: DialPlan::default(),
        sell_deck: DeckId(1),
        time_zone: zones[id as usize - 1].to_owned(),
        billing_day: [1, 1, 15, 31, 1][id as usize - 1],
    }
}

fn deck() -> Deck {
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

fn rate() -> Rate {
    Rate {
        connect_fee: Money::ZERO,
        per_minute: Money::from_micros(12_500),
        minimum_s: 0,
        first_increment_s: 60,
        increment_s: 60,
    }
}

/// The n-th call, 61 seconds long.
fn cdr(n: u32, account: u32, price: i64, ended: UnixMicros) -> Cdr {
    let started = UnixMicros(ended.0 - 66_000_000);
    let cuba = n.is_multiple_of(3);
    Cdr {
        decision: DecisionId((started.0.cast_unsigned() << 8) + u64::from(n) * 256),
        account: AccountId(account),
        line: Some(LineId(1)),
        device: None,
        to_account: None,
        direction: Direction::Outgoing,
        caller: if n == 4 { "=<b>1</b>".to_owned() } else { "+442079460000".to_owned() },
        dialled: "0033123456789".to_owned(),
        destination: Destination {
            class: DestinationClass::International,
            e164: Some(
                if cuba { "+5371234567" } else { "+33123456789" }.parse().expect("a number"),
            ),
            region: Some(if cuba { "CU" } else { "FR" }.parse().expect("a country")),
            tier: None,
            hotspot: false,
        },
        started,
        answered: Some(UnixMicros(started.0 + 5_000_000)),
        ended,
        duration_ms: 61_000,
        price: Money::from_micros(price),
        cost: Money::from_micros(price / 3),
        cost_rate: None,
        trunk: Some(TrunkId(1)),
        a_leg: LegRecord::default(),
        b_leg: LegRecord::default(),
        cause: HangupCause::Normal,
        status: 200,
        side: HangupSide::Caller,
        explanation: Explanation {
            outcome: Outcome::Admitted,
            findings: Vec::new(),
            rate: Some(rate()),
            rate_prefix: Some(if cuba { "53" } else { "33" }.to_owned()),
        },
    }
}

/// Runs a test in a world of each kind of store.
fn each(seed: u64, test: impl Fn(&mut World)) {
    test(&mut World::new(Box::new(MemoryStore::new()), seed));
    let directory = tempfile::tempdir().expect("a directory");
    test(&mut World::new(sqlite(&directory), seed));
}

fn sqlite(directory: &tempfile::TempDir) -> Box<dyn Backend> {
    // Moved often, so that runs meet moved and recent calls.
    // What a sync is good for is tested by the store itself.
    let synchronous = Synchronous::Normal;
    let options = OpenOptions { recent_calls: 5, synchronous, ..OpenOptions::default() };
    let store = SqliteStore::open(directory.path().join("rf.db"), options);
    Box::new(store.expect("it can be opened"))
}

fn time(text: &str) -> UnixMicros {
    let at: jiff::Timestamp = text.parse().expect("a time");
    UnixMicros(at.as_microsecond())
}

fn facts(world: &World, cdr: &Cdr) -> CallFacts {
    let transfers = world.store.transfers(cdr.decision).expect("it can be read");
    let posted = |kind| transfers.iter().find(|one| one.kind == kind).map(|one| one.amount);
    CallFacts {
        decision: cdr.decision,
        account: cdr.account,
        price: cdr.price,
        cost: cdr.cost,
        zero_rated: posted(TransferKind::ZeroRating),
        cost_priced: posted(TransferKind::CostPrice),
        credited: posted(TransferKind::CarrierCredit),
    }
}

/// One random step of a small world.
fn step(world: &mut World, n: u32, late: &mut Vec<Vec<Record>>) {
    let id = world.dice.below(5) as u32 + 1;
    let account = AccountId(id);
    let amount = Money::from_micros(world.dice.below(5_000) as i64 + 1);
    match world.dice.below(20) {
        0..=8 => {
            let price = world.dice.below(4) as i64 * 10_001;
            let ended = UnixMicros(world.now.0 - world.dice.below(3_600_000_000) as i64);
            let records = world.call(n, id, price, ended);
            // A stalled store, a crash: it is written later, perhaps after a bill run.
            if world.dice.chance(200) {
                late.push(records)
            } else {
                world.commit(records)
            }
            world.restart();
        }
        9 if !late.is_empty() => {
            let records = late.remove(world.dice.below(late.len() as u64) as usize);
            world.commit(records);
            world.restart();
        }
        9..=11 => {
            let calls = world.store.calls(&CallFilter::default()).expect("it can be read");
            let some = world.dice.below(calls.len().max(1) as u64) as usize;
            if let Some(call) = calls.get(some).map(|cdr| facts(world, cdr)) {
                let free = world.dice.chance(500);
                let what = if free { PostWhat::ZeroRate(call) } else { PostWhat::CostPrice(call) };
                // What has nothing left is refused.
                drop(world.post(what, None));
            }
        }
        12 => {
            let what = PostWhat::Holder(TransferKind::Goodwill, account, amount);
            world.post(what, None).expect("a gift is taken");
        }
        13 | 14 => {
            let reference = format!("FT{}", world.dice.below(12));
            let kinds = [TransferKind::Payment, TransferKind::PaymentReturned];
            let kind = kinds[world.dice.below(2) as usize];
            // A reference that was used for another amount is refused.
            drop(world.post(PostWhat::Holder(kind, account, amount), Some(&reference)));
        }
        15 => {
            let total = Money::from_micros(amount.micros() + 10);
            let due = |n: i64| UnixMicros(world.now.0 + (n + 1) * 20 * DAY_US);
            let parts = ::ledger::split(total, 3).into_iter().enumerate();
            let parts = parts.map(|(n, amount)| (due(n as i64), amount)).collect();
            let (by, note) = ("ann".to_owned(), "bit by bit".to_owned());
            let order = PlanOrder { account, total, parts, by, note };
            world.change(Change::PutPlan(Box::new(order))).expect("a good plan");
        }
        16 => world.restart(),
        17 | 18 => world.now = UnixMicros(world.now.0 + world.dice.below(12) as i64 * DAY_US),
        _ => {
            let (at, after) = (world.dice.below(6) as u32 + 1, world.dice.chance(500));
            let batch = world.dice.below(3) as usize + 1;
            world.kill = world.dice.chance(700).then_some(Kill { at: world.changes + at, after });
            bill_today(world, batch);
        }
    }
    world.now = UnixMicros(world.now.0 + 1_000);
}

/// Bills up to today; a run that was killed goes on, or waits for the next time.
fn bill_today(world: &mut World, batch: usize) {
    let open = world.store.bill_runs().expect("it can be read");
    let open = open.iter().find(|known| !known.done).map(|known| known.run.day);
    let day = open.unwrap_or(world.now).to_string();
    let made = world.bill(&day[..10], batch);
    world.kill = None;
    if let Err(error) = made {
        assert_eq!(error.to_string(), "killed");
        world.restart();
    }
}

/// What happened in a world, without the marks, which each store counts in its own way.
fn told(world: &World) -> Vec<Bill> {
    let mut bills = world.bills();
    for bill in &mut bills {
        (bill.before.marks, bill.covers.marks) = (Marks::default(), Marks::default());
    }
    bills
}

/// A life of ninety steps, looked at after each so many.
fn live(world: &mut World, every: u32) -> Vec<Bill> {
    world.stutters = true;
    let mut late = Vec::new();
    for n in 1..=90 {
        step(world, n, &mut late);
        if n.is_multiple_of(every) {
            world.check();
        }
    }
    late.into_iter().for_each(|records| world.commit(records));
    world.kill = None;
    world.restart();
    bill_today(world, 2);
    world.now = UnixMicros(world.now.0 + 40 * DAY_US);
    bill_today(world, 2);
    world.check();
    // By now every call is on one bill, and on no other (check).
    let calls = world.store.calls(&CallFilter { limit: u32::MAX, ..CallFilter::default() });
    let calls = calls.expect("it can be read").len();
    let billed: usize = world.bills().iter().map(|bill| world.calls_of(bill).len()).sum();
    assert_eq!(billed, calls);
    told(world)
}

/// Debits equal credits, no call is on two bills, bills and un-billed usage are what was charged and
/// given back: whatever is posted, billed, late, told ten times, killed.
#[test]
fn random_money_comes_out() {
    let (mut bills, mut adjusted, mut paid) = (0, 0, 0);
    for seed in 0..12 {
        let here = live(&mut World::new(Box::new(MemoryStore::new()), seed), 1);
        let directory = tempfile::tempdir().expect("a directory");
        let there = live(&mut World::new(sqlite(&directory), seed), 9);
        assert_eq!(here, there, "seed {seed}");
        bills += here.len();
        adjusted += here.iter().filter(|bill| !bill.adjustments.is_empty()).count();
        paid += here.iter().filter(|bill| !bill.payments.is_empty()).count();
    }
    assert!(bills > 80 && adjusted > 20 && paid > 20, "{bills} {adjusted} {paid}");
}

/// Five accounts with three calls each, over two months.
fn settled(world: &mut World) {
    for n in 0..15 {
        let ended = UnixMicros(BEGIN + i64::from(n) * 3 * DAY_US);
        let records = world.call(n, n % 5 + 1, 10_000 + i64::from(n), ended);
        world.commit(records);
    }
    world.now = UnixMicros(BEGIN + 60 * DAY_US);
    world.restart();
    world
        .post(PostWhat::Holder(TransferKind::Goodwill, AccountId(2), Money::from_micros(7)), None)
        .expect("a gift is taken");
}

#[test]
fn a_run_killed_anywhere_makes_the_same_bills() {
    each(0, |world| {
        settled(world);
        let whole = world.bill("2025-03-15", 1).expect("a run");
        assert_eq!((whole.bills, whole.resumed), (5, false));
        let want = told(world);
        let again = world.bill("2025-03-15", 1).expect("a run");
        assert!(again.done_before && again.bills == 0);
        // Begin, five batches, end.
        let changes = 7;
        for at in 1..=changes {
            for after in [false, true] {
                each(0, |world| {
                    settled(world);
                    world.kill = Some(Kill { at: world.changes + at, after });
                    world.bill("2025-03-15", 1).expect_err("it is killed");
                    world.check_after_restart();
                    let other = world.bill("2025-03-14", 1);
                    let begun = at > 1 || after;
                    if begun && !(at == changes && after) {
                        let error = other.expect_err("another run is open").to_string();
                        let how = "`ringfence bill run --until 2025-03-15` goes on with it";
                        assert_eq!(error, format!("bill run 1 is not done: {how}"));
                        let rest = world.bill("2025-03-15", 1).expect("it goes on");
                        assert!(rest.resumed && rest.run == 1, "{rest:?}");
                        assert_eq!(told(world), want, "killed at {at}, after: {after}");
                    }
                    world.check();
                });
            }
        }
    });
}

/// Whose billing month is billed gets no other bill for it, whatever came late.
#[test]
fn a_month_is_billed_once() {
    each(0, |world| {
        settled(world);
        assert_eq!(world.bill("2025-03-15", 10).expect("a run").bills, 5);
        let late = world.call(90, 1, 10_000, UnixMicros(BEGIN));
        world.commit(late);
        world.restart();
        // Nobody's month ended on the 16th.
        let report = world.bill("2025-03-16", 10).expect("a run");
        assert_eq!((report.run, report.bills), (2, 0));
        world.now = time("2025-04-20T00:00:00Z");
        assert_eq!(world.bill("2025-04-01", 10).expect("a run").bills, 4);
        let first = world.bills().into_iter().find(|bill| bill.account == AccountId(1));
        assert_eq!(first.expect("a bill").charges(), Money::from_micros(10_000));
        world.check();
    });
}

impl World {
    fn check_after_restart(&mut self) {
        self.kill = None;
        self.restart();
        self.check();
    }
}

/// A call ends just before, or just after, midnight of the month's end where the holder lives.
#[test]
fn month_end_and_clock_change_in_london() {
    fn check(day: &str, ended: &str, want: bool) {
        each(0, |world| {
            let records = world.call(1, 1, 10_000, time(ended));
            world.commit(records);
            world.now = time("2025-12-31T12:00:00Z");
            world.restart();
            let report = world.bill(day, 10).expect("a run");
            assert_eq!(report.bills == 1, want, "{ended} by {day}");
            let left = world.store.unbilled(AccountId(1)).expect("it can be read");
            assert_eq!(left.is_zero(), want);
            world.check();
        });
    }
    // Winter: midnight is midnight UTC.
    check("2025-02-01", "2025-01-31T23:59:59.999999Z", true);
    check("2025-02-01", "2025-02-01T00:00:00Z", false);
    // The clocks went forward on 30 March: April begins at 23:00 UTC.
    check("2025-04-01", "2025-03-30T01:00:00Z", true);
    check("2025-04-01", "2025-03-31T22:59:59.999999Z", true);
    check("2025-04-01", "2025-03-31T23:00:00Z", false);
    // They went back on 26 October, an hour twice: November begins at midnight UTC.
    check("2025-11-01", "2025-10-26T00:30:00Z", true);
    check("2025-11-01", "2025-10-31T23:59:59.999999Z", true);
    check("2025-11-01", "2025-11-01T00:00:00Z", false);
}

#[test]
fn a_dry_run_shows_the_bills_and_writes_nothing() {
    each(0, |world| {
        settled(world);
        let order = RunOrder {
            day: "2025-03-15".parse().expect("a date"),
            only: None,
            dry: true,
            batch: 2,
            now: world.now,
        };
        let before = (world.changes, snapshot(&*world.store));
        let report = run(world, &order, &mut |_, _| {}).expect("a run");
        assert_eq!((world.changes, snapshot(&*world.store)), before);
        let real = world.bill("2025-03-15", 2).expect("a run");
        assert_eq!((report.bills, report.total), (real.bills, real.total));
        let sums = |bills: &[Bill]| -> Vec<(AccountId, Money, Money)> {
            bills.iter().map(|bill| (bill.account, bill.total, bill.due)).collect()
        };
        assert_eq!(sums(&report.drafts), sums(&world.bills()));
    });
}

/// An account with everything on its second bill.
fn story(world: &mut World) -> Bill {
    let account = AccountId(1);
    let put = |world: &mut World, n, price, ended| {
        let records = world.call(n, 1, price, time(ended));
        world.commit(records);
        world.restart();
    };
    put(world, 1, 25_000, "2025-01-20T10:00:00Z");
    world.now = time("2025-02-02T09:00:00Z");
    world.bill("2025-02-01", 10).expect("a run");
    put(world, 2, 25_000, "2025-02-03T10:00:00Z");
    put(world, 3, 720_000, "2025-02-04T10:00:00Z");
    put(world, 4, 25_000, "2025-02-05T10:00:00Z");
    // Written late: it belongs to January, and is on the bill of February.
    put(world, 5, 25_000, "2025-01-31T10:00:00Z");
    world.now = time("2025-02-10T09:00:00Z");
    let paid = Money::from_micros(20_000);
    world
        .post(PostWhat::Holder(TransferKind::Payment, account, paid), Some("=FT<1>"))
        .expect("paid");
    let calls = world.store.calls(&CallFilter::default()).expect("it can be read");
    let cuba = facts(world, calls.iter().find(|cdr| cdr.price.micros() == 720_000).expect("it"));
    world.post(PostWhat::CostPrice(cuba), None).expect("given back");
    let gift = Money::from_micros(5_000);
    world.post(PostWhat::Holder(TransferKind::Goodwill, account, gift), None).expect("given");
    world.now = time("2025-03-02T09:00:00Z");
    world.bill("2025-03-01", 10).expect("a run");
    world.check();
    world.bills().into_iter().find(|bill| bill.account == account).expect("a bill")
}

/// A text with nothing that differs from store to store.
fn golden(name: &str, text: &str) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text)
    });
}

#[test]
fn a_bill_as_page_and_sheet_and_its_statement() {
    each(0, |world| {
        let bill = story(world);
        let account = account(1);
        let names = Names::read(&*world.store, std::slice::from_ref(&account)).expect("names");
        let calls = world.calls_of(&bill);
        let shown = page(&bill, &account, &calls, &names, ("example.com", "GBP")).expect("a page");
        golden("bill_page", &shown);
        golden("bill_sheet", &sheet(&bill, &calls, &names).expect("a sheet"));
        let statement = statement(&*world.store, account.id).expect("a statement");
        let text = serde_json::to_string_pretty(&statement.view()).expect("JSON");
        golden("statement", &text);
    });
}
