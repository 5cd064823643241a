//! 420 tricky numbers and what Google's libphonenumber says of each.
//!
//! `nums.tsv`: home country (may be empty) and the number as dialled. `reference.tsv`: the same and
//! country code, national number, region, type, valid, possible; or `ERR` and a message.

use rating::{Numbering, NumberingConfig};
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberType, Region};
use types::{DestinationClass, DialPlan};

const NUMBERS: &str = include_str!("../../data/nums.tsv");
const REFERENCE: &str = include_str!("../../data/reference.tsv");

fn kind_name(kind: PhoneNumberType) -> &'static str {
    match kind {
        PhoneNumberType::FixedLine => "FIXED_LINE",
        PhoneNumberType::Mobile => "MOBILE",
        PhoneNumberType::FixedLineOrMobile => "FIXED_LINE_OR_MOBILE",
        PhoneNumberType::TollFree => "TOLL_FREE",
        PhoneNumberType::PremiumRate => "PREMIUM_RATE",
        PhoneNumberType::SharedCost => "SHARED_COST",
        PhoneNumberType::VoIP => "VOIP",
        PhoneNumberType::PersonalNumber => "PERSONAL_NUMBER",
        PhoneNumberType::Pager => "PAGER",
        PhoneNumberType::UAN => "UAN",
        PhoneNumberType::VoiceMail => "VOICEMAIL",
        PhoneNumberType::Unknown => "UNKNOWN",
    }
}

#[test]
fn the_library_agrees_with_its_reference() {
    let mut count = 0;
    for (asked, want) in NUMBERS.lines().zip(REFERENCE.lines()) {
        let (home, dialled) = asked.split_once('\t').expect("home and number");
        let want: Vec<&str> = want.split('\t').collect();
        assert_eq!((want[0], want[1]), (home, dialled));
        let region = Region::from_code(home).ok();
        match PHONE_NUMBER_UTIL.parse(dialled, region) {
            Err(_) => assert_eq!(want[2], "ERR", "{dialled}"),
            Ok(number) => {
                let region = PHONE_NUMBER_UTIL.get_region_for_number(&number);
                let got = [
                    number.country_code.to_string(),
                    number.national_number.to_string(),
                    region.map_or("-".to_owned(), |r| r.as_region_str().to_string()),
                    kind_name(PHONE_NUMBER_UTIL.get_number_type(&number)).to_owned(),
                    PHONE_NUMBER_UTIL.is_valid_number(&number).to_string(),
                    PHONE_NUMBER_UTIL.is_possible_number(&number).to_string(),
                ];
                assert_eq!(want[2..], got, "{dialled}");
            }
        }
        count += 1;
    }
    assert_eq!(count, 420);
}

/// Whatever the reference calls invalid is class `Invalid`, whatever it calls valid is not, and a
/// costly type never becomes a cheap class. Only global networks are known better here.
#[test]
fn classes_agree_with_the_reference() {
    let numbering = Numbering::new(&NumberingConfig::default()).unwrap();
    let mut valid = 0;
    for row in REFERENCE.lines().filter(|row| row.starts_with("\t+")) {
        let want: Vec<&str> = row.split('\t').collect();
        let got = numbering.classify(&DialPlan::default(), want[1]).destination;
        if got.region == Some(types::Region::GLOBAL) {
            continue;
        }
        if want[2] == "ERR" || want[6] == "false" {
            assert_eq!(got.class, DestinationClass::Invalid, "{row}");
            continue;
        }
        valid += 1;
        let region = got.region.map(|r| r.to_string());
        assert_eq!(region.as_deref(), Some(want[4]), "{row}");
        let is_dear =
            matches!(want[5], "PREMIUM_RATE" | "SHARED_COST" | "PERSONAL_NUMBER" | "PAGER");
        let class = match (want[4], want[5], is_dear) {
            ("GB", "PREMIUM_RATE", _) => {
                assert!(
                    matches!(
                        got.class,
                        DestinationClass::Premium | DestinationClass::NationalService
                    ),
                    "{row}"
                );
                continue;
            }
            ("GB", "PERSONAL_NUMBER", _) => DestinationClass::Personal,
            ("GB", "PAGER", _) => DestinationClass::Pager,
            ("GB", "TOLL_FREE", _) => DestinationClass::Freephone,
            ("GB", "MOBILE", _) => DestinationClass::NationalMobile,
            ("GB", _, _) => DestinationClass::NationalFixed,
            (_, _, true) => DestinationClass::InternationalPremium,
            (_, _, false) => DestinationClass::International,
        };
        assert_eq!(got.class, class, "{row}");
    }
    assert!(valid > 150, "only {valid} numbers were compared");
}

/// One allocated block of every kind and three leading digits of Ofcom's numbering plan (2023).
#[test]
fn british_blocks_agree_with_ofcom() {
    let numbering = Numbering::new(&NumberingConfig::default()).unwrap();
    let blocks = include_str!("../../data/ofcom_2023_sample.csv");
    for row in blocks.lines().skip(1) {
        let (prefix, category) = row.split_once(',').expect("prefix and category");
        let dialled = format!("0{prefix:2<10}");
        let want = match (category, &prefix[..2]) {
            ("mobile", _) => DestinationClass::NationalMobile,
            ("pager", _) => DestinationClass::Pager,
            ("personal", _) => DestinationClass::Personal,
            ("free", _) => DestinationClass::Freephone,
            ("corporate" | "ip", _) => DestinationClass::NationalFixed,
            ("special", "84" | "87") => DestinationClass::NationalService,
            ("special", "90" | "91" | "98") | ("adult", _) => DestinationClass::Premium,
            // Reserved by Ofcom, given to nobody yet.
            ("special", "31" | "32" | "35" | "36" | "38" | "39") => DestinationClass::Invalid,
            ("special", _) => DestinationClass::NationalFixed,
            other => panic!("{other:?} is no category"),
        };
        let got = numbering.classify(&DialPlan::default(), &dialled).destination;
        // Blocks of Jersey and Guernsey lie between the mobiles.
        if got.region != Some(types::Region::GB) && want == DestinationClass::NationalMobile {
            assert_eq!(got.class, DestinationClass::International, "{row}");
        } else {
            assert_eq!(got.class, want, "{row}");
        }
    }
    assert!(blocks.lines().count() > 150);
}

