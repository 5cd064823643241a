//! The auditor's second opinion on what the office does: postings, bills, what stood for an account when. Never here:
//! `ledger`, `engine`.

use std::collections::{BTreeMap, BTreeSet};

use types::{
    Account, AccountId, AccountStatus, Bill, Controls, DecisionId, LedgerAccount, Posting, Record,
    TransferKind, TrunkId, UnixMicros,
};

use super::Auditor;

/// Calls, and postings with their kinds, that are there when a run begins.
type Marked = (BTreeSet<DecisionId>, BTreeSet<(DecisionId, u8)>);

/// What was there when each bill run began, what is on bills, what stood.
#[derive(Debug, Default)]
pub(super) struct Office {
    /// By run: every call and posting that was durable.
    runs: BTreeMap<u32, Marked>,
    billed: BTreeSet<DecisionId>,
    billed_postings: BTreeSet<(DecisionId, u8)>,
    /// From when on what stood, by account.
    stood: BTreeMap<AccountId, BTreeMap<UnixMicros, (AccountStatus, Controls)>>,
}

impl Office {
    /// What an account might do when a call was decided; `known` is what it may now.
    pub fn stood<'a>(
        &'a self,
        known: &'a Account,
        at: UnixMicros,
    ) -> (AccountStatus, &'a Controls) {
        let row = self.stood.get(&known.id).and_then(|rows| rows.range(..=at).next_back());
        row.map_or((known.status, &known.controls), |(_, (status, controls))| (*status, controls))
    }

    /// What was known at the beginning stands from the beginning.
    pub fn begin_with(&mut self, account: &Account) {
        let first = (account.status, account.controls.clone());
        self.stood.entry(account.id).or_default().entry(UnixMicros(i64::MIN)).or_insert(first);
    }

    /// Takes up what stands from now on.
    pub fn learn(&mut self, record: &Record) {
        if let Record::Standing(standing) = record {
            let rows = self.stood.entry(standing.account).or_default();
            rows.insert(standing.at, (standing.status, standing.controls.clone()));
        }
    }

    /// Every set of controls that came after the first.
    pub fn changes(&self) -> impl Iterator<Item = &Controls> {
        self.stood.values().flat_map(|rows| rows.values().skip(1)).map(|(_, controls)| controls)
    }

    /// What was not durable never stood.
    pub fn forget_what_stood(&mut self) {
        for rows in self.stood.values_mut() {
            rows.retain(|at, _| at.0 == i64::MIN);
        }
    }
}

impl Auditor {
    /// Something of the office is durable: was it asked for, and is a bill of what was there when its run began?
    pub(super) fn office_durable(&mut self, record: &Record) -> Result<(), String> {
        match record {
            Record::Posting(posting) => self.check_posting(posting),
            Record::BillRun(run) => {
                let there = || {
                    let calls = self.kept.cdrs.keys().copied().collect();
                    (calls, self.kept.postings.keys().copied().collect())
                };
                let there = there();
                self.office.runs.entry(run.run).or_insert(there);
                Ok(())
            }
            Record::Bill(bill) if !self.kept.bills.contains_key(&(bill.run, bill.account)) => {
                self.check_bill(bill)
            }
            _ => Ok(()),
        }
    }

    fn check_posting(&self, posting: &Posting) -> Result<(), String> {
        let transfer = &posting.transfer;
        let (decision, kind) = (transfer.decision, transfer.kind);
        if self.asked.postings.get(&(decision, kind as u8)) != Some(posting) {
            let is_second = |other: &Posting| {
                posting.reference.is_some()
                    && (other.transfer.kind, &other.reference) == (kind, &posting.reference)
            };
            return match self.asked.postings.values().any(is_second) {
                true => Ok(()),
                false => Err(format!("a posting {decision} of kind {kind} was never asked for")),
            };
        }
        let Some(cdr) = self.kept.cdrs.get(&decision) else { return Ok(()) };
        let given: i64 = [TransferKind::ZeroRating, TransferKind::CostPrice]
            .iter()
            .filter_map(|kind| self.asked.postings.get(&(decision, *kind as u8)))
            .map(|posting| posting.transfer.amount.micros())
            .sum();
        if given > cdr.price.micros() {
            return Err(format!("{given} was given back of {decision}, charged {}", cdr.price));
        }
        Ok(())
    }

