//! SIP, SIPS and tel URIs (RFC 3261 §19.1, RFC 3966). Lives here: their parts, checked, and when two are the same.
//! Never here: name resolution, numbers as numbers.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use arrayvec::{ArrayString, ArrayVec};

use super::error::UriError;
use super::params::{MAX_PARAMS, Param, Params};
use super::scan::{self, HOST, URI, URI_HEADER, URI_PARAM, USER, find_byte, split_byte};

/// Schemes that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `sip:`
    Sip,
    /// `sips:`
    Sips,
    /// `tel:`
    Tel,
    /// Any other; only its characters were looked at.
    Other,
}

/// A URI in its parts; all of them as they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uri<'a> {
    /// Its scheme.
    pub scheme: Scheme,
    /// User part with its escapes; of a `tel:` URI the number.
    pub user: Option<&'a str>,
    /// Password with its escapes.
    pub password: Option<&'a str>,
    /// Host name or address, IPv6 in brackets; empty unless `sip:` or `sips:`.
    pub host: &'a str,
    /// Port, if it is given.
    pub port: Option<u16>,
    /// Parameters.
    pub params: Params<'a>,
    /// What follows `?`.
    pub headers: Option<&'a str>,
    /// All of it.
    pub raw: &'a str,
}

impl<'a> Uri<'a> {
    /// The URI as a Request-URI: without its headers, which may not stand there (RFC 3261 §19.1.1).
    pub fn without_headers(&self) -> &'a str {
        let cut = self.headers.map_or(0, |headers| headers.len() + 1);
        &self.raw[..self.raw.len() - cut]
    }

    /// Reads a URI, all of `text`.
    pub fn parse(text: &'a str) -> Result<Uri<'a>, UriError> {
        let (scheme, rest) = split_scheme(text)?;
        let empty = Uri {
            scheme,
            user: None,
            password: None,
            host: "",
            port: None,
            params: Params::default(),
            headers: None,
            raw: text,
        };
        match scheme {
            Scheme::Sip | Scheme::Sips => sip(rest, empty),
            Scheme::Tel => tel(rest, empty),
            Scheme::Other => match check_characters(rest)? {
                true => Ok(empty),
                false => Err(UriError::Host),
            },
        }
    }

    /// The user part with its escapes undone, empty if there is none. Bytes that are not UTF-8 become U+FFFD.
    pub fn user_decoded(&self) -> Cow<'a, str> {
        decode(self.user.unwrap_or(""))
    }

    /// The `transport` parameter.
    pub fn transport(&self) -> Option<&'a str> {
        self.params.value("transport")
    }

    /// Has it the `lr` parameter (loose routing)?
    pub fn is_loose(&self) -> bool {
        self.params.has("lr")
    }

    /// The host as an address, if it is one.
    pub fn host_ip(&self) -> Option<IpAddr> {
        host_ip(self.host)
    }

    /// Are both the same by RFC 3261 §19.1.4, or RFC 3966 §4 for `tel:`; others only byte by byte?
    pub fn equivalent(&self, other: &Uri<'_>) -> bool {
        match (self.scheme, other.scheme) {
            (Scheme::Sip, Scheme::Sip) | (Scheme::Sips, Scheme::Sips) => {
                same_text(self.user, other.user)
                    && same_text(self.password, other.password)
                    && same_host(self.host, other.host)
                    && self.port == other.port
                    && same_params(self.params, other.params)
                    && same_headers(self.headers, other.headers)
            }
            (Scheme::Tel, Scheme::Tel) => same_tel(self, other),
            _ => self.raw == other.raw,
        }
    }
}

/// Scheme and what follows its colon.
pub(crate) fn split_scheme(text: &str) -> Result<(Scheme, &str), UriError> {
    let colon = text.bytes().position(|b| b == b':').ok_or(UriError::Scheme)?;
    let (name, rest) = (&text[..colon], &text[colon + 1..]);
    let is_scheme = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    let scheme = match name.len() {
        _ if !is_scheme => return Err(UriError::Scheme),
        3 if name.eq_ignore_ascii_case("sip") => Scheme::Sip,
        4 if name.eq_ignore_ascii_case("sips") => Scheme::Sips,
        3 if name.eq_ignore_ascii_case("tel") => Scheme::Tel,
        _ => Scheme::Other,
    };
    Ok((scheme, rest))
}

/// Are all characters such as a URI may have? `false`: there are none at all.
pub(crate) fn check_characters(text: &str) -> Result<bool, UriError> {
    match text.bytes().all(|b| scan::is(URI, b)) {
        true => Ok(!text.is_empty()),
        false => Err(UriError::Character),
    }
}

