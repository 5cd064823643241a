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
