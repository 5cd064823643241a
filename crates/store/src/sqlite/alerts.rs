//! Contacts and alerts, into rows and out of them. Never here: who is told, when.

use rusqlite::{Connection, OptionalExtension, Row, params};
use types::{AccountId, Alert, AlertId, Contact, ContactId, EventClass, Record, UnixMicros};

use super::SqliteStore;
use super::columns::{Json, Read};
use super::connect::Doing;
use super::rows::{self, all, read};
use crate::alerts::{AlertCounts, AlertFilter, AlertReader, ContactEntry};
use crate::error::StoreError;
use crate::queries::StoredFact;

/// Appends how a contact stands; the same time told again changes nothing. Gives the entry's number.
pub fn append_contact(conn: &Connection, contact: &Contact) -> rusqlite::Result<Option<u64>> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO contact_history (seq, contact, account, at, detail) \
         VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM contact_history), $1, $2, $3, $4) \
         ON CONFLICT (contact, at) DO NOTHING RETURNING seq",
    )?;
    let account = contact.account.map(|id| id.0);
    let row = (contact.id.0, account, contact.at.0, Json(contact));
    insert.query_row(row, |row| read(row, 0)).optional()
}

/// Inserts or replaces an alert.
pub fn put_alert(conn: &Connection, alert: &Alert) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO alert (fact, entry, account, contact, class, made, state, due, detail) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (fact, entry) DO UPDATE SET account = excluded.account, \
         contact = excluded.contact, class = excluded.class, made = excluded.made, \
         state = excluded.state, due = excluded.due, detail = excluded.detail",
    )?
    .execute(params![
        alert.id.fact.cast_signed(),
        alert.id.entry.cast_signed(),
        alert.account.map(|id| id.0),
        alert.contact.0,
        alert.class.code(),
        alert.made.0,
        alert.state.code(),
        alert.state.due().map(|due| due.0),
        Json(alert),
    ])
    .map(drop)
}

/// Alerts were derived from all facts up to this number.
pub fn put_mark(conn: &Connection, fact: u64) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "INSERT INTO alert_mark (id, fact) VALUES (1, $1) \
         ON CONFLICT (id) DO UPDATE SET fact = excluded.fact",
    )?
    .execute([fact.cast_signed()])
    .map(drop)
}

/// A contact whose columns say what its detail says: they are what it is found by.
pub fn chained_contact(row: &Row<'_>) -> rusqlite::Result<(Record, bool)> {
    let contact: Contact = rows::whole(row)?;
    let kept: (i64, Option<i64>, i64) = (row.get(1)?, row.get(2)?, row.get(3)?);
    let account = contact.account.map(|id| i64::from(id.0));
    let agrees = kept == (i64::from(contact.id.0), account, contact.at.0);
    Ok((Record::Contact(Box::new(contact)), agrees))
}

fn entry(row: &Row<'_>) -> rusqlite::Result<ContactEntry> {
    Ok(ContactEntry { seq: read(row, 0)?, contact: row.get::<_, Json<_>>(1)?.0 })
}

fn fact(row: &Row<'_>) -> rusqlite::Result<StoredFact> {
    let fact = row.get::<_, Json<_>>(2)?.0;
    Ok(StoredFact { seq: read(row, 0)?, at: read(row, 1)?, fact })
}

const OPEN: &str = "state IN ('waiting', 'gathering', 'due', 'given-up')";

impl SqliteStore {
    fn ask<T>(
        &self,
        doing: &'static str,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        ask(self.conn()?).doing(&self.file, doing)
    }
}

impl AlertReader for SqliteStore {
    fn facts_after(&self, seq: u64, limit: u32) -> Result<Vec<StoredFact>, StoreError> {
        let sql = "SELECT seq, at, body FROM fact WHERE seq > $1 ORDER BY seq LIMIT $2";
        self.ask("list new facts", |conn| all(conn, sql, (seq.cast_signed(), limit), fact))
    }

    fn fact(&self, seq: u64) -> Result<Option<StoredFact>, StoreError> {
        let sql = "SELECT seq, at, body FROM fact WHERE seq = $1";
        self.ask("ask for a fact", |conn| {
            conn.prepare_cached(sql)?.query_row([seq.cast_signed()], fact).optional()
        })
    }

    fn alert_mark(&self) -> Result<u64, StoreError> {
        let sql = "SELECT COALESCE(MAX(fact), 0) FROM alert_mark";
        self.ask("ask how far alerts are", |conn| {
            conn.query_row(sql, [], |row| row.get::<_, Read<u64>>(0)).map(|mark| mark.0)
        })
    }

    fn contacts(&self, account: Option<AccountId>) -> Result<Vec<ContactEntry>, StoreError> {
        self.contacts_at(account, UnixMicros(i64::MAX))
    }

    fn contacts_at(
        &self,
        account: Option<AccountId>,
        at: UnixMicros,
    ) -> Result<Vec<ContactEntry>, StoreError> {
        // `$n` are numbered in the order of their first use.
        let newest = |whose: &str, at: &str| {
            format!(
                "SELECT seq, detail FROM contact_history AS one WHERE {whose} AND at <= {at} \
                 AND NOT EXISTS (SELECT 1 FROM contact_history AS later \
                 WHERE later.contact = one.contact AND later.at > one.at AND later.at <= {at}) \
                 ORDER BY contact"
            )
        };
        self.ask("list contacts", |conn| match account {
            Some(id) => all(conn, &newest("account = $1", "$2"), (id.0, at.0), entry),
            None => all(conn, &newest("account IS NULL", "$1"), [at.0], entry),
        })
    }

