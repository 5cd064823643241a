//! `number`. Lives here: its subcommands. Never here: dial plans.

use clap::Subcommand;
use serde_json::json;
use store::Reader;
use types::E164;

use super::Context;
use super::lookup::find_account;
use super::office::change;
use super::output::Table;
use crate::change::Change;
use crate::config::Config;
use crate::shell::open::open_to_read;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Give a number to an account
    #[command(after_help = "Examples:
  ringfence number add +442079460000 alice
  ringfence number add +442079460001 alice alice-desk")]
    Add {
        /// The number, with + and country code
        number: E164,
        /// Account: name or number
        account: String,
        /// Line that rings: user name; all lines of the account if left out
        line: Option<String>,
    },
    /// List numbers
    #[command(after_help = "Example:\n  ringfence number list --account alice")]
    List {
        /// Of this account only: name or number
        #[arg(long)]
        account: Option<String>,
    },
    /// Take a number back
    #[command(after_help = "Example:\n  ringfence number remove +442079460000")]
    Remove {
        /// The number, with + and country code
        number: E164,
    },
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    match command {
        Command::Add { number, account, line } => {
            context.output.done(&change(&config, Change::AddNumber { number, account, line })?)
        }
        Command::Remove { number } => {
            context.output.done(&change(&config, Change::RemoveNumber(number))?)
        }
        Command::List { account } => list(account.as_deref(), &config, context),
    }
}

fn list(account: Option<&str>, config: &Config, context: &Context) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let account = account.map(|text| find_account(&reader, text)).transpose()?;
    let id = account.map(|account| account.id);
    let lines = reader.lines(id)?;
    let numbers = reader.numbers(id)?;
    let mut table = Table::new(
        &["number", ">account", "rings"],
        "no numbers yet; `ringfence number add +44… ACCOUNT` adds one",
    );
    let user = |number: &types::Number| {
        lines.iter().find(|line| Some(line.id) == number.line).map(|line| line.user.clone())
    };
    for number in &numbers {
        let rings = user(number).unwrap_or_else(|| "all lines".to_owned());
        table.row(vec![number.number.to_string(), number.account.to_string(), rings]);
    }
    let values = numbers.iter().map(|number| {
        json!({ "number": number.number.to_string(), "account": number.account, "line": user(number) })
    });
    context.output.list(&table, values)
}
