//! The way of a call, as SIP people know it from a `request_route`. Lives here: steps 5 to 12 of
//! ARCHITECTURE.md, from INVITE to answer. Never here: rules, prices, how messages look, how it ends
//! (call_end).

use engine::{Admission, Attempt, Caller, Ended, Route, Target, Verdict};
use sip::b2bua::{Call, CallEvent, CallKey, Leg, LegPlan, MAX_LEGS, PeerKind, Purpose, User};
use sip::dialog::is_sips;
use sip::flow::Flow;
use sip::message::{Message, Name, Scheme, Uri};
use sip::session_timer::TimerError;
use sip::transaction::ServerTx;
use types::cdr::{HangupCause, HangupSide, LegRecord};
use types::{DecisionId, DestinationClass, DeviceId, Finding, Hold, LineId, Record, Tick, TrunkId};

use crate::call_end::ended;
use crate::legs::{Kept, Live, is_exempt, witness};
use crate::log_in::LogIn;
use crate::node::Node;
use crate::routing;
use crate::sip_reply::{self, Told};
use crate::store_path::Pending;
use crate::trunk_link::contact_user;

impl Node {
    /// A new INVITE. Known dialogs (step 5) have gone to `dialog_path` before.
    pub(crate) fn invite(&mut self, request: &Message<'_>, flow: &Flow) {
        if let Some(status) = self.not_for_us(request) {
            return self.refuse_invite(request, flow, status);
        }
        // RFC 3261 §8.2.2.2: the same request on another way, while the first is being dealt with.
        let name = request_name(request);
        if self.calls.has_request(&name) {
            return self.refuse_stateless(request, flow, 482);
        }
        // 6 Who is calling? Unauthenticated requests are answered without leaving anything behind.
        let Some((from, device)) = self.caller_of(request, flow) else { return };
        let Some(dialled) = self.dialled(request, from) else {
            return self.refuse_stateless(request, flow, 404);
        };
        let Ok(tx) = self.transactions.create_server(self.now.tick, request, *flow, 0) else {
            return self.refuse_stateless(request, flow, 503);
        };
        // 7, 8, 9 Classify, rate, decide and reserve: one synchronous step.
        let claimed = claimed_caller(request);
        let attempt = Attempt {
            from,
            device,
            dialled: &dialled,
            claimed_caller: claimed.as_deref(),
            peer: flow.peer.ip(),
        };
        match self.engine.admit(self.now, attempt) {
            Verdict::Refuse(refusal) => {
                let told = sip_reply::told(&refusal.findings, refusal.decision);
                let records =
                    self.engine.refused(self.now, refusal, a_leg(request, flow), told.status);
                self.stats.refused += 1;
                self.must_store(records);
                self.refuse_call(tx, &told);
            }
            Verdict::Admit(admission) if self.sheds(&admission) => {
                self.refuse_admitted(request, flow, tx, admission.decision());
            }
            Verdict::Admit(admission) => {
                self.stats.admitted += 1;
                let gated = admission.needs_store();
                // 10, 11 Write ahead, then the B-leg; the admission is used up here.
                self.begin_call(request, flow, tx, from, admission.into_route(), gated);
            }
        }
    }

    /// What can be said without knowing who calls.
    fn not_for_us(&self, request: &Message<'_>) -> Option<u16> {
        if request.max_forwards() == Some(0) {
            return Some(483);
        }
        if self.unsupported_option(request).is_some() {
            return Some(420);
        }
        if request.header(Name::ContentEncoding).is_some() || !is_passed_on(request) {
            return Some(415);
        }
        match sip::session_timer::grant(&self.settings.session, request) {
            Err(TimerError::TooSmall(_)) => return Some(422),
            Err(TimerError::Header(_)) => return Some(400),
            Ok(_) => {}
        }
        // Twice the limit is never passed, by nobody; up to there emergency calls still are.
        if self.calls.len() >= 2 * self.max_calls {
            return Some(503);
        }
        match request.request_uri().map(Uri::parse)? {
            Ok(uri) if matches!(uri.scheme, Scheme::Sip | Scheme::Sips | Scheme::Tel) => None,
            Ok(_) => Some(416),
            Err(_) => Some(400),
        }
    }

