//! `carrier`. Lives here: a carrier's invoice beside our records, what it gives back. Never here: which
//! call is which (ledger), columns of the file (invoice).

mod invoice;

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use engine::PostWhat;
use ledger::{Difference, InvoiceCall, Reconciled, Tolerance, reconcile};
use serde_json::{Value, json};
use store::{CallFilter, Reader};
use types::{Cdr, DecisionId, Money, Trunk, UnixMicros};

use super::Context;
use super::office::change;
use super::ordering::{Why, call_facts};
use super::output::Table;
use crate::change::Change;
use crate::config::Config;
use crate::shell::open::open_to_read;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compare a carrier's invoice with our records, call by call
    Reconcile(ReconcileArgs),
    /// A carrier gives something back
    #[command(after_help = "Examples:
  ringfence carrier credit main 3.20 --why \"invoice 81: calls that never were\"
  ringfence carrier credit main 0.40 --call 0D5KZQ4M2T8GR --why \"billed twice\"")]
    Credit {
        /// Name or number of the trunk
        trunk: String,
        /// How much
        amount: Money,
        /// For this call: at most what it cost
        #[arg(long, value_name = "DECISION")]
        call: Option<DecisionId>,
        #[command(flatten)]
        why: Why,
    },
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringfence carrier reconcile main invoice.csv
  ringfence carrier reconcile main invoice.csv --map number=B-Number,start=Date,duration=Secs,price=Charge
  ringfence carrier reconcile main invoice.csv --start-tolerance 30s --json

The file has a header. Columns are found by name: number (called, destination), start (date, time),
duration (seconds, or as 1:02:03), price (amount, charge, cost). Times without a zone are UTC. Calls of
ours are compared that were answered between the first and the last call of the invoice.")]
pub struct ReconcileArgs {
    /// Name or number of the trunk
    trunk: String,
    /// CSV file
    file: PathBuf,
    /// Columns by name: number=A,start=B,duration=C,price=D
    #[arg(long, value_name = "COLUMNS", default_value = "", hide_default_value = true)]
    map: String,
    /// Two records are of one call if it began within this time of each other
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = super::when::span_ms)]
    start_tolerance: u64,
    /// Durations that differ by no more seconds are the same
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    duration_tolerance: u64,
    /// Prices that differ by no more are the same
    #[arg(long, value_name = "AMOUNT", default_value = "0.0001")]
    price_tolerance: Money,
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    match command {
        Command::Reconcile(args) => compare(&args, &config, context),
        Command::Credit { trunk, amount, call, why } => {
            let reader = open_to_read(&config)?;
            let trunk = find_trunk(&reader, &trunk)?.id;
            let call = call.map(|decision| call_facts(&reader, decision)).transpose()?;
            let order = why.order(PostWhat::CarrierCredit(trunk, amount, call));
            context.output.done(&change(&config, Change::Post(Box::new(order)))?)
        }
    }
}

fn find_trunk(reader: &dyn Reader, text: &str) -> anyhow::Result<Trunk> {
    let trunks = reader.trunks()?;
    let by_name = trunks.iter().find(|trunk| trunk.name == text);
    let found = by_name.or_else(|| trunks.iter().find(|trunk| trunk.id.to_string() == text));
    found
        .cloned()
        .with_context(|| format!("there is no trunk `{text}`; `ringfence trunk list` shows all"))
}

fn compare(args: &ReconcileArgs, config: &Config, context: &Context) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let trunk = find_trunk(&reader, &args.trunk)?;
    let invoice = invoice::read(&args.file, &args.map)?;
    let tolerance = Tolerance {
        start_ms: args.start_tolerance,
        duration_s: args.duration_tolerance,
        price: args.price_tolerance,
    };
    let ours = ours(&reader, &trunk, &invoice, tolerance)?;
    let found = reconcile(&invoice, &ours, tolerance).context("the sums are too large")?;
    let mut table = Table::new(
        &["difference", ">line", "decision", "number", "start", ">theirs", ">ours"],
        "no differences",
    );
    for difference in &found.differences {
        table.row(row(difference));
    }
    let sums = format!(
        "{} calls of the invoice, {} of ours, {} matched, {} differences\ninvoiced {} {currency}, expected {}",
        invoice.len(),
        ours.len(),
        found.matched,
        found.differences.len(),
        found.invoiced,
        found.expected,
        currency = config.currency
    );
    let text = format!("{}\n{sums}", table.to_string().trim_end());
    context.output.one(&text, &view(&found, invoice.len(), ours.len()))
}

