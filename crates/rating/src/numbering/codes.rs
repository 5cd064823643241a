//! Codes and prefixes that are public facts. Lives here: emergency and short codes by country,
//! hotspots. Never here: reading or deciding.

use types::{DestinationClass, Region};

/// Emergency codes by home country. 112 works in every mobile network (3GPP TS 22.101) and in all of
/// Europe, so it stands for every country.
const EMERGENCY: &[(&str, &[&str])] = &[
    // 18000 is the text relay to 999.
    ("GB", &["999", "112", "18000"]),
    ("GG", &["999", "112"]),
    ("JE", &["999", "112"]),
    ("IM", &["999", "112"]),
    ("IE", &["999", "112"]),
    ("DE", &["110", "112"]),
    ("AT", &["112", "122", "133", "140", "144"]),
    ("CH", &["112", "117", "118", "144"]),
    ("FR", &["112", "114", "15", "17", "18"]),
    ("BE", &["112", "101"]),
    ("NL", &["112"]),
    ("LU", &["112", "113"]),
    ("ES", &["112", "091", "062"]),
    ("PT", &["112"]),
    ("IT", &["112", "113", "115", "118"]),
    ("DK", &["112"]),
    ("SE", &["112"]),
    ("NO", &["112", "110", "113"]),
    ("FI", &["112"]),
    ("IS", &["112"]),
    ("PL", &["112", "997", "998", "999"]),
    ("CZ", &["112", "150", "155", "158"]),
    ("GR", &["112", "100", "166", "199"]),
    ("US", &["911", "112"]),
    ("CA", &["911", "112"]),
    ("AU", &["000", "112", "106"]),
    ("NZ", &["111", "112"]),
];

/// Emergency codes where nothing better is known.
const EMERGENCY_ANYWHERE: &[&str] = &["112"];

/// Codes that are free to call, by home country: harmonised helplines (116 …, Decision 2007/116/EC) and
/// the national ones.
const FREE_CODES: &[(&str, &[&str])] = &[
    // Police, power cut, health; missing children, victims, children, Samaritans.
    ("GB", &["101", "105", "111", "116000", "116006", "116111", "116123"]),
    ("IE", &["116000", "116006", "116111", "116123"]),
    // Missing children, medical service, children, Telefonseelsorge.
    ("DE", &["116000", "116117", "116111", "116123"]),
];

/// Emergency codes of a home country.
pub(super) fn emergency_of(home: Region) -> &'static [&'static str] {
    of_country(EMERGENCY, home).unwrap_or(EMERGENCY_ANYWHERE)
}

/// Is it an emergency code of any country we know?
pub(super) fn is_emergency_somewhere(code: &str) -> bool {
    EMERGENCY.iter().any(|(_, codes)| codes.contains(&code)) || EMERGENCY_ANYWHERE.contains(&code)
}

/// What a short code is at home; `None` when it is none that we know.
pub(super) fn short_code_class(home: Region, code: &str) -> Option<DestinationClass> {
    if of_country(FREE_CODES, home).is_some_and(|codes| codes.contains(&code)) {
        return Some(DestinationClass::Freephone);
    }
    // British directory enquiries: 118 and three digits (Ofcom's plan, part A3).
    let is_directory = home == Region::GB && code.len() == 6 && code.starts_with("118");
    is_directory.then_some(DestinationClass::NationalService)
}

fn of_country(
    table: &[(&str, &'static [&'static str])],
    home: Region,
) -> Option<&'static [&'static str]> {
    table.iter().find(|(country, _)| *country == home.as_str()).map(|(_, codes)| *codes)
}

/// Prefixes that carriers' and regulators' warnings about revenue share fraud name again and again.
/// What they have in common: a high termination price, and few honest calls.
pub(super) const HOTSPOTS: &[(&str, &str)] = &[
    ("1264", "Anguilla"),
    ("1268", "Antigua and Barbuda"),
    ("1284", "British Virgin Islands"),
    ("1473", "Grenada"),
    ("1649", "Turks and Caicos Islands"),
    ("1664", "Montserrat"),
    ("1767", "Dominica"),
    ("1784", "Saint Vincent"),
    ("1809", "Dominican Republic"),
    ("1829", "Dominican Republic"),
    ("1849", "Dominican Republic"),
    ("1876", "Jamaica"),
    ("216", "Tunisia"),
    ("220", "Gambia"),
    ("222", "Mauritania"),
    ("223", "Mali"),
    ("224", "Guinea"),
    ("228", "Togo"),
    ("231", "Liberia"),
    ("232", "Sierra Leone"),
    ("235", "Chad"),
    ("236", "Central African Republic"),
    ("239", "São Tomé and Príncipe"),
    ("242", "Congo"),
    ("243", "Democratic Republic of the Congo"),
    ("245", "Guinea-Bissau"),
    ("246", "Diego Garcia"),
    ("247", "Ascension"),
    ("252", "Somalia"),
    ("253", "Djibouti"),
    ("257", "Burundi"),
    ("261", "Madagascar"),
    ("263", "Zimbabwe"),
    ("269", "Comoros"),
    ("290", "Saint Helena"),
    ("291", "Eritrea"),
    ("355", "Albania"),
    ("370", "Lithuania"),
    ("371", "Latvia"),
    ("372", "Estonia"),
    ("373", "Moldova"),
    ("375", "Belarus"),
    ("381", "Serbia"),
    ("387", "Bosnia and Herzegovina"),
    ("500", "Falkland Islands"),
    ("509", "Haiti"),
    ("53", "Cuba"),
    ("592", "Guyana"),
    ("597", "Suriname"),
    ("670", "East Timor"),
    ("672", "Antarctica and Norfolk Island"),
    ("674", "Nauru"),
    ("675", "Papua New Guinea"),
    ("676", "Tonga"),
    ("677", "Solomon Islands"),
    ("678", "Vanuatu"),
    ("681", "Wallis and Futuna"),
    ("682", "Cook Islands"),
    ("683", "Niue"),
    ("685", "Samoa"),
    ("686", "Kiribati"),
    ("687", "New Caledonia"),
    ("688", "Tuvalu"),
    ("690", "Tokelau"),
    ("692", "Marshall Islands"),
    ("850", "North Korea"),
    ("870", "Inmarsat"),
    ("881", "satellite networks"),
    ("882", "international networks"),
    ("883", "international networks"),
    ("960", "Maldives"),
    ("970", "Palestine"),
    ("979", "international premium rate"),
    ("994", "Azerbaijan"),
];
