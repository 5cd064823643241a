//! The engine from outside: whole lives of calls.

mod admission;
mod audit;
mod caller_id;
mod control;
mod directory;
mod exempt;
mod invariants;
mod known_clients;
mod levels;
mod lock_trial;
mod metering;
mod money;
mod of_holder;
mod raises;
mod records;
mod recovery;
mod secrets;
mod warnings;
mod world;
