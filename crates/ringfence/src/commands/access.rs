//! `access`. Lives here: its subcommands: lock-outs listed, explained, lifted, and fed from other
//! programs' logs. Never here: who is locked out.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};
use engine::ForeignLogIn;
use serde_json::{Value, json};

use super::Context;
use super::foreign_log;
use super::office::{change, look};
use super::output::{Table, printable};
use crate::change::Change;
use crate::config::Config;
use crate::look::Question;

/// Log-ins told to the node in one go.
const BATCH: usize = 500;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List whose log-ins are refused, and until when
    #[command(after_help = "Example:\n  ringfence access locks --json")]
    Locks,
    /// Say why somebody cannot log in
    #[command(after_help = "Examples:
  ringfence access explain alice-desk
  ringfence access explain alice-desk --from 192.0.2.7")]
    Explain {
        /// User name
        user: String,
        /// Seen from this address
        #[arg(long, value_name = "ADDRESS")]
        from: Option<IpAddr>,
    },
    /// End lock-outs before their time
    #[command(after_help = "Examples:
  ringfence access lift alice-desk@192.0.2.7
  ringfence access lift alice-desk     every lock-out of this user name
  ringfence access lift 192.0.2.7      every lock-out at this address")]
    Lift {
        /// A lock-out as `access locks` shows it, a user name, or an address
        what: String,
    },
    /// Count log-ins that failed at other programs, as they come
    #[command(after_help = "Examples:
  tail -F /var/log/asterisk/messages | ringfence access follow - --format asterisk
  ringfence access follow failures.jsonl --format jsonl

A line of jsonl is {\"source\": \"192.0.2.7\", \"user\": \"alice\", \"agent\": \"…\"}; the agent may be left out.
Each failure counts as of the moment at which it is read: follow a log, do not read an old one.")]
    Follow {
        /// The log; - is standard input
        file: PathBuf,
        /// Its format
        #[arg(long, value_enum)]
        format: Format,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Format {
    /// Messages of Asterisk (chan_sip and PJSIP)
    Asterisk,
    /// One JSON object a line
    Jsonl,
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    match command {
        Command::Locks => locks(&look(&config, Question::LockOuts)?, context),
        Command::Explain { user, from } => {
            let answer = look(&config, Question::Explain { user, source: from })?;
            context.output.one(&explained(&answer), &answer)
        }
        Command::Lift { what } => {
            context.output.done(&change(&config, Change::LiftLockOuts { what })?)
        }
        Command::Follow { file, format } => follow(&file, format, &config, context),
    }
}

fn locks(locks: &Value, context: &Context) -> anyhow::Result<()> {
    let mut table = Table::new(&["lock-out", "until", ">failures", "what"], "nobody is locked out");
    let locks = locks.as_array().cloned().unwrap_or_default();
    for lock in &locks {
        let text = |key: &str| lock[key].as_str().unwrap_or_default().to_owned();
        let failures = lock["failures"].to_string();
        table.row(vec![text("name"), text("until"), failures, text("what")]);
    }
    context.output.list(&table, locks.into_iter())
}

/// Why somebody cannot log in, for people.
fn explained(answer: &Value) -> String {
    let user = answer["user"].as_str().unwrap_or_default();
    let mut lines = Vec::new();
    match answer["exists"].as_bool() {
        Some(true) => lines.push(format!("{user} is a line of account {}", answer["account"])),
        _ => lines.push(format!("there is no line {user} that can be used")),
    }
    if answer["wants_new_secret"] == true {
        lines.push("  wants a new password: only known phones may use it until then".to_owned());
    }
    if let Some(source) = answer["source"].as_str() {
        if answer["ip_lock_lets_in"] == false {
            lines.push(format!("  the IP lock keeps {source} out"));
        }
        let is_looked_at = answer["a_new_phone_is_looked_at"] == true;
        lines.push(match answer["exists"].as_bool() {
            Some(true) if is_looked_at => {
                format!("  a phone that is not known yet can log in from {source}")
            }
            _ if is_looked_at => {
                format!(
                    "  whoever tries it from {source} is answered as if the password were wrong"
                )
            }
            _ => format!(
                "  a phone that is not known yet is refused from {source}, whatever its password"
            ),
        });
    }
    let locks = answer["locks"].as_array().into_iter().flatten();
    let mut has_lock = false;
    for lock in locks {
        has_lock = true;
        lines.push(format!(
            "  refused until {}: {} ({} failures)",
            lock["until"].as_str().unwrap_or_default(),
            lock["what"].as_str().unwrap_or_default(),
            lock["failures"]
        ));
    }
    if !has_lock {
        lines.push("  no lock-out concerns it".to_owned());
    }
    for device in answer["devices"].as_array().into_iter().flatten() {
        lines.push(format!(
            "  {} phone {}: {} at {}, last seen {}",
            device["state"].as_str().unwrap_or_default(),
            device["id"],
            device["agent"].as_str().unwrap_or_default(),
            device["peer"].as_str().unwrap_or_default(),
            device["last_seen"].as_str().unwrap_or_default(),
        ));
    }
    lines.iter().map(|line| printable(line)).collect::<Vec<_>>().join("\n")
}

fn follow(file: &Path, format: Format, config: &Config, context: &Context) -> anyhow::Result<()> {
    let is_stdin = file == Path::new("-");
    let name = if is_stdin { "standard input".to_owned() } else { file.display().to_string() };
    let source: Box<dyn Read> = match is_stdin {
        true => Box::new(std::io::stdin()),
        false => Box::new(File::open(file).with_context(|| format!("cannot read {name}"))?),
    };
    let mut reader = BufReader::new(source);
    let (mut told, mut lines, mut batch) = (0_usize, 0_usize, Vec::new());
    let mut line = String::new();
    while reader.read_line(&mut line).with_context(|| format!("cannot read {name}"))? > 0 {
        lines += 1;
        batch.extend(match format {
            Format::Asterisk => foreign_log::asterisk(&line),
            Format::Jsonl => foreign_log::jsonl(&line)
                .with_context(|| format!("{name}:{lines}: not a failed log-in"))?,
        });
        line.clear();
        // What is there is told in one go; nothing waits for lines that may come hours later.
        if batch.len() >= BATCH || (!batch.is_empty() && reader.buffer().is_empty()) {
            told += tell(&mut batch, config)?;
        }
    }
    told += tell(&mut batch, config)?;
    let text = format!("{told} failed log-ins in {lines} lines");
    context.output.one(&text, &json!({ "log_ins": told, "lines": lines, "message": text }))
}

fn tell(batch: &mut Vec<ForeignLogIn>, config: &Config) -> anyhow::Result<usize> {
    if batch.is_empty() {
        return Ok(0);
    }
    let count = batch.len();
    change(config, Change::NoteLogIns(std::mem::take(batch)))?;
    Ok(count)
}
