//! `rates show`, `history` and `undo`. Lives here: decks as they stood. Never here: importing one (`rates`).

use anyhow::{Context as _, bail};
use serde_json::json;
use store::{DeckState, Reader};
use types::{DeckId, UnixMicros};

use super::Context;
use super::lookup::find_deck;
use super::office::change;
use super::output::Table;
use super::rates::{difference_text, rate_text, row_view, summary};
use super::when::moment;
use crate::change::Change;
use crate::config::Config;
use crate::shell::clock::system_wall;
use crate::shell::open::open_to_read;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringfence rates show retail
  ringfence rates show retail --at 2026-11-01 --json")]
pub struct ShowArgs {
    /// Name or number of the deck
    deck: String,
    /// As it stood at this time [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringfence rates history retail")]
pub struct HistoryArgs {
    /// Name or number of the deck
    deck: String,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringfence rates undo retail --dry-run
  ringfence rates undo retail
  ringfence rates undo retail --to 2026-11-01

What stood is put anew: calls that were priced meanwhile keep their prices, the history keeps both. A second
undo takes the first one back.")]
pub struct UndoArgs {
    /// Name or number of the deck
    deck: String,
    /// What stood at this time [default: what stood before the last import or undo]
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Show what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Rows of a difference to show per kind
    #[arg(long, default_value_t = 20, value_name = "ROWS")]
    show: usize,
}

fn time(text: &str) -> anyhow::Result<UnixMicros> {
    moment(text, system_wall()).map_err(anyhow::Error::msg)
}

fn not_yet(states: &[DeckState], deck: &str, at: UnixMicros) -> anyhow::Error {
    let first =
        states.last().map_or_else(String::new, |first| format!(", it came at {}", first.at));
    anyhow::anyhow!("rate deck `{deck}` was not there yet at {at}{first}")
}

pub fn show(args: &ShowArgs, config: &Config, context: &Context) -> anyhow::Result<()> {
    let at = args.at.as_deref().map(time).transpose()?.unwrap_or(UnixMicros(i64::MAX));
    let reader = open_to_read(config)?;
    let id = find_deck(&reader, &args.deck)?;
    let Some(deck) = reader.deck_at(id, at)? else {
        return Err(not_yet(&reader.deck_states(id)?, &args.deck, at));
    };
    let mut table =
        Table::new(&["prefix", "destination", "rate", "effective"], "the deck is empty");
    for row in &deck.rows {
        let since_ever = row.effective.0 <= 0;
        let effective = if since_ever { "always".to_owned() } else { row.effective.to_string() };
        table.row(vec![row.prefix.clone(), row.name.to_string(), rate_text(&row.rate), effective]);
    }
    context.output.list(&table, deck.rows.iter().map(row_view))
}

pub fn history(args: &HistoryArgs, config: &Config, context: &Context) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let states = reader.deck_states(find_deck(&reader, &args.deck)?)?;
    let mut table = Table::new(
        &["since", ">state", ">added", ">changed", ">removed", ">rows"],
        "the deck was never put",
    );
    for DeckState { state, at, added, changed, removed, rows, .. } in &states {
        let counts = [added, changed, removed, rows].map(u64::to_string);
        table.row([at.to_string(), state.to_string()].into_iter().chain(counts).collect());
    }
    let view = |one: &DeckState| {
        json!({
            "since": one.at.to_string(),
            "state": one.state,
            "deck": one.name,
            "added": one.added,
            "changed": one.changed,
            "removed": one.removed,
            "rows": one.rows,
        })
    };
    context.output.list(&table, states.iter().map(view))
}

/// The time of what stood before the last put.
fn before(reader: &dyn Reader, id: DeckId, args: &UndoArgs) -> anyhow::Result<UnixMicros> {
    let states = reader.deck_states(id)?;
    let before = states.get(1).map(|state| state.at);
    before.with_context(|| {
        format!("there is nothing to undo: rate deck `{}` was put once only", args.deck)
    })
}

pub fn undo(args: &UndoArgs, config: &Config, context: &Context) -> anyhow::Result<()> {
    let to = args.to.as_deref().map(time).transpose()?;
    let reader = open_to_read(config)?;
    let id = find_deck(&reader, &args.deck)?;
    let at = to.map_or_else(|| before(&reader, id, args), Ok)?;
    let Some(former) = reader.deck_at(id, at)? else {
        return Err(not_yet(&reader.deck_states(id)?, &args.deck, at));
    };
    let now = reader.deck(id)?.context("the deck was there a moment ago")?;
    drop(reader);
    let difference = rating::diff(&now.rows, &former.rows);
    if now.rows == former.rows {
        bail!("rate deck `{}` stands as it stood at {at}: nothing to undo", args.deck);
    }
    let mut answer = summary(&difference);
    answer["stood_at"] = at.to_string().into();
    if args.dry_run {
        answer["dry_run"] = true.into();
        answer["changes"] = json!(difference);
        let text = format!(
            "{}nothing was changed: this was a dry run",
            difference_text(&difference, args.show, &[])
        );
        return context.output.one(&text, &answer);
    }
    let done = change(config, Change::ImportDeck { name: now.name, rows: former.rows })?;
    for (name, value) in done.as_object().into_iter().flatten() {
        answer[name] = value.clone();
    }
    let message = answer["message"].as_str().unwrap_or("done");
    let text = format!("{}{message}, as it stood at {at}", difference_text(&difference, 0, &[]));
    context.output.one(&text, &answer)
}
