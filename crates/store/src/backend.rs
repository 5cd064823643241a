//! What every store can do. Lives here: the contract. Never here: SQL, threads.

use types::{Record, Snapshot, UnixMicros};

use crate::error::{CommitError, StoreError};
use crate::queries::Reader;

/// Records that are written together or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The caller's name for it; the store gives it back and does not interpret it.
    pub ticket: u64,
    /// What to write, in order.
    pub records: Vec<Record>,
}

/// How far back the node looks at its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotWindow {
    /// Bindings that ended by this time are left out.
    pub now: UnixMicros,
    /// Spending from this time on.
    pub spending_since: UnixMicros,
    /// Calls to hotspots from this time on.
    pub hotspots_since: UnixMicros,
    /// Bans that ended by this time are left out: until then they make the next one longer.
    pub bans_since: UnixMicros,
}

impl SnapshotWindow {
    /// What the rolling windows need at `now`: seven days and one hour, twelve hours; and a day of bans.
    pub const fn at(now: UnixMicros) -> SnapshotWindow {
        const HOUR_US: i64 = 3_600 * 1_000_000;
        SnapshotWindow {
            now,
            spending_since: UnixMicros(now.0.saturating_sub((7 * 24 + 1) * HOUR_US)),
            hotspots_since: UnixMicros(now.0.saturating_sub(12 * HOUR_US)),
            bans_since: UnixMicros(now.0.saturating_sub(24 * HOUR_US)),
        }
    }
}

/// A store of facts. There is one writer; readers may be many.
pub trait Backend: Reader + Send {
    /// Makes all batches durable in one transaction (group commit): on `Ok` everything is on disk; on
    /// `Failed` and `Full` nothing is; after `Unknown` nothing else is written before [`Backend::resolve`].
    fn commit(&mut self, batches: &[Batch]) -> Result<(), CommitError>;

    /// After [`CommitError::Unknown`]: opens the store anew and tells whether that group is there.
    /// The answer is final: whatever it is, a power cut does not change it afterwards. `Ok(true)`
    /// also when no outcome was open. On `Err` the outcome is still open: try again.
    fn resolve(&mut self) -> Result<bool, StoreError>;

    /// Opens the store anew after a failure. Does nothing to a store in order.
    fn reopen(&mut self) -> Result<(), StoreError>;

    /// What the node needs in memory at its start.
    fn snapshot(&self, window: SnapshotWindow) -> Result<Snapshot, StoreError>;
}

impl<B: Backend + ?Sized> Backend for Box<B> {
    fn commit(&mut self, batches: &[Batch]) -> Result<(), CommitError> {
        (**self).commit(batches)
    }

    fn resolve(&mut self) -> Result<bool, StoreError> {
        (**self).resolve()
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        (**self).reopen()
    }

    fn snapshot(&self, window: SnapshotWindow) -> Result<Snapshot, StoreError> {
        (**self).snapshot(window)
    }
}
