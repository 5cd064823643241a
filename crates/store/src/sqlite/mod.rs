//! The store in a SQLite file. Lives here: opening, committing, coming back after a failure.
//! Never here: what a record looks like as rows (`write`, `query`), threads.

mod alerts;
mod answers;
mod backup;
mod billing;
mod calls;
mod chain;
mod columns;
mod connect;
mod decks;
mod detail;
mod directory;
mod history;
mod migrate;
mod query;
mod rows;
mod sealed;
mod snapshot;
mod verify;
mod web_users;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use types::{DecisionId, Snapshot, UnixMicros};

use crate::backend::{Backend, Batch, SnapshotWindow};
use crate::error::{Cause, CommitError, StoreError};
use crate::rules;
use crate::seal::{KeyId, Sealer};
use crate::verification::Unopened;
use connect::{Doing, connect, create, database_error};

pub use backup::BackupPace;
pub(crate) use connect::sync_directory;
use sealed::Opener;

/// How much a commit waits for the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Synchronous {
    /// Until it is there. The only choice with money.
    #[default]
    Full,
    /// A power cut may take the last commits back. For tests that show just that.
    Normal,
}

/// How to open a store.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// How much a commit waits for the disk.
    pub synchronous: Synchronous,
    /// How long to wait for another program that writes.
    pub busy_timeout: Duration,
    /// Another file layer, by its SQLite name. It then makes the file itself.
    pub vfs: Option<String>,
    /// Ask only: the file must be there, and of the schema this program knows.
    pub read_only: bool,
    /// Calls that wait before they are moved into the sums and indexes by account.
    pub recent_calls: u32,
    /// Pages in the write-ahead log before it is copied into the database.
    pub checkpoint_pages: u32,
    /// What seals secrets. Without it lists can be read, but no secret read or written.
    pub sealer: Option<Arc<Sealer>>,
}

impl Default for OpenOptions {
    fn default() -> OpenOptions {
        OpenOptions {
            synchronous: Synchronous::Full,
            busy_timeout: Duration::from_secs(5),
            vfs: None,
            read_only: false,
            recent_calls: 4_096,
            checkpoint_pages: 4_000,
            sealer: None,
        }
    }
}

/// A store in one SQLite file, with its write-ahead log beside it.
#[derive(Debug)]
pub struct SqliteStore {
    path: PathBuf,
    file: String,
    options: OpenOptions,
    /// `None` after a failure, until it was opened anew.
    conn: Option<Connection>,
    /// Our row in `applied`.
    applied: Applied,
    /// Rows in `recent`, as far as we know.
    recent: u64,
    /// The group whose outcome is unknown.
    open_outcome: Option<Attempt>,
    /// The key whose proof is in the store, as far as we know.
    proven: Option<KeyId>,
}

/// A commit whose outcome was not known when it returned.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    group_seq: i64,
    /// Is it there? `None` until it could be asked.
    is_there: Option<bool>,
}

/// What our row in `applied` says.
#[derive(Clone, Copy, Debug, Default)]
struct Applied {
    writer: i64,
    group_seq: i64,
    last_decision: DecisionId,
    newest: UnixMicros,
}

/// Where a group failed.
enum Stage {
    /// Before COMMIT: nothing of it can come back.
    Writing(StoreError),
    /// At COMMIT: its frames may be in the log.
    Committing(StoreError),
}

impl SqliteStore {
    /// Opens a store; makes it, and brings it to the newest schema, unless it is for reading only.
    ///
    /// A new file is readable by its owner only: it holds verifiers of secrets.
    pub fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<SqliteStore, StoreError> {
        let path = path.as_ref().to_owned();
        let file = path.display().to_string();
        if options.vfs.is_none() && !path.exists() {
            if options.read_only {
                return Err(StoreError::Missing { file });
            }
            create(&path, &file)?;
        }
        let conn = connect(&path, &file, &options)?;
        let (applied, recent) = if options.read_only {
            migrate::check(&conn, &file)?;
            (Applied::default(), 0)
        } else {
            migrate::run(&conn, &file, migrate::MIGRATIONS)?;
            let applied = take_seat(&conn).doing(&file, "take a seat as writer")?;
            (applied, count_recent(&conn).doing(&file, "count recent calls")?)
        };
        let proven = match &options.sealer {
            Some(sealer) => sealed::check(&conn, sealer, &file)?,
            None => None,
        };
        let (conn, open_outcome) = (Some(conn), None);
        Ok(SqliteStore { path, file, options, conn, applied, recent, open_outcome, proven })
    }

