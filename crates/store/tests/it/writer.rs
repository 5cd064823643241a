//! The writer's thread: order, groups, bounds, outcomes that are unknown.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use store::memory::Fault;
use store::*;
use types::*;

use crate::samples::{self, batch, decision, ended, held, line, options, rate};

/// A store whose commits wait for a signal, and whose `resolve` fails as often as told.
struct Gated {
    store: MemoryStore,
    gate: Option<Receiver<()>>,
    resolve_failures: u32,
}

impl Gated {
    fn open(store: MemoryStore) -> Gated {
        Gated { store, gate: None, resolve_failures: 0 }
    }

    /// With the sender that lets one commit through.
    fn shut(store: MemoryStore) -> (Gated, Sender<()>) {
        let (sender, gate) = channel();
        (Gated { store, gate: Some(gate), resolve_failures: 0 }, sender)
    }
}

impl Backend for Gated {
    fn commit(&mut self, batches: &[Batch]) -> Result<(), CommitError> {
        if let Some(gate) = &self.gate {
            let _ = gate.recv();
        }
        self.store.commit(batches)
    }

    fn resolve(&mut self) -> Result<bool, StoreError> {
        if self.resolve_failures > 0 {
            self.resolve_failures -= 1;
            return Err(StoreError::Missing { file: "on order".to_owned() });
        }
        self.store.resolve()
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.store.reopen()
    }

    fn snapshot(&self, window: SnapshotWindow) -> Result<Snapshot, StoreError> {
        self.store.snapshot(window)
    }
}

/// Questions go to the store below.
macro_rules! ask_below {
    ($($name:ident($($arg:ident: $type:ty),*) -> $out:ty;)*) => {
        impl Reader for Gated {
            $(fn $name(&self, $($arg: $type),*) -> Result<$out, StoreError> {
                self.store.$name($($arg),*)
            })*
        }
    };
}

ask_below! {
    calls(filter: &CallFilter) -> Vec<Cdr>;
    decision(id: DecisionId) -> Option<Decided>;
    accounts() -> Vec<Account>;
    account(id: AccountId) -> Option<Account>;
    controls_at(id: AccountId, at: UnixMicros) -> Option<Standing>;
    account_history(id: AccountId, limit: u32) -> Vec<Standing>;
    line_at(id: LineId, at: UnixMicros) -> Option<LineStanding>;
    line_history(id: LineId) -> Vec<LineStanding>;
    raises(account: AccountId) -> Option<AccountRaises>;
    control_requests(account: Option<AccountId>) -> Vec<ControlRequest>;
    control_request(id: u32) -> Option<ControlRequest>;
    web_users(account: Option<AccountId>) -> Vec<WebUser>;
    web_user(name: &str) -> Option<WebUser>;
    web_user_of_id(id: WebUserId) -> Option<WebUser>;
    kept_answer(user: WebUserId, token: u32, key: &str) -> Option<KeptAnswer>;
    kept_answers(account: AccountId, since: UnixMicros) -> u64;
    lines(account: Option<AccountId>) -> Vec<Line>;
    resellers() -> Vec<Reseller>;
    spending(account: AccountId, since: UnixMicros) -> Vec<types::record::Spending>;
    numbers(account: Option<AccountId>) -> Vec<Number>;
    trunks() -> Vec<Trunk>;
    decks() -> Vec<DeckSummary>;
    deck_at(id: DeckId, at: UnixMicros) -> Option<types::record::Deck>;
    deck_rows_at(deck: DeckId, digits: &str, at: UnixMicros) -> Vec<RateRow>;
    deck_states(id: DeckId) -> Vec<DeckState>;
    bindings(account: Option<AccountId>) -> Vec<BindingRecord>;
    holds(account: Option<AccountId>) -> Vec<Hold>;
    unbilled(account: AccountId) -> Money;
    transfers(decision: DecisionId) -> Vec<Transfer>;
    balances() -> Vec<Balance>;
    postings(filter: &store::PostingFilter) -> Vec<StoredPosting>;
    bill_runs() -> Vec<KnownRun>;
    bills(filter: &store::BillFilter) -> Vec<Bill>;
    last_bills(first: AccountId, last: AccountId) -> Vec<Bill>;
    bill_items(account: AccountId, before: &Coverage, covers: &Coverage) -> store::BillItems;
    instalments(account: Option<AccountId>) -> Vec<InstalmentPlan>;
    facts(filter: &FactFilter) -> Vec<StoredFact>;
    devices(account: Option<AccountId>) -> Vec<Device>;
    lock_outs() -> Vec<LockOut>;
    bans() -> Vec<Ban>;
    sealing() -> store::Sealing;
    verify() -> Verification;
    verify_chain(question: &ChainQuestion, progress: &mut dyn FnMut(u64, u64)) -> ChainReport;
    anchor() -> Option<Anchor>;
    standings_within(id: AccountId, after: UnixMicros, until: UnixMicros) -> Vec<Standing>;
    lines_within(id: LineId, after: UnixMicros, until: UnixMicros) -> Vec<LineStanding>;
    trunk_at(id: TrunkId, at: UnixMicros) -> Option<TrunkStanding>;
    calls_after(link: u64, most: u32) -> store::CallsOnLinks;
    audited() -> u64;
}