/// `[user[:password]@]host[:port][;params][?headers]`
fn sip<'a>(rest: &'a str, mut uri: Uri<'a>) -> Result<Uri<'a>, UriError> {
    let mut rest = rest;
    // `@` stands nowhere else unescaped, so the first one ends the user part.
    if let Some(at) = find_byte(rest, b'@') {
        let (user, password) = match split_byte(&rest[..at], b':') {
            Some((user, password)) => (user, Some(password)),
            None => (&rest[..at], None),
        };
        if user.is_empty() {
            return Err(UriError::User);
        }
        check_escaped(user, USER, UriError::User)?;
        check_escaped(password.unwrap_or(""), USER, UriError::Password)?;
        (uri.user, uri.password) = (Some(user), password);
        rest = &rest[at + 1..];
    }
    let (host, port, mut rest) = split_host(rest)?;
    (uri.host, uri.port) = (host, port);
    if let Some((before, headers)) = split_byte(rest, b'?') {
        if headers.is_empty() || headers.split('&').nth(MAX_PARAMS).is_some() {
            return Err(UriError::Headers);
        }
        check_escaped(headers, URI_HEADER, UriError::Headers)?;
        uri.headers = Some(headers);
        rest = before;
    }
    uri.params = params(rest)?;
    Ok(uri)
}

/// `number[;params]`
fn tel<'a>(rest: &'a str, mut uri: Uri<'a>) -> Result<Uri<'a>, UriError> {
    let end = find_byte(rest, b';').unwrap_or(rest.len());
    let number = &rest[..end];
    let digits = number.strip_prefix('+').unwrap_or(number);
    let is_global = digits.len() < number.len();
    let is_number = digits.bytes().all(|b| match b {
        b'0'..=b'9' | b'-' | b'.' | b'(' | b')' => true,
        b'a'..=b'f' | b'A'..=b'F' | b'*' | b'#' => !is_global,
        _ => false,
    });
    let has_digit = digits.bytes().any(|b| b.is_ascii_hexdigit() || matches!(b, b'*' | b'#'));
    if !is_number || !has_digit {
        return Err(UriError::Number);
    }
    uri.user = Some(number);
    uri.params = params(&rest[end..])?;
    Ok(uri)
}

/// Host, port, and what follows them.
pub(crate) fn split_host(text: &str) -> Result<(&str, Option<u16>, &str), UriError> {
    let bytes = text.as_bytes();
    let end = match bytes.first() {
        Some(b'[') => {
            let close = bytes.iter().position(|&b| b == b']').ok_or(UriError::Host)?;
            ipv6(&text[1..close]).ok_or(UriError::Host)?;
            close + 1
        }
        _ => bytes.iter().position(|&b| !scan::is(HOST, b)).unwrap_or(bytes.len()),
    };
    let (host, rest) = text.split_at(end);
    if host.is_empty() {
        return Err(UriError::Host);
    }
    let Some(after_colon) = rest.strip_prefix(':') else {
        return Ok((host, None, rest));
    };
    let digits = after_colon.bytes().take_while(u8::is_ascii_digit).count();
    let port = after_colon[..digits].parse().map_err(|_| UriError::Port)?;
    Ok((host, Some(port), &after_colon[digits..]))
}

/// `;name[=value]`, any number up to [`MAX_PARAMS`], each name once (RFC 3261 §19.1.1): with two of a name, nobody
/// could say which counts.
fn params(text: &str) -> Result<Params<'_>, UriError> {
    let Some(list) = text.strip_prefix(';') else {
        return match text.is_empty() {
            true => Ok(Params::default()),
            false => Err(UriError::Host),
        };
    };
    let mut names: ArrayVec<&str, MAX_PARAMS> = ArrayVec::new();
    let mut rest = Some(list);
    while let Some(list) = rest {
        let (param, after) = match split_byte(list, b';') {
            Some((param, after)) => (param, Some(after)),
            None => (list, None),
        };
        rest = after;
        let (name, value) = match split_byte(param, b'=') {
            Some((name, value)) => (name, Some(value)),
            None => (param, None),
        };
        if name.is_empty() || value == Some("") {
            return Err(UriError::Parameter);
        }
        check_escaped(name, URI_PARAM, UriError::Parameter)?;
        check_escaped(value.unwrap_or(""), URI_PARAM, UriError::Parameter)?;
        if names.iter().any(|earlier| earlier.eq_ignore_ascii_case(name)) {
            return Err(UriError::Duplicate);
        }
        names.try_push(name).map_err(|_| UriError::Parameter)?;
    }
    Ok(Params::checked(text))
}

/// Only characters of the class, and escapes.
fn check_escaped(text: &str, class: u8, error: UriError) -> Result<(), UriError> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'%' {
            let digits = bytes.get(at + 1..at + 3).ok_or(UriError::Escape)?;
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return Err(UriError::Escape);
            }
            at += 3;
        } else if scan::is(class, byte) {
            at += 1;
        } else {
            return Err(error);
        }
    }
    Ok(())
}

