//! The store as the node meets it: the memory backend behind a writer with a latency, faults and bad days.
//! Lives here: what is written when, and what a crash leaves. Never here: what the records mean.

use std::collections::VecDeque;

use edge::StoreRequest;
use store::{Backend, Batch, MemoryStore, SnapshotWindow};
use types::{DecisionId, Dice, Millis, Record, Snapshot, UnixMicros};

use crate::planted::Planted;

/// How bad the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskFaults {
    /// From the start of a commit to its end, fewest and most.
    pub latency_us: (u64, u64),
    /// Commits that fail, per mille.
    pub fails: u64,
    /// Commits whose outcome is unknown for a while, per mille.
    pub unknown: u64,
    /// Stretches in which a commit just hangs: from when, how long.
    pub stalls: Vec<(u64, Millis)>,
    /// Stretches in which every commit fails (disk full): from when, how long.
    pub full: Vec<(u64, Millis)>,
}

impl DiskFaults {
    /// A commit takes two milliseconds and works.
    pub const fn none() -> DiskFaults {
        DiskFaults {
            latency_us: (2_000, 2_000),
            fails: 0,
            unknown: 0,
            stalls: Vec::new(),
            full: Vec::new(),
        }
    }

    /// What this seed's store does to us within `span` microseconds.
    pub fn drawn(dice: &mut Dice, span: u64) -> DiskFaults {
        let mut faults = DiskFaults { latency_us: (200, 4_000), ..DiskFaults::none() };
        if dice.chance(400) {
            faults.fails = dice.below(100);
            faults.unknown = dice.below(100);
        }
        for _ in 0..dice.below(3) {
            faults.stalls.push((dice.below(span), 100 + dice.below(60_000)));
        }
        if dice.chance(300) {
            faults.full.push((dice.below(span), 1_000 + dice.below(60_000)));
        }
        faults
    }
}

/// What the world learns from the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DiskEvent {
    /// This is durable now; for the auditor, not for the node.
    Durable(Vec<Record>),
    /// For the node: this request was dealt with.
    Stored {
        /// Which.
        ticket: u64,
        /// Is it durable?
        ok: bool,
    },
    /// For the node: the store went down or came back.
    Health(bool),
}

#[derive(Debug)]
struct Group {
    until: u64,
    requests: Vec<StoreRequest>,
    fate: Fate,
    /// The node was told that the store is down while this hangs.
    told_down: bool,
    started: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Written,
    Failed,
    /// The truth, which is found out after a while.
    Unknown(bool),
}

/// How long a commit hangs until the shell calls the store down.
const PATIENCE_US: u64 = 3_000_000;
/// How often the shell tries a store that is down.
const PROBE_US: u64 = 1_000_000;

/// The store.
#[derive(Debug)]
pub struct Disk {
    store: MemoryStore,
    faults: DiskFaults,
    dice: Dice,
    planted: Option<Planted>,
    queue: VecDeque<StoreRequest>,
    busy: Option<Group>,
    /// Down: when it is tried again.
    down_until: Option<u64>,
    /// Writes that a lying store still owes.
    owed: Vec<(u64, Vec<Record>)>,
    events: Vec<DiskEvent>,
}

impl Disk {
    /// An empty store.
    pub fn new(faults: DiskFaults, dice: Dice, planted: Option<Planted>) -> Disk {
        Disk {
            store: MemoryStore::new(),
            faults,
            dice,
            planted,
            queue: VecDeque::new(),
            busy: None,
            down_until: None,
            owed: Vec::new(),
            events: Vec::new(),
        }
    }

    /// What was there before the world began.
    pub fn load(&mut self, records: Vec<Record>) {
        self.store
            .commit(&[Batch { ticket: 0, records }])
            .expect("an empty store takes everything");
    }

    /// From now on nothing goes wrong.
    pub fn heal(&mut self) {
        self.faults = DiskFaults { latency_us: self.faults.latency_us, ..DiskFaults::none() };
    }

    /// Hangs or fails for a while from `now` on.
    pub fn trouble(&mut self, now: u64, ms: Millis, full: bool) {
        let list = if full { &mut self.faults.full } else { &mut self.faults.stalls };
        list.push((now, ms));
    }

    /// The store itself.
    pub fn store(&self) -> &MemoryStore {
        &self.store
    }

    /// The newest time that is on record.
    pub fn newest(&self) -> UnixMicros {
        self.snapshot(SnapshotWindow::at(UnixMicros(0))).newest
    }

