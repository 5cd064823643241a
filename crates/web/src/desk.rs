//! What the pages ask of the node. Lives here: questions and answers as the pages need them. Never here: who may
//! ask (`guard`), how the node is reached (ringfence).

mod alerts;
mod check_up;
mod phones;
mod recovery;
mod secrets;
mod tokens;

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use types::decision::Outcome as Decided;
use types::{
    AccountId, AccountRaises, AccountStatus, Cdr, ClassSet, ControlRequest, Controls, DecisionId,
    DestinationClass, Direction, LineId, Money, Proof, Region, Setting, UnixMicros, WebUser,
    WebUserId,
};

pub use alerts::{AlertDesk, ContactAsk, ToldAlert};
pub use check_up::{CheckUp, CheckUpDesk, PointSaid, PortsSeen, Software};
pub use phones::{Phone, PhoneDesk, PhoneLine, PhoneServer, Phones};
pub use recovery::{LineSecret, OnRecord, PageUser, Recovery, RecoveryDesk, StepSaid};
pub use secrets::{NewSecret, SecretDesk, SecretShape};
pub use tokens::TokenDesk;

/// Why the node did not do what a page asked. The text is for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeskError {
    /// What was asked cannot be so: the reason.
    #[error("{0}")]
    Refused(String),
    /// The holder has to show first, again, who he is.
    #[error("show again that it is you")]
    NeedsProof,
    /// The node or its database does not answer.
    #[error("the system does not answer at the moment: {0}")]
    Down(String),
}

/// A call in progress, as its payer sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveCall {
    /// Its decision.
    pub decision: DecisionId,
    /// The user name of the line it is on.
    pub line: Option<String>,
    /// Which way.
    pub direction: Direction,
    /// Who calls.
    pub caller: String,
    /// What was dialled.
    pub dialled: String,
    /// The class of where it leads.
    pub class: DestinationClass,
    /// When the request came.
    pub started: UnixMicros,
    /// Milliseconds since it was answered, if it was.
    pub talk_ms: Option<u64>,
    /// What it has cost to this second.
    pub cost: Money,
    /// What is held for it.
    pub held: Money,
    /// Does it count as costly?
    pub costly: bool,
}

/// The most that can be lost until a moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MostLost {
    /// `now`, `tonight` or `weekend`.
    pub horizon: String,
    /// The moment.
    pub until: UnixMicros,
    /// By calls of every class.
    pub all: Money,
    /// By costly ones.
    pub costly: Money,
}

/// Everything about an account's money, as of one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// Which account.
    pub account: AccountId,
    /// What people call it.
    pub name: String,
    /// What it may do at all.
    pub status: AccountStatus,
    /// Name of the currency: `GBP`.
    pub currency: String,
    /// The account's time zone.
    pub time_zone: String,
    /// As of when.
    pub at: UnixMicros,
    /// What is in force.
    pub controls: Controls,
    /// How far the holder may raise them himself.
    pub ceiling: Controls,
    /// What is beneath the controls, and until when.
    pub raises: Option<AccountRaises>,
    /// Used and not billed, the calls in progress to this second among it.
    pub unbilled: Money,
    /// Held for calls in progress.
    pub held: Money,
    /// Spent on costly calls in the last 24 hours.
    pub spent_24h: Money,
    /// Held by costly calls in progress.
    pub held_costly: Money,
    /// What can still be spent on costly calls now.
    pub headroom_costly: Money,
    /// Is it off hours at the account's place?
    pub off_hours: bool,
    /// The stop level of costly calls that holds at the moment, for 24 hours.
    pub stop_level: Money,
    /// Calls in progress that the account pays for, or that come in.
    pub calls: Vec<LiveCall>,
    /// The most that can be lost: now, tonight, this weekend.
    pub most: Vec<MostLost>,
}

/// Something that happened, in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: UnixMicros,
    /// What, in a sentence without a full stop.
    pub words: String,
}

