//! "Where I can call". Lives here: countries and classes with price, last use and whether they are on; turning off, "Turn
//! off what I never call". Never here: turning on (`turn_on`), which change is risky (engine), prices (the desk).

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use types::{AccountId, Controls, DestinationClass, Proof, Region};

use crate::app::Shared;
use crate::desk::{Country, DeskError, Destinations, Overview, Prices};
use crate::guard::Visitor;
use crate::page::{Frame, Problem, moment, page};
use crate::portal::freeze::say;
use crate::portal::limits::Fields;
use crate::portal::turn_on::{CLASSES, Chosen, undoable};
use crate::portal::words::{places, small_money};

/// Something that can be called, or not.
pub struct Row {
    /// Name of the form's field: `country` or `class`.
    pub field: &'static str,
    /// Its value.
    pub value: String,
    /// What people call it.
    pub name: String,
    /// What a minute costs.
    pub price: String,
    /// When it was last called.
    pub used: String,
    /// Why to be careful; empty: no reason.
    pub risk: String,
    /// Can it be called?
    pub is_on: bool,
}

/// Rows under a heading.
pub struct Group {
    /// `id` of the heading.
    pub id: &'static str,
    /// The heading.
    pub title: String,
    /// What they are.
    pub rows: Vec<Row>,
    /// Is it open when the page is?
    pub is_open: bool,
}

#[derive(Template)]
#[template(path = "places.html")]
struct PlacesPage {
    frame: Frame,
    sentence: String,
    search: String,
    abroad_is_off: bool,
    groups: Vec<Group>,
    never: usize,
    undo: Option<String>,
}

/// What is on and was never called. Home is not among it: nobody is to lose his neighbours by one click.
pub fn never_called(found: &Destinations, controls: &Controls) -> Chosen {
    use DestinationClass as C;
    let is_used = |class: DestinationClass| found.used.iter().any(|(known, ..)| *known == class);
    let idle = [
        C::NationalService,
        C::Personal,
        C::Pager,
        C::Premium,
        C::Satellite,
        C::InternationalPremium,
    ];
    let has_price =
        |class: DestinationClass| found.classes.iter().any(|(known, _)| *known == class);
    let classes = idle.into_iter().filter(|class| has_price(*class) && !is_used(*class)).collect();
    let countries = found.countries.iter().map(|one| one.region);
    let countries = countries.filter(|region| !was_called(found, *region)).collect();
    Chosen { countries, classes }.on(controls)
}

/// Was a country ever called?
pub fn was_called(found: &Destinations, region: Region) -> bool {
    found.ever.contains(&region) || found.used.iter().any(|(_, there, _)| *there == Some(region))
}

pub(super) fn price(prices: Prices, currency: &str) -> String {
    let Prices { cheapest, dearest } = prices;
    match cheapest == dearest {
        true => format!("{} a minute", small_money(cheapest, currency)),
        false => {
            let (from, to) = (small_money(cheapest, currency), small_money(dearest, currency));
            format!("{from} to {to} a minute")
        }
    }
}

fn country_row(one: &Country, found: &Destinations, overview: &Overview) -> Row {
    let (region, controls) = (one.region, &overview.controls);
    let last = found.used.iter().find(|(_, there, _)| *there == Some(region));
    let cap = controls.price_cap_international;
    let mut risk = Vec::new();
    if one.hotspot {
        risk.push("thieves are paid for calls to some numbers there");
    }
    if one.prices.cheapest > cap {
        risk.push("above your price limit, so calls are stopped anyway");
    } else if one.prices.dearest > cap {
        risk.push("some numbers are above your price limit");
    }
    Row {
        field: "country",
        value: region.to_string(),
        name: region.name().to_owned(),
        price: price(one.prices, &overview.currency),
        used: match last {
            Some((.., at)) => format!("last called {}", moment(*at, &overview.time_zone)),
            None if found.ever.contains(&region) => "called before".to_owned(),
            None => String::new(),
        },
        risk: risk.join("; "),
        is_on: !controls.barred_countries.contains(&region),
    }
}

fn class_row(class: DestinationClass, found: &Destinations, overview: &Overview) -> Option<Row> {
    let (_, prices) = found.classes.iter().find(|(known, _)| *known == class)?;
    let last = found.used.iter().find(|(known, ..)| *known == class);
    Some(Row {
        field: "class",
        value: class.code().to_owned(),
        name: capital(places(class)),
        price: price(*prices, &overview.currency),
        used: match last {
            Some((.., at)) => format!("last called {}", moment(*at, &overview.time_zone)),
            None => String::new(),
        },
        risk: String::new(),
        is_on: !overview.controls.barred.contains(class),
    })
}

