//! What calls and phones write, into rows. Lives here: the statements that must be cheap, the move of
//! recent calls. Never here: when to commit.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, Params, params};
use types::{BillRun, BindingRecord, Cdr, DecisionId, Hold, HoldState, Record, Transfer};

use super::{Applied, billing, columns, detail, directory, history, sealed};
use crate::rules;
use crate::seal::{KeyId, Sealer};

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
    NewHold = "INSERT INTO hold (account, line, to_account, direction, amount, covered_ms, started, \
               answered, trunk, detail, legs, decision) \
               VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    OldHold = "UPDATE hold SET account = $1, line = $2, to_account = $3, direction = $4, \
               amount = $5, covered_ms = $6, started = $7, answered = $8, trunk = $9, \
               detail = $10, legs = $11 WHERE decision = $12";
    HasCdr = "SELECT 1 FROM cdr WHERE decision = $1";
    HoldClosed = "DELETE FROM hold WHERE decision = $1";
    Cdr = "INSERT INTO cdr (decision, account, line, to_account, direction, outcome, class, e164, \
           region, hotspot, started, answered, ended, duration_ms, price, cost, trunk, cause, \
           status, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, \
           $15, $16, $17, $18, $19, $20) ON CONFLICT (decision) DO NOTHING";
    Recent = "INSERT INTO recent (decision, account, to_account, at, costly, price) \
              VALUES ($1, $2, $3, $4, $5, $6)";
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

/// Moves what is recent into the sums and indexes by account.
const MOVE: &[&str] = &[
    "INSERT INTO account_total (account, unbilled) \
     SELECT account, SUM(price) FROM recent WHERE price > 0 GROUP BY account ORDER BY account \
     ON CONFLICT (account) DO UPDATE SET unbilled = account_total.unbilled + excluded.unbilled",
    "INSERT INTO spending (at, account, costly, amount) \
     SELECT at, account, costly, SUM(price) FROM recent WHERE price > 0 \
     GROUP BY at, account, costly ORDER BY at, account, costly \
     ON CONFLICT (at, account, costly) DO UPDATE SET amount = spending.amount + excluded.amount",
    "INSERT INTO move (move, first_decision, last_decision, newest) \
     SELECT (SELECT COALESCE(MAX(move), 0) + 1 FROM move), MIN(decision), MAX(decision), MAX(at) \
     FROM recent \
     HAVING COUNT(*) > 0",
    "INSERT INTO account_call (move, account, decision) \
     SELECT (SELECT MAX(move) FROM move), account, decision FROM (\
     SELECT account, decision FROM recent UNION \
     SELECT to_account, decision FROM recent WHERE to_account IS NOT NULL) AS calls \
     ORDER BY account, decision",
    "DELETE FROM recent",
];

/// What a committed group did.
pub struct Written {
    /// CDRs added that are still recent.
    pub added: u64,
    /// Were all that were recent before it moved by one of its records?
    pub moved: bool,
    /// The key that has its proof in the store.
    pub proven: Option<KeyId>,
}

/// One transaction. Statements are looked up once for the whole of it.
pub struct Group<'c> {
    conn: &'c Connection,
    ready: [Option<CachedStatement<'c>>; TEXTS.len()],
    buffer: Vec<u8>,
    /// The newest decision in the store and in this group: what is newer is not there yet.
    newest: DecisionId,
    /// CDRs that were added, since the last move.
    added: u64,
    /// Was what is recent moved by a record of this group?
    moved: bool,
    sealer: Option<&'c Sealer>,
    /// The key whose proof is in the store.
    proven: Option<KeyId>,
}

impl<'c> Group<'c> {
    /// A group for a store whose newest decision is this, and whose newest proof is of this key.
    pub fn new(
        conn: &'c Connection,
        newest: DecisionId,
        (sealer, proven): (Option<&'c Sealer>, Option<KeyId>),
    ) -> Group<'c> {
        let (ready, buffer) = ([const { None }; TEXTS.len()], Vec::with_capacity(2_048));
        Group { conn, ready, buffer, newest, added: 0, moved: false, sealer, proven }
    }