/// Which calls of an account to list. Every condition given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallAsk {
    /// Started at this time or later.
    pub since: Option<UnixMicros>,
    /// Started before this time.
    pub until: Option<UnixMicros>,
    /// Decided before this one: where a page before ended.
    pub before: Option<DecisionId>,
    /// Which way.
    pub direction: Option<Direction>,
    /// Let out or stopped.
    pub outcome: Option<Decided>,
    /// To a number that begins with these digits.
    pub digits: Option<String>,
    /// On this line.
    pub line: Option<LineId>,
    /// Did it cost anything?
    pub charged: Option<bool>,
    /// At most so many.
    pub limit: u32,
}

/// Calls of an account, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallsFound {
    /// As the account may see them.
    pub calls: Vec<Cdr>,
    /// Go on before this one; `None`: there is nothing before.
    pub next: Option<DecisionId>,
}

/// The holder said that a call was not his.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// When.
    pub at: UnixMicros,
    /// Which.
    pub decision: DecisionId,
    /// Who said so.
    pub by: String,
    /// What he said about it.
    pub words: String,
}

/// A call as another account sees it that was called within the platform: what the caller paid, used and was told is
/// not its business.
pub fn as_called(call: Cdr) -> Cdr {
    let mut seen = call;
    (seen.price, seen.cost, seen.cost_rate) = (Money::ZERO, Money::ZERO, None);
    (seen.line, seen.device, seen.trunk) = (None, None, None);
    (seen.a_leg, seen.b_leg) = Default::default();
    seen.explanation.findings.clear();
    (seen.explanation.rate, seen.explanation.rate_prefix) = (None, None);
    if let Some(called) = seen.to_account.take() {
        seen.account = called;
    }
    seen.direction = Direction::Incoming;
    seen
}

/// What calls to somewhere cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// The cheapest minute.
    pub cheapest: Money,
    /// The dearest.
    pub dearest: Money,
}

/// A country that can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Country {
    /// Which.
    pub region: Region,
    /// By the account's price list.
    pub prices: Prices,
    /// Has it number ranges that thieves are paid for?
    pub hotspot: bool,
}

/// Where an account can call, and where it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destinations {
    /// Countries abroad that have a price, by code.
    pub countries: Vec<Country>,
    /// Classes that have a price.
    pub classes: Vec<(DestinationClass, Prices)>,
    /// Where answered calls went, each once, with when last; the newest first.
    pub used: Vec<(DestinationClass, Option<Region>, UnixMicros)>,
    /// Countries that were ever called.
    pub ever: Vec<Region>,
    /// Were all calls looked at, and not only the newest?
    pub is_all: bool,
}

/// What a holder turned off in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnedOff {
    /// When.
    pub at: UnixMicros,
    /// Which countries.
    pub countries: Vec<Region>,
    /// Which classes.
    pub classes: ClassSet,
}

/// A phone that is registered now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredPhone {
    /// The user name of its line.
    pub line: String,
    /// What it says it is.
    pub agent: String,
    /// Where it is.
    pub address: IpAddr,
}

/// Phones, and locks of lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhonesAndLocks {
    /// Registered now, by line.
    pub phones: Vec<RegisteredPhone>,
    /// Lines that have a lock of their own: user name, networks.
    pub locks: Vec<(String, Vec<IpNet>)>,
}

/// What a change of controls came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What was done, in words.
    pub message: String,
}

/// A try to show who one is: what it is counted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogIn {
    /// The name that was typed.
    pub name: String,
    /// From where.
    pub source: IpAddr,
    /// What the browser calls itself.
    pub agent: String,
    /// What the browser is known by, if he has signed in with it before: then it is counted for itself, and not with
    /// strangers.
    pub known: Option<u64>,
}

/// Changes a web user; gives in words what changed, or why nothing can.
pub type Amend<'a> = dyn FnMut(&mut WebUser) -> Result<String, String> + 'a;

