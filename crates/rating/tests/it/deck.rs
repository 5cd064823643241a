//! Which price a number has.

use std::sync::Arc;

use proptest::prelude::*;
use rating::{DeckError, Numbering, NumberingConfig, RateDeck};
use types::{DeckId, DialPlan, E164, Money, Rate, RateRow, UnixMicros};

fn row(prefix: &str, cents: i64, effective_s: i64) -> RateRow {
    RateRow {
        prefix: prefix.to_owned(),
        name: Arc::from(format!("to {prefix}")),
        rate: Rate { per_minute: Money::from_cents(cents), ..Rate::FREE },
        effective: UnixMicros::from_seconds(effective_s),
    }
}

fn deck(rows: &[(&str, i64, i64)]) -> RateDeck {
    let rows = rows.iter().map(|(prefix, cents, from)| row(prefix, *cents, *from)).collect();
    RateDeck::from_rows(DeckId(7), rows).unwrap()
}

#[test]
fn the_longest_prefix_that_holds() {
    let deck = deck(&[
        ("44", 1, 0),
        ("447", 5, 0),
        ("44700", 9, 100),
        ("44700", 8, 200),
        ("4470012", 3, 300),
        ("1", 2, 0),
        ("1876", 20, 0),
        ("371", 30, 50),
        ("999999999999999", 99, 0),
    ]);
    let check = |number: &str, at_s: i64, want: Option<(&str, i64)>| {
        let got = deck.lookup(number.parse().unwrap(), UnixMicros::from_seconds(at_s));
        let got = got.map(|row| (row.prefix.as_str(), row.rate.per_minute));
        assert_eq!(got, want.map(|(p, cents)| (p, Money::from_cents(cents))), "{number} at {at_s}");
    };
    check("+442079460000", 0, Some(("44", 1)));
    check("+447911123456", 0, Some(("447", 5)));
    check("+447001999999", 0, Some(("447", 5)));
    check("+447001999999", 99, Some(("447", 5)));
    check("+447001999999", 100, Some(("44700", 9)));
    check("+447001999999", 199, Some(("44700", 9)));
    check("+447001999999", 200, Some(("44700", 8)));
    check("+447001299999", 299, Some(("44700", 8)));
    check("+447001299999", 300, Some(("4470012", 3)));
    check("+447001399999", 300, Some(("44700", 8)));
    check("+18764521234", 0, Some(("1876", 20)));
    check("+12025550143", 0, Some(("1", 2)));
    check("+37125123456", 49, None);
    check("+37125123456", 50, Some(("371", 30)));
    check("+33612345678", 0, None);
    check("+452079460000", 0, None);
    check("+999999999999999", 0, Some(("999999999999999", 99)));
    check("+999999999999998", 0, None);
    // A number that is a prefix itself, and one that is shorter than every prefix below it.
    check("+1876", 0, Some(("1876", 20)));
    check("+187", 0, Some(("1", 2)));
    check("+4470", 500, Some(("447", 5)));
    check("+4", 0, None);
}

#[test]
fn an_empty_deck_has_no_price() {
    let deck = deck(&[]);
    assert!(deck.is_empty());
    assert_eq!(deck.lookup("+1".parse().unwrap(), UnixMicros(0)), None);
}

#[test]
fn short_codes_have_no_prefix() {
    let numbering = Numbering::new(&NumberingConfig::default()).unwrap();
    let deck = deck(&[("44", 1, 0), ("44118", 1, 0), ("1", 1, 0)]);
    let check = |dialled: &str, want: Option<i64>| {
        let called = numbering.classify(&DialPlan::default(), dialled);
        let got = deck.rate_for(&called, UnixMicros(0)).map(|(rate, _)| rate.per_minute);
        assert_eq!(got, want.map(Money::from_cents), "{dialled}");
    };
    check("999", Some(0));
    check("111", Some(0));
    check("02079460000", Some(1));
    check("118118", None);
    check("+44118118", None);
    check("00", None);
    check("+33612345678", None);
}

#[test]
fn refuses_rows_that_cannot_be_charged() {
    fn check(rows: Vec<RateRow>, want: DeckError) {
        assert_eq!(RateDeck::from_rows(DeckId(1), rows).unwrap_err(), want);
    }
    for bad in ["", "0", "044", "+44", "44x", "1234567890123456"] {
        check(vec![row("44", 1, 0), row(bad, 1, 0)], DeckError::BadPrefix(bad.to_owned()));
    }
    let changed = |change: fn(&mut Rate)| {
        let mut bad = row("44", 1, 0);
        change(&mut bad.rate);
        vec![row("1", 1, 0), bad]
    };
    let prefix = || "44".to_owned();
    check(changed(|rate| rate.first_increment_s = 0), DeckError::ZeroIncrement(prefix()));
    check(changed(|rate| rate.increment_s = 0), DeckError::ZeroIncrement(prefix()));
    check(changed(|r| r.per_minute = Money::from_micros(-1)), DeckError::NegativePrice(prefix()));
    check(changed(|r| r.connect_fee = Money::from_micros(-1)), DeckError::NegativePrice(prefix()));
    check(
        vec![row("44", 1, 5), row("1", 1, 5), row("44", 2, 5)],
        DeckError::Duplicate { prefix: prefix(), effective: UnixMicros::from_seconds(5) },
    );
    assert!(RateDeck::from_rows(DeckId(1), vec![row("44", 1, 5), row("44", 2, 6)]).is_ok());
}

#[test]
fn errors_name_the_prefix() {
    let duplicate = DeckError::Duplicate { prefix: "44".to_owned(), effective: UnixMicros(0) };
    assert_eq!(
        duplicate.to_string(),
        "prefix 44: two rows are effective from 1970-01-01T00:00:00.000Z"
    );
}

/// The rule of the longest prefix written a second time, slowly.
fn slow_lookup(rows: &[RateRow], number: E164, at: UnixMicros) -> Option<&RateRow> {
    let digits = number.digits();
    rows.iter()
        .filter(|row| digits.starts_with(&row.prefix) && row.effective <= at)
        .max_by_key(|row| (row.prefix.len(), row.effective))
}

proptest! {
    #[test]
    fn lookup_is_the_slow_lookup(
        rows in proptest::collection::btree_set(("[12][12]{0,5}", 0_i64..4), 0..60),
        numbers in proptest::collection::vec("[12][123]{0,8}", 1..40),
        at_s in 0_i64..4,
    ) {
        let rows: Vec<RateRow> = rows.iter().map(|(prefix, from)| row(prefix, 1, *from)).collect();
        let deck = RateDeck::from_rows(DeckId(1), rows.clone()).unwrap();
        prop_assert_eq!(deck.len(), rows.len());
        let at = UnixMicros::from_seconds(at_s);
        for number in numbers {
            let number = E164::from_digits(&number).unwrap();
            prop_assert_eq!(deck.lookup(number, at), slow_lookup(&rows, number, at), "{}", number);
        }
    }
}
