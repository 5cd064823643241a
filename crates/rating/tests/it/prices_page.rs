//! The worked examples of `docs/how-to/prices.md`: what the page says on paper is what a call costs. The sums on paper are
//! worked out in decimals here, digit by digit, and not by `rating`.

use rating::{RateDeck, billed_s, cost};
use types::{DeckId, Money, Rate, RateRow, UnixMicros};

const PAGE: &str = include_str!("../../../../docs/how-to/prices.md");

/// The cells of the table under this header.
fn table(header: &str) -> Vec<Vec<&'static str>> {
    let lines = PAGE.lines().skip_while(|line| !line.starts_with(header)).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|'));
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// `0.0125` in millionths.
fn micros(text: &str) -> i64 {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}{part:0<6}").parse().unwrap()
}

/// `0.10 + 0.06, 30/6, minimum 45`
fn rate(text: &str) -> Rate {
    let mut parts = text.split(", ");
    let price = parts.next().unwrap();
    let (fee, minute) = price.split_once(" + ").unwrap_or(("0", price));
    let (first, further) = parts.next().unwrap().split_once('/').unwrap();
    let minimum =
        parts.next().map_or(0, |text| text.strip_prefix("minimum ").unwrap().parse().unwrap());
    Rate {
        connect_fee: Money::from_micros(micros(fee)),
        per_minute: Money::from_micros(micros(minute)),
        minimum_s: minimum,
        first_increment_s: first.parse().unwrap(),
        increment_s: further.parse().unwrap(),
    }
}

fn talk_ms(text: &str) -> u64 {
    micros(text.strip_suffix(" s").unwrap()).cast_unsigned() / 1_000
}

/// `0.10 + 0.06 × 102 / 60`, as on paper: the product, by sixty, up to a millionth, and what is before it.
fn on_paper(text: &str) -> i64 {
    let (fee, talk) = text.split_once(" + ").unwrap_or(("0", text));
    let (minute, seconds) = talk.split_once(" × ").unwrap();
    let seconds: i64 = seconds.strip_suffix(" / 60").unwrap().parse().unwrap();
    let product = micros(minute) * seconds;
    micros(fee) + (product + 59) / 60
}

#[test]
fn the_page_is_right() {
    let rows = table("| rate | talk |");
    assert_eq!(rows.len(), 17);
    for row in rows {
        let [by, talk, billed, paper, price] = row[..] else { panic!("five cells: {row:?}") };
        let (rate, ms) = (rate(by), talk_ms(talk));
        assert_eq!(billed_s(&rate, ms).unwrap(), talk_ms(billed) / 1_000, "{row:?}");
        assert_eq!(cost(&rate, ms).unwrap().micros(), micros(price), "{row:?}");
        assert_eq!(on_paper(paper), micros(price), "{row:?}");
    }
}

/// Midnight comes during the call: it is charged what stood when it was admitted.
#[test]
fn the_price_at_the_start_holds() {
    const MIDNIGHT_S: i64 = 1_796_083_200;
    let row = |price: &str, from: i64| RateRow {
        prefix: "33".to_owned(),
        name: "France".into(),
        rate: rate(&format!("{price}, 1/1")),
        effective: UnixMicros::from_seconds(from),
    };
    let rows = vec![row("0.012", 0), row("0.03", MIDNIGHT_S)];
    let deck = RateDeck::from_rows(DeckId(1), rows).unwrap();
    let of_day = |text: &str| {
        let mut parts = text.split(':').map(|part| part.parse::<i64>().unwrap());
        let seconds = parts.by_ref().fold(0, |sum, part| sum * 60 + part);
        MIDNIGHT_S + if seconds > 43_200 { seconds - 86_400 } else { seconds }
    };
    let rows = table("| admitted | hung up |");
    assert_eq!(rows.len(), 2);
    for row in rows {
        let [admitted, hung_up, paper, price] = row[..] else { panic!("four cells: {row:?}") };
        let begun = of_day(admitted);
        let number = "+33123456789".parse().unwrap();
        let found = deck.lookup(number, UnixMicros::from_seconds(begun)).unwrap();
        let ms = (of_day(hung_up) - begun).cast_unsigned() * 1_000;
        assert_eq!(cost(&found.rate, ms).unwrap().micros(), micros(price), "{row:?}");
        assert_eq!(on_paper(paper), micros(price), "{row:?}");
    }
}
