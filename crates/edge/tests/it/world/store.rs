//! The store of a tested node: it answers when it is told to. Lives here: what was written, asked in many ways, and what a
//! program that starts again finds. Never here: time, post.

use std::collections::BTreeMap;

use edge::{Input, StoreRequest};
use types::record::Spending;
use types::*;

use super::{Inner, World};

/// How the store answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// At once: written.
    Up,
    /// Not at all, until it is told otherwise.
    Silent,
    /// At once: not written.
    Failing,
}

impl World {
    pub fn store(&self, store: Store) {
        let mut inner = self.0.borrow_mut();
        inner.store = store;
        inner.settle();
    }

    /// The store does not write these of its requests, counted from the first of all.
    pub fn fail_writes(&self, which: std::ops::Range<u64>) {
        self.0.borrow_mut().failing = which;
    }

    /// So many requests have had an answer.
    pub fn writes_answered(&self) -> u64 {
        self.0.borrow().answered
    }

    pub fn store_health(&self, up: bool) {
        self.0.borrow_mut().input(Input::StoreHealth(up));
    }

    /// Requests that have had no answer.
    pub fn unanswered(&self) -> Vec<StoreRequest> {
        self.0.borrow().waiting.iter().cloned().collect()
    }

    /// How often the store was asked to write something.
    pub fn asked(&self) -> usize {
        self.0.borrow().asked
    }

    /// The oldest request that waits is answered.
    pub fn answer_store(&self, ok: bool) {
        let mut inner = self.0.borrow_mut();
        let request = inner.waiting.pop_front().expect("a request waits");
        inner.answer(request, ok);
        inner.settle();
    }

    /// What was written besides what was learnt of devices.
    pub fn written_but_devices(&self) -> usize {
        let written = self.written();
        written.iter().filter(|record| !is_about_devices(std::slice::from_ref(record))).count()
    }

    pub fn written(&self) -> Vec<Record> {
        self.0.borrow().written.clone()
    }

    pub fn open_holds(&self) -> Vec<Hold> {
        self.0.borrow().holds.values().cloned().collect()
    }

    /// Overwrites what a hold says about its legs.
    pub fn spoil_legs(&self) {
        for hold in self.0.borrow_mut().holds.values_mut() {
            hold.legs = vec![0xFF; 9];
        }
    }

    pub fn bindings(&self) -> Vec<BindingRecord> {
        self.0.borrow().bindings.values().cloned().collect()
    }

    pub fn facts(&self) -> Vec<Fact> {
        let written = self.written();
        let fact = |record| match record {
            Record::Fact(_, fact) => Some(fact),
            _ => None,
        };
        written.into_iter().filter_map(fact).collect()
    }

    pub fn cdrs(&self) -> Vec<Cdr> {
        let written = self.written();
        let cdr = |record| match record {
            Record::Cdr(cdr) => Some(*cdr),
            _ => None,
        };
        written.into_iter().filter_map(cdr).collect()
    }

    /// The one CDR that was written.
    pub fn cdr(&self) -> Cdr {
        let mut cdrs = self.cdrs();
        assert_eq!(cdrs.len(), 1, "one CDR: {cdrs:#?}");
        cdrs.remove(0)
    }

    /// The end of the one call, in a line: direction, milliseconds, millionths charged, cause,
    /// status, side.
    pub fn ended_as(&self, want: &str) -> Cdr {
        let cdr = self.cdr();
        assert_eq!(in_a_line(&cdr), want, "{cdr:#?}");
        cdr
    }
}

/// A CDR in a line.
pub fn in_a_line(cdr: &Cdr) -> String {
    let (price, cost) = (cdr.price.micros(), cdr.cost.micros());
    let (direction, ms, cause) = (cdr.direction.code(), cdr.duration_ms, cdr.cause.code());
    format!("{direction} {ms}ms {price}/{cost} {cause} {} {:?}", cdr.status, cdr.side)
}

