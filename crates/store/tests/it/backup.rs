//! Copies of a store that is being written.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use store::*;
use types::*;

use crate::samples::*;

fn read_only() -> OpenOptions {
    OpenOptions { read_only: true, ..options() }
}

fn copied(from: &Path, to: &Path, pace: BackupPace) -> Vec<(u64, u64)> {
    let mut steps = Vec::new();
    let reader = SqliteStore::open(from, read_only()).unwrap();
    reader.backup(to, pace, &mut |done, of| steps.push((done, of))).unwrap();
    steps
}

#[test]
fn a_copy_is_one_file_that_says_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let (path, copy) = (directory.path().join("rf.db"), directory.path().join("copy.db"));
    let mut store = SqliteStore::open(&path, options()).unwrap();
    put(&mut store, vec![Record::Line(Box::new(line(1, 1, "alice"))), held(9, 1)]);
    (1..50).for_each(|n| put(&mut store, ended(n, n % 7, 100)));
    let steps = copied(&path, &copy, BackupPace { pages: 5, pause: Duration::ZERO });
    assert!(steps.len() > 5, "{steps:?}");
    let last = steps.last().unwrap();
    assert_eq!(last.0, last.1);
    let names: Vec<String> = std::fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("copy"))
        .collect();
    assert_eq!(names, ["copy.db"], "no log beside it");
    let mode = std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o600);
    let (original, found) = (everything(&store), SqliteStore::open(&copy, read_only()).unwrap());
    assert_eq!(everything(&found), original);
    assert_eq!(found.anchor(), store.anchor());
    drop(found);
    // It is a store like any other.
    let mut opened = SqliteStore::open(&copy, options()).unwrap();
    put(&mut opened, ended(50, 1, 100));
    assert_eq!(walked(&opened).breaks, []);
}

/// Told when its owner is done, whether well or by a panic.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Waits until the writer has done so many calls.
#[expect(clippy::disallowed_methods, reason = "a test that would hang ends")]
fn wait_for(done: &AtomicU32, calls: u32, what: &str) {
    let begun = std::time::Instant::now();
    while done.load(Ordering::SeqCst) < calls {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::yield_now();
    }
}

/// While somebody writes: everything acknowledged before is there, whole groups only, and the writer goes
/// on between any two steps of the copy.
#[test]
fn a_copy_under_load_is_of_one_moment() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    let mut store =
        SqliteStore::open(&path, OpenOptions { recent_calls: 50, ..options() }).unwrap();
    let (done, stop) = (AtomicU32::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let stopped = Stop(&stop);
        scope.spawn(|| {
            for n in 1.. {
                put(&mut store, ended(n, n % 7, 100));
                done.store(n, Ordering::SeqCst);
                if stop.load(Ordering::SeqCst) {
                    break;
                }
            }
        });
        wait_for(&done, 100, "the writer writes");
        for round in 0..3 {
            let copy = directory.path().join(format!("copy{round}.db"));
            let before = done.load(Ordering::SeqCst);
            let reader = SqliteStore::open(&path, read_only()).unwrap();
            let pace = BackupPace { pages: 10, pause: Duration::ZERO };
            let mut steps = 0;
            let mut go_on = |_, _| {
                steps += 1;
                wait_for(&done, before + 3 * steps, "the copy holds the writer up");
            };
            reader.backup(&copy, pace, &mut go_on).unwrap();
            assert!(steps > 3, "{steps} steps");
            let most = done.load(Ordering::SeqCst);
            let copy = SqliteStore::open(&copy, read_only()).unwrap();
            let verified = copy.verify().unwrap();
            assert_eq!((walked(&copy).breaks, verified.problems), (vec![], vec![]));
            // As of its beginning: what came while it was made is not in it.
            let calls = verified.cdrs;
            let known = u64::from(before)..u64::from(most - 3);
            assert!(known.contains(&calls), "{calls} calls, {before} to {most}");
            assert_eq!(verified.transfers, 2 * calls);
        }
        drop(stopped);
    });
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    drop(SqliteStore::open(&path, options()).unwrap());
    let reader = SqliteStore::open(&path, read_only()).unwrap();
    let error = reader.backup(Path::new("/nowhere/copy.db"), BackupPace::default(), &mut |_, _| {});
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("/nowhere/copy.db: cannot create it"), "{error}");
}
