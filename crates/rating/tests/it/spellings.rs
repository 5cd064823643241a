//! The number rated is the number sent, however it was spelled; and nothing dialled is a panic.

use proptest::prelude::*;
use rating::{Numbering, NumberingConfig};
use types::{DestinationClass, DialPlan, E164};

use crate::numbers::plan;

thread_local! {
    static NUMBERING: Numbering = Numbering::new(&NumberingConfig::default()).unwrap();
}

/// Country code and national numbers that are real within home, and its plan.
fn homes() -> Vec<(DialPlan, &'static str, &'static str)> {
    let gb = DialPlan::default;
    vec![
        (gb(), "44", "20794600[0-9]{2}"),
        (gb(), "44", "7400[0-9]{6}"),
        (gb(), "44", "8001[0-9]{6}"),
        (gb(), "44", "90987[0-9]{5}"),
        (gb(), "44", "70123[0-9]{5}"),
        (plan("DE", "0", "00"), "49", "151123[0-9]{5}"),
        (plan("US", "1", "011"), "1", "2127[0-9]{6}"),
        (plan("US", "1", "011"), "1", "8764[5-7][0-9]{5}"),
        (plan("IE", "0", "00"), "353", "850[0-9]{6}"),
        (plan("IT", "", "00"), "39", "06123[0-9]{5}"),
    ]
}

fn a_number() -> impl Strategy<Value = (DialPlan, String, String)> {
    (0..homes().len()).prop_flat_map(|row| {
        let (plan, country_code, pattern) = homes().swap_remove(row);
        (Just(plan), Just(country_code.to_owned()), pattern.prop_map(String::from))
    })
}

/// Puts separators between digits by a pattern of bits.
fn separated(digits: &str, bits: u64) -> String {
    let separator = |position: usize| {
        ["", "-", ".", " ", "(", ")"][(bits >> (position % 16 * 4) & 15) as usize % 6]
    };
    digits.chars().enumerate().map(|(position, c)| format!("{c}{}", separator(position))).collect()
}

proptest! {
    #[test]
    fn spellings_of_a_number_are_one_number((plan, cc, national) in a_number(), bits: u64) {
        let want: E164 = format!("+{cc}{national}").parse().unwrap();
        let desk = DialPlan { outside_line: Some('9'), ..plan.clone() };
        let DialPlan { national_prefix, international_prefix, .. } = &plan;
        let spellings = [
            (&plan, format!("+{cc}{national}")),
            (&plan, format!("{international_prefix}{cc}{national}")),
            (&plan, format!("{national_prefix}{national}")),
            (&plan, separated(&format!("+{cc}{national}"), bits)),
            (&plan, separated(&format!("{national_prefix}{national}"), bits)),
            (&plan, format!("{national};phone-context=+{cc}")),
            (&plan, format!("{national_prefix}{national};phone-context=+{cc}")),
            (&plan, format!("{national_prefix}{national};phone-context=example.com")),
            (&plan, format!("+{cc}{national};ext=99;isub=7;postd=p1w2")),
            (&desk, format!("9{national_prefix}{national}")),
            (&desk, format!("9{international_prefix}{cc}{national}")),
        ];
        NUMBERING.with(|numbering| {
            let destination = numbering.classify_e164(plan.home, want);
            prop_assert_ne!(destination.class, DestinationClass::Invalid, "{}", want);
            for (plan, spelling) in &spellings {
                let called = numbering.classify(plan, spelling);
                prop_assert_eq!(&called.destination, &destination, "{}", spelling);
                prop_assert_eq!(called.short_code, None, "{}", spelling);
            }
            Ok(())
        })?;
    }

    /// The class that was judged is the class of the number that is sent, and a code or a number
    /// is sent, never both.
    #[test]
    fn what_is_sent_is_what_was_judged(
        row in 0..homes().len(),
        outside in proptest::option::of(proptest::char::range('0', '9')),
        area_code in proptest::option::of("[1-9][0-9]{1,3}"),
        dialled in prop_oneof![
            "[0-9]{1,18}", "\\+[0-9]{1,16}", "00[0-9]{4,15}", "0[1-9][0-9]{6,10}",
            "\\+44[0-9]{7,11}", "\\+1[2-9][0-9]{9}", "[+0-9.() -]{1,20}(;[a-z-]{1,13}=[+0-9a-z.]{0,8}){0,2}",
        ],
    ) {
        let plan = DialPlan { outside_line: outside, area_code, ..homes().swap_remove(row).0 };
        NUMBERING.with(|numbering| {
            let called = numbering.classify(&plan, &dialled);
            let destination = &called.destination;
            prop_assert!(called.short_code.is_none() || destination.e164.is_none());
            if let Some(code) = &called.short_code {
                let digits: String = dialled.chars().filter(char::is_ascii_digit).collect();
                prop_assert!(digits.contains(code.as_str()), "{} is not in {}", code, dialled);
            }
            if let Some(number) = destination.e164 {
                prop_assert_eq!(&numbering.classify_e164(plan.home, number), destination);
                let again = numbering.classify(&plan, &number.to_string());
                prop_assert_eq!(&again, &called);
            } else if called.short_code.is_none() {
                prop_assert_eq!(destination.class, DestinationClass::Invalid);
            }
            Ok(())
        })?;
    }

    #[test]
    fn nothing_dialled_is_a_panic(dialled in any::<String>()) {
        NUMBERING.with(|numbering| numbering.classify(&DialPlan::default(), &dialled));
    }

    #[test]
    fn bytes_of_a_number_and_its_neighbours_are_no_panic(
        dialled in "[+0-9a-zA-Z;=,*#%.() \u{0}-\u{1f}\u{660}-\u{669}\u{ff10}-\u{ff19}-]{0,40}",
    ) {
        NUMBERING.with(|numbering| numbering.classify(&DialPlan::default(), &dialled));
    }

    #[test]
    fn every_e164_has_a_class(value in 1_u64..1_000_000_000_000_000) {
        let number = E164::try_from(value).unwrap();
        NUMBERING.with(|numbering| numbering.classify_e164(types::Region::GB, number));
    }
}
