//! Commands of staff and operator. Lives here: what can be changed, and whether it makes sense.
//! Never here: who may give a command, how it travels.

mod bans;
mod ceiling;
mod change;
mod checks;
mod raises;
mod risk;
mod secret;
mod standing;
mod together;
mod until;

use std::collections::BTreeSet;

use ipnet::IpNet;
use rating::{DeckDiff, RateDeck};
use serde::{Deserialize, Serialize};
use types::account::Ha1;
use types::record::Deck;
use types::{
    Account, AccountId, AccountStatus, By, Changed, DecisionId, DeckId, DestinationClass, DeviceId,
    E164, Fact, Line, LineId, LineSecurity, LineStatus, LockScope, Now, Number, Record, Setting,
    Trunk, TrunkId, UnixMicros,
};

use crate::access::{DeviceAt, ForeignLogIn, Spared};
use crate::directory::AccountEntry;
use crate::engine::Engine;
use crate::live_call::Call;
use standing::{Wish, told};
use together::{Checked, Made};

pub use ceiling::default_ceiling;
pub use change::{ControlChange, Judgement, LineChange, Weighed};
pub(crate) use raises::Raises;
pub use risk::{changes, risk};
pub use until::next_time_of_day;

/// A change. It travels over the control socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Adds or changes an account.
    PutAccount(Account),
    /// Changes what an account may do at all.
    SetStatus(AccountId, AccountStatus),
    /// Changes controls and status by the rules for whoever wants it.
    ChangeControls(Box<ControlChange>),
    /// Carries a request out, or refuses it.
    JudgeRequest(Box<Judgement>),
    /// Keeps words of staff about an account: why something was done.
    Note(AccountId, String),
    /// Adds or changes a line; never the secret of one that is there, nor what is kept about it.
    PutLine(Line),
    /// Changes a line by the rules for whoever wants it.
    ChangeLine(Box<LineChange>),
    /// Gives a line another secret.
    SetSecret {
        /// Which line.
        line: LineId,
        /// Verifiers of the new secret.
        ha1: Ha1,
        /// For whom the one before keeps working; `None`: for nobody.
        overlap: Option<Overlap>,
    },
    /// Keeps words of staff about a line: a consent, an exception.
    NoteLine(LineId, String),
    /// Writes secrets again as they are, so that they are sealed with the newest key. What is not there
    /// is passed over.
    Reseal(Vec<LineId>, Vec<TrunkId>),
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
    /// A device is the holder's.
    DeviceMine(DeviceId),
    /// A device is not the holder's.
    DeviceNotMine(DeviceId),
    /// Ends a lock-out before its time.
    LiftLockOut(LockScope),
    /// Log-ins failed elsewhere.
    NoteLogIns(Vec<ForeignLogIn>),
    /// Reads nothing from a source any more.
    Ban(Box<BanOrder>),
    /// Lifts the ban of exactly this network.
    Unban(IpNet),
}

/// How long phones may go on with the secret that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overlap {
    /// Until when.
    pub until: UnixMicros,
    /// Which devices.
    pub devices: Vec<DeviceId>,
}

/// A ban on the word of staff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanOrder {
    /// Its addresses.
    pub source: IpNet,
    /// Until when; `None`: until it is lifted.
    pub until: Option<UnixMicros>,
    /// Why, in words.
    pub note: String,
    /// Also where customers' devices are known.
    pub even_if_known: bool,
}

/// What a command did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// To be written, one transaction.
    pub records: Vec<Record>,
    /// Live calls to hang up with `HangupCause::Cut`.
    pub cut: Vec<DecisionId>,
    /// Lines whose phones have to register again, because the secret is another for all, the line disabled
    /// or the account closed: their bindings end.
    pub unbound: Vec<LineId>,
    /// Lines that have a new secret, and the devices that may go on with the old one: bindings of all
    /// other devices end.
    pub overlapping: Vec<(LineId, Vec<DeviceId>)>,
    /// Lines that have another IP lock: bindings and legs of phones outside it end.
    pub relocked: Vec<LineId>,
    /// Devices that are thrown out: their bindings on these lines end, and calls that they answered.
    pub ousted: Vec<DeviceAt>,
    /// What was done, in words.
    pub message: String,
}

