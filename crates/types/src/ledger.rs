//! Double entry: every transfer debits one ledger account and credits another.

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
}

/// One posting: `amount` from credit to debit. Idempotent by (decision, kind).
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
