//! Programs of a holder. Lives here: their tokens with scopes, answers that are kept for repeated requests, the catalogue of
//! problems that they are told of. Never here: HTTP, who is let in (web).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, WebUserId};
use crate::time::UnixMicros;

/// What a token is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenScope {
    /// Look at everything but who is told.
    Read,
    /// What is only safer: stop outgoing calls, cut a call, "not mine", sign out.
    Stop,
    /// Limits, places, the lock: downwards.
    Change,
    /// Who is told, and what was told.
    Contacts,
}

impl TokenScope {
    /// All of them.
    pub const ALL: [TokenScope; 4] =
        [TokenScope::Read, TokenScope::Stop, TokenScope::Change, TokenScope::Contacts];

    /// Stable name in settings and JSON.
    pub const fn code(self) -> &'static str {
        match self {
            TokenScope::Read => "read",
            TokenScope::Stop => "stop",
            TokenScope::Change => "change",
            TokenScope::Contacts => "contacts",
        }
    }

    /// The same for people.
    pub const fn words(self) -> &'static str {
        match self {
            TokenScope::Read => "Look: money, calls, phones, limits",
            TokenScope::Stop => "Stop: outgoing calls, one call, a phone that is not mine",
            TokenScope::Change => "Lower limits, turn countries off, lock to addresses",
            TokenScope::Contacts => "See and add who is told, acknowledge alerts",
        }
    }
}

impl fmt::Display for TokenScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl FromStr for TokenScope {
    type Err = String;

    fn from_str(text: &str) -> Result<TokenScope, String> {
        let found = TokenScope::ALL.into_iter().find(|scope| scope.code() == text);
        found.ok_or_else(|| {
            let all = TokenScope::ALL.map(TokenScope::code).join(", ");
            format!("`{}` is no scope: expected one of {all}", text.escape_debug())
        })
    }
}

/// What a program shows instead of a password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiToken {
    /// Its number among those of its user; none is given twice.
    pub number: u32,
    /// What its user calls it.
    pub name: String,
    /// SHA-256 of the token, in hex; the token itself is kept nowhere.
    pub hash: String,
    /// What it is good for.
    pub scopes: Vec<TokenScope>,
    /// When it was made.
    pub created: UnixMicros,
    /// Until when it is good.
    pub until: UnixMicros,
    /// When it was used last, to within some minutes, and from where.
    pub used: Option<(UnixMicros, IpAddr)>,
}

/// What came of a change that a program may ask for again with the same key
/// (draft-ietf-httpapi-idempotency-key-header).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAnswer {
    /// Whose.
    pub account: AccountId,
    /// Whose token it was.
    pub user: WebUserId,
    /// Its number.
    pub token: u32,
    /// The key that the program chose.
    pub key: String,
    /// SHA-256 of method, path and body, in hex.
    pub fingerprint: String,
    /// When it was asked for.
    pub at: UnixMicros,
    /// What was answered; `None`: nothing yet, or nobody knows.
    pub answer: Option<Answered>,
}

/// An answer as it was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// Media type.
    pub kind: String,
    /// The body.
    pub body: String,
}

macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $status:literal, $code:literal, $title:literal, $help:literal;)*) => {
        /// What a program is told when it does not get what it asked for (RFC 9457).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum ProblemKind {
            $($(#[$doc])* $name,)*
        }

        impl ProblemKind {
            /// All of them.
            pub const ALL: &[ProblemKind] = &[$(ProblemKind::$name,)*];

            /// HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(ProblemKind::$name => $status,)* }
            }

            /// Stable code: the end of `type`.
            pub const fn code(self) -> &'static str {
                match self { $(ProblemKind::$name => $code,)* }
            }

            /// A few words, the same each time.
            pub const fn title(self) -> &'static str {
                match self { $(ProblemKind::$name => $title,)* }
            }

            /// What to do.
            pub const fn help(self) -> &'static str {
                match self { $(ProblemKind::$name => $help,)* }
            }
        }
    };
}

problems! {
    /// Not JSON, or not HTTP as it should be.
    Unreadable = 400, "unreadable", "The request cannot be read",
        "Send JSON as the description of the API has it.";
    /// No token.
    NoToken = 401, "no-token", "This needs a token",
        "Send `Authorization: Bearer TOKEN`. A holder makes tokens under Your log-in.";
    /// A token that is not good.
    BadToken = 401, "bad-token", "This token is not good",
        "It is mistyped, was revoked, its time is over, or too many wrong ones were tried lately: then none is looked at for 15 minutes or longer.";
    /// A token that is not good for this.
    MissingScope = 403, "missing-scope", "This token is not good for that",
        "Make one with the scope named.";
    /// Only the holder himself.
    NeedsHolder = 403, "needs-holder", "Only the holder himself may do this",
        "It allows more, or tells less, than before: no token is enough. Do it on the page named, with your password.";
    /// Not there, or another's (W6).
    NotFound = 404, "not-found", "There is nothing here",
        "The address may be mistyped, or what was here has ended.";
    /// Another method.
    WrongMethod = 405, "wrong-method", "That cannot be done to this",
        "`Allow` names what can.";
    /// The same key, at this moment.
    InProgress = 409, "in-progress", "A request with this key is being carried out",
        "Wait for its answer, or ask again in a moment.";
    /// The same key, and nobody knows what came of it.
    OutcomeUnknown = 409, "outcome-unknown", "Nobody knows what came of the request with this key",
        "The program ended while it was carried out. Look whether it was done, and use a new key.";
    /// Too long.
    TooLarge = 413, "too-large", "The request is too long",
        "Send at most 64 KiB.";
    /// Another media type.
    NotJson = 415, "not-json", "The body is not JSON",
        "Send `Content-Type: application/json`.";
    /// Another host.
    WrongHost = 421, "wrong-host", "This address is not ours",
        "Use the address that your provider gave you.";
    /// Fields that are wrong.
    Invalid = 422, "invalid", "Something in the request is wrong",
        "`errors` names each with a JSON pointer, or with the name of the parameter.";
    /// It cannot be so.
    Refused = 409, "refused", "That cannot be done as things stand",
        "`detail` says why.";
    /// The same key with something else.
    KeyReused = 422, "key-reused", "This key was used for another request",
        "Use a new Idempotency-Key for each change.";
    /// Too fast.
    TooFast = 429, "too-fast", "Too many requests",
        "Wait as long as `Retry-After` says.";
    /// Too many kept answers.
    TooManyKeys = 429, "too-many-keys", "Too many keys in 24 hours",
        "Wait as long as `Retry-After` says. Without an Idempotency-Key the request is carried out now.";
    /// Too many at once, or too slow.
    Busy = 503, "busy", "Too many are asking at the moment",
        "Wait a minute, and try again. Calls are not affected.";
    /// Node or database do not answer.
    Down = 503, "down", "The system does not answer",
        "Try again in a minute, with the same Idempotency-Key.";
}

impl ProblemKind {
    /// The `type` of a problem: a name, not an address.
    pub fn uri(self) -> String {
        format!("urn:ringfence:problem:{}", self.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_differ_and_scopes_read_back() {
        let codes: std::collections::BTreeSet<&str> =
            ProblemKind::ALL.iter().map(|kind| kind.code()).collect();
        assert_eq!(codes.len(), ProblemKind::ALL.len());
        for scope in TokenScope::ALL {
            assert_eq!(scope.code().parse(), Ok(scope));
            assert_eq!(serde_json::to_value(scope).ok(), Some(scope.code().into()));
        }
        assert!("root".parse::<TokenScope>().is_err());
    }
}
