//! The program: a table of contents. Lives here: which rooms there are. Never here: anything else.
mod config;
fn main() {}
