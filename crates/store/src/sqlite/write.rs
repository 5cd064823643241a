//! Records into rows. Lives here: every statement that writes. Never here: when to commit.

use std::borrow::Cow;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, params};
use serde::Serialize;
use types::record::Deck;
use types::{
    Account, BindingRecord, Cdr, Fact, Hold, HoldState, Line, Number, Record, Transfer, Trunk,
    UnixMicros,
};

use super::Applied;
use super::columns::{self, BindingDetail, CdrDetail, Code, HoldDetail, Json};
use crate::rules;

macro_rules! statements {
    ($($name:ident = $sql:literal;)*) => {
        /// The statements that calls and registrations use.
        #[derive(Clone, Copy)]
        enum Sql { $($name),* }

        const TEXTS: &[&str] = &[$($sql),*];
    };
}

statements! {
    Begin = "BEGIN IMMEDIATE";
    Commit = "COMMIT";
    // A call that has ended is not held again, however late its hold is told once more.
    Hold = "INSERT INTO hold (decision, account, line, to_account, direction, amount, covered_ms, \
            started, answered, trunk, detail, legs) \
            SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 \
            WHERE NOT EXISTS (SELECT 1 FROM cdr WHERE cdr.decision = $1) \
            ON CONFLICT (decision) DO UPDATE SET account = excluded.account, \
            line = excluded.line, to_account = excluded.to_account, direction = excluded.direction, \
            amount = excluded.amount, covered_ms = excluded.covered_ms, started = excluded.started, \
            answered = excluded.answered, trunk = excluded.trunk, detail = excluded.detail, \
            legs = excluded.legs";
    HoldClosed = "DELETE FROM hold WHERE decision = $1";
    Cdr = "INSERT INTO cdr (decision, account, line, to_account, direction, outcome, class, e164, \
           region, hotspot, started, answered, ended, duration_ms, price, cost, trunk, cause, \
           status, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, \
           $15, $16, $17, $18, $19, $20) ON CONFLICT (decision) DO NOTHING";
    Unbilled = "INSERT INTO account_total (account, unbilled) VALUES ($1, $2) \
                ON CONFLICT (account) DO UPDATE SET unbilled = account_total.unbilled + excluded.unbilled";
    Spending = "INSERT INTO spending (at, account, costly, amount) VALUES ($1, $2, $3, $4) \
                ON CONFLICT (at, account, costly) \
                DO UPDATE SET amount = spending.amount + excluded.amount";
    Country = "INSERT INTO country_called (account, region) VALUES ($1, $2) \
               ON CONFLICT (account, region) DO NOTHING";
    Transfer = "INSERT INTO transfer (decision, kind, debit, debit_id, credit, credit_id, amount, at) \
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (decision, kind) DO NOTHING";
    Binding = "INSERT INTO binding (line, contact, expires, detail) VALUES ($1, $2, $3, $4) \
               ON CONFLICT (line, contact) \
               DO UPDATE SET expires = excluded.expires, detail = excluded.detail";
    BindingGone = "DELETE FROM binding WHERE line = $1 AND contact = $2";
    Applied = "UPDATE applied SET group_seq = $1, last_decision = $2, newest = $3 WHERE writer = $4";
}

/// One transaction. Statements are looked up once for the whole of it.
pub struct Group<'c> {
    conn: &'c Connection,
    ready: [Option<CachedStatement<'c>>; TEXTS.len()],
    buffer: Vec<u8>,
}

