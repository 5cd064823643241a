//! Changes of contacts. Lives here: what may be changed by whom, what is written for it. Never here: how a change travels.

mod limits;
mod settings;

use serde::{Deserialize, Serialize};
use store::{AlertReader, ContactEntry, StoreError};
use types::{AccountId, By, Channel, Contact, ContactId, EventClass, Fact, Record, UnixMicros};

use crate::address::AddressError;
use crate::codes::Codes;
use settings::apply;

pub use settings::SETTINGS;

/// Contacts of one account at most.
const MOST: usize = 20;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContactOrder {
    /// A new contact.
    Add {
        /// Whose; `None`: staff's.
        account: Option<AccountId>,
        /// Settings by name; one of `mail`, `webhook` and `sms` among them.
        settings: Vec<(String, String)>,
    },
    /// Some settings of a contact.
    Set {
        /// Which.
        contact: ContactId,
        /// Settings by name.
        settings: Vec<(String, String)>,
    },
    /// Nobody is told there any more.
    Remove {
        /// Which.
        contact: ContactId,
    },
    /// Back to what it was before its last change.
    Undo {
        /// Which.
        contact: ContactId,
    },
    /// Somebody has what was sent there.
    Confirm {
        /// Which.
        contact: ContactId,
        /// The code that was sent.
        code: String,
    },
    /// A new secret for its webhook.
    NewSecret {
        /// Which.
        contact: ContactId,
    },
    /// Tell it something, to see whether it arrives.
    Test {
        /// Which.
        contact: ContactId,
    },
}

