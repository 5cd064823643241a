//! `token`. Lives here: its subcommands. Never here: what is done to tokens (pages::users), letting programs in (web).

use clap::Subcommand;
use serde_json::{Value, json};
use store::Reader;
use types::{ApiToken, TokenScope, UnixMicros, WebUser};

use super::Context;
use super::lookup::find_account;
use super::office::user;
use super::output::{Table, printable_lines};
use crate::config::Config;
use crate::pages::UserAsk;
use crate::shell::open::open_to_read;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a token for a program of a web user: shown once; his contacts are told
    #[command(after_help = "Example:
  ringfence token add alice@example.com --name backup --scope read --scope stop

Scopes:
  read      look at everything but who is told
  stop      what is only safer: stop outgoing calls, cut one, not mine, sign out
  change    limits, places, the lock: downwards
  contacts  who is told, and what was told")]
    Add {
        /// Mail address of its user
        user: String,
        /// Which program it is for
        #[arg(long)]
        name: String,
        /// What it is good for; may be given more than once
        #[arg(long = "scope", required = true, value_name = "SCOPE")]
        scopes: Vec<TokenScope>,
        /// For how many days
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(1..=366))]
        days: u32,
    },
    /// Tokens there are, and when they were used last
    #[command(after_help = "Example:\n  ringfence token list alice@example.com")]
    List {
        /// Mail address of their user; all otherwise
        user: Option<String>,
        /// Of this account only: name or number
        #[arg(long)]
        account: Option<String>,
    },
    /// A token is worth nothing any more, at once
    #[command(after_help = "Example:\n  ringfence token revoke alice@example.com 3")]
    Revoke {
        /// Mail address of its user
        user: String,
        /// Its number: see `token list`
        token: u32,
    },
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    let ask = match command {
        Command::List { user, account } => {
            return list(user.as_deref(), account.as_deref(), &config, context);
        }
        Command::Add { user, name: label, scopes, days } => {
            let mut scopes = scopes;
            scopes.sort_unstable();
            scopes.dedup();
            UserAsk::AddToken { name: user, label, scopes, days }
        }
        Command::Revoke { user, token } => UserAsk::RevokeToken { name: user, token },
    };
    let answer = user(&config, ask)?;
    let message = answer["message"].as_str().unwrap_or("done");
    context.output.one(&printable_lines(message), &answer)
}

fn list(
    name: Option<&str>,
    account: Option<&str>,
    config: &Config,
    context: &Context,
) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let account = account.map(|text| find_account(&reader, text)).transpose()?;
    let mut users = reader.web_users(account.map(|account| account.id))?;
    users.retain(|user| {
        !user.is_removed && name.is_none_or(|name| user.name == name.to_lowercase())
    });
    let mut table = Table::new(
        &[">token", "user", "name", "scopes", "until", "last used", "from"],
        "there are no tokens; `ringfence token add MAIL-ADDRESS --name NAME --scope SCOPE` makes one",
    );
    let all: Vec<(&WebUser, &ApiToken)> =
        users.iter().flat_map(|user| user.tokens.iter().map(move |token| (user, token))).collect();
    for (user, token) in &all {
        let (at, from) = match token.used {
            Some((at, source)) => (at.to_string(), source.to_string()),
            None => ("-".to_owned(), "-".to_owned()),
        };
        let (number, until) = (token.number.to_string(), token.until.to_string());
        table.row(vec![
            number,
            user.name.clone(),
            token.name.clone(),
            scopes(token),
            until,
            at,
            from,
        ]);
    }
    context.output.list(&table, all.iter().map(|(user, token)| view(user, token)))
}

fn scopes(token: &ApiToken) -> String {
    let codes: Vec<&str> = token.scopes.iter().map(|scope| scope.code()).collect();
    codes.join(",")
}

fn view(user: &WebUser, token: &ApiToken) -> Value {
    json!({
        "token": token.number,
        "user": user.name,
        "account": user.account,
        "name": token.name,
        "scopes": token.scopes,
        "created": token.created.to_string(),
        "until": token.until.to_string(),
        "used": token.used.map(|(at, _): (UnixMicros, _)| at.to_string()),
        "source": token.used.map(|(_, source)| source),
    })
}