    /// Is there no room for this call? A closing node starts nothing that costs money, a full one
    /// only emergency calls.
    fn sheds(&self, admission: &Admission) -> bool {
        let is_emergency = admission.destination().class == DestinationClass::Emergency;
        (self.closing && admission.chargeable())
            || (self.calls.len() >= self.max_calls && !is_emergency)
    }

    fn refuse_invite(&mut self, request: &Message<'_>, flow: &Flow, status: u16) {
        if status == 420 {
            self.refuse_bad_extension(request, flow);
        } else {
            self.refuse_stateless(request, flow, status);
        }
    }

    /// A carrier is known by its address, everybody else by digest.
    fn caller_of(
        &mut self,
        request: &Message<'_>,
        flow: &Flow,
    ) -> Option<(Caller, Option<DeviceId>)> {
        if let Some(trunk) = self.engine.trunk_by_source(flow.peer.ip()) {
            return Some((Caller::Trunk(trunk), None));
        }
        match self.log_in(request, flow, Name::ProxyAuthorization) {
            LogIn::Line(line, device) => Some((Caller::Line(line), device)),
            LogIn::Answered => None,
        }
    }

    /// The called user or number, as the request line says. A carrier that we are registered at may
    /// call our Contact there, or our user name: then the number is in To.
    fn dialled(&self, request: &Message<'_>, from: Caller) -> Option<String> {
        let called = self.called(request)?;
        let Caller::Trunk(id) = from else { return Some(called) };
        let auth = self.engine.trunk(id).and_then(|trunk| trunk.auth.as_ref());
        let is_ours = called == contact_user(id) || auth.is_some_and(|auth| auth.user == called);
        if auth.is_none() || !is_ours {
            return Some(called);
        }
        let to = request.to().parse_uri().ok()?;
        Some(to.user_decoded().into_owned()).filter(|user| !user.is_empty())
    }

    /// User part of a SIP URI at one of our hosts, or a tel URI.
    fn called(&self, request: &Message<'_>) -> Option<String> {
        let uri = Uri::parse(request.request_uri()?).ok()?;
        match uri.scheme {
            Scheme::Tel => Some(uri.user_decoded().into_owned()),
            _ if self.is_our_host(&uri) => {
                Some(uri.user_decoded().into_owned()).filter(|u| !u.is_empty())
            }
            _ => None,
        }
    }

    /// Is a URI's host ours: a domain, or an address that we listen on?
    pub(crate) fn is_our_host(&self, uri: &Uri<'_>) -> bool {
        if let Some(ip) = uri.host_ip() {
            let port = uri.port.unwrap_or_else(|| routing::default_port(uri));
            let is_ours = |socket: std::net::SocketAddr| {
                socket.port() == port && (socket.ip() == ip || socket.ip().is_unspecified())
            };
            return self
                .settings
                .listeners
                .iter()
                .any(|l| is_ours(l.local) || is_ours(l.advertised))
                || self.domains.iter().any(|domain| domain == uri.host);
        }
        self.domains.iter().any(|domain| domain.eq_ignore_ascii_case(uri.host))
    }

    fn refuse_call(&mut self, tx: ServerTx, told: &Told) {
        let tag = self.tokens.tag();
        let reply = sip::b2bua::Reply {
            phrase: Some(&told.phrase),
            reason: Some(&told.reason),
            retry_after_s: (told.status == 503).then_some(10),
            ..sip::b2bua::Reply::new(told.status, tag.as_str())
        };
        let settings = &self.settings;
        self.transactions.respond(
            self.now.tick,
            tx,
            told.status,
            &mut self.out.sends,
            |head, out| {
                reply.write(head, settings, out);
            },
        );
    }

