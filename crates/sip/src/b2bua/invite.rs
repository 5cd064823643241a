//! From INVITE to answer. Lives here: legs and their responses, forks, the answer, refusal, CANCEL.
//! Never here: requests within a dialog.

use types::cdr::{HangupCause, HangupSide};
use types::{Millis, Tick};

use crate::dialog::Dialog;
use crate::digest::uac;
use crate::flow::Flow;
use crate::message::{Message, Method, Name, Refresher};
use crate::session_timer::{self, SessionTimer};
use crate::transaction::{Overloaded, ServerTx};

use super::compose::{self, InviteFields, Reply};
use super::{
    Body, Call, CallEvent, CallKey, Caller, Fork, LastAck, Leg, LegPlan, LegState, MAX_FORKS,
    MAX_LEGS, PeerKind, Phase, Purpose, Refused, Session, Side, Unacked, Wire, local_tag,
};

/// RFC 3261 §13.3.1.4: 64·T1 without an ACK ends the call.
const ACK_WAIT_FACTOR: Millis = 64;
/// A carrier may challenge a leg this often before we take it for a refusal.
const MAX_CHALLENGES: u8 = 2;

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
    pub fn leg_timeout(&mut self, wire: &mut Wire<'_>, index: u8, events: &mut Vec<CallEvent>) {
        self.leg_over(wire, index, 408, events);
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
            contact: Some(&dialog.flow),
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
    fn fork_for(
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

    fn success(
        &mut self,
        wire: &mut Wire<'_>,
        index: u8,
        response: &Message<'_>,
        flow: &Flow,
        events: &mut Vec<CallEvent>,
    ) {
        if self.repeat_ack(wire, Side::Callee, response) {
            return;
        }
        let state = self.legs[usize::from(index)].state;
        let wanted = self.phase == Phase::Routing
            && matches!(state, LegState::Calling | LegState::Ringing)
            && self.caller.invite.is_some();
        let fork = if wanted { self.fork_for(wire, index, response, flow) } else { None };
        let Some(fork) = fork else {
            self.refuse_late_answer(wire, index, response, flow, events);
            return;
        };
        self.take_answer(fork, response, flow);
        self.winner = Some(fork);
        self.phase = Phase::Answered;
        self.ring_deadline = Tick::NEVER;
        self.legs[usize::from(index)].state = LegState::Answered;
        self.cancel_other_legs(wire, index);
        self.answer_caller(wire, fork, response);
        if self.caller.offer.is_some() {
            self.ack_withheld = Some((response.cseq().number, None));
            self.caller.offer = None;
        }
        self.start_sessions(wire, response);
        events.push(CallEvent::Answered { leg: index });
    }

    /// The 2xx decides about route set and target, whatever the early dialog said (RFC 3261 §13.2.2.4).
    fn take_answer(&mut self, fork: u8, response: &Message<'_>, flow: &Flow) {
        if let Ok(dialog) = Dialog::uac(response, flow) {
            let early = &mut self.forks[usize::from(fork)].callee;
            let local_cseq = early.local_cseq.max(dialog.local_cseq);
            *early = Dialog { local_cseq, ..dialog };
        }
    }

    /// The answer is on record: the callee gets its ACK. Until then it repeats its 2xx, and would
    /// repeat it to a node that came back from a crash and can then hang up on it.
    pub fn confirm(&mut self, wire: &mut Wire<'_>) {
        self.on_record = true;
        if let (Some((cseq, body)), Some(winner)) = (self.ack_withheld.take(), self.winner) {
            self.send_ack(wire, Side::Callee, winner, cseq, body.as_ref());
        }
        self.let_waiting_through(wire);
    }

    /// 200 to the caller, kept for repetition until the ACK comes.
    fn answer_caller(&mut self, wire: &mut Wire<'_>, fork: u8, response: &Message<'_>) {
        let Some(tx) = self.caller.invite.take() else { return };
        let dialog = &self.forks[usize::from(fork)].caller;
        let content_type = response.content_type().unwrap_or("application/sdp");
        let status = response.status().unwrap_or(200);
        let reply = Reply {
            contact: Some(&dialog.flow),
            for_session: true,
            session: self.caller.session.require.then_some(self.caller.session),
            body: (!response.body.is_empty()).then_some((content_type, response.body)),
            ..Reply::new(status, &dialog.local_tag)
        };
        let ack_owed = self.caller.offer.is_none().then_some(response.cseq().number);
        // Not the fork's: that one has counted a PRACK or UPDATE since.
        let cseq = self.caller.dialog.remote_cseq.unwrap_or(0);
        let flow = dialog.flow;
        let bytes = respond_and_keep(wire, tx, &reply);
        self.unacked.push(unacked(wire, Side::Caller, cseq, flow, bytes, ack_owed));
    }

    fn start_sessions(&mut self, wire: &Wire<'_>, response: &Message<'_>) {
        let now = wire.now.tick;
        let granted = self.caller.session;
        let we_refresh = granted.refresher == Refresher::Uas;
        let timer = SessionTimer::new(now, granted.seconds, we_refresh);
        self.sessions[0] = Some(Session { timer, peer_knows: granted.require });
        self.sessions[1] = Some(match session_timer::agreed(response) {
            Some(Ok(agreed)) => {
                let we_refresh = agreed.refresher == Some(Refresher::Uac);
                let timer = SessionTimer::new(now, agreed.seconds, we_refresh);
                Session { timer, peer_knows: true }
            }
            _ => Session::asked_by_us(now, wire),
        });
    }

    /// An answer that nobody waits for, or that makes no dialog: acknowledge it and hang up at once.
    fn refuse_late_answer(
        &mut self,
        wire: &mut Wire<'_>,
        index: u8,
        response: &Message<'_>,
        flow: &Flow,
        events: &mut Vec<CallEvent>,
    ) {
        match self.fork_for(wire, index, response, flow) {
            Some(fork) => self.refuse_branch(wire, fork, response, flow),
            // It makes no dialog, and comes again.
            None if self.legs[usize::from(index)].state == LegState::Over => {
                acknowledge_refused(wire, response, flow);
            }
            None => refuse_answer(wire, response, flow),
        }
        events.push(CallEvent::AnsweredInVain { leg: index });
        if self.legs[usize::from(index)].state != LegState::Answered {
            // Who waits for this leg hears that it failed: its answer is of no use.
            self.leg_over(wire, index, 502, events);
        }
        self.finish_if_tidy(events);
    }

    /// Hangs up on one branch, once; a repeated 2xx only gets its ACK again.
    fn refuse_branch(
        &mut self,
        wire: &mut Wire<'_>,
        fork: u8,
        response: &Message<'_>,
        flow: &Flow,
    ) {
        self.take_answer(fork, response, flow);
        let refused = std::mem::replace(&mut self.forks[usize::from(fork)].refused, true);
        send_ack_outside(wire, self.dialog(Side::Callee, fork), response.cseq().number);
        if !refused {
            self.send_bye(wire, Side::Callee, fork, None);
        }
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
        self.leg_over(wire, index, status, events);
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
    fn leg_over(
        &mut self,
        wire: &mut Wire<'_>,
        index: u8,
        status: u16,
        events: &mut Vec<CallEvent>,
    ) {
        let leg = &mut self.legs[usize::from(index)];
        let was = leg.state;
        leg.state = LegState::Over;
        if self.phase == Phase::Routing && matches!(was, LegState::Calling | LegState::Ringing) {
            events.push(CallEvent::LegFailed { leg: index, status });
        }
        let _ = wire;
        self.finish_if_tidy(events);
    }

    /// Legs that still may answer.
    pub fn open_legs(&self) -> usize {
        let open = |leg: &&Leg| {
            matches!(leg.state, LegState::Prepared | LegState::Calling | LegState::Ringing)
        };
        self.legs.iter().filter(open).count()
    }

    /// Refuses the call: a final response to the caller, CANCEL to all legs.
    pub fn reject(
        &mut self,
        wire: &mut Wire<'_>,
        refused: &Refused<'_>,
        ending: (HangupSide, HangupCause),
        events: &mut Vec<CallEvent>,
    ) {
        let status = refused.status;
        if self.phase != Phase::Routing {
            return;
        }
        if let Some(tx) = self.caller.invite.take() {
            let reply = Reply {
                phrase: refused.phrase,
                reason: refused.reason,
                retry_after_s: (status == 503).then_some(10),
                ..Reply::new(status, &self.caller.dialog.local_tag)
            };
            let settings = wire.settings;
            wire.transactions.respond(wire.now.tick, tx, status, wire.out, |head, out| {
                reply.write(head, settings, out);
            });
        }
        self.cancel_other_legs(wire, u8::MAX);
        self.over(wire, ending.0, ending.1, status, events);
        self.finish_if_tidy(events);
    }

    /// The caller's CANCEL: 487 to his INVITE, CANCEL to all legs. The transaction layer has
    /// answered the CANCEL itself.
    pub fn caller_cancelled(&mut self, wire: &mut Wire<'_>, events: &mut Vec<CallEvent>) {
        self.reject(
            wire,
            &Refused::plain(487),
            (HangupSide::Caller, HangupCause::Cancelled),
            events,
        );
    }

    /// CANCELs every leg but one.
    pub(super) fn cancel_other_legs(&mut self, wire: &mut Wire<'_>, but: u8) {
        for (index, leg) in self.legs.iter_mut().enumerate() {
            if index == usize::from(but) {
                continue;
            }
            match leg.state {
                LegState::Calling | LegState::Ringing => {
                    leg.state = LegState::Cancelling;
                    wire.transactions.cancel(wire.now.tick, leg.invite, wire.out);
                }
                LegState::Prepared => {
                    leg.state = LegState::Over;
                    wire.transactions.discard(leg.invite);
                }
                LegState::Cancelling | LegState::Answered | LegState::Over => {}
            }
        }
    }

    /// Gives up one leg that stays silent, so that the next can be tried.
    pub(super) fn give_up_leg(
        &mut self,
        wire: &mut Wire<'_>,
        index: u8,
        events: &mut Vec<CallEvent>,
    ) {
        let leg = &mut self.legs[usize::from(index)];
        leg.state = LegState::Cancelling;
        // The hold may be settled before this INVITE has timed out: it must not go out again.
        wire.transactions.give_up(wire.now.tick, leg.invite, wire.out);
        events.push(CallEvent::LegFailed { leg: index, status: 408 });
    }

    fn abandon_prepared(&mut self, wire: &mut Wire<'_>) {
        for leg in &mut self.legs {
            if leg.state == LegState::Prepared {
                leg.state = LegState::Over;
                wire.transactions.discard(leg.invite);
            }
        }
    }

    /// Sends the ACK for a 2xx and keeps it, to repeat it when the 2xx is repeated.
    pub(super) fn send_ack(
        &mut self,
        wire: &mut Wire<'_>,
        to: Side,
        fork: u8,
        cseq: u32,
        body: Option<&Body>,
    ) {
        let branch = wire.tokens.branch();
        let dialog = match to {
            Side::Caller => &self.forks[usize::from(fork)].caller,
            Side::Callee => &self.forks[usize::from(fork)].callee,
        };
        let flow = dialog.flow;
        let start = wire.out.begin();
        compose::in_dialog(
            &mut wire.out.arena,
            dialog,
            Method::Ack,
            cseq,
            branch.as_str(),
            wire.settings,
        );
        compose::finish(&mut wire.out.arena, body);
        let bytes = wire.out.finish(start, flow);
        let kept = &mut self.last_acks[super::index_of(to)];
        kept.cseq = cseq;
        kept.flow = Some(flow);
        kept.bytes.clear();
        kept.bytes.extend_from_slice(bytes);
    }

    /// Repeats the ACK for a repeated 2xx; false when the 2xx is new, or its ACK still owed.
    pub(super) fn repeat_ack(
        &mut self,
        wire: &mut Wire<'_>,
        to: Side,
        response: &Message<'_>,
    ) -> bool {
        let cseq = response.cseq().number;
        let Some(winner) = self.winner else { return false };
        let dialog = self.dialog(to, winner);
        if response.to().tag() != Some(dialog.remote_tag.as_str())
            || dialog.call_id != response.call_id()
        {
            return false;
        }
        let kept = &self.last_acks[super::index_of(to)];
        match kept.flow {
            Some(flow) if kept.cseq == cseq => {
                wire.out.push(flow, &kept.bytes);
                true
            }
            _ if self.ack_withheld.as_ref().is_some_and(|withheld| withheld.0 == cseq) => true,
            _ if self.unacked.iter().any(|unacked| unacked.ack_owed == Some(cseq)) => true,
            // A 2xx from before the last re-INVITE, whose ACK was lost and is not kept any more: it
            // is no new answer, and must not be hung up on.
            Some(_) if cseq < kept.cseq => {
                let dialog = self.dialog(to, winner).clone();
                send_ack_outside(wire, &dialog, cseq);
                true
            }
            _ => false,
        }
    }

    /// A 2xx whose INVITE transaction is over: the answer of the call again, or one too late. True when
    /// it was one of this call's.
    pub fn stray_answer(
        &mut self,
        wire: &mut Wire<'_>,
        (side, index): (Side, u8),
        response: &Message<'_>,
        flow: &Flow,
        events: &mut Vec<CallEvent>,
    ) -> bool {
        if self.repeat_ack(wire, side, response) {
            return true;
        }
        if let Some(winner) = self.winner
            && self.dialog(side, winner).matches(response)
        {
            // Of a re-INVITE that was given up: whatever comes next, it is not repeated any more.
            send_ack_outside(wire, self.dialog(side, winner), response.cseq().number);
            return true;
        }
        let leg = self.legs.get(usize::from(index)).filter(|_| side == Side::Callee);
        let is_ours = leg.is_some_and(|leg| {
            leg.call_id == response.call_id()
                && response.from().tag() == Some(leg.local_tag.as_str())
        });
        if is_ours {
            self.refuse_late_answer(wire, index, response, flow, events);
        }
        is_ours
    }

    /// The callee repeats the 2xx of an earlier run, because that run's ACK was lost.
    pub fn acknowledge_again(&mut self, wire: &mut Wire<'_>, response: &Message<'_>) {
        let Some(winner) = self.winner else { return };
        let dialog = self.dialog(Side::Callee, winner);
        if self.phase == Phase::Answered && dialog.matches(response) {
            self.send_ack(wire, Side::Callee, winner, response.cseq().number, None);
        }
    }

    /// The call is over for people; tells the owner once.
    pub(super) fn over(
        &mut self,
        wire: &mut Wire<'_>,
        side: HangupSide,
        cause: HangupCause,
        status: u16,
        events: &mut Vec<CallEvent>,
    ) {
        if self.phase == Phase::Ending {
            return;
        }
        self.phase = Phase::Ending;
        self.sessions = [None, None];
        self.abandon_relays(wire);
        self.tidy_deadline = wire.now.tick.plus_ms((ACK_WAIT_FACTOR + 8) * wire.settings.t1_ms);
        events.push(CallEvent::Over { side, cause, status });
    }

    /// Says once that nothing is left on the wire.
    pub(super) fn finish_if_tidy(&mut self, events: &mut Vec<CallEvent>) {
        let tidy = self.phase == Phase::Ending
            && self.byes_open == 0
            && !self.bye_caller_after_ack
            && self.unacked.is_empty()
            && self.legs.iter().all(|leg| matches!(leg.state, LegState::Over | LegState::Answered));
        if tidy && !self.finished {
            self.finished = true;
            events.push(CallEvent::Finished);
        }
    }
}

impl Session {
    /// The peer knows no session timer: we ask whether it is still there.
    pub(super) fn asked_by_us(now: Tick, wire: &Wire<'_>) -> Session {
        let seconds = wire.settings.session.session_expires_s;
        Session { timer: SessionTimer::new(now, seconds, true), peer_knows: false }
    }
}

/// Sends a 2xx and returns its bytes for repetition.
pub(super) fn respond_and_keep(wire: &mut Wire<'_>, tx: ServerTx, reply: &Reply<'_>) -> Vec<u8> {
    let settings = wire.settings;
    let mut bytes = Vec::new();
    wire.transactions.respond(wire.now.tick, tx, reply.status, wire.out, |head, out| {
        let start = out.len();
        reply.write(head, settings, out);
        bytes.extend_from_slice(&out[start..]);
    });
    bytes
}

pub(super) fn unacked(
    wire: &Wire<'_>,
    to: Side,
    cseq: u32,
    flow: Flow,
    bytes: Vec<u8>,
    ack_owed: Option<u32>,
) -> Unacked {
    let (now, t1) = (wire.now.tick, wire.settings.t1_ms);
    Unacked {
        to,
        cseq,
        flow,
        bytes,
        next: now.plus_ms(t1),
        interval_ms: t1,
        until: now.plus_ms(ACK_WAIT_FACTOR * t1),
        ack_owed,
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

/// Acknowledges an answer that belongs to no call any more, and hangs up: the BYE is repeated until
/// it is answered (RFC 3261 §13.2.2.4).
pub fn refuse_answer(wire: &mut Wire<'_>, response: &Message<'_>, flow: &Flow) {
    let Ok(mut dialog) = Dialog::uac_refused(response, flow) else { return };
    let Ok(tx) = wire.transactions.new_client(super::User::NOBODY) else {
        return hang_up_untracked(wire, response, flow);
    };
    send_ack_outside(wire, &dialog, response.cseq().number);
    let branch = wire.transactions.branch(tx);
    let (cseq, settings) = (dialog.next_cseq(), wire.settings);
    wire.transactions.send(wire.now.tick, tx, dialog.flow, Method::Bye, wire.out, |out| {
        compose::in_dialog(out, &dialog, Method::Bye, cseq, branch.as_str(), settings);
        compose::finish(out, None);
    });
}

/// Only the ACK, because [`refuse_answer`] has been called for the same answer before.
pub fn acknowledge_refused(wire: &mut Wire<'_>, response: &Message<'_>, flow: &Flow) {
    if let Ok(dialog) = Dialog::uac_refused(response, flow) {
        send_ack_outside(wire, &dialog, response.cseq().number);
    }
}

/// As [`refuse_answer`], when there are too many: one ACK and one BYE, and nothing stays behind.
pub fn hang_up_untracked(wire: &mut Wire<'_>, response: &Message<'_>, flow: &Flow) {
    let Ok(mut dialog) = Dialog::uac_refused(response, flow) else { return };
    send_ack_outside(wire, &dialog, response.cseq().number);
    let cseq = dialog.next_cseq();
    send_outside(wire, &dialog, Method::Bye, cseq);
}

fn send_ack_outside(wire: &mut Wire<'_>, dialog: &Dialog, cseq: u32) {
    send_outside(wire, dialog, Method::Ack, cseq);
}

/// A request of a dialog without a transaction.
fn send_outside(wire: &mut Wire<'_>, dialog: &Dialog, method: Method<'_>, cseq: u32) {
    let branch = wire.tokens.branch();
    let start = wire.out.begin();
    let out = &mut wire.out.arena;
    compose::in_dialog(out, dialog, method, cseq, branch.as_str(), wire.settings);
    compose::finish(out, None);
    wire.out.finish(start, dialog.flow);
}
