//! What the auditor asks. Lives here: the questions. Never here: who answers them.

use types::{
    AccountId, DecisionId, DeckId, LineId, LineStanding, Money, RateRow, Standing, Transfer,
    TrunkId, TrunkStanding, UnixMicros,
};

use crate::call::Calls;

/// The record, as it is asked. A decision's own time is surely before or after each change.
pub trait Evidence {
    /// Why a question has no answer.
    type Error;

    /// What stood for an account at a time.
    fn standing_at(
        &mut self,
        account: AccountId,
        at: UnixMicros,
    ) -> Result<Option<Standing>, Self::Error>;

    /// What came to stand for an account after a time, until another and at it, oldest first.
    fn standings_within(
        &mut self,
        account: AccountId,
        after: UnixMicros,
        until: UnixMicros,
    ) -> Result<Vec<Standing>, Self::Error>;

    /// What stood for a line at a time.
    fn line_at(
        &mut self,
        line: LineId,
        at: UnixMicros,
    ) -> Result<Option<LineStanding>, Self::Error>;

    /// What came to stand for a line after a time, until another and at it, oldest first.
    fn lines_within(
        &mut self,
        line: LineId,
        after: UnixMicros,
        until: UnixMicros,
    ) -> Result<Vec<LineStanding>, Self::Error>;

    /// What stood for a trunk at a time.
    fn trunk_at(
        &mut self,
        trunk: TrunkId,
        at: UnixMicros,
    ) -> Result<Option<TrunkStanding>, Self::Error>;

    /// The rows of a deck as it stood at a time whose prefix these digits begin with, effective or not.
    fn rows_at(
        &mut self,
        deck: DeckId,
        digits: &str,
        at: UnixMicros,
    ) -> Result<Vec<RateRow>, Self::Error>;

    /// What was posted for a decision.
    fn transfers(&mut self, decision: DecisionId) -> Result<Vec<Transfer>, Self::Error>;

    /// What calls of an account that ended within a time cost beyond their holds, as recorded. Asked only where somebody
    /// would be accused.
    fn overruns(
        &mut self,
        account: AccountId,
        since: UnixMicros,
        until: UnixMicros,
    ) -> Result<Money, Self::Error>;

    /// When the node started, each time, oldest first.
    fn starts(&mut self) -> Result<&[UnixMicros], Self::Error>;

    /// The admitted calls of an account that ended after a time or are in progress; more do no harm.
    fn calls(&mut self, account: AccountId, since: UnixMicros) -> Result<&Calls, Self::Error>;
}
