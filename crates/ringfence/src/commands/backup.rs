//! `backup` and `restore`. Lives here: where copies stand, what is refused, what is said about keys. Never here:
//! copying pages (store), verifying (commands::verify).
//!
//! ```text
//! backup:   pages ─► FILE.part ─► synced ─► verified ─► FILE
//! restore:  FILE verified ─► ringfence.db.part ─► verified ─► what was there aside ─► ringfence.db
//! ```

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::json;
use store::{BackupPace, ChainQuestion, Reader};
use types::UnixMicros;

use super::Context;
use super::verify::{examine, key_needed, open_copy, progress, tell};
use crate::config::Config;
use crate::shell::clock::system_wall;
use crate::shell::keys::KeyRing;
use crate::shell::lock::lock;
use crate::shell::open::make_data_dir;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringfence backup /mnt/backup                 makes ringfence-20261122T194500Z.db there
  ringfence backup /mnt/backup/today.db --force

Works while the node runs, which is not held up. Everything that was committed when it began is in the copy. The
copy is verified before it gets its name. The key is not in it: keep a copy of the key file, elsewhere.")]
pub struct BackupArgs {
    /// A file, or a directory
    to: PathBuf,
    /// Take the place of a file that is there
    #[arg(long)]
    force: bool,
    /// Pages of the database (4 KiB each) copied at once
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(1..=30_000))]
    pages: u16,
    /// Milliseconds between two such steps
    #[arg(long, default_value_t = 2)]
    pause_ms: u16,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringfence restore /mnt/backup/ringfence-20261122T194500Z.db
  ringfence restore today.db --data-dir /var/lib/ringfence --force

The node must be stopped. The copy is verified before and after. With --force, what is in the data directory goes to
a directory before-restore-TIME beside it; key files stay where they are.")]
pub struct RestoreArgs {
    /// A copy made by backup
    file: PathBuf,
    /// Where to; the configured data directory if none is named
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Restore over what is there, which is kept aside, and restore a copy with faults
    #[arg(long)]
    force: bool,
}