    /// What seals, once the store has a proof of its key.
    fn proven_sealer(&mut self) -> rusqlite::Result<&'c Sealer> {
        let sealer = self.sealer.expect("a store without keys refuses what has to be sealed");
        let newest = sealer.keys().newest().id();
        if self.proven != Some(newest) {
            sealed::prove(self.conn, sealer)?;
            self.proven = Some(newest);
        }
        Ok(sealer)
    }

    /// Moves what is recent into the sums and indexes by account.
    pub fn move_recent(&mut self) -> rusqlite::Result<()> {
        MOVE.iter().try_for_each(|sql| self.conn.prepare_cached(sql)?.execute([]).map(drop))
    }

    pub fn begin(&mut self) -> rusqlite::Result<()> {
        self.run(Sql::Begin, []).map(drop)
    }

    /// Commits.
    pub fn commit(mut self) -> rusqlite::Result<Written> {
        self.run(Sql::Commit, [])?;
        Ok(Written { added: self.added, moved: self.moved, proven: self.proven })
    }

    /// Our row in `applied`.
    pub fn applied(&mut self, to: Applied) -> rusqlite::Result<()> {
        let row = (to.group_seq, columns::decision(to.last_decision), to.newest.0, to.writer);
        self.run(Sql::Applied, row).map(drop)
    }

    /// Writes one record.
    pub fn record(&mut self, record: &Record) -> rusqlite::Result<()> {
        let decision = rules::newest(record).0;
        let is_new = decision > self.newest;
        self.newest = self.newest.max(decision);
        match record {
            Record::Hold(hold) => self.hold(hold, is_new),
            Record::HoldClosed(id) => self.run(Sql::HoldClosed, [columns::decision(*id)]).map(drop),
            Record::Cdr(cdr) => self.cdr(cdr),
            Record::Transfer(transfer) => self.transfer(transfer),
            Record::Posting(posting) => billing::put_posting(self.conn, posting),
            Record::BillRun(run) => self.bill_run(run),
            Record::Bill(bill) => billing::put_bill(self.conn, bill),
            Record::BillRunDone(run) => billing::end_run(self.conn, *run),
            Record::Instalments(plan) => billing::put_plan(self.conn, plan),
            Record::Binding(binding) => self.binding(binding),
            Record::BindingGone(line, contact) => {
                self.run(Sql::BindingGone, (line.0, contact)).map(drop)
            }
            Record::Device(device) => directory::put_device(self.conn, device),
            Record::DeviceGone(id) => directory::remove_device(self.conn, *id),
            Record::LockOut(lock) => directory::put_lock_out(self.conn, lock),
            Record::LockOutGone(scope) => directory::remove_lock_out(self.conn, scope),
            Record::Ban(ban) => directory::put_ban(self.conn, ban),
            Record::BanGone(source) => directory::remove_ban(self.conn, *source),
            Record::Fact(at, fact) => directory::append_fact(self.conn, *at, fact),
            // The group's own row in `applied` keeps the newest time.
            Record::Alive(_) => Ok(()),
            Record::Account(account) => directory::put_account(self.conn, account),
            Record::Standing(standing) => history::append(self.conn, standing),
            Record::LineStanding(standing) => history::append_line(self.conn, standing),
            Record::Raises(raises) => history::put_raises(self.conn, raises),
            Record::ControlRequest(request) => history::put_request(self.conn, request),
            Record::Line(line) => {
                let sealer = self.proven_sealer()?;
                directory::put_line(self.conn, sealer, line)
            }
            Record::Reseller(reseller) => directory::put_reseller(self.conn, reseller),
            Record::Number(number) => directory::put_number(self.conn, number),
            Record::NumberGone(number) => directory::remove_number(self.conn, *number),
            Record::Trunk(trunk) => {
                let secret = match &trunk.auth {
                    None => None,
                    Some(auth) => Some(sealed::trunk(self.proven_sealer()?, trunk.id, auth)?),
                };
                directory::put_trunk(self.conn, trunk, secret)
            }
            Record::Deck(deck) => directory::put_deck(self.conn, deck),
        }
    }

    fn run(&mut self, which: Sql, params: impl Params) -> rusqlite::Result<usize> {
        statement(self.conn, &mut self.ready, which)?.execute(params)
    }

    fn hold(&mut self, hold: &Hold, is_new: bool) -> rusqlite::Result<()> {
        if is_new {
            return self.put_hold(Sql::NewHold, hold).map(drop);
        }
        if self.put_hold(Sql::OldHold, hold)? > 0 {
            return Ok(());
        }
        // A call that has ended is not held again, however late its hold is told once more.
        let id = columns::decision(hold.decision);
        let has_ended = statement(self.conn, &mut self.ready, Sql::HasCdr)?.exists([id])?;
        if has_ended { Ok(()) } else { self.put_hold(Sql::NewHold, hold).map(drop) }
    }

    fn put_hold(&mut self, how: Sql, hold: &Hold) -> rusqlite::Result<usize> {
        let answered = match hold.state {
            HoldState::Pending => None,
            HoldState::Answered(at) => Some(at.0),
        };
        detail::hold(&mut self.buffer, hold);
        let row = params![
            hold.account.0,
            hold.line.map(|line| line.0),
            hold.to_account.map(|account| account.0),
            hold.direction.code(),
            hold.amount.micros(),
            hold.covered_ms.cast_signed(),
            hold.started.0,
            answered,
            hold.trunk.map(|trunk| trunk.0),
            json_column(&self.buffer),
            hold.legs,
            columns::decision(hold.decision),
        ];
        statement(self.conn, &mut self.ready, how)?.execute(row)
    }

    fn cdr(&mut self, cdr: &Cdr) -> rusqlite::Result<()> {
        if self.insert_cdr(cdr)? == 0 {
            return Ok(());
        }
        self.added += 1;
        let row = (
            columns::decision(cdr.decision),
            cdr.account.0,
            cdr.to_account.map(|account| account.0),
            rules::stretch(cdr.ended).0,
            cdr.destination.class.is_costly(),
            cdr.price.micros(),
        );
        self.run(Sql::Recent, row)?;
        if let Some((account, region)) = rules::country_called(cdr) {
            self.run(Sql::Country, (account.0, region.as_str()))?;
        }
        Ok(())
    }

    fn insert_cdr(&mut self, cdr: &Cdr) -> rusqlite::Result<usize> {
        detail::cdr(&mut self.buffer, cdr);
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
            json_column(&self.buffer),
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

    /// Begins a bill run: what is committed by now is in a move, and has a place among the postings.
    fn bill_run(&mut self, run: &BillRun) -> rusqlite::Result<()> {
        if billing::has_run(self.conn, run.run)? {
            return Ok(());
        }
        self.move_recent()?;
        (self.added, self.moved) = (0, true);
        billing::put_run(self.conn, run)
    }

    fn binding(&mut self, binding: &BindingRecord) -> rusqlite::Result<()> {
        detail::binding(&mut self.buffer, binding);
        let json = json_column(&self.buffer);
        let row = params![binding.line.0, binding.contact, binding.expires.0, json];
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

fn json_column(buffer: &[u8]) -> ToSqlOutput<'_> {
    ToSqlOutput::Borrowed(ValueRef::Text(buffer))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    /// SQLite numbers `$n` by the order in which they first appear, PostgreSQL by n: both must agree.
    #[test]
    fn parameters_appear_in_order() {
        for text in TEXTS {
            let mut seen = 0;
            for rest in text.split('$').skip(1) {
                let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
                let number: usize = rest[..digits].parse().unwrap();
                assert!(number <= seen + 1, "${number} comes too early in: {text}");
                seen = seen.max(number);
            }
        }
    }
}
