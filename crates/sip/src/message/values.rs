//! Small header values: CSeq, RAck, Session-Expires, numbers. Never here: timers.

use super::error::{Fault, HeaderError};
use super::method::Method;
use super::params::{Params, read_params};
use super::scan::Scanner;

/// RFC 3261 §8.1.1.5: less than 2³¹.
const MAX_CSEQ: u32 = (1 << 31) - 1;

/// CSeq: orders the requests of a dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// Its number.
    pub number: u32,
    /// The method of the request.
    pub method: Method<'a>,
}

/// RAck: which provisional response a PRACK acknowledges (RFC 3262).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RAck<'a> {
    /// RSeq of that response.
    pub rseq: u32,
    /// CSeq of that response.
    pub cseq: CSeq<'a>,
}

/// Who refreshes a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refresher {
    /// The one who sent the request.
    Uac,
    /// The one who answered it.
    Uas,
}

/// Session-Expires (RFC 4028).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionExpires {
    /// Length of the session in seconds.
    pub seconds: u32,
    /// Who refreshes it, if that is said.
    pub refresher: Option<Refresher>,
}

/// Content-Type and its like: `type/subtype;parameters`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaType<'a> {
    /// Before the slash.
    pub kind: &'a str,
    /// After it.
    pub subtype: &'a str,
    /// What follows.
    pub params: Params<'a>,
}

impl MediaType<'_> {
    /// Is it this type? Case does not count.
    pub fn is(&self, kind: &str, subtype: &str) -> bool {
        self.kind.eq_ignore_ascii_case(kind) && self.subtype.eq_ignore_ascii_case(subtype)
    }
}

/// Reads a media type, all of `text`.
pub fn media_type(text: &str) -> Result<MediaType<'_>, HeaderError> {
    read_media_type(&mut Scanner::new(text)).map_err(|fault| fault.error)
}

fn read_media_type<'a>(scanner: &mut Scanner<'a>) -> Result<MediaType<'a>, Fault> {
    scanner.skip_lws();
    let kind = scanner.token()?;
    scanner.skip_lws();
    if !scanner.eat(b'/') {
        return scanner.fault(HeaderError::Token);
    }
    scanner.skip_lws();
    let subtype = scanner.token()?;
    let params = read_params(scanner, |_| Ok(()))?;
    scanner.end()?;
    Ok(MediaType { kind, subtype, params })
}

fn number_and_method<'a>(scanner: &mut Scanner<'a>, max: u32) -> Result<CSeq<'a>, Fault> {
    let number = scanner.number(max)?;
    let before = scanner.at();
    scanner.skip_lws();
    if scanner.at() == before {
        return scanner.fault(HeaderError::Number);
    }
    let method = Method::find(scanner.token()?);
    Ok(CSeq { number, method })
}

pub(crate) fn read_cseq<'a>(scanner: &mut Scanner<'a>) -> Result<CSeq<'a>, Fault> {
    let cseq = number_and_method(scanner, MAX_CSEQ)?;
    scanner.end()?;
    Ok(cseq)
}

pub(crate) fn read_rack<'a>(scanner: &mut Scanner<'a>) -> Result<RAck<'a>, Fault> {
    let rseq = scanner.number(u32::MAX)?;
    scanner.skip_lws();
    let cseq = read_cseq(scanner)?;
    Ok(RAck { rseq, cseq })
}

/// A number up to `max` and nothing else.
pub(crate) fn read_number(scanner: &mut Scanner<'_>, max: u32) -> Result<u32, Fault> {
    let number = scanner.number(max)?;
    scanner.end()?;
    Ok(number)
}

/// A number, then parameters that are not looked at (Min-SE, Retry-After without comment).
pub(crate) fn read_delta(scanner: &mut Scanner<'_>) -> Result<u32, Fault> {
    let number = scanner.number(u32::MAX)?;
    read_params(scanner, |_| Ok(()))?;
    scanner.end()?;
    Ok(number)
}

