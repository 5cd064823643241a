//! Rule: no carrier takes the number.

use types::{Finding, TrunkId};

/// `trunks` are those that would take it.
pub(crate) fn check(trunks: &[TrunkId]) -> Option<Finding> {
    trunks.is_empty().then_some(Finding::NoTrunk)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trunk_is_enough() {
        assert_eq!(check(&[]), Some(Finding::NoTrunk));
        assert_eq!(check(&[TrunkId(1)]), None);
    }
}
