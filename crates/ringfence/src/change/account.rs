//! Accounts. Lives here: adding one, settings by name. Never here: what settings do.

use anyhow::{Context, bail};
use engine::Command;
use serde_json::{Value, json};
use store::Reader;
use types::{Account, AccountId, AccountStatus, DeckId};

use super::{
    Executor, NewAccount, check_name, find_account, find_deck, find_deck_or_only, next_account_id,
};
use crate::config::{Raw, controls};

/// Settings of an account besides its controls, for people.
pub const SETTINGS: &[(&str, &str)] = &[
    ("name", "what people call it"),
    ("deck", "rate deck it is charged by"),
    ("time_zone", "for off hours: an IANA name like Europe/London"),
    ("home", "country whose numbers are dialled without country code"),
    ("national_prefix", "before a national number, or none"),
    ("international_prefix", "before a country code"),
    ("outside_line", "digit for an outside line, or none"),
    ("area_code", "put before local numbers, or none"),
];

pub fn add(
    new: NewAccount,
    reader: &dyn Reader,
    executor: &mut dyn Executor,
) -> anyhow::Result<Value> {
    let accounts = reader.accounts()?;
    let deck = find_deck_or_only(reader, new.deck.as_deref())?;
    let account = from_new(new, next_account_id(&accounts), deck)?;
    if let Some(other) = accounts.iter().find(|other| other.name == account.name) {
        bail!("account {} has the name `{}` already", other.id, other.name);
    }
    let (id, name) = (account.id, account.name.clone());
    let message = executor.one(Command::PutAccount(account))?;
    Ok(json!({ "id": id, "name": name, "message": message }))
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
        time_zone: new.time_zone,
    })
}

pub fn set(
    account: &str,
    settings: &[(String, String)],
    reader: &dyn Reader,
    executor: &mut dyn Executor,
) -> anyhow::Result<Value> {
    let mut account = find_account(reader, account)?;
    for (name, value) in settings {
        set_one(&mut account, name, value, reader)
            .with_context(|| format!("{name}={}", value.escape_debug()))?;
    }
    let (id, name) = (account.id, account.name.clone());
    let message = executor.one(Command::PutAccount(account))?;
    Ok(json!({ "id": id, "name": name, "message": message }))
}

fn set_one(
    account: &mut Account,
    name: &str,
    value: &str,
    reader: &dyn Reader,
) -> anyhow::Result<()> {
    let raw = Raw::Words(value.to_owned());
    let plan = &mut account.dial_plan;
    match name {
        "name" => {
            check_name("an account", value)?;
            if reader.accounts()?.iter().any(|other| other.name == value && other.id != account.id)
            {
                bail!("another account has this name");
            }
            account.name = value.to_owned();
        }
        "deck" => account.sell_deck = find_deck(reader, value)?,
        "time_zone" => {
            check_time_zone(value)?;
            account.time_zone = value.to_owned();
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

fn digits_or_none(value: &str) -> anyhow::Result<Option<String>> {
    if matches!(value, "" | "none") {
        return Ok(None);
    }
    if value.len() > 8 || !value.bytes().all(|byte| byte.is_ascii_digit()) {
        bail!("expected up to 8 digits, or none");
    }
    Ok(Some(value.to_owned()))
}
