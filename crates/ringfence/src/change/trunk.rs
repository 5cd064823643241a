//! Trunks. Lives here: adding one, settings by name. Never here: choosing one for a call.

use anyhow::{Context, bail};
use engine::{Command, Engine};
use ipnet::IpNet;
use serde_json::json;
use types::{Trunk, TrunkId, TrunkNumberFormat, TrunkRoute, TrunkTransport};

use super::account::digits_or_none;
use super::{Plan, check_name, find_trunk, next_id, pick_deck};
use crate::config::{Raw, controls};

/// Settings of a trunk, for people.
pub const SETTINGS: &[(&str, &str)] = &[
    ("name", "what staff call it"),
    ("address", "ADDRESS:PORT where requests go"),
    ("transport", "udp or tcp"),
    ("host", "host part of addresses towards the carrier"),
    ("sources", "networks its calls to us come from, comma between"),
    ("routes", "PREFIX:PRIORITY, comma between; all:10 takes every number"),
    ("cost_deck", "rate deck that it charges by, or none"),
    ("format", "e164-plus, e164 or national"),
    ("home", "country whose numbers it writes without country code"),
    ("national_prefix", "before a national number, or none"),
    ("international_prefix", "before a country code"),
    ("emergency", "does it carry emergency calls: yes or no"),
    ("enabled", "is it in use: yes or no"),
];

pub fn add(mut trunk: Trunk, cost_deck: Option<String>, engine: &Engine) -> anyhow::Result<Plan> {
    check_name("a trunk", &trunk.name)?;
    if let Some(other) = engine.trunks().find(|other| other.name == trunk.name) {
        bail!("trunk {} has the name `{}` already", other.id, other.name);
    }
    trunk.id = TrunkId(next_id(engine.trunks().map(|trunk| trunk.id.0)));
    trunk.cost_deck = cost_deck.map(|deck| pick_deck(engine.decks(), &deck)).transpose()?;
    let answer = json!({ "id": trunk.id, "name": trunk.name });
    Ok(Plan::one(Command::PutTrunk(trunk), answer))
}

pub fn set(trunk: &str, settings: &[(String, String)], engine: &Engine) -> anyhow::Result<Plan> {
    let mut trunk = find_trunk(engine, trunk)?.clone();
    for (name, value) in settings {
        set_one(&mut trunk, name, value, engine)
            .with_context(|| format!("{name}={}", value.escape_debug()))?;
    }
    let answer = json!({ "id": trunk.id, "name": trunk.name });
    Ok(Plan::one(Command::PutTrunk(trunk), answer))
}

fn set_one(trunk: &mut Trunk, name: &str, value: &str, engine: &Engine) -> anyhow::Result<()> {
    let raw = Raw::Words(value.to_owned());
    let list = |raw: &Raw| raw.list(controls::network).map_err(anyhow::Error::msg);
    match name {
        "name" => {
            check_name("a trunk", value)?;
            if engine.trunks().any(|other| other.name == value && other.id != trunk.id) {
                bail!("another trunk has this name");
            }
            trunk.name = value.to_owned();
        }
        "address" => {
            let before = IpNet::from(trunk.address.ip());
            trunk.address = value.parse().context("expected ADDRESS:PORT")?;
            // A carrier that moves calls from where it is called.
            if trunk.sources == [before] {
                trunk.sources = vec![IpNet::from(trunk.address.ip())];
            }
        }
        "transport" => trunk.transport = transport(value).map_err(anyhow::Error::msg)?,
        "host" => trunk.host = value.to_owned(),
        "sources" => trunk.sources = list(&raw)?,
        "routes" => {
            let one = |item: &Raw| item.text().and_then(route);
            trunk.routes = raw.list(one).map_err(anyhow::Error::msg)?;
        }
        "cost_deck" if matches!(value, "" | "none") => trunk.cost_deck = None,
        "cost_deck" => trunk.cost_deck = Some(pick_deck(engine.decks(), value)?),
        "format" => trunk.number_format = format(value).map_err(anyhow::Error::msg)?,
        "home" => trunk.dial_plan.home = value.parse()?,
        "national_prefix" => {
            trunk.dial_plan.national_prefix = digits_or_none(value)?.unwrap_or_default();
        }
        "international_prefix" => {
            trunk.dial_plan.international_prefix = digits_or_none(value)?.unwrap_or_default();
        }
        "emergency" => trunk.emergency = raw.flag().map_err(anyhow::Error::msg)?,
        "enabled" => trunk.enabled = raw.flag().map_err(anyhow::Error::msg)?,
        _ => bail!("there is no such setting; `ringfence trunk set --help` lists all"),
    }
    Ok(())
}

/// Reads `44:10`, `all:10`, or a bare prefix of priority 10.
pub fn route(text: &str) -> Result<TrunkRoute, String> {
    let wrong = || {
        format!(
            "`{}` is not a route: expected PREFIX:PRIORITY, like 44:10 or all:20",
            text.escape_debug()
        )
    };
    let (prefix, priority) = text.split_once(':').unwrap_or((text, "10"));
    let prefix = if prefix == "all" { "" } else { prefix.strip_prefix('+').unwrap_or(prefix) };
    if prefix.len() > 15
        || !prefix.bytes().all(|byte| byte.is_ascii_digit())
        || prefix.starts_with('0')
    {
        return Err(wrong());
    }
    let priority = priority.parse().map_err(|_| wrong())?;
    Ok(TrunkRoute { prefix: prefix.to_owned(), priority })
}

/// Reads `udp`, `tcp` or `tls`.
pub fn transport(text: &str) -> Result<TrunkTransport, String> {
    match text {
        "udp" => Ok(TrunkTransport::Udp),
        "tcp" => Ok(TrunkTransport::Tcp),
        "tls" => Ok(TrunkTransport::Tls),
        other => {
            Err(format!("`{}` is not a transport: expected udp, tcp or tls", other.escape_debug()))
        }
    }
}

/// Reads a number format.
pub fn format(text: &str) -> Result<TrunkNumberFormat, String> {
    match text {
        "e164-plus" => Ok(TrunkNumberFormat::E164Plus),
        "e164" => Ok(TrunkNumberFormat::E164),
        "national" => Ok(TrunkNumberFormat::National),
        other => Err(format!(
            "`{}` is not a number format: expected e164-plus, e164 or national",
            other.escape_debug()
        )),
    }
}
