//! The chain in its table. Lives here: links as rows, the rows that they are of. Never here: what a break is
//! (`chain`), writing (`write`).

use std::fmt::Display;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row};
use sha2::{Digest, Sha256};
use types::{
    AccountRaises, AccountStatus, Bill, ControlRequest, DeckId, InstalmentPlan, LineStanding,
    Record, Standing,
};

use super::columns::{self, Code, Json, Read};
use super::sealed::{Opener, SealedFormer, SealedLine};
use super::{alerts, billing, decks, history, query, rows, web_users};
use crate::chain::{
    self, Anchor, Content, Each, Found, Hash, Link, LinkKind, Links, Ordered, Place, ReadLink,
};
use crate::seal::KeyId;

const LINKS: &str = "SELECT seq, key_id, kind, key, part, body, marks, hash, mac FROM link \
                     WHERE seq >= $1 ORDER BY seq LIMIT $2";

/// The last link: its number and hash.
pub fn head(conn: &Connection) -> rusqlite::Result<Option<(u64, Hash)>> {
    conn.prepare_cached("SELECT seq, hash FROM link ORDER BY seq DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get::<_, Read<u64>>(0)?.0, row.get(1)?)))
        .optional()
}

/// How far the chain reaches.
pub fn anchor(conn: &Connection) -> rusqlite::Result<Option<Anchor>> {
    Ok(head(conn)?.map(|(seq, hash)| Anchor { seq, hash }))
}

/// The key that made the last link, if a key did.
pub fn last_key(conn: &Connection) -> rusqlite::Result<Option<KeyId>> {
    let sql = "SELECT key_id FROM link ORDER BY seq DESC LIMIT 1";
    let id: Option<Option<u32>> = conn.query_row(sql, [], |row| row.get(0)).optional()?;
    Ok(id.flatten().map(KeyId::from_number))
}

/// What the verifiers of a line are sealed as.
pub fn sealed_line(sealed: &SealedLine) -> Hash {
    let mut hash = Sha256::new();
    let mut add = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(bytes);
    };
    add(&sealed.md5);
    add(&sealed.sha256);
    for former in &sealed.former {
        add(former.texts().0.as_bytes());
        add(former.texts().1.as_bytes());
    }
    hash.finalize().into()
}

/// What the secret of a trunk is sealed as.
pub fn sealed_trunk(sealed: &[u8]) -> Hash {
    Sha256::digest(sealed).into()
}

/// What the secret of a web user is sealed as.
pub fn sealed_web_user(sealed: &[u8]) -> Hash {
    Sha256::digest(sealed).into()
}

/// The tables, as of one moment.
pub struct Tables<'c>(pub &'c Connection);

fn content(record: &Record, sealed: Option<&Hash>) -> Content {
    let mut content = Content::default();
    chain::write(&mut content, record, sealed);
    content
}

/// A number that nobody must have made negative.
fn unsigned(row: &Row<'_>, index: usize) -> Option<u64> {
    row.get::<_, Read<u64>>(index).ok().map(|read| read.0)
}

fn fault(error: impl Display) -> String {
    format!("{error}")
}

fn link(row: &Row<'_>) -> rusqlite::Result<ReadLink> {
    let seq: i64 = row.get(0)?;
    let Ok(number) = u64::try_from(seq) else {
        return Ok(Err((0, format!("its number is {seq}"))));
    };
    let read = || -> Result<Link, String> {
        let kind: i64 = row.get(2).map_err(fault)?;
        let kind = LinkKind::from_code(kind).ok_or_else(|| format!("there is no kind {kind}"))?;
        let key: Read<u64> = row.get(3).map_err(fault)?;
        let id: Option<u32> = row.get(1).map_err(fault)?;
        let place = Place { kind, key: key.0, part: row.get(4).map_err(fault)? };
        Ok(Link {
            seq: number,
            key: id.map(KeyId::from_number),
            place,
            body: row.get(5).map_err(fault)?,
            marks: row.get(6).map_err(fault)?,
            hash: row.get(7).map_err(fault)?,
            mac: row.get(8).map_err(fault)?,
        })
    };
    Ok(read().map_err(|why| (number, why)))
}

/// A row by what it is of: the row, that there is none, or why it cannot be read. What the database itself
/// fails with is an error.
fn found(read: rusqlite::Result<Option<Content>>) -> rusqlite::Result<Found> {
    use rusqlite::Error;
    match read {
        Ok(Some(content)) => Ok(Found::Row(content)),
        Ok(None) => Ok(Found::Nothing),
        Err(
            error @ (Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..)),
        ) => Ok(Found::Unreadable(error.to_string())),
        Err(error) => Err(error),
    }
}

