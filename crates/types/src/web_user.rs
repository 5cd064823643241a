//! Who logs in at the pages. Lives here: what is kept of a web user. Never here: how a password or a code is
//! checked, sessions (web).

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::api::ApiToken;
use crate::ids::{AccountId, WebUserId};
use crate::time::UnixMicros;

/// The secret that a web user's authenticator computes its codes from (RFC 6238). Sealed at rest.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TotpSecret(pub Vec<u8>);

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret(..)")
    }
}

/// A link that lets in once: for the first log-in, and after a reset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTimeLink {
    /// SHA-256 of its token, in hex; the token itself is kept nowhere.
    pub hash: String,
    /// Until when it can be used.
    pub until: UnixMicros,
}

/// A sign-in that goes on when the program starts again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSession {
    /// SHA-256 of its token, in hex; the token itself is kept nowhere.
    pub hash: String,
    /// Since when.
    pub since: UnixMicros,
    /// The last time something was asked in it, to within some minutes.
    pub seen: UnixMicros,
    /// From where.
    pub source: IpAddr,
    /// With what.
    pub agent: String,
}

/// A browser that he has signed in with: what strangers get wrong under his name does not lock it out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownBrowser {
    /// SHA-256 of its token, in hex.
    pub hash: String,
    /// When he signed in with it last.
    pub seen: UnixMicros,
}

/// Somebody who may log in at the pages of an account.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebUser {
    /// Its number: 1 for the first.
    pub id: WebUserId,
    /// Whose pages.
    pub account: AccountId,
    /// What he types to log in: a mail address in small letters; no two users have the same.
    pub name: String,
    /// Argon2id of the password, as a PHC string; `None`: he has to use a link first.
    pub password: Option<String>,
    /// Since when the password stands.
    pub password_since: Option<UnixMicros>,
    /// A link that was made and not used yet.
    pub link: Option<OneTimeLink>,
    /// The authenticator's secret, if there is one.
    pub totp: Option<TotpSecret>,
    /// The last time step of which a code was taken: none is taken twice (RFC 6238 §5.2).
    pub totp_step: u64,
    /// SHA-256 of the recovery codes that are left, in hex.
    pub recovery: Vec<String>,
    /// When he was added.
    pub created: UnixMicros,
    /// When he last logged in.
    pub last_seen: Option<UnixMicros>,
    /// His sessions.
    pub sessions: Vec<KeptSession>,
    /// Browsers that are known.
    pub browsers: Vec<KnownBrowser>,
    /// Tokens of his programs.
    pub tokens: Vec<ApiToken>,
    /// How many were ever made: the number of the last.
    pub tokens_made: u32,
    /// He was removed: nobody logs in as him, and his name may be given again.
    pub is_removed: bool,
}

impl fmt::Debug for WebUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebUser({}, account {}, ..)", self.id, self.account)
    }
}

impl WebUser {
    /// The same without its authenticator's secret: what may lie on a disk in clear.
    pub fn without_secret(&self) -> WebUser {
        WebUser { totp: None, ..self.clone() }
    }
}

/// What of a web user changed, for the account's record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UserNote {
    /// Nothing that people are told: who is signed in, when something was used.
    Kept,
    /// Something, in words.
    Changed(String),
    /// A token of his, in words: his contacts are told.
    Token(String),
}

impl From<String> for UserNote {
    /// Without words there is nothing to tell.
    fn from(words: String) -> UserNote {
        if words.is_empty() { UserNote::Kept } else { UserNote::Changed(words) }
    }
}
