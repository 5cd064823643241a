//! Digest answers of a client (RFC 7616, RFC 8760). Lives here: our tests' own computation.
//! Never here: a line of `crates/sip`, so that a mistake there is not repeated here.

use std::fmt::Write as _;

use md5::Md5;
use sha2::{Digest as _, Sha256};

/// Which hash a challenge asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// `MD5`, also when none is named.
    Md5,
    /// `SHA-256`.
    Sha256,
}

impl Algorithm {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }

    /// Lower-case hexadecimal hash of the parts joined by colons.
    pub fn hash(self, parts: &[&str]) -> String {
        let text = parts.join(":");
        match self {
            Algorithm::Md5 => hex(&Md5::digest(text.as_bytes())),
            Algorithm::Sha256 => hex(&Sha256::digest(text.as_bytes())),
        }
    }
}

/// A challenge as read from a 401 or 407.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Its realm.
    pub realm: String,
    /// Its nonce.
    pub nonce: String,
    /// Its hash.
    pub algorithm: Algorithm,
    /// Does it say that the nonce was old?
    pub stale: bool,
    /// To be sent back as it came.
    pub opaque: Option<String>,
}

impl Challenge {
    /// Reads the value of one `WWW-Authenticate` or `Proxy-Authenticate` line; `None` when it is not
    /// a digest challenge with a hash we know.
    pub fn parse(value: &str) -> Option<Challenge> {
        let rest = value.trim().strip_prefix("Digest")?;
        let algorithm = match parameter(rest, "algorithm").as_deref() {
            None | Some("MD5") => Algorithm::Md5,
            Some("SHA-256") => Algorithm::Sha256,
            Some(_) => return None,
        };
        Some(Challenge {
            realm: parameter(rest, "realm")?,
            nonce: parameter(rest, "nonce")?,
            algorithm,
            stale: parameter(rest, "stale").is_some_and(|text| text.eq_ignore_ascii_case("true")),
            opaque: parameter(rest, "opaque"),
        })
    }
}

/// What a client puts into its answer; the tests change single fields to make bad ones.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// User name as sent.
    pub user: &'a str,
    /// The secret that is hashed.
    pub secret: &'a str,
    /// The request's method.
    pub method: &'a str,
    /// The digest uri.
    pub uri: &'a str,
    /// Count of uses of the nonce.
    pub nc: u32,
    /// The client's own nonce.
    pub cnonce: &'a str,
}

impl Answer<'_> {
    /// The header value that answers `challenge`.
    pub fn to(&self, challenge: &Challenge) -> String {
        let hash = challenge.algorithm;
        let ha1 = hash.hash(&[self.user, &challenge.realm, self.secret]);
        let ha2 = hash.hash(&[self.method, self.uri]);
        let nc = format!("{:08x}", self.nc);
        let response = hash.hash(&[&ha1, &challenge.nonce, &nc, self.cnonce, "auth", &ha2]);
        let mut value = format!(
            "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{}\", response=\"{response}\", \
             algorithm={}, cnonce=\"{}\", qop=auth, nc={nc}",
            self.user,
            challenge.realm,
            challenge.nonce,
            self.uri,
            hash.name(),
            self.cnonce
        );
        if let Some(opaque) = &challenge.opaque {
            let _ = write!(value, ", opaque=\"{opaque}\"");
        }
        value
    }
}

/// The value of a parameter in a comma-separated list, quotes taken off.
pub fn parameter(list: &str, name: &str) -> Option<String> {
    let mut rest = list;
    while !rest.trim_start_matches([' ', ',', '\t']).is_empty() {
        rest = rest.trim_start_matches([' ', ',', '\t']);
        let (key, after) = rest.split_once('=')?;
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value.trim().to_owned());
        }
        rest = next;
    }
    None
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 7616 §3.9.1.
    #[test]
    fn answers_as_the_rfc_does() {
        fn check(algorithm: Algorithm, want: &str) {
            let challenge = Challenge {
                realm: "http-auth@example.org".into(),
                nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v".into(),
                algorithm,
                stale: false,
                opaque: None,
            };
            let answer = Answer {
                user: "Mufasa",
                secret: "Circle of Life",
                method: "GET",
                uri: "/dir/index.html",
                nc: 1,
                cnonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
            };
            let value = answer.to(&challenge);
            assert_eq!(parameter(&value[6..], "response").as_deref(), Some(want));
        }
        check(Algorithm::Md5, "8ca523f5e9506fed4657c9700eebdbec");
        check(
            Algorithm::Sha256,
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        );
    }

    #[test]
    fn reads_challenges() {
        fn check(value: &str, want: Option<(&str, Algorithm, bool)>) {
            let got = Challenge::parse(value);
            let got = got.as_ref().map(|c| (c.nonce.as_str(), c.algorithm, c.stale));
            assert_eq!(got, want, "{value}");
        }
        check(
            r#"Digest realm="a, b", nonce="n=1", algorithm=SHA-256, qop="auth", stale=TRUE"#,
            Some(("n=1", Algorithm::Sha256, true)),
        );
        check(r#"Digest nonce="x",realm="r""#, Some(("x", Algorithm::Md5, false)));
        check(r#"Digest realm="r", nonce="x", algorithm=SHA-512-256"#, None);
        check("Basic realm=\"r\"", None);
    }
}
