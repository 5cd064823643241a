//! Request lines and status lines (RFC 3261 §7.1, §7.2): single spaces, nothing more.

use super::StartLine;
use super::error::{ParseErrorKind, UriError};
use super::method::Method;
use super::scan::{self, TOKEN, split_byte};
use super::uri::{Scheme, Uri};

/// A start line, and the parts of its Request-URI if it has one.
pub(crate) type StartParts<'a> = (StartLine<'a>, Option<Uri<'a>>);

/// Reads a start line; a fault comes with its byte offset.
pub(crate) fn read_start_line(line: &str) -> Result<StartParts<'_>, (ParseErrorKind, usize)> {
    match line.as_bytes() {
        [b'S' | b's', b'I' | b'i', b'P' | b'p', b'/', ..] => read_status_line(line),
        _ => read_request_line(line),
    }
}

/// `SIP/2.0 SP status SP reason`; the last space may be missing where there is no reason.
fn read_status_line(line: &str) -> Result<StartParts<'_>, (ParseErrorKind, usize)> {
    let (version, rest) = split_byte(line, b' ').ok_or((ParseErrorKind::StartLine, 0))?;
    check_version(version).map_err(|kind| (kind, 0))?;
    let at = version.len() + 1;
    let (digits, reason) = split_byte(rest, b' ').unwrap_or((rest, ""));
    let is_status = digits.len() == 3 && digits.bytes().all(|b| b.is_ascii_digit());
    let status = digits.parse().ok().filter(|status| is_status && (100..700).contains(status));
    let status = status.ok_or((ParseErrorKind::Status, at))?;
    Ok((StartLine::Response { status, reason }, None))
}

/// `method SP uri SP SIP/2.0`
fn read_request_line(line: &str) -> Result<StartParts<'_>, (ParseErrorKind, usize)> {
    let (method, rest) = split_byte(line, b' ').ok_or((ParseErrorKind::StartLine, 0))?;
    if method.is_empty() || !method.bytes().all(|b| scan::is(TOKEN, b)) {
        return Err((ParseErrorKind::Method, 0));
    }
    let uri_at = method.len() + 1;
    let (uri, version) = rest.split_once(' ').ok_or((ParseErrorKind::StartLine, uri_at))?;
    check_version(version).map_err(|kind| (kind, uri_at + uri.len() + 1))?;
    let target = Uri::parse(uri).map_err(|error| (ParseErrorKind::RequestUri(error), uri_at))?;
    // RFC 3261 §19.1.1, table 1: no headers in a Request-URI.
    if matches!(target.scheme, Scheme::Sip | Scheme::Sips) && target.headers.is_some() {
        return Err((ParseErrorKind::RequestUri(UriError::Headers), uri_at));
    }
    Ok((StartLine::Request { method: Method::find(method), uri }, Some(target)))
}

/// `SIP/2.0`, or another version, or none at all.
fn check_version(text: &str) -> Result<(), ParseErrorKind> {
    if text == "SIP/2.0" || text.eq_ignore_ascii_case("SIP/2.0") {
        return Ok(());
    }
    let number = text.get(..4).filter(|sip| sip.eq_ignore_ascii_case("SIP/")).map(|_| &text[4..]);
    let is_version = number.and_then(|number| number.split_once('.')).is_some_and(|(a, b)| {
        [a, b].iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    });
    Err(if is_version { ParseErrorKind::Version } else { ParseErrorKind::StartLine })
}
