//! `calls` and `call`. Lives here: listing calls in four forms, hanging one up. Never here: prices.

use clap::Subcommand;
use engine::PostWhat;
use serde_json::{Value, json};
use store::{CallFilter, FactFilter, Reader};
use types::decision::Outcome;
use types::{Cdr, DecisionId, E164, Fact, Hold, HoldState, Money, UnixMicros};

use super::Context;
use super::lookup::find_account;
use super::office::{ask, change};
use super::ordering::{Why, call_facts};
use super::output::{Table, line};
use super::when::{span, stretch};
use crate::billing::safe_cell;
use crate::change::Change;
use crate::config::Config;
use crate::shell::clock::system_wall;
use crate::shell::control::Request;
use crate::shell::open::open_to_read;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Hang a call up, both sides
    #[command(after_help = "Example:\n  ringfence call cut 0D5KZQ4M2T8GR")]
    Cut {
        /// Its decision, as `ringfence calls --live` shows it
        decision: DecisionId,
    },
    /// Give a call's price back
    #[command(after_help = "Example:
  ringfence call zero-rate 0D5KZQ4M2T8GR --why \"not placed by the holder\"

The record of the call stays as it is; stop levels count it as before.")]
    ZeroRate {
        /// Its decision, as `ringfence calls` shows it
        decision: DecisionId,
        #[command(flatten)]
        why: Why,
    },
    /// Charge a call at what it cost
    #[command(after_help = "Example:
  ringfence call cost-price 0D5KZQ4M2T8GR --why \"fraud, shared risk\"")]
    CostPrice {
        /// Its decision, as `ringfence calls` shows it
        decision: DecisionId,
        #[command(flatten)]
        why: Why,
    },
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringfence calls --account alice --since 2h
  ringfence calls --refused --since 2026-11-01 --until 2026-12-01 --csv
  ringfence calls --live
  ringfence calls --reported --since 7d
  ringfence calls --limit 0 --json

--json prints one record a line: amounts in millionths, times in microseconds since 1970.")]
pub struct ListArgs {
    /// Of this account only: name or number
    #[arg(long)]
    account: Option<String>,
    /// From then on: 2026-11-22, 2026-11-22T08:00:00Z, or ago: 30m, 2h, 7d
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Until then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// To this number, with + and country code
    #[arg(long)]
    number: Option<E164>,
    /// Refused calls only
    #[arg(long, conflicts_with = "answered")]
    refused: bool,
    /// Answered calls only
    #[arg(long)]
    answered: bool,
    /// Calls in progress
    #[arg(long, conflicts_with_all = ["refused", "answered", "since", "until", "csv"])]
    live: bool,
    /// Calls of which their holders say that they did not make them, as they reported them
    #[arg(long, conflicts_with_all = ["refused", "answered", "live", "csv"])]
    reported: bool,
    /// At most so many, the newest; 0: all
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Print CSV
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    let wanted = match command {
        Command::Cut { decision } => Change::Cut(decision),
        Command::ZeroRate { decision, why } => {
            let call = call_facts(&open_to_read(&config)?, decision)?;
            Change::Post(Box::new(why.order(PostWhat::ZeroRate(call))))
        }
        Command::CostPrice { decision, why } => {
            let call = call_facts(&open_to_read(&config)?, decision)?;
            Change::Post(Box::new(why.order(PostWhat::CostPrice(call))))
        }
    };
    context.output.done(&change(&config, wanted)?)
}

pub fn list(args: ListArgs, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    if args.live {
        return live(&args, &config, context);
    }
    let times = stretch(args.since.as_deref(), args.until.as_deref(), system_wall())
        .map_err(anyhow::Error::msg)?;
    let reader = open_to_read(&config)?;
    if args.reported {
        return reported(&args, times, &reader, context);
    }
    let calls = find(&args, times, &reader)?;
    if args.csv {
        return csv_lines(&calls);
    }
    let mut table = Table::new(
        &["decision", "started", ">account", "caller", "to", "class", ">talk", ">price", "end"],
        "no calls",
    );
    for call in &calls {
        table.row(vec![
            call.decision.to_string(),
            call.started.to_string(),
            call.account.to_string(),
            call.caller.clone(),
            call.destination.e164.map_or_else(|| call.dialled.clone(), |number| number.to_string()),
            call.destination.class.to_string(),
            call.answered.map_or_else(|| "-".to_owned(), |_| span(call.duration_ms)),
            call.price.to_string(),
            end_text(call),
        ]);
    }
    context.output.list(&table, calls.iter().map(view))
}

fn find(
    args: &ListArgs,
    (since, until): (Option<UnixMicros>, Option<UnixMicros>),
    reader: &impl Reader,
) -> anyhow::Result<Vec<Cdr>> {
    let account = args.account.as_deref().map(|text| find_account(reader, text)).transpose()?;
    // Answered ones are picked here: the limit is theirs, not that of those looked at.
    let limit = if args.limit == 0 { u32::MAX } else { args.limit };
    let filter = CallFilter {
        account: account.map(|account| account.id),
        since,
        until,
        number: args.number,
        outcome: match (args.refused, args.answered) {
            (true, _) => Some(Outcome::Refused),
            (_, true) => Some(Outcome::Admitted),
            _ => None,
        },
        limit: if args.answered { u32::MAX } else { limit },
        ..CallFilter::default()
    };
    let mut calls = reader.calls(&filter)?;
    if args.answered {
        calls.retain(|call| call.answered.is_some());
        calls.truncate(limit as usize);
    }
    Ok(calls)
}