impl Tables<'_> {
    fn one(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<Record>,
    ) -> rusqlite::Result<Found> {
        let read = |row: &Row<'_>| read(row).map(|record| content(&record, None));
        found(self.0.prepare_cached(sql)?.query_row(params, read).optional())
    }

    fn count_of(&self, table: &str) -> rusqlite::Result<u64> {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        self.0.query_row(&sql, [], |row| row.get::<_, Read<u64>>(0)).map(|read| read.0)
    }

    /// Each row of a table with its key; `read` makes the record and what its secret is sealed as.
    fn all(
        &self,
        sql: &str,
        each: Each<'_>,
        read: impl Fn(&Row<'_>) -> rusqlite::Result<(Record, Option<Hash>)>,
    ) -> rusqlite::Result<()> {
        let mut select = self.0.prepare_cached(sql)?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let read = read(row).map(|(record, sealed)| content(&record, sealed.as_ref()));
            each(unsigned(row, 0), found(read.map(Some))?);
        }
        Ok(())
    }
}

impl Tables<'_> {
    fn bill_runs(&self, each: Each<'_>) -> rusqlite::Result<()> {
        let mut select = self.0.prepare_cached(&joined(billing::RUN, " ORDER BY run"))?;
        let mut rows = select.query([])?;
        while let Some(row) = rows.next()? {
            let read = billing::known_run(row).map(|known| {
                let mut content = Content::default();
                chain::write_run(&mut content, &known);
                content
            });
            each(unsigned(row, 0), found(read.map(Some))?);
        }
        Ok(())
    }
}

