//! Client transactions. Lives here: the INVITE machine of RFC 6026 §7.2 with its CANCEL, and the
//! other of RFC 3261 §17.1.2.
//!
//! ```text
//!  INVITE                                                   others
//!   Fresh ── send ──▶ Calling ── A: again, B ─▶ ✝ timeout     Fresh ── send ──▶ Trying ── E: again, F ─▶ ✝ timeout
//!                        │ 1xx        ┌ 1xx ┐                               │ 1xx
//!                        ▼            ▼     │                               ▼
//!                     Proceeding ───────────┘                           Proceeding ── E: again, F ─▶ ✝ timeout
//!                   2xx │    │ 300…699: ACK                                 │ final
//!              ┌────────┘    └────────┐                                     ▼
//!              ▼                      ▼                                 Completed ── K ─▶ ✝
//!          Accepted ─ M ─▶ ✝      Completed ─ D ─▶ ✝                  (T4; at once on a stream)
//!        (each 2xx goes up)     (300…699: ACK again)
//! ```
//! (Calling and Trying are one state here; 2xx and 300…699 come in Calling, too.)

mod timers;

use types::Tick;

use super::compose;
use super::key::{branch, read_branch, sent_by_hash};
use super::slots::Handle;
use super::{ClientTx, Overloaded, ResponseFor, Transactions};
use crate::flow::{Flow, Outbox};
use crate::message::{Message, Method, Name};
use crate::tokens::Token;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Calling,
    Proceeding,
    Completed,
    Accepted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cancel {
    No,
    /// As soon as a provisional response has come (RFC 3261 §9.1).
    Wanted,
    /// This transaction carries it.
    Sent(Handle),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Invite(Cancel),
    /// The CANCEL of an INVITE of ours. It shares the INVITE's branch and is found through it.
    Cancel,
    /// Any other method; `None`: one that is not known by name.
    Other(Option<Method<'static>>),
}

/// What has been sent.
struct Request {
    flow: Flow,
    kind: Kind,
    state: State,
    /// Of the Via that we wrote.
    sent_by: u64,
    /// The request, or the ACK in its place; empty when neither is needed again.
    bytes: Vec<u8>,
    interval_ms: u64,
}

pub(super) struct Client {
    user: u64,
    request: Option<Request>,
    pub(super) retransmit_at: Tick,
    pub(super) end_at: Tick,
}

/// What a response does to a client transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing, and nobody is told.
    Absorb,
    /// Handed up; the state is entered, or stays.
    Up(State),
    /// A refusal of an INVITE: acknowledged, then handed up.
    AckAndUp,
    /// A refusal again: the ACK again.
    AckAgain,
}

pub(super) fn step(is_invite: bool, state: State, status: u16) -> Step {
    match (is_invite, state, status) {
        (_, State::Calling | State::Proceeding, ..=199) => Step::Up(State::Proceeding),
        (false, State::Calling | State::Proceeding, _) => Step::Up(State::Completed),
        (true, State::Calling | State::Proceeding, 200..=299) => Step::Up(State::Accepted),
        (true, State::Calling | State::Proceeding, _) => Step::AckAndUp,
        // RFC 6026 §7.2: retransmitted and forked 2xx alike are the transaction user's.
        (true, State::Accepted, 200..=299) => Step::Up(State::Accepted),
        // Another branch answered after this one was refused: handed up, so that it can be hung up.
        (true, State::Completed, 200..=299) => Step::Up(State::Completed),
        (true, State::Completed, 300..) => Step::AckAgain,
        _ => Step::Absorb,
    }
}

impl Transactions {
    /// A client transaction that has not sent anything yet. `user` is the caller's own name for it.
    pub fn new_client(&mut self, user: u64) -> Result<ClientTx, Overloaded> {
        if self.clients.len() >= self.limits.max_transactions {
            return Err(Overloaded);
        }
        let client =
            Client { user, request: None, retransmit_at: Tick::NEVER, end_at: Tick::NEVER };
        Ok(ClientTx(self.clients.insert(client)))
    }

    /// The branch of its Via: leads back here, and cannot be guessed.
    pub fn branch(&self, tx: ClientTx) -> Token {
        branch(self.key, self.tokens.shard(), tx.0)
    }

    /// Sends the request that `compose` writes. Its first Via carries the branch of `tx`.
    pub fn send(
        &mut self,
        now: Tick,
        tx: ClientTx,
        flow: Flow,
        method: Method<'_>,
        out: &mut Outbox,
        compose: impl FnOnce(&mut Vec<u8>),
    ) {
        debug_assert!(method != Method::Ack, "an ACK has no transaction");
        if self.clients.get(tx.0).is_none_or(|client| client.request.is_some()) {
            debug_assert!(false, "a client transaction sends one request");
            return;
        }
        let kind = match method {
            Method::Invite => Kind::Invite(Cancel::No),
            other => Kind::Other(other.known()),
        };
        let start = out.begin();
        compose(&mut out.arena);
        let sent = out.finish(start, flow);
        self.start(now, tx.0, flow, kind, sent);
    }

