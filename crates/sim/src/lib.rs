//! The virtual world: the real node under virtual time, seeded faults, simulated people.
//! Never here: anything that production code uses.

pub mod agent;
pub mod digest;
pub mod network;
pub mod wire;
