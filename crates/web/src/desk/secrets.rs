//! What the pages ask about passwords of lines, and who used what. Lives here: questions and answers. Never here: making
//! a password (engine), those of web users.

use types::{AccountId, LineId, UnixMicros};
use zeroize::Zeroizing;

use super::{DeskError, Event};

/// What a new password is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretShape {
    /// To type into a phone.
    Type,
    /// To say on the telephone.
    Say,
}

/// A new password: shown once, kept nowhere. No `Debug`.
pub struct NewSecret {
    /// What the phone logs in as.
    pub user: String,
    /// The password.
    pub text: Zeroizing<String>,
    /// Its entropy in bits.
    pub bits: u32,
    /// Domain, which is the realm too.
    pub domain: String,
    /// Until when the one before still works for phones that are known.
    pub old_until: Option<UnixMicros>,
}

/// Questions about passwords.
pub trait SecretDesk {
    /// Makes a new password for a line; `overlap_ms`: so long the one before works for phones that are known. `None` if
    /// the account has no such line.
    fn new_secret(
        &self,
        account: AccountId,
        line: LineId,
        shape: SecretShape,
        overlap_ms: Option<u64>,
    ) -> Result<Option<NewSecret>, DeskError>;

    /// Who signed in, who tried to, which phones came: the newest first.
    fn access_log(&self, account: AccountId, limit: u32) -> Result<Vec<Event>, DeskError>;
}
