//! Where dialled strings lead: one table per topic.

use rating::{Numbering, NumberingConfig, NumberingError};
use types::DestinationClass::{self, *};
use types::{DialPlan, E164, Region};

fn numbering() -> Numbering {
    Numbering::new(&NumberingConfig::default()).unwrap()
}

pub fn plan(home: &str, national: &str, international: &str) -> DialPlan {
    DialPlan {
        home: home.parse().unwrap(),
        national_prefix: national.to_owned(),
        international_prefix: international.to_owned(),
        outside_line: None,
        area_code: None,
    }
}

/// Class, number and region of a dialled string.
#[track_caller]
fn check(plan: &DialPlan, dialled: &str, want: (DestinationClass, &str, &str)) {
    let called = numbering().classify(plan, dialled);
    let number = match (&called.short_code, called.destination.e164) {
        (Some(code), None) => code.clone(),
        (None, Some(e164)) => e164.to_string(),
        (None, None) => String::new(),
        both => panic!("{dialled}: short code and number {both:?}"),
    };
    let region = called.destination.region.map_or(String::new(), |r| r.to_string());
    let got = (called.destination.class, number.as_str(), region.as_str());
    assert_eq!(got, want, "{dialled}");
    assert_eq!(called.destination.tier, None, "{dialled}");
}

#[test]
fn british_classes() {
    let gb = DialPlan::default();
    let check = |dialled, class, number, region| check(&gb, dialled, (class, number, region));
    check("020 7946 0000", NationalFixed, "+442079460000", "GB");
    check("03332221111", NationalFixed, "+443332221111", "GB");
    check("05600123456", NationalFixed, "+445600123456", "GB");
    check("05511234567", NationalFixed, "+445511234567", "GB");
    check("07400123456", NationalMobile, "+447400123456", "GB");
    check("08001111111", Freephone, "+448001111111", "GB");
    check("08001111", Freephone, "+448001111", "GB");
    check("08081570000", Freephone, "+448081570000", "GB");
    check("08451234567", NationalService, "+448451234567", "GB");
    check("08431234567", NationalService, "+448431234567", "GB");
    check("08701234567", NationalService, "+448701234567", "GB");
    check("08711234567", NationalService, "+448711234567", "GB");
    check("08454647", NationalService, "+448454647", "GB");
    check("07012345678", Personal, "+447012345678", "GB");
    check("07640123456", Pager, "+447640123456", "GB");
    check("09098790000", Premium, "+449098790000", "GB");
    check("09123456789", Premium, "+449123456789", "GB");
    // Guernsey, Jersey and Man share +44 and are priced like abroad, mobiles within 07 too.
    check("07911123456", International, "+447911123456", "GG");
    check("07781123456", International, "+447781123456", "GG");
    check("07797712345", International, "+447797712345", "JE");
    check("07624123456", International, "+447624123456", "IM");
    check("01534123456", International, "+441534123456", "JE");
    // Ofcom's drama numbers lead nowhere.
    check("07700900123", Invalid, "+447700900123", "");
    // A digit short: possible somewhere, valid nowhere.
    check("0845123456", Invalid, "+44845123456", "");
}

#[test]
fn classes_abroad() {
    let gb = DialPlan::default();
    let check = |dialled, class, number, region| check(&gb, dialled, (class, number, region));
    check("+33612345678", International, "+33612345678", "FR");
    check("+33800123456", International, "+33800123456", "FR");
    check("+37125123456", International, "+37125123456", "LV");
    check("+37190012345", InternationalPremium, "+37190012345", "LV");
    check("+37080812345", InternationalPremium, "+37080812345", "LT");
    check("+4970012345678", InternationalPremium, "+4970012345678", "DE");
    check("+41740123456", InternationalPremium, "+41740123456", "CH");
    check("+19005551234", InternationalPremium, "+19005551234", "US");
    // Ten digits after 1 are not one country.
    check("+12025550143", International, "+12025550143", "US");
    check("+18764521234", International, "+18764521234", "JM");
    check("+18095551234", International, "+18095551234", "DO");
    check("+18495551234", International, "+18495551234", "DO");
    check("+12845551234", Invalid, "+12845551234", "VG");
    // Networks of no country, known to the library or not.
    check("+870773123456", Satellite, "+870773123456", "XG");
    check("+870712345678", Satellite, "+870712345678", "XG");
    check("+881612345678", Satellite, "+881612345678", "XG");
    check("+88163112345", Satellite, "+88163112345", "XG");
    check("+88216512345678", Satellite, "+88216512345678", "XG");
    check("+882342123456", Satellite, "+882342123456", "XG");
    check("+883510012345", Satellite, "+883510012345", "XG");
    check("+878101234567890", InternationalPremium, "+878101234567890", "XG");
    check("+979123456789", InternationalPremium, "+979123456789", "XG");
    check("+80812345678", InternationalPremium, "+80812345678", "XG");
    check("+80012345678", International, "+80012345678", "XG");
    check("+8816", Invalid, "", "");
    check("+888123456789", Invalid, "", "XG");
    check("+999123456", Invalid, "", "");
    check("+21012345678", Invalid, "", "");
}

