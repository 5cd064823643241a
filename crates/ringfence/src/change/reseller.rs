//! Resellers. Lives here: adding one, its levels by name. Never here: what levels do.

use anyhow::{Context, bail};
use engine::{Command, Engine};
use serde_json::json;
use types::{Reseller, ResellerId, StopLevels};

use super::{Plan, check_name, next_id};
use crate::config::{Raw, levels};

pub fn add(name: String, settings: &[(String, String)], engine: &Engine) -> anyhow::Result<Plan> {
    check_name("a reseller", &name)?;
    if let Some(other) = engine.resellers().find(|other| other.name == name) {
        bail!("reseller {} has the name `{name}` already", other.id);
    }
    let id = ResellerId(next_id(engine.resellers().map(|reseller| reseller.id.0)));
    changed(Reseller { id, name, stop_levels: StopLevels::NONE }, settings, engine)
}

pub fn set(text: &str, settings: &[(String, String)], engine: &Engine) -> anyhow::Result<Plan> {
    changed(find(engine, text)?.clone(), settings, engine)
}

fn changed(
    mut reseller: Reseller,
    settings: &[(String, String)],
    engine: &Engine,
) -> anyhow::Result<Plan> {
    for (name, value) in settings {
        let shown = || format!("{name}={}", value.escape_debug());
        if name == "name" {
            check_name("a reseller", value).with_context(shown)?;
            let is_taken = |other: &Reseller| other.name == *value && other.id != reseller.id;
            if engine.resellers().any(is_taken) {
                bail!("another reseller has the name `{}`", value.escape_debug());
            }
            reseller.name.clone_from(value);
            continue;
        }
        let raw = Raw::Words(value.clone());
        let Some(outcome) = levels::set(&mut reseller.stop_levels, name, &raw) else {
            bail!("there is no setting `{name}`; `ringfence reseller set --help` lists all");
        };
        outcome.map_err(anyhow::Error::msg).with_context(shown)?;
    }
    let answer = json!({ "id": reseller.id, "name": reseller.name });
    Ok(Plan::one(Command::PutReseller(reseller), answer))
}

/// The reseller of this id or name.
pub fn find<'e>(engine: &'e Engine, text: &str) -> anyhow::Result<&'e Reseller> {
    let by_id = text.parse().ok().and_then(|id| engine.reseller(ResellerId(id)));
    let found = by_id.or_else(|| engine.resellers().find(|reseller| reseller.name == text));
    found.with_context(|| {
        format!("there is no reseller `{text}`; `ringfence reseller list` shows all")
    })
}
