//! The program. Lives here: which rooms there are. Never here: anything else.

mod audit;
mod billing;
mod change;
mod chosen;
mod commands;
mod config;
mod look;
mod pages;
mod shell;

/// Calls are many small objects, made on the node's thread and freed on the store's. Without huge pages:
/// memory that is half in use would count whole, and they save no CPU time that can be measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    commands::run()
}
