//! Where a dialled string leads. Lives here: dialled string → E.164 → destination class.
//! Never here: prices, limits, whether the call is allowed.
//!
//! The number that is rated is the number that is sent: both come from [`Called`] alone, and
//! nothing of the dialled string goes past it.

mod classes;
mod codes;
mod dialled;
mod prefixes;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber};
use types::decision::Destination;
use types::{DestinationClass, DialPlan, E164, Region};

pub use classes::country_code;
use dialled::Dialled;
pub use prefixes::Prefixes;

/// What the operator says about numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberingConfig {
    /// Emergency codes as dialled, at every home; those of the home country are known besides.
    pub emergency: Vec<String>,
    /// The provider's support numbers: codes as dialled, or numbers like `+442079460000`.
    pub support: Vec<String>,
    /// E.164 prefixes (digits) of destinations that international revenue share fraud prefers.
    pub hotspots: Vec<String>,
}

impl Default for NumberingConfig {
    fn default() -> NumberingConfig {
        let owned = |text: &&str| (*text).to_owned();
        NumberingConfig {
            emergency: codes::emergency_of(Region::GB).iter().map(owned).collect(),
            support: Vec::new(),
            hotspots: codes::HOTSPOTS.iter().map(|(prefix, _)| owned(prefix)).collect(),
        }
    }
}

/// Why a configuration of numbers cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberingError {
    /// An emergency code that nobody could dial.
    #[error("emergency code `{0}`: expected 2 to 8 digits")]
    Emergency(String),
    /// A support code that nobody could dial.
    #[error("support number `{0}`: expected 2 to 15 digits as dialled, or + and an E.164 number")]
    Support(String),
    /// A hotspot that is no prefix.
    #[error("hotspot `{0}`: expected 1 to 15 digits without +, the first not 0")]
    Hotspot(String),
}

/// Where a dialled string leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Called {
    /// The destination; its `e164` is the number to rate and to send.
    pub destination: Destination,
    /// An emergency, support or short code, as it is to be sent instead of a number.
    pub short_code: Option<String>,
}

/// Knows numbers. Make one and share it.
#[derive(Clone, Debug)]
pub struct Numbering {
    emergency: Vec<String>,
    support_codes: Vec<String>,
    support_numbers: Vec<E164>,
    hotspots: Vec<String>,
}

