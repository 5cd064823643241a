//! Server transactions. Lives here: the INVITE machine of RFC 6026 §7.1 and the other of RFC 3261 §17.2.2.
//!
//! ```text
//!  INVITE                                             others
//!            ┌─ 1xx ─┐                                Trying ── 1xx ──▶ Proceeding ─ 1xx ─┐
//!            ▼       │                                   │                 │  ▲───────────┘
//!         Proceeding ┘── 300…699 ──▶ Completed         final             final
//!            │                  G: again │ ACK           ▼                 ▼
//!           2xx                   H ─▶ ✝ ▼             Completed ── J ──▶ ✝
//!            ▼                       Confirmed            (64·T1; at once on a stream)
//!         Accepted ── L ──▶ ✝            │ I
//!         (64·T1)                        ▼
//!                                        ✝
//! ```

use std::collections::VecDeque;

use types::Tick;

use super::key::{Fingerprint, fingerprint};
use super::queue::Timer;
use super::slots::{Handle, Slots};
use super::{Matched, Overloaded, ServerTx, Transactions, TxEvent};
use crate::flow::{Flow, Outbox};
use crate::message::{Message, Method, ReplyHead, print};
use crate::tokens::Token;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Trying,
    Proceeding,
    Completed,
    Confirmed,
    Accepted,
}

pub(super) struct Server {
    fingerprint: Fingerprint,
    flow: Flow,
    user: u64,
    is_invite: bool,
    pub(super) state: State,
    /// Gone once nothing more can be composed.
    head: Option<ReplyHead>,
    /// The last response, to be sent again; empty on streams.
    last: Vec<u8>,
    interval_ms: u64,
    pub(super) retransmit_at: Tick,
    pub(super) end_at: Tick,
}

/// The state after a response of ours; `None`: it must not be sent any more.
pub(super) fn after_response(is_invite: bool, state: State, status: u16) -> Option<State> {
    let is_provisional = status < 200;
    match (is_invite, state) {
        (false, State::Trying | State::Proceeding) if is_provisional => Some(State::Proceeding),
        (false, State::Trying | State::Proceeding) => Some(State::Completed),
        (true, State::Proceeding) if is_provisional => Some(State::Proceeding),
        (true, State::Proceeding) if status < 300 => Some(State::Accepted),
        (true, State::Proceeding) => Some(State::Completed),
        // RFC 6026 §7.1: the 2xx is sent again by the transaction user.
        (true, State::Accepted) if (200..300).contains(&status) => Some(State::Accepted),
        _ => None,
    }
}

impl Transactions {
    /// Is this request part of a transaction that we have? If so, it is dealt with.
    pub fn match_request(
        &mut self,
        now: Tick,
        request: &Message<'_>,
        flow: &Flow,
        out: &mut Outbox,
    ) -> Matched {
        match request.method() {
            Some(Method::Ack) => self.match_ack(now, request, flow),
            Some(Method::Cancel) => self.match_cancel(now, request, flow, out),
            Some(method) => match self.find(fingerprint(self.key, request, flow, method)) {
                Some(handle) => {
                    self.answer_again(handle, out);
                    Matched::Absorbed
                }
                None => Matched::New,
            },
            None => Matched::New,
        }
    }

    /// Begins a transaction for a request that matched none. `user` is the caller's own name for it.
    pub fn create_server(
        &mut self,
        now: Tick,
        request: &Message<'_>,
        flow: Flow,
        user: u64,
    ) -> Result<ServerTx, Overloaded> {
        let method = request.method().ok_or(Overloaded)?;
        if self.servers.len() >= self.limits.max_transactions {
            self.evict_completed()?;
        }
        let is_invite = method == Method::Invite;
        let head = ReplyHead::new_in(self.pool.empty(), request, &flow);
        let server = Server {
            fingerprint: fingerprint(self.key, request, &flow, method),
            flow,
            user,
            is_invite,
            state: if is_invite { State::Proceeding } else { State::Trying },
            head: Some(head),
            last: Vec::new(),
            interval_ms: 0,
            retransmit_at: Tick::NEVER,
            end_at: Tick::NEVER,
        };
        let hash = hash_of(server.fingerprint);
        let handle = self.servers.insert(server);
        let servers = &self.servers;
        self.index.insert_unique(hash, handle, |handle| rehash(servers, *handle));
        if !is_invite {
            // RFC 4320 §4.1: an answer after 64·T1 helps nobody. The transaction does not outlive it.
            self.set_server_end(now, handle, self.timers.give_up_ms());
        }
        Ok(ServerTx(handle))
    }

    /// Answers an INVITE with 100 (RFC 3261 §17.2.1), unless something was answered already.
    pub fn trying(&mut self, now: Tick, tx: ServerTx, out: &mut Outbox) {
        let server = self.servers.get(tx.0);
        if server.is_some_and(|server| server.state == State::Proceeding && server.last.is_empty())
        {
            // RFC 3261 §8.2.6.2: a 100 needs no tag.
            self.respond(now, tx, 100, out, |head, bytes| {
                head.begin(bytes, 100, print::reason_phrase(100), "");
                print::finish(bytes, None, b"");
            });
        }
    }

