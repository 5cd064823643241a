//! Who is kept out. Lives here: lock-outs and bans as they are kept. Never here: when somebody is.

use std::fmt;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::time::UnixMicros;

/// What a lock-out is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "scope", rename_all = "kebab-case")]
pub enum LockScope {
    /// Log-ins of one user name from one source.
    SourceUser {
        /// An address, or an IPv6 /64.
        source: IpNet,
        /// The user name, canonical; whether it exists or not.
        user: String,
    },
    /// Log-ins of one user name by whoever looks like one of its known devices, in this way.
    Device {
        /// The user name.
        user: String,
        /// What the log-in had in common with the device: `instance`, `call`, `look`, `socket`.
        by: String,
        /// A hash of that.
        key: u64,
    },
    /// Log-ins of whatever name from one source, but for devices known there.
    Source {
        /// An address, or an IPv6 /64.
        source: IpNet,
    },
    /// Log-ins of one user name from wherever it is not known: known devices only.
    User {
        /// The user name.
        user: String,
    },
}

impl fmt::Display for LockScope {
    /// As people name it, and as `access lift` reads it: `alice@192.0.2.7`, `192.0.2.7`, `alice`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockScope::SourceUser { source, user } => write!(f, "{user}@{}", ShortNet(source)),
            LockScope::Device { user, by, key } => write!(f, "{user}#{by}-{key:016x}"),
            LockScope::Source { source } => write!(f, "{}", ShortNet(source)),
            LockScope::User { user } => f.write_str(user),
        }
    }
}

/// A network; one address is written without its length.
struct ShortNet<'a>(&'a IpNet);

impl fmt::Display for ShortNet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.prefix_len() == self.0.max_prefix_len() {
            self.0.addr().fmt(f)
        } else {
            self.0.fmt(f)
        }
    }
}

/// A lock-out in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockOut {
    /// Whose log-ins are refused.
    #[serde(flatten)]
    pub scope: LockScope,
    /// Since when.
    pub since: UnixMicros,
    /// Until when.
    pub until: UnixMicros,
    /// How often before, in a row: each makes the next twice as long.
    pub level: u8,
    /// Failed log-ins that led to it.
    pub failures: u32,
}

/// Why a source is banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BanReason {
    /// It uses a tool for scanning.
    Scanner,
    /// It sent things that are no SIP.
    Garbage,
    /// It failed to log in, again and again.
    LogIns,
    /// Staff said so.
    Staff,
}

impl BanReason {
    /// Stable name in lists and JSON.
    pub const fn code(self) -> &'static str {
        match self {
            BanReason::Scanner => "scanner",
            BanReason::Garbage => "garbage",
            BanReason::LogIns => "log-ins",
            BanReason::Staff => "staff",
        }
    }
}

impl fmt::Display for BanReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// A source of which nothing is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ban {
    /// Its addresses.
    pub source: IpNet,
    /// Why.
    pub reason: BanReason,
    /// More about why, in words of staff; may be empty.
    pub note: String,
    /// Since when.
    pub since: UnixMicros,
    /// Until when; `None`: until it is lifted.
    pub until: Option<UnixMicros>,
    /// How often before, in a row: each makes the next twice as long.
    pub level: u8,
}
