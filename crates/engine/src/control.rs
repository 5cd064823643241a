//! Commands of staff and operator. Lives here: what can be changed, and whether it makes sense.
//! Never here: who may give a command, how it travels.

mod audit;
mod bans;
mod ceiling;
mod change;
mod checks;
mod command;
mod money;
mod of_holder;
mod raises;
mod report;
mod risk;
mod secret;
mod standing;
mod together;
mod trial;
mod until;
mod wording;

use rating::RateDeck;
use types::record::Deck;
use types::{
    Account, AccountId, AccountStatus, By, DecisionId, DestinationClass, E164, Fact, Line, LineId,
    LineSecurity, LineStatus, Now, Number, Record, Reseller, Setting, Trunk, TrunkStanding,
    UserNote, WebUser,
};

use crate::directory::AccountEntry;
use crate::engine::Engine;
use crate::live_call::Call;
pub use command::{BanOrder, Command, CommandError, Done, Overlap};
use standing::{Wish, told};
use together::{Checked, Made};
use wording::{changes_of, deck_change, in_words, line_change, other_changes, reseller_change};

pub use audit::{AuditReport, Misfit, Seen};
pub use ceiling::default_ceiling;
pub use change::{ControlChange, Judgement, LineChange, Weighed};
pub(crate) use money::Billed;
pub use money::{CallFacts, PlanOrder, PostOrder, PostWhat};
pub(crate) use raises::Raises;
pub use report::CallReport;
pub use risk::{changes, risk};
pub use trial::{LockOrder, TrialEnd};
pub use until::next_time_of_day;

impl Engine {
    /// Checks a command, then carries it out at once. On an error nothing was changed.
    pub fn command(&mut self, now: Now, command: Command) -> Result<Done, CommandError> {
        self.commands(now, vec![command])
    }

    /// Checks all commands, then carries them out at once, in order: their records are one
    /// transaction. The message is that of the last that has one. On an error nothing was changed.
    pub fn commands(&mut self, now: Now, commands: Vec<Command>) -> Result<Done, CommandError> {
        self.end_raises(now);
        let mut made = Made::default();
        let checked: Vec<Checked> = commands
            .into_iter()
            .map(|command| self.check(now, command, &mut made))
            .collect::<Result<_, _>>()?;
        // After this point it must succeed.
        let mut all = self.take_ended().unwrap_or_default();
        for command in checked {
            let done = self.carry_out(now, command);
            all.records.extend(done.records);
            all.cut.extend(done.cut);
            all.unbound.extend(done.unbound);
            all.overlapping.extend(done.overlapping);
            all.relocked.extend(done.relocked);
            all.ousted.extend(done.ousted);
            if !done.message.is_empty() {
                all.message = done.message;
            }
        }
        Ok(all)
    }

