//! A bill as CSV: each call, each posting. Lives here: its columns, cells that are no formulas (W2).
//! Never here: sums.

use types::cell::safe_cell;
use types::{Bill, Cdr};

use super::Names;

const COLUMNS: [&str; 11] = [
    "bill",
    "kind",
    "id",
    "at",
    "caller",
    "number",
    "class",
    "name",
    "duration_s",
    "billed_s",
    "amount",
];

/// The bill with its calls.
pub fn sheet(bill: &Bill, calls: &[Cdr], names: &Names) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    let number = bill.id().to_string();
    for cdr in calls.iter().filter(|cdr| ledger::is_shown(cdr)) {
        let text = names.describe(cdr);
        write_cells(
            &mut writer,
            [
                number.clone(),
                "call".to_owned(),
                cdr.decision.to_string(),
                cdr.started.to_string(),
                cdr.caller.clone(),
                ledger::number_of(cdr),
                cdr.destination.class.to_string(),
                text.name,
                cdr.duration_ms.div_ceil(1_000).to_string(),
                text.billed_s.to_string(),
                cdr.price.to_string(),
            ],
        )?;
    }
    for posting in bill.adjustments.iter().chain(&bill.payments) {
        let nothing = String::new;
        let name = posting.reference.clone().unwrap_or_else(|| posting.note.clone());
        write_cells(
            &mut writer,
            [
                number.clone(),
                posting.kind.to_string(),
                posting.decision.to_string(),
                posting.at.to_string(),
                nothing(),
                nothing(),
                nothing(),
                name,
                nothing(),
                nothing(),
                posting.amount.to_string(),
            ],
        )?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// Writes a row. The last cell is an amount of ours: a number, no formula of a stranger.
fn write_cells(writer: &mut csv::Writer<Vec<u8>>, cells: [String; 11]) -> anyhow::Result<()> {
    let [first @ .., last] = cells;
    let safe = first.iter().map(|cell| safe_cell(cell));
    Ok(writer.write_record(safe.chain([last.clone()]))?)
}
