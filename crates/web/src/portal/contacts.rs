//! Who is told. Lives here: contacts as cards and as a form, adding, changing, removing, a test.
//! Never here: the code that confirms (`contact_code`), what a contact may be, what needs proof (notify).

use std::collections::BTreeSet;

use askama::Template;
use axum::Form;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use types::{Channel, Contact, ContactId, EventClass, Proof};

use crate::app::{App, Shared};
use crate::desk::{ContactAsk, DeskError};
use crate::guard::Visitor;
use crate::page::{Errors, Frame, Problem, answer, moment, page};
use crate::portal::alerts;
use crate::portal::freeze::say;
use crate::sessions::Pending;

/// What was typed, by field.
type Fields = Vec<(String, String)>;

/// Classes of events, as people say them.
const CLASSES: [(EventClass, &str); 5] = [
    (EventClass::Security, "somebody may abuse the account"),
    (EventClass::Money, "usage and limits"),
    (EventClass::Devices, "phones and passwords"),
    (EventClass::Controls, "changes of settings"),
    (EventClass::Billing, "bills and payments"),
];
/// Who comes first, in words.
const ORDERS: [(&str, &str); 3] = [
    ("0", "At once"),
    ("1", "When those who are told at once do not answer"),
    ("2", "When the second do not answer either"),
];
/// How a new contact is reached.
const CHANNELS: [(&str, &str); 3] =
    [("mail", "Mail"), ("sms", "SMS"), ("webhook", "Webhook (a signed POST to your program)")];

/// A contact as a card.
pub struct Card {
    /// Names it.
    pub id: ContactId,
    /// What people call it, or where it leads.
    pub name: String,
    /// How and where it is reached.
    pub to: String,
    /// What it is told of.
    pub about: String,
    /// When, in what order.
    pub when: String,
    /// The code was shown, or none is needed.
    pub is_confirmed: bool,
    /// Is it told anything?
    pub is_on: bool,
    /// Since when it is reached in this way.
    pub since: String,
}

impl Card {
    /// Of a contact.
    pub fn of(contact: &Contact, zone: &str) -> Card {
        let shown = contact.channel.shown();
        let name = if contact.name.is_empty() { &shown } else { &contact.name };
        let words = CLASSES.iter().filter(|(class, _)| contact.classes.contains(class));
        let words: Vec<&str> = words.map(|(_, words)| *words).collect();
        let about = match words.len() {
            0 => "Only what is critical".to_owned(),
            5 => "Everything".to_owned(),
            _ => format!("What is critical; {}", words.join("; ")),
        };
        let mut when = match contact.order {
            0 => "At once".to_owned(),
            _ => format!("If nobody before answers for {}", span(contact.wait_ms)),
        };
        if let Some(quiet) = contact.quiet {
            when.push_str(&format!(", between {quiet} only what is critical"));
        }
        Card {
            id: contact.id,
            name: name.clone(),
            to: format!("{} {shown}", contact.channel.code()),
            about,
            when,
            is_confirmed: contact.confirmed.is_some(),
            is_on: contact.is_on,
            since: moment(contact.since, zone),
        }
    }
}

/// `15m`, as settings have it.
fn span(ms: u64) -> String {
    match ms / 1_000 {
        seconds if seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
        seconds if seconds % 60 == 0 => format!("{}m", seconds / 60),
        seconds => format!("{seconds}s"),
    }
}

/// What was typed into the form for a new contact.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Added {
    /// `mail`, `sms` or `webhook`.
    #[serde(default)]
    pub channel: String,
    /// Where to.
    #[serde(default)]
    pub to: String,
    /// What people call it.
    #[serde(default)]
    pub name: String,
}

impl Added {
    /// The channels to choose from.
    pub fn channels(&self) -> impl Iterator<Item = (&'static str, &'static str, bool)> {
        CHANNELS.into_iter().map(|(code, words)| (code, words, code == self.channel))
    }
}

