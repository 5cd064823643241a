//! One program writes. Lives here: the lock file. Never here: what is written.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use anyhow::{Context, bail};

/// Held as long as this lives; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "it is held, not used")] File);

/// Takes the lock; `Err` of the holder's process id (or a question mark) if another program has it.
pub fn try_lock(path: &Path) -> anyhow::Result<Result<Lock, String>> {
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            drop(file.read_to_string(&mut holder));
            let holder = holder.trim();
            return Ok(Err(if holder.is_empty() { "?".to_owned() } else { holder.to_owned() }));
        }
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    Ok(Ok(Lock(file)))
}

/// Takes the lock, or says who has it.
pub fn lock(path: &Path) -> anyhow::Result<Lock> {
    match try_lock(path)? {
        Ok(lock) => Ok(lock),
        Err(holder) => bail!(
            "{} is held by process {holder}: another ringfence works on this directory; stop it first",
            path.display()
        ),
    }
}
