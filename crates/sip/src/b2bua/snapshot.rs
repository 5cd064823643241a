//! What survives a restart: enough of a call to hang it up or go on with it. Lives here: the
//! serialised form, adoption. Never here: when it is written.

use serde::{Deserialize, Serialize};
use types::Tick;

use crate::dialog::Dialog;
use crate::flow::Flow;
use crate::message::{Message, Method, Name, Refresher, print};
use crate::session_timer::{self, Granted};
use crate::transaction::Transactions;

use super::{
    Call, CallKey, Caller, Fork, LastAck, Leg, LegPlan, LegState, PeerKind, Phase, Presence,
    Session, Side, Wire, compose,
};

/// CSeq numbers that we may have used since the snapshot was written: BYE must be above them.
const CSEQ_MARGIN: u32 = 1_000;

/// The INVITE of a leg that has not been answered, as far as a CANCEL needs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegSnapshot {
    /// The way there.
    pub flow: Flow,
    /// Request-URI.
    pub request_uri: String,
    /// Route values.
    pub routes: Vec<String>,
    /// Branch of the INVITE.
    pub branch: String,
    /// URI and tag of From.
    pub from_uri: String,
    /// Our tag.
    pub local_tag: String,
    /// URI of To.
    pub to_uri: String,
    /// Call-ID.
    pub call_id: String,
    /// CSeq of the INVITE.
    pub cseq: u32,
}

/// What survives a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallSnapshot {
    /// Not answered: the legs that may ring.
    Pending(Vec<LegSnapshot>),
    /// Answered: both dialogs.
    Answered {
        /// The a-leg.
        caller: Box<Dialog>,
        /// The b-leg.
        callee: Box<Dialog>,
        /// The owner's mark of the leg that was answered.
        mark: u32,
        /// Which of them, a-leg first, keep session timers, and so take UPDATE.
        timers: [bool; 2],
    },
}

impl Call {
    /// What is to be written with the call's hold.
    pub fn snapshot(&self, transactions: &Transactions) -> CallSnapshot {
        if let Some(winner) = self.winner {
            let fork = &self.forks[usize::from(winner)];
            return CallSnapshot::Answered {
                caller: Box::new(fork.caller.clone()),
                callee: Box::new(fork.callee.clone()),
                mark: self.legs[usize::from(fork.leg)].plan.mark,
                timers: self.sessions.map(|session| session.is_some_and(|one| one.peer_knows)),
            };
        }
        let open = |leg: &&Leg| leg.state != LegState::Over;
        let snapshot = |leg: &Leg| LegSnapshot {
            flow: leg.plan.flow,
            request_uri: leg.plan.request_uri.clone(),
            routes: leg.plan.routes.clone(),
            branch: transactions.branch(leg.invite).to_string(),
            from_uri: leg.plan.from_uri.clone(),
            local_tag: leg.local_tag.clone(),
            to_uri: leg.plan.to_uri.clone(),
            call_id: leg.call_id.clone(),
            cseq: leg.cseq,
        };
        CallSnapshot::Pending(self.legs.iter().filter(open).map(snapshot).collect())
    }

    /// Takes up an answered call after a restart. Session timers start anew, as probes.
    pub fn adopt(
        key: CallKey,
        mut caller: Dialog,
        mut callee: Dialog,
        peer: PeerKind,
        (mark, timers): (u32, [bool; 2]),
        wire: &mut Wire<'_>,
    ) -> Option<Call> {
        caller.local_cseq = caller.local_cseq.saturating_add(CSEQ_MARGIN);
        callee.local_cseq = callee.local_cseq.saturating_add(CSEQ_MARGIN);
        forget_connection(&mut caller.flow);
        forget_connection(&mut callee.flow);
        let invite = wire.transactions.new_client(super::User::FOREIGN).ok()?;
        wire.transactions.discard(invite);
        let policy = &wire.settings.session;
        let session = Granted {
            seconds: policy.session_expires_s,
            refresher: Refresher::Uas,
            require: false,
        };
        let leg = Leg {
            plan: adopted_plan(&callee, peer, mark),
            state: LegState::Answered,
            call_id: callee.call_id.clone(),
            local_tag: callee.local_tag.clone(),
            user_agent: String::new(),
            invite,
            cseq: callee.local_cseq,
            heard: true,
            silence_deadline: Tick::NEVER,
            session: session_timer::offer(policy, None),
            challenges_answered: 0,
        };
        let now = wire.now.tick;
        Some(Call {
            key,
            phase: Phase::Answered,
            caller: Caller {
                invite: None,
                dialog: caller.clone(),
                offer: None,
                max_forwards: 70,
                reliable_provisionals: false,
                session,
            },
            legs: vec![leg],
            forks: vec![Fork { leg: 0, caller, callee, refused: false }],
            winner: Some(0),
            relays: Vec::new(),
            waiting: None,
            unacked: Vec::new(),
            last_acks: [LastAck::default(), LastAck::default()],
            sessions: timers
                .map(|peer_knows| Some(Session { peer_knows, ..Session::asked_by_us(now, wire) })),
            presence: [Presence::Unknown; 2],
            probe_at: Tick::NEVER,
            ring_deadline: Tick::NEVER,
            byes_open: 0,
            bye_caller_after_ack: false,
            bye_reason: None,
            tidy_deadline: Tick::NEVER,
            on_record: true,
            ack_withheld: None,
            finished: false,
        })
    }

