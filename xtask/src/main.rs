//! The only task runner. Lives here: the list of tasks. Never here: how they are done.
#![expect(
    clippy::disallowed_methods,
    reason = "the task runner lives outside of the pure zone: it reads the clock and waits for processes"
)]

mod bench;
mod digest;
mod kamailio;
mod process;
mod ringfence;
mod sip_client;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Tests, benches and chores of Ringfence")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Measures CPU and memory beside Kamailio.
    Bench(bench::Options),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().task {
        Task::Bench(options) => bench::run(&options),
    }
}

/// The cargo that runs us.
fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
