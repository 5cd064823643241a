//! The node: one input in, what is to be done out. Lives here: dispatch, timers, lending the wire.
//! Never here: the way of a call or a registration (call_path, dialog_path, register_path), what waits for
//! the store (store_path), what staff order (orders).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use engine::Engine;
use sip::b2bua::{CallEvent, CallKey, Purpose, Settings, User, Wire};
use sip::dialog::is_sips;
use sip::digest::Authenticator;
use sip::flow::{Flow, Transport};
use sip::message::{Message, Method, Origin, Scheme, Uri};
use sip::registrar::Registrar;
use sip::tokens::Tokens;
use sip::transaction::{Matched, Transactions, TxEvent};
use types::{DecisionId, Map, Now, Snapshot, Tick};

use crate::config::{NodeConfig, NodeError, Timers};
use crate::io::{Input, Outputs, Stats};
use crate::late_answers::LateAnswers;
use crate::legs::Calls;
use crate::recovery::Orphan;
use crate::screen::{Screen, Seen};
use crate::sip_reply;
use crate::store_path::{Backlog, Pending};
use crate::trunk_link::TrunkLinks;

/// The node.
pub struct Node {
    pub(crate) now: Now,
    pub(crate) settings: Settings,
    pub(crate) domains: Vec<String>,
    pub(crate) timers: Timers,
    pub(crate) max_calls: usize,
    pub(crate) engine: Engine,
    pub(crate) transactions: Transactions,
    pub(crate) tokens: Tokens,
    pub(crate) authenticator: Authenticator,
    pub(crate) registrar: Registrar,
    pub(crate) calls: Calls,
    pub(crate) by_decision: Map<DecisionId, CallKey>,
    /// Calls taken up after a restart, by our tags of their dialogs.
    pub(crate) adopted: Map<String, CallKey>,
    /// Unanswered calls of an earlier run, by the Call-ID of their legs.
    pub(crate) orphans: Map<String, Orphan>,
    /// Whose an INVITE is, by its Call-ID.
    pub(crate) orphan_legs: Map<String, String>,
    /// No orphan wants to be looked after before.
    pub(crate) orphans_at: Tick,
    pub(crate) late_answers: LateAnswers,
    pub(crate) links: TrunkLinks,
    wakes: BinaryHeap<Reverse<(Tick, CallKey)>>,
    pub(crate) pending: BTreeMap<u64, Pending>,
    pub(crate) last_ticket: u64,
    pub(crate) backlog: Backlog,
    pub(crate) max_backlog: usize,
    pub(crate) store_up: bool,
    /// When the next mark of life is due; `Tick::NEVER` while nobody talks at somebody's expense.
    pub(crate) mark_at: Tick,
    /// A mark is on its way to the store.
    pub(crate) mark_open: bool,
    pub(crate) closing: bool,
    pub(crate) out: Outputs,
    pub(crate) stats: Stats,
    pub(crate) screen: Screen,
    tx_events: Vec<TxEvent>,
    call_events: Vec<CallEvent>,
}

impl Node {
    /// A node that goes on where the store says that the last one ended.
    pub fn new(config: NodeConfig, snapshot: Snapshot, now: Now) -> Result<Node, NodeError> {
        if config.listeners.is_empty() {
            return Err(NodeError::NoListener);
        }
        let hash = config.secrets.hash;
        let settings = config.settings();
        let engine = Engine::new(config.engine, &snapshot, now)?;
        let mut domains: Vec<String> = config.domains.iter().map(|d| d.to_lowercase()).collect();
        domains.push(config.realm.to_lowercase());
        let tokens = Tokens::new(config.secrets.tokens);
        let mut token_key = config.secrets.tokens;
        token_key[0] ^= 0x5a;
        let mut node = Node {
            now,
            domains: domains.clone(),
            timers: config.timers,
            max_calls: config.limits.calls,
            engine,
            transactions: Transactions::new(
                hash,
                Tokens::new(token_key),
                config.timers.sip,
                sip::transaction::Limits { max_transactions: config.limits.transactions },
            ),
            tokens,
            authenticator: Authenticator::new(
                &config.realm,
                config.secrets.nonce,
                config.limits.digest,
            ),
            registrar: Registrar::new(
                hash,
                sip::registrar::Limits {
                    bindings_per_line: config.limits.bindings_per_line,
                    ..sip::registrar::Limits::default()
                },
                settings.listeners.iter().map(|listener| listener.advertised).collect(),
                domains,
            ),
            calls: Calls::default(),
            by_decision: Map::with_hasher(hash),
            adopted: Map::with_hasher(hash),
            orphans: Map::with_hasher(hash),
            orphan_legs: Map::with_hasher(hash),
            orphans_at: Tick::NEVER,
            late_answers: LateAnswers::default(),
            links: TrunkLinks::default(),
            wakes: BinaryHeap::new(),
            pending: BTreeMap::new(),
            last_ticket: 0,
            backlog: Backlog::new(config.timers.store_retry_ms),
            max_backlog: config.limits.backlog,
            store_up: true,
            mark_at: Tick::NEVER,
            mark_open: false,
            closing: false,
            out: Outputs::default(),
            stats: Stats::default(),
            screen: Screen::new(&config.screen, hash),
            tx_events: Vec::new(),
            call_events: Vec::new(),
            settings,
        };
        node.recover(&snapshot);
        Ok(node)
    }

