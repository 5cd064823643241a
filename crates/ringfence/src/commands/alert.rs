//! `alert`. Lives here: its subcommands: what was told to whom, tests, previews. Never here: telling.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use notify::contacts::ContactOrder;
use notify::{mail, message};
use serde_json::{Value, json};
use store::{AlertFilter, AlertReader, SqliteStore};
use types::{Alert, AlertId, AlertState, ContactId, catalogue, fact_text};

use super::Context;
use super::lookup::find_account;
use super::office::tell;
use super::output::{Table, printable_lines};
use super::request::staff;
use crate::config::Config;
use crate::shell::alerts::{ContactWish, Direct, templates};
use crate::shell::open::open_to_read;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// What was told to whom, and whether it arrived
    #[command(after_help = "Examples:
  ringfence alert list --undelivered
  ringfence alert list --account alice --limit 20")]
    List(ListArgs),
    /// One alert: what it tells, how far it has come
    #[command(after_help = "Example:\n  ringfence alert show 812-7")]
    Show {
        /// As `alert list` shows it
        alert: AlertId,
    },
    /// Somebody knows: nobody else is told of it
    #[command(after_help = "Example:\n  ringfence alert ack 812-7")]
    Ack {
        /// As `alert list` shows it
        alert: AlertId,
    },
    /// Tell a contact something, to see whether it arrives
    #[command(after_help = "Example:\n  ringfence alert test 3")]
    Test {
        /// Number of the contact
        contact: u32,
    },
    /// What a message would look like, by your templates
    #[command(after_help = "Examples:
  ringfence alert preview new-device
  ringfence alert preview stop-level-reached --html --to preview.html
  ringfence alert preview list                every kind there is

Templates are files in the directory alerts.templates, in place of the built-in ones: subject.txt, mail.txt,
mail.html, sms.txt, sms.json, chat.json; and NAME.json for a webhook with template=NAME.")]
    Preview(PreviewArgs),
}

#[derive(Debug, clap::Args)]
pub struct ListArgs {
    /// To contacts of this account only: name or number
    #[arg(long)]
    account: Option<String>,
    /// To staff only
    #[arg(long, conflicts_with = "account")]
    staff: bool,
    /// Only what has not arrived: on its way, or given up
    #[arg(long)]
    undelivered: bool,
    /// At most so many, the newest; 0: all
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

#[derive(Debug, clap::Args)]
pub struct PreviewArgs {
    /// Kind of fact, as new-device; or digest, confirm, list
    kind: String,
    /// The HTML part of a mail
    #[arg(long, conflicts_with_all = ["text", "sms", "webhook", "template"])]
    html: bool,
    /// The plain part of a mail
    #[arg(long, conflicts_with_all = ["sms", "webhook", "template"])]
    text: bool,
    /// The words of an SMS
    #[arg(long, conflicts_with_all = ["webhook", "template"])]
    sms: bool,
    /// The JSON of a webhook
    #[arg(long, conflicts_with = "template")]
    webhook: bool,
    /// The body that a template makes
    #[arg(long, value_name = "NAME")]
    template: Option<String>,
    /// Into a file
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    match command {
        Command::List(args) => list(&args, &config, context),
        Command::Show { alert } => show(alert, &config, context),
        Command::Ack { alert } => {
            context.output.done(&tell(&config, Direct::Acknowledge(alert, staff()))?)
        }
        Command::Test { contact } => {
            let order = ContactOrder::Test { contact: ContactId(contact) };
            let wish = ContactWish { order, by: staff(), why: String::new() };
            context.output.done(&tell(&config, Direct::Contact(wish))?)
        }
        Command::Preview(args) => preview(args, &config, context),
    }
}

fn list(args: &ListArgs, config: &Config, context: &Context) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let account = match &args.account {
        Some(text) => Some(Some(find_account(&reader, text)?.id)),
        None => args.staff.then_some(None),
    };
    let limit = if args.limit == 0 { u32::MAX } else { args.limit };
    let filter = AlertFilter { account, undelivered: args.undelivered, limit };
    let alerts = reader.alerts(&filter)?;
    let mut table = Table::new(
        &[
            "alert", "made", "of", ">contact", "to", "what", "severity", "state", ">tries",
            "trouble",
        ],
        "there are none",
    );
    let mut values = Vec::with_capacity(alerts.len());
    for alert in &alerts {
        let view = view(alert, &reader, config)?;
        let text = |key: &str| view[key].as_str().unwrap_or_default().to_owned();
        table.row(vec![
            alert.id.to_string(),
            alert.made.to_string(),
            alert.account.map_or_else(|| "staff".to_owned(), |id| id.to_string()),
            alert.contact.to_string(),
            text("to"),
            text("title"),
            alert.severity.to_string(),
            state_words(&alert.state),
            alert.tries.to_string(),
            alert.trouble.clone(),
        ]);
        values.push(view);
    }
    context.output.list(&table, values.into_iter())
}