/// Why a change is not made.
#[derive(Debug, thiserror::Error)]
pub enum ContactError {
    /// There is no such contact.
    #[error("there is no contact {0}; `ringfence contact list` shows all")]
    Unknown(ContactId),
    /// Not an address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A setting with a value it cannot have.
    #[error("{name}={}: {why}", value.escape_debug())]
    Setting {
        /// Which.
        name: String,
        /// What was given.
        value: String,
        /// Why not.
        why: String,
    },
    /// The holder has to show first, again, who he is.
    #[error("with this less would be told, or somebody else: show again who you are")]
    NeedsProof,
    /// Something else.
    #[error("{0}")]
    Not(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is written for a change, and what is said of it.
#[derive(Debug)]
pub struct Planned {
    /// One transaction.
    pub records: Vec<Record>,
    /// The contact as it stands then.
    pub contact: Contact,
    /// What was done, in words.
    pub message: String,
}

/// What is to be written for an order, at this time by this person.
pub fn plan(
    order: ContactOrder,
    (by, why): (By, String),
    now: UnixMicros,
    books: &dyn AlertReader,
    codes: &Codes,
) -> Result<Planned, ContactError> {
    let planned = carry_out(order, (by.clone(), why), now, books, codes)?;
    if let By::Holder { proof } = by {
        limits::check(&planned.contact, proof, now, books)?;
    }
    Ok(planned)
}

fn carry_out(
    order: ContactOrder,
    (by, why): (By, String),
    now: UnixMicros,
    books: &dyn AlertReader,
    codes: &Codes,
) -> Result<Planned, ContactError> {
    let known = |id: ContactId| newest(id, &by, books);
    match order {
        ContactOrder::Add { account, settings } => add(account, &settings, (by, why), now, books),
        ContactOrder::Set { contact, settings } => {
            let before = known(contact)?;
            let mut changed = before.clone();
            apply(&mut changed, &settings)?;
            change(&before, changed, (by, why), now)
        }
        ContactOrder::Remove { contact } => {
            let before = known(contact)?;
            change(&before, Contact { is_removed: true, ..before.clone() }, (by, why), now)
        }
        ContactOrder::Undo { contact } => {
            let mut history = books.contact_history(contact)?.into_iter();
            let current = history.next().ok_or(ContactError::Unknown(contact))?.contact;
            check_owner(&current, &by)?;
            let before = history.next().map(|entry| entry.contact);
            let before = before.ok_or_else(|| {
                ContactError::Not(format!("contact {contact} was never changed: `contact remove`"))
            })?;
            // Who was reached there before has shown it already, and since then.
            let now = after(&current, now);
            let restored = Contact { secret_version: current.secret_version, ..before };
            differing(&current, restored, (by, why), now)
        }
        ContactOrder::Confirm { contact, code } => {
            let before = known(contact)?;
            if before.confirmed.is_some() {
                return Err(ContactError::Not(format!("contact {contact} is confirmed already")));
            }
            if !codes.confirms(&before, &code, now) {
                let why = format!(
                    "this is not the code that was sent to contact {contact}, or it is older than seven days"
                );
                return Err(ContactError::Not(why));
            }
            change(&before, Contact { confirmed: Some(now), ..before.clone() }, (by, why), now)
        }
        ContactOrder::NewSecret { contact } => {
            let before = known(contact)?;
            let secret_version = before.secret_version.saturating_add(1);
            change(&before, Contact { secret_version, ..before.clone() }, (by, why), now)
        }
        ContactOrder::Test { contact } => {
            let contact = known(contact)?;
            if !contact.is_told() {
                let why = if contact.is_on { "is not confirmed" } else { "is switched off" };
                return Err(ContactError::Not(format!("contact {} {why}", contact.id)));
            }
            let fact = Fact::AlertTested { account: contact.account, contact: contact.id, by };
            let message = format!("a test is on its way to {}", contact.channel.shown());
            Ok(Planned { records: vec![Record::Fact(now, fact)], contact, message })
        }
    }
}

fn newest(id: ContactId, by: &By, books: &dyn AlertReader) -> Result<Contact, ContactError> {
    let found = books.contact_history(id)?.into_iter().next().map(|entry| entry.contact);
    let found = found.filter(|contact| !contact.is_removed).ok_or(ContactError::Unknown(id))?;
    check_owner(&found, by)?;
    Ok(found)
}

fn check_owner(contact: &Contact, by: &By) -> Result<(), ContactError> {
    match (contact.account, by) {
        (None, By::Holder { .. }) => Err(ContactError::Unknown(contact.id)),
        _ => Ok(()),
    }
}

fn add(
    account: Option<AccountId>,
    settings: &[(String, String)],
    (by, why): (By, String),
    now: UnixMicros,
    books: &dyn AlertReader,
) -> Result<Planned, ContactError> {
    if account.is_none() && matches!(by, By::Holder { .. }) {
        return Err(ContactError::Not("a holder has contacts of his account only".to_owned()));
    }
    let all = books.all_contacts()?;
    let is_of =
        |entry: &&ContactEntry| entry.contact.account == account && !entry.contact.is_removed;
    if all.iter().filter(is_of).count() >= MOST {
        let why = format!("there are {MOST} contacts already: remove one first");
        return Err(ContactError::Not(why));
    }
    let last = all.iter().map(|entry| entry.contact.id.0).max().unwrap_or(0);
    let mut contact = Contact {
        id: ContactId(last.saturating_add(1)),
        account,
        name: String::new(),
        channel: Channel::Mail { address: String::new() },
        classes: EventClass::ALL.into(),
        is_on: true,
        quiet: None,
        order: 0,
        wait_ms: 900_000,
        confirmed: Some(now),
        since: now,
        secret_version: 0,
        is_removed: false,
        at: now,
        by: by.clone(),
        why: why.clone(),
    };
    apply(&mut contact, settings)?;
    let same = all.iter().filter(is_of).find(|one| one.contact.channel == contact.channel);
    if let Some(same) = same {
        let why = format!("contact {} is reached in this way already", same.contact.id);
        return Err(ContactError::Not(why));
    }
    match &contact.channel {
        Channel::Mail { address } if address.is_empty() => {
            let why = "say how it is reached: mail=, webhook= or sms=".to_owned();
            return Err(ContactError::Not(why));
        }
        _ => {}
    }
    // What a holder sets has to be shown to be his; what staff set, staff have looked at.
    if matches!(by, By::Holder { .. }) {
        contact.confirmed = None;
    }
    let what = format!("added: {}", shown(&contact));
    Ok(planned(contact, what, (by, why), now))
}

/// Two entries of one contact are never of one moment.
fn after(before: &Contact, now: UnixMicros) -> UnixMicros {
    now.max(UnixMicros(before.at.0.saturating_add(1)))
}

fn change(
    before: &Contact,
    mut changed: Contact,
    (by, why): (By, String),
    now: UnixMicros,
) -> Result<Planned, ContactError> {
    let now = after(before, now);
    if changed.channel != before.channel {
        changed.since = now;
        changed.confirmed = match by {
            By::Holder { .. } => None,
            _ => Some(now),
        };
    }
    differing(before, changed, (by, why), now)
}

/// A change that changes something.
fn differing(
    before: &Contact,
    changed: Contact,
    who: (By, String),
    now: UnixMicros,
) -> Result<Planned, ContactError> {
    let what = words(before, &changed);
    if what.is_empty() {
        return Err(ContactError::Not(format!("contact {} is like that already", before.id)));
    }
    Ok(planned(changed, what, who, now))
}

/// The contact from now on, and the fact of it in the same transaction.
fn planned(contact: Contact, what: String, (by, why): (By, String), now: UnixMicros) -> Planned {
    let contact = Contact { at: now, by: by.clone(), why: why.clone(), ..contact };
    let mut message = format!("contact {} {what}", contact.id);
    if contact.confirmed.is_none() && !contact.is_removed {
        message.push_str("; a code is sent there, to be confirmed within seven days");
    }
    let (account, id) = (contact.account, contact.id);
    let fact = Fact::ContactChanged { account, contact: id, change: what, by, why };
    let records = vec![Record::Contact(Box::new(contact.clone())), Record::Fact(now, fact)];
    Planned { records, contact, message }
}

fn shown(contact: &Contact) -> String {
    format!("{} {}", contact.channel.code(), contact.channel.shown())
}

/// What differs, in words; nothing: nothing does.
fn words(before: &Contact, after: &Contact) -> String {
    if after.is_removed && !before.is_removed {
        return format!("removed: {}", shown(before));
    }
    let classes = |contact: &Contact| {
        let all: Vec<&str> = contact.classes.iter().map(|class| class.code()).collect();
        if all.len() == EventClass::ALL.len() { "all".to_owned() } else { all.join("+") }
    };
    let quiet = |contact: &Contact| {
        contact.quiet.map_or_else(|| "none".to_owned(), |quiet| quiet.to_string())
    };
    let differs = |is: bool, text: String| is.then_some(text);
    let changes = [
        differs(before.is_removed && !after.is_removed, "is there again".to_owned()),
        differs(
            before.channel != after.channel,
            match shown(before) == shown(after) {
                true => format!("{} to another URL of the same host", shown(before)),
                false => format!("{} to {}", shown(before), shown(after)),
            },
        ),
        differs(before.is_on && !after.is_on, "switched off".to_owned()),
        differs(!before.is_on && after.is_on, "switched on".to_owned()),
        differs(
            before.channel == after.channel
                && before.confirmed.is_none()
                && after.confirmed.is_some(),
            "confirmed".to_owned(),
        ),
        differs(before.name != after.name, format!("name to {}", after.name)),
        differs(
            before.classes != after.classes,
            format!("classes {} to {}", classes(before), classes(after)),
        ),
        differs(
            before.quiet != after.quiet,
            format!("quiet {} to {}", quiet(before), quiet(after)),
        ),
        differs(before.order != after.order, format!("order {} to {}", before.order, after.order)),
        differs(
            before.wait_ms != after.wait_ms,
            format!("wait {} s to {} s", before.wait_ms / 1_000, after.wait_ms / 1_000),
        ),
        differs(before.secret_version != after.secret_version, "has a new secret".to_owned()),
    ];
    changes.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
