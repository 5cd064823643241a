//! What is asked about tokens of programs, and about answers that are kept for them. Lives here: questions. Never here: who is let
//! in (`api::bearer`), what a kept answer is good for (`api::keys`).

use types::{AccountId, KeptAnswer, UnixMicros, WebUser, WebUserId};

use super::{Amend, DeskError};

/// Questions about tokens.
pub trait TokenDesk {
    /// As `Desk::amend`, but what changed is told as a change of his tokens: his contacts are told.
    fn amend_tokens(&self, id: WebUserId, change: &mut Amend<'_>) -> Result<WebUser, DeskError>;

    /// What is kept for a key of a token.
    fn kept_answer(
        &self,
        user: WebUserId,
        token: u32,
        key: &str,
    ) -> Result<Option<KeptAnswer>, DeskError>;

    /// How many answers are kept for an account, of requests at this time or later.
    fn kept_answers(&self, account: AccountId, since: UnixMicros) -> Result<u64, DeskError>;

    /// Keeps an answer, in place of what is kept for its key; those of all requests before `gone` are forgotten. It is on
    /// disk when this returns.
    fn keep_answer(&self, kept: KeptAnswer, gone: UnixMicros) -> Result<(), DeskError>;
}
