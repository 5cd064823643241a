//! The link on a store that fails on order. Never here: a real disk.

use std::sync::mpsc::Receiver;
use std::time::Duration;

use store::memory::Fault;
use store::{FactFilter, MemoryStore, Reader};
use types::decision::{Destination, Explanation, Outcome};
use types::{
    AccountId, DecisionId, DestinationClass, Direction, Fact, Hold, HoldState, Money, UnixMicros,
};

use super::*;

/// A link to a store whose n-th commits meet these faults.
struct Bench {
    link: StoreLink<MemoryStore>,
    woken: Receiver<()>,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new(faults: &[(u64, Fault)]) -> Bench {
        let mut store = MemoryStore::new();
        faults.iter().for_each(|(nth, fault)| store.fault_at(*nth, *fault));
        let dir = tempfile::tempdir().expect("a directory");
        let (wake, woken) = channel();
        let link = StoreLink::start(store, (dir.path().join("journal"), None), move || {
            let _ = wake.send(());
        });
        Bench { link: link.expect("it starts"), woken, _dir: dir }
    }

    fn ask(&mut self, second: u64, ticket: u64, record: Record) -> Vec<Answer> {
        let mut answers = Vec::new();
        let request = StoreRequest { ticket, records: vec![record] };
        self.link.submit(at(second), std::iter::once(request), &mut answers);
        answers
    }

    /// Lets time pass until there are answers.
    fn hear(&mut self, second: u64) -> Vec<Answer> {
        let mut answers = Vec::new();
        self.link.tick(at(second), &mut answers);
        while answers.is_empty() {
            self.woken.recv_timeout(Duration::from_secs(10)).expect("the threads answer");
            self.link.hear(at(second), &mut answers);
        }
        answers
    }

    fn facts(self) -> usize {
        let store = self.link.stop().expect("the writer ends");
        store.facts(&FactFilter::default()).expect("it can be read").len()
    }
}

fn at(second: u64) -> Tick {
    Tick(second * 1_000_000)
}

/// The same fact at the same time would be one.
fn fact(at: u64) -> Record {
    Record::Fact(UnixMicros(at as i64), Fact::Stopped)
}

fn hold(amount: Money) -> Record {
    Record::Hold(Box::new(Hold {
        decision: DecisionId(256),
        account: AccountId(1),
        line: None,
        device: None,
        to_account: None,
        direction: Direction::Outgoing,
        amount,
        covered_ms: 30_000,
        state: HoldState::Pending,
        started: UnixMicros(1),
        dialled: "+4420".to_owned(),
        caller: "a".to_owned(),
        destination: Destination {
            class: DestinationClass::NationalFixed,
            e164: None,
            region: None,
            tier: None,
            hotspot: false,
        },
        trunk: None,
        cost_rate: None,
        explanation: Explanation {
            outcome: Outcome::Admitted,
            findings: Vec::new(),
            rate: None,
            rate_prefix: None,
        },
        legs: Vec::new(),
    }))
}

#[test]
fn a_store_in_order_answers_in_order() {
    let mut bench = Bench::new(&[]);
    for ticket in 1..=50 {
        assert_eq!(bench.ask(0, ticket, fact(ticket)), []);
    }
    let mut answers = Vec::new();
    while answers.len() < 50 {
        answers.extend(bench.hear(0));
    }
    let want: Vec<_> = (1..=50).map(|ticket| Answer::Stored(ticket, true)).collect();
    assert_eq!(answers, want);
    assert!(bench.link.is_idle() && bench.link.is_up());
    assert_eq!(bench.facts(), 50);
}

#[test]
fn while_it_is_down_money_is_refused_and_the_rest_is_journaled() {
    // The second commit fails, and so does the first attempt to come back.
    let mut bench = Bench::new(&[(2, Fault::Full), (3, Fault::Fail)]);
    bench.ask(0, 1, hold(Money::from_units(1)));
    assert_eq!(bench.hear(0), [Answer::Stored(1, true)]);
    bench.ask(0, 2, hold(Money::from_units(2)));
    assert_eq!(bench.hear(0), [Answer::Health(false), Answer::Stored(2, false)]);
    assert_eq!(bench.ask(0, 3, hold(Money::from_units(1))), [Answer::Stored(3, false)]);
    // An emergency call holds nothing; a fact is only told.
    assert_eq!(bench.ask(0, 4, hold(Money::ZERO)), []);
    assert_eq!(bench.hear(0), [Answer::Stored(4, true)]);
    bench.ask(0, 5, fact(5));
    assert_eq!(bench.hear(0), [Answer::Stored(5, true)]);
    // What is asked while the store is being asked waits, and goes to the journal in the end.
    let mut answers = Vec::new();
    bench.link.tick(at(1), &mut answers);
    assert_eq!(bench.ask(1, 6, fact(6)), []);
    assert_eq!(bench.hear(1), [Answer::Stored(6, true)]);
    assert!(!bench.link.is_up());
    assert_eq!(bench.hear(2), [Answer::Health(true)]);
    bench.ask(2, 7, fact(7));
    assert_eq!(bench.hear(2), [Answer::Stored(7, true)]);
    assert_eq!(bench.facts(), 3, "each once");
}

