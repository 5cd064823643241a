//! Answering a carrier's challenge with the credentials it gave us. Never here: answering anybody
//! else's; the caller pins the realm, and asks only for transactions on its own trunks (A5).

use crate::digest::hash::{self, Algorithm, Asked};
use crate::message::{Challenge, Message, Method, Name, print};

/// What is asked again, and as whom.
#[derive(Clone, Copy)]
pub struct Attempt<'a> {
    /// Method of the request.
    pub method: Method<'a>,
    /// Its Request-URI.
    pub uri: &'a str,
    /// User name at the carrier.
    pub user: &'a str,
    /// Its secret.
    pub secret: &'a str,
    /// The only realm that is answered.
    pub realm: &'a str,
    /// Our nonce, from `Tokens::cnonce`.
    pub cnonce: &'a str,
    /// How often the nonce has been used with this answer, from 1.
    pub nc: u32,
}

/// Why a challenge is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// The response carries no Digest challenge that can be read.
    #[error("no digest challenge")]
    NoChallenge,
    /// A realm other than the configured one asks.
    #[error("the challenge is for another realm")]
    ForeignRealm,
    /// It wants a hash or a protection that we do not speak.
    #[error("the challenge offers neither MD5 nor SHA-256 with qop auth or none")]
    Unsupported,
}

/// Writes the header line that answers a 401 or 407.
pub fn answer_response(
    out: &mut Vec<u8>,
    response: &Message<'_>,
    attempt: &Attempt<'_>,
) -> Result<(), AnswerError> {
    let (asks, answers) = match response.status() {
        Some(401) => (Name::WwwAuthenticate, Name::Authorization),
        Some(407) => (Name::ProxyAuthenticate, Name::ProxyAuthorization),
        _ => return Err(AnswerError::NoChallenge),
    };
    answer(out, answers, response.challenges(asks).filter_map(Result::ok), attempt)
}

/// Writes the header line `name` (Authorization or Proxy-Authorization) for the first challenge of
/// our realm that we can answer: the server put its favourite first (RFC 8760 §2.4).
pub fn answer<'c>(
    out: &mut Vec<u8>,
    name: Name,
    challenges: impl IntoIterator<Item = Challenge<'c>>,
    attempt: &Attempt<'_>,
) -> Result<(), AnswerError> {
    let mut reason = AnswerError::NoChallenge;
    for challenge in challenges {
        if challenge.realm != attempt.realm {
            if reason == AnswerError::NoChallenge {
                reason = AnswerError::ForeignRealm;
            }
            continue;
        }
        reason = AnswerError::Unsupported;
        if let (Some(algorithm), Some(qop)) =
            (Algorithm::parse(challenge.algorithm), Qop::choose(challenge.qop))
        {
            write_answer(out, name, &challenge, algorithm, qop, attempt);
            return Ok(());
        }
    }
    Err(reason)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Qop {
    Auth,
    /// As RFC 2069: some carriers still offer none.
    None,
}

impl Qop {
    fn choose(offered: Option<&str>) -> Option<Qop> {
        match offered {
            None | Some("") => Some(Qop::None),
            Some(list) if list.split(',').any(|qop| qop.trim().eq_ignore_ascii_case("auth")) => {
                Some(Qop::Auth)
            }
            Some(_) => None,
        }
    }
}

fn write_answer(
    out: &mut Vec<u8>,
    name: Name,
    challenge: &Challenge<'_>,
    algorithm: Algorithm,
    qop: Qop,
    attempt: &Attempt<'_>,
) {
    let nc = format!("{:08x}", attempt.nc);
    let counted = (qop == Qop::Auth).then_some((nc.as_str(), attempt.cnonce));
    let asked = Asked { method: attempt.method, uri: attempt.uri, nonce: challenge.nonce, counted };
    let ha1 = hash::ha1_with(algorithm, attempt.user, attempt.realm, attempt.secret);
    let response = hash::response(algorithm, &ha1, &asked).to_hex();
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": Digest username=");
    print::quoted(out, attempt.user);
    // Realm, nonce and opaque go back as they came, escapes and all.
    let mut field = |name: &str, value: &[u8]| {
        for part in [b",", name.as_bytes(), b"=\"", value, b"\""] {
            out.extend_from_slice(part);
        }
    };
    field("realm", challenge.realm.as_bytes());
    field("nonce", challenge.nonce.as_bytes());
    field("uri", attempt.uri.as_bytes());
    field("response", response.as_bytes());
    if let Some((_, cnonce)) = counted {
        field("cnonce", cnonce.as_bytes());
    }
    if let Some(opaque) = challenge.opaque {
        field("opaque", opaque.as_bytes());
    }
    out.extend_from_slice(b",algorithm=");
    out.extend_from_slice(algorithm.name().as_bytes());
    if qop == Qop::Auth {
        out.extend_from_slice(b",qop=auth,nc=");
        out.extend_from_slice(nc.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}
