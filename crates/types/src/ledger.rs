//! Double entry: every transfer debits one ledger account and credits another.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, DecisionId, TrunkId};
use crate::money::Money;
use crate::time::UnixMicros;

/// An account of the double-entry ledger (not an account of a holder).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LedgerAccount {
    /// What a holder owes us.
    Receivable(AccountId),
    /// What we earned with calls.
    Revenue,
    /// What carriers' calls cost us.
    CarrierCost,
    /// What we owe a carrier.
    CarrierPayable(TrunkId),
    /// What holders paid us.
    Cash,
    /// What we gave holders for nothing.
    Goodwill,
    /// What holders owed us and will never pay.
    WrittenOff,
    /// What a holder owes us later, by instalments.
    Instalments(AccountId),
}

/// What a transfer is for. At most one of each kind exists for a decision, so posting twice is found out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[repr(u8)]
pub enum TransferKind {
    /// The price of a call.
    Charge = 1,
    /// The cost of a call.
    Cost = 2,
    /// A call's price, given back in whole.
    ZeroRating = 3,
    /// What a call's price exceeds its cost by, given back.
    CostPrice = 4,
    /// Something given to a holder, for no call in particular.
    Goodwill = 5,
    /// A holder paid.
    Payment = 6,
    /// A payment was taken back by its bank.
    PaymentReturned = 7,
    /// A carrier owes us less.
    CarrierCredit = 8,
    /// A debt becomes instalments.
    Instalment = 9,
    /// An instalment has to be paid now.
    InstalmentDue = 10,
    /// A debt is given up.
    WriteOff = 11,
}

impl TransferKind {
    /// Every kind, in order.
    pub const ALL: [TransferKind; 11] = [
        TransferKind::Charge,
        TransferKind::Cost,
        TransferKind::ZeroRating,
        TransferKind::CostPrice,
        TransferKind::Goodwill,
        TransferKind::Payment,
        TransferKind::PaymentReturned,
        TransferKind::CarrierCredit,
        TransferKind::Instalment,
        TransferKind::InstalmentDue,
        TransferKind::WriteOff,
    ];

    /// Stable name in commands and JSON.
    pub const fn code(self) -> &'static str {
        match self {
            TransferKind::Charge => "charge",
            TransferKind::Cost => "cost",
            TransferKind::ZeroRating => "zero-rating",
            TransferKind::CostPrice => "cost-price",
            TransferKind::Goodwill => "goodwill",
            TransferKind::Payment => "payment",
            TransferKind::PaymentReturned => "payment-returned",
            TransferKind::CarrierCredit => "carrier-credit",
            TransferKind::Instalment => "instalment",
            TransferKind::InstalmentDue => "instalment-due",
            TransferKind::WriteOff => "write-off",
        }
    }

    /// Does it lower what was used, and not only what is owed? Such postings lower un-billed usage,
    /// and the total of the bill they are on.
    pub const fn lowers_usage(self) -> bool {
        matches!(self, TransferKind::ZeroRating | TransferKind::CostPrice | TransferKind::Goodwill)
    }

    /// Is it about one call's price, so that all of them together are bounded by it?
    pub const fn adjusts_call(self) -> bool {
        matches!(self, TransferKind::ZeroRating | TransferKind::CostPrice)
    }

    /// Debited and credited ledger accounts of a posting for this holder or trunk; `None` for the kinds
    /// that a call posts by itself, and where holder or trunk are missing.
    pub const fn sides(
        self,
        account: Option<AccountId>,
        trunk: Option<TrunkId>,
    ) -> Option<(LedgerAccount, LedgerAccount)> {
        let (Some(id), None) = (account, trunk) else {
            return match (self, account, trunk) {
                (TransferKind::CarrierCredit, None, Some(trunk)) => {
                    Some((LedgerAccount::CarrierPayable(trunk), LedgerAccount::CarrierCost))
                }
                _ => None,
            };
        };
        let (owed, later) = (LedgerAccount::Receivable(id), LedgerAccount::Instalments(id));
        Some(match self {
            TransferKind::Charge | TransferKind::Cost | TransferKind::CarrierCredit => return None,
            TransferKind::ZeroRating | TransferKind::CostPrice => (LedgerAccount::Revenue, owed),
            TransferKind::Goodwill => (LedgerAccount::Goodwill, owed),
            TransferKind::Payment => (LedgerAccount::Cash, owed),
            TransferKind::PaymentReturned => (owed, LedgerAccount::Cash),
            TransferKind::Instalment => (later, owed),
            TransferKind::InstalmentDue => (owed, later),
            TransferKind::WriteOff => (LedgerAccount::WrittenOff, owed),
        })
    }
}

impl fmt::Display for TransferKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// One movement: `amount` from credit to debit. Idempotent by (decision, kind).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transfer {
    /// The decision it comes from.
    pub decision: DecisionId,
    /// What it is for.
    pub kind: TransferKind,
    /// Account debited.
    pub debit: LedgerAccount,
    /// Account credited.
    pub credit: LedgerAccount,
    /// Never negative.
    pub amount: Money,
    /// When.
    pub at: UnixMicros,
}

