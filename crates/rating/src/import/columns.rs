//! From cells to rows. Lives here: the delimiter, column names, one reader per kind of cell.
//! Never here: what to do with the rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use types::{E164, Money, Rate, RateRow, UnixMicros};

use super::{ImportDefaults, ImportError, Imported, RowError};

/// What a column can mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Meaning {
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
        &[
            "prefix",
            "code",
            "dial_code",
            "dialcode",
            "destination_code",
            "dial_prefix",
        ],
    ),
    (
        Meaning::Name,
        &[
            "name",
            "destination",
            "destination_name",
            "description",
            "country",
        ],
    ),
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
        &[
            "minimum",
            "minimum_s",
            "minimum_seconds",
            "minimum_duration",
            "min_duration",
        ],
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
    (
        Meaning::Increments,
        &[
            "increments",
            "billing_increment",
            "billing_increments",
            "billing",
        ],
    ),
    (
        Meaning::Effective,
        &[
            "effective",
            "effective_date",
            "effective_from",
            "valid_from",
            "start_date",
        ],
    ),
];

/// No carrier charges this for a minute; a deck that says so has its units wrong.
const MAX_PRICE: Money = Money::from_units(10_000);
/// Longest increment or minimum: a day.
const MAX_SECONDS: u32 = 86_400;
/// Longest name of a destination in bytes.
const MAX_NAME: usize = 200;

/// Where each meaning stands, and what the file calls it.
struct Columns {
    at: BTreeMap<Meaning, usize>,
    names: Vec<String>,
    ignored: Vec<String>,
}