impl Inner {
    pub(super) fn answer(&mut self, request: StoreRequest, ok: bool) {
        self.answered += 1;
        let ok = ok && !self.failing.contains(&self.answered);
        if ok {
            request.records.into_iter().for_each(|record| self.write(record));
        }
        self.node.handle(self.now, Input::Stored { ticket: request.ticket, ok });
    }

    pub(super) fn write(&mut self, record: Record) {
        match &record {
            Record::Hold(hold) => {
                self.held.push(hold.decision);
                self.holds.insert(hold.decision, (**hold).clone());
            }
            Record::HoldClosed(decision) => {
                self.holds.remove(decision);
            }
            Record::Binding(binding) => {
                let key = (binding.line, binding.contact.clone());
                self.bindings.insert(key, (**binding).clone());
            }
            Record::BindingGone(line, contact) => {
                self.bindings.remove(&(*line, contact.clone()));
            }
            _ => {}
        }
        self.written.push(record);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.town.snapshot.clone();
        snapshot.holds = self.holds.values().cloned().collect();
        snapshot.bindings = self.bindings.values().cloned().collect();
        snapshot.newest = self.written.iter().map(time_of).max().unwrap_or_default();
        let mut bans = BTreeMap::new();
        for record in &self.written {
            remember(&mut snapshot, record, self.now.wall);
            match record {
                Record::Ban(ban) => drop(bans.insert(ban.source, Ban::clone(ban))),
                Record::BanGone(source) => drop(bans.remove(source)),
                _ => {}
            }
            if let Record::Cdr(cdr) = record {
                let costly = cdr.destination.class.is_costly();
                snapshot.last_decision = snapshot.last_decision.max(cdr.decision);
                snapshot.spending.push(Spending {
                    account: cdr.account,
                    at: cdr.ended,
                    amount: cdr.price,
                    costly,
                });
            }
        }
        snapshot.bans = bans.into_values().collect();
        snapshot
    }
}

/// The time that a record tells of.
fn time_of(record: &Record) -> UnixMicros {
    match record {
        Record::Alive(at) | Record::Fact(at, _) => *at,
        Record::Cdr(cdr) => cdr.ended,
        Record::Standing(standing) => standing.at,
        Record::Hold(hold) => match hold.state {
            HoldState::Answered(at) => at,
            HoldState::Pending => hold.started,
        },
        _ => UnixMicros(0),
    }
}

/// Devices, lock-outs, changed accounts and lines outlive the program.
fn remember(snapshot: &mut Snapshot, record: &Record, now: types::UnixMicros) {
    match record {
        Record::Device(device) => {
            snapshot.devices.retain(|known| known.id != device.id);
            snapshot.devices.push((**device).clone());
        }
        Record::DeviceGone(id) => snapshot.devices.retain(|known| known.id != *id),
        Record::LockOut(lock) => {
            snapshot.lock_outs.retain(|known| known.scope != lock.scope);
            snapshot.lock_outs.push((**lock).clone());
            snapshot.lock_outs.retain(|known| known.until > now);
        }
        Record::LockOutGone(scope) => snapshot.lock_outs.retain(|known| known.scope != *scope),
        Record::Account(account) => {
            snapshot.accounts.retain(|known| known.id != account.id);
            snapshot.accounts.push((**account).clone());
        }
        Record::Raises(raises) => {
            snapshot.raises.retain(|known| known.account != raises.account);
            snapshot.raises.push((**raises).clone());
            snapshot.raises.retain(|known| !known.is_empty());
        }
        Record::Line(line) => {
            snapshot.lines.retain(|known| known.id != line.id);
            snapshot.lines.push((**line).clone());
        }
        _ => {}
    }
}

/// Is this only what was learnt of devices?
pub(super) fn is_about_devices(records: &[Record]) -> bool {
    records.iter().all(|record| {
        matches!(
            record,
            Record::Device(_)
                | Record::DeviceGone(_)
                | Record::Fact(_, types::Fact::NewDevice { .. } | types::Fact::DeviceMoved { .. })
        )
    })
}