#[test]
fn every_spelling_of_the_wire() {
    let gb = DialPlan::default();
    let london = (NationalFixed, "+442079460000", "GB");
    let nothing = (Invalid, "", "");
    let check = |dialled: &str, want| check(&gb, dialled, want);
    check("+442079460000", london);
    check("00442079460000", london);
    check("02079460000", london);
    check("2079460000", london);
    check("442079460000", london);
    check("+44-20-7946-0000", london);
    check("+44.20.7946.0000", london);
    check("(020) 7946 0000", london);
    check("(+44)2079460000", london);
    check("+44(0)2079460000", london);
    check("0044(0)2079460000", london);
    check("2079460000;phone-context=+44", london);
    check("02079460000;phone-context=+44", london);
    check("00442079460000;phone-context=+44", london);
    check("79460000;phone-context=+4420", london);
    check("7946-0000;PHONE-CONTEXT=+44-20", london);
    check("02079460000;phone-context=example.com", london);
    check("0612345678;phone-context=+33", (International, "+33612345678", "FR"));
    check("8764521234;phone-context=+1", (International, "+18764521234", "JM"));
    // Parameters behind the number are neither rated nor sent.
    check("+442079460000;ext=1234", london);
    check("+442079460000;isub=1234", london);
    check("+442079460000;postd=pp22", london);
    check("+442079460000;npdi;rn=+448001111111", london);
    // A global number with a context has two readings, and so have two contexts.
    check("+442079460000;phone-context=+44", nothing);
    check("2079460000;phone-context=+44;phone-context=+1", nothing);
    check("2079460000;phone-context=", nothing);
    check("2079460000;phone-context=+", nothing);
    check("2079460000;phone-context=+4x", nothing);
    check("2079460000;phone-context=a b", nothing);
    // Digits behind the number, letters, stars, other scripts.
    check("02079460000,,1234", nothing);
    check("02079460000p1234", nothing);
    check("02079460000w1234", nothing);
    check("0800FLOWERS", nothing);
    check("*31#02079460000", nothing);
    check("#02079460000", nothing);
    check("++442079460000", nothing);
    check("44+2079460000", nothing);
    check("%2B442079460000", nothing);
    check("٠٢٠٧٩٤٦٠٠٠٠", nothing);
    check("+442079460000\0", nothing);
    check("", nothing);
    check("+", nothing);
    check("-", nothing);
    check(";phone-context=+44", nothing);
    check("0", nothing);
    check("00", nothing);
    check("000442079460000", nothing);
    check("+0442079460000", nothing);
    check("0044207946000000000000", nothing);
    check(&"0".repeat(300), nothing);
    check(&"1".repeat(29), nothing);
}

#[test]
fn emergency_is_an_exact_match() {
    let gb = DialPlan::default();
    let desk = DialPlan { outside_line: Some('9'), ..plan("GB", "0", "00") };
    let reading = DialPlan { area_code: Some("118".to_owned()), ..desk.clone() };
    let emergency = |code| (Emergency, code, "GB");
    check(&gb, "999", emergency("999"));
    check(&gb, "112", emergency("112"));
    check(&gb, "18000", emergency("18000"));
    // Separators are nothing, wherever they stand.
    check(&gb, "9-9-9", emergency("999"));
    // Someone who dials 999 wants help, whatever his phone thinks where he is.
    check(&gb, "999;phone-context=+44", emergency("999"));
    check(&gb, "112;phone-context=+49", emergency("112"));
    check(&gb, "112;phone-context=ims.example.com", emergency("112"));
    check(&gb, "112;ext=5", emergency("112"));
    // With and without the outside line; the code itself is what is sent.
    check(&desk, "999", emergency("999"));
    check(&desk, "9999", emergency("999"));
    check(&desk, "9112", emergency("112"));
    check(&desk, "918000", emergency("18000"));
    check(&reading, "999", emergency("999"));
    check(&reading, "9999", emergency("999"));
    // Not without an outside line, not twice, not with more digits behind.
    let is_not = |plan: &DialPlan, dialled: &str| {
        let class = numbering().classify(plan, dialled).destination.class;
        assert_ne!(class, Emergency, "{dialled}");
    };
    is_not(&gb, "9999");
    is_not(&desk, "99999");
    is_not(&gb, "999123");
    is_not(&gb, "99");
    is_not(&gb, "0999");
    is_not(&gb, "00999");
    // A code is not a number: + says that a country code follows, and 44 999 is nobody's number.
    is_not(&gb, "+999");
    is_not(&gb, "+112");
    is_not(&gb, "+44999");
    is_not(&gb, "0044999");
    is_not(&gb, "999*");
    // Another country's code means nothing here.
    is_not(&gb, "911");
    is_not(&gb, "110");
}

