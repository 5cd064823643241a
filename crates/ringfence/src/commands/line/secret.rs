//! Secrets of lines: made or chosen, exchanged with overlap, shown once. Never here: what makes one weak (chosen).

use std::io::BufRead;

use anyhow::{Context as _, bail};
use engine::MadeSecret;
use serde_json::Value;
use store::Reader;
use types::{DeviceId, DeviceState, Line};
use zeroize::Zeroizing;

use super::no_line;
use crate::change::{Change, OverlapFor, canonical_user};
use crate::chosen::{OwnWords, judge};
use crate::commands::Context;
use crate::commands::office::change;
use crate::commands::output::printable;
use crate::commands::when::span_ms;
use crate::config::Config;
use crate::shell::open::open_to_read;
use crate::shell::secrets::make_secret;

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

pub(super) fn new_secret(
    args: SecretArgs,
    config: &Config,
    context: &Context,
) -> anyhow::Result<()> {
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
pub(super) fn own_words(
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
    pub(super) fn secret(
        self,
        own: impl FnOnce() -> anyhow::Result<OwnWords>,
    ) -> anyhow::Result<Secret> {
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
pub(super) fn show_once(
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
