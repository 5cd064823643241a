//! A call as two dialogs that know each other. Lives here: legs, forks, answers, relayed requests,
//! hang-up. Never here: money, accounts, where a number leads, the store.
//!
//! ```text
//!                 prepare_leg, start_leg           2xx of a leg
//!   Routing ───────────────────────────► Routing ───────────────► Answered
//!      │  CANCEL, refused, no answer        │                        │ BYE, cut, session expired
//!      └───────────────► Ending ◄───────────┴────────────────────────┘
//!                           │ every INVITE has its final response, every BYE its answer
//!                           ▼
//!                       Finished
//! ```
//!
//! The owner of a call (crate `edge`) prepares legs, lets the store write, starts them, and hears
//! of what happens through [`CallEvent`]s. The transaction layer is lent to each method in [`Wire`].

mod answer;
mod compose;
mod dialogs;
mod hangup;
mod invite;
mod key;
mod late_answer;
mod probe;
mod refusal;
mod relay;
mod sessions;
mod settings;
mod snapshot;

use types::Tick;
use types::cdr::{HangupCause, HangupSide};

use crate::dialog::Dialog;
use crate::flow::Flow;
use crate::message::Message;
use crate::session_timer::{Granted, Offered, SessionTimer};
use crate::transaction::{ClientTx, ServerTx};

pub use compose::{OwnedMethod, Reply};
pub use invite::credentials_for;
pub use key::{CallKey, Purpose, Side, User, local_tag, read_tag};
pub use late_answer::{acknowledge_refused, hang_up_untracked, refuse_answer};
pub use probe::Presence;
pub use settings::{HostPort, Listener, Settings, Wire};
pub use snapshot::{CallSnapshot, LegSnapshot};

/// Most legs a call may ever have, failed ones included.
pub const MAX_LEGS: usize = 24;
/// Most early dialogs of a call.
const MAX_FORKS: usize = 2 * MAX_LEGS;
/// Most requests under way within a call's dialogs, each way.
const MAX_RELAYS: u8 = 8;

/// A message body as it came, passed on untouched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Its Content-Type.
    pub content_type: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Body {
    /// The body of a message; `None` when it is empty.
    pub fn of(message: &Message<'_>) -> Option<Body> {
        if message.body.is_empty() {
            return None;
        }
        let content_type = message.content_type().unwrap_or("application/sdp").to_owned();
        Some(Body { content_type, bytes: message.body.to_vec() })
    }
}

/// What kind of peer a leg leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerKind {
    /// A carrier, with the credentials it gave us.
    Trunk(Option<Credentials>),
    /// A phone of ours.
    Phone,
}

/// Credentials for a carrier's challenges.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// User name.
    pub user: String,
    /// Secret.
    pub secret: String,
    /// The one realm whose challenges are answered (A5).
    pub realm: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}, ..)", self.realm)
    }
}

/// Where a leg goes and how its INVITE looks: typed fields, nothing of the caller's headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegPlan {
    /// The way there.
    pub flow: Flow,
    /// Request-URI.
    pub request_uri: String,
    /// Route values, in order.
    pub routes: Vec<String>,
    /// URI in From.
    pub from_uri: String,
    /// Display name in From, without quotes.
    pub display: Option<String>,
    /// URI in To.
    pub to_uri: String,
    /// URI in P-Asserted-Identity, towards carriers.
    pub identity: Option<String>,
    /// Ask for privacy of the identity (RFC 3323/3325)?
    pub private: bool,
    /// Kind of peer.
    pub peer: PeerKind,
    /// Without any response within this time the leg counts as failed.
    pub silence_ms: Option<u64>,
    /// The owner's own mark, such as the number of a trunk.
    pub mark: u32,
}

/// How far a leg has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegState {
    /// Identifiers drawn, nothing sent.
    Prepared,
    /// INVITE sent.
    Calling,
    /// A response above 100 came.
    Ringing,
    /// Given up: CANCEL sent or to be sent, waiting for the final response.
    Cancelling,
    /// It won the call.
    Answered,
    /// A final response came, or time ran out.
    Over,
}

