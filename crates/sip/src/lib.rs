//! SIP, sans-IO. Lives here: messages, transactions, dialogs, digest, the registrar. Never here: sockets, clocks, dice,
//! threads, accounts, money. What comes in is bytes and time; what goes out is bytes.

pub mod b2bua;
pub mod dialog;
pub mod digest;
pub mod flow;
pub mod message;
pub mod registrar;
pub mod sdp;
pub mod session_timer;
pub mod stream;
pub mod tokens;
pub mod transaction;
