//! Tells people. Lives here: who is told of a fact, when, in which words, by mail, webhook and SMS. Never here: what facts mean
//! (`types::catalogue`), SQL, the node's thread.
//!
//! ```text
//! facts ──► plan: who, when ──► alerts (rows) ──► outbox: what is due ──► message ──► mail, webhook
//!                                  ▲                                                     │
//!                                  └───────────────── what became of it ◄────────────────┘
//! ```
//!
//! The outbox is derived from the facts, which are in the store with what they are about: no fact is without its alerts, as
//! none is passed by until its alerts are written (`Record::AlertMark`, in the same transaction).

pub mod address;
pub mod codes;
pub mod contacts;
pub mod mail;
pub mod message;
pub mod outbox;
pub mod plan;
pub mod templates;
pub mod webhook;

pub use codes::Codes;
pub use outbox::{Books, Job, Outbox};
pub use plan::{Outcome, Rules};
