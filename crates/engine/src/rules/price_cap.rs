//! Rule: the price per minute is above the national or the international cap.

use types::{Controls, DestinationClass, Finding, Rate};

/// The price may equal the cap.
pub(crate) fn check(controls: &Controls, class: DestinationClass, rate: &Rate) -> Option<Finding> {
    let cap = if class.is_national() {
        controls.price_cap_national
    } else {
        controls.price_cap_international
    };
    let per_minute = rate.per_minute;
    (per_minute > cap).then_some(Finding::PriceCap { per_minute, cap })
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::Money;

    #[test]
    fn a_price_at_the_cap_passes() {
        fn check_row(class: DestinationClass, per_minute: i64, want: Option<i64>) {
            let per_minute = Money::from_micros(per_minute);
            let rate = Rate { per_minute, ..Rate::FREE };
            let want =
                want.map(|cap| Finding::PriceCap { per_minute, cap: Money::from_cents(cap) });
            assert_eq!(check(&Controls::residential(), class, &rate), want, "{class}");
        }
        check_row(DestinationClass::NationalMobile, 200_000, None);
        check_row(DestinationClass::NationalMobile, 200_001, Some(20));
        check_row(DestinationClass::Premium, 200_001, Some(20));
        check_row(DestinationClass::International, 50_000, None);
        check_row(DestinationClass::International, 50_001, Some(5));
        check_row(DestinationClass::Satellite, 50_001, Some(5));
        check_row(DestinationClass::InternationalPremium, 50_001, Some(5));
    }
}
