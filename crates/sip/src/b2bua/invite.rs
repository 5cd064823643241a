//! The INVITEs of a call. Lives here: the caller's, the legs', their responses but for 2xx, forks,
//! challenges. Never here: the answer, requests within a dialog.

use types::Tick;

use crate::dialog::Dialog;
use crate::digest::uac;
use crate::flow::Flow;
use crate::message::{Message, Method, Name, Refresher};
use crate::session_timer;
use crate::transaction::{Overloaded, ServerTx};

use super::compose::{self, InviteFields, Reply};
use super::{
    Body, Call, CallEvent, CallKey, Caller, Fork, LastAck, Leg, LegPlan, LegState, MAX_FORKS,
    MAX_LEGS, PeerKind, Phase, Purpose, Side, Wire, local_tag,
};

/// A carrier may challenge a leg this often before we take it for a refusal.
pub(super) const MAX_CHALLENGES: u8 = 2;

impl Call {
    /// A call from an INVITE that was let in. The caller has a server transaction; no leg exists yet.
    pub fn new(
        key: CallKey,
        invite: &Message<'_>,
        flow: &Flow,
        tx: ServerTx,
        wire: &mut Wire<'_>,
    ) -> Option<Call> {
        let tag = local_tag(wire.tokens, key, Side::Caller, 0);
        let dialog = Dialog::uas(invite, flow, &tag).ok()?;
        let session = session_timer::grant(&wire.settings.session, invite).ok()?;
        let reliable_provisionals = invite.has_option(Name::Supported, "100rel")
            || invite.has_option(Name::Require, "100rel");
        Some(Call {
            key,
            phase: Phase::Routing,
            caller: Caller {
                invite: Some(tx),
                dialog,
                offer: Body::of(invite),
                max_forwards: invite.max_forwards().unwrap_or(70).saturating_sub(1),
                reliable_provisionals,
                session,
            },
            legs: Vec::with_capacity(1),
            forks: Vec::with_capacity(1),
            winner: None,
            relays: Vec::new(),
            waiting: None,
            unacked: Vec::new(),
            last_acks: [LastAck::default(), LastAck::default()],
            sessions: [None, None],
            presence: [super::Presence::Here; 2],
            probe_at: types::Tick::NEVER,
            ring_deadline: wire.tick().plus_ms(wire.settings.ring_ms),
            byes_open: 0,
            bye_caller_after_ack: false,
            bye_reason: None,
            tidy_deadline: Tick::NEVER,
            on_record: false,
            ack_withheld: None,
            finished: false,
        })
    }

    /// Draws the identifiers of a leg, so that they can be written down before anything is sent.
    pub fn prepare_leg(&mut self, wire: &mut Wire<'_>, plan: LegPlan) -> Result<u8, Overloaded> {
        if self.legs.len() >= MAX_LEGS {
            return Err(Overloaded);
        }
        let index = self.legs.len() as u8;
        let invite = wire.transactions.new_client(self.user(Purpose::LegInvite(index)))?;
        self.legs.push(Leg {
            plan,
            state: LegState::Prepared,
            call_id: wire.tokens.call_id().to_string(),
            local_tag: local_tag(wire.tokens, self.key, Side::Callee, index),
            user_agent: String::new(),
            invite,
            cseq: 1,
            heard: false,
            silence_deadline: Tick::NEVER,
            session: session_timer::offer(&wire.settings.session, Some(Refresher::Uas)),
            challenges_answered: 0,
        });
        Ok(index)
    }

    /// Branch of a leg's INVITE, to be kept for a CANCEL after a restart.
    pub fn leg_branch(&self, wire: &Wire<'_>, leg: u8) -> String {
        wire.transactions.branch(self.legs[usize::from(leg)].invite).to_string()
    }

    /// Sends the INVITE of a prepared leg. A call that is over by now sends nothing.
    pub fn start_leg(&mut self, wire: &mut Wire<'_>, leg: u8) {
        if self.phase != Phase::Routing {
            self.abandon_prepared(wire);
            return;
        }
        self.send_invite(wire, leg, None);
    }

