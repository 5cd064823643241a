//! Several commands as one: all are carried out, or none. Lives here: judging each with those before
//! it in mind. Never here: carrying out (control), what a field may be (checks).

use std::collections::{BTreeMap, BTreeSet};

use rating::RateDeck;
use types::account::{FORMER_SECRETS, Ha1};
use types::{Account, AccountId, E164, Line, LineId, Now, Number, ResellerId, Trunk, UserNote};

use super::{Command, CommandError, Weighed, checks, field};
use crate::engine::Engine;

/// A command that makes sense.
pub(super) struct Checked {
    pub command: Command,
    /// Of a deck: ready to be asked for prices.
    pub table: Option<RateDeck>,
    /// Of a change of controls: what it comes to.
    pub weighed: Weighed,
}

/// What the commands before this one will have made.
#[derive(Default)]
pub(super) struct Made {
    accounts: BTreeSet<AccountId>,
    resellers: BTreeSet<ResellerId>,
    /// Whose controls and status are changed.
    controls: BTreeSet<AccountId>,
    lines: BTreeMap<LineId, MadeLine>,
    users: BTreeMap<String, LineId>,
    /// Whose a number is; `None`: it was taken back.
    numbers: BTreeMap<E164, Option<AccountId>>,
}

/// What later commands need to know of a line.
#[derive(Clone)]
struct MadeLine {
    account: AccountId,
    ha1: Ha1,
    former: Vec<Ha1>,
}

impl MadeLine {
    fn of(line: &Line) -> MadeLine {
        let former = line.former.iter().map(|former| former.ha1.clone()).collect();
        MadeLine { account: line.account, ha1: line.ha1.clone(), former }
    }
}

impl Engine {
    /// Does the command make sense, after those that made `made`? Nothing is changed.
    pub(super) fn check(
        &mut self,
        now: Now,
        command: Command,
        made: &mut Made,
    ) -> Result<Checked, CommandError> {
        let (mut table, mut weighed) = (None, Weighed::default());
        match &command {
            Command::ChangeControls(change) => {
                weighed = self.weigh(now, change)?;
                first_change(change.account, made)?;
            }
            Command::TryLock(order) => {
                weighed = self.check_trial(now, order)?;
                first_change(order.account, made)?;
            }
            Command::EndTrial(end) => {
                self.check_trial_end(end)?;
                first_change(end.account, made)?;
            }
            Command::JudgeRequest(judgement) => {
                weighed = self.weigh_judgement(now, judgement)?;
                let account = self.raises.requests.get(&judgement.request).map(|one| one.account);
                first_change(account.unwrap_or_default(), made)?;
            }
            Command::ChangeLine(change) => {
                self.check_line(&change.line, made)?;
                self.weigh_line(change)?;
            }
            Command::PutAccount(account) => self.check_account(account, made)?,
            Command::SetStatus(account, _) => {
                self.account_exists(*account, made)?;
                made.controls.insert(*account);
            }
            Command::Note(account, words) => {
                self.account_exists(*account, made)?;
                checks::note(words)?;
            }
            Command::PutReseller(reseller) => {
                checks::reseller(reseller)?;
                made.resellers.insert(reseller.id);
            }
            Command::PutLine(line) => self.check_line(line, made)?,
            Command::PutNumber(number) => self.check_number(number, made)?,
            Command::SetSecret { line, ha1, overlap } => {
                checks::overlap(overlap.as_ref(), now.wall)?;
                self.check_secret(*line, ha1, made)?;
            }
            Command::NoteLine(line, words) => {
                self.made_line(*line, made)?;
                checks::note(words)?;
            }
            Command::Reseal(..) => {}
            Command::RemoveNumber(number) => {
                self.owner(*number, made).ok_or(CommandError::UnknownNumber(*number))?;
                made.numbers.insert(*number, None);
            }
            Command::PutTrunk(trunk) => self.check_trunk(trunk)?,
            Command::Post(order) => self.check_post(now, order, made)?,
            Command::PutPlan(order) => self.check_plan(now, order, made)?,
            Command::BeginBillRun { run, only, .. } => self.check_run(*run, *only, made)?,
            Command::PutBills(bills) => self.check_bills(bills, made)?,
            Command::EndBillRun(_) => {}
            Command::Audited(report) => self.check_audit(report)?,
            Command::Seen(seen) => self.check_seen(seen, made)?,
            Command::ReportCall(report) => self.check_report(report, made)?,
            Command::KeepOfHolder(fact) => self.check_of_holder(fact, made)?,
            Command::Cut(decision) => {
                let known = self.calls.find(*decision).map(drop);
                known.ok_or(CommandError::UnknownCall(*decision))?;
            }
            Command::DeviceMine(device) | Command::DeviceNotMine(device) => {
                self.check_device(*device)?;
            }
            Command::LiftLockOut(scope) => self.check_lock(now, scope)?,
            Command::NoteLogIns(_) => {}
            Command::PutWebUser(user, note) => {
                self.account_exists(user.account, made)?;
                match note {
                    UserNote::Kept => {}
                    UserNote::Changed(words) | UserNote::Token(words) => checks::note(words)?,
                }
                checks::web_user(user)?;
            }
            Command::Ban(order) => self.check_ban(now.wall, order)?,
            Command::Unban(source) => self.check_unban(*source)?,
            Command::PutDeck(deck) => {
                checks::deck(deck)?;
                let rows = RateDeck::from_rows(deck.id, deck.rows.clone());
                table = Some(rows.map_err(|error| CommandError::Deck {
                    deck: deck.id,
                    problem: error.to_string(),
                })?);
            }
        }
        Ok(Checked { command, table, weighed })
    }

