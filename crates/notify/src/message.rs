//! What a message says, before it has a form. Lives here: from an alert and its facts to words and figures that templates
//! use. Never here: templates, channels. No secret comes here: facts hold none.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use store::{ContactEntry, StoreError, StoredFact};
use types::{Alert, Audience, Contact, Fact, LineId, UnixMicros, catalogue, fact_text_with};

use crate::codes::Codes;
use crate::outbox::{Books, Job};

/// What the operator calls things.
#[derive(Clone, Debug)]
pub struct House {
    /// Who writes, as people know him.
    pub platform: String,
    /// Where control pages are, without a slash at the end; none: messages have no links.
    pub portal_url: Option<String>,
    /// What stands after the @ of names of messages.
    pub domain: String,
    /// Of all amounts.
    pub currency: String,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Number of the fact.
    pub fact: u64,
    /// Its kind: the code of the catalogue.
    pub kind: &'static str,
    /// A few words.
    pub title: String,
    /// One sentence, without the full stop.
    pub sentence: String,
    /// What to do; may be empty.
    pub advice: String,
    /// When, at the account's place, for people.
    pub when: String,
    /// When, RFC 3339 in UTC.
    pub at: String,
}

/// Everything there is to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// The same however often it is sent: readers leave out what they have.
    pub id: String,
    /// The alert, as `812-7`.
    pub alert: String,
    /// Who writes.
    pub platform: String,
    /// Number of the account; none: to staff.
    pub account: Option<u32>,
    /// Its name.
    pub account_name: String,
    /// `security`, `money`, …
    pub class: &'static str,
    /// `info`, `important`, `critical`
    pub severity: &'static str,
    /// What happened, the first in time first.
    pub items: Vec<Item>,
    /// Where to look and answer: a page that asks; opening it changes nothing.
    pub link: Option<String>,
    /// What shows that this was read, for a contact that is to be confirmed.
    pub code: Option<String>,
    /// The contact's number.
    pub contact: u32,
    /// Where to.
    pub to: String,
    /// All of it in a few words, as for SMS.
    pub text: String,
}

/// What a job says.
pub fn compose(
    job: &Job,
    house: &House,
    codes: &Codes,
    zone: &str,
    books: &dyn Books,
) -> Result<Message, StoreError> {
    let Job { alert, entry, facts } = job;
    let account = match alert.account {
        Some(id) => books.account(id)?,
        None => None,
    };
    let lines = match about(facts) {
        Some(id) => books.lines(Some(id))?,
        None => Vec::new(),
    };
    let name = |id: LineId| {
        let line = lines.iter().find(|line| line.id == id);
        line.map_or_else(|| id.to_string(), |line| line.user.clone())
    };
    let zone = account.as_ref().map_or(zone, |account| &account.time_zone);
    let mut items: Vec<Item> =
        facts.iter().map(|fact| item(fact, house, zone, &name, alert.account.is_none())).collect();
    items.sort_by_key(|item| item.fact);
    let account_name = account.as_ref().map(|account| plain(&account.name)).unwrap_or_default();
    Ok(assemble(alert, entry, items, account_name, house, codes))
}

fn about(facts: &[StoredFact]) -> Option<types::AccountId> {
    facts.iter().find_map(|fact| store::account_of(&fact.fact))
}

fn assemble(
    alert: &Alert,
    entry: &ContactEntry,
    items: Vec<Item>,
    account_name: String,
    house: &House,
    codes: &Codes,
) -> Message {
    let contact = &entry.contact;
    let code = contact.confirmed.is_none().then(|| codes.confirmation(contact));
    let page = match code {
        Some(_) => format!("contacts/{}/confirm", contact.id),
        None => format!("alerts/{}", alert.id),
    };
    Message {
        // The time tells it from that of a fact of the same number after a restored copy.
        id: format!("{}.{:x}@{}", alert.id, alert.made.0, house.domain),
        alert: alert.id.to_string(),
        platform: house.platform.clone(),
        account: alert.account.map(|id| id.0),
        account_name,
        class: alert.class.code(),
        severity: alert.severity.code(),
        items,
        link: house.portal_url.as_ref().map(|url| format!("{url}/{page}")),
        code,
        contact: contact.id.0,
        to: contact.channel.shown(),
        text: String::new(),
    }
}

