//! Rule: the destination's class is barred. Emergency and support calls are not asked.

use types::decision::Destination;
use types::{ClassSet, DestinationClass, Finding};

/// `Invalid` is the business of the rule on invalid numbers.
pub(crate) fn check(barred: ClassSet, destination: &Destination) -> Option<Finding> {
    let class = destination.class;
    let bars = class != DestinationClass::Invalid && barred.contains(class);
    bars.then_some(Finding::BarredClass { class })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_the_classes_of_the_set() {
        fn check_class(class: DestinationClass, want: bool) {
            let destination =
                Destination { class, e164: None, region: None, tier: None, hotspot: false };
            let got = check(ClassSet::barred_by_default(), &destination);
            assert_eq!(got, want.then_some(Finding::BarredClass { class }), "{class}");
        }
        use DestinationClass as Class;
        for class in [Class::Premium, Class::Personal, Class::Pager, Class::Satellite] {
            check_class(class, true);
        }
        check_class(Class::InternationalPremium, true);
        for class in [Class::OnNet, Class::Freephone, Class::NationalFixed, Class::NationalMobile] {
            check_class(class, false);
        }
        check_class(Class::NationalService, false);
        check_class(Class::International, false);
        check_class(Class::Invalid, false);
    }
}