type Outcome = (u64, Result<(), CommitError>);

fn start<B: Backend + 'static>(store: B, options: WriterOptions) -> (Writer<B>, Receiver<Outcome>) {
    let (sender, outcomes) = channel();
    let deliver = move |ticket, result| drop(sender.send((ticket, result)));
    (Writer::start(store, options, deliver, || {}).unwrap(), outcomes)
}

fn next(outcomes: &Receiver<Outcome>) -> Outcome {
    outcomes.recv_timeout(Duration::from_secs(20)).expect("an outcome comes")
}

fn hold_batch(n: u32) -> Batch {
    batch(n.into(), vec![held(n, 1)])
}

fn held_calls(store: &impl Backend) -> Vec<DecisionId> {
    store.holds(None).unwrap().iter().map(|hold| hold.decision).collect()
}

#[test]
fn what_waits_is_written_in_one_group() {
    let (store, gate) = Gated::shut(MemoryStore::new());
    let (writer, outcomes) = start(store, WriterOptions::default());
    (1..=50).for_each(|n| writer.submit(hold_batch(n)).unwrap());
    assert_eq!(outcomes.try_recv().ok(), None, "nothing is told before it is written");
    drop(gate);
    for n in 1..=50 {
        assert_eq!(next(&outcomes), (n, Ok(())));
    }
    let health = writer.health();
    assert!(health.is_up() && health.written == 50 && health.groups <= 50, "{health:?}");
    let store = writer.stop().unwrap();
    assert_eq!(store.holds(None).unwrap().len(), 50);
    assert!(store.store.tried() <= 2 + 1, "{} groups", store.store.tried());
}

#[test]
fn under_load_a_group_may_fill() {
    let pace = Duration::from_secs(3_600);
    let options = WriterOptions { pace, group: 10, ..WriterOptions::default() };
    let (writer, outcomes) = start(MemoryStore::new(), options);
    writer.submit(hold_batch(1)).unwrap();
    assert_eq!(next(&outcomes), (1, Ok(())), "after a pause nobody waits");
    (2..=10).for_each(|n| writer.submit(hold_batch(n)).unwrap());
    assert_eq!(writer.health().queued, 9);
    writer.submit(hold_batch(11)).unwrap();
    (2..=11).for_each(|n| assert_eq!(next(&outcomes), (n, Ok(()))));
    assert_eq!(writer.health().groups, 2);
    writer.submit(hold_batch(12)).unwrap();
    assert_eq!(writer.stop().unwrap().tried(), 3, "the end does not wait");
    assert_eq!(next(&outcomes), (12, Ok(())));
}

#[test]
fn few_batches_hardly_wait() {
    // A twentieth of this after a group of one. The whole of it would be longer than anybody waits for here.
    let pace = Duration::from_secs(25);
    let (writer, outcomes) =
        start(MemoryStore::new(), WriterOptions { pace, ..WriterOptions::default() });
    for n in 1..=2 {
        writer.submit(hold_batch(n)).unwrap();
        assert_eq!(next(&outcomes), (n.into(), Ok(())));
    }
}

