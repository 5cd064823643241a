//! From cells to a row. Lives here: which cells are needed, what stands in for missing ones.
//! Never here: the text of cells, other rows.

use std::sync::Arc;

use types::{Rate, RateRow};

use super::cells::{
    read_increment, read_increments, read_name, read_prefix, read_price, read_seconds, read_time,
};
use super::columns::{Columns, Meaning};
use super::{ImportDefaults, RowError, error};

/// One row, or everything wrong with it.
pub(super) fn read_row(
    columns: &Columns,
    line: u64,
    cells: &[&str],
    defaults: &ImportDefaults,
) -> Result<RateRow, Vec<RowError>> {
    let mut row = Row { columns, line, cells, errors: Vec::new() };
    if cells.len() > columns.names.len()
        && cells[columns.names.len()..].iter().any(|c| !c.is_empty())
    {
        let message =
            format!("{} cells, but the header has {} columns", cells.len(), columns.names.len());
        row.errors.push(error(line, &columns.name(columns.names.len()), message));
    }
    let prefix = row.needed(Meaning::Prefix, read_prefix);
    let per_minute = row.needed(Meaning::PerMinute, read_price);
    let name = row.optional(Meaning::Name, read_name);
    let connect_fee = row.optional(Meaning::ConnectFee, read_price);
    let minimum_s = row.optional(Meaning::Minimum, read_seconds);
    let both = row.optional(Meaning::Increments, read_increments);
    let first = row.optional(Meaning::FirstIncrement, read_increment);
    let further = row.optional(Meaning::Increment, read_increments);
    let effective = row.optional(Meaning::Effective, read_time);
    let (Some(prefix), Some(per_minute), true) = (prefix, per_minute, row.errors.is_empty()) else {
        return Err(row.errors);
    };
    let increments = both.or(further);
    Ok(RateRow {
        name: name.unwrap_or_else(|| Arc::from(prefix.as_str())),
        prefix,
        rate: Rate {
            connect_fee: connect_fee.unwrap_or(defaults.connect_fee),
            per_minute,
            minimum_s: minimum_s.unwrap_or(defaults.minimum_s),
            first_increment_s: first
                .or(increments.map(|(first, _)| first))
                .unwrap_or(defaults.first_increment_s),
            increment_s: increments.map_or(defaults.increment_s, |(_, further)| further),
        },
        effective: effective.unwrap_or(defaults.effective),
    })
}

/// A row being read; its errors are gathered.
struct Row<'a> {
    columns: &'a Columns,
    line: u64,
    cells: &'a [&'a str],
    errors: Vec<RowError>,
}

impl Row<'_> {
    fn needed<T>(&mut self, what: Meaning, read: fn(&str) -> Result<T, String>) -> Option<T> {
        let position = *self.columns.at.get(&what)?;
        let cell = self.cells.get(position).copied().unwrap_or_default();
        let value = if cell.is_empty() { Err("the cell is empty".to_owned()) } else { read(cell) };
        self.keep(position, value)
    }

    fn optional<T>(&mut self, what: Meaning, read: fn(&str) -> Result<T, String>) -> Option<T> {
        let position = *self.columns.at.get(&what)?;
        let cell = self.cells.get(position).copied().unwrap_or_default();
        if cell.is_empty() { None } else { self.keep(position, read(cell)) }
    }

    fn keep<T>(&mut self, position: usize, value: Result<T, String>) -> Option<T> {
        value
            .map_err(|message| {
                self.errors.push(error(self.line, &self.columns.name(position), message));
            })
            .ok()
    }
}
