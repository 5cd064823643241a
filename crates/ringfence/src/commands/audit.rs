//! `audit`. Lives here: judging calls again by hand, keeping that staff looked. Never here: judging (`crate::audit`).

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use engine::{AuditReport, Seen};
use serde_json::{Value, json};
use store::{Decided, OpenOptions, Reader, SqliteStore};
use types::{AccountId, Cdr, DecisionId, UnixMicros};

use super::Context;
use super::lookup::find_account;
use super::office::change;
use super::output::{Table, line};
use super::verify::progress;
use super::when::stretch;
use crate::audit::{Bad, StoreEvidence, calendar, judge_calls, report, starts, unseen};
use crate::change::Change;
use crate::config::Config;
use crate::shell::clock::system_wall;

/// Links looked at in one batch.
const LINKS: u32 = 4_096;
/// Mismatches told at once.
const TOGETHER: usize = 500;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringfence audit                                     judge every call on record again
  ringfence audit --since 7d --account alice
  ringfence audit --since 2026-11-01 --act            put mismatches on record, give the calls back
  ringfence audit --unseen                            what was found and nobody has looked at
  ringfence audit --seen 0D5KZQ4M2T8GR --why \"deck was wrong, carrier told\"

The running node does this by itself, some seconds after each call. Each admitted call is judged by what stood when it
was let out: status, IP locks, barred classes, caps, limits, stop levels, prices of the decks of that day; by code of
its own. Exit code 1 if a call does not fit.")]
pub struct Args {
    /// Calls that began then or later: 2026-11-22, 2026-11-22T08:00:00Z, or ago: 30m, 2h, 7d
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Calls that began before then
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Of this account only: name or number
    #[arg(long)]
    account: Option<String>,
    /// Only say what would be done; this is the default
    #[arg(long, conflicts_with = "act")]
    dry_run: bool,
    /// Put mismatches on record, and give back what was charged for these calls
    #[arg(long)]
    act: bool,
    /// Show mismatches on record that nobody has looked at
    #[arg(long, conflicts_with_all = ["since", "until", "account", "act", "dry_run", "seen"])]
    unseen: bool,
    /// A mismatch of this call was looked at
    #[arg(long, value_name = "DECISION", requires = "why", conflicts_with_all = ["since", "until", "account", "act", "dry_run"])]
    seen: Option<DecisionId>,
    /// What there is to say about it
    #[arg(long, value_name = "TEXT", requires = "seen")]
    why: Option<String>,
    /// Who looked
    #[arg(long, value_name = "NAME", default_value = "staff", requires = "seen")]
    by: String,
}

