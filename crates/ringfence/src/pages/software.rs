//! Is a phone's software old? Lives here: what the User-Agent tells of it, versions and models that their makers have given
//! up. Never here: which switch it is (engine).

use engine::Agent;

/// Words of a User-Agent, lower case; the first version that is looked after; `None`: none is.
///
/// As we know it in November 2026, to be looked over with each release: Asterisk (18 until October 2025), FreeSWITCH (1.10 is the branch that gets fixes), FreePBX,
/// 3CX (16 and before ended); models that are not sold any more and get no software: Cisco and Linksys SPA and PAP2,
/// Polycom SoundPoint, the first Snom 3xx and Yealink T2x.
const KNOWN: [(&str, Option<u32>); 18] = [
    ("asterisk pbx", Some(20)),
    ("fpbx", Some(15)),
    ("3cxphonesystem", Some(18)),
    ("linksys/pap2", None),
    ("linksys/spa", None),
    ("sipura/", None),
    ("cisco/spa112", None),
    ("cisco/spa122", None),
    ("cisco/spa3", None),
    ("cisco/spa5", None),
    ("polycomsoundpointip", None),
    ("snom300", None),
    ("snom320", None),
    ("snom360", None),
    ("snom370", None),
    ("yealink sip-t20p", None),
    ("yealink sip-t26p", None),
    ("yealink sip-t28p", None),
];

/// Those of these User-Agents that are old, each once, and why.
pub fn old(agents: &[&str]) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for text in agents {
        let trouble = given_up(text).or_else(|| behind(text, agents));
        if let Some(trouble) = trouble
            && !found.iter().any(|(known, _)| known == text)
        {
            found.push(((*text).to_owned(), trouble));
        }
    }
    found
}

fn given_up(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    let (_, least) = KNOWN.iter().find(|(word, _)| lower.contains(word))?;
    let version = Agent::read(text).version;
    match least {
        None => Some("its maker gives it no new software any more: replace it.".to_owned()),
        Some(least) => {
            let major = *numbers(version).first()?;
            (major < *least).then(|| {
                format!("version {version} is not looked after any more: bring it up to date.")
            })
        }
    }
}

/// Has another phone of the same kind a newer version?
fn behind(text: &str, agents: &[&str]) -> Option<String> {
    let own = Agent::read(text);
    let same = agents.iter().map(|other| Agent::read(other)).filter(|other| other.name == own.name);
    let newest = same.max_by_key(|other| numbers(other.version))?;
    let is_behind = !own.version.is_empty() && numbers(own.version) < numbers(newest.version);
    is_behind.then(|| {
        format!("another one of yours has {} already: bring this one up to date.", newest.version)
    })
}

/// `66.84.0.15` as numbers.
fn numbers(version: &str) -> Vec<u32> {
    let digits = |part: &str| -> String { part.chars().take_while(char::is_ascii_digit).collect() };
    version.split('.').map_while(|part| digits(part).parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_software_is_known_by_its_name_and_by_its_neighbour() {
        fn check(agents: &[&str], want: &[(&str, &str)]) {
            let found = old(agents);
            let short: Vec<(&str, bool)> = found
                .iter()
                .zip(want)
                .map(|((agent, why), (_, want))| (agent.as_str(), why.contains(want)))
                .collect();
            let want: Vec<(&str, bool)> = want.iter().map(|(agent, _)| (*agent, true)).collect();
            assert_eq!((found.len(), short), (want.len(), want), "{found:?}");
        }
        check(&["Asterisk PBX 16.2.1~dfsg-1"], &[("Asterisk PBX 16.2.1~dfsg-1", "version 16.2.1")]);
        check(&["Asterisk PBX 22.1.0"], &[]);
        check(&["FPBX-14.0.1(13.9.0)"], &[("FPBX-14.0.1(13.9.0)", "version 14.0.1")]);
        check(&["Asterisk PBX"], &[]);
        check(&["Linksys/PAP2T-5.1.6(LS)"], &[("Linksys/PAP2T-5.1.6(LS)", "replace it")]);
        check(&["Yealink SIP-T46S 66.84.0.15"], &[]);
        check(
            &[
                "Yealink SIP-T46S 66.84.0.15",
                "Yealink SIP-T46S 66.86.0.15",
                "Yealink SIP-T42S 66.80.0.1",
            ],
            &[("Yealink SIP-T46S 66.84.0.15", "has 66.86.0.15 already")],
        );
        check(
            &["Yealink SIP-T46S 66.9.0.1", "Yealink SIP-T46S 66.10.0.1"],
            &[("Yealink SIP-T46S 66.9.0.1", "66.10")],
        );
        check(&["", "x"], &[]);
    }
}
