//! Those who steal. One file for each fraud. Never here: anything the defence could use.

pub mod race;
