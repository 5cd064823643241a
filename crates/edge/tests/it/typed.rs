//! P4: what leaves the node is made of typed fields. Lives here: which headers each message may have; the world asks for
//! every message that leaves, in every test. Never here: their values.

use std::collections::BTreeMap;

use proptest::prelude::*;

use crate::calls::{alice, carrier, talk};
use crate::town::*;
use crate::wire::{ANSWER, Got, OFFER};
use crate::world::World;

/// Every request and response.
const ALWAYS: &[&str] = &["Via", "From", "To", "Call-ID", "CSeq", "Content-Length"];
/// Every request.
const REQUEST: &[&str] = &[
    "Max-Forwards",
    "Route",
    "User-Agent",
    "Reason",
    "Contact",
    // Our own, for a carrier that challenges.
    "Authorization",
    "Proxy-Authorization",
];
/// Requests and responses that set up or refresh a session.
const SESSION: &[&str] = &[
    "Contact",
    "Allow",
    "Supported",
    "Require",
    "Session-Expires",
    "Min-SE",
    "Content-Type",
    "P-Asserted-Identity",
    "Privacy",
];
/// Every response. Record-Route and Path are handed back to whom they came from (RFC 3261 §12.1.1, RFC 3327).
const RESPONSE: &[&str] = &[
    "Record-Route",
    "Path",
    "Server",
    "Reason",
    "Warning",
    "Retry-After",
    "Min-Expires",
    "Unsupported",
    "Accept",
    "Accept-Encoding",
    "WWW-Authenticate",
    "Proxy-Authenticate",
    "RSeq",
    "Timestamp",
    "Service-Route",
    "Flow-Timer",
];

fn may_have(got: &Got) -> Vec<&'static [&'static str]> {
    let mut lists = vec![ALWAYS];
    match (got.status, got.method.as_str()) {
        (0, "INVITE" | "UPDATE" | "PRACK" | "INFO") => {
            lists.extend([REQUEST, SESSION, &["RAck", "Info-Package"]]);
        }
        (0, "REGISTER") => lists.extend([REQUEST, &["Expires"]]),
        (0, _) => lists.extend([REQUEST, &["RAck", "Allow", "Supported", "Content-Type"]]),
        _ => lists.extend([RESPONSE, SESSION]),
    }
    lists
}

/// Nothing but typed fields. What could not be parsed is answered with its own lines and judged elsewhere.
pub fn check(got: &Got) {
    let lists = may_have(got);
    for (name, value) in &got.headers {
        let is_typed = lists.iter().any(|list| list.contains(&name.as_str()));
        assert!(is_typed, "`{name}: {value}` left in a {}:\n{}", got.name(), got.text());
    }
}

/// A header that nobody knows, or one of those that others pass on.
fn stranger() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        "[A-Za-z][A-Za-z0-9.!%*_+`'~-]{0,14}",
        proptest::sample::select(vec![
            "Diversion",
            "P-Preferred-Identity",
            "Remote-Party-ID",
            "History-Info",
            "Alert-Info",
            "Subject",
            "Date",
            "Call-Info",
            "Organization",
            "Priority",
            "Reply-To",
            "P-Charging-Vector",
            "User-to-User",
            "Geolocation",
            "Identity",
            "Referred-By",
            "Accept-Contact",
            "Session-ID",
            "Resource-Priority",
            "Content-Disposition",
            "Content-Language",
            "MIME-Version",
            "Authentication-Info",
            "Error-Info",
        ])
        .prop_map(str::to_owned),
    ];
    (name, "[!-+\\--~]{1,20}").prop_map(|(name, value)| format!("{name}: canary{value}\r\n"))
}

/// Names that mean something to the node are not strangers: their values are read.
fn is_strange(line: &str) -> bool {
    let name = line.split(':').next().unwrap().to_ascii_lowercase();
    let known = [ALWAYS, REQUEST, SESSION, RESPONSE].concat();
    let others = [
        "rack",
        "expires",
        "authorization",
        "proxy-authorization",
        "proxy-require",
        "content-encoding",
        "identity-info",
        "replaces",
        "join",
        "event",
        "refer-to",
        "accept-language",
        "p-access-network-info",
    ];
    name.len() > 1
        && !known.iter().any(|known| known.eq_ignore_ascii_case(&name))
        && !others.contains(&&*name)
}

fn no_canary(got: &Got) {
    assert!(!got.text().contains("canary"), "{}", got.text());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// In both directions, in every kind of request within a call, and in the answers to them.
    #[test]
    fn no_unknown_header_leaves(lines in proptest::collection::vec(stranger(), 1..6)) {
        let name = |line: &String| line.split(':').next().unwrap().to_ascii_lowercase();
        // Of many headers there may be one only.
        let lines: BTreeMap<String, String> = lines.into_iter().map(|line| (name(&line), line)).collect();
        let lines: String = lines.into_values().filter(|line| is_strange(line)).collect();
        let world = World::new();
        let phone = alice(&world);
        let mut request = phone.invite_request(FIXED);
        request.extra.push_str(&lines);
        let mut caller = phone.invite_with(request);
        phone.expect(100);
        let mut callee = carrier(&world).expect_invite();
        no_canary(callee.invite.as_ref().unwrap());
        callee.reply_with(183, &lines, ANSWER);
        no_canary(&caller.expect(183));
        callee.reply_with(200, &lines, ANSWER);
        no_canary(&callee.expect("ACK"));
        no_canary(&caller.expect(200));
        caller.ack();
        for (method, body) in [("INVITE", OFFER), ("UPDATE", OFFER), ("INFO", "")] {
            for from_caller in [true, false] {
                let (asks, hears) =
                    if from_caller { (&mut caller, &mut callee) } else { (&mut callee, &mut caller) };
                asks.send(method, &lines, body);
                if method == "INVITE" {
                    asks.expect(100);
                }
                let got = hears.expect(method);
                no_canary(&got);
                hears.respond(&got, 200, &lines, if body.is_empty() { "" } else { ANSWER });
                no_canary(&asks.expect((200, method)));
                if method == "INVITE" {
                    asks.ack_with(asks.cseq, "");
                    no_canary(&hears.expect("ACK"));
                }
            }
        }
        caller.send("BYE", &lines, "");
        no_canary(&caller.expect((200, "BYE")));
        let bye = callee.expect("BYE");
        no_canary(&bye);
        callee.respond(&bye, 200, &lines, "");
        world.finish();
    }
}

#[test]
fn a_stranger_would_be_seen() {
    let world = World::new();
    let (mut caller, mut callee) = talk(&world, FIXED);
    caller.send("INFO", "", "");
    let mut info = callee.expect("INFO");
    callee.respond(&info, 200, "", "");
    caller.expect((200, "INFO"));
    check(&info);
    info.headers.push(("X-Odd".to_owned(), "1".to_owned()));
    assert!(std::panic::catch_unwind(|| check(&info)).is_err());
    caller.bye();
    callee.take_bye();
    world.finish();
}
