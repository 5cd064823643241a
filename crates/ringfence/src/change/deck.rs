//! Rate decks. Lives here: replacing the rows of one. Never here: reading files.

use engine::Command;
use serde_json::{Value, json};
use store::Reader;
use types::{DeckId, RateRow};

use super::{Executor, check_name, deck_of};

pub fn import(
    name: String,
    rows: Vec<RateRow>,
    reader: &dyn Reader,
    executor: &mut dyn Executor,
) -> anyhow::Result<Value> {
    let decks = reader.decks()?;
    let known = decks.iter().find(|deck| deck.name == name);
    let id = match known {
        Some(deck) => deck.id,
        None => {
            check_name("a rate deck", &name)?;
            DeckId(decks.iter().map(|deck| deck.id.0).max().unwrap_or(0) + 1)
        }
    };
    let count = rows.len();
    let message = executor.one(Command::PutDeck(deck_of(id, name.clone(), rows)))?;
    Ok(json!({ "id": id, "deck": name, "rows": count, "message": message }))
}
