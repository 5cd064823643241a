//! Parameters: `;name=value`. Lives here: reading them strictly once, and walking over them again afterwards.
//! Never here: what a parameter means.

use arrayvec::ArrayVec;

use super::error::{Fault, HeaderError};
use super::scan::{Scanner, TOKEN, VALUE, trim};

/// Most parameters of one value.
pub(crate) const MAX_PARAMS: usize = 64;

/// Parameters that were checked before: text from the first `;` on, or empty. Names compare without case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params<'a> {
    text: &'a str,
}

/// One parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param<'a> {
    /// Its name as it came.
    pub name: &'a str,
    /// Its value; of a quoted string the inside, escapes as they came.
    pub value: Option<&'a str>,
}

impl<'a> Params<'a> {
    pub(crate) fn checked(text: &'a str) -> Params<'a> {
        Params { text }
    }

    /// The text, from the first `;` on.
    pub fn as_str(&self) -> &'a str {
        self.text
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// One after the other, as they came.
    pub fn iter(&self) -> impl Iterator<Item = Param<'a>> + use<'a> {
        let mut rest = self.text;
        std::iter::from_fn(move || walk(&mut rest))
    }

    /// Name and spelling (without `;`) of each, as they came.
    pub(crate) fn spelled(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut rest = self.text;
        std::iter::from_fn(move || {
            let before = rest;
            let param = walk(&mut rest)?;
            let len = before.len() - rest.len();
            Some((param.name, trim(&before[1..len])))
        })
    }

    /// The first with this name: `None` when there is none, `Some(None)` when it has no value.
    pub fn find(&self, name: &str) -> Option<Option<&'a str>> {
        self.iter().find(|param| param.name.eq_ignore_ascii_case(name)).map(|param| param.value)
    }

    /// The value of the first with this name, if it has one.
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.find(name).flatten()
    }

    /// Is there one with this name?
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }
}

/// The next `;name[=value]` of a header, with white space wherever RFC 3261 allows it; `None` where no `;` follows.
pub(crate) fn next_param<'a>(scanner: &mut Scanner<'a>) -> Result<Option<Param<'a>>, Fault> {
    scanner.skip_lws();
    if !scanner.eat(b';') {
        return Ok(None);
    }
    scanner.skip_lws();
    let name = scanner.run(TOKEN);
    if name.is_empty() {
        return scanner.fault(HeaderError::Parameter);
    }
    let value = next_value(scanner)?;
    Ok(Some(Param { name, value }))
}

/// What follows the name of a parameter: `=` and a value, or nothing of both.
pub(crate) fn next_value<'a>(scanner: &mut Scanner<'a>) -> Result<Option<&'a str>, Fault> {
    let after_name = scanner.clone();
    scanner.skip_lws();
    if !scanner.eat(b'=') {
        *scanner = after_name;
        return Ok(None);
    }
    scanner.skip_lws();
    if scanner.peek() == Some(b'"') {
        return scanner.quoted().map(Some);
    }
    let value = scanner.run(VALUE);
    if value.is_empty() { scanner.fault(HeaderError::Parameter) } else { Ok(Some(value)) }
}

/// All parameters up to the end or a character that is none of theirs; each is shown to `see` on the way. Each name may be
/// there once (RFC 3261 §7.3.1).
pub(crate) fn read_params<'a>(
    scanner: &mut Scanner<'a>,
    mut see: impl FnMut(Param<'a>) -> Result<(), HeaderError>,
) -> Result<Params<'a>, Fault> {
    scanner.skip_lws();
    let from = scanner.at();
    let mut names: ArrayVec<&str, MAX_PARAMS> = ArrayVec::new();
    loop {
        let at = scanner.at();
        let Some(param) = next_param(scanner)? else { break };
        if names.iter().any(|earlier| earlier.eq_ignore_ascii_case(param.name)) {
            return Err(Fault { error: HeaderError::Duplicate, at });
        }
        names.try_push(param.name).map_err(|_| Fault { error: HeaderError::TooMany, at })?;
        see(param).map_err(|error| Fault { error, at })?;
    }
    Ok(Params::checked(trim(scanner.since(from))))
}

/// The next parameter of text that was checked: no faults are left in it.
fn walk<'a>(rest: &mut &'a str) -> Option<Param<'a>> {
    let text = rest.strip_prefix(';')?.trim_start();
    let name_end = text.find(['=', ';', ' ', '\t']).unwrap_or(text.len());
    let (name, after) = text.split_at(name_end);
    let after = after.trim_start();
    let Some(value) = after.strip_prefix('=').map(str::trim_start) else {
        *rest = after;
        return Some(Param { name, value: None });
    };
    let mut scanner = Scanner::new(value);
    let value = match value.starts_with('"') {
        true => scanner.quoted().ok()?,
        false => {
            let end = value.find([';', ' ', '\t']).unwrap_or(value.len());
            let (value, after) = value.split_at(end);
            *rest = after.trim_start();
            return Some(Param { name, value: Some(value) });
        }
    };
    *rest = scanner.rest().trim_start();
    Some(Param { name, value: Some(value) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(&str, Option<&str>)>, HeaderError> {
        let mut scanner = Scanner::new(text);
        let mut seen = Vec::new();
        let params = read_params(&mut scanner, |p| {
            seen.push((p.name, p.value));
            Ok(())
        })
        .and_then(|params| scanner.end().map(|()| params))
        .map_err(|fault| fault.error)?;
        assert_eq!(params.iter().map(|p| (p.name, p.value)).collect::<Vec<_>>(), seen);
        Ok(seen)
    }

    #[test]
    fn reads_and_walks_the_same() {
        fn check(text: &str, want: &[(&str, Option<&str>)]) {
            assert_eq!(read(text).as_deref(), Ok(want), "{text}");
        }
        check("", &[]);
        check(";lr", &[("lr", None)]);
        check(";a=b;C = d ; e", &[("a", Some("b")), ("C", Some("d")), ("e", None)]);
        check(" ;\ta\t=\t\"x;\\\"y\"\t;b ", &[("a", Some("x;\\\"y")), ("b", None)]);
        check(";a=\"\"", &[("a", Some(""))]);
        check(";received=[2001:db8::1]", &[("received", Some("[2001:db8::1]"))]);
        check(";t=a=b==", &[("t", Some("a=b=="))]);
    }

    #[test]
    fn refuses() {
        fn check(text: &str, want: HeaderError) {
            assert_eq!(read(text), Err(want), "{text}");
        }
        check(";", HeaderError::Parameter);
        check(";;a", HeaderError::Parameter);
        check(";a;", HeaderError::Parameter);
        check(";a=", HeaderError::Parameter);
        check(";a= ;b", HeaderError::Parameter);
        check(";=b", HeaderError::Parameter);
        check(";a=\"b", HeaderError::Quote);
        check(";a=\"b\"c", HeaderError::Trailing);
        check(";a b", HeaderError::Trailing);
        check(";a=b,c", HeaderError::Trailing);
        check(";é=1", HeaderError::Parameter);
        check(";a;b;A=1", HeaderError::Duplicate);
        let many = |count: usize| (0..count).map(|i| format!(";x{i}")).collect::<String>();
        assert!(read(&many(MAX_PARAMS)).is_ok());
        check(&many(MAX_PARAMS + 1), HeaderError::TooMany);
    }

    #[test]
    fn finds() {
        let params = Params::checked(";lr;Q=0.5;q=0.7");
        assert_eq!(params.find("LR"), Some(None));
        assert_eq!(params.value("q"), Some("0.5"));
        assert_eq!(params.find("x"), None);
        assert!(params.has("lr") && !params.is_empty());
    }
}
