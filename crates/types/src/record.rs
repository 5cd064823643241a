//! What is written: the records of one transaction, and what is read back at the start.

use std::net::SocketAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::access::{Ban, LockOut, LockScope};
use crate::account::{Account, Line, Number};
use crate::api::KeptAnswer;
use crate::bill::{Bill, BillRun, InstalmentPlan};
use crate::cdr::{Cdr, Direction};
use crate::contact::{Alert, Contact};
use crate::controls::{AccountRaises, ControlRequest, LineStanding, Standing, TrunkStanding};
use crate::decision::{Destination, Explanation};
use crate::device::Device;
use crate::fact::Fact;
use crate::ids::{AccountId, DecisionId, DeckId, DeviceId, LineId, TrunkId};
use crate::ledger::{Posting, Transfer};
use crate::money::Money;
use crate::number::E164;
use crate::rate::{Rate, RateRow};
use crate::stop_level::Reseller;
use crate::time::UnixMicros;
use crate::trunk::Trunk;
use crate::web_user::WebUser;

/// How far a held call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HoldState {
    /// Not answered yet.
    Pending,
    /// Answered at this time.
    Answered(UnixMicros),
}

/// Money held for a call in progress. Written before the carrier sees an INVITE, replaced at each
/// extension, deleted in the transaction of its CDR.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its decision.
    pub decision: DecisionId,
    /// Who pays.
    pub account: AccountId,
    /// The line used.
    pub line: Option<LineId>,
    /// The device that called.
    pub device: Option<DeviceId>,
    /// For on-net calls: the account called.
    pub to_account: Option<AccountId>,
    /// Which way the call goes: after a restart it ends as what it began.
    pub direction: Direction,
    /// Everything held for this call so far, in whole: not spent before it is settled.
    pub amount: Money,
    /// Milliseconds of talk that `amount` covers.
    pub covered_ms: u64,
    /// How far it has come.
    pub state: HoldState,
    /// When the request came.
    pub started: UnixMicros,
    /// What was dialled, as dialled, cut at 64 bytes.
    pub dialled: String,
    /// Number or user shown as the caller.
    pub caller: String,
    /// Where it leads.
    pub destination: Destination,
    /// The trunk in use.
    pub trunk: Option<TrunkId>,
    /// The carrier's rate.
    pub cost_rate: Option<Rate>,
    /// Why it was admitted, and at which price.
    pub explanation: Explanation,
    /// Both legs' dialogs, as `edge` needs them to hang up or go on after a restart. Opaque elsewhere.
    pub legs: Vec<u8>,
}

/// Where a line can be reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BindingRecord {
    /// The line.
    pub line: LineId,
    /// The Contact URI: with the line, the key of the binding.
    pub contact: String,
    /// Path header values, in order (RFC 3327).
    pub path: Vec<String>,
    /// Call-ID of the registration.
    pub call_id: String,
    /// CSeq of the registration.
    pub cseq: u32,
    /// When it ends.
    pub expires: UnixMicros,
    /// `udp`, `tcp`, `tls` or `wss`.
    pub transport: String,
    /// Where the REGISTER came from.
    pub peer: SocketAddr,
    /// Our socket it came to.
    pub local: SocketAddr,
    /// Its User-Agent, cut at 128 bytes.
    pub user_agent: String,
    /// Which of the phone's flows it is (RFC 5626): the phone's `+sip.instance`, as it writes it, and the
    /// number of the flow; `None` for a phone without outbound.
    pub outbound: Option<Outbound>,
}

/// One of several flows of a phone (RFC 5626 §4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outbound {
    /// `+sip.instance`: `<urn:uuid:…>`, the same for all flows and after a restart of the phone.
    pub instance: String,
    /// `reg-id`: which of its flows.
    pub reg_id: u32,
}

/// A rate deck with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deck {
    /// Its number.
    pub id: DeckId,
    /// What staff call it.
    pub name: String,
    /// Its rows, any order.
    pub rows: Vec<RateRow>,
}