    fn check_account(&mut self, account: &Account, made: &mut Made) -> Result<(), CommandError> {
        checks::account(account)?;
        if !self.decks.contains_key(&account.sell_deck) {
            return Err(CommandError::UnknownDeck(account.sell_deck));
        }
        if !self.directory.knows_zone(&account.time_zone) {
            return Err(field("time_zone", format!("`{}` is not known", account.time_zone)));
        }
        let known =
            |id: &ResellerId| self.directory.reseller(*id).is_some() || made.resellers.contains(id);
        if let Some(unknown) = account.reseller.filter(|id| !known(id)) {
            return Err(CommandError::UnknownReseller(unknown));
        }
        let known = self.directory.account(account.id);
        if known.is_some_and(|known| {
            **known.controls != account.controls || known.status != account.status
        }) {
            made.controls.insert(account.id);
        }
        made.accounts.insert(account.id);
        Ok(())
    }

    fn check_line(&self, line: &Line, made: &mut Made) -> Result<(), CommandError> {
        checks::line(line)?;
        self.account_exists(line.account, made)?;
        let line_made = match self.made_line(line.id, made) {
            Ok(known) if known.account != line.account => {
                let account = known.account;
                return Err(CommandError::LineElsewhere { line: line.id, account });
            }
            Ok(known) if known.ha1 != line.ha1 => {
                let problem = "a line's secret is changed by itself, not with the line".to_owned();
                return Err(field("secret", problem));
            }
            Ok(known) => known,
            Err(_) => MadeLine::of(line),
        };
        let owner = self.directory.line_of_user(&line.user).map(|other| other.id);
        let owner = owner.or_else(|| made.users.get(&line.user).copied());
        if let Some(other) = owner.filter(|other| *other != line.id) {
            return Err(CommandError::UserTaken { user: line.user.clone(), line: other });
        }
        made.lines.insert(line.id, line_made);
        made.users.insert(line.user.clone(), line.id);
        Ok(())
    }

    /// A secret that the line has or had would not be told from it.
    fn check_secret(&self, line: LineId, ha1: &Ha1, made: &mut Made) -> Result<(), CommandError> {
        let mut known = self.made_line(line, made)?;
        let wrong = |problem: &str| Err(field("secret", problem.to_owned()));
        if known.ha1 == *ha1 {
            return wrong("it is the one in use: choose another");
        }
        if known.former.contains(ha1) {
            return wrong("it was used before: choose another");
        }
        known.former.insert(0, std::mem::replace(&mut known.ha1, ha1.clone()));
        known.former.truncate(FORMER_SECRETS);
        made.lines.insert(line, known);
        Ok(())
    }

    /// A line as it is after the commands before.
    fn made_line(&self, id: LineId, made: &Made) -> Result<MadeLine, CommandError> {
        if let Some(known) = made.lines.get(&id) {
            return Ok(known.clone());
        }
        self.directory.line(id).map(MadeLine::of).ok_or(CommandError::UnknownLine(id))
    }

    fn check_number(&self, number: &Number, made: &mut Made) -> Result<(), CommandError> {
        self.account_exists(number.account, made)?;
        if let Some(id) = number.line {
            let account = self.made_line(id, made)?.account;
            if account != number.account {
                return Err(CommandError::LineElsewhere { line: id, account });
            }
        }
        let owner = self.owner(number.number, made);
        if let Some(account) = owner.filter(|account| *account != number.account) {
            return Err(CommandError::NumberTaken { number: number.number, account });
        }
        made.numbers.insert(number.number, Some(number.account));
        Ok(())
    }

    /// Whose a number is after the commands before.
    fn owner(&self, number: E164, made: &Made) -> Option<AccountId> {
        let known = || self.directory.number(number).map(|known| known.account);
        made.numbers.get(&number).copied().unwrap_or_else(known)
    }

    fn check_trunk(&self, trunk: &Trunk) -> Result<(), CommandError> {
        checks::trunk(trunk)?;
        match trunk.cost_deck.filter(|deck| !self.decks.contains_key(deck)) {
            Some(deck) => Err(CommandError::UnknownDeck(deck)),
            None => Ok(()),
        }
    }

    pub(super) fn account_exists(&self, id: AccountId, made: &Made) -> Result<(), CommandError> {
        let exists = self.directory.account(id).is_some() || made.accounts.contains(&id);
        if exists { Ok(()) } else { Err(CommandError::UnknownAccount(id)) }
    }
}

/// A change of controls was weighed against what stands: nothing before it may change that.
fn first_change(account: AccountId, made: &mut Made) -> Result<(), CommandError> {
    match made.controls.insert(account) {
        true => Ok(()),
        false => Err(field("controls", "are changed twice at once".to_owned())),
    }
}