/// One attempt to reach the called side.
#[derive(Debug)]
pub struct Leg {
    /// Where it goes.
    pub plan: LegPlan,
    /// How far it has come.
    pub state: LegState,
    /// Its Call-ID.
    pub call_id: String,
    /// Our tag in its From.
    pub local_tag: String,
    /// User-Agent or Server of the peer, once heard.
    pub user_agent: String,
    invite: ClientTx,
    cseq: u32,
    heard: bool,
    silence_deadline: Tick,
    session: Offered,
    challenges_answered: u8,
}

/// A pair of dialogs, one on each side, that belong together.
#[derive(Clone, Debug)]
pub struct Fork {
    leg: u8,
    caller: Dialog,
    callee: Dialog,
    /// Was it answered too late, and hung up?
    refused: bool,
}

/// The a-leg's INVITE and what it said.
#[derive(Debug)]
struct Caller {
    invite: Option<ServerTx>,
    dialog: Dialog,
    offer: Option<Body>,
    max_forwards: u8,
    reliable_provisionals: bool,
    session: Granted,
}

/// A 2xx of ours to an INVITE, repeated until its ACK comes (RFC 3261 §13.3.1.4).
#[derive(Debug)]
struct Unacked {
    to: Side,
    cseq: u32,
    flow: Flow,
    bytes: Vec<u8>,
    next: Tick,
    interval_ms: u64,
    until: Tick,
    ack_owed: Option<u32>,
}

/// What a request within the dialog asks of the other side: all of it that is passed on, typed, so
/// that it can wait, and be sent again with credentials.
#[derive(Debug)]
struct Asked {
    method: OwnedMethod,
    server: ServerTx,
    cseq: u32,
    /// Which reliable provisional response a PRACK acknowledges.
    rseq: Option<u32>,
    /// The session timer that the asking side is granted, if this refreshes the session.
    granted: Option<Granted>,
    body: Option<Body>,
}

/// A request within the dialog on its way to the other side.
#[derive(Debug)]
struct Relay {
    id: u8,
    to: Side,
    fork: u8,
    asked: Asked,
    client: ClientTx,
    cseq: u32,
    challenged: bool,
}

/// A re-INVITE that came before the ACKs of the INVITE before it had gone all the way.
#[derive(Debug)]
struct Waiting {
    from: Side,
    fork: u8,
    asked: Asked,
}

/// What keeps one side's session alive.
#[derive(Clone, Copy, Debug)]
struct Session {
    timer: SessionTimer,
    /// Does the peer know session timers? Then we refresh with UPDATE, else we ask with OPTIONS.
    peer_knows: bool,
}

/// The last ACK sent to a side, to be repeated with each repeated 2xx.
#[derive(Debug, Default)]
struct LastAck {
    cseq: u32,
    flow: Option<Flow>,
    bytes: Vec<u8>,
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before the answer.
    Routing,
    /// Both sides talk.
    Answered,
    /// Over for people; the wire still has to be tidied.
    Ending,
}

/// How a call is refused.
#[derive(Clone, Copy, Debug)]
pub struct Refused<'a> {
    /// SIP status.
    pub status: u16,
    /// Reason phrase; `None`: the usual one.
    pub phrase: Option<&'a str>,
    /// Value of the Reason header.
    pub reason: Option<&'a str>,
}

impl Refused<'_> {
    /// Without words of its own.
    pub const fn plain(status: u16) -> Refused<'static> {
        Refused { status, phrase: None, reason: None }
    }
}

