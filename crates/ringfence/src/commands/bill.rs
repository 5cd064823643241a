//! `bill`. Lives here: runs with their progress, lists, a bill in four forms. Never here: what is billed
//! (billing).

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use jiff::civil::Date;
use serde_json::{Value, json};
use store::{BillFilter, Reader, SqliteStore};
use types::{Account, Bill, BillId, BillPosting, Cdr};

use super::Context;
use super::lookup::find_account;
use super::office::Office;
use super::output::{Table, line};
use super::when::day;
use crate::billing::{BATCH, DRAFT, Desk, Names, Report, RunOrder, page, run as bill_run, sheet};
use crate::change::Change;
use crate::config::Config;
use crate::shell::clock::system_wall;
use crate::shell::keys::KeyRing;
use crate::shell::open::open_to_read;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the bills of all billing months that are over
    #[command(after_help = "Examples:
  ringfence bill run --until 2026-12-01 --dry-run
  ringfence bill run --until 2026-12-01
  ringfence bill run --until 2026-12-15 --account alice

Each account is billed up to the last day of its own billing month (billing_day, in its time zone) that
is over on that day. A run that was stopped, however, is gone on with by the same command: nobody gets
two bills. Where the day has not begun yet, an account is left out, and billed by the same command later.
A call that is written late, after a crash, is on the next bill.")]
    Run {
        /// The day: 2026-12-01
        #[arg(long, value_name = "DATE", value_parser = day)]
        until: Date,
        /// Show what would be billed, and write nothing
        #[arg(long)]
        dry_run: bool,
        /// This account only: name or number
        #[arg(long)]
        account: Option<String>,
    },
    /// Bills, newest first
    #[command(after_help = "Examples:
  ringfence bill list --account alice
  ringfence bill list --run 12 --limit 0 --json")]
    List {
        /// Of this account only: name or number
        #[arg(long)]
        account: Option<String>,
        /// Of this run only
        #[arg(long)]
        run: Option<u32>,
        /// At most so many, the newest; 0: all
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// One bill: its sums, or each call as CSV or as a page to print
    #[command(after_help = "Examples:
  ringfence bill show 12-7
  ringfence bill show 12-7 --csv calls.csv
  ringfence bill show 12-7 --html bill.html
  ringfence bill show 12-7 --html - | lp")]
    Show {
        /// Run and account, as `ringfence bill list` shows it
        bill: BillId,
        /// Write each call and posting as CSV to this file; -: to standard output
        #[arg(long, value_name = "FILE", conflicts_with = "html")]
        csv: Option<PathBuf>,
        /// Write a page to print to this file; -: to standard output
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    match command {
        Command::Run { until, dry_run, account } => {
            make(until, dry_run, account.as_deref(), &config, context)
        }
        Command::List { account, run, limit } => {
            list(account.as_deref(), run, limit, &config, context)
        }
        Command::Show { bill, csv, html } => show(bill, csv, html, &config, context),
    }
}

fn make(
    day: Date,
    dry: bool,
    account: Option<&str>,
    config: &Config,
    context: &Context,
) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let only = account.map(|text| find_account(&reader, text)).transpose()?;
    let only = only.map(|account| account.id);
    let bar = bar();
    let mut progress = |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    };
    let order = RunOrder { day, only, dry, batch: BATCH, now: system_wall() };
    let office = match dry {
        true => None,
        false => Some(Office::open(config, &KeyRing::to_write(config)?)?),
    };
    let report = bill_run(&mut Counter { reader, office }, &order, &mut progress)?;
    bar.finish_and_clear();
    if dry && context.output.is_json() {
        return report.drafts.iter().try_for_each(|bill| line(&view(bill).to_string()));
    }
    if dry {
        line(bills_table(&report.drafts, "nothing to bill").to_string().trim_end())?;
    }
    context.output.one(&in_words(&report, config, dry), &report_view(&report))
}

/// Reads the database; changes go to the node, or to the database when none runs.
struct Counter {
    reader: SqliteStore,
    office: Option<Office>,
}

impl Desk for Counter {
    fn reader(&self) -> &dyn Reader {
        &self.reader
    }

    fn change(&mut self, change: Change) -> anyhow::Result<Value> {
        self.office.as_mut().context("a dry run changes nothing")?.change(change)
    }
}

/// On a terminal only; it draws on standard error.
fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} accounts  {eta}")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

