//! What was told, for programs. Lives here: alerts, that somebody knows, which new phones are told. Never here: who is told (`contacts`),
//! when (notify).

use serde::{Deserialize, Serialize};
use types::{AlertId, DeviceNotices, Proof, Setting};
use utoipa::ToSchema;

use super::fault::Fault;
use super::op::{Caller, Sent};
use super::values::{Moment, Most, Nothing, Said};
use crate::desk::ToldAlert;

/// What was told.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Alerts {
    /// The newest first.
    alerts: Vec<Alert>,
    /// Which new phones are told: `both`, `agent-only` or `off`.
    new_phones: &'static str,
}

/// Something that was told to somebody.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Alert {
    /// Names it.
    alert: String,
    /// When it happened.
    at: Moment,
    /// Its code in the catalogue of reasons.
    kind: &'static str,
    /// A few words.
    title: String,
    /// What happened, without a full stop.
    sentence: String,
    /// What to do; may be empty.
    advice: String,
    /// What it is about.
    class: &'static str,
    /// `info`, `important` or `critical`.
    severity: &'static str,
    /// The phone that it is about.
    phone: Option<u32>,
    /// To whom.
    to: String,
    /// How far it has come: `waiting`, `due`, `delivered`, `acknowledged`, …
    state: &'static str,
}

impl From<ToldAlert> for Alert {
    fn from(told: ToldAlert) -> Alert {
        Alert {
            alert: told.alert.id.to_string(),
            at: told.happened.into(),
            kind: told.kind,
            title: told.title,
            sentence: told.sentence,
            advice: told.advice,
            class: told.alert.class.code(),
            severity: told.alert.severity.code(),
            phone: told.device.map(|device| device.0),
            to: told.to,
            state: told.alert.state.code(),
        }
    }
}

/// GET /api/v1/alerts
pub async fn list(caller: Caller, sent: Sent<Most, Nothing>) -> Result<Alerts, Fault> {
    let (account, limit) = (caller.account, sent.query.limit);
    let new_phones = caller.overview().await?.controls.device_notices.code();
    let found = caller.ask(move |desk| desk.alerts(account, limit)).await?;
    Ok(Alerts { alerts: found.into_iter().map(Alert::from).collect(), new_phones })
}

/// The alert of this name, if it is the account's (W6).
async fn one(caller: &Caller, id: &str) -> Result<ToldAlert, Fault> {
    let id: AlertId = id.parse().map_err(|_| Fault::not_found())?;
    let account = caller.account;
    let found = caller.ask(move |desk| desk.alert(account, id)).await?;
    found.ok_or_else(Fault::not_found)
}

/// GET /api/v1/alerts/{alert}
pub async fn show(caller: Caller, sent: Sent<Nothing, Nothing>) -> Result<Alert, Fault> {
    Ok(one(&caller, &sent.id).await?.into())
}

/// POST /api/v1/alerts/{alert}/acknowledge
pub async fn acknowledge(caller: Caller, sent: Sent<Nothing, Nothing>) -> Result<Said, Fault> {
    let told = one(&caller, &sent.id).await?;
    let account = caller.account;
    caller.ask(move |desk| desk.acknowledge(account, told.alert.id)).await?;
    Ok(Said::that("Nobody else is told of it."))
}

/// Which new phones are told.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPhones {
    /// A new kind of phone and a new address; a new kind only; nothing.
    #[schema(inline)]
    new_phones: Notices,
}

/// Which.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Notices {
    Both,
    AgentOnly,
    Off,
}

/// PUT /api/v1/alerts/new-phones: less than before is the holder's own business.
pub async fn new_phones(caller: Caller, sent: Sent<Nothing, NewPhones>) -> Result<Said, Fault> {
    let account = caller.account;
    let wanted = match sent.body.new_phones {
        Notices::Both => DeviceNotices::Both,
        Notices::AgentOnly => DeviceNotices::AgentOnly,
        Notices::Off => DeviceNotices::Off,
    };
    if caller.overview().await?.controls.device_notices == wanted {
        return Ok(Said::that("Nothing was changed: it stands so already."));
    }
    let settings = vec![Setting::DeviceNotices(wanted)];
    caller.ask(move |desk| desk.change_controls(account, settings, "", Proof::Token)).await?;
    Ok(Said::that("Changed."))
}