    fn carry_out(&mut self, now: Now, Checked { command, table, weighed }: Checked) -> Done {
        match command {
            Command::PutAccount(account) => self.put_account(now, account),
            Command::ChangeControls(change) => self.change_controls(now, *change, weighed),
            Command::TryLock(order) => self.try_lock(now, *order, weighed),
            Command::EndTrial(end) => self.end_trial(now, *end),
            Command::JudgeRequest(judgement) => self.judge_request(now, *judgement, weighed),
            Command::SetStatus(account, status) => self.set_status(now, account, status),
            Command::Note(account, words) => note(now, account, words),
            Command::PutReseller(reseller) => self.put_reseller(now, reseller),
            Command::PutLine(line) => self.put_line(now, line, By::STAFF, String::new()),
            Command::ChangeLine(change) => {
                let LineChange { line, by, why } = *change;
                self.put_line(now, line, by, why)
            }
            Command::SetSecret { line, ha1, overlap } => self.set_secret(now, line, ha1, overlap),
            Command::NoteLine(line, words) => self.note_line(now, line, words),
            Command::Reseal(lines, trunks) => self.reseal(&lines, &trunks),
            Command::PutNumber(number) => self.put_number(now, number),
            Command::RemoveNumber(number) => self.remove_number(now, number),
            Command::PutTrunk(trunk) => self.put_trunk(now, trunk),
            Command::PutDeck(deck) => {
                self.put_deck(now, deck, table.expect("a deck that makes sense has a table"))
            }
            Command::Post(order) => self.post_order(now, &order),
            Command::PutPlan(order) => self.put_plan(now, *order),
            Command::BeginBillRun { run, day, only } => self.begin_run(now, run, day, only),
            Command::PutBills(bills) => self.put_bills(now, bills),
            Command::EndBillRun(run) => self.end_run(run),
            Command::Audited(report) => self.take_audit(now, *report),
            Command::Seen(seen) => self.note_seen(now, *seen),
            Command::ReportCall(report) => report::keep(now, *report),
            Command::KeepOfHolder(fact) => of_holder::keep(now, *fact),
            Command::Cut(decision) => self.cut(decision),
            Command::DeviceMine(device) => self.device_mine(now, device),
            Command::DeviceNotMine(device) => self.device_not_mine(now, device),
            Command::LiftLockOut(scope) => self.lift(now, scope),
            Command::NoteLogIns(tries) => self.note_foreign(now, &tries),
            Command::PutWebUser(user, words) => put_web_user(now, user, words),
            Command::Ban(order) => self.order_ban(now, *order),
            Command::Unban(source) => self.lift_ban(now, source),
        }
    }

    fn put_account(&mut self, now: Now, account: Account) -> Done {
        let known = self.directory.account(account.id).map(AccountEntry::to_account);
        let (others, changes) = match &known {
            Some(known) => (other_changes(known, &account), changes_of(known, &account)),
            None => (Vec::new(), Vec::new()),
        };
        let words = others.iter().cloned().chain(changes.iter().map(ToString::to_string));
        let words = match &known {
            Some(_) => in_words("changed", &words.collect::<Vec<_>>()),
            None => "added".to_owned(),
        };
        let (id, by, why) = (account.id, By::STAFF, String::new());
        let wish = Wish { account, known, others, changes, until: None, by, why };
        let done = self.make_so(now, wish);
        Done { message: told(id, &words, &done), ..done }
    }

    fn set_status(&mut self, now: Now, id: AccountId, status: AccountStatus) -> Done {
        let change = ControlChange {
            account: id,
            settings: vec![Setting::Status(status)],
            by: By::STAFF,
            why: String::new(),
            until: None,
        };
        let weighed = self.weigh(now, &change).unwrap_or_default();
        self.change_controls(now, change, weighed)
    }

    fn put_line(&mut self, now: Now, mut line: Line, by: By, why: String) -> Done {
        let (id, account) = (line.id, line.account);
        let known = self.directory.line(id);
        let security = known.map(LineSecurity::of);
        secret::keep(known, &mut line, now);
        let change = line_change(known, &line);
        let relocks = known.is_some_and(|known| known.ip_lock != line.ip_lock);
        let is_disabled = line.status == LineStatus::Disabled;
        let unbinds = known.is_some() && is_disabled;
        self.directory.put_line(&line);
        self.follow_line_levels(&line);
        self.ages.begin(now.tick);
        let mut cut = match is_disabled {
            false => Vec::new(),
            true => {
                self.order_cuts(account, |call| call.hold.line == Some(id) && call.chargeable())
            }
        };
        if relocks {
            cut.extend(self.follow_lock(account));
        }
        let fact = Fact::LineChanged { account, line: id, change: change.clone() };
        let standing = self.line_standing(now, security.as_ref(), &line, by, why);
        let mut records = vec![Record::Line(Box::new(line)), Record::Fact(now.wall, fact)];
        records.extend(standing);
        Done {
            records,
            unbound: if unbinds { vec![id] } else { Vec::new() },
            overlapping: Vec::new(),
            relocked: if relocks { vec![id] } else { Vec::new() },
            message: with_cuts(format!("line {id} of account {account}: {change}"), &cut),
            cut,
            ..Done::default()
        }
    }

