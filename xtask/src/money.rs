//! A second, slow rating. Lives here: the price of a call from its record and the deck as a file, with
//! decimals. Never here: a line of `crates/rating`, so that a mistake there is not repeated here.

use anyhow::{Context, Result, bail};
use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;
use serde_json::Value;

/// One row of a deck file.
#[derive(Debug)]
struct Row {
    prefix: String,
    per_minute: Decimal,
    connect_fee: Decimal,
    minimum: u64,
    first: u64,
    increment: u64,
}

/// A deck as its file has it.
pub struct Deck(Vec<Row>);

impl Deck {
    /// Reads a deck of the tests (the columns that ours has).
    pub fn read(csv: &str) -> Result<Deck> {
        let mut reader = csv::Reader::from_reader(csv.as_bytes());
        let mut rows = Vec::new();
        for record in reader.records() {
            let record = record?;
            let cell = |at: usize| record.get(at).unwrap_or("").trim();
            rows.push(Row {
                prefix: cell(0).to_owned(),
                per_minute: cell(2).parse()?,
                connect_fee: cell(3).parse()?,
                minimum: cell(4).parse()?,
                first: cell(5).parse()?,
                increment: cell(6).parse()?,
            });
        }
        Ok(Deck(rows))
    }

    /// The price of an answered call in millionths; `None` when the deck has none.
    pub fn price(&self, number: &str, duration_ms: u64) -> Option<i64> {
        let digits = number.trim_start_matches('+');
        let row = self
            .0
            .iter()
            .filter(|row| digits.starts_with(&row.prefix))
            .max_by_key(|row| row.prefix.len())?;
        let mut billed = row.first;
        while billed * 1_000 < duration_ms || billed < row.minimum {
            billed += row.increment;
        }
        let price = row.connect_fee + row.per_minute * Decimal::from(billed) / Decimal::from(60);
        (price * Decimal::from(1_000_000)).ceil().to_i64()
    }
}

/// What a list of call records adds up to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sum {
    /// Records of answered calls.
    pub answered: usize,
    /// Records of refused or unanswered calls.
    pub unanswered: usize,
    /// Prices of the records, in millionths.
    pub charged: i64,
    /// Prices worked out again, in millionths.
    pub rated_again: i64,
}

/// Rates every record again and compares each with the price that it has.
pub fn rate_again(calls: &[Value], deck: &Deck) -> Result<Sum> {
    let mut sum = Sum::default();
    let mut wrong = Vec::new();
    for call in calls {
        let charged =
            micros(&call["price"]).with_context(|| format!("a record without a price: {call}"))?;
        sum.charged += charged;
        if call["answered"].is_null() || call["direction"] != "outgoing" {
            sum.unanswered += usize::from(call["answered"].is_null());
            sum.answered += usize::from(!call["answered"].is_null());
            if charged != 0 {
                wrong.push(format!("charged for nothing: {call}"));
            }
            continue;
        }
        sum.answered += 1;
        let number =
            number(&call["destination"]["e164"]).context("an answered call without a number")?;
        let duration = call["duration_ms"].as_u64().context("a record without a duration")?;
        let again = deck
            .price(&number, duration)
            .context("an answered call without a price in the deck")?;
        sum.rated_again += again;
        if again != charged {
            wrong.push(format!("charged {charged}, rated again {again}: {call}"));
        }
    }
    if !wrong.is_empty() {
        bail!(
            "{} of {} records are priced wrong, the first: {}",
            wrong.len(),
            calls.len(),
            wrong[0]
        );
    }
    Ok(sum)
}

/// Works out again what each call cost at the carrier, and compares with what its record says; the sum in millionths.
pub fn cost_again(calls: &[Value], deck: &Deck) -> Result<i64> {
    let mut sum = 0;
    for call in calls {
        let cost =
            micros(&call["cost"]).with_context(|| format!("a record without a cost: {call}"))?;
        let is_carried = call["direction"] == "outgoing" && !call["answered"].is_null();
        let again = match is_carried {
            false => 0,
            true => {
                let number = number(&call["destination"]["e164"]).context("a call to no number")?;
                let duration = call["duration_ms"].as_u64().context("a call without duration")?;
                deck.price(&number, duration).context("a call without a price in the deck")?
            }
        };
        if again != cost {
            bail!("cost {cost}, worked out again {again}: {call}");
        }
        sum += cost;
    }
    Ok(sum)
}

/// Millionths from a whole number of them, or from a decimal text.
pub fn micros(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => {
            let decimal: Decimal = text.parse().ok()?;
            (decimal * Decimal::from(1_000_000)).to_i64()
        }
        _ => None,
    }
}

/// Digits of an E.164 number, whether it is written as a number or a text.
fn number(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => Some(text.trim_start_matches('+').to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_by_hand() {
        let deck = Deck::read(crate::ringfence::DECK_CSV).expect("the deck of the tests");
        fn check(deck: &Deck, number: &str, duration_ms: u64, want: Option<i64>) {
            assert_eq!(deck.price(number, duration_ms), want, "{number} {duration_ms}");
        }
        // 1p a minute by the second: 61 s are 61/60 of a penny, 10166.67 rounded up.
        check(&deck, "+442083661177", 60_001, Some(10_167));
        check(&deck, "+442083661177", 0, Some(167));
        // 3p a minute, whole first minute.
        check(&deck, "+33140000000", 1, Some(30_000));
        // 30/6 and a penny to connect: 31 s bill 36 s of 4.5p a minute.
        check(&deck, "+33700000000", 30_001, Some(10_000 + 27_000));
        check(&deck, "+999", 1, None);
    }

    #[test]
    fn notices_a_wrong_price() {
        let deck = Deck::read(crate::ringfence::DECK_CSV).expect("the deck of the tests");
        let call = |price: i64| {
            serde_json::json!({"price": price, "answered": 1, "direction": "outgoing",
                "destination": {"e164": 442_083_661_177_u64}, "duration_ms": 1_500})
        };
        let sum = rate_again(&[call(334)], &deck).expect("two seconds");
        assert_eq!(sum, Sum { answered: 1, unanswered: 0, charged: 334, rated_again: 334 });
        assert!(rate_again(&[call(335)], &deck).is_err());
        let with_cost = |cost: i64| {
            let mut call = call(334);
            call["cost"] = cost.into();
            call
        };
        assert_eq!(cost_again(&[with_cost(334)], &deck).expect("two seconds"), 334);
        assert!(cost_again(&[with_cost(333)], &deck).is_err());
    }
}