    /// There is no room after all: what was just held is given back.
    fn refuse_admitted(
        &mut self,
        request: &Message<'_>,
        flow: &Flow,
        tx: ServerTx,
        decision: DecisionId,
    ) {
        self.stats.refused += 1;
        self.end_at_once(tx, decision, a_leg(request, flow), Finding::Overload);
    }

    /// Ends an admitted call of which nothing has gone out, and tells the caller why.
    fn end_at_once(
        &mut self,
        tx: ServerTx,
        decision: DecisionId,
        leg: LegRecord,
        finding: Finding,
    ) {
        let told = sip_reply::told(std::slice::from_ref(&finding), decision);
        let ended = ended(HangupCause::Fault, told.status, HangupSide::Ringfence, leg);
        let ended = Ended { finding: Some(finding), ..ended };
        let records = self.engine.end(self.now, decision, ended);
        self.must_store(records);
        self.refuse_call(tx, &told);
    }

    fn begin_call(
        &mut self,
        request: &Message<'_>,
        flow: &Flow,
        tx: ServerTx,
        from: Caller,
        route: Route,
        gated: bool,
    ) {
        let key = self.calls.next_key();
        let decision = route.decision;
        self.transactions
            .set_server_user(tx, User { call: key, purpose: Purpose::CallerInvite }.pack());
        self.transactions.trying(self.now.tick, tx, &mut self.out.sends);
        let mut wire = self.wire();
        let Some(call) = Call::new(key, request, flow, tx, &mut wire) else {
            return self.end_at_once(tx, decision, a_leg(request, flow), Finding::BadContact);
        };
        let (from_line, from_trunk) = match from {
            Caller::Line(line) => (Some(line), None),
            Caller::Trunk(trunk) => (None, Some(trunk)),
        };
        let live = Live {
            call,
            decision,
            caller: route.caller,
            target: route.target,
            gated,
            exempt: is_exempt(route.destination.class),
            // Nobody in need is told that his carrier has no TLS.
            sips: request.request_uri().is_some_and(is_sips)
                && route.destination.class != DestinationClass::Emergency,
            trunks_tried: 0,
            vain_leg: None,
            from_line,
            from_trunk,
            witness: witness(from_trunk.is_some()),
            request: request_name(request),
            a_leg: a_leg(request, flow),
            private: wants_privacy(request),
            b_agent: String::new(),
            carried_until: None,
            best_status: 0,
            finding: None,
            ending: None,
            settled: false,
            wake: Tick::NEVER,
        };
        let key = self.calls.insert(live);
        self.by_decision.insert(decision, key);
        self.try_targets(key);
        self.schedule(key);
    }

    /// The next carrier, or all phones of the called lines.
    pub(crate) fn try_targets(&mut self, key: CallKey) {
        let Some(live) = self.calls.find(key) else { return };
        let target = live.target.clone();
        match target {
            Target::Trunks { trunks, .. } => self.try_trunk(key, &trunks),
            Target::Lines(lines) => self.try_lines(key, &lines),
        }
    }

