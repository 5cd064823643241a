//! A number as a carrier wants it. Lives here: the forms of `TrunkNumberFormat`.
//! Never here: which carrier, what is allowed.

use rating::{Called, country_code};
use types::{DialPlan, TrunkNumberFormat};

/// What to put into the Request-URI towards a carrier: the number that was rated, in the carrier's
/// form, or the short code as it is. `None` when there is neither.
///
/// The national form is that of the account's home country: `home` of its dial plan.
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
}
