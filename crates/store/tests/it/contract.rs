//! What every backend must do, run against each of them.

use std::collections::BTreeMap;

use store::{
    Backend, CallFilter, CommitError, Decided, FactFilter, MemoryStore, Problem, SnapshotWindow,
    SqliteStore,
};
use types::cdr::Direction;
use types::decision::Outcome;
use types::record::Spending;
use types::*;

use crate::samples::*;

/// Runs a test against a new store of each kind.
fn each(test: impl Fn(&mut dyn Backend)) {
    test(&mut MemoryStore::new());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    test(&mut SqliteStore::open(path, options()).unwrap());
}

fn fact(n: u32) -> Record {
    let fact = Fact::MoneyEnded { account: AccountId(n), decision: decision(n) };
    Record::Fact(at(i64::from(n)), fact)
}

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
                Record::Number(number("442079460000", 1)),
                Record::Number(all_lines.clone()),
                Record::Trunk(Box::new(trunk(1))),
                Record::Trunk(Box::new(plain_trunk.clone())),
                Record::Deck(Box::new(deck(1, &["33", "44", "447"]))),
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
                Record::Deck(Box::new(deck(1, &["1", "2", "3"]))),
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
                Record::Deck(Box::new(deck(1, &["2"]))),
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
        for times in 1..10 {
            batches.iter().for_each(|records| {
                store.commit(&vec![batch(7, records.clone()); times]).unwrap();
            });
            assert_eq!(everything(store), once);
        }
        // A second CDR that says something else is not believed.
        put(store, ended(1, 1, 99_000));
        assert_eq!(everything(store), once);
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

/// A CDR of an account that ended at a time.
fn ended_at(n: u32, account: u32, price: i64, ended: UnixMicros) -> Cdr {
    Cdr { ended, ..cdr(n, account, price) }
}

#[test]
fn spending_is_summed_up_by_five_minutes() {
    each(|store| {
        let hour = UnixMicros(T0 - T0.rem_euclid(HOUR));
        let later = |offset| UnixMicros(hour.0 + offset);
        let mut cheap = ended_at(4, 1, 40, later(MINUTE));
        cheap.destination.class = DestinationClass::NationalFixed;
        let calls = [
            ended_at(1, 1, 10, hour),
            ended_at(2, 1, 20, later(5 * MINUTE - 1)),
            ended_at(3, 1, 30, later(5 * MINUTE)),
            cheap,
            ended_at(5, 2, 50, later(MINUTE)),
            ended_at(6, 1, 0, later(MINUTE)),
            ended_at(7, 1, 70, later(-1)),
            ended_at(8, 3, 80, UnixMicros(-1)),
        ];
        put(store, calls.iter().map(|cdr| Record::Cdr(Box::new(cdr.clone()))).collect());
        let row = |account, at, amount, costly| Spending {
            account: AccountId(account),
            at,
            amount: Money::from_micros(amount),
            costly,
        };
        let window = SnapshotWindow { spending_since: hour, ..ALL_TIME };
        let got = store.snapshot(window).unwrap();
        let want = [
            row(1, hour, 40, false),
            row(1, hour, 30, true),
            row(2, hour, 50, true),
            row(1, later(5 * MINUTE), 30, true),
        ];
        assert_eq!(got.spending, want);
        let sums = |sums: &[(u32, i64)]| -> Vec<(AccountId, Money)> {
            sums.iter().map(|(id, sum)| (AccountId(*id), Money::from_micros(*sum))).collect()
        };
        assert_eq!(got.unbilled, sums(&[(1, 170), (2, 50), (3, 80)]));
        let all = SnapshotWindow { spending_since: UnixMicros(i64::MIN), ..ALL_TIME };
        let first = store.snapshot(all).unwrap().spending[0];
        assert_eq!(first, row(3, UnixMicros(-300 * SECOND), 80, true));
    });
}

#[test]
fn hotspots_and_countries_are_remembered() {
    each(|store| {
        let mut calls: BTreeMap<&str, Cdr> = BTreeMap::new();
        for (n, name) in
            (1..).zip(["hot", "hot and old", "hot, refused", "hot, incoming", "not hot"])
        {
            let mut call = if name.ends_with("refused") { refused(n, n) } else { cdr(n, n, 5) };
            call.destination.hotspot = name.starts_with("hot");
            call.destination.region = Some("LV".parse().unwrap());
            calls.insert(name, call);
        }
        calls.get_mut("hot and old").unwrap().started = at(-12 * HOUR - 1);
        calls.get_mut("hot, incoming").unwrap().direction = Direction::Incoming;
        calls.get_mut("not hot").unwrap().destination.class = DestinationClass::NationalMobile;
        put(store, calls.values().map(|cdr| Record::Cdr(Box::new(cdr.clone()))).collect());
        put(store, vec![Record::Cdr(Box::new(cdr(9, 1, 5)))]);
        let got = store.snapshot(SnapshotWindow::at(at(0))).unwrap();
        assert_eq!(got.hotspot_calls, [(AccountId(1), calls["hot"].started)]);
        let country = |id, region: &str| (AccountId(id), region.parse::<Region>().unwrap());
        assert_eq!(got.countries_called, [country(1, "FR"), country(1, "LV"), country(2, "LV")]);
    });
}

