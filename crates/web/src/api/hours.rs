//! Hours in which calls may be made, for programs. Lives here: the hours that are barred. Never here: which change is risky (engine),
//! what hours are (types).

use serde::{Deserialize, Serialize};
use types::{HourSet, Proof, Setting};
use utoipa::ToSchema;

use super::fault::{Fault, FieldFault};
use super::op::{Caller, Sent};
use super::values::Nothing;

/// Hours of the week in which calls that cost money are refused.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Hours {
    /// Days, and from which hour until which, by the clock of the account: `mon-fri:18-24`; empty: no hour is barred.
    barred: Vec<String>,
    /// The account's time zone.
    time_zone: String,
}

/// GET /api/v1/hours
pub async fn show(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<Hours, Fault> {
    let overview = caller.overview().await?;
    let barred = overview.controls.barred_hours.parts();
    Ok(Hours { barred, time_zone: overview.time_zone })
}

/// All hours that are to be barred.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BarHours {
    /// Days, and from which hour until which, within a day.
    #[schema(max_items = 168, example = json!(["mon-fri:0-8", "mon-fri:18-24", "sat-sun:0-24"]))]
    barred: Vec<String>,
}

/// PUT /api/v1/hours: more barred hours hold at once, fewer are the holder's business.
pub async fn put(caller: Caller, sent: Sent<Nothing, BarHours>) -> Result<Hours, Fault> {
    let mut barred = HourSet::EMPTY;
    let mut errors = Vec::new();
    for (place, part) in sent.body.barred.iter().enumerate() {
        match part.parse::<HourSet>() {
            Ok(hours) => barred = barred.union(hours),
            Err(error) => {
                errors.push(FieldFault::at(format!("/barred/{place}"), error.to_string()))
            }
        }
    }
    if !errors.is_empty() {
        return Err(Fault::invalid(errors));
    }
    let account = caller.account;
    let settings = vec![Setting::BarredHours(barred)];
    caller.ask(move |desk| desk.change_controls(account, settings, "", Proof::Token)).await?;
    show(caller, Sent { id: sent.id, query: Nothing {}, body: Nothing {} }).await
}
