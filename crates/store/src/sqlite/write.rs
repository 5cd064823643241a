//! What calls and phones write, into rows. Lives here: the statements that must be cheap, the move of
//! recent calls. Never here: when to commit.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, Params, params};
use types::{BillRun, BindingRecord, Cdr, DecisionId, Hold, HoldState, KnownRun, Record, Transfer};

use super::{
    Applied, alerts, answers, billing, chain, columns, decks, detail, directory, history, sealed,
    web_users,
};
use crate::chain::{Appender, Content, Hash, Place, place_of, place_of_transfer, write, write_run};
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
    Link = "INSERT INTO link (seq, key_id, kind, key, part, body, marks, hash, mac) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
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

/// What became of a record.
enum Became {
    /// It was there before, or what it removes was not.
    Before,
    /// It is there now.
    New,
    /// The same, under this number.
    Numbered(u64),
    /// The same, with a secret sealed as this.
    Sealed(Hash),
    /// A bill run that reads like this now.
    Run(KnownRun),
}

impl Became {
    /// By the count of rows that changed.
    fn rows(count: usize) -> Became {
        if count > 0 { Became::New } else { Became::Before }
    }

    /// By the number of the row that was added, if one was.
    fn numbered(seq: Option<u64>) -> Became {
        seq.map_or(Became::Before, Became::Numbered)
    }

    /// By the run as it is now, if it changed.
    fn run(run: Option<KnownRun>) -> Became {
        run.map_or(Became::Before, Became::Run)
    }
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
    /// Makes the links, once there is something to link.
    appender: Option<Appender>,
}

