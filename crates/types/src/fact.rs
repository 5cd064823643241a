//! What changed or was noticed, for people and for later evidence. Lives here: every fact. Never here: who is told, in
//! which words.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::access::{Ban, LockOut, LockScope};
use crate::check_up::{CheckPoint, OpenPort};
use crate::controls::{By, Changed};
use crate::ids::{AccountId, ContactId, DecisionId, DeckId, DeviceId, LineId, ResellerId, TrunkId};
use crate::money::Money;
use crate::number::E164;
use crate::recovery::{RecoveryReport, RecoveryStep, StepWord};
use crate::stop_level::LevelNotice;
use crate::time::UnixMicros;

/// A phone that still uses a secret that was changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StalePhone {
    /// On which line.
    pub line: LineId,
    /// The line's user name.
    pub user: String,
    /// What it says it is.
    pub agent: String,
    /// Where it is.
    pub peer: SocketAddr,
    /// When the secret that it uses was changed.
    pub changed: UnixMicros,
}

/// Anything else that changed or was noticed; kept for people and for later evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "kebab-case")]
pub enum Fact {
    /// The node started; `recovered` calls were live before.
    Started {
        /// Calls found held.
        recovered: u32,
    },
    /// The node stopped in good order.
    Stopped,
    /// Un-billed usage crossed the warning level, or a multiple of it.
    WarningLevel {
        /// Whose.
        account: AccountId,
        /// The level crossed.
        level: Money,
        /// Spent and running.
        usage: Money,
    },
    /// Spending and holds have come near a stop level.
    StopLevelNear(LevelNotice),
    /// A call was refused, or ends, at a stop level.
    StopLevelReached(LevelNotice),
    /// A call was cut because no more money could be held.
    MoneyEnded {
        /// Whose.
        account: AccountId,
        /// Which call.
        decision: DecisionId,
    },
    /// A phone was registered at a new place.
    Registered {
        /// Whose.
        account: AccountId,
        /// On which line.
        line: LineId,
        /// From where.
        peer: SocketAddr,
        /// What it says it is.
        user_agent: String,
    },
    /// A device showed the secret of a line for the first time.
    NewDevice {
        /// Whose.
        account: AccountId,
        /// On which line.
        line: LineId,
        /// Which.
        device: DeviceId,
        /// From where.
        peer: SocketAddr,
        /// What it says it is.
        agent: String,
        /// Has the account not had a device of this name before?
        new_agent: bool,
        /// Has the account not had a device at this address before?
        new_address: bool,
        /// Does the holder want to be told?
        tell: bool,
    },
    /// A known device is at another address, or says that it is something else.
    DeviceMoved {
        /// Whose.
        account: AccountId,
        /// Which.
        device: DeviceId,
        /// From where now.
        peer: SocketAddr,
        /// What it says it is now.
        agent: String,
        /// Has the account not had a device of this name before?
        new_agent: bool,
        /// Has the account not had a device at this address before?
        new_address: bool,
        /// Does the holder want to be told?
        tell: bool,
    },
    /// Somebody said whose a device is, or its first time is over.
    DeviceChanged {
        /// Whose.
        account: AccountId,
        /// Which.
        device: DeviceId,
        /// What changed, in words.
        change: String,
    },
    /// A banned device showed a right secret: told once an hour.
    BannedDeviceTried {
        /// Whose.
        account: AccountId,
        /// On which line.
        line: LineId,
        /// Which.
        device: DeviceId,
        /// From where.
        peer: SocketAddr,
    },
    /// A switch was recognised on a line of phones: its owner may want the line to be of kind PBX.
    PbxRecognised {
        /// Whose.
        account: AccountId,
        /// On which line.
        line: LineId,
        /// Which kind, as `Asterisk`.
        family: String,
    },
    /// Phones of the account still use a secret that was changed.
    StaleSecrets {
        /// Whose.
        account: AccountId,
        /// All that were heard.
        phones: Vec<StalePhone>,
    },
    /// A stranger showed a secret that was changed: it has leaked. Told once an hour and address.
    OldSecretLeaked {
        /// Whose.
        account: AccountId,
        /// On which line.
        line: LineId,
        /// From where.
        peer: SocketAddr,
        /// What it says it is.
        agent: String,
        /// When the secret was changed.
        changed: UnixMicros,
    },
    /// A right secret was shown from outside of the IP lock. Told once an hour and address.
    OutsideLock {
        /// Whose.
        account: AccountId,
        /// On which line.
        line: LineId,
        /// From where.
        peer: SocketAddr,
    },
    /// Log-ins are refused for a while.
    LockedOut {
        /// Whose user name it is, if anybody's.
        account: Option<AccountId>,
        /// Which, and until when.
        lock: LockOut,
    },
    /// A lock-out was lifted before its time.
    LockLifted {
        /// Whose user name it is, if anybody's.
        account: Option<AccountId>,
        /// Which.
        scope: LockScope,
    },
    /// A secret is old.
    SecretAge {
        /// Whose.
        account: AccountId,
        /// Of which line.
        line: LineId,
        /// Days since it was set.
        days: u32,
    },
    /// Nothing is read from a source any more.
    Banned {
        /// Which, why, and until when.
        ban: Ban,
    },
    /// A ban was lifted before its time.
    BanLifted {
        /// Whose.
        source: IpNet,
    },
    /// A trunk changed between reachable and not.
    TrunkReachable {
        /// Which.
        trunk: TrunkId,
        /// Is it now?
        reachable: bool,
    },
    /// An account was made or changed by command.
    AccountChanged {
        /// Which.
        account: AccountId,
        /// What changed, in words.
        change: String,
    },
    /// Controls were changed to what allows more; told to the holder also where he could be reached before.
    Raised {
        /// Whose.
        account: AccountId,
        /// What.
        changes: Vec<Changed>,
        /// Until when; `None`: for good.
        until: Option<UnixMicros>,
        /// By whom.
        by: By,
        /// Why, in words; may be empty.
        why: String,
    },
    /// Controls were changed to what allows less.
    Lowered {
        /// Whose.
        account: AccountId,
        /// What.
        changes: Vec<Changed>,
        /// By whom.
        by: By,
        /// Why, in words; may be empty.
        why: String,
    },
    /// The time of a raise was over: what stood before stands again.
    RaiseEnded {
        /// Whose.
        account: AccountId,
        /// What.
        changes: Vec<Changed>,
    },
    /// A holder asks for more than he may give himself.
    RequestMade {
        /// Whose.
        account: AccountId,
        /// Number of the request.
        request: u32,
        /// What he asks for.
        asked: Vec<Changed>,
    },
    /// Staff carried a request out.
    RequestApproved {
        /// Whose.
        account: AccountId,
        /// Number of the request.
        request: u32,
        /// By whom.
        by: By,
        /// Why.
        reason: String,
    },
    /// Staff refused a request.
    RequestRefused {
        /// Whose.
        account: AccountId,
        /// Number of the request.
        request: u32,
        /// By whom.
        by: By,
        /// Why.
        reason: String,
    },
    /// A line was made or changed by command.
    LineChanged {
        /// Whose.
        account: AccountId,
        /// Which.
        line: LineId,
        /// What changed, in words; never the secret.
        change: String,
    },
    /// A reseller was made or changed by command.
    ResellerChanged {
        /// Which.
        reseller: ResellerId,
        /// What changed, in words.
        change: String,
    },
    /// A number was assigned or taken back.
    NumberChanged {
        /// Whose.
        account: AccountId,
        /// Which.
        number: E164,
        /// What changed, in words.
        change: String,
    },
    /// A trunk was made or changed by command.
    TrunkChanged {
        /// Which.
        trunk: TrunkId,
        /// What changed, in words; never the secret.
        change: String,
    },
    /// A call cost more than was held for it: the node was not there to cut it, or was held up.
    Overrun {
        /// Whose.
        account: AccountId,
        /// Which call.
        decision: DecisionId,
        /// By how much.
        amount: Money,
    },
    /// The auditor found that a call does not fit what stood for it.
    AuditMismatch {
        /// Whose.
        account: AccountId,
        /// Which call.
        decision: DecisionId,
        /// What does not fit, a sentence each.
        what: Vec<String>,
        /// What was charged.
        price: Money,
        /// Is the call given back for it?
        freed: bool,
    },
    /// Staff have looked at what the auditor found.
    MismatchSeen {
        /// Whose.
        account: AccountId,
        /// Which call.
        decision: DecisionId,
        /// Who.
        by: String,
        /// What they say about it.
        note: String,
    },
    /// A holder says that he did not make a call: staff look at it.
    CallReported {
        /// Whose.
        account: AccountId,
        /// Which call.
        decision: DecisionId,
        /// Who says so: a web user.
        by: String,
        /// What he says about it; may be empty.
        words: String,
    },
    /// A token of a holder's programs was made, revoked, or is otherwise now.
    TokenChanged {
        /// Whose.
        account: AccountId,
        /// The web user whose token it is.
        user: String,
        /// What changed, in words; never the token.
        change: String,
    },
    /// A holder says that something is wrong, and goes through the steps out of it.
    RecoveryStarted {
        /// Whose.
        account: AccountId,
        /// Which of the account: 1 for the first.
        recovery: u32,
        /// Who: a web user.
        by: String,
    },
    /// What a holder says of a step.
    RecoveryStepSaid {
        /// Whose.
        account: AccountId,
        /// Which recovery of the account.
        recovery: u32,
        /// Which step.
        step: RecoveryStep,
        /// What he says of it.
        word: StepWord,
        /// Who: a web user.
        by: String,
        /// Why it is left, or what else he says; may be empty.
        words: String,
    },
    /// A recovery ended in a report to support.
    RecoveryReported {
        /// Whose.
        account: AccountId,
        /// All of it.
        report: Box<RecoveryReport>,
    },
    /// A recovery ended without a report: nothing was wrong.
    RecoveryEnded {
        /// Whose.
        account: AccountId,
        /// Which recovery of the account.
        recovery: u32,
        /// Who says so: a web user.
        by: String,
        /// Why.
        why: String,
    },
    /// What a holder says of a point of the check-up.
    CheckUpSaid {
        /// Whose.
        account: AccountId,
        /// Which point.
        point: CheckPoint,
        /// Is it done?
        is_done: bool,
        /// Who: a web user.
        by: String,
    },
    /// The address of a phone was looked at from outside, because its holder asked for it.
    PortsChecked {
        /// Whose.
        account: AccountId,
        /// Which address.
        address: IpAddr,
        /// Who asked: a web user.
        by: String,
        /// How many ports were tried.
        tried: u32,
        /// Those that answered.
        open: Vec<OpenPort>,
    },
    /// A rate deck was imported.
    DeckImported {
        /// Which.
        deck: DeckId,
        /// Rows added, changed and removed, in words.
        change: String,
    },
    /// Who is told was changed; the contact before it is told as well.
    ContactChanged {
        /// Whose; `None`: the platform's.
        account: Option<AccountId>,
        /// Which.
        contact: ContactId,
        /// What changed, in words.
        change: String,
        /// By whom.
        by: By,
        /// Why, in words; may be empty.
        why: String,
    },
    /// Somebody wants to see whether a contact is reached.
    AlertTested {
        /// Whose; `None`: the platform's.
        account: Option<AccountId>,
        /// Which.
        contact: ContactId,
        /// Who.
        by: By,
    },
    /// An alert could not be delivered for so long that it is not tried again.
    AlertGivenUp {
        /// Whose; `None`: the platform's.
        account: Option<AccountId>,
        /// To whom.
        contact: ContactId,
        /// Which, as `812-7`.
        alert: String,
        /// Where to, without what may be a secret.
        channel: String,
        /// What the last try came to.
        why: String,
    },
}
