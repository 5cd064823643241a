//! sip

pub mod flow;
