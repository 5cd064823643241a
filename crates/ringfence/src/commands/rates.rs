//! `rates`. Lives here: importing decks with a dry run, listing, looking up. Never here: reading cells, decks as they stood
//! (`deck_history`).

use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use rating::{DeckChange, DeckDiff, ImportDefaults, Numbering, RateDeck};
use serde_json::{Value, json};
use store::Reader;
use types::{DialPlan, E164, Money, Rate, RateRow};

use super::Context;
use super::deck_history::{self, HistoryArgs, ShowArgs, UndoArgs};
use super::lookup::find_deck_or_only;
use super::office::change;
use super::output::Table;
use super::when::moment;
use crate::change::Change;
use crate::config::Config;
use crate::shell::clock::system_wall;
use crate::shell::open::open_to_read;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Replace a deck by the rows of a CSV file
    Import(ImportArgs),
    /// List decks
    #[command(after_help = "Examples:
  ringfence rates list
  ringfence rates list --json")]
    List,
    /// Rows of a deck, now or as it stood at a time
    Show(ShowArgs),
    /// When a deck changed, and how much
    History(HistoryArgs),
    /// Put back what stood in a deck before
    Undo(UndoArgs),
    /// Price of a number
    #[command(after_help = "Examples:
  ringfence rates lookup +442079460000
  ringfence rates lookup 02079460000 --deck retail")]
    Lookup {
        /// With +, or as dialled at home
        number: String,
        /// In this deck only: name or number; all decks if left out
        #[arg(long)]
        deck: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringfence rates import retail.csv --deck retail --dry-run
  ringfence rates import retail.csv --deck retail --effective 2026-12-01

The file has a header; columns are found by name: prefix, name, per_minute, connect_fee, minimum,
first_increment, increment (or increments like 60/60), effective. All rows are good, or none is taken.
With --effective, the deck's former prices hold until then, and those of prefixes that the file leaves
out hold on, planned ones too; without it, the file replaces the deck.")]
pub struct ImportArgs {
    /// CSV file; - reads standard input
    file: PathBuf,
    /// Name of the deck; a new one is made
    #[arg(long)]
    deck: String,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// From when the prices hold, where the file does not say [default: since ever]
    #[arg(long, value_name = "TIME")]
    effective: Option<String>,
    /// Seconds of the first increment, where the file does not say
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    first_increment: u32,
    /// Seconds of each further increment, where the file does not say
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    increment: u32,
    /// Rows of a difference to show per kind
    #[arg(long, default_value_t = 20, value_name = "ROWS")]
    show: usize,
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    match command {
        Command::Import(args) => import(args, &config, context),
        Command::List => list_decks(&config, context),
        Command::Show(args) => deck_history::show(&args, &config, context),
        Command::History(args) => deck_history::history(&args, &config, context),
        Command::Undo(args) => deck_history::undo(&args, &config, context),
        Command::Lookup { number, deck } => lookup(&number, deck.as_deref(), &config, context),
    }
}

fn import(args: ImportArgs, config: &Config, context: &Context) -> anyhow::Result<()> {
    let now = system_wall();
    let effective = args
        .effective
        .as_deref()
        .map(|text| moment(text, now).map_err(anyhow::Error::msg))
        .transpose()?;
    let defaults = ImportDefaults {
        first_increment_s: args.first_increment,
        increment_s: args.increment,
        effective: effective.unwrap_or_default(),
        ..ImportDefaults::default()
    };
    let file = args.file.display().to_string();
    let imported = rating::import(&read_file(&args.file)?, &defaults)
        .map_err(|error| located(&file, &error))?;
    let old = known_rows(&args.deck, config)?;
    let rows = with_former(&old, imported.rows, effective);
    let difference = rating::diff(&old, &rows);
    let mut answer = summary(&difference);
    answer["ignored_columns"] = json!(imported.ignored_columns);
    if args.dry_run {
        answer["dry_run"] = true.into();
        answer["changes"] = json!(difference);
        let text = format!(
            "{}nothing was changed: this was a dry run",
            difference_text(&difference, args.show, &imported.ignored_columns)
        );
        return context.output.one(&text, &answer);
    }
    let done = change(config, Change::ImportDeck { name: args.deck, rows })?;
    for (name, value) in done.as_object().into_iter().flatten() {
        answer[name] = value.clone();
    }
    let text = format!(
        "{}{}",
        difference_text(&difference, 0, &imported.ignored_columns),
        answer["message"].as_str().unwrap_or("done")
    );
    context.output.one(&text, &answer)
}

/// The errors with the file's name in front: `FILE:LINE: COLUMN: …`.
fn located(file: &str, error: &rating::ImportError) -> anyhow::Error {
    let lines: Vec<String> = error
        .errors
        .iter()
        .map(|one| format!("{file}:{}: {}: {}", one.row, one.column, one.message))
        .collect();
    anyhow::anyhow!("nothing was imported:\n{}", lines.join("\n"))
}

fn read_file(path: &PathBuf) -> anyhow::Result<Vec<u8>> {
    if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::stdin().lock().read_to_end(&mut bytes).context("cannot read standard input")?;
        return Ok(bytes);
    }
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn known_rows(deck: &str, config: &Config) -> anyhow::Result<Vec<RateRow>> {
    let reader = open_to_read(config)?;
    let known = reader.decks()?.into_iter().find(|summary| summary.name == deck);
    let deck = known.map(|summary| reader.deck(summary.id)).transpose()?.flatten();
    Ok(deck.map(|deck| deck.rows).unwrap_or_default())
}

/// A deck whose new prices begin later keeps the old ones until then, and those of prefixes that the new ones leave out.
fn with_former(
    old: &[RateRow],
    mut new: Vec<RateRow>,
    effective: Option<types::UnixMicros>,
) -> Vec<RateRow> {
    let Some(effective) = effective else { return new };
    let named: BTreeSet<String> = new.iter().map(|row| row.prefix.clone()).collect();
    let stays = |row: &&RateRow| row.effective < effective || !named.contains(&row.prefix);
    new.extend(old.iter().filter(stays).cloned());
    new
}

pub(super) fn summary(difference: &DeckDiff) -> Value {
    json!({
        "added": difference.added.len(),
        "removed": difference.removed.len(),
        "dearer": difference.dearer.len(),
        "cheaper": difference.cheaper.len(),
        "changed": difference.changed.len(),
        "unchanged": difference.unchanged,
    })
}

pub(super) fn difference_text(difference: &DeckDiff, show: usize, ignored: &[String]) -> String {
    let mut text = String::new();
    let kinds: [(&str, &[DeckChange]); 5] = [
        ("dearer", &difference.dearer),
        ("cheaper", &difference.cheaper),
        ("changed", &difference.changed),
        ("added", &difference.added),
        ("removed", &difference.removed),
    ];
    for (kind, changes) in kinds {
        if show == 0 || changes.is_empty() {
            continue;
        }
        let mut table = Table::new(&["prefix", "destination", ">before", ">after"], "");
        for change in changes.iter().take(show) {
            let name = change.new.as_ref().or(change.old.as_ref()).map(|row| row.name.to_string());
            table.row(vec![
                change.prefix.clone(),
                name.unwrap_or_default(),
                change.old.as_ref().map_or_else(String::new, |row| rate_text(&row.rate)),
                change.new.as_ref().map_or_else(String::new, |row| rate_text(&row.rate)),
            ]);
        }
        text.push_str(&format!("{kind}\n{table}"));
        if changes.len() > show {
            text.push_str(&format!("… and {} more; --json shows all\n", changes.len() - show));
        }
        text.push('\n');
    }
    if !ignored.is_empty() {
        text.push_str(&format!("columns not used: {}\n", ignored.join(", ")));
    }
    text.push_str(&format!(
        "{} dearer, {} cheaper, {} changed otherwise, {} added, {} removed, {} unchanged\n",
        difference.dearer.len(),
        difference.cheaper.len(),
        difference.changed.len(),
        difference.added.len(),
        difference.removed.len(),
        difference.unchanged,
    ));
    text
}

/// `0.0125/min + 0.05, 60/60`
pub fn rate_text(rate: &Rate) -> String {
    let mut text = format!("{}/min", rate.per_minute);
    if rate.connect_fee != Money::ZERO {
        text.push_str(&format!(" + {}", rate.connect_fee));
    }
    if (rate.first_increment_s, rate.increment_s) != (1, 1) {
        text.push_str(&format!(", {}/{}", rate.first_increment_s, rate.increment_s));
    }
    if rate.minimum_s > 0 {
        text.push_str(&format!(", at least {} s", rate.minimum_s));
    }
    text
}

fn list_decks(config: &Config, context: &Context) -> anyhow::Result<()> {
    let decks = open_to_read(config)?.decks()?;
    let mut table = Table::new(
        &[">id", "name", ">rows"],
        "no rate decks yet; `ringfence rates import FILE --deck NAME` makes one",
    );
    for deck in &decks {
        table.row(vec![deck.id.to_string(), deck.name.clone(), deck.rows.to_string()]);
    }
    let view =
        |deck: &store::DeckSummary| json!({ "id": deck.id, "name": deck.name, "rows": deck.rows });
    context.output.list(&table, decks.iter().map(view))
}

pub(super) fn row_view(row: &RateRow) -> Value {
    json!({
        "prefix": row.prefix,
        "name": row.name,
        "per_minute": row.rate.per_minute.to_string(),
        "connect_fee": row.rate.connect_fee.to_string(),
        "minimum": row.rate.minimum_s,
        "first_increment": row.rate.first_increment_s,
        "increment": row.rate.increment_s,
        "effective": row.effective.to_string(),
    })
}

fn lookup(
    text: &str,
    deck: Option<&str>,
    config: &Config,
    context: &Context,
) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let numbering = Numbering::new(&config.numbering)?;
    let plan = DialPlan { home: config.home, ..DialPlan::default() };
    let called = numbering.classify(&plan, text);
    let ids = match deck {
        Some(deck) => vec![find_deck_or_only(&reader, Some(deck))?],
        None => reader.decks()?.iter().map(|deck| deck.id).collect(),
    };
    let destination = &called.destination;
    let mut table = Table::new(
        &["deck", "number", "class", "prefix", "destination", "rate"],
        "there is no rate deck yet",
    );
    let mut values = Vec::new();
    for id in ids {
        let Some(deck) = reader.deck(id)? else { continue };
        let name = deck.name.clone();
        let deck = RateDeck::from_rows(id, deck.rows)?;
        let found = deck.rate_for(&called, system_wall());
        let row = found.as_ref().and_then(|(_, row)| *row);
        let rate = found.as_ref().map(|(rate, _)| *rate);
        table.row(vec![
            name.clone(),
            shown_number(destination.e164, text),
            destination.class.to_string(),
            row.map_or_else(String::new, |row| row.prefix.clone()),
            row.map_or_else(String::new, |row| row.name.to_string()),
            rate.map_or_else(|| "no price: refused".to_owned(), |rate| rate_text(&rate)),
        ]);
        values.push(json!({
            "deck": name,
            "number": destination.e164.map(|number| number.to_string()),
            "class": destination.class,
            "region": destination.region,
            "hotspot": destination.hotspot,
            "price": row.map(row_view),
        }));
    }
    if values.is_empty() {
        bail!("there is no rate deck yet; `ringfence rates import FILE --deck NAME` makes one");
    }
    context.output.list(&table, values.into_iter())
}

