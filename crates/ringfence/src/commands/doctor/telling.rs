//! Are people told? Lives here: the mail server, contacts, alerts that did not arrive. Never here: sending.

use std::collections::BTreeSet;

use store::{AlertReader, Reader, SqliteStore};
use types::{AccountStatus, Channel};

use super::Found::{self, Good, Warning, Wrong};
use crate::config::Config;
use crate::shell::alerts::templates;

pub fn look(reader: &SqliteStore, config: &Config) -> anyhow::Result<Vec<(String, Found)>> {
    let contacts = reader.all_contacts()?;
    let told: Vec<_> =
        contacts.iter().map(|entry| &entry.contact).filter(|one| one.is_told()).collect();
    let mut found = Vec::new();
    if let Err(error) = templates(config) {
        let remedy = "correct the place named; see ringfence alert preview --help".to_owned();
        found.push(("templates".to_owned(), Wrong(format!("{error:#}"), remedy)));
    }
    let by_mail = told.iter().filter(|one| matches!(one.channel, Channel::Mail { .. })).count();
    found.push((
        "mail".to_owned(),
        match &config.alerts.mail_server {
            Some(server) => Good(format!("{by_mail} contacts by {server}")),
            None if by_mail > 0 => Wrong(
                format!("{by_mail} contacts are told by mail, and there is no mail server"),
                "set mail.server in the configuration".to_owned(),
            ),
            None => Warning(
                "no mail server is configured: nobody is told by mail".to_owned(),
                "set mail.server in the configuration".to_owned(),
            ),
        },
    ));
    let by_sms = told.iter().filter(|one| matches!(one.channel, Channel::Sms { .. })).count();
    if by_sms > 0 && config.alerts.sms_url.is_none() {
        let what = format!("{by_sms} contacts are told by SMS, and there is no gateway");
        let remedy = "set webhook.sms_url in the configuration".to_owned();
        found.push(("SMS".to_owned(), Wrong(what, remedy)));
    }
    let reached: BTreeSet<_> = told.iter().map(|one| one.account).collect();
    let accounts = reader.accounts()?;
    let open = accounts.iter().filter(|account| account.status != AccountStatus::Closed);
    let silent: Vec<&str> = open
        .filter(|account| !reached.contains(&Some(account.id)))
        .map(|account| account.name.as_str())
        .collect();
    let remedy = |what: &str| format!("ringfence contact add {what} mail=alice@example.com");
    found.push((
        "contacts".to_owned(),
        match silent.first() {
            Some(first) => Warning(
                format!("{} accounts have nobody who is told, first {first}", silent.len()),
                remedy("ACCOUNT"),
            ),
            None if !reached.contains(&None) => {
                Warning("nobody of staff is told of anything".to_owned(), remedy("--staff"))
            }
            None => Good(format!("{} of accounts and staff", told.len())),
        },
    ));
    found.push(("alerts".to_owned(), alerts(reader)?));
    Ok(found)
}

fn alerts(reader: &SqliteStore) -> anyhow::Result<Found> {
    let counts = reader.alert_counts()?;
    let remedy = || "see why: ringfence alert list --undelivered".to_owned();
    Ok(match (counts.given_up, counts.in_trouble) {
        (0, 0) => Good(format!("{} on their way", counts.due)),
        (0, count) => Warning(format!("{count} were tried in vain and are tried again"), remedy()),
        (count, _) => Warning(format!("{count} were given up"), remedy()),
    })
}
