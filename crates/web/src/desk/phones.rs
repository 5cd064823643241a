//! What the pages ask about phones and their lines. Lives here: questions and answers. Never here: who may come in
//! (engine).

use serde::{Deserialize, Serialize};
use types::{AccountId, Device, DeviceId, LineId, LineKind, StalePhone, UnixMicros};

use super::{DeskError, Outcome};

/// A phone that has shown the password of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phone {
    /// As it is kept.
    pub device: Device,
    /// What it is, without its version.
    pub name: String,
    /// The family of switches it belongs to, if it is one.
    pub pbx: Option<String>,
    /// User names of its lines.
    pub lines: Vec<String>,
    /// Calls that it has in progress.
    pub calls: u32,
    /// Is it registered now?
    pub is_registered: bool,
}

/// A line, and its password's state; never the password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneLine {
    /// Its number.
    pub id: LineId,
    /// What a phone logs in as.
    pub user: String,
    /// What sits at its end.
    pub kind: LineKind,
    /// Is it in use?
    pub is_active: bool,
    /// Days since its password was set; `None`: nobody knows.
    pub days: Option<u32>,
    /// Its password may be in strange hands.
    pub wants_new_secret: bool,
    /// Until when the password before still works for some phones.
    pub old_until: Option<UnixMicros>,
    /// Phones that are known on it: they may go on with the password before for a while.
    pub known_phones: u32,
}

/// Where phones register.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneServer {
    /// Domain, which is the realm too.
    pub domain: String,
    /// Transport and address of each listener, the safest first: `TLS`, `198.51.100.7:5061`.
    pub listeners: Vec<(String, String)>,
}

/// Phones and lines of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phones {
    /// Phones, the newest first.
    pub phones: Vec<Phone>,
    /// Lines, by number.
    pub lines: Vec<PhoneLine>,
    /// Phones that still use a password that was changed.
    pub stale: Vec<StalePhone>,
    /// Where phones register.
    pub server: PhoneServer,
}

/// Questions about phones.
pub trait PhoneDesk {
    /// Phones and lines of an account.
    fn phones(&self, account: AccountId) -> Result<Phones, DeskError>;

    /// Whose a phone is: `false` if there is no such phone on this account. One that is not the holder's is refused, its
    /// calls end and its registrations are forgotten.
    fn judge_phone(
        &self,
        account: AccountId,
        device: DeviceId,
        is_mine: bool,
    ) -> Result<Option<Outcome>, DeskError>;
}
