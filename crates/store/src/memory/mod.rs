//! A store in memory, for simulations and tests. Lives here: what a crash leaves behind, faults on
//! order. Never here: files, clocks, dice: the same calls give the same store.
//!
//! ```text
//! commit ──► state ──(sync)──► durable
//!              ▲                  │
//!              └──── crash ◄──────┘
//! ```

mod alerts;
mod billing;
mod chain;
mod decks;
mod read;
mod state;

use std::collections::BTreeMap;

use types::{Millis, Snapshot};

use crate::backend::{Backend, Batch, SnapshotWindow};
use crate::error::{Cause, CommitError, StoreError};
use state::State;

const NAME: &str = "memory";

/// When a commit is safe from a crash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyncModel {
    /// Before it returns: what an honest store does.
    #[default]
    EachCommit,
    /// With every n-th commit: a store that lies. Simulations must find it out.
    EveryNth(u32),
}

/// What happens to one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The disk fails; nothing is written.
    Fail,
    /// The disk is full; nothing is written.
    Full,
    /// The outcome is unknown; in truth everything was written.
    UnknownApplied,
    /// The outcome is unknown; in truth nothing was written.
    UnknownLost,
    /// It takes so long, then works. Commits do not wait: see [`MemoryStore::take_stall`].
    Stall(Millis),
}

/// A store that forgets everything with the process, and loses on order.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    state: State,
    sync: SyncModel,
    /// With `EveryNth`: the state as of the last sync, and commits since.
    durable: Option<Box<State>>,
    unsynced: u32,
    /// Commits tried so far.
    tried: u64,
    faults: BTreeMap<u64, Fault>,
    down: Option<Fault>,
    stall_ms: Millis,
    /// After an unknown outcome: was it applied?
    open_outcome: Option<bool>,
}

impl MemoryStore {
    /// An empty store that keeps every commit.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    /// An empty store with this idea of durability.
    pub fn with_sync(sync: SyncModel) -> MemoryStore {
        let durable = matches!(sync, SyncModel::EveryNth(_)).then(Box::default);
        MemoryStore { sync, durable, ..MemoryStore::default() }
    }

    /// Commits tried so far; the next one is number `tried() + 1`.
    pub fn tried(&self) -> u64 {
        self.tried
    }

    /// Lets the `nth` commit (from 1, counted over the store's life) meet a fault.
    pub fn fault_at(&mut self, nth: u64, fault: Fault) {
        self.faults.insert(nth, fault);
    }

    /// Lets every commit meet this fault until it is taken away with `None`.
    pub fn set_down(&mut self, fault: Option<Fault>) {
        self.down = fault;
    }

    /// How long the commits since the last call took beyond the usual. The world lets that much
    /// virtual time pass before it tells the node.
    pub fn take_stall(&mut self) -> Millis {
        std::mem::take(&mut self.stall_ms)
    }

    /// The machine stops: what was not synced is gone. Faults on order stay.
    pub fn crash(&mut self) {
        if let Some(durable) = &self.durable {
            self.state = State::clone(durable);
        }
        self.unsynced = 0;
        self.open_outcome = None;
    }

    fn state(&self) -> &State {
        &self.state
    }

    fn write(&mut self, batches: &[Batch]) {
        let records = batches.iter().flat_map(|batch| &batch.records);
        let mut appender = None;
        records.for_each(|record| self.state.apply(record, &mut appender));
        let SyncModel::EveryNth(every) = self.sync else {
            return;
        };
        self.unsynced += 1;
        if self.unsynced >= every {
            self.unsynced = 0;
            self.durable = Some(Box::new(self.state.clone()));
        }
    }
}

fn disk_error(cause: Cause) -> StoreError {
    let message = match cause {
        Cause::Full => "the disk is full, on order",
        _ => "the disk failed, on order",
    };
    StoreError::Database {
        file: NAME.to_owned(),
        doing: "commit",
        cause,
        message: message.to_owned(),
    }
}

impl Backend for MemoryStore {
    fn commit(&mut self, batches: &[Batch]) -> Result<(), CommitError> {
        if self.open_outcome.is_some() {
            return Err(CommitError::Failed(StoreError::Unresolved { file: NAME.to_owned() }));
        }
        self.tried += 1;
        let fault = self.faults.remove(&self.tried).or(self.down);
        match fault {
            Some(Fault::Fail) => return Err(CommitError::Failed(disk_error(Cause::Io))),
            Some(Fault::Full) => return Err(CommitError::Full(disk_error(Cause::Full))),
            Some(Fault::Stall(ms)) => self.stall_ms = self.stall_ms.saturating_add(ms),
            Some(Fault::UnknownApplied | Fault::UnknownLost) | None => {}
        }
        let records = batches.iter().flat_map(|batch| &batch.records);
        if let Some(message) = self.state.refusal(records) {
            let refused = StoreError::Refused { file: NAME.to_owned(), message };
            return Err(CommitError::Failed(refused));
        }
        if fault != Some(Fault::UnknownLost) {
            self.write(batches);
        }
        if matches!(fault, Some(Fault::UnknownApplied | Fault::UnknownLost)) {
            self.open_outcome = Some(fault == Some(Fault::UnknownApplied));
            return Err(CommitError::Unknown(disk_error(Cause::Io)));
        }
        Ok(())
    }

    fn resolve(&mut self) -> Result<bool, StoreError> {
        Ok(self.open_outcome.take().unwrap_or(true))
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn snapshot(&self, window: SnapshotWindow) -> Result<Snapshot, StoreError> {
        Ok(self.state.snapshot(window))
    }
}
