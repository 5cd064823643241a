//! Decks as they stood. Lives here: which versions of rows begin and end when a deck is put, on every backend
//! alike. Never here: tables, prices.
//!
//! ```text
//! put        t1          t2          t3
//! row 33     0.02 ───────────────────►      stands from t1 on
//! row 44     0.01 ──────┤0.03 ───────►      changed at t2: one version ends, another begins
//! row 7      0.50 ──────────────────┤       removed at t3
//! ```

use types::record::Deck;
use types::{DeckId, RateRow, UnixMicros};

/// A row of a deck, and how long it stood there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// The row.
    pub row: RateRow,
    /// The put it came with.
    pub since: UnixMicros,
    /// The put that removed or changed it; `None` while it stands.
    pub gone: Option<UnixMicros>,
}

impl Version {
    /// Did it stand at this time?
    pub fn stood(&self, at: UnixMicros) -> bool {
        self.since <= at && self.gone.is_none_or(|gone| gone > at)
    }
}

/// What a put does to the versions of a deck.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Edit<'a> {
    /// This one ends now.
    End(&'a Version),
    /// This row begins.
    Begin(&'a RateRow, UnixMicros, Option<UnixMicros>),
}

/// What it takes that a deck has these rows from `at` until `next`, the put after it: puts that the store could not
/// take in their time are told later than newer ones. `stood` is what stood at that time; both lists are in the
/// order of prefix and effective time. Rows that stay the same are not touched.
pub(crate) fn edits<'a>(
    stood: &'a [Version],
    rows: &'a [RateRow],
    (at, next): (UnixMicros, Option<UnixMicros>),
) -> Vec<Edit<'a>> {
    let key = |row: &'a RateRow| (row.prefix.as_str(), row.effective);
    let (mut edits, mut stood, mut rows) =
        (Vec::new(), stood.iter().peekable(), rows.iter().peekable());
    // What stood goes on, or ends, and comes back with the put after this one.
    let end = |edits: &mut Vec<Edit<'a>>, version: &'a Version| {
        edits.push(Edit::End(version));
        if let Some(next) = next.filter(|next| version.gone.is_none_or(|gone| gone > *next)) {
            edits.push(Edit::Begin(&version.row, next, version.gone));
        }
    };
    loop {
        match (stood.peek(), rows.peek()) {
            (Some(version), Some(row)) if key(&version.row) == key(row) => {
                if version.row != **row {
                    end(&mut edits, version);
                    edits.push(Edit::Begin(row, at, next));
                }
                stood.next();
                rows.next();
            }
            (Some(version), row) if row.is_none_or(|row| key(&version.row) < key(row)) => {
                end(&mut edits, version);
                stood.next();
            }
            (_, Some(row)) => {
                edits.push(Edit::Begin(row, at, next));
                rows.next();
            }
            (_, None) => return edits,
        }
    }
}

/// A deck as it is kept: its rows by prefix and time, the last of two with the same.
pub(crate) fn in_order(deck: &Deck) -> Deck {
    let mut rows: Vec<&RateRow> = deck.rows.iter().collect();
    // Stable, so that the last of equals is the last that was given.
    rows.sort_by(|one, other| (&one.prefix, one.effective).cmp(&(&other.prefix, other.effective)));
    let mut kept: Vec<RateRow> = Vec::with_capacity(rows.len());
    for row in rows {
        match kept.last_mut() {
            Some(last) if last.prefix == row.prefix && last.effective == row.effective => {
                *last = row.clone();
            }
            _ => kept.push(row.clone()),
        }
    }
    Deck { id: deck.id, name: deck.name.clone(), rows: kept }
}

/// Each beginning of these digits that can be a prefix, the shortest first.
pub(crate) fn beginnings(digits: &str) -> impl Iterator<Item = &str> {
    (1..=types::E164::MAX_DIGITS).map_while(|length| digits.get(..length))
}

/// What one put of a deck did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeckState {
    /// Of which deck.
    pub deck: DeckId,
    /// The deck's n-th put, from 1, in the order of commits.
    pub state: u32,
    /// From when on it stood.
    pub at: UnixMicros,
    /// The deck's name from then on.
    pub name: String,
    /// Rows that came in.
    pub added: u64,
    /// Rows that say something else than before.
    pub changed: u64,
    /// Rows that went out.
    pub removed: u64,
    /// How many there were after it.
    pub rows: u64,
}

/// The states of a deck, the newest first, from its puts (state, time, name) in the order of their time and all
/// versions of its rows: prefix and effective time, which tell rows apart, since, gone; in this order.
pub(crate) fn states<K: PartialEq>(
    deck: DeckId,
    puts: Vec<(u32, UnixMicros, String)>,
    versions: impl Iterator<Item = (K, UnixMicros, Option<UnixMicros>)>,
) -> Vec<DeckState> {
    use std::collections::BTreeMap;
    let mut begun: BTreeMap<UnixMicros, u64> = BTreeMap::new();
    let mut ended: BTreeMap<UnixMicros, u64> = BTreeMap::new();
    let mut changed: BTreeMap<UnixMicros, u64> = BTreeMap::new();
    let mut before: Option<(K, Option<UnixMicros>)> = None;
    for (key, since, gone) in versions {
        *begun.entry(since).or_default() += 1;
        if let Some(gone) = gone {
            *ended.entry(gone).or_default() += 1;
        }
        if before.is_some_and(|(row, gone)| row == key && gone == Some(since)) {
            *changed.entry(since).or_default() += 1;
        }
        before = Some((key, gone));
    }
    let count = |of: &BTreeMap<UnixMicros, u64>, at| of.get(&at).copied().unwrap_or(0);
    let mut rows = 0_u64;
    let mut states: Vec<DeckState> = puts
        .into_iter()
        .map(|(state, at, name)| {
            let both = count(&changed, at);
            let (added, removed) = (count(&begun, at) - both, count(&ended, at) - both);
            rows = (rows + added).saturating_sub(removed);
            DeckState { deck, state, at, name, added, changed: both, removed, rows }
        })
        .collect();
    states.reverse();
    states
}
