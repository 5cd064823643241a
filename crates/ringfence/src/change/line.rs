//! Lines. Lives here: adding one or many, changing one. Never here: secrets in clear.

use std::collections::BTreeMap;

use anyhow::bail;
use engine::{Command, Engine};
use serde_json::json;
use types::{Account, AccountId, DeckId, Line, LineId, UnixMicros};

use super::{
    Answer, LineSetting, NewAccount, NewLine, Plan, account, find_line, next_id, no_account,
    pick_deck_or_only,
};

pub fn add(
    new: Vec<NewLine>,
    template: Option<Box<NewAccount>>,
    engine: &Engine,
) -> anyhow::Result<Plan> {
    let mut additions = Additions::new(engine, template)?;
    let mut commands = Vec::new();
    let mut added = Vec::new();
    for line in new {
        let (account, made) = additions.account(&line.account)?;
        commands.extend(made.map(Command::PutAccount));
        let line = additions.line(line, account)?;
        added.push(json!({ "id": line.id, "user": line.user, "account": line.account }));
        commands.push(Command::PutLine(line));
    }
    let accounts = commands.len() - added.len();
    let mut answer = json!({ "lines": added, "accounts_made": accounts });
    if commands.len() != 1 {
        let words = format!("{} lines added, {accounts} accounts made", commands.len() - accounts);
        answer["message"] = words.into();
    }
    Ok(Plan { commands, answer: Answer(answer) })
}

/// What this change adds to what is there.
struct Additions<'e> {
    engine: &'e Engine,
    /// Accounts made.
    by_name: BTreeMap<String, AccountId>,
    /// Users made.
    users: BTreeMap<String, LineId>,
    next_account: AccountId,
    next_line: LineId,
    /// What missing accounts are made from, and their deck.
    template: Option<(Box<NewAccount>, DeckId)>,
}

impl<'e> Additions<'e> {
    fn new(engine: &'e Engine, template: Option<Box<NewAccount>>) -> anyhow::Result<Additions<'e>> {
        let template = match template {
            Some(new) => {
                let deck = pick_deck_or_only(engine.decks(), new.deck.as_deref())?;
                Some((new, deck))
            }
            None => None,
        };
        Ok(Additions {
            engine,
            by_name: BTreeMap::new(),
            users: BTreeMap::new(),
            next_account: account::next_account_id(engine),
            next_line: LineId(next_id(engine.lines().map(|line| line.id.0))),
            template,
        })
    }

    /// The account of this id or name, and its record if it had to be made.
    fn account(&mut self, text: &str) -> anyhow::Result<(AccountId, Option<Account>)> {
        let by_id = text.parse().ok().and_then(|id| self.engine.account(AccountId(id)));
        let known = by_id.or_else(|| self.engine.account_by_name(text)).map(|known| known.id);
        if let Some(id) = known.or_else(|| self.by_name.get(text).copied()) {
            return Ok((id, None));
        }
        let Some((template, deck)) = &self.template else {
            bail!(no_account(text));
        };
        let new = NewAccount { name: text.to_owned(), ..(**template).clone() };
        let made = account::from_new(new, self.next_account, *deck)?;
        self.next_account.0 += 1;
        self.by_name.insert(made.name.clone(), made.id);
        Ok((made.id, Some(made)))
    }

    fn line(&mut self, new: NewLine, account: AccountId) -> anyhow::Result<Line> {
        let id = self.next_line;
        let is_known = self.engine.any_line_by_user(&new.user).is_some();
        if is_known || self.users.insert(new.user.clone(), id).is_some() {
            bail!("there is a line `{}` already", new.user);
        }
        self.next_line.0 += 1;
        let line = Line::new(id, account, new.user, new.ha1, UnixMicros(0));
        Ok(Line { caller_id: new.caller_id, ..line })
    }
}

pub fn set(user: &str, setting: LineSetting, engine: &Engine) -> anyhow::Result<Plan> {
    let mut line = find_line(engine, user)?.clone();
    match setting {
        LineSetting::Status(status) => line.status = status,
        LineSetting::Secret(ha1) => line.ha1 = ha1,
        LineSetting::CallerId(number) => line.caller_id = number,
        LineSetting::IpLock(networks) => line.ip_lock = networks,
    }
    let answer = json!({ "id": line.id, "user": line.user });
    Ok(Plan::one(Command::PutLine(line), answer))
}