/// What the owner of a call hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallEvent {
    /// A leg was answered and the caller told; the money runs.
    Answered {
        /// Which leg.
        leg: u8,
    },
    /// A leg was answered when nobody waited for it any more, or in a way that cannot be used. It was
    /// hung up on at once; a carrier bills it all the same.
    AnsweredInVain {
        /// Which leg.
        leg: u8,
    },
    /// The INVITE of a leg went out again, with credentials or a longer session: a CANCEL after a
    /// restart has to name this one.
    InvitedAgain,
    /// A leg failed with this status; the owner prepares another or rejects the call.
    LegFailed {
        /// Which leg.
        leg: u8,
        /// The status; 408 when nothing came.
        status: u16,
    },
    /// The call is over for people. Nothing more is charged from here on.
    Over {
        /// Who ended it.
        side: HangupSide,
        /// Why.
        cause: HangupCause,
        /// The final status the caller got.
        status: u16,
    },
    /// Nothing of the call is left on the wire; its place may be given away.
    Finished,
}

/// Is a request of the dialog that its tags name?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialogCheck {
    /// It is, and it came on the dialog's own flow.
    SameFlow,
    /// It is, but it came another way: fresh credentials are wanted (F6).
    OtherFlow,
    /// It is not.
    Unknown,
}

/// A call: one caller, legs towards the called side, at most one answer.
#[derive(Debug)]
pub struct Call {
    key: CallKey,
    phase: Phase,
    caller: Caller,
    legs: Vec<Leg>,
    forks: Vec<Fork>,
    winner: Option<u8>,
    relays: Vec<Relay>,
    /// At most one: a second one is refused.
    waiting: Option<Waiting>,
    unacked: Vec<Unacked>,
    last_acks: [LastAck; 2],
    sessions: [Option<Session>; 2],
    presence: [Presence; 2],
    /// When a call that was taken up asks its sides whether they are there.
    probe_at: Tick,
    ring_deadline: Tick,
    byes_open: u8,
    bye_caller_after_ack: bool,
    /// Value of the Reason header in every BYE of ours, once we have hung up.
    bye_reason: Option<String>,
    tidy_deadline: Tick,
    /// Has the owner put the answer on record?
    on_record: bool,
    /// The ACK that waits for it: CSeq of the callee's 2xx, and the caller's answer if that is in it.
    ack_withheld: Option<(u32, Option<Body>)>,
    finished: bool,
}

impl Leg {
    /// Has the peer said anything at all?
    pub fn was_heard(&self) -> bool {
        self.heard
    }
}

impl Call {
    /// Where it lives.
    pub fn key(&self) -> CallKey {
        self.key
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Its legs, in the order they were prepared.
    pub fn legs(&self) -> &[Leg] {
        &self.legs
    }

    /// The leg that was answered.
    pub fn winning_leg(&self) -> Option<&Leg> {
        let fork = &self.forks[usize::from(self.winner?)];
        self.legs.get(usize::from(fork.leg))
    }

    /// The caller's dialog before any answer: Call-ID, tags and flow of the a-leg.
    pub fn caller_dialog(&self) -> &Dialog {
        &self.caller.dialog
    }

    /// The caller's INVITE transaction while it has no final response.
    pub fn caller_invite(&self) -> Option<ServerTx> {
        self.caller.invite
    }

    /// When [`Call::handle_timeout`] wants to be called next.
    pub fn next_timeout(&self) -> Tick {
        let silence = self
            .legs
            .iter()
            .filter(|leg| leg.state == LegState::Calling && !leg.heard)
            .map(|leg| leg.silence_deadline);
        let repeats = self.unacked.iter().map(|unacked| unacked.next.min(unacked.until));
        let sessions = self.sessions.iter().flatten().map(|session| session.timer.next_timeout());
        let phase = match self.phase {
            Phase::Routing => self.ring_deadline,
            Phase::Answered => self.probe_at,
            Phase::Ending => self.tidy_deadline,
        };
        silence.chain(repeats).chain(sessions).fold(phase, Tick::min)
    }

    fn user(&self, purpose: Purpose) -> u64 {
        User { call: self.key, purpose }.pack()
    }
}

const fn index_of(side: Side) -> usize {
    match side {
        Side::Caller => 0,
        Side::Callee => 1,
    }
}