/// An IPv6 address without brackets. The grammar of RFC 3261 lets a third colon stand before an embedded IPv4
/// address (RFC 5118 §4.10); it is overlooked.
pub(crate) fn ipv6(text: &str) -> Option<Ipv6Addr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let at = text.find(":::")?;
    let mut fixed = ArrayString::<48>::new();
    fixed.try_push_str(&text[..at]).ok()?;
    fixed.try_push_str(&text[at + 1..]).ok()?;
    fixed.contains('.').then(|| fixed.parse().ok()).flatten()
}

/// A host as an address: IPv4, or IPv6 with or without brackets.
pub fn host_ip(host: &str) -> Option<IpAddr> {
    match host.strip_prefix('[') {
        Some(inner) => ipv6(inner.strip_suffix(']')?).map(IpAddr::V6),
        None if host.contains(':') => ipv6(host).map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    }
}

/// The bytes of text with its escapes undone.
fn unescape(text: &str) -> impl Iterator<Item = u8> + '_ {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let &byte = bytes.get(at)?;
        at += 1;
        if byte != b'%' {
            return Some(byte);
        }
        let digit = |i: usize| char::from(*bytes.get(i)?).to_digit(16);
        let (Some(high), Some(low)) = (digit(at), digit(at + 1)) else {
            return Some(byte);
        };
        at += 2;
        Some((high * 16 + low) as u8)
    })
}

/// Text with its escapes undone.
pub fn decode(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let bytes: Vec<u8> = unescape(text).collect();
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// Case counts, escapes do not.
fn same_text(a: Option<&str>, b: Option<&str>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b || unescape(a).eq(unescape(b)),
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// Neither case nor escapes count.
fn same_text_any_case(a: &str, b: &str) -> bool {
    let lower = |text| unescape(text).map(|byte| byte.to_ascii_lowercase());
    lower(a).eq(lower(b))
}

fn same_host(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || host_ip(a).is_some_and(|ip| host_ip(b) == Some(ip))
}

/// Parameters that both have must be equal; those that change where a request goes must be in both or in none.
fn same_params(a: Params<'_>, b: Params<'_>) -> bool {
    const BOTH_OR_NONE: [&str; 5] = ["transport", "user", "method", "ttl", "maddr"];
    let covers = |a: Params<'_>, b: Params<'_>| {
        a.iter().all(|Param { name, value }| match b.find(name) {
            Some(other) => same_text_any_case(value.unwrap_or(""), other.unwrap_or("")),
            None => !BOTH_OR_NONE.iter().any(|must| must.eq_ignore_ascii_case(name)),
        })
    };
    covers(a, b) && covers(b, a)
}

/// The same headers in any order, each as often.
fn same_headers(a: Option<&str>, b: Option<&str>) -> bool {
    let count = |headers: &str, wanted: &str| {
        headers.split('&').filter(|header| same_header(header, wanted)).count()
    };
    match (a, b) {
        (Some(a), Some(b)) => {
            a.split('&').count() == b.split('&').count()
                && a.split('&').all(|header| count(a, header) == count(b, header))
        }
        (a, b) => a.is_none() && b.is_none(),
    }
}

fn same_header(a: &str, b: &str) -> bool {
    match (a.split_once('='), b.split_once('=')) {
        (Some((name, value)), Some((other_name, other_value))) => {
            same_text_any_case(name, other_name) && same_text(Some(value), Some(other_value))
        }
        _ => a == b,
    }
}

/// RFC 3966 §4: visual separators and case do not count; each parameter must be in both, in any order.
fn same_tel(a: &Uri<'_>, b: &Uri<'_>) -> bool {
    fn digits<'t>(text: &'t str) -> impl Iterator<Item = u8> + 't {
        let is_digit = |b: &u8| !matches!(b, b'-' | b'.' | b'(' | b')');
        text.bytes().filter(is_digit).map(|b| b.to_ascii_lowercase())
    }
    let covers = |a: Params<'_>, b: Params<'_>| {
        a.iter().all(|Param { name, value }| {
            b.find(name).is_some_and(|other| {
                let (value, other) = (value.unwrap_or(""), other.unwrap_or(""));
                let is_number = value.starts_with('+') || name.eq_ignore_ascii_case("ext");
                match is_number {
                    true => digits(value).eq(digits(other)),
                    false => same_text_any_case(value, other),
                }
            })
        })
    };
    digits(a.user.unwrap_or("")).eq(digits(b.user.unwrap_or("")))
        && covers(a.params, b.params)
        && covers(b.params, a.params)
}

#[cfg(test)]
mod tests;
