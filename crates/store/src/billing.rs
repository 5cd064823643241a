//! What every backend agrees on about postings and bills. Lives here: whether one may be written, what is
//! asked about them. Never here: tables.

use types::{
    AccountId, Bill, Cdr, DecisionId, KnownRun, Money, Posting, StoredPosting, Transfer,
    TransferKind,
};

/// Which postings to list. Every condition given must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostingFilter {
    /// About this holder.
    pub account: Option<AccountId>,
    /// Of this kind.
    pub kind: Option<TransferKind>,
    /// With this reference.
    pub reference: Option<String>,
    /// Of this decision.
    pub decision: Option<DecisionId>,
    /// At most so many, the newest.
    pub limit: u32,
}

impl Default for PostingFilter {
    fn default() -> PostingFilter {
        PostingFilter { account: None, kind: None, reference: None, decision: None, limit: 100 }
    }
}

/// Which bills to list. Every condition given must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BillFilter {
    /// Of this account.
    pub account: Option<AccountId>,
    /// Of this run.
    pub run: Option<u32>,
    /// At most so many, the newest.
    pub limit: u32,
}

impl Default for BillFilter {
    fn default() -> BillFilter {
        BillFilter { account: None, run: None, limit: 100 }
    }
}

/// What is on a bill.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BillItems {
    /// Calls that the account pays, in the order of their decisions.
    pub calls: Vec<Cdr>,
    /// Postings of the account, in the order of commits.
    pub postings: Vec<StoredPosting>,
}

/// What a backend says of a record that wants to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// It is to be written.
    New,
    /// It is there already.
    Again,
    /// It must not be written.
    Refused(String),
}

/// What a backend has that bears on a posting.
#[derive(Clone, Debug, Default)]
pub struct AboutPosting {
    /// The transfer of this decision and kind.
    pub same: Option<Transfer>,
    /// Is there a posting of this kind and reference?
    pub named: bool,
    /// The call of its decision: payer, price, cost.
    pub call: Option<(AccountId, Money, Money)>,
    /// Adjustments of that call, of all kinds.
    pub adjusted: Money,
}

/// May a posting be written? A call is given back at most its price in all, by its payer's adjustments
/// only; a carrier gives back at most a call's cost.
pub fn judge_posting(posting: &Posting, there: &AboutPosting) -> Judged {
    let Transfer { decision, kind, amount, .. } = posting.transfer;
    if let Some(same) = &there.same {
        return match same.amount == amount {
            true => Judged::Again,
            false => Judged::Refused(format!(
                "decision {decision} has a {kind} of {} already, now of {amount}",
                same.amount
            )),
        };
    }
    if there.named {
        return Judged::Again;
    }
    match there.call {
        Some((payer, price, _)) if kind.adjusts_call() => {
            let adjusted = there.adjusted.saturating_add(amount);
            if posting.account != Some(payer) {
                return Judged::Refused(format!("call {decision} is paid by account {payer}"));
            }
            if adjusted > price {
                return Judged::Refused(format!(
                    "call {decision} of {price} would be adjusted by {adjusted} in all"
                ));
            }
        }
        None if kind.adjusts_call() => {
            return Judged::Refused(format!("there is no call {decision} to be adjusted"));
        }
        Some((_, _, cost)) if kind == TransferKind::CarrierCredit && amount > cost => {
            return Judged::Refused(format!(
                "call {decision} cost {cost}, the carrier cannot give {amount} back"
            ));
        }
        _ => {}
    }
    Judged::New
}

/// May a bill be written? It follows the newest of its account, and has the marks of its run.
pub fn judge_bill(bill: &Bill, run: Option<&KnownRun>, newest: u32, same: Option<&Bill>) -> Judged {
    let id = bill.id();
    if let Some(same) = same {
        return match same == bill {
            true => Judged::Again,
            false => Judged::Refused(format!("bill {id} is there, and says something else")),
        };
    }
    match run {
        None => return Judged::Refused(format!("bill {id}: there is no run {}", bill.run)),
        Some(run) if run.marks != bill.covers.marks => {
            return Judged::Refused(format!("bill {id} does not cover what its run does"));
        }
        Some(_) => {}
    }
    if bill.previous != newest || bill.run <= newest {
        return Judged::Refused(format!("bill {id} does not follow the account's last, {newest}"));
    }
    Judged::New
}

/// What is wrong with a bill in itself, if anything.
pub fn bill_fault(bill: &Bill) -> Option<String> {
    let id = bill.id();
    if !bill.covers.follows(&bill.before) {
        return Some(format!("bill {id} covers less than the one before"));
    }
    let amounts = bill.lines.iter().map(|line| line.amount);
    let adjusted = bill.adjustments.iter().map(|one| one.amount);
    let total = sum(amounts.chain(adjusted));
    let paid = bill.payments.iter().map(|one| one.amount);
    let due = sum([bill.brought_forward, bill.total].into_iter().chain(paid));
    let comes_out = total == Some(bill.total) && due == Some(bill.due);
    (!comes_out).then(|| format!("bill {id} does not add up"))
}

fn sum(mut amounts: impl Iterator<Item = Money>) -> Option<Money> {
    amounts.try_fold(Money::ZERO, Money::checked_add)
}
