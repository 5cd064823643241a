//! The auditor: a second model of what a call may be and cost, written from what the controls mean and not from how the
//! engine does it. Lives here: judging ended calls by what stood when they were admitted. Never here: `engine`, `rating`,
//! `ledger` (a mistake of theirs must not be ours), a store, what follows from a verdict.
//!
//! Judged is what the record shows for sure. Where it only shows a bound, as for money that was held, the bound is judged:
//! a correct engine is never accused, and of a wrong one each call that went clearly beyond a control is.

mod bounds;
mod call;
mod case;
mod counts;
mod evidence;
mod followed;
mod judge;
mod levels;
mod money;
mod off_hours;
#[cfg(test)]
mod sample;
mod verdict;
mod who;

pub use call::{Calls, KnownCall};
pub use evidence::Evidence;
pub use judge::judge;
pub use money::cost;
pub use off_hours::Calendar;
pub use verdict::{Mismatch, Verdict};
