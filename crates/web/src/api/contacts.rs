//! Who is told, for programs. Lives here: contacts, adding and changing them, a test, the code. Never here: what a contact may be, what
//! needs the holder himself (notify).

use serde::{Deserialize, Serialize};
use types::{Contact as KnownContact, ContactId, EventClass, Proof};
use utoipa::ToSchema;

use super::fault::{Fault, FieldFault};
use super::op::{Caller, Sent};
use super::values::{Moment, Nothing, Said};
use crate::desk::{ContactAsk, DeskError};
use crate::portal::contact_code::is_code;
use crate::portal::contacts::settings_of;

/// Who is told.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Contacts {
    contacts: Vec<Contact>,
}

/// Somebody who is told.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Contact {
    /// Its number.
    contact: u32,
    /// What people call it.
    name: String,
    /// `mail`, `sms` or `webhook`.
    channel: &'static str,
    /// Where it leads; of a URL only the host.
    to: String,
    /// What it is told of, beside what is critical.
    classes: Vec<&'static str>,
    /// Is it told anything?
    is_on: bool,
    /// Hours in which only what is critical is told.
    quiet: Option<String>,
    /// Who comes first: 0 is told at once.
    order: u8,
    /// How long it waits for those before it, as `15m`.
    wait: String,
    /// Was the code shown?
    is_confirmed: bool,
    /// Since when it is reached in this way.
    since: Moment,
}

impl From<&KnownContact> for Contact {
    fn from(contact: &KnownContact) -> Contact {
        let wait = settings_of(contact).into_iter().find(|(name, _)| *name == "wait");
        Contact {
            contact: contact.id.0,
            name: contact.name.clone(),
            channel: contact.channel.code(),
            to: contact.channel.shown(),
            classes: contact.classes.iter().map(|class| class.code()).collect(),
            is_on: contact.is_on,
            quiet: contact.quiet.map(|quiet| quiet.to_string()),
            order: contact.order,
            wait: wait.map(|(_, wait)| wait).unwrap_or_default(),
            is_confirmed: contact.confirmed.is_some(),
            since: contact.since.into(),
        }
    }
}

async fn all(caller: &Caller) -> Result<Vec<KnownContact>, Fault> {
    let account = caller.account;
    caller.ask(move |desk| desk.contacts(account)).await
}

/// The contact of this number, if it is the account's (W6).
async fn one(caller: &Caller, id: &str) -> Result<KnownContact, Fault> {
    let id: u32 = id.parse().map_err(|_| Fault::not_found())?;
    let found = all(caller).await?.into_iter().find(|contact| contact.id.0 == id);
    found.ok_or_else(Fault::not_found)
}

/// GET /api/v1/contacts
pub async fn list(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<Contacts, Fault> {
    let all = all(&caller).await?;
    Ok(Contacts { contacts: all.iter().map(Contact::from).collect() })
}

/// GET /api/v1/contacts/{contact}
pub async fn show(caller: Caller, sent: Sent<Nothing, Nothing>) -> Result<Contact, Fault> {
    Ok(Contact::from(&one(&caller, &sent.id).await?))
}

/// How somebody is reached.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum ChannelName {
    Mail,
    Sms,
    Webhook,
}

impl ChannelName {
    const fn code(self) -> &'static str {
        match self {
            ChannelName::Mail => "mail",
            ChannelName::Sms => "sms",
            ChannelName::Webhook => "webhook",
        }
    }
}

/// Somebody who shall be told.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewContact {
    /// How.
    #[schema(inline)]
    channel: ChannelName,
    /// Where: a mail address, a number, a URL.
    #[schema(min_length = 1, max_length = 500, example = "amy@example.com")]
    to: String,
    /// What people call it.
    #[serde(default)]
    #[schema(max_length = 100)]
    name: String,
}

/// What the desk refuses is mostly about one setting: its words begin with its name, or say what was sent.
fn about(ask: &ContactAsk, error: DeskError) -> Fault {
    let (DeskError::Refused(why), ContactAsk::Add(settings) | ContactAsk::Set(_, settings)) =
        (&error, ask)
    else {
        return error.into();
    };
    let is_it = |name: &str, value: &str| {
        why.starts_with(&format!("{name}=")) || (value.len() > 2 && why.contains(value))
    };
    let found = settings.iter().find(|(name, value)| is_it(name, value));
    let field = found.and_then(|(name, _)| FIELDS.iter().find(|(known, _)| known == name));
    match field {
        Some((_, field)) => Fault::invalid(vec![FieldFault::at(format!("/{field}"), why.clone())]),
        None => error.into(),
    }
}

const FIELDS: [(&str, &str); 9] = [
    ("mail", "to"),
    ("sms", "to"),
    ("webhook", "to"),
    ("name", "name"),
    ("classes", "classes"),
    ("on", "is_on"),
    ("quiet", "quiet"),
    ("order", "order"),
    ("wait", "wait"),
];

async fn ask(caller: &Caller, ask: ContactAsk) -> Result<(), Fault> {
    let (account, asked) = (caller.account, ask.clone());
    let done = caller.app.ask(move |desk| desk.change_contact(account, asked, Proof::Token)).await;
    done.map(drop).map_err(|error| about(&ask, error))
}

