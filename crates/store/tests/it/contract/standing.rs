//! What stood when, raises and requests.

use types::*;

use super::each;
use crate::samples::*;

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
        assert_eq!(history(1), std::slice::from_ref(&second));
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
fn what_came_to_stand_within_a_time() {
    each(|store| {
        let mut put_all = |n, account| {
            let line = Record::LineStanding(Box::new(line_standing(n, account)));
            put(store, vec![Record::Standing(Box::new(standing(n, account))), line]);
        };
        for n in [9, 1, 5] {
            put_all(n, 1);
            put_all(n, 2);
        }
        let check = |from: i64, to: i64, want: &[u32]| {
            let (from, to) = (at(from * SECOND), at(to * SECOND));
            let want_lines = want.iter().map(|n| line_standing(*n, 1)).collect::<Vec<_>>();
            let want = want.iter().map(|n| standing(*n, 1)).collect::<Vec<_>>();
            assert_eq!(store.standings_within(AccountId(1), from, to).unwrap(), want);
            assert_eq!(store.lines_within(LineId(1), from, to).unwrap(), want_lines);
        };
        check(0, 10, &[1, 5, 9]);
        check(1, 9, &[5, 9]);
        check(1, 8, &[5]);
        check(9, 20, &[]);
    });
}

#[test]
fn what_stood_for_a_trunk_can_be_asked() {
    each(|store| {
        let unknown = TrunkStanding { cost_deck: None, ..trunk_standing(5, 1) };
        let all = [trunk_standing(1, 1), unknown, trunk_standing(3, 2)];
        put(store, all.into_iter().map(Record::TrunkStanding).collect());
        put(store, vec![Record::TrunkStanding(trunk_standing(5, 1))]);
        let check = |trunk, s: i64, want: Option<TrunkStanding>| {
            assert_eq!(store.trunk_at(TrunkId(trunk), at(s * SECOND)).unwrap(), want);
        };
        check(1, 0, None);
        check(1, 1, Some(trunk_standing(1, 1)));
        check(1, 4, Some(trunk_standing(1, 1)));
        check(1, 5, Some(unknown));
        check(2, 9, Some(trunk_standing(3, 2)));
        check(3, 9, None);
    });
}

#[test]
fn calls_come_in_the_order_of_commits() {
    each(|store| {
        assert_eq!(store.calls_after(0, 9).unwrap(), store::CallsOnLinks::default());
        // The second call ended first.
        put(store, ended(2, 1, 100));
        put(store, vec![Record::Fact(at(1), Fact::Stopped)]);
        put(store, ended(1, 1, 100));
        let head = store.anchor().unwrap().map(|anchor| anchor.seq);
        let check = |link, most, want: &[u32], upto| {
            let found = store.calls_after(link, most).unwrap();
            let calls: Vec<DecisionId> = found.calls.iter().map(|(_, cdr)| cdr.decision).collect();
            assert_eq!(calls, want.iter().map(|n| decision(*n)).collect::<Vec<_>>());
            assert_eq!((found.upto, Some(found.head)), (upto, head));
        };
        let head = head.unwrap();
        check(0, 99, &[2, 1], head);
        let first = store.calls_after(0, 99).unwrap().calls[0].0;
        check(0, first as u32, &[2], first);
        check(0, first as u32 - 1, &[], first - 1);
        check(first, 99, &[1], head);
        check(head, 99, &[], head);
        let all = store.calls_after(0, 99).unwrap().calls;
        assert!(all[0].0 < all[1].0, "{all:?}");
    });
}

#[test]
fn the_mark_of_the_auditor_never_goes_back() {
    each(|store| {
        for (record, want) in [(7, 7), (3, 7), (9, 9)] {
            put(store, vec![Record::Audited(record)]);
            assert_eq!(store.audited().unwrap(), want);
        }
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
        assert_eq!(store.snapshot(ALL_TIME).unwrap().raises, std::slice::from_ref(&less));
        assert_eq!(store.raises(AccountId(1)).unwrap(), Some(less));
        assert_eq!(store.raises(AccountId(2)).unwrap(), None);
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
