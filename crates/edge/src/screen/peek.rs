//! A look at the request line without parsing. Lives here: which digits an INVITE dials.
//! Never here: what they mean (rating).

use std::str;

/// Longest code that is looked for: an emergency code of up to eight digits behind an outside line.
const LONGEST: usize = 9;

/// A few digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digits {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Digits {
    /// As text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.bytes[..self.length]).unwrap_or("")
    }
}

/// The few digits that an INVITE dials; `None` for other requests and for what is no short code.
pub fn dialled(bytes: &[u8]) -> Option<Digits> {
    let rest = bytes.trim_ascii_start().strip_prefix(b"INVITE ")?;
    let scheme = rest.iter().take(6).position(|byte| *byte == b':')?;
    if ![&b"sip"[..], b"sips", b"tel"].iter().any(|name| name.eq_ignore_ascii_case(&rest[..scheme]))
    {
        return None;
    }
    let mut digits = Digits { bytes: [0; LONGEST], length: 0 };
    for byte in &rest[scheme + 1..] {
        match byte {
            b'0'..=b'9' => {
                *digits.bytes.get_mut(digits.length)? = *byte;
                digits.length += 1;
            }
            // RFC 3966 §5.1.1: visual separators.
            b'-' | b'.' | b'(' | b')' => {}
            b'@' | b';' | b' ' => break,
            _ => return None,
        }
    }
    (digits.length >= 2).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_codes_are_seen_and_nothing_else() {
        fn check(text: &str, want: Option<&str>) {
            let got = dialled(text.as_bytes());
            assert_eq!(got.as_ref().map(Digits::as_str), want, "{text}");
        }
        check("INVITE sip:999@example.com SIP/2.0\r\n", Some("999"));
        check("\r\n\r\nINVITE sips:112;user=phone@example.com SIP/2.0\r\n", Some("112"));
        check("INVITE tel:9-9-9;phone-context=+44 SIP/2.0\r\n", Some("999"));
        check("INVITE SIP:9999@example.com SIP/2.0\r\n", Some("9999"));
        check("INVITE tel:18000 SIP/2.0\r\n", Some("18000"));
        check("INVITE sip:+999@example.com SIP/2.0\r\n", None);
        check("INVITE sip:alice@example.com SIP/2.0\r\n", None);
        check("INVITE sip:442083661177@example.com SIP/2.0\r\n", None);
        check("REGISTER sip:999@example.com SIP/2.0\r\n", None);
        check("INVITE http:999 SIP/2.0\r\n", None);
        check("INVITE sip:", None);
        check("INVITE ", None);
    }
}