    /// Sends a response that the caller composes from the head, and keeps it when the rules want it
    /// sent again. Returns whether it could be sent: never after a final response, except 2xx to
    /// INVITE, which the caller repeats until the ACK comes.
    pub fn respond(
        &mut self,
        now: Tick,
        tx: ServerTx,
        status: u16,
        out: &mut Outbox,
        compose: impl FnOnce(&ReplyHead, &mut Vec<u8>),
    ) -> bool {
        let Some(server) = self.servers.get_mut(tx.0) else { return false };
        let Some(head) = server.head.as_ref() else { return false };
        let Some(next) = after_response(server.is_invite, server.state, status) else {
            return false;
        };
        let start = out.begin();
        compose(head, &mut out.arena);
        let sent = out.finish(start, server.flow);
        let is_first = server.state != next;
        server.state = next;
        if !server.flow.transport.is_reliable() && next != State::Accepted {
            self.pool.replace(&mut server.last, sent);
        }
        if is_first {
            self.enter(now, tx.0, next);
        }
        true
    }

    /// The head for responses; `None` when the transaction is gone or needs no more responses.
    pub fn reply_head(&self, tx: ServerTx) -> Option<&ReplyHead> {
        self.servers.get(tx.0)?.head.as_ref()
    }

    /// Where the request came from.
    pub fn server_flow(&self, tx: ServerTx) -> Option<Flow> {
        Some(self.servers.get(tx.0)?.flow)
    }

    /// What the caller called it.
    pub fn server_user(&self, tx: ServerTx) -> Option<u64> {
        Some(self.servers.get(tx.0)?.user)
    }

    /// Changes what the caller called it.
    pub fn set_server_user(&mut self, tx: ServerTx, user: u64) {
        if let Some(server) = self.servers.get_mut(tx.0) {
            server.user = user;
        }
    }

    /// The To tag for responses on this transaction: the one that the layer itself puts into the 200
    /// to a CANCEL (RFC 3261 §9.2 wants the same in both).
    pub fn tag(&self, tx: ServerTx) -> Option<Token> {
        Some(self.tokens.tag_of(self.servers.get(tx.0)?.fingerprint))
    }

    /// Forgets a server transaction; retransmissions of its request will be new.
    pub fn discard_server(&mut self, tx: ServerTx) {
        self.remove_server(tx.0);
    }

    pub(super) fn server_retransmit(&mut self, now: Tick, handle: Handle, out: &mut Outbox) {
        // Timer G. RFC 3261 §17.2.1: the interval doubles up to T2.
        self.answer_again(handle, out);
        let Some(server) = self.servers.get_mut(handle) else { return };
        server.interval_ms = (2 * server.interval_ms).min(self.timers.t2_ms);
        let interval_ms = server.interval_ms;
        self.set_server_retransmit(now, handle, interval_ms);
    }

    pub(super) fn server_end(&mut self, handle: Handle, events: &mut Vec<TxEvent>) {
        // Timers H, I, J, L.
        let Some(server) = self.remove_server(handle) else { return };
        if server.is_invite && server.state == State::Completed {
            events.push(TxEvent::ServerInviteNoAck { tx: ServerTx(handle), user: server.user });
        }
    }

    fn match_ack(&mut self, now: Tick, ack: &Message<'_>, flow: &Flow) -> Matched {
        let found = self.find(fingerprint(self.key, ack, flow, Method::Invite));
        let Some((handle, server)) =
            found.and_then(|handle| Some((handle, self.servers.get_mut(handle)?)))
        else {
            return Matched::DialogAck;
        };
        match server.state {
            State::Completed => {
                server.state = State::Confirmed;
                self.enter(now, handle, State::Confirmed);
                Matched::Absorbed
            }
            // RFC 6026 §7.1: the ACK to a 2xx goes up, also when its branch is that of the INVITE.
            State::Accepted => Matched::DialogAck,
            State::Trying | State::Proceeding | State::Confirmed => Matched::Absorbed,
        }
    }

    fn match_cancel(
        &mut self,
        now: Tick,
        cancel: &Message<'_>,
        flow: &Flow,
        out: &mut Outbox,
    ) -> Matched {
        if let Some(handle) = self.find(fingerprint(self.key, cancel, flow, Method::Cancel)) {
            self.answer_again(handle, out);
            return Matched::Absorbed;
        }
        let found = self.find(fingerprint(self.key, cancel, flow, Method::Invite));
        let Some((handle, invite)) =
            found.and_then(|handle| Some((handle, self.servers.get(handle)?)))
        else {
            return Matched::CancelUnknown;
        };
        let (user, state) = (invite.user, invite.state);
        let tag = self.tokens.tag_of(invite.fingerprint);
        let ok = |head: &ReplyHead, bytes: &mut Vec<u8>| {
            head.begin(bytes, 200, print::reason_phrase(200), &tag);
            print::finish(bytes, None, b"");
        };
        match self.create_server(now, cancel, *flow, user) {
            Ok(tx) => {
                self.respond(now, tx, 200, out, ok);
            }
            Err(Overloaded) => {
                let start = out.begin();
                ok(&ReplyHead::new(cancel, flow), &mut out.arena);
                out.finish(start, *flow);
            }
        }
        match state {
            State::Proceeding => Matched::Cancel { invite: ServerTx(handle), user },
            // RFC 3261 §9.2: after the final response a CANCEL changes nothing.
            _ => Matched::Absorbed,
        }
    }

