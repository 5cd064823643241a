//! Asking: sums, searches, whether the books balance. Never here: what a write does (writing).

use std::collections::BTreeMap;

use store::{CallFilter, FactFilter, Problem, SnapshotWindow};
use types::cdr::Direction;
use types::decision::Outcome;
use types::record::Spending;
use types::*;

use super::{each, fact};
use crate::samples::*;

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
fn spending_of_an_account_and_of_lines_with_levels_can_be_asked() {
    each(|store| {
        let hour = UnixMicros(T0 - T0.rem_euclid(HOUR));
        let later = |offset| UnixMicros(hour.0 + offset);
        let of_line = |n: u32, line: u32, price, ended| {
            let line = Some(LineId(line));
            Record::Cdr(Box::new(Cdr { line, ..ended_at(n, 1, price, ended) }))
        };
        let without = Line { stop_levels: None, ..line(2, 1, "bob") };
        put(
            store,
            vec![
                Record::Line(Box::new(line(1, 1, "alice"))),
                Record::Line(Box::new(without)),
                of_line(1, 1, 10, hour),
                of_line(2, 1, 20, later(MINUTE)),
                of_line(3, 1, 30, later(5 * MINUTE)),
                of_line(4, 2, 40, later(MINUTE)),
                of_line(5, 1, 50, later(-1)),
                of_line(6, 1, 0, later(MINUTE)),
            ],
        );
        let row = |at, amount| Spending {
            account: AccountId(1),
            at,
            amount: Money::from_micros(amount),
            costly: true,
        };
        let spent = store.spending(AccountId(1), hour).unwrap();
        assert_eq!(spent, [row(hour, 70), row(later(5 * MINUTE), 30)]);
        assert_eq!(store.spending(AccountId(2), hour).unwrap(), []);
        let window = SnapshotWindow { spending_since: hour, ..ALL_TIME };
        let by_line = store.snapshot(window).unwrap().line_spending;
        let one = LineId(1);
        assert_eq!(by_line, [(one, row(hour, 30)), (one, row(later(5 * MINUTE), 30))]);
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
            ..any()
        };
        check(several, &[5]);
        check(CallFilter { trunk: Some(TrunkId(2)), ..CallFilter::default() }, &[]);
        check(CallFilter { before: Some(decision(3)), ..any() }, &[2, 1]);
        check(CallFilter { line: Some(LineId(9)), ..any() }, &[]);
        let digits = |digits: &str| CallFilter { digits: Some(digits.to_owned()), ..any() };
        check(digits("99"), &[3]);
        check(digits("331"), &[6, 5, 2, 1]);
        check(digits("7"), &[]);
        check(CallFilter { charged: Some(false), ..any() }, &[5]);
        check(CallFilter { charged: Some(true), ..any() }, &[6, 4, 3, 2, 1]);
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