#[test]
fn calls_are_found() {
    each(|store| {
        let mut calls: Vec<Cdr> = (1..=6).map(|n| cdr(n, n % 2 + 1, 5)).collect();
        calls[0].direction = Direction::Incoming;
        calls[1].direction = Direction::OnNet;
        calls[1].to_account = Some(AccountId(2));
        calls[2].destination.e164 = Some(e164("999"));
        calls[3].destination.e164 = None;
        calls[4] = refused(5, 2);
        put(store, calls.iter().map(|cdr| Record::Cdr(Box::new(cdr.clone()))).collect());
        let check = |filter: CallFilter, want: &[u32]| {
            let got: Vec<DecisionId> =
                store.calls(&filter).unwrap().iter().map(|cdr| cdr.decision).collect();
            let want: Vec<DecisionId> = want.iter().map(|n| decision(*n)).collect();
            assert_eq!(got, want, "{filter:?}");
        };
        let any = CallFilter::default;
        check(any(), &[6, 5, 4, 3, 2, 1]);
        check(CallFilter { limit: 2, ..any() }, &[6, 5]);
        check(CallFilter { limit: 0, ..any() }, &[]);
        check(CallFilter { account: Some(AccountId(1)), ..any() }, &[6, 4, 2]);
        check(CallFilter { account: Some(AccountId(2)), ..any() }, &[5, 3, 2, 1]);
        check(CallFilter { account: Some(AccountId(9)), ..any() }, &[]);
        check(CallFilter { since: Some(at(3 * SECOND)), ..any() }, &[6, 5, 4, 3]);
        check(CallFilter { until: Some(at(3 * SECOND)), ..any() }, &[2, 1]);
        check(CallFilter { direction: Some(Direction::OnNet), ..any() }, &[2]);
        check(CallFilter { number: Some(e164("999")), ..any() }, &[3]);
        check(CallFilter { outcome: Some(Outcome::Refused), ..any() }, &[5]);
        let several = CallFilter {
            account: Some(AccountId(2)),
            since: Some(at(2 * SECOND)),
            until: Some(at(6 * SECOND)),
            direction: Some(Direction::Outgoing),
            number: Some(e164("33123456789")),
            outcome: Some(Outcome::Refused),
            limit: 5,
        };
        check(several, &[5]);
    });
}

#[test]
fn facts_are_found() {
    each(|store| {
        let stopped = Record::Fact(at(4), Fact::Stopped);
        put(store, vec![fact(1), fact(2), fact(3), stopped]);
        let check = |filter: FactFilter, want: &[u64]| {
            let got: Vec<u64> = store.facts(&filter).unwrap().iter().map(|fact| fact.seq).collect();
            assert_eq!(got, want, "{filter:?}");
        };
        let any = FactFilter::default;
        check(any(), &[4, 3, 2, 1]);
        check(FactFilter { limit: 1, ..any() }, &[4]);
        check(FactFilter { account: Some(AccountId(2)), ..any() }, &[2]);
        check(FactFilter { since: Some(at(2)), until: Some(at(4)), ..any() }, &[3, 2]);
        check(FactFilter { kind: Some("money-ended".to_owned()), ..any() }, &[3, 2, 1]);
        check(FactFilter { kind: Some("stopped".to_owned()), ..any() }, &[4]);
    });
}

#[test]
fn the_ledger_balances() {
    each(|store| {
        (1..=10).for_each(|n| put(store, ended(n, n % 2 + 1, i64::from(n) * 10)));
        let balances = store.balances().unwrap();
        let got: Vec<(LedgerAccount, i64, i64)> =
            balances.iter().map(|b| (b.account, b.debits.micros(), b.credits.micros())).collect();
        let want = [
            (LedgerAccount::Receivable(AccountId(1)), 300, 0),
            (LedgerAccount::Receivable(AccountId(2)), 250, 0),
            (LedgerAccount::Revenue, 0, 550),
            (LedgerAccount::CarrierCost, 275, 0),
            (LedgerAccount::CarrierPayable(TrunkId(1)), 0, 275),
        ];
        assert_eq!(got, want);
        let verification = store.verify().unwrap();
        assert_eq!(verification.problems, []);
        assert_eq!((verification.cdrs, verification.transfers), (10, 20));
        assert_eq!(verification.charged, Money::from_micros(550));
    });
}

