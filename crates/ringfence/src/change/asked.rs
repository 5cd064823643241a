//! Changes as asked: things are named as people name them. They travel over the control socket.
//! Never here: what is to be done for one.

use engine::{
    AuditReport, BanOrder, CallReport, ForeignLogIn, LockOrder, PlanOrder, PostOrder, Seen,
    TrialEnd,
};
use serde::{Deserialize, Serialize};
use types::account::Ha1;
use types::{
    AccountId, AccountStatus, Bill, By, Controls, DecisionId, DeviceId, DialPlan, E164, LineId,
    LineKind, LineStatus, RateRow, Trunk, TrunkId, UnixMicros, UserNote, WebUser,
};

use super::Lift;

/// A change, as asked. Things are named as people name them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// A new account.
    AddAccount(Box<NewAccount>),
    /// Some settings of an account.
    SetAccount {
        /// Id or name.
        account: String,
        /// Names and values.
        settings: Vec<(String, String)>,
        /// Who wants it so.
        wish: Wish,
    },
    /// Controls back to what they were.
    SetControls {
        /// Id or name.
        account: String,
        /// What they shall be.
        settings: Vec<types::Setting>,
        /// Who wants it so.
        wish: Wish,
    },
    /// An IP lock to try.
    TryLock(Box<LockOrder>),
    /// What becomes of the one on trial.
    EndTrial(Box<TrialEnd>),
    /// What staff say to a request.
    JudgeRequest {
        /// Its number.
        request: u32,
        /// Is it to be carried out?
        approve: bool,
        /// Who says so, why, and until when.
        wish: Wish,
    },
    /// What an account may do at all.
    SetStatus {
        /// Id or name.
        account: String,
        /// The status.
        status: AccountStatus,
        /// Who wants it so, and why.
        wish: Wish,
    },
    /// A new reseller.
    AddReseller {
        /// What staff call it.
        name: String,
        /// Names and values of its levels.
        settings: Vec<(String, String)>,
    },
    /// Some settings of a reseller.
    SetReseller {
        /// Id or name.
        reseller: String,
        /// Names and values.
        settings: Vec<(String, String)>,
    },
    /// New lines; accounts that are missing are made from the template, if there is one.
    AddLines {
        /// The lines.
        lines: Vec<NewLine>,
        /// For accounts that are missing.
        template: Option<Box<NewAccount>>,
    },
    /// Some things about a line.
    SetLine {
        /// User name.
        user: String,
        /// What.
        settings: Vec<LineSetting>,
        /// For a line that becomes SIP2SIM: who consented to its secret being given away, and how.
        consent: Option<String>,
        /// Who wants it so.
        by: By,
        /// Why, for the line's history; may be empty.
        why: String,
    },
    /// A new secret of a line.
    SetSecret {
        /// User name.
        user: String,
        /// Its verifiers.
        ha1: Ha1,
        /// For whom the one before keeps working.
        overlap: Option<OverlapFor>,
    },
    /// A web user as he is from now on, and what of him changed.
    PutWebUser(Box<WebUser>, UserNote),
    /// Secrets are written again, so that they are sealed with the newest key.
    Reseal {
        /// Of these lines.
        lines: Vec<LineId>,
        /// Of these trunks.
        trunks: Vec<TrunkId>,
    },
    /// A number of ours.
    AddNumber {
        /// The number.
        number: E164,
        /// Id or name.
        account: String,
        /// User name of the line that rings; none: all lines.
        line: Option<String>,
    },
    /// A number that is no longer ours.
    RemoveNumber(E164),
    /// A new trunk; its id is chosen here.
    AddTrunk {
        /// The trunk, but for id and deck.
        trunk: Box<Trunk>,
        /// Name or id of the deck that it charges by.
        cost_deck: Option<String>,
    },
    /// Some settings of a trunk.
    SetTrunk {
        /// Id or name.
        trunk: String,
        /// Names and values.
        settings: Vec<(String, String)>,
    },
    /// All rows of a deck.
    ImportDeck {
        /// Its name; a new one is made.
        name: String,
        /// The rows.
        rows: Vec<RateRow>,
    },
    /// Move money.
    Post(Box<PostOrder>),
    /// Make a debt into instalments.
    PutPlan(Box<PlanOrder>),
    /// Begin a bill run; its number is chosen here.
    BeginBillRun {
        /// The day up to which it bills, as midnight UTC.
        day: UnixMicros,
        /// Of this account only.
        only: Option<AccountId>,
    },
    /// Take bills of a run.
    PutBills(Vec<Bill>),
    /// All bills of a run are made.
    EndBillRun(u32),
    /// Take what the auditor found.
    Audited(Box<AuditReport>),
    /// Keep that staff looked at it.
    Seen(Box<Seen>),
    /// Keep that a holder did not make a call.
    ReportCall(Box<CallReport>),
    /// Keep what a holder does about trouble.
    KeepOfHolder(Box<types::Fact>),
    /// Hang up.
    Cut(DecisionId),
    /// Whose a device is.
    JudgeDevice {
        /// Which.
        device: DeviceId,
        /// Is it the holder's?
        is_mine: bool,
    },
    /// Lock-outs that end before their time.
    LiftLockOuts {
        /// As `access locks` shows one; or a user name, or an address: all of it.
        what: String,
    },
    /// Log-ins that failed elsewhere.
    NoteLogIns(Vec<ForeignLogIn>),
    /// Read nothing from a source.
    Ban(Box<BanOrder>),
    /// Lift a ban.
    LiftBan(Lift),
}