/// Answered calls by the trunk in the time of the invoice, and a tolerance around it.
fn ours(
    reader: &dyn Reader,
    trunk: &Trunk,
    invoice: &[InvoiceCall],
    tolerance: Tolerance,
) -> anyhow::Result<Vec<Cdr>> {
    let starts = || invoice.iter().map(|call| call.started);
    let (Some(first), Some(last)) = (starts().min(), starts().max()) else {
        return Ok(Vec::new());
    };
    // A call may ring for minutes between its request, which we note, and its answer.
    const RINGING_US: i64 = 300 * 1_000_000;
    let around = i64::try_from(tolerance.start_ms.saturating_mul(1_000)).unwrap_or(i64::MAX);
    let (low, high) = (first.0.saturating_sub(around), last.0.saturating_add(around));
    let filter = CallFilter {
        trunk: Some(trunk.id),
        since: Some(UnixMicros(low.saturating_sub(RINGING_US))),
        until: Some(UnixMicros(high.saturating_add(1))),
        direction: Some(types::Direction::Outgoing),
        limit: u32::MAX,
        ..CallFilter::default()
    };
    let mut calls = reader.calls(&filter)?;
    calls.retain(|cdr| cdr.answered.is_some_and(|answered| answered.0 >= low));
    calls.reverse();
    Ok(calls)
}

/// Cells of a difference: what the carrier says, what we say.
fn row(difference: &Difference<'_>) -> Vec<String> {
    let dash = || "-".to_owned();
    let (what, invoice, cdr) = parts(difference);
    let theirs = |call: &InvoiceCall| match difference {
        Difference::Price(..) => call.price.map_or_else(dash, |price| price.to_string()),
        _ => format!("{} s", call.duration_s),
    };
    let ours = |cdr: &Cdr| match difference {
        Difference::Price(..) => cdr.cost.to_string(),
        _ => format!("{} s", cdr.duration_ms.div_ceil(1_000)),
    };
    vec![
        what.to_owned(),
        invoice.map_or_else(dash, |call| call.line.to_string()),
        cdr.map_or_else(dash, |cdr| cdr.decision.to_string()),
        number(invoice, cdr),
        start(invoice, cdr).to_string(),
        invoice.map_or_else(dash, theirs),
        cdr.map_or_else(dash, ours),
    ]
}

type Parts<'a> = (&'static str, Option<&'a InvoiceCall>, Option<&'a Cdr>);

fn parts<'a>(difference: &Difference<'a>) -> Parts<'a> {
    match *difference {
        Difference::MissingHere(call) => ("missing here", Some(call), None),
        Difference::MissingThere(cdr) => ("missing there", None, Some(cdr)),
        Difference::Duration(call, cdr) => ("other duration", Some(call), Some(cdr)),
        Difference::Price(call, cdr) => ("other price", Some(call), Some(cdr)),
    }
}

fn number(invoice: Option<&InvoiceCall>, cdr: Option<&Cdr>) -> String {
    let theirs = invoice.map(|call| call.number.clone());
    theirs.or_else(|| cdr.map(ledger::number_of)).unwrap_or_default()
}

fn start(invoice: Option<&InvoiceCall>, cdr: Option<&Cdr>) -> UnixMicros {
    invoice.map(|call| call.started).or(cdr.map(|cdr| cdr.started)).unwrap_or_default()
}

fn view(found: &Reconciled<'_>, invoice: usize, ours: usize) -> Value {
    let one = |difference: &Difference<'_>| {
        let (what, call, cdr) = parts(difference);
        json!({
            "difference": what.replace(' ', "-"),
            "line": call.map(|call| call.line),
            "decision": cdr.map(|cdr| cdr.decision.to_string()),
            "number": number(call, cdr),
            "start": start(call, cdr).to_string(),
            "invoice_s": call.map(|call| call.duration_s),
            "our_s": cdr.map(|cdr| cdr.duration_ms.div_ceil(1_000)),
            "invoice_price": call.and_then(|call| call.price).map(|price| price.to_string()),
            "our_cost": cdr.map(|cdr| cdr.cost.to_string()),
        })
    };
    json!({
        "invoice_calls": invoice,
        "our_calls": ours,
        "matched": found.matched,
        "invoiced": found.invoiced.to_string(),
        "expected": found.expected.to_string(),
        "differences": found.differences.iter().map(one).collect::<Vec<_>>(),
    })
}
