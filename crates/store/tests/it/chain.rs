//! The chain, as every backend must keep it; keys that come and go.

use std::path::Path;

use store::chain::Span;
use store::*;
use types::*;

use crate::billing::{bill, plan, post, posting, run};
use crate::samples::*;

fn each(test: impl Fn(&mut dyn Backend)) {
    test(&mut MemoryStore::new());
    let directory = tempfile::tempdir().unwrap();
    test(&mut SqliteStore::open(directory.path().join("rf.db"), options()).unwrap());
}

fn links(store: &dyn Backend) -> u64 {
    let report = walked(store);
    assert_eq!((&report.breaks[..], report.more_breaks), (&[][..], 0));
    assert_eq!(report.head, store.anchor().unwrap());
    report.links
}

fn fact(n: u32) -> Record {
    Record::Fact(at(i64::from(n)), Fact::Started { recovered: n })
}

#[test]
fn every_record_that_changes_what_is_kept_has_its_link() {
    each(|store| {
        let mut check = |what: &str, record: Record, first: u64, again: u64| {
            for want in [first, again] {
                let before = links(store);
                put(store, vec![record.clone()]);
                assert_eq!(links(store) - before, want, "{what}");
            }
        };
        let number_gone = Record::NumberGone(e164("442079460000"));
        check("admitted", Record::Cdr(Box::new(cdr(1, 1, 12_500))), 1, 0);
        check("refused", Record::Cdr(Box::new(refused(2, 1))), 1, 0);
        check("charge", Record::Transfer(charge(&cdr(1, 1, 12_500))), 1, 0);
        check("cost", Record::Transfer(cost(&cdr(1, 1, 12_500))), 1, 0);
        check("fact", fact(1), 1, 0);
        check("deck", put_deck(1, deck(1, &["44", "33"])), 1, 0);
        check("deck, the same later", put_deck(2, deck(1, &["44", "33"])), 1, 0);
        // What is replaced is written again, and may be sealed anew.
        check("account", Record::Account(Box::new(account(1))), 1, 1);
        check("line", Record::Line(Box::new(line(1, 1, "alice"))), 1, 1);
        check("number", Record::Number(number("442079460000", 1)), 1, 1);
        check("trunk", Record::Trunk(Box::new(trunk(1))), 1, 1);
        check(
            "trunk without a secret",
            Record::Trunk(Box::new(Trunk { auth: None, ..trunk(2) })),
            1,
            1,
        );
        check("number taken back", number_gone, 1, 0);
        check("number given again", Record::Number(number("442079460000", 2)), 1, 1);
        // What comes and goes by itself has none.
        check("hold", held(3, 1), 0, 0);
        check("hold closed", Record::HoldClosed(decision(3)), 0, 0);
        check("binding", Record::Binding(Box::new(binding(1, "sip:a"))), 0, 0);
        check("device", Record::Device(Box::new(device(1, 1))), 0, 0);
        check("ban", Record::Ban(Box::new(ban("192.0.2.7/32", None))), 0, 0);
        check("mark of life", Record::Alive(at(HOUR)), 0, 0);
    });
}

