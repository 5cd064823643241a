//! Digest authentication (RFC 7616, RFC 8760, RFC 3261 §22). Lives here: challenging, verifying,
//! answering carriers' challenges, the canonical form of a user name. Never here: who is locked out,
//! accounts, whether an authenticated user may do something.

mod hash;
mod nonce;
pub mod uac;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests;

use arrayvec::ArrayString;
use types::account::Ha1;
use types::{Millis, Now};

use self::hash::{Asked, Hash};
use self::nonce::Nonces;
use crate::flow::Flow;
use crate::message::{Credentials, HeaderError, Message, Name, Scheme, Uri};

pub use self::hash::{Algorithm, ha1};

/// A user name in canonical form: the one key for lock-out, access list, cap and record (A9).
pub type User = ArrayString<64>;

/// What the authenticator offers and remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a nonce can be used.
    pub nonce_life_ms: Millis,
    /// Nonces whose uses are counted at one time.
    pub max_counted_nonces: usize,
    /// Is SHA-256 offered and taken? Without it, phones that give up when they see any challenge
    /// they do not know can log in.
    pub sha256: bool,
    /// Is MD5 offered and taken?
    pub md5: bool,
    /// Is MD5 offered before SHA-256? For phones that look at the first challenge only and give up
    /// when it is SHA-256, against the order of RFC 8760 §2.3.
    pub md5_first: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            nonce_life_ms: 60_000,
            max_counted_nonces: 200_000,
            sha256: true,
            md5: true,
            md5_first: false,
        }
    }
}

/// What the credentials of a request are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// None for our realm (A2): challenge.
    Absent,
    /// Not what digest allows, or for another request: challenge, or refuse.
    Malformed {
        /// What is wrong, in words.
        why: &'static str,
    },
    /// The nonce is not one of ours for this source, or too old: challenge with `stale=true`. The
    /// response was not looked at.
    Stale {
        /// Who says it is.
        user: User,
    },
    /// Nobody has this name. To the outside the same as a wrong secret (A7).
    UnknownUser {
        /// Who says it is.
        user: User,
    },
    /// The secret is wrong.
    WrongSecret {
        /// Who says it is.
        user: User,
    },
    /// Right, but used before: challenge with `stale=true`.
    Replay {
        /// Whose credentials were repeated.
        user: User,
    },
    /// Right.
    Ok {
        /// Who it is.
        user: User,
    },
}

/// Challenges and verifies for one realm.
pub struct Authenticator {
    realm: String,
    nonces: Nonces,
    limits: Limits,
    /// Stands in for the verifiers of users that do not exist.
    dummy: Ha1,
}

impl Authenticator {
    /// `secret` must be this authenticator's own: uses of a nonce are counted in its memory, and
    /// two with one secret would each let a nonce be used once. Nonces from before the start are
    /// stale, so the secret may outlive the process.
    ///
    /// Quotes, backslashes and control characters have no place in a realm and are left out.
    pub fn new(realm: &str, secret: [u8; 32], limits: Limits) -> Authenticator {
        let realm: String =
            realm.chars().filter(|c| !c.is_control() && !matches!(c, '"' | '\\')).collect();
        let nonces = Nonces::new(&realm, &secret, limits.nonce_life_ms, limits.max_counted_nonces);
        let dummy = Ha1 { md5: [0x5a; 16], sha256: [0x5a; 32] };
        Authenticator { realm, nonces, limits, dummy }
    }

    /// Our realm.
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// Writes the challenge lines, SHA-256 first (RFC 8760 §2.3) unless told otherwise, as many as have
    /// `room`, in bytes; returns how many. `name` is WWW-Authenticate or Proxy-Authenticate. Nothing is
    /// remembered.
    pub fn challenge(
        &mut self,
        out: &mut Vec<u8>,
        name: Name,
        now: Now,
        source: &Flow,
        stale: bool,
        room: usize,
    ) -> usize {
        debug_assert!(matches!(name, Name::WwwAuthenticate | Name::ProxyAuthenticate));
        let nonce = self.nonces.issue(now.wall, source);
        let mut offered = [Algorithm::Sha256, Algorithm::Md5];
        if self.limits.md5_first {
            offered.reverse();
        }
        let (start, mut written) = (out.len(), 0);
        for algorithm in offered.into_iter().filter(|algorithm| self.accepts(*algorithm)) {
            let parts: [&[u8]; 9] = [
                name.as_str().as_bytes(),
                b": Digest realm=\"",
                self.realm.as_bytes(),
                b"\",nonce=\"",
                &nonce,
                b"\",algorithm=",
                algorithm.name().as_bytes(),
                b",qop=\"auth\"",
                if stale { b",stale=true\r\n" } else { b"\r\n" },
            ];
            let length: usize = parts.iter().map(|part| part.len()).sum();
            if out.len() - start + length > room {
                break;
            }
            parts.iter().for_each(|part| out.extend_from_slice(part));
            written += 1;
        }
        written
    }

