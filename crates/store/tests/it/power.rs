//! What a power cut and a failing disk leave of what was acknowledged (security rules M7 and M9).

use store::{
    Backend, Batch, CommitError, MemoryStore, OpenOptions, SqliteStore, StoreError, Synchronous,
};
use types::*;

use crate::disk::{Disk, Trouble};
use crate::samples::*;
use crate::vfs::{self, Machine};

/// Groups that a run commits.
const GROUPS: u32 = 10;

/// The n-th group: two calls begin, two are answered, two end.
fn group(n: u32) -> Vec<Batch> {
    let (first, second) = (2 * n, 2 * n + 1);
    let begin = vec![held(first, 1), held(second, 2)];
    let answer = vec![answered(first - 2, 1), answered(second - 2, 2)];
    let mut end = ended(first - 4, 1, 1_000);
    end.push(Record::Fact(at(n.into()), Fact::Started { recovered: n }));
    vec![batch(0, begin), batch(1, answer), batch(2, end), batch(3, ended(second - 4, 2, 500))]
}

fn groups() -> impl Iterator<Item = Vec<Batch>> {
    (2..2 + GROUPS).map(group)
}

fn open(machine: &Machine, synchronous: Synchronous) -> Result<SqliteStore, StoreError> {
    let options = OpenOptions {
        synchronous,
        vfs: Some(vfs::NAME.to_owned()),
        // Small, so that checkpoints and moves are among what is cut.
        checkpoint_pages: 40,
        recent_calls: 5,
        ..OpenOptions::default()
    };
    SqliteStore::open(machine.path(), options)
}

/// What a store holds after the first n groups, for every n.
fn states() -> Vec<Everything> {
    let mut memory = MemoryStore::new();
    let mut states = vec![everything(&memory)];
    for group in groups() {
        memory.commit(&group).unwrap();
        states.push(everything(&memory));
    }
    states
}

/// Opens, and commits groups until the power goes; gives the count of acknowledged ones.
fn run_until_cut(machine: &Machine, synchronous: Synchronous) -> usize {
    let Ok(mut store) = open(machine, synchronous) else {
        assert!(machine.disk().is_off(), "only a cut keeps a store from opening");
        return 0;
    };
    groups().take_while(|group| store.commit(group).is_ok()).count()
}

/// What cuts at every change of the disk did.
#[derive(Default, Debug)]
struct Tally {
    cuts: u64,
    /// After the cut, something acknowledged was missing.
    lost: u64,
    /// After the cut, the group in the making was there.
    finished: u64,
}

fn cut_everywhere(synchronous: Synchronous, images: u64) -> Tally {
    let states = states();
    let mut tally = Tally::default();
    for cut_at in 1.. {
        let machine = Machine::start(Disk::new(cut_at, Some(Trouble::CutAt(cut_at))));
        let acknowledged = run_until_cut(&machine, synchronous);
        if !machine.disk().is_off() {
            assert_eq!(acknowledged, GROUPS as usize);
            break;
        }
        for seed in 0..images {
            let seed = cut_at * 1_000 + seed;
            let after = Machine::start(machine.disk().power_cut(seed));
            let name = format!("{synchronous:?}, cut at {cut_at}, seed {seed}");
            let store = open(&after, Synchronous::Full)
                .unwrap_or_else(|error| panic!("{name}: does not open: {error}"));
            let found = everything(&store);
            assert_eq!(found.verification.problems, [], "{name}");
            let known = states.iter().position(|state| *state == found);
            let known = known.unwrap_or_else(|| panic!("{name}: half a group is there"));
            assert!(known <= acknowledged + 1, "{name}: {known} groups of {acknowledged}");
            tally.cuts += 1;
            tally.lost += u64::from(known < acknowledged);
            tally.finished += u64::from(known == acknowledged + 1);
        }
    }
    tally
}

/// M7: whatever was acknowledged is there, wherever the power goes.
#[test]
fn a_power_cut_takes_nothing_that_was_acknowledged() {
    let tally = cut_everywhere(Synchronous::Full, 3);
    println!("{tally:?}");
    assert_eq!(tally.lost, 0, "{tally:?}");
    assert!(tally.cuts > 500 && tally.finished > 0, "the test cut too little: {tally:?}");
}

