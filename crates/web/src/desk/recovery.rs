//! What the pages ask about a recovery: the steps out of trouble. Lives here: questions and answers. Never here: whether a
//! step is done (`portal/recovery`), where it is kept (ringfence).

use std::collections::BTreeMap;

use types::{AccountId, LineId, RecoveryReport, RecoveryStep, StepWord, UnixMicros, WebUserId};

use super::DeskError;

/// What the holder said of a step last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepSaid {
    /// When.
    pub at: UnixMicros,
    /// What.
    pub word: StepWord,
    /// Who: a web user.
    pub by: String,
    /// Why it is left, or what else he said; may be empty.
    pub words: String,
}

/// A recovery that was begun and not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recovery {
    /// Which of the account: 1 for the first.
    pub number: u32,
    /// When it was begun.
    pub started: UnixMicros,
    /// By whom: a web user.
    pub by: String,
    /// What was said of its steps.
    pub said: BTreeMap<RecoveryStep, StepSaid>,
}

/// Somebody who signs in at the pages of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageUser {
    /// Which.
    pub id: WebUserId,
    /// His name.
    pub name: String,
    /// Since when his password stands; `None`: he has none yet.
    pub password_since: Option<UnixMicros>,
    /// Has he an authenticator?
    pub has_totp: bool,
}

/// The age of a line's password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineSecret {
    /// Which line.
    pub line: LineId,
    /// Its user name.
    pub user: String,
    /// When its password was set.
    pub set: UnixMicros,
}

/// What the record says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OnRecord {
    /// Who signs in, by number.
    pub users: Vec<PageUser>,
    /// Lines in use, by number.
    pub lines: Vec<LineSecret>,
    /// When the holder stopped outgoing calls last, since then.
    pub stopped: Option<UnixMicros>,
    /// When limits were lowered last, since then.
    pub lowered: Option<UnixMicros>,
}

/// Questions about recoveries. All are of one account: what is another's is not there (W6).
pub trait RecoveryDesk {
    /// The one that is open, if any.
    fn recovery(&self, account: AccountId) -> Result<Option<Recovery>, DeskError>;

    /// What the record says, of changes since a moment.
    fn on_record(&self, account: AccountId, since: UnixMicros) -> Result<OnRecord, DeskError>;

    /// Begins one; if one is open, that one goes on.
    fn begin_recovery(&self, account: AccountId, by: &str) -> Result<(), DeskError>;

    /// Keeps what is said of a step of the one that is open; the time of it does not matter.
    fn say_step(
        &self,
        account: AccountId,
        step: RecoveryStep,
        said: &StepSaid,
    ) -> Result<(), DeskError>;

    /// Nothing was wrong: the one that is open ends without a report.
    fn end_recovery(&self, account: AccountId, by: &str, why: &str) -> Result<(), DeskError>;

    /// The one that is open ends in this report.
    fn send_report(&self, report: RecoveryReport) -> Result<(), DeskError>;

    /// Reports that were sent, the newest first.
    fn reports(&self, account: AccountId) -> Result<Vec<RecoveryReport>, DeskError>;
}
