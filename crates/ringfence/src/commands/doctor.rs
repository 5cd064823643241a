//! `doctor`. Lives here: looking for what is wrong, each with a remedy. Never here: repairing.

use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::process::ExitCode;

use serde_json::json;
use sip::flow::Transport;
use store::{ChainQuestion, Reader, SqliteStore, StoreError};
use types::{AccountStatus, LineStatus};

use super::Context;
use super::office::ask;
use super::output::line;
use super::verify::examine;
use crate::config::Config;
use crate::shell::clock::system_wall;
use crate::shell::control::Request;
use crate::shell::keys::KeyRing;
use crate::shell::open::open_existing;

mod audited;
mod certificate;
mod reach;
mod telling;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringfence doctor
  ringfence doctor --json --offline

Exit code 1 if something is wrong; warnings alone are no failure.")]
pub struct Args {
    /// Send nothing: do not ask trunks whether they are there
    #[arg(long)]
    offline: bool,
}

/// What a look found.
enum Found {
    Good(String),
    Warning(String, String),
    Wrong(String, String),
}

use Found::{Good, Warning, Wrong};

pub fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    let mut is_wrong = false;
    let mut report = |name: &str, found: Found| -> anyhow::Result<()> {
        is_wrong |= matches!(found, Wrong(..));
        print(name, &found, context)
    };
    let loaded = match context.load() {
        Ok(loaded) => loaded,
        Err(error) => {
            report(
                "configuration",
                Wrong(format!("{error:#}"), "correct the places named".to_owned()),
            )?;
            return Ok(ExitCode::FAILURE);
        }
    };
    let config = &loaded.config;
    let origin = loaded.file.as_ref().map(|file| file.display().to_string());
    report("configuration", Good(origin.unwrap_or_else(|| "from the environment".to_owned())))?;
    let status = ask(config, &Request::Status);
    report("node", node(&status))?;
    let is_running = matches!(status, Ok(Some(_)));
    if let Some(found) = audited::follows(&status) {
        report("auditor", found)?;
    }
    report("data directory", data_dir(config))?;
    report("journal", journal(config))?;
    report("clock", clock(config))?;
    for socket in &config.listen {
        report(&format!("socket {socket}"), listener(socket, is_running))?;
    }
    if let Some(found) = certificate::look(config) {
        report("certificate", found)?;
    }
    let (keys, found) = keys(config);
    report("key", found)?;
    match open_existing(config, keys.as_ref()) {
        Ok(Some(reader)) => {
            for (name, found) in database(&reader, config, args.offline, context)? {
                report(&name, found)?;
            }
        }
        Ok(None) => report(
            "database",
            Warning(
                "there is none yet".to_owned(),
                "it is made by the first command that changes something".to_owned(),
            ),
        )?,
        Err(error @ StoreError::WrongKey { .. }) => {
            report("database", Wrong(error.to_string(), "nothing is served until then".to_owned()))?
        }
        Err(error) => report(
            "database",
            Wrong(
                format!("{error:#}"),
                "restore it from a backup, or run the program that made it".to_owned(),
            ),
        )?,
    }
    Ok(if is_wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(name: &str, found: &Found, context: &Context) -> anyhow::Result<()> {
    let (state, what, remedy) = match found {
        Good(what) => ("ok", what, None),
        Warning(what, remedy) => ("warning", what, Some(remedy)),
        Wrong(what, remedy) => ("problem", what, Some(remedy)),
    };
    if context.output.is_json() {
        let value = json!({ "check": name, "state": state, "ok": state != "problem", "what": what, "remedy": remedy });
        return line(&value.to_string());
    }
    line(&format!("{state:<8} {name}: {what}"))?;
    remedy.map_or(Ok(()), |remedy| line(&format!("         → {remedy}")))
}

/// What was set aside is money or a change that nobody has in his books.
fn journal(config: &Config) -> Found {
    let path = store::journal::refused_path(&config.journal());
    match path.exists() {
        false => Good("nothing was set aside".to_owned()),
        true => Wrong(
            format!("{} holds records that the database refused", path.display()),
            "read why in each line, put it right by hand, then remove the file".to_owned(),
        ),
    }
}

/// The keys that open passwords; without one nothing was written yet, or nothing will be served.
fn keys(config: &Config) -> (Option<KeyRing>, Found) {
    match KeyRing::to_read(config) {
        Ok(Some(keys)) => {
            let count = keys.keys().iter().count();
            let what = match count {
                1 => format!("one, in {}", keys.name()),
                _ => format!("{count}, in {}", keys.name()),
            };
            (Some(keys), Good(what))
        }
        Ok(None) if config.database().exists() => {
            let what = format!("{} is not there", config.key_file().display());
            let remedy = "put it back from your copy: without it every password is lost";
            (None, Wrong(what, remedy.to_owned()))
        }
        Ok(None) => {
            let remedy = "it is made at the first start".to_owned();
            (None, Warning("there is none yet".to_owned(), remedy))
        }
        Err(error) => (None, Wrong(format!("{error:#}"), "correct the place named".to_owned())),
    }
}

fn node(status: &anyhow::Result<Option<serde_json::Value>>) -> Found {
    match status {
        Ok(Some(status)) if status["store"]["up"] == json!(false) => Wrong(
            format!("it runs, but cannot hold money: {}", status["store"]["last_error"]),
            "make room on the disk or repair it; chargeable calls are refused meanwhile".to_owned(),
        ),
        Ok(Some(status)) => Good(format!(
            "it runs as process {} since {} s, {} calls",
            status["pid"],
            status["uptime_ms"].as_u64().unwrap_or(0) / 1_000,
            status["node"]["calls"]
        )),
        Ok(None) => Warning("it is not running".to_owned(), "start it: ringfence serve".to_owned()),
        Err(error) => {
            Wrong(format!("{error:#}"), "run this as the user that runs the node".to_owned())
        }
    }
}

fn data_dir(config: &Config) -> Found {
    let dir = &config.data_dir;
    let shown = dir.display();
    let Ok(about) = std::fs::metadata(dir) else {
        return Warning(
            format!("{shown} is not there"),
            "it is made at the first start".to_owned(),
        );
    };
    let mode = about.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let what = format!("{shown} can be read by others (mode {mode:o})");
        return Wrong(what, format!("it holds verifiers of secrets: chmod 700 {shown}"));
    }
    let writable = nix::unistd::access(dir, nix::unistd::AccessFlags::W_OK);
    match writable {
        Ok(()) => Good(shown.to_string()),
        Err(_) => Wrong(
            format!("{shown} cannot be written"),
            "run this as the user that runs the node, or give it the directory".to_owned(),
        ),
    }
}

