//! `line import`. Lives here: lines from a CSV file; secrets that were chosen are judged.
//! Never here: keeping secrets in clear.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use engine::{MadeSecret, SecretForm};
use serde_json::json;
use types::E164;

use super::Context;
use super::account::AccountForm;
use super::office::change;
use crate::change::{Change, NewLine, canonical_user};
use crate::chosen::{Fault, OwnWords, judge};
use crate::config::Config;
use crate::shell::secrets::make_secret;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  ringfence line import lines.csv --create-accounts --kind pbx --deck retail
  ringfence line import phones.csv --accept-weak

The file has a header: account,user,secret,caller_id. An empty secret is made here and printed.
Secrets that can be guessed are refused. Phones that are moved here may have some: --accept-weak takes
them, and says so in the history of each account. All lines are added, or none.")]
pub struct ImportArgs {
    /// CSV file
    file: PathBuf,
    /// Make accounts that are missing
    #[arg(long)]
    create_accounts: bool,
    /// Take secrets that can be guessed: for phones that have them already
    #[arg(long)]
    accept_weak: bool,
    #[command(flatten)]
    form: AccountForm,
}

/// Adds all lines of a file, or none.
pub fn import(args: ImportArgs, config: &Config, context: &Context) -> anyhow::Result<()> {
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
        let read =
            imported_line(&row, columns, args.accept_weak, config).and_then(|(line, secret)| {
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
        text.push_str(&format!("\n  {user}  {}", secret.text()));
    }
    if let Some((_, secret)) = made.first() {
        text.push_str(&format!("\nThe secrets ({} bits) are shown only now.", secret.bits()));
    }
    answer["secrets"] = made
        .iter()
        .map(|(user, secret)| json!({ "user": user, "secret": secret.text(), "bits": secret.bits() }))
        .collect();
    context.output.one(&text, &answer)
}

/// One row, and the secret if we made it.
fn imported_line(
    row: &csv::StringRecord,
    [account, user, secret, caller_id]: [Option<usize>; 4],
    accept_weak: bool,
    config: &Config,
) -> anyhow::Result<(NewLine, Option<MadeSecret>)> {
    let cell = |at: Option<usize>| at.and_then(|at| row.get(at)).unwrap_or("");
    if cell(account).is_empty() {
        bail!("the account is missing");
    }
    let user = canonical_user(cell(user))?;
    let caller_id: Option<E164> = match cell(caller_id) {
        "" => None,
        text => Some(text.parse()?),
    };
    let own = OwnWords::of(&[&user, cell(account), &config.realm]).and(caller_id);
    let (made, note) = match cell(secret) {
        "" => (Some(make_secret(SecretForm::Type)?), None),
        chosen => (None, weakness(chosen, &own, accept_weak)?),
    };
    let text = made.as_ref().map_or(cell(secret), MadeSecret::text);
    let ha1 = sip::digest::ha1(&user, &config.realm, text);
    let line = NewLine { caller_id, note, ..NewLine::phone(cell(account).to_owned(), user, ha1) };
    Ok((line, made))
}

/// Judges a chosen secret; what is noted of a weak one that is taken all the same.
fn weakness(secret: &str, own: &OwnWords, accept: bool) -> anyhow::Result<Option<String>> {
    match judge(secret, own) {
        Ok(()) => Ok(None),
        // The reason would say something of the secret itself.
        Err(Fault::Weak(_)) if accept => Ok(Some("weak secret accepted".to_owned())),
        Err(fault) => Err(fault.into()),
    }
}