#[test]
fn short_codes_stand_before_numbers() {
    let gb = DialPlan::default();
    let desk = DialPlan { outside_line: Some('9'), ..plan("GB", "0", "00") };
    check(&gb, "118118", (NationalService, "118118", "GB"));
    check(&desk, "9118500", (NationalService, "118500", "GB"));
    check(&gb, "111", (Freephone, "111", "GB"));
    check(&gb, "116123", (Freephone, "116123", "GB"));
    check(&gb, "123", (Invalid, "", ""));
    // Directory enquiries have no international form: a prefix of Reading would price it.
    check(&gb, "+44118118", (Invalid, "", ""));
    check(&gb, "0118118", (Invalid, "", ""));
    check(&gb, "01189390000", (NationalFixed, "+441189390000", "GB"));
}

#[test]
fn the_dial_plan_of_an_office() {
    let office = DialPlan {
        outside_line: Some('9'),
        area_code: Some("1344".to_owned()),
        ..plan("GB", "0", "00")
    };
    let check = |dialled, want| check(&office, dialled, want);
    let bracknell = (NationalFixed, "+441344400999", "GB");
    check("9400999", bracknell);
    check("901344400999", bracknell);
    check("400999", bracknell);
    check("01344400999", bracknell);
    check("9441344400999", bracknell);
    check("900441344400999", bracknell);
    check("+441344400999", bracknell);
    check("90033612345678", (International, "+33612345678", "FR"));
    // The outside line belongs to what is dialled here, not to another context.
    check("9001234567;phone-context=+49", (InternationalPremium, "+499001234567", "DE"));
}

#[test]
fn other_homes() {
    let de = plan("DE", "0", "00");
    check(&de, "030123456", (NationalFixed, "+4930123456", "DE"));
    check(&de, "015112345678", (NationalMobile, "+4915112345678", "DE"));
    check(&de, "09001234567", (Premium, "+499001234567", "DE"));
    check(&de, "01805123456", (NationalService, "+491805123456", "DE"));
    check(&de, "08001234567", (Freephone, "+498001234567", "DE"));
    check(&de, "110", (Emergency, "110", "DE"));
    check(&de, "112", (Emergency, "112", "DE"));
    check(&de, "116117", (Freephone, "116117", "DE"));
    check(&de, "00442079460000", (International, "+442079460000", "GB"));
    check(&de, "00447012345678", (InternationalPremium, "+447012345678", "GB"));
    check(&de, "00448451234567", (InternationalPremium, "+448451234567", "GB"));

    let us = plan("US", "1", "011");
    check(&us, "2025550143", (NationalFixed, "+12025550143", "US"));
    check(&us, "12025550143", (NationalFixed, "+12025550143", "US"));
    check(&us, "8005551234", (Freephone, "+18005551234", "US"));
    check(&us, "9005551234", (Premium, "+19005551234", "US"));
    check(&us, "8764521234", (International, "+18764521234", "JM"));
    check(&us, "18764521234", (International, "+18764521234", "JM"));
    check(&us, "8095551234", (International, "+18095551234", "DO"));
    check(&us, "01137125123456", (International, "+37125123456", "LV"));
    check(&us, "911", (Emergency, "911", "US"));
    check(&us, "118118", (Invalid, "", ""));
    let new_york = DialPlan { area_code: Some("212".to_owned()), ..us };
    check(&new_york, "7365000", (NationalFixed, "+12127365000", "US"));
    check(&new_york, "2025550143", (NationalFixed, "+12025550143", "US"));

    // Freephone within +1 is everybody's.
    let ca = plan("CA", "1", "011");
    check(&ca, "18005551234", (Freephone, "+18005551234", "CA"));
    check(&ca, "12025550143", (International, "+12025550143", "US"));

    let ie = plan("IE", "0", "00");
    check(&ie, "0850123456", (NationalMobile, "+353850123456", "IE"));
    check(&ie, "1520123456", (Premium, "+3531520123456", "IE"));
    check(&ie, "0818123456", (NationalFixed, "+353818123456", "IE"));
    check(&ie, "999", (Emergency, "999", "IE"));

    // No national prefix, and a zero that belongs to the number.
    let it = plan("IT", "", "00");
    check(&it, "0612345678", (NationalFixed, "+390612345678", "IT"));
    check(&it, "3401234567", (NationalMobile, "+393401234567", "IT"));
    check(&it, "899123456", (Premium, "+39899123456", "IT"));

    // A home that nobody numbers: international calls still work.
    let nowhere = plan("XX", "0", "00");
    check(&nowhere, "00442079460000", (International, "+442079460000", "GB"));
    check(&nowhere, "02079460000", (Invalid, "", ""));
    check(&nowhere, "112", (Emergency, "112", "XX"));
}

