//! "Money limits". Lives here: every money control of the account with what it means and what it bounds, changing them,
//! requests that wait. Never here: which change is risky, how far a holder goes by himself (engine).

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use types::{AccountStatus, ControlRequest, Controls, Money, Proof, Setting};

use crate::app::Shared;
use crate::desk::{DeskError, Overview};
use crate::guard::Visitor;
use crate::page::{Errors, FieldError, Frame, Problem, answer, moment, money, page, round_money};
use crate::portal::freeze::say;
use crate::portal::settings::{Kind, RULES, Rule, read};
use crate::sessions::Pending;

/// What was typed, by field.
pub type Fields = Vec<(String, String)>;

/// One control on the page.
pub struct Field {
    /// Its name, and the `id` of its input.
    pub id: &'static str,
    /// What people call it.
    pub label: &'static str,
    /// What it means.
    pub help: &'static str,
    /// What it bounds at the moment.
    pub bound: String,
    /// How far the holder goes by himself.
    pub ceiling: String,
    /// As it stands, or as it was typed.
    pub value: String,
    /// It is a number without a currency.
    pub is_count: bool,
    /// A raise ends then.
    pub until: Option<String>,
    /// What is wrong with it.
    pub error: Option<String>,
}

#[derive(Template)]
#[template(path = "limits.html")]
struct LimitsPage {
    frame: Frame,
    groups: Vec<(&'static str, Vec<Field>)>,
    until: String,
    sign: &'static str,
    most: Vec<(&'static str, String)>,
    requests: Vec<(u32, String, String)>,
    errors: Errors,
}

fn sign(currency: &str) -> &'static str {
    match currency {
        "GBP" => "£",
        "EUR" => "€",
        "USD" => "$",
        _ => "",
    }
}

fn typed<'f>(fields: &'f [(String, String)], name: &str) -> Option<&'f str> {
    fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// A control by its name.
pub fn setting_of(name: &str, controls: &Controls) -> Option<Setting> {
    let all = Setting::all(AccountStatus::Active, controls);
    all.into_iter().find(|setting| setting.name() == name)
}

/// The value of a control as a form has it; empty: no such limit.
pub fn shown(name: &str, controls: &Controls) -> String {
    let text = setting_of(name, controls).map(|setting| setting.to_string()).unwrap_or_default();
    if text == "none" { String::new() } else { text }
}

fn field(rule: &Rule, overview: &Overview, fields: &[(String, String)], errors: &Errors) -> Field {
    let ceiling = match shown(rule.name, &overview.ceiling).as_str() {
        "" => "without a limit".to_owned(),
        text if rule.kind == Kind::Count => text.to_owned(),
        text => format!("{}{text}", sign(&overview.currency)),
    };
    let mut raises = overview.raises.iter().flat_map(|raises| &raises.raises);
    let raise = raises.rfind(|raise| raise.to.name() == rule.name);
    Field {
        id: rule.name,
        label: rule.label,
        help: rule.help,
        bound: bound(rule.name, overview),
        ceiling,
        value: typed(fields, rule.name)
            .map_or_else(|| shown(rule.name, &overview.controls), str::to_owned),
        is_count: rule.kind == Kind::Count,
        until: raise.map(|raise| moment(raise.until, &overview.time_zone)),
        error: errors.of(rule.name).map(str::to_owned),
    }
}

