//! The program. Lives here: which rooms there are. Never here: anything else.

mod change;
mod commands;
mod config;
mod shell;

fn main() -> std::process::ExitCode {
    commands::run()
}
