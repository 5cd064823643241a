//! `payment` and `statement`. Lives here: what holders paid, what they owe. Never here: bills.

use anyhow::{Context as _, bail};
use clap::Subcommand;
use engine::{PostOrder, PostWhat};
use serde_json::json;
use store::{PostingFilter, Reader};
use types::{AccountId, Money, StoredPosting, TransferKind};

use super::Context;
use super::lookup::find_account;
use super::office::change;
use super::ordering::{self, Who, Why};
use super::output::Table;
use super::when::moment;
use crate::billing::statement;
use crate::change::Change;
use crate::config::Config;
use crate::shell::clock::system_wall;
use crate::shell::open::open_to_read;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// A holder paid
    #[command(after_help = "Examples:
  ringfence payment add alice 25.00 --reference FT2612011234
  ringfence payment add 7 9.99 --reference card-81 --at 2026-11-28

A reference stands for one payment: told again, it is there once.")]
    Add {
        /// Name or number of the account
        account: String,
        /// How much
        amount: Money,
        /// What the bank calls it
        #[arg(long)]
        reference: String,
        /// When it came: 2026-11-22, or ago: 3d [default: now]
        #[arg(long, value_name = "TIME")]
        at: Option<String>,
        /// A note
        #[arg(long, default_value = "", hide_default_value = true)]
        note: String,
        #[command(flatten)]
        who: Who,
    },
    /// A bank took a payment back
    #[command(after_help = "Example:
  ringfence payment return FT2612011234 --why \"direct debit refused\"")]
    Return {
        /// The payment's reference
        reference: String,
        #[command(flatten)]
        why: Why,
    },
    /// Payments, newest first
    #[command(after_help = "Examples:
  ringfence payment list --account alice
  ringfence payment list --json")]
    List {
        /// Of this account only: name or number
        #[arg(long)]
        account: Option<String>,
        /// At most so many, the newest; 0: all
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringfence statement alice
  ringfence statement 7 --json")]
pub struct StatementArgs {
    /// Name or number of the account
    account: String,
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    match command {
        Command::Add { account, amount, reference, at, note, who } => {
            let now = system_wall();
            let at = at.map(|text| moment(&text, now).map_err(anyhow::Error::msg)).transpose()?;
            let reader = open_to_read(&config)?;
            let account = find_account(&reader, &account)?.id;
            let known = find(&reader, TransferKind::Payment, &reference)?;
            if let Some(known) = known {
                return again(&known, account, amount, context);
            }
            let what = PostWhat::Holder(TransferKind::Payment, account, amount);
            let order = PostOrder { what, reference: Some(reference), at, by: who.name(), note };
            context.output.done(&change(&config, Change::Post(Box::new(order)))?)
        }
        Command::Return { reference, why } => give_back(reference, why, &config, context),
        Command::List { account, limit } => list(account.as_deref(), limit, &config, context),
    }
}

/// The posting of a kind with this reference.
fn find(
    reader: &dyn Reader,
    kind: TransferKind,
    reference: &str,
) -> anyhow::Result<Option<StoredPosting>> {
    let reference = Some(reference.to_owned());
    let filter =
        PostingFilter { kind: Some(kind), reference, limit: 1, ..PostingFilter::default() };
    Ok(reader.postings(&filter)?.pop())
}

/// A reference that is there: the same payment once more, or a mistake.
fn again(
    known: &StoredPosting,
    account: AccountId,
    amount: Money,
    context: &Context,
) -> anyhow::Result<()> {
    let (posting, transfer) = (&known.posting, &known.posting.transfer);
    let reference = posting.reference.as_deref().unwrap_or_default();
    if posting.account != Some(account) || transfer.amount != amount {
        let whose = posting.account.map(|id| id.to_string()).unwrap_or_default();
        bail!(
            "reference {reference} is that of a {} of {} for account {whose} on {}",
            transfer.kind,
            transfer.amount,
            transfer.at
        );
    }
    let message = format!("{} {reference} is there already: nothing was changed", transfer.kind);
    context.output.one(&message, &json!({ "message": message, "again": true }))
}

fn give_back(
    reference: String,
    why: Why,
    config: &Config,
    context: &Context,
) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let payment = find(&reader, TransferKind::Payment, &reference)?;
    let payment = payment.with_context(|| {
        format!(
            "there is no payment {}; `ringfence payment list` shows them",
            reference.escape_debug()
        )
    })?;
    let account = payment.posting.account.context("a payment has an account")?;
    let amount = payment.posting.transfer.amount;
    let kind = TransferKind::PaymentReturned;
    if let Some(known) = find(&reader, kind, &reference)? {
        return again(&known, account, amount, context);
    }
    let order = PostOrder {
        reference: Some(reference),
        ..why.order(PostWhat::Holder(kind, account, amount))
    };
    context.output.done(&change(config, Change::Post(Box::new(order)))?)
}

fn list(
    account: Option<&str>,
    limit: u32,
    config: &Config,
    context: &Context,
) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let account = account.map(|text| find_account(&reader, text)).transpose()?;
    let account = account.map(|account| account.id);
    let limit = if limit == 0 { u32::MAX } else { limit };
    let mut found = Vec::new();
    for kind in [TransferKind::Payment, TransferKind::PaymentReturned] {
        let filter = PostingFilter { account, kind: Some(kind), limit, ..PostingFilter::default() };
        found.extend(reader.postings(&filter)?);
    }
    found.sort_by_key(|stored| std::cmp::Reverse(stored.seq));
    found.truncate(limit as usize);
    ordering::list(&found, "no payments yet; `ringfence payment add` records one", context)
}

pub fn show_statement(args: StatementArgs, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    let reader = open_to_read(&config)?;
    let account = find_account(&reader, &args.account)?;
    let statement = statement(&reader, account.id)?;
    let mut table =
        Table::new(&["at", "what", ">amount", ">balance"], "nothing billed or paid yet");
    for row in &statement.rows {
        table.row(vec![
            row.at.to_string(),
            row.what.clone(),
            row.amount.to_string(),
            row.balance.to_string(),
        ]);
    }
    let currency = &config.currency;
    let mut text = format!(
        "account {}: {}\n{}\nbalance {} {currency}, not billed yet {} {currency}",
        account.id,
        super::output::printable(&account.name),
        table.to_string().trim_end(),
        statement.balance,
        statement.unbilled
    );
    if !statement.later.is_zero() {
        text.push_str(&format!(", by instalments {} {currency}", statement.later));
    }
    let mut value = statement.view();
    value["account"] = json!(account.id);
    value["name"] = json!(account.name);
    context.output.one(&text, &value)
}
