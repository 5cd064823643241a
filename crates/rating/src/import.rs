//! Rate decks from CSV. Lives here: columns, cells, errors by row, the difference of two decks.
//! Never here: opening files, keeping decks.

mod cells;
mod columns;
mod diff;
mod lines;
mod row;

use std::collections::BTreeMap;

use types::{Money, RateRow, UnixMicros};

use columns::{Columns, Meaning};
use lines::Lines;

pub use diff::{DeckChange, DeckDiff, diff};

/// What a cell means that is missing or empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportDefaults {
    /// Connection fee.
    pub connect_fee: Money,
    /// Fewest billed seconds.
    pub minimum_s: u32,
    /// Seconds of the first increment.
    pub first_increment_s: u32,
    /// Seconds of each further increment.
    pub increment_s: u32,
    /// From when the prices hold.
    pub effective: UnixMicros,
}

impl Default for ImportDefaults {
    /// No fee, no minimum, by the second, since ever.
    fn default() -> ImportDefaults {
        ImportDefaults {
            connect_fee: Money::ZERO,
            minimum_s: 0,
            first_increment_s: 1,
            increment_s: 1,
            effective: UnixMicros(0),
        }
    }
}

/// What a file held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// Its rows, in the order of the file.
    pub rows: Vec<RateRow>,
    /// Columns that mean nothing here and were left out.
    pub ignored_columns: Vec<String>,
}

/// One thing wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize)]
#[error("line {row}, column {column}: {message}")]
pub struct RowError {
    /// Line of the file, the first is 1.
    pub row: u64,
    /// Name of the column, as the file has it.
    pub column: String,
    /// What is wrong.
    pub message: String,
}

/// Everything wrong with a file. Nothing of it was imported.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ImportError {
    /// By line, never empty.
    pub errors: Vec<RowError>,
}

impl std::error::Error for ImportError {}

impl std::fmt::Display for ImportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (position, error) in self.errors.iter().enumerate() {
            let separator = if position == 0 { "" } else { "\n" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

/// Reads a rate deck. All rows are good and returned, or all errors are.
pub fn import(file: &[u8], defaults: &ImportDefaults) -> Result<Imported, ImportError> {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let mut records = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(lines::delimiter(file))
        .from_reader(file);
    let mut lines = Lines::new(file);
    let mut errors = Vec::new();
    let mut rows = Vec::new();
    let mut columns = None;
    let mut seen = BTreeMap::new();
    for record in records.byte_records() {
        let record = record.expect("reading from memory, with rows of any length, cannot fail");
        let start = record.position().map_or(0, csv::Position::byte);
        let line = lines.line_at(usize::try_from(start).expect("the file is in memory"));
        let cells = match lines::text_cells(&record) {
            Ok(cells) if cells.iter().all(|cell| cell.is_empty()) => continue,
            Ok(cells) => cells,
            Err(column) => {
                let name = columns.as_ref().map_or(String::new(), |c: &Columns| c.name(column));
                errors.push(error(line, &name, "the cell is not UTF-8 text"));
                continue;
            }
        };
        let Some(columns) = &columns else {
            columns = Some(Columns::from_header(line, &cells)?);
            continue;
        };
        match row::read_row(columns, line, &cells, defaults) {
            Ok(row) => {
                note_duplicate(&mut seen, &mut errors, columns, line, &row);
                rows.push(row);
            }
            Err(of_row) => errors.extend(of_row),
        }
    }
    if errors.is_empty() && rows.is_empty() {
        errors.push(error(1, "prefix", "the file has no rows"));
    }
    if !errors.is_empty() {
        return Err(ImportError { errors });
    }
    let ignored_columns = columns.map_or_else(Vec::new, |columns| columns.ignored);
    Ok(Imported { rows, ignored_columns })
}

/// Reports the second of two rows that speak of the same prefix and moment.
fn note_duplicate(
    seen: &mut BTreeMap<(String, UnixMicros), u64>,
    errors: &mut Vec<RowError>,
    columns: &Columns,
    line: u64,
    row: &RateRow,
) {
    let key = (row.prefix.clone(), row.effective);
    if let Some(first) = seen.get(&key) {
        let message =
            format!("{} effective {} stands on line {first} already", row.prefix, row.effective);
        let position = columns.at.get(&Meaning::Prefix).copied().unwrap_or_default();
        errors.push(error(line, &columns.name(position), message));
    } else {
        seen.insert(key, line);
    }
}

fn error(row: u64, column: &str, message: impl Into<String>) -> RowError {
    RowError { row, column: column.to_owned(), message: message.into() }
}