/// Who wants controls to be otherwise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wish {
    /// Who.
    pub by: By,
    /// Why, for the account's history; may be empty.
    pub why: String,
    /// Until when, as it was typed: see `until`.
    pub until: Option<String>,
}

/// A new account, before it has an id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewAccount {
    /// What people call it.
    pub name: String,
    /// What bounds its loss.
    pub controls: Controls,
    /// How its people dial.
    pub dial_plan: DialPlan,
    /// Name or id of the deck it is charged by; none: the only one there is.
    pub deck: Option<String>,
    /// IANA name.
    pub time_zone: String,
}

/// A new line, before it has an id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct NewLine {
    /// Id or name of its account.
    pub account: String,
    /// User name, canonical.
    pub user: String,
    /// Verifiers of its secret.
    pub ha1: Ha1,
    /// Number shown.
    pub caller_id: Option<E164>,
    /// What sits at its end.
    pub kind: LineKind,
    /// Networks from which it may be used.
    pub ip_lock: Vec<ipnet::IpNet>,
    /// For a SIP2SIM line: who consented to its secret being given away, and how.
    pub consent: Option<String>,
    /// What is kept in its history: an exception.
    pub note: Option<String>,
}

impl NewLine {
    /// A phone's line with nothing special about it.
    pub fn phone(account: String, user: String, ha1: Ha1) -> NewLine {
        let (kind, ip_lock) = (LineKind::Phone, Vec::new());
        NewLine { account, user, ha1, caller_id: None, kind, ip_lock, consent: None, note: None }
    }
}

/// How long phones may go on with the secret before.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OverlapFor {
    /// From now on.
    pub ms: u64,
    /// Which devices.
    pub devices: Vec<DeviceId>,
}

/// One thing about a line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LineSetting {
    /// May it be used?
    Status(LineStatus),
    /// What sits at its end.
    Kind(LineKind),
    /// May it be used by TLS and WSS only?
    TlsOnly(bool),
    /// Is MD5 refused?
    Sha256Only(bool),
    /// Number shown.
    CallerId(Option<E164>),
    /// Networks from which it may be used.
    IpLock(Vec<ipnet::IpNet>),
    /// A stop level of its own: name and value.
    StopLevel(String, String),
}