    fn send_invite(&mut self, wire: &mut Wire<'_>, index: u8, credentials: Option<&[u8]>) {
        let leg = &mut self.legs[usize::from(index)];
        leg.state = LegState::Calling;
        leg.heard = false;
        leg.silence_deadline = match leg.plan.silence_ms {
            Some(ms) => wire.now.tick.plus_ms(ms),
            None => Tick::NEVER,
        };
        let branch = wire.transactions.branch(leg.invite).to_string();
        let fields = InviteFields {
            max_forwards: self.caller.max_forwards,
            reliable_provisionals: self.caller.reliable_provisionals,
            offer: self.caller.offer.as_ref(),
            credentials,
        };
        let (leg, settings) = (&*leg, wire.settings);
        let flow = leg.plan.flow;
        wire.transactions.send(wire.now.tick, leg.invite, flow, Method::Invite, wire.out, |out| {
            compose::invite(out, leg, &branch, settings, &fields);
        });
    }

    /// A response to the INVITE of a leg.
    pub fn leg_response(
        &mut self,
        wire: &mut Wire<'_>,
        index: u8,
        response: &Message<'_>,
        flow: &Flow,
        events: &mut Vec<CallEvent>,
    ) {
        let status = response.status().unwrap_or(0);
        let Some(leg) = self.legs.get_mut(usize::from(index)) else { return };
        leg.heard = true;
        if leg.user_agent.is_empty() && status > 100 {
            leg.user_agent = compose::user_agent(response);
        }
        match status {
            100 => {}
            101..=199 => self.provisional(wire, index, response, flow),
            200..=299 => self.success(wire, index, response, flow, events),
            _ => self.failure(wire, index, response, flow, events),
        }
    }

    /// Nothing came back for the INVITE of a leg.
    pub fn leg_timeout(&mut self, index: u8, events: &mut Vec<CallEvent>) {
        self.leg_over(index, 408, events);
    }

    fn provisional(&mut self, wire: &mut Wire<'_>, index: u8, response: &Message<'_>, flow: &Flow) {
        let leg = &mut self.legs[usize::from(index)];
        if !matches!(leg.state, LegState::Calling | LegState::Ringing)
            || self.phase != Phase::Routing
        {
            return;
        }
        leg.state = LegState::Ringing;
        let Some(tx) = self.caller.invite else { return };
        let fork = match response.to().tag() {
            Some(_) => self.fork_for(wire, index, response, flow),
            None => None,
        };
        let reliable =
            response.has_option(Name::Require, "100rel") && self.caller.reliable_provisionals;
        let rseq = if reliable { response.rseq().and_then(Result::ok) } else { None };
        let dialog = fork.map_or(&self.caller.dialog, |fork| &self.forks[usize::from(fork)].caller);
        let status = response.status().unwrap_or(180);
        let content_type = response.content_type().unwrap_or("application/sdp");
        let reply = Reply {
            contact: Some(dialog),
            for_session: true,
            rseq,
            body: (!response.body.is_empty()).then_some((content_type, response.body)),
            ..Reply::new(status, &dialog.local_tag)
        };
        let settings = wire.settings;
        wire.transactions.respond(wire.now.tick, tx, status, wire.out, |head, out| {
            reply.write(head, settings, out);
        });
    }

    /// The fork of a leg's dialog, made when its To tag is new; `None` when there are too many, or
    /// when the response makes no dialog. An answer takes the place of a fork that rings no more.
    pub(super) fn fork_for(
        &mut self,
        wire: &mut Wire<'_>,
        leg: u8,
        response: &Message<'_>,
        flow: &Flow,
    ) -> Option<u8> {
        let remote = response.to().tag().unwrap_or("");
        let known =
            self.forks.iter().position(|fork| fork.leg == leg && fork.callee.remote_tag == remote);
        if let Some(index) = known {
            return u8::try_from(index).ok();
        }
        let callee = Dialog::uac(response, flow).ok()?;
        if self.forks.len() >= MAX_FORKS {
            let is_answer = response.status().is_some_and(|status| status >= 200);
            let index = self.spare_fork(leg).filter(|_| is_answer)?;
            let fork = &mut self.forks[usize::from(index)];
            (fork.leg, fork.callee, fork.refused) = (leg, callee, false);
            return Some(index);
        }
        let index = self.forks.len() as u8;
        let mut caller = self.caller.dialog.clone();
        if index > 0 {
            caller.local_tag = local_tag(wire.tokens, self.key, Side::Caller, index);
        }
        self.forks.push(Fork { leg, caller, callee, refused: false });
        Some(index)
    }