    /// Whose response is this? `None`: nobody's, or dealt with.
    ///
    /// Provisional responses and, to INVITE, each 2xx are handed up each time they come. A 2xx may
    /// come even after a refusal was handed up, when a proxy on the way forked: it is to be
    /// acknowledged and hung up.
    pub fn match_response(
        &mut self,
        now: Tick,
        response: &Message<'_>,
        flow: &Flow,
        out: &mut Outbox,
    ) -> Option<ResponseFor> {
        let via = response.via();
        let handle = read_branch(self.key, self.tokens.shard(), via.branch?)?;
        let sent_by = sent_by_hash(self.key, via.host.as_bytes(), via.port.unwrap_or(0));
        let request = self.clients.get(handle)?.request.as_ref()?;
        // RFC 3261 §18.1.2: a sent-by that is not ours; §8.1.3.3: a Via that is not ours below it.
        if request.sent_by != sent_by || response.vias().nth(1).is_some() {
            return None;
        }
        // RFC 3261 §17.1.3: branch and method of CSeq together name the transaction.
        match (request.kind, response.cseq().method) {
            (Kind::Invite(_), Method::Invite) => {
                self.take_response(now, handle, response, flow, out)
            }
            (Kind::Invite(Cancel::Sent(cancel)), Method::Cancel) => {
                self.take_response(now, cancel, response, flow, out);
                None
            }
            (Kind::Other(ours), theirs) if ours == theirs.known() => {
                self.take_response(now, handle, response, flow, out)
            }
            _ => None,
        }
    }

    /// Is this a response to a request that we sent since the start, whether or not its transaction
    /// is still there? Only who saw the request can make one.
    pub fn is_ours(&self, response: &Message<'_>) -> bool {
        let branch = response.via().branch;
        branch.is_some_and(|text| read_branch(self.key, self.tokens.shard(), text).is_some())
            && response.vias().nth(1).is_none()
    }

    /// Cancels an INVITE: at once when a provisional response has come, else when one comes
    /// (RFC 3261 §9.1). Its final response is still handed up, and may be a 2xx. When none comes
    /// within 64·T1 of the CANCEL, the INVITE times out. Does nothing after a final response.
    pub fn cancel(&mut self, now: Tick, invite: ClientTx, out: &mut Outbox) {
        let client = self.clients.get_mut(invite.0);
        let Some(request) = client.and_then(|client| client.request.as_mut()) else { return };
        match (request.kind, request.state) {
            (Kind::Invite(Cancel::No), State::Calling) => {
                request.kind = Kind::Invite(Cancel::Wanted);
            }
            (Kind::Invite(Cancel::No), State::Proceeding) => {
                self.send_cancel(now, invite.0, out);
            }
            _ => {}
        }
    }

    /// As [`Transactions::cancel`], for a peer that stays silent and is not waited for: an INVITE
    /// that nothing came back for is not repeated any more.
    pub fn give_up(&mut self, now: Tick, invite: ClientTx, out: &mut Outbox) {
        self.cancel(now, invite, out);
        let Some(client) = self.clients.get_mut(invite.0) else { return };
        if client.request.as_ref().is_some_and(|request| request.state == State::Calling) {
            client.retransmit_at = Tick::NEVER;
        }
    }

    /// What the caller called it.
    pub fn client_user(&self, tx: ClientTx) -> Option<u64> {
        Some(self.clients.get(tx.0)?.user)
    }

    /// Changes what the caller called it.
    pub fn set_client_user(&mut self, tx: ClientTx, user: u64) {
        if let Some(client) = self.clients.get_mut(tx.0) {
            client.user = user;
        }
    }

    /// Where the request went.
    pub fn client_flow(&self, tx: ClientTx) -> Option<Flow> {
        Some(self.clients.get(tx.0)?.request.as_ref()?.flow)
    }

    /// Forgets a client transaction; responses to it will be nobody's, and are not acknowledged.
    pub fn discard(&mut self, tx: ClientTx) {
        self.remove_client(tx.0);
    }

    fn start(&mut self, now: Tick, handle: Handle, flow: Flow, kind: Kind, sent: &[u8]) {
        let is_reliable = flow.transport.is_reliable();
        let (host, port) = compose::sent_by(sent);
        let is_invite = matches!(kind, Kind::Invite(_));
        let bytes = match is_reliable && !is_invite {
            true => Vec::new(),
            false => self.pool.copy(sent), // An INVITE is needed for its ACK or CANCEL.
        };
        let request = Request {
            flow,
            kind,
            state: State::Calling,
            sent_by: sent_by_hash(self.key, host, port),
            bytes,
            interval_ms: self.timers.t1_ms,
        };
        let Some(client) = self.clients.get_mut(handle) else { return };
        client.request = Some(request);
        if is_reliable {
            *self.stream_clients.entry(flow.peer).or_default() += 1;
        } else {
            self.set_client_retransmit(now, handle, self.timers.t1_ms); // Timer A or E.
        }
        self.set_client_end(now, handle, self.timers.give_up_ms()); // Timer B or F.
    }

