//! The auditor's own prices: straight from the rows of a deck, slowly. Never here: `rating`.

use std::collections::BTreeMap;

use types::record::Deck;
use types::{DeckId, Rate, UnixMicros};

/// Decks as they were signed.
#[derive(Debug, Default)]
pub struct Prices {
    decks: BTreeMap<DeckId, Deck>,
}

impl Prices {
    /// A deck came in, or came in anew.
    pub fn put(&mut self, deck: &Deck) {
        self.decks.insert(deck.id, deck.clone());
    }

    /// The price of a number at a time: every row is looked at.
    pub fn of(&self, deck: DeckId, digits: &str, at: UnixMicros) -> Option<Rate> {
        let rows = &self.decks.get(&deck)?.rows;
        let fitting = rows
            .iter()
            .filter(|row| row.effective <= at && digits.starts_with(row.prefix.as_str()));
        let best = fitting.max_by_key(|row| (row.prefix.len(), row.effective))?;
        Some(best.rate)
    }
}

/// What a call of `ms` milliseconds costs at a rate, in millionths: counted, not computed.
pub fn cost(rate: &Rate, ms: u64) -> i64 {
    let mut billed = u64::from(rate.first_increment_s);
    while billed * 1_000 < ms {
        billed += u64::from(rate.increment_s);
    }
    let billed = billed.max(u64::from(rate.minimum_s));
    let sixtieths = i128::from(rate.per_minute.micros()) * i128::from(billed);
    let mut micros = sixtieths / 60;
    if micros * 60 < sixtieths {
        micros += 1;
    }
    rate.connect_fee.micros() + i64::try_from(micros).expect("prices of a simulation are small")
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::{Money, RateRow};

    #[test]
    fn counts_increments() {
        fn check((minute, minimum_s, first, next): (i64, u32, u32, u32), ms: u64, want: i64) {
            let rate = Rate {
                connect_fee: Money::from_micros(7),
                per_minute: Money::from_micros(minute),
                minimum_s,
                first_increment_s: first,
                increment_s: next,
            };
            assert_eq!(cost(&rate, ms), want + 7, "{rate:?} {ms}");
        }
        check((60, 0, 1, 1), 0, 1);
        check((60, 0, 1, 1), 1_000, 1);
        check((60, 0, 1, 1), 1_001, 2);
        check((60, 10, 1, 1), 1_001, 10);
        check((100, 0, 60, 60), 60_001, 200);
        check((100, 0, 30, 6), 30_001, 60);
        check((1, 0, 1, 1), 1_000, 1);
    }

    #[test]
    fn finds_the_longest_prefix_in_force() {
        let row = |prefix: &str, micros, effective| RateRow {
            prefix: prefix.into(),
            name: prefix.into(),
            rate: Rate { per_minute: Money::from_micros(micros), ..Rate::FREE },
            effective: UnixMicros(effective),
        };
        let mut prices = Prices::default();
        let rows = vec![row("44", 1, 0), row("447", 2, 0), row("447", 3, 10), row("4477", 4, 20)];
        prices.put(&Deck { id: DeckId(1), name: "d".into(), rows });
        let of = |digits, at| {
            prices.of(DeckId(1), digits, UnixMicros(at)).map(|rate| rate.per_minute.micros())
        };
        assert_eq!(of("442", 5), Some(1));
        assert_eq!(of("44771", 5), Some(2));
        assert_eq!(of("44771", 10), Some(3));
        assert_eq!(of("44771", 20), Some(4));
        assert_eq!(of("1", 20), None);
    }
}
