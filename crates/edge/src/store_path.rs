//! The way of a record to the disk. Lives here: requests to the store, their answers, asking again
//! for what was not written. Never here: what records mean, how they are written.
//!
//! A store may refuse everything for hours, when the disk is full. What waits meanwhile is bounded:
//! the CDRs of refused calls are given up first, then records that cost nobody anything; what was
//! charged and what people changed is kept.

use std::collections::VecDeque;

use sip::b2bua::CallKey;
use sip::flow::Flow;
use types::decision::Outcome;
use types::{DecisionId, Fact, Millis, Record, Tick};

use crate::io::{Reply, StoreRequest};
use crate::node::Node;

/// Records asked for again at once; the others follow when the store takes these.
const TOGETHER: usize = 512;
/// The longest wait between two attempts.
const LONGEST_WAIT_MS: Millis = 30_000;

/// What a store request was for.
#[derive(Debug)]
pub enum Pending {
    /// A hold that must be durable before a leg's INVITE leaves.
    Leg(CallKey, u8),
    /// An answered call: the callee gets its ACK when it is on record.
    Answer(CallKey),
    /// A longer hold: the hard stop moves when it is durable.
    Extension(DecisionId),
    /// Records that must be written in the end.
    Must(Vec<Record>),
    /// A command's records and the reply that waits for them.
    Command(u64, Reply, Vec<Record>),
    /// Changed bindings, and the 200 that waits for them.
    Registered(Flow, Vec<u8>),
    /// A mark of life.
    Mark,
    /// Nothing hangs on it.
    Loose,
}

/// What was not written, to be asked for again.
#[derive(Debug)]
pub struct Backlog {
    records: VecDeque<Vec<Record>>,
    records_at: Tick,
    wait_ms: Millis,
    /// Answered calls that could not be put on record yet.
    unconfirmed: Vec<CallKey>,
    unconfirmed_at: Tick,
}

impl Backlog {
    /// Nothing waits.
    pub fn new(first_wait_ms: Millis) -> Backlog {
        Backlog {
            records: VecDeque::new(),
            records_at: Tick::NEVER,
            wait_ms: first_wait_ms,
            unconfirmed: Vec::new(),
            unconfirmed_at: Tick::NEVER,
        }
    }

    /// Transactions that wait to be asked for again.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// When the node looks after it next.
    pub fn next_timeout(&self) -> Option<Tick> {
        let next = self.records_at.min(self.unconfirmed_at);
        (next != Tick::NEVER).then_some(next)
    }
}

/// How dear the loss of a record would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Worth {
    /// The CDR of a call that never was: anybody can make them by the thousand.
    Refusal,
    /// Words, and calls that cost nobody anything.
    Free,
    /// Money, and what people changed.
    Dear,
}

impl Node {
    /// Asks for records to be written; `pending` says what hangs on it.
    pub(crate) fn store(&mut self, records: Vec<Record>, pending: Pending) {
        if matches!(pending, Pending::Loose) && self.pending.len() >= self.max_backlog {
            self.stats.records_dropped += 1;
            return;
        }
        self.last_ticket += 1;
        self.pending.insert(self.last_ticket, pending);
        self.out.stores.push(StoreRequest { ticket: self.last_ticket, records });
    }

    /// Asks for records to be written, again and again until they are. When too much waits already,
    /// what is worth least is given up and counted.
    pub(crate) fn must_store(&mut self, records: Vec<Record>) {
        if records.is_empty() {
            return;
        }
        if self.has_room(&records) {
            self.store(records.clone(), Pending::Must(records));
        } else {
            self.stats.records_dropped += 1;
        }
    }

    fn has_room(&self, records: &[Record]) -> bool {
        let waiting = self.pending.len() + self.backlog.len();
        match worth(records) {
            Worth::Refusal => waiting < self.max_backlog / 2,
            Worth::Free => waiting < self.max_backlog,
            Worth::Dear => true,
        }
    }

