//! Changes by staff and operator. Lives here: from what was asked (names, single settings) to the
//! engine's commands (ids, whole records). Never here: how a change travels, what the engine allows.
//!
//! A change is planned and carried out in one go in the thread that has the engine: the node's, when
//! one runs, and the command's own, when none does.

mod access;
mod account;
mod asked;
mod ban;
mod controls;
mod deck;
mod line;
mod money;
mod number;
mod reseller;
#[cfg(test)]
mod tests;
mod trunk;

use anyhow::{Context, bail};
use engine::{AccountEntry, Command, Engine};
use serde_json::{Value, json};
use types::{AccountId, DeckId, Line, Trunk, UnixMicros};

pub use account::SETTINGS as ACCOUNT_SETTINGS;
pub use asked::{Change, LineSetting, NewAccount, NewLine, OverlapFor, Wish};
pub use ban::{Lift, read as read_source};
pub use trunk::{
    SETTINGS as TRUNK_SETTINGS, format as read_number_format, route as read_route,
    transport as read_transport,
};

/// What is to be done for a change: all of it, or nothing.
pub struct Plan {
    /// In order; one transaction.
    pub commands: Vec<Command>,
    /// Said when it is done.
    pub answer: Answer,
}

/// What is said of a change that was carried out.
pub struct Answer(Value);

impl Answer {
    /// The answer in full: in `message` what was done, where the plan has no words of its own.
    pub fn with(mut self, message: String) -> Value {
        if let Some(object) = self.0.as_object_mut() {
            object.entry("message").or_insert(Value::String(message));
        }
        self.0
    }
}

impl Plan {
    fn one(command: Command, answer: Value) -> Plan {
        Plan { commands: vec![command], answer: Answer(answer) }
    }
}

/// From what was asked to what is to be done. The engine's own records are changed, not the
/// database's: while the store is down the database does not know of the last changes.
pub fn plan(change: Change, now: UnixMicros, engine: &Engine) -> anyhow::Result<Plan> {
    match change {
        Change::AddAccount(new) => account::add(*new, engine),
        Change::SetAccount { account, settings, wish } => {
            account::set(&account, &settings, wish, now, engine)
        }
        Change::SetControls { account, settings, wish } => {
            controls::set(find_account(engine, &account)?, settings, wish, now, engine)
        }
        Change::TryLock(order) => Ok(Plan::one(Command::TryLock(order), json!({}))),
        Change::EndTrial(end) => Ok(Plan::one(Command::EndTrial(end), json!({}))),
        Change::JudgeRequest { request, approve, wish } => {
            controls::judge(request, approve, wish, now, engine)
        }
        Change::SetStatus { account, status, wish } => {
            let account = find_account(engine, &account)?;
            let settings = vec![types::Setting::Status(status)];
            let mut plan = controls::set(account, settings, wish, now, engine)?;
            plan.answer.0["status"] = json!(status);
            Ok(plan)
        }
        Change::AddReseller { name, settings } => reseller::add(name, &settings, engine),
        Change::SetReseller { reseller, settings } => reseller::set(&reseller, &settings, engine),
        Change::AddLines { lines, template } => line::add(lines, template, engine),
        Change::SetLine { user, settings, consent, by, why } => {
            line::set(&user, settings, consent, (by, why), engine)
        }
        Change::SetSecret { user, ha1, overlap } => {
            line::set_secret(&user, ha1, overlap, now, engine)
        }
        Change::PutWebUser(user, words) => {
            let answer = json!({ "user": user.name, "account": user.account });
            Ok(Plan::one(Command::PutWebUser(user, words), answer))
        }
        Change::Reseal { lines, trunks } => {
            Ok(Plan::one(Command::Reseal(lines, trunks), json!({})))
        }
        Change::AddNumber { number, account, line } => {
            number::add(number, &account, line.as_deref(), engine)
        }
        Change::RemoveNumber(number) => {
            let answer = json!({ "number": number.to_string() });
            Ok(Plan::one(Command::RemoveNumber(number), answer))
        }
        Change::AddTrunk { trunk, cost_deck } => trunk::add(*trunk, cost_deck, engine),
        Change::SetTrunk { trunk, settings } => trunk::set(&trunk, &settings, engine),
        Change::ImportDeck { name, rows } => deck::import(name, rows, engine),
        Change::Post(order) => Ok(Plan::one(Command::Post(order), json!({}))),
        Change::Audited(report) => Ok(Plan::one(Command::Audited(report), json!({}))),
        Change::Seen(seen) => Ok(Plan::one(Command::Seen(seen), json!({}))),
        Change::ReportCall(report) => Ok(Plan::one(Command::ReportCall(report), json!({}))),
        Change::KeepOfHolder(fact) => Ok(Plan::one(Command::KeepOfHolder(fact), json!({}))),
        Change::PutPlan(order) => Ok(Plan::one(Command::PutPlan(order), json!({}))),
        Change::BeginBillRun { day, only } => Ok(money::begin_run(day, only, engine)),
        Change::PutBills(bills) => Ok(money::put_bills(bills)),
        Change::EndBillRun(run) => Ok(Plan::one(Command::EndBillRun(run), json!({ "run": run }))),
        Change::JudgeDevice { device, is_mine } => Ok(access::judge(device, is_mine)),
        Change::LiftLockOuts { what } => access::lift(&what, engine),
        Change::NoteLogIns(tries) => Ok(Plan::one(Command::NoteLogIns(tries), json!({}))),
        Change::Ban(order) => {
            let answer = json!({ "source": order.source, "until": order.until });
            Ok(Plan::one(Command::Ban(order), answer))
        }
        Change::LiftBan(lift) => ban::lift(&lift, engine),
        Change::Cut(decision) => {
            let answer = json!({ "decision": decision.to_string() });
            Ok(Plan::one(Command::Cut(decision), answer))
        }
    }
}

