//! What a phone says that it is. Lives here: name, version and kind, read from a User-Agent.
//! Never here: whether that is true.

/// A User-Agent, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agent<'a> {
    /// What it is, without its version: `Yealink SIP-T46S`. Firmware updates do not change it.
    pub name: &'a str,
    /// Its version, `66.84.0.15`; may be empty.
    pub version: &'a str,
    /// The switch that it is, as its makers write it, if it is one.
    pub pbx: Option<&'static str>,
}

/// Words of User-Agents, lower case, and the switches that write them.
///
/// From the products' own defaults: Asterisk (`useragent` of sip.conf, `user_agent` of pjsip.conf),
/// FreePBX (`FPBX-…`), FreeSWITCH (mod_sofia), 3CX, Mitel (MiVoice, also as Aastra and ShoreTel),
/// Grandstream's and Yeastar's switches, and others that are met often.
const SWITCHES: [(&str, &str); 27] = [
    ("fpbx", "FreePBX"),
    ("freepbx", "FreePBX"),
    ("fusionpbx", "FusionPBX"),
    ("asterisk", "Asterisk"),
    ("freeswitch", "FreeSWITCH"),
    ("3cxphonesystem", "3CX"),
    ("3cx phone system", "3CX"),
    ("mivoice", "Mitel"),
    ("mitel-3300", "Mitel"),
    ("mitel 3300", "Mitel"),
    ("mitel border gateway", "Mitel"),
    ("shoretel", "Mitel"),
    ("shoregear", "Mitel"),
    ("grandstream ucm", "Grandstream UCM"),
    ("yeastar", "Yeastar"),
    ("mypbx", "Yeastar"),
    ("avaya-sm", "Avaya"),
    ("ip office", "Avaya"),
    ("cisco-cucm", "Cisco"),
    ("cisco-sipgateway", "Cisco"),
    ("elastix", "Elastix"),
    ("issabel", "Issabel"),
    ("panasonic kx-ns", "Panasonic"),
    ("openscape", "Unify"),
    ("starface", "Starface"),
    ("sangoma vega", "Sangoma"),
    ("kamailio", "Kamailio"),
];

impl<'a> Agent<'a> {
    /// Reads a User-Agent header; any text has a name, be it empty.
    pub fn read(text: &'a str) -> Agent<'a> {
        let text = text.trim();
        let pbx = SWITCHES.iter().find(|(word, _)| contains(text, word)).map(|(_, name)| *name);
        let (name, version) = name_and_version(text);
        Agent { name, version, pbx }
    }

    /// The name alone: which switch it may be costs more to find out than all the rest, and each log-in is
    /// asked for its name.
    pub fn name_of(text: &'a str) -> &'a str {
        name_and_version(text.trim()).0
    }
}

fn name_and_version(text: &str) -> (&str, &str) {
    let at = version_at(text);
    let name = text[..at].trim_end_matches(|c: char| " /-_(v".contains(c));
    let version = text[at..].split([' ', '(', ')', ',', ';']).next().unwrap_or("");
    // `5.4.12` alone names nothing else.
    if name.is_empty() { (text, "") } else { (name, if at == 0 { "" } else { version }) }
}

/// Where the version begins: at the first digit behind a blank, a slash, a dash or a `v` there, that a
/// dot or another digit's dot follows. Models have digits too (`T46S`, `HT801`), but no dots.
fn version_at(text: &str) -> usize {
    let bytes = text.as_bytes();
    let starts = |at: usize| {
        let before = at.checked_sub(1).map(|at| bytes[at]);
        let is_start = match before {
            None => true,
            Some(b'v' | b'V') => at < 2 || matches!(bytes[at - 2], b' ' | b'/' | b'-'),
            Some(before) => matches!(before, b' ' | b'/' | b'-' | b'(' | b'_'),
        };
        let digits = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        is_start && digits > 0 && bytes.get(at + digits) == Some(&b'.')
    };
    (0..bytes.len()).find(|&at| starts(at)).unwrap_or(text.len())
}

/// Does the text hold the word, in whatever case? The word is in lower case.
fn contains(text: &str, word: &str) -> bool {
    text.as_bytes().windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_versions_and_switches() {
        fn check(text: &str, name: &str, version: &str, pbx: Option<&str>) {
            assert_eq!(Agent::read(text), Agent { name, version, pbx: Agent::read(text).pbx });
            assert_eq!(Agent::read(text).pbx, pbx, "{text}");
            assert_eq!(Agent::name_of(text), name);
        }
        check("Yealink SIP-T46S 66.84.0.15", "Yealink SIP-T46S", "66.84.0.15", None);
        check("Grandstream HT801 1.0.17.5", "Grandstream HT801", "1.0.17.5", None);
        check("Linphone/3.6.1 (eXosip2/4.1.0)", "Linphone", "3.6.1", None);
        check("baresip v1.0.0 (x86_64/Linux)", "baresip", "1.0.0", None);
        check("PJSUA v2.10 Linux-5.10/x86_64/glibc-2.31", "PJSUA", "2.10", None);
        check("snomD765/10.1.73.16", "snomD765", "10.1.73.16", None);
        check("Asterisk PBX 16.2.1~dfsg-1", "Asterisk PBX", "16.2.1~dfsg-1", Some("Asterisk"));
        check("FPBX-15.0.16(16.9.0)", "FPBX", "15.0.16", Some("FreePBX"));
        check(
            "FreeSWITCH-mod_sofia/1.10.9-release",
            "FreeSWITCH-mod_sofia",
            "1.10.9-release",
            Some("FreeSWITCH"),
        );
        check("3CXPhoneSystem 18.0.5.418 (417)", "3CXPhoneSystem", "18.0.5.418", Some("3CX"));
        check(
            "Grandstream UCM6202V1.4A 1.0.20.52",
            "Grandstream UCM6202V1.4A",
            "1.0.20.52",
            Some("Grandstream UCM"),
        );
        check("FusionPBX", "FusionPBX", "", Some("FusionPBX"));
        check("Mitel-3300-ICP 16.0.1.24", "Mitel-3300-ICP", "16.0.1.24", Some("Mitel"));
        check("MyPBX 60.19.0.9", "MyPBX", "60.19.0.9", Some("Yeastar"));
        check("Mitel 6867i 5.1.0.1024", "Mitel 6867i", "5.1.0.1024", None);
        check("", "", "", None);
        check("7.3.0", "7.3.0", "", None);
        check("Łódź phone 1.2", "Łódź phone", "1.2", None);
    }
}
