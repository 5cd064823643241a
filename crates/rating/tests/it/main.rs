//! What the rating room promises, seen from outside.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod cost;
mod deck;
mod importing;
mod numbers;
mod prices_page;
mod reference;
mod spellings;
