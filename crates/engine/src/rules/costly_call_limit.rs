//! Rule: costly calls at once; one only while the account is watched.

use types::{AccountStatus, Finding};

/// `now` costly calls are in progress, the one that is asked for not counted.
pub(crate) fn check(status: AccountStatus, now: u16, limit: u16) -> Option<Finding> {
    let limit = if status == AccountStatus::Watched { limit.min(1) } else { limit };
    (now >= limit).then_some(Finding::CostlyCallLimit { now, limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_costly_call_of_the_limit_passes() {
        fn check_row(status: AccountStatus, now: u16, limit: u16, want: Option<u16>) {
            let want = want.map(|limit| Finding::CostlyCallLimit { now, limit });
            assert_eq!(check(status, now, limit), want, "{status}");
        }
        check_row(AccountStatus::Active, 1, 2, None);
        check_row(AccountStatus::Active, 2, 2, Some(2));
        check_row(AccountStatus::Watched, 0, 2, None);
        check_row(AccountStatus::Watched, 1, 2, Some(1));
        check_row(AccountStatus::Watched, 0, 0, Some(0));
        check_row(AccountStatus::Active, 0, 0, Some(0));
    }
}
