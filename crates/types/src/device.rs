//! Phones, PBXs and programs that have shown the secret of a line. Lives here: what is kept of them.
//! Never here: how one is told from another (engine), SIP.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, DeviceId, LineId};
use crate::money::Money;
use crate::number::Region;
use crate::time::UnixMicros;

/// How well a device is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceState {
    /// Seen for the first time not long ago: it may spend little until this time, or until the holder
    /// says that it is his.
    Seasoning {
        /// Known from this time on.
        until: UnixMicros,
        /// Costly spending of the device so far, settled calls only.
        spent: Money,
    },
    /// Known.
    #[default]
    Known,
    /// Not the holder's: refused whatever secret it shows.
    Banned,
}

impl DeviceState {
    /// Is it new?
    pub const fn is_new(self) -> bool {
        matches!(self, DeviceState::Seasoning { .. })
    }

    /// Stable name in records, lists and JSON.
    pub const fn code(self) -> &'static str {
        match self {
            DeviceState::Seasoning { .. } => "new",
            DeviceState::Known => "known",
            DeviceState::Banned => "banned",
        }
    }
}

impl fmt::Display for DeviceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// Where in the world an address is, as databases say: soft evidence, they disagree on 5–9 % of addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<Region>,
    /// Number of the autonomous system (network operator).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
}

/// A device: kept when it is first seen and when something about it changes; the time of its last use is
/// kept now and then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its number.
    pub id: DeviceId,
    /// Whose secret it showed.
    pub account: AccountId,
    /// How well it is known.
    pub state: DeviceState,
    /// What it says it is: User-Agent, cut at 128 bytes.
    pub agent: String,
    /// Its own name for itself, if it has one (`+sip.instance`, RFC 5626 §4.1), cut at 128 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Host and port of its Contact as it wrote them: behind a NAT its private address. Cut at 64 bytes.
    pub contact: String,
    /// Where it was last.
    pub peer: SocketAddr,
    /// How it came last: `udp`, `tcp`, `tls`, `wss`.
    pub transport: String,
    /// Where that is.
    #[serde(default)]
    pub place: Place,
    /// First proven use.
    pub first_seen: UnixMicros,
    /// Last proven use, to within six hours.
    pub last_seen: UnixMicros,
    /// Lines that it used, by id.
    pub lines: Vec<LineId>,
}

/// Which new devices a holder is told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceNotices {
    /// A new User-Agent, and a new address.
    #[default]
    Both,
    /// A new User-Agent only.
    AgentOnly,
    /// Nothing.
    Off,
}

impl DeviceNotices {
    /// Stable name in settings and JSON.
    pub const fn code(self) -> &'static str {
        match self {
            DeviceNotices::Both => "both",
            DeviceNotices::AgentOnly => "agent-only",
            DeviceNotices::Off => "off",
        }
    }
}

impl fmt::Display for DeviceNotices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}