/// What holders reported, newest first.
fn reported(
    args: &ListArgs,
    (since, until): (Option<UnixMicros>, Option<UnixMicros>),
    reader: &impl Reader,
    context: &Context,
) -> anyhow::Result<()> {
    let account = args.account.as_deref().map(|text| find_account(reader, text)).transpose()?;
    let filter = FactFilter {
        account: account.map(|account| account.id),
        since,
        until,
        kind: Some("call-reported".to_owned()),
        limit: if args.limit == 0 { u32::MAX } else { args.limit },
    };
    let mut table =
        Table::new(&["reported", "decision", ">account", "by", "what"], "no call was reported");
    let mut values = Vec::new();
    for stored in reader.facts(&filter)? {
        let Fact::CallReported { account, decision, by, words } = stored.fact else { continue };
        let (at, decision) = (stored.at.to_string(), decision.to_string());
        table.row(vec![
            at.clone(),
            decision.clone(),
            account.to_string(),
            by.clone(),
            words.clone(),
        ]);
        values.push(json!({
            "at": at, "decision": decision, "account": account, "by": by, "words": words,
        }));
    }
    context.output.list(&table, values.into_iter())
}

/// A CDR as JSON; the decision as people write it.
fn view(call: &Cdr) -> Value {
    let mut value = json!(call);
    value["decision"] = call.decision.to_string().into();
    value
}

fn end_text(call: &Cdr) -> String {
    let reasons: Vec<_> =
        call.explanation.findings.iter().map(|finding| finding.reason().code()).collect();
    if reasons.is_empty() {
        call.cause.to_string()
    } else {
        format!("refused: {}", reasons.join(" "))
    }
}

fn csv_lines(calls: &[Cdr]) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(std::io::stdout().lock());
    writer.write_record([
        "decision",
        "started",
        "answered",
        "ended",
        "account",
        "line",
        "direction",
        "caller",
        "dialled",
        "number",
        "class",
        "country",
        "duration_ms",
        "price",
        "cost",
        "trunk",
        "cause",
        "status",
        "reasons",
    ])?;
    let maybe = |text: Option<String>| text.unwrap_or_default();
    for call in calls {
        let destination = &call.destination;
        let reasons: Vec<_> =
            call.explanation.findings.iter().map(|finding| finding.reason().code()).collect();
        let cells = [
            call.decision.to_string(),
            call.started.to_string(),
            maybe(call.answered.map(|at| at.to_string())),
            call.ended.to_string(),
            call.account.to_string(),
            maybe(call.line.map(|line| line.to_string())),
            call.direction.code().to_owned(),
            call.caller.clone(),
            call.dialled.clone(),
            maybe(destination.e164.map(E164::digits)),
            destination.class.to_string(),
            maybe(destination.region.map(|region| region.to_string())),
            call.duration_ms.to_string(),
            call.price.to_string(),
            call.cost.to_string(),
            maybe(call.trunk.map(|trunk| trunk.to_string())),
            call.cause.to_string(),
            call.status.to_string(),
            reasons.join(" "),
        ];
        writer.write_record(cells.iter().map(|cell| safe_cell(cell)))?;
    }
    writer.flush()?;
    Ok(())
}

fn live(args: &ListArgs, config: &Config, context: &Context) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let account = args.account.as_deref().map(|text| find_account(&reader, text)).transpose()?;
    let (mut calls, is_running) = match ask(config, &Request::Live)? {
        Some(Value::Array(calls)) => (calls, true),
        _ => (reader.holds(None)?.iter().map(hold_view).collect(), false),
    };
    if let Some(account) = account {
        calls.retain(|call| call["account"] == json!(account.id));
    }
    let mut table = Table::new(
        &["decision", "started", ">account", "caller", "to", "state", ">talk", ">held"],
        "no calls in progress",
    );
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for call in &calls {
        table.row(vec![
            text(&call["decision"]),
            text(&call["started"]),
            call["account"].to_string(),
            text(&call["caller"]),
            text(&call["dialled"]),
            text(&call["state"]),
            call["talk_ms"].as_u64().map_or_else(|| "-".to_owned(), span),
            text(&call["held"]),
        ]);
    }
    if !is_running && !context.output.is_json() {
        line("the node is not running; these calls were open when it stopped")?;
    }
    context.output.list(&table, calls.into_iter())
}

fn hold_view(hold: &Hold) -> Value {
    let answered = match hold.state {
        HoldState::Answered(at) => Some(at.to_string()),
        HoldState::Pending => None,
    };
    json!({
        "decision": hold.decision.to_string(),
        "account": hold.account,
        "line": hold.line,
        "state": if answered.is_some() { "answered" } else { "pending" },
        "caller": hold.caller,
        "dialled": hold.dialled,
        "trunk": hold.trunk,
        "started": hold.started.to_string(),
        "answered": answered,
        "held": hold.amount.to_string(),
        "covered_ms": hold.covered_ms,
        "chargeable": hold.amount > Money::ZERO,
    })
}
