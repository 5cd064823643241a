//! The check-up, for programs. Lives here: how its points stand, what was found from outside, what is said of a point. Never here: how a
//! point is judged (`portal/points`).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use types::{CheckPoint, OpenPort};
use utoipa::ToSchema;

use super::fault::{Fault, FieldFault};
use super::op::{Caller, Sent};
use super::values::{Moment, Nothing};
use crate::desk::PortsSeen;
use crate::portal::check_up::guide_of;
use crate::portal::points::{Look, Point, State};

/// The check-up.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CheckUp {
    /// Its points, in order.
    points: Vec<CheckUpPoint>,
    /// What was found at addresses of phones, the newest first.
    outside: Vec<FromOutside>,
    /// Addresses at which phones are registered now: these can be looked at.
    addresses: Vec<String>,
}

/// A point of the check-up.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CheckUpPoint {
    /// Its name.
    point: &'static str,
    /// What it asks for.
    title: &'static str,
    /// What to do.
    todo: &'static str,
    /// How it stands.
    state: PointState,
    /// What is seen, a sentence each.
    seen: Vec<String>,
    /// Can the holder say how it stands? Else it is seen.
    can_be_said: bool,
}

/// How a point stands.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PointState {
    /// It is seen that it is good.
    Good,
    /// The holder says that it is good.
    Said,
    /// There is something to do.
    ToDo,
    /// Nobody knows.
    Unknown,
}

impl From<State> for PointState {
    fn from(state: State) -> PointState {
        match state {
            State::Good => PointState::Good,
            State::Said => PointState::Said,
            State::ToDo => PointState::ToDo,
            State::Unknown => PointState::Unknown,
        }
    }
}

/// What was found at an address.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FromOutside {
    /// Which.
    address: String,
    /// When.
    at: Moment,
    /// How many ports were tried.
    tried: u32,
    /// Those that answered.
    open: Vec<Port>,
}

/// A port that answered.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Port {
    /// `udp` or `tcp`.
    transport: &'static str,
    /// Its number.
    port: u16,
    /// What it says it is; may be empty.
    says: String,
}

impl From<&PortsSeen> for FromOutside {
    fn from(seen: &PortsSeen) -> FromOutside {
        let port = |port: &OpenPort| Port {
            transport: if port.is_udp { "udp" } else { "tcp" },
            port: port.port,
            says: port.says.clone(),
        };
        FromOutside {
            address: seen.address.to_string(),
            at: seen.at.into(),
            tried: seen.tried,
            open: seen.open.iter().map(port).collect(),
        }
    }
}

async fn look(caller: &Caller) -> Result<Look, Fault> {
    let overview = caller.overview().await?;
    Ok(Look::take(&caller.app, caller.account, overview).await?)
}

fn shown(look: &Look) -> CheckUp {
    let point = |point: Point| {
        let guide = guide_of(point.point);
        CheckUpPoint {
            point: point.point.code(),
            title: guide.title,
            todo: guide.todo,
            state: point.state.into(),
            seen: point.seen,
            can_be_said: point.can_say,
        }
    };
    CheckUp {
        points: look.points().into_iter().map(point).collect(),
        outside: look.check_up.ports.iter().map(FromOutside::from).collect(),
        addresses: look.addresses().iter().map(ToString::to_string).collect(),
    }
}

/// GET /api/v1/check-up
pub async fn show(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<CheckUp, Fault> {
    Ok(shown(&look(&caller).await?))
}

/// What is said of a point.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PointWord {
    /// Is it done?
    is_done: bool,
}

/// PUT /api/v1/check-up/{point}
pub async fn say(caller: Caller, sent: Sent<Nothing, PointWord>) -> Result<CheckUp, Fault> {
    let point: CheckPoint = sent.id.parse().map_err(|_| Fault::not_found())?;
    // What is seen is not for anybody to say.
    if look(&caller).await?.points().iter().any(|one| one.point == point && !one.can_say) {
        return Err(Fault::refused("How this point stands is seen, not said"));
    }
    let (account, by) = (caller.account, caller.in_words());
    caller.ask(move |desk| desk.say_point(account, point, sent.body.is_done, &by)).await?;
    Ok(shown(&look(&caller).await?))
}

/// Where to look.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LookAt {
    /// An address at which a phone of the account is registered now.
    #[schema(max_length = 45, example = "192.0.2.7")]
    address: String,
}

/// POST /api/v1/check-up/outside: at an address of a phone of the account, and at no other; takes some seconds.
pub async fn outside(caller: Caller, sent: Sent<Nothing, LookAt>) -> Result<FromOutside, Fault> {
    let wrong = |detail: &str| Fault::invalid(vec![FieldFault::at("/address", detail)]);
    let address: IpAddr = sent.body.address.parse().map_err(|_| wrong("This is no address"))?;
    let (account, by) = (caller.account, caller.in_words());
    let found = caller.ask(move |desk| desk.check_ports(account, address, &by)).await?;
    let found = found.ok_or_else(|| wrong("No phone of the account is registered there now"))?;
    Ok(FromOutside::from(&found))
}
