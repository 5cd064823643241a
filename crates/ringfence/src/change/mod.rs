//! Changes by staff and operator. Lives here: from what was asked (names, single settings) to the
//! engine's commands (ids, whole records). Never here: how a change travels, what the engine allows.
//!
//! The same code runs in the node's process, when one runs, and in the command's own, when none does.

mod account;
mod deck;
mod line;
mod number;
mod trunk;

use anyhow::{Context, bail};
use engine::Command;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::Reader;
use types::account::Ha1;
use types::record::Deck;
use types::{
    Account, AccountId, AccountStatus, Controls, DecisionId, DeckId, DialPlan, E164, Line, LineId,
    LineStatus, RateRow, Trunk, TrunkId,
};

pub use account::SETTINGS as ACCOUNT_SETTINGS;
pub use trunk::{
    SETTINGS as TRUNK_SETTINGS, format as read_number_format, route as read_route,
    transport as read_transport,
};

/// A change, as asked. Things are named as people name them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// A new account.
    AddAccount(Box<NewAccount>),
    /// Some settings of an account.
    SetAccount {
        /// Id or name.
        account: String,
        /// Names and values.
        settings: Vec<(String, String)>,
    },
    /// What an account may do at all.
    SetStatus {
        /// Id or name.
        account: String,
        /// The status.
        status: AccountStatus,
        /// Why, for the account's history.
        reason: Option<String>,
    },
    /// New lines; accounts that are missing are made from the template, if there is one.
    AddLines {
        /// The lines.
        lines: Vec<NewLine>,
        /// For accounts that are missing.
        template: Option<Box<NewAccount>>,
    },
    /// One thing about a line.
    SetLine {
        /// User name.
        user: String,
        /// What.
        setting: LineSetting,
    },
    /// A number of ours.
    AddNumber {
        /// The number.
        number: E164,
        /// Id or name.
        account: String,
        /// User name of the line that rings; none: all lines.
        line: Option<String>,
    },
    /// A number that is no longer ours.
    RemoveNumber(E164),
    /// A new trunk; its id is chosen here.
    AddTrunk {
        /// The trunk, but for id and deck.
        trunk: Box<Trunk>,
        /// Name or id of the deck that it charges by.
        cost_deck: Option<String>,
    },
    /// Some settings of a trunk.
    SetTrunk {
        /// Id or name.
        trunk: String,
        /// Names and values.
        settings: Vec<(String, String)>,
    },
    /// All rows of a deck.
    ImportDeck {
        /// Its name; a new one is made.
        name: String,
        /// The rows.
        rows: Vec<RateRow>,
    },
    /// Hang up.
    Cut(DecisionId),
}

/// A new account, before it has an id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewAccount {
    /// What people call it.
    pub name: String,
    /// What bounds its loss.
    pub controls: Controls,
    /// How its people dial.
    pub dial_plan: DialPlan,
    /// Name or id of the deck it is charged by; none: the only one there is.
    pub deck: Option<String>,
    /// IANA name.
    pub time_zone: String,
}

/// A new line, before it has an id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewLine {
    /// Id or name of its account.
    pub account: String,
    /// User name, canonical.
    pub user: String,
    /// Verifiers of its secret.
    pub ha1: Ha1,
    /// Number shown.
    pub caller_id: Option<E164>,
}

/// One thing about a line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineSetting {
    /// May it be used?
    Status(LineStatus),
    /// New verifiers: the old secret is worth nothing.
    Secret(Ha1),
    /// Number shown.
    CallerId(Option<E164>),
    /// Networks from which it may be used.
    IpLock(Vec<ipnet::IpNet>),
}

/// Carries out commands of the engine.
pub trait Executor {
    /// All commands, in order; on an error some of them may have been carried out.
    fn execute(&mut self, commands: Vec<Command>) -> anyhow::Result<Vec<String>>;

    /// One command; what was done, in words.
    fn one(&mut self, command: Command) -> anyhow::Result<String> {
        let messages = self.execute(vec![command])?;
        Ok(messages.into_iter().next().unwrap_or_default())
    }
}