    pub(crate) fn stored(&mut self, ticket: u64, ok: bool) {
        // A second answer to the same request finds nothing here.
        let Some(pending) = self.pending.remove(&ticket) else { return };
        match pending {
            Pending::Leg(key, leg) => self.leg_stored(key, leg, ok),
            Pending::Answer(key) if ok => {
                self.with_call(key, |live, wire, _| live.call.confirm(wire));
            }
            Pending::Answer(key) => {
                let again = self.now.tick.plus_ms(self.timers.store_retry_ms);
                self.backlog.unconfirmed.push(key);
                self.backlog.unconfirmed_at = self.backlog.unconfirmed_at.min(again);
            }
            Pending::Extension(decision) if ok => {
                self.engine.extension_stored(self.now, decision);
            }
            Pending::Extension(decision) => {
                self.engine.extension_failed(self.now, decision);
            }
            Pending::Must(_) if ok => self.store_works(),
            Pending::Must(records) => self.retry_later(records),
            Pending::Command(id, reply, _) if ok => {
                self.out.replies.push((id, Ok(reply)));
                self.store_works();
            }
            Pending::Command(id, reply, records) => {
                self.retry_later(records);
                let text = format!(
                    "{}; in force, but not yet written: the store is down, it will be written when it is back",
                    reply.message
                );
                self.out.replies.push((id, Err(text)));
            }
            // Also when it was not written: the phone can be called, until a restart at least.
            Pending::Registered(flow, answer) => self.out.sends.push(flow, &answer),
            Pending::Mark => self.mark_open = false,
            Pending::Loose => {}
        }
    }

    fn retry_later(&mut self, records: Vec<Record>) {
        if !self.has_room(&records) {
            self.stats.records_dropped += 1;
            return;
        }
        self.backlog.records.push_back(records);
        let again = self.now.tick.plus_ms(self.backlog.wait_ms);
        self.backlog.records_at = self.backlog.records_at.min(again);
    }

    /// Something was written: what waits need not wait longer.
    fn store_works(&mut self) {
        self.backlog.wait_ms = self.timers.store_retry_ms;
        if !self.backlog.records.is_empty() {
            self.backlog.records_at = self.now.tick;
        }
    }

    pub(crate) fn store_health(&mut self, up: bool) {
        self.store_up = up;
        self.engine.store_health(up);
        if !up {
            return self.answer_registrations();
        }
        self.store_works();
        if !self.backlog.unconfirmed.is_empty() {
            self.backlog.unconfirmed_at = self.now.tick;
        }
    }

    /// The store is down: phones do not wait for it.
    fn answer_registrations(&mut self) {
        for pending in self.pending.values_mut() {
            if let Pending::Registered(flow, answer) = pending {
                self.out.sends.push(*flow, answer);
                *pending = Pending::Loose;
            }
        }
    }

    /// While calls are metered, the store learns each second that we live: after a crash a call that
    /// nobody knows of any more is charged up to then (ADR 7).
    pub(crate) fn mark_life(&mut self) {
        let now = self.now.tick;
        if !self.engine.is_metering() {
            self.mark_at = Tick::NEVER;
        } else if self.mark_at == Tick::NEVER {
            // The answer is on record with its time.
            self.mark_at = now.plus_ms(self.timers.mark_every_ms);
        } else if self.mark_at <= now {
            self.mark_at = now.plus_ms(self.timers.mark_every_ms);
            if !std::mem::replace(&mut self.mark_open, true) {
                self.store(vec![Record::Alive(self.now.wall)], Pending::Mark);
            }
        }
    }

    /// Asks again for what was not written.
    pub(crate) fn backlog_timeout(&mut self) {
        let now = self.now.tick;
        if now >= self.backlog.unconfirmed_at {
            self.backlog.unconfirmed_at = Tick::NEVER;
            for key in std::mem::take(&mut self.backlog.unconfirmed) {
                self.record_answer(key);
            }
        }
        if now < self.backlog.records_at {
            return;
        }
        self.backlog.wait_ms = (self.backlog.wait_ms * 2).min(LONGEST_WAIT_MS);
        let count = self.backlog.records.len().min(TOGETHER);
        let again: Vec<Vec<Record>> = self.backlog.records.drain(..count).collect();
        self.backlog.records_at = match self.backlog.records.is_empty() {
            true => Tick::NEVER,
            false => now.plus_ms(self.backlog.wait_ms),
        };
        for records in again {
            let records: Vec<Record> =
                records.into_iter().filter_map(|record| self.as_it_is_now(record)).collect();
            if !records.is_empty() {
                self.store(records.clone(), Pending::Must(records));
            }
        }
    }