    /// Sets the timers of a state that has just been entered.
    fn enter(&mut self, now: Tick, handle: Handle, state: State) {
        let Some(server) = self.servers.get_mut(handle) else { return };
        let is_reliable = server.flow.transport.is_reliable();
        match (server.is_invite, state) {
            (_, State::Trying | State::Proceeding) => {}
            (false, _) if is_reliable => {
                self.remove_server(handle); // Timer J is zero.
            }
            (false, _) => {
                let head = server.head.take().map_or_else(Vec::new, ReplyHead::into_buffer);
                self.pool.give_back(head);
                self.remember_completed(handle);
                self.set_server_end(now, handle, self.timers.give_up_ms()); // Timer J.
            }
            (true, State::Completed) => {
                let head = server.head.take().map_or_else(Vec::new, ReplyHead::into_buffer);
                self.pool.give_back(head);
                if !is_reliable {
                    server.interval_ms = self.timers.t1_ms;
                    self.set_server_retransmit(now, handle, self.timers.t1_ms); // Timer G.
                }
                self.set_server_end(now, handle, self.timers.give_up_ms()); // Timer H.
            }
            (true, State::Confirmed) if is_reliable => {
                self.remove_server(handle); // Timer I is zero.
            }
            (true, State::Confirmed) => {
                server.retransmit_at = Tick::NEVER;
                self.pool.give_back(std::mem::take(&mut server.last));
                self.set_server_end(now, handle, self.timers.t4_ms); // Timer I.
            }
            (true, State::Accepted) => {
                self.pool.give_back(std::mem::take(&mut server.last));
                self.set_server_end(now, handle, self.timers.give_up_ms()); // Timer L.
            }
        }
    }

    fn answer_again(&self, handle: Handle, out: &mut Outbox) {
        if let Some(server) = self.servers.get(handle)
            && !server.last.is_empty()
        {
            out.push(server.flow, &server.last);
        }
    }

    fn find(&self, wanted: Fingerprint) -> Option<Handle> {
        let is_it = |handle: &Handle| {
            self.servers.get(*handle).is_some_and(|server| server.fingerprint == wanted)
        };
        self.index.find(hash_of(wanted), is_it).copied()
    }

    fn set_server_retransmit(&mut self, now: Tick, handle: Handle, delay_ms: u64) {
        let at = self.set_timer(now, delay_ms, Timer::ServerRetransmit, handle);
        if let Some(server) = self.servers.get_mut(handle) {
            server.retransmit_at = at;
        }
    }

    fn set_server_end(&mut self, now: Tick, handle: Handle, delay_ms: u64) {
        let at = self.set_timer(now, delay_ms, Timer::ServerEnd, handle);
        if let Some(server) = self.servers.get_mut(handle) {
            server.end_at = at;
        }
    }

    fn remove_server(&mut self, handle: Handle) -> Option<Server> {
        let mut server = self.servers.remove(handle)?;
        if let Ok(entry) = self.index.find_entry(hash_of(server.fingerprint), |at| *at == handle) {
            entry.remove();
        }
        self.pool.give_back(std::mem::take(&mut server.last));
        self.pool.give_back(server.head.take().map_or_else(Vec::new, ReplyHead::into_buffer));
        if self.servers.len() == 0 {
            self.index.shrink_to(1_024, |_| 0); // It is empty: nothing is hashed again.
            self.completed = VecDeque::new();
        }
        Some(server)
    }

    fn remember_completed(&mut self, handle: Handle) {
        while self.completed.front().is_some_and(|oldest| self.servers.get(*oldest).is_none()) {
            self.completed.pop_front();
        }
        self.completed.push_back(handle);
    }

    /// Makes room: a completed transaction only serves late retransmissions.
    fn evict_completed(&mut self) -> Result<(), Overloaded> {
        while let Some(oldest) = self.completed.pop_front() {
            if self.remove_server(oldest).is_some() {
                return Ok(());
            }
        }
        Err(Overloaded)
    }
}

fn hash_of(fingerprint: Fingerprint) -> u64 {
    fingerprint as u64
}

fn rehash(servers: &Slots<Server>, handle: Handle) -> u64 {
    servers.get(handle).map_or(0, |server| hash_of(server.fingerprint))
}
