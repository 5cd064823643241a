//! Rate decks. Lives here: replacing the rows of one. Never here: reading files.

use engine::{Command, Engine};
use serde_json::json;
use types::record::Deck;
use types::{DeckId, RateRow};

use super::{Plan, check_name, next_id};

pub fn import(name: String, rows: Vec<RateRow>, engine: &Engine) -> anyhow::Result<Plan> {
    let known = engine.decks().find(|(_, known)| *known == name);
    let id = match known {
        Some((id, _)) => id,
        None => {
            check_name("a rate deck", &name)?;
            DeckId(next_id(engine.decks().map(|(id, _)| id.0)))
        }
    };
    let answer = json!({ "id": id, "deck": name, "rows": rows.len() });
    Ok(Plan::one(Command::PutDeck(Deck { id, name, rows }), answer))
}
