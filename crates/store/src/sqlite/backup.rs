//! A copy of the database while it is written. Lives here: copying, as of one moment, in steps. Never here: where
//! copies are kept, verifying them.
//!
//! The moment is that of the first read: a reader's transaction is held over the whole copy, so that it
//! need not begin anew when the node writes. In a write-ahead log a reader holds nobody up; the log
//! only grows until the copy is made.

use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use super::SqliteStore;
use super::connect::{Doing, create, io_error, sync_directory};
use crate::error::StoreError;

/// How a copy is made.
#[derive(Clone, Copy, Debug)]
pub struct BackupPace {
    /// Pages copied at once.
    pub pages: u16,
    /// Time between two steps: others want to use the disk, too.
    pub pause: Duration,
}

impl Default for BackupPace {
    fn default() -> BackupPace {
        BackupPace { pages: 1_000, pause: Duration::from_millis(2) }
    }
}

impl SqliteStore {
    /// Copies everything that is committed at this moment to a new file, which only its owner can read. `progress`
    /// hears how many pages of how many are done. On `Ok` the copy is on the disk, one file without a log.
    pub fn backup(
        &self,
        to: &Path,
        pace: BackupPace,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), StoreError> {
        let file = to.display().to_string();
        create(to, &file)?;
        let mut copy = Connection::open(to).doing(&file, "open it")?;
        // It is synced as a whole, below.
        copy.pragma_update(None, "synchronous", "OFF").doing(&file, "open it")?;
        self.copy_pages(&mut copy, pace, progress).doing(&self.file, "copy it")?;
        let mode = copy
            .pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get::<_, String>(0));
        let mode = mode.doing(&file, "finish it")?;
        debug_assert_eq!(mode, "delete");
        copy.close().map_err(|(_, error)| error).doing(&file, "close it")?;
        let synced = std::fs::File::open(to).and_then(|copy| copy.sync_all());
        synced.map_err(|error| io_error(&file, "sync it", &error))?;
        sync_directory(to).map_err(|error| io_error(&file, "sync its directory", &error))
    }

    fn copy_pages(
        &self,
        copy: &mut Connection,
        pace: BackupPace,
        progress: &mut dyn FnMut(u64, u64),
    ) -> rusqlite::Result<()> {
        let conn = self.conn.as_ref().ok_or(rusqlite::Error::InvalidQuery)?;
        let moment = conn.unchecked_transaction()?;
        moment.query_row("SELECT COUNT(*) FROM meta", [], |_| Ok(()))?;
        let backup = Backup::new(&moment, copy)?;
        loop {
            let step = backup.step(pace.pages.max(1).into())?;
            let pages = backup.progress();
            let all = u64::try_from(pages.pagecount).unwrap_or(0);
            let left = u64::try_from(pages.remaining).unwrap_or(0);
            progress(all.saturating_sub(left), all);
            if step == StepResult::Done {
                break;
            }
            pause(pace.pause);
        }
        drop(backup);
        moment.finish()
    }
}

#[expect(clippy::disallowed_methods, reason = "a copy in the shell lets others to the disk")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}
