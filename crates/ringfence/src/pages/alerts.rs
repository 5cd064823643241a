//! Alerts and contacts, as the pages ask for them. Lives here: from records to what a page shows; whose they are. Never
//! here: what may be changed (notify), HTML.

use notify::contacts::{ContactError, ContactOrder};
use store::{AlertFilter, AlertReader, Reader, SqliteStore, StoreError};
use types::{
    AccountId, Alert, AlertId, By, Contact, ContactId, DeviceId, Fact, LineId, Proof, catalogue,
    fact_text_with,
};
use web::{AlertDesk, ContactAsk, DeskError, Outcome, ToldAlert};

use super::desk::{NodeUsers, down};
use crate::shell::alerts::ContactWish;

impl AlertDesk for NodeUsers {
    fn contacts(&self, account: AccountId) -> Result<Vec<Contact>, DeskError> {
        let found = self.read(|reader| reader.contacts(Some(account)))?;
        let found = found.into_iter().map(|entry| entry.contact);
        Ok(found.filter(|contact| !contact.is_removed).collect())
    }

    fn alerts(&self, account: AccountId, limit: u32) -> Result<Vec<ToldAlert>, DeskError> {
        let filter = AlertFilter { account: Some(Some(account)), undelivered: false, limit };
        self.read(|reader| {
            let alerts = reader.alerts(&filter)?;
            let words = Words::new(reader, account, &self.currency)?;
            let told = alerts.into_iter().map(|alert| words.told(alert));
            Ok(told.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        })
    }

    fn alert(&self, account: AccountId, id: AlertId) -> Result<Option<ToldAlert>, DeskError> {
        self.read(|reader| {
            let found = reader.alert(id)?.filter(|alert| alert.account == Some(account));
            match found {
                Some(alert) => Words::new(reader, account, &self.currency)?.told(alert),
                None => Ok(None),
            }
        })
    }

    fn change_contact(
        &self,
        account: AccountId,
        ask: ContactAsk,
        proof: Proof,
    ) -> Result<Outcome, DeskError> {
        let own = |id: ContactId| match self.contacts(account)?.iter().any(|one| one.id == id) {
            true => Ok(id),
            false => Err(DeskError::Refused("there is no such contact".to_owned())),
        };
        let order = match ask {
            ContactAsk::Add(settings) => ContactOrder::Add { account: Some(account), settings },
            ContactAsk::Set(id, settings) => ContactOrder::Set { contact: own(id)?, settings },
            ContactAsk::Remove(id) => ContactOrder::Remove { contact: own(id)? },
            ContactAsk::Test(id) => ContactOrder::Test { contact: own(id)? },
        };
        self.order(order, proof)
    }

    fn confirm_contact(&self, contact: ContactId, code: &str) -> Result<bool, DeskError> {
        let order = ContactOrder::Confirm { contact, code: code.to_owned() };
        match self.order(order, Proof::Fresh) {
            Ok(_) => Ok(true),
            Err(DeskError::Refused(_)) => Ok(false),
            Err(other) => Err(other),
        }
    }

    fn acknowledge(&self, account: AccountId, id: AlertId) -> Result<(), DeskError> {
        let found = self.read(|reader| reader.alert(id))?;
        if found.is_none_or(|alert| alert.account != Some(account)) {
            return Err(DeskError::Refused("there is no such alert".to_owned()));
        }
        let by = By::Holder { proof: Proof::LoggedIn };
        self.contacts.acknowledge(id, &by, &self.node).map(drop).map_err(down)
    }
}

impl NodeUsers {
    fn order(&self, order: ContactOrder, proof: Proof) -> Result<Outcome, DeskError> {
        let wish = ContactWish { order, by: By::Holder { proof }, why: String::new() };
        match self.contacts.change(wish, &self.node) {
            Ok(answer) => {
                let message = answer["message"].as_str().unwrap_or_default().to_owned();
                Ok(Outcome { message })
            }
            Err(error) => Err(match error.downcast::<ContactError>() {
                Ok(ContactError::NeedsProof) => DeskError::NeedsProof,
                Ok(ContactError::Store(error)) => down(error),
                Ok(refused) => DeskError::Refused(refused.to_string()),
                Err(other) => down(other),
            }),
        }
    }
}

/// What alerts of an account are about, in words.
struct Words<'r> {
    reader: &'r SqliteStore,
    currency: &'r str,
    lines: Vec<(LineId, String)>,
}

impl<'r> Words<'r> {
    fn new(
        reader: &'r SqliteStore,
        account: AccountId,
        currency: &'r str,
    ) -> Result<Words<'r>, StoreError> {
        let lines = reader.lines(Some(account))?.into_iter().map(|line| (line.id, line.user));
        Ok(Words { reader, currency, lines: lines.collect() })
    }

    /// `None`: its fact is not there.
    fn told(&self, alert: Alert) -> Result<Option<ToldAlert>, StoreError> {
        let Some(fact) = self.reader.fact(alert.id.fact)? else { return Ok(None) };
        let name = |id: LineId| {
            let line = self.lines.iter().find(|(line, _)| *line == id);
            line.map_or_else(|| id.to_string(), |(_, user)| user.clone())
        };
        let about = catalogue::of(&fact.fact);
        let entry = self.reader.contact_entry(alert.id.entry)?;
        Ok(Some(ToldAlert {
            happened: fact.at,
            kind: about.code,
            title: about.title.to_owned(),
            sentence: fact_text_with(&fact.fact, self.currency, &name),
            advice: about.advice.to_owned(),
            device: device_of(&fact.fact),
            to: entry.map(|entry| entry.contact.channel.shown()).unwrap_or_default(),
            alert,
        }))
    }
}

fn device_of(fact: &Fact) -> Option<DeviceId> {
    match fact {
        Fact::NewDevice { device, .. }
        | Fact::DeviceMoved { device, .. }
        | Fact::DeviceChanged { device, .. }
        | Fact::BannedDeviceTried { device, .. } => Some(*device),
        _ => None,
    }
}
