//! What the pages ask about the check-up. Lives here: questions and answers. Never here: how a point stands
//! (`portal/points`), looking at anybody's network (ringfence).

use std::collections::BTreeMap;
use std::net::IpAddr;

use types::{AccountId, CheckPoint, Money, OpenPort, UnixMicros};

use super::DeskError;

/// What the holder said of a point last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PointSaid {
    /// When.
    pub at: UnixMicros,
    /// Is it done?
    pub is_done: bool,
    /// Who: a web user.
    pub by: String,
}

/// What was found at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortsSeen {
    /// When.
    pub at: UnixMicros,
    /// Which address.
    pub address: IpAddr,
    /// How many ports were tried.
    pub tried: u32,
    /// Those that answered.
    pub open: Vec<OpenPort>,
}

/// The software of a phone, where something is to be said of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Software {
    /// What the phone says it is.
    pub agent: String,
    /// What is wrong with it: a sentence.
    pub trouble: String,
}

/// What is on record for the check-up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckUp {
    /// What the holder said of points.
    pub said: BTreeMap<CheckPoint, PointSaid>,
    /// What was found at addresses, the newest of each; the newest first.
    pub ports: Vec<PortsSeen>,
    /// Phones whose software is old.
    pub software: Vec<Software>,
    /// The most that was spent on costly calls in 24 hours of the last month.
    pub most_spent: Money,
}

/// Questions about the check-up. All are of one account (W6).
pub trait CheckUpDesk {
    /// What is on record.
    fn check_up(&self, account: AccountId) -> Result<CheckUp, DeskError>;

    /// Keeps what the holder says of a point.
    fn say_point(
        &self,
        account: AccountId,
        point: CheckPoint,
        is_done: bool,
        by: &str,
    ) -> Result<(), DeskError>;

    /// Looks at an address from outside, and keeps what was found; `None`: no phone of this account is registered there
    /// now. Takes some seconds.
    fn check_ports(
        &self,
        account: AccountId,
        address: IpAddr,
        by: &str,
    ) -> Result<Option<PortsSeen>, DeskError>;
}