/// POST /api/v1/contacts: a code is sent there; it is told what happens when the code was shown.
pub async fn add(caller: Caller, sent: Sent<Nothing, NewContact>) -> Result<Contact, Fault> {
    let NewContact { channel, to, name } = sent.body;
    let known: Vec<ContactId> = all(&caller).await?.iter().map(|contact| contact.id).collect();
    let mut settings = vec![(channel.code().to_owned(), to.trim().to_owned())];
    if !name.trim().is_empty() {
        settings.push(("name".to_owned(), name.trim().to_owned()));
    }
    ask(&caller, ContactAsk::Add(settings)).await?;
    let all = all(&caller).await?;
    let new = all.iter().rfind(|contact| !known.contains(&contact.id));
    new.map(Contact::from).ok_or_else(Fault::not_found)
}

/// What of a contact shall be otherwise.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactChange {
    /// What people call it.
    #[schema(max_length = 100)]
    name: Option<String>,
    /// Where it leads, in the same way as before.
    #[schema(min_length = 1, max_length = 500)]
    to: Option<String>,
    /// What it is told of, beside what is critical.
    #[schema(inline, max_items = 5)]
    classes: Option<Vec<Class>>,
    /// Is it told anything?
    is_on: Option<bool>,
    /// Hours in which only what is critical is told; empty: none.
    #[schema(
        pattern = "^([0-2][0-9]:[0-5][0-9]-[0-2][0-9]:[0-5][0-9])?$",
        example = "22:00-07:00"
    )]
    quiet: Option<String>,
    /// Who comes first: 0 is told at once.
    #[schema(minimum = 0, maximum = 9)]
    order: Option<u8>,
    /// How long it waits for those before it.
    #[schema(pattern = "^[0-9]{1,4}[smh]$", example = "15m")]
    wait: Option<String>,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Class {
    Security,
    Money,
    Devices,
    Controls,
    Billing,
}

impl Class {
    const fn code(self) -> &'static str {
        let class = match self {
            Class::Security => EventClass::Security,
            Class::Money => EventClass::Money,
            Class::Devices => EventClass::Devices,
            Class::Controls => EventClass::Controls,
            Class::Billing => EventClass::Billing,
        };
        class.code()
    }
}

impl ContactChange {
    /// As `ringfence contact` has them, without those that stand so already.
    fn settings(self, contact: &KnownContact) -> Vec<(String, String)> {
        let classes = self.classes.map(|classes| {
            let codes: std::collections::BTreeSet<EventClass> =
                classes.into_iter().filter_map(|class| class.code().parse().ok()).collect();
            let codes: Vec<&str> = codes.iter().map(|class| class.code()).collect();
            if codes.is_empty() { "none".to_owned() } else { codes.join(",") }
        });
        let is_on = self.is_on.map(|is_on| if is_on { "yes" } else { "no" }.to_owned());
        let asked = [
            ("name", self.name.map(|name| name.trim().to_owned())),
            ("classes", classes),
            ("on", is_on),
            ("quiet", self.quiet),
            ("order", self.order.map(|order| order.to_string())),
            ("wait", self.wait),
        ];
        let stands = settings_of(contact);
        let is_new = |name: &str, value: &String| {
            !stands.iter().any(|(known, stands)| *known == name && stands == value)
        };
        let to = self.to.map(|to| to.trim().to_owned());
        let to = to.filter(|to| *to != contact.channel.shown());
        let asked = asked.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let asked = asked.filter(|(name, value)| is_new(name, value));
        let asked = asked.chain(to.map(|to| (contact.channel.code(), to)));
        asked.map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// PATCH /api/v1/contacts/{contact}: where it is told less than before, the holder does it himself.
pub async fn change(caller: Caller, sent: Sent<Nothing, ContactChange>) -> Result<Contact, Fault> {
    let contact = one(&caller, &sent.id).await?;
    let settings = sent.body.settings(&contact);
    if !settings.is_empty() {
        ask(&caller, ContactAsk::Set(contact.id, settings)).await?;
    }
    Ok(Contact::from(&one(&caller, &sent.id).await?))
}

/// DELETE /api/v1/contacts/{contact}: nobody is told there any more, so the holder does it himself.
pub async fn remove(caller: Caller, sent: Sent<Nothing, Nothing>) -> Result<Contacts, Fault> {
    let contact = one(&caller, &sent.id).await?;
    ask(&caller, ContactAsk::Remove(contact.id)).await?;
    list(caller, sent).await
}

/// POST /api/v1/contacts/{contact}/test
pub async fn test(caller: Caller, sent: Sent<Nothing, Nothing>) -> Result<Said, Fault> {
    let contact = one(&caller, &sent.id).await?;
    ask(&caller, ContactAsk::Test(contact.id)).await?;
    Ok(Said::that("A test is on its way. The list of alerts says whether it was delivered."))
}

/// The code that was sent.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Code {
    /// As it was sent.
    #[schema(min_length = 1, max_length = 100)]
    code: String,
}

/// POST /api/v1/contacts/{contact}/confirm: wrong codes are counted like wrong passwords.
pub async fn confirm(caller: Caller, sent: Sent<Nothing, Code>) -> Result<Contact, Fault> {
    let contact = one(&caller, &sent.id).await?;
    let is_right = is_code(&caller.app, contact.id, &sent.body.code, &caller.client).await?;
    if !is_right {
        let detail = "That is not the code of the newest message, or it is too old, or too many wrong ones were tried lately";
        return Err(Fault::invalid(vec![FieldFault::at("/code", detail)]));
    }
    Ok(Contact::from(&one(&caller, &sent.id).await?))
}