/// With its first letter large.
pub fn capital(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn groups(found: &Destinations, overview: &Overview, search: &str) -> Vec<Group> {
    let wanted = search.trim().to_lowercase();
    let fits = |row: &Row| row.name.to_lowercase().contains(&wanted);
    let classes = CLASSES.into_iter().filter_map(|class| class_row(class, found, overview));
    let mut all: Vec<(&Country, Row)> =
        found.countries.iter().map(|one| (one, country_row(one, found, overview))).collect();
    // The riskiest first: where thieves are paid, then by price.
    all.sort_by(|(one, a), (other, b)| {
        let key = |country: &Country| (country.hotspot, country.prices.dearest);
        key(other).cmp(&key(one)).then_with(|| a.name.cmp(&b.name))
    });
    let (mut called, mut idle, mut off) = (Vec::new(), Vec::new(), Vec::new());
    for (country, row) in all.into_iter().filter(|(_, row)| fits(row)) {
        match (row.is_on, was_called(found, country.region)) {
            (false, _) => off.push(row),
            (true, true) => called.push(row),
            (true, false) => idle.push(row),
        }
    }
    off.sort_by(|one, other| one.name.cmp(&other.name));
    let is_searched = !wanted.is_empty();
    let group = |id, title: &str, rows: Vec<Row>, is_open: bool| Group {
        id,
        title: format!("{title} ({})", rows.len()),
        rows,
        is_open: is_open || is_searched,
    };
    let groups = vec![
        group("kinds", "Kinds of numbers", classes.filter(fits).collect(), true),
        group("called", "Countries that you have called", called, true),
        group("idle", "Countries that are on, and were never called", idle, false),
        group("off", "Countries that are off", off, false),
    ];
    groups.into_iter().filter(|group| !group.rows.is_empty()).collect()
}

/// Money and places of an account.
pub async fn look(app: &Shared, account: AccountId) -> Result<(Overview, Destinations), DeskError> {
    let overview = app.overview(account).await?;
    Ok((overview, app.ask(move |desk| desk.destinations(account)).await?))
}

pub(super) fn typed<'f>(fields: &'f [(String, String)], name: &str) -> &'f str {
    let found = fields.iter().find(|(known, _)| known == name);
    found.map_or("", |(_, value)| value.trim())
}

/// GET /where
pub async fn show(
    State(app): State<Shared>,
    visitor: Visitor,
    Query(fields): Query<Fields>,
) -> Result<Response, Problem> {
    let account = visitor.session.account;
    let (overview, found) = look(&app, account).await?;
    let undo = undoable(&app, account, &overview.controls).await?;
    let (controls, all) = (&overview.controls, found.countries.len());
    let abroad_is_off = controls.barred.contains(DestinationClass::International);
    let off = found.countries.iter().filter(|one| controls.barred_countries.contains(&one.region));
    let off = off.count();
    let called = found.countries.iter().filter(|one| was_called(&found, one.region)).count();
    let sentence = match (abroad_is_off, off) {
        (true, _) => "Calls to all other countries are off.".to_owned(),
        (false, 0) => format!(
            "Calls to all {all} countries with a price are on. You have called {} of them.",
            if called == 0 { "none".to_owned() } else { called.to_string() }
        ),
        (false, _) => format!(
            "Calls to {} countries are on, {off} are off. You have called {called}.",
            all - off
        ),
    };
    let search = typed(&fields, "q").to_owned();
    let never = never_called(&found, controls);
    Ok(page(&PlacesPage {
        frame: Frame::of(&app, &visitor, "Where I can call", "where"),
        sentence,
        abroad_is_off,
        groups: groups(&found, &overview, &search),
        never: never.countries.len() + never.classes.len(),
        undo: undo.map(|(at, chosen)| {
            format!("On {} you turned off {}", moment(at, &overview.time_zone), chosen.words())
        }),
        search,
    }))
}

/// POST /where/off: safer, so it is done at once.
pub async fn off(
    State(app): State<Shared>,
    visitor: Visitor,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    turn_off(&app, &visitor, &Chosen::read(&fields)).await
}

async fn turn_off(app: &Shared, visitor: &Visitor, chosen: &Chosen) -> Result<Response, Problem> {
    let account = visitor.session.account;
    let overview = app.overview(account).await?;
    let chosen = chosen.on(&overview.controls);
    let back = Redirect::to("/where").into_response();
    if chosen.is_empty() {
        say(app, visitor, "Nothing was changed: it was off.");
        return Ok(back);
    }
    let settings = chosen.turned(false, &overview.controls);
    app.ask(move |desk| desk.change_controls(account, settings, "", Proof::LoggedIn)).await?;
    let words = format!(
        "Turned off: {}. Calls there that were in progress were hung up. You can undo it below.",
        chosen.words()
    );
    say(app, visitor, &words);
    Ok(back)
}

#[derive(Template)]
#[template(path = "places_never.html")]
struct NeverPage {
    frame: Frame,
    classes: Vec<&'static str>,
    countries: Vec<String>,
    is_all: bool,
}

/// GET /where/never: says what it would turn off, and asks.
pub async fn ask_never(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    let (overview, found) = look(&app, visitor.session.account).await?;
    let never = never_called(&found, &overview.controls);
    let named = never.countries.iter().map(|region| region.name().to_owned());
    let mut countries: Vec<String> = named.collect();
    countries.sort_unstable();
    Ok(page(&NeverPage {
        frame: Frame::of(&app, &visitor, "Turn off what I never call", "where"),
        classes: never.classes.iter().map(|class| places(*class)).collect(),
        countries,
        is_all: found.is_all,
    }))
}

/// POST /where/never
pub async fn never(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    let (overview, found) = look(&app, visitor.session.account).await?;
    turn_off(&app, &visitor, &never_called(&found, &overview.controls)).await
}
