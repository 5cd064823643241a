//! Where the account can call, for programs. Lives here: countries and kinds of numbers, turning them off; on is the holder's. Never
//! here: prices (the desk), which change is risky (engine).

use serde::{Deserialize, Serialize};
use types::{DestinationClass, Proof, Region};
use utoipa::ToSchema;

use super::fault::{Fault, FieldFault};
use super::op::{Caller, Sent};
use super::values::{Amount, Lasts, Moment, Nothing};
use crate::desk::{Destinations, Overview};
use crate::portal::places::{capital, look, never_called, was_called};
use crate::portal::turn_on::{CLASSES, Chosen};
use crate::portal::words::places;

/// Countries and kinds of numbers that have a price.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Places {
    /// Are calls abroad let out at all?
    is_abroad_on: bool,
    /// Countries abroad.
    countries: Vec<Country>,
    /// Kinds of numbers.
    kinds: Vec<NumberKind>,
    /// What is on and was never called: what `off-never-called` turns off.
    never_called: NeverCalled,
}

/// A country.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Country {
    /// ISO 3166-1 code.
    country: String,
    /// Its name.
    name: String,
    /// The cheapest minute.
    cheapest: Amount,
    /// The dearest.
    dearest: Amount,
    /// Are thieves paid for calls to some numbers there?
    is_hotspot: bool,
    /// Can it be called?
    is_on: bool,
    /// Was it ever called?
    was_called: bool,
    /// When last, if that is known.
    last_called: Option<Moment>,
}

/// A kind of number.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NumberKind {
    /// Its code.
    kind: &'static str,
    /// What people call it.
    name: String,
    /// The cheapest minute.
    cheapest: Amount,
    /// The dearest.
    dearest: Amount,
    /// Can it be called?
    is_on: bool,
    /// When last, if that is known.
    last_called: Option<Moment>,
}

/// What is on and was never called.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NeverCalled {
    countries: Vec<String>,
    kinds: Vec<&'static str>,
}

fn shown(overview: &Overview, found: &Destinations) -> Places {
    let controls = &overview.controls;
    let last = |class: Option<DestinationClass>, region: Option<Region>| {
        let mut used = found.used.iter();
        let is_it = |(kind, there, _): &&(DestinationClass, Option<Region>, _)| match region {
            Some(_) => *there == region,
            None => Some(*kind) == class,
        };
        used.find(is_it).map(|(.., at)| Moment::from(*at))
    };
    let countries = found.countries.iter().map(|one| Country {
        country: one.region.to_string(),
        name: one.region.name().to_owned(),
        cheapest: one.prices.cheapest.into(),
        dearest: one.prices.dearest.into(),
        is_hotspot: one.hotspot,
        is_on: !controls.barred_countries.contains(&one.region),
        was_called: was_called(found, one.region),
        last_called: last(None, Some(one.region)),
    });
    let kinds = found.classes.iter().filter(|(class, _)| CLASSES.contains(class));
    let kinds = kinds.map(|(class, prices)| NumberKind {
        kind: class.code(),
        name: capital(places(*class)),
        cheapest: prices.cheapest.into(),
        dearest: prices.dearest.into(),
        is_on: !controls.barred.contains(*class),
        last_called: last(Some(*class), None),
    });
    let never = never_called(found, controls);
    Places {
        is_abroad_on: !controls.barred.contains(DestinationClass::International),
        countries: countries.collect(),
        kinds: kinds.collect(),
        never_called: NeverCalled {
            countries: never.countries.iter().map(ToString::to_string).collect(),
            kinds: never.classes.iter().map(|class| class.code()).collect(),
        },
    }
}

/// GET /api/v1/places
pub async fn show(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<Places, Fault> {
    let (overview, found) = look(&caller.app, caller.account).await?;
    Ok(shown(&overview, &found))
}

/// Which countries and kinds.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// ISO 3166-1 codes.
    #[serde(default)]
    #[schema(max_items = 300)]
    countries: Vec<String>,
    /// Kinds of numbers; `international` is all countries abroad.
    #[serde(default)]
    #[schema(max_items = 20)]
    kinds: Vec<String>,
    /// When turned on: for how long.
    #[serde(default)]
    #[schema(inline)]
    lasts: Lasts,
}

impl Which {
    fn chosen(&self) -> Result<Chosen, Fault> {
        let mut errors = Vec::new();
        let mut chosen = Chosen::default();
        for (place, text) in self.countries.iter().enumerate() {
            match text.parse() {
                Ok(region) => chosen.countries.push(region),
                Err(_) => {
                    let detail = "is not a country code: expected two capital letters like GB";
                    errors.push(FieldFault::at(format!("/countries/{place}"), detail));
                }
            }
        }
        for (place, text) in self.kinds.iter().enumerate() {
            let known = text.parse().ok().filter(|class| {
                *class == DestinationClass::International || CLASSES.contains(class)
            });
            match known {
                Some(class) => chosen.classes.push(class),
                None => {
                    let detail = "is not a kind of number that is turned on and off";
                    errors.push(FieldFault::at(format!("/kinds/{place}"), detail));
                }
            }
        }
        if chosen.is_empty() && errors.is_empty() {
            errors.push(FieldFault::at("", "names neither a country nor a kind of number"));
        }
        if errors.is_empty() { Ok(chosen) } else { Err(Fault::invalid(errors)) }
    }
}

async fn turn(caller: &Caller, chosen: &Chosen, on: bool, lasts: Lasts) -> Result<Places, Fault> {
    let account = caller.account;
    let overview = caller.overview().await?;
    let chosen = match on {
        true => chosen.off(&overview.controls),
        false => chosen.on(&overview.controls),
    };
    if !chosen.is_empty() {
        let settings = chosen.turned(on, &overview.controls);
        let until = lasts.text();
        caller
            .ask(move |desk| desk.change_controls(account, settings, until, Proof::Token))
            .await?;
    }
    let (overview, found) = look(&caller.app, account).await?;
    Ok(shown(&overview, &found))
}

/// POST /api/v1/places/off: safer, so it is done at once.
pub async fn off(caller: Caller, sent: Sent<Nothing, Which>) -> Result<Places, Fault> {
    turn(&caller, &sent.body.chosen()?, false, Lasts::Good).await
}

/// POST /api/v1/places/off-never-called
pub async fn off_never(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<Places, Fault> {
    let (overview, found) = look(&caller.app, caller.account).await?;
    turn(&caller, &never_called(&found, &overview.controls), false, Lasts::Good).await
}

/// POST /api/v1/places/on: riskier, so the holder does it himself.
pub async fn on(caller: Caller, sent: Sent<Nothing, Which>) -> Result<Places, Fault> {
    turn(&caller, &sent.body.chosen()?, true, sent.body.lasts).await
}