    /// A record that was not written in its time. Settings are written as they are now: a newer
    /// change may be on disk already, and the older one must not undo it.
    fn as_it_is_now(&self, record: Record) -> Option<Record> {
        let engine = &self.engine;
        match record {
            Record::Account(account) => {
                let account = engine.account(account.id)?.to_account();
                Some(Record::Account(Box::new(account)))
            }
            Record::Raises(raises) => {
                let none = types::AccountRaises::none(raises.account);
                let now = engine.raises_of(raises.account).cloned().unwrap_or(none);
                Some(Record::Raises(Box::new(now)))
            }
            Record::ControlRequest(request) if engine.is_waiting(request.id) => {
                Some(Record::ControlRequest(request))
            }
            // It was judged since: that is told by a record of its own.
            Record::ControlRequest(request) if request.state.code() == "open" => None,
            Record::Line(line) => {
                engine.line(line.id).map(|line| Record::Line(Box::new(line.clone())))
            }
            Record::Number(types::Number { number, .. }) | Record::NumberGone(number) => {
                let known = engine.number(number).cloned();
                Some(known.map_or(Record::NumberGone(number), Record::Number))
            }
            Record::Trunk(trunk) => {
                engine.trunk(trunk.id).map(|trunk| Record::Trunk(Box::new(trunk.clone())))
            }
            Record::Ban(ban) => Some(self.ban_as_it_is_now(ban.source)),
            Record::BanGone(source) => Some(self.ban_as_it_is_now(source)),
            Record::BindingGone(line, contact) => {
                let is_back = self.registrar.bindings(line).any(|known| known.uri() == contact);
                (!is_back).then_some(Record::BindingGone(line, contact))
            }
            other => Some(other),
        }
    }

    fn ban_as_it_is_now(&self, source: ipnet::IpNet) -> Record {
        let known = self.engine.access().bans().ban(source).cloned();
        known.map_or(Record::BanGone(source), |ban| Record::Ban(Box::new(ban)))
    }
}

fn worth(records: &[Record]) -> Worth {
    let is_dear = |record: &Record| match record {
        Record::Transfer(_)
        | Record::Posting(_)
        | Record::BillRun(_)
        | Record::Bill(_)
        | Record::BillRunDone(_)
        | Record::Instalments(_)
        | Record::Account(_)
        | Record::Standing(_)
        | Record::LineStanding(_)
        | Record::TrunkStanding(_)
        | Record::Fact(
            _,
            Fact::AuditMismatch { .. }
            | Fact::MismatchSeen { .. }
            | Fact::CallReported { .. }
            | Fact::RecoveryStarted { .. }
            | Fact::RecoveryStepSaid { .. }
            | Fact::RecoveryReported { .. }
            | Fact::RecoveryEnded { .. }
            | Fact::CheckUpSaid { .. }
            | Fact::PortsChecked { .. },
        )
        | Record::Raises(_)
        | Record::ControlRequest(_)
        | Record::Line(_)
        | Record::Number(_)
        | Record::NumberGone(_)
        | Record::Trunk(_)
        | Record::Deck(..) => true,
        Record::Cdr(cdr) => !cdr.price.is_zero() || !cdr.cost.is_zero(),
        _ => false,
    };
    let is_refusal = |record: &Record| match record {
        Record::Cdr(cdr) => cdr.explanation.outcome == Outcome::Refused,
        _ => false,
    };
    if records.iter().any(is_dear) {
        Worth::Dear
    } else if records.iter().all(is_refusal) {
        Worth::Refusal
    } else {
        Worth::Free
    }
}