fn state_words(state: &AlertState) -> String {
    match state {
        AlertState::Waiting { until } => format!("waits for its turn until {until}"),
        AlertState::Gathering { until } => format!("gathers until {until}"),
        AlertState::Due { at } => format!("due {at}"),
        AlertState::Digested { leader } => format!("told within {leader}"),
        AlertState::Delivered { at } => format!("delivered {at}"),
        AlertState::Acknowledged { at, by } => format!("acknowledged {at} by {by}"),
        AlertState::GivenUp { at } => format!("given up {at}"),
        AlertState::NotNeeded => "not needed".to_owned(),
    }
}

fn view(alert: &Alert, reader: &SqliteStore, config: &Config) -> anyhow::Result<Value> {
    let fact = reader.fact(alert.id.fact)?;
    let entry = reader.contact_entry(alert.id.entry)?;
    let about = fact.as_ref().map(|fact| catalogue::of(&fact.fact));
    Ok(json!({
        "alert": alert.id.to_string(),
        "account": alert.account,
        "contact": alert.contact,
        "channel": entry.as_ref().map(|entry| entry.contact.channel.code()),
        "to": entry.as_ref().map(|entry| entry.contact.channel.shown()),
        "kind": about.map(|about| about.code),
        "title": about.map(|about| about.title),
        "sentence": fact.as_ref().map(|fact| fact_text(&fact.fact, &config.currency)),
        "happened": fact.as_ref().map(|fact| fact.at.to_string()),
        "class": alert.class,
        "severity": alert.severity,
        "made": alert.made.to_string(),
        "state": alert.state.code(),
        "state_words": state_words(&alert.state),
        "tries": alert.tries,
        "trouble": alert.trouble,
        "order": alert.order,
        "members": alert.members.iter().map(ToString::to_string).collect::<Vec<_>>(),
    }))
}

fn show(id: AlertId, config: &Config, context: &Context) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let alert = reader.alert(id)?;
    let alert = alert.with_context(|| {
        format!("there is no alert {id}; `ringfence alert list` shows those there are")
    })?;
    let value = view(&alert, &reader, config)?;
    let text = |key: &str| value[key].as_str().unwrap_or_default();
    let mut lines = vec![
        format!("alert {id}: {} ({}, {})", text("title"), alert.class, alert.severity),
        format!("  what     {}", text("sentence")),
        format!("  happened {}", text("happened")),
        format!("  to       contact {}, {} {}", alert.contact, text("channel"), text("to")),
        format!("  state    {}, {} tries", text("state_words"), alert.tries),
    ];
    if !alert.trouble.is_empty() {
        lines.push(format!("  trouble  {}", alert.trouble));
    }
    if !alert.members.is_empty() {
        let members: Vec<String> = alert.members.iter().map(ToString::to_string).collect();
        lines.push(format!("  with     {}", members.join(", ")));
    }
    context.output.one(&printable_lines(&lines.join("\n")), &value)
}

fn preview(args: PreviewArgs, config: &Config, context: &Context) -> anyhow::Result<()> {
    let house = config.house();
    let samples = message::samples(&house);
    if args.kind == "list" {
        let mut table = Table::new(&["kind", "class", "severity", "title"], "");
        let mut values = Vec::new();
        for (kind, message) in &samples {
            let title = message.items.first().map(|item| item.title.clone()).unwrap_or_default();
            table.row(vec![
                (*kind).to_owned(),
                message.class.to_owned(),
                message.severity.to_owned(),
                title.clone(),
            ]);
            values.push(json!({ "kind": kind, "class": message.class, "severity": message.severity, "title": title }));
        }
        return context.output.list(&table, values.into_iter());
    }
    let templates = templates(config)?;
    let found = samples.into_iter().find(|(kind, _)| *kind == args.kind);
    let Some((_, message)) = found else {
        bail!("there is no kind `{}`; `ringfence alert preview list` shows all", args.kind);
    };
    let message = templates.with_text(message)?;
    let text = match &args {
        PreviewArgs { html: true, .. } => templates.render("mail.html", &message)?,
        PreviewArgs { text: true, .. } => templates.render("mail.txt", &message)?,
        PreviewArgs { sms: true, .. } => message.text.clone(),
        PreviewArgs { webhook: true, .. } => serde_json::to_string_pretty(&message)?,
        PreviewArgs { template: Some(name), .. } => {
            templates.render(&format!("{name}.json"), &message)?
        }
        _ => mail::preview(&config.mail_from(), &message.to, &message, &templates)
            .map_err(anyhow::Error::msg)?,
    };
    if let Some(file) = args.to {
        std::fs::write(&file, &text).with_context(|| format!("cannot write {}", file.display()))?;
        let message = format!("written to {}", file.display());
        return context.output.one(&message, &json!({ "file": file, "message": message }));
    }
    context.output.one(text.trim_end(), &json!({ "kind": args.kind, "text": text }))
}
