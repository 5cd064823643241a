//! `line`. Lives here: its subcommands. Never here: secrets themselves (secret), reading a file of lines (line_import).

mod secret;

use anyhow::bail;
use clap::{Subcommand, ValueEnum};
use ipnet::IpNet;
use serde_json::json;
use store::Reader;
use types::{By, E164, Line, LineKind, LineStatus, Proof};

use super::Context;
use super::line_import::ImportArgs;
use super::lookup::find_account;
use super::office::change;
use super::output::Table;
use super::request::staff;
use crate::change::{Change, LineSetting, NewLine, canonical_user};
use crate::config::levels::{LEVEL_KEYS, levels_view};
use crate::config::{Config, Raw, controls};
use crate::shell::clock::system_wall;
use crate::shell::open::open_to_read;
pub use secret::read_secret;
use secret::{SecretArgs, SecretForm, new_secret, own_words, show_once};

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
    /// Give a line a new secret; the old one is worth nothing from then on, or works for known devices
    /// a while longer
    Secret(SecretArgs),
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
    #[command(after_help = "Examples:
  ringfence line set alice caller_id=+442079460000 ip_lock=192.0.2.7
  ringfence line set alice tls_only=yes sha256_only=yes
  ringfence line set lobby stop_level_24h=3
  ringfence line set alice-desk ip_lock=none --by-holder --why 'works from home now'
  ringfence line set car kind=sip2sim ip_lock=198.51.100.0/24 --consent 'A. Holder, letter of 3 May'")]
    Set {
        /// User name
        user: String,
        /// caller_id=+44… or none, ip_lock=NETWORKS or none, kind=phone, pbx or sip2sim, tls_only=yes
        /// or no, sha256_only=yes or no; stop_level_1h, stop_level_24h, stop_level_7d, stop_level_all_24h=AMOUNT
        /// or none
        #[arg(required = true, value_name = "SETTING=VALUE", value_parser = super::account::setting)]
        settings: Vec<(String, String)>,
        /// For kind=sip2sim: who consented to the secret being given to a mobile network, and how
        #[arg(long, value_name = "NAME, HOW")]
        consent: Option<String>,
        /// The holder wants it and has shown who he is
        #[arg(long)]
        by_holder: bool,
        /// Why, for the line's history
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        why: String,
    },
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringfence line add alice alice-desk
  ringfence line add 7 kitchen --caller-id +442079460000 --say
  ringfence line add alice car --kind sip2sim --ip-lock 198.51.100.0/24 --consent 'A. Holder, letter of 3 May'
  pass show sip/alice | ringfence line add alice alice-desk --secret-stdin")]
pub struct AddArgs {
    /// Account: name or number
    account: String,
    /// SIP user name: a-z 0-9 . _ -
    user: String,
    #[command(flatten)]
    form: SecretForm,
    /// What sits at its end
    #[arg(long, value_enum, default_value_t = Kind::Phone)]
    kind: Kind,
    /// Network from which it may be used
    #[arg(long = "ip-lock", value_name = "CIDR", value_parser = network)]
    ip_lock: Vec<IpNet>,
    /// For SIP2SIM: who consented to the secret being given to a mobile network, and how
    #[arg(long, value_name = "NAME, HOW")]
    consent: Option<String>,
    /// Number shown when the phone names none of the account's own
    #[arg(long, value_name = "NUMBER")]
    caller_id: Option<E164>,
}

/// What sits at the end of a line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// A phone, or a program that is one
    Phone,
    /// A switch with phones behind it
    Pbx,
    /// A mobile network that registers in the holder's name
    Sip2sim,
}

impl From<Kind> for LineKind {
    fn from(kind: Kind) -> LineKind {
        match kind {
            Kind::Phone => LineKind::Phone,
            Kind::Pbx => LineKind::Pbx,
            Kind::Sip2sim => LineKind::Sip2sim,
        }
    }
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    let status = |user: String, status: LineStatus| {
        let settings = vec![LineSetting::Status(status)];
        context.output.done(&change(
            &config,
            Change::SetLine { user, settings, consent: None, by: staff(), why: String::new() },
        )?)
    };
    match command {
        Command::Add(args) => add(args, &config, context),
        Command::Import(args) => super::line_import::import(args, &config, context),
        Command::List { account } => list(account.as_deref(), &config, context),
        Command::Secret(args) => new_secret(args, &config, context),
        Command::Disable { user } => status(user, LineStatus::Disabled),
        Command::Enable { user } => status(user, LineStatus::Active),
        Command::Set { user, settings, consent, by_holder, why } => {
            let settings: Vec<_> = settings
                .iter()
                .map(|(name, value)| line_setting(name, value))
                .collect::<anyhow::Result<_>>()?;
            let by = if by_holder { By::Holder { proof: Proof::Fresh } } else { staff() };
            let asked = Change::SetLine { user, settings, consent, by, why };
            context.output.done(&change(&config, asked)?)
        }
    }
}