/// POST /contacts
pub async fn add(
    State(app): State<Shared>,
    visitor: Visitor,
    Form(form): Form<Added>,
) -> Result<Response, Problem> {
    let known = CHANNELS.iter().any(|(code, _)| *code == form.channel);
    if !known || form.to.trim().is_empty() {
        let errors = Errors::one("to", "Say where: a mail address, a number or a URL.");
        return alerts::whole(&app, &visitor, form, errors).await;
    }
    let mut settings = vec![(form.channel.clone(), form.to.trim().to_owned())];
    if !form.name.trim().is_empty() {
        settings.push(("name".to_owned(), form.name.trim().to_owned()));
    }
    let account = visitor.session.account;
    let proof = proof(&app, &visitor);
    let ask = ContactAsk::Add(settings);
    match app.ask(move |desk| desk.change_contact(account, ask, proof)).await {
        Ok(_) => {
            let words =
                "Added. A code was sent there: it is told what happens when the code was typed in.";
            say(&app, &visitor, words);
            Ok(Redirect::to("/alerts").into_response())
        }
        Err(DeskError::Refused(why)) => {
            let field = if why.starts_with("name=") { "name" } else { "to" };
            alerts::whole(&app, &visitor, form, Errors::one(field, why)).await
        }
        Err(other) => Err(other.into()),
    }
}

fn proof(app: &App, visitor: &Visitor) -> Proof {
    match visitor.session.is_fresh(app.now()) {
        true => Proof::Fresh,
        false => Proof::LoggedIn,
    }
}

/// A contact as a form.
struct Edited {
    id: ContactId,
    name: String,
    /// Where it leads; of a webhook only the host is shown, so what is empty stays as it is.
    to: String,
    to_label: &'static str,
    placeholder: String,
    classes: Vec<(&'static str, &'static str, bool)>,
    is_on: bool,
    quiet: String,
    orders: Vec<(&'static str, &'static str, bool)>,
    wait: String,
}

#[derive(Template)]
#[template(path = "contact.html")]
struct ContactPage {
    frame: Frame,
    contact: Edited,
    errors: Errors,
}

fn typed<'f>(fields: &'f [(String, String)], name: &str) -> Option<&'f str> {
    fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

impl Edited {
    fn of(contact: &Contact, fields: Option<&[(String, String)]>) -> Edited {
        let stands = settings_of(contact);
        let text = |name: &str| {
            let typed = fields.and_then(|fields| typed(fields, name));
            let stands = stands.iter().find(|(known, _)| *known == name);
            typed.map(str::to_owned).or_else(|| stands.map(|(_, value)| value.clone()))
        };
        let is_chosen = |class: EventClass| match fields {
            Some(fields) => typed(fields, &format!("class-{}", class.code())).is_some(),
            None => contact.classes.contains(&class),
        };
        let order = text("order").unwrap_or_default();
        let shown = contact.channel.shown();
        let is_hook = matches!(contact.channel, Channel::Webhook { .. });
        let to = fields.and_then(|fields| typed(fields, "to")).map(str::to_owned);
        Edited {
            id: contact.id,
            name: text("name").unwrap_or_default(),
            to: to.unwrap_or_else(|| if is_hook { String::new() } else { shown.clone() }),
            to_label: match contact.channel {
                Channel::Mail { .. } => "Mail address",
                Channel::Sms { .. } => "Number",
                Channel::Webhook { .. } => "URL",
            },
            placeholder: if is_hook { format!("Now {shown}; empty: stays") } else { String::new() },
            classes: CLASSES
                .iter()
                .map(|(class, words)| (class.code(), *words, is_chosen(*class)))
                .collect(),
            is_on: match fields {
                Some(fields) => typed(fields, "on").is_some(),
                None => contact.is_on,
            },
            quiet: text("quiet").unwrap_or_default(),
            orders: ORDERS.iter().map(|(code, words)| (*code, *words, *code == order)).collect(),
            wait: text("wait").unwrap_or_default(),
        }
    }
}

