//! What the operator types. Lives here: the commands and their help, one file each.
//! Never here: decisions, SQL, sockets of SIP.

mod access;
mod account;
mod alert;
mod at_risk;
mod audit;
mod backup;
mod ban;
mod bill;
mod call;
mod carrier;
mod configuration;
mod contact;
mod credit;
mod deck_history;
mod demo;
mod device;
mod dial_plan;
mod doctor;
mod explain;
mod foreign_log;
mod instalments;
mod key;
mod line;
mod line_import;
pub mod lookup;
mod number;
mod office;
mod ordering;
mod output;
mod payment;
mod rates;
mod report;
mod request;
mod reseller;
mod serve;
mod sip_parse;
mod standing;
mod token;
mod trunk;
mod user;
mod verify;
mod when;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::config::{Loaded, load};
pub use at_risk::greatest_of_a_day;
pub use ordering::call_facts;
use output::Output;
pub use output::printable;

/// Read where no file is named.
const DEFAULT_FILE: &str = "/etc/ringfence/ringfence.toml";

/// Keeps VoIP providers and their customers from losing money to toll fraud.
#[derive(Debug, Parser)]
#[command(name = "ringfence", version, max_term_width = 100)]
#[command(after_help = "Examples:
  ringfence demo                            see it work: no configuration needed
  ringfence check -c ringfence.toml         is the configuration good?
  ringfence serve -c ringfence.toml         run the node
  ringfence calls --account alice --since 2h
  ringfence explain 0D5KZQ4M2T8GR           why was this call refused?

Exit codes: 0 done, 1 failed, 2 wrong usage.")]
struct Cli {
    /// Configuration file
    #[arg(short = 'c', long, global = true, env = "RINGFENCE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON: one object, or one object a line
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the node
    Serve(serve::Args),
    /// See it work: phones, a carrier and a thief on loopback, no configuration
    Demo(demo::Args),
    /// Is the configuration good?
    Check(configuration::CheckArgs),
    /// The settings and where each comes from
    #[command(subcommand)]
    Config(configuration::Command),
    /// Who pays
    #[command(subcommand)]
    Account(account::Command),
    /// Who sells to accounts in the provider's place
    #[command(subcommand)]
    Reseller(reseller::Command),
    /// Who may sign in at the pages
    #[command(subcommand)]
    User(user::Command),
    /// Tokens of programs of web users
    #[command(subcommand)]
    Token(token::Command),
    /// What holders ask for that they may not give themselves
    #[command(subcommand)]
    Request(request::Command),
    /// What holders report when something was wrong
    #[command(subcommand)]
    Report(report::Command),
    /// SIP log-ins of accounts
    #[command(subcommand)]
    Line(line::Command),
    /// Phones that have shown a right password
    #[command(subcommand)]
    Device(device::Command),
    /// Who may not log in, and why
    #[command(subcommand)]
    Access(access::Command),
    /// Numbers of ours and where they ring
    #[command(subcommand)]
    Number(number::Command),
    /// Keys that seal passwords in the database
    #[command(subcommand)]
    Key(key::Command),
    /// Connections to carriers
    #[command(subcommand)]
    Trunk(trunk::Command),
    /// Sources of which nothing is read
    #[command(subcommand)]
    Ban(ban::Command),
    /// Who is told when something happens
    #[command(subcommand)]
    Contact(contact::Command),
    /// What was told to whom, and whether it arrived
    #[command(subcommand)]
    Alert(alert::Command),
    /// Rate decks
    #[command(subcommand)]
    Rates(rates::Command),
    /// Calls that were made or refused
    Calls(call::ListArgs),
    /// Calls in progress
    #[command(subcommand)]
    Call(call::Command),
    /// Bills
    #[command(subcommand)]
    Bill(bill::Command),
    /// What holders paid
    #[command(subcommand)]
    Payment(payment::Command),
    /// What an account owes, and how it came to that
    Statement(payment::StatementArgs),
    /// What is given to holders, or given up
    #[command(subcommand)]
    Credit(credit::Command),
    /// Debts that are paid bit by bit
    #[command(subcommand)]
    Instalments(instalments::Command),
    /// Invoices of carriers
    #[command(subcommand)]
    Carrier(carrier::Command),
    /// Why a call was admitted, refused or cut, in words
    Explain(explain::Args),
    /// Look for what is wrong, and say what to do
    Doctor(doctor::Args),
    /// Judge calls again: does each fit what stood when it was let out, and what it was charged?
    Audit(audit::Args),
    /// Was anything changed by somebody else: is every row as it was recorded, do the sums come out?
    Verify(verify::Args),
    /// Copy the database while the node runs, and verify the copy
    Backup(backup::BackupArgs),
    /// Put a verified copy in place of the database
    Restore(backup::RestoreArgs),
    /// SIP messages
    #[command(subcommand)]
    Sip(sip_parse::Command),
    /// How a running node does
    Status(serve::StatusArgs),
    /// Completions for a shell
    #[command(
        after_help = "Example:\n  ringfence completions bash > /etc/bash_completion.d/ringfence"
    )]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// What a command works with.