pub fn backup(args: BackupArgs, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    let to = named(&args.to, system_wall());
    refuse_own_place(&to, &config)?;
    if to.exists() && !args.force {
        bail!("{} is there already: --force takes its place", to.display());
    }
    let keys = KeyRing::to_read(&config)?;
    let store = open_copy(&config.database(), keys.as_ref())?;
    let beside = with_ending(&to, ".part");
    // What a killed copy left: its journal would be taken for one of this copy.
    for ending in ["", "-journal", "-wal", "-shm"] {
        remove(&with_ending(&beside, ending))?;
    }
    let bar = progress("pages", context);
    let pace = BackupPace {
        pages: args.pages,
        pause: std::time::Duration::from_millis(args.pause_ms.into()),
    };
    let copied = store.backup(&beside, pace, &mut |done, of| {
        bar.set_length(of);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    if let Err(error) = copied {
        drop(fs::remove_file(&beside));
        return Err(error.into());
    }
    let copy = open_copy(&beside, keys.as_ref())?;
    let examined = examine(&copy, &ChainQuestion::default(), context)?;
    if !examined.is_good() {
        tell(&examined)?;
        bail!(
            "the copy has the faults of the database: it stays as {}, and took nobody's place",
            beside.display()
        );
    }
    let (anchor, key) = (copy.anchor()?.map(|anchor| anchor.to_string()), copy.chain_key()?);
    let needed = key_needed(&copy, &config)?;
    drop(copy);
    rename(&beside, &to)?;
    let bytes = fs::metadata(&to)?.len();
    let mut text = format!(
        "{}: {} calls and {} links, verified, {bytes} bytes\n{needed}",
        to.display(),
        examined.sums.cdrs,
        examined.chain.links
    );
    if let Some(anchor) = &anchor {
        text.push_str(&format!("\nanchor {anchor}"));
    }
    let value = json!({
        "file": to, "bytes": bytes, "calls": examined.sums.cdrs, "links": examined.chain.links,
        "anchor": anchor, "key": key.map(|key| key.to_string()), "has_keys": keys.is_some(), "message": text,
    });
    context.output.one(&text, &value)
}

/// A copy takes the place of nothing that the node works with, the key least of all; and beside its original it would be
/// lost with it.
fn refuse_own_place(to: &Path, config: &Config) -> anyhow::Result<()> {
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    let real = |path: &Path| fs::canonicalize(path).ok();
    let is_same = |one: &Path, other: &Path| real(one).is_some_and(|one| real(other) == Some(one));
    if is_same(parent.unwrap_or(Path::new(".")), &config.data_dir) {
        bail!("{} is in the data directory: a copy belongs elsewhere", to.display());
    }
    if is_same(to, &config.key_file()) || is_same(to, &config.webhook_key()) {
        bail!("{} is a key file: nothing takes its place", to.display());
    }
    Ok(())
}

/// The file of a copy: in a directory, one named after the time.
fn named(to: &Path, now: UnixMicros) -> PathBuf {
    if !to.is_dir() {
        return to.to_owned();
    }
    to.join(format!("ringfence-{}.db", stamp(now)))
}

/// A time in the name of a file.
fn stamp(now: UnixMicros) -> String {
    let whole = now.to_string();
    let second: String =
        whole.chars().take_while(|c| *c != '.').filter(|c| !matches!(c, '-' | ':')).collect();
    second + "Z"
}

pub fn restore(args: RestoreArgs, context: &Context) -> anyhow::Result<()> {
    let mut config = context.load()?.config;
    if let Some(dir) = args.data_dir {
        config.data_dir = dir;
    }
    if !args.file.is_file() {
        bail!("{}: there is no such file", args.file.display());
    }
    make_data_dir(&config)?;
    let held = lock(&config.lock_file())?;
    let there = occupants(&config)?;
    if let Some(first) = there.first().filter(|_| !args.force) {
        bail!(
            "{} is not empty ({} is there): --force keeps what is there aside",
            config.data_dir.display(),
            first.display()
        );
    }
    let keys = KeyRing::to_read(&config)?;
    check_copy(&args.file, keys.as_ref(), args.force, context)?;
    let beside = with_ending(&config.database(), ".part");
    copy_file(&args.file, &beside)?;
    let verified = check_copy(&beside, keys.as_ref(), args.force, context);
    if verified.is_err() {
        drop(fs::remove_file(&beside));
    }
    let checked = verified?;
    let state = if checked.is_good { "verified" } else { "with the faults named above" };
    let (calls, anchor, needed) = checked.told(&config)?;
    let aside = move_aside(&config, &there)?;
    rename(&beside, &config.database()).with_context(|| match &aside {
        Some(aside) => format!("nothing was restored; what was there is in {}", aside.display()),
        None => "nothing was restored".to_owned(),
    })?;
    drop(held);
    let mut text = format!("{}: {calls} calls, {state}", config.database().display());
    if let Some(aside) = &aside {
        text.push_str(&format!("\nwhat was there is in {}", aside.display()));
    }
    text.push_str(&format!("\n{needed}"));
    if keys.is_none() {
        text.push_str("\nthe key is not there: put the key file back before the node starts");
    }
    let value = json!({
        "database": config.database(), "calls": calls, "anchor": anchor, "aside": aside, "state": state,
        "has_keys": keys.is_some(), "message": text,
    });
    context.output.one(&text, &value)
}

/// A copy that was verified.
struct Checked {
    store: store::SqliteStore,
    calls: u64,
    is_good: bool,
}

impl Checked {
    fn told(self, config: &Config) -> anyhow::Result<(u64, Option<String>, String)> {
        let anchor = self.store.anchor()?.map(|anchor| anchor.to_string());
        Ok((self.calls, anchor, key_needed(&self.store, config)?))
    }
}

fn check_copy(
    file: &Path,
    keys: Option<&KeyRing>,
    force: bool,
    context: &Context,
) -> anyhow::Result<Checked> {
    let store = open_copy(file, keys)?;
    let examined = examine(&store, &ChainQuestion::default(), context)?;
    if !examined.is_good() {
        if !context.output.is_json() {
            tell(&examined)?;
        }
        if !force {
            let (part, first) = examined.problems().next().unwrap_or_default();
            bail!(
                "{} is not as it was recorded ({part}: {first}): nothing was restored; --force restores it \
                 as it is",
                file.display()
            );
        }
    }
    Ok(Checked { store, calls: examined.sums.cdrs, is_good: examined.is_good() })
}

/// What is in the data directory, but for keys and the lock.
fn occupants(config: &Config) -> anyhow::Result<Vec<PathBuf>> {
    let dir = &config.data_dir;
    let read = || -> std::io::Result<Vec<PathBuf>> {
        fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path())).collect()
    };
    let mut found = read().with_context(|| format!("cannot read {}", dir.display()))?;
    let stays = [config.key_file(), config.webhook_key(), config.lock_file()];
    let is_old = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(ASIDE))
    };
    found.retain(|path| !stays.contains(path) && !is_old(path));
    found.sort();
    Ok(found)
}

/// Begins the name of a directory with what was there before.
const ASIDE: &str = "before-restore-";

fn move_aside(config: &Config, there: &[PathBuf]) -> anyhow::Result<Option<PathBuf>> {
    if there.is_empty() {
        return Ok(None);
    }
    let aside = config.data_dir.join(format!("{ASIDE}{}", stamp(system_wall())));
    let moved = || -> std::io::Result<()> {
        fs::DirBuilder::new().mode(0o700).create(&aside)?;
        for path in there {
            let name = path.file_name().unwrap_or(path.as_os_str());
            fs::rename(path, aside.join(name))?;
        }
        sync_directory_of(&config.database())
    };
    moved().with_context(|| format!("cannot keep the old files in {}", aside.display()))?;
    Ok(Some(aside))
}

fn copy_file(from: &Path, to: &Path) -> anyhow::Result<()> {
    remove(to)?;
    let copy = || -> std::io::Result<()> {
        let mut source = fs::File::open(from)?;
        let mut copy = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(to)?;
        std::io::copy(&mut source, &mut copy)?;
        copy.sync_all()
    };
    copy().with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

fn rename(from: &Path, to: &Path) -> anyhow::Result<()> {
    let renamed = fs::rename(from, to).and_then(|()| sync_directory_of(to));
    renamed.with_context(|| format!("cannot rename {} to {}", from.display(), to.display()))
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn sync_directory_of(path: &Path) -> std::io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
