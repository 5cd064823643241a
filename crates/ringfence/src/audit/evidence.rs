//! What judges ask, asked of a store. Lives here: one question each, and the memory that makes it bearable. Never here: SQL.

use std::collections::BTreeMap;

use ::audit::{Calls, Evidence, KnownCall};
use store::{CallFilter, FactFilter, Reader, StoreError, StoredFact};
use types::decision::Outcome;
use types::{
    AccountId, Cdr, DecisionId, DeckId, Fact, Hold, LineId, LineStanding, Money, RateRow, Standing,
    Transfer, TrunkId, TrunkStanding, UnixMicros,
};

use super::known::Known;

/// Calls of one account that are asked for; of one with more only the newest are known, and less is sure.
const MOST_OF_ACCOUNT: u32 = 50_000;

/// Evidence from a store.
pub struct StoreEvidence<R> {
    reader: R,
    starts: Vec<UnixMicros>,
    known: Known,
    /// Calls in progress, as of the batch's beginning.
    open: BTreeMap<AccountId, Vec<Hold>>,
}

impl<R: Reader> StoreEvidence<R> {
    /// From a store whose node started at these times.
    pub fn new(reader: R, starts: Vec<UnixMicros>) -> StoreEvidence<R> {
        StoreEvidence { reader, starts, known: Known::default(), open: BTreeMap::new() }
    }

    /// The store.
    pub fn reader(&self) -> &R {
        &self.reader
    }

    /// Begins a batch: which calls are in progress?
    pub fn begin(&mut self) -> Result<(), StoreError> {
        self.open.clear();
        for hold in self.reader.holds(None)? {
            self.open.entry(hold.account).or_default().push(hold);
        }
        Ok(())
    }

    /// Calls ended: those of a batch, before any of them is judged.
    pub fn learn(&mut self, cdr: &Cdr) {
        if let Some(call) = KnownCall::ended(cdr, &self.starts) {
            self.known.ended(cdr.account, cdr.decision, call);
        }
    }

    fn load(&mut self, account: AccountId, since: UnixMicros) -> Result<(), StoreError> {
        let filter = CallFilter {
            account: Some(account),
            since: Some(since),
            outcome: Some(Outcome::Admitted),
            limit: MOST_OF_ACCOUNT,
            ..CallFilter::default()
        };
        let mut calls = Calls::new();
        // Calls to the account are not its own.
        for cdr in self.reader.calls(&filter)?.iter().filter(|cdr| cdr.account == account) {
            calls.extend(KnownCall::ended(cdr, &self.starts).map(|call| (cdr.decision, call)));
        }
        self.known.put(account, calls);
        Ok(())
    }
}

impl<R: Reader> Evidence for StoreEvidence<R> {
    type Error = StoreError;

    fn standing_at(
        &mut self,
        account: AccountId,
        at: UnixMicros,
    ) -> Result<Option<Standing>, StoreError> {
        self.reader.controls_at(account, at)
    }

    fn standings_within(
        &mut self,
        account: AccountId,
        after: UnixMicros,
        until: UnixMicros,
    ) -> Result<Vec<Standing>, StoreError> {
        self.reader.standings_within(account, after, until)
    }

    fn line_at(
        &mut self,
        line: LineId,
        at: UnixMicros,
    ) -> Result<Option<LineStanding>, StoreError> {
        self.reader.line_at(line, at)
    }

    fn lines_within(
        &mut self,
        line: LineId,
        after: UnixMicros,
        until: UnixMicros,
    ) -> Result<Vec<LineStanding>, StoreError> {
        self.reader.lines_within(line, after, until)
    }

    fn trunk_at(
        &mut self,
        trunk: TrunkId,
        at: UnixMicros,
    ) -> Result<Option<TrunkStanding>, StoreError> {
        self.reader.trunk_at(trunk, at)
    }

    fn rows_at(
        &mut self,
        deck: DeckId,
        digits: &str,
        at: UnixMicros,
    ) -> Result<Vec<RateRow>, StoreError> {
        self.reader.deck_rows_at(deck, digits, at)
    }

    fn transfers(&mut self, decision: DecisionId) -> Result<Vec<Transfer>, StoreError> {
        self.reader.transfers(decision)
    }

    fn overruns(
        &mut self,
        account: AccountId,
        since: UnixMicros,
        until: UnixMicros,
    ) -> Result<Money, StoreError> {
        let filter = FactFilter {
            account: Some(account),
            since: Some(since),
            until: Some(UnixMicros(until.0.saturating_add(1))),
            kind: Some("overrun".to_owned()),
            limit: u32::MAX,
        };
        let sum = |sum: Money, stored: StoredFact| match stored.fact {
            Fact::Overrun { amount, .. } => sum.saturating_add(amount),
            _ => sum,
        };
        Ok(self.reader.facts(&filter)?.into_iter().fold(Money::ZERO, sum))
    }

    fn starts(&mut self) -> Result<&[UnixMicros], StoreError> {
        Ok(&self.starts)
    }

    fn calls(&mut self, account: AccountId, since: UnixMicros) -> Result<&Calls, StoreError> {
        if !self.known.has(account) {
            self.load(account, since)?;
        }
        for hold in self.open.get(&account).into_iter().flatten() {
            let call = KnownCall::open(hold, &self.starts);
            self.known.open(account, hold.decision, call);
        }
        Ok(self.known.of(account).expect("it was loaded"))
    }
}