#[test]
fn a_full_queue_refuses() {
    let (store, gate) = Gated::shut(MemoryStore::new());
    let (writer, outcomes) = start(store, WriterOptions { queue: 3, ..WriterOptions::default() });
    let mut taken = 0;
    let refused = (1..=9).find_map(|n| match writer.submit(hold_batch(n)) {
        Ok(()) => {
            taken += 1;
            None
        }
        Err(error) => Some((n, error)),
    });
    let (n, error) = refused.expect("a queue of three does not take nine");
    assert_eq!(error, SubmitError::QueueFull { waiting: 3, batch: hold_batch(n) });
    assert_eq!(error.to_string(), "the store's queue is full: 3 batches wait");
    assert_eq!(writer.health().refused, 1);
    drop(gate);
    (1..=taken).for_each(|n| assert_eq!(next(&outcomes), (n, Ok(()))));
    assert_eq!(held_calls(&writer.stop().unwrap()).len() as u64, taken);
}

#[test]
fn failures_are_told_and_the_next_works() {
    fn check(fault: Fault, want: fn(&CommitError) -> bool) {
        let mut store = MemoryStore::new();
        store.fault_at(2, fault);
        let (writer, outcomes) = start(store, WriterOptions::default());
        let mut told = Vec::new();
        for n in 1..=3 {
            writer.submit(hold_batch(n)).unwrap();
            told.push(next(&outcomes).1);
        }
        assert!(
            matches!(&told[..], [Ok(()), Err(error), Ok(())] if want(error)),
            "{fault:?}: {told:?}"
        );
        let health = writer.health();
        assert!(health.is_up() && health.failed == 1 && health.last_error.is_none(), "{health:?}");
        assert_eq!(held_calls(&writer.stop().unwrap()), [decision(1), decision(3)]);
    }
    check(Fault::Fail, |error| matches!(error, CommitError::Failed(_)));
    check(Fault::Full, |error| matches!(error, CommitError::Full(_)));
    check(Fault::UnknownLost, |error| matches!(error, CommitError::Failed(_)));
}

#[test]
fn an_unknown_outcome_that_worked_is_told_as_such() {
    let mut store = MemoryStore::new();
    store.fault_at(1, Fault::UnknownApplied);
    let (writer, outcomes) = start(store, WriterOptions::default());
    writer.submit(hold_batch(1)).unwrap();
    assert_eq!(next(&outcomes), (1, Ok(())));
    assert_eq!(held_calls(&writer.stop().unwrap()), [decision(1)]);
}

#[test]
fn while_an_outcome_is_open_nothing_is_written() {
    let mut store = MemoryStore::new();
    store.fault_at(1, Fault::UnknownApplied);
    let mut store = Gated::open(store);
    store.resolve_failures = 2;
    let options =
        WriterOptions { ask_again: Duration::from_secs(3_600), ..WriterOptions::default() };
    let (writer, outcomes) = start(store, options);
    writer.submit(hold_batch(1)).unwrap();
    while !writer.health().unresolved {
        std::thread::yield_now();
    }
    // The first question was asked at once; this batch brings the second.
    writer.submit(hold_batch(2)).unwrap();
    let (ticket, result) = next(&outcomes);
    assert!(ticket == 2 && matches!(result, Err(CommitError::Failed(_))), "{ticket}: {result:?}");
    let health = writer.health();
    assert!(health.unresolved && !health.is_up() && health.last_error.is_some(), "{health:?}");
    // The third is answered, and the batch that brought it is written.
    writer.submit(hold_batch(3)).unwrap();
    assert_eq!(next(&outcomes), (1, Ok(())));
    assert_eq!(next(&outcomes), (3, Ok(())));
    assert!(writer.health().is_up());
    assert_eq!(held_calls(&writer.stop().unwrap()), [decision(1), decision(3)]);
}

