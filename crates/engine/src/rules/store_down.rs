//! Rule: a call that costs money needs its hold on disk, and the store is down.

use types::Finding;

/// Calls that nobody pays go on without the store.
pub(crate) fn check(store_up: bool, chargeable: bool) -> Option<Finding> {
    (chargeable && !store_up).then_some(Finding::StoreDown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_money_needs_the_store() {
        fn check_row(store_up: bool, chargeable: bool, want: bool) {
            assert_eq!(check(store_up, chargeable), want.then_some(Finding::StoreDown));
        }
        check_row(true, true, false);
        check_row(true, false, false);
        check_row(false, true, true);
        check_row(false, false, false);
    }
}