    /// Takes in one thing that happened.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        self.now = now;
        match input {
            Input::Received { flow, bytes } => {
                // A message that nobody listens to changes nothing; timers wait for the next input.
                if !self.received(flow, bytes) && !self.engine.has_facts() {
                    return;
                }
            }
            Input::FlowClosed(flow) => self.flow_closed(&flow),
            Input::Timeout => {}
            Input::Stored { ticket, ok } => self.stored(ticket, ok),
            Input::StoreHealth(up) => self.store_health(up),
            Input::Command { id, commands } => self.command(id, commands),
        }
        self.run_timers();
        self.raises_ended();
        let facts = self.engine.take_facts();
        self.must_store(facts);
        self.mark_life();
    }

    /// Gives what is to be done since the last drain; `into` is emptied first.
    pub fn drain(&mut self, into: &mut Outputs) {
        into.clear();
        std::mem::swap(&mut self.out, into);
    }

    /// When `Input::Timeout` is wanted next.
    pub fn next_timeout(&self) -> Option<Tick> {
        let wake = self.wakes.peek().map(|Reverse((tick, _))| *tick);
        [
            wake,
            self.transactions.next_timeout(),
            self.engine.next_timeout(),
            self.registrar.next_timeout(),
            self.links.next_timeout(),
            (self.orphans_at != Tick::NEVER).then_some(self.orphans_at),
            self.backlog.next_timeout(),
            (self.mark_at != Tick::NEVER).then_some(self.mark_at),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The engine, to look into.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Figures.
    pub fn stats(&self) -> Stats {
        Stats {
            calls: self.calls.len(),
            transactions: self.transactions.len(),
            bindings: self.registrar.len(),
            stores_open: self.pending.len(),
            records_waiting: self.backlog.len(),
            bans: self.engine.access().bans().len(),
            bans_not_made: self.engine.access().bans().not_made(),
            ..self.stats
        }
    }

    /// From now on chargeable calls are refused; live ones go on.
    pub fn begin_shutdown(&mut self, now: Now) {
        self.now = now;
        self.closing = true;
    }

    // ---- messages

    /// False: it was dropped without an answer.
    fn received(&mut self, flow: Flow, bytes: &mut [u8]) -> bool {
        self.stats.received += 1;
        let seen = self.screen(&flow, bytes);
        if seen == Seen::Dropped {
            return false;
        }
        let origin = match flow.transport {
            Transport::Tcp | Transport::Tls => Origin::Stream,
            // RFC 7118 §5: one message a frame, which ends where the frame does.
            Transport::Udp | Transport::Wss => Origin::Datagram,
        };
        match Message::parse(bytes, origin) {
            Ok(message) if self.turns_away(seen, &message, &flow) => return false,
            Ok(message) if message.is_request() => self.request(&message, &flow),
            Ok(message) => self.response(&message, &flow),
            Err(_) if seen == Seen::OnlyFamiliar => {
                self.stats.dropped.unfamiliar += 1;
                return false;
            }
            Err(error) => {
                self.stats.malformed += 1;
                if seen == Seen::Stranger {
                    self.garbage(&flow);
                }
                let tag = self.tokens.tag();
                let most = sip_reply::most_answer(&flow, bytes.len(), seen == Seen::Known);
                sip_reply::malformed(&mut self.out.sends, bytes, &error, &flow, tag.as_str(), most);
            }
        }
        true
    }

    fn request(&mut self, request: &Message<'_>, flow: &Flow) {
        let now = self.now.tick;
        match self.transactions.match_request(now, request, flow, &mut self.out.sends) {
            Matched::Absorbed => {}
            Matched::DialogAck => self.dialog_ack(request, flow),
            Matched::Cancel { user, invite } => {
                let Some(user) = User::unpack(user) else { return };
                self.with_call(user.call, |live, wire, events| match user.purpose {
                    Purpose::CallerInvite => live.call.caller_cancelled(wire, events),
                    _ => live.call.relay_cancelled(wire, invite),
                });
            }
            Matched::CancelUnknown => self.refuse_stateless(request, flow, 481),
            Matched::New if is_overheard(request, flow) => self.refuse_overheard(request, flow),
            Matched::New if request.to().tag().is_some() => self.dialog_request(request, flow),
            Matched::New => match request.method() {
                Some(Method::Invite) => self.invite(request, flow),
                Some(Method::Register) => self.register(request, flow),
                Some(Method::Options) => self.options(request, flow),
                Some(Method::Refer) => self.refuse_stateless(request, flow, 403),
                Some(Method::Bye | Method::Prack | Method::Update | Method::Info) => {
                    self.refuse_stateless(request, flow, 481);
                }
                Some(Method::Other(_)) => self.refuse_stateless(request, flow, 501),
                _ => self.refuse_stateless(request, flow, 405),
            },
        }
    }

    fn response(&mut self, response: &Message<'_>, flow: &Flow) {
        let now = self.now.tick;
        let Some(found) =
            self.transactions.match_response(now, response, flow, &mut self.out.sends)
        else {
            self.stray_response(response, flow);
            return;
        };
        let Some(user) = User::unpack(found.user) else {
            self.link_response(found.user, response, flow);
            return;
        };
        if matches!(user.purpose, Purpose::LegInvite(_)) {
            self.leg_heard(user.call, flow);
            if self.calls.find(user.call).is_none() {
                return self.late_answer(response, flow);
            }
        }
        if let Purpose::Relay(side, _) | Purpose::Bye(side) = user.purpose
            && let Some(live) = self.calls.find(user.call)
        {
            live.call.side_answered(side, response.status().unwrap_or(0));
        }
        self.with_call(user.call, |live, wire, events| match user.purpose {
            Purpose::LegInvite(leg) => live.call.leg_response(wire, leg, response, flow, events),
            Purpose::Relay(to, id) => {
                live.call.relay_response(wire, to, id, response, flow, events)
            }
            Purpose::Bye(side) => {
                live.call.bye_response(wire, side, Some((response, flow)), events)
            }
            Purpose::CallerInvite | Purpose::Nothing => {}
        });
        self.settle_if_told(user.call);
    }

    pub(crate) fn refuse_stateless(&mut self, request: &Message<'_>, flow: &Flow, status: u16) {
        let tag = self.tokens.tag();
        let reply = sip::b2bua::Reply {
            retry_after_s: (status == 503).then_some(10),
            ..sip::b2bua::Reply::new(status, tag.as_str())
        };
        self.answer(request, flow, &reply);
    }

    /// Answers outside of any transaction, in no more bytes than whoever asked may get.
    pub(crate) fn answer(
        &mut self,
        request: &Message<'_>,
        flow: &Flow,
        reply: &sip::b2bua::Reply<'_>,
    ) {
        let most = sip_reply::most_answer(flow, request.length, self.screen.hears_known());
        sip_reply::to_anybody(&mut self.out.sends, &self.settings, request, flow, reply, most);
    }

    /// 480: sips was asked for where others can listen (RFC 5630 §5.1, §6.3).
    fn refuse_overheard(&mut self, request: &Message<'_>, flow: &Flow) {
        let tag = self.tokens.tag();
        let reply = sip::b2bua::Reply {
            warning: Some("SIPS Not Allowed"),
            warn_code: 380,
            ..sip::b2bua::Reply::new(480, tag.as_str())
        };
        self.answer(request, flow, &reply);
    }

    fn options(&mut self, request: &Message<'_>, flow: &Flow) {
        let scheme = request.request_uri().map(Uri::parse);
        let status = match scheme {
            Some(Ok(uri)) if matches!(uri.scheme, Scheme::Other) => 416,
            _ if self.unsupported_option(request).is_some() => 420,
            _ => 200,
        };
        let tag = self.tokens.tag();
        let reply =
            sip::b2bua::Reply { allow: true, ..sip::b2bua::Reply::new(status, tag.as_str()) };
        self.answer(request, flow, &reply);
    }

    fn flow_closed(&mut self, flow: &Flow) {
        // First, so that calls that were ringing there look for another flow of the phone.
        self.registrar.flow_closed(flow);
        let mut events = std::mem::take(&mut self.tx_events);
        self.transactions.flow_failed(self.now.tick, flow, &mut events);
        self.tx_events = events;
        self.transaction_events();
    }

    // ---- timers

    fn run_timers(&mut self) {
        let now = self.now.tick;
        if self.transactions.next_timeout().is_some_and(|tick| tick <= now) {
            let mut events = std::mem::take(&mut self.tx_events);
            self.transactions.handle_timeout(now, &mut self.out.sends, &mut events);
            self.tx_events = events;
            self.transaction_events();
        }
        while let Some(Reverse((tick, key))) = self.wakes.peek().copied() {
            if tick > now {
                break;
            }
            self.wakes.pop();
            if let Some(live) = self.calls.find(key) {
                if live.wake == tick {
                    live.wake = Tick::NEVER;
                }
                self.with_call(key, |live, wire, events| live.call.handle_timeout(wire, events));
            }
        }
        if self.engine.next_timeout().is_some_and(|tick| tick <= now) {
            self.money_orders();
        }
        if self.registrar.next_timeout().is_some_and(|tick| tick <= now) {
            self.registrar_timeout();
        }
        self.links_timeout();
        self.orphans_timeout();
        self.backlog_timeout();
    }

    fn transaction_events(&mut self) {
        let mut events = std::mem::take(&mut self.tx_events);
        for event in events.drain(..) {
            match event {
                TxEvent::ClientTimeout { user, .. }
                | TxEvent::ClientTransportFailed { user, .. } => {
                    self.client_failed(user);
                }
                TxEvent::ServerInviteNoAck { .. } => {}
            }
        }
        self.tx_events = events;
    }

    fn client_failed(&mut self, user: u64) {
        let Some(user) = User::unpack(user) else {
            self.link_failed(user);
            return;
        };
        self.with_call(user.call, |live, wire, events| match user.purpose {
            Purpose::LegInvite(leg) => live.call.leg_timeout(leg, events),
            Purpose::Relay(to, id) => live.call.relay_timeout(wire, to, id, events),
            Purpose::Bye(side) => live.call.bye_response(wire, side, None, events),
            Purpose::CallerInvite | Purpose::Nothing => {}
        });
    }

    // ---- calls

    /// Lends the wire to a call, then follows up on what happened.
    pub(crate) fn with_call(
        &mut self,
        key: CallKey,
        act: impl FnOnce(&mut crate::legs::Live, &mut Wire<'_>, &mut Vec<CallEvent>),
    ) {
        let Some(live) = self.calls.find(key) else { return };
        let mut events = std::mem::take(&mut self.call_events);
        let mut wire = Wire {
            now: self.now,
            transactions: &mut self.transactions,
            out: &mut self.out.sends,
            tokens: &mut self.tokens,
            settings: &self.settings,
        };
        act(live, &mut wire, &mut events);
        let next = live.call.next_timeout();
        if next < live.wake {
            live.wake = next;
            self.wakes.push(Reverse((next, key)));
        }
        self.follow_up(key, &mut events);
        self.note_witness(key);
        events.clear();
        self.call_events = events;
    }

    /// Has the node look after a call at its next instant.
    pub(crate) fn schedule(&mut self, key: CallKey) {
        let Some(live) = self.calls.find(key) else { return };
        let next = live.call.next_timeout();
        if next < live.wake {
            live.wake = next;
            self.wakes.push(Reverse((next, key)));
        }
    }

    /// The wire, for messages that belong to no call.
    pub(crate) fn wire(&mut self) -> Wire<'_> {
        Wire {
            now: self.now,
            transactions: &mut self.transactions,
            out: &mut self.out.sends,
            tokens: &mut self.tokens,
            settings: &self.settings,
        }
    }
}

/// Is sips asked for on a way on which others can listen?
fn is_overheard(request: &Message<'_>, flow: &Flow) -> bool {
    let is_asked = request.request_uri().is_some_and(is_sips) || is_sips(request.to().uri);
    is_asked && !flow.transport.is_secure()
}
