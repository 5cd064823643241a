//! Rule: a device that was seen for the first time not long ago has spent what new devices may. Costly
//! calls only: a new phone may call home all day.

use types::{DeviceState, Finding, Money, UnixMicros};

/// `held`: by the device's open costly calls, the one that asks for more not among them.
pub(crate) fn check(
    now: UnixMicros,
    state: Option<DeviceState>,
    cap: Option<Money>,
    held: Money,
    asked: Money,
) -> Option<Finding> {
    let Some(DeviceState::Seasoning { until, spent }) = state else { return None };
    let cap = cap.filter(|_| now < until)?;
    let wanted = spent.saturating_add(held).saturating_add(asked);
    (wanted > cap).then_some(Finding::NewDeviceCap { spent, held, asked, cap })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_device_may_spend_little_for_a_day() {
        fn check_row(state: Option<DeviceState>, cap: Option<i64>, money: (i64, i64), want: bool) {
            let cents = Money::from_cents;
            let finding =
                check(UnixMicros(100), state, cap.map(cents), cents(money.0), cents(money.1));
            assert_eq!(finding.is_some(), want, "{state:?} {money:?}");
        }
        let new = |until, spent| {
            let (until, spent) = (UnixMicros(until), Money::from_cents(spent));
            Some(DeviceState::Seasoning { until, spent })
        };
        check_row(new(200, 0), Some(200), (150, 50), false);
        check_row(new(200, 0), Some(200), (150, 51), true);
        check_row(new(200, 150), Some(200), (0, 50), false);
        check_row(new(200, 150), Some(200), (1, 50), true);
        // Its time is over to the microsecond; without a cap there is nothing to cross.
        check_row(new(101, 150), Some(200), (1, 50), true);
        check_row(new(100, 150), Some(200), (1, 50), false);
        check_row(new(200, 150), None, (1, 50), false);
        check_row(Some(DeviceState::Known), Some(200), (500, 500), false);
        check_row(None, Some(200), (500, 500), false);
    }
}
