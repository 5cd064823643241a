//! Digest credentials and challenges (RFC 3261 §20.7, §20.27; RFC 8760). Lives here: their parameters, unquoted.
//! Never here: whether they are right.

use super::error::{Fault, HeaderError};
use super::params::next_value;
use super::scan::{Scanner, TOKEN};

/// Digest credentials. Of quoted strings the inside, escapes as they came: that is what is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials<'a> {
    /// Who says it is.
    pub username: &'a str,
    /// For which realm.
    pub realm: &'a str,
    /// The challenge's nonce.
    pub nonce: &'a str,
    /// The URI that was hashed.
    pub uri: &'a str,
    /// The hash, hexadecimal.
    pub response: &'a str,
    /// Algorithm as it came; none means MD5.
    pub algorithm: Option<&'a str>,
    /// The client's nonce.
    pub cnonce: Option<&'a str>,
    /// How often the nonce was used, hexadecimal.
    pub nc: Option<&'a str>,
    /// Quality of protection.
    pub qop: Option<&'a str>,
    /// Sent back as it came.
    pub opaque: Option<&'a str>,
}

/// A Digest challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge<'a> {
    /// Whose users are asked for.
    pub realm: &'a str,
    /// To be hashed in.
    pub nonce: &'a str,
    /// Algorithm as it came; none means MD5.
    pub algorithm: Option<&'a str>,
    /// Offered qualities of protection, a comma list.
    pub qop: Option<&'a str>,
    /// To be sent back as it came.
    pub opaque: Option<&'a str>,
    /// The credentials were right, but the nonce is too old.
    pub stale: bool,
}

impl<'a> Credentials<'a> {
    /// Reads one header value.
    pub fn parse(text: &'a str) -> Result<Credentials<'a>, HeaderError> {
        const NAMES: [&str; 10] = [
            "username",
            "realm",
            "nonce",
            "uri",
            "response",
            "algorithm",
            "cnonce",
            "nc",
            "qop",
            "opaque",
        ];
        let found = read_digest(text, NAMES).map_err(|fault| fault.error)?;
        let [username, realm, nonce, uri, response, algorithm, cnonce, nc, qop, opaque] = found;
        let must = |value: Option<&'a str>| value.ok_or(HeaderError::Missing);
        Ok(Credentials {
            username: must(username)?,
            realm: must(realm)?,
            nonce: must(nonce)?,
            uri: must(uri)?,
            response: must(response)?,
            algorithm,
            cnonce,
            nc,
            qop,
            opaque,
        })
    }
}

impl<'a> Challenge<'a> {
    /// Reads one header value.
    pub fn parse(text: &'a str) -> Result<Challenge<'a>, HeaderError> {
        const NAMES: [&str; 6] = ["realm", "nonce", "algorithm", "qop", "opaque", "stale"];
        let found = read_digest(text, NAMES).map_err(|fault| fault.error)?;
        let [realm, nonce, algorithm, qop, opaque, stale] = found;
        Ok(Challenge {
            realm: realm.ok_or(HeaderError::Missing)?,
            nonce: nonce.ok_or(HeaderError::Missing)?,
            algorithm,
            qop,
            opaque,
            stale: stale.is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }
}

/// `Digest name=value, name="value", …`: the values of `names`; others are read and left. One of `names` twice is
/// a fault, so that nobody can read it another way.
fn read_digest<'a, const N: usize>(
    text: &'a str,
    names: [&str; N],
) -> Result<[Option<&'a str>; N], Fault> {
    let mut scanner = Scanner::new(text);
    scanner.skip_lws();
    if !scanner.token()?.eq_ignore_ascii_case("Digest") {
        return Err(Fault { error: HeaderError::Scheme, at: 0 });
    }
    let mut found = [None; N];
    loop {
        scanner.skip_lws();
        let at = scanner.at();
        let name = scanner.run(TOKEN);
        if name.is_empty() {
            return scanner.fault(HeaderError::Parameter);
        }
        let Some(value) = next_value(&mut scanner)? else {
            return scanner.fault(HeaderError::Parameter);
        };
        let known =
            names.iter().position(|n| n.len() == name.len() && n.eq_ignore_ascii_case(name));
        if let Some(known) = known
            && found[known].replace(value).is_some()
        {
            return Err(Fault { error: HeaderError::Duplicate, at });
        }
        scanner.skip_lws();
        if !scanner.eat(b',') {
            break;
        }
    }
    scanner.end()?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "Digest username=\"bob\", realm=\"r\",nonce=\"n\" , uri=\"sip:x;a,b\", response=\"00\"";

    #[test]
    fn credentials() {
        let got = Credentials::parse(GOOD).expect("well-formed");
        assert_eq!(
            (got.username, got.realm, got.nonce, got.uri, got.response),
            ("bob", "r", "n", "sip:x;a,b", "00")
        );
        assert_eq!((got.algorithm, got.nc), (None, None));
        let more = format!(
            "{GOOD}, Algorithm=SHA-256, nc=00000001, CNONCE=\"a\\\"b\", qop=auth, opaque=\"\", x=y"
        );
        let got = Credentials::parse(&more).expect("well-formed");
        assert_eq!(
            (got.algorithm, got.nc, got.qop),
            (Some("SHA-256"), Some("00000001"), Some("auth"))
        );
        assert_eq!((got.cnonce, got.opaque), (Some("a\\\"b"), Some("")));
    }

    #[test]
    fn refuses() {
        fn check(text: &str, want: HeaderError) {
            assert_eq!(Credentials::parse(text), Err(want), "{text}");
        }
        check("", HeaderError::Token);
        check("Basic YTpi", HeaderError::Scheme);
        check("Digest", HeaderError::Parameter);
        check("Digest username=\"bob\"", HeaderError::Missing);
        check(&format!("{GOOD},"), HeaderError::Parameter);
        check(&format!("{GOOD},,nc=1"), HeaderError::Parameter);
        check(&format!("{GOOD}, nc"), HeaderError::Parameter);
        check(&format!("{GOOD}, nc=\"1"), HeaderError::Quote);
        check(&format!("{GOOD}, nc=1 2"), HeaderError::Trailing);
        check(&format!("{GOOD}, USERNAME=\"eve\""), HeaderError::Duplicate);
    }

    #[test]
    fn challenges() {
        let got = Challenge::parse(
            "digest realm=\"a, b\", nonce=\"n\", qop=\"auth,auth-int\", stale=TRUE, algorithm=MD5",
        );
        let got = got.expect("well-formed");
        assert_eq!((got.realm, got.nonce, got.qop), ("a, b", "n", Some("auth,auth-int")));
        assert_eq!((got.stale, got.algorithm, got.opaque), (true, Some("MD5"), None));
        assert_eq!(Challenge::parse("Digest realm=\"a\""), Err(HeaderError::Missing));
        assert_eq!(Challenge::parse("Bearer realm=\"a\""), Err(HeaderError::Scheme));
    }
}
