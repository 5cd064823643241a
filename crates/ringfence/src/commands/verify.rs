//! `verify`. Lives here: walking the record, recomputing the ledger, saying where either breaks. Never here:
//! what a break is (store::chain), repairs.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use store::{
    Anchor, ChainQuestion, ChainReport, OpenOptions, Problem, Reader, SqliteStore, Verification,
};

use super::Context;
use super::output::line;
use crate::config::Config;
use crate::shell::keys::KeyRing;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringfence verify
  ringfence verify --anchor > /mnt/elsewhere/anchor     how far the record reaches, to be kept elsewhere
  ringfence verify --since $(cat /mnt/elsewhere/anchor) nothing up to there was changed or cut off
  ringfence verify ringfence-20261122T194500Z.db        a copy made by backup

Calls, transfers, facts, accounts, lines, numbers, trunks and decks are each on a link of a chain, signed with a
key derived from the one that seals passwords. Works while the node runs. Exit code 1 if something is wrong.")]
pub struct Args {
    /// A copy of the database; the one of the data directory if none is named
    file: Option<PathBuf>,
    /// Links and sums only: rows are counted, not read
    #[arg(long)]
    quick: bool,
    /// Print how far the record reaches, and do nothing else
    #[arg(long, conflicts_with_all = ["quick", "since"])]
    anchor: bool,
    /// The record must go through this anchor
    #[arg(long, value_name = "ANCHOR")]
    since: Option<Anchor>,
    /// Breaks that are named; further ones are counted
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    most: u16,
}

pub fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    let config = context.load()?.config;
    let file = args.file.clone().unwrap_or_else(|| config.database());
    let keys = KeyRing::to_read(&config)?;
    let store = open_copy(&file, keys.as_ref())?;
    if args.anchor {
        let anchor = store.anchor()?.map(|anchor| anchor.to_string());
        let anchor = anchor.context("nothing is on record yet")?;
        context.output.one(&anchor, &json!({ "anchor": anchor }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let question =
        ChainQuestion { is_quick: args.quick, since: args.since, most_breaks: args.most.into() };
    let examined = examine(&store, &question, context)?;
    context.output.one(&examined.text(&question, keys.as_ref()), &examined.value())?;
    Ok(if examined.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Opens a database to be verified, whatever keys there are.
pub fn open_copy(file: &Path, keys: Option<&KeyRing>) -> anyhow::Result<SqliteStore> {
    let sealer = keys.map(KeyRing::sealer);
    let options = OpenOptions { read_only: true, sealer, ..OpenOptions::default() };
    Ok(SqliteStore::open(file, options)?)
}

/// What was found.
pub struct Examined {
    /// In the sums.
    pub sums: Verification,
    /// In the chain.
    pub chain: ChainReport,
}

/// Walks the record and recomputes the ledger, with progress for people.
pub fn examine(
    store: &SqliteStore,
    question: &ChainQuestion,
    context: &Context,
) -> anyhow::Result<Examined> {
    let bar = progress("links", context);
    let chain = store.verify_chain(question, &mut |done, of| {
        bar.set_length(of);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let chain = chain?;
    // What was written behind our back may not even be summed up: that hides nobody's break.
    let sums = store.verify().unwrap_or_else(|error| Verification {
        problems: vec![Problem::Damaged(error.to_string())],
        ..Verification::default()
    });
    Ok(Examined { sums, chain })
}

impl Examined {
    /// Is nothing wrong?
    pub fn is_good(&self) -> bool {
        self.chain.breaks.is_empty() && self.sums.problems.is_empty()
    }

    /// What is wrong, in words: which part, and what.
    pub fn problems(&self) -> impl Iterator<Item = (&'static str, String)> {
        let breaks = self.chain.breaks.iter().map(|one| ("record", one.to_string()));
        let sums = self.sums.problems.iter().map(|one| match one {
            Problem::Unopened(_) => ("passwords", one.to_string()),
            _ => ("money", one.to_string()),
        });
        breaks.chain(sums)
    }

    /// What holds, in a line.
    pub fn record(&self, is_quick: bool) -> String {
        let ChainReport { links, rows, .. } = &self.chain;
        match is_quick {
            true => format!("{links} links hold; `ringfence verify` compares every row with them"),
            false => format!("{links} links hold, {rows} rows are as they were recorded"),
        }
    }

    /// The sums, in a line.
    pub fn money(&self) -> String {
        let Verification { cdrs, transfers, .. } = &self.sums;
        format!("{cdrs} calls and {transfers} transfers add up")
    }

    fn text(&self, question: &ChainQuestion, keys: Option<&KeyRing>) -> String {
        let mut lines = Vec::new();
        let has_none = |part: &str| self.problems().all(|(of, _)| of != part);
        if has_none("record") {
            lines.push(format!("ok       record: {}", self.record(question.is_quick)));
        }
        if has_none("money") {
            lines.push(format!("ok       money: {}", self.money()));
        }
        lines.extend(self.problems().map(|(part, what)| format!("problem  {part}: {what}")));
        if self.chain.more_breaks > 0 {
            lines.push(format!("problem  record: and {} more", self.chain.more_breaks));
        }
        for (span, key) in self.chain.vouched_for() {
            lines.push(format!(
                "note     {span}: made with key {key}, which is not here; later links vouch for what they say"
            ));
        }
        if keys.is_none() {
            let note =
                "note     there is no key here: whether the links are genuine cannot be told";
            lines.push(note.to_owned());
        }
        if let Some(since) = question.since.filter(|_| has_none("record")) {
            lines.push(format!("ok       anchor: the record goes through link {}", since.seq));
        }
        if let Some(head) = self.chain.head {
            lines.push(format!("anchor   {head}"));
        }
        lines.join("\n")
    }

    fn value(&self) -> Value {
        let keys = self.chain.keys.iter().map(|used| {
            json!({
                "key": used.key.map(|key| key.to_string()), "known": used.is_known,
                "first": used.span.first, "last": used.span.last,
            })
        });
        let problems = self.problems().map(|(part, what)| json!({ "part": part, "what": what }));
        json!({
            "ok": self.is_good(),
            "links": self.chain.links,
            "rows": self.chain.rows,
            "calls": self.sums.cdrs,
            "transfers": self.sums.transfers,
            "charged": self.sums.charged.to_string(),
            "anchor": self.chain.head.map(|head| head.to_string()),
            "has_keys": self.chain.has_keys,
            "keys": keys.collect::<Vec<_>>(),
            "problems": problems.collect::<Vec<_>>(),
            "more_problems": self.chain.more_breaks,
        })
    }
}

/// What a database needs that is not in it.
pub fn key_needed(store: &SqliteStore, config: &Config) -> anyhow::Result<String> {
    Ok(match store.chain_key()? {
        Some(key) => format!(
            "its passwords open with key {key} only, which is not in it: it belongs in {}",
            config.key_file().display()
        ),
        None => "it was written without a key".to_owned(),
    })
}

/// A bar on a terminal, for people.
pub fn progress(what: &str, context: &Context) -> ProgressBar {
    if context.output.is_json() || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    let template = format!("{{bar:40}} {{pos}}/{{len}} {what}, {{eta}} left");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}

/// Prints what is wrong with a copy, for commands that go on to fail.
pub fn tell(examined: &Examined) -> anyhow::Result<()> {
    examined.problems().try_for_each(|(part, what)| line(&format!("problem  {part}: {what}")))
}
