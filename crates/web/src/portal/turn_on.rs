//! Turning countries and kinds of numbers on again. Lives here: what is turned together, for how long, the undoing of what
//! was turned off last. Never here: the list of them (`places`), which change is risky (engine).

use askama::Template;
use axum::Form;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use types::{AccountId, ClassSet, Controls, DestinationClass, Proof, Region, Setting};

use crate::app::Shared;
use crate::desk::{DeskError, Prices};
use crate::guard::Visitor;
use crate::page::{Errors, Frame, Problem, answer, page};
use crate::portal::freeze::say;
use crate::portal::limits::Fields;
use crate::portal::places::{capital, look, price, typed};
use crate::portal::words::places;
use crate::sessions::Pending;

/// Classes that a holder turns on and off here.
pub const CLASSES: [DestinationClass; 8] = [
    DestinationClass::NationalFixed,
    DestinationClass::NationalMobile,
    DestinationClass::NationalService,
    DestinationClass::Personal,
    DestinationClass::Pager,
    DestinationClass::Premium,
    DestinationClass::Satellite,
    DestinationClass::InternationalPremium,
];
/// How long something may be turned on for, as the form has it.
const LASTS: [(&str, &str); 4] =
    [("24h", "a day"), ("7d", "a week"), ("30d", "a month"), ("", "good")];

/// What is turned on or off together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chosen {
    /// Countries.
    pub countries: Vec<Region>,
    /// Classes.
    pub classes: Vec<DestinationClass>,
}

impl Chosen {
    /// What a form or an address names.
    pub fn read(fields: &[(String, String)]) -> Chosen {
        let of = |name: &'static str| fields.iter().filter(move |(known, _)| known == name);
        let class = |(_, value): &(String, String)| value.parse().ok();
        Chosen {
            countries: of("country").filter_map(|(_, value)| value.parse().ok()).collect(),
            classes: of("class")
                .filter_map(class)
                .filter(|class| {
                    *class == DestinationClass::International || CLASSES.contains(class)
                })
                .collect(),
        }
    }

    /// What of it is on, by the controls.
    pub fn on(&self, controls: &Controls) -> Chosen {
        let (mut countries, mut classes) = (self.countries.clone(), self.classes.clone());
        countries.retain(|region| !controls.barred_countries.contains(region));
        classes.retain(|class| !controls.barred.contains(*class));
        Chosen { countries, classes }
    }

    /// What of it is off.
    pub fn off(&self, controls: &Controls) -> Chosen {
        let (mut countries, mut classes) = (self.countries.clone(), self.classes.clone());
        countries.retain(|region| controls.barred_countries.contains(region));
        classes.retain(|class| controls.barred.contains(*class));
        Chosen { countries, classes }
    }

    /// Nothing?
    pub fn is_empty(&self) -> bool {
        self.countries.is_empty() && self.classes.is_empty()
    }

    /// The controls with it turned on, or off.
    pub fn turned(&self, on: bool, controls: &Controls) -> Vec<Setting> {
        let mut countries = controls.barred_countries.clone();
        countries.retain(|region| !self.countries.contains(region));
        let turn = |set: ClassSet, class: &DestinationClass| match on {
            true => set.without(*class),
            false => set.with(*class),
        };
        let classes = self.classes.iter().fold(controls.barred, turn);
        if !on {
            countries.extend(&self.countries);
        }
        countries.sort_unstable();
        countries.dedup();
        let mut settings = Vec::new();
        if !self.countries.is_empty() {
            settings.push(Setting::BarredCountries(countries));
        }
        if !self.classes.is_empty() {
            settings.push(Setting::Barred(classes));
        }
        settings
    }

    /// In words: `Somalia, Latvia and pagers (076)`.
    pub fn words(&self) -> String {
        let classes = self.classes.iter().map(|class| places(*class).to_owned());
        let countries = self.countries.iter().map(|region| region.name().to_owned());
        let mut all: Vec<String> = classes.chain(countries).collect();
        const MOST: usize = 5;
        if all.len() > MOST + 1 {
            let more = all.len() - MOST;
            all.truncate(MOST);
            return format!("{} and {more} more", all.join(", "));
        }
        match all.split_last() {
            Some((last, first)) if !first.is_empty() => format!("{} and {last}", first.join(", ")),
            Some((last, _)) => last.clone(),
            None => "nothing".to_owned(),
        }
    }
}

/// What was turned off last, as far as it still is.
pub async fn undoable(
    app: &Shared,
    account: AccountId,
    controls: &Controls,
) -> Result<Option<(types::UnixMicros, Chosen)>, DeskError> {
    let last = app.ask(move |desk| desk.turned_off(account)).await?;
    Ok(last.and_then(|last| {
        let classes = last.classes.iter().collect();
        let chosen = Chosen { countries: last.countries, classes }.off(controls);
        (!chosen.is_empty()).then_some((last.at, chosen))
    }))
}