#[test]
fn what_the_office_writes_has_its_links() {
    each(|store| {
        put(store, ended(1, 1, 100));
        let check = |store: &mut dyn Backend, what: &str, record: Record, first, again| {
            for want in [first, again] {
                let before = links(store);
                put(store, vec![record.clone()]);
                assert_eq!(links(store) - before, want, "{what}");
            }
        };
        let given_back = post(posting(1, TransferKind::ZeroRating, 1, 100));
        let paid = post(posting(2, TransferKind::Payment, 1, 30));
        // What moved, and who ordered it.
        check(store, "call given back", given_back, 2, 0);
        check(store, "payment", paid, 2, 0);
        check(store, "bill run", run(1), 1, 0);
        let bill = bill(store, 1, 1, 2 * HOUR);
        check(store, "bill", Record::Bill(Box::new(bill)), 1, 0);
        check(store, "run done", Record::BillRunDone(1), 1, 0);
        check(store, "end of a run that is not there", Record::BillRunDone(7), 0, 0);
        check(store, "plan", Record::Instalments(Box::new(plan(5, 1))), 1, 0);
        check(store, "standing", Record::Standing(Box::new(standing(1, 1))), 1, 0);
        check(
            store,
            "standing of a line",
            Record::LineStanding(Box::new(line_standing(1, 1))),
            1,
            0,
        );
        check(store, "standing of a trunk", Record::TrunkStanding(trunk_standing(1, 1)), 1, 0);
        check(store, "mark of the auditor", Record::Audited(9), 0, 0);
        // What is replaced is written again.
        check(store, "reseller", Record::Reseller(Box::new(reseller(2))), 1, 1);
        check(store, "request", Record::ControlRequest(Box::new(request(1, 1))), 1, 1);
        check(store, "raises", Record::Raises(Box::new(raises(1))), 1, 1);
        check(
            store,
            "raises ended",
            Record::Raises(Box::new(AccountRaises::none(AccountId(1)))),
            1,
            0,
        );
        check(store, "raises anew", Record::Raises(Box::new(raises(1))), 1, 1);
    });
}

/// A deck is kept by prefix and time; it is the same whatever the order it came in.
#[test]
fn a_deck_is_chained_as_it_is_kept() {
    each(|store| {
        let mut twice = deck(1, &["7", "44", "1", "44"]);
        twice.rows[3].name = "the last one holds".into();
        put(store, vec![put_deck(1, twice)]);
        assert_eq!(links(store), 1);
    });
}

#[test]
fn a_group_that_fails_leaves_no_link() {
    each(|store| {
        put(store, vec![fact(1), Record::Line(Box::new(line(1, 1, "alice")))]);
        let before = store.anchor().unwrap();
        let taken = Record::Line(Box::new(line(2, 1, "alice")));
        let error = store.commit(&[batch(1, vec![fact(2)]), batch(2, vec![taken])]).unwrap_err();
        assert!(matches!(error, CommitError::Failed(_)), "{error:?}");
        assert_eq!(store.anchor().unwrap(), before);
        put(store, vec![fact(3)]);
        assert_eq!(links(store), 3);
    });
}

#[test]
fn an_anchor_shows_that_the_chain_goes_through_it() {
    each(|store| {
        assert_eq!(store.anchor().unwrap(), None);
        put(store, vec![fact(1), fact(2)]);
        let early = store.anchor().unwrap().unwrap();
        assert_eq!(early.seq, 2);
        put(store, ended(1, 1, 10));
        let late = store.anchor().unwrap().unwrap();
        let check = |since: Anchor, want: &[Break]| {
            for is_quick in [false, true] {
                let question =
                    ChainQuestion { since: Some(since), is_quick, ..ChainQuestion::default() };
                let report = store.verify_chain(&question, &mut |_, _| {}).unwrap();
                assert_eq!(report.breaks, want, "{since} quick {is_quick}");
            }
        };
        check(early, &[]);
        check(late, &[]);
        check(Anchor { seq: late.seq + 3, ..late }, &[Break::CutOff { anchor: 8, head: 5 }]);
        let other = Anchor { hash: late.hash, ..early };
        check(other, &[Break::OtherPast { anchor: 2 }]);
    });
}

/// The same records have the same chain, wherever it is kept: nothing of the database is in it.
#[test]
fn the_chain_is_of_the_records_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    let unkeyed = OpenOptions::default();
    let (mut memory, mut sqlite) = (MemoryStore::new(), SqliteStore::open(path, unkeyed).unwrap());
    for store in [&mut memory as &mut dyn Backend, &mut sqlite] {
        put(store, ended(1, 1, 12_500));
        put(store, vec![Record::Cdr(Box::new(refused(2, 1))), fact(1)]);
        put(store, vec![Record::Account(Box::new(account(1))), put_deck(1, deck(1, &["1"]))]);
        put(store, vec![Record::Number(number("442079460000", 1))]);
        let office = vec![
            post(posting(5, TransferKind::Payment, 1, 30)),
            Record::Instalments(Box::new(plan(6, 1))),
            Record::Reseller(Box::new(reseller(2))),
            Record::Standing(Box::new(standing(1, 1))),
            Record::LineStanding(Box::new(line_standing(1, 1))),
            Record::Raises(Box::new(raises(1))),
            Record::ControlRequest(Box::new(request(1, 1))),
            Record::TrunkStanding(trunk_standing(1, 1)),
        ];
        put(store, office);
    }
    assert_eq!(memory.anchor(), sqlite.anchor());
    let (ours, theirs) = (walked(&memory), walked(&sqlite));
    assert_eq!(ours, theirs);
    assert_eq!((ours.links, ours.rows, ours.has_keys), (17, 17, false));
}