    /// Our tags of an adopted call, by which its requests are found: they name another place.
    pub fn adopted_tags(&self) -> [&str; 2] {
        let fork = &self.forks[0];
        [&fork.caller.local_tag, &fork.callee.local_tag]
    }

    /// Which side a tag of an adopted call stands for.
    pub fn adopted_side(&self, tag: &str) -> Option<Side> {
        let [caller, callee] = self.adopted_tags();
        match tag {
            _ if tag == caller => Some(Side::Caller),
            _ if tag == callee => Some(Side::Callee),
            _ => None,
        }
    }
}

fn adopted_plan(callee: &Dialog, peer: PeerKind, mark: u32) -> LegPlan {
    LegPlan {
        flow: callee.flow,
        request_uri: callee.remote_target.clone(),
        routes: Vec::new(),
        from_uri: callee.local_uri.clone(),
        display: None,
        to_uri: callee.remote_uri.clone(),
        identity: None,
        private: false,
        peer,
        silence_ms: None,
        mark,
    }
}

/// The numbers of an earlier run's connections mean nothing, or other connections, in this one.
fn forget_connection(flow: &mut Flow) {
    if flow.transport.is_reliable() {
        flow.connection = Flow::ANY_CONNECTION;
    }
}

impl LegSnapshot {
    /// Writes a CANCEL for the INVITE that an earlier run of the program sent (RFC 3261 §9.1).
    pub fn cancel(&self, wire: &mut Wire<'_>) {
        self.write(wire, Method::Cancel, format_args!("<{}>", self.to_uri));
    }

    /// Writes the ACK for a refusal of that INVITE (RFC 3261 §17.1.1.3).
    pub fn acknowledge(&self, wire: &mut Wire<'_>, refusal: &Message<'_>) {
        self.write(wire, Method::Ack, refusal.header(Name::To).unwrap_or(""));
    }

    /// Is it a response to that INVITE, or to its CANCEL, from where the INVITE went?
    pub fn is_answered_by(&self, response: &Message<'_>, flow: &Flow) -> bool {
        self.call_id == response.call_id() && self.flow.peer.ip() == flow.peer.ip()
    }

    fn write(&self, wire: &mut Wire<'_>, method: Method<'_>, to: impl std::fmt::Display) {
        let (settings, mut flow) = (wire.settings, self.flow);
        forget_connection(&mut flow);
        let start = wire.out.begin();
        let out = &mut wire.out.arena;
        print::request_line(out, &method, &self.request_uri);
        let sent_by = settings.sent_by(&flow);
        print::header(out, Name::Via, format_args!("{sent_by};branch={};rport", self.branch));
        for route in &self.routes {
            print::header(out, Name::Route, route);
        }
        print::header(out, Name::MaxForwards, 70);
        print::header(out, Name::From, format_args!("<{}>;tag={}", self.from_uri, self.local_tag));
        print::header(out, Name::To, to);
        print::header(out, Name::CallId, &self.call_id);
        print::header(out, Name::CSeq, format_args!("{} {}", self.cseq, method.as_str()));
        compose::finish(out, None);
        wire.out.finish(start, flow);
    }
}
