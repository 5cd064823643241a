//! `device`. Lives here: its subcommands. Never here: what a device may do.

use clap::Subcommand;
use serde_json::Value;
use types::DeviceId;

use super::Context;
use super::office::{change, look};
use super::output::Table;
use crate::change::Change;
use crate::look::Question;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the phones that have shown a right password
    #[command(after_help = "Examples:
  ringfence device list --account alice
  ringfence device list --line alice-desk --json")]
    List {
        /// Of this account only: name or number
        #[arg(long)]
        account: Option<String>,
        /// Of this line only: user name
        #[arg(long)]
        line: Option<String>,
    },
    /// "This was me": the phone may spend as others may, and a ban of it ends
    #[command(after_help = "Example:\n  ringfence device mine 17")]
    Mine {
        /// Number of the device, as `device list` shows it
        device: u32,
    },
    /// "Not mine": refuse the phone, cut its calls, and want new passwords for its lines
    #[command(
        name = "not-mine",
        after_help = "Example:
  ringfence device not-mine 17

Until `ringfence line secret USER` sets a new password only known phones may use the phone's lines.
`ringfence device mine 17` ends the ban; a new password is wanted all the same."
    )]
    NotMine {
        /// Number of the device, as `device list` shows it
        device: u32,
    },
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    let judge = |device: u32, is_mine: bool| {
        let done = change(&config, Change::JudgeDevice { device: DeviceId(device), is_mine })?;
        context.output.done(&done)
    };
    match command {
        Command::List { account, line } => {
            list(&look(&config, Question::Devices { account, line })?, context)
        }
        Command::Mine { device } => judge(device, true),
        Command::NotMine { device } => judge(device, false),
    }
}

fn list(devices: &Value, context: &Context) -> anyhow::Result<()> {
    let mut table = Table::new(
        &[">id", "state", "phone", "address", "by", "country", "first seen", "last seen", "lines"],
        "no phone has shown a right password yet",
    );
    let devices = devices.as_array().cloned().unwrap_or_default();
    for device in &devices {
        let text = |key: &str| match &device[key] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        let day = |key: &str| text(key).get(..16).unwrap_or("").replace('T', " ");
        let lines = device["lines"].as_array().into_iter().flatten().filter_map(Value::as_str);
        table.row(vec![
            text("id"),
            text("state"),
            text("agent"),
            text("peer"),
            text("transport"),
            text("country"),
            day("first_seen"),
            day("last_seen"),
            lines.collect::<Vec<_>>().join(" "),
        ]);
    }
    context.output.list(&table, devices.into_iter())
}
