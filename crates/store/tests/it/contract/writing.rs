//! Writing: what is written comes back, in order, once, all or nothing. Never here: sums and searches (asking).

use store::{Backend, CallFilter, CommitError, Decided, FactFilter, SnapshotWindow, SqliteStore};
use types::*;

use super::{each, fact};
use crate::samples::*;

#[test]
fn a_mark_of_life_moves_the_newest_time_and_nothing_else() {
    each(|store| {
        put(store, vec![fact(1)]);
        let before = store.snapshot(SnapshotWindow::at(at(0))).unwrap();
        put(store, vec![Record::Alive(at(HOUR))]);
        // An older one, told once more by the journal.
        put(store, vec![Record::Alive(at(MINUTE))]);
        let after = store.snapshot(SnapshotWindow::at(at(0))).unwrap();
        assert_eq!(after.newest, at(HOUR));
        assert_eq!(Snapshot { newest: before.newest, ..after }, before);
    });
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    let mut store = SqliteStore::open(&path, options()).unwrap();
    put(&mut store, vec![Record::Alive(at(HOUR))]);
    drop(store);
    let store = SqliteStore::open(&path, options()).unwrap();
    assert_eq!(store.snapshot(SnapshotWindow::at(at(0))).unwrap().newest, at(HOUR));
}

#[test]
fn every_record_comes_back() {
    each(|store| {
        let (mut plain_line, mut plain_trunk) = (line(2, 1, "bob"), trunk(2));
        (plain_line.caller_id, plain_line.ip_lock) = (None, vec![]);
        plain_line.status = LineStatus::Disabled;
        (plain_trunk.auth, plain_trunk.cost_deck, plain_trunk.routes) = (None, None, vec![]);
        let all_lines = Number { line: None, ..number("442079460001", 1) };
        put(
            store,
            vec![
                Record::Account(Box::new(account(1))),
                Record::Line(Box::new(line(1, 1, "alice"))),
                Record::Line(Box::new(plain_line.clone())),
                Record::Reseller(Box::new(Reseller { name: "old".to_owned(), ..reseller(2) })),
                Record::Reseller(Box::new(reseller(2))),
                Record::Number(number("442079460000", 1)),
                Record::Number(all_lines.clone()),
                Record::Trunk(Box::new(trunk(1))),
                Record::Trunk(Box::new(plain_trunk.clone())),
                put_deck(1, deck(1, &["33", "44", "447"])),
                Record::Binding(Box::new(binding(1, "sip:alice@192.0.2.7"))),
                held(1, 1),
                answered(2, 1),
                Record::Cdr(Box::new(cdr(3, 1, 12_500))),
                Record::Cdr(Box::new(refused(4, 1))),
                Record::Transfer(charge(&cdr(3, 1, 12_500))),
                Record::Fact(at(9), Fact::Started { recovered: 3 }),
            ],
        );
        let snapshot = store.snapshot(SnapshotWindow::at(at(0))).unwrap();
        assert_eq!(snapshot.accounts, [account(1)]);
        assert_eq!(snapshot.lines, [line(1, 1, "alice"), plain_line]);
        assert_eq!(snapshot.resellers, [reseller(2)]);
        assert_eq!(store.resellers().unwrap(), [reseller(2)]);
        assert_eq!(snapshot.numbers, [number("442079460000", 1), all_lines]);
        assert_eq!(snapshot.trunks, [trunk(1), plain_trunk]);
        assert_eq!(snapshot.decks, [deck(1, &["33", "44", "447"])]);
        assert_eq!(snapshot.bindings, [binding(1, "sip:alice@192.0.2.7")]);
        let holds = [held(1, 1), answered(2, 1)];
        assert_eq!(
            snapshot.holds.into_iter().map(|h| Record::Hold(h.into())).collect::<Vec<_>>(),
            holds
        );
        assert_eq!(snapshot.unbilled, [(AccountId(1), Money::from_micros(12_500))]);
        assert_eq!(snapshot.countries_called, [(AccountId(1), "FR".parse().unwrap())]);
        assert_eq!(snapshot.last_decision, decision(4));
        assert_eq!(snapshot.newest, at(4 * SECOND + 65 * SECOND));
        let newest_first = [refused(4, 1), cdr(3, 1, 12_500)];
        assert_eq!(store.calls(&CallFilter::default()).unwrap(), newest_first);
        assert_eq!(store.transfers(decision(3)).unwrap(), [charge(&cdr(3, 1, 12_500))]);
        assert_eq!(store.unbilled(AccountId(1)).unwrap(), Money::from_micros(12_500));
        assert_eq!(store.unbilled(AccountId(2)).unwrap(), Money::ZERO);
        let facts = store.facts(&FactFilter::default()).unwrap();
        assert_eq!(
            (facts[0].seq, facts[0].at, &facts[0].fact),
            (1, at(9), &Fact::Started { recovered: 3 })
        );
    });
}

