//! Rule: calls at once. Incoming, emergency and support calls are not counted.

use types::Finding;

/// `now` calls are in progress, the one that is asked for not counted.
pub(crate) fn check(now: u16, limit: u16) -> Option<Finding> {
    (now >= limit).then_some(Finding::CallLimit { now, limit })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_call_of_the_limit_passes() {
        fn check_row(now: u16, limit: u16, want: bool) {
            assert_eq!(check(now, limit), want.then_some(Finding::CallLimit { now, limit }));
        }
        check_row(0, 1, false);
        check_row(1, 1, true);
        check_row(9, 10, false);
        check_row(10, 10, true);
        check_row(11, 10, true);
        check_row(0, 0, true);
    }
}
