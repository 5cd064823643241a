//! Calls of an account, a page at a time: all of them, each once, in order, whatever was moved when; and quickly.

use std::time::Instant;

use store::{Backend, CallFilter, MemoryStore, OpenOptions, Reader, SqliteStore};
use types::*;

use crate::samples::*;

/// Walks to the end; the decisions, and how many pages it took.
fn walk(store: &dyn Backend, filter: &CallFilter, look: u32) -> (Vec<DecisionId>, usize) {
    let (mut filter, mut found, mut pages) = (filter.clone(), Vec::new(), 0);
    loop {
        let page = store.call_page(&filter, look).expect("it can be read");
        assert!(page.calls.len() <= filter.limit as usize);
        found.extend(page.calls.iter().map(|call| call.decision));
        pages += 1;
        assert!(pages < 1_000, "it has no end");
        match page.next {
            Some(next) => filter.before = Some(next),
            None => return (found, pages),
        }
    }
}

/// Calls of three accounts in an order of ending that is not that of beginning.
fn calls() -> Vec<Cdr> {
    let mut calls: Vec<Cdr> = (1..=60)
        .map(|n| {
            let mut call = if n % 7 == 0 { refused(n, n % 3 + 1) } else { cdr(n, n % 3 + 1, 5) };
            if n % 5 == 0 {
                call.to_account = Some(AccountId(1));
            }
            call
        })
        .collect();
    // A long call ends after many that began later.
    for (from, to) in [(0, 40), (11, 25), (3, 58)] {
        let call = calls.remove(from);
        calls.insert(to, call);
    }
    calls
}

#[test]
fn pages_have_each_call_once_newest_first() {
    let dir = tempfile::tempdir().expect("a directory");
    for recent_calls in [1, 4, 7, 1_000] {
        let options = OpenOptions { recent_calls, ..options() };
        let path = dir.path().join(format!("{recent_calls}.db"));
        let mut sqlite = SqliteStore::open(path, options).expect("opened");
        let mut memory = MemoryStore::default();
        for cdr in calls() {
            put(&mut sqlite, vec![Record::Cdr(Box::new(cdr.clone()))]);
            put(&mut memory, vec![Record::Cdr(Box::new(cdr))]);
        }
        let one = CallFilter { account: Some(AccountId(1)), ..CallFilter::default() };
        let filters = [
            one.clone(),
            CallFilter { charged: Some(false), ..one.clone() },
            CallFilter { outcome: Some(types::decision::Outcome::Refused), ..one.clone() },
            CallFilter {
                since: Some(at(20 * SECOND)),
                until: Some(at(41 * SECOND)),
                ..one.clone()
            },
            CallFilter { account: Some(AccountId(2)), ..one.clone() },
            CallFilter { account: Some(AccountId(9)), ..one },
        ];
        for filter in filters {
            let all = memory.calls(&CallFilter { limit: u32::MAX, ..filter.clone() });
            let all: Vec<DecisionId> =
                all.expect("it can be read").iter().map(|call| call.decision).collect();
            for (limit, look) in [(1, 1), (3, 5), (5, 3), (100, 2), (100, 100)] {
                let filter = CallFilter { limit, ..filter.clone() };
                let (found, _) = walk(&sqlite, &filter, look);
                assert_eq!(found, all, "{recent_calls} {limit} {look} {filter:?}");
                assert_eq!(walk(&memory, &filter, look).0, all);
            }
        }
    }
}

/// Both stores say the same of where an account calls.
#[test]
fn where_an_account_calls_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = OpenOptions { recent_calls: 4, ..options() };
    let mut sqlite = SqliteStore::open(dir.path().join("used.db"), options).expect("opened");
    let mut memory = MemoryStore::default();
    for (n, mut cdr) in (0..).zip(calls()) {
        cdr.destination.region = ["FR", "SO", "LV"][n % 3].parse().ok();
        put(&mut sqlite, vec![Record::Cdr(Box::new(cdr.clone()))]);
        put(&mut memory, vec![Record::Cdr(Box::new(cdr))]);
    }
    for id in (1..=4).map(AccountId) {
        let used = sqlite.last_used(id, 1_000).expect("it can be read");
        assert_eq!(used, memory.last_used(id, 1_000).expect("it can be read"));
        assert!(used.is_all);
        assert_eq!(used.used.len(), if id == AccountId(4) { 0 } else { used.countries.len() });
    }
    let used = sqlite.last_used(AccountId(1), 2).expect("it can be read");
    assert!(!used.is_all && used.used.len() <= 2 && !used.countries.is_empty());
}

/// What is looked at is bounded, whatever is asked for: a filter that nothing fits goes on page by page.
#[test]
fn a_page_looks_at_so_many_calls_and_no_more() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = OpenOptions { recent_calls: 4, ..options() };
    let mut store = SqliteStore::open(dir.path().join("few.db"), options).expect("opened");
    let calls = (1..=50).map(|n| Record::Cdr(Box::new(cdr(n, 1, 5))));
    put(&mut store, calls.collect());
    let account = Some(AccountId(1));
    let nothing = CallFilter { account, charged: Some(false), ..CallFilter::default() };
    let (found, pages) = walk(&store, &nothing, 10);
    assert_eq!((found, pages), (Vec::new(), 6));
}

/// The newest and the oldest page of a hundred thousand calls are found without looking at all of them. The bound is
/// that of a busy machine: it takes a small part of it.
#[test]
#[expect(clippy::disallowed_methods, reason = "how long it takes is what is asked")]
fn an_account_with_a_hundred_thousand_calls_is_read_at_once() {
    const CALLS: u32 = 100_000;
    let dir = tempfile::tempdir().expect("a directory");
    let mut store = SqliteStore::open(dir.path().join("many.db"), options()).expect("opened");
    let numbers: Vec<u32> = (1..=CALLS).collect();
    for group in numbers.chunks(5_000) {
        put(&mut store, group.iter().map(|n| Record::Cdr(Box::new(cdr(*n, 1, 5)))).collect());
    }
    let look = |filter: CallFilter, count: usize| {
        let filter = CallFilter { account: Some(AccountId(1)), limit: 50, ..filter };
        let began = Instant::now();
        let page = store.call_page(&filter, 5_000).expect("it can be read");
        let took = began.elapsed();
        println!("{count} found in {took:?}: {filter:?}");
        assert_eq!(page.calls.len(), count, "{filter:?}");
        assert!(took.as_millis() < 400, "{took:?} {filter:?}");
    };
    look(CallFilter::default(), 50);
    look(CallFilter { before: Some(decision(200)), ..CallFilter::default() }, 50);
    look(CallFilter { before: Some(decision(20)), ..CallFilter::default() }, 19);
    look(CallFilter { charged: Some(false), ..CallFilter::default() }, 0);
    look(CallFilter { charged: Some(true), ..CallFilter::default() }, 50);
}
