//! `contact`. Lives here: its subcommands. Never here: what may be changed by whom (notify::contacts).

use anyhow::{Context as _, bail};
use clap::Subcommand;
use notify::contacts::{ContactOrder, SETTINGS};
use serde_json::json;
use store::AlertReader;
use types::{AccountId, By, Contact, ContactId, Proof};

use super::Context;
use super::account::setting;
use super::lookup::find_account;
use super::office::tell;
use super::output::Table;
use super::request::staff;
use crate::config::Config;
use crate::shell::alerts::{ContactWish, Direct, codes, contact_view};
use crate::shell::open::open_to_read;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add somebody who is told
    #[command(after_help = settings_help(
        "add alice mail=alice@example.com quiet=22:00-07:00
  ringfence contact add alice sms=+447700900123 order=1 wait=10m classes=security,money
  ringfence contact add --staff webhook=https://chat.example.com/hook template=chat"
    ))]
    Add(AddArgs),
    /// Change a contact; who was told before is told of it
    #[command(after_help = settings_help("set 3 mail=alice@example.net\n  ringfence contact set 3 on=no"))]
    Set {
        /// Its number
        contact: u32,
        /// What to change
        #[arg(required = true, value_name = "SETTING=VALUE", value_parser = setting)]
        settings: Vec<(String, String)>,
        #[command(flatten)]
        who: WhoArgs,
    },
    /// Tell somebody nothing any more; he is told of that
    #[command(after_help = "Example:\n  ringfence contact remove 3 --why 'left the company'")]
    Remove {
        /// Its number
        contact: u32,
        #[command(flatten)]
        who: WhoArgs,
    },
    /// Back to what a contact was before its last change
    #[command(after_help = "Example:\n  ringfence contact undo 3")]
    Undo {
        /// Its number
        contact: u32,
        #[command(flatten)]
        who: WhoArgs,
    },
    /// Somebody has the code that was sent to a contact
    #[command(after_help = "Example:\n  ringfence contact confirm 3 7K3QD-M2XVA")]
    Confirm {
        /// Its number
        contact: u32,
        /// The code
        code: String,
        #[command(flatten)]
        who: WhoArgs,
    },
    /// What the webhook of a contact is signed with
    #[command(after_help = "Examples:
  ringfence contact secret 3
  ringfence contact secret 3 --new      the one before is worth nothing from now on")]
    Secret {
        /// Its number
        contact: u32,
        /// Make a new one
        #[arg(long)]
        new: bool,
    },
    /// Who is told
    #[command(after_help = "Examples:
  ringfence contact list
  ringfence contact list alice
  ringfence contact list --staff --json")]
    List {
        /// Of this account only: name or number
        account: Option<String>,
        /// Of staff only
        #[arg(long, conflicts_with = "account")]
        staff: bool,
    },
    /// What a contact was, since when, by whom
    #[command(after_help = "Example:\n  ringfence contact history 3")]
    History {
        /// Its number
        contact: u32,
    },
}

#[derive(Debug, clap::Args)]
pub struct AddArgs {
    /// Name or number of the account, and settings of the contact
    #[arg(required = true, value_name = "ACCOUNT|SETTING=VALUE")]
    words: Vec<String>,
    /// For the platform's staff, not for an account
    #[arg(long)]
    staff: bool,
    #[command(flatten)]
    who: WhoArgs,
}

/// Who wants it.
#[derive(Debug, clap::Args)]
pub struct WhoArgs {
    /// The holder wants it and has shown who he is: a new address has to be confirmed
    #[arg(long)]
    by_holder: bool,
    /// Why, for the contact's history
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    why: String,
}

impl WhoArgs {
    fn wish(self, order: ContactOrder) -> Direct {
        let holder = By::Holder { proof: Proof::Fresh };
        let by = if self.by_holder { holder } else { staff() };
        Direct::Contact(ContactWish { order, by, why: self.why })
    }
}

fn settings_help(examples: &str) -> String {
    let mut help = format!("Examples:\n  ringfence contact {examples}\n\nSettings:\n");
    for (name, what) in SETTINGS {
        help.push_str(&format!("  {name:<10} {what}\n"));
    }
    help.push_str(
        "\nWhat is critical is told to every contact that is switched on, at any hour.\n",
    );
    help
}

