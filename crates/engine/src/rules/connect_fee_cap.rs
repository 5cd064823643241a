//! Rule: the connection fee is above the cap, so that no tariff hides its price in the first second.

use types::{Finding, Money, Rate};

/// The fee may equal the cap.
pub(crate) fn check(cap: Money, rate: &Rate) -> Option<Finding> {
    let fee = rate.connect_fee;
    (fee > cap).then_some(Finding::ConnectFeeCap { fee, cap })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_at_the_cap_passes() {
        fn check_row(fee: i64, want: bool) {
            let (fee, cap) = (Money::from_micros(fee), Money::from_cents(10));
            let rate = Rate { connect_fee: fee, ..Rate::FREE };
            assert_eq!(check(cap, &rate), want.then_some(Finding::ConnectFeeCap { fee, cap }));
        }
        check_row(0, false);
        check_row(100_000, false);
        check_row(100_001, true);
    }
}