impl<'c> Group<'c> {
    pub fn new(conn: &'c Connection) -> Group<'c> {
        Group { conn, ready: [const { None }; TEXTS.len()], buffer: Vec::with_capacity(2_048) }
    }

    pub fn begin(&mut self) -> rusqlite::Result<()> {
        self.run(Sql::Begin, []).map(drop)
    }

    pub fn commit(mut self) -> rusqlite::Result<()> {
        self.run(Sql::Commit, []).map(drop)
    }

    /// Our row in `applied`.
    pub fn applied(&mut self, to: Applied) -> rusqlite::Result<()> {
        let row = (to.group_seq, columns::decision(to.last_decision), to.newest.0, to.writer);
        self.run(Sql::Applied, row).map(drop)
    }

    /// Writes one record.
    pub fn record(&mut self, record: &Record) -> rusqlite::Result<()> {
        match record {
            Record::Hold(hold) => self.hold(hold),
            Record::HoldClosed(id) => self.run(Sql::HoldClosed, [columns::decision(*id)]).map(drop),
            Record::Cdr(cdr) => self.cdr(cdr),
            Record::Transfer(transfer) => self.transfer(transfer),
            Record::Binding(binding) => self.binding(binding),
            Record::BindingGone(line, contact) => {
                self.run(Sql::BindingGone, (line.0, contact)).map(drop)
            }
            Record::Fact(at, fact) => append_fact(self.conn, *at, fact),
            Record::Account(account) => put_account(self.conn, account),
            Record::Line(line) => put_line(self.conn, line),
            Record::Number(number) => put_number(self.conn, number),
            Record::NumberGone(number) => {
                let e164 = columns::e164(*number);
                self.conn.execute("DELETE FROM number WHERE e164 = $1", [e164]).map(drop)
            }
            Record::Trunk(trunk) => put_trunk(self.conn, trunk),
            Record::Deck(deck) => put_deck(self.conn, deck),
        }
    }

    fn run(&mut self, which: Sql, params: impl Params) -> rusqlite::Result<usize> {
        statement(self.conn, &mut self.ready, which)?.execute(params)
    }

    fn hold(&mut self, hold: &Hold) -> rusqlite::Result<()> {
        let detail = HoldDetail {
            caller: Cow::Borrowed(&hold.caller),
            dialled: Cow::Borrowed(&hold.dialled),
            destination: Cow::Borrowed(&hold.destination),
            cost_rate: hold.cost_rate,
            rate: hold.explanation.rate,
            rate_prefix: hold.explanation.rate_prefix.as_deref().map(Cow::Borrowed),
            findings: Cow::Borrowed(&hold.explanation.findings),
        };
        let answered = match hold.state {
            HoldState::Pending => None,
            HoldState::Answered(at) => Some(at.0),
        };
        let detail = encode(&mut self.buffer, &detail)?;
        let row = params![
            columns::decision(hold.decision),
            hold.account.0,
            hold.line.map(|line| line.0),
            hold.to_account.map(|account| account.0),
            hold.direction.code(),
            hold.amount.micros(),
            hold.covered_ms.cast_signed(),
            hold.started.0,
            answered,
            hold.trunk.map(|trunk| trunk.0),
            detail,
            hold.legs,
        ];
        statement(self.conn, &mut self.ready, Sql::Hold)?.execute(row).map(drop)
    }

    fn cdr(&mut self, cdr: &Cdr) -> rusqlite::Result<()> {
        if self.insert_cdr(cdr)? == 0 {
            return Ok(());
        }
        if let Some(spent) = rules::spending(cdr) {
            let (account, amount) = (spent.account.0, spent.amount.micros());
            self.run(Sql::Unbilled, (account, amount))?;
            self.run(Sql::Spending, (spent.at.0, account, spent.costly, amount))?;
        }
        if let Some((account, region)) = rules::country_called(cdr) {
            self.run(Sql::Country, (account.0, region.as_str()))?;
        }
        Ok(())
    }

    fn insert_cdr(&mut self, cdr: &Cdr) -> rusqlite::Result<usize> {
        let detail = CdrDetail {
            caller: Cow::Borrowed(&cdr.caller),
            dialled: Cow::Borrowed(&cdr.dialled),
            side: cdr.side,
            tier: cdr.destination.tier,
            cost_rate: cdr.cost_rate,
            rate: cdr.explanation.rate,
            rate_prefix: cdr.explanation.rate_prefix.as_deref().map(Cow::Borrowed),
            findings: Cow::Borrowed(&cdr.explanation.findings),
            a_leg: Cow::Borrowed(&cdr.a_leg),
            b_leg: Cow::Borrowed(&cdr.b_leg),
        };
        let detail = encode(&mut self.buffer, &detail)?;
        let row = params![
            columns::decision(cdr.decision),
            cdr.account.0,
            cdr.line.map(|line| line.0),
            cdr.to_account.map(|account| account.0),
            cdr.direction.code(),
            columns::outcome(cdr.explanation.outcome),
            cdr.destination.class.code(),
            cdr.destination.e164.map(columns::e164),
            columns::region(cdr.destination.region.as_ref()),
            cdr.destination.hotspot,
            cdr.started.0,
            cdr.answered.map(|at| at.0),
            cdr.ended.0,
            cdr.duration_ms.cast_signed(),
            cdr.price.micros(),
            cdr.cost.micros(),
            cdr.trunk.map(|trunk| trunk.0),
            cdr.cause.code(),
            cdr.status,
            detail,
        ];
        statement(self.conn, &mut self.ready, Sql::Cdr)?.execute(row)
    }

    fn transfer(&mut self, transfer: &Transfer) -> rusqlite::Result<()> {
        let (debit, debit_id) = columns::ledger_account(transfer.debit);
        let (credit, credit_id) = columns::ledger_account(transfer.credit);
        let (decision, kind) = (columns::decision(transfer.decision), transfer.kind as i64);
        let (amount, at) = (transfer.amount.micros(), transfer.at.0);
        let row = (decision, kind, debit, debit_id, credit, credit_id, amount, at);
        self.run(Sql::Transfer, row).map(drop)
    }

    fn binding(&mut self, binding: &BindingRecord) -> rusqlite::Result<()> {
        let detail = BindingDetail {
            call_id: Cow::Borrowed(&binding.call_id),
            cseq: binding.cseq,
            transport: Cow::Borrowed(&binding.transport),
            peer: binding.peer,
            local: binding.local,
            user_agent: Cow::Borrowed(&binding.user_agent),
            path: Cow::Borrowed(&binding.path),
        };
        let detail = encode(&mut self.buffer, &detail)?;
        let row = params![binding.line.0, binding.contact, binding.expires.0, detail];
        statement(self.conn, &mut self.ready, Sql::Binding)?.execute(row).map(drop)
    }
}

/// The statement, from this group's own shelf.
fn statement<'g, 'c>(
    conn: &'c Connection,
    ready: &'g mut [Option<CachedStatement<'c>>; TEXTS.len()],
    which: Sql,
) -> rusqlite::Result<&'g mut CachedStatement<'c>> {
    let slot = &mut ready[which as usize];
    match slot {
        Some(statement) => Ok(statement),
        None => Ok(slot.insert(conn.prepare_cached(TEXTS[which as usize])?)),
    }
}

