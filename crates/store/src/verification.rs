//! What does not come out when a store is computed again. Lives here: problems in types and words, secrets that do not open.
//! Never here: computing (the backends), links (chain).

use std::fmt;

use types::{AccountId, BillId, DecisionId, LineId, Money, TrunkId, WebUserId};

use crate::seal::KeyId;

/// A sum that does not come out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The database file itself is damaged.
    Damaged(String),
    /// An account's un-billed total is not what its CDRs, adjustments and bills leave.
    Unbilled {
        /// Whose.
        account: AccountId,
        /// The total as kept.
        kept: Money,
        /// The sum of the CDRs' prices, less adjustments and bills.
        cdrs: Money,
    },
    /// A bill's charges are not the sum of the CDRs that it covers.
    Billed {
        /// Which bill.
        bill: BillId,
        /// Its charges.
        kept: Money,
        /// The sum of the CDRs' prices.
        cdrs: Money,
    },
    /// The charges posted to an account are not the sum of its CDRs.
    Charges {
        /// Whose.
        account: AccountId,
        /// The sum of the charges.
        charges: Money,
        /// The sum of the CDRs' prices.
        cdrs: Money,
    },
    /// The spending by time of an account is not the sum of its CDRs.
    Spending {
        /// Whose.
        account: AccountId,
        /// The sum of the spending.
        spending: Money,
        /// The sum of the CDRs' prices.
        cdrs: Money,
    },
    /// The costs posted are not the sum of the CDRs' costs.
    Costs {
        /// The sum of the costs.
        costs: Money,
        /// The sum of the CDRs' costs.
        cdrs: Money,
    },
    /// A call is open and ended at once.
    HeldAndEnded(DecisionId),
    /// A secret cannot be opened: its line or trunk is out of use.
    Unopened(Unopened),
    /// A row that is kept whole says something else than its columns.
    MixedUp {
        /// In which table.
        table: &'static str,
        /// Which row.
        key: String,
    },
}

impl fmt::Display for Problem {
    /// One sentence for a person, without the full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Damaged(what) => write!(f, "the database file is damaged: {what}"),
            Problem::Unbilled { account, kept, cdrs } => write!(
                f,
                "account {account}: un-billed usage is kept as {kept}, its calls, adjustments and bills leave {cdrs}"
            ),
            Problem::Billed { bill, kept, cdrs } => {
                write!(f, "bill {bill} charges {kept}, the calls it covers sum up to {cdrs}")
            }
            Problem::Charges { account, charges, cdrs } => {
                write!(f, "account {account}: {charges} was charged, its calls sum up to {cdrs}")
            }
            Problem::Spending { account, spending, cdrs } => write!(
                f,
                "account {account}: spending by time sums up to {spending}, its calls to {cdrs}"
            ),
            Problem::Costs { costs, cdrs } => {
                write!(f, "carriers' costs were posted as {costs}, the calls sum up to {cdrs}")
            }
            Problem::HeldAndEnded(decision) => {
                write!(f, "call {decision} has ended and still holds money")
            }
            Problem::Unopened(Unopened { what, why }) => {
                write!(f, "the secret of {what} cannot be opened, it is out of use: {why}")
            }
            Problem::MixedUp { table, key } => {
                write!(f, "table {table}: row {key} does not say what its columns say")
            }
        }
    }
}

/// Something that has a sealed secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhatSealed {
    /// A line, with its user name.
    Line(LineId, String),
    /// A trunk, with its name.
    Trunk(TrunkId, String),
    /// A web user, with his name.
    WebUser(WebUserId, String),
}

impl fmt::Display for WhatSealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WhatSealed::Line(id, user) => write!(f, "line {id} ({user})"),
            WhatSealed::Trunk(id, name) => write!(f, "trunk {id} ({name})"),
            WhatSealed::WebUser(id, name) => write!(f, "web user {id} ({name})"),
        }
    }
}

/// A secret that does not open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unopened {
    /// Whose.
    pub what: WhatSealed,
    /// Why not.
    pub why: String,
}

/// What [`Reader::sealing`](crate::Reader::sealing) found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sealing {
    /// Lines, trunks and web users with secrets.
    pub rows: u64,
    /// How many of them each key seals.
    pub keys: Vec<(KeyId, u64)>,
    /// Those that open, and that another key than the newest seals; lines first, by id.
    pub old: Vec<WhatSealed>,
    /// Those that do not open.
    pub unopened: Vec<Unopened>,
}

/// What [`Reader::verify`](crate::Reader::verify) found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// CDRs looked at.
    pub cdrs: u64,
    /// Transfers looked at.
    pub transfers: u64,
    /// Sum of all charges.
    pub charged: Money,
    /// What does not come out; empty is good.
    pub problems: Vec<Problem>,
}
