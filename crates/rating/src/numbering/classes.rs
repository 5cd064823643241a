//! From a parsed number to its class. Lives here: what the library's types mean to us, and the
//! overlay where it knows less than a price list. Never here: spelling, short codes.

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberType};
use types::{DestinationClass, E164, Region};

/// Country codes that belong to no country (ITU-T E.164 Annex to the Operational Bulletin), and what
/// a call there is to a payer.
const GLOBAL_NETWORKS: &[(&str, DestinationClass)] = &[
    // Universal international freephone: free for nobody who comes from the Internet.
    ("800", DestinationClass::International),
    // International shared cost.
    ("808", DestinationClass::InternationalPremium),
    // Inmarsat.
    ("870", DestinationClass::Satellite),
    // Universal personal telecommunications.
    ("878", DestinationClass::InternationalPremium),
    // Global mobile satellite systems: Iridium 8816 and 8817, Globalstar 8818 and 8819.
    ("881", DestinationClass::Satellite),
    // International networks: Thuraya, aircraft and ships beside voice over IP, at satellite prices.
    ("882", DestinationClass::Satellite),
    ("883", DestinationClass::Satellite),
    // International premium rate.
    ("979", DestinationClass::InternationalPremium),
];

/// Fewest digits of a number in a global network.
const GLOBAL_NETWORK_DIGITS: usize = 8;

/// The class of a number of a global network, valid to the library or not: the library's ranges
/// there are older than the networks'.
pub(super) fn of_global_network(number: E164) -> Option<DestinationClass> {
    let digits = number.digits();
    let (_, class) = GLOBAL_NETWORKS.iter().find(|(code, _)| digits.starts_with(code))?;
    (digits.len() >= GLOBAL_NETWORK_DIGITS).then_some(*class)
}

/// The class and the region of a number in canonical form.
pub(super) fn of_number(
    home: Region,
    number: E164,
    parsed: &PhoneNumber,
) -> (DestinationClass, Option<Region>) {
    if let Some(class) = of_global_network(number) {
        return (class, Some(Region::GLOBAL));
    }
    if home == Region::GB && is_british_pager(number) {
        return (DestinationClass::Pager, Some(Region::GB));
    }
    let region = region_of(home, parsed);
    // `Unknown` is what the library says of every number that is not valid.
    let kind = PHONE_NUMBER_UTIL.get_number_type(parsed);
    let class = if region == Some(home) { at_home(number, kind) } else { abroad(kind) };
    (class, region)
}

/// Does a number that is not valid look like a British directory code behind +44? It must not be
/// rated as a number, because it has the prefix of Reading (0118).
pub(super) fn is_directory_code(number: E164) -> bool {
    number.value() / 1_000 == 44_118
}

/// The digits of a region's country code.
pub fn country_code(region: Region) -> Option<String> {
    let region = rlibphonenumber::Region::from_code(region.as_str()).ok()?;
    PHONE_NUMBER_UTIL.get_country_code_for_region(region).map(|code| code.to_string())
}

/// The number's region; home if it is a number there: country codes are shared, and so are ranges
/// (freephone within +1 is Canada's as much as the United States').
fn region_of(home: Region, parsed: &PhoneNumber) -> Option<Region> {
    // The library's question about a region looks at the national number only, so the country
    // code is asked first.
    let is_at_home = |region: &rlibphonenumber::Region| {
        PHONE_NUMBER_UTIL.get_country_code_for_region(*region) == Some(parsed.country_code)
            && PHONE_NUMBER_UTIL.is_valid_number_for_region(parsed, *region)
    };
    let here = rlibphonenumber::Region::from_code(home.as_str()).ok();
    if here.is_some_and(|region| is_at_home(&region)) {
        return Some(home);
    }
    PHONE_NUMBER_UTIL.get_region_for_number(parsed).map(to_region)
}

fn to_region(region: rlibphonenumber::Region) -> Region {
    region.as_region_str().as_str().parse().unwrap_or(Region::GLOBAL)
}

fn at_home(number: E164, kind: PhoneNumberType) -> DestinationClass {
    if kind == PhoneNumberType::Unknown {
        return DestinationClass::Invalid;
    }
    british_service(number).unwrap_or(match kind {
        PhoneNumberType::TollFree => DestinationClass::Freephone,
        PhoneNumberType::Mobile => DestinationClass::NationalMobile,
        PhoneNumberType::FixedLine
        | PhoneNumberType::FixedLineOrMobile
        | PhoneNumberType::VoIP
        | PhoneNumberType::UAN => DestinationClass::NationalFixed,
        PhoneNumberType::SharedCost | PhoneNumberType::VoiceMail => {
            DestinationClass::NationalService
        }
        PhoneNumberType::PersonalNumber => DestinationClass::Personal,
        PhoneNumberType::Pager => DestinationClass::Pager,
        PhoneNumberType::PremiumRate => DestinationClass::Premium,
        PhoneNumberType::Unknown => DestinationClass::Invalid,
    })
}

fn abroad(kind: PhoneNumberType) -> DestinationClass {
    match kind {
        PhoneNumberType::PremiumRate
        | PhoneNumberType::SharedCost
        | PhoneNumberType::PersonalNumber
        | PhoneNumberType::Pager => DestinationClass::InternationalPremium,
        PhoneNumberType::Unknown => DestinationClass::Invalid,
        _ => DestinationClass::International,
    }
}

/// 076 and eight digits but 07624 (mobiles of the Isle of Man). The library knows fewer of the pager
/// blocks than Ofcom has given out.
fn is_british_pager(number: E164) -> bool {
    let digits = number.digits();
    digits.len() == 12 && digits.starts_with("4476") && !digits.starts_with("447624")
}

/// British ranges by Ofcom's National Telephone Numbering Plan, where the library has one word for
/// two kinds of tariff.
fn british_service(number: E164) -> Option<DestinationClass> {
    let digits = number.digits();
    let national = digits.strip_prefix("44")?;
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| national.starts_with(prefix));
    if begins(&["84", "87"]) {
        Some(DestinationClass::NationalService)
    } else if begins(&["9"]) {
        Some(DestinationClass::Premium)
    } else if begins(&["70"]) {
        Some(DestinationClass::Personal)
    } else {
        None
    }
}
