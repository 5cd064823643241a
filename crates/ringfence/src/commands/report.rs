//! `report`. Lives here: what holders report when something was wrong, for staff to read. Never here: how a report is made.

use anyhow::Context as _;
use clap::Subcommand;
use serde_json::{Value, json};
use store::{FactFilter, Reader, StoredFact};
use types::{AccountId, Fact, RecoveryReport, StepOutcome, UnixMicros};

use super::Context;
use super::lookup::find_account;
use super::output::{Table, printable_lines};
use super::when::stretch;
use crate::config::Config;
use crate::pages::recovery_of;
use crate::shell::clock::system_wall;
use crate::shell::open::open_to_read;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Reports of unauthorised use, the newest first
    #[command(after_help = "Examples:
  ringfence report list --since 7d
  ringfence report list --open
  ringfence report list --account alice --json

--open: who is going through the steps now, and has sent none yet.")]
    List {
        /// Of this account only: name or number
        #[arg(long)]
        account: Option<String>,
        /// From then on: 2026-11-22, 2026-11-22T08:00:00Z, or a time ago like 30m, 2h, 7d
        #[arg(long, value_name = "TIME")]
        since: Option<String>,
        /// Those that are not sent yet
        #[arg(long)]
        open: bool,
        /// At most so many; 0: all
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// All of a report: steps with their proof, calls, phones, the holder's words
    #[command(after_help = "Example:\n  ringfence report show 7-1")]
    Show {
        /// Account and number of the report, as `report list` shows it
        report: String,
    },
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    match command {
        Command::List { account, since, open, limit } => {
            let (since, _) =
                stretch(since.as_deref(), None, system_wall()).map_err(anyhow::Error::msg)?;
            let reader = open_to_read(&config)?;
            let account = account.as_deref().map(|text| find_account(&reader, text)).transpose()?;
            let account = account.map(|account| account.id);
            let limit = if limit == 0 { u32::MAX } else { limit };
            match open {
                true => under_way((account, since, limit), &reader, context),
                false => list((account, since, limit), &reader, context),
            }
        }
        Command::Show { report } => show(&report, &config, context),
    }
}

type Which = (Option<AccountId>, Option<UnixMicros>, u32);

fn facts(
    reader: &impl Reader,
    (account, since, limit): Which,
    kind: &str,
) -> anyhow::Result<Vec<StoredFact>> {
    let kind = Some(kind.to_owned());
    Ok(reader.facts(&FactFilter { account, since, until: None, kind, limit })?)
}

fn sent(stored: StoredFact) -> Option<RecoveryReport> {
    match stored.fact {
        Fact::RecoveryReported { report, .. } => Some(*report),
        _ => None,
    }
}

fn list(which: Which, reader: &impl Reader, context: &Context) -> anyhow::Result<()> {
    let reports: Vec<RecoveryReport> =
        facts(reader, which, "recovery-reported")?.into_iter().filter_map(sent).collect();
    let mut table = Table::new(
        &["report", "sent", "account", "by", ">steps", ">left out", ">calls", ">price"],
        "no report",
    );
    for report in &reports {
        let (done, left) = steps(report);
        table.row(vec![
            name(report),
            report.made.to_string(),
            report.name.clone(),
            report.by.1.clone(),
            done.to_string(),
            left.to_string(),
            (report.calls.len() + report.more_calls as usize).to_string(),
            report.price.to_string(),
        ]);
    }
    context.output.list(&table, reports.iter().map(view))
}

/// Those that were begun, and neither sent nor ended.
fn under_way(which: Which, reader: &impl Reader, context: &Context) -> anyhow::Result<()> {
    let (account, since, limit) = which;
    let all = (account, since, u32::MAX);
    let mut ended = facts(reader, all, "recovery-reported")?;
    ended.extend(facts(reader, all, "recovery-ended")?);
    let is_over =
        |account, number| ended.iter().any(|one| recovery_of(&one.fact) == Some((account, number)));
    let mut table =
        Table::new(&["report", "begun", ">account", "by"], "nobody is at the steps now");
    let mut values = Vec::new();
    for stored in facts(reader, all, "recovery-started")? {
        let Fact::RecoveryStarted { account, recovery, by } = stored.fact else { continue };
        if is_over(account, recovery) || values.len() >= limit as usize {
            continue;
        }
        let (name, at) = (format!("{account}-{recovery}"), stored.at.to_string());
        table.row(vec![name.clone(), at.clone(), account.to_string(), by.clone()]);
        values.push(json!({ "report": name, "begun": at, "account": account, "by": by }));
    }
    context.output.list(&table, values.into_iter())
}

fn show(text: &str, config: &Config, context: &Context) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let read = || {
        let (account, number) = text.split_once('-')?;
        Some((AccountId(account.parse().ok()?), number.parse::<u32>().ok()?))
    };
    let (account, number) =
        read().with_context(|| format!("`{text}` is no report: expected one like 7-1"))?;
    let sent_ones = facts(&reader, (Some(account), None, u32::MAX), "recovery-reported")?;
    let found = sent_ones.into_iter().filter_map(sent).find(|report| report.recovery == number);
    let report = found.with_context(|| {
        format!("there is no report {text}; `ringfence report list` shows those there are")
    })?;
    let words = report.text(&config.currency, &|at| at.to_string());
    context.output.one(printable_lines(&words).trim_end(), &view(&report))
}

/// Account and number.
fn name(report: &RecoveryReport) -> String {
    format!("{}-{}", report.account, report.recovery)
}

/// Steps that were done, and those that were not.
fn steps(report: &RecoveryReport) -> (usize, usize) {
    let is_done =
        |outcome: StepOutcome| matches!(outcome, StepOutcome::Proved | StepOutcome::Confirmed);
    let done = report.steps.iter().filter(|step| is_done(step.outcome)).count();
    (done, report.steps.len() - done)
}

/// A report as JSON: names, times and amounts as people write them.
fn view(report: &RecoveryReport) -> Value {
    let mut value = json!(report);
    value["report"] = name(report).into();
    for (field, at) in [("started", report.started), ("made", report.made)] {
        value[field] = at.to_string().into();
    }
    value["noticed"] = json!(report.noticed.map(|at| at.to_string()));
    value["price"] = report.price.to_string().into();
    let calls = report.calls.iter().map(|call| {
        let mut value = json!(call);
        value["decision"] = call.decision.to_string().into();
        value["started"] = call.started.to_string().into();
        value["price"] = call.price.to_string().into();
        value
    });
    value["calls"] = calls.collect();
    let steps = report.steps.iter().map(|step| {
        let mut value = json!(step);
        value["at"] = json!(step.at.map(|at| at.to_string()));
        value
    });
    value["steps"] = steps.collect();
    let phones = report.phones.iter().map(|phone| {
        let mut value = json!(phone);
        value["seen"] = json!([phone.seen.0.to_string(), phone.seen.1.to_string()]);
        value
    });
    value["phones"] = phones.collect();
    value
}