    /// What the node is told at its start.
    pub fn snapshot(&self, window: SnapshotWindow) -> Snapshot {
        let mut snapshot = self.store.snapshot(window).expect("memory can always be read");
        match self.planted {
            Some(Planted::HoldsForgotten) => snapshot.holds.clear(),
            Some(Planted::SpendingForgotten) => snapshot.spending.clear(),
            Some(Planted::HalfPrice) => {
                let rows = snapshot.decks.iter_mut().flat_map(|deck| &mut deck.rows);
                rows.for_each(|row| {
                    let half = row.rate.per_minute.micros() / 2;
                    row.rate.per_minute = types::Money::from_micros(half);
                });
            }
            _ => {}
        }
        snapshot
    }

    /// The node wants something written.
    pub fn submit(&mut self, now: u64, request: StoreRequest) {
        if self.planted == Some(Planted::AckBeforeWrite) {
            self.events.push(DiskEvent::Stored { ticket: request.ticket, ok: true });
            self.owed.push((now + 150_000, request.records));
            return;
        }
        self.queue.push_back(request);
        self.start(now);
    }

    /// When it wants to be called next.
    pub fn next_timeout(&self) -> u64 {
        if !self.events.is_empty() {
            return 0;
        }
        let busy = self.busy.as_ref().map_or(u64::MAX, |group| {
            if group.told_down { group.until } else { group.until.min(group.started + PATIENCE_US) }
        });
        let owed = self.owed.iter().map(|(at, _)| *at).min().unwrap_or(u64::MAX);
        busy.min(owed).min(self.down_until.unwrap_or(u64::MAX))
    }

    /// What happened until now, in order.
    pub fn tick(&mut self, now: u64) -> Vec<DiskEvent> {
        for at in 0..self.owed.len() {
            if self.owed[at].0 <= now {
                let records = std::mem::take(&mut self.owed[at].1);
                self.write(vec![records]);
            }
        }
        self.owed.retain(|(at, _)| *at > now);
        if self.down_until.is_some_and(|at| at <= now) {
            self.probe(now);
        }
        if let Some(group) = &mut self.busy {
            if group.until <= now {
                self.finish(now);
            } else if !group.told_down && group.started + PATIENCE_US <= now {
                group.told_down = true;
                self.events.push(DiskEvent::Health(false));
            }
        }
        self.start(now);
        std::mem::take(&mut self.events)
    }

    /// What is being written now will not be there if the machine stops.
    pub fn lose_what_is_written(&mut self) {
        if let Some(group) = &mut self.busy {
            group.fate = Fate::Failed;
        }
    }

    /// The machine stops: what was being written is there or not, what waited is not.
    pub fn crash(&mut self) -> Vec<DiskEvent> {
        self.events.clear();
        self.queue.clear();
        self.owed.clear();
        self.down_until = None;
        if let Some(group) = self.busy.take() {
            let there = match group.fate {
                Fate::Written => self.dice.chance(500),
                Fate::Failed => false,
                Fate::Unknown(there) => there,
            };
            if there {
                self.write(group.requests.into_iter().map(|one| one.records).collect());
            }
        }
        self.store.crash();
        std::mem::take(&mut self.events)
    }

    fn is_within(stretches: &[(u64, Millis)], now: u64) -> Option<u64> {
        let ends = stretches.iter().filter(|(from, ms)| (*from..from + ms * 1_000).contains(&now));
        ends.map(|(from, ms)| from + ms * 1_000).max()
    }

    /// Takes everything that waits as one group, as the writer thread does.
    fn start(&mut self, now: u64) {
        if self.busy.is_some() || self.queue.is_empty() {
            return;
        }
        let requests: Vec<StoreRequest> = self.queue.drain(..).collect();
        let (fewest, most) = self.faults.latency_us;
        let latency = fewest + self.dice.below(most - fewest + 1);
        let (fails, unknown, there) = (
            self.dice.chance(self.faults.fails),
            self.dice.chance(self.faults.unknown),
            self.dice.chance(500),
        );
        let further = 20_000 + self.dice.below(500_000);
        let full = Disk::is_within(&self.faults.full, now).is_some();
        let stalled = Disk::is_within(&self.faults.stalls, now);
        let (fate, until) = match () {
            () if self.down_until.is_some() || full || fails => (Fate::Failed, now + latency),
            () if unknown => (Fate::Unknown(there), now + latency + further),
            () => (Fate::Written, stalled.unwrap_or(now) + latency),
        };
        self.busy = Some(Group { until, requests, fate, told_down: false, started: now });
    }

