//! Tokens of programs, and answers that are kept for them. Lives here: from the desk's questions to node and database. Never here:
//! who is let in (web), what a kept answer is good for (web).

use store::Reader;
use types::{AccountId, KeptAnswer, Record, UnixMicros, UserNote, WebUser, WebUserId};
use web::{Amend, DeskError, TokenDesk};

use super::desk::{NodeUsers, down};
use crate::shell::control::Ask;

impl TokenDesk for NodeUsers {
    fn amend_tokens(&self, id: WebUserId, change: &mut Amend<'_>) -> Result<WebUser, DeskError> {
        self.amend_noted(id, change, |words| match words.is_empty() {
            true => UserNote::Kept,
            false => UserNote::Token(words),
        })
    }

    fn kept_answer(
        &self,
        user: WebUserId,
        token: u32,
        key: &str,
    ) -> Result<Option<KeptAnswer>, DeskError> {
        self.read(|reader| reader.kept_answer(user, token, key))
    }

    fn kept_answers(&self, account: AccountId, since: UnixMicros) -> Result<u64, DeskError> {
        self.read(|reader| reader.kept_answers(account, since))
    }

    fn keep_answer(&self, kept: KeptAnswer, gone: UnixMicros) -> Result<(), DeskError> {
        // In this order: what is kept now is of no time that is over, unless it is to be forgotten with the next.
        let records = vec![Record::KeptAnswersGone(gone), Record::KeptAnswer(Box::new(kept))];
        self.node.answer(Ask::Write(records)).map(drop).map_err(down)
    }
}
