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
        ..options()
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

/// What is done about an outcome that is unknown.
#[derive(Clone, Copy, Debug)]
enum Then {
    /// The store is asked.
    Resolve,
    /// The program is killed, and started again.
    Kill,
}

/// Opens the store, however often that takes.
fn open_in_the_end(machine: &Machine, failures: &mut Failures) -> SqliteStore {
    for _ in 0..100 {
        match open(machine, Synchronous::Full) {
            Ok(store) => return store,
            Err(_) => failures.opening += 1,
        }
    }
    panic!("the store does not come back")
}

/// Is the group there, whose outcome was unknown?
fn resolve_in_the_end(store: &mut SqliteStore, failures: &mut Failures) -> bool {
    for _ in 0..100 {
        match store.resolve() {
            Ok(is_there) => return is_there,
            Err(_) => failures.resolving += 1,
        }
    }
    panic!("the outcome does not become known")
}

/// Commits every group on a disk that fails, and keeps a second book of what was acknowledged.
fn run_with_failures(machine: &Machine, then: Then) -> (SqliteStore, MemoryStore, Failures) {
    let mut failures = Failures::default();
    let mut store = open_in_the_end(machine, &mut failures);
    let mut book = MemoryStore::new();
    for group in groups() {
        let is_there = match store.commit(&group) {
            Ok(()) => true,
            Err(CommitError::Failed(_)) => {
                failures.failed += 1;
                false
            }
            Err(CommitError::Full(_)) => {
                failures.full += 1;
                false
            }
            Err(CommitError::Unknown(_)) => {
                let is_there = match then {
                    Then::Resolve => resolve_in_the_end(&mut store, &mut failures),
                    Then::Kill => {
                        // A killed program closes nothing.
                        let killed =
                            std::mem::replace(&mut store, open_in_the_end(machine, &mut failures));
                        std::mem::forget(killed);
                        everything_but_newest(&store) != but_newest(everything(&book))
                    }
                };
                failures.unknown_there += u32::from(is_there);
                failures.unknown_gone += u32::from(!is_there);
                let mut after = book.clone();
                if is_there {
                    after.commit(&group).unwrap();
                }
                answer_is_final(machine, &after);
                is_there
            }
        };
        if is_there {
            book.commit(&group).unwrap();
        }
    }
    (store, book, failures)
}

/// If the power went right after an answer, that answer would still be true.
fn answer_is_final(machine: &Machine, book: &MemoryStore) {
    let want = but_newest(everything(book));
    for seed in 0..8 {
        let after = Machine::start(machine.disk().as_if_cut(seed));
        let store = open(&after, Synchronous::Full).unwrap();
        assert_eq!(everything_but_newest(&store), want, "an answer was taken back, seed {seed}");
    }
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
fn fail_everywhere(then: Then, trouble: impl Fn(u64) -> Trouble) -> Failures {
    let mut sum = Failures::default();
    for nth in 1.. {
        let trouble = trouble(nth);
        let machine = Machine::start(Disk::new(nth, Some(trouble)));
        let (store, book, failures) = run_with_failures(&machine, then);
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
    let sum = fail_everywhere(Then::Resolve, |nth| Trouble::Io { from: nth, until: nth + 1 });
    assert!(sum.failed + sum.unknown_gone > 20, "too few failures: {sum:?}");
}

#[test]
fn a_disk_that_fails_for_a_while_leaves_what_was_answered() {
    let sum = fail_everywhere(Then::Resolve, |nth| Trouble::Io { from: nth, until: nth + 9 });
    assert!(sum.failed + sum.unknown_gone > 20 && sum.resolving > 0, "too few failures: {sum:?}");
}

#[test]
fn a_full_disk_leaves_what_was_answered() {
    let sum = fail_everywhere(Then::Resolve, |nth| Trouble::Full { from: nth, until: nth + 5 });
    assert!(sum.full + sum.unknown_gone > 20, "too few failures: {sum:?}");
}

#[test]
fn a_program_killed_after_a_failed_write_finds_what_it_had_answered() {
    let sum = fail_everywhere(Then::Kill, |nth| Trouble::Io { from: nth, until: nth + 1 });
    assert!(sum.unknown_there > 0 && sum.unknown_gone > 20, "too few failures: {sum:?}");
}