fn item(
    fact: &StoredFact,
    house: &House,
    zone: &str,
    name: &dyn Fn(LineId) -> String,
    is_to_staff: bool,
) -> Item {
    let entry = catalogue::of(&fact.fact);
    let mut sentence = fact_text_with(&fact.fact, &house.currency, name);
    // Who reads for many accounts has to be told which.
    if is_to_staff
        && !matches!(entry.audience, Audience::Contact)
        && let Some(account) = store::account_of(&fact.fact)
    {
        sentence = format!("account {account}: {sentence}");
    }
    Item {
        fact: fact.seq,
        kind: entry.code,
        title: entry.title.to_owned(),
        sentence: plain(&sentence),
        advice: entry.advice.to_owned(),
        when: local(fact.at, zone),
        at: fact.at.to_string(),
    }
}

/// A time at a place: `22 Nov 2026, 02:14 GMT`.
fn local(at: UnixMicros, zone: &str) -> String {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    match Timestamp::from_microsecond(at.0) {
        Ok(time) => time.to_zoned(zone).strftime("%-d %b %Y, %H:%M %Z").to_string(),
        Err(_) => at.to_string(),
    }
}

/// Strangers' texts (User-Agents among them) on one line, with nothing that hides or turns what follows (W3).
fn plain(text: &str) -> String {
    let hides = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    text.chars().map(|c| if hides(c) { '\u{fffd}' } else { c }).collect()
}

/// A message about a fact of this kind, as a preview has it; `None`: there is no such kind.
pub fn sample(kind: &str, house: &House) -> Option<Message> {
    let all = types::fact_samples::all();
    let fact = all.into_iter().find(|fact| catalogue::of(fact).code == kind)?;
    Some(sample_of(vec![fact], house, true))
}

/// Every message there is: of each kind of fact, a digest, a request to confirm.
pub fn samples(house: &House) -> Vec<(&'static str, Message)> {
    let all = types::fact_samples::all();
    let mut messages: Vec<(&'static str, Message)> = all
        .iter()
        .map(|fact| (catalogue::of(fact).code, sample_of(vec![fact.clone()], house, true)))
        .collect();
    messages.push(("digest", sample_of(all.into_iter().skip(2).take(3).collect(), house, true)));
    let changed = types::fact_samples::all().into_iter();
    let changed = changed.filter(|fact| matches!(fact, Fact::ContactChanged { .. }));
    messages.push(("confirm", sample_of(changed.collect(), house, false)));
    messages
}

fn sample_of(facts: Vec<Fact>, house: &House, is_confirmed: bool) -> Message {
    let at = UnixMicros::from_seconds(1_795_313_640);
    let about = catalogue::of(&facts[0]);
    let name = |_: LineId| "alice-desk".to_owned();
    let items = (812..).zip(facts).map(|(seq, fact)| {
        item(&StoredFact { seq, at, fact }, house, "Europe/London", &name, false)
    });
    let id = types::AlertId { fact: 812, entry: 7 };
    let contact = Contact {
        id: types::ContactId(1),
        account: Some(types::AccountId(1)),
        name: "Alice".to_owned(),
        channel: types::Channel::Mail { address: "alice@example.com".to_owned() },
        classes: types::EventClass::ALL.into(),
        is_on: true,
        quiet: None,
        order: 0,
        wait_ms: 0,
        confirmed: is_confirmed.then_some(at),
        since: at,
        secret_version: 0,
        is_removed: false,
        at,
        by: types::By::STAFF,
        why: String::new(),
    };
    let alert = Alert {
        id,
        account: contact.account,
        contact: contact.id,
        class: about.class,
        severity: about.severity,
        made: at,
        order: 0,
        wait_ms: 0,
        state: types::AlertState::Due { at },
        tries: 0,
        trouble: String::new(),
        members: Vec::new(),
    };
    let entry = ContactEntry { seq: 7, contact };
    let codes = Codes::new([0; 32]);
    assemble(&alert, &entry, items.collect(), "Alice & Sons".to_owned(), house, &codes)
}