fn in_words(report: &Report, config: &Config, dry: bool) -> String {
    if report.done_before {
        return format!("bill run {} has billed up to this day: nothing to do", report.run);
    }
    let made = format!(
        "{} of {}, {} {} in all",
        counted(report.bills, "bill"),
        counted(report.accounts, "account"),
        report.total,
        config.currency
    );
    match (dry, report.resumed) {
        (true, _) => format!("{made}; nothing was written: this was a dry run"),
        (false, true) => format!("bill run {} went on: {made}", report.run),
        (false, false) => format!("bill run {}: {made}", report.run),
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn report_view(report: &Report) -> Value {
    json!({
        "run": report.run,
        "resumed": report.resumed,
        "done_before": report.done_before,
        "accounts": report.accounts,
        "bills": report.bills,
        "total": report.total.to_string(),
        "instalments": report.instalments,
    })
}

fn list(
    account: Option<&str>,
    run: Option<u32>,
    limit: u32,
    config: &Config,
    context: &Context,
) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let account = account.map(|text| find_account(&reader, text)).transpose()?;
    let limit = if limit == 0 { u32::MAX } else { limit };
    let filter = BillFilter { account: account.map(|account| account.id), run, limit };
    let bills = reader.bills(&filter)?;
    let if_empty = match (filter.account, filter.run) {
        (None, None) => "no bills yet; `ringfence bill run --until DATE` makes them",
        _ => "no such bills; `ringfence bill list` shows all",
    };
    let table = bills_table(&bills, if_empty);
    context.output.list(&table, bills.iter().map(view))
}

fn bills_table(bills: &[Bill], if_empty: &'static str) -> Table {
    let headers = ["bill", ">account", "until", ">calls", ">forward", ">paid", ">total", ">due"];
    let mut table = Table::new(&headers, if_empty);
    for bill in bills {
        let paid = bill.due.saturating_sub(bill.total).saturating_sub(bill.brought_forward);
        let calls: u64 = bill.lines.iter().map(|line| line.calls).sum();
        table.row(vec![
            if bill.run == DRAFT { "-".to_owned() } else { bill.id().to_string() },
            bill.account.to_string(),
            bill.covers.until.to_string(),
            calls.to_string(),
            bill.brought_forward.to_string(),
            paid.to_string(),
            bill.total.to_string(),
            bill.due.to_string(),
        ]);
    }
    table
}

/// A bill as JSON: amounts as decimal texts.
fn view(bill: &Bill) -> Value {
    let posting = |one: &BillPosting| {
        json!({
            "at": one.at.to_string(),
            "kind": one.kind,
            "decision": one.decision.to_string(),
            "amount": one.amount.to_string(),
            "reference": one.reference,
            "why": one.note,
        })
    };
    let line = |line: &types::BillLine| {
        json!({
            "class": line.class,
            "name": line.name,
            "calls": line.calls,
            "billed_s": line.billed_s,
            "amount": line.amount.to_string(),
        })
    };
    json!({
        "bill": (bill.run != DRAFT).then(|| bill.id().to_string()),
        "account": bill.account,
        "from": bill.from().map(|from| from.to_string()),
        "until": bill.covers.until.to_string(),
        "made": bill.made.to_string(),
        "lines": bill.lines.iter().map(line).collect::<Vec<_>>(),
        "adjustments": bill.adjustments.iter().map(posting).collect::<Vec<_>>(),
        "payments": bill.payments.iter().map(posting).collect::<Vec<_>>(),
        "brought_forward": bill.brought_forward.to_string(),
        "total": bill.total.to_string(),
        "due": bill.due.to_string(),
    })
}

fn show(
    id: BillId,
    csv: Option<PathBuf>,
    html: Option<PathBuf>,
    config: &Config,
    context: &Context,
) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let filter = BillFilter { account: Some(id.account), run: Some(id.run), limit: 1 };
    let found = reader.bills(&filter)?.pop();
    let bill =
        found.with_context(|| format!("there is no bill {id}; `ringfence bill list` shows all"))?;
    if csv.is_none() && html.is_none() {
        return context.output.one(&in_lines(&bill, &config.currency), &view(&bill));
    }
    let account = reader.account(bill.account)?.context("the account of a bill is there")?;
    let calls: Vec<Cdr> = reader.bill_items(bill.account, &bill.before, &bill.covers)?.calls;
    let names = Names::read(&reader, std::slice::from_ref::<Account>(&account), bill.made)?;
    if let Some(file) = csv {
        return write(&file, &sheet(&bill, &calls, &names)?);
    }
    let names_of_ours = (config.realm.as_str(), config.currency.as_str());
    let text = page(&bill, &account, &calls, &names, names_of_ours)?;
    html.map_or(Ok(()), |file| write(&file, &text))
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    if file.as_os_str() == "-" {
        return line(text.trim_end_matches('\n'));
    }
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn in_lines(bill: &Bill, currency: &str) -> String {
    let mut table = Table::new(&["what", ">calls", ">billed", ">amount"], "nothing");
    let mut row = |what: String, calls: String, billed: String, amount: types::Money| {
        table.row(vec![what, calls, billed, amount.to_string()]);
    };
    let none = String::new;
    row("brought forward".to_owned(), none(), none(), bill.brought_forward);
    for posting in &bill.payments {
        let name = posting.reference.clone().unwrap_or_default();
        row(format!("{} {name}", posting.kind).trim().to_owned(), none(), none(), posting.amount);
    }
    for line in &bill.lines {
        let billed = format!("{} s", line.billed_s);
        row(format!("{}: {}", line.class, line.name), line.calls.to_string(), billed, line.amount);
    }
    for posting in &bill.adjustments {
        let what = format!("{}: {}", posting.kind, posting.note);
        row(what, none(), none(), posting.amount);
    }
    row(format!("to be paid, {currency}"), none(), none(), bill.due);
    let from = bill.from().map(|from| format!(" from {from}")).unwrap_or_default();
    let head =
        format!("bill {} of account {}{from} until {}", bill.id(), bill.account, bill.covers.until);
    format!("{head}\n{}", table.to_string().trim_end())
}
