//! What the auditor found, as a command: told once, given back once.

use engine::{AuditReport, CallFacts, Command, Misfit};
use types::{AccountId, DecisionId, Fact, Record, TransferKind};

use crate::world::*;

fn misfit(decision: u64, price: i64) -> Misfit {
    let call = CallFacts {
        decision: DecisionId(decision),
        account: ALICE,
        price: micros(price),
        cost: micros(1),
        zero_rated: None,
        cost_priced: None,
        credited: None,
    };
    Misfit { call, what: vec!["it was barred".to_owned()], free: true, told: false }
}

fn told(world: &mut World, mark: Option<u64>, found: Vec<Misfit>) -> Vec<Record> {
    let report = Box::new(AuditReport { mark, found });
    world.engine.command(world.now, Command::Audited(report)).expect("it makes sense").records
}

/// Facts with whether the call was given back, amounts given back, marks.
fn seen(records: &[Record]) -> (Vec<bool>, Vec<i64>, Vec<u64>) {
    let (mut facts, mut back, mut marks) = (Vec::new(), Vec::new(), Vec::new());
    for record in records {
        match record {
            Record::Fact(_, Fact::AuditMismatch { freed, .. }) => facts.push(*freed),
            Record::Posting(posting) => {
                assert_eq!(posting.transfer.kind, TransferKind::ZeroRating);
                assert_eq!(
                    (posting.by.as_str(), posting.note.as_str()),
                    ("auditor", "it was barred")
                );
                back.push(posting.transfer.amount.micros());
            }
            Record::Audited(link) => marks.push(*link),
            other => panic!("{other:?}"),
        }
    }
    (facts, back, marks)
}

#[test]
fn what_does_not_fit_is_told_and_given_back() {
    fn check(change: impl Fn(&mut Misfit), want: (&[bool], &[i64])) {
        let mut world = World::new();
        let mut one = misfit(77, 500);
        change(&mut one);
        let (facts, back, marks) = seen(&told(&mut world, Some(9), vec![one]));
        assert_eq!((&facts[..], &back[..], &marks[..]), (want.0, want.1, &[9][..]));
    }
    check(|_| (), (&[true], &[500]));
    check(|one| one.free = false, (&[false], &[]));
    check(|one| one.told = true, (&[], &[]));
    check(|one| one.call.price = micros(0), (&[false], &[]));
    // Staff were quicker, or gave a part of it back.
    check(|one| one.call.zero_rated = Some(micros(500)), (&[true], &[]));
    check(|one| one.call.cost_priced = Some(micros(200)), (&[true], &[300]));
    check(|one| one.call.cost_priced = Some(micros(500)), (&[false], &[]));
    // Nobody's money can be moved, but it is on record.
    check(|one| one.call.account = AccountId(99), (&[false], &[]));
}

#[test]
fn nothing_is_told_twice() {
    let mut world = World::new();
    let both = vec![misfit(77, 500), misfit(78, 300), misfit(77, 500)];
    assert_eq!(
        seen(&told(&mut world, None, both.clone())),
        (vec![true; 2], vec![500, 300], vec![])
    );
    assert_eq!(seen(&told(&mut world, Some(3), both)), (vec![], vec![], vec![3]));
    let more = vec![misfit(79, 1)];
    assert_eq!(seen(&told(&mut world, None, more)), (vec![true], vec![1], vec![]));
}

#[test]
fn words_are_bounded() {
    let mut world = World::new();
    let mut one = misfit(77, 500);
    one.what = vec!["ü".repeat(1_000); 50];
    let records = told(&mut world, None, vec![one]);
    let Record::Fact(_, Fact::AuditMismatch { what, .. }) = &records[0] else {
        panic!("{records:?}");
    };
    assert!(what.len() == 20 && what.iter().all(|words| words.len() <= 400), "{}", what.len());
}

#[test]
fn that_a_holder_did_not_make_a_call_is_kept() {
    let mut world = World::new();
    let report = |account, by: &str, words: &str| {
        let (by, words) = (by.to_owned(), words.to_owned());
        let decision = DecisionId(77);
        Command::ReportCall(Box::new(engine::CallReport { account, decision, by, words }))
    };
    for words in ["", "nobody was in"] {
        let done = world.engine.command(world.now, report(ALICE, "alice@example.com", words));
        let records = done.expect("it makes sense").records;
        assert!(matches!(&records[..], [Record::Fact(_, Fact::CallReported { .. })]));
    }
    let long = "x".repeat(501);
    for bad in [
        report(AccountId(99), "a", ""),
        report(ALICE, "", ""),
        report(ALICE, "a", "a\nb"),
        report(ALICE, "a", &long),
    ] {
        assert!(world.engine.command(world.now, bad).is_err());
    }
}

#[test]
fn that_staff_looked_is_kept() {
    let mut world = World::new();
    let seen = |account, note: &str| {
        let note = note.to_owned();
        let (decision, by) = (DecisionId(77), "eve".to_owned());
        Command::Seen(Box::new(engine::Seen { account, decision, by, note }))
    };
    let done = world.engine.command(world.now, seen(ALICE, "the deck was wrong"));
    let records = done.expect("it makes sense").records;
    assert!(matches!(&records[..], [Record::Fact(_, Fact::MismatchSeen { .. })]), "{records:?}");
    for bad in [seen(AccountId(99), "x"), seen(ALICE, ""), seen(ALICE, "a\nb")] {
        assert!(world.engine.command(world.now, bad).is_err());
    }
}
