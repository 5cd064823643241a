//! Rule: what was dialled cannot be a number. One that merely looks wrong can be allowed by lifting
//! the bar on class `Invalid`; one that could not be sent cannot.

use types::decision::Destination;
use types::{ClassSet, DestinationClass, Finding};

/// `dialled` is what the finding shows.
pub(crate) fn check(barred: ClassSet, destination: &Destination, dialled: &str) -> Option<Finding> {
    let invalid = destination.class == DestinationClass::Invalid;
    let refused = destination.e164.is_none() || barred.contains(DestinationClass::Invalid);
    (invalid && refused).then(|| Finding::InvalidNumber { dialled: dialled.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_numbers_are_refused_unless_sendable_and_allowed() {
        fn check_row(class: DestinationClass, e164: Option<&str>, barred: ClassSet, want: bool) {
            let e164 = e164.map(|number| number.parse().expect("a number"));
            let destination = Destination { class, e164, region: None, tier: None, hotspot: false };
            let got = check(barred, &destination, "123");
            assert_eq!(got, want.then(|| Finding::InvalidNumber { dialled: "123".into() }));
        }
        let (bars, open) = (ClassSet::barred_by_default(), ClassSet::EMPTY);
        check_row(DestinationClass::Invalid, None, bars, true);
        check_row(DestinationClass::Invalid, None, open, true);
        check_row(DestinationClass::Invalid, Some("+447700900123"), bars, true);
        check_row(DestinationClass::Invalid, Some("+447700900123"), open, false);
        check_row(DestinationClass::NationalFixed, Some("+442079460000"), bars, false);
        check_row(DestinationClass::NationalService, None, bars, false);
    }
}
