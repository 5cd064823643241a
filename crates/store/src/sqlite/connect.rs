//! From a path to a tuned connection. Lives here: making the file, pragmas, what errors are called.
//! Never here: tables.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::{OpenOptions, Synchronous};
use crate::error::{Cause, StoreError};

/// Gives a database error its file and what was tried.
pub trait Doing<T> {
    /// `file`: cannot `doing`, because.
    fn doing(self, file: &str, doing: &'static str) -> Result<T, StoreError>;
}

impl<T> Doing<T> for rusqlite::Result<T> {
    fn doing(self, file: &str, doing: &'static str) -> Result<T, StoreError> {
        self.map_err(|error| database_error(file, doing, &error))
    }
}

/// A database error with its file.
pub fn database_error(file: &str, doing: &'static str, error: &rusqlite::Error) -> StoreError {
    use rusqlite::ErrorCode;
    let file = file.to_owned();
    if let rusqlite::Error::FromSqlConversionFailure(column, _, why) = error {
        let message = format!("column {column}: {why}");
        return StoreError::Damaged { file, what: format!("a row, to {doing},"), message };
    }
    let cause = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Cause::Busy,
        Some(ErrorCode::DiskFull) => Cause::Full,
        Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => Cause::Io,
        Some(ErrorCode::ConstraintViolation | ErrorCode::TooBig) => Cause::Constraint,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Cause::Corrupt,
        _ => Cause::Other,
    };
    StoreError::Database { file, doing, cause, message: error.to_string() }
}

/// An error of the file system with its file.
pub fn io_error(file: &str, doing: &'static str, error: &std::io::Error) -> StoreError {
    let full = error.kind() == std::io::ErrorKind::StorageFull;
    StoreError::Io { file: file.to_owned(), doing, full, message: error.to_string() }
}

/// Makes an empty file that only its owner can read, and makes sure that its name stays.
pub fn create(path: &Path, file: &str) -> Result<(), StoreError> {
    let made = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let created = match made {
        Ok(created) => created,
        // Somebody else was faster: theirs is as good.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(io_error(file, "create it", &error)),
    };
    created.sync_all().map_err(|error| io_error(file, "sync it", &error))?;
    sync_directory(path).map_err(|error| io_error(file, "sync its directory", &error))
}

/// Makes new and removed names in the directory of `path` durable.
pub(crate) fn sync_directory(path: &Path) -> std::io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::File::open(parent)?.sync_all()
}

/// Opens the file, and makes sure that it has a write-ahead log.
pub fn connect(path: &Path, file: &str, options: &OpenOptions) -> Result<Connection, StoreError> {
    let access = match (options.read_only, &options.vfs) {
        (true, _) => OpenFlags::SQLITE_OPEN_READ_ONLY,
        (false, None) => OpenFlags::SQLITE_OPEN_READ_WRITE,
        (false, Some(_)) => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    };
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = match &options.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str()),
        None => Connection::open_with_flags(path, flags),
    };
    let conn = conn.doing(file, "open it")?;
    tune(&conn, options).doing(file, "open it")?;
    if !options.read_only && !has_log(&conn).doing(file, "open it")? {
        let message = "it has no write-ahead log, which the store needs".to_owned();
        let file = file.to_owned();
        return Err(StoreError::Database { file, doing: "open it", cause: Cause::Other, message });
    }
    Ok(conn)
}

/// Is the write-ahead log in use? `PRAGMA journal_mode` answers what was asked for, even where the
/// change of the file then failed; a checkpoint knows. It also empties the log that a killed program
/// left: if a sync of that program had failed, what follows in the same log could be lost with it.
fn has_log(conn: &Connection) -> rusqlite::Result<bool> {
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| {
        let (busy, pages): (i64, i64) = (row.get(0)?, row.get(1)?);
        // Busy: somebody else is using the log, so that there is one.
        Ok(busy != 0 || pages >= 0)
    })
}

/// Sets a pragma that answers, and listens to the end: an error may come after the answer.
fn set(conn: &Connection, pragma: &str) -> rusqlite::Result<()> {
    let mut statement = conn.prepare(pragma)?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

fn tune(conn: &Connection, options: &OpenOptions) -> rusqlite::Result<()> {
    conn.busy_timeout(options.busy_timeout)?;
    conn.set_prepared_statement_cache_capacity(64);
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    // 2 MiB: what is written again and again stays here; the rest the system keeps in its own cache.
    conn.pragma_update(None, "cache_size", -2_048)?;
    if options.read_only {
        return conn.pragma_update(None, "query_only", true);
    }
    // Holds only for a file that is still empty.
    conn.pragma_update(None, "page_size", 4_096)?;
    set(conn, "PRAGMA journal_mode = WAL")?;
    let synchronous = match options.synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Normal => "NORMAL",
    };
    conn.pragma_update(None, "synchronous", synchronous)?;
    conn.pragma_update_and_check(None, "wal_autocheckpoint", options.checkpoint_pages, |_| Ok(()))
}