/// What a control bounds as it stands, in money.
fn bound(name: &str, overview: &Overview) -> String {
    let controls = &overview.controls;
    let show = |amount| round_money(amount, &overview.currency);
    let times = |amount: Money, count: i64| show(amount.checked_mul(count).unwrap_or(Money::MAX));
    let or = |level: Option<Money>, words: &str| match level {
        Some(level) => words.replace('#', &show(level)),
        None => "Not set: the other limits bound it.".to_owned(),
    };
    match name {
        "warning_level" => format!(
            "You hear from us at {}, and at each multiple of it.",
            show(controls.warning_level)
        ),
        "stop_level_1h" => or(controls.stop_level_1h, "At most # of costly calls in any hour."),
        "stop_level_24h" => {
            format!("At most {} of costly calls in any 24 hours.", show(controls.stop_level_24h))
        }
        "stop_level_7d" => {
            or(controls.stop_level_7d, "At most # of costly calls in any seven days.")
        }
        "stop_level_off_hours" => or(
            controls.stop_level_off_hours,
            "At most # of costly calls in a night or weekend's 24 hours.",
        ),
        "stop_level_all_24h" => {
            format!("At most {} of all calls in any 24 hours.", show(controls.stop_level_all_24h))
        }
        "price_cap_national" => format!(
            "An hour of one such call costs at most {}.",
            times(controls.price_cap_national, 60)
        ),
        "price_cap_international" => format!(
            "An hour of one such call costs at most {}.",
            times(controls.price_cap_international, 60)
        ),
        "connect_fee_cap" => format!(
            "A hundred short calls cost at most {} to connect.",
            times(controls.connect_fee_cap, 100)
        ),
        "costly_calls" => {
            let dearest = controls.price_cap_national.max(controls.price_cap_international);
            format!(
                "Without the stop levels, together at most {} an hour.",
                times(dearest, 60 * i64::from(controls.costly_calls))
            )
        }
        "calls" => format!("At most {} people talk at once.", controls.calls),
        "hotspot_calls" => {
            format!("At most {} such calls in any 12 hours.", controls.hotspot_calls)
        }
        "new_device_cap" => or(
            controls.new_device_cap,
            "A stolen password in a new phone costs at most # in its first day.",
        ),
        _ => String::new(),
    }
}

fn view(
    overview: &Overview,
    frame: Frame,
    (fields, errors): (&[(String, String)], Errors),
    requests: &[ControlRequest],
) -> LimitsPage {
    let mut groups: Vec<(&'static str, Vec<Field>)> = Vec::new();
    for rule in RULES {
        let one = field(rule, overview, fields, &errors);
        match groups.last_mut().filter(|(name, _)| *name == rule.group) {
            Some((_, list)) => list.push(one),
            None => groups.push((rule.group, vec![one])),
        }
    }
    let most = overview.most.iter().map(|most| {
        let name = match most.horizon.as_str() {
            "now" => "now",
            "tonight" => "until tomorrow morning",
            _ => "until the weekend is over",
        };
        (name, round_money(most.all, &overview.currency))
    });
    let asked = |request: &ControlRequest| {
        let words: Vec<String> = request
            .asked
            .iter()
            .map(|change| {
                format!("{} from {} to {}", label(change.to.name()), change.from, change.to)
            })
            .collect();
        (request.id, words.join(", "), moment(request.at, &overview.time_zone))
    };
    LimitsPage {
        frame,
        groups,
        until: typed(fields, "until").unwrap_or_default().to_owned(),
        sign: sign(&overview.currency),
        most: most.collect(),
        requests: requests.iter().map(asked).collect(),
        errors,
    }
}

fn label(name: &str) -> String {
    let rule = RULES.iter().find(|rule| rule.name == name);
    rule.map_or(name, |rule| rule.label).to_lowercase()
}

/// GET /limits
pub async fn show(State(app): State<Shared>, visitor: Visitor) -> Result<Response, Problem> {
    let frame = Frame::of(&app, &visitor, "Money limits", "limits");
    Ok(page(&whole(&app, &visitor, frame, &[], Errors::default()).await?))
}

async fn whole(
    app: &Shared,
    visitor: &Visitor,
    frame: Frame,
    fields: &[(String, String)],
    errors: Errors,
) -> Result<LimitsPage, Problem> {
    let account = visitor.session.account;
    let overview = app.overview(account).await?;
    let requests = app.ask(move |desk| desk.requests(account)).await?;
    Ok(view(&overview, frame, (fields, errors), &requests))
}

/// POST /limits
pub async fn save(
    State(app): State<Shared>,
    visitor: Visitor,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let is_fresh = visitor.session.is_fresh(app.now());
    save_now(&app, &visitor, fields, is_fresh).await
}

/// Reads what was typed, and changes what differs: safer at once, riskier with fresh proof.
pub async fn save_now(
    app: &Shared,
    visitor: &Visitor,
    fields: Fields,
    is_fresh: bool,
) -> Result<Response, Problem> {
    let account = visitor.session.account;
    let overview = app.overview(account).await?;
    let (settings, errors) = wanted(&overview, &fields);
    if !errors.0.is_empty() {
        return wrong(app, visitor, &fields, errors).await;
    }
    if settings.is_empty() {
        say(app, visitor, "Nothing was changed: everything stands as you typed it.");
        return Ok(Redirect::to("/limits").into_response());
    }
    let until = typed(&fields, "until").unwrap_or_default().trim().to_owned();
    let proof = if is_fresh { Proof::Fresh } else { Proof::LoggedIn };
    let changed = app.ask(move |desk| desk.change_controls(account, settings, &until, proof)).await;
    match changed {
        Ok(_) => {
            let after = app.overview(account).await?;
            let requests = app.ask(move |desk| desk.requests(account)).await?;
            say(app, visitor, &said(&overview, &after, &fields, &requests));
            Ok(Redirect::to("/limits").into_response())
        }
        Err(DeskError::NeedsProof) => {
            let pending = Some(Pending::Limits(fields));
            app.sessions.amend(&visitor.token, |session| session.pending = pending);
            Ok(Redirect::to("/confirm").into_response())
        }
        Err(DeskError::Refused(problem)) => {
            wrong(app, visitor, &fields, Errors::one("until", problem)).await
        }
        Err(down) => Err(down.into()),
    }
}

async fn wrong(
    app: &Shared,
    visitor: &Visitor,
    fields: &[(String, String)],
    errors: Errors,
) -> Result<Response, Problem> {
    let frame = Frame::of(app, visitor, "Money limits", "limits");
    let page = whole(app, visitor, frame, fields, errors).await?;
    Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page))
}