impl Done {
    /// Lines of which some bindings may end: ask `Engine::ends_binding` of each.
    pub fn lines_to_look_at(&self) -> BTreeSet<LineId> {
        let (overlapping, ousted) = (self.overlapping.iter(), self.ousted.iter());
        let lines = self.unbound.iter().chain(&self.relocked);
        let lines = lines.chain(overlapping.map(|(line, _)| line));
        lines.chain(ousted.map(|device| &device.line)).copied().collect()
    }
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
    /// No such request, or it was judged already.
    #[error("there is no request {0} that waits")]
    UnknownRequest(u32),
    /// A holder who has not just shown who he is wants more.
    #[error("{0}: this allows more than before: log in again first")]
    NeedsProof(&'static str),
    /// No such call.
    #[error("there is no call {0} in progress")]
    UnknownCall(DecisionId),
    /// No such device.
    #[error("there is no device {0}")]
    UnknownDevice(DeviceId),
    /// Nobody is locked out there.
    #[error("{0} is not locked out")]
    NotLocked(LockScope),
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
    /// The source must not be banned.
    #[error("{network} cannot be banned: {why}")]
    Spared {
        /// Which.
        network: IpNet,
        /// Why not.
        why: Spared,
    },
    /// No such ban.
    #[error("{0} is not banned")]
    NotBanned(IpNet),
    /// Too many bans of staff.
    #[error("there is no room for another ban: lift some")]
    NoRoom,
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
            Command::JudgeRequest(judgement) => self.judge_request(now, *judgement, weighed),
            Command::SetStatus(account, status) => self.set_status(now, account, status),
            Command::Note(account, words) => note(now, account, words),
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
            Command::Cut(decision) => self.cut(decision),
            Command::DeviceMine(device) => self.device_mine(now, device),
            Command::DeviceNotMine(device) => self.device_not_mine(now, device),
            Command::LiftLockOut(scope) => self.lift(now, scope),
            Command::NoteLogIns(tries) => self.note_foreign(now, &tries),
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
        self.directory.put_trunk(&trunk);
        let message = format!("trunk {id} ({}): {change}", trunk.name);
        let fact = Fact::TrunkChanged { trunk: id, change: change.to_owned() };
        let records = vec![Record::Trunk(Box::new(trunk)), Record::Fact(now.wall, fact)];
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
        let records = vec![Record::Deck(Box::new(deck)), Record::Fact(now.wall, fact)];
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

fn with_cuts(message: String, cut: &[DecisionId]) -> String {
    match cut.len() {
        0 => message,
        count => format!("{message}; {count} live calls cut"),
    }
}

fn field(field: &'static str, problem: String) -> CommandError {
    CommandError::Field { field, problem }
}

/// What changes about an account besides controls and status.
fn other_changes(known: &Account, account: &Account) -> Vec<String> {
    let changes = [
        (known.name != account.name).then(|| "name".to_owned()),
        (known.dial_plan != account.dial_plan).then(|| "dial plan".to_owned()),
        (known.sell_deck != account.sell_deck)
            .then(|| format!("deck {} to {}", known.sell_deck, account.sell_deck)),
        (known.time_zone != account.time_zone)
            .then(|| format!("time zone {} to {}", known.time_zone, account.time_zone)),
    ];
    changes.into_iter().flatten().collect()
}

fn changes_of(known: &Account, account: &Account) -> Vec<Changed> {
    changes((known.status, &known.controls), (account.status, &account.controls))
}

fn line_change(known: Option<&Line>, line: &Line) -> String {
    let Some(known) = known else {
        return format!("added as {}", line.user);
    };
    let mut changes: Vec<String> = [
        (known.user != line.user).then(|| format!("user {} to {}", known.user, line.user)),
        (known.kind != line.kind).then(|| format!("kind {} to {}", known.kind, line.kind)),
        (known.caller_id != line.caller_id).then(|| "caller id".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect();
    let bounds = risk::line_changes(&LineSecurity::of(known), &LineSecurity::of(line));
    changes.extend(
        bounds.iter().map(|(name, from, to, risk)| format!("{name} {from} to {to} ({risk})")),
    );
    in_words("changed", &changes)
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
