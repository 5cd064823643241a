//! What the operator decides about decisions. Lives here: settings and their defaults.
//! Never here: files, TOML, the environment.

use std::sync::Arc;

use crate::access::{AccessConfig, Atlas};
use ipnet::IpNet;
use jiff::civil::Date;
use rating::{DeckError, NumberingConfig, NumberingError};
use types::{AccountId, Controls, DeckId, HashKey, Millis, StopLevels};

use crate::control::default_ceiling;

/// The usual margin between the hard stop and the end of the held talk.
const CUT_MARGIN_MS: Millis = 250;

/// The usual bound on how much later than the newest time in the store a program died.
const MARK_AGE_MS: Millis = 1_500;

/// Settings of an engine.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Short codes and hotspots.
    pub numbering: NumberingConfig,
    /// Which shard of the node this is: the low byte of its decision ids.
    pub shard: u8,
    /// Secret of the hash maps.
    pub hash: HashKey,
    /// Talk time held before a call goes out, or the rate's first increment if that is longer.
    pub first_slice_ms: Millis,
    /// Talk time held by each renewal.
    pub slice_ms: Millis,
    /// How long before the hard stop the next slice is asked for.
    pub extend_lead_ms: Millis,
    /// How long before the end of the held talk a call is cut, so that a node that wakes up late, and
    /// the way of the BYE, cost no further increment. Never more than half of the held talk.
    pub cut_margin_ms: Millis,
    /// The longest that a program which wrote its last mark goes on before it dies: the time from one
    /// mark of life to the next, and to write it. So much later than the newest time in the store a
    /// call may have ended that nobody knew of any more.
    pub mark_age_ms: Millis,
    /// When it is off hours, in each account's own time zone.
    pub off_hours: OffHours,
    /// What bounds the spending of all accounts together.
    pub platform: StopLevels,
    /// Limits of log-ins.
    pub access: AccessConfig,
    /// Where in the world addresses are.
    pub atlas: Arc<Atlas>,
    /// Networks that are never banned, nor held to a rate.
    pub allow: Vec<IpNet>,
    /// How far holders may raise their own controls; of the classes that it bars, none is opened by them.
    pub self_service: Controls,
}

impl EngineConfig {
    /// The defaults with this hash key.
    pub fn new(hash: HashKey) -> EngineConfig {
        EngineConfig {
            numbering: NumberingConfig::default(),
            shard: 0,
            hash,
            first_slice_ms: 30_000,
            slice_ms: 30_000,
            extend_lead_ms: 5_000,
            cut_margin_ms: CUT_MARGIN_MS,
            mark_age_ms: MARK_AGE_MS,
            off_hours: OffHours::default(),
            platform: StopLevels::NONE,
            access: AccessConfig::default(),
            atlas: Arc::default(),
            allow: Vec::new(),
            self_service: default_ceiling(),
        }
    }
}

/// The hours in which nobody watches: nights, weekends, bank holidays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffHours {
    /// First hour of a weekday's night, 0 to 24.
    pub weekday_from_h: u8,
    /// First hour of the day again, 0 to 24.
    pub weekday_to_h: u8,
    /// Are Saturdays and Sundays off hours all day?
    pub weekends: bool,
    /// Days that are off hours all day.
    pub bank_holidays: Vec<Date>,
}

impl Default for OffHours {
    fn default() -> OffHours {
        OffHours { weekday_from_h: 19, weekday_to_h: 7, weekends: true, bank_holidays: Vec::new() }
    }
}

/// Why an engine cannot start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// A short code or hotspot cannot be one.
    #[error(transparent)]
    Numbering(#[from] NumberingError),
    /// A deck of the store cannot be used.
    #[error("deck {0}: {1}")]
    Deck(DeckId, DeckError),
    /// An account names a time zone that does not exist.
    #[error("account {0}: `{1}` is not a time zone: expected an IANA name like Europe/London")]
    TimeZone(AccountId, String),
    /// Off hours that are not hours.
    #[error("off hours from {0} to {1}: hours are 0 to 24")]
    OffHours(u8, u8),
    /// A slice of no length never pays for a call.
    #[error(
        "slices must be at least 1000 ms long, and longer than lead and cut margin, {lead_ms} ms"
    )]
    Slices {
        /// Lead and margin together.
        lead_ms: Millis,
    },
    /// The ledger refused what the store holds.
    #[error("the money of the store does not add up: {0}")]
    Ledger(#[from] ledger::LedgerError),
}