    fn take_response(
        &mut self,
        now: Tick,
        handle: Handle,
        response: &Message<'_>,
        flow: &Flow,
        out: &mut Outbox,
    ) -> Option<ResponseFor> {
        let status = response.status()?;
        let client = self.clients.get_mut(handle)?;
        let up = ResponseFor { tx: ClientTx(handle), user: client.user };
        let request = client.request.as_mut()?;
        request.learn_connection(flow);
        match step(matches!(request.kind, Kind::Invite(_)), request.state, status) {
            Step::Absorb => None,
            Step::Up(state) => {
                let is_first = request.state != state;
                request.state = state;
                if is_first {
                    self.enter_client(now, handle, state, out);
                }
                Some(up)
            }
            Step::AckAndUp => {
                let start = out.begin();
                let to = response.header(Name::To).unwrap_or("");
                compose::ack(&mut out.arena, &request.bytes, to);
                let ack = out.finish(start, request.flow);
                self.pool.replace(&mut request.bytes, ack);
                request.state = State::Completed;
                self.enter_client(now, handle, State::Completed, out);
                Some(up)
            }
            Step::AckAgain => {
                out.push(request.flow, &request.bytes);
                None
            }
        }
    }

    /// Sets the timers of a state that has just been entered.
    fn enter_client(&mut self, now: Tick, handle: Handle, state: State, out: &mut Outbox) {
        let Some(client) = self.clients.get_mut(handle) else { return };
        let Some(request) = client.request.as_mut() else { return };
        let is_reliable = request.flow.transport.is_reliable();
        match (request.kind, state) {
            (Kind::Invite(cancel), State::Proceeding) => {
                client.retransmit_at = Tick::NEVER;
                client.end_at = Tick::NEVER;
                if cancel == Cancel::Wanted {
                    self.send_cancel(now, handle, out);
                }
            }
            (_, State::Calling | State::Proceeding) => {}
            (_, State::Completed) if is_reliable => {
                self.remove_client(handle); // Timers D and K are zero.
            }
            (Kind::Invite(_), State::Completed) => {
                client.retransmit_at = Tick::NEVER;
                self.set_client_end(now, handle, self.timers.give_up_ms()); // Timer D.
            }
            (_, State::Completed) => {
                client.retransmit_at = Tick::NEVER;
                self.pool.give_back(std::mem::take(&mut request.bytes));
                self.set_client_end(now, handle, self.timers.t4_ms); // Timer K.
            }
            (_, State::Accepted) => {
                client.retransmit_at = Tick::NEVER;
                self.pool.give_back(std::mem::take(&mut request.bytes));
                self.set_client_end(now, handle, self.timers.give_up_ms()); // Timer M.
            }
        }
    }

    fn send_cancel(&mut self, now: Tick, invite: Handle, out: &mut Outbox) {
        let Some(client) = self.clients.get(invite) else { return };
        let Some(request) = client.request.as_ref() else { return };
        let (user, flow) = (client.user, request.flow);
        let start = out.begin();
        compose::cancel(&mut out.arena, &request.bytes);
        let sent = out.finish(start, flow);
        // Not counted against the limit: there is one at most for each INVITE.
        let cancel = self.clients.insert(Client {
            user,
            request: None,
            retransmit_at: Tick::NEVER,
            end_at: Tick::NEVER,
        });
        self.start(now, cancel, flow, Kind::Cancel, sent);
        if let Some(client) = self.clients.get_mut(invite)
            && let Some(request) = client.request.as_mut()
        {
            request.kind = Kind::Invite(Cancel::Sent(cancel));
        }
        self.set_client_end(now, invite, self.timers.give_up_ms());
    }
}

impl Client {
    /// Is the caller still to hear of it?
    fn waits_for_final(&self) -> bool {
        let request = self.request.as_ref();
        request.is_some_and(|request| request.kind != Kind::Cancel && request.is_pending())
    }
}

impl Request {
    fn is_pending(&self) -> bool {
        matches!(self.state, State::Calling | State::Proceeding)
    }

    fn goes_over(&self, failed: &Flow) -> bool {
        self.flow.transport == failed.transport
            && self.flow.peer == failed.peer
            && (self.flow.connection == failed.connection
                || [self.flow.connection, failed.connection].contains(&Flow::ANY_CONNECTION))
    }

    /// "Any connection" becomes the one that the peer answers on.
    fn learn_connection(&mut self, flow: &Flow) {
        if self.flow.connection == Flow::ANY_CONNECTION
            && self.flow.transport == flow.transport
            && self.flow.peer == flow.peer
        {
            self.flow.connection = flow.connection;
        }
    }
}