#[test]
fn an_open_outcome_is_asked_for_again_by_itself() {
    let mut store = MemoryStore::new();
    store.fault_at(1, Fault::UnknownLost);
    let mut store = Gated::open(store);
    store.resolve_failures = 3;
    let options = WriterOptions { ask_again: Duration::from_millis(1), ..WriterOptions::default() };
    let (writer, outcomes) = start(store, options);
    writer.submit(hold_batch(1)).unwrap();
    assert!(matches!(next(&outcomes), (1, Err(CommitError::Failed(_)))));
}

#[test]
fn an_outcome_that_stays_open_is_told_at_the_end() {
    let mut store = MemoryStore::new();
    store.fault_at(1, Fault::UnknownLost);
    let mut store = Gated::open(store);
    store.resolve_failures = u32::MAX;
    let (writer, outcomes) = start(store, WriterOptions::default());
    writer.submit(hold_batch(1)).unwrap();
    drop(writer);
    assert!(matches!(next(&outcomes), (1, Err(CommitError::Unknown(_)))));
}

#[test]
fn a_bad_batch_does_not_fail_the_others() {
    let (store, gate) = Gated::shut(MemoryStore::new());
    let (writer, outcomes) = start(store, WriterOptions::default());
    let taken_name =
        |n: u32| batch(n.into(), vec![held(n, 1), Record::Line(Box::new(line(n, 1, "a")))]);
    for n in 1..=40 {
        let batch = if n % 13 == 0 { taken_name(n) } else { hold_batch(n) };
        writer.submit(batch).unwrap();
    }
    drop(gate);
    for n in 1..=40 {
        let (ticket, result) = next(&outcomes);
        assert_eq!(ticket, n);
        assert_eq!(result.is_err(), n == 26 || n == 39, "{n}: {result:?}");
    }
    assert!(writer.health().is_up());
    let store = writer.stop().unwrap();
    assert_eq!(held_calls(&store).len(), 38);
    assert!(store.store.tried() < 40, "halving needs few commits, not {}", store.store.tried());
}

#[test]
fn each_lot_wakes_once() {
    let wakes = Arc::new(Mutex::new(0));
    let counter = wakes.clone();
    let (store, gate) = Gated::shut(MemoryStore::new());
    let wake = move || *counter.lock().unwrap() += 1;
    let writer = Writer::start(store, WriterOptions::default(), |_, _| {}, wake).unwrap();
    (1..=100).for_each(|n| writer.submit(hold_batch(n)).unwrap());
    drop(gate);
    let store = writer.stop().unwrap();
    assert_eq!(store.holds(None).unwrap().len(), 100, "what was queued is written at the end");
    let wakes = *wakes.lock().unwrap();
    assert!((1..=4).contains(&wakes), "{wakes} wakes");
}

#[test]
fn a_writer_that_died_refuses() {
    let deliver = |_, _| panic!("on order");
    let writer =
        Writer::start(MemoryStore::new(), WriterOptions::default(), deliver, || {}).unwrap();
    writer.submit(hold_batch(1)).unwrap();
    let refused = (0..1_000_000).find_map(|_| {
        std::thread::yield_now();
        writer.submit(hold_batch(2)).err()
    });
    assert!(matches!(refused, Some(SubmitError::Stopped { .. } | SubmitError::QueueFull { .. })));
    assert!(writer.stop().is_none());
}

/// Prints what a disk here can do; says nothing about other disks.
#[test]
fn throughput_is_printed() {
    let directory = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(directory.path().join("rf.db"), options()).unwrap();
    let (writer, outcomes) = start(store, WriterOptions::default());
    let begun = started();
    let calls = 1_000;
    for n in 1..=calls {
        writer.submit(hold_batch(n)).unwrap();
        writer.submit(batch(u64::from(n), ended(n, n % 50, rate(1).per_minute.micros()))).unwrap();
    }
    (0..2 * calls).for_each(|_| assert_eq!(next(&outcomes).1, Ok(())));
    let (took, groups) = (begun.elapsed(), writer.health().groups);
    println!("{calls} calls in {took:?}, {groups} groups");
    let found = samples::everything(&writer.stop().unwrap());
    assert_eq!((found.calls.len(), found.verification.problems.len()), (calls as usize, 0));
}

#[expect(clippy::disallowed_methods, reason = "a test that measures needs a clock")]
fn started() -> std::time::Instant {
    std::time::Instant::now()
}