#[test]
fn sums_that_do_not_come_out_are_named() {
    each(|store| {
        put(store, ended(1, 1, 100));
        put(store, vec![Record::Cdr(Box::new(cdr(2, 2, 40)))]);
        let money = Money::from_micros;
        let charges =
            Problem::Charges { account: AccountId(2), charges: money(0), cdrs: money(40) };
        let costs = Problem::Costs { costs: money(50), cdrs: money(70) };
        assert_eq!(store.verify().unwrap().problems, [charges, costs]);
    });
}

/// Former secrets are part of their line: replaced and dropped with it.
#[test]
fn former_secrets_come_back_and_go() {
    each(|store| {
        let three = Line { former: former(&[20, 30, 40]), ..line(1, 1, "alice") };
        let (one, none) = (Line { former: former(&[50]), ..three.clone() }, Vec::new());
        let none = Line { former: none, ..three.clone() };
        for want in [three, one, none] {
            put(store, vec![Record::Line(Box::new(want.clone()))]);
            assert_eq!(store.snapshot(ALL_TIME).unwrap().lines, std::slice::from_ref(&want));
            assert_eq!(store.lines(Some(AccountId(1))).unwrap(), [want]);
        }
    });
}

#[test]
fn devices_are_kept() {
    each(|store| {
        let known = Device { state: DeviceState::Known, instance: None, ..device(2, 1) };
        let other = Device { state: DeviceState::Banned, ..device(3, 2) };
        let boxed = |device: &Device| Record::Device(Box::new(device.clone()));
        put(store, vec![boxed(&other), boxed(&device(1, 1)), boxed(&known)]);
        assert_eq!(
            store.snapshot(ALL_TIME).unwrap().devices,
            [device(1, 1), known.clone(), other.clone()]
        );
        assert_eq!(store.devices(Some(AccountId(1))).unwrap(), [device(1, 1), known.clone()]);
        assert_eq!(store.devices(Some(AccountId(9))).unwrap(), []);
        let moved =
            Device { last_seen: at(HOUR), peer: "[2001:db8::7]:5061".parse().unwrap(), ..known };
        put(store, vec![boxed(&moved), boxed(&moved)]);
        assert_eq!(store.devices(None).unwrap(), [device(1, 1), moved, other]);
        assert_eq!(store.verify().unwrap().problems, []);
    });
}

#[test]
fn lock_outs_are_kept_until_they_end() {
    each(|store| {
        let locks = lock_scopes().map(|scope| lock_out(scope, at(HOUR)));
        put(
            store,
            locks.iter().rev().map(|lock| Record::LockOut(Box::new(lock.clone()))).collect(),
        );
        assert_eq!(store.snapshot(SnapshotWindow::at(at(MINUTE))).unwrap().lock_outs, locks);
        assert_eq!(store.lock_outs().unwrap(), locks);
        for (index, lock) in locks.iter().enumerate() {
            // Longer than before, then ended, then gone: each leaves the others alone.
            let mut now: Vec<LockOut> = locks.to_vec();
            now[index] = LockOut { until: at(2 * HOUR), level: 3, ..lock.clone() };
            put(store, vec![Record::LockOut(Box::new(now[index].clone()))]);
            assert_eq!(store.lock_outs().unwrap(), now);
            let later = store.snapshot(SnapshotWindow::at(at(HOUR))).unwrap();
            assert_eq!(later.lock_outs, [now[index].clone()], "those that ended are left out");
            put(store, vec![Record::LockOutGone(lock.scope.clone())]);
            now.remove(index);
            assert_eq!(store.lock_outs().unwrap(), now);
            put(store, vec![Record::LockOut(Box::new(lock.clone()))]);
        }
        assert_eq!(store.verify().unwrap().problems, []);
    });
}

#[test]
fn bans_are_kept_until_they_end() {
    each(|store| {
        let (v4, v6) = ("198.51.100.0/24", "2001:db8:bad::/48");
        let bans = [ban(v4, Some(at(HOUR))), ban(v6, None)];
        put(store, bans.iter().rev().map(|ban| Record::Ban(Box::new(ban.clone()))).collect());
        assert_eq!(store.snapshot(SnapshotWindow::at(at(MINUTE))).unwrap().bans, bans);
        // One that has ended is looked at for a day: the next one is longer for it.
        assert_eq!(store.snapshot(SnapshotWindow::at(at(24 * HOUR))).unwrap().bans, bans);
        assert_eq!(store.snapshot(SnapshotWindow::at(at(25 * HOUR))).unwrap().bans, bans[1..]);
        assert_eq!(store.bans().unwrap(), bans);
        let (endless, ended) = (ban(v4, None), ban(v6, Some(at(MINUTE))));
        put(store, vec![Record::Ban(Box::new(endless.clone())), Record::Ban(Box::new(ended))]);
        assert_eq!(
            store.snapshot(SnapshotWindow::at(at(25 * HOUR))).unwrap().bans,
            std::slice::from_ref(&endless)
        );
        put(
            store,
            vec![Record::BanGone(v6.parse().unwrap()), Record::BanGone(v6.parse().unwrap())],
        );
        assert_eq!(store.bans().unwrap(), [endless]);
        assert_eq!(store.verify().unwrap().problems, []);
    });
}