/// Reads a file; see [`super::import`].
pub(super) fn read(file: &[u8], defaults: &ImportDefaults) -> Result<Imported, ImportError> {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let mut records = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(file))
        .from_reader(file);
    let mut errors = Vec::new();
    let mut rows = Vec::new();
    let mut columns = None;
    let mut seen = BTreeMap::new();
    for record in records.byte_records() {
        let record = record.expect("reading from memory, with rows of any length, cannot fail");
        let line = record.position().map_or(1, csv::Position::line);
        let cells = match text_cells(&record) {
            Ok(cells) if cells.iter().all(|cell| cell.is_empty()) => continue,
            Ok(cells) => cells,
            Err(column) => {
                let name = columns
                    .as_ref()
                    .map_or(String::new(), |c: &Columns| c.name(column));
                errors.push(error(line, &name, "the cell is not UTF-8 text"));
                continue;
            }
        };
        let Some(columns) = &columns else {
            columns = Some(Columns::from_header(line, &cells)?);
            continue;
        };
        match read_row(columns, line, &cells, defaults) {
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
    Ok(Imported {
        rows,
        ignored_columns,
    })
}

/// The separator that the header has most of.
fn delimiter(file: &[u8]) -> u8 {
    let header = file
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .find(|line| !line.trim_ascii().is_empty())
        .unwrap_or_default();
    let count = |separator: u8| {
        let mut quoted = false;
        let is_separator = |byte: &&u8| {
            quoted ^= **byte == b'"';
            !quoted && **byte == separator
        };
        header.iter().filter(is_separator).count()
    };
    // Of equals the last wins, so the comma stands last.
    [b'\t', b';', b',']
        .into_iter()
        .max_by_key(|separator| count(*separator))
        .unwrap_or(b',')
}

/// The cells as trimmed text, or the position of the one that is not text.
fn text_cells(record: &csv::ByteRecord) -> Result<Vec<&str>, usize> {
    let text = |(position, cell)| {
        std::str::from_utf8(cell)
            .map(str::trim)
            .map_err(|_| position)
    };
    record.iter().enumerate().map(text).collect()
}

fn error(row: u64, column: &str, message: impl Into<String>) -> RowError {
    RowError {
        row,
        column: column.to_owned(),
        message: message.into(),
    }
}

impl Columns {
    fn from_header(line: u64, cells: &[&str]) -> Result<Columns, ImportError> {
        let mut columns = Columns {
            at: BTreeMap::new(),
            names: Vec::new(),
            ignored: Vec::new(),
        };
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
        for (needed, name) in [
            (Meaning::Prefix, "prefix"),
            (Meaning::PerMinute, "per_minute"),
        ] {
            if !columns.at.contains_key(&needed) {
                let found = cells
                    .iter()
                    .map(|cell| shown(cell))
                    .collect::<Vec<_>>()
                    .join(", ");
                let message = format!("this column is missing; the header has {found}");
                errors.push(error(line, name, message));
            }
        }
        if errors.is_empty() {
            Ok(columns)
        } else {
            Err(ImportError { errors })
        }
    }

    fn name(&self, position: usize) -> String {
        self.names
            .get(position)
            .cloned()
            .unwrap_or_else(|| (position + 1).to_string())
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
    let (known, _) = SYNONYMS
        .iter()
        .find(|(_, names)| names.iter().any(|n| is_called(&n)))?;
    Some(*known)
}

/// One row, or everything wrong with it.
fn read_row(
    columns: &Columns,
    line: u64,
    cells: &[&str],
    defaults: &ImportDefaults,
) -> Result<RateRow, Vec<RowError>> {
    let mut row = Row {
        columns,
        line,
        cells,
        errors: Vec::new(),
    };
    if cells.len() > columns.names.len()
        && cells[columns.names.len()..].iter().any(|c| !c.is_empty())
    {
        let message = format!(
            "{} cells, but the header has {} columns",
            cells.len(),
            columns.names.len()
        );
        row.errors
            .push(error(line, &columns.name(columns.names.len()), message));
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
        let value = if cell.is_empty() {
            Err("the cell is empty".to_owned())
        } else {
            read(cell)
        };
        self.keep(position, value)
    }

    fn optional<T>(&mut self, what: Meaning, read: fn(&str) -> Result<T, String>) -> Option<T> {
        let position = *self.columns.at.get(&what)?;
        let cell = self.cells.get(position).copied().unwrap_or_default();
        if cell.is_empty() {
            None
        } else {
            self.keep(position, read(cell))
        }
    }

    fn keep<T>(&mut self, position: usize, value: Result<T, String>) -> Option<T> {
        value
            .map_err(|message| {
                self.errors
                    .push(error(self.line, &self.columns.name(position), message));
            })
            .ok()
    }
}

fn read_prefix(cell: &str) -> Result<String, String> {
    let digits = cell.strip_prefix('+').unwrap_or(cell);
    E164::from_digits(digits).map_err(|_| {
        format!(
            "{} is not a prefix: expected 1 to 15 digits, the first not 0",
            shown(cell)
        )
    })?;
    Ok(digits.to_owned())
}

fn read_name(cell: &str) -> Result<Arc<str>, String> {
    if cell.len() > MAX_NAME {
        return Err(format!("{} is longer than {MAX_NAME} bytes", shown(cell)));
    }
    if cell.chars().any(char::is_control) {
        return Err(format!(
            "{} has control characters; is a quote missing?",
            shown(cell)
        ));
    }
    Ok(Arc::from(cell))
}

fn read_price(cell: &str) -> Result<Money, String> {
    let price: Money = cell
        .parse()
        .map_err(|error: types::MoneyError| match error {
            types::MoneyError::NotANumber(_) => {
                format!(
                    "{} is not an amount: expected digits with at most one point, like 0.0125",
                    shown(cell)
                )
            }
            other => other.to_string(),
        })?;
    if price.is_negative() {
        return Err(format!("{} is negative", shown(cell)));
    }
    if price > MAX_PRICE {
        return Err(format!(
            "{} is more than {MAX_PRICE}; is it in the right unit?",
            shown(cell)
        ));
    }
    Ok(price)
}

fn read_seconds(cell: &str) -> Result<u32, String> {
    let is_digits = cell.bytes().all(|byte| byte.is_ascii_digit());
    match cell.parse() {
        Ok(seconds) if is_digits && seconds <= MAX_SECONDS => Ok(seconds),
        _ => Err(format!(
            "{} is not a whole number of seconds up to {MAX_SECONDS}",
            shown(cell)
        )),
    }
}

fn read_increment(cell: &str) -> Result<u32, String> {
    match read_seconds(cell)? {
        0 => Err("an increment must be at least 1 second".to_owned()),
        seconds => Ok(seconds),
    }
}

/// `60/60` is first and further; `60` is both.
fn read_increments(cell: &str) -> Result<(u32, u32), String> {
    match cell.split_once('/') {
        Some((first, further)) => Ok((
            read_increment(first.trim())?,
            read_increment(further.trim())?,
        )),
        None => read_increment(cell).map(|seconds| (seconds, seconds)),
    }
}

/// RFC 3339, or a date, which is its midnight in UTC.
fn read_time(cell: &str) -> Result<UnixMicros, String> {
    if let Ok(time) = cell.parse::<jiff::Timestamp>() {
        return Ok(UnixMicros(time.as_microsecond()));
    }
    let date = if cell.len() == 10 {
        cell.parse::<jiff::civil::Date>().ok()
    } else {
        None
    };
    date.and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok())
        .map(|midnight| UnixMicros(midnight.timestamp().as_microsecond()))
        .ok_or_else(|| {
            format!(
                "{} is not a time: expected a date like 2026-11-22 or a time like 2026-11-22T08:41:03Z",
                shown(cell)
            )
        })
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
        let message = format!(
            "{} effective {} stands on line {first} already",
            row.prefix, row.effective
        );
        let position = columns
            .at
            .get(&Meaning::Prefix)
            .copied()
            .unwrap_or_default();
        errors.push(error(line, &columns.name(position), message));
    } else {
        seen.insert(key, line);
    }
}

/// A cell as it can be shown: quoted, control characters visible, cut.
fn shown(cell: &str) -> String {
    let visible: String = cell.chars().take(40).flat_map(char::escape_debug).collect();
    let rest = if cell.chars().nth(40).is_some() {
        "…"
    } else {
        ""
    };
    format!("`{visible}{rest}`")
}
