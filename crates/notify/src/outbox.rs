//! The outbox at work. Lives here: from facts to alerts, from what is due to jobs, from what became of jobs to alerts. Never
//! here: a clock, threads, sending: records go out to be written, jobs to be sent.
//!
//! A round: [`Outbox::records`] until there is nothing to write, each lot written before the next; then [`Outbox::jobs`].
//! What is sent is sent again after a crash, with the same name, until its delivery is written.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use store::{AlertFilter, AlertReader, ContactEntry, Reader, StoreError, StoredFact};
use types::{AccountId, Alert, AlertId, AlertState, Channel, Fact, Record, UnixMicros, catalogue};

use crate::plan::{self, Outcome, People, Recent, Rules};

/// Facts looked at in one lot.
const FACTS: u32 = 128;
/// Alerts looked at in one lot.
const ALERTS: u32 = 256;
/// Alerts told in one message at most.
const MEMBERS: u32 = 200;

/// What the outbox reads.
pub trait Books: AlertReader + Reader {}

impl<T: AlertReader + Reader> Books for T {}

/// A message to be sent.
#[derive(Clone, Debug)]
pub struct Job {
    /// Which alert.
    pub alert: Alert,
    /// To whom.
    pub entry: ContactEntry,
    /// What it tells of, the alert's own fact first.
    pub facts: Vec<StoredFact>,
}

/// A try that has ended, and is not written yet.
#[derive(Clone, Debug)]
struct Tried {
    id: AlertId,
    outcome: Outcome,
}

/// What is under way.
#[derive(Debug)]
pub struct Outbox {
    rules: Rules,
    staff_zone: String,
    /// Sent, or being sent, and not written yet.
    in_flight: BTreeSet<AlertId>,
    tried: Vec<Tried>,
    /// How many of `tried` are in the records that were last given out.
    written: usize,
    /// Did the last call give records out?
    gave: bool,
    /// Kinds of channels whose last try failed.
    in_trouble: BTreeSet<&'static str>,
    /// Kinds of channels that work again: what waits for them need not wait longer.
    revived: BTreeSet<&'static str>,
}

impl Outbox {
    /// By these rules; quiet hours of staff are in their own time zone.
    pub fn new(rules: Rules, staff_zone: String) -> Outbox {
        Outbox {
            rules,
            staff_zone,
            in_flight: BTreeSet::new(),
            tried: Vec::new(),
            written: 0,
            gave: false,
            in_trouble: BTreeSet::new(),
            revived: BTreeSet::new(),
        }
    }

    /// A job has ended.
    pub fn ended(&mut self, id: AlertId, channel: &Channel, outcome: Outcome) {
        let kind = channel.code();
        match outcome {
            Outcome::Failed(_) => drop(self.in_trouble.insert(kind)),
            Outcome::Delivered if self.in_trouble.remove(kind) => drop(self.revived.insert(kind)),
            Outcome::Delivered | Outcome::Refused(_) => {}
        }
        self.tried.push(Tried { id, outcome });
    }

    /// How many jobs are under way.
    pub fn under_way(&self) -> usize {
        self.in_flight.len().saturating_sub(self.tried.len())
    }

