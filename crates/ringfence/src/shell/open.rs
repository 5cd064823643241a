//! The data directory. Lives here: making it, opening the database, telling it what the journal
//! kept. Never here: SQL.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;

use anyhow::Context;
use store::{OpenOptions, SqliteStore, StoreError};

use super::keys::KeyRing;
use super::lock::{Lock, lock};
use crate::config::Config;

/// Makes the data directory, readable by its owner only, if it is not there.
pub fn make_data_dir(config: &Config) -> anyhow::Result<()> {
    let dir = &config.data_dir;
    if !dir.is_dir() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .with_context(|| format!("cannot make the data directory {}", dir.display()))?;
    }
    Ok(())
}

/// Opens the database to write, with everything the journal kept. Needs the lock.
pub fn open_to_write(config: &Config, keys: &KeyRing, _lock: &Lock) -> anyhow::Result<SqliteStore> {
    let sealer = Some(keys.sealer());
    let options = OpenOptions { sealer: sealer.clone(), ..OpenOptions::default() };
    let mut store = SqliteStore::open(config.database(), options)?;
    let told =
        store::journal::replay_file(config.journal(), sealer, &mut store).with_context(|| {
            format!("the journal {} cannot be told to the database", config.journal().display())
        })?;
    if told.records > 0 {
        tracing::info!(records = told.records, "the journal's records are in the database now");
    }
    if told.set_aside > 0 {
        tracing::error!(
            transactions = told.set_aside,
            file = %store::journal::refused_path(&config.journal()).display(),
            "the database refuses what the journal kept: it was set aside"
        );
    }
    Ok(store)
}

/// Opens the database to read lists, which needs no key; it is made first, if there is none yet.
pub fn open_to_read(config: &Config) -> anyhow::Result<SqliteStore> {
    if !config.database().exists() {
        make_data_dir(config)?;
        let lock = lock(&config.lock_file())?;
        drop(open_to_write(config, &KeyRing::to_write(config)?, &lock)?);
    }
    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    Ok(SqliteStore::open(config.database(), options)?)
}

/// Opens the database to read, if there is one, with secrets where there are keys; makes nothing.
pub fn open_existing(
    config: &Config,
    keys: Option<&KeyRing>,
) -> Result<Option<SqliteStore>, StoreError> {
    if !config.database().exists() {
        return Ok(None);
    }
    let sealer = keys.map(KeyRing::sealer);
    let options = OpenOptions { read_only: true, sealer, ..OpenOptions::default() };
    SqliteStore::open(config.database(), options).map(Some)
}
