//! Phones and lines for programs. Lives here: the lists, "not mine"; "mine" and new passwords are the holder's. Never here: who may come
//! in (engine), a password.

use serde::Serialize;
use types::{DeviceId, DeviceState, LineId, ProblemKind};
use utoipa::ToSchema;

use super::fault::Fault;
use super::op::{Caller, Sent};
use super::values::{Moment, Nothing};
use crate::desk::{Phone, PhoneLine, Phones};

/// Phones of the account.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct KnownPhones {
    /// Phones that have shown a password.
    phones: Vec<KnownPhone>,
    /// Phones that still use a password that was changed.
    stale: Vec<Stale>,
    /// Where phones register.
    server: Server,
}

/// A phone that has shown a password.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct KnownPhone {
    /// Its number.
    phone: u32,
    /// What it is.
    name: String,
    /// What it says it is.
    agent: String,
    /// The family of switches that it belongs to, if it is one.
    switch: Option<String>,
    /// Where it was last.
    address: String,
    /// The country of that address, as databases say.
    country: Option<String>,
    /// The network of that address.
    asn: Option<u32>,
    /// How it came.
    transport: String,
    /// User names of its lines.
    lines: Vec<String>,
    /// `new`, `known` or `banned`.
    state: &'static str,
    /// It may spend little until then.
    new_until: Option<Moment>,
    /// First use.
    first_seen: Moment,
    /// Last use, to within some hours.
    last_seen: Moment,
    /// Is it registered now?
    is_registered: bool,
    /// Calls that it has in progress.
    calls: u32,
}

/// A phone that still uses a password that was changed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Stale {
    /// The user name of the line.
    line: String,
    /// What it says it is.
    agent: String,
    /// Where it is.
    address: String,
    /// When the password was changed.
    changed: Moment,
}

/// Where phones register.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Server {
    /// Domain, which is the realm too.
    domain: String,
    /// The safest way first.
    listeners: Vec<Listener>,
}

/// One way to it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Listener {
    /// `TLS`, `TCP`, …
    transport: String,
    /// Address and port.
    address: String,
}

fn phone(phone: Phone) -> KnownPhone {
    let device = phone.device;
    KnownPhone {
        phone: device.id.0,
        name: phone.name,
        switch: phone.pbx,
        address: device.peer.ip().to_canonical().to_string(),
        country: device.place.country.map(|country| country.to_string()),
        asn: device.place.asn,
        transport: device.transport,
        lines: phone.lines,
        state: device.state.code(),
        new_until: match device.state {
            DeviceState::Seasoning { until, .. } => Some(until.into()),
            DeviceState::Known | DeviceState::Banned => None,
        },
        first_seen: device.first_seen.into(),
        last_seen: device.last_seen.into(),
        is_registered: phone.is_registered,
        calls: phone.calls,
        agent: device.agent,
    }
}

async fn found(caller: &Caller) -> Result<Phones, Fault> {
    let account = caller.account;
    caller.ask(move |desk| desk.phones(account)).await
}

/// GET /api/v1/phones
pub async fn show(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<KnownPhones, Fault> {
    let found = found(&caller).await?;
    let stale = found.stale.into_iter().map(|stale| Stale {
        line: stale.user,
        agent: stale.agent,
        address: stale.peer.ip().to_canonical().to_string(),
        changed: stale.changed.into(),
    });
    let listeners = found.server.listeners.into_iter();
    Ok(KnownPhones {
        phones: found.phones.into_iter().map(phone).collect(),
        stale: stale.collect(),
        server: Server {
            domain: found.server.domain,
            listeners: listeners
                .map(|(transport, address)| Listener { transport, address })
                .collect(),
        },
    })
}

/// The phone of this number, if it is the account's (W6).
async fn one(caller: &Caller, id: &str) -> Result<DeviceId, Fault> {
    let id = DeviceId(id.parse().map_err(|_| Fault::not_found())?);
    let known = found(caller).await?.phones.iter().any(|phone| phone.device.id == id);
    if known { Ok(id) } else { Err(Fault::not_found()) }
}

/// POST /api/v1/phones/{phone}/not-mine: safer, so it is done at once.
pub async fn not_mine(caller: Caller, sent: Sent<Nothing, Nothing>) -> Result<KnownPhones, Fault> {
    let (account, device) = (caller.account, one(&caller, &sent.id).await?);
    let done = caller.ask(move |desk| desk.judge_phone(account, device, false)).await?;
    done.ok_or_else(Fault::not_found)?;
    show(caller, sent).await
}

/// POST /api/v1/phones/{phone}/mine: it may spend as others may, so the holder says so himself.
pub async fn mine(caller: Caller, sent: Sent<Nothing, Nothing>) -> Result<KnownPhones, Fault> {
    one(&caller, &sent.id).await?;
    Err(Fault::new(ProblemKind::NeedsHolder))
}

/// Lines of the account.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Lines {
    lines: Vec<Line>,
}

/// A line, and the state of its password; never the password.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Line {
    /// Its number.
    line: u32,
    /// What a phone logs in as.
    user: String,
    /// `phone`, `pbx` or `sip2sim`.
    kind: &'static str,
    /// Is it in use?
    is_active: bool,
    /// Days since its password was set, if that is known.
    password_days: Option<u32>,
    /// Its password may be in strange hands.
    wants_new_password: bool,
    /// Until when the password before works for some phones.
    old_until: Option<Moment>,
    /// Phones that are known on it.
    known_phones: u32,
}

fn line(line: PhoneLine) -> Line {
    Line {
        line: line.id.0,
        user: line.user,
        kind: line.kind.code(),
        is_active: line.is_active,
        password_days: line.days,
        wants_new_password: line.wants_new_secret,
        old_until: line.old_until.map(Moment::from),
        known_phones: line.known_phones,
    }
}

/// GET /api/v1/lines
pub async fn lines(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<Lines, Fault> {
    Ok(Lines { lines: found(&caller).await?.lines.into_iter().map(line).collect() })
}

/// POST /api/v1/lines/{line}/password: shown to nobody but the holder.
pub async fn password(caller: Caller, sent: Sent<Nothing, Nothing>) -> Result<Lines, Fault> {
    let id = LineId(sent.id.parse().map_err(|_| Fault::not_found())?);
    match found(&caller).await?.lines.iter().any(|line| line.id == id) {
        true => Err(Fault::new(ProblemKind::NeedsHolder)),
        false => Err(Fault::not_found()),
    }
}
