//! Questions of who tells people: contacts, alerts, and facts in the order of commits. Lives here: the questions. Never here: when
//! somebody is told (notify).

use types::{AccountId, Alert, AlertId, Contact, ContactId, EventClass, UnixMicros};

use crate::error::StoreError;
use crate::queries::StoredFact;

/// An entry of the contacts' history, with its place in the order of commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactEntry {
    /// 1 for the first ever written: what alerts name.
    pub seq: u64,
    /// How the contact stands from then on.
    pub contact: Contact,
}

/// Which alerts to list. Every condition given must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertFilter {
    /// To contacts of this account; `Some(None)`: of the platform's staff.
    pub account: Option<Option<AccountId>>,
    /// Only those that are not delivered: still to be sent, or given up.
    pub undelivered: bool,
    /// At most so many, the newest.
    pub limit: u32,
}

impl Default for AlertFilter {
    fn default() -> AlertFilter {
        AlertFilter { account: None, undelivered: false, limit: 100 }
    }
}

/// How many alerts wait, and how many were given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AlertCounts {
    /// To be sent.
    pub due: u64,
    /// Of them, those that were tried in vain.
    pub in_trouble: u64,
    /// Given up.
    pub given_up: u64,
}

/// The questions. An account of `None` is the platform's staff.
pub trait AlertReader {
    /// Facts after this number, in the order of commits, at most so many.
    fn facts_after(&self, seq: u64, limit: u32) -> Result<Vec<StoredFact>, StoreError>;

    /// One fact.
    fn fact(&self, seq: u64) -> Result<Option<StoredFact>, StoreError>;

    /// The number of the last fact that alerts were derived from.
    fn alert_mark(&self) -> Result<u64, StoreError>;

    /// The newest entry of each contact of an account, removed ones too, by id.
    fn contacts(&self, account: Option<AccountId>) -> Result<Vec<ContactEntry>, StoreError>;

    /// How each of them stood at a time.
    fn contacts_at(
        &self,
        account: Option<AccountId>,
        at: UnixMicros,
    ) -> Result<Vec<ContactEntry>, StoreError>;

    /// The newest entry of every contact there is, by id.
    fn all_contacts(&self) -> Result<Vec<ContactEntry>, StoreError>;

    /// All entries of a contact, the newest first.
    fn contact_history(&self, id: ContactId) -> Result<Vec<ContactEntry>, StoreError>;

    /// All entries of all contacts that begin at this time or later, in the order of commits.
    fn contact_entries_since(&self, at: UnixMicros) -> Result<Vec<ContactEntry>, StoreError>;

    /// One entry.
    fn contact_entry(&self, seq: u64) -> Result<Option<ContactEntry>, StoreError>;

    /// Alerts, the newest fact first.
    fn alerts(&self, filter: &AlertFilter) -> Result<Vec<Alert>, StoreError>;

    /// One alert.
    fn alert(&self, id: AlertId) -> Result<Option<Alert>, StoreError>;

    /// All alerts of a fact.
    fn alerts_of(&self, fact: u64) -> Result<Vec<Alert>, StoreError>;

    /// Alerts that are to be looked at by this time, the most urgent first, at most so many.
    fn due_alerts(&self, by: UnixMicros, limit: u32) -> Result<Vec<Alert>, StoreError>;

    /// When the next alert is to be looked at.
    fn next_due(&self) -> Result<Option<UnixMicros>, StoreError>;

    /// Alerts of a class to a contact that were made at this time or later, the newest first, at most so many.
    fn recent_alerts(
        &self,
        contact: ContactId,
        class: EventClass,
        since: UnixMicros,
        limit: u32,
    ) -> Result<Vec<Alert>, StoreError>;

    /// Alerts of a class that gather for an entry of a contact, by fact, at most so many.
    fn gathering(
        &self,
        entry: u64,
        class: EventClass,
        limit: u32,
    ) -> Result<Vec<Alert>, StoreError>;

    /// How many there are.
    fn alert_counts(&self) -> Result<AlertCounts, StoreError>;
}