impl Transfer {
    /// What it adds to what the holder owes: negative when he owes less.
    pub fn adds_to_debt_of(&self, account: AccountId) -> Money {
        let owed = LedgerAccount::Receivable(account);
        if self.debit == owed {
            self.amount
        } else if self.credit == owed {
            Money::ZERO.saturating_sub(self.amount)
        } else {
            Money::ZERO
        }
    }
}

/// A transfer that people ordered, with who and why. Adjustments of a call carry its decision, all
/// others one of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    /// What moved.
    pub transfer: Transfer,
    /// The holder it is about, if one.
    pub account: Option<AccountId>,
    /// What it is called elsewhere, as a bank's reference: unique among the postings of its kind.
    pub reference: Option<String>,
    /// Who ordered it.
    pub by: String,
    /// Why.
    pub note: String,
}

/// Longest reference of a posting, in bytes.
pub const LONGEST_REFERENCE: usize = 100;
/// Longest name of who ordered a posting, in bytes.
pub const LONGEST_BY: usize = 100;
/// Longest note of a posting, in bytes.
pub const LONGEST_NOTE: usize = 1_000;

impl Posting {
    /// What is wrong with it in itself, if anything: sides that do not fit its kind, nothing moved, texts
    /// without end.
    pub fn fault(&self) -> Option<String> {
        let Transfer { kind, debit, credit, amount, .. } = self.transfer;
        let trunk = match debit {
            LedgerAccount::CarrierPayable(trunk) => Some(trunk),
            _ => None,
        };
        if kind.sides(self.account, trunk) != Some((debit, credit)) {
            return Some(format!(
                "a posting of kind {kind} does not go from {credit:?} to {debit:?}"
            ));
        }
        if amount.is_negative() || amount.is_zero() {
            return Some(format!("a posting of kind {kind} moves {amount}"));
        }
        let too_long = self.by.len() > LONGEST_BY
            || self.note.len() > LONGEST_NOTE
            || self.reference.as_ref().is_some_and(|text| text.len() > LONGEST_REFERENCE);
        too_long.then(|| format!("a posting of kind {kind} has a text that is too long"))
    }

    /// What it adds to the usage of its holder: negative or nothing.
    pub fn adds_to_usage(&self) -> Money {
        if self.transfer.kind.lowers_usage() {
            Money::ZERO.saturating_sub(self.transfer.amount)
        } else {
            Money::ZERO
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_number_and_name() {
        for (index, kind) in TransferKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, index + 1, "{kind}");
        }
    }

    /// Debit, credit, what it adds to the holder's debt and to his usage, of a posting of 5.
    #[test]
    fn postings_go_one_way_only() {
        use LedgerAccount::*;
        fn check(kind: TransferKind, want: Option<(LedgerAccount, LedgerAccount, i64, i64)>) {
            let (id, trunk) = (AccountId(7), TrunkId(3));
            let of_carrier = kind == TransferKind::CarrierCredit;
            let (account, trunk) = if of_carrier { (None, Some(trunk)) } else { (Some(id), None) };
            let Some((debit, credit)) = kind.sides(account, trunk) else {
                assert_eq!(want, None, "{kind}");
                return;
            };
            let amount = Money::from_micros(5);
            let (decision, at) = (DecisionId(1), UnixMicros(0));
            let transfer = Transfer { decision, kind, debit, credit, amount, at };
            let (by, note) = ("ann".to_owned(), String::new());
            let posting = Posting { transfer, account, reference: None, by, note };
            let debt = transfer.adds_to_debt_of(id).micros();
            let got = (debit, credit, debt, posting.adds_to_usage().micros());
            assert_eq!(Some(got), want, "{kind}");
            assert_eq!(posting.fault(), None, "{kind}");
            let turned = Transfer { debit: credit, credit: debit, ..transfer };
            assert!(Posting { transfer: turned, ..posting.clone() }.fault().is_some(), "{kind}");
            let nothing = Transfer { amount: Money::ZERO, ..transfer };
            assert!(Posting { transfer: nothing, ..posting }.fault().is_some(), "{kind}");
        }
        let owed = Receivable(AccountId(7));
        let later = Instalments(AccountId(7));
        check(TransferKind::Charge, None);
        check(TransferKind::Cost, None);
        check(TransferKind::ZeroRating, Some((Revenue, owed, -5, -5)));
        check(TransferKind::CostPrice, Some((Revenue, owed, -5, -5)));
        check(TransferKind::Goodwill, Some((Goodwill, owed, -5, -5)));
        check(TransferKind::Payment, Some((Cash, owed, -5, 0)));
        check(TransferKind::PaymentReturned, Some((owed, Cash, 5, 0)));
        let payable = CarrierPayable(TrunkId(3));
        check(TransferKind::CarrierCredit, Some((payable, CarrierCost, 0, 0)));
        check(TransferKind::Instalment, Some((later, owed, -5, 0)));
        check(TransferKind::InstalmentDue, Some((owed, later, 5, 0)));
        check(TransferKind::WriteOff, Some((WrittenOff, owed, -5, 0)));
    }
}
