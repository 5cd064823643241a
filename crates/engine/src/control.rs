//! Commands of staff and operator. Lives here: what can be changed, and whether it makes sense.
//! Never here: who may give a command, how it travels.

mod checks;

use rating::{DeckDiff, RateDeck};
use serde::{Deserialize, Serialize};
use types::record::Deck;
use types::{
    Account, AccountId, AccountStatus, DecisionId, DeckId, DestinationClass, E164, Fact, Line,
    LineId, LineStatus, Now, Number, Record, Trunk,
};

use crate::directory::AccountEntry;
use crate::engine::Engine;
use crate::live_call::Call;

/// A change. It travels over the control socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Adds or changes an account.
    PutAccount(Account),
    /// Changes what an account may do at all.
    SetStatus(AccountId, AccountStatus),
    /// Keeps words of staff about an account: why something was done.
    Note(AccountId, String),
    /// Adds or changes a line.
    PutLine(Line),
    /// Adds or changes a number.
    PutNumber(Number),
    /// Takes a number back.
    RemoveNumber(E164),
    /// Adds or changes a trunk.
    PutTrunk(Trunk),
    /// Adds or replaces a deck.
    PutDeck(Deck),
    /// Hangs up a live call.
    Cut(DecisionId),
}

/// What a command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// To be written, one transaction.
    pub records: Vec<Record>,
    /// Live calls to hang up with `HangupCause::Cut`.
    pub cut: Vec<DecisionId>,
    /// What was done, in words.
    pub message: String,
}

/// Why a command makes no sense. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No such account.
    #[error("there is no account {0}")]
    UnknownAccount(AccountId),
    /// No such line.
    #[error("there is no line {0}")]
    UnknownLine(LineId),
    /// No such number.
    #[error("{0} is not a number of ours")]
    UnknownNumber(E164),
    /// No such deck.
    #[error("there is no rate deck {0}")]
    UnknownDeck(DeckId),
    /// No such call.
    #[error("there is no call {0} in progress")]
    UnknownCall(DecisionId),
    /// The user name belongs to another line.
    #[error("user `{user}` is taken by line {line}")]
    UserTaken {
        /// The user name.
        user: String,
        /// Whose it is.
        line: LineId,
    },
    /// The number belongs to another account.
    #[error("number {number} is taken by account {account}")]
    NumberTaken {
        /// The number.
        number: E164,
        /// Whose it is.
        account: AccountId,
    },
    /// The line belongs to another account.
    #[error("line {line} belongs to account {account}")]
    LineElsewhere {
        /// The line.
        line: LineId,
        /// Whose it is.
        account: AccountId,
    },
    /// A field cannot be as given.
    #[error("{field}: {problem}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// The rows are not a deck.
    #[error("rate deck {deck}: {problem}")]
    Deck {
        /// Which deck.
        deck: DeckId,
        /// What is wrong with it.
        problem: String,
    },
}

impl Engine {
    /// Checks a command, then carries it out at once. On an error nothing was changed.
    pub fn command(&mut self, now: Now, command: Command) -> Result<Done, CommandError> {
        match command {
            Command::PutAccount(account) => self.put_account(now, account),
            Command::SetStatus(account, status) => self.set_status(now, account, status),
            Command::Note(account, words) => self.note(now, account, words),
            Command::PutLine(line) => self.put_line(now, line),
            Command::PutNumber(number) => self.put_number(now, number),
            Command::RemoveNumber(number) => self.remove_number(now, number),
            Command::PutTrunk(trunk) => self.put_trunk(now, trunk),
            Command::PutDeck(deck) => self.put_deck(now, deck),
            Command::Cut(decision) => self.cut(decision),
        }
    }

    fn put_account(&mut self, now: Now, account: Account) -> Result<Done, CommandError> {
        checks::account(&account)?;
        if !self.decks.contains_key(&account.sell_deck) {
            return Err(CommandError::UnknownDeck(account.sell_deck));
        }
        let known = self.directory.account(account.id).map(AccountEntry::to_account);
        let put = self.directory.put_account(&account);
        put.map_err(|_| field("time_zone", format!("`{}` is not known", account.time_zone)))?;
        let change = match &known {
            Some(known) => account_change(known, &account),
            None => "added".to_owned(),
        };
        let id = account.id;
        let fact = Fact::AccountChanged { account: id, change: change.clone() };
        Ok(Done {
            cut: self.follow_status(id),
            records: vec![Record::Account(Box::new(account)), Record::Fact(now.wall, fact)],
            message: format!("account {id}: {change}"),
        })
    }

