//! How numbers are dialled or written, as options of a command. Lives here: the usual prefixes of
//! countries. Never here: what a number means (rating).

use types::{DialPlan, Region};

use crate::config::Config;

/// Country and prefixes; what is not told is what its country usually has.
#[derive(Clone, Debug, clap::Args)]
pub struct DialPlanArgs {
    /// Country whose numbers it writes without country code [default: the platform's]
    #[arg(long, value_name = "COUNTRY")]
    home: Option<Region>,
    /// Prefix before national numbers, or none [default: the usual one of its country]
    #[arg(long, value_name = "DIGITS")]
    national_prefix: Option<String>,
    /// Prefix before country codes [default: the usual one of its country]
    #[arg(long, value_name = "DIGITS")]
    international_prefix: Option<String>,
}

impl DialPlanArgs {
    /// The plan, without outside line and area code.
    pub fn plan(&self, config: &Config) -> DialPlan {
        let home = self.home.unwrap_or(config.home);
        let (national, international) = usual_prefixes(home);
        let prefix = |told: Option<&str>, usual: &str| match told {
            Some("none") => String::new(),
            Some(told) => told.to_owned(),
            None => usual.to_owned(),
        };
        DialPlan {
            home,
            national_prefix: prefix(self.national_prefix.as_deref(), national),
            international_prefix: prefix(self.international_prefix.as_deref(), international),
            outside_line: None,
            area_code: None,
        }
    }
}

/// What is dialled before national and international numbers, where it is not 0 and 00.
/// Source: ITU-T, list of dialling procedures (E.164 supplement).
fn usual_prefixes(home: Region) -> (&'static str, &'static str) {
    match home.as_str() {
        "US" | "CA" | "JM" | "DO" | "PR" | "BS" | "BB" | "TT" => ("1", "011"),
        "AU" => ("0", "0011"),
        "JP" => ("0", "010"),
        "RU" | "KZ" => ("8", "810"),
        "HK" | "SG" => ("", "001"),
        "ES" | "PT" | "IT" | "DK" | "NO" | "PL" | "CZ" | "GR" | "LU" | "LV" | "EE" | "MT"
        | "CY" | "IS" => ("", "00"),
        "HU" => ("06", "00"),
        _ => ("0", "00"),
    }
}
