//! Tests of the node from outside: raw SIP in, raw SIP and records out. Lives here: the list of them.
//! Never here: sockets, real time, anything of the node's inside.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

mod digest;
mod town;
mod ua;
mod wire;
mod world;

mod aliases;
mod amplification;
mod calls;
mod cancelling;
mod controls;
mod credentials;
mod devices;
mod every_write_fails;
mod failover;
mod flows;
mod forks;
mod hanging_up;
mod in_dialog;
mod late_answers;
mod leg;
mod lock_outs;
mod money;
mod one_reading;
mod orphans;
mod probing;
mod recovering;
mod refusals;
mod registering;
mod reinvites;
mod screening;
mod secure_flows;
mod sessions;
mod stale_phones;
mod store_down;
mod torture;
mod trunk_login;
mod trunk_registration;
mod typed;
