//! The only task runner. Lives here: the list of tasks. Never here: how they are done.
#![expect(
    clippy::disallowed_methods,
    reason = "the task runner lives outside of the pure zone: it reads the clock and waits for processes"
)]

mod bench;
mod digest;
mod docs;
mod kamailio;
mod money;
mod peers;
mod process;
mod proof;
mod ringfence;
mod setup;
mod shell_out;
mod sip_client;
mod tidy;
mod tiers;

use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Tests, benches and chores of Ringfence")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Runs the tests, all tiers or some.
    Test(tiers::Options),
    /// Measures CPU and memory beside Kamailio.
    Bench(bench::Options),
    /// Runs seeds in the virtual world.
    Sim(Seeds),
    /// Runs seeds in the virtual world until one fails or the time is up.
    Soak(Soak),
    /// Runs each fuzz target for a while.
    Fuzz(Fuzz),
    /// Format, lints, walls between crates, purity, documents.
    Tidy,
    /// Writes the documents that are made from code.
    GenDocs(docs::Options),
}

#[derive(Args)]
struct Seeds {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// How many.
    #[arg(long, default_value_t = 1_000)]
    count: u64,
}

#[derive(Args)]
struct Soak {
    /// How long.
    #[arg(long, default_value_t = 60)]
    minutes: u64,
}

#[derive(Args)]
struct Fuzz {
    /// Seconds for each target.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Test(options) => tiers::run(&options),
        Task::Bench(options) => bench::start(&options),
        Task::Sim(Seeds { first, count }) => {
            tiers::sim(first, count).map(|count| println!("{count}"))
        }
        Task::Soak(Soak { minutes }) => tiers::soak(minutes),
        Task::Fuzz(Fuzz { seconds }) => tiers::fuzz(seconds).map(|count| println!("{count}")),
        Task::Tidy => tidy::run().map(|passed| println!("{passed} passed, 0 failed")),
        Task::GenDocs(options) => docs::run(&options),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
