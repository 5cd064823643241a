//! Keys that seal secrets. Lives here: the key file, the variable, making a key at the first start.
//! Never here: sealing (store::seal), changing keys (commands::key).

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use store::seal::{Key, KeyId, Keys};
use store::{Sealer, SqliteStore};
use zeroize::Zeroizing;

use super::clock::system_wall;
use crate::config::Config;

/// Takes the place of the key file: base64, several with white space between, the newest first.
pub const VARIABLE: &str = "RINGFENCE_KEY";

/// The keys of a data directory, and where they are from.
#[derive(Clone)]
pub struct KeyRing {
    sealer: Arc<Sealer>,
    source: Source,
}

#[derive(Clone)]
enum Source {
    File(PathBuf),
    Variable,
}

impl Source {
    fn of(config: &Config) -> Source {
        match std::env::var_os(VARIABLE) {
            Some(_) => Source::Variable,
            None => Source::File(config.key_file()),
        }
    }

    fn name(&self) -> String {
        match self {
            Source::File(path) => path.display().to_string(),
            Source::Variable => format!("the environment variable {VARIABLE}"),
        }
    }

    /// The keys; `None` if there is no key file.
    fn read(&self) -> anyhow::Result<Option<Keys>> {
        match self {
            Source::File(path) => read_file(path),
            Source::Variable => {
                let text = std::env::var(VARIABLE).map(Zeroizing::new).context(VARIABLE)?;
                Keys::parse_words(&text).map(Some).with_context(|| format!("variable {VARIABLE}"))
            }
        }
    }
}

impl KeyRing {
    /// The keys, to write with. The first start makes one, unless secrets were sealed before.
    pub fn to_write(config: &Config) -> anyhow::Result<KeyRing> {
        let source = Source::of(config);
        let keys = match (source.read()?, &source) {
            (Some(keys), _) => keys,
            (None, Source::File(path)) => make_first(config, path)?,
            (None, Source::Variable) => bail!("{VARIABLE} holds no key"),
        };
        Ok(KeyRing::new(config, source, keys))
    }

    /// The keys, to look with; `None` if there are none.
    pub fn to_read(config: &Config) -> anyhow::Result<Option<KeyRing>> {
        let source = Source::of(config);
        Ok(source.read()?.map(|keys| KeyRing::new(config, source, keys)))
    }

    fn new(config: &Config, source: Source, keys: Keys) -> KeyRing {
        let sealer = Arc::new(Sealer::new(&config.realm, &source.name(), keys));
        KeyRing { sealer, source }
    }

    /// What seals with these keys.
    pub fn sealer(&self) -> Arc<Sealer> {
        Arc::clone(&self.sealer)
    }

    /// The keys as they are in memory.
    pub fn keys(&self) -> Arc<Keys> {
        self.sealer.keys()
    }

    /// Reads the key file again; the id of the key that seals from now on.
    pub fn reload(&self) -> anyhow::Result<KeyId> {
        let keys = self.source.read()?;
        let keys = keys.with_context(|| format!("{} is gone", self.source.name()))?;
        let newest = keys.newest().id();
        self.sealer.exchange(keys);
        Ok(newest)
    }

    /// Writes these keys to the file, whole or not at all, and uses them.
    pub fn replace(&self, keys: Keys) -> anyhow::Result<()> {
        let Source::File(path) = &self.source else {
            bail!("the keys come from {VARIABLE}: they are changed there");
        };
        write_file(path, &keys)?;
        self.sealer.exchange(keys);
        Ok(())
    }

    /// Are the keys in a file that we write ourselves?
    pub fn is_file(&self) -> bool {
        matches!(self.source, Source::File(_))
    }

    /// Where the keys are from, for people.
    pub fn name(&self) -> String {
        self.source.name()
    }
}

fn read_file(path: &Path) -> anyhow::Result<Option<Keys>> {
    let named = || format!("the key file {}", path.display());
    let mut file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(named),
    };
    let mode = file.metadata().with_context(named)?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        bail!("{} can be read by others (mode {mode:o}): chmod 600 {}", named(), path.display());
    }
    let mut text = Zeroizing::new(String::with_capacity(4_096));
    std::io::Read::read_to_string(&mut file, &mut text).with_context(named)?;
    Keys::parse_file(&text).map(Some).with_context(named)
}

fn make_first(config: &Config, path: &Path) -> anyhow::Result<Keys> {
    let database = config.database();
    if database.exists()
        && let Some(key) = SqliteStore::last_key(&database)?
    {
        bail!(
            "there is no key file {}, and the secrets in {} are sealed with key {key}: put the key \
             file back from your copy; without it every secret is lost and has to be set anew",
            path.display(),
            database.display()
        );
    }
    let keys = Keys::new(vec![Key::random(system_wall())?])?;
    write_file(path, &keys)?;
    tracing::info!(
        file = %path.display(),
        "a key was made that seals passwords: keep a copy of it apart from the database"
    );
    Ok(keys)
}

/// Writes a file that only its owner can read, beside the old one, then puts it in its place.
fn write_file(path: &Path, keys: &Keys) -> anyhow::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    let write = || -> std::io::Result<()> {
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(keys.to_file().as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().with_context(|| format!("cannot write the key file {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(dir: &tempfile::TempDir) -> Config {
        let (data_dir, realm) = (dir.path().to_owned(), "example.com".to_owned());
        Config { data_dir, realm, ..Config::default() }
    }

    #[test]
    fn the_first_start_makes_a_key_and_the_next_reads_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let config = config(&dir);
        assert!(KeyRing::to_read(&config).expect("no error").is_none());
        let made = KeyRing::to_write(&config).expect("made");
        let mode = fs::metadata(config.key_file()).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = KeyRing::to_write(&config).expect("read");
        assert_eq!(again.keys().newest().id(), made.keys().newest().id());
        // Two keys, then the newer alone, as a running node sees it.
        let newer = Key::random(system_wall()).expect("dice");
        let id = newer.id();
        made.replace(made.keys().with_newest(newer)).expect("written");
        assert_eq!(again.reload().expect("read"), id);
        assert_eq!(again.keys().iter().count(), 2);
        made.replace(made.keys().newest_only()).expect("written");
        again.reload().expect("read");
        assert_eq!(again.keys().iter().count(), 1);
        assert_eq!(
            fs::read_dir(dir.path()).expect("a directory").count(),
            1,
            "nothing is left over"
        );
    }

    #[test]
    fn what_is_wrong_with_a_key_file_is_said() {
        fn check(prepare: impl Fn(&Path), want: &str) {
            let dir = tempfile::tempdir().expect("a directory");
            let config = config(&dir);
            drop(KeyRing::to_write(&config).expect("made"));
            prepare(&config.key_file());
            let error = format!("{:#}", KeyRing::to_write(&config).err().expect(want));
            let error = error.replace(&config.key_file().display().to_string(), "FILE");
            assert_eq!(error, want);
        }
        let mode = |mode: u32| {
            move |path: &Path| {
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("set");
            }
        };
        check(mode(0o640), "the key file FILE can be read by others (mode 640): chmod 600 FILE");
        check(mode(0o604), "the key file FILE can be read by others (mode 604): chmod 600 FILE");
        check(|path| fs::write(path, "").expect("written"), "the key file FILE: there is no key");
        check(
            |path| fs::write(path, "# x\nnonsense\n").expect("written"),
            "the key file FILE: line 2: expected ID MADE KEY",
        );
    }
}
