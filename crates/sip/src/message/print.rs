//! Printing: plain functions that append to a `Vec<u8>`. Lives here: lines and line ends. Never here: which lines.

use std::fmt::{self, Display, Write};

use super::headers::Name;
use super::method::Method;
use super::scan;

/// `METHOD uri SIP/2.0`
pub fn request_line(out: &mut Vec<u8>, method: &Method<'_>, uri: impl Display) {
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    value(out, uri);
    out.extend_from_slice(b" SIP/2.0\r\n");
}

/// `SIP/2.0 status reason`
pub fn status_line(out: &mut Vec<u8>, status: u16, reason: &str) {
    debug_assert!((100..700).contains(&status), "{status} is no SIP status");
    out.extend_from_slice(b"SIP/2.0 ");
    let digits = [status / 100 % 10, status / 10 % 10, status % 10];
    out.extend(digits.map(|digit| b'0' + digit as u8));
    out.push(b' ');
    text(out, reason);
    out.extend_from_slice(b"\r\n");
}

/// `Name: value`
pub fn header(out: &mut Vec<u8>, name: Name, of: impl Display) {
    debug_assert!(name != Name::Other, "a header without a name");
    begin(out, name.as_str());
    value(out, of);
    out.extend_from_slice(b"\r\n");
}

/// `Name: value` for a name that has no row in the table.
pub fn raw_header(out: &mut Vec<u8>, name: &str, of: &str) {
    let is_token = !name.is_empty() && name.bytes().all(|b| scan::is(scan::TOKEN, b));
    debug_assert!(is_token, "`{name}` is no header name");
    if is_token {
        begin(out, name);
        text(out, of);
        out.extend_from_slice(b"\r\n");
    }
}

/// How a message without a body ends.
pub const EMPTY_END: &[u8] = b"Content-Length: 0\r\n\r\n";

/// Content-Type if there is one, Content-Length, the empty line and the body.
pub fn finish(out: &mut Vec<u8>, content_type: Option<&str>, body: &[u8]) {
    if let Some(content_type) = content_type {
        header(out, Name::ContentType, content_type);
    }
    if body.is_empty() {
        out.extend_from_slice(EMPTY_END);
        return;
    }
    header(out, Name::ContentLength, body.len());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(body);
}

/// A quoted string: `"` and `\` are escaped, control characters become spaces.
pub fn quoted(out: &mut Vec<u8>, inside: &str) {
    out.push(b'"');
    for byte in inside.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..0x20 | 0x7f => out.push(b' '),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

fn begin(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
}

/// Appends what `of` displays.
fn value(out: &mut Vec<u8>, of: impl Display) {
    let from = out.len();
    write!(Text(out), "{of}").expect("memory takes all text");
    clean(out, from);
}

/// Appends text.
fn text(out: &mut Vec<u8>, of: &str) {
    let from = out.len();
    out.extend_from_slice(of.as_bytes());
    clean(out, from);
}

/// A line end in a value would begin a line of the sender's choice: a bug of the caller. In release builds it becomes a
/// space, as other control characters do in all builds (they can come in a quoted string of a peer).
fn clean(out: &mut [u8], from: usize) {
    let mut at = scan::find_control(out, from);
    while at < out.len() {
        debug_assert!(!matches!(out[at], b'\r' | b'\n'), "line end {} in a value", out[at]);
        out[at] = b' ';
        at = scan::find_control(out, at + 1);
    }
}

/// Lets `Display` write into bytes.
struct Text<'o>(&'o mut Vec<u8>);

impl Write for Text<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// The usual words for a status; of an unknown one those of its class.
pub fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        181 => "Call Is Being Forwarded",
        182 => "Queued",
        183 => "Session Progress",
        199 => "Early Dialog Terminated",
        200 => "OK",
        202 => "Accepted",
        204 => "No Notification",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        305 => "Use Proxy",
        380 => "Alternative Service",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        410 => "Gone",
        412 => "Conditional Request Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        421 => "Extension Required",
        422 => "Session Interval Too Small",
        423 => "Interval Too Brief",
        428 => "Use Identity Header",
        429 => "Provide Referrer Identity",
        430 => "Flow Failed",
        433 => "Anonymity Disallowed",
        439 => "First Hop Lacks Outbound Support",
        440 => "Max-Breadth Exceeded",
        469 => "Bad Info Package",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        483 => "Too Many Hops",
        484 => "Address Incomplete",
        485 => "Ambiguous",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        493 => "Undecipherable",
        494 => "Security Agreement Required",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Server Time-out",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        580 => "Precondition Failure",
        600 => "Busy Everywhere",
        603 => "Decline",
        604 => "Does Not Exist Anywhere",
        606 => "Not Acceptable",
        607 => "Unwanted",
        608 => "Rejected",
        _ => match status / 100 {
            1 => "Trying",
            2 => "OK",
            3 => "Redirection",
            4 => "Request Failure",
            5 => "Server Failure",
            _ => "Global Failure",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_lines() {
        let mut out = Vec::new();
        request_line(&mut out, &Method::Invite, "sip:a@b");
        header(&mut out, Name::MaxForwards, 70);
        raw_header(&mut out, "X-A", "b");
        finish(&mut out, Some("text/plain"), b"hello");
        let want = "INVITE sip:a@b SIP/2.0\r\nMax-Forwards: 70\r\nX-A: b\r\nContent-Type: text/plain\r\n\
                    Content-Length: 5\r\n\r\nhello";
        assert_eq!(String::from_utf8_lossy(&out), want);
        out.clear();
        status_line(&mut out, 486, reason_phrase(486));
        finish(&mut out, None, b"");
        assert_eq!(out, b"SIP/2.0 486 Busy Here\r\nContent-Length: 0\r\n\r\n");
    }

    #[test]
    fn quotes() {
        let mut out = Vec::new();
        quoted(&mut out, "a\"b\\c\r\n");
        assert_eq!(out, b"\"a\\\"b\\\\c  \"");
    }

    #[test]
    fn other_control_characters_become_spaces() {
        let mut out = Vec::new();
        header(&mut out, Name::Subject, "a\tb\0c\x7f\u{85}");
        assert_eq!(out, "Subject: a b c \u{85}\r\n".as_bytes());
    }

    #[cfg(debug_assertions)]
    #[test]
    #[should_panic(expected = "line end 13")]
    fn a_line_end_in_a_value_is_a_bug() {
        header(&mut Vec::new(), Name::Subject, "a\r\nVia: x");
    }

    #[cfg(not(debug_assertions))]
    #[test]
    fn a_line_end_in_a_value_becomes_spaces() {
        let mut out = Vec::new();
        header(&mut out, Name::Subject, "a\r\nVia: x");
        assert_eq!(out, b"Subject: a  Via: x\r\n");
    }
}
