//! Which price a number has. Lives here: the table of prefixes and its lookup.
//! Never here: what a call costs by that price (rating), reading files (import).

use types::{DeckId, DestinationClass, E164, Rate, RateRow, UnixMicros};

use crate::numbering::Called;

/// Longest E.164 number.
const MAX_DIGITS: u32 = 15;

/// Four leading digits of a number of fifteen: how many there are, and how far apart.
const HEADS: u64 = 10_000;
const HEAD_SPAN: u64 = 100_000_000_000;

const POWERS_OF_TEN: [u64; 16] = {
    let mut powers = [1; 16];
    let mut exponent = 1;
    while exponent < powers.len() {
        powers[exponent] = powers[exponent - 1] * 10;
        exponent += 1;
    }
    powers
};

/// Why rows are not a deck.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeckError {
    /// The prefix is not leading digits of an E.164 number.
    #[error("prefix `{0}`: expected 1 to 15 digits, the first not 0")]
    BadPrefix(String),
    /// Two rows say different things about the same moment.
    #[error("prefix {prefix}: two rows are effective from {effective}")]
    Duplicate {
        /// The prefix of both.
        prefix: String,
        /// The moment of both.
        effective: UnixMicros,
    },
    /// An increment of no length.
    #[error("prefix {0}: increments must be at least 1 second")]
    ZeroIncrement(String),
    /// A price below nothing.
    #[error("prefix {0}: a price cannot be negative")]
    NegativePrice(String),
    /// More rows than the table can number.
    #[error("a deck cannot have more than 4294967294 rows")]
    TooManyRows,
}

/// A table of rates, looked up by longest prefix.
///
/// Prefixes are held as intervals of numbers padded to fifteen digits. Two prefixes are nested or
/// apart, so the longest match of a number is the last interval that starts at or before it, or
/// one of those around that. `head` says where the intervals of each four leading digits begin,
/// so that the search is short.
#[derive(Clone, Debug)]
pub struct RateDeck {
    id: DeckId,
    rows: Vec<RateRow>,
    starts: Vec<u64>,
    entries: Vec<Entry>,
    head: Vec<u32>,
}

/// One prefix: its rows are `rows[first_row..]` of the same prefix, oldest first.
#[derive(Clone, Copy, Debug)]
struct Entry {
    first_row: u32,
    row_count: u32,
    parent: u32,
    digits: u32,
}

const NO_PARENT: u32 = u32::MAX;

impl RateDeck {
    /// Makes the table. Rows may come in any order; each must be chargeable and there may be one
    /// per prefix and effective time.
    pub fn from_rows(id: DeckId, mut rows: Vec<RateRow>) -> Result<RateDeck, DeckError> {
        if u32::try_from(rows.len()).is_err() {
            return Err(DeckError::TooManyRows);
        }
        for row in &rows {
            check_row(row)?;
        }
        rows.sort_by_cached_key(|row| (padded(&row.prefix), row.prefix.len(), row.effective));
        for pair in rows.windows(2) {
            if pair[0].prefix == pair[1].prefix && pair[0].effective == pair[1].effective {
                let (prefix, effective) = (pair[0].prefix.clone(), pair[0].effective);
                return Err(DeckError::Duplicate { prefix, effective });
            }
        }
        let (starts, entries) = index(&rows);
        let head = heads(&starts);
        Ok(RateDeck { id, rows, starts, entries, head })
    }

    /// The price of a number at a moment: the longest prefix that has a row effective by then, and
    /// of its rows the newest.
    pub fn lookup(&self, number: E164, at: UnixMicros) -> Option<&RateRow> {
        let value = number.value();
        let digits = value.ilog10() + 1;
        let target = value * POWERS_OF_TEN[(MAX_DIGITS - digits) as usize];
        let head = (target / HEAD_SPAN) as usize;
        let (low, high) = (self.head[head] as usize, self.head[head + 1] as usize);
        let within = self.starts[low..high].partition_point(|&start| start <= target);
        let mut next = (low + within).checked_sub(1)?;
        loop {
            let entry = self.entries[next];
            let span = POWERS_OF_TEN[(MAX_DIGITS - entry.digits) as usize];
            if entry.digits <= digits
                && target - self.starts[next] < span
                && let Some(row) = self.effective_row(entry, at)
            {
                return Some(row);
            }
            if entry.parent == NO_PARENT {
                return None;
            }
            next = entry.parent as usize;
        }
    }

