//! `line`. Lives here: its subcommands; secrets are shown once. Never here: keeping secrets in clear.

use std::io::BufRead;

use anyhow::{Context as _, bail};
use clap::{Subcommand, ValueEnum};
use engine::MadeSecret;
use ipnet::IpNet;
use serde_json::{Value, json};
use store::Reader;
use types::{DeviceId, DeviceState, E164, Line, LineKind, LineStatus};
use zeroize::Zeroizing;

use super::Context;
use super::line_import::ImportArgs;
use super::lookup::find_account;
use super::office::change;
use super::output::{Table, printable};
use super::request::staff;
use super::when::span_ms;
use crate::change::{Change, LineSetting, NewLine, OverlapFor, canonical_user};
use crate::chosen::{OwnWords, judge};
use crate::config::{Config, Raw, controls};
use crate::shell::clock::system_wall;
use crate::shell::open::open_to_read;
use crate::shell::secrets::make_secret;

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
  ringfence line set car kind=sip2sim ip_lock=198.51.100.0/24 --consent 'A. Holder, letter of 3 May'")]
    Set {
        /// User name
        user: String,
        /// caller_id=+44… or none, ip_lock=NETWORKS or none, kind=phone, pbx or sip2sim, tls_only=yes
        /// or no, sha256_only=yes or no
        #[arg(required = true, value_name = "SETTING=VALUE", value_parser = super::account::setting)]
        settings: Vec<(String, String)>,
        /// For kind=sip2sim: who consented to the secret being given to a mobile network, and how
        #[arg(long, value_name = "NAME, HOW")]
        consent: Option<String>,
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

/// Where a secret comes from.
#[derive(Clone, Copy, Debug, clap::Args)]
#[group(multiple = false)]
pub struct SecretForm {
    /// Make one to type into a phone: five groups of letters, 80 bits (default)
    #[arg(long = "type")]
    to_type: bool,
    /// Make one to say on the telephone: seven words, 77 bits
    #[arg(long = "say")]
    to_say: bool,
    /// Read it from the first line of standard input; weak ones are refused
    #[arg(long)]
    secret_stdin: bool,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringfence line secret alice-desk
  ringfence line secret alice-desk --say --overlap 7d
  ringfence line secret alice-desk --overlap 36h --device 12 --device 15

With --overlap the secret before keeps working for devices that are known: for those named, or else
for all known devices of the line. All other devices need the new one at once.")]
pub struct SecretArgs {
    /// User name
    user: String,
    #[command(flatten)]
    form: SecretForm,
    /// How long the secret before keeps working for known devices: 36h, 7d; at most 30d
    #[arg(long, value_name = "TIME", value_parser = span_ms)]
    overlap: Option<u64>,
    /// A device that may go on with the secret before
    #[arg(long = "device", value_name = "ID", requires = "overlap")]
    devices: Vec<u32>,
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
        context
            .output
            .done(&change(&config, Change::SetLine { user, settings, consent: None, by: staff() })?)
    };
    match command {
        Command::Add(args) => add(args, &config, context),
        Command::Import(args) => super::line_import::import(args, &config, context),
        Command::List { account } => list(account.as_deref(), &config, context),
        Command::Secret(args) => new_secret(args, &config, context),
        Command::Disable { user } => status(user, LineStatus::Disabled),
        Command::Enable { user } => status(user, LineStatus::Active),
        Command::Set { user, settings, consent } => {
            let settings: Vec<_> = settings
                .iter()
                .map(|(name, value)| line_setting(name, value))
                .collect::<anyhow::Result<_>>()?;
            context
                .output
                .done(&change(&config, Change::SetLine { user, settings, consent, by: staff() })?)
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

fn new_secret(args: SecretArgs, config: &Config, context: &Context) -> anyhow::Result<()> {
    let user = canonical_user(&args.user)?;
    let reader = open_to_read(config)?;
    let lines = reader.lines(None)?;
    let line = lines.iter().find(|line| line.user == user);
    let line = line.with_context(|| no_line(&args.user))?;
    let own = || {
        let account = reader.account(line.account)?.context("its account is gone")?;
        own_words(&reader, &account, &user, config)
    };
    let secret = args.form.secret(own)?;
    let overlap = match args.overlap {
        None => None,
        Some(ms) => Some(OverlapFor { ms, devices: devices(&reader, line, &args.devices)? }),
    };
    let shown: Vec<_> = match &overlap {
        None => Vec::new(),
        Some(overlap) => {
            let all = reader.devices(Some(line.account))?;
            all.into_iter().filter(|device| overlap.devices.contains(&device.id)).collect()
        }
    };
    let ha1 = sip::digest::ha1(&user, &config.realm, secret.text());
    let mut answer = change(config, Change::SetSecret { user: user.clone(), ha1, overlap })?;
    if !shown.is_empty() {
        let names = shown.iter().map(|d| format!("{} ({} at {})", d.id, d.agent, d.peer.ip()));
        let names = names.collect::<Vec<_>>().join(", ");
        let message = answer["message"].as_str().unwrap_or("done").to_owned();
        answer["message"] = format!("{message}\nwith the secret before: {names}").into();
    }
    show_once(&mut answer, &user, &secret, config, context)
}

/// Devices that may go on with the secret before: those named, or all that are known on the line.
fn devices(reader: &dyn Reader, line: &Line, named: &[u32]) -> anyhow::Result<Vec<DeviceId>> {
    let all = reader.devices(Some(line.account))?;
    if named.is_empty() {
        let known = all
            .iter()
            .filter(|device| device.state == DeviceState::Known && device.lines.contains(&line.id));
        let known: Vec<DeviceId> = known.map(|device| device.id).collect();
        if known.is_empty() {
            bail!("no device is known on this line: change the secret without --overlap");
        }
        return Ok(known);
    }
    for id in named {
        match all.iter().find(|device| device.id.0 == *id).map(|device| device.state) {
            None => bail!("device {id} is none of account {}", line.account),
            Some(DeviceState::Banned) => bail!("device {id} is banned"),
            Some(DeviceState::Known | DeviceState::Seasoning { .. }) => {}
        }
    }
    Ok(named.iter().map(|id| DeviceId(*id)).collect())
}

/// What a guesser of this line's secret tries first.
fn own_words(
    reader: &dyn Reader,
    account: &types::Account,
    user: &str,
    config: &Config,
) -> anyhow::Result<OwnWords> {
    let numbers = reader.numbers(Some(account.id))?;
    let own = OwnWords::of(&[user, &account.name, &config.realm]);
    Ok(own.and(numbers.iter().map(|number| number.number)))
}

/// A secret for a line.
pub enum Secret {
    /// Made here: shown once.
    Made(MadeSecret),
    /// Chosen by somebody, who knows it.
    Chosen(Zeroizing<String>),
}

impl Secret {
    /// The secret itself.
    pub fn text(&self) -> &str {
        match self {
            Secret::Made(made) => made.text(),
            Secret::Chosen(text) => text,
        }
    }
}

impl SecretForm {
    /// A secret as asked for; one that was chosen is judged with the line's own words.
    fn secret(self, own: impl FnOnce() -> anyhow::Result<OwnWords>) -> anyhow::Result<Secret> {
        if self.secret_stdin {
            let secret = read_secret()?;
            judge(&secret, &own()?)?;
            return Ok(Secret::Chosen(secret));
        }
        let form = match self.to_say {
            true => engine::SecretForm::Say,
            false => engine::SecretForm::Type,
        };
        make_secret(form).map(Secret::Made)
    }
}

/// A secret of ours is shown once; one that was given is known to who gave it.
fn show_once(
    answer: &mut Value,
    user: &str,
    secret: &Secret,
    config: &Config,
    context: &Context,
) -> anyhow::Result<()> {
    let mut text = printable_lines(answer["message"].as_str().unwrap_or("done"));
    if let Secret::Made(made) = secret {
        let (secret, bits) = (made.text(), made.bits());
        text.push_str(&format!(
            "\n\n  user    {user}\n  secret  {secret}\n  realm   {}\n\nThe secret ({bits} bits) is shown only now: put it into the phone.",
            config.realm
        ));
        answer["secret"] = secret.into();
        answer["bits"] = bits.into();
    }
    context.output.one(&text, answer)
}

fn printable_lines(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

/// The first line of standard input.
pub fn read_secret() -> anyhow::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(1_024));
    std::io::stdin().lock().read_line(&mut text).context("cannot read the secret")?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        bail!("standard input holds no secret: expected it on the first line");
    }
    Ok(Zeroizing::new(secret.to_owned()))
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
        other => bail!(
            "there is no line setting `{other}`: expected caller_id, ip_lock, kind, tls_only or sha256_only"
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
            "wants_new_secret": line.wants_new_secret, "tls_only": line.tls_only,
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