fn add(args: AddArgs, config: &Config, context: &Context) -> anyhow::Result<()> {
    let user = canonical_user(&args.user)?;
    let kind = LineKind::from(args.kind);
    let own = || {
        let reader = open_to_read(config)?;
        own_words(&reader, &find_account(&reader, &args.account)?, &user, config)
    };
    let secret = args.form.secret(own)?;
    let ha1 = sip::digest::ha1(&user, &config.realm, secret.text());
    let line = NewLine {
        caller_id: args.caller_id,
        kind,
        ip_lock: args.ip_lock,
        consent: args.consent,
        ..NewLine::phone(args.account, user.clone(), ha1)
    };
    let answer = change(config, Change::AddLines { lines: vec![line], template: None })?;
    let mut answer = json!({
        "id": answer["lines"][0]["id"],
        "user": user,
        "account": answer["lines"][0]["account"],
        "message": answer["message"],
    });
    show_once(&mut answer, &user, &secret, config, context)
}

fn no_line(user: &str) -> String {
    format!("there is no line `{user}`; `ringfence line list` shows all")
}

fn network(text: &str) -> Result<IpNet, String> {
    controls::network(&Raw::Words(text.to_owned()))
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
        "kind" => {
            let kind = Kind::from_str(value, false).map_err(|_| {
                anyhow::anyhow!(
                    "kind: expected phone, pbx or sip2sim, found `{}`",
                    value.escape_debug()
                )
            })?;
            Ok(LineSetting::Kind(kind.into()))
        }
        "tls_only" => Ok(LineSetting::TlsOnly(raw.flag().map_err(anyhow::Error::msg)?)),
        "sha256_only" => Ok(LineSetting::Sha256Only(raw.flag().map_err(anyhow::Error::msg)?)),
        level if LEVEL_KEYS.iter().any(|key| key.name == level) => {
            Ok(LineSetting::StopLevel(level.to_owned(), value.to_owned()))
        }
        other => bail!(
            "there is no line setting `{other}`: expected caller_id, ip_lock, kind, tls_only, sha256_only, \
             or stop_level_1h, stop_level_24h, stop_level_7d, stop_level_all_24h"
        ),
    }
}

fn list(account: Option<&str>, config: &Config, context: &Context) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let account = account.map(|text| find_account(&reader, text)).transpose()?;
    let lines = reader.lines(account.as_ref().map(|account| account.id))?;
    let bindings = reader.bindings(account.as_ref().map(|account| account.id))?;
    let mut table = Table::new(
        &[">id", "user", ">account", "kind", "status", "secret", "caller id", "ip lock", "phones"],
        "no lines yet; `ringfence line add ACCOUNT USER` adds one",
    );
    let mut values = Vec::new();
    let now = system_wall();
    for line in &lines {
        let days = engine::days_old(line, now);
        let phones: Vec<_> = bindings.iter().filter(|binding| binding.line == line.id).collect();
        let locks: Vec<String> = line.ip_lock.iter().map(ToString::to_string).collect();
        let status = if line.status == LineStatus::Active { "active" } else { "disabled" };
        let caller_id = line.caller_id.map(|number| number.to_string());
        table.row(vec![
            line.id.to_string(),
            line.user.clone(),
            line.account.to_string(),
            line.kind.to_string(),
            status.to_owned(),
            secret_state(line, days),
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
            "id": line.id, "user": line.user, "account": line.account, "status": line.status, "kind": line.kind,
            "secret_set": line.secret_set.to_string(), "secret_days": days,
            "wants_new_secret": line.wants_new_secret,
            "stop_levels": line.stop_levels.as_deref().map(levels_view), "tls_only": line.tls_only,
            "sha256_only": line.sha256_only, "caller_id": caller_id, "ip_lock": locks,
            "phones": phones.iter().map(phone).collect::<Vec<_>>(),
        }));
    }
    context.output.list(&table, values.into_iter())
}

/// The age of a secret, and what else there is to say of it.
fn secret_state(line: &Line, days: Option<u32>) -> String {
    let age = days.map_or_else(|| "age unknown".to_owned(), |days| format!("{days} d"));
    let more = [
        line.wants_new_secret.then_some("new one wanted"),
        line.tls_only.then_some("TLS only"),
        line.sha256_only.then_some("SHA-256 only"),
    ];
    std::iter::once(age.as_str()).chain(more.into_iter().flatten()).collect::<Vec<_>>().join(", ")
}
