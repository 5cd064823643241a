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

/// Why the credentials of a request are not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// There are none for our realm (A2): challenge.
    Absent,
    /// Not what digest allows, or for another request: refuse.
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
}

/// Credentials whose form is right, for the request they came with, under a nonce of ours for its source:
/// whoever sent them hears what we answer. Whether the secret is right is not known yet.
pub struct Presented<'a> {
    /// Who says it is.
    pub user: User,
    /// With which algorithm.
    pub algorithm: Algorithm,
    response: Hash,
    nc: u32,
    stamp: nonce::Stamp,
    asked: Asked<'a>,
}

/// Former secrets that credentials are held against.
pub const FORMER: usize = types::account::FORMER_SECRETS;

/// The secrets of a user. There is no `Debug`.
#[derive(Clone, Copy)]
pub struct Secrets<'a> {
    /// The one that counts.
    pub current: &'a Ha1,
    /// Those before it, the newest first.
    pub former: [Option<&'a Ha1>; FORMER],
}

/// What presented credentials are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proven {
    /// The secret is right.
    Right,
    /// It is right, but these credentials were used before: challenge with `stale=true`.
    Replay,
    /// It is the n-th former one.
    Former(usize),
    /// It is none of them, or nobody has this name: to the outside the same (A7).
    Wrong,
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

    /// Reads the credentials of a request. `name` is Authorization or Proxy-Authorization. Of several
    /// credentials for our realm one is judged: the first with SHA-256, else the first with MD5.
    pub fn read<'a>(
        &mut self,
        now: Now,
        request: &Message<'a>,
        source: &Flow,
        name: Name,
    ) -> Result<Presented<'a>, Unread> {
        let (credentials, algorithm) = self.choose(request, name)?;
        let checked = Checked::of(&credentials, algorithm, request)
            .map_err(|why| Unread::Malformed { why })?;
        let Checked { user, response, nc, asked } = checked;
        match self.nonces.check(now.wall, source, credentials.nonce) {
            Some(stamp) => Ok(Presented { user, algorithm, response, nc, stamp, asked }),
            None => Err(Unread::Stale { user }),
        }
    }

    /// Holds credentials against a user's secrets; `None`: there is no such user. Whoever is not let in
    /// costs the same work, whether there is such a user or not, and however many secrets he had (A7).
    /// Each (nonce, nc) is good once; nc may come out of order by up to 63.
    pub fn prove(
        &mut self,
        now: Now,
        presented: &Presented<'_>,
        secrets: Option<Secrets<'_>>,
    ) -> Proven {
        let algorithm = presented.algorithm;
        let rest = presented.asked.without_secret(algorithm);
        let is_right = |ha1: &Ha1| {
            let ha1 = Hash::of_ha1(ha1, algorithm);
            hash::response_to(algorithm, &ha1, &presented.asked, &rest).equals(&presented.response)
        };
        let current = secrets.map_or(&self.dummy, |secrets| secrets.current);
        if is_right(current) && secrets.is_some() {
            let is_new = self.nonces.count(now.wall, presented.stamp, presented.nc);
            return if is_new { Proven::Right } else { Proven::Replay };
        }
        let former = secrets.map_or([None; FORMER], |secrets| secrets.former);
        let mut found = Proven::Wrong;
        for (nth, ha1) in former.into_iter().enumerate().rev() {
            if is_right(ha1.unwrap_or(&self.dummy)) && ha1.is_some() {
                found = Proven::Former(nth);
            }
        }
        found
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
    ) -> Result<(Credentials<'a>, Algorithm), Unread> {
        let mut best: Option<(Credentials<'a>, Algorithm)> = None;
        let mut otherwise = Unread::Absent;
        for credentials in request.credentials(name) {
            let credentials = match credentials {
                Ok(credentials) if credentials.realm == self.realm => credentials,
                Ok(_) | Err(HeaderError::Scheme) => continue,
                Err(_) => {
                    otherwise = Unread::Malformed { why: "credentials cannot be read" };
                    continue;
                }
            };
            let algorithm = Algorithm::parse(credentials.algorithm);
            let Some(algorithm) = algorithm.filter(|algorithm| self.accepts(*algorithm)) else {
                otherwise = Unread::Malformed { why: "algorithm was not offered" };
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