impl<'c> Group<'c> {
    /// A group for a store whose newest decision is this, and whose newest proof is of this key.
    pub fn new(
        conn: &'c Connection,
        newest: DecisionId,
        (sealer, proven): (Option<&'c Sealer>, Option<KeyId>),
    ) -> Group<'c> {
        let (ready, buffer) = ([const { None }; TEXTS.len()], Vec::with_capacity(2_048));
        Group {
            conn,
            ready,
            buffer,
            newest,
            added: 0,
            moved: false,
            sealer,
            proven,
            appender: None,
        }
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

    /// Chains a record that was written.
    fn link(&mut self, place: Place, write: impl FnOnce(&mut Content)) -> rusqlite::Result<()> {
        let appender = match &mut self.appender {
            Some(appender) => appender,
            slot => {
                let key = self.sealer.map(|sealer| {
                    let keys = sealer.keys();
                    (keys.newest().id(), keys.newest().chain().clone())
                });
                slot.insert(Appender::after(chain::head(self.conn)?, key))
            }
        };
        let link = appender.link(place, write);
        let row = params![
            link.seq.cast_signed(),
            link.key.map(KeyId::number),
            link.place.kind as u8,
            link.place.key.cast_signed(),
            link.place.part,
            link.body,
            link.marks,
            link.hash,
            link.mac,
        ];
        statement(self.conn, &mut self.ready, Sql::Link)?.execute(row).map(drop)
    }

    /// Our row in `applied`.
    pub fn applied(&mut self, to: Applied) -> rusqlite::Result<()> {
        let row = (to.group_seq, columns::decision(to.last_decision), to.newest.0, to.writer);
        self.run(Sql::Applied, row).map(drop)
    }

    /// Writes one record, and chains it if it changed something that is kept.
    pub fn record(&mut self, record: &Record) -> rusqlite::Result<()> {
        let became = self.put(record)?;
        let Some(place) = place_of(record) else { return Ok(()) };
        match became {
            Became::Before => Ok(()),
            Became::New => self.link(place, |content| write(content, record, None)),
            Became::Sealed(sealed) => {
                self.link(place, |content| write(content, record, Some(&sealed)))
            }
            Became::Numbered(key) => {
                // A posting is two rows: what moved, and who ordered it.
                if let Record::Posting(posting) = record {
                    let moved = Record::Transfer(posting.transfer);
                    self.link(place_of_transfer(&posting.transfer), |content| {
                        write(content, &moved, None);
                    })?;
                }
                self.link(Place { key, ..place }, |content| write(content, record, None))
            }
            Became::Run(run) => self.link(place, |content| write_run(content, &run)),
        }
    }

    fn put(&mut self, record: &Record) -> rusqlite::Result<Became> {
        let decision = rules::newest(record).0;
        let is_new = decision > self.newest;
        self.newest = self.newest.max(decision);
        let conn = self.conn;
        match record {
            Record::Hold(hold) => self.hold(hold, is_new)?,
            Record::HoldClosed(id) => drop(self.run(Sql::HoldClosed, [columns::decision(*id)])?),
            Record::Cdr(cdr) => return self.cdr(cdr).map(Became::rows),
            Record::Transfer(transfer) => return self.transfer(transfer).map(Became::rows),
            Record::Posting(posting) => {
                return billing::put_posting(conn, posting).map(Became::numbered);
            }
            Record::BillRun(run) => return self.bill_run(run).map(Became::run),
            Record::Bill(bill) => return billing::put_bill(conn, bill).map(Became::rows),
            Record::BillRunDone(run) => return billing::end_run(conn, *run).map(Became::run),
            Record::Instalments(plan) => return billing::put_plan(conn, plan).map(Became::rows),
            Record::Binding(binding) => self.binding(binding)?,
            Record::BindingGone(line, contact) => {
                self.run(Sql::BindingGone, (line.0, contact))?;
            }
            Record::Device(device) => directory::put_device(conn, device)?,
            Record::DeviceGone(id) => directory::remove_device(conn, *id)?,
            Record::LockOut(lock) => directory::put_lock_out(conn, lock)?,
            Record::LockOutGone(scope) => directory::remove_lock_out(conn, scope)?,
            Record::Ban(ban) => directory::put_ban(conn, ban)?,
            Record::BanGone(source) => directory::remove_ban(conn, *source)?,
            Record::Fact(at, fact) => {
                let seq = directory::append_fact(conn, *at, fact)?;
                return Ok(Became::numbered(seq));
            }
            // The group's own row in `applied` keeps the newest time.
            Record::Alive(_) => {}
            Record::Account(account) => directory::put_account(conn, account)?,
            Record::Standing(standing) => {
                return history::append(conn, standing).map(Became::numbered);
            }
            Record::LineStanding(standing) => {
                return history::append_line(conn, standing).map(Became::numbered);
            }
            Record::TrunkStanding(standing) => {
                return history::append_trunk(conn, standing).map(Became::numbered);
            }
            Record::Audited(link) => history::move_mark(conn, *link)?,
            Record::Raises(raises) => return history::put_raises(conn, raises).map(Became::rows),
            Record::ControlRequest(request) => history::put_request(conn, request)?,
            Record::Reseller(reseller) => directory::put_reseller(conn, reseller)?,
            Record::WebUser(user) => {
                let secret = match &user.totp {
                    None => None,
                    Some(totp) => Some(sealed::web_user(self.proven_sealer()?, user.id, totp)?),
                };
                let digest = secret.as_deref().map(chain::sealed_web_user);
                web_users::put(conn, user, secret)?;
                return Ok(digest.map_or(Became::New, Became::Sealed));
            }
            Record::Line(line) => {
                let sealer = self.proven_sealer()?;
                let sealed = directory::put_line(conn, sealer, line)?;
                return Ok(Became::Sealed(chain::sealed_line(&sealed)));
            }
            Record::Number(number) => directory::put_number(conn, number)?,
            Record::NumberGone(number) => {
                return directory::remove_number(conn, *number).map(Became::rows);
            }
            Record::Trunk(trunk) => {
                let secret = match &trunk.auth {
                    None => None,
                    Some(auth) => Some(sealed::trunk(self.proven_sealer()?, trunk.id, auth)?),
                };
                let digest = secret.as_deref().map(chain::sealed_trunk);
                directory::put_trunk(conn, trunk, secret)?;
                return Ok(digest.map_or(Became::New, Became::Sealed));
            }
            Record::Deck(at, deck) => return decks::put(conn, *at, deck).map(Became::numbered),
            Record::Contact(contact) => {
                return alerts::append_contact(conn, contact).map(Became::numbered);
            }
            Record::Alert(alert) => alerts::put_alert(conn, alert)?,
            Record::AlertMark(fact) => alerts::put_mark(conn, *fact)?,
            Record::KeptAnswer(kept) => answers::put(conn, kept)?,
            Record::KeptAnswersGone(before) => answers::remove_before(conn, *before)?,
        }
        Ok(Became::New)
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

    fn cdr(&mut self, cdr: &Cdr) -> rusqlite::Result<usize> {
        if self.insert_cdr(cdr)? == 0 {
            return Ok(0);
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
        Ok(1)
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

    fn transfer(&mut self, transfer: &Transfer) -> rusqlite::Result<usize> {
        let (debit, debit_id) = columns::ledger_account(transfer.debit);
        let (credit, credit_id) = columns::ledger_account(transfer.credit);
        let (decision, kind) = (columns::decision(transfer.decision), transfer.kind as i64);
        let (amount, at) = (transfer.amount.micros(), transfer.at.0);
        let row = (decision, kind, debit, debit_id, credit, credit_id, amount, at);
        self.run(Sql::Transfer, row)
    }

    /// Begins a bill run: what is committed by now is in a move, and has a place among the postings.
    fn bill_run(&mut self, run: &BillRun) -> rusqlite::Result<Option<KnownRun>> {
        if billing::run(self.conn, run.run)?.is_some() {
            return Ok(None);
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
