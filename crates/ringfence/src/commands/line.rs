//! `line`. Lives here: its subcommands; secrets are shown once. Never here: keeping secrets in clear.

use std::io::BufRead;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde_json::{Value, json};
use store::Reader;
use types::{E164, LineStatus};

use super::Context;
use super::account::AccountForm;
use super::lookup::find_account;
use super::office::change;
use super::output::Table;
use crate::change::{Change, LineSetting, NewLine, canonical_user};
use crate::config::{Config, Raw, controls};
use crate::shell::open::open_to_read;
use crate::shell::secrets::phone_secret;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add a line; its secret is made here and shown once
    Add(AddArgs),
    /// Add lines from a CSV file
    Import(ImportArgs),
    /// List lines
    #[command(after_help = "Example:\n  ringfence line list --account alice")]
    List {
        /// Of this account only: name or number
        #[arg(long)]
        account: Option<String>,
    },
    /// Make a new secret; the old one is worth nothing from then on
    #[command(after_help = "Example:\n  ringfence line secret alice-desk")]
    Secret {
        /// User name
        user: String,
        /// Read the secret from standard input instead of making one
        #[arg(long)]
        secret_stdin: bool,
    },
    /// Refuse a line like an unknown user
    #[command(after_help = "Example:\n  ringfence line disable alice-desk")]
    Disable {
        /// User name
        user: String,
    },
    /// Take a line into use again
    #[command(after_help = "Example:\n  ringfence line enable alice-desk")]
    Enable {
        /// User name
        user: String,
    },
    /// Change what a line shows and from where it may be used
    #[command(
        after_help = "Example:\n  ringfence line set alice caller_id=+442079460000 ip_lock=192.0.2.7"
    )]
    Set {
        /// User name
        user: String,
        /// caller_id=+44… or none, ip_lock=NETWORKS or none
        #[arg(required = true, value_name = "SETTING=VALUE", value_parser = super::account::setting)]
        settings: Vec<(String, String)>,
    },
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringfence line add alice alice-desk
  ringfence line add 7 kitchen --caller-id +442079460000
  pass show sip/alice | ringfence line add alice alice-desk --secret-stdin")]
pub struct AddArgs {
    /// Account: name or number
    account: String,
    /// SIP user name: a-z 0-9 . _ -
    user: String,
    /// Read the secret from the first line of standard input instead of making one
    #[arg(long)]
    secret_stdin: bool,
    /// Number shown when the phone names none of the account's own
    #[arg(long, value_name = "NUMBER")]
    caller_id: Option<E164>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  ringfence line import lines.csv --create-accounts --kind pbx --deck retail

The file has a header: account,user,secret,caller_id. An empty secret is made here and printed.
All lines are added, or none.")]
pub struct ImportArgs {
    /// CSV file
    file: PathBuf,
    /// Make accounts that are missing
    #[arg(long)]
    create_accounts: bool,
    #[command(flatten)]
    form: AccountForm,
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    let set = |user: &str, setting: LineSetting| {
        change(&config, Change::SetLine { user: user.to_owned(), setting })
    };
    match command {
        Command::Add(args) => add(args, &config, context),
        Command::Import(args) => import(args, &config, context),
        Command::List { account } => list(account.as_deref(), &config, context),
        Command::Secret { user, secret_stdin } => {
            let user = canonical_user(&user)?;
            let (secret, is_ours) = secret(secret_stdin)?;
            let ha1 = sip::digest::ha1(&user, &config.realm, &secret);
            let mut answer = set(&user, LineSetting::Secret(ha1))?;
            show_once(&mut answer, &user, &secret, is_ours, &config, context)
        }
        Command::Disable { user } => {
            context.output.done(&set(&user, LineSetting::Status(LineStatus::Disabled))?)
        }
        Command::Enable { user } => {
            context.output.done(&set(&user, LineSetting::Status(LineStatus::Active))?)
        }
        Command::Set { user, settings } => {
            let settings: Vec<_> = settings
                .iter()
                .map(|(name, value)| line_setting(name, value))
                .collect::<anyhow::Result<_>>()?;
            settings.into_iter().try_for_each(|setting| context.output.done(&set(&user, setting)?))
        }
    }
}

fn add(args: AddArgs, config: &Config, context: &Context) -> anyhow::Result<()> {
    let user = canonical_user(&args.user)?;
    let (secret, is_ours) = secret(args.secret_stdin)?;
    let line = NewLine {
        account: args.account,
        user: user.clone(),
        ha1: sip::digest::ha1(&user, &config.realm, &secret),
        caller_id: args.caller_id,
    };
    let answer = change(config, Change::AddLines { lines: vec![line], template: None })?;
    let mut answer = json!({
        "id": answer["lines"][0]["id"],
        "user": user,
        "account": answer["lines"][0]["account"],
        "message": answer["message"],
    });
    show_once(&mut answer, &user, &secret, is_ours, config, context)
}

/// A secret of ours is shown once; one that was given is known to who gave it.
fn show_once(
    answer: &mut Value,
    user: &str,
    secret: &str,
    is_ours: bool,
    config: &Config,
    context: &Context,
) -> anyhow::Result<()> {
    answer["secret"] = secret.into();
    let mut text = answer["message"].as_str().unwrap_or("done").to_owned();
    if is_ours {
        text.push_str(&format!(
            "\n\n  user    {user}\n  secret  {secret}\n  realm   {}\n\nThe secret is shown only now: put it into the phone.",
            config.realm
        ));
    }
    context.output.one(&text, answer)
}

/// The secret, and whether we made it.
fn secret(from_stdin: bool) -> anyhow::Result<(String, bool)> {
    if !from_stdin {
        return Ok((phone_secret()?, true));
    }
    let secret = read_secret()?;
    Ok((secret, false))
}

/// The first line of standard input.
pub fn read_secret() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin().lock().read_line(&mut text).context("cannot read the secret")?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        bail!("standard input holds no secret: expected it on the first line");
    }
    Ok(secret.to_owned())
}

