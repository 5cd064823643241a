//! `user`. Lives here: its subcommands. Never here: what is done to web users (pages::users).

use clap::Subcommand;
use serde_json::{Value, json};
use store::Reader;
use types::WebUser;

use super::Context;
use super::lookup::find_account;
use super::office::user;
use super::output::{Table, printable_lines};
use crate::config::Config;
use crate::pages::UserAsk;
use crate::shell::open::open_to_read;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Let somebody in at the pages of an account: prints a link that works once, for a day
    #[command(after_help = "Example:\n  ringfence user add alice alice@example.com")]
    Add {
        /// Name or number of the account
        account: String,
        /// His mail address: what he signs in with
        name: String,
    },
    /// Who may sign in
    #[command(after_help = "Example:\n  ringfence user list --account alice")]
    List {
        /// Of this account only: name or number
        #[arg(long)]
        account: Option<String>,
    },
    /// A new link for who forgot his password; sessions end
    #[command(after_help = "Examples:
  ringfence user reset alice@example.com
  ringfence user reset alice@example.com --authenticator     his phone is lost, and so are his codes")]
    Reset {
        /// His mail address
        name: String,
        /// Take his authenticator away too
        #[arg(long)]
        authenticator: bool,
    },
    /// Nobody signs in as him any more
    #[command(after_help = "Example:\n  ringfence user remove alice@example.com")]
    Remove {
        /// His mail address
        name: String,
    },
    /// Who is signed in
    #[command(after_help = "Example:\n  ringfence user sessions alice@example.com")]
    Sessions {
        /// His mail address; everybody otherwise
        name: Option<String>,
    },
    /// End all sessions of a user
    #[command(after_help = "Example:\n  ringfence user sign-out alice@example.com")]
    SignOut {
        /// His mail address
        name: String,
    },
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    let ask = match command {
        Command::List { account } => return list(account.as_deref(), &config, context),
        Command::Sessions { name } => return sessions(name, &config, context),
        Command::Add { account, name } => UserAsk::Add { account, name },
        Command::Reset { name, authenticator } => UserAsk::Reset { name, authenticator },
        Command::Remove { name } => UserAsk::Remove { name },
        Command::SignOut { name } => UserAsk::SignOut { name },
    };
    let answer = user(&config, ask)?;
    let message = answer["message"].as_str().unwrap_or("done");
    context.output.one(&printable_lines(message), &answer)
}

fn list(account: Option<&str>, config: &Config, context: &Context) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let account = account.map(|text| find_account(&reader, text)).transpose()?;
    let mut users = reader.web_users(account.map(|account| account.id))?;
    users.retain(|user| !user.is_removed);
    let mut table = Table::new(
        &["name", ">account", "added", "last seen", "waits for his link"],
        "nobody may sign in; `ringfence user add ACCOUNT MAIL-ADDRESS` lets somebody",
    );
    let time =
        |at: Option<types::UnixMicros>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    for user in &users {
        let waits = user
            .link
            .as_ref()
            .map_or_else(|| "no".to_owned(), |link| format!("until {}", link.until));
        let (account, created) = (user.account.to_string(), user.created.to_string());
        table.row(vec![user.name.clone(), account, created, time(user.last_seen), waits]);
    }
    context.output.list(&table, users.iter().map(view))
}

fn view(user: &WebUser) -> Value {
    json!({
        "id": user.id,
        "name": user.name,
        "account": user.account,
        "created": user.created.to_string(),
        "last_seen": user.last_seen.map(|at| at.to_string()),
        "link_until": user.link.as_ref().map(|link| link.until.to_string()),
        "recovery_codes": user.recovery.len(),
    })
}

fn sessions(name: Option<String>, config: &Config, context: &Context) -> anyhow::Result<()> {
    let answer = user(config, UserAsk::Sessions { name })?;
    let found = answer.as_array().cloned().unwrap_or_default();
    let mut table = Table::new(&["user", "from", "since", "seen", "with"], "nobody is signed in");
    for session in &found {
        let text = |key: &str| session[key].as_str().unwrap_or_default().to_owned();
        table.row(vec![text("user"), text("source"), text("since"), text("seen"), text("agent")]);
    }
    context.output.list(&table, found.into_iter())
}
