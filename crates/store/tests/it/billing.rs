//! Postings and bills, in every backend: once, bounded, none on two bills.

use store::{
    Backend, BillFilter, CommitError, MemoryStore, OpenOptions, PostingFilter, Problem, Reader,
    SnapshotWindow, SqliteStore,
};
use types::*;

use crate::samples::*;

/// Runs a test against a new store of each kind.
fn each(test: impl Fn(&mut dyn Backend)) {
    test(&mut MemoryStore::new());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    // Moved often, so that runs meet moved and recent calls.
    let options = OpenOptions { recent_calls: 2, ..options() };
    test(&mut SqliteStore::open(path, options).unwrap());
}

fn money(micros: i64) -> Money {
    Money::from_micros(micros)
}

/// A posting that is about the n-th call, or named after it.
pub fn posting(n: u32, kind: TransferKind, account: u32, amount: i64) -> Posting {
    let (holder, trunk) = match kind {
        TransferKind::CarrierCredit => (None, Some(TrunkId(1))),
        _ => (Some(AccountId(account)), None),
    };
    let (debit, credit) = kind.sides(holder, trunk).unwrap();
    let (decision, at) = (decision(n), at(i64::from(n) * SECOND + HOUR));
    let transfer = Transfer { decision, kind, debit, credit, amount: money(amount), at };
    let (by, note) = ("ann".to_owned(), "as agreed".to_owned());
    Posting { transfer, account: holder, reference: None, by, note }
}

pub fn post(posting: Posting) -> Record {
    Record::Posting(Box::new(posting))
}

fn named(n: u32, amount: i64, reference: &str) -> Record {
    let payment = posting(n, TransferKind::Payment, 1, amount);
    post(Posting { reference: Some(reference.to_owned()), ..payment })
}

pub fn run(run: u32) -> Record {
    Record::BillRun(BillRun { run, day: at(0), only: None, at: at(i64::from(run) * HOUR) })
}

fn refuse(store: &mut dyn Backend, record: Record, want: &str) {
    let before = everything(store);
    let records = vec![Record::Fact(at(1), Fact::Stopped), record];
    match store.commit(&[batch(1, records)]) {
        Err(CommitError::Failed(error)) if error.is_refusal() => {
            assert!(error.to_string().contains(want), "{error}, not {want}");
        }
        other => panic!("{other:?}, not a refusal: {want}"),
    }
    assert_eq!(everything(store), before, "{want}");
}

/// The bill of an account in a run, of all calls that ended by an hour.
pub fn bill(store: &dyn Backend, run: u32, account: u32, until: i64) -> Bill {
    let runs = store.bill_runs().unwrap();
    let marks = runs.iter().find(|known| known.run.run == run).unwrap().marks;
    let id = AccountId(account);
    let last = store.last_bills(id, id).unwrap().pop();
    let before = last.as_ref().map_or(Coverage::NOTHING, |last| last.covers);
    let covers = Coverage { marks, until: at(until) };
    let items = store.bill_items(id, &before, &covers).unwrap();
    let charges = items.calls.iter().map(|cdr| cdr.price.micros()).sum();
    let amount = money(charges);
    let class = DestinationClass::International;
    let name = "France".to_owned();
    let calls = items.calls.len() as u64;
    let line = BillLine { class, name, calls, billed_s: 60 * calls, amount };
    let given = items.postings.iter().filter(|stored| stored.posting.transfer.kind.lowers_usage());
    let adjustments: Vec<BillPosting> = given
        .map(|stored| BillPosting {
            at: stored.posting.transfer.at,
            kind: stored.posting.transfer.kind,
            decision: stored.posting.transfer.decision,
            amount: stored.posting.adds_to_usage(),
            reference: None,
            note: String::new(),
        })
        .collect();
    let given: i64 = adjustments.iter().map(|one| one.amount.micros()).sum();
    let brought_forward = last.as_ref().map_or(Money::ZERO, |last| last.due);
    let total = money(charges + given);
    Bill {
        run,
        account: id,
        previous: last.map_or(0, |last| last.run),
        before,
        covers,
        made: at(until),
        lines: vec![line],
        adjustments,
        payments: Vec::new(),
        brought_forward,
        total,
        due: brought_forward.checked_add(total).unwrap(),
    }
}

fn put_bill(store: &mut dyn Backend, bill: &Bill) {
    put(store, vec![Record::Bill(Box::new(bill.clone()))]);
}

fn calls_on(store: &dyn Backend, bill: &Bill) -> Vec<DecisionId> {
    let items = store.bill_items(bill.account, &bill.before, &bill.covers).unwrap();
    items.calls.iter().map(|cdr| cdr.decision).collect()
}

