//! `reseller`. Lives here: its subcommands. Never here: what its levels do.

use clap::Subcommand;
use serde_json::Value;

use super::Context;
use super::account::setting;
use super::office::{change, look};
use super::output::Table;
use crate::change::Change;
use crate::config::levels::LEVEL_KEYS;
use crate::look::Question;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add a reseller
    #[command(after_help = settings_help("add 'Resell & Sons' stop_level_24h=500"))]
    Add {
        /// What staff call it
        name: String,
        /// What bounds all its accounts together
        #[arg(value_name = "SETTING=VALUE", value_parser = setting)]
        settings: Vec<(String, String)>,
    },
    /// Change a reseller
    #[command(after_help = settings_help("set 'Resell & Sons' stop_level_24h=200 stop_level_1h=50"))]
    Set {
        /// Name or number
        reseller: String,
        /// What to change
        #[arg(required = true, value_name = "SETTING=VALUE", value_parser = setting)]
        settings: Vec<(String, String)>,
    },
    /// List resellers, with what their accounts have spent together
    #[command(after_help = "Example:\n  ringfence reseller list --json")]
    List,
}

fn settings_help(example: &str) -> String {
    let mut help = format!(
        "Example:\n  ringfence reseller {example}\n\n\
         `ringfence account set NAME reseller=RESELLER` makes an account one of his.\n\nSettings:\n"
    );
    for key in LEVEL_KEYS {
        help.push_str(&format!("  {:<24} {}\n", key.name, key.help));
    }
    help
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    match command {
        Command::Add { name, settings } => {
            let done = change(&config, Change::AddReseller { name, settings })?;
            context.output.done(&done)
        }
        Command::Set { reseller, settings } => {
            let done = change(&config, Change::SetReseller { reseller, settings })?;
            context.output.done(&done)
        }
        Command::List => list(&look(&config, Question::Resellers)?, context),
    }
}

fn list(resellers: &Value, context: &Context) -> anyhow::Result<()> {
    let mut table = Table::new(
        &[
            ">id",
            "name",
            ">accounts",
            ">spent 24 h",
            ">held",
            ">stop 1 h",
            ">stop 24 h",
            ">stop 7 d",
        ],
        "no resellers; `ringfence reseller add NAME` adds one",
    );
    let resellers = resellers.as_array().cloned().unwrap_or_default();
    for reseller in &resellers {
        let text = |value: &Value| match value {
            Value::String(text) => text.clone(),
            Value::Null => "none".to_owned(),
            other => other.to_string(),
        };
        let mut row: Vec<String> = ["id", "name", "accounts", "spent_24h", "held_costly"]
            .iter()
            .map(|key| text(&reseller[key]))
            .collect();
        let levels = &reseller["stop_levels"];
        row.extend(LEVEL_KEYS.iter().take(3).map(|key| text(&levels[key.name])));
        table.row(row);
    }
    context.output.list(&table, resellers.into_iter())
}
