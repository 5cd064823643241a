//! What may leave a B2BUA (security.md P3, P4): headers of ours only, and one reading for everybody.
//! Lives here: a reader that knows nothing of the product's. Never here: what belongs into a call.

use sip::message::{Message, Origin};

/// Planted in every message that comes in; nothing of its header may leave.
pub const CANARY: &str = "canary-4711";

/// Headers that are answered or composed; nothing else has a place in the code.
const OURS: &[&str] = &[
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Max-Forwards",
    "Route",
    "Record-Route",
    "Timestamp",
    "Contact",
    "Allow",
    "Supported",
    "Require",
    "Unsupported",
    "Session-Expires",
    "Min-SE",
    "RSeq",
    "RAck",
    "Reason",
    "Warning",
    "Retry-After",
    "Privacy",
    "P-Asserted-Identity",
    "User-Agent",
    "Authorization",
    "Proxy-Authorization",
    "Content-Type",
    "Content-Length",
];

/// Headers that may stand more than once.
const LISTS: &[&str] = &["Via", "Route", "Record-Route"];

/// Longer ones are answers to what was nearly too long itself.
const MOST_PARSED: usize = 16_000;

/// Panics when a message that leaves may be read in two ways, or has what is not ours.
pub fn check(bytes: &[u8], has_canary: bool) {
    let shown = || String::from_utf8_lossy(bytes).into_owned();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("an empty line");
    let (head, body) = (&bytes[..end], &bytes[end + 4..]);
    let head = std::str::from_utf8(head).expect("a head is text");
    let is_clean = |line: &str| line.bytes().all(|b| b == b'\t' || (b >= 0x20 && b != 0x7f));
    let mut lines = head.split("\r\n");
    assert!(lines.next().is_some_and(is_clean), "a start line:\n{}", shown());
    let mut read: Vec<(&str, &str)> = Vec::new();
    for line in lines {
        assert!(is_clean(line), "{line:?} in\n{}", shown());
        let (name, value) = line.split_once(": ").expect("a name and a value");
        assert!(OURS.contains(&name), "{line:?} is not ours:\n{}", shown());
        let again = read.iter().any(|(known, _)| *known == name);
        assert!(!again || LISTS.contains(&name), "{name} twice:\n{}", shown());
        read.push((name, value.trim_matches([' ', '\t'])));
    }
    let length = read.iter().find(|(name, _)| *name == "Content-Length").expect("a length").1;
    assert_eq!(length.parse(), Ok(body.len()), "{}", shown());
    if has_canary {
        assert!(!head.contains(CANARY), "{}", shown());
    }
    if bytes.len() > MOST_PARSED {
        return;
    }
    for origin in [Origin::Datagram, Origin::Stream] {
        let mut copy = bytes.to_vec();
        let message = Message::parse(&mut copy, origin).unwrap_or_else(|error| {
            panic!("our own parser does not take it: {error}\n{}", shown());
        });
        assert_eq!(message.body, body);
        let ours: Vec<(&str, &str)> =
            message.lines().map(|line| (line.raw_name, line.value)).collect();
        assert_eq!(ours, read, "two readings of\n{}", shown());
    }
}
