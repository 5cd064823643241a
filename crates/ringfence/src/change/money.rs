//! Money that people move. Lives here: the numbers of bill runs. Never here: what may be posted (the
//! engine), what a bill says.

use engine::{Command, Engine};
use serde_json::json;
use types::{AccountId, Bill, UnixMicros};

use super::Plan;

/// The next bill run.
pub fn begin_run(day: UnixMicros, only: Option<AccountId>, engine: &Engine) -> Plan {
    let run = engine.last_bill_run().saturating_add(1);
    Plan::one(Command::BeginBillRun { run, day, only }, json!({ "run": run }))
}

/// Bills of a run.
pub fn put_bills(bills: Vec<Bill>) -> Plan {
    let names: Vec<String> = bills.iter().map(|bill| bill.id().to_string()).collect();
    Plan::one(Command::PutBills(bills), json!({ "bills": names }))
}
