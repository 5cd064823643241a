//! Lines. Lives here: adding one or many, changing one. Never here: secrets in clear.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use engine::Command;
use serde_json::{Value, json};
use store::Reader;
use types::{Account, AccountId, DeckId, Line, LineStatus};

use super::{
    Executor, LineSetting, NewAccount, NewLine, account, find_deck_or_only, find_line,
    next_account_id, next_line_id,
};

pub fn add(
    new: Vec<NewLine>,
    template: Option<Box<NewAccount>>,
    reader: &dyn Reader,
    executor: &mut dyn Executor,
) -> anyhow::Result<Value> {
    let mut directory = Directory::read(reader, template)?;
    let mut commands = Vec::new();
    let mut added = Vec::new();
    for line in new {
        let (account, made) = directory.account(&line.account)?;
        commands.extend(made.map(Command::PutAccount));
        let line = directory.line(line, account)?;
        added.push(json!({ "id": line.id, "user": line.user, "account": line.account }));
        commands.push(Command::PutLine(line));
    }
    let accounts = commands.len() - added.len();
    let messages = executor.execute(commands)?;
    let message = match (messages.as_slice(), accounts) {
        ([only], 0) => only.clone(),
        _ => format!("{} lines added, {accounts} accounts made", added.len()),
    };
    Ok(json!({ "lines": added, "accounts_made": accounts, "message": message }))
}

/// What is there, and what this change adds to it.
struct Directory {
    by_name: BTreeMap<String, AccountId>,
    ids: BTreeSet<AccountId>,
    users: BTreeSet<String>,
    next_account: AccountId,
    next_line: types::LineId,
    /// What missing accounts are made from, and their deck.
    template: Option<(Box<NewAccount>, DeckId)>,
}

impl Directory {
    fn read(reader: &dyn Reader, template: Option<Box<NewAccount>>) -> anyhow::Result<Directory> {
        let accounts = reader.accounts()?;
        let lines = reader.lines(None)?;
        let template = match template {
            Some(new) => {
                let deck = find_deck_or_only(reader, new.deck.as_deref())?;
                Some((new, deck))
            }
            None => None,
        };
        Ok(Directory {
            next_account: next_account_id(&accounts),
            next_line: next_line_id(&lines),
            ids: accounts.iter().map(|account| account.id).collect(),
            by_name: accounts.into_iter().map(|account| (account.name, account.id)).collect(),
            users: lines.into_iter().map(|line| line.user).collect(),
            template,
        })
    }

    /// The account of this id or name, and its record if it had to be made.
    fn account(&mut self, text: &str) -> anyhow::Result<(AccountId, Option<Account>)> {
        let as_id = text.parse().ok().map(AccountId).filter(|id| self.ids.contains(id));
        if let Some(id) = as_id.or_else(|| self.by_name.get(text).copied()) {
            return Ok((id, None));
        }
        let Some((template, deck)) = &self.template else {
            bail!("there is no account `{text}`; `ringfence account list` shows all");
        };
        let new = NewAccount { name: text.to_owned(), ..(**template).clone() };
        let made = account::from_new(new, self.next_account, *deck)?;
        self.next_account.0 += 1;
        self.ids.insert(made.id);
        self.by_name.insert(made.name.clone(), made.id);
        Ok((made.id, Some(made)))
    }

    fn line(&mut self, new: NewLine, account: AccountId) -> anyhow::Result<Line> {
        if !self.users.insert(new.user.clone()) {
            bail!("there is a line `{}` already", new.user);
        }
        let id = self.next_line;
        self.next_line.0 += 1;
        Ok(Line {
            id,
            account,
            user: new.user,
            ha1: new.ha1,
            status: LineStatus::Active,
            caller_id: new.caller_id,
            ip_lock: Vec::new(),
        })
    }
}

pub fn set(
    user: &str,
    setting: LineSetting,
    reader: &dyn Reader,
    executor: &mut dyn Executor,
) -> anyhow::Result<Value> {
    let mut line = find_line(reader, user)?;
    match setting {
        LineSetting::Status(status) => line.status = status,
        LineSetting::Secret(ha1) => line.ha1 = ha1,
        LineSetting::CallerId(number) => line.caller_id = number,
        LineSetting::IpLock(networks) => line.ip_lock = networks,
    }
    let (id, user) = (line.id, line.user.clone());
    let message = executor.one(Command::PutLine(line))?;
    Ok(json!({ "id": id, "user": user, "message": message }))
}
