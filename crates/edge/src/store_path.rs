//! What waits for the store. Lives here: write requests, their answers, trying again.
//! Never here: what is written, the store.

use sip::b2bua::CallKey;
use types::{DecisionId, Record, Tick};

use crate::io::{Reply, StoreRequest};
use crate::node::Node;

/// What a store request was for.
#[derive(Debug)]
pub enum Pending {
    /// A hold that must be durable before a leg's INVITE leaves.
    Leg(CallKey, u8),
    /// An answered call: the callee gets its ACK when it is on record.
    Answer(CallKey),
    /// A longer hold: the hard stop moves when it is durable.
    Extension(DecisionId),
    /// Records that must be written in the end, whatever happens.
    Must(Vec<Record>),
    /// A command's records and the reply that waits for them.
    Command(u64, Reply, Vec<Record>),
    /// A mark of life.
    Mark,
    /// Nothing hangs on it.
    Loose,
}

impl Node {
    /// Asks for records to be written; `pending` says what hangs on it.
    pub(crate) fn store(&mut self, records: Vec<Record>, pending: Pending) {
        self.last_ticket += 1;
        self.pending.insert(self.last_ticket, pending);
        self.out.stores.push(StoreRequest { ticket: self.last_ticket, records });
    }

    /// Asks for records to be written, again and again until they are.
    pub(crate) fn must_store(&mut self, records: Vec<Record>) {
        if !records.is_empty() {
            self.store(records.clone(), Pending::Must(records));
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
                self.unconfirmed.push(key);
                self.retry_soon();
            }
            Pending::Extension(decision) if ok => {
                self.engine.extension_stored(self.now, decision);
            }
            Pending::Extension(decision) => {
                self.engine.extension_failed(self.now, decision);
            }
            Pending::Must(records) if !ok => self.retry_later(records),
            Pending::Command(id, reply, _) if ok => self.out.replies.push((id, Ok(reply))),
            Pending::Command(id, reply, records) => {
                self.retry_later(records);
                let text = format!(
                    "{}; in force, but not yet written: the store is down, it will be written when it is back",
                    reply.message
                );
                self.out.replies.push((id, Err(text)));
            }
            Pending::Mark => self.mark_open = false,
            Pending::Must(_) | Pending::Loose => {}
        }
    }

    fn retry_later(&mut self, records: Vec<Record>) {
        self.retries.push(records);
        self.retry_soon();
    }

    fn retry_soon(&mut self) {
        self.retry_at = self.retry_at.min(self.now.tick.plus_ms(self.timers.store_retry_ms));
    }

    pub(crate) fn store_health(&mut self, up: bool) {
        self.store_up = up;
        self.engine.store_health(up);
        if up && !(self.retries.is_empty() && self.unconfirmed.is_empty()) {
            self.retry_at = self.now.tick;
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

    /// Asks once more for what could not be written.
    pub(crate) fn retries_timeout(&mut self) {
        if self.now.tick < self.retry_at {
            return;
        }
        self.retry_at = Tick::NEVER;
        for key in std::mem::take(&mut self.unconfirmed) {
            self.record_answer(key);
        }
        for records in std::mem::take(&mut self.retries) {
            self.store(records.clone(), Pending::Must(records));
        }
    }
}