#[test]
fn what_stood_can_be_asked_to_the_microsecond() {
    each(|store| {
        let boxed = |one: &Standing| Record::Standing(Box::new(one.clone()));
        let (first, second) = (standing(1, 1), standing(9, 1));
        put(store, vec![boxed(&second), boxed(&first), boxed(&standing(5, 2))]);
        // Told again, and with other words: what is there stays.
        put(store, vec![boxed(&Standing { why: "other".to_owned(), ..first.clone() })]);
        let at_account = |at| store.controls_at(AccountId(1), at).unwrap();
        assert_eq!(at_account(UnixMicros(first.at.0 - 1)), None);
        assert_eq!(at_account(first.at), Some(first.clone()));
        assert_eq!(at_account(UnixMicros(second.at.0 - 1)), Some(first.clone()));
        assert_eq!(at_account(second.at), Some(second.clone()));
        assert_eq!(at_account(UnixMicros(i64::MAX)), Some(second.clone()));
        assert_eq!(store.controls_at(AccountId(3), at(HOUR)).unwrap(), None);
        let history = |limit| store.account_history(AccountId(1), limit).unwrap();
        assert_eq!(history(9), [second.clone(), first.clone()]);
        assert_eq!(history(1), [second.clone()]);
        // A clock that starts again does not start before it.
        assert_eq!(store.snapshot(ALL_TIME).unwrap().newest, second.at);
    });
}

#[test]
fn what_bounded_a_line_can_be_asked() {
    each(|store| {
        let boxed = |one: &LineStanding| Record::LineStanding(Box::new(one.clone()));
        let open =
            LineSecurity { tls_only: false, ip_lock: vec![], ..line_standing(1, 1).security };
        let (first, second) =
            (line_standing(1, 1), LineStanding { security: open, ..line_standing(2, 1) });
        put(store, vec![boxed(&first), boxed(&second), boxed(&line_standing(1, 2)), boxed(&first)]);
        let at_line = |at| store.line_at(LineId(1), at).unwrap();
        assert_eq!(at_line(UnixMicros(first.at.0 - 1)), None);
        assert_eq!(at_line(UnixMicros(second.at.0 - 1)), Some(first.clone()));
        assert_eq!(at_line(second.at), Some(second.clone()));
        assert_eq!(store.line_history(LineId(1)).unwrap(), [second.clone(), first.clone()]);
        assert_eq!(store.line_history(LineId(9)).unwrap(), []);
        assert_eq!(store.snapshot(ALL_TIME).unwrap().newest, second.at);
    });
}

#[test]
fn raises_are_kept_until_there_are_none() {
    each(|store| {
        let boxed = |one: AccountRaises| Record::Raises(Box::new(one));
        put(store, vec![boxed(raises(2)), boxed(raises(1))]);
        assert_eq!(store.snapshot(ALL_TIME).unwrap().raises, [raises(1), raises(2)]);
        let less = AccountRaises { raises: vec![], ..raises(1) };
        put(store, vec![boxed(less.clone()), boxed(AccountRaises::none(AccountId(2)))]);
        assert_eq!(store.snapshot(ALL_TIME).unwrap().raises, [less]);
    });
}

#[test]
fn requests_are_kept_and_the_waiting_ones_are_known_at_the_start() {
    each(|store| {
        let boxed = |one: &ControlRequest| Record::ControlRequest(Box::new(one.clone()));
        put(store, vec![boxed(&request(2, 1)), boxed(&request(1, 2)), boxed(&request(3, 1))]);
        let (at, by, reason) = (at(7), By::staff("eve"), "known".to_owned());
        let approved = RequestState::Approved { at, by, reason };
        let judged = ControlRequest { state: approved, ..request(3, 1) };
        put(store, vec![boxed(&judged)]);
        let snapshot = store.snapshot(ALL_TIME).unwrap();
        assert_eq!(snapshot.requests, [request(1, 2), request(2, 1)]);
        assert_eq!(snapshot.last_request, 3);
        assert_eq!(store.control_request(3).unwrap(), Some(judged.clone()));
        assert_eq!(store.control_request(4).unwrap(), None);
        assert_eq!(store.control_requests(Some(AccountId(1))).unwrap(), [request(2, 1), judged]);
        assert_eq!(store.control_requests(None).unwrap().len(), 3);
    });
}