#[test]
fn postings_come_back_and_lower_usage() {
    each(|store| {
        put(store, ended(1, 1, 100));
        let zero = posting(1, TransferKind::ZeroRating, 1, 100);
        let gift = posting(2, TransferKind::Goodwill, 1, 7);
        let credit = posting(3, TransferKind::CarrierCredit, 1, 5);
        put(store, vec![post(zero.clone()), post(gift.clone()), named(4, 30, "FT1")]);
        put(store, vec![post(credit.clone())]);
        assert_eq!(store.unbilled(AccountId(1)).unwrap(), money(-7));
        let snapshot = store.snapshot(SnapshotWindow::at(at(0))).unwrap();
        assert_eq!(snapshot.unbilled, [(AccountId(1), money(-7))]);
        assert_eq!(snapshot.last_decision, decision(4));
        let check = |filter: PostingFilter, want: &[u64]| {
            let found = store.postings(&filter).unwrap();
            let seqs: Vec<u64> = found.iter().map(|stored| stored.seq).collect();
            assert_eq!(seqs, want, "{filter:?}");
        };
        let any = PostingFilter::default;
        check(any(), &[4, 3, 2, 1]);
        check(PostingFilter { limit: 1, ..any() }, &[4]);
        check(PostingFilter { account: Some(AccountId(1)), ..any() }, &[3, 2, 1]);
        check(PostingFilter { kind: Some(TransferKind::Payment), ..any() }, &[3]);
        check(PostingFilter { reference: Some("FT1".to_owned()), ..any() }, &[3]);
        check(PostingFilter { decision: Some(decision(1)), ..any() }, &[1]);
        let found = store.postings(&any()).unwrap();
        assert_eq!((&found[3].posting, &found[2].posting), (&zero, &gift));
        assert_eq!(found[0].posting, credit);
        let kinds: Vec<TransferKind> =
            store.transfers(decision(1)).unwrap().iter().map(|one| one.kind).collect();
        assert_eq!(kinds, [TransferKind::Charge, TransferKind::Cost, TransferKind::ZeroRating]);
        assert_eq!(store.verify().unwrap().problems, []);
    });
}

/// M3: told ten times, there once; and what says something else is refused.
#[test]
fn a_posting_is_there_once_and_bounded() {
    each(|store| {
        put(store, ended(1, 1, 100));
        let cost_price = posting(1, TransferKind::CostPrice, 1, 60);
        put(store, vec![post(cost_price.clone()), named(2, 30, "FT1")]);
        let once = everything(store);
        for n in 0..10 {
            // Another decision, the same reference.
            put(
                store,
                vec![post(cost_price.clone()), named(2, 30, "FT1"), named(2 - n % 2, 30, "FT1")],
            );
            assert_eq!(everything(store), once);
        }
        let other = posting(1, TransferKind::CostPrice, 1, 59);
        refuse(store, post(other), "has a cost-price of 0.00006 already, now of 0.000059");
        let whole = posting(1, TransferKind::ZeroRating, 1, 100);
        refuse(store, post(whole), "of 0.0001 would be adjusted by 0.00016 in all");
        let others = posting(1, TransferKind::ZeroRating, 2, 10);
        refuse(store, post(others), "is paid by account 1");
        let none = posting(9, TransferKind::ZeroRating, 1, 10);
        refuse(store, post(none), "to be adjusted");
        let credit = posting(1, TransferKind::CarrierCredit, 1, 51);
        refuse(store, post(credit), "the carrier cannot give 0.000051 back");
        let rest = posting(1, TransferKind::ZeroRating, 1, 40);
        put(store, vec![post(rest)]);
        assert_eq!(store.unbilled(AccountId(1)).unwrap(), Money::ZERO);
        assert_eq!(store.verify().unwrap().problems, []);
    });
}

