//! Whom a fact concerns. Lives here: from a fact and the contacts as they stood to those who are told. Never here: when.

use store::{ContactEntry, StoredFact};
use types::{AccountId, Audience, ContactId, Entry, Fact, catalogue};

/// The contacts that a fact may concern, as they stood when it happened.
#[derive(Clone, Debug, Default)]
pub struct People {
    /// Contacts of its account.
    pub holder: Vec<ContactEntry>,
    /// The same some days before.
    pub holder_before: Vec<ContactEntry>,
    /// Contacts of staff.
    pub staff: Vec<ContactEntry>,
    /// The history up to then of the one contact that it is about, the newest first.
    pub of_contact: Vec<ContactEntry>,
    /// The account's time zone.
    pub holder_zone: String,
    /// That of staff.
    pub staff_zone: String,
}

impl People {
    /// The time zone of who has a contact.
    pub fn zone(&self, account: Option<AccountId>) -> &str {
        if account.is_some() { &self.holder_zone } else { &self.staff_zone }
    }
}

/// The contact that a fact is about.
pub fn contact_of(fact: &Fact) -> Option<ContactId> {
    match fact {
        Fact::ContactChanged { contact, .. } | Fact::AlertTested { contact, .. } => Some(*contact),
        _ => None,
    }
}

/// Who is told of a fact, each way of reaching somebody once.
pub fn recipients(fact: &StoredFact, people: &People) -> Vec<ContactEntry> {
    let about = catalogue::of(&fact.fact);
    let mut told: Vec<ContactEntry> = Vec::new();
    match (&fact.fact, about.audience) {
        (Fact::ContactChanged { account, .. }, _) => {
            changed(&about, people, &mut told);
            let others = if account.is_some() { &people.holder } else { &people.staff };
            add(others.iter().filter(|entry| wants(entry, &about)), &mut told);
        }
        (Fact::AlertTested { .. }, _) => {
            add(people.of_contact.iter().take(1).filter(|one| one.contact.is_told()), &mut told);
        }
        // What staff did not get is not told to staff: each would make more of them.
        (Fact::AlertGivenUp { account: None, .. }, _) => {}
        (_, audience) => {
            if audience.has_holder() {
                add(people.holder.iter().filter(|entry| wants(entry, &about)), &mut told);
            }
            if audience == Audience::HolderBefore {
                add(people.holder_before.iter().filter(|entry| wants(entry, &about)), &mut told);
            }
            if audience.has_staff() {
                add(people.staff.iter().filter(|entry| wants(entry, &about)), &mut told);
            }
        }
    }
    told
}

fn wants(entry: &&ContactEntry, about: &Entry) -> bool {
    entry.contact.wants(about.class, about.severity)
}

/// The contact as it is now: to be asked to confirm, if it has to; and as it was before, whatever it wanted to be told.
fn changed(_: &Entry, people: &People, told: &mut Vec<ContactEntry>) {
    let mut history = people.of_contact.iter();
    let now = history.next().filter(|one| one.contact.is_on && !one.contact.is_removed);
    // Who never confirmed was never a contact; the one before him may have been.
    let before = history.find(|one| one.contact.confirmed.is_some() && one.contact.is_on);
    add(now.into_iter(), told);
    add(before.into_iter(), told);
}

/// Adds those who are not reached in the same way already.
fn add<'e>(more: impl Iterator<Item = &'e ContactEntry>, told: &mut Vec<ContactEntry>) {
    for entry in more {
        let is_same = |known: &ContactEntry| {
            known.contact.channel == entry.contact.channel
                && known.contact.account == entry.contact.account
        };
        if !told.iter().any(is_same) {
            told.push(entry.clone());
        }
    }
}