pub fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    let config = context.load()?.config;
    if args.unseen {
        return show_unseen(&config, context);
    }
    if let (Some(decision), Some(note)) = (args.seen, &args.why) {
        return see(decision, args.by, note.clone(), &config, context);
    }
    let pick = Pick::of(&args, &config)?;
    let audited = audit(&pick, &config, context)?;
    let acted = if args.act { act(&audited.bad, &config)? } else { Vec::new() };
    print(&audited, &acted, args.act, context)?;
    Ok(if audited.bad.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn open(config: &Config) -> anyhow::Result<SqliteStore> {
    let options = OpenOptions { read_only: true, ..OpenOptions::default() };
    Ok(SqliteStore::open(config.database(), options)?)
}

/// Which calls are asked for.
struct Pick {
    account: Option<AccountId>,
    since: UnixMicros,
    until: UnixMicros,
}

impl Pick {
    fn of(args: &Args, config: &Config) -> anyhow::Result<Pick> {
        let (since, until) = (args.since.as_deref(), args.until.as_deref());
        let times = stretch(since, until, system_wall()).map_err(anyhow::Error::msg)?;
        let account = args.account.as_deref();
        let account = account.map(|text| find_account(&open(config)?, text)).transpose()?;
        Ok(Pick {
            account: account.map(|account| account.id),
            since: times.0.unwrap_or(UnixMicros(i64::MIN)),
            until: times.1.unwrap_or(UnixMicros(i64::MAX)),
        })
    }

    fn takes(&self, cdr: &Cdr) -> bool {
        let is_his = self.account.is_none_or(|account| account == cdr.account);
        is_his && cdr.started >= self.since && cdr.started < self.until
    }
}

struct Audited {
    judged: u64,
    bad: Vec<Bad>,
    took: Duration,
}

fn audit(pick: &Pick, config: &Config, context: &Context) -> anyhow::Result<Audited> {
    let began = system_wall();
    let reader = open(config)?;
    let starts = starts(&reader)?;
    // Off hours by this file are those of the node only since it started with it.
    let calendar = calendar(config, starts.last().copied().unwrap_or(UnixMicros(i64::MAX)));
    let mut evidence = StoreEvidence::new(reader, starts);
    evidence.begin()?;
    let bar = progress("links", context);
    let (mut judged, mut bad, mut link) = (0, Vec::new(), 0);
    loop {
        let found = evidence.reader().calls_after(link, LINKS)?;
        let calls = || found.calls.iter().map(|(_, cdr)| cdr);
        calls().for_each(|cdr| evidence.learn(cdr));
        let picked = calls().filter(|cdr| pick.takes(cdr));
        let (count, found_bad) = judge_calls(picked, &mut evidence, &calendar)?;
        judged += count;
        bad.extend(found_bad);
        bar.set_length(found.head);
        bar.set_position(found.upto);
        link = found.upto;
        if link >= found.head {
            break;
        }
    }
    bar.finish_and_clear();
    let took = Duration::from_millis(system_wall().ms_since(began));
    Ok(Audited { judged, bad, took })
}

/// Puts mismatches on record; what was said to it.
fn act(bad: &[Bad], config: &Config) -> anyhow::Result<Vec<String>> {
    let reader = open(config)?;
    let tell = |bad: &[Bad]| -> anyhow::Result<String> {
        let report: AuditReport = report(&reader, bad, None)?;
        let answer = change(config, Change::Audited(Box::new(report)))?;
        Ok(answer["message"].as_str().unwrap_or("done").to_owned())
    };
    bad.chunks(TOGETHER).map(tell).collect()
}

fn print(
    audited: &Audited,
    acted: &[String],
    is_acting: bool,
    context: &Context,
) -> anyhow::Result<()> {
    let Audited { judged, bad, took } = audited;
    let each_us = took.as_micros() as u64 / (*judged).max(1);
    if context.output.is_json() {
        let bad: Vec<Value> = bad.iter().map(view).collect();
        let value = json!({
            "ok": bad.is_empty(), "judged": judged, "mismatches": bad, "took_ms": took.as_millis(),
            "us_per_call": each_us, "acted": is_acting, "done": acted,
        });
        return line(&value.to_string());
    }
    let mut table = Table::new(&["decision", ">account", ">price", ">given back", "what"], "");
    for one in bad {
        for (at, words) in one.words().into_iter().enumerate() {
            let only_first = |text: String| if at == 0 { text } else { String::new() };
            table.row(vec![
                only_first(one.cdr.decision.to_string()),
                only_first(one.cdr.account.to_string()),
                only_first(one.cdr.price.to_string()),
                only_first(one.given_back().to_string()),
                words,
            ]);
        }
    }
    if !bad.is_empty() {
        line(table.to_string().trim_end_matches('\n'))?;
    }
    acted.iter().try_for_each(|words| line(words))?;
    if !bad.is_empty() && !is_acting {
        line("nothing was done: `--act` puts this on record and gives the calls back")?;
    }
    eprintln!("{judged} calls judged in {} ms, {each_us} µs each", took.as_millis());
    match bad.len() {
        0 => line("every call fits what stood for it"),
        count => line(&format!("{count} calls do not fit what stood for them")),
    }
}

fn view(bad: &Bad) -> Value {
    json!({
        "decision": bad.cdr.decision.to_string(),
        "account": bad.cdr.account,
        "price": bad.cdr.price.to_string(),
        "given_back": bad.given_back().to_string(),
        "what": bad.words(),
        "mismatches": bad.verdict.mismatches,
    })
}

fn show_unseen(config: &Config, context: &Context) -> anyhow::Result<ExitCode> {
    let found = unseen(&open(config)?)?;
    let headers = ["found", "decision", "given back", "what"];
    let mut table = Table::new(&headers, "nothing that nobody has looked at");
    for one in &found {
        let freed = if one.freed { "yes" } else { "no" }.to_owned();
        table.row(vec![one.at.to_string(), one.decision.to_string(), freed, one.what.join("; ")]);
    }
    let values = found.iter().map(|one| {
        json!({
            "at": one.at.to_string(), "decision": one.decision.to_string(),
            "freed": one.freed, "what": one.what,
        })
    });
    context.output.list(&table, values)?;
    Ok(ExitCode::SUCCESS)
}

fn see(
    decision: DecisionId,
    by: String,
    note: String,
    config: &Config,
    context: &Context,
) -> anyhow::Result<ExitCode> {
    let reader = open(config)?;
    if unseen(&reader)?.iter().all(|one| one.decision != decision) {
        bail!(
            "nothing that nobody has looked at was found of call {decision}; `ringfence audit --unseen` lists what was"
        );
    }
    let Some(Decided::Ended(cdr)) = reader.decision(decision)? else {
        bail!("there is no call {decision}; `ringfence calls` shows them");
    };
    let seen = Seen { account: cdr.account, decision, by, note };
    let answer = change(config, Change::Seen(Box::new(seen))).context("it was not kept")?;
    context.output.done(&answer)?;
    Ok(ExitCode::SUCCESS)
}
