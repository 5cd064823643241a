//! How far the record reaches, in the log. Lives here: asking once a day, and at the end. Never here: the chain
//! itself (store::chain).
//!
//! Logs go to other machines: an anchor there shows later that nothing before it was changed, not even by
//! who has the key.

use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use store::{OpenOptions, Reader, SqliteStore};

const DAY: Duration = Duration::from_hours(24);

/// Logs the anchor while it lives, and once more when it is dropped.
pub struct Anchors {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Anchors {
    /// Logs the anchor of a database now, then once a day, and when this is dropped.
    pub fn start(database: PathBuf) -> anyhow::Result<Anchors> {
        let (stop, stopped) = sync_channel::<()>(1);
        let work = move || {
            loop {
                log(&database);
                if stopped.recv_timeout(DAY) != Err(RecvTimeoutError::Timeout) {
                    return log(&database);
                }
            }
        };
        let thread = std::thread::Builder::new().name("anchor".to_owned()).spawn(work);
        let thread = Some(thread.context("cannot start the anchor's thread")?);
        Ok(Anchors { stop: Some(stop), thread })
    }
}

impl Drop for Anchors {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was printed by it.
            drop(thread.join());
        }
    }
}

fn log(database: &std::path::Path) {
    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    match SqliteStore::open(database, options).and_then(|store| store.anchor()) {
        Ok(Some(anchor)) => tracing::info!(
            %anchor,
            "the record reaches so far: `ringfence verify --since ANCHOR` shows later that nothing was changed"
        ),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "the anchor of the record cannot be told"),
    }
}
