//! Keeps facts. Lives here: the backends (memory, SQLite), queries, the writer thread, the journal
//! for hard times, the sealing of secrets. Never here: decisions, prices, SIP. SQL stops at this crate.
//!
//! One [`Backend`] is the only writer. It takes groups of [`Batch`]es and makes them durable in one
//! transaction. Every record is idempotent, so that a batch told twice changes nothing.

pub mod alerts;
pub mod backend;
mod billing;
pub mod chain;
mod deck_states;
pub mod error;
pub mod journal;
pub mod memory;
pub mod queries;
mod rules;
pub mod seal;
pub mod sqlite;
mod verification;
pub mod writer;

pub use alerts::{AlertCounts, AlertFilter, AlertReader, ContactEntry};
pub use backend::{Backend, Batch, SnapshotWindow};
pub use billing::{BillFilter, BillItems, PostingFilter};
pub use chain::{Anchor, Break, ChainQuestion, ChainReport};
pub use deck_states::DeckState;
pub use error::{Cause, CommitError, StoreError};
pub use journal::Journal;
pub use memory::MemoryStore;
pub use queries::{
    Balance, CallFilter, CallsOnLinks, Decided, DeckSummary, FactFilter, Reader, StoredFact,
};
pub use rules::account_of;
pub use seal::Sealer;
pub use sqlite::{BackupPace, OpenOptions, SqliteStore, Synchronous};
pub use verification::{Problem, Sealing, Unopened, Verification, WhatSealed};
pub use writer::{Health, SubmitError, Writer, WriterOptions};
