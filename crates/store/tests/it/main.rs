//! Tests of the store from outside. Lives here: the list of them.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod alerts;
mod backup;
mod billing;
mod chain;
mod contract;
mod disk;
mod files;

mod histories;
mod journal;
mod power;

mod samples;
mod sealing;
mod tampering;
mod vfs;
mod web_users;
mod writer;