impl Numbering {
    /// Checks the configuration.
    pub fn new(config: &NumberingConfig) -> Result<Numbering, NumberingError> {
        let is_code = |text: &str, longest: usize| {
            (2..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
        };
        if let Some(bad) = config.emergency.iter().find(|code| !is_code(code, 8)) {
            return Err(NumberingError::Emergency(bad.clone()));
        }
        let bad_prefix = |prefix: &&String| E164::from_digits(prefix).is_err();
        if let Some(bad) = config.hotspots.iter().find(bad_prefix) {
            return Err(NumberingError::Hotspot(bad.clone()));
        }
        let (mut support_codes, mut support_numbers) = (Vec::new(), Vec::new());
        for entry in &config.support {
            match entry.parse::<E164>() {
                Ok(number) => support_numbers.push(number),
                Err(_) if is_code(entry, 15) => support_codes.push(entry.clone()),
                Err(_) => return Err(NumberingError::Support(entry.clone())),
            }
        }
        let emergency = config.emergency.clone();
        let hotspots = config.hotspots.clone();
        Ok(Numbering { emergency, support_codes, support_numbers, hotspots })
    }

    /// Where a dialled string leads: the decoded user part of a SIP URI, or the subscriber of a
    /// `tel:` URI with its parameters. Never fails: what cannot be a number is class `Invalid`.
    pub fn classify(&self, plan: &DialPlan, dialled: &str) -> Called {
        let Some(dialled) = Dialled::parse(dialled) else {
            return number(invalid(None, None));
        };
        if let Dialled::Local { digits, .. } = &dialled
            && let Some(called) = self.short_code(plan, digits)
        {
            return called;
        }
        let mut first_invalid = None;
        for candidate in readings(plan, &dialled) {
            let destination = self.classify_candidate(plan.home, &candidate);
            if destination.class != DestinationClass::Invalid {
                return number(destination);
            }
            first_invalid.get_or_insert(destination);
        }
        number(first_invalid.unwrap_or_else(|| invalid(None, None)))
    }

    /// The class of a number that is E.164 already. A number that has another canonical form
    /// (`+4402079460000`) is `Invalid`: it would be sent as it is.
    pub fn classify_e164(&self, home: Region, number: E164) -> Destination {
        match parse_international(&number.digits()) {
            Some((canonical, parsed)) if canonical == number => {
                self.classify_parsed(home, number, &parsed)
            }
            _ => self.classify_unparsed(number),
        }
    }

    /// The class of international digits that may have another canonical form.
    fn classify_candidate(&self, home: Region, digits: &str) -> Destination {
        match parse_international(digits) {
            Some((canonical, parsed)) if canonical.digits() == digits => {
                self.classify_parsed(home, canonical, &parsed)
            }
            // The canonical form must be its own canonical form, or it would not be what is sent.
            Some((canonical, _)) => self.classify_e164(home, canonical),
            None => E164::from_digits(digits)
                .map_or_else(|_| invalid(None, None), |n| self.classify_unparsed(n)),
        }
    }

    /// The class of a number in canonical form.
    fn classify_parsed(&self, home: Region, number: E164, parsed: &PhoneNumber) -> Destination {
        let (mut class, region) = classes::of_number(home, number, parsed);
        if self.support_numbers.contains(&number) {
            class = DestinationClass::Support;
        }
        // A possible number can be sent by an operator who lifts the bar on class `Invalid`.
        let can_be_sent = class != DestinationClass::Invalid
            || PHONE_NUMBER_UTIL.is_possible_number(parsed) && !classes::is_directory_code(number);
        let e164 = can_be_sent.then_some(number);
        let hotspot = region != Some(home) && self.is_hotspot(number);
        Destination { class, e164, region, tier: None, hotspot }
    }

    /// The class of digits that the library refuses to read: global networks or nothing.
    fn classify_unparsed(&self, number: E164) -> Destination {
        match classes::of_global_network(number) {
            Some(class) => Destination {
                class,
                e164: Some(number),
                region: Some(Region::GLOBAL),
                tier: None,
                hotspot: self.is_hotspot(number),
            },
            None => invalid(None, None),
        }
    }

    /// Emergency, support and short codes: exactly as dialled, with or without the outside line.
    fn short_code(&self, plan: &DialPlan, digits: &str) -> Option<Called> {
        let beyond = plan.outside_line.and_then(|outside| digits.strip_prefix(outside));
        let spellings = [Some(digits), beyond];
        // Emergency first, in either spelling: no other code may take its place.
        let is_emergency = |code: &&str| {
            self.emergency.iter().any(|known| known == code)
                || codes::emergency_of(plan.home).contains(code)
        };
        if let Some(code) = spellings.into_iter().flatten().find(is_emergency) {
            return Some(short(DestinationClass::Emergency, plan.home, code));
        }
        let other = |code: &str| {
            if self.support_codes.iter().any(|known| known == code) {
                return Some(DestinationClass::Support);
            }
            codes::short_code_class(plan.home, code)
        };
        let (class, code) =
            spellings.into_iter().flatten().find_map(|code| Some((other(code)?, code)))?;
        Some(short(class, plan.home, code))
    }

    /// Could these digits be an emergency code of somebody, whatever his home and his outside line? A cheap
    /// look before anything is known; [`Numbering::classify`] decides.
    pub fn may_be_emergency(&self, digits: &str) -> bool {
        let beyond = digits.get(1..);
        let is_code = |code: &str| {
            self.emergency.iter().any(|known| known == code) || codes::is_emergency_somewhere(code)
        };
        is_code(digits) || beyond.is_some_and(is_code)
    }

    fn is_hotspot(&self, number: E164) -> bool {
        let digits = number.digits();
        self.hotspots.iter().any(|prefix| digits.starts_with(prefix.as_str()))
    }
}

/// What the dialled digits can mean internationally, likeliest first. The first that is a number
/// is taken.
fn readings(plan: &DialPlan, dialled: &Dialled) -> Vec<String> {
    let country_code = classes::country_code(plan.home);
    match dialled {
        Dialled::Global { digits } => vec![digits.clone()],
        // Within the home country people say `;phone-context=+44` and still dial 0 or 00.
        Dialled::Local { digits, context: Some(context) }
            if Some(context) == country_code.as_ref() =>
        {
            plan_readings(plan, None, country_code.as_deref(), digits)
        }
        Dialled::Local { digits, context: Some(context) } => vec![format!("{context}{digits}")],
        Dialled::Local { digits, context: None } => {
            let beyond = plan.outside_line.and_then(|outside| digits.strip_prefix(outside));
            let area_code = plan.area_code.as_deref();
            plan_readings(plan, area_code, country_code.as_deref(), beyond.unwrap_or(digits))
        }
    }
}

/// The readings of digits dialled by the plan, after the outside line.
fn plan_readings(
    plan: &DialPlan,
    area_code: Option<&str>,
    country_code: Option<&str>,
    digits: &str,
) -> Vec<String> {
    let after = |prefix: &str| digits.strip_prefix(prefix).filter(|_| !prefix.is_empty());
    if let Some(international) = after(&plan.international_prefix) {
        return vec![international.to_owned()];
    }
    let Some(country_code) = country_code else {
        return Vec::new();
    };
    if let Some(national) = after(&plan.national_prefix) {
        return vec![format!("{country_code}{national}")];
    }
    let mut readings = Vec::new();
    if let Some(area_code) = area_code {
        readings.push(format!("{country_code}{area_code}{digits}"));
    }
    // Many phones leave the national prefix out, or the `+` before their own country code.
    readings.push(format!("{country_code}{digits}"));
    if digits.starts_with(country_code) {
        readings.push(digits.to_owned());
    }
    readings
}

/// Reads international digits: their canonical form and the parts.
fn parse_international(digits: &str) -> Option<(E164, PhoneNumber)> {
    // The library's metadata is a constant that is unpacked once; no state is shared through it.
    let parsed = PHONE_NUMBER_UTIL.parse(format!("+{digits}"), None).ok()?;
    let national = rlibphonenumber::get_national_significant_number_owned(&parsed);
    let canonical = E164::from_digits(&format!("{}{national}", parsed.country_code)).ok()?;
    Some((canonical, parsed))
}

fn number(destination: Destination) -> Called {
    Called { destination, short_code: None }
}

fn short(class: DestinationClass, home: Region, code: &str) -> Called {
    let destination =
        Destination { class, e164: None, region: Some(home), tier: None, hotspot: false };
    Called { destination, short_code: Some(code.to_owned()) }
}

fn invalid(e164: Option<E164>, region: Option<Region>) -> Destination {
    Destination { class: DestinationClass::Invalid, e164, region, tier: None, hotspot: false }
}