/// The node, as the pages see it. Every call may wait for the node and the disk: never call it on the pages' own
/// thread.
pub trait Desk:
    AlertDesk + CheckUpDesk + PhoneDesk + RecoveryDesk + SecretDesk + TokenDesk + Send + Sync + 'static
{
    /// The time.
    fn now(&self) -> UnixMicros;

    /// An account's money now; `None` if there is no such account.
    fn overview(&self, account: AccountId) -> Result<Option<Overview>, DeskError>;

    /// What happened last, the newest first.
    fn events(&self, account: AccountId, limit: u32) -> Result<Vec<Event>, DeskError>;

    /// Requests that nobody has looked at yet.
    fn requests(&self, account: AccountId) -> Result<Vec<ControlRequest>, DeskError>;

    /// The holder wants his controls to be so; `until`: as it was typed, empty for good.
    fn change_controls(
        &self,
        account: AccountId,
        settings: Vec<Setting>,
        until: &str,
        proof: Proof,
    ) -> Result<Outcome, DeskError>;

    /// Calls of an account that are over, or were stopped: a page of them. It may have fewer than were asked for although
    /// there are more: only so many are looked at in one go.
    fn calls(&self, account: AccountId, ask: &CallAsk) -> Result<CallsFound, DeskError>;

    /// One of them; `None`: there is no such call, it is not over, or it is another's (W6).
    fn call(&self, account: AccountId, decision: DecisionId) -> Result<Option<Cdr>, DeskError>;

    /// Lines of an account, with their user names.
    fn lines(&self, account: AccountId) -> Result<Vec<(LineId, String)>, DeskError>;

    /// Calls of which the holder said that they were not his, newest first.
    fn reported(&self, account: AccountId) -> Result<Vec<Reported>, DeskError>;

    /// Keeps that a call was not the holder's. Whose it is was looked at before.
    fn report_call(
        &self,
        account: AccountId,
        decision: DecisionId,
        by: &str,
        words: &str,
    ) -> Result<Outcome, DeskError>;

    /// Where the account can call, and where it does.
    fn destinations(&self, account: AccountId) -> Result<Destinations, DeskError>;

    /// What the holder turned off last, in one go.
    fn turned_off(&self, account: AccountId) -> Result<Option<TurnedOff>, DeskError>;

    /// Phones of the account, and locks of its lines.
    fn phones_and_locks(&self, account: AccountId) -> Result<PhonesAndLocks, DeskError>;

    /// Locks the account to networks, on trial.
    fn try_lock(
        &self,
        account: AccountId,
        lock: Vec<IpNet>,
        proof: Proof,
    ) -> Result<Outcome, DeskError>;

    /// Confirms the lock on trial, or ends the trial at once. That it was asked for from behind the lock was looked at
    /// before.
    fn end_trial(&self, account: AccountId, keep: bool) -> Result<Outcome, DeskError>;

    /// Hangs up a call. Whose it is was looked at before.
    fn cut(&self, decision: DecisionId) -> Result<Outcome, DeskError>;

    /// Is this log-in looked at? During a lock-out none is.
    fn may_log_in(&self, tried: &LogIn) -> Result<bool, DeskError>;

    /// Counts a log-in that failed.
    fn note_wrong_log_in(&self, tried: &LogIn) -> Result<(), DeskError>;

    /// The web user of this name; `None` if nobody has it.
    fn user(&self, name: &str) -> Result<Option<WebUser>, DeskError>;

    /// The web user of this number.
    fn user_of_id(&self, id: WebUserId) -> Result<Option<WebUser>, DeskError>;

    /// Changes a web user, alone: nobody else changes him meanwhile. It is on disk when this returns.
    fn amend(&self, id: WebUserId, change: &mut Amend<'_>) -> Result<WebUser, DeskError>;

    /// Would this password do, for an account of these words? An error says why not.
    fn judge_password(&self, password: &str, own: &[&str]) -> Result<(), String>;
}