/// How people of a country dial: national prefix, international prefix. Elsewhere as in most of the world.
const PLANS: &[(&str, &str, &str)] = &[
    ("US", "1", "011"),
    ("CA", "1", "011"),
    ("IT", "", "00"),
    ("ES", "", "00"),
    ("NO", "", "00"),
    ("DK", "", "00"),
    ("PL", "", "00"),
    ("SG", "", "001"),
    ("HK", "", "001"),
    ("JP", "0", "010"),
    ("AU", "0", "0011"),
];

fn plan_of(home: types::Region) -> DialPlan {
    let known = PLANS.iter().find(|(country, ..)| *country == home.as_str());
    let (_, national, international) = known.copied().unwrap_or(("", "0", "00"));
    DialPlan {
        home,
        national_prefix: national.to_owned(),
        international_prefix: international.to_owned(),
        outside_line: None,
        area_code: None,
    }
}

/// Short codes, which the library does not know: home, as dialled, class.
const CODES: &[(&str, &str, DestinationClass)] = &[
    ("GB", "999", DestinationClass::Emergency),
    ("GB", "112", DestinationClass::Emergency),
    ("DE", "110", DestinationClass::Emergency),
    ("US", "911", DestinationClass::Emergency),
    ("FR", "112", DestinationClass::Emergency),
    ("GB", "118118", DestinationClass::NationalService),
    ("GB", "101", DestinationClass::Freephone),
    ("GB", "111", DestinationClass::Freephone),
];

/// What the reference says of a number, in our classes, for somebody whose home this is.
fn class_at(home: &str, region: &str, kind: &str, is_valid: bool) -> DestinationClass {
    let is_dear = matches!(kind, "PREMIUM_RATE" | "SHARED_COST" | "PERSONAL_NUMBER" | "PAGER");
    match (region == home, kind) {
        _ if !is_valid => DestinationClass::Invalid,
        (false, _) if is_dear => DestinationClass::InternationalPremium,
        (false, _) => DestinationClass::International,
        (true, "TOLL_FREE") => DestinationClass::Freephone,
        (true, "MOBILE") => DestinationClass::NationalMobile,
        (true, "SHARED_COST" | "VOICEMAIL") => DestinationClass::NationalService,
        (true, "PERSONAL_NUMBER") => DestinationClass::Personal,
        (true, "PAGER") => DestinationClass::Pager,
        (true, "PREMIUM_RATE") => DestinationClass::Premium,
        (true, _) => DestinationClass::NationalFixed,
    }
}

/// Every row under the plan of its own country: the home it was dialled at, or the country that the number is in.
#[test]
fn each_row_under_the_plan_of_its_country() {
    let numbering = Numbering::new(&NumberingConfig::default()).unwrap();
    let (mut rows, mut nationally, mut wrong) = (0, 0, Vec::new());
    for row in REFERENCE.lines() {
        rows += 1;
        let want: Vec<&str> = row.split('\t').collect();
        let (home, dialled) = (want[0], want[1]);
        nationally += usize::from(!home.is_empty());
        let code = CODES.iter().find(|(country, code, _)| (*country, *code) == (home, dialled));
        let is_read = want[2] != "ERR";
        let country = match (home, is_read) {
            ("", true) => want[4],
            (home, _) => home,
        };
        let home: types::Region = country.parse().unwrap_or(types::Region::GB);
        let got = numbering.classify(&plan_of(home), dialled).destination;
        if got.region == Some(types::Region::GLOBAL) {
            // Global networks are known better here, and are dear whatever the library says.
            let is_dear = matches!(
                got.class,
                DestinationClass::Satellite
                    | DestinationClass::International
                    | DestinationClass::InternationalPremium
            );
            if !is_dear && (got.class != DestinationClass::Invalid || want[6] == "true") {
                wrong.push(format!("{row}: {got:?}"));
            }
            continue;
        }
        let class = match code {
            Some((_, _, class)) => *class,
            None if !is_read => DestinationClass::Invalid,
            // Ofcom has two tariffs where the library has one word.
            None if want[2] == "44" && country == "GB" && want[5] == "PREMIUM_RATE" => {
                match want[3].get(..2) {
                    Some("84" | "87") => DestinationClass::NationalService,
                    _ => DestinationClass::Premium,
                }
            }
            None => class_at(home.as_str(), want[4], want[5], want[6] == "true"),
        };
        let sent = got.e164.map(|e164| e164.to_string());
        // The reference leaves out the zero that Italian numbers begin with; what is not read has no number.
        let is_sent = code.is_some() || class == DestinationClass::Invalid || {
            let zero = if want[4] == "IT" && want[5] == "FIXED_LINE" { "0" } else { "" };
            sent == Some(format!("+{}{zero}{}", want[2], want[3]))
        };
        if got.class != class || !is_sent {
            wrong.push(format!("{row}: {:?} not {class:?}, sent {sent:?}", got.class));
        }
    }
    assert_eq!((rows, nationally), (420, 63));
    assert!(wrong.is_empty(), "{} rows\n{}", wrong.len(), wrong.join("\n"));
}
