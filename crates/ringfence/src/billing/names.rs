//! What people call the places that were called. Lives here: looking them up in the rate decks.
//! Never here: prices.

use std::collections::BTreeMap;
use std::sync::Arc;

use ledger::CallText;
use store::Reader;
use types::{Account, AccountId, Cdr, DeckId, UnixMicros};

/// Names by prefix, each from a moment on.
type DeckNames = BTreeMap<String, Vec<(UnixMicros, Arc<str>)>>;

/// Names of places, by the decks that accounts are charged by.
pub struct Names {
    decks: BTreeMap<DeckId, DeckNames>,
    deck_of: BTreeMap<AccountId, DeckId>,
}

impl Names {
    /// Reads the decks of these accounts as they stood at a time: with that of a run, a bill made or shown again has the same
    /// names.
    pub fn read(
        reader: &dyn Reader,
        accounts: &[Account],
        at: UnixMicros,
    ) -> anyhow::Result<Names> {
        let deck_of: BTreeMap<AccountId, DeckId> =
            accounts.iter().map(|account| (account.id, account.sell_deck)).collect();
        let mut decks: BTreeMap<DeckId, DeckNames> = BTreeMap::new();
        for id in deck_of.values() {
            if decks.contains_key(id) {
                continue;
            }
            let names = decks.entry(*id).or_default();
            for row in reader.deck_at(*id, at)?.map(|deck| deck.rows).unwrap_or_default() {
                names.entry(row.prefix).or_default().push((row.effective, row.name));
            }
        }
        Ok(Names { decks, deck_of })
    }

    /// How a call is shown: the name of the place by the row in force when it began, and the seconds charged for.
    pub fn describe(&self, cdr: &Cdr) -> CallText {
        let whole = cdr.duration_ms.div_ceil(1_000);
        let rate = cdr.explanation.rate.as_ref();
        let billed_s = rate.and_then(|rate| rating::billed_s(rate, cdr.duration_ms).ok());
        CallText { name: self.name(cdr), billed_s: billed_s.unwrap_or(whole) }
    }

    fn name(&self, cdr: &Cdr) -> String {
        let deck = self.deck_of.get(&cdr.account).and_then(|deck| self.decks.get(deck));
        let prefix = cdr.explanation.rate_prefix.as_ref();
        let rows = deck.zip(prefix).and_then(|(deck, prefix)| deck.get(prefix));
        let then = rows.and_then(|rows| {
            rows.iter().filter(|(from, _)| *from <= cdr.started).max_by_key(|(from, _)| *from)
        });
        let region = || cdr.destination.region.map(|region| region.to_string());
        match then {
            Some((_, name)) => name.to_string(),
            None => region().unwrap_or_else(|| cdr.destination.class.to_string()),
        }
    }
}
