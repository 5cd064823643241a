//! What the rating room promises, seen from outside.

mod cost;
mod deck;
mod importing;
mod numbers;
mod reference;
mod spellings;
