//! Postings and bills in memory. Lives here: what is refused, what each changes, which calls a bill has.
//! Never here: faults, crashes.

use std::sync::Arc;

use types::{
    AccountId, Bill, BillRun, Coverage, KnownRun, Marks, Money, Posting, Record, StoredPosting,
    Transfer, TransferKind, UnixMicros,
};

use super::state::State;
use crate::billing::{AboutPosting, BillFilter, BillItems, Judged, PostingFilter};
use crate::billing::{judge_bill, judge_posting};
use crate::rules;
use crate::verification::Problem;

impl State {
    /// Why postings and bills among these records cannot be written, after those before them.
    pub fn billing_refusal(&self, records: &[&Record]) -> Option<String> {
        let is_ours = |record: &&Record| matches!(record, Record::Posting(_) | Record::Bill(_));
        if !records.iter().any(is_ours) {
            return None;
        }
        let mut trial = self.clone();
        for record in records {
            if let Some(why) = rules::refusal(record) {
                return Some(why);
            }
            let judged = match record {
                Record::Posting(posting) => trial.judge_posting(posting),
                Record::Bill(bill) => trial.judge_bill(bill),
                _ => Judged::New,
            };
            if let Judged::Refused(why) = judged {
                return Some(why);
            }
            trial.put(record);
        }
        None
    }

    pub fn judge_posting(&self, posting: &Posting) -> Judged {
        let Transfer { decision, kind, .. } = posting.transfer;
        let transfers = self.transfers_of(decision);
        let adjusted = transfers.iter().filter(|one| one.kind.adjusts_call());
        let named = |reference: &String| {
            self.postings.iter().any(|known| {
                known.transfer.kind == kind && known.reference.as_ref() == Some(reference)
            })
        };
        let there = AboutPosting {
            same: transfers.iter().find(|one| one.kind == kind).copied(),
            named: posting.reference.as_ref().is_some_and(named),
            call: self.cdrs.get(&decision).map(|cdr| (cdr.account, cdr.price, cdr.cost)),
            adjusted: adjusted.fold(Money::ZERO, |sum, one| sum.saturating_add(one.amount)),
        };
        judge_posting(posting, &there)
    }

    pub fn judge_bill(&self, bill: &Bill) -> Judged {
        let same = self.bills.get(&(bill.account, bill.run));
        let run = self.bill_runs.get(&bill.run);
        judge_bill(bill, run, self.last_run(bill.account), same.map(|same| &**same))
    }

    /// The run of the account's newest bill; 0 if it has none.
    fn last_run(&self, account: AccountId) -> u32 {
        let mine = self.bills.range((account, 0)..=(account, u32::MAX));
        mine.last().map_or(0, |((_, run), _)| *run)
    }

    /// The transfers of a decision, in the order of their kind.
    pub fn transfers_of(&self, decision: types::DecisionId) -> Vec<Transfer> {
        let (first, last) = (TransferKind::Charge, TransferKind::WriteOff);
        let range = self.transfers.range((decision, first)..=(decision, last));
        range.map(|(_, transfer)| *transfer).collect()
    }

    /// Writes a posting that was not refused.
    pub fn post(&mut self, posting: &Posting) {
        if self.judge_posting(posting) != Judged::New {
            return;
        }
        let transfer = posting.transfer;
        self.transfers.insert((transfer.decision, transfer.kind), transfer);
        self.postings.push(Arc::new(posting.clone()));
        if let Some(account) = posting.account {
            self.change_unbilled(account, posting.adds_to_usage());
        }
    }

    fn change_unbilled(&mut self, account: AccountId, by: Money) {
        let unbilled = self.unbilled.entry(account).or_default();
        *unbilled = unbilled.saturating_add(by);
    }

    /// Begins a run: the marks are counts of what was written.
    pub fn begin_run(&mut self, run: &BillRun) {
        let marks = Marks { calls: self.cdrs.len() as u64, postings: self.postings.len() as u64 };
        let known = KnownRun { run: *run, marks, done: false };
        self.bill_runs.entry(run.run).or_insert(known);
    }

    /// Writes a bill that was not refused.
    pub fn insert_bill(&mut self, bill: &Bill) {
        if self.judge_bill(bill) != Judged::New {
            return;
        }
        self.bills.insert((bill.account, bill.run), Arc::new(bill.clone()));
        self.change_unbilled(bill.account, Money::ZERO.saturating_sub(bill.total));
    }

    /// Postings with their places, oldest first.
    fn stored_postings(&self) -> impl DoubleEndedIterator<Item = StoredPosting> {
        let stored = |(index, posting): (usize, &Arc<Posting>)| StoredPosting {
            seq: index as u64 + 1,
            posting: Posting::clone(posting),
        };
        self.postings.iter().enumerate().map(stored)
    }

    /// Postings, newest first.
    pub fn find_postings(&self, filter: &PostingFilter) -> Vec<StoredPosting> {
        let matches = |stored: &StoredPosting| {
            let (posting, transfer) = (&stored.posting, &stored.posting.transfer);
            filter.account.is_none_or(|id| posting.account == Some(id))
                && filter.kind.is_none_or(|kind| transfer.kind == kind)
                && filter.decision.is_none_or(|id| transfer.decision == id)
                && (filter.reference.is_none() || posting.reference == filter.reference)
        };
        let found = self.stored_postings().rev().filter(matches);
        found.take(filter.limit as usize).collect()
    }

    /// Bills, newest run first.
    pub fn find_bills(&self, filter: &BillFilter) -> Vec<Bill> {
        let bills = self.bills.values().filter(|bill| {
            filter.account.is_none_or(|id| bill.account == id)
                && filter.run.is_none_or(|run| bill.run == run)
        });
        let mut found: Vec<&Arc<Bill>> = bills.collect();
        found.sort_by_key(|bill| (std::cmp::Reverse(bill.run), bill.account));
        found.into_iter().take(filter.limit as usize).map(|bill| Bill::clone(bill)).collect()
    }

    /// The newest bill of each account, by account.
    pub fn newest_bills(&self) -> impl Iterator<Item = &Arc<Bill>> {
        let is_newest = |bill: &&Arc<Bill>| self.last_run(bill.account) == bill.run;
        self.bills.values().filter(is_newest)
    }

    /// What the one coverage holds of an account and the other does not.
    pub fn bill_items(
        &self,
        account: AccountId,
        before: &Coverage,
        covers: &Coverage,
    ) -> BillItems {
        let call = |mark: u64, ended: UnixMicros| {
            covers.has_call(mark, ended) && !before.has_call(mark, ended)
        };
        let calls = self.cdrs.values().filter(|cdr| cdr.account == account);
        let calls = calls.filter(|cdr| call(self.cdr_places[&cdr.decision], cdr.ended));
        let posting = |stored: &StoredPosting| {
            let (mark, at) = (stored.seq, stored.posting.transfer.at);
            let mine = stored.posting.account == Some(account);
            mine && covers.has_posting(mark, at) && !before.has_posting(mark, at)
        };
        BillItems {
            calls: calls.map(|cdr| types::Cdr::clone(cdr)).collect(),
            postings: self.stored_postings().filter(posting).collect(),
        }
    }

    /// Adds the calls of every bill up again.
    pub fn verify_bills(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for bill in self.bills.values() {
            let calls = self.bill_items(bill.account, &bill.before, &bill.covers).calls;
            let cdrs = calls.iter().fold(Money::ZERO, |sum, cdr| sum.saturating_add(cdr.price));
            if bill.charges() != cdrs {
                problems.push(Problem::Billed { bill: bill.id(), kept: bill.charges(), cdrs });
            }
        }
        problems
    }
}
