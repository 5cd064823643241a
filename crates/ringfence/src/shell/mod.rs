//! The shell around the node. Lives here: sockets, clock, threads, signals, the control socket.
//! Never here: decisions, SIP, SQL.

pub mod alerts;
pub mod anchor;
pub mod atlas;
pub mod auditor;
pub mod certificate;
pub mod clock;
pub mod control;
pub mod driver;
pub mod keys;
pub mod lock;
pub mod log;
pub mod memory;
pub mod mmsg;
pub mod open;
pub mod pace;
pub mod secrets;
pub mod signals;
pub mod store_link;
pub mod streams;
pub mod systemd;
pub mod udp;
pub mod writes;
