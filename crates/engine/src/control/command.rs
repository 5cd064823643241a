//! What commands are made of. Lives here: commands, what one did, why one makes no sense.
//! Never here: judging and carrying out.

use std::collections::BTreeSet;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use types::account::Ha1;
use types::record::Deck;
use types::{
    Account, AccountId, AccountStatus, Bill, DecisionId, DeckId, DeviceId, E164, Line, LineId,
    LockScope, Number, Record, Reseller, ResellerId, Trunk, TrunkId, UnixMicros, UserNote, WebUser,
};

use super::audit::{AuditReport, Seen};
use super::change::{ControlChange, Judgement, LineChange};
use super::money::{PlanOrder, PostOrder};
use super::report::CallReport;
use super::trial::{LockOrder, TrialEnd};
use crate::access::{DeviceAt, ForeignLogIn, Spared};

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
    /// Locks an account to networks for ten minutes, unless it is confirmed.
    TryLock(Box<LockOrder>),
    /// Confirms a lock on trial, or gives it up.
    EndTrial(Box<TrialEnd>),
    /// Carries a request out, or refuses it.
    JudgeRequest(Box<Judgement>),
    /// Keeps words of staff about an account: why something was done.
    Note(AccountId, String),
    /// Adds or changes a reseller.
    PutReseller(Reseller),
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
    /// Moves money.
    Post(Box<PostOrder>),
    /// Makes a debt into instalments.
    PutPlan(Box<PlanOrder>),
    /// Begins a bill run.
    BeginBillRun {
        /// Its number: the next.
        run: u32,
        /// The day up to which it bills, as midnight UTC.
        day: UnixMicros,
        /// Of this account only.
        only: Option<AccountId>,
    },
    /// Takes bills of a run.
    PutBills(Vec<Bill>),
    /// All bills of a run are made.
    EndBillRun(u32),
    /// Takes what the auditor found.
    Audited(Box<AuditReport>),
    /// Keeps that staff looked at what the auditor found.
    Seen(Box<Seen>),
    /// Keeps that a holder did not make a call.
    ReportCall(Box<CallReport>),
    /// Keeps what a holder does about trouble: the steps of a recovery, its report, his check-up.
    KeepOfHolder(Box<types::Fact>),
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
    /// Inserts or replaces a web user: who may log in at the pages of his account.
    PutWebUser(Box<WebUser>, UserNote),
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
    /// No such reseller.
    #[error("there is no reseller {0}")]
    UnknownReseller(ResellerId),
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