#[derive(Template)]
#[template(path = "places_on.html")]
struct OnPage {
    frame: Frame,
    words: String,
    rows: Vec<(String, String, &'static str, String)>,
    lasts: Vec<(&'static str, &'static str, bool)>,
    errors: Errors,
}

async fn view_on(
    app: &Shared,
    visitor: &Visitor,
    chosen: &Chosen,
    lasts: &str,
    errors: Errors,
) -> Result<OnPage, Problem> {
    let (overview, found) = look(app, visitor.session.account).await?;
    let rows = |field: &'static str, value: String, name: String, prices: Option<Prices>| {
        let price = prices.map_or_else(String::new, |prices| price(prices, &overview.currency));
        (name, price, field, value)
    };
    let countries = chosen.countries.iter().map(|region| {
        let known = found.countries.iter().find(|one| one.region == *region);
        let name = region.name().to_owned();
        rows("country", region.to_string(), name, known.map(|one| one.prices))
    });
    let classes = chosen.classes.iter().map(|class| {
        let known = found.classes.iter().find(|(known, _)| known == class);
        let name = capital(places(*class));
        rows("class", class.code().to_owned(), name, known.map(|(_, prices)| *prices))
    });
    Ok(OnPage {
        frame: Frame::of(app, visitor, "Turn on", "where"),
        words: chosen.words(),
        rows: classes.chain(countries).collect(),
        lasts: LASTS.map(|(value, words)| (value, words, value == lasts)).to_vec(),
        errors,
    })
}

/// GET /where/on: what, and for how long?
pub async fn ask_on(
    State(app): State<Shared>,
    visitor: Visitor,
    Query(fields): Query<Fields>,
) -> Result<Response, Problem> {
    let overview = app.overview(visitor.session.account).await?;
    let chosen = Chosen::read(&fields).off(&overview.controls);
    if chosen.is_empty() {
        say(&app, &visitor, "It is on already.");
        return Ok(Redirect::to("/where").into_response());
    }
    Ok(page(&view_on(&app, &visitor, &chosen, "24h", Errors::default()).await?))
}

/// GET /where/undo: the same, for what was turned off last.
pub async fn ask_undo(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    let account = visitor.session.account;
    let overview = app.overview(account).await?;
    match undoable(&app, account, &overview.controls).await? {
        Some((_, chosen)) => {
            Ok(page(&view_on(&app, &visitor, &chosen, "", Errors::default()).await?))
        }
        None => {
            say(&app, &visitor, "There is nothing to undo.");
            Ok(Redirect::to("/where").into_response())
        }
    }
}

/// POST /where/on: riskier, so it needs fresh proof.
pub async fn on(
    State(app): State<Shared>,
    visitor: Visitor,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let is_fresh = visitor.session.is_fresh(app.now());
    on_now(&app, &visitor, fields, is_fresh).await
}

/// By the controls as they stand in this moment.
pub async fn on_now(
    app: &Shared,
    visitor: &Visitor,
    fields: Fields,
    is_fresh: bool,
) -> Result<Response, Problem> {
    let account = visitor.session.account;
    let before = app.overview(account).await?;
    let chosen = Chosen::read(&fields).off(&before.controls);
    let lasts = typed(&fields, "lasts").to_owned();
    let back = Redirect::to("/where").into_response();
    if chosen.is_empty() {
        say(app, visitor, "Nothing was changed: it is on already.");
        return Ok(back);
    }
    let Some((_, words)) = LASTS.into_iter().find(|(value, _)| *value == lasts) else {
        let errors = Errors::one("lasts", "Say for how long");
        let page = view_on(app, visitor, &chosen, "24h", errors).await?;
        return Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
    };
    let settings = chosen.turned(true, &before.controls);
    let proof = if is_fresh { Proof::Fresh } else { Proof::LoggedIn };
    let until = lasts.clone();
    match app.ask(move |desk| desk.change_controls(account, settings, &until, proof)).await {
        Ok(_) => {
            let after = app.overview(account).await?;
            let left = chosen.off(&after.controls);
            let on = chosen.on(&after.controls);
            let mut said = Vec::new();
            if !on.is_empty() {
                said.push(format!("Turned on for {words}: {}.", on.words()));
            }
            if !left.is_empty() {
                said.push(format!(
                    "Your provider was asked, because you may not turn it on yourself: {}.",
                    left.words()
                ));
            }
            say(app, visitor, &said.join(" "));
            Ok(back)
        }
        Err(DeskError::NeedsProof) => {
            let pending = Some(Pending::TurnOn(fields));
            app.sessions.amend(&visitor.token, |session| session.pending = pending);
            Ok(Redirect::to("/confirm").into_response())
        }
        Err(DeskError::Refused(problem)) => {
            let errors = Errors::one("lasts", problem);
            let page = view_on(app, visitor, &chosen, &lasts, errors).await?;
            Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
        Err(down) => Err(down.into()),
    }
}