    fn try_trunk(&mut self, key: CallKey, trunks: &[TrunkId]) {
        let now = self.now.tick;
        let Some(live) = self.calls.find(key) else { return };
        if live.trunks_tried == 0 && trunks.len() > 1 {
            // Carriers that said nothing lately come last, whatever their priority.
            if let Target::Trunks { trunks, .. } = &mut live.target {
                trunks.sort_by_key(|trunk| self.links.is_resting(*trunk, now));
            }
        }
        let live = self.calls.find(key).expect("found a line above");
        let Target::Trunks { trunks, .. } = &live.target else { return };
        let Some(trunk) = trunks.get(live.trunks_tried).copied() else {
            return match live.sips && live.call.legs().is_empty() {
                true => self.reject_with(key, &Finding::NotSecure),
                false => self.reject_as_best(key),
            };
        };
        live.trunks_tried += 1;
        let (decision, gated) = (live.decision, live.gated);
        let Some(plan) = self.trunk_plan(key, trunk) else {
            return self.try_trunk(key, &[]);
        };
        self.engine.use_trunk(decision, trunk);
        let mut prepared = None;
        self.with_call(key, |live, wire, _| prepared = live.call.prepare_leg(wire, plan).ok());
        match prepared {
            None => self.reject_with(key, &Finding::Overload),
            Some(leg) if gated => {
                if let Some(hold) = self.hold_with_legs(decision) {
                    self.store(vec![Record::Hold(Box::new(hold))], Pending::Leg(key, leg));
                } else {
                    // Money that cannot be written is not held.
                    self.reject_with(key, &Finding::StoreDown);
                }
            }
            Some(leg) => {
                self.with_call(key, |live, wire, _| live.call.start_leg(wire, leg));
                self.record_ringing(key);
            }
        }
    }

    fn try_lines(&mut self, key: CallKey, lines: &[LineId]) {
        let plans = self.phone_plans(key, lines, &[]);
        if plans.is_empty() {
            let is_there = lines.iter().any(|line| self.registrar.contacts(*line).next().is_some());
            let is_sips = self.calls.find(key).is_some_and(|live| live.sips);
            return match is_sips && is_there {
                true => self.reject_with(key, &Finding::NotSecure),
                false => self.reject_with(key, &Finding::NotRegistered),
            };
        }
        let plans = self.within_limit(plans);
        self.with_call(key, |live, wire, _| {
            for plan in plans {
                if let Ok(leg) = live.call.prepare_leg(wire, plan) {
                    live.call.start_leg(wire, leg);
                }
            }
        });
        if self.calls.find(key).is_some_and(|live| live.call.legs().is_empty()) {
            return self.reject_with(key, &Finding::Overload);
        }
        self.record_ringing(key);
    }

    /// At most [`MAX_LEGS`] phones ring, those that registered last; the others are counted.
    fn within_limit(&mut self, mut plans: Vec<LegPlan>) -> Vec<LegPlan> {
        self.stats.phones_not_rung += plans.len().saturating_sub(MAX_LEGS) as u64;
        plans.truncate(MAX_LEGS);
        plans
    }

    /// 10 The hold is durable, or will never be.
    pub(crate) fn leg_stored(&mut self, key: CallKey, leg: u8, ok: bool) {
        if ok {
            self.with_call(key, |live, wire, _| live.call.start_leg(wire, leg));
        } else {
            self.reject_with(key, &Finding::StoreDown);
        }
    }

    /// The hold of a call with what recovery needs to hang up both legs.
    pub(crate) fn hold_with_legs(&mut self, decision: DecisionId) -> Option<Hold> {
        let mut hold = self.engine.hold(decision)?;
        let key = *self.by_decision.get(&decision)?;
        let live = self.calls.find(key)?;
        let kept = Kept {
            signalling: live.call.snapshot(&self.transactions),
            a_leg: live.a_leg.clone(),
            b_leg: live.b_leg(),
            carried_until: live.carried_until,
        };
        hold.legs = postcard::to_stdvec(&kept).expect("a snapshot has no unserialisable parts");
        Some(hold)
    }

    /// Follows up on what happened in a call's signalling.
    pub(crate) fn follow_up(&mut self, key: CallKey, events: &mut Vec<CallEvent>) {
        for event in events.drain(..) {
            match event {
                CallEvent::Answered { .. } => self.answered(key),
                CallEvent::AnsweredInVain { leg } => self.answered_in_vain(key, leg),
                CallEvent::InvitedAgain => self.record_ringing(key),
                CallEvent::LegFailed { leg, status } => self.leg_failed(key, leg, status),
                CallEvent::Over { side, cause, status } => self.over(key, side, cause, status),
                CallEvent::Finished => self.finished(key),
            }
        }
    }