impl Links for Tables<'_> {
    type Error = rusqlite::Error;

    fn count(&self) -> rusqlite::Result<u64> {
        self.count_of("link")
    }

    fn links(&self, from: u64, most: u32) -> rusqlite::Result<Vec<ReadLink>> {
        // What stands before the first one is nobody's.
        let from = match i64::try_from(from) {
            Ok(0) => i64::MIN,
            Ok(from) => from,
            // Behind the last number that there is.
            Err(_) => return Ok(Vec::new()),
        };
        rows::all(self.0, LINKS, (from, most), link)
    }

    fn row(&self, place: Place) -> rusqlite::Result<Found> {
        let key = place.key.cast_signed();
        match place.kind {
            LinkKind::Call => {
                let sql = joined(rows::CDR, " WHERE decision = $1");
                self.one(&sql, [key], |row| Ok(Record::Cdr(Box::new(rows::cdr(row)?))))
            }
            LinkKind::Transfer => {
                let sql = joined(query::TRANSFER, " WHERE decision = $1 AND kind = $2");
                self.one(&sql, (key, place.part), transfer)
            }
            LinkKind::Fact => {
                let sql = "SELECT body, at, kind, account FROM fact WHERE seq = $1";
                self.one(sql, [key], fact)
            }
            LinkKind::Posting => {
                let sql = "SELECT decision, kind, account, reference, ordered_by, note \
                           FROM posting WHERE seq = $1";
                found(self.0.prepare_cached(sql)?.query_row([key], ordered).optional())
            }
            LinkKind::Bill => {
                let sql = "SELECT detail, previous, total, due, account, run FROM bill \
                           WHERE run = $1 AND account = $2";
                self.one(sql, chain::bill_of(place.key), bill)
            }
            LinkKind::Plan => {
                let sql = "SELECT detail, account FROM instalment_plan WHERE id = $1";
                self.one(sql, [key], plan)
            }
            LinkKind::Standing => {
                let sql = "SELECT detail, account, at, status FROM account_history WHERE seq = $1";
                self.one(sql, [key], standing)
            }
            LinkKind::LineStanding => {
                let sql = "SELECT detail, line, at, account FROM line_history WHERE seq = $1";
                self.one(sql, [key], line_standing)
            }
            LinkKind::Contact => {
                let sql = "SELECT detail, contact, account, at FROM contact_history WHERE seq = $1";
                self.one(sql, [key], contact)
            }
            LinkKind::TrunkStanding => {
                let sql = "SELECT trunk, at, cost_deck FROM trunk_history WHERE seq = $1";
                let read = |row: &Row<'_>| history::trunk_standing(row).map(Record::TrunkStanding);
                self.one(sql, [key], read)
            }
            LinkKind::Deck => {
                let (state, deck) = chain::state_of(place.key);
                let state = decks::state(self.0, DeckId(deck), state);
                found(state.map(|state| state.map(|record| content(&record, None))))
            }
            _ => Ok(Found::Nothing),
        }
    }

    fn rows(&self, kind: LinkKind) -> rusqlite::Result<u64> {
        self.count_of(kind.table())
    }

    fn unlinked(&self, kind: LinkKind, most: usize) -> rusqlite::Result<Vec<Place>> {
        let (key, part) = match kind {
            LinkKind::Call => ("decision", "0"),
            LinkKind::Transfer => ("decision", "kind"),
            LinkKind::Fact
            | LinkKind::Posting
            | LinkKind::Standing
            | LinkKind::LineStanding
            | LinkKind::TrunkStanding
            | LinkKind::Contact => ("seq", "0"),
            LinkKind::Bill => ("run * 4294967296 + account", "0"),
            LinkKind::Deck => ("state * 4294967296 + deck", "0"),
            LinkKind::Plan => ("id", "0"),
            _ => return Ok(Vec::new()),
        };
        let sql = format!(
            "SELECT {key}, {part} FROM {} EXCEPT SELECT key, part FROM link WHERE kind = $1 \
             ORDER BY 1, 2 LIMIT $2",
            kind.table()
        );
        rows::all(self.0, &sql, (kind as u8, most as i64), |row| {
            let part = row.get::<_, i64>(1)?;
            let key = row.get::<_, i64>(0)?.cast_unsigned();
            Ok(Place { kind, key, part: u8::try_from(part).unwrap_or(u8::MAX) })
        })
    }

    fn present(&self, kind: LinkKind, each: Each<'_>) -> rusqlite::Result<()> {
        // Nothing is opened here: a secret that does not open is for others to tell.
        let opener = Opener::new(None);
        let select = |columns: &str| joined(columns, " ORDER BY 1");
        match kind {
            LinkKind::Account => self.all(&select(rows::ACCOUNT), each, |row| {
                Ok((Record::Account(Box::new(rows::account(row)?)), None))
            }),
            LinkKind::Line => self.all(&select(rows::LINE), each, |row| {
                let sealed = rows::sealed_line(row)?;
                let mut line = rows::line(row, &opener)?;
                line.former = sealed.former.iter().map(SealedFormer::unopened).collect();
                Ok((Record::Line(Box::new(line)), Some(sealed_line(&sealed))))
            }),
            LinkKind::Number => self.all(&select(rows::NUMBER), each, |row| {
                Ok((Record::Number(rows::number(row)?), None))
            }),
            LinkKind::Trunk => self.all(rows::TRUNK, each, |row| {
                let sealed: Option<Vec<u8>> = row.get(6)?;
                let mut trunk = rows::trunk(row, &opener)?;
                trunk.routes = rows::routes(self.0, trunk.id)?;
                let sealed = sealed.filter(|_| trunk.auth.is_some());
                Ok((Record::Trunk(Box::new(trunk)), sealed.map(|sealed| sealed_trunk(&sealed))))
            }),
            LinkKind::Reseller => self.all(rows::RESELLER, each, |row| {
                Ok((Record::Reseller(Box::new(rows::reseller(row)?)), None))
            }),
            LinkKind::Raises => {
                let sql = "SELECT account, detail FROM account_raises ORDER BY account";
                self.all(sql, each, |row| Ok((raises(row)?, None)))
            }
            LinkKind::ControlRequest => {
                let sql = "SELECT id, detail, account, state, at FROM control_request ORDER BY id";
                self.all(sql, each, |row| Ok((request(row)?, None)))
            }
            LinkKind::WebUser => {
                let sql = format!("{} ORDER BY id", web_users::USER);
                self.all(&sql, each, |row| {
                    let (user, sealed) = web_users::unopened(row)?;
                    let sealed = sealed.map(|sealed| sealed_web_user(&sealed));
                    Ok((Record::WebUser(Box::new(user)), sealed))
                })
            }
            LinkKind::BillRun => self.bill_runs(each),
            _ => Ok(()),
        }
    }
}

/// A transfer whose columns say nothing else besides.
fn transfer(row: &Row<'_>) -> rusqlite::Result<Record> {
    let transfer = query::transfer(row)?;
    for (index, account) in [(2, transfer.debit), (4, transfer.credit)] {
        let kept: (i64, i64) = (row.get(index)?, row.get(index + 1)?);
        if kept != columns::ledger_account(account) {
            return Err(rusqlite::Error::IntegralValueOutOfRange(index + 1, kept.1));
        }
    }
    Ok(Record::Transfer(transfer))
}

