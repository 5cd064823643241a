//! Rule: a number without a price cannot be dialled.

use types::decision::Destination;
use types::{DestinationClass, Finding, Rate};

/// What cannot be a number has no price either, but that is another rule's finding.
pub(crate) fn check(destination: &Destination, rate: Option<&Rate>) -> Option<Finding> {
    let is_number = destination.class != DestinationClass::Invalid || destination.e164.is_some();
    (is_number && rate.is_none()).then_some(Finding::NoRate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_priced_numbers_pass() {
        fn check_row(class: DestinationClass, e164: Option<&str>, rate: Option<Rate>, want: bool) {
            let e164 = e164.map(|number| number.parse().expect("a number"));
            let destination = Destination { class, e164, region: None, tier: None, hotspot: false };
            let got = check(&destination, rate.as_ref());
            assert_eq!(got, want.then_some(Finding::NoRate), "{class}");
        }
        let fixed = DestinationClass::NationalFixed;
        check_row(fixed, Some("+442079460000"), None, true);
        check_row(fixed, Some("+442079460000"), Some(Rate::FREE), false);
        check_row(DestinationClass::NationalService, None, None, true);
        check_row(DestinationClass::Invalid, None, None, false);
        check_row(DestinationClass::Invalid, Some("+447700900123"), None, true);
    }
}
