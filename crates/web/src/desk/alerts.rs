//! What the pages ask about who is told, and what was told. Lives here: questions and answers. Never here: who is told
//! what (notify).

use types::{AccountId, Alert, AlertId, Contact, ContactId, DeviceId, Proof, UnixMicros};

use super::{DeskError, Outcome};

/// An alert, and what it is about in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToldAlert {
    /// The alert.
    pub alert: Alert,
    /// When it happened.
    pub happened: UnixMicros,
    /// What kind of fact it is: the code of the catalogue.
    pub kind: &'static str,
    /// A few words.
    pub title: String,
    /// A sentence without a full stop.
    pub sentence: String,
    /// What to do; may be empty.
    pub advice: String,
    /// The phone that it is about, if it is about one.
    pub device: Option<DeviceId>,
    /// Where it was told: an address.
    pub to: String,
}

/// What the holder wants of who is told. Settings go by name: see `ringfence contact`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContactAsk {
    /// Somebody new.
    Add(Vec<(String, String)>),
    /// Some settings of a contact.
    Set(ContactId, Vec<(String, String)>),
    /// Nobody is told there any more.
    Remove(ContactId),
    /// Tell it something, to see whether it arrives.
    Test(ContactId),
}

/// Questions about contacts and alerts. All are of one account: what is another's is not there (W6).
pub trait AlertDesk {
    /// Who is told, by number; without those that were removed.
    fn contacts(&self, account: AccountId) -> Result<Vec<Contact>, DeskError>;

    /// What was told, the newest first.
    fn alerts(&self, account: AccountId, limit: u32) -> Result<Vec<ToldAlert>, DeskError>;

    /// One of them.
    fn alert(&self, account: AccountId, id: AlertId) -> Result<Option<ToldAlert>, DeskError>;

    /// Changes who is told.
    fn change_contact(
        &self,
        account: AccountId,
        ask: ContactAsk,
        proof: Proof,
    ) -> Result<Outcome, DeskError>;

    /// The code that was sent to a contact was typed: `false` if it is not that code, or there is no such contact. Of
    /// no account: who has read the message has the code.
    fn confirm_contact(&self, contact: ContactId, code: &str) -> Result<bool, DeskError>;

    /// The holder knows.
    fn acknowledge(&self, account: AccountId, id: AlertId) -> Result<(), DeskError>;
}