    /// An early dialog that is not needed any more: of a leg that is over, or another of this leg.
    fn spare_fork(&self, leg: u8) -> Option<u8> {
        let is_over =
            |fork: &Fork| self.legs[usize::from(fork.leg)].state == LegState::Over && !fork.refused;
        let spare = self.forks.iter().position(is_over);
        let spare = spare.or_else(|| self.forks.iter().position(|fork| fork.leg == leg));
        spare.and_then(|index| u8::try_from(index).ok()).filter(|index| self.winner != Some(*index))
    }

    fn failure(
        &mut self,
        wire: &mut Wire<'_>,
        index: u8,
        response: &Message<'_>,
        flow: &Flow,
        events: &mut Vec<CallEvent>,
    ) {
        let status = response.status().unwrap_or(500);
        let leg = &mut self.legs[usize::from(index)];
        let live = matches!(leg.state, LegState::Calling | LegState::Ringing);
        if live && self.phase == Phase::Routing {
            let invited_again = match status {
                401 | 407 => self.answer_challenge(wire, index, response, flow),
                422 => self.ask_longer_session(wire, index, response),
                _ => false,
            };
            if invited_again {
                events.push(CallEvent::InvitedAgain);
                return;
            }
        }
        self.leg_over(index, status, events);
    }

    /// Sends the INVITE again with credentials, if the challenge is our own trunk's (A5).
    fn answer_challenge(
        &mut self,
        wire: &mut Wire<'_>,
        index: u8,
        response: &Message<'_>,
        flow: &Flow,
    ) -> bool {
        let leg = &mut self.legs[usize::from(index)];
        let PeerKind::Trunk(Some(credentials)) = &leg.plan.peer else { return false };
        if leg.challenges_answered >= MAX_CHALLENGES || flow.peer != leg.plan.flow.peer {
            return false;
        }
        let uri = leg.plan.request_uri.clone();
        let Some(line) = credentials_for(wire, response, Method::Invite, &uri, credentials) else {
            return false;
        };
        leg.challenges_answered += 1;
        self.send_invite_again(wire, index, Some(&line))
    }

    /// RFC 4028 §7.3: the callee wants a longer session timer.
    fn ask_longer_session(
        &mut self,
        wire: &mut Wire<'_>,
        index: u8,
        response: &Message<'_>,
    ) -> bool {
        let leg = &mut self.legs[usize::from(index)];
        let Some(session) = session_timer::offer_again(&leg.session, response) else {
            return false;
        };
        leg.session = session;
        self.send_invite_again(wire, index, None)
    }

    fn send_invite_again(
        &mut self,
        wire: &mut Wire<'_>,
        index: u8,
        credentials: Option<&[u8]>,
    ) -> bool {
        let user = self.user(Purpose::LegInvite(index));
        let Ok(invite) = wire.transactions.new_client(user) else { return false };
        let leg = &mut self.legs[usize::from(index)];
        leg.invite = invite;
        leg.cseq += 1;
        self.send_invite(wire, index, credentials);
        true
    }

    /// A leg got its last response.
    pub(super) fn leg_over(&mut self, index: u8, status: u16, events: &mut Vec<CallEvent>) {
        let leg = &mut self.legs[usize::from(index)];
        let was = leg.state;
        leg.state = LegState::Over;
        if self.phase == Phase::Routing && matches!(was, LegState::Calling | LegState::Ringing) {
            events.push(CallEvent::LegFailed { leg: index, status });
        }
        self.finish_if_tidy(events);
    }
}

/// The header line that answers a challenge of our own trunk; `None` when there is none for its realm.
pub fn credentials_for(
    wire: &mut Wire<'_>,
    response: &Message<'_>,
    method: Method<'_>,
    uri: &str,
    credentials: &super::Credentials,
) -> Option<Vec<u8>> {
    let cnonce = wire.tokens.cnonce();
    let attempt = uac::Attempt {
        method,
        uri,
        user: &credentials.user,
        secret: &credentials.secret,
        realm: &credentials.realm,
        cnonce: cnonce.as_str(),
        nc: 1,
    };
    let mut line = Vec::new();
    uac::answer_response(&mut line, response, &attempt).ok()?;
    Some(line)
}
