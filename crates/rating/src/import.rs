//! Rate decks from CSV. Lives here: columns, cells, errors by row, the difference of two decks.
//! Never here: opening files, keeping decks.

mod columns;
mod diff;

use types::{Money, RateRow, UnixMicros};

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
    columns::read(file, defaults)
}
