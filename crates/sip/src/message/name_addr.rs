//! Addresses: display name, URI, parameters (From, To, Contact, Route, …). Never here: what is done with an address.

use arrayvec::ArrayVec;

use super::error::{Fault, HeaderError, UriError};
use super::params::{Params, read_params};
use super::scan::{self, DISPLAY, Scanner, URI, trim};
use super::uri::{Uri, split_scheme};

/// Most contacts of one message that [`super::Message::contacts`] reads.
pub const MAX_CONTACTS: usize = 16;

/// One address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameAddr<'a> {
    /// Display name: of a quoted string the inside, escapes as they came; `None` if there is none or it is empty.
    pub display: Option<&'a str>,
    /// The URI; its characters and its scheme were checked, its parts are read by [`NameAddr::parse_uri`].
    pub uri: &'a str,
    /// Parameters after the URI.
    pub params: Params<'a>,
    tag: Option<&'a str>,
}

impl<'a> NameAddr<'a> {
    /// Reads one address, all of `text`.
    pub fn parse(text: &'a str) -> Result<NameAddr<'a>, HeaderError> {
        let mut scanner = Scanner::new(text);
        read_name_addr(&mut scanner).map_err(|fault| fault.error)
    }

    /// The `tag` parameter.
    pub fn tag(&self) -> Option<&'a str> {
        self.tag
    }

    /// The value of a parameter, if it has one.
    pub fn param(&self, name: &str) -> Option<&'a str> {
        self.params.value(name)
    }

    /// The parts of the URI.
    pub fn parse_uri(&self) -> Result<Uri<'a>, UriError> {
        Uri::parse(self.uri)
    }
}

/// The Contact values of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "it lives on the stack for a moment; a box would be an allocation per registration"
)]
pub enum Contacts<'a> {
    /// `*`: all bindings.
    Star,
    /// Addresses; empty when there is no Contact.
    List(ArrayVec<NameAddr<'a>, MAX_CONTACTS>),
}

/// Reads one address up to the end of the text.
pub(crate) fn read_name_addr<'a>(scanner: &mut Scanner<'a>) -> Result<NameAddr<'a>, Fault> {
    let (display, uri) = read_address(scanner)?;
    let mut tag = None;
    let params = read_params(scanner, |param| {
        if param.name.len() != 3 || !param.name.eq_ignore_ascii_case("tag") {
            return Ok(());
        }
        tag = param.value.filter(|value| !value.is_empty());
        if tag.is_none() {
            return Err(HeaderError::Parameter);
        }
        Ok(())
    })?;
    scanner.end()?;
    Ok(NameAddr { display, uri, params, tag })
}

/// `"display" <uri>`, `display <uri>`, `<uri>` or `uri`
fn read_address<'a>(scanner: &mut Scanner<'a>) -> Result<(Option<&'a str>, &'a str), Fault> {
    scanner.skip_lws();
    let display = match scanner.peek() {
        None => return scanner.fault(HeaderError::Empty),
        Some(b'"') => {
            let display = scanner.quoted()?;
            scanner.skip_lws();
            display
        }
        Some(_) => {
            let before = scanner.clone();
            let display = trim(scanner.run(DISPLAY));
            if scanner.peek() != Some(b'<') {
                *scanner = before;
                return read_bare(scanner).map(|uri| (None, uri));
            }
            display
        }
    };
    if !scanner.eat(b'<') {
        return scanner.fault(HeaderError::Bracket);
    }
    let at = scanner.at();
    let uri = scanner.run(URI);
    if !scanner.eat(b'>') {
        return scanner.fault(HeaderError::Bracket);
    }
    split_scheme(uri).map_err(|error| Fault { error: HeaderError::Uri(error), at })?;
    Ok((Some(display).filter(|display| !display.is_empty()), uri))
}

/// A URI without `<>`: it ends at `;`, which begins parameters of the header, and must not have `,` or `?`
/// (RFC 3261 §20).
fn read_bare<'a>(scanner: &mut Scanner<'a>) -> Result<&'a str, Fault> {
    let at = scanner.at();
    let rest = scanner.rest();
    let end = rest
        .bytes()
        .position(|b| !scan::is(URI, b) || matches!(b, b';' | b',' | b'?'))
        .unwrap_or(rest.len());
    let (uri, after) = rest.split_at(end);
    split_scheme(uri).map_err(|error| match after.trim_start().starts_with([',', '<']) {
        true => Fault { error: HeaderError::DisplayName, at },
        false => Fault { error: HeaderError::Uri(error), at },
    })?;
    scanner.skip_to(after);
    match scanner.peek() {
        Some(b'?' | b',') => scanner.fault(HeaderError::Bracket),
        _ => Ok(uri),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads() {
        fn check(text: &str, display: Option<&str>, uri: &str, tag: Option<&str>, params: &str) {
            let got = NameAddr::parse(text).expect(text);
            assert_eq!(
                (got.display, got.uri, got.tag(), got.params.as_str()),
                (display, uri, tag, params)
            );
        }
        check("sip:a@b", None, "sip:a@b", None, "");
        check("sip:a@b;tag=x", None, "sip:a@b", Some("x"), ";tag=x");
        check("sip:a@b ;  tag =\tx ", None, "sip:a@b", Some("x"), ";  tag =\tx");
        check("<sip:a;p=q@b;lr?x=y>;Tag=x", None, "sip:a;p=q@b;lr?x=y", Some("x"), ";Tag=x");
        check("\"A \\\" <b>, c\" <sip:a@b>", Some("A \\\" <b>, c"), "sip:a@b", None, "");
        check("A.B caller<sip:a@b>", Some("A.B caller"), "sip:a@b", None, "");
        check("Jürgen <sip:a@b>", Some("Jürgen"), "sip:a@b", None, "");
        check("\"\" <sip:a@b>", None, "sip:a@b", None, "");
        check("Office (home) <tel:+44123>", Some("Office (home)"), "tel:+44123", None, "");
        check("<sip:a@b>;q=0.5;x=\"y\"", None, "sip:a@b", None, ";q=0.5;x=\"y\"");
        check("isbn:2983792873", None, "isbn:2983792873", None, "");
    }

    #[test]
    fn refuses() {
        fn check(text: &str, want: HeaderError) {
            assert_eq!(NameAddr::parse(text), Err(want), "{text}");
        }
        check("", HeaderError::Empty);
        check("  ", HeaderError::Empty);
        check("\"A <sip:a@b>", HeaderError::Quote);
        check("\"A\" sip:a@b", HeaderError::Bracket);
        check("Bell, Alexander <sip:a@b>", HeaderError::DisplayName);
        check("a@b", HeaderError::Uri(UriError::Scheme));
        check("<a@b>", HeaderError::Uri(UriError::Scheme));
        check("<sip:a@b", HeaderError::Bracket);
        check("< sip:a@b>", HeaderError::Bracket);
        check("<sip:a b>", HeaderError::Bracket);
        check("sip:a@b?Route=x", HeaderError::Bracket);
        check("sip:a@b,sip:c@d", HeaderError::Bracket);
        check("sip:a@b sip:c@d", HeaderError::Trailing);
        check("<sip:a@b>,<sip:c@d>", HeaderError::Trailing);
        check("<sip:a@b>;;", HeaderError::Parameter);
        check("<sip:a@b>;tag", HeaderError::Parameter);
        check("<sip:a@b>;tag=\"\"", HeaderError::Parameter);
        check("<sip:a@b>;tag=1;TAG=1", HeaderError::Duplicate);
    }
}