/// The settings of the form as they stand, without where it leads.
pub fn settings_of(contact: &Contact) -> Vec<(&'static str, String)> {
    let classes: Vec<&str> = contact.classes.iter().map(|class| class.code()).collect();
    vec![
        ("name", contact.name.clone()),
        ("classes", if classes.is_empty() { "none".to_owned() } else { classes.join(",") }),
        ("on", if contact.is_on { "yes" } else { "no" }.to_owned()),
        ("quiet", contact.quiet.map_or_else(String::new, |quiet| quiet.to_string())),
        ("order", contact.order.to_string()),
        ("wait", span(contact.wait_ms)),
    ]
}

/// Settings that shall be otherwise.
fn wanted(contact: &Contact, fields: &[(String, String)]) -> Fields {
    let value = |name: &str| typed(fields, name).unwrap_or_default().trim().to_owned();
    let chosen: BTreeSet<EventClass> = CLASSES
        .iter()
        .map(|(class, _)| *class)
        .filter(|class| typed(fields, &format!("class-{}", class.code())).is_some())
        .collect();
    let mut wanted = Fields::new();
    let to = value("to");
    if !to.is_empty() && to != contact.channel.shown() {
        wanted.push((contact.channel.code().to_owned(), to));
    }
    for (name, stands) in settings_of(contact) {
        let asked = match name {
            "classes" => match chosen.iter().map(|class| class.code()).collect::<Vec<_>>() {
                none if none.is_empty() => "none".to_owned(),
                some => some.join(","),
            },
            "on" => if typed(fields, "on").is_some() { "yes" } else { "no" }.to_owned(),
            _ => value(name),
        };
        if asked != stands {
            wanted.push((name.to_owned(), asked));
        }
    }
    wanted
}

async fn one(app: &App, visitor: &Visitor, id: u32) -> Result<Contact, Problem> {
    let account = visitor.session.account;
    let all = app.ask(move |desk| desk.contacts(account)).await?;
    // Another's contact is not there (W6).
    all.into_iter().find(|contact| contact.id.0 == id).ok_or_else(Problem::not_found)
}

/// GET /contacts/{id}
pub async fn show(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(id): Path<u32>,
) -> Result<Response, Problem> {
    let contact = one(&app, &visitor, id).await?;
    let frame = Frame::of(&app, &visitor, "Who is told", "alerts");
    let contact = Edited::of(&contact, None);
    Ok(page(&ContactPage { frame, contact, errors: Errors::default() }))
}

