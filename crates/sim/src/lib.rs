//! The virtual world: the real node under virtual time, seeded faults, simulated people.
//! Never here: anything that production code uses.

pub mod actor;
pub mod agent;
pub mod attackers;
pub mod audited;
pub mod auditor;
pub mod carrier;
pub mod clock;
pub mod customers;
pub mod digest;
pub mod disk;
pub mod network;
pub mod office;
pub mod planted;
pub mod scenario;
pub mod seeds;
pub mod story;
pub mod town;
pub mod wire;
pub mod world;