    fn put_reseller(&mut self, now: Now, reseller: Reseller) -> Done {
        let (id, name) = (reseller.id, reseller.name.clone());
        let change = reseller_change(self.directory.reseller(id), &reseller);
        self.directory.put_reseller(reseller.clone());
        let fact = Fact::ResellerChanged { reseller: id, change: change.clone() };
        let records = vec![Record::Reseller(Box::new(reseller)), Record::Fact(now.wall, fact)];
        Done { records, message: format!("reseller {id} ({name}): {change}"), ..Done::default() }
    }

    fn put_number(&mut self, now: Now, number: Number) -> Done {
        self.directory.put_number(&number);
        let change = match number.line {
            Some(line) => format!("rings line {line}"),
            None => "rings all lines".to_owned(),
        };
        let (account, message) = (number.account, format!("number {}: {change}", number.number));
        let fact = Fact::NumberChanged { account, number: number.number, change };
        let records = vec![Record::Number(number), Record::Fact(now.wall, fact)];
        Done { records, message, ..Done::default() }
    }

    fn remove_number(&mut self, now: Now, number: E164) -> Done {
        let account = self.directory.remove_number(number).map(|number| number.account);
        let account = account.unwrap_or_default();
        let fact = Fact::NumberChanged { account, number, change: "taken back".to_owned() };
        Done {
            records: vec![Record::NumberGone(number), Record::Fact(now.wall, fact)],
            message: format!("number {number} taken back from account {account}"),
            ..Done::default()
        }
    }

    fn put_trunk(&mut self, now: Now, trunk: Trunk) -> Done {
        let id = trunk.id;
        let change = match self.directory.trunk(id) {
            None => "added",
            Some(known) if known.enabled && !trunk.enabled => "disabled",
            Some(known) if !known.enabled && trunk.enabled => "enabled",
            Some(_) => "changed",
        };
        let cost_deck = trunk.cost_deck;
        let is_new = self.directory.trunk(id).is_none_or(|known| known.cost_deck != cost_deck);
        self.directory.put_trunk(&trunk);
        let message = format!("trunk {id} ({}): {change}", trunk.name);
        let fact = Fact::TrunkChanged { trunk: id, change: change.to_owned() };
        let mut records = vec![Record::Trunk(Box::new(trunk)), Record::Fact(now.wall, fact)];
        if is_new {
            let at = self.next_decision(now.wall).time();
            records.push(Record::TrunkStanding(TrunkStanding { trunk: id, at, cost_deck }));
        }
        Done { records, message, ..Done::default() }
    }

    fn put_deck(&mut self, now: Now, deck: Deck, table: RateDeck) -> Done {
        let id = deck.id;
        let change = match self.decks.get(&id) {
            None => format!("added with {} rows", table.len()),
            Some(old) => deck_change(&rating::diff(old.rows(), table.rows())),
        };
        self.decks.insert(id, table);
        self.deck_names.insert(id, deck.name.clone());
        let message = format!("rate deck {id} ({}): {change}", deck.name);
        let fact = Fact::DeckImported { deck: id, change };
        // From the row that decisions have their times from: each was priced before or after it.
        let at = self.next_decision(now.wall).time();
        let records = vec![Record::Deck(at, Box::new(deck)), Record::Fact(now.wall, fact)];
        Done { records, message, ..Done::default() }
    }

    fn cut(&mut self, decision: DecisionId) -> Done {
        let call = self.calls.find(decision).expect("it was looked up");
        let account = call.hold.account;
        Done {
            cut: self.order_cuts(account, |call| call.hold.decision == decision),
            message: format!("call {decision} of account {account} is hung up"),
            ..Done::default()
        }
    }

