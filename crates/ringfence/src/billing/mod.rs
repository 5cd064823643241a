//! Bills and what holders owe. Lives here: bill runs, statements, how a bill is shown. Never here: sums of
//! a bill (ledger), tables (store), how commands are read.

mod cycle;
mod names;
mod page;
mod run;
mod sheet;
mod statement;
#[cfg(test)]
mod tests;

pub use cycle::{cycle_end, day_start, months_later, zone};
pub use names::Names;
pub use page::page;
pub use run::{BATCH, DRAFT, Desk, Report, RunOrder, run};
pub use sheet::sheet;
pub use statement::statement;
pub use types::cell::safe_cell;