    /// Is nothing under way, and everything written?
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.tried.is_empty()
    }

    /// What is to be written next, in one transaction; empty: nothing. Then [`Outbox::is_written`].
    pub fn records(
        &mut self,
        now: UnixMicros,
        books: &dyn Books,
    ) -> Result<Vec<Record>, StoreError> {
        self.written = self.tried.len();
        let mut records = Vec::new();
        self.outcomes(now, books, &mut records)?;
        // One thing at a time: what follows reads what this changes.
        if records.is_empty() {
            self.revive(now, books, &mut records)?;
        }
        if records.is_empty() {
            self.derive(now, books, &mut records)?;
        }
        if records.is_empty() {
            self.turns(now, books, &mut records)?;
        }
        self.gave = !records.is_empty();
        Ok(records)
    }

    /// What was given out last is on disk, if there was anything. Is there more to be asked for?
    pub fn is_written(&mut self) -> bool {
        for tried in self.tried.drain(..self.written) {
            self.in_flight.remove(&tried.id);
        }
        self.written = 0;
        std::mem::take(&mut self.gave)
    }

    fn outcomes(
        &self,
        now: UnixMicros,
        books: &dyn Books,
        records: &mut Vec<Record>,
    ) -> Result<(), StoreError> {
        for Tried { id, outcome } in &self.tried {
            let Some(alert) = books.alert(*id)? else { continue };
            // Somebody acknowledged it while it was under way.
            if !matches!(alert.state, AlertState::Due { .. }) {
                continue;
            }
            let members = members(&alert, books)?;
            let (alerts, is_given_up) = plan::after_try(&alert, members, outcome, &self.rules, now);
            if is_given_up {
                let entry = books.contact_entry(id.entry)?;
                let fact = Fact::AlertGivenUp {
                    account: alert.account,
                    contact: alert.contact,
                    alert: id.to_string(),
                    channel: entry.map(|one| one.contact.channel.shown()).unwrap_or_default(),
                    why: alerts.first().map(|one| one.trouble.clone()).unwrap_or_default(),
                };
                records.push(Record::Fact(now, fact));
            }
            records.extend(alerts.into_iter().map(Box::new).map(Record::Alert));
        }
        Ok(())
    }

    fn revive(
        &mut self,
        now: UnixMicros,
        books: &dyn Books,
        records: &mut Vec<Record>,
    ) -> Result<(), StoreError> {
        if self.revived.is_empty() {
            return Ok(());
        }
        let filter = AlertFilter { undelivered: true, limit: 2_000, ..AlertFilter::default() };
        for alert in books.alerts(&filter)? {
            let waits = matches!(alert.state, AlertState::Due { at } if at > now);
            if !waits || alert.tries == 0 || self.in_flight.contains(&alert.id) {
                continue;
            }
            let Some(entry) = books.contact_entry(alert.id.entry)? else { continue };
            if self.revived.contains(entry.contact.channel.code()) {
                let state = AlertState::Due { at: now };
                records.push(Record::Alert(Box::new(Alert { state, ..alert })));
            }
        }
        self.revived.clear();
        Ok(())
    }

    fn derive(
        &self,
        now: UnixMicros,
        books: &dyn Books,
        records: &mut Vec<Record>,
    ) -> Result<(), StoreError> {
        let mark = books.alert_mark()?;
        let facts = books.facts_after(mark, FACTS)?;
        let Some(last) = facts.last().map(|fact| fact.seq) else { return Ok(()) };
        let mut recent = Recent::new();
        for fact in &facts {
            let people = self.people(fact, books)?;
            let class = catalogue::of(&fact.fact).class;
            for entry in plan::recipients(fact, &people) {
                let key = (entry.contact.id, class);
                if let Entry::Vacant(slot) = recent.entry(key) {
                    slot.insert(self.recent(key.0, class, now, books)?);
                }
            }
            let alerts = plan::derive(fact, &people, &mut recent, &self.rules, now);
            records.extend(alerts.into_iter().map(Box::new).map(Record::Alert));
        }
        records.push(Record::AlertMark(last));
        Ok(())
    }

    fn recent(
        &self,
        contact: types::ContactId,
        class: types::EventClass,
        now: UnixMicros,
        books: &dyn Books,
    ) -> Result<Vec<Alert>, StoreError> {
        let since = now.0.saturating_sub((self.rules.digest_ms * 1_000).cast_signed());
        let most = u32::try_from(self.rules.digest_over).unwrap_or(u32::MAX).saturating_add(60);
        books.recent_alerts(contact, class, UnixMicros(since), most)
    }

    /// Who may be concerned, as of the fact. Contacts are told of what happened while they were contacts.
    fn people(&self, fact: &StoredFact, books: &dyn Books) -> Result<People, StoreError> {
        let about = catalogue::of(&fact.fact);
        let account = account_of(&fact.fact);
        let mut people = People { staff_zone: self.staff_zone.clone(), ..People::default() };
        if let Some(contact) = plan::contact_of(&fact.fact) {
            people.of_contact = books.contact_history(contact)?;
            people.of_contact.retain(|entry| entry.contact.at <= fact.at);
        }
        let is_about_contact = about.audience == types::Audience::Contact;
        if let Some(id) = account.filter(|_| about.audience.has_holder() || is_about_contact) {
            people.holder = books.contacts_at(Some(id), fact.at)?;
            people.holder_zone = zone(id, books)?;
            if about.audience == types::Audience::HolderBefore {
                let before = fact.at.0.saturating_sub((self.rules.former_ms * 1_000).cast_signed());
                people.holder_before = books.contacts_at(Some(id), UnixMicros(before))?;
            }
        }
        if about.audience.has_staff() || (is_about_contact && account.is_none()) {
            people.staff = books.contacts_at(None, fact.at)?;
        }
        Ok(people)
    }

    /// Alerts whose time to be looked at has come, but for those to be sent.
    fn turns(
        &self,
        now: UnixMicros,
        books: &dyn Books,
        records: &mut Vec<Record>,
    ) -> Result<(), StoreError> {
        let mut done = BTreeSet::new();
        for alert in books.due_alerts(now, ALERTS)? {
            match alert.state {
                AlertState::Waiting { .. } => {
                    let state = self.turn(&alert, now, books)?;
                    records.push(Record::Alert(Box::new(Alert { state, ..alert })));
                }
                AlertState::Gathering { .. } if done.insert((alert.id.entry, alert.class)) => {
                    let gathered = books.gathering(alert.id.entry, alert.class, MEMBERS)?;
                    let alerts = plan::digest(gathered, now);
                    records.extend(alerts.into_iter().map(Box::new).map(Record::Alert));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn turn(
        &self,
        alert: &Alert,
        now: UnixMicros,
        books: &dyn Books,
    ) -> Result<AlertState, StoreError> {
        let mut all = books.alerts_of(alert.id.fact)?;
        all.retain(|one| one.account == alert.account);
        for one in &mut all {
            if let AlertState::Digested { leader } = one.state
                && let Some(leader) = books.alert(leader)?
            {
                one.state = leader.state;
            }
        }
        if let Some(state) = plan::turn(alert, &all, &self.rules, now) {
            return Ok(state);
        }
        let Some(entry) = books.contact_entry(alert.id.entry)? else {
            return Ok(AlertState::NotNeeded);
        };
        let zone = match alert.account {
            Some(id) => zone(id, books)?,
            None => self.staff_zone.clone(),
        };
        let recent = self.recent(alert.contact, alert.class, now, books)?;
        Ok(plan::begin(alert, &entry, &zone, &recent, &self.rules, now))
    }

    /// What is to be sent now: as much as `has_room` allows for each kind of channel, one at a time to each place.
    pub fn jobs(
        &mut self,
        now: UnixMicros,
        books: &dyn Books,
        has_room: &mut dyn FnMut(&Channel) -> bool,
    ) -> Result<Vec<Job>, StoreError> {
        let mut jobs = Vec::new();
        let limit = ALERTS.saturating_add(u32::try_from(self.in_flight.len()).unwrap_or(u32::MAX));
        for alert in books.due_alerts(now, limit)? {
            if !matches!(alert.state, AlertState::Due { .. }) || self.in_flight.contains(&alert.id)
            {
                continue;
            }
            let Some(entry) = books.contact_entry(alert.id.entry)? else { continue };
            if !has_room(&entry.contact.channel) {
                continue;
            }
            let numbers = std::iter::once(alert.id).chain(alert.members.iter().copied());
            let mut facts = Vec::new();
            for id in numbers {
                facts.extend(books.fact(id.fact)?);
            }
            self.in_flight.insert(alert.id);
            jobs.push(Job { alert, entry, facts });
        }
        Ok(jobs)
    }
}

fn members(alert: &Alert, books: &dyn Books) -> Result<Vec<Alert>, StoreError> {
    let mut found = Vec::with_capacity(alert.members.len());
    for id in &alert.members {
        found.extend(books.alert(*id)?);
    }
    Ok(found)
}

fn zone(id: AccountId, books: &dyn Books) -> Result<String, StoreError> {
    Ok(books.account(id)?.map_or_else(|| "UTC".to_owned(), |account| account.time_zone))
}

/// The account that a fact is about.
fn account_of(fact: &Fact) -> Option<AccountId> {
    store::account_of(fact)
}

/// Everything of a fact is acknowledged: what is still to be told of it to the same account is not told any more.
pub fn acknowledge(
    id: AlertId,
    by: &types::By,
    now: UnixMicros,
    books: &dyn Books,
) -> Result<Vec<Record>, StoreError> {
    let Some(alert) = books.alert(id)? else { return Ok(Vec::new()) };
    let numbers: BTreeMap<u64, ()> = std::iter::once(alert.id.fact)
        .chain(alert.members.iter().map(|member| member.fact))
        .map(|fact| (fact, ()))
        .collect();
    let mut records = Vec::new();
    for fact in numbers.into_keys() {
        for one in books.alerts_of(fact)? {
            let is_open =
                !matches!(one.state, AlertState::Acknowledged { .. } | AlertState::NotNeeded);
            // A digest that is still to be sent tells of other facts, too.
            let leads = !one.members.is_empty() && one.id != id && one.state.due().is_some();
            if one.account == alert.account && is_open && !leads {
                let state = AlertState::Acknowledged { at: now, by: by.clone() };
                records.push(Record::Alert(Box::new(Alert { state, ..one })));
            }
        }
    }
    Ok(records)
}
