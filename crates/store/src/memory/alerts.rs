//! Contacts and alerts in memory. Never here: who is told, when.

use std::collections::BTreeMap;

use types::{
    AccountId, Alert, AlertId, AlertState, Contact, ContactId, EventClass, Fact, UnixMicros,
};

use super::MemoryStore;
use super::state::State;
use crate::alerts::{AlertCounts, AlertFilter, AlertReader, ContactEntry};
use crate::error::StoreError;
use crate::queries::StoredFact;

/// What is kept of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alerts {
    /// Every entry, in the order of commits.
    pub contacts: Vec<Contact>,
    pub alerts: BTreeMap<AlertId, Alert>,
    pub mark: u64,
}

impl Alerts {
    /// Is there no entry of this contact and time?
    pub fn is_new(&self, contact: &Contact) -> bool {
        !self.contacts.iter().any(|known| (known.id, known.at) == (contact.id, contact.at))
    }

    /// Appends an entry, unless it is there.
    pub fn append(&mut self, contact: &Contact) {
        if self.is_new(contact) {
            self.contacts.push(contact.clone());
        }
    }

    fn entries(&self) -> impl Iterator<Item = ContactEntry> {
        (1..).zip(&self.contacts).map(|(seq, one)| ContactEntry { seq, contact: one.clone() })
    }

    /// The newest of each contact that stood at a time.
    fn newest(&self, at: UnixMicros, which: impl Fn(&Contact) -> bool) -> Vec<ContactEntry> {
        let mut newest: BTreeMap<ContactId, ContactEntry> = BTreeMap::new();
        for entry in self.entries().filter(|entry| entry.contact.at <= at && which(&entry.contact))
        {
            let known = newest.entry(entry.contact.id).or_insert_with(|| entry.clone());
            if entry.contact.at > known.contact.at {
                *known = entry;
            }
        }
        newest.into_values().collect()
    }
}

impl State {
    fn stored_fact(&self, seq: u64) -> Option<StoredFact> {
        let index = usize::try_from(seq.checked_sub(1)?).ok()?;
        let (at, fact) = self.facts.get(index)?;
        Some(StoredFact { seq, at: *at, fact: Fact::clone(fact) })
    }
}

fn limited<'a>(alerts: impl Iterator<Item = &'a Alert>, limit: u32) -> Vec<Alert> {
    alerts.take(limit as usize).cloned().collect()
}

impl MemoryStore {
    fn kept(&self) -> &Alerts {
        &self.state().telling
    }
}

impl AlertReader for MemoryStore {
    fn facts_after(&self, seq: u64, limit: u32) -> Result<Vec<StoredFact>, StoreError> {
        let numbers = (seq + 1..).take(limit as usize);
        Ok(numbers.map_while(|seq| self.state().stored_fact(seq)).collect())
    }

    fn fact(&self, seq: u64) -> Result<Option<StoredFact>, StoreError> {
        Ok(self.state().stored_fact(seq))
    }

    fn alert_mark(&self) -> Result<u64, StoreError> {
        Ok(self.kept().mark)
    }

    fn contacts(&self, account: Option<AccountId>) -> Result<Vec<ContactEntry>, StoreError> {
        self.contacts_at(account, UnixMicros(i64::MAX))
    }

    fn contacts_at(
        &self,
        account: Option<AccountId>,
        at: UnixMicros,
    ) -> Result<Vec<ContactEntry>, StoreError> {
        Ok(self.kept().newest(at, |contact| contact.account == account))
    }

    fn all_contacts(&self) -> Result<Vec<ContactEntry>, StoreError> {
        Ok(self.kept().newest(UnixMicros(i64::MAX), |_| true))
    }

    fn contact_history(&self, id: ContactId) -> Result<Vec<ContactEntry>, StoreError> {
        let of = self.kept().entries().filter(|entry| entry.contact.id == id);
        let mut found: Vec<ContactEntry> = of.collect();
        found.sort_by_key(|entry| std::cmp::Reverse(entry.contact.at));
        Ok(found)
    }

    fn contact_entries_since(&self, at: UnixMicros) -> Result<Vec<ContactEntry>, StoreError> {
        Ok(self.kept().entries().filter(|entry| entry.contact.at >= at).collect())
    }

    fn contact_entry(&self, seq: u64) -> Result<Option<ContactEntry>, StoreError> {
        Ok(self.kept().entries().find(|entry| entry.seq == seq))
    }

    fn alerts(&self, filter: &AlertFilter) -> Result<Vec<Alert>, StoreError> {
        let is_open = |alert: &Alert| {
            alert.state.due().is_some() || matches!(alert.state, AlertState::GivenUp { .. })
        };
        let found = self.kept().alerts.values().rev().filter(|alert| {
            filter.account.is_none_or(|account| alert.account == account)
                && (!filter.undelivered || is_open(alert))
        });
        Ok(limited(found, filter.limit))
    }

    fn alert(&self, id: AlertId) -> Result<Option<Alert>, StoreError> {
        Ok(self.kept().alerts.get(&id).cloned())
    }

    fn alerts_of(&self, fact: u64) -> Result<Vec<Alert>, StoreError> {
        let range = AlertId { fact, entry: 0 }..=AlertId { fact, entry: u64::MAX };
        Ok(self.kept().alerts.range(range).map(|(_, alert)| alert.clone()).collect())
    }

    fn due_alerts(&self, by: UnixMicros, limit: u32) -> Result<Vec<Alert>, StoreError> {
        let alerts = self.kept().alerts.values();
        let mut due: Vec<&Alert> =
            alerts.filter(|alert| alert.state.due().is_some_and(|due| due <= by)).collect();
        due.sort_by_key(|alert| (alert.state.due(), alert.id));
        Ok(limited(due.into_iter(), limit))
    }

    fn next_due(&self) -> Result<Option<UnixMicros>, StoreError> {
        Ok(self.kept().alerts.values().filter_map(|alert| alert.state.due()).min())
    }

    fn recent_alerts(
        &self,
        contact: ContactId,
        class: EventClass,
        since: UnixMicros,
        limit: u32,
    ) -> Result<Vec<Alert>, StoreError> {
        let of = |alert: &&Alert| {
            alert.contact == contact && alert.class == class && alert.made >= since
        };
        let mut found: Vec<&Alert> = self.kept().alerts.values().filter(of).collect();
        found.sort_by_key(|alert| std::cmp::Reverse((alert.made, alert.id)));
        Ok(limited(found.into_iter(), limit))
    }

    fn gathering(
        &self,
        entry: u64,
        class: EventClass,
        limit: u32,
    ) -> Result<Vec<Alert>, StoreError> {
        let found = self.kept().alerts.values().filter(|alert| {
            alert.id.entry == entry
                && alert.class == class
                && matches!(alert.state, AlertState::Gathering { .. })
        });
        Ok(limited(found, limit))
    }

    fn alert_counts(&self) -> Result<AlertCounts, StoreError> {
        let mut counts = AlertCounts::default();
        for alert in self.kept().alerts.values() {
            match alert.state {
                AlertState::Gathering { .. } => counts.due += 1,
                AlertState::Due { .. } => {
                    counts.due += 1;
                    counts.in_trouble += u64::from(alert.tries > 0);
                }
                AlertState::GivenUp { .. } => counts.given_up += 1,
                _ => {}
            }
        }
        Ok(counts)
    }
}
