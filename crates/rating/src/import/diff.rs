//! The difference of two decks, for a dry run. Lives here: comparing. Never here: applying it.

use std::collections::BTreeMap;

use serde::Serialize;
use types::RateRow;

/// A prefix before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeckChange {
    /// The prefix.
    pub prefix: String,
    /// Its newest row before; `None` where it is added.
    pub old: Option<RateRow>,
    /// Its newest row after; `None` where it is removed.
    pub new: Option<RateRow>,
}

/// What an import would change, prefix by prefix, in order. Where a prefix has several rows the
/// newest by effective time is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeckDiff {
    /// Prefixes that had no price.
    pub added: Vec<DeckChange>,
    /// Prefixes that lose theirs.
    pub removed: Vec<DeckChange>,
    /// Per minute or connection dearer, and neither cheaper.
    pub dearer: Vec<DeckChange>,
    /// Per minute or connection cheaper, and neither dearer.
    pub cheaper: Vec<DeckChange>,
    /// Increments, minimum or name differ, or one price rose while the other fell.
    pub changed: Vec<DeckChange>,
    /// Count of prefixes that keep name and rate, from whatever moment on.
    pub unchanged: usize,
}

/// Compares two sets of rows.
pub fn diff(old: &[RateRow], new: &[RateRow]) -> DeckDiff {
    let (before, after) = (newest_by_prefix(old), newest_by_prefix(new));
    let mut report = DeckDiff::default();
    for (prefix, old_row) in &before {
        let change = DeckChange {
            prefix: (*prefix).to_owned(),
            old: Some((*old_row).clone()),
            new: after.get(prefix).map(|row| (*row).clone()),
        };
        match after.get(prefix) {
            None => report.removed.push(change),
            Some(new_row) if says_the_same(old_row, new_row) => report.unchanged += 1,
            Some(new_row) => report.bucket(old_row, new_row).push(change),
        }
    }
    for (prefix, new_row) in after.iter().filter(|(prefix, _)| !before.contains_key(*prefix)) {
        let new = Some((*new_row).clone());
        report.added.push(DeckChange { prefix: (*prefix).to_owned(), old: None, new });
    }
    report
}

impl DeckDiff {
    /// The list that a change of this kind belongs to.
    fn bucket(&mut self, old: &RateRow, new: &RateRow) -> &mut Vec<DeckChange> {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let minute = new.rate.per_minute.cmp(&old.rate.per_minute);
        let fee = new.rate.connect_fee.cmp(&old.rate.connect_fee);
        match (minute, fee) {
            (Greater, Greater | Equal) | (Equal, Greater) => &mut self.dearer,
            (Less, Less | Equal) | (Equal, Less) => &mut self.cheaper,
            (Equal, Equal) | (Greater, Less) | (Less, Greater) => &mut self.changed,
        }
    }
}

/// The same name and rate? When it begins is no difference: a deck that is imported again is dated
/// anew and must not show every row.
fn says_the_same(old: &RateRow, new: &RateRow) -> bool {
    old.rate == new.rate && old.name == new.name
}

fn newest_by_prefix(rows: &[RateRow]) -> BTreeMap<&str, &RateRow> {
    let mut newest = BTreeMap::<&str, &RateRow>::new();
    for row in rows {
        let kept = newest.entry(&row.prefix).or_insert(row);
        if row.effective > kept.effective {
            *kept = row;
        }
    }
    newest
}
