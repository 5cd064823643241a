//! Where prefixes of a price list lead. Lives here: class and country of numbers that begin with some digits, as far as one
//! can say without a whole number; for showing people what they can call. Never here: deciding about a call.

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberType, get_national_significant_number_owned};
use types::{DestinationClass, E164, Region};

use super::{Numbering, classes};

/// The kinds of numbers of which the library knows an example.
const KINDS: [PhoneNumberType; 9] = [
    PhoneNumberType::FixedLine,
    PhoneNumberType::Mobile,
    PhoneNumberType::TollFree,
    PhoneNumberType::SharedCost,
    PhoneNumberType::PersonalNumber,
    PhoneNumberType::Pager,
    PhoneNumberType::PremiumRate,
    PhoneNumberType::UAN,
    PhoneNumberType::VoIP,
];

/// British examples that the library has not: service numbers, pagers.
const BRITISH: [&str; 4] = ["448435550123", "448705550123", "447640123456", "447012345678"];

/// Says where prefixes lead; for a whole price list. Make one for a list and let it go.
pub struct Prefixes<'n> {
    numbering: &'n Numbering,
    home: Region,
    /// Examples of the code that was asked for last: lists are sorted.
    examples: Option<(String, Vec<String>)>,
}

impl Numbering {
    /// Of a home country.
    pub fn prefixes(&self, home: Region) -> Prefixes<'_> {
        Prefixes { numbering: self, home, examples: None }
    }

    /// Is any range behind these digits, or one that they lie in, known as a target of fraud?
    pub fn has_hotspots(&self, digits: &str) -> bool {
        self.hotspots
            .iter()
            .any(|prefix| prefix.starts_with(digits) || digits.starts_with(prefix.as_str()))
    }
}

impl Prefixes<'_> {
    /// Class and country of numbers that begin so; `None`: nobody can say. Of the home country and of codes that several
    /// countries share it is those of an example.
    pub fn lead_to(&mut self, prefix: &str) -> Option<(DestinationClass, Region)> {
        let padded = E164::from_digits(&format!("{prefix:0<8}")).ok()?;
        if let Some(class) = classes::of_global_network(padded) {
            return Some((class, Region::GLOBAL));
        }
        let code = code_of(prefix)?;
        let regions = regions_of(&code);
        let first = *regions.first()?;
        if regions.len() == 1 && first != self.home {
            return Some((DestinationClass::International, first));
        }
        if self.examples.as_ref().is_none_or(|(known, _)| *known != code) {
            self.examples = Some((code.clone(), examples(&code, &regions)));
        }
        let examples = self.examples.as_ref().map_or(&[][..], |(_, examples)| examples);
        let here = examples.iter().filter(|example| example.starts_with(prefix)).cloned();
        let spliced = examples
            .iter()
            .filter_map(|example| Some(format!("{prefix}{}", example.get(prefix.len()..)?)));
        let found = here.chain(spliced).find_map(|digits| {
            let number = E164::from_digits(&digits).ok()?;
            let found = self.numbering.classify_e164(self.home, number);
            let is_one = found.class != DestinationClass::Invalid;
            found.region.filter(|_| is_one).map(|region| (found.class, region))
        });
        found.or_else(|| (first != self.home).then_some((DestinationClass::International, first)))
    }
}

/// The country code that digits begin with.
fn code_of(digits: &str) -> Option<String> {
    (1..=3.min(digits.len())).find_map(|length| {
        let code = digits.get(..length)?;
        PHONE_NUMBER_UTIL.get_region_for_country_code(code.parse().ok()?)?;
        Some(code.to_owned())
    })
}

fn regions_of(code: &str) -> Vec<Region> {
    let code = code.parse().unwrap_or(0);
    let found = PHONE_NUMBER_UTIL.get_regions_for_country_calling_code(code);
    let ours = |region: rlibphonenumber::Region| region.as_region_str().as_str().parse().ok();
    found.into_iter().flatten().filter_map(ours).collect()
}

/// Whole numbers of all kinds behind a code.
fn examples(code: &str, regions: &[Region]) -> Vec<String> {
    let british = BRITISH.iter().filter(|digits| digits.starts_with(code));
    let british = british.map(|digits| (*digits).to_owned());
    let regions = regions.iter();
    let known =
        regions.filter_map(|region| rlibphonenumber::Region::from_code(region.as_str()).ok());
    let of = |region: rlibphonenumber::Region| {
        KINDS.iter().filter_map(move |kind| {
            let number = PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(region, *kind);
            Some(format!("{code}{}", get_national_significant_number_owned(&number.ok()?)))
        })
    };
    known.flat_map(of).chain(british).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NumberingConfig;

    #[test]
    fn prefixes_lead_somewhere() {
        let numbering = Numbering::new(&NumberingConfig::default()).expect("it is good");
        let mut prefixes = numbering.prefixes(Region::GB);
        let mut check = |prefix: &str, want: Option<(DestinationClass, &str)>| {
            let found = prefixes.lead_to(prefix);
            let want = want.map(|(class, code)| (class, code.parse().expect("a code")));
            assert_eq!(found, want, "{prefix}");
        };
        use DestinationClass as Class;
        check("252", Some((Class::International, "SO")));
        check("25261", Some((Class::International, "SO")));
        check("33", Some((Class::International, "FR")));
        check("1", Some((Class::International, "US")));
        check("1876", Some((Class::International, "JM")));
        check("1242", Some((Class::International, "BS")));
        check("7", Some((Class::International, "RU")));
        check("77", Some((Class::International, "KZ")));
        check("8816", Some((Class::Satellite, "XG")));
        check("979", Some((Class::InternationalPremium, "XG")));
        check("4420", Some((Class::NationalFixed, "GB")));
        check("447", Some((Class::NationalMobile, "GB")));
        check("44800", Some((Class::Freephone, "GB")));
        check("4487", Some((Class::NationalService, "GB")));
        check("4470", Some((Class::Personal, "GB")));
        check("4476", Some((Class::Pager, "GB")));
        check("449", Some((Class::Premium, "GB")));
        check("0", None);
        check("210", None);
    }

    #[test]
    fn countries_with_ranges_of_fraud_are_known() {
        let config = NumberingConfig { hotspots: vec!["2526".to_owned()], ..Default::default() };
        let numbering = Numbering::new(&config).expect("it is good");
        let found =
            ["252", "2526", "25261", "2527", "33"].map(|digits| numbering.has_hotspots(digits));
        assert_eq!(found, [true, true, true, false, false]);
    }
}