#[test]
fn what_the_journal_kept_is_told_once_and_forgotten() {
    let mut bench = Bench::new(&[(1, Fault::Fail)]);
    bench.ask(0, 1, fact(1));
    assert_eq!(bench.hear(0), [Answer::Health(false), Answer::Stored(1, false)]);
    bench.ask(0, 2, fact(2));
    assert_eq!(bench.hear(0), [Answer::Stored(2, true)]);
    let journal = bench._dir.path().join("journal");
    assert!(std::fs::metadata(&journal).expect("it is there").len() > 0);
    assert_eq!(bench.hear(1), [Answer::Health(true)]);
    assert_eq!(std::fs::metadata(&journal).expect("it is there").len(), 0);
    assert_eq!(bench.facts(), 1);
}

/// More than any call may cost: no store takes it.
fn too_dear() -> Record {
    Record::Transfer(types::Transfer {
        decision: DecisionId(512),
        kind: types::TransferKind::Charge,
        debit: types::LedgerAccount::Receivable(AccountId(1)),
        credit: types::LedgerAccount::Revenue,
        amount: Money::from_units(2_000_000_000),
        at: UnixMicros(1),
    })
}

#[test]
fn one_record_that_is_refused_does_not_keep_the_store_away() {
    let mut bench = Bench::new(&[(1, Fault::Fail)]);
    bench.ask(0, 1, fact(1));
    assert_eq!(bench.hear(0), [Answer::Health(false), Answer::Stored(1, false)]);
    for (ticket, record) in [(2, fact(2)), (3, too_dear()), (4, fact(4))] {
        bench.ask(0, ticket, record);
        assert_eq!(bench.hear(0), [Answer::Stored(ticket, true)]);
    }
    assert_eq!(bench.hear(1), [Answer::Health(true)]);
    let journal = bench._dir.path().join("journal");
    assert_eq!(std::fs::metadata(&journal).expect("it is there").len(), 0);
    let aside = std::fs::read_to_string(store::journal::refused_path(&journal)).expect("kept");
    assert!(aside.contains("2000000000"), "{aside}");
    assert_eq!(bench.facts(), 2, "the others are told");
}

#[test]
fn what_waits_for_the_journal_is_bounded() {
    let mut bench = Bench::new(&[(1, Fault::Fail)]);
    bench.ask(0, 1, fact(1));
    assert_eq!(bench.hear(0), [Answer::Health(false), Answer::Stored(1, false)]);
    let mut answers = Vec::new();
    let requests = (2..50_000).map(|ticket| StoreRequest { ticket, records: vec![fact(ticket)] });
    bench.link.submit(at(0), requests, &mut answers);
    let at_once = answers.len();
    assert!(at_once > 0, "more than can wait is refused at once");
    while answers.len() < 49_998 {
        answers.extend(bench.hear(0));
    }
    let refused = answers.iter().filter(|answer| matches!(answer, Answer::Stored(_, false)));
    assert_eq!(refused.count(), at_once, "and what may wait is kept");
}

#[test]
fn a_stall_counts_as_down_until_it_ends() {
    let mut bench = Bench::new(&[]);
    let mut answers = Vec::new();
    // Asked, and the answer not yet heard for longer than a commit may take.
    bench.ask(0, 1, fact(1));
    assert_eq!(bench.link.tick(at(1), &mut answers), at(3));
    assert_eq!(answers, []);
    bench.link.tick(at(3), &mut answers);
    assert_eq!(answers, [Answer::Health(false)]);
    assert_eq!(bench.hear(3), [Answer::Stored(1, true)]);
    assert_eq!(bench.hear(3), [Answer::Health(true)]);
}