    fn finish(&mut self, now: u64) {
        let Some(group) = self.busy.take() else { return };
        let ok = match group.fate {
            Fate::Written => true,
            Fate::Failed => false,
            Fate::Unknown(there) => there,
        };
        let mut tickets: Vec<u64> = group.requests.iter().map(|one| one.ticket).collect();
        if ok {
            self.write(group.requests.into_iter().map(|one| one.records).collect());
        }
        if self.planted == Some(Planted::AnswersReordered) {
            // What waits behind this group is answered as well, newest first, and written later.
            let waiting: Vec<StoreRequest> = self.queue.drain(..).collect();
            tickets.extend(waiting.iter().map(|one| one.ticket));
            tickets.reverse();
            self.owed.extend(waiting.into_iter().map(|one| (now + 60_000, one.records)));
        }
        let told_down = group.told_down;
        if !ok && self.down_until.is_none() {
            self.down_until = Some(now + PROBE_US);
            if !told_down {
                self.events.push(DiskEvent::Health(false));
            }
        }
        self.events.extend(tickets.into_iter().map(|ticket| DiskEvent::Stored { ticket, ok }));
        if ok && told_down {
            self.events.push(DiskEvent::Health(true));
        }
    }

    fn probe(&mut self, now: u64) {
        if Disk::is_within(&self.faults.full, now).is_some() {
            self.down_until = Some(now + PROBE_US);
        } else {
            self.down_until = None;
            self.events.push(DiskEvent::Health(true));
        }
    }

    /// Writes for good, unless a planted bug eats some of it.
    fn write(&mut self, batches: Vec<Vec<Record>>) {
        for records in batches {
            let records = self.eat(records);
            let batch = Batch { ticket: 0, records };
            self.store
                .commit(std::slice::from_ref(&batch))
                .expect("faults are played before the backend");
            self.events.push(DiskEvent::Durable(batch.records));
        }
    }

    fn eat(&mut self, mut records: Vec<Record>) -> Vec<Record> {
        match self.planted {
            Some(Planted::HoldLost) => records.retain(|one| !matches!(one, Record::Hold(_))),
            Some(Planted::ExtensionLost) => {
                let holds = self.snapshot_holds();
                records.retain(
                    |one| !matches!(one, Record::Hold(hold) if holds.contains(&hold.decision)),
                );
            }
            Some(Planted::CdrLost) => {
                records.retain(|one| !matches!(one, Record::Cdr(_) | Record::HoldClosed(_)));
            }
            Some(Planted::PostingLost) => records.retain(|one| !matches!(one, Record::Posting(_))),
            Some(Planted::PostingTwice) => records.extend(posted_again(&records)),
            Some(Planted::HalfBatch) => records.truncate(1),
            Some(Planted::CdrTwice) => records.extend(renamed(&records)),
            _ => {}
        }
        records
    }

    fn snapshot_holds(&self) -> Vec<DecisionId> {
        let window = SnapshotWindow::at(UnixMicros(0));
        let snapshot = self.store.snapshot(window).expect("memory can always be read");
        snapshot.holds.iter().map(|hold| hold.decision).collect()
    }
}

/// The same plain postings under another decision and reference.
fn posted_again(records: &[Record]) -> Vec<Record> {
    let again = records.iter().filter_map(|record| match record {
        Record::Posting(posting) if !posting.transfer.kind.adjusts_call() => {
            let mut posting = posting.clone();
            posting.transfer.decision.0 ^= 0x80;
            posting.reference = posting.reference.map(|text| format!("{text} again"));
            Some(Record::Posting(posting))
        }
        _ => None,
    });
    again.collect()
}

/// The same CDRs and transfers under another decision.
fn renamed(records: &[Record]) -> Vec<Record> {
    let other = |decision: DecisionId| DecisionId(decision.0 ^ 0x80);
    let again = records.iter().filter_map(|record| match record {
        Record::Cdr(cdr) => {
            let mut cdr = cdr.clone();
            cdr.decision = other(cdr.decision);
            Some(Record::Cdr(cdr))
        }
        Record::Transfer(transfer) => Some(Record::Transfer(types::Transfer {
            decision: other(transfer.decision),
            ..*transfer
        })),
        _ => None,
    });
    again.collect()
}
