//! Money limits for programs. Lives here: reading them, lowering them, requests that wait. Never here: which change is risky (engine),
//! their names and what their values are (`portal::settings`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use types::{Proof, Setting};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::fault::{Fault, FieldFault};
use super::op::{Caller, Sent};
use super::values::{Moment, Nothing};
use crate::desk::Overview;
use crate::portal::limits::{setting_of, shown};
use crate::portal::settings::{Kind, RULES, Rule, read};

/// The money limits.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Limits {
    limits: Vec<Limit>,
}

/// One of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Limit {
    /// Its name, as a change has it.
    name: &'static str,
    /// What people call it.
    label: &'static str,
    /// What it means.
    help: &'static str,
    /// What it is: an amount or a count; `null`: no such limit.
    value: Option<String>,
    /// How far the holder goes by himself; `null`: without a limit.
    ceiling: Option<String>,
    /// A raise ends then.
    until: Option<Moment>,
}

impl From<&Overview> for Limits {
    fn from(overview: &Overview) -> Limits {
        let text = |text: String| (!text.is_empty()).then_some(text);
        let one = |rule: &Rule| {
            let mut raises = overview.raises.iter().flat_map(|raises| &raises.raises);
            let raise = raises.rfind(|raise| raise.to.name() == rule.name);
            Limit {
                name: rule.name,
                label: rule.label,
                help: rule.help,
                value: text(shown(rule.name, &overview.controls)),
                ceiling: text(shown(rule.name, &overview.ceiling)),
                until: raise.map(|raise| raise.until.into()),
            }
        };
        Limits { limits: RULES.iter().map(one).collect() }
    }
}

/// GET /api/v1/limits
pub async fn show(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<Limits, Fault> {
    Ok(Limits::from(&caller.overview().await?))
}

/// What limits shall be; its fields are the rules of the page.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct LimitsChange(BTreeMap<String, Value>);

impl ToSchema for LimitsChange {}

impl PartialSchema for LimitsChange {
    fn schema() -> RefOr<Schema> {
        let mut object = ObjectBuilder::new()
            .description(Some("What shall be otherwise. An amount is text, like \"12.50\"."))
            .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
            .min_properties(Some(1));
        for rule in RULES {
            let one = ObjectBuilder::new().description(Some(rule.help));
            let one = match rule.kind {
                Kind::Amount => one
                    .schema_type(Type::String)
                    .pattern(Some(AMOUNT))
                    .examples([serde_json::json!("12.50")])
                    .max_length(Some(20)),
                Kind::MaybeAmount => one
                    .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
                    .pattern(Some(AMOUNT))
                    .examples([serde_json::json!("12.50")])
                    .max_length(Some(20)),
                Kind::Count => {
                    one.schema_type(Type::Integer).minimum(Some(0)).maximum(Some(u16::MAX))
                }
            };
            object = object.property(rule.name, one);
        }
        Schema::Object(object.build()).into()
    }
}

/// An amount as it is sent.
const AMOUNT: &str = r"^[0-9]{1,9}(\.[0-9]{1,6})?$";

fn wanted(change: &LimitsChange, overview: &Overview) -> (Vec<Setting>, Vec<FieldFault>) {
    let (mut settings, mut errors) = (Vec::new(), Vec::new());
    for (name, value) in &change.0 {
        let Some(stands) = setting_of(name, &overview.controls) else { continue };
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        match read(&stands, &text) {
            Ok(setting) if setting != stands => settings.push(setting),
            Ok(_) => {}
            Err(problem) => errors.push(FieldFault::at(format!("/{name}"), problem)),
        }
    }
    (settings, errors)
}

/// PATCH /api/v1/limits: down at once. One that goes up makes all of it the holder's own business.
pub async fn change(caller: Caller, sent: Sent<Nothing, LimitsChange>) -> Result<Limits, Fault> {
    let overview = caller.overview().await?;
    let (settings, errors) = wanted(&sent.body, &overview);
    if !errors.is_empty() {
        return Err(Fault::invalid(errors));
    }
    if settings.is_empty() {
        return Ok(Limits::from(&overview));
    }
    let account = caller.account;
    caller.ask(move |desk| desk.change_controls(account, settings, "", Proof::Token)).await?;
    Ok(Limits::from(&caller.overview().await?))
}

/// Requests that staff have not looked at yet.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Requests {
    requests: Vec<Waiting>,
}

/// One of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Waiting {
    /// Its number.
    request: u32,
    /// When it was made.
    at: Moment,
    /// What was asked for.
    asked: Vec<Wish>,
}

/// A control that shall be otherwise.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Wish {
    /// Its name.
    setting: &'static str,
    /// As it stood.
    from: String,
    /// As it shall be.
    to: String,
}

/// GET /api/v1/requests
pub async fn requests(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<Requests, Fault> {
    let account = caller.account;
    let found = caller.ask(move |desk| desk.requests(account)).await?;
    let one = |request: types::ControlRequest| Waiting {
        request: request.id,
        at: request.at.into(),
        asked: request
            .asked
            .iter()
            .map(|change| Wish {
                setting: change.to.name(),
                from: change.from.to_string(),
                to: change.to.to_string(),
            })
            .collect(),
    };
    Ok(Requests { requests: found.into_iter().map(one).collect() })
}
