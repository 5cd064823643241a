//! Decks as they stand, and as they stood.

use store::DeckState;
use types::record::Deck;
use types::*;

use super::each;
use crate::samples::*;

/// A deck of these prefixes, each with its price in millionths a minute.
fn priced(rows: &[(&str, i64)]) -> Deck {
    let row = |(prefix, price): &(&str, i64)| RateRow {
        prefix: (*prefix).to_owned(),
        name: format!("Place {prefix}").into(),
        rate: rate(*price),
        effective: at(0),
    };
    Deck { id: DeckId(1), name: "retail".to_owned(), rows: rows.iter().map(row).collect() }
}

fn state(state: u32, offset: i64, counts: [u64; 4]) -> DeckState {
    let [added, changed, removed, rows] = counts;
    let (deck, name) = (DeckId(1), "retail".to_owned());
    DeckState { deck, state, at: at(offset), name, added, changed, removed, rows }
}

#[test]
fn a_deck_can_be_asked_as_it_stood() {
    each(|store| {
        let states = [
            (10, priced(&[("33", 20), ("44", 10), ("447", 30)])),
            (20, priced(&[("33", 25), ("44", 10), ("447", 30)])),
            (30, priced(&[("1", 5), ("33", 20), ("44", 10)])),
        ];
        for (offset, deck) in &states {
            put(store, vec![put_deck(*offset, deck.clone())]);
        }
        // Told again, with other words: what is there stays.
        put(store, vec![put_deck(20, priced(&[]))]);
        let deck_at = |offset| store.deck_at(DeckId(1), at(offset)).unwrap();
        assert_eq!(deck_at(9), None);
        for (from, until, (_, deck)) in
            [(10, 19, &states[0]), (20, 29, &states[1]), (30, HOUR, &states[2])]
        {
            assert_eq!(deck_at(from).as_ref(), Some(deck));
            assert_eq!(deck_at(until).as_ref(), Some(deck));
        }
        assert_eq!(store.deck(DeckId(1)).unwrap().as_ref(), Some(&states[2].1));
        assert_eq!(store.deck_at(DeckId(2), at(HOUR)).unwrap(), None);
        assert_eq!(store.snapshot(ALL_TIME).unwrap().decks, [states[2].1.clone()]);
        // A clock that starts again does not start before it.
        assert_eq!(store.snapshot(ALL_TIME).unwrap().newest, at(30));
        assert_eq!(
            store.deck_states(DeckId(1)).unwrap(),
            [state(3, 30, [1, 1, 1, 3]), state(2, 20, [0, 1, 0, 3]), state(1, 10, [3, 0, 0, 3])]
        );
        assert_eq!(store.deck_states(DeckId(2)).unwrap(), []);
    });
}

#[test]
fn rows_for_a_number_are_found_as_they_stood() {
    each(|store| {
        let mut first = priced(&[("33", 1), ("44", 2), ("447", 3), ("4479", 4)]);
        let later = RateRow { effective: at(HOUR), rate: rate(9), ..first.rows[2].clone() };
        first.rows.push(later);
        put(store, vec![put_deck(10, first)]);
        put(store, vec![put_deck(20, priced(&[("33", 1), ("4479", 5), ("447912345678901", 6)]))]);
        let check = |digits: &str, offset: i64, want: &[(&str, i64)]| {
            let rows = store.deck_rows_at(DeckId(1), digits, at(offset)).unwrap();
            let found: Vec<(&str, i64)> = rows
                .iter()
                .map(|row| (row.prefix.as_str(), row.rate.per_minute.micros()))
                .collect();
            assert_eq!(found, want, "{digits} at {offset}");
        };
        check("447912345678901", 9, &[]);
        check("447912345678901", 10, &[("44", 2), ("447", 3), ("447", 9), ("4479", 4)]);
        check("447912345678901", 20, &[("4479", 5), ("447912345678901", 6)]);
        check("447", 19, &[("44", 2), ("447", 3), ("447", 9)]);
        check("33", 10, &[("33", 1)]);
        check("3", 10, &[]);
        check("", 10, &[]);
        check("é44", 10, &[]);
        assert_eq!(store.deck_rows_at(DeckId(2), "44", at(10)).unwrap(), []);
    });
}

/// What the disk had no room for is told later than what came after it: what stood when is the same.
#[test]
fn a_put_that_is_told_late_stands_where_it_belongs() {
    let states = [
        (10, priced(&[("33", 1), ("44", 1)])),
        (20, priced(&[("33", 2), ("44", 1), ("7", 1)])),
        (30, priced(&[("33", 1), ("44", 2)])),
    ];
    each(|store| {
        for order in [0, 2, 1] {
            let (offset, deck) = &states[order];
            put(store, vec![put_deck(*offset, deck.clone())]);
        }
        for (offset, deck) in &states {
            for moment in [*offset, offset + 9] {
                assert_eq!(store.deck_at(DeckId(1), at(moment)).unwrap().as_ref(), Some(deck));
            }
        }
        let numbers = store.deck_states(DeckId(1)).unwrap();
        let numbers: Vec<u32> = numbers.iter().map(|state| state.state).collect();
        assert_eq!(numbers, [2, 3, 1]);
        assert_eq!(walked(store).breaks, []);
    });
}
