//! Accounts. Lives here: adding one, settings by name. Never here: what settings do.

use anyhow::{Context, bail};
use engine::{Command, Engine};
use serde_json::json;
use types::{Account, AccountId, AccountStatus, By, DeckId, UnixMicros};

use super::{
    NewAccount, Plan, Wish, check_name, find_account, next_id, pick_deck, pick_deck_or_only,
};
use crate::config::{Raw, controls};

/// Settings of an account besides its controls, for people.
pub const SETTINGS: &[(&str, &str)] = &[
    ("name", "what people call it"),
    ("deck", "rate deck it is charged by"),
    ("reseller", "who sells to it in our place, or none"),
    ("time_zone", "for off hours: an IANA name like Europe/London"),
    ("billing_day", "day of the month, 1 to 31, on which its billing months begin"),
    ("home", "country whose numbers are dialled without country code"),
    ("national_prefix", "before a national number, or none"),
    ("international_prefix", "before a country code"),
    ("outside_line", "digit for an outside line, or none"),
    ("area_code", "put before local numbers, or none"),
];

pub fn add(new: NewAccount, engine: &Engine) -> anyhow::Result<Plan> {
    let deck = pick_deck_or_only(engine.decks(), new.deck.as_deref())?;
    let account = from_new(new, next_account_id(engine), deck)?;
    if let Some(other) = engine.account_by_name(&account.name) {
        bail!("account {} has the name `{}` already", other.id, other.name);
    }
    let answer = json!({ "id": account.id, "name": account.name });
    Ok(Plan::one(Command::PutAccount(account), answer))
}

/// The id of the next account that is made.
pub fn next_account_id(engine: &Engine) -> AccountId {
    AccountId(next_id(engine.accounts().map(|account| account.id.0)))
}

/// The record of a new account.
pub fn from_new(new: NewAccount, id: AccountId, sell_deck: DeckId) -> anyhow::Result<Account> {
    check_name("an account", &new.name)?;
    check_time_zone(&new.time_zone)?;
    Ok(Account {
        id,
        name: new.name,
        status: AccountStatus::Active,
        controls: new.controls,
        dial_plan: new.dial_plan,
        sell_deck,
        reseller: None,
        time_zone: new.time_zone,
        billing_day: Account::default_billing_day(),
    })
}

pub fn set(
    account: &str,
    settings: &[(String, String)],
    wish: Wish,
    now: UnixMicros,
    engine: &Engine,
) -> anyhow::Result<Plan> {
    let entry = find_account(engine, account)?;
    let known = entry.to_account();
    let mut account = known.clone();
    for (name, value) in settings {
        set_one(&mut account, name, value, engine)
            .with_context(|| format!("{name}={}", value.escape_debug()))?;
    }
    let changes =
        engine::changes((known.status, &known.controls), (account.status, &account.controls));
    // What is no control is changed by itself: the controls go by their own rules.
    let others = Account { controls: known.controls.clone(), ..account };
    let has_others = others != known;
    if has_others && matches!(wish.by, By::Holder { .. }) {
        bail!(
            "a holder changes controls only; name, deck, dial plan and time zone are the business of staff"
        );
    }
    let wished = changes.into_iter().map(|change| change.to).collect::<Vec<_>>();
    let is_only_other = wished.is_empty() && has_others;
    let mut plan = super::controls::set(entry, wished, wish, now, engine)?;
    if has_others {
        plan.commands.insert(0, Command::PutAccount(others));
    }
    if is_only_other {
        plan.commands.truncate(1);
    }
    Ok(plan)
}

fn set_one(account: &mut Account, name: &str, value: &str, engine: &Engine) -> anyhow::Result<()> {
    let raw = Raw::Words(value.to_owned());
    let plan = &mut account.dial_plan;
    match name {
        "name" => {
            check_name("an account", value)?;
            if engine.account_by_name(value).is_some_and(|other| other.id != account.id) {
                bail!("another account has this name");
            }
            account.name = value.to_owned();
        }
        "deck" => account.sell_deck = pick_deck(engine.decks(), value)?,
        "reseller" => {
            account.reseller = match value {
                "" | "none" => None,
                name => Some(super::reseller::find(engine, name)?.id),
            };
        }
        "time_zone" => {
            check_time_zone(value)?;
            account.time_zone = value.to_owned();
        }
        "billing_day" => {
            let day = value.parse().ok().filter(|day| (1..=31).contains(day));
            account.billing_day = day.context("expected a day of the month, 1 to 31")?;
        }
        "home" => plan.home = value.parse()?,
        "national_prefix" => plan.national_prefix = digits_or_none(value)?.unwrap_or_default(),
        "international_prefix" => {
            plan.international_prefix = digits_or_none(value)?.unwrap_or_default();
        }
        "outside_line" => {
            let digits = digits_or_none(value)?.unwrap_or_default();
            if digits.len() > 1 {
                bail!("expected one digit, or none");
            }
            plan.outside_line = digits.chars().next();
        }
        "area_code" => plan.area_code = digits_or_none(value)?,
        control => match controls::set(&mut account.controls, control, &raw) {
            Some(outcome) => outcome.map_err(anyhow::Error::msg)?,
            None => bail!("there is no such setting; `ringfence account set --help` lists all"),
        },
    }
    Ok(())
}

/// Is it a time zone that the engine will know?
pub fn check_time_zone(name: &str) -> anyhow::Result<()> {
    jiff::tz::TimeZone::get(name).map(|_| ()).map_err(|_| {
        anyhow::anyhow!(
            "`{}` is not a time zone: expected an IANA name like Europe/London",
            name.escape_debug()
        )
    })
}

/// Digits of a prefix or code.
pub fn digits_or_none(value: &str) -> anyhow::Result<Option<String>> {
    if matches!(value, "" | "none") {
        return Ok(None);
    }
    if value.len() > 8 || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        bail!("expected up to 8 digits, or none");
    }
    Ok(Some(value.to_owned()))
}
