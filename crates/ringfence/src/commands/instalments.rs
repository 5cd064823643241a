//! `instalments`. Lives here: making a plan, listing what is due when. Never here: what may be planned.

use anyhow::bail;
use clap::Subcommand;
use engine::PlanOrder;
use jiff::civil::Date;
use serde_json::{Value, json};
use store::Reader;
use types::{InstalmentPlan, Money};

use super::Context;
use super::lookup::find_account;
use super::office::change;
use super::ordering::{Why, owed_at_least};
use super::output::Table;
use super::when::day;
use crate::billing::{day_start, months_later, zone};
use crate::change::Change;
use crate::config::Config;
use crate::shell::open::open_to_read;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Let a holder pay a debt bit by bit, month by month
    #[command(after_help = "Examples:
  ringfence instalments add alice --in 6 --first 2027-01-15 --why \"agreed by phone\"
  ringfence instalments add alice 90.00 --in 3 --first 2027-01-15 --why \"agreed by phone\"

The debt leaves the balance now; each instalment comes back into it on its day, with the next bill run.
The amounts sum up to the debt exactly; the last one takes what does not divide.")]
    Add {
        /// Name or number of the account
        account: String,
        /// The debt [default: all that is owed of bills]
        amount: Option<Money>,
        /// How many instalments
        #[arg(long = "in", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=120))]
        count: u32,
        /// Day of the first; the others follow on the same day of each month
        #[arg(long, value_name = "DATE", value_parser = day)]
        first: Date,
        #[command(flatten)]
        why: Why,
    },
    /// Instalments with their days
    #[command(after_help = "Examples:
  ringfence instalments list --account alice
  ringfence instalments list --json")]
    List {
        /// Of this account only: name or number
        #[arg(long)]
        account: Option<String>,
    },
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    match command {
        Command::Add { account, amount, count, first, why } => {
            let reader = open_to_read(&config)?;
            let order = plan(&reader, &account, amount, (count, first), why)?;
            context.output.done(&change(&config, Change::PutPlan(Box::new(order)))?)
        }
        Command::List { account } => list(account.as_deref(), &config, context),
    }
}

fn plan(
    reader: &dyn Reader,
    account: &str,
    amount: Option<Money>,
    (count, first): (u32, Date),
    why: Why,
) -> anyhow::Result<PlanOrder> {
    let account = find_account(reader, account)?;
    let total = owed_at_least(reader, account.id, amount)?;
    let amounts = ledger::split(total, count);
    if amounts.is_empty() {
        bail!("{total} cannot be split into {count} parts");
    }
    let zone = zone(&account)?;
    let mut parts = Vec::new();
    for (month, amount) in (0..).zip(amounts) {
        parts.push((day_start(months_later(first, month)?, &zone)?, amount));
    }
    Ok(PlanOrder { account: account.id, total, parts, by: why.who.name(), note: why.why })
}

fn list(account: Option<&str>, config: &Config, context: &Context) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let account = account.map(|text| find_account(&reader, text)).transpose()?;
    let headers = ["plan", ">account", "due", ">amount", "state", "why"];
    let mut table = Table::new(
        &headers,
        "no instalments; `ringfence instalments add` lets a holder pay bit by bit",
    );
    let mut values = Vec::new();
    for plan in reader.instalments(account.map(|account| account.id))? {
        for part in &plan.instalments {
            let posted = !reader.transfers(part.decision)?.is_empty();
            let state = if posted { "due" } else { "to come" };
            table.row(vec![
                plan.id.to_string(),
                plan.account.to_string(),
                part.due.to_string(),
                part.amount.to_string(),
                state.to_owned(),
                plan.note.clone(),
            ]);
            values.push(view(&plan, part, state));
        }
    }
    context.output.list(&table, values.into_iter())
}

fn view(plan: &InstalmentPlan, part: &types::Instalment, state: &str) -> Value {
    json!({
        "plan": plan.id.to_string(),
        "account": plan.account,
        "total": plan.total.to_string(),
        "due": part.due.to_string(),
        "amount": part.amount.to_string(),
        "state": state,
        "by": plan.by,
        "why": plan.note,
    })
}