    /// The key that sealed last, of a store that is there; `None` if nothing was ever sealed.
    pub fn last_key(path: impl AsRef<Path>) -> Result<Option<KeyId>, StoreError> {
        let options = OpenOptions { read_only: true, ..OpenOptions::default() };
        let store = SqliteStore::open(path, options)?;
        sealed::last_key(store.conn()?).doing(&store.file, "ask for the sealing key")
    }

    /// The key that made the last link of the chain; `None` if no key did.
    pub fn chain_key(&self) -> Result<Option<KeyId>, StoreError> {
        chain::last_key(self.conn()?).doing(&self.file, "ask for the key of the last link")
    }

    fn sealer(&self) -> Option<&Sealer> {
        self.options.sealer.as_deref()
    }

    fn opener(&self) -> Opener<'_> {
        Opener::new(self.sealer())
    }

    fn conn(&self) -> Result<&Connection, StoreError> {
        self.conn.as_ref().ok_or_else(|| StoreError::Io {
            file: self.file.clone(),
            doing: "use the store",
            full: false,
            message: "it was closed after a failure".to_owned(),
        })
    }

    fn connect_again(&mut self) -> Result<(), StoreError> {
        // The old connection goes first: as the last one it would take the log with it.
        self.conn = None;
        let conn = connect(&self.path, &self.file, &self.options)?;
        self.recent = count_recent(&conn).doing(&self.file, "count recent calls")?;
        self.conn = Some(conn);
        Ok(())
    }

    /// The next state of our row, when these batches are in.
    fn next(&self, batches: &[Batch]) -> Applied {
        let mut next = Applied { group_seq: self.applied.group_seq + 1, ..self.applied };
        for record in batches.iter().flat_map(|batch| &batch.records) {
            let (decision, time) = rules::newest(record);
            next.last_decision = next.last_decision.max(decision);
            next.newest = next.newest.max(time);
        }
        next
    }

    /// Writes the batches; gives the number of rows in `recent` afterwards.
    fn write_group(&mut self, batches: &[Batch], next: Applied) -> Result<u64, Stage> {
        let conn = self.conn().map_err(Stage::Writing)?;
        let keys = (self.sealer(), self.proven);
        let mut group = write::Group::new(conn, self.applied.last_decision, keys);
        let mut recent = self.recent;
        let mut write = || {
            group.begin()?;
            if recent >= self.options.recent_calls.into() {
                group.move_recent()?;
                recent = 0;
            }
            batches
                .iter()
                .flat_map(|batch| &batch.records)
                .try_for_each(|record| group.record(record))?;
            group.applied(next)
        };
        write().map_err(|error| Stage::Writing(database_error(&self.file, "write", &error)))?;
        let written = group
            .commit()
            .map_err(|error| Stage::Committing(database_error(&self.file, "commit", &error)))?;
        self.proven = written.proven;
        Ok(if written.moved { written.added } else { recent + written.added })
    }

    /// Copies the log into the database and syncs that: what can be read is not yet what is on the
    /// disk, after a sync that failed.
    fn settle_log(&self) -> Result<(), StoreError> {
        let doing = "settle the log";
        let busy: i64 = self
            .conn()?
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .doing(&self.file, doing)?;
        if busy == 0 {
            return Ok(());
        }
        let message = "another program reads; try again".to_owned();
        let file = self.file.clone();
        Err(StoreError::Database { file, doing, cause: Cause::Busy, message })
    }

    /// Begins a new log over the old one, whose frames could otherwise come back with a power cut:
    /// those of a commit that failed, or older pages than the database has by now.
    fn seal_log(&mut self, after: i64) -> Result<(), StoreError> {
        let next = Applied { group_seq: after + 1, ..self.applied };
        match self.write_group(&[], next) {
            Ok(recent) => {
                (self.applied, self.recent) = (next, recent);
                Ok(())
            }
            Err(Stage::Writing(error) | Stage::Committing(error)) => Err(error),
        }
    }

    /// The number of our last group that is there.
    fn last_group(&self) -> Result<i64, StoreError> {
        let sql = "SELECT group_seq FROM applied WHERE writer = $1";
        self.conn()?
            .query_row(sql, [self.applied.writer], |row| row.get(0))
            .doing(&self.file, "ask for the last group")
    }

    fn remember_newest(&mut self) -> Result<(), StoreError> {
        // A proof too many harms nobody; one that was rolled back would be missed.
        self.proven = None;
        let (last, newest) =
            snapshot::newest(self.conn()?).doing(&self.file, "ask for the newest decision")?;
        (self.applied.last_decision, self.applied.newest) = (last, newest);
        Ok(())
    }
}