fn line_setting(name: &str, value: &str) -> anyhow::Result<LineSetting> {
    let raw = Raw::Words(value.to_owned());
    match name {
        "caller_id" => {
            let number = raw.optional(Raw::parse).map_err(anyhow::Error::msg)?;
            Ok(LineSetting::CallerId(number))
        }
        "ip_lock" => {
            let networks = raw.list(controls::network).map_err(anyhow::Error::msg)?;
            Ok(LineSetting::IpLock(networks))
        }
        other => bail!("there is no line setting `{other}`: expected caller_id or ip_lock"),
    }
}

fn list(account: Option<&str>, config: &Config, context: &Context) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let account = account.map(|text| find_account(&reader, text)).transpose()?;
    let lines = reader.lines(account.as_ref().map(|account| account.id))?;
    let bindings = reader.bindings(account.as_ref().map(|account| account.id))?;
    let mut table = Table::new(
        &[">id", "user", ">account", "status", "caller id", "ip lock", "phones"],
        "no lines yet; `ringfence line add ACCOUNT USER` adds one",
    );
    let mut values = Vec::new();
    for line in &lines {
        let phones: Vec<_> = bindings.iter().filter(|binding| binding.line == line.id).collect();
        let locks: Vec<String> = line.ip_lock.iter().map(ToString::to_string).collect();
        let status = if line.status == LineStatus::Active { "active" } else { "disabled" };
        let caller_id = line.caller_id.map(|number| number.to_string());
        table.row(vec![
            line.id.to_string(),
            line.user.clone(),
            line.account.to_string(),
            status.to_owned(),
            caller_id.clone().unwrap_or_default(),
            locks.join(","),
            phones.iter().map(|phone| phone.peer.to_string()).collect::<Vec<_>>().join(" "),
        ]);
        let phone = |phone: &&types::BindingRecord| {
            json!({
                "contact": phone.contact, "peer": phone.peer, "transport": phone.transport,
                "expires": phone.expires.to_string(), "user_agent": phone.user_agent,
            })
        };
        values.push(json!({
            "id": line.id, "user": line.user, "account": line.account, "status": line.status,
            "caller_id": caller_id, "ip_lock": locks,
            "phones": phones.iter().map(phone).collect::<Vec<_>>(),
        }));
    }
    context.output.list(&table, values.into_iter())
}

fn import(args: ImportArgs, config: &Config, context: &Context) -> anyhow::Result<()> {
    let file = args.file.display().to_string();
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .flexible(true)
        .from_path(&args.file)
        .with_context(|| format!("cannot read {file}"))?;
    let headers = reader.headers().with_context(|| format!("cannot read {file}"))?.clone();
    let column = |name: &str| headers.iter().position(|header| header.eq_ignore_ascii_case(name));
    let (Some(account), Some(user)) = (column("account"), column("user")) else {
        bail!("{file}:1: the header names no columns account and user");
    };
    let columns = [Some(account), Some(user), column("secret"), column("caller_id")];
    let (mut lines, mut made, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    let mut users = std::collections::BTreeMap::new();
    for row in reader.records() {
        let row = row.with_context(|| format!("cannot read {file}"))?;
        let place = row.position().map_or(0, csv::Position::line);
        let read = imported_line(&row, columns, config).and_then(|(line, secret)| {
            match users.insert(line.user.clone(), place) {
                Some(first) => bail!("user `{}` is on line {first} already", line.user),
                None => Ok((line, secret)),
            }
        });
        match read {
            Ok((line, secret)) => {
                made.extend(secret.map(|secret| (line.user.clone(), secret)));
                lines.push(line);
            }
            Err(error) => errors.push(format!("{file}:{place}: {error:#}")),
        }
    }
    if !errors.is_empty() {
        bail!("nothing was added:\n{}", errors.join("\n"));
    }
    let template =
        args.create_accounts.then(|| Box::new(args.form.account("template".to_owned(), config)));
    let mut answer = change(config, Change::AddLines { lines, template })?;
    let mut text = answer["message"].as_str().unwrap_or("done").to_owned();
    for (user, secret) in &made {
        text.push_str(&format!("\n  {user}  {secret}"));
    }
    answer["secrets"] =
        made.into_iter().map(|(user, secret)| json!({ "user": user, "secret": secret })).collect();
    context.output.one(&text, &answer)
}

/// One row, and the secret if we made it.
fn imported_line(
    row: &csv::StringRecord,
    [account, user, secret, caller_id]: [Option<usize>; 4],
    config: &Config,
) -> anyhow::Result<(NewLine, Option<String>)> {
    let cell = |at: Option<usize>| at.and_then(|at| row.get(at)).unwrap_or("");
    if cell(account).is_empty() {
        bail!("the account is missing");
    }
    let user = canonical_user(cell(user))?;
    let made = if cell(secret).is_empty() { Some(phone_secret()?) } else { None };
    let ha1 = sip::digest::ha1(&user, &config.realm, made.as_deref().unwrap_or(cell(secret)));
    let caller_id = match cell(caller_id) {
        "" => None,
        text => Some(text.parse()?),
    };
    Ok((NewLine { account: cell(account).to_owned(), user, ha1, caller_id }, made))
}