    /// The lines whose phones are forgotten because their account is closed.
    fn unbound_by(
        &self,
        account: AccountId,
        before: Option<AccountStatus>,
        status: AccountStatus,
    ) -> Vec<LineId> {
        let closed = status == AccountStatus::Closed;
        if closed && before != Some(status) { self.lines_of(account) } else { Vec::new() }
    }

    fn lines_of(&self, account: AccountId) -> Vec<LineId> {
        let account = self.directory.account(account);
        account.map_or_else(Vec::new, |account| account.lines().to_vec())
    }

    /// After a change of status: which live calls end now, and when the others do.
    fn follow_status(&mut self, account: AccountId) -> Vec<DecisionId> {
        let Some(status) = self.directory.account(account).map(|account| account.status) else {
            return Vec::new();
        };
        let live: Vec<DecisionId> =
            self.calls.of_account(account).map(|call| call.hold.decision).collect();
        for decision in live {
            self.renew_deadlines(decision);
        }
        let emergency = DestinationClass::Emergency;
        self.order_cuts(account, |call| match status {
            AccountStatus::Active | AccountStatus::Watched => false,
            AccountStatus::Limited => call.costly && call.chargeable(),
            AccountStatus::Frozen | AccountStatus::Suspended => call.chargeable(),
            AccountStatus::Closed => call.hold.destination.class != emergency,
        })
    }

    /// After a change of a lock: calls whose caller sits outside it end, but emergency and support
    /// calls (I1).
    fn follow_lock(&mut self, account: AccountId) -> Vec<DecisionId> {
        let live = self.calls.of_account(account);
        let outside: Vec<DecisionId> = live
            .filter(|call| self.against_place(call).is_some())
            .map(|call| call.hold.decision)
            .collect();
        self.order_cuts(account, |call| outside.contains(&call.hold.decision))
    }

    /// Marks the account's calls that `ends` picks as cut; those that were not yet, oldest first.
    pub(crate) fn order_cuts(
        &mut self,
        account: AccountId,
        ends: impl Fn(&Call) -> bool,
    ) -> Vec<DecisionId> {
        let chosen = self.calls.of_account(account).filter(|call| !call.is_cut && ends(call));
        let chosen: Vec<DecisionId> = chosen.map(|call| call.hold.decision).collect();
        for &decision in &chosen {
            if let Some(call) = self.calls.find_mut(decision) {
                call.is_cut = true;
            }
            self.calls.arm(decision);
        }
        chosen
    }
}

/// Words of staff, kept.
fn note(now: Now, account: AccountId, words: String) -> Done {
    let message = format!("account {account}: noted");
    let fact = Fact::AccountChanged { account, change: format!("note: {words}") };
    Done { records: vec![Record::Fact(now.wall, fact)], message, ..Done::default() }
}

/// The pages ask the store for web users; nothing of them is kept here.
fn put_web_user(now: Now, user: Box<WebUser>, note: UserNote) -> Done {
    let (account, name) = (user.account, user.name.clone());
    let fact = match note {
        // What is only kept, as who is signed in, is nothing that people are told.
        UserNote::Kept => None,
        UserNote::Changed(words) => {
            Some(Fact::AccountChanged { account, change: format!("web user {name}: {words}") })
        }
        UserNote::Token(change) => Some(Fact::TokenChanged { account, user: name, change }),
    };
    let words = fact.as_ref().map_or(String::new(), |fact| types::fact_text(fact, ""));
    let message = format!("account {account}: {words}");
    let mut records = vec![Record::WebUser(user)];
    records.extend(fact.map(|fact| Record::Fact(now.wall, fact)));
    Done { records, message, ..Done::default() }
}

fn with_cuts(message: String, cut: &[DecisionId]) -> String {
    match cut.len() {
        0 => message,
        count => format!("{message}; {count} live calls cut"),
    }
}

fn field(field: &'static str, problem: String) -> CommandError {
    CommandError::Field { field, problem }
}
