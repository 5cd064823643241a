//! Who is meant, by name or id, in the database. Lives here: look-ups of commands that only read.
//! Never here: changes, which are judged by the node (`change`).

use anyhow::Context;
use store::Reader;
use types::{Account, AccountId, DeckId};

use crate::change::{no_account, pick_deck, pick_deck_or_only};

/// The account of this id or name.
pub fn find_account(reader: &dyn Reader, text: &str) -> anyhow::Result<Account> {
    if let Ok(id) = text.parse::<u32>()
        && let Some(account) = reader.account(AccountId(id))?
    {
        return Ok(account);
    }
    let found = reader.accounts()?.into_iter().find(|account| account.name == text);
    found.with_context(|| no_account(text))
}

/// The deck of this name or id.
pub fn find_deck(reader: &dyn Reader, text: &str) -> anyhow::Result<DeckId> {
    let decks = reader.decks()?;
    pick_deck(decks.iter().map(|deck| (deck.id, deck.name.as_str())), text)
}

/// The deck of this name, or the only one.
pub fn find_deck_or_only(reader: &dyn Reader, text: Option<&str>) -> anyhow::Result<DeckId> {
    let decks = reader.decks()?;
    pick_deck_or_only(decks.iter().map(|deck| (deck.id, deck.name.as_str())), text)
}
