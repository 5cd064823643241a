//! Several commands as one: all are carried out, or none. Lives here: judging each with those before
//! it in mind. Never here: carrying out (control), what a field may be (checks).

use std::collections::{BTreeMap, BTreeSet};

use rating::RateDeck;
use types::record::Deck;
use types::{Account, AccountId, Line, LineId, Number, Trunk, UnixMicros};

use super::{Command, CommandError, checks, field};
use crate::engine::Engine;

/// A command that makes sense.
pub(super) enum Checked {
    /// A deck, ready to be asked for prices.
    Deck(Deck, RateDeck),
    /// Any other.
    Other(Command),
}

/// What the commands before this one will have made.
#[derive(Default)]
pub(super) struct Made {
    /// When they are given.
    wall: UnixMicros,
    accounts: BTreeSet<AccountId>,
    lines: BTreeMap<LineId, AccountId>,
    users: BTreeMap<String, LineId>,
}

impl Made {
    /// Nothing yet.
    pub(super) fn at(wall: UnixMicros) -> Made {
        Made { wall, ..Made::default() }
    }
}

impl Engine {
    /// Does the command make sense, after those that made `made`? Nothing is changed.
    pub(super) fn check(
        &mut self,
        command: Command,
        made: &mut Made,
    ) -> Result<Checked, CommandError> {
        match &command {
            Command::PutAccount(account) => self.check_account(account, made)?,
            Command::SetStatus(account, _) => self.account_exists(*account, made)?,
            Command::Note(account, words) => {
                self.account_exists(*account, made)?;
                checks::note(words)?;
            }
            Command::PutLine(line) => self.check_line(line, made)?,
            Command::PutNumber(number) => self.check_number(number, made)?,
            Command::RemoveNumber(number) => {
                let known = self.directory.number(*number).map(drop);
                known.ok_or(CommandError::UnknownNumber(*number))?;
            }
            Command::PutTrunk(trunk) => self.check_trunk(trunk)?,
            Command::Cut(decision) => {
                let known = self.calls.find(*decision).map(drop);
                known.ok_or(CommandError::UnknownCall(*decision))?;
            }
            Command::Ban(order) => self.check_ban(made.wall, order)?,
            Command::Unban(source) => self.check_unban(*source)?,
            Command::PutDeck(deck) => {
                checks::deck(deck)?;
                let table = RateDeck::from_rows(deck.id, deck.rows.clone()).map_err(|error| {
                    CommandError::Deck { deck: deck.id, problem: error.to_string() }
                })?;
                return Ok(Checked::Deck(deck.clone(), table));
            }
        }
        Ok(Checked::Other(command))
    }

    fn check_account(&mut self, account: &Account, made: &mut Made) -> Result<(), CommandError> {
        checks::account(account)?;
        if !self.decks.contains_key(&account.sell_deck) {
            return Err(CommandError::UnknownDeck(account.sell_deck));
        }
        if !self.directory.knows_zone(&account.time_zone) {
            return Err(field("time_zone", format!("`{}` is not known", account.time_zone)));
        }
        made.accounts.insert(account.id);
        Ok(())
    }

    fn check_line(&self, line: &Line, made: &mut Made) -> Result<(), CommandError> {
        checks::line(line)?;
        self.account_exists(line.account, made)?;
        let known = self.directory.line(line.id).map(|known| known.account);
        let known = known.or_else(|| made.lines.get(&line.id).copied());
        if let Some(account) = known.filter(|account| *account != line.account) {
            return Err(CommandError::LineElsewhere { line: line.id, account });
        }
        let owner = self.directory.line_of_user(&line.user).map(|other| other.id);
        let owner = owner.or_else(|| made.users.get(&line.user).copied());
        if let Some(other) = owner.filter(|other| *other != line.id) {
            return Err(CommandError::UserTaken { user: line.user.clone(), line: other });
        }
        made.lines.insert(line.id, line.account);
        made.users.insert(line.user.clone(), line.id);
        Ok(())
    }

    fn check_number(&self, number: &Number, made: &Made) -> Result<(), CommandError> {
        self.account_exists(number.account, made)?;
        if let Some(id) = number.line {
            let known = self.directory.line(id).map(|line| line.account);
            let known = known.or_else(|| made.lines.get(&id).copied());
            let account = known.ok_or(CommandError::UnknownLine(id))?;
            if account != number.account {
                return Err(CommandError::LineElsewhere { line: id, account });
            }
        }
        match self.directory.number(number.number) {
            Some(known) if known.account != number.account => {
                let (number, account) = (number.number, known.account);
                Err(CommandError::NumberTaken { number, account })
            }
            _ => Ok(()),
        }
    }

    fn check_trunk(&self, trunk: &Trunk) -> Result<(), CommandError> {
        checks::trunk(trunk)?;
        match trunk.cost_deck.filter(|deck| !self.decks.contains_key(deck)) {
            Some(deck) => Err(CommandError::UnknownDeck(deck)),
            None => Ok(()),
        }
    }

    fn account_exists(&self, id: AccountId, made: &Made) -> Result<(), CommandError> {
        let exists = self.directory.account(id).is_some() || made.accounts.contains(&id);
        if exists { Ok(()) } else { Err(CommandError::UnknownAccount(id)) }
    }
}
