//! `check` and `config`. Lives here: judging and showing the configuration. Never here: reading it.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::Context;
use super::output::Table;
use crate::config::{Origin, keys};
use crate::shell::certificate::Certificate;
use crate::shell::open::open_existing;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  ringfence check -c /etc/ringfence/ringfence.toml

Reads everything, the certificate too, opens no socket and changes nothing. Every mistake is named with file, line and
column. `ringfence doctor` looks at the machine as well.")]
pub struct CheckArgs {}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Every setting in force
    #[command(after_help = "Examples:
  ringfence config show
  ringfence config show --origin -c ringfence.toml")]
    Show {
        /// Say where each value comes from: file and line, environment, or default
        #[arg(long)]
        origin: bool,
    },
}

pub fn check(_args: CheckArgs, context: &Context) -> anyhow::Result<ExitCode> {
    let loaded = context.load()?;
    if let Some(files) = loaded.config.tls_files() {
        Certificate::read(&files)?;
    }
    crate::shell::alerts::templates(&loaded.config)?;
    // The database's version must be one we know; none yet is good.
    let database = open_existing(&loaded.config, None)?.is_some();
    let file = loaded.file.map(|file| file.display().to_string());
    let text = format!(
        "{} is good{}",
        file.as_deref().unwrap_or("the environment"),
        if database { "; so is the version of the database" } else { "; there is no database yet" }
    );
    context.output.one(&text, &json!({ "ok": true, "file": file, "database": database }))?;
    Ok(ExitCode::SUCCESS)
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let Command::Show { origin } = command;
    let loaded = context.load()?;
    let headers: &[&str] = if origin { &["key", "value", "origin"] } else { &["key", "value"] };
    let mut table = Table::new(headers, "");
    let mut values = Vec::new();
    for key in keys() {
        let raw = (key.show)(&loaded.config);
        let from = loaded.origin(&key);
        let mut row = vec![key.path(), raw.to_toml()];
        let mut value = json!({ "key": key.path(), "value": raw.to_json(), "help": key.help, "variable": key.variable() });
        if origin {
            row.push(from.to_string());
            value["origin"] = origin_view(&from);
        }
        table.row(row);
        values.push(value);
    }
    context.output.list(&table, values.into_iter())
}

fn origin_view(origin: &Origin) -> Value {
    match origin {
        Origin::Default => json!({ "kind": "default" }),
        Origin::File { path, line, column } => {
            json!({ "kind": "file", "path": path, "line": line, "column": column })
        }
        Origin::Environment(variable) => json!({ "kind": "environment", "variable": variable }),
    }
}
