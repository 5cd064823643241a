//! `credit`. Lives here: what we give, and what we give up. Never here: single calls (`call zero-rate`).

use clap::Subcommand;
use engine::PostWhat;
use store::{PostingFilter, Reader};
use types::{Money, TransferKind};

use super::Context;
use super::lookup::find_account;
use super::office::change;
use super::ordering::{self, Why, owed_at_least};
use crate::change::Change;
use crate::config::Config;
use crate::shell::open::open_to_read;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Give a holder something, for no call in particular
    #[command(after_help = "Example:
  ringfence credit add alice 5.00 --why \"lines were down on Monday\"")]
    Add {
        /// Name or number of the account
        account: String,
        /// How much
        amount: Money,
        #[command(flatten)]
        why: Why,
    },
    /// Give a debt up
    #[command(after_help = "Example:
  ringfence credit write-off alice 12.50 --why \"moved away, no forwarding address\"")]
    WriteOff {
        /// Name or number of the account
        account: String,
        /// How much
        amount: Money,
        #[command(flatten)]
        why: Why,
    },
    /// What was given back, given or given up, newest first
    #[command(after_help = "Examples:
  ringfence credit list --account alice
  ringfence credit list --json")]
    List {
        /// Of this account only: name or number
        #[arg(long)]
        account: Option<String>,
        /// At most so many, the newest; 0: all
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
}

/// What `credit list` shows.
const KINDS: [TransferKind; 4] = [
    TransferKind::ZeroRating,
    TransferKind::CostPrice,
    TransferKind::Goodwill,
    TransferKind::WriteOff,
];

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    let post = |kind, account: &str, amount, why: Why| {
        let reader = open_to_read(&config)?;
        let account = find_account(&reader, account)?.id;
        if kind == TransferKind::WriteOff {
            owed_at_least(&reader, account, Some(amount))?;
        }
        let order = why.order(PostWhat::Holder(kind, account, amount));
        context.output.done(&change(&config, Change::Post(Box::new(order)))?)
    };
    match command {
        Command::Add { account, amount, why } => {
            post(TransferKind::Goodwill, &account, amount, why)
        }
        Command::WriteOff { account, amount, why } => {
            post(TransferKind::WriteOff, &account, amount, why)
        }
        Command::List { account, limit } => list(account.as_deref(), limit, &config, context),
    }
}

fn list(
    account: Option<&str>,
    limit: u32,
    config: &Config,
    context: &Context,
) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let account = account.map(|text| find_account(&reader, text)).transpose()?;
    let filter = PostingFilter {
        account: account.map(|account| account.id),
        limit: u32::MAX,
        ..PostingFilter::default()
    };
    let mut found = reader.postings(&filter)?;
    found.retain(|stored| KINDS.contains(&stored.posting.transfer.kind));
    if limit > 0 {
        found.truncate(limit as usize);
    }
    ordering::list(&found, "nothing was given back yet", context)
}
