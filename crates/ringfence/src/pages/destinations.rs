//! Where an account can call, at which price. Lives here: the account's price list by country and class, kept for a while.
//! Never here: HTML, what is barred (engine).

use std::collections::BTreeMap;

use rating::{Numbering, Prefixes};
use store::{Reader, StoreError};
use types::{DeckId, DestinationClass, RateRow, Region, UnixMicros};
use web::{Country, Destinations, Prices};

/// A price list that was read is good for so long.
const GOOD_FOR_MS: u64 = 300_000;
/// Price lists that are kept at once.
const MOST_KEPT: usize = 20;

/// Price lists by country and class, as they were read a short while ago.
#[derive(Default)]
pub struct PriceLists {
    kept: BTreeMap<(DeckId, Region), (UnixMicros, Destinations)>,
}

impl PriceLists {
    /// That of a deck, seen from a home country.
    pub fn of(
        &mut self,
        (deck, home): (DeckId, Region),
        numbering: &Numbering,
        reader: &dyn Reader,
        now: UnixMicros,
    ) -> Result<Destinations, StoreError> {
        self.kept.retain(|_, (at, _)| now.ms_since(*at) < GOOD_FOR_MS);
        if let Some((_, known)) = self.kept.get(&(deck, home)) {
            return Ok(known.clone());
        }
        let rows = reader.deck(deck)?.map(|deck| deck.rows).unwrap_or_default();
        let list = list(&rows, home, numbering, now);
        if self.kept.len() >= MOST_KEPT {
            self.kept.pop_first();
        }
        self.kept.insert((deck, home), (now, list.clone()));
        Ok(list)
    }
}

/// By country and class: the cheapest and the dearest minute.
fn list(rows: &[RateRow], home: Region, numbering: &Numbering, now: UnixMicros) -> Destinations {
    let mut prefixes: Prefixes<'_> = numbering.prefixes(home);
    let mut countries: BTreeMap<Region, Country> = BTreeMap::new();
    let mut classes: BTreeMap<DestinationClass, Prices> = BTreeMap::new();
    for row in in_force(rows, now) {
        let Some((class, region)) = prefixes.lead_to(&row.prefix) else { continue };
        let minute = row.rate.per_minute;
        let one = Prices { cheapest: minute, dearest: minute };
        let with = |known: &mut Prices| {
            known.cheapest = known.cheapest.min(minute);
            known.dearest = known.dearest.max(minute);
        };
        classes.entry(class).and_modify(with).or_insert(one);
        if class.is_national() || region == home || region == Region::GLOBAL {
            continue;
        }
        let hotspot = numbering.has_hotspots(&row.prefix);
        let new = Country { region, prices: one, hotspot };
        let country = countries.entry(region).or_insert(new);
        with(&mut country.prices);
        country.hotspot |= hotspot;
    }
    Destinations {
        countries: countries.into_values().collect(),
        classes: classes.into_iter().collect(),
        ..Destinations::default()
    }
}

/// Of each prefix the newest row in force; rows come by prefix, then by time.
fn in_force(rows: &[RateRow], now: UnixMicros) -> impl Iterator<Item = &RateRow> {
    let of_prefix = rows.chunk_by(|one, other| one.prefix == other.prefix);
    of_prefix.filter_map(move |rows| rows.iter().rfind(|row| row.effective <= now))
}

#[cfg(test)]
mod tests {
    use rating::NumberingConfig;
    use types::{Money, Rate};

    use super::*;

    #[test]
    fn a_price_list_is_told_by_country_and_class() {
        let row = |prefix: &str, micros: i64, effective: i64| RateRow {
            prefix: prefix.to_owned(),
            name: "".into(),
            rate: Rate { per_minute: Money::from_micros(micros), ..Rate::FREE },
            effective: UnixMicros(effective),
        };
        let rows = [
            row("1", 11_000, 0),
            row("1876", 300_000, 0),
            row("252", 920_000, 0),
            row("25261", 500_000, 0),
            row("25261", 600_000, 50),
            row("25261", 10, 5_000),
            row("37129", 200_000, 0),
            row("44", 10_000, 0),
            row("447", 60_000, 0),
            row("8816", 4_000_000, 0),
        ];
        let numbering = Numbering::new(&NumberingConfig::default()).expect("it is good");
        let found = list(&rows, Region::GB, &numbering, UnixMicros(100));
        let countries: Vec<(String, i64, i64)> = found
            .countries
            .iter()
            .map(|one| {
                let Prices { cheapest, dearest } = one.prices;
                (one.region.to_string(), cheapest.micros(), dearest.micros())
            })
            .collect();
        let want = |code: &str, cheapest, dearest| (code.to_owned(), cheapest, dearest);
        assert_eq!(
            countries,
            [
                want("JM", 300_000, 300_000),
                want("LV", 200_000, 200_000),
                want("SO", 600_000, 920_000),
                want("US", 11_000, 11_000),
            ]
        );
        let latvia = found.countries.iter().find(|one| one.region.as_str() == "LV");
        assert!(latvia.is_some_and(|one| one.hotspot), "its mobiles are a favourite");
        let classes: Vec<DestinationClass> =
            found.classes.iter().map(|(class, _)| *class).collect();
        use DestinationClass as Class;
        let want =
            [Class::NationalFixed, Class::NationalMobile, Class::International, Class::Satellite];
        assert_eq!(classes, want);
    }
}
