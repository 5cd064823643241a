//! "Something is wrong": the steps out of trouble, in order, resumable, ending in a report to support. Lives here: one file for
//! what is on record of each step, one for the pages, one for the calls, two for the report. Never here: the changes
//! themselves (their own pages), where a recovery is kept (ringfence).

pub mod calls;
pub mod report;
mod shown;
pub mod steps;
pub mod wrong;