struct Context {
    file: Option<PathBuf>,
    output: Output,
}

impl Context {
    /// The settings: of the file named, or of the usual one if it is there, and of the environment.
    fn load(&self) -> anyhow::Result<Loaded> {
        let usual = Path::new(DEFAULT_FILE);
        let file = match &self.file {
            Some(file) => Some(file.as_path()),
            None => usual.exists().then_some(usual),
        };
        Ok(load(file, std::env::vars())?)
    }
}

/// Runs the program: 0 done, 1 failed, 2 wrong usage.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let context = Context { file: cli.config, output: Output::new(cli.json) };
    match dispatch(cli.command, &context) {
        Ok(code) => code,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            context.output.error(&error);
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: Command, context: &Context) -> anyhow::Result<ExitCode> {
    let done = match command {
        Command::Serve(args) => serve::run(args, context),
        Command::Demo(args) => demo::run(args, context),
        Command::Check(args) => return configuration::check(args, context),
        Command::Config(command) => configuration::run(command, context),
        Command::Account(command) => account::run(command, context),
        Command::Reseller(command) => reseller::run(command, context),
        Command::User(command) => user::run(command, context),
        Command::Token(command) => token::run(command, context),
        Command::Request(command) => request::run(command, context),
        Command::Report(command) => report::run(command, context),
        Command::Key(command) => return key::run(command, context),
        Command::Line(command) => line::run(command, context),
        Command::Device(command) => device::run(command, context),
        Command::Access(command) => access::run(command, context),
        Command::Number(command) => number::run(command, context),
        Command::Trunk(command) => trunk::run(command, context),
        Command::Ban(command) => ban::run(command, context),
        Command::Contact(command) => contact::run(command, context),
        Command::Alert(command) => alert::run(command, context),
        Command::Rates(command) => rates::run(command, context),
        Command::Calls(args) => call::list(args, context),
        Command::Call(command) => call::run(command, context),
        Command::Bill(command) => bill::run(command, context),
        Command::Payment(command) => payment::run(command, context),
        Command::Statement(args) => payment::show_statement(args, context),
        Command::Credit(command) => credit::run(command, context),
        Command::Instalments(command) => instalments::run(command, context),
        Command::Carrier(command) => carrier::run(command, context),
        Command::Explain(args) => explain::run(args, context),
        Command::Doctor(args) => return doctor::run(args, context),
        Command::Audit(args) => return audit::run(args, context),
        Command::Verify(args) => return verify::run(args, context),
        Command::Backup(args) => backup::backup(args, context),
        Command::Restore(args) => backup::restore(args, context),
        Command::Sip(command) => return sip_parse::run(command, context),
        Command::Status(args) => serve::status(args, context),
        Command::Completions { shell } => {
            clap_complete::generate(
                shell,
                &mut Cli::command(),
                "ringfence",
                &mut std::io::stdout(),
            );
            Ok(())
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_are_consistent() {
        Cli::command().debug_assert();
    }

    /// Every command that does something, by its words, with its help.
    fn leaves(command: &clap::Command, words: &str, found: &mut Vec<(String, String)>) {
        let mut inner =
            command.get_subcommands().filter(|inner| inner.get_name() != "help").peekable();
        if inner.peek().is_none() {
            found.push((words.to_owned(), command.clone().render_long_help().to_string()));
        }
        for inner in inner {
            leaves(inner, format!("{words} {}", inner.get_name()).trim(), found);
        }
    }

    #[test]
    fn every_command_has_an_example() {
        let mut found = Vec::new();
        let mut root = Cli::command();
        root.build();
        leaves(&root, "", &mut found);
        assert!(found.len() > 25, "{} commands", found.len());
        for (words, help) in found {
            let example = help.split("Example").nth(1).unwrap_or_default();
            let is_shown = example.contains(&format!("ringfence {words}"));
            assert!(is_shown, "`{words} --help` has no example of its use:\n{help}");
        }
    }
}