/// Settings that shall be otherwise, and what cannot be read.
fn wanted(overview: &Overview, fields: &[(String, String)]) -> (Vec<Setting>, Errors) {
    let (mut settings, mut errors) = (Vec::new(), Errors::default());
    for rule in RULES {
        let Some(text) = typed(fields, rule.name) else { continue };
        let Some(stands) = setting_of(rule.name, &overview.controls) else { continue };
        match read(&stands, text) {
            Ok(setting) if setting != stands => settings.push(setting),
            Ok(_) => {}
            Err(problem) => errors.0.push(FieldError { field: rule.name, problem }),
        }
    }
    (settings, errors)
}

/// What came of it, in words: each control that was typed otherwise than it stood, and what it is now.
fn said(
    before: &Overview,
    after: &Overview,
    fields: &[(String, String)],
    requests: &[ControlRequest],
) -> String {
    let (mut done, mut asked) = (Vec::new(), Vec::new());
    for rule in RULES {
        let [was, is] =
            [&before.controls, &after.controls].map(|controls| shown(rule.name, controls));
        let name = rule.label.to_lowercase();
        if was != is {
            let show = |text: &str| amount_words(rule, text, &after.currency);
            done.push(format!("{name} is {} now, it was {}", show(&is), show(&was)));
        } else if typed(fields, rule.name).is_some_and(|text| differs(text, &is)) {
            asked.push(name);
        }
    }
    let mut words = Vec::new();
    if !done.is_empty() {
        words.push(format!("Done: {}.", done.join("; ")));
    }
    if !asked.is_empty() && !requests.is_empty() {
        words.push(format!(
            "Above what you may give yourself, so your provider was asked: {}.",
            asked.join(", ")
        ));
    }
    words.join(" ")
}

fn differs(typed: &str, stands: &str) -> bool {
    let plain = typed.trim().trim_start_matches(['£', '€', '$']);
    match (plain.parse::<Money>(), stands.parse::<Money>()) {
        (Ok(one), Ok(other)) => one != other,
        _ => plain != stands,
    }
}

fn amount_words(rule: &Rule, text: &str, currency: &str) -> String {
    match (rule.kind, text) {
        (_, "") => "not limited".to_owned(),
        (Kind::Count, text) => text.to_owned(),
        (Kind::Amount | Kind::MaybeAmount, text) => {
            text.parse().map_or_else(|_| text.to_owned(), |amount| money(amount, currency))
        }
    }
}