fn open(path: &Path, keys: &[u8], read_only: bool) -> SqliteStore {
    let sealer = Some(sealer_with(keys));
    SqliteStore::open(path, OpenOptions { sealer, read_only, ..OpenOptions::default() }).unwrap()
}

fn walk_with(path: &Path, keys: &[u8]) -> ChainReport {
    walked(&open(path, keys, true))
}

fn spans(report: &ChainReport) -> Vec<(u64, u64, bool)> {
    report.keys.iter().map(|used| (used.span.first, used.span.last, used.is_known)).collect()
}

/// A key that is gone takes no proof with it: the next link vouches for everything before it.
#[test]
fn keys_are_exchanged_and_forgotten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    put(&mut open(&path, &[7], false), ended(1, 1, 10));
    put(&mut open(&path, &[8, 7], false), ended(2, 1, 10));
    let report = walk_with(&path, &[8, 7]);
    assert_eq!((&report.breaks[..], spans(&report)), (&[][..], vec![(1, 3, true), (4, 6, true)]));
    let report = walk_with(&path, &[8]);
    assert_eq!((&report.breaks[..], spans(&report)), (&[][..], vec![(1, 3, false), (4, 6, true)]));
    let old = sealer_with(&[7]).keys().newest().id();
    let vouched: Vec<_> = report.vouched_for().collect();
    assert_eq!(vouched, [(Span { first: 1, last: 3 }, old)]);
    // The other way round nobody vouches.
    let report = walk_with(&path, &[7]);
    let newer = sealer_with(&[8]).keys().newest().id();
    assert_eq!(report.breaks, [Break::Unproven(Span { first: 4, last: 6 }, newer)]);
    // What was recorded with the key that is gone cannot be changed either.
    let sql = "UPDATE cdr SET price = 11 WHERE decision = (SELECT MIN(decision) FROM cdr)";
    rusqlite::Connection::open(&path).unwrap().execute(sql, []).unwrap();
    for keys in [&[8][..], &[8, 7]] {
        let told: Vec<String> =
            walk_with(&path, keys).breaks.iter().map(Break::to_string).collect();
        let call = decision(1);
        assert_eq!(told, [format!("call {call}: price differs from what was recorded at link 3")]);
    }
}

/// A node that takes a new key while it runs goes on with the same chain.
#[test]
fn a_key_is_exchanged_in_use() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    let sealer = sealer_with(&[7]);
    let options = OpenOptions { sealer: Some(sealer.clone()), ..OpenOptions::default() };
    let mut store = SqliteStore::open(&path, options).unwrap();
    put(&mut store, ended(1, 1, 10));
    sealer.exchange(Clone::clone(&*sealer_with(&[8, 7]).keys()));
    put(&mut store, ended(2, 1, 10));
    let report = walked(&store);
    assert_eq!((&report.breaks[..], spans(&report)), (&[][..], vec![(1, 3, true), (4, 6, true)]));
    assert_eq!(store.chain_key().unwrap(), Some(sealer.keys().newest().id()));
}

#[test]
fn progress_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = SqliteStore::open(directory.path().join("rf.db"), options()).unwrap();
    put(&mut store, (1..=1_500).map(fact).collect());
    let mut told = Vec::new();
    let report =
        store.verify_chain(&ChainQuestion::default(), &mut |done, of| told.push((done, of)));
    assert_eq!(report.unwrap().links, 1_500);
    assert_eq!(told, [(0, 1_500), (1_000, 1_500), (1_500, 1_500)]);
}