impl Backend for SqliteStore {
    fn commit(&mut self, batches: &[Batch]) -> Result<(), CommitError> {
        let file = self.file.clone();
        if self.options.read_only {
            return Err(CommitError::Failed(StoreError::ReadOnly { file }));
        }
        if self.open_outcome.is_some() {
            return Err(CommitError::Failed(StoreError::Unresolved { file }));
        }
        let mut records = batches.iter().flat_map(|batch| &batch.records);
        if let Some(message) = records.find_map(rules::refusal) {
            return Err(CommitError::Failed(StoreError::Refused { file, message }));
        }
        let mut records = batches.iter().flat_map(|batch| &batch.records);
        if self.sealer().is_none() && records.any(rules::holds_secret) {
            return Err(CommitError::Failed(StoreError::NoKey { file }));
        }
        self.reopen().map_err(CommitError::certain)?;
        let next = self.next(batches);
        match self.write_group(batches, next) {
            Ok(recent) => {
                (self.applied, self.recent) = (next, recent);
                Ok(())
            }
            Err(Stage::Writing(error)) => {
                let rolled_back = self.conn().is_ok_and(|conn| {
                    conn.is_autocommit() || conn.execute_batch("ROLLBACK").is_ok()
                });
                // A connection that lost its way is not asked again.
                if !rolled_back || !error.is_refusal() {
                    self.conn = None;
                }
                Err(CommitError::certain(error))
            }
            Err(Stage::Committing(error)) => {
                self.open_outcome = Some(Attempt { group_seq: next.group_seq, is_there: None });
                Err(CommitError::Unknown(error))
            }
        }
    }

    fn resolve(&mut self) -> Result<bool, StoreError> {
        let Some(attempt) = self.open_outcome else {
            return Ok(true);
        };
        self.connect_again()?;
        self.settle_log()?;
        let is_there = match attempt.is_there {
            Some(known) => known,
            None => self.last_group()? == attempt.group_seq,
        };
        // The seal takes the place of the number that was asked for: it is not asked twice.
        self.open_outcome = Some(Attempt { is_there: Some(is_there), ..attempt });
        self.remember_newest()?;
        self.seal_log(attempt.group_seq)?;
        self.open_outcome = None;
        Ok(is_there)
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        if self.conn.is_none() { self.connect_again() } else { Ok(()) }
    }

    fn snapshot(&self, window: SnapshotWindow) -> Result<Snapshot, StoreError> {
        let doing = "read everything at the start";
        let opener = self.opener();
        let snapshot = snapshot::take(self.conn()?, window, &opener).doing(&self.file, doing)?;
        if opener.lacked_keys() {
            return Err(StoreError::NoKey { file: self.file.clone() });
        }
        for Unopened { what, why } in opener.unopened() {
            tracing::error!(%why, "{what} is out of use: its secret cannot be opened");
        }
        // Nothing of it is read again: its pages need not stay.
        self.conn()?.release_memory().doing(&self.file, doing)?;
        Ok(snapshot)
    }
}

fn count_recent(conn: &Connection) -> rusqlite::Result<u64> {
    conn.query_row("SELECT COUNT(*) FROM recent", [], |row| {
        row.get::<_, columns::Read<u64>>(0).map(|read| read.0)
    })
}

/// Seats of this many earlier openings are kept.
const SEATS_KEPT: i64 = 100;

/// Makes our row in `applied`.
fn take_seat(conn: &Connection) -> rusqlite::Result<Applied> {
    let tx = rusqlite::Transaction::new_unchecked(conn, rusqlite::TransactionBehavior::Immediate)?;
    let (last_decision, newest) = snapshot::newest(&tx)?;
    let writer: i64 =
        tx.query_row("SELECT COALESCE(MAX(writer), 0) + 1 FROM applied", [], |row| row.get(0))?;
    tx.execute(
        "INSERT INTO applied (writer, group_seq, last_decision, newest) VALUES ($1, 0, $2, $3)",
        (writer, columns::decision(last_decision), newest.0),
    )?;
    tx.execute("DELETE FROM applied WHERE writer <= $1", [writer - SEATS_KEPT])?;
    tx.commit()?;
    Ok(Applied { writer, group_seq: 0, last_decision, newest })
}