fn shown_number(number: Option<E164>, dialled: &str) -> String {
    number.map_or_else(|| dialled.to_owned(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::UnixMicros;

    fn row(prefix: &str, pence: i64, effective: i64) -> RateRow {
        let rate = Rate { per_minute: Money::from_cents(pence), ..Rate::FREE };
        RateRow {
            prefix: prefix.to_owned(),
            name: "".into(),
            rate,
            effective: UnixMicros(effective),
        }
    }

    #[test]
    fn what_the_new_prices_leave_of_the_old() {
        // In force, and planned for later: 44 is in the file, 33 is not.
        let old = [row("44", 1, 0), row("44", 2, 90), row("33", 3, 0), row("33", 4, 90)];
        let check = |effective: Option<i64>, want: &[RateRow]| {
            let new = vec![row("44", 5, effective.unwrap_or(0))];
            assert_eq!(with_former(&old, new, effective.map(UnixMicros)), want);
        };
        check(None, &[row("44", 5, 0)]);
        check(Some(50), &[row("44", 5, 50), row("44", 1, 0), row("33", 3, 0), row("33", 4, 90)]);
        let all = [
            row("44", 5, 100),
            row("44", 1, 0),
            row("44", 2, 90),
            row("33", 3, 0),
            row("33", 4, 90),
        ];
        check(Some(100), &all);
    }
}
