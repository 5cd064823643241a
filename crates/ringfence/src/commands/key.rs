//! `key`. Lives here: which keys seal secrets, exchanging them. Never here: sealing (store::seal).
//!
//! ```text
//! rotate:  new key to the file ─► the node reads it ─► rows sealed anew, a thousand at a time
//!          ─► nothing is sealed with another key ─► old keys out of the file
//! ```
//!
//! Killed anywhere in between, both keys are in the file and open everything: the next `key rotate`
//! goes on.

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use store::seal::{Key, Keys};
use store::{ChainQuestion, Reader, Sealing, WhatSealed};
use types::{LineId, TrunkId, WebUserId};

use super::Context;
use super::office::Office;
use super::output::{Table, line};
use crate::change::Change;
use crate::config::Config;
use crate::pages::UserAsk;
use crate::shell::clock::system_wall;
use crate::shell::keys::{KeyRing, VARIABLE};
use crate::shell::open::{make_data_dir, open_existing};

/// Rounds until nothing old may be left: what others write meanwhile is sealed with the newest key.
const ROUNDS: usize = 3;
const DAY_US: i64 = 86_400 * 1_000_000;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// The keys, how old they are, and how many passwords each seals
    #[command(after_help = "Example:\n  ringfence key status")]
    Status,
    /// Open every password in the database
    #[command(after_help = "Example:\n  ringfence key check\n\nExit code 1 if one does not open.")]
    Check,
    /// Make a new key, seal everything with it, and forget the old ones
    Rotate(RotateArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringfence key rotate
  ringfence key rotate --keep-old     the old key still opens old backups

Works while the node runs and while it does not. When it is interrupted, it goes on where it was.
Take a copy of the key file afterwards: the one before opens no newer backup.")]
pub struct RotateArgs {
    /// Leave the old keys in the file
    #[arg(long)]
    keep_old: bool,
    /// Passwords sealed in one transaction
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<ExitCode> {
    let config = context.load()?.config;
    match command {
        Command::Status => status(&config, context).map(|()| ExitCode::SUCCESS),
        Command::Check => check(&config, context),
        Command::Rotate(args) => rotate(&args, &config, context).map(|()| ExitCode::SUCCESS),
    }
}

/// The keys, and what they seal.
fn look(config: &Config) -> anyhow::Result<(KeyRing, Sealing)> {
    let none = || format!("there is no key yet: {} is made at the first start", key_file(config));
    let keys = KeyRing::to_read(config)?.with_context(none)?;
    let sealing = survey(config, &keys)?;
    Ok((keys, sealing))
}

fn survey(config: &Config, keys: &KeyRing) -> anyhow::Result<Sealing> {
    match open_existing(config, Some(keys))? {
        Some(reader) => Ok(reader.sealing()?),
        None => Ok(Sealing::default()),
    }
}

fn key_file(config: &Config) -> String {
    config.key_file().display().to_string()
}

fn status(config: &Config, context: &Context) -> anyhow::Result<()> {
    let (keys, sealing) = look(config)?;
    let (now, all) = (system_wall(), keys.keys());
    let mut table = Table::new(&["key", "made", ">days", ">passwords", "use"], "no keys");
    let mut values = Vec::new();
    for (at, key) in all.iter().enumerate() {
        let rows = sealing.keys.iter().find(|(id, _)| *id == key.id()).map_or(0, |(_, rows)| *rows);
        let days = key.made().map(|made| now.0.saturating_sub(made.0).max(0) / DAY_US);
        let made = key.made().map(|made| made.to_string());
        let (id, seals) = (key.id().to_string(), at == 0);
        table.row(vec![
            id.clone(),
            made.clone().unwrap_or_else(|| "unknown".to_owned()),
            days.map_or_else(String::new, |days| days.to_string()),
            rows.to_string(),
            if seals { "seals and opens" } else { "opens" }.to_owned(),
        ]);
        values.push(json!({ "id": id, "made": made, "days": days, "rows": rows, "seals": seals }));
    }
    for (id, rows) in &sealing.keys {
        if !all.iter().any(|key| key.id() == *id) {
            let (id, use_of) = (id.to_string(), "missing: they cannot be opened".to_owned());
            table.row(vec![id.clone(), String::new(), String::new(), rows.to_string(), use_of]);
            values.push(json!({ "id": id, "rows": rows, "seals": false, "missing": true }));
        }
    }
    context.output.list(&table, values.into_iter())
}

fn check(config: &Config, context: &Context) -> anyhow::Result<ExitCode> {
    let (_, sealing) = look(config)?;
    let named = sealing.unopened.iter().map(|one| format!("{}: {}", one.what, one.why));
    let named: Vec<String> = named.collect();
    let value = json!({ "ok": named.is_empty(), "rows": sealing.rows, "unopened": named });
    let text = match named.as_slice() {
        [] => format!("all {} passwords open", sealing.rows),
        named => format!(
            "{} of {} passwords do not open:\n{}",
            named.len(),
            sealing.rows,
            named.join("\n")
        ),
    };
    context.output.one(&text, &value)?;
    Ok(if named.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn rotate(args: &RotateArgs, config: &Config, context: &Context) -> anyhow::Result<()> {
    make_data_dir(config)?;
    let keys = KeyRing::to_write(config)?;
    // First of all, so that nobody else starts meanwhile.
    let mut office = Office::open(config, &keys)?;
    let before = survey(config, &keys)?;
    let goes_on = !before.old.is_empty() && keys.keys().iter().count() > 1;
    if !goes_on {
        begin(&keys)?;
        office.follow_keys(&keys)?;
    }
    let sealed = seal_anew(args, &keys, &mut office, config, context)?;
    let after = survey(config, &keys)?;
    let kept_because = match keeps_old(args, &after, config) {
        Some(why) => Some(why),
        None => broken_record(config, &keys)?,
    };
    let old = keys.keys().iter().count() - 1;
    if kept_because.is_none() && old > 0 && keys.is_file() {
        keys.replace(keys.keys().newest_only())?;
        office.follow_keys(&keys)?;
    }
    let newest = keys.keys().newest().id().to_string();
    let mut text = format!(
        "{sealed} passwords are sealed with key {newest}{}",
        if goes_on { "; an earlier rotation was finished" } else { "" }
    );
    match &kept_because {
        Some(why) => text.push_str(&format!("\nthe old keys stay: {why}")),
        None if !keys.is_file() => {
            text.push_str(&format!("\ntake the old keys out of {VARIABLE} now"));
        }
        None => text.push_str(&format!("\n{old} old keys were forgotten")),
    }
    text.push_str(&format!("\nkeep a copy of {} apart from the database's", keys.name()));
    let value = json!({
        "key": newest, "sealed": sealed, "continued": goes_on,
        "old_keys_kept": kept_because.is_some() || !keys.is_file(), "message": text,
    });
    context.output.one(&text, &value)
}

/// A new key that seals from now on.
fn begin(keys: &KeyRing) -> anyhow::Result<()> {
    if keys.is_file() {
        return keys.replace(keys.keys().with_newest(Key::random(system_wall())?));
    }
    if Keys::clone(&keys.keys()).iter().count() < 2 {
        bail!(
            "the key comes from {VARIABLE}: put a new one (openssl rand -base64 32) before it, a space \
             between, restart the node with it, then run this again"
        );
    }
    Ok(())
}

/// Why old keys are still needed, if they are.
fn keeps_old(args: &RotateArgs, after: &Sealing, config: &Config) -> Option<String> {
    let refused = store::journal::refused_path(&config.journal());
    if args.keep_old {
        Some("as you said".to_owned())
    } else if let Some(first) = after.unopened.first() {
        Some(format!(
            "{} passwords do not open, first that of {}",
            after.unopened.len(),
            first.what
        ))
    } else if refused.exists() {
        Some(format!("{} may hold what they seal", refused.display()))
    } else {
        None
    }
}

/// The first break of the record, while the keys that made its links are still there: afterwards it could
/// only be told that the links are as they were when the keys were exchanged.
fn broken_record(config: &Config, keys: &KeyRing) -> anyhow::Result<Option<String>> {
    let Some(reader) = open_existing(config, Some(keys))? else { return Ok(None) };
    let question = ChainQuestion { is_quick: true, ..ChainQuestion::default() };
    let report = reader.verify_chain(&question, &mut |_, _| {})?;
    let first = report.breaks.first();
    Ok(first.map(|first| format!("the record does not hold: {first}; see `ringfence verify`")))
}

/// Seals with the newest key what another key seals; how many passwords that were.
fn seal_anew(
    args: &RotateArgs,
    keys: &KeyRing,
    office: &mut Office,
    config: &Config,
    context: &Context,
) -> anyhow::Result<u64> {
    let mut sealed = 0;
    for _ in 0..ROUNDS {
        let old = survey(config, keys)?.old;
        if old.is_empty() {
            return Ok(sealed);
        }
        let bar = progress(old.len() as u64, context);
        for some in old.chunks(args.batch as usize) {
            let (lines, trunks, users) = split(some);
            office.change(Change::Reseal { lines, trunks })?;
            if !users.is_empty() {
                office.users(UserAsk::Reseal(users), config)?;
            }
            sealed += some.len() as u64;
            bar.inc(some.len() as u64);
            if context.output.is_json() {
                line(&json!({ "sealed": sealed, "of": old.len() }).to_string())?;
            }
        }
        bar.finish_and_clear();
    }
    let left = survey(config, keys)?.old;
    match left.first() {
        None => Ok(sealed),
        Some(what) => bail!(
            "{} passwords are still sealed with an old key, first that of {what}: run this again",
            left.len()
        ),
    }
}

fn split(some: &[WhatSealed]) -> (Vec<LineId>, Vec<TrunkId>, Vec<WebUserId>) {
    let (mut lines, mut trunks, mut users) = (Vec::new(), Vec::new(), Vec::new());
    for what in some {
        match what {
            WhatSealed::Line(id, _) => lines.push(*id),
            WhatSealed::Trunk(id, _) => trunks.push(*id),
            WhatSealed::WebUser(id, _) => users.push(*id),
        }
    }
    (lines, trunks, users)
}

/// A bar on a terminal, for people.
fn progress(count: u64, context: &Context) -> ProgressBar {
    if context.output.is_json() || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(count);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} passwords, {eta} left");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}