    fn set_status(
        &mut self,
        now: Now,
        id: AccountId,
        status: AccountStatus,
    ) -> Result<Done, CommandError> {
        let before =
            self.directory.set_status(id, status).ok_or(CommandError::UnknownAccount(id))?;
        let account = self.directory.account(id).ok_or(CommandError::UnknownAccount(id))?;
        let change = format!("status {before} to {status}");
        let fact = Fact::AccountChanged { account: id, change: change.clone() };
        let records =
            vec![Record::Account(Box::new(account.to_account())), Record::Fact(now.wall, fact)];
        let cut = self.follow_status(id);
        let message = match cut.len() {
            0 => format!("account {id}: {change}"),
            count => format!("account {id}: {change}; {count} live calls cut"),
        };
        Ok(Done { records, cut, message })
    }

    fn note(&self, now: Now, account: AccountId, words: String) -> Result<Done, CommandError> {
        self.account_exists(account)?;
        let is_readable = !words.trim().is_empty() && words.chars().count() <= 500;
        if !is_readable || words.chars().any(char::is_control) {
            return Err(field("note", "expected 1 to 500 characters on one line".to_owned()));
        }
        let message = format!("account {account}: noted");
        let fact = Fact::AccountChanged { account, change: format!("note: {words}") };
        Ok(Done { records: vec![Record::Fact(now.wall, fact)], cut: Vec::new(), message })
    }

    fn put_line(&mut self, now: Now, line: Line) -> Result<Done, CommandError> {
        checks::line(&line)?;
        self.account_exists(line.account)?;
        let known = self.directory.line(line.id);
        if let Some(known) = known.filter(|known| known.account != line.account) {
            return Err(CommandError::LineElsewhere { line: line.id, account: known.account });
        }
        if let Some(other) = self.directory.line_of_user(&line.user)
            && other.id != line.id
        {
            return Err(CommandError::UserTaken { user: line.user, line: other.id });
        }
        let change = line_change(known, &line);
        self.directory.put_line(&line);
        let (id, account) = (line.id, line.account);
        let cut = match line.status {
            LineStatus::Active => Vec::new(),
            LineStatus::Disabled => {
                self.order_cuts(account, |call| call.hold.line == Some(id) && call.chargeable())
            }
        };
        let fact = Fact::LineChanged { account, line: id, change: change.clone() };
        Ok(Done {
            records: vec![Record::Line(Box::new(line)), Record::Fact(now.wall, fact)],
            cut,
            message: format!("line {id} of account {account}: {change}"),
        })
    }

    fn put_number(&mut self, now: Now, number: Number) -> Result<Done, CommandError> {
        self.account_exists(number.account)?;
        if let Some(id) = number.line {
            let line = self.directory.line(id).ok_or(CommandError::UnknownLine(id))?;
            if line.account != number.account {
                return Err(CommandError::LineElsewhere { line: id, account: line.account });
            }
        }
        if let Some(known) = self.directory.number(number.number)
            && known.account != number.account
        {
            let (number, account) = (number.number, known.account);
            return Err(CommandError::NumberTaken { number, account });
        }
        self.directory.put_number(&number);
        let change = match number.line {
            Some(line) => format!("rings line {line}"),
            None => "rings all lines".to_owned(),
        };
        let (account, message) = (number.account, format!("number {}: {change}", number.number));
        let fact = Fact::NumberChanged { account, number: number.number, change };
        let records = vec![Record::Number(number), Record::Fact(now.wall, fact)];
        Ok(Done { records, cut: Vec::new(), message })
    }

    fn remove_number(&mut self, now: Now, number: E164) -> Result<Done, CommandError> {
        let removed =
            self.directory.remove_number(number).ok_or(CommandError::UnknownNumber(number))?;
        let account = removed.account;
        let fact = Fact::NumberChanged { account, number, change: "taken back".to_owned() };
        Ok(Done {
            records: vec![Record::NumberGone(number), Record::Fact(now.wall, fact)],
            cut: Vec::new(),
            message: format!("number {number} taken back from account {account}"),
        })
    }