fn clock(config: &Config) -> Found {
    let now = system_wall();
    if now.seconds() < 1_704_067_200 {
        return Wrong(format!("it shows {now}"), "set the clock; run an NTP client".to_owned());
    }
    let newest = open_existing(config, None).ok().flatten().and_then(|reader| {
        let calls = reader.calls(&store::CallFilter { limit: 1, ..store::CallFilter::default() });
        calls.ok()?.first().map(|call| call.ended)
    });
    match newest {
        Some(newest) if newest.0 > now.0 + 60_000_000 => Wrong(
            format!("it shows {now}, but the newest call ended at {newest}"),
            "set the clock: the node runs on the later time until the system catches up".to_owned(),
        ),
        _ => Good(now.to_string()),
    }
}

fn listener(socket: &crate::config::ListenAddress, is_running: bool) -> Found {
    let bound = match socket.transport {
        Transport::Udp => UdpSocket::bind(socket.address).map(drop),
        Transport::Tcp | Transport::Tls | Transport::Wss => {
            TcpListener::bind(socket.address).map(drop)
        }
    };
    match (bound, is_running) {
        (Ok(()), false) => Good("free to listen on".to_owned()),
        (Err(error), true) if error.kind() == std::io::ErrorKind::AddrInUse => {
            Good("in use, as the node runs".to_owned())
        }
        (Ok(()), true) if socket.address.port() == 0 => Good("any port".to_owned()),
        (Ok(()), true) => Warning(
            "the running node does not listen on it".to_owned(),
            "restart the node: its configuration was changed".to_owned(),
        ),
        (Err(error), _) => Wrong(
            error.to_string(),
            "stop the program that has it (ss -lunpt), or listen elsewhere: sip.listen".to_owned(),
        ),
    }
}

/// Everything that the database tells.
fn database(
    reader: &SqliteStore,
    config: &Config,
    offline: bool,
    context: &Context,
) -> anyhow::Result<Vec<(String, Found)>> {
    let mut found = verified(reader, context)?;
    found.push(("audited calls".to_owned(), audited::mismatches(reader)?));
    found.push(("rate decks".to_owned(), decks(reader)?));
    found.extend(trunks(reader, config, offline)?);
    found.push(("accounts".to_owned(), accounts(reader)?));
    found.extend(telling::look(reader, config)?);
    Ok(found)
}