/// The account of this id or name.
pub fn find_account<'e>(engine: &'e Engine, text: &str) -> anyhow::Result<&'e AccountEntry> {
    let by_id = text.parse().ok().and_then(|id| engine.account(AccountId(id)));
    by_id.or_else(|| engine.account_by_name(text)).with_context(|| no_account(text))
}

/// What is said when there is no such account.
pub fn no_account(text: &str) -> String {
    format!("there is no account `{text}`; `ringfence account list` shows all")
}

/// The line of this user name.
pub fn find_line<'e>(engine: &'e Engine, text: &str) -> anyhow::Result<&'e Line> {
    let user = canonical_user(text)?;
    let found = engine.any_line_by_user(&user);
    found.with_context(|| format!("there is no line `{text}`; `ringfence line list` shows all"))
}

/// The trunk of this id or name.
fn find_trunk<'e>(engine: &'e Engine, text: &str) -> anyhow::Result<&'e Trunk> {
    let by_name = engine.trunks().find(|trunk| trunk.name == text);
    let by_id = || engine.trunks().find(|trunk| trunk.id.to_string() == text);
    let found = by_name.or_else(by_id);
    found.with_context(|| format!("there is no trunk `{text}`; `ringfence trunk list` shows all"))
}

/// The deck of this name or id.
pub fn pick_deck<'a>(
    decks: impl Iterator<Item = (DeckId, &'a str)> + Clone,
    text: &str,
) -> anyhow::Result<DeckId> {
    let by_name = decks.clone().find(|(_, name)| *name == text);
    let found = by_name.or_else(|| decks.clone().find(|(id, _)| id.to_string() == text));
    found.map(|(id, _)| id).with_context(|| {
        format!(
            "there is no rate deck `{text}`; `ringfence rates import FILE --deck {text}` makes it"
        )
    })
}

/// The deck of this name, or the only one.
pub fn pick_deck_or_only<'a>(
    mut decks: impl Iterator<Item = (DeckId, &'a str)> + Clone,
    text: Option<&str>,
) -> anyhow::Result<DeckId> {
    if let Some(text) = text {
        return pick_deck(decks, text);
    }
    let names: Vec<&str> = decks.clone().map(|(_, name)| name).collect();
    match (decks.next(), names.len()) {
        (Some((only, _)), 1) => Ok(only),
        (None, _) => {
            bail!("there is no rate deck yet; `ringfence rates import FILE --deck NAME` makes one")
        }
        _ => bail!("there are several rate decks; say which with --deck: {}", names.join(", ")),
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

/// The id after the highest.
fn next_id(ids: impl Iterator<Item = u32>) -> u32 {
    ids.max().unwrap_or(0).saturating_add(1)
}
