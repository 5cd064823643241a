//! S1 of security.md: secrets are found nowhere. Lives here: canaries in every secret, real traffic, a
//! crash with a journal, and the search for them. Never here: the forms of a secret (canaries).

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::canaries::Canaries;
use super::{House, LONDON, SECRET};
use crate::process::until;
use crate::ringfence::Setup;
use crate::sip_client::{Behaviour, Phone};

/// Secrets of the carrier, and those that people chose: of a new line, of a change, of a change while
/// the database is down, of an import.
const CARRIERS: &str = "carrier-canary-fezob-31";
const CHOSEN: &str = "chosen-canary-jolid-77";
const CHANGED: &str = "changed-canary-mupak-52";
const JOURNALLED: &str = "journal-canary-tivug-90";
const IMPORTED: &str = "import-canary-sodah-18";

/// What commands printed, by file.
struct Printed<'h> {
    house: &'h House,
    folder: std::path::PathBuf,
    count: usize,
}

impl Printed<'_> {
    /// Runs a command as JSON and for people, and keeps what it printed.
    fn keep(&mut self, words: &[&str]) -> Result<()> {
        for json in [&[][..], &["--json"]] {
            let text = self.house.ringfence.command(&[words, json].concat());
            let text = text.unwrap_or_else(|error| format!("{error:#}"));
            self.count += 1;
            std::fs::write(self.folder.join(format!("{:03}", self.count)), text)?;
        }
        Ok(())
    }
}

/// Everything that has a secret is made, used, changed, crashed and asked for.
pub fn found_nowhere() -> Result<()> {
    let setup = Setup {
        more: vec!["[log]\nlevel = \"trace\"".to_owned()],
        digest: vec!["sha-256", "md5"],
        ..Setup::default()
    };
    let mut house = House::open(setup, |_| Behaviour::Answer(1))?;
    let mut canaries = Canaries::default();
    canaries.plant_line("alice", SECRET)?;
    plant(&house, &mut canaries)?;
    plant_key(&house, &mut canaries)?;
    traffic(&house)?;
    house.ringfence.command(&["key", "rotate", "--keep-old"])?;
    plant_key(&house, &mut canaries)?;
    traffic(&house)?;
    crash_with_journal(&mut house, &mut canaries)?;
    let folder = house.ringfence.dir().join("printed");
    std::fs::create_dir(&folder)?;
    ask_everything(&house, &folder)?;
    back_up(&house)?;

    let (dir, but) = (house.ringfence.dir(), &["data/ringfence.key"][..]);
    ensure!(canaries.len() >= 30, "only {} canaries", canaries.len());
    let found = canaries.find(dir, but)?;
    ensure!(found.is_empty(), "found: {found:?}");
    // The search finds what is there: each form, planted between other bytes.
    let elsewhere = tempfile::tempdir()?;
    for (name, form) in canaries.forms() {
        let planted = [&[0xff; 5_000], form.as_slice(), b"\n"].concat();
        std::fs::write(elsewhere.path().join("planted"), planted)?;
        let found = canaries.find(elsewhere.path(), &[])?;
        ensure!(found.iter().any(|(_, found)| *found == name), "{name} was planted, not found");
    }
    // And the key file itself is where the keys are.
    ensure!(!canaries.find(dir, &[])?.is_empty(), "the key file holds no key");
    Ok(())
}

/// Lines with chosen and made secrets, changed again and again, and a trunk's.
fn plant(house: &House, canaries: &mut Canaries) -> Result<()> {
    let ringfence = &house.ringfence;
    let login = ["--user", "acme", "--realm", "itsp.example", "--secret-stdin"];
    // Phones of the tests sit at the carrier's address, and must not be taken for it.
    let trunk = ["trunk", "add", "itsp", "127.0.0.1:9", "--route", "9999:10"];
    let trunk = [&trunk[..], &["--source", "127.0.0.201/32"]].concat();
    ringfence.command_with(&[&trunk[..], &login].concat(), &format!("{CARRIERS}\n"))?;
    canaries.plant("secret of the trunk", CARRIERS.as_bytes());
    ringfence.add_line("a", "carol", CHOSEN)?;
    canaries.plant_line("carol", CHOSEN)?;
    ringfence
        .command_with(&["line", "secret", "carol", "--secret-stdin"], &format!("{CHANGED}\n"))?;
    canaries.plant_line("carol", CHANGED)?;
    for form in ["--type", "--say", "--type"] {
        reveal(house, &["line", "secret", "bob", form], "bob", canaries)?;
    }
    reveal(house, &["line", "add", "b", "dave", "--say"], "dave", canaries)?;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(&file, format!("account,user,secret\nb,erin,{IMPORTED}\nb,frank,\n"))?;
    let path = file.path().to_string_lossy().into_owned();
    let told = ringfence.json(&["line", "import", &path])?;
    let made = told.first().and_then(|told| told["secrets"][0]["secret"].as_str());
    canaries.plant_line("erin", IMPORTED)?;
    canaries.plant_line("frank", made.context("an import reveals what it made")?)
}

/// A made secret is told once, in this command's answer.
fn reveal(house: &House, words: &[&str], user: &str, canaries: &mut Canaries) -> Result<()> {
    let told = house.ringfence.json(words)?;
    let secret = told.first().and_then(|told| told["secret"].as_str());
    let secret = secret.with_context(|| format!("{words:?} reveals no secret"))?;
    let text = told.iter().map(Value::to_string).collect::<String>();
    ensure!(text.matches(secret).count() == 1, "{words:?} tells it twice");
    canaries.plant_line(user, secret)
}

