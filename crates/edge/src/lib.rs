//! The node: SIP in, decisions asked, SIP out. Lives here: the way of a call, of a registration, the
//! wiring of transactions, calls, engine and store. Never here: sockets, the clock, SQL, prices.
//!
//! Sans-IO: [`Node::handle`] takes one [`Input`], [`Node::drain`] gives what is to be done about it.

mod call_end;
mod call_path;
mod command_path;
mod config;
mod dialog_path;
mod io;
mod late_answers;
mod legs;
mod log_in;
mod node;
mod orders;
mod recovery;
mod register_path;
mod routing;
mod screen;
mod sip_reply;
mod store_path;
mod trunk_link;

pub use config::{Limits, NodeConfig, NodeError, ScreenConfig, Secrets, Timers};
pub use io::{Input, Outputs, Reply, Stats, StoreRequest};
pub use node::Node;
pub use screen::Dropped;
pub use sip::b2bua::Listener;
