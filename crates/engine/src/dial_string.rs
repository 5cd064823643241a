//! A number as a carrier wants it. Lives here: the forms of `TrunkNumberFormat`.
//! Never here: which carrier, what is allowed.

use rating::{Called, country_code};
use types::{DialPlan, TrunkNumberFormat};

/// What to put into the Request-URI towards a carrier: the number that was rated, in the carrier's
/// form, or the short code as it is. `None` when there is neither.
///
/// The national form is that of the carrier's home country, whatever the account's is: `plan` is the
/// trunk's (F3).
pub fn dial_string(format: TrunkNumberFormat, called: &Called, plan: &DialPlan) -> Option<String> {
    if let Some(short_code) = &called.short_code {
        return Some(short_code.clone());
    }
    let number = called.destination.e164?;
    let digits = number.digits();
    Some(match format {
        TrunkNumberFormat::E164Plus => number.to_string(),
        TrunkNumberFormat::E164 => digits,
        TrunkNumberFormat::National => {
            let home = country_code(plan.home);
            match home.as_deref().and_then(|code| digits.strip_prefix(code)) {
                Some(national) => format!("{}{national}", plan.national_prefix),
                None => format!("{}{digits}", plan.international_prefix),
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rating::{Numbering, NumberingConfig};

    #[test]
    fn carriers_get_the_form_they_want() {
        fn check(format: TrunkNumberFormat, dialled: &str, want: &str) {
            let plan = DialPlan::default();
            let numbering = Numbering::new(&NumberingConfig::default()).expect("defaults are good");
            let called = numbering.classify(&plan, dialled);
            assert_eq!(dial_string(format, &called, &plan).as_deref(), Some(want), "{dialled}");
        }
        check(TrunkNumberFormat::E164Plus, "02079460000", "+442079460000");
        check(TrunkNumberFormat::E164, "+442079460000", "442079460000");
        check(TrunkNumberFormat::National, "00442079460000", "02079460000");
        check(TrunkNumberFormat::National, "0033140000000", "0033140000000");
        check(TrunkNumberFormat::E164Plus, "999", "999");
    }

    /// F3: what was rated is what is sent, whatever the account's and the carrier's countries are.
    #[test]
    fn the_national_form_is_the_carriers() {
        let plan = |home: &str, national: &str, international: &str| DialPlan {
            home: home.parse().expect("a country"),
            national_prefix: national.to_owned(),
            international_prefix: international.to_owned(),
            ..DialPlan::default()
        };
        let (us, gb, it) = (plan("US", "1", "011"), plan("GB", "0", "00"), plan("IT", "", "00"));
        let numbering = Numbering::new(&NumberingConfig::default()).expect("defaults are good");
        let check = |account: &DialPlan, dialled: &str, trunk: &DialPlan, want: &str| {
            let called = numbering.classify(account, dialled);
            let sent = dial_string(TrunkNumberFormat::National, &called, trunk);
            assert_eq!(sent.as_deref(), Some(want), "{dialled}");
            let read = numbering.classify(trunk, want);
            assert_eq!(read.destination.e164, called.destination.e164, "{dialled} as {want}");
        };
        check(&us, "+33140000000", &gb, "0033140000000");
        check(&us, "12125550123", &gb, "0012125550123");
        check(&us, "011442079460000", &gb, "02079460000");
        check(&gb, "02079460000", &us, "011442079460000");
        check(&gb, "0012125550123", &us, "12125550123");
        check(&gb, "+390669812345", &it, "0669812345");
    }
}