#[test]
fn an_empty_store_is_empty() {
    each(|store| {
        assert_eq!(store.snapshot(SnapshotWindow::at(at(0))).unwrap(), Snapshot::default());
        assert_eq!(store.decision(decision(1)).unwrap(), None);
        assert_eq!(store.account(AccountId(1)).unwrap(), None);
        assert_eq!(store.deck(DeckId(1)).unwrap(), None);
        assert_eq!(store.verify().unwrap(), store::Verification::default());
    });
}

#[test]
fn records_are_replaced_whole() {
    each(|store| {
        let mut changed = (account(1), line(1, 1, "alice2"), number("442079460000", 2), trunk(1));
        changed.0.status = AccountStatus::Limited;
        changed.1.ip_lock.clear();
        changed.2.line = None;
        changed.3.routes.remove(0);
        changed.3.auth = None;
        let moved = BindingRecord { cseq: 5, path: vec![], ..binding(1, "sip:a") };
        put(
            store,
            vec![
                Record::Account(Box::new(account(1))),
                Record::Account(Box::new(account(2))),
                Record::Line(Box::new(line(1, 1, "alice"))),
                Record::Number(number("442079460000", 1)),
                Record::Trunk(Box::new(trunk(1))),
                put_deck(1, deck(1, &["1", "2", "3"])),
                Record::Binding(Box::new(binding(1, "sip:a"))),
                held(1, 1),
            ],
        );
        put(
            store,
            vec![
                Record::Account(Box::new(changed.0.clone())),
                Record::Line(Box::new(changed.1.clone())),
                Record::Number(changed.2.clone()),
                Record::Trunk(Box::new(changed.3.clone())),
                put_deck(2, deck(1, &["2"])),
                Record::Binding(Box::new(moved.clone())),
                answered(1, 1),
            ],
        );
        let got = store.snapshot(SnapshotWindow::at(at(0))).unwrap();
        assert_eq!(got.accounts, [changed.0, account(2)]);
        assert_eq!(got.lines, [changed.1]);
        assert_eq!(got.numbers, [changed.2]);
        assert_eq!(got.trunks, [changed.3]);
        assert_eq!(got.decks, [deck(1, &["2"])]);
        assert_eq!(got.bindings, [moved]);
        assert_eq!(Record::Hold(Box::new(got.holds[0].clone())), answered(1, 1));
        // The name that the line gave up may be taken.
        put(store, vec![Record::Line(Box::new(line(7, 1, "alice")))]);
    });
}

#[test]
fn records_are_deleted() {
    each(|store| {
        put(
            store,
            vec![
                Record::Account(Box::new(account(1))),
                Record::Number(number("442079460000", 1)),
                Record::Binding(Box::new(binding(1, "sip:a"))),
                Record::Binding(Box::new(binding(1, "sip:b"))),
                held(1, 1),
                held(2, 1),
            ],
        );
        put(
            store,
            vec![
                Record::NumberGone(e164("442079460000")),
                Record::BindingGone(LineId(1), "sip:a".to_owned()),
                Record::BindingGone(LineId(2), "sip:b".to_owned()),
                Record::HoldClosed(decision(1)),
                Record::HoldClosed(decision(9)),
            ],
        );
        let got = store.snapshot(SnapshotWindow::at(at(0))).unwrap();
        assert_eq!(got.numbers, []);
        assert_eq!(got.bindings, [binding(1, "sip:b")]);
        assert_eq!(got.holds, [hold(2, 1)]);
        assert_eq!(got.last_decision, decision(9));
    });
}

/// M3: each event delivered one to ten times gives the same ledger.
#[test]
fn told_again_nothing_changes() {
    each(|store| {
        let batches = [
            vec![Record::Account(Box::new(account(1))), held(1, 1), fact(1)],
            vec![answered(1, 1), held(2, 1), fact(2)],
            ended(1, 1, 12_500),
            vec![Record::Fact(at(1), Fact::Stopped)],
        ];
        batches.iter().for_each(|records| put(store, records.clone()));
        let once = everything(store);
        assert_eq!(once.facts.len(), 3);
        assert_eq!(once.snapshot.holds.len(), 1);
        let mut told = 0;
        for times in 1..10 {
            batches.iter().for_each(|records| {
                store.commit(&vec![batch(7, records.clone()); times]).unwrap();
            });
            // Of what is told again only accounts, which are replaced, are put on record once more.
            assert_eq!(Everything { links: once.links, ..everything(store) }, once);
            told += times as u64;
            assert_eq!(walked(store).links, once.links + told);
        }
        // A second CDR that says something else is not believed.
        put(store, ended(1, 1, 99_000));
        assert_eq!(Everything { links: once.links, ..everything(store) }, once);
        assert_eq!(walked(store).links, once.links + told);
    });
}

