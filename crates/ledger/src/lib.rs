//! Money at risk and double entry. Lives here: holds, spending windows, stop levels, the book, bills.
//! Never here: SIP, prices, why somebody calls, the clock, files.
//!
//! The rule of the house is kept in [`Ledger::reserve`] and [`Ledger::extend`]: what is spent, what
//! open calls hold and what is asked stay within the level together, checked and written in one step.

mod bill;
mod book;
mod carrier;
mod exposure;
mod greatest_loss;
mod money_at_risk;
mod outcome;
mod payer;

pub use bill::{BillBasis, BillError, CallText, LastBill, is_shown, make_bill, split};
pub use book::{Book, BookError, Posted, call_transfers};
pub use carrier::{Difference, InvoiceCall, Reconciled, Tolerance, number_of, reconcile};
pub use exposure::{Levels, News, Spent};
pub use greatest_loss::{GreatestLoss, Stretch};
pub use money_at_risk::Ledger;
pub use outcome::{
    Ask, AuditError, Closing, Crossing, Exposed, LedgerError, OpenHold, Refused, Totals,
};
pub use payer::{Bounds, Payer};