/// M7's negative control: the same test sees that `synchronous=NORMAL` loses acknowledged commits.
#[test]
fn without_full_sync_a_power_cut_does_take_it() {
    let tally = cut_everywhere(Synchronous::Normal, 1);
    println!("{tally:?}");
    assert!(tally.lost > 50, "the power-cut model lost nothing: {tally:?}");
}

/// Commits every group on a disk that fails, and keeps a second book of what was acknowledged.
fn run_with_failures(machine: &Machine) -> (SqliteStore, MemoryStore, Failures) {
    let mut failures = Failures::default();
    let again = |what: &mut u32| {
        *what += 1;
        assert!(*what < 100, "the store does not come back");
    };
    let mut store = loop {
        match open(machine, Synchronous::Full) {
            Ok(store) => break store,
            Err(_) => again(&mut failures.opening),
        }
    };
    let mut book = MemoryStore::new();
    for group in groups() {
        let there = match store.commit(&group) {
            Ok(()) => true,
            Err(CommitError::Failed(_)) => {
                failures.failed += 1;
                false
            }
            Err(CommitError::Full(_)) => {
                failures.full += 1;
                false
            }
            Err(CommitError::Unknown(_)) => loop {
                match store.resolve() {
                    Ok(true) => {
                        failures.unknown_there += 1;
                        break true;
                    }
                    Ok(false) => {
                        failures.unknown_gone += 1;
                        break false;
                    }
                    Err(_) => again(&mut failures.resolving),
                }
            },
        };
        if there {
            book.commit(&group).unwrap();
        }
    }
    (store, book, failures)
}

#[derive(Default, Debug)]
struct Failures {
    opening: u32,
    failed: u32,
    full: u32,
    unknown_there: u32,
    unknown_gone: u32,
    resolving: u32,
}

impl Failures {
    fn add(&mut self, more: &Failures) {
        self.opening += more.opening;
        self.failed += more.failed;
        self.full += more.full;
        self.unknown_there += more.unknown_there;
        self.unknown_gone += more.unknown_gone;
        self.resolving += more.resolving;
    }
}

/// Lets each change fail in turn; what was answered must hold, and hold after a power cut too.
fn fail_everywhere(trouble: impl Fn(u64) -> Trouble) -> Failures {
    let mut sum = Failures::default();
    for nth in 1.. {
        let trouble = trouble(nth);
        let machine = Machine::start(Disk::new(nth, Some(trouble)));
        let (store, book, failures) = run_with_failures(&machine);
        let (want, last) = (everything(&book), machine.disk().changes() < nth);
        assert_eq!(everything_but_newest(&store), but_newest(want), "{trouble:?}");
        let after = Machine::start(machine.disk().power_cut(nth));
        drop(store);
        let reopened = open(&after, Synchronous::Full)
            .unwrap_or_else(|error| panic!("{trouble:?}: does not open: {error}"));
        let found = everything_but_newest(&reopened);
        assert_eq!(found, but_newest(everything(&book)), "{trouble:?}, after a power cut");
        sum.add(&failures);
        if last {
            break;
        }
    }
    println!("{sum:?}");
    sum
}

/// The newest id and time may be those of a group that failed: later is safe.
fn but_newest(mut all: Everything) -> Everything {
    all.snapshot.last_decision = DecisionId(0);
    all.snapshot.newest = UnixMicros(0);
    all
}

fn everything_but_newest(store: &dyn Backend) -> Everything {
    but_newest(everything(store))
}

/// M9: the n-th write fails, for every n.
#[test]
fn a_failed_write_leaves_what_was_answered() {
    let sum = fail_everywhere(|nth| Trouble::Io { from: nth, until: nth + 1 });
    assert!(sum.failed + sum.unknown_gone > 20, "too few failures: {sum:?}");
}

#[test]
fn a_disk_that_fails_for_a_while_leaves_what_was_answered() {
    let sum = fail_everywhere(|nth| Trouble::Io { from: nth, until: nth + 9 });
    assert!(sum.failed + sum.unknown_gone > 20 && sum.resolving > 0, "too few failures: {sum:?}");
}

#[test]
fn a_full_disk_leaves_what_was_answered() {
    let sum = fail_everywhere(|nth| Trouble::Full { from: nth, until: nth + 5 });
    assert!(sum.full + sum.unknown_gone > 20, "too few failures: {sum:?}");
}