pub fn run(command: Command, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    let done = |what: Direct| context.output.done(&tell(&config, what)?);
    let id = ContactId;
    match command {
        Command::Add(args) => done(add(args, &config)?),
        Command::Set { contact, settings, who } => {
            done(who.wish(ContactOrder::Set { contact: id(contact), settings }))
        }
        Command::Remove { contact, who } => {
            done(who.wish(ContactOrder::Remove { contact: id(contact) }))
        }
        Command::Undo { contact, who } => {
            done(who.wish(ContactOrder::Undo { contact: id(contact) }))
        }
        Command::Confirm { contact, code, who } => {
            done(who.wish(ContactOrder::Confirm { contact: id(contact), code }))
        }
        Command::Secret { contact, new } => secret(id(contact), new, &config, context),
        Command::List { account, staff } => list(account.as_deref(), staff, &config, context),
        Command::History { contact } => history(id(contact), &config, context),
    }
}

fn add(args: AddArgs, config: &Config) -> anyhow::Result<Direct> {
    let mut words = args.words.into_iter().peekable();
    let account: Option<AccountId> = match args.staff {
        true => None,
        false => {
            let name = words.next_if(|word| !word.contains('='));
            let name = name.context("say whose contact it is: an account, or --staff")?;
            Some(find_account(&open_to_read(config)?, &name)?.id)
        }
    };
    let settings = words.map(|word| setting(&word).map_err(anyhow::Error::msg));
    let settings = settings.collect::<anyhow::Result<Vec<_>>>()?;
    Ok(args.who.wish(ContactOrder::Add { account, settings }))
}

fn known(id: ContactId, config: &Config) -> anyhow::Result<Vec<Contact>> {
    let history = open_to_read(config)?.contact_history(id)?;
    if history.is_empty() {
        bail!("there is no contact {id}; `ringfence contact list` shows all");
    }
    Ok(history.into_iter().map(|entry| entry.contact).collect())
}

fn secret(id: ContactId, new: bool, config: &Config, context: &Context) -> anyhow::Result<()> {
    if new {
        let order = ContactOrder::NewSecret { contact: id };
        tell(config, Direct::Contact(ContactWish { order, by: staff(), why: String::new() }))?;
    }
    let contact = known(id, config)?.swap_remove(0);
    let secret = codes(config)?.webhook(&contact);
    let value = json!({ "id": id, "secret": secret.as_str() });
    context.output.one(&secret, &value)
}

fn list(
    account: Option<&str>,
    is_staff: bool,
    config: &Config,
    context: &Context,
) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let entries = match account {
        Some(text) => reader.contacts(Some(find_account(&reader, text)?.id))?,
        None if is_staff => reader.contacts(None)?,
        None => reader.all_contacts()?,
    };
    let contacts: Vec<Contact> = entries.into_iter().map(|entry| entry.contact).collect();
    let contacts: Vec<Contact> = contacts.into_iter().filter(|one| !one.is_removed).collect();
    let mut table = Table::new(
        &[">contact", "of", "channel", "to", "told of", "quiet", ">order", "state", "name"],
        "nobody is told; `ringfence contact add` adds somebody",
    );
    for contact in &contacts {
        table.row(row(contact));
    }
    context.output.list(&table, contacts.iter().map(contact_view))
}

fn row(contact: &Contact) -> Vec<String> {
    let state = match contact {
        Contact { is_removed: true, .. } => "removed",
        Contact { is_on: false, .. } => "off",
        Contact { confirmed: None, .. } => "to be confirmed",
        _ => "on",
    };
    let classes: Vec<&str> = contact.classes.iter().map(|class| class.code()).collect();
    vec![
        contact.id.to_string(),
        contact.account.map_or_else(|| "staff".to_owned(), |id| id.to_string()),
        contact.channel.code().to_owned(),
        contact.channel.shown(),
        if classes.len() == types::EventClass::ALL.len() {
            "all".to_owned()
        } else {
            classes.join("+")
        },
        contact.quiet.map_or_else(String::new, |quiet| quiet.to_string()),
        contact.order.to_string(),
        state.to_owned(),
        contact.name.clone(),
    ]
}

fn history(id: ContactId, config: &Config, context: &Context) -> anyhow::Result<()> {
    let history = known(id, config)?;
    let mut table = Table::new(&["since", "channel", "to", "state", "by", "why"], "");
    for contact in &history {
        let cells = row(contact);
        table.row(vec![
            contact.at.to_string(),
            cells[2].clone(),
            cells[3].clone(),
            cells[7].clone(),
            contact.by.to_string(),
            contact.why.clone(),
        ]);
    }
    context.output.list(&table, history.iter().map(contact_view))
}