/// The keys as they are in memory: 32 bytes each.
fn plant_key(house: &House, canaries: &mut Canaries) -> Result<()> {
    let text = std::fs::read_to_string(house.ringfence.dir().join("data/ringfence.key"))?;
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let [id, _, key] = line.split(' ').collect::<Vec<_>>()[..] else {
            anyhow::bail!("a line of the key file is not ID MADE KEY");
        };
        canaries.plant(&format!("key {id}"), &from_base64(key)?);
    }
    Ok(())
}

fn from_base64(text: &str) -> Result<Vec<u8>> {
    let mut bits = Vec::new();
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            other => anyhow::bail!("`{other}` is no base64"),
        };
        bits.extend((0..6).rev().map(|bit| value >> bit & 1));
    }
    Ok(bits
        .chunks_exact(8)
        .map(|byte| byte.iter().fold(0, |value, bit| value << 1 | bit))
        .collect())
}

/// Registrations with both hashes, a wrong one, and a call.
fn traffic(house: &House) -> Result<()> {
    let server = house.ringfence.address();
    for (user, secret) in [("alice", SECRET), ("carol", CHANGED), ("erin", IMPORTED)] {
        let mut phone = Phone::udp(server, user, secret)?;
        let answer = phone.register(300)?;
        ensure!(answer.status() == Some(200), "{user} registers: {}", answer.start);
        let call = phone.invite(LONDON)?;
        let refused = || format!("{user}'s call: {:?}", call.response);
        let mut call = call.dialog.with_context(refused)?;
        phone.bye(&mut call)?;
    }
    let mut old = Phone::tcp(server, "carol", CHOSEN)?;
    ensure!(old.register(300)?.status() != Some(200), "the secret of before is worth nothing");
    Ok(())
}

/// Another program holds the database: a change goes to the journal. Then the server dies.
fn crash_with_journal(house: &mut House, canaries: &mut Canaries) -> Result<()> {
    let data = house.ringfence.dir().join("data");
    let holder = rusqlite::Connection::open(data.join("ringfence.db"))?;
    holder.execute_batch("BEGIN IMMEDIATE")?;
    let change = ["line", "secret", "carol", "--secret-stdin"];
    let told = house.ringfence.command_with(&change, &format!("{JOURNALLED}\n"));
    let told = told.err().context("the change could be written while the database was held")?;
    ensure!(told.to_string().contains("in force, but not yet written"), "{told:#}");
    canaries.plant_line("carol", JOURNALLED)?;
    let journal = data.join("journal");
    until(Duration::from_secs(30), "the change is in the journal", || {
        // A sealed body begins with `S`.
        let frames = frames(&journal).ok()?;
        frames.iter().any(|body| body.first() == Some(&b'S')).then_some(())
    })?;
    std::fs::copy(&journal, house.ringfence.dir().join("journal.copy"))?;
    house.ringfence.kill()?;
    std::fs::copy(&journal, house.ringfence.dir().join("journal.after"))?;
    holder.execute_batch("ROLLBACK")?;
    drop(holder);
    house.ringfence.start()?;
    let mut phone = Phone::udp(house.ringfence.address(), "carol", JOURNALLED)?;
    let answer = phone.register(300)?;
    ensure!(answer.status() == Some(200), "the journal was told: {}", answer.start);
    Ok(())
}

/// The bodies of a journal's frames.
fn frames(journal: &Path) -> Result<Vec<Vec<u8>>> {
    let bytes = std::fs::read(journal)?;
    let (mut rest, mut found) = (bytes.as_slice(), Vec::new());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        let body = after.get(4..4 + length).context("a torn frame")?;
        found.push(body.to_vec());
        rest = &after[4 + length..];
    }
    Ok(found)
}

/// Everything that can be asked.
fn ask_everything(house: &House, folder: &Path) -> Result<()> {
    let mut printed = Printed { house, folder: folder.to_owned(), count: 0 };
    let calls = house.records(6)?;
    let decision = calls[0]["decision"].as_str().context("a record names its decision")?;
    for words in [
        "account list",
        "account show a",
        "account show b",
        "account history a --limit 1000",
        "account history b --limit 1000",
        "line list",
        "trunk list",
        "number list",
        "calls --limit 0",
        "calls --live",
        "rates list",
        "config show --origin",
        "doctor --offline",
        "key status",
        "key check",
        "status",
        "check",
    ] {
        printed.keep(&words.split(' ').collect::<Vec<_>>())?;
    }
    printed.keep(&["explain", decision])?;
    // And what is said when things go wrong.
    let weak = house
        .ringfence
        .command_with(&["line", "add", "a", "weak", "--secret-stdin"], &format!("{IMPORTED}\"\n"));
    let weak = weak.err().context("a quote in a secret is refused")?.to_string();
    std::fs::write(folder.join("weak"), weak)?;
    Ok(())
}

/// Backups as people make them: by SQLite, and by copying.
fn back_up(house: &House) -> Result<()> {
    let dir = house.ringfence.dir();
    let conn = rusqlite::Connection::open(dir.join("data/ringfence.db"))?;
    let backup = dir.join("backup.db");
    conn.execute("VACUUM INTO ?1", [backup.to_string_lossy()])?;
    conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    std::fs::copy(dir.join("data/ringfence.db"), dir.join("copied.db"))?;
    let lines: i64 =
        rusqlite::Connection::open(&backup)?
            .query_row("SELECT COUNT(*) FROM line", [], |row| row.get(0))?;
    ensure!(lines == 6, "{lines} lines in the backup");
    Ok(())
}
