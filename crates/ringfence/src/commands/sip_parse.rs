//! `sip parse`. Lives here: showing what the parser makes of a message. Never here: parsing.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::{Value, json};
use sip::message::{Message, Origin, ParseError, describe};

use super::Context;
use super::output::{line, printable};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// What the parser makes of messages, or why it refuses them
    #[command(after_help = "Examples:
  ringfence sip parse invite.sip
  ringfence sip parse --json *.sip
  ringfence sip parse - < invite.sip

Each file is one message as it came, lines ended by CR LF. Exit code 1 if any is refused.")]
    Parse {
        /// Files; - reads standard input
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// As it came on a stream: Content-Length is required, nothing may follow
        #[arg(long)]
        stream: bool,
    },
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<ExitCode> {
    let Command::Parse { files, stream } = command;
    let origin = if stream { Origin::Stream } else { Origin::Datagram };
    let mut refused = 0;
    for (at, file) in files.iter().enumerate() {
        let mut bytes = read(file)?;
        let name = file.display().to_string();
        if at > 0 && !context.output.is_json() {
            line("")?;
        }
        match Message::parse(&mut bytes, origin) {
            Ok(message) => show(&name, files.len() > 1, &message, context)?,
            Err(error) => {
                refused += 1;
                show_refusal(&name, &error, context)?;
            }
        }
    }
    Ok(if refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file.as_os_str() == "-" {
        std::io::stdin().lock().read_to_end(&mut bytes).context("cannot read standard input")?;
    } else {
        bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    }
    Ok(bytes)
}

fn show(name: &str, named: bool, message: &Message<'_>, context: &Context) -> anyhow::Result<()> {
    let description = describe(message);
    if context.output.is_json() {
        let mut value = json!({ "file": name, "ok": true });
        if let (Some(fields), Value::Object(described)) =
            (value.as_object_mut(), serde_json::to_value(&description)?)
        {
            fields.extend(described);
        }
        return line(&value.to_string());
    }
    if named {
        line(&format!("{name}:"))?;
    }
    let text = description.to_string();
    text.trim_end().lines().try_for_each(|text| line(&printable(text)))
}

fn show_refusal(name: &str, error: &ParseError, context: &Context) -> anyhow::Result<()> {
    if context.output.is_json() {
        let value = json!({
            "file": name, "ok": false, "line": error.line, "byte": error.at,
            "status": error.status(), "error": error.to_string(),
        });
        return line(&value.to_string());
    }
    let text = error.to_string();
    let text = text.strip_prefix(&format!("line {}: ", error.line)).unwrap_or(&text).to_owned();
    line(&printable(&format!("{name}:{}: refused with {}: {text}", error.line, error.status())))
}