    /// A bill charges the calls that were there when its run began, had ended in time, and are on no other.
    fn check_bill(&mut self, bill: &Bill) -> Result<(), String> {
        let Some((calls, postings)) = self.office.runs.get(&bill.run) else {
            return Err(format!("the bill {} is of no run", bill.id()));
        };
        let (account, until) = (bill.account, bill.covers.until);
        let mut due: BTreeSet<DecisionId> =
            calls.difference(&self.office.billed).copied().collect();
        due.retain(|id| {
            let cdr = self.kept.cdrs.get(id);
            cdr.is_some_and(|cdr| cdr.account == account && cdr.ended < until)
        });
        let mut posted: BTreeSet<(DecisionId, u8)> =
            postings.difference(&self.office.billed_postings).copied().collect();
        posted.retain(|key| {
            let posting = self.kept.postings.get(key);
            posting.is_some_and(|one| one.account == Some(account) && one.transfer.at < until)
        });
        let want: i64 = due.iter().map(|id| self.kept.cdrs[id].price.micros()).sum();
        let charged: i64 = bill.lines.iter().map(|line| line.amount.micros()).sum();
        if charged != want {
            return Err(format!(
                "the bill {} charges {charged}, the calls of the run come to {want}",
                bill.id()
            ));
        }
        let of = |used: bool| -> i64 {
            let mine = super::Books {
                postings: posted
                    .iter()
                    .map(|key| (*key, self.kept.postings[key].clone()))
                    .collect(),
                ..super::Books::default()
            };
            mine.posted(account, used)
        };
        let (adjusted, owed) = (of(true), of(false));
        let due_now = bill.brought_forward.micros() + charged + owed;
        if (bill.total.micros(), bill.due.micros()) != (charged + adjusted, due_now) {
            return Err(format!(
                "the bill {} has a total of {} and {} due, not {} and {due_now}",
                bill.id(),
                bill.total,
                bill.due,
                charged + adjusted
            ));
        }
        self.office.billed.extend(due);
        self.office.billed_postings.extend(posted);
        Ok(())
    }

    /// At the end: what was asked for is there, and every ledger account has what the records leave it.
    pub(super) fn check_office(
        &self,
        balances: &BTreeMap<LedgerAccount, i64>,
        unbilled: impl Fn(AccountId) -> (i64, i64),
    ) -> Vec<String> {
        let mut found = Vec::new();
        let lost = self.asked.postings.keys().filter(|key| !self.kept.postings.contains_key(key));
        found.extend(
            lost.map(|(decision, _)| format!("the posting {decision} is not in the store")),
        );
        for account in self.accounts.keys() {
            let owed = self.kept.spent(*account, false, UnixMicros(i64::MIN))
                + self.kept.posted(*account, false);
            let kept = balances.get(&LedgerAccount::Receivable(*account)).copied().unwrap_or(0);
            if kept != owed {
                found.push(format!(
                    "account {account} owes {kept} in the ledger, by its records {owed}"
                ));
            }
            let want = self.kept.unbilled(*account);
            let (stored, known) = unbilled(*account);
            if (stored, known) != (want, want) {
                found.push(format!(
                    "account {account}: un-billed {stored} in the store, {known} in the node, by its records {want}"
                ));
            }
        }
        for trunk in self.trunks.keys() {
            let want = self.owed_to(*trunk);
            let kept = balances.get(&LedgerAccount::CarrierPayable(*trunk)).copied().unwrap_or(0);
            if -kept != want {
                found.push(format!(
                    "trunk {trunk} is owed {} in the ledger, by its records {want}",
                    -kept
                ));
            }
        }
        found
    }

    fn owed_to(&self, trunk: TrunkId) -> i64 {
        let calls = self.kept.cdrs.values().filter(|cdr| cdr.trunk == Some(trunk));
        let costs: i64 = calls.map(|cdr| cdr.cost.micros()).sum();
        let payable = LedgerAccount::CarrierPayable(trunk);
        let credits = self.kept.postings.values().filter(|one| one.transfer.debit == payable);
        costs - credits.map(|one| one.transfer.amount.micros()).sum::<i64>()
    }
}