    fn put_trunk(&mut self, now: Now, trunk: Trunk) -> Result<Done, CommandError> {
        checks::trunk(&trunk)?;
        if let Some(deck) = trunk.cost_deck.filter(|deck| !self.decks.contains_key(deck)) {
            return Err(CommandError::UnknownDeck(deck));
        }
        let id = trunk.id;
        let change = match self.directory.trunk(id) {
            None => "added",
            Some(known) if known.enabled && !trunk.enabled => "disabled",
            Some(known) if !known.enabled && trunk.enabled => "enabled",
            Some(_) => "changed",
        };
        self.directory.put_trunk(&trunk);
        let message = format!("trunk {id} ({}): {change}", trunk.name);
        let fact = Fact::TrunkChanged { trunk: id, change: change.to_owned() };
        let records = vec![Record::Trunk(Box::new(trunk)), Record::Fact(now.wall, fact)];
        Ok(Done { records, cut: Vec::new(), message })
    }

    fn put_deck(&mut self, now: Now, deck: Deck) -> Result<Done, CommandError> {
        checks::deck(&deck)?;
        let id = deck.id;
        let table = RateDeck::from_rows(id, deck.rows.clone())
            .map_err(|error| CommandError::Deck { deck: id, problem: error.to_string() })?;
        let change = match self.decks.get(&id) {
            None => format!("added with {} rows", table.len()),
            Some(old) => deck_change(&rating::diff(old.rows(), table.rows())),
        };
        self.decks.insert(id, table);
        let message = format!("rate deck {id} ({}): {change}", deck.name);
        let fact = Fact::DeckImported { deck: id, change };
        let records = vec![Record::Deck(Box::new(deck)), Record::Fact(now.wall, fact)];
        Ok(Done { records, cut: Vec::new(), message })
    }

    fn cut(&mut self, decision: DecisionId) -> Result<Done, CommandError> {
        let call = self.calls.find(decision).ok_or(CommandError::UnknownCall(decision))?;
        let account = call.hold.account;
        Ok(Done {
            records: Vec::new(),
            cut: self.order_cuts(account, |call| call.hold.decision == decision),
            message: format!("call {decision} of account {account} is hung up"),
        })
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

    /// Marks the account's calls that `ends` picks as cut; those that were not yet, oldest first.
    fn order_cuts(&mut self, account: AccountId, ends: impl Fn(&Call) -> bool) -> Vec<DecisionId> {
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

    fn account_exists(&self, id: AccountId) -> Result<(), CommandError> {
        self.directory.account(id).map(drop).ok_or(CommandError::UnknownAccount(id))
    }
}

fn field(field: &'static str, problem: String) -> CommandError {
    CommandError::Field { field, problem }
}

fn account_change(known: &Account, account: &Account) -> String {
    let changes = [
        (known.name != account.name).then(|| "name".to_owned()),
        (known.status != account.status)
            .then(|| format!("status {} to {}", known.status, account.status)),
        (known.controls != account.controls).then(|| "controls".to_owned()),
        (known.dial_plan != account.dial_plan).then(|| "dial plan".to_owned()),
        (known.sell_deck != account.sell_deck)
            .then(|| format!("deck {} to {}", known.sell_deck, account.sell_deck)),
        (known.time_zone != account.time_zone)
            .then(|| format!("time zone {} to {}", known.time_zone, account.time_zone)),
    ];
    in_words("changed", &changes.into_iter().flatten().collect::<Vec<_>>())
}

fn line_change(known: Option<&Line>, line: &Line) -> String {
    let Some(known) = known else {
        return format!("added as {}", line.user);
    };
    let changes = [
        (known.user != line.user).then(|| format!("user {} to {}", known.user, line.user)),
        (known.ha1 != line.ha1).then(|| "secret".to_owned()),
        (known.status != line.status).then(|| match line.status {
            LineStatus::Active => "enabled".to_owned(),
            LineStatus::Disabled => "disabled".to_owned(),
        }),
        (known.caller_id != line.caller_id).then(|| "caller id".to_owned()),
        (known.ip_lock != line.ip_lock).then(|| "IP lock".to_owned()),
    ];
    in_words("changed", &changes.into_iter().flatten().collect::<Vec<_>>())
}

fn deck_change(diff: &DeckDiff) -> String {
    let counts = [
        (diff.added.len(), "added"),
        (diff.removed.len(), "removed"),
        (diff.dearer.len(), "dearer"),
        (diff.cheaper.len(), "cheaper"),
        (diff.changed.len(), "changed otherwise"),
    ];
    let counted = counts.iter().filter(|(count, _)| *count > 0);
    in_words("rows", &counted.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>())
}

fn in_words(verb: &str, changes: &[String]) -> String {
    if changes.is_empty() {
        "unchanged".to_owned()
    } else {
        format!("{verb}: {}", changes.join(", "))
    }
}