    /// 12 Both sides talk: the money runs, the hard stop is fixed.
    fn answered(&mut self, key: CallKey) {
        let Some(live) = self.calls.find(key) else { return };
        let decision = live.decision;
        self.stats.answered += 1;
        self.engine.answered(self.now, decision);
        self.record_answer(key);
        if self.is_answered_outside(key) {
            self.cut(decision, HangupCause::Cut, "answered outside the IP lock");
        }
    }

    /// A leg was answered that nobody waited for any more. A carrier bills it.
    fn answered_in_vain(&mut self, key: CallKey, leg: u8) {
        let Some(live) = self.calls.find(key) else { return };
        let decision = live.decision;
        let is_carrier = |leg: &Leg| matches!(leg.plan.peer, PeerKind::Trunk(_));
        if live.call.legs().get(usize::from(leg)).is_some_and(is_carrier) {
            live.vain_leg.get_or_insert(leg);
            self.engine.answered_in_vain(self.now, decision);
        }
    }

    /// Puts an answer on record. A carrier whose call costs money gets its ACK only then: were the
    /// node to die before, it would come back to a call that nobody knows was answered, and could
    /// hang up on it only because the carrier still repeats its 2xx.
    pub(crate) fn record_answer(&mut self, key: CallKey) {
        let Some(live) = self.calls.find(key) else { return };
        let (decision, gated) = (live.decision, live.gated);
        if !gated {
            self.with_call(key, |live, wire, _| live.call.confirm(wire));
        }
        if let Some(hold) = self.hold_with_legs(decision) {
            // Free calls too are written again and again until a restart would know of them.
            self.store(vec![Record::Hold(Box::new(hold))], Pending::Answer(key));
        }
    }

    /// Puts on record which INVITEs may ring now, so that a restart can cancel them.
    pub(crate) fn record_ringing(&mut self, key: CallKey) {
        let Some(decision) = self.calls.find(key).map(|live| live.decision) else { return };
        if let Some(hold) = self.hold_with_legs(decision) {
            self.store(vec![Record::Hold(Box::new(hold))], Pending::Loose);
        }
    }
}

/// What is the same in all copies of a request that proxies made of one.
fn request_name(request: &Message<'_>) -> String {
    let tag = request.from().tag().unwrap_or("");
    format!("{}\n{tag}\n{}", request.call_id(), request.cseq().number)
}

fn a_leg(request: &Message<'_>, flow: &Flow) -> LegRecord {
    let user_agent = request.header(Name::UserAgent).unwrap_or("");
    LegRecord {
        peer: Some(flow.peer),
        call_id: request.call_id().chars().take(128).collect(),
        user_agent: user_agent.chars().filter(|c| !c.is_control()).take(128).collect(),
    }
}

/// The number or user that the caller says it is. It decides nothing but what is shown (F1).
fn claimed_caller(request: &Message<'_>) -> Option<String> {
    let uri = request.from().parse_uri().ok()?;
    Some(uri.user_decoded().chars().take(64).collect())
}

/// RFC 3323, RFC 3325: the number goes to the carrier, but not to the called person.
fn wants_privacy(request: &Message<'_>) -> bool {
    let asked = |value: &str| value.split(';').any(|part| part.trim().eq_ignore_ascii_case("id"));
    request.values(Name::Privacy).any(asked)
        || claimed_caller(request).is_some_and(|user| user.eq_ignore_ascii_case("anonymous"))
}

/// Is there no body, or one that we pass on: a session description, alone or among other parts?
fn is_passed_on(request: &Message<'_>) -> bool {
    let Some(content_type) = request.header(Name::ContentType).filter(|_| !request.body.is_empty())
    else {
        return true;
    };
    sip::message::media_type(content_type).is_ok_and(|media| {
        let is_sdp = media.kind.eq_ignore_ascii_case("application")
            && media.subtype.eq_ignore_ascii_case("sdp");
        is_sdp || media.kind.eq_ignore_ascii_case("multipart")
    })
}
