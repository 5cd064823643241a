//! Tools that look for somebody to attack. Lives here: the names they give themselves.
//! Never here: what happens to them (screen).

use sip::message::{Message, Name};

/// Beginnings of User-Agent, in lower case, that only tools for scanning send. None of a program that a
/// customer could register with, as VaxSIPUserAgent (a kit that softphones are made with) or sipsak
/// (operators watch their servers with it), although such names are seen in attacks, too.
const AGENTS: &[&str] = &[
    // svmap, svwar, svcrack of SIPVicious, unless they are told another; by far the most frequent.
    "friendly-scanner",
    "sipvicious",
    // Worms of 2010 and later that carry parts of SIPVicious.
    "sundayddr",
    "sip-scan",
    // sippts (https://github.com/Pepelux/sippts).
    "pplsip",
    // A command-line caller, known for trying numbers (smartvox.co.uk, "How to spot hacker INVITE requests").
    "sipcli",
    // The SIP scripts of nmap.
    "nmap nse",
    // SIVuS and smap, scanners of the 2000s that are still run.
    "sivus",
    "smap ",
];

/// The display name that SIPVicious puts into From.
const DISPLAY: &str = "sipvicious";

/// Does it come from a tool for scanning that says so?
pub fn is_scanner(message: &Message<'_>) -> bool {
    let agent = message.header(Name::UserAgent).unwrap_or("").as_bytes();
    let is_agent = |known: &&str| {
        agent.get(..known.len()).is_some_and(|start| start.eq_ignore_ascii_case(known.as_bytes()))
    };
    AGENTS.iter().any(is_agent)
        || message
            .from()
            .display
            .is_some_and(|name| name.trim_matches('"').eq_ignore_ascii_case(DISPLAY))
}