/// JSON as a column, in a buffer that is used again.
fn encode<'b>(
    buffer: &'b mut Vec<u8>,
    detail: &impl Serialize,
) -> rusqlite::Result<ToSqlOutput<'b>> {
    buffer.clear();
    serde_json::to_writer(&mut *buffer, detail)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    Ok(ToSqlOutput::Borrowed(ValueRef::Text(buffer)))
}

fn append_fact(conn: &Connection, at: UnixMicros, fact: &Fact) -> rusqlite::Result<()> {
    let body = columns::json(fact)?;
    let known = conn
        .prepare_cached("SELECT 1 FROM fact WHERE at = $1 AND body = $2 LIMIT 1")?
        .query_row((at.0, &body), |_| Ok(()))
        .optional()?;
    if known.is_some() {
        return Ok(());
    }
    conn.prepare_cached(
        "INSERT INTO fact (seq, at, kind, account, body) \
         VALUES ((SELECT COALESCE(MAX(seq), 0) + 1 FROM fact), $1, $2, $3, $4)",
    )?
    .execute((at.0, rules::kind_of(&body), rules::account_of(fact).map(|id| id.0), &body))
    .map(drop)
}

fn put_account(conn: &Connection, account: &Account) -> rusqlite::Result<()> {
    let Account { id, name, status, controls, dial_plan, sell_deck, time_zone } = account;
    conn.prepare_cached(
        "INSERT INTO account (id, name, status, sell_deck, time_zone, controls, dial_plan) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET \
         name = excluded.name, status = excluded.status, sell_deck = excluded.sell_deck, \
         time_zone = excluded.time_zone, controls = excluded.controls, \
         dial_plan = excluded.dial_plan",
    )?
    .execute((id.0, name, status.code(), sell_deck.0, time_zone, Json(controls), Json(dial_plan)))
    .map(drop)
}

