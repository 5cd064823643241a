//! Decks in memory, as they stand and as they stood. Never here: which versions begin and end with a put
//! (`deck_states`).

use std::collections::BTreeMap;

use types::record::Deck;
use types::{DeckId, RateRow, UnixMicros};

use crate::deck_states::{self, DeckState, Edit, Version};

/// The puts of a deck, and every version of its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeckTable {
    /// Time and name, in the order of commits.
    puts: Vec<(UnixMicros, String)>,
    /// By prefix, effective time and since.
    versions: BTreeMap<(String, UnixMicros, UnixMicros), Version>,
}

impl DeckTable {
    /// How often it was put.
    pub fn puts(&self) -> u32 {
        u32::try_from(self.puts.len()).expect("people put decks")
    }

    /// Was it put at this time?
    pub fn has_put(&self, at: UnixMicros) -> bool {
        self.puts.iter().any(|(put, _)| *put == at)
    }

    /// Puts it at a time that has no put yet.
    pub fn put(&mut self, at: UnixMicros, deck: &Deck) {
        let next = self.puts.iter().map(|(put, _)| *put).filter(|put| *put > at).min();
        self.puts.push((at, deck.name.clone()));
        let stood: Vec<Version> = self.stood(at).cloned().collect();
        let rows = deck_states::in_order(deck).rows;
        let key = |row: &RateRow, since| (row.prefix.clone(), row.effective, since);
        for edit in deck_states::edits(&stood, &rows, (at, next)) {
            match edit {
                Edit::End(version) => {
                    let version = self.versions.get_mut(&key(&version.row, version.since));
                    version.expect("it stood").gone = Some(at);
                }
                Edit::Begin(row, since, gone) => {
                    let version = Version { row: row.clone(), since, gone };
                    self.versions.insert(key(row, since), version);
                }
            }
        }
    }

    fn stood(&self, at: UnixMicros) -> impl Iterator<Item = &Version> {
        self.versions.values().filter(move |version| version.stood(at))
    }

    /// As it stood at a time; `None`: it was not there yet.
    pub fn at(&self, id: DeckId, at: UnixMicros) -> Option<Deck> {
        let puts = self.puts.iter().filter(|(put, _)| *put <= at);
        let (_, name) = puts.max_by_key(|(put, _)| *put)?;
        let rows = self.stood(at).map(|version| version.row.clone()).collect();
        Some(Deck { id, name: name.clone(), rows })
    }

    /// As it was put, and when; by the number of the put.
    pub fn state(&self, id: DeckId, state: u32) -> Option<(UnixMicros, Deck)> {
        let (put, _) = self.puts.get(state.checked_sub(1)? as usize)?;
        Some((*put, self.at(id, *put)?))
    }

    /// Its rows for a number, as it stood at a time.
    pub fn rows_at(&self, digits: &str, at: UnixMicros) -> Vec<RateRow> {
        let mut found = Vec::new();
        for prefix in deck_states::beginnings(digits) {
            let first = (prefix.to_owned(), UnixMicros(i64::MIN), UnixMicros(i64::MIN));
            let last = (prefix.to_owned(), UnixMicros(i64::MAX), UnixMicros(i64::MAX));
            let versions = self.versions.range(first..=last).map(|(_, version)| version);
            let standing = versions.filter(|version| version.stood(at));
            found.extend(standing.map(|version| version.row.clone()));
        }
        found
    }

    /// What was put when, the newest first.
    pub fn states(&self, id: DeckId) -> Vec<DeckState> {
        let numbered = (1..).zip(&self.puts);
        let mut puts: Vec<(u32, UnixMicros, String)> =
            numbered.map(|(state, (at, name))| (state, *at, name.clone())).collect();
        puts.sort_by_key(|(_, at, _)| *at);
        let versions = self.versions.iter().map(|((prefix, effective, since), version)| {
            ((prefix, *effective), *since, version.gone)
        });
        deck_states::states(id, puts, versions)
    }
}