#[test]
fn support_is_a_code_or_a_number() {
    let config = NumberingConfig {
        support: vec!["151".to_owned(), "+443334440000".to_owned()],
        ..NumberingConfig::default()
    };
    let numbering = Numbering::new(&config).unwrap();
    let desk = DialPlan { outside_line: Some('9'), ..DialPlan::default() };
    let check = |plan: &DialPlan, dialled: &str, class, code: Option<&str>| {
        let called = numbering.classify(plan, dialled);
        assert_eq!((called.destination.class, called.short_code.as_deref()), (class, code));
    };
    check(&desk, "151", Support, Some("151"));
    check(&desk, "9151", Support, Some("151"));
    check(&desk, "1511", Invalid, None);
    check(&desk, "+44151", Invalid, None);
    check(&desk, "03334440000", Support, None);
    check(&desk, "+443334440000", Support, None);
    check(&desk, "03334440001", NationalFixed, None);
    // An emergency code stays one, even when someone configures it as support.
    let config = NumberingConfig { support: vec!["999".to_owned()], ..NumberingConfig::default() };
    let called = Numbering::new(&config).unwrap().classify(&desk, "999");
    assert_eq!(called.destination.class, Emergency);
}

#[test]
fn hotspots_are_abroad() {
    let check = |home: &str, number: &str, want: bool| {
        let home = home.parse().unwrap();
        let destination = numbering().classify_e164(home, number.parse().unwrap());
        assert_eq!(destination.hotspot, want, "{number} from {home}");
    };
    check("GB", "+37125123456", true);
    check("GB", "+18764521234", true);
    check("GB", "+870773123456", true);
    check("GB", "+33612345678", false);
    check("GB", "+442079460000", false);
    // At home it is the neighbourhood.
    check("LV", "+37125123456", false);
}

#[test]
fn a_number_with_another_canonical_form_is_not_sent() {
    let check = |number: &str, class| {
        let destination = numbering().classify_e164(Region::GB, number.parse().unwrap());
        assert_eq!(destination.class, class, "{number}");
        assert!(class != Invalid || destination.e164.is_none(), "{number}");
    };
    check("+442079460000", NationalFixed);
    check("+4402079460000", Invalid);
    check("+112025550143", Invalid);
    check("+999", Invalid);
}

#[test]
fn refuses_a_bad_configuration() {
    let check = |config: NumberingConfig, want: NumberingError| {
        assert_eq!(Numbering::new(&config).unwrap_err(), want);
    };
    let default = NumberingConfig::default;
    let list = |text: &str| vec![text.to_owned()];
    for bad in ["", "9", "99x", "+999", "123456789"] {
        let config = NumberingConfig { emergency: list(bad), ..default() };
        check(config, NumberingError::Emergency(bad.to_owned()));
    }
    for bad in ["", "1", "support", "+0441", "1234567890123456"] {
        let config = NumberingConfig { support: list(bad), ..default() };
        check(config, NumberingError::Support(bad.to_owned()));
    }
    for bad in ["", "+371", "0371", "37x", "1234567890123456"] {
        let config = NumberingConfig { hotspots: list(bad), ..default() };
        check(config, NumberingError::Hotspot(bad.to_owned()));
    }
}

#[test]
fn defaults_are_distinct() {
    let hotspots = NumberingConfig::default().hotspots;
    for (position, prefix) in hotspots.iter().enumerate() {
        assert!(E164::from_digits(prefix).is_ok(), "{prefix}");
        assert!(!hotspots[..position].contains(prefix), "{prefix} stands twice");
    }
    assert_eq!(NumberingConfig::default().emergency, ["999", "112", "18000"]);
}