/// One write. A batch of records is one transaction: all or nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// Insert or replace a hold.
    Hold(Box<Hold>),
    /// Delete a hold.
    HoldClosed(DecisionId),
    /// Insert a CDR; a second one with the same decision changes nothing.
    Cdr(Box<Cdr>),
    /// Post a transfer; a second one with the same decision and kind changes nothing.
    Transfer(Transfer),
    /// Post a transfer that people ordered, and change un-billed usage by it; a second one with the same
    /// decision and kind, or the same kind and reference, changes nothing.
    Posting(Box<Posting>),
    /// Begin a bill run, and note what is committed; a second one of the same number changes nothing.
    BillRun(BillRun),
    /// Insert a bill, and lower un-billed usage by it; a second one of the same run and account changes
    /// nothing.
    Bill(Box<Bill>),
    /// All bills of a run are made.
    BillRunDone(u32),
    /// Insert a plan of instalments; a second one of the same id changes nothing.
    Instalments(Box<InstalmentPlan>),
    /// Insert or replace a binding.
    Binding(Box<BindingRecord>),
    /// Delete a binding by line and contact.
    BindingGone(LineId, String),
    /// Insert or replace a device.
    Device(Box<Device>),
    /// Delete a device.
    DeviceGone(DeviceId),
    /// Insert or replace a lock-out.
    LockOut(Box<LockOut>),
    /// Delete a lock-out.
    LockOutGone(LockScope),
    /// Insert or replace a ban.
    Ban(Box<Ban>),
    /// Delete a ban.
    BanGone(IpNet),
    /// Append a fact.
    Fact(UnixMicros, Fact),
    /// The node lives, and calls are being metered: moves the newest time in the store, nothing else.
    Alive(UnixMicros),
    /// Insert or replace an account.
    Account(Box<Account>),
    /// Append what stands for an account from now on; the same told again changes nothing.
    Standing(Box<Standing>),
    /// Append what stands for a line from now on; the same told again changes nothing.
    LineStanding(Box<LineStanding>),
    /// Append what stands for a trunk from now on; the same told again changes nothing.
    TrunkStanding(TrunkStanding),
    /// Calls up to this link of the chain were audited: moves the mark forward, never back.
    Audited(u64),
    /// Insert or replace what is beneath an account's controls; delete it when there is nothing.
    Raises(Box<AccountRaises>),
    /// Insert or replace a request.
    ControlRequest(Box<ControlRequest>),
    /// Insert or replace a web user.
    WebUser(Box<WebUser>),
    /// Insert or replace a line.
    Line(Box<Line>),
    /// Insert or replace a reseller.
    Reseller(Box<Reseller>),
    /// Insert or replace a number.
    Number(Number),
    /// Delete a number.
    NumberGone(E164),
    /// Insert or replace a trunk.
    Trunk(Box<Trunk>),
    /// A deck, all rows of it, as it stands from this moment on; the same told again changes nothing. What stood
    /// before stays on record.
    Deck(UnixMicros, Box<Deck>),
    /// Append how a contact stands from now on; the same told again changes nothing.
    Contact(Box<Contact>),
    /// Insert or replace an alert.
    Alert(Box<Alert>),
    /// Alerts were derived from all facts up to this number.
    AlertMark(u64),
    /// Insert or replace an answer that is kept for a repeated request.
    KeptAnswer(Box<KeptAnswer>),
    /// Delete kept answers of requests before this time.
    KeptAnswersGone(UnixMicros),
}

/// Settled spending of an account in a stretch of time, for the rolling windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spending {
    /// Whose.
    pub account: AccountId,
    /// When (CDR end; the start of a five-minute stretch when summed up).
    pub at: UnixMicros,
    /// How much.
    pub amount: Money,
    /// Did it count as costly?
    pub costly: bool,
}

/// What the node needs in memory at the start, as read from the store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// All accounts, closed ones too: their names and ids are not given again.
    pub accounts: Vec<Account>,
    /// What is beneath their controls, where something does not last.
    pub raises: Vec<AccountRaises>,
    /// Requests that nobody has looked at yet.
    pub requests: Vec<ControlRequest>,
    /// The highest number of a request.
    pub last_request: u32,
    /// Their lines.
    pub lines: Vec<Line>,
    /// Who sells to accounts in the provider's place.
    pub resellers: Vec<Reseller>,
    /// Their numbers.
    pub numbers: Vec<Number>,
    /// All trunks.
    pub trunks: Vec<Trunk>,
    /// All decks.
    pub decks: Vec<Deck>,
    /// Bindings that have not ended.
    pub bindings: Vec<BindingRecord>,
    /// Devices of all accounts.
    pub devices: Vec<Device>,
    /// Lock-outs that have not ended.
    pub lock_outs: Vec<LockOut>,
    /// Bans that have not ended, and those that ended less than a day ago.
    pub bans: Vec<Ban>,
    /// Open holds.
    pub holds: Vec<Hold>,
    /// Spending of the last seven days and one hour.
    pub spending: Vec<Spending>,
    /// The same of each line that has stop levels of its own.
    pub line_spending: Vec<(LineId, Spending)>,
    /// Un-billed usage by account, where it is not nothing: charges less adjustments, not billed yet.
    /// Negative where more was given back than used.
    pub unbilled: Vec<(AccountId, Money)>,
    /// The run of the newest bill of each account that has one.
    pub last_bills: Vec<(AccountId, u32)>,
    /// The newest bill run; 0 if there is none.
    pub last_bill_run: u32,
    /// Calls to hotspots of the last twelve hours: account, when.
    pub hotspot_calls: Vec<(AccountId, UnixMicros)>,
    /// International countries each account called before, for "never called before".
    pub countries_called: Vec<(AccountId, crate::number::Region)>,
    /// The highest decision id in the store.
    pub last_decision: DecisionId,
    /// The newest time in the store: the last that is known of the program that wrote it.
    pub newest: UnixMicros,
}
