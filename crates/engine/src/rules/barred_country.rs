//! Rule: the destination's country is barred. What lies in the home country is the business of classes.

use types::decision::Destination;
use types::{DestinationClass, Finding, Region};

/// Calls abroad of every class are asked, those to no number are not.
pub(crate) fn check(barred: &[Region], destination: &Destination) -> Option<Finding> {
    let class = destination.class;
    let is_asked = !class.is_national() && class != DestinationClass::Invalid;
    let region = destination.region.filter(|region| is_asked && barred.contains(region))?;
    Some(Finding::BarredCountry { region })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_the_countries_of_the_list() {
        fn check_row(class: DestinationClass, region: Option<&str>, want: bool) {
            let region = region.map(|code| code.parse::<Region>().expect("a code"));
            let destination = Destination { class, e164: None, region, tier: None, hotspot: false };
            let barred = ["GB", "LV", "SO"].map(|code| code.parse().expect("a code"));
            let finding = region.map(|region| Finding::BarredCountry { region });
            let got = check(&barred, &destination);
            assert_eq!(got, finding.filter(|_| want), "{class} {region:?}");
            assert_eq!(check(&[], &destination), None);
        }
        use DestinationClass as Class;
        check_row(Class::International, Some("SO"), true);
        check_row(Class::InternationalPremium, Some("LV"), true);
        check_row(Class::International, Some("FR"), false);
        check_row(Class::International, None, false);
        check_row(Class::NationalFixed, Some("GB"), false);
        check_row(Class::Emergency, Some("GB"), false);
        check_row(Class::OnNet, Some("SO"), false);
        check_row(Class::Invalid, Some("SO"), false);
    }
}