/// A fact whose columns say what its body says: they are what it is found by.
fn fact(row: &Row<'_>) -> rusqlite::Result<Record> {
    let body: String = match row.get_ref(0)? {
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        _ => row.get(0)?,
    };
    let fact: types::Fact = rows::whole(row)?;
    let kept: (String, Option<i64>) = (row.get(2)?, row.get(3)?);
    let account = crate::rules::account_of(&fact).map(|id| i64::from(id.0));
    agree(kept == (crate::rules::kind_of(&body).to_owned(), account), "kind and account")?;
    Ok(Record::Fact(rows::read(row, 1)?, fact))
}

/// Columns beside a body in JSON are what it is found by: they must say what it says.
pub fn agree(do_they: bool, columns: &str) -> rusqlite::Result<()> {
    if do_they {
        return Ok(());
    }
    let why = format!("its columns {columns} do not say what its body says").into();
    Err(rusqlite::Error::FromSqlConversionFailure(2, rusqlite::types::Type::Text, why))
}

/// Who ordered a transfer, and why.
fn ordered(row: &Row<'_>) -> rusqlite::Result<Content> {
    let reference: Option<String> = row.get(3)?;
    let (by, note): (String, String) = (row.get(4)?, row.get(5)?);
    let mut content = Content::default();
    content.add(&Ordered {
        decision: rows::read(row, 0)?,
        kind: columns::read_transfer_kind(row.get(1)?)?,
        account: rows::maybe(row, 2)?,
        reference: reference.as_deref(),
        by: &by,
        note: &note,
    });
    Ok(content)
}

fn bill(row: &Row<'_>) -> rusqlite::Result<Record> {
    let bill: Bill = rows::whole(row)?;
    let kept: [i64; 5] = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?];
    let money = [bill.total.micros(), bill.due.micros()];
    let want = [bill.previous.into(), money[0], money[1], bill.account.0.into(), bill.run.into()];
    agree(kept == want, "previous, total, due, account and run")?;
    Ok(Record::Bill(Box::new(bill)))
}

fn plan(row: &Row<'_>) -> rusqlite::Result<Record> {
    let plan: InstalmentPlan = rows::whole(row)?;
    agree(row.get::<_, i64>(1)? == i64::from(plan.account.0), "account")?;
    Ok(Record::Instalments(Box::new(plan)))
}

fn standing(row: &Row<'_>) -> rusqlite::Result<Record> {
    let standing: Standing = rows::whole(row)?;
    let kept: (i64, i64, AccountStatus) = (row.get(1)?, row.get(2)?, row.get::<_, Code<_>>(3)?.0);
    let want = (i64::from(standing.account.0), standing.at.0, standing.status);
    agree(kept == want, "account, at and status")?;
    Ok(Record::Standing(Box::new(standing)))
}

fn line_standing(row: &Row<'_>) -> rusqlite::Result<Record> {
    let standing: LineStanding = rows::whole(row)?;
    let kept: [i64; 3] = [row.get(1)?, row.get(2)?, row.get(3)?];
    let want = [standing.line.0.into(), standing.at.0, standing.account.0.into()];
    agree(kept == want, "line, at and account")?;
    Ok(Record::LineStanding(Box::new(standing)))
}

fn contact(row: &Row<'_>) -> rusqlite::Result<Record> {
    let (contact, agrees) = alerts::chained_contact(row)?;
    agree(agrees, "contact, account and at")?;
    Ok(contact)
}

fn raises(row: &Row<'_>) -> rusqlite::Result<Record> {
    let raises = row.get::<_, Json<AccountRaises>>(1)?.0;
    agree(row.get::<_, i64>(0)? == i64::from(raises.account.0), "account")?;
    Ok(Record::Raises(Box::new(raises)))
}

fn request(row: &Row<'_>) -> rusqlite::Result<Record> {
    let request = row.get::<_, Json<ControlRequest>>(1)?.0;
    let kept: (i64, i64, String, i64) = (row.get(0)?, row.get(2)?, row.get(3)?, row.get(4)?);
    let (id, account) = (request.id.into(), request.account.0.into());
    let want = (id, account, request.state.code().to_owned(), request.at.0);
    agree(kept == want, "id, account, state and at")?;
    Ok(Record::ControlRequest(Box::new(request)))
}

fn joined(select: &str, more: &str) -> String {
    [select, more].concat()
}