/// Sums and links; rows are compared with their links by `verify`, which takes longer.
fn verified(reader: &SqliteStore, context: &Context) -> anyhow::Result<Vec<(String, Found)>> {
    let question = ChainQuestion { is_quick: true, ..ChainQuestion::default() };
    let examined = examine(reader, &question, context)?;
    let mut found: Vec<(String, Found)> = Vec::new();
    for (part, what) in examined.problems() {
        let remedy = match part {
            "passwords" => {
                "put the key back, or a backup; or set a new secret, then enable it again"
            }
            "record" => "keep a copy of the data directory, and see all of it: ringfence verify",
            _ => "stop the node and keep a copy of the data directory: the records disagree",
        };
        found.push((part.to_owned(), Wrong(what, remedy.to_owned())));
    }
    for (part, good) in [("record", examined.record(true)), ("money", examined.money())] {
        if found.iter().all(|(of, _)| of != part) {
            found.push((part.to_owned(), Good(good)));
        }
    }
    Ok(found)
}

fn decks(reader: &SqliteStore) -> anyhow::Result<Found> {
    let decks = reader.decks()?;
    let empty: Vec<_> =
        decks.iter().filter(|deck| deck.rows == 0).map(|deck| deck.name.as_str()).collect();
    Ok(match decks.len() {
        0 => Warning(
            "there are none: every chargeable call is refused".to_owned(),
            "ringfence rates import FILE --deck NAME".to_owned(),
        ),
        _ if !empty.is_empty() => Warning(
            format!("without a row: {}", empty.join(", ")),
            "ringfence rates import FILE --deck NAME".to_owned(),
        ),
        count => Good(format!("{count}, {} rows", decks.iter().map(|deck| deck.rows).sum::<u64>())),
    })
}

fn trunks(
    reader: &SqliteStore,
    config: &Config,
    offline: bool,
) -> anyhow::Result<Vec<(String, Found)>> {
    let trunks: Vec<_> = reader.trunks()?.into_iter().filter(|trunk| trunk.enabled).collect();
    let mut found = Vec::new();
    if trunks.is_empty() {
        let remedy = "ringfence trunk add NAME ADDRESS:PORT".to_owned();
        found.push((
            "trunks".to_owned(),
            Warning("none is enabled: nobody outside can be called".to_owned(), remedy),
        ));
    }
    if !trunks.iter().any(|trunk| trunk.emergency) {
        let remedy =
            "ringfence trunk set NAME emergency=yes, for a carrier that takes them".to_owned();
        found.push((
            "emergency calls".to_owned(),
            Wrong("no enabled trunk carries them".to_owned(), remedy),
        ));
    }
    if !offline {
        found.extend(trunks.iter().map(|trunk| {
            let told = match reach::reach(trunk, config) {
                Ok(answer) => Good(answer),
                Err(why) => Warning(
                    format!("{} does not answer OPTIONS: {why}", trunk.address),
                    "some carriers never answer them; else check address, firewall and route"
                        .to_owned(),
                ),
            };
            (format!("trunk {}", trunk.name), told)
        }));
    }
    Ok(found)
}

fn accounts(reader: &SqliteStore) -> anyhow::Result<Found> {
    let accounts = reader.accounts()?;
    let lines = reader.lines(None)?;
    let has_line: std::collections::BTreeSet<_> = lines
        .iter()
        .filter(|line| line.status == LineStatus::Active)
        .map(|line| line.account)
        .collect();
    let open: Vec<_> =
        accounts.iter().filter(|account| account.status != AccountStatus::Closed).collect();
    let without: Vec<_> = open
        .iter()
        .filter(|account| !has_line.contains(&account.id))
        .map(|account| account.name.as_str())
        .collect();
    Ok(match (open.len(), without.len()) {
        (0, _) => Warning("there are none".to_owned(), "ringfence account add NAME".to_owned()),
        (_, 0) => Good(format!("{} with {} lines", open.len(), lines.len())),
        (_, count) => Warning(
            format!("{count} without a line in use, first {}", without[0]),
            "ringfence line add ACCOUNT USER".to_owned(),
        ),
    })
}
