//! Connections to carriers.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::account::DialPlan;
use crate::ids::{DeckId, TrunkId};

/// How SIP reaches a trunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrunkTransport {
    /// UDP.
    #[default]
    Udp,
    /// TCP.
    Tcp,
    /// TLS; the carrier shows a certificate for `host`.
    Tls,
}

/// How the carrier wants numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrunkNumberFormat {
    /// `+442079460000`
    #[default]
    E164Plus,
    /// `442079460000`
    E164,
    /// As in the trunk's home country: `02079460000`, abroad `0033…`.
    National,
}

/// Credentials that the carrier gave us. The secret has no `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkAuth {
    /// User name.
    pub user: String,
    /// Secret.
    pub secret: String,
    /// The realm we answer challenges of; none other (A5).
    pub realm: String,
    /// Do we register there?
    pub register: bool,
}

impl fmt::Debug for TrunkAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrunkAuth({}@{}, ..)", self.user, self.realm)
    }
}

/// Which called numbers a trunk takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrunkRoute {
    /// Leading digits of the E.164 number, without `+`; empty: all.
    pub prefix: String,
    /// Lower is tried first; among equals the longer prefix, then the lower trunk id.
    pub priority: u16,
}

/// A connection to a carrier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trunk {
    /// Its number.
    pub id: TrunkId,
    /// What staff call it.
    pub name: String,
    /// Where requests go.
    pub address: SocketAddr,
    /// How.
    pub transport: TrunkTransport,
    /// Host part of the Request-URI and From towards the carrier.
    pub host: String,
    /// Our credentials there, if it wants any.
    pub auth: Option<TrunkAuth>,
    /// Networks its inbound calls come from.
    pub sources: Vec<IpNet>,
    /// Which called numbers it takes.
    pub routes: Vec<TrunkRoute>,
    /// What it charges us; `None`: unknown, recorded as zero.
    pub cost_deck: Option<DeckId>,
    /// How it wants numbers, and writes them.
    pub number_format: TrunkNumberFormat,
    /// Its home country and prefixes: what its national numbers mean. Nobody dials there, so there is
    /// neither outside line nor area code.
    pub dial_plan: DialPlan,
    /// Does it carry emergency calls?
    pub emergency: bool,
    /// Is it in use?
    pub enabled: bool,
}

impl Trunk {
    /// The address of the registrar that we are registered at, if we are.
    pub fn registrar(&self) -> Option<IpAddr> {
        let registers = self.auth.as_ref().is_some_and(|auth| auth.register);
        registers.then(|| self.address.ip().to_canonical())
    }
}