/// POST /contacts/{id}: less needs fresh proof.
pub async fn save(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(id): Path<u32>,
    Form(fields): Form<Fields>,
) -> Result<Response, Problem> {
    let contact = one(&app, &visitor, id).await?;
    let settings = wanted(&contact, &fields);
    if settings.is_empty() {
        say(&app, &visitor, "Nothing was changed: it stands as you typed it.");
        return Ok(Redirect::to("/alerts").into_response());
    }
    let (account, proof) = (visitor.session.account, proof(&app, &visitor));
    let ask = ContactAsk::Set(contact.id, settings);
    let asked = ask.clone();
    match app.ask(move |desk| desk.change_contact(account, asked, proof)).await {
        Ok(_) => Ok(done(&app, &visitor, &ask)),
        Err(DeskError::NeedsProof) => Ok(ask_first(&app, &visitor, ask)),
        Err(DeskError::Refused(why)) => {
            let field = why.split_once('=').map(|(name, _)| name);
            let field = ["name", "quiet", "wait"].into_iter().find(|one| field == Some(one));
            let frame = Frame::of(&app, &visitor, "Who is told", "alerts");
            let contact = Edited::of(&contact, Some(&fields));
            let page =
                ContactPage { frame, contact, errors: Errors::one(field.unwrap_or("to"), why) };
            Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
        Err(other) => Err(other.into()),
    }
}

/// POST /contacts/{id}/remove: needs fresh proof.
pub async fn remove(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(id): Path<u32>,
) -> Result<Response, Problem> {
    let contact = one(&app, &visitor, id).await?;
    let ask = ContactAsk::Remove(contact.id);
    let is_fresh = visitor.session.is_fresh(app.now());
    if is_fresh {
        change_now(&app, &visitor, ask).await
    } else {
        Ok(ask_first(&app, &visitor, ask))
    }
}

/// POST /contacts/{id}/test
pub async fn test(
    State(app): State<Shared>,
    visitor: Visitor,
    Path(id): Path<u32>,
) -> Result<Response, Problem> {
    let contact = one(&app, &visitor, id).await?;
    change_now(&app, &visitor, ContactAsk::Test(contact.id)).await
}

fn ask_first(app: &App, visitor: &Visitor, ask: ContactAsk) -> Response {
    app.sessions.amend(&visitor.token, |session| session.pending = Some(Pending::Contact(ask)));
    Redirect::to("/confirm").into_response()
}

/// Carries a change out; what cannot be so is said at the top of the page.
pub async fn change_now(
    app: &App,
    visitor: &Visitor,
    ask: ContactAsk,
) -> Result<Response, Problem> {
    let (account, proof, asked) = (visitor.session.account, proof(app, visitor), ask.clone());
    match app.ask(move |desk| desk.change_contact(account, asked, proof)).await {
        Ok(_) => Ok(done(app, visitor, &ask)),
        Err(DeskError::NeedsProof) => Ok(ask_first(app, visitor, ask)),
        Err(DeskError::Refused(why)) => {
            say(app, visitor, &format!("That was not done: {why}."));
            Ok(Redirect::to("/alerts").into_response())
        }
        Err(other) => Err(other.into()),
    }
}

fn done(app: &App, visitor: &Visitor, ask: &ContactAsk) -> Response {
    let words = match ask {
        ContactAsk::Add(_) => "Added.",
        ContactAsk::Set(_, settings)
            if settings.iter().any(|(name, _)| CHANNELS.iter().any(|(one, _)| one == name)) =>
        {
            "Changed. A code was sent there, to be typed in; and the address before was told."
        }
        ContactAsk::Set(..) => "Changed, and told to the contact itself.",
        ContactAsk::Remove(_) => "Removed, and told to whom it was.",
        ContactAsk::Test(_) => "A test is on its way. Below you see whether it was delivered.",
    };
    say(app, visitor, words);
    Redirect::to("/alerts").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contact() -> Contact {
        let channel = Channel::Mail { address: "amy@example.com".to_owned() };
        Contact { name: "Amy".to_owned(), channel, ..types::record_samples::contact(3) }
    }

    #[test]
    fn only_what_differs_is_wanted() {
        fn check(typed: &[(&str, &str)], want: &[(&str, &str)]) {
            let whole = [
                ("to", "amy@example.com"),
                ("name", "Amy"),
                ("on", "yes"),
                ("quiet", ""),
                ("order", "0"),
                ("wait", "15m"),
            ];
            let classes = CLASSES.map(|(class, _)| (format!("class-{}", class.code()), "yes"));
            let mut fields: Fields = whole
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .chain(classes.into_iter().map(|(name, value)| (name, value.to_owned())))
                .collect();
            for (name, value) in typed {
                fields.retain(|(known, _)| known != name);
                if !value.is_empty() {
                    fields.push(((*name).to_owned(), (*value).to_owned()));
                }
            }
            let got = wanted(&contact(), &fields);
            let got: Vec<(&str, &str)> =
                got.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(got, want, "{typed:?}");
        }
        check(&[], &[]);
        check(&[("to", "bob@example.com")], &[("mail", "bob@example.com")]);
        check(&[("to", "")], &[]);
        check(&[("on", "")], &[("on", "no")]);
        check(&[("quiet", "22:00-07:00")], &[("quiet", "22:00-07:00")]);
        check(&[("class-billing", "")], &[("classes", "security,money,devices,controls")]);
        check(&[("order", "1"), ("wait", "5m")], &[("order", "1"), ("wait", "5m")]);
    }
}
