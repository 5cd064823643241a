//! Rule: the account's status bars the call. `Watched` bars nothing; it tightens the limits.

use types::{AccountStatus, Finding};

/// `costly`: is the call one that `Limited` bars?
pub(crate) fn check(status: AccountStatus, costly: bool) -> Option<Finding> {
    let bars = match status {
        AccountStatus::Active | AccountStatus::Watched => false,
        AccountStatus::Limited => costly,
        AccountStatus::Frozen | AccountStatus::Suspended | AccountStatus::Closed => true,
    };
    bars.then_some(Finding::AccountStatus { status })
}

/// Emergency and support calls work in every status but one.
pub(crate) fn check_exempt(status: AccountStatus) -> Option<Finding> {
    (status == AccountStatus::Closed).then_some(Finding::AccountStatus { status })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_bars_what_it_should() {
        fn check_row(status: AccountStatus, plain: bool, costly: bool, exempt: bool) {
            let finding = Finding::AccountStatus { status };
            let want = |barred: bool| barred.then(|| finding.clone());
            assert_eq!(check(status, false), want(plain), "{status}");
            assert_eq!(check(status, true), want(costly), "{status}, costly");
            assert_eq!(check_exempt(status), want(exempt), "{status}, emergency");
        }
        check_row(AccountStatus::Active, false, false, false);
        check_row(AccountStatus::Watched, false, false, false);
        check_row(AccountStatus::Frozen, true, true, false);
        check_row(AccountStatus::Limited, false, true, false);
        check_row(AccountStatus::Suspended, true, true, false);
        check_row(AccountStatus::Closed, true, true, true);
    }
}
