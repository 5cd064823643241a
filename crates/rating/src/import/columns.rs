//! What columns mean. Lives here: their names, and where they stand in a file.
//! Never here: cells.

use std::collections::BTreeMap;

use super::cells::shown;
use super::{ImportError, error};

/// What a column can mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Meaning {
    Prefix,
    Name,
    PerMinute,
    ConnectFee,
    Minimum,
    FirstIncrement,
    Increment,
    Increments,
    Effective,
}

/// Names of columns after lower-casing, with `_` for spaces, points and hyphens. A trailing `*`
/// stands for any rest: units and currencies are often part of the name.
const SYNONYMS: &[(Meaning, &[&str])] = &[
    (
        Meaning::Prefix,
        &["prefix", "code", "dial_code", "dialcode", "destination_code", "dial_prefix"],
    ),
    (Meaning::Name, &["name", "destination", "destination_name", "description", "country"]),
    (
        Meaning::PerMinute,
        &[
            "per_minute*",
            "per_min*",
            "rate",
            "price",
            "rate_per_min*",
            "price_per_min*",
            "minute_rate",
        ],
    ),
    (
        Meaning::ConnectFee,
        &[
            "connect_fee",
            "connection_fee",
            "connection_charge",
            "setup_fee",
            "set_up_fee",
            "connect_charge",
        ],
    ),
    (
        Meaning::Minimum,
        &["minimum", "minimum_s", "minimum_seconds", "minimum_duration", "min_duration"],
    ),
    (
        Meaning::FirstIncrement,
        &[
            "first_increment*",
            "initial_increment*",
            "first_interval",
            "initial_interval",
            "interval_1",
        ],
    ),
    (
        Meaning::Increment,
        &[
            "increment",
            "increment_s",
            "increment_seconds",
            "further_increment",
            "next_increment",
            "subsequent_increment",
            "interval",
            "interval_n",
        ],
    ),
    (Meaning::Increments, &["increments", "billing_increment", "billing_increments", "billing"]),
    (
        Meaning::Effective,
        &["effective", "effective_date", "effective_from", "valid_from", "start_date"],
    ),
];

/// Where each meaning stands, and what the file calls it.
pub(super) struct Columns {
    /// Positions by meaning.
    pub(super) at: BTreeMap<Meaning, usize>,
    /// Names of all columns, in order.
    pub(super) names: Vec<String>,
    /// Names of those that mean nothing here.
    pub(super) ignored: Vec<String>,
}

impl Columns {
    /// Reads the header, or says everything that is wrong with it.
    pub(super) fn from_header(line: u64, cells: &[&str]) -> Result<Columns, ImportError> {
        let mut columns = Columns { at: BTreeMap::new(), names: Vec::new(), ignored: Vec::new() };
        let mut errors = Vec::new();
        for (position, cell) in cells.iter().enumerate() {
            columns.names.push((*cell).to_owned());
            match meaning(cell) {
                None => columns.ignored.push((*cell).to_owned()),
                Some(Meaning::Name) if columns.at.contains_key(&Meaning::Name) => {
                    columns.ignored.push((*cell).to_owned());
                }
                Some(known) => {
                    if let Some(first) = columns.at.insert(known, position) {
                        let message = format!(
                            "means the same as column {}; remove or rename one of them",
                            shown(cells[first])
                        );
                        errors.push(error(line, cell, message));
                    }
                }
            }
        }
        columns.ignored.retain(|name| !name.is_empty());
        for (needed, name) in [(Meaning::Prefix, "prefix"), (Meaning::PerMinute, "per_minute")] {
            if !columns.at.contains_key(&needed) {
                let found = cells.iter().map(|cell| shown(cell)).collect::<Vec<_>>().join(", ");
                let message = format!("this column is missing; the header has {found}");
                errors.push(error(line, name, message));
            }
        }
        if errors.is_empty() { Ok(columns) } else { Err(ImportError { errors }) }
    }

    /// The name of a column as the file has it, or its number.
    pub(super) fn name(&self, position: usize) -> String {
        self.names.get(position).cloned().unwrap_or_else(|| (position + 1).to_string())
    }
}

/// What a column of this name means.
fn meaning(header: &str) -> Option<Meaning> {
    let separator = |c: char| if matches!(c, ' ' | '-' | '.') { '_' } else { c };
    let name: String = header.to_lowercase().chars().map(separator).collect();
    let is_called = |pattern: &&str| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == **pattern,
    };
    let (known, _) = SYNONYMS.iter().find(|(_, names)| names.iter().any(&is_called))?;
    Some(*known)
}