/// A call of January that is written in February, after the run, is on the bill of February.
#[test]
fn a_late_call_is_on_the_next_bill_and_none_on_two() {
    each(|store| {
        (1..=5).for_each(|n| put(store, ended(n, 1, 100)));
        put(store, [ended(6, 2, 50), vec![run(1)]].concat());
        // After the run, and before its bills: of the same hours.
        put(store, ended(7, 1, 1_000));
        let first = bill(store, 1, 1, 68 * SECOND + 500_000);
        // The third ended at 68 s; the last two of this run's marks have their turn later.
        let of = |numbers: &[u32]| numbers.iter().map(|n| decision(*n)).collect::<Vec<_>>();
        assert_eq!(calls_on(store, &first), of(&[1, 2, 3]));
        for _ in 0..10 {
            put_bill(store, &first);
        }
        assert_eq!(store.unbilled(AccountId(1)).unwrap(), money(1_200));
        put(store, vec![run(1), Record::BillRunDone(1), run(2)]);
        let second = bill(store, 2, 1, HOUR);
        assert_eq!(calls_on(store, &second), of(&[4, 5, 7]));
        put_bill(store, &second);
        put(store, ended(8, 1, 3));
        assert_eq!(store.unbilled(AccountId(1)).unwrap(), money(3));
        assert_eq!(store.unbilled(AccountId(2)).unwrap(), money(50));
        let done: Vec<(u32, bool)> =
            store.bill_runs().unwrap().iter().map(|known| (known.run.run, known.done)).collect();
        assert_eq!(done, [(2, false), (1, true)]);
        let snapshot = store.snapshot(SnapshotWindow::at(at(0))).unwrap();
        assert_eq!(snapshot.last_bills, [(AccountId(1), 2)]);
        assert_eq!(snapshot.last_bill_run, 2);
        let filter = BillFilter { account: Some(AccountId(1)), ..BillFilter::default() };
        assert_eq!(store.bills(&filter).unwrap(), [second.clone(), first.clone()]);
        let filter = BillFilter { run: Some(1), limit: 1, ..filter };
        assert_eq!(store.bills(&filter).unwrap(), std::slice::from_ref(&first));
        let all = (AccountId(1), AccountId(9));
        assert_eq!(store.last_bills(all.0, all.1).unwrap(), std::slice::from_ref(&second));
        assert_eq!(store.verify().unwrap().problems, []);
        let again = |bill: Bill| Record::Bill(Box::new(bill));
        let zero = money(0);
        let changed = Bill { lines: Vec::new(), total: zero, due: zero, ..first.clone() };
        refuse(store, again(changed.clone()), "bill 1-1 is there, and says something else");
        let twice = Bill { run: 2, account: AccountId(2), previous: 1, ..second.clone() };
        refuse(store, again(twice), "bill 2-2 does not follow the account's last, 0");
        refuse(store, again(Bill { run: 3, ..second.clone() }), "there is no run 3");
        put(store, vec![run(3)]);
        refuse(store, again(Bill { run: 3, ..second.clone() }), "does not cover what its run does");
        let wrong = Bill { total: money(1), ..changed };
        refuse(store, again(wrong), "bill 1-1 does not add up");
    });
}

/// A plan of one instalment.
pub fn plan(n: u32, account: u32) -> InstalmentPlan {
    let instalment = Instalment { decision: decision(n + 1), due: at(0), amount: money(9) };
    InstalmentPlan {
        id: decision(n),
        account: AccountId(account),
        total: money(9),
        instalments: vec![instalment],
        by: "ann".to_owned(),
        note: "bit by bit".to_owned(),
        at: at(0),
    }
}

#[test]
fn plans_of_instalments_are_kept() {
    each(|store| {
        let record = |plan| Record::Instalments(Box::new(plan));
        put(store, vec![record(plan(1, 1)), record(plan(5, 2))]);
        put(store, vec![record(InstalmentPlan { total: money(1), ..plan(1, 1) })]);
        assert_eq!(store.instalments(None).unwrap(), [plan(1, 1), plan(5, 2)]);
        assert_eq!(store.instalments(Some(AccountId(2))).unwrap(), [plan(5, 2)]);
        // Ids that were given out are not given again.
        let snapshot = store.snapshot(SnapshotWindow::at(at(0))).unwrap();
        assert_eq!(snapshot.last_decision, decision(6));
    });
}

/// What somebody changed in the file is named.
#[test]
fn bills_that_were_tampered_with_are_named() {
    fn check(sql: &str, want: &[Problem]) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rf.db");
        let mut store = SqliteStore::open(&path, options()).unwrap();
        put(&mut store, [ended(1, 1, 100), vec![run(1)]].concat());
        let bill = bill(&store, 1, 1, HOUR);
        put_bill(&mut store, &bill);
        put(&mut store, vec![post(posting(1, TransferKind::ZeroRating, 1, 100))]);
        assert_eq!(store.verify().unwrap().problems, []);
        rusqlite::Connection::open(&path).unwrap().execute_batch(sql).unwrap();
        assert_eq!(store.verify().unwrap().problems, want, "{sql}");
    }
    let account = AccountId(1);
    let unbilled = |kept, cdrs| Problem::Unbilled { account, kept: money(kept), cdrs: money(cdrs) };
    let mixed_up = || Problem::MixedUp { table: "bill", key: "1-1".to_owned() };
    let id = BillId { run: 1, account };
    check("UPDATE account_total SET unbilled = 5", &[unbilled(5, -100)]);
    check("DELETE FROM transfer WHERE kind = 3", &[unbilled(-100, 0)]);
    check("UPDATE bill SET total = 99", &[mixed_up(), unbilled(-100, -99)]);
    check("DELETE FROM bill", &[unbilled(-100, 0)]);
    let billed = |cdrs| Problem::Billed { bill: id, kept: money(100), cdrs: money(cdrs) };
    check("DELETE FROM account_call", &[billed(0)]);
}