    fn all_contacts(&self) -> Result<Vec<ContactEntry>, StoreError> {
        let sql = "SELECT seq, detail FROM contact_history AS one \
                   WHERE NOT EXISTS (SELECT 1 FROM contact_history AS later \
                   WHERE later.contact = one.contact AND later.at > one.at) ORDER BY contact";
        self.ask("list contacts", |conn| all(conn, sql, [], entry))
    }

    fn contact_history(&self, id: ContactId) -> Result<Vec<ContactEntry>, StoreError> {
        let sql = "SELECT seq, detail FROM contact_history WHERE contact = $1 ORDER BY at DESC";
        self.ask("ask for a contact", |conn| all(conn, sql, [id.0], entry))
    }

    fn contact_entries_since(&self, at: UnixMicros) -> Result<Vec<ContactEntry>, StoreError> {
        let sql = "SELECT seq, detail FROM contact_history WHERE at >= $1 ORDER BY seq";
        self.ask("list new entries of contacts", |conn| all(conn, sql, [at.0], entry))
    }

    fn contact_entry(&self, seq: u64) -> Result<Option<ContactEntry>, StoreError> {
        let sql = "SELECT seq, detail FROM contact_history WHERE seq = $1";
        self.ask("ask for a contact", |conn| {
            conn.prepare_cached(sql)?.query_row([seq.cast_signed()], entry).optional()
        })
    }

    fn alerts(&self, filter: &AlertFilter) -> Result<Vec<Alert>, StoreError> {
        let mut conditions = Vec::new();
        match filter.account {
            Some(Some(id)) => conditions.push(format!("account = {}", id.0)),
            Some(None) => conditions.push("account IS NULL".to_owned()),
            None => {}
        }
        if filter.undelivered {
            conditions.push(OPEN.to_owned());
        }
        let mut sql = "SELECT detail FROM alert".to_owned();
        for (at, condition) in conditions.iter().enumerate() {
            sql.push_str(if at == 0 { " WHERE " } else { " AND " });
            sql.push_str(condition);
        }
        sql.push_str(" ORDER BY fact DESC, entry DESC LIMIT $1");
        self.ask("list alerts", |conn| all(conn, &sql, [filter.limit], rows::whole))
    }

    fn alert(&self, id: AlertId) -> Result<Option<Alert>, StoreError> {
        let sql = "SELECT detail FROM alert WHERE fact = $1 AND entry = $2";
        let key = (id.fact.cast_signed(), id.entry.cast_signed());
        self.ask("ask for an alert", |conn| {
            conn.prepare_cached(sql)?.query_row(key, rows::whole).optional()
        })
    }

    fn alerts_of(&self, fact: u64) -> Result<Vec<Alert>, StoreError> {
        let sql = "SELECT detail FROM alert WHERE fact = $1 ORDER BY entry";
        self.ask("ask for alerts", |conn| all(conn, sql, [fact.cast_signed()], rows::whole))
    }

    fn due_alerts(&self, by: UnixMicros, limit: u32) -> Result<Vec<Alert>, StoreError> {
        let sql = "SELECT detail FROM alert WHERE due IS NOT NULL AND due <= $1 \
                   ORDER BY due, fact, entry LIMIT $2";
        self.ask("ask for alerts", |conn| all(conn, sql, (by.0, limit), rows::whole))
    }

    fn next_due(&self) -> Result<Option<UnixMicros>, StoreError> {
        let sql = "SELECT MIN(due) FROM alert WHERE due IS NOT NULL";
        self.ask("ask for alerts", |conn| {
            conn.query_row(sql, [], |row| row.get::<_, Option<i64>>(0))
                .map(|due| due.map(UnixMicros))
        })
    }

    fn recent_alerts(
        &self,
        contact: ContactId,
        class: EventClass,
        since: UnixMicros,
        limit: u32,
    ) -> Result<Vec<Alert>, StoreError> {
        let sql = "SELECT detail FROM alert WHERE contact = $1 AND class = $2 AND made >= $3 \
                   ORDER BY made DESC, fact DESC, entry DESC LIMIT $4";
        let key = (contact.0, class.code(), since.0, limit);
        self.ask("ask for alerts", |conn| all(conn, sql, key, rows::whole))
    }

    fn gathering(
        &self,
        entry: u64,
        class: EventClass,
        limit: u32,
    ) -> Result<Vec<Alert>, StoreError> {
        let sql = "SELECT detail FROM alert WHERE due IS NOT NULL AND state = 'gathering' \
                   AND entry = $1 AND class = $2 ORDER BY fact LIMIT $3";
        let key = (entry.cast_signed(), class.code(), limit);
        self.ask("ask for alerts", |conn| all(conn, sql, key, rows::whole))
    }

    fn alert_counts(&self) -> Result<AlertCounts, StoreError> {
        let count = |conn: &Connection, condition: &str| {
            let sql = format!("SELECT COUNT(*) FROM alert WHERE {condition}");
            conn.query_row(&sql, [], |row| row.get::<_, Read<u64>>(0)).map(|read| read.0)
        };
        self.ask("count alerts", |conn| {
            Ok(AlertCounts {
                due: count(conn, "due IS NOT NULL AND state IN ('due', 'gathering')")?,
                in_trouble: count(
                    conn,
                    "due IS NOT NULL AND state = 'due' AND detail NOT LIKE '%\"tries\":0,%'",
                )?,
                given_up: count(conn, "state = 'given-up'")?,
            })
        })
    }
}