/// Carries out a change. The answer says in `message` what was done.
pub fn apply(
    change: Change,
    reader: &dyn Reader,
    executor: &mut dyn Executor,
) -> anyhow::Result<Value> {
    match change {
        Change::AddAccount(new) => account::add(*new, reader, executor),
        Change::SetAccount { account, settings } => {
            account::set(&account, &settings, reader, executor)
        }
        Change::SetStatus { account, status, reason } => {
            let account = find_account(reader, &account)?;
            // The words first: if they cannot be kept, nothing happens.
            let mut commands: Vec<_> =
                reason.map(|words| Command::Note(account.id, words)).into_iter().collect();
            commands.push(Command::SetStatus(account.id, status));
            let message = executor.execute(commands)?.pop().unwrap_or_default();
            Ok(
                json!({ "id": account.id, "name": account.name, "status": status, "message": message }),
            )
        }
        Change::AddLines { lines, template } => line::add(lines, template, reader, executor),
        Change::SetLine { user, setting } => line::set(&user, setting, reader, executor),
        Change::AddNumber { number, account, line } => {
            number::add(number, &account, line.as_deref(), reader, executor)
        }
        Change::RemoveNumber(number) => {
            let message = executor.one(Command::RemoveNumber(number))?;
            Ok(json!({ "number": number.to_string(), "message": message }))
        }
        Change::AddTrunk { trunk, cost_deck } => trunk::add(*trunk, cost_deck, reader, executor),
        Change::SetTrunk { trunk, settings } => trunk::set(&trunk, &settings, reader, executor),
        Change::ImportDeck { name, rows } => deck::import(name, rows, reader, executor),
        Change::Cut(decision) => {
            let message = executor.one(Command::Cut(decision))?;
            Ok(json!({ "decision": decision.to_string(), "message": message }))
        }
    }
}

/// The account of this id or name.
pub fn find_account(reader: &dyn Reader, text: &str) -> anyhow::Result<Account> {
    if let Ok(id) = text.parse::<u32>()
        && let Some(account) = reader.account(AccountId(id))?
    {
        return Ok(account);
    }
    let found = reader.accounts()?.into_iter().find(|account| account.name == text);
    found.with_context(|| {
        format!("there is no account `{text}`; `ringfence account list` shows all")
    })
}

/// The line of this user name.
pub fn find_line(reader: &dyn Reader, text: &str) -> anyhow::Result<Line> {
    let user = canonical_user(text)?;
    let found = reader.lines(None)?.into_iter().find(|line| line.user == user);
    found.with_context(|| format!("there is no line `{text}`; `ringfence line list` shows all"))
}

/// The trunk of this id or name.
pub fn find_trunk(reader: &dyn Reader, text: &str) -> anyhow::Result<Trunk> {
    let trunks = reader.trunks()?;
    let by_name = trunks.iter().find(|trunk| trunk.name == text);
    let by_id = || trunks.iter().find(|trunk| trunk.id.to_string() == text);
    let found = by_name.or_else(by_id).cloned();
    found.with_context(|| format!("there is no trunk `{text}`; `ringfence trunk list` shows all"))
}

/// The deck of this name or id.
pub fn find_deck(reader: &dyn Reader, text: &str) -> anyhow::Result<DeckId> {
    let decks = reader.decks()?;
    let by_name = decks.iter().find(|deck| deck.name == text);
    let found = by_name.or_else(|| decks.iter().find(|deck| deck.id.to_string() == text));
    found.map(|deck| deck.id).with_context(|| {
        format!(
            "there is no rate deck `{text}`; `ringfence rates import FILE --deck {text}` makes it"
        )
    })
}

/// The deck of this name, or the only one.
pub fn find_deck_or_only(reader: &dyn Reader, text: Option<&str>) -> anyhow::Result<DeckId> {
    if let Some(text) = text {
        return find_deck(reader, text);
    }
    match reader.decks()?.as_slice() {
        [only] => Ok(only.id),
        [] => {
            bail!("there is no rate deck yet; `ringfence rates import FILE --deck NAME` makes one")
        }
        many => {
            let names: Vec<_> = many.iter().map(|deck| deck.name.as_str()).collect();
            bail!("there are several rate decks; say which with --deck: {}", names.join(", "))
        }
    }
}

/// A user name in its one form, or what is wrong with it.
pub fn canonical_user(text: &str) -> anyhow::Result<String> {
    let user = sip::digest::canonical_user(text).with_context(|| {
        format!(
            "`{}` is not a SIP user name: expected 1 to 64 of a-z 0-9 . _ -",
            text.escape_debug()
        )
    })?;
    Ok(user.as_str().to_owned())
}

/// A name of an account, a trunk or a deck that people can tell from an id and print.
pub fn check_name(kind: &str, name: &str) -> anyhow::Result<()> {
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        bail!(
            "`{}` cannot be the name of {kind}: expected 1 to 100 characters",
            name.escape_debug()
        );
    }
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        bail!("`{name}` cannot be the name of {kind}: it would be mistaken for a number");
    }
    Ok(())
}

fn next_account_id(accounts: &[Account]) -> AccountId {
    AccountId(accounts.iter().map(|account| account.id.0).max().unwrap_or(0) + 1)
}

fn next_line_id(lines: &[Line]) -> LineId {
    LineId(lines.iter().map(|line| line.id.0).max().unwrap_or(0) + 1)
}

fn next_trunk_id(trunks: &[Trunk]) -> TrunkId {
    TrunkId(trunks.iter().map(|trunk| trunk.id.0).max().unwrap_or(0) + 1)
}

fn deck_of(id: DeckId, name: String, rows: Vec<RateRow>) -> Deck {
    Deck { id, name, rows }
}