    /// Judges the credentials of a request. `name` is Authorization or Proxy-Authorization.
    ///
    /// `lookup` gets the canonical user name. Whether it knows the user or not, the same work is
    /// done. Of several credentials for our realm one is judged: the first with SHA-256, else the
    /// first with MD5. Each (nonce, nc) is good once; nc may come out of order by up to 63.
    pub fn verify(
        &mut self,
        now: Now,
        request: &Message<'_>,
        source: &Flow,
        name: Name,
        lookup: impl FnOnce(&str) -> Option<Ha1>,
    ) -> Verified {
        let (credentials, algorithm) = match self.choose(request, name) {
            Ok(chosen) => chosen,
            Err(verdict) => return verdict,
        };
        let checked = match Checked::of(&credentials, algorithm, request) {
            Ok(checked) => checked,
            Err(why) => return Verified::Malformed { why },
        };
        let user = checked.user;
        let Some(stamp) = self.nonces.check(now.wall, source, credentials.nonce) else {
            return Verified::Stale { user };
        };
        let known = lookup(&user);
        let ha1 = Hash::of_ha1(known.as_ref().unwrap_or(&self.dummy), algorithm);
        let is_right = hash::response(algorithm, &ha1, &checked.asked).equals(&checked.response);
        match (known.is_some(), is_right) {
            (false, _) => Verified::UnknownUser { user },
            (true, false) => Verified::WrongSecret { user },
            (true, true) if self.nonces.count(now.wall, stamp, checked.nc) => Verified::Ok { user },
            (true, true) => Verified::Replay { user },
        }
    }

    fn accepts(&self, algorithm: Algorithm) -> bool {
        match algorithm {
            Algorithm::Sha256 => self.limits.sha256,
            Algorithm::Md5 => self.limits.md5,
        }
    }

    /// The one credential that is judged.
    fn choose<'a>(
        &self,
        request: &Message<'a>,
        name: Name,
    ) -> Result<(Credentials<'a>, Algorithm), Verified> {
        let mut best: Option<(Credentials<'a>, Algorithm)> = None;
        let mut otherwise = Verified::Absent;
        for credentials in request.credentials(name) {
            let credentials = match credentials {
                Ok(credentials) if credentials.realm == self.realm => credentials,
                Ok(_) | Err(HeaderError::Scheme) => continue,
                Err(_) => {
                    otherwise = Verified::Malformed { why: "credentials cannot be read" };
                    continue;
                }
            };
            let algorithm = Algorithm::parse(credentials.algorithm);
            let Some(algorithm) = algorithm.filter(|algorithm| self.accepts(*algorithm)) else {
                otherwise = Verified::Malformed { why: "algorithm was not offered" };
                continue;
            };
            if best.is_none_or(|(_, so_far)| so_far < algorithm) {
                best = Some((credentials, algorithm));
            }
        }
        best.ok_or(otherwise)
    }
}

/// Credentials whose form is right and that are for the request they came with.
struct Checked<'a> {
    user: User,
    response: Hash,
    nc: u32,
    asked: Asked<'a>,
}

impl<'a> Checked<'a> {
    fn of(
        credentials: &Credentials<'a>,
        algorithm: Algorithm,
        request: &Message<'a>,
    ) -> Result<Checked<'a>, &'static str> {
        let user = canonical_user(credentials.username).ok_or("user name has no canonical form")?;
        let response = Hash::from_hex(credentials.response, algorithm)
            .ok_or("response does not fit the algorithm")?;
        if !credentials.qop.is_some_and(|qop| qop.eq_ignore_ascii_case("auth")) {
            return Err("qop is not auth");
        }
        let nc_text = credentials.nc.ok_or("nc is missing")?;
        let nc = read_nc(nc_text).ok_or("nc is not eight hexadecimal digits, or zero")?;
        let cnonce = credentials.cnonce.filter(|cnonce| !cnonce.is_empty());
        let cnonce = cnonce.ok_or("cnonce is missing")?;
        let (method, target) = request.method().zip(request.target()).ok_or("not a request")?;
        if !names_target(credentials.uri, target) {
            return Err("uri is not the Request-URI");
        }
        let asked = Asked {
            method,
            uri: credentials.uri,
            nonce: credentials.nonce,
            counted: Some((nc_text, cnonce)),
        };
        Ok(Checked { user, response, nc, asked })
    }
}

fn read_nc(text: &str) -> Option<u32> {
    let is_hex = text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_hex {
        return None;
    }
    u32::from_str_radix(text, 16).ok().filter(|nc| *nc != 0)
}

/// Is the digest's `uri` the Request-URI?
///
/// Phones differ from it in parameters, in a default port left out or put in, in the case of the
/// host and in escapes. None of that changes who is called where, so it is let pass; another
/// scheme, user, host or port is not.
fn names_target(text: &str, target: &Uri<'_>) -> bool {
    if text == target.raw {
        return true;
    }
    let Ok(uri) = Uri::parse(text) else { return false };
    let default_port = match target.scheme {
        Scheme::Sip => 5060,
        Scheme::Sips => 5061,
        Scheme::Tel | Scheme::Other => return uri.equivalent(target),
    };
    uri.scheme == target.scheme
        && uri.user_decoded() == target.user_decoded()
        && same_host(&uri, target)
        && uri.port.unwrap_or(default_port) == target.port.unwrap_or(default_port)
}

fn same_host(one: &Uri<'_>, other: &Uri<'_>) -> bool {
    match (one.host_ip(), other.host_ip()) {
        (Some(one), Some(other)) => one == other,
        (None, None) => one.host.eq_ignore_ascii_case(other.host),
        _ => false,
    }
}

/// The canonical form of a user name (A9): escapes undone once, parameters after `;` cut off, lower
/// case; `a-z 0-9 . _ - +`, 1 to 64 of them. `None` for everything else.
pub fn canonical_user(text: &str) -> Option<User> {
    let mut user = User::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b';' => break,
            b'%' => {
                let high = (bytes.next()? as char).to_digit(16)?;
                let low = (bytes.next()? as char).to_digit(16)?;
                (high << 4 | low) as u8
            }
            byte => byte,
        };
        let lower = byte.to_ascii_lowercase();
        if !matches!(lower, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-' | b'+') {
            return None;
        }
        user.try_push(lower as char).ok()?;
    }
    (!user.is_empty()).then_some(user)
}