    /// The price of a called destination: nothing for emergency and support calls and for free
    /// short codes, the deck's row for a number, `None` for what has no price.
    ///
    /// Other short codes (directory enquiries) have no price: a prefix cannot tell `118 390` from
    /// the Reading numbers `0118 390 ….`
    pub fn rate_for(&self, called: &Called, at: UnixMicros) -> Option<(Rate, Option<&RateRow>)> {
        let free_code =
            called.short_code.is_some() && called.destination.class == DestinationClass::Freephone;
        match called.destination.class {
            DestinationClass::Emergency | DestinationClass::Support => Some((Rate::FREE, None)),
            _ if free_code => Some((Rate::FREE, None)),
            _ => {
                let row = self.lookup(called.destination.e164?, at)?;
                Some((row.rate, Some(row)))
            }
        }
    }

    /// Its number.
    pub fn id(&self) -> DeckId {
        self.id
    }

    /// Its rows, by prefix, then oldest first.
    pub fn rows(&self) -> &[RateRow] {
        &self.rows
    }

    /// Count of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Has it no row at all?
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn effective_row(&self, entry: Entry, at: UnixMicros) -> Option<&RateRow> {
        let first = entry.first_row as usize;
        let rows = &self.rows[first..first + entry.row_count as usize];
        let newer = rows.partition_point(|row| row.effective <= at);
        rows[..newer].last()
    }
}

/// May this row be in a deck?
fn check_row(row: &RateRow) -> Result<(), DeckError> {
    let prefix = &row.prefix;
    if E164::from_digits(prefix).is_err() {
        return Err(DeckError::BadPrefix(prefix.clone()));
    }
    if row.rate.first_increment_s == 0 || row.rate.increment_s == 0 {
        return Err(DeckError::ZeroIncrement(prefix.clone()));
    }
    if row.rate.per_minute.is_negative() || row.rate.connect_fee.is_negative() {
        return Err(DeckError::NegativePrice(prefix.clone()));
    }
    Ok(())
}

/// The smallest number of fifteen digits that begins with the prefix.
fn padded(prefix: &str) -> u64 {
    let padding = MAX_DIGITS as usize - prefix.len();
    prefix.bytes().fold(0, |value, digit| value * 10 + u64::from(digit - b'0'))
        * 10_u64.pow(padding as u32)
}

/// For each four leading digits, and one more, how many intervals start before them.
fn heads(starts: &[u64]) -> Vec<u32> {
    let mut before = 0;
    (0..=HEADS)
        .map(|head| {
            let behind = &starts[before..];
            before += behind.iter().take_while(|&&start| start < head * HEAD_SPAN).count();
            before as u32
        })
        .collect()
}

/// One entry per prefix, in the order of the sorted rows, each knowing the prefix around it.
fn index(rows: &[RateRow]) -> (Vec<u64>, Vec<Entry>) {
    let (mut starts, mut entries) = (Vec::new(), Vec::<Entry>::new());
    let mut around: Vec<(u32, &str)> = Vec::new();
    let mut first_row = 0;
    for same_prefix in rows.chunk_by(|a, b| a.prefix == b.prefix) {
        let prefix = same_prefix[0].prefix.as_str();
        while around.last().is_some_and(|(_, outer)| !prefix.starts_with(outer)) {
            around.pop();
        }
        starts.push(padded(prefix));
        entries.push(Entry {
            first_row,
            row_count: same_prefix.len() as u32,
            parent: around.last().map_or(NO_PARENT, |(number, _)| *number),
            digits: prefix.len() as u32,
        });
        around.push((entries.len() as u32 - 1, prefix));
        first_row += same_prefix.len() as u32;
    }
    starts.shrink_to_fit();
    entries.shrink_to_fit();
    (starts, entries)
}
