//! Money at risk and double entry. Lives here: holds, spending windows, stop levels, the book.
//! Never here: SIP, prices, why somebody calls, the clock, files.
//!
//! The rule of the house is kept in [`Ledger::reserve`] and [`Ledger::extend`]: what is spent, what
//! open calls hold and what is asked stay within the level together, checked and written in one step.

mod book;
mod exposure;
mod greatest_loss;
mod money_at_risk;
mod outcome;
mod payer;

pub use book::{Book, BookError, Posted, call_transfers};
pub use exposure::{Levels, News, Spent};
pub use greatest_loss::{GreatestLoss, Stretch};
pub use money_at_risk::Ledger;
pub use outcome::{
    Ask, AuditError, Closing, Crossing, Exposed, LedgerError, OpenHold, Refused, Totals,
};
pub use payer::{Bounds, Payer};
