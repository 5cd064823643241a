//! Where contacts are changed and alerts acknowledged: by a running node, or on the database. Lives here: one change at a
//! time, written before it is answered. Never here: what may be changed (notify::contacts).

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use notify::contacts::{self, ContactOrder, Planned};
use notify::{Codes, outbox};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{AlertReader, Backend, Batch, OpenOptions, SqliteStore};
use types::{AlertId, By, Contact, Record, UnixMicros};

use super::key::codes;
use crate::config::Config;
use crate::shell::control::{Ask, NodeHandle};

/// What somebody wants of a contact.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ContactWish {
    /// What.
    pub order: ContactOrder,
    /// Who.
    pub by: By,
    /// Why; may be empty.
    pub why: String,
}

/// Changes contacts of a running node.
#[derive(Clone)]
pub struct ContactDesk {
    database: PathBuf,
    codes: Codes,
    /// One at a time: each reads what the one before wrote.
    turn: Arc<Mutex<()>>,
}

impl ContactDesk {
    /// For this data directory.
    pub fn open(config: &Config) -> anyhow::Result<ContactDesk> {
        let (database, codes) = (config.database(), codes(config)?);
        Ok(ContactDesk { database, codes, turn: Arc::new(Mutex::new(())) })
    }

    /// Carries a change out.
    pub fn change(&self, wish: ContactWish, node: &NodeHandle) -> anyhow::Result<Value> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let planned = planned(wish, now(node)?, &self.books()?, &self.codes)?;
        node.answer(Ask::Write(planned.records.clone()))?;
        Ok(view(&planned))
    }

    /// Notes that somebody knows.
    pub fn acknowledge(&self, id: AlertId, by: &By, node: &NodeHandle) -> anyhow::Result<Value> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (records, answer) = acknowledged(id, by, now(node)?, &self.books()?)?;
        if !records.is_empty() {
            node.answer(Ask::Write(records))?;
        }
        Ok(answer)
    }

    fn books(&self) -> anyhow::Result<SqliteStore> {
        let options = OpenOptions { read_only: true, ..OpenOptions::default() };
        Ok(SqliteStore::open(&self.database, options)?)
    }
}

fn now(node: &NodeHandle) -> anyhow::Result<UnixMicros> {
    let now = node.answer(Ask::Now)?;
    now.as_i64().map(UnixMicros).context("the node does not tell the time")
}

fn planned(
    wish: ContactWish,
    now: UnixMicros,
    books: &SqliteStore,
    codes: &Codes,
) -> anyhow::Result<Planned> {
    Ok(contacts::plan(wish.order, (wish.by, wish.why), now, books, codes)?)
}

fn acknowledged(
    id: AlertId,
    by: &By,
    now: UnixMicros,
    books: &SqliteStore,
) -> anyhow::Result<(Vec<Record>, Value)> {
    let alert = books.alert(id)?;
    alert.with_context(|| {
        format!("there is no alert {id}; `ringfence alert list` shows those there are")
    })?;
    let records = outbox::acknowledge(id, by, now, books)?;
    let message = match records.len() {
        0 => format!("alert {id} was acknowledged before"),
        _ => format!("alert {id} is acknowledged: nobody else is told of it"),
    };
    let answer = json!({ "alert": id.to_string(), "changed": records.len(), "message": message });
    Ok((records, answer))
}

/// A change on a database that no node uses.
pub enum Direct {
    /// Of a contact.
    Contact(ContactWish),
    /// Somebody knows.
    Acknowledge(AlertId, By),
}

/// Carries out a change on a database that is open to write, at this time.
pub fn directly(
    what: Direct,
    store: &mut SqliteStore,
    now: UnixMicros,
    codes: &Codes,
) -> anyhow::Result<Value> {
    let (records, answer) = match what {
        Direct::Contact(wish) => {
            let planned = planned(wish, now, store, codes)?;
            let answer = view(&planned);
            (planned.records, answer)
        }
        Direct::Acknowledge(id, by) => acknowledged(id, &by, now, store)?,
    };
    store.commit(&[Batch { ticket: 0, records }])?;
    Ok(answer)
}

fn view(planned: &Planned) -> Value {
    let mut view = contact_view(&planned.contact);
    view["message"] = planned.message.clone().into();
    view
}

/// A contact as JSON; of a URL only the host.
pub fn contact_view(contact: &Contact) -> Value {
    let template = match &contact.channel {
        types::Channel::Webhook { template, .. } => template.clone(),
        _ => None,
    };
    json!({
        "id": contact.id,
        "account": contact.account,
        "name": contact.name,
        "channel": contact.channel.code(),
        "to": contact.channel.shown(),
        "template": template,
        "classes": contact.classes,
        "on": contact.is_on,
        "quiet": contact.quiet.map(|quiet| quiet.to_string()),
        "order": contact.order,
        "wait_s": contact.wait_ms / 1_000,
        "confirmed": contact.confirmed.map(|at| at.to_string()),
        "since": contact.since.to_string(),
        "removed": contact.is_removed,
        "changed": contact.at.to_string(),
        "by": contact.by,
        "why": contact.why,
    })
}