#[test]
fn a_group_is_all_or_nothing() {
    fn check(why: &str, bad: Record) {
        each(|store| {
            put(store, vec![Record::Line(Box::new(line(1, 1, "alice"))), held(9, 1)]);
            let before = everything(store);
            let group = [
                batch(1, vec![held(1, 1), Record::Account(Box::new(account(3)))]),
                batch(2, [ended(9, 1, 5), vec![bad.clone()]].concat()),
                batch(3, vec![held(3, 1)]),
            ];
            let error = store.commit(&group).unwrap_err();
            assert!(matches!(&error, CommitError::Failed(e) if e.is_refusal()), "{why}: {error}");
            assert_eq!(everything(store), before, "{why}");
            put(store, ended(9, 1, 5));
            assert_eq!(store.holds(None).unwrap(), [], "{why}");
        });
    }
    let negative = Money::from_micros(-1);
    check(
        "negative transfer",
        Record::Transfer(Transfer { amount: negative, ..charge(&cdr(1, 1, 1)) }),
    );
    check("negative price", Record::Cdr(Box::new(cdr(1, 1, -5))));
    check("negative cost", Record::Cdr(Box::new(Cdr { cost: negative, ..cdr(1, 1, 1) })));
    check("negative hold", Record::Hold(Box::new(Hold { amount: negative, ..hold(1, 1) })));
    check("endless hold", Record::Hold(Box::new(Hold { covered_ms: u64::MAX, ..hold(1, 1) })));
    check("endless call", Record::Cdr(Box::new(Cdr { duration_ms: u64::MAX, ..cdr(1, 1, 1) })));
    check("decision beyond the clock", Record::HoldClosed(DecisionId(u64::MAX)));
    check("taken name", Record::Line(Box::new(line(2, 1, "alice"))));
}

#[test]
fn records_are_written_in_order() {
    each(|store| {
        let user = |id, name| Record::Line(Box::new(line(id, 1, name)));
        let group = [
            batch(1, vec![held(1, 1), user(1, "a"), Record::Number(number("441", 1))]),
            batch(2, vec![answered(1, 1), user(1, "b"), Record::NumberGone(e164("441"))]),
            batch(3, vec![user(2, "a"), Record::Number(number("441", 2)), fact(2), fact(1)]),
        ];
        store.commit(&group).unwrap();
        let names: Vec<String> = store.lines(None).unwrap().into_iter().map(|l| l.user).collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(store.numbers(None).unwrap(), [number("441", 2)]);
        assert_eq!(store.holds(None).unwrap()[0].covered_ms, 60_000);
        let facts = store.facts(&FactFilter::default()).unwrap();
        assert_eq!(
            facts.iter().map(|f| (f.seq, f.at)).collect::<Vec<_>>(),
            [(2, at(1)), (1, at(2))]
        );
    });
}

#[test]
fn a_call_that_ended_is_not_held_again() {
    each(|store| {
        put(store, ended(1, 1, 5));
        put(store, vec![held(1, 1), answered(2, 1)]);
        assert_eq!(store.holds(None).unwrap().len(), 1);
        assert!(matches!(store.decision(decision(1)), Ok(Some(Decided::Ended(_)))));
        assert!(matches!(store.decision(decision(2)), Ok(Some(Decided::Open(_)))));
        assert_eq!(store.verify().unwrap().cdrs, 1);
    });
}

#[test]
fn bindings_that_ended_are_left_out_and_closed_accounts_are_not() {
    each(|store| {
        let closed = Account { status: AccountStatus::Closed, ..account(2) };
        put(
            store,
            vec![
                Record::Account(Box::new(account(1))),
                Record::Account(Box::new(closed)),
                Record::Line(Box::new(line(1, 1, "alice"))),
                Record::Line(Box::new(line(2, 2, "bob"))),
                Record::Number(number("441", 1)),
                Record::Number(number("442", 2)),
                Record::Binding(Box::new(BindingRecord { expires: at(1), ..binding(1, "sip:on") })),
                Record::Binding(Box::new(BindingRecord {
                    expires: at(0),
                    ..binding(1, "sip:off")
                })),
            ],
        );
        let got = store.snapshot(SnapshotWindow::at(at(0))).unwrap();
        // Names, ids and numbers of a closed account are not given to another.
        assert_eq!(got.accounts.len(), 2);
        assert_eq!(got.lines, [line(1, 1, "alice"), line(2, 2, "bob")]);
        assert_eq!(got.numbers, [number("441", 1), number("442", 2)]);
        assert_eq!(got.bindings.len(), 1);
        assert_eq!(got.bindings[0].contact, "sip:on");
        assert_eq!(store.bindings(Some(AccountId(1))).unwrap().len(), 2);
        assert_eq!(store.bindings(Some(AccountId(2))).unwrap().len(), 0);
        assert_eq!(store.accounts().unwrap().len(), 2);
        assert_eq!(store.lines(Some(AccountId(2))).unwrap().len(), 1);
        assert_eq!(store.numbers(Some(AccountId(2))).unwrap().len(), 1);
    });
}