pub(crate) fn read_session_expires(scanner: &mut Scanner<'_>) -> Result<SessionExpires, Fault> {
    let seconds = scanner.number(u32::MAX)?;
    let mut refresher = None;
    read_params(scanner, |param| {
        if !param.name.eq_ignore_ascii_case("refresher") {
            return Ok(());
        }
        refresher = match param.value {
            Some(value) if value.eq_ignore_ascii_case("uac") => Some(Refresher::Uac),
            Some(value) if value.eq_ignore_ascii_case("uas") => Some(Refresher::Uas),
            _ => return Err(HeaderError::Parameter),
        };
        Ok(())
    })?;
    scanner.end()?;
    Ok(SessionExpires { seconds, refresher })
}

/// Call-ID: words of printable characters, RFC 3261 `word [ "@" word ]`; what must be escaped elsewhere is allowed.
pub(crate) fn check_call_id(value: &str) -> Result<(), Fault> {
    if value.is_empty() {
        return Err(Fault { error: HeaderError::Empty, at: 0 });
    }
    match value.bytes().position(|b| !(0x21..0x7f).contains(&b) || matches!(b, b',' | b';')) {
        Some(at) => Err(Fault { error: HeaderError::Token, at }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cseq() {
        fn check(text: &str, want: Result<(u32, &str), HeaderError>) {
            let got = read_cseq(&mut Scanner::new(text));
            let got = got.map(|c| (c.number, c.method.as_str())).map_err(|fault| fault.error);
            assert_eq!(got, want, "{text}");
        }
        check("1 INVITE", Ok((1, "INVITE")));
        check("0009   INVITE", Ok((9, "INVITE")));
        check("0\tx!", Ok((0, "x!")));
        check("2147483647 ACK", Ok((2_147_483_647, "ACK")));
        check("2147483648 ACK", Err(HeaderError::Range));
        check("36893488147419103232 ACK", Err(HeaderError::Range));
        check("-1 ACK", Err(HeaderError::Number));
        check("1", Err(HeaderError::Number));
        check("1ACK", Err(HeaderError::Number));
        check("1 ", Err(HeaderError::Token));
        check("1 ACK BYE", Err(HeaderError::Trailing));
        check("1 ACK, 2 BYE", Err(HeaderError::Trailing));
        check("", Err(HeaderError::Number));
    }

    #[test]
    fn rack() {
        let got = read_rack(&mut Scanner::new("776656 1 INVITE")).expect("well-formed");
        assert_eq!((got.rseq, got.cseq.number, got.cseq.method), (776_656, 1, Method::Invite));
        assert!(read_rack(&mut Scanner::new("1 INVITE")).is_err());
        assert!(read_rack(&mut Scanner::new("4294967296 1 INVITE")).is_err());
    }

    #[test]
    fn session_expires() {
        fn check(text: &str, want: Result<(u32, Option<Refresher>), HeaderError>) {
            let got = read_session_expires(&mut Scanner::new(text));
            assert_eq!(got.map(|s| (s.seconds, s.refresher)).map_err(|f| f.error), want, "{text}");
        }
        check("1800", Ok((1800, None)));
        check("90 ; refresher = UAS;x=y", Ok((90, Some(Refresher::Uas))));
        check("90;refresher=uac", Ok((90, Some(Refresher::Uac))));
        check("90;refresher=me", Err(HeaderError::Parameter));
        check("90;refresher=uac;refresher=uas", Err(HeaderError::Duplicate));
        check("4294967296", Err(HeaderError::Range));
        check("x", Err(HeaderError::Number));
    }

    #[test]
    fn call_id() {
        for good in ["a", "a@b", "wsinv.ndaksdj@192.0.2.1", "<{x}>\"\\?/[]:()%~`'*+"] {
            assert_eq!(check_call_id(good), Ok(()), "{good}");
        }
        for bad in ["", "a b", "a,b", "é"] {
            assert!(check_call_id(bad).is_err(), "{bad}");
        }
    }
}
