//! Settings of a contact by name. Lives here: what each may be, and what is said when it is not. Never here: who may change one.

use std::collections::BTreeSet;

use types::{Channel, Contact, EventClass, Millis};

use super::ContactError;
use crate::address;

/// Settings of a contact, for people.
pub const SETTINGS: &[(&str, &str)] = &[
    ("mail", "address it is told at by mail"),
    ("webhook", "URL that gets a signed POST"),
    ("template", "body of the webhook: chat, a file of yours, or none: JSON with all there is"),
    ("sms", "number it is told at by SMS: +447700900123"),
    ("name", "what people call it"),
    ("classes", "what it is told of: all, or security, money, devices, controls, billing"),
    ("on", "is it told anything: yes or no"),
    ("quiet", "hours in which only what is critical is told: 22:00-07:00, or none"),
    ("order", "who comes first: 0 at once; 1, 2, … when those before were not reached"),
    ("wait", "how long a later one waits for those before: 30s, 15m, 2h"),
];

/// Sets some of them.
pub fn apply(contact: &mut Contact, settings: &[(String, String)]) -> Result<(), ContactError> {
    for (name, value) in settings {
        let wrong =
            |why: String| ContactError::Setting { name: name.clone(), value: value.clone(), why };
        match name.as_str() {
            "mail" => contact.channel = address::mail(value)?,
            "webhook" => {
                let template = match &contact.channel {
                    Channel::Webhook { template, .. } => template.clone(),
                    _ => None,
                };
                contact.channel = address::webhook(value, template)?;
            }
            "sms" => contact.channel = address::sms(value)?,
            "template" => match &mut contact.channel {
                Channel::Webhook { template, .. } => {
                    *template = template_name(value).map_err(wrong)?;
                }
                _ => {
                    return Err(wrong(
                        "only a webhook has a template: set webhook= first".to_owned(),
                    ));
                }
            },
            "name" => {
                if value.chars().count() > 100 || value.chars().any(char::is_control) {
                    return Err(wrong("expected up to 100 characters".to_owned()));
                }
                contact.name.clone_from(value);
            }
            "classes" => contact.classes = classes(value).map_err(wrong)?,
            "on" => contact.is_on = flag(value).map_err(wrong)?,
            "quiet" => {
                contact.quiet = match value.as_str() {
                    "none" | "" => None,
                    text => Some(text.parse().map_err(wrong)?),
                };
            }
            "order" => {
                let order = value.parse().ok().filter(|order| *order < 10);
                contact.order =
                    order.ok_or_else(|| wrong("expected a number from 0 to 9".to_owned()))?;
            }
            "wait" => contact.wait_ms = wait(value).map_err(wrong)?,
            _ => {
                let all: Vec<&str> = SETTINGS.iter().map(|(name, _)| *name).collect();
                return Err(wrong(format!(
                    "there is no such setting; there are {}",
                    all.join(", ")
                )));
            }
        }
    }
    Ok(())
}

fn template_name(value: &str) -> Result<Option<String>, String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match value {
        "" | "none" => Ok(None),
        name if name.len() <= 40 && name.chars().all(is_plain) => Ok(Some(name.to_owned())),
        _ => Err("expected the name of a template, without .json".to_owned()),
    }
}

fn classes(value: &str) -> Result<BTreeSet<EventClass>, String> {
    match value {
        "all" => Ok(EventClass::ALL.into()),
        "none" => Ok(BTreeSet::new()),
        list => list.split([',', '+']).map(|word| word.trim().parse()).collect(),
    }
}

fn flag(value: &str) -> Result<bool, String> {
    match value {
        "yes" | "on" | "true" => Ok(true),
        "no" | "off" | "false" => Ok(false),
        _ => Err("expected yes or no".to_owned()),
    }
}

fn wait(value: &str) -> Result<Millis, String> {
    let units = [("s", 1_000), ("m", 60_000), ("h", 3_600_000)];
    let read = units.into_iter().find_map(|(unit, ms): (&str, u64)| {
        let count: u64 = value.strip_suffix(unit)?.parse().ok()?;
        count.checked_mul(ms).filter(|ms| *ms <= 7 * 86_400_000)
    });
    read.ok_or_else(|| "expected a time up to seven days: 30s, 15m, 2h".to_owned())
}