fn put_line(conn: &Connection, line: &Line) -> rusqlite::Result<()> {
    let Line { id, account, user, ha1, status, caller_id, ip_lock } = line;
    let caller_id = caller_id.map(columns::e164);
    conn.prepare_cached(
        "INSERT INTO line (id, account, user_name, ha1_md5, ha1_sha256, status, caller_id, ip_lock) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET \
         account = excluded.account, user_name = excluded.user_name, \
         ha1_md5 = excluded.ha1_md5, ha1_sha256 = excluded.ha1_sha256, \
         status = excluded.status, caller_id = excluded.caller_id, ip_lock = excluded.ip_lock",
    )?
    .execute(params![
        id.0,
        account.0,
        user,
        ha1.md5.as_slice(),
        ha1.sha256.as_slice(),
        Code(status),
        caller_id,
        Json(ip_lock)
    ])
    .map(drop)
}

fn put_number(conn: &Connection, number: &Number) -> rusqlite::Result<()> {
    let Number { number, account, line } = number;
    conn.prepare_cached(
        "INSERT INTO number (e164, account, line) VALUES ($1, $2, $3) \
         ON CONFLICT (e164) DO UPDATE SET account = excluded.account, line = excluded.line",
    )?
    .execute((columns::e164(*number), account.0, line.map(|line| line.0)))
    .map(drop)
}

fn put_trunk(conn: &Connection, trunk: &Trunk) -> rusqlite::Result<()> {
    let auth = trunk.auth.as_ref();
    conn.prepare_cached(
        "INSERT INTO trunk (id, name, address, transport, host, auth_user, auth_secret, \
         auth_realm, auth_register, sources, cost_deck, number_format, emergency, enabled) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name, address = excluded.address, \
         transport = excluded.transport, host = excluded.host, auth_user = excluded.auth_user, \
         auth_secret = excluded.auth_secret, auth_realm = excluded.auth_realm, \
         auth_register = excluded.auth_register, sources = excluded.sources, \
         cost_deck = excluded.cost_deck, number_format = excluded.number_format, \
         emergency = excluded.emergency, enabled = excluded.enabled",
    )?
    .execute(params![
        trunk.id.0,
        trunk.name,
        trunk.address.to_string(),
        Code(trunk.transport),
        trunk.host,
        auth.map(|auth| &auth.user),
        auth.map(|auth| &auth.secret),
        auth.map(|auth| &auth.realm),
        auth.map(|auth| auth.register),
        Json(&trunk.sources),
        trunk.cost_deck.map(|deck| deck.0),
        Code(trunk.number_format),
        trunk.emergency,
        trunk.enabled,
    ])?;
    conn.execute("DELETE FROM trunk_route WHERE trunk = $1", [trunk.id.0])?;
    let mut insert = conn.prepare_cached(
        "INSERT INTO trunk_route (trunk, position, prefix, priority) VALUES ($1, $2, $3, $4)",
    )?;
    for (position, route) in (0i64..).zip(&trunk.routes) {
        insert.execute((trunk.id.0, position, &route.prefix, route.priority))?;
    }
    Ok(())
}

fn put_deck(conn: &Connection, deck: &Deck) -> rusqlite::Result<()> {
    conn.execute(
        "INSERT INTO deck (id, name) VALUES ($1, $2) \
         ON CONFLICT (id) DO UPDATE SET name = excluded.name",
        (deck.id.0, &deck.name),
    )?;
    conn.execute("DELETE FROM rate WHERE deck = $1", [deck.id.0])?;
    let mut insert = conn.prepare_cached(
        "INSERT INTO rate (deck, prefix, effective, name, connect_fee, per_minute, minimum_s, \
         first_increment_s, increment_s) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (deck, prefix, effective) DO UPDATE SET name = excluded.name, \
         connect_fee = excluded.connect_fee, per_minute = excluded.per_minute, \
         minimum_s = excluded.minimum_s, first_increment_s = excluded.first_increment_s, \
         increment_s = excluded.increment_s",
    )?;
    for row in &deck.rows {
        let rate = &row.rate;
        insert.execute((
            deck.id.0,
            &row.prefix,
            row.effective.0,
            &*row.name,
            rate.connect_fee.micros(),
            rate.per_minute.micros(),
            rate.minimum_s,
            rate.first_increment_s,
            rate.increment_s,
        ))?;
    }
    Ok(())
}
