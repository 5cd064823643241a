//! Failed log-ins in other programs' logs. Lives here: reading a line of each format.
//! Never here: files, what follows from a failure.

use std::net::{IpAddr, SocketAddr};

use anyhow::Context;
use engine::ForeignLogIn;
use serde::Deserialize;
use sip::digest::canonical_user;

/// A line of Asterisk's log, if it tells of a failed log-in.
///
/// chan_sip: `Registration from '"x" <sip:100@host>' failed for '192.0.2.7:5060' - Wrong password`.
/// PJSIP: `Request 'REGISTER' from '<sip:100@host>' failed for '192.0.2.7:5060' (callid: x) - Failed to authenticate`.
pub fn asterisk(line: &str) -> Option<ForeignLogIn> {
    let (_, rest) = line
        .split_once(" from '")
        .filter(|(before, _)| before.ends_with("Registration") || before.contains("Request '"))?;
    let (from, rest) = rest.split_once("' failed for '")?;
    let (source, why) = rest.split_once('\'')?;
    let failures = [
        "Wrong password",
        "No matching peer found",
        "Username/auth name mismatch",
        "Failed to authenticate",
        "No matching endpoint found",
        "Not match Endpoint",
        "Error to authenticate",
    ];
    if !failures.iter().any(|failure| why.contains(failure)) {
        return None;
    }
    let uri = from.rsplit_once('<').map_or(from, |(_, uri)| uri).trim_end_matches('>');
    let address = uri.split_once(':').map_or(uri, |(_, rest)| rest);
    let user = address.split_once('@').map_or(address, |(user, _)| user);
    Some(ForeignLogIn {
        source: address_of(source)?,
        user: canonical_user(user)?.to_string(),
        agent: String::new(),
        known: None,
    })
}

/// An address, with or without a port.
fn address_of(text: &str) -> Option<IpAddr> {
    let socket = text.parse::<SocketAddr>().map(|socket| socket.ip()).ok();
    socket.or_else(|| text.parse().ok())
}

/// A line of JSON. An empty line tells of nothing.
pub fn jsonl(line: &str) -> anyhow::Result<Option<ForeignLogIn>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Line {
        source: IpAddr,
        user: String,
        #[serde(default)]
        agent: String,
    }
    if line.trim().is_empty() {
        return Ok(None);
    }
    let Line { source, user, agent } = serde_json::from_str(line)?;
    let user = canonical_user(&user)
        .with_context(|| format!("`{}` is not a user name", user.escape_debug()))?;
    Ok(Some(ForeignLogIn { source, user: user.to_string(), agent, known: None }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_asterisk_writes() {
        fn check(line: &str, want: Option<(&str, &str)>) {
            let got = asterisk(line).map(|tried| (tried.source.to_string(), tried.user));
            let want = want.map(|(source, user)| (source.to_owned(), user.to_owned()));
            assert_eq!(got, want, "{line}");
        }
        check(
            "[2026-11-22 08:00:01] NOTICE[2101] chan_sip.c: Registration from '\"100\" <sip:100@10.0.0.1>' \
             failed for '192.0.2.7:5072' - Wrong password",
            Some(("192.0.2.7", "100")),
        );
        check(
            "[Nov 22 08:00:01] NOTICE[7]: res_pjsip/pjsip_distributor.c:676 log_failed_request: Request \
             'REGISTER' from '<sip:Alice@pbx.example>' failed for '[2001:db8::7]:5060' (callid: 7) - Failed to authenticate",
            Some(("2001:db8::7", "alice")),
        );
        check(
            "NOTICE[1] chan_sip.c: Registration from 'sip:200@x' failed for '192.0.2.8' - No matching peer found",
            Some(("192.0.2.8", "200")),
        );
        check(
            "NOTICE[1] chan_sip.c: Registration from '<sip:1@x>' failed for '192.0.2.8:1' - ACL error",
            None,
        );
        check("VERBOSE[1] chan_sip.c: Registered SIP '100' at 192.0.2.8:5060", None);
        check("Registration from 'x' failed for 'nowhere' - Wrong password", None);
        check("", None);
    }

    #[test]
    fn lines_of_json() {
        let read = |line: &str| jsonl(line).map_err(|error| error.to_string());
        let want = ForeignLogIn {
            source: [192, 0, 2, 7].into(),
            user: "alice".into(),
            agent: "x".into(),
            known: None,
        };
        assert_eq!(read(r#"{"source":"192.0.2.7","user":"ALICE","agent":"x"}"#), Ok(Some(want)));
        assert_eq!(read("\n"), Ok(None));
        for bad in [
            r#"{"source":"nowhere","user":"a"}"#,
            r#"{"source":"192.0.2.7"}"#,
            "[]",
            r#"{"source":"192.0.2.7","user":"a b"}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
