//! What every backend must do, run against each of them. Lives here: the list of topics, the backends.
//! Never here: what only one of them does.

mod access;
mod asking;
mod decks;
mod standing;
mod writing;

use store::{Backend, MemoryStore, SqliteStore};
use types::{AccountId, Fact, Record};

use crate::samples::*;

/// Runs a test against a new store of each kind.
fn each(test: impl Fn(&mut dyn Backend)) {
    test(&mut MemoryStore::new());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rf.db");
    test(&mut SqliteStore::open(path, options()).unwrap());
}

fn fact(n: u32) -> Record {
    let fact = Fact::MoneyEnded { account: AccountId(n), decision: decision(n) };
    Record::Fact(at(i64::from(n)), fact)
}
