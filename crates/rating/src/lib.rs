//! From what was dialled to what it costs. Lives here: numbering, rate decks, rating, deck import.
//! Never here: SIP, accounts, caps, the clock, files.
//!
//! The way of a call: [`Numbering::classify`] says where a dialled string leads, [`RateDeck::rate_for`]
//! finds its price, [`first_slice`] and [`next_slice`] say how much to hold, [`cost`] what to charge.

pub mod import;
pub mod numbering;
pub mod rate_deck;
pub mod rating;

pub use import::{
    DeckChange, DeckDiff, ImportDefaults, ImportError, Imported, RowError, diff, import,
};
pub use numbering::{Called, Numbering, NumberingConfig, NumberingError, Prefixes, country_code};
pub use rate_deck::{DeckError, RateDeck};
pub use rating::{CostError, Slice, billed_s, cost, first_slice, hold_for, next_slice, tier};
