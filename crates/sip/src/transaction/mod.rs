//! The four transaction machines (RFC 3261 §17, RFC 6026) and their tables. Lives here: matching,
//! retransmission, timeouts. Never here: dialogs, calls, sockets, ACK to 2xx.
//!
//! Strangers reach the server table only through `create_server`, which the caller calls for
//! requests that it lets in: an unauthenticated packet leaves nothing behind.

mod client;
mod compose;
mod key;
mod pool;
mod queue;
mod server;
mod slots;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use hashbrown::HashTable;
use types::{HashKey, Millis, Tick};

use self::client::Client;
use self::pool::Pool;
use self::queue::{Entry, Timer, TimerQueue};
use self::server::Server;
use self::slots::{Handle, Slots};
use crate::flow::{Flow, Outbox};
use crate::tokens::Tokens;

/// A server transaction: a request that came in and the responses to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerTx(Handle);

/// A client transaction: a request of ours and the responses to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientTx(Handle);

/// The base values of RFC 3261 §17, in milliseconds; all timers come from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Estimate of a round trip.
    pub t1_ms: Millis,
    /// Longest interval between retransmissions.
    pub t2_ms: Millis,
    /// How long a message may stay in the network.
    pub t4_ms: Millis,
}

impl Default for Timers {
    fn default() -> Timers {
        Timers { t1_ms: 500, t2_ms: 4_000, t4_ms: 5_000 }
    }
}

impl Timers {
    /// 64·T1: when a peer is given up.
    pub const fn give_up_ms(&self) -> Millis {
        64 * self.t1_ms
    }
}

/// What the tables may grow to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Server transactions, and again as many client transactions.
    pub max_transactions: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { max_transactions: 100_000 }
    }
}

/// No room for another transaction: answer 503, or drop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the transaction table is full")]
pub struct Overloaded;

/// What a request is to the transactions that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matched {
    /// Part of none.
    New,
    /// A retransmission, or an ACK to a refusal: dealt with.
    Absorbed,
    /// An ACK that belongs to a dialog.
    DialogAck,
    /// The CANCEL of an INVITE that has no final response yet. It has been answered with 200; the
    /// caller answers the INVITE with 487.
    Cancel {
        /// The INVITE.
        invite: ServerTx,
        /// What the caller called it.
        user: u64,
    },
    /// The CANCEL of nothing: the caller answers 481 without a transaction.
    CancelUnknown,
}

/// Whose response it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseFor {
    /// The transaction. It may have ended with this response.
    pub tx: ClientTx,
    /// What the caller called it.
    pub user: u64,
}

/// What happened without a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TxEvent {
    /// No final response came in time: to be taken as 408. The transaction has ended.
    ClientTimeout {
        /// The transaction.
        tx: ClientTx,
        /// What the caller called it.
        user: u64,
    },
    /// The way to the peer broke: to be taken as 503. The transaction has ended.
    ClientTransportFailed {
        /// The transaction.
        tx: ClientTx,
        /// What the caller called it.
        user: u64,
    },
    /// A refusal of an INVITE was never acknowledged. The transaction has ended.
    ServerInviteNoAck {
        /// The transaction.
        tx: ServerTx,
        /// What the caller called it.
        user: u64,
    },
}

/// All transactions of a node.
pub struct Transactions {
    key: HashKey,
    tokens: Tokens,
    timers: Timers,
    limits: Limits,
    queue: TimerQueue,
    pool: Pool,
    servers: Slots<Server>,
    /// Server transactions by fingerprint.
    index: HashTable<Handle>,
    /// Completed non-INVITE server transactions, oldest first: the first to go when room is short.
    completed: VecDeque<Handle>,
    clients: Slots<Client>,
    /// How many client transactions go over a stream to each peer, so that a closed stream that
    /// carries none costs nothing.
    stream_clients: BTreeMap<SocketAddr, u32>,
}

impl Transactions {
    /// Empty tables. `key` and the key of `tokens` are secret, and new at each start of the process.
    pub fn new(key: HashKey, tokens: Tokens, timers: Timers, limits: Limits) -> Transactions {
        Transactions {
            key,
            tokens,
            timers,
            limits,
            queue: TimerQueue::new(),
            pool: Pool::new(),
            servers: Slots::new(),
            index: HashTable::new(),
            completed: VecDeque::new(),
            clients: Slots::new(),
            stream_clients: BTreeMap::new(),
        }
    }

    /// How many server and client transactions there are.
    pub fn len(&self) -> (usize, usize) {
        (self.servers.len(), self.clients.len())
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.len() == (0, 0)
    }

    /// When [`Transactions::handle_timeout`] is to be called; it may then find nothing to do.
    pub fn next_timeout(&self) -> Option<Tick> {
        self.queue.next()
    }

    /// Does everything that is due at `now`, in the order of its deadlines.
    pub fn handle_timeout(&mut self, now: Tick, out: &mut Outbox, events: &mut Vec<TxEvent>) {
        while let Some(entry) = self.queue.pop_due(now) {
            if !is_wanted(&self.servers, &self.clients, &entry) {
                continue;
            }
            match entry.timer {
                Timer::ServerRetransmit => self.server_retransmit(now, entry.handle, out),
                Timer::ServerEnd => self.server_end(entry.handle, events),
                Timer::ClientRetransmit => self.client_retransmit(now, entry.handle, out),
                Timer::ClientEnd => self.client_end(entry.handle, events),
            }
        }
    }

    /// A stream closed, or the network says that a peer cannot be reached: client transactions that
    /// wait for it end at once.
    pub fn flow_failed(&mut self, _now: Tick, flow: &Flow, events: &mut Vec<TxEvent>) {
        self.clients_of_failed_flow(flow, events);
    }

    fn set_timer(&mut self, now: Tick, delay_ms: Millis, timer: Timer, handle: Handle) -> Tick {
        let deadline = self.queue.set(now, delay_ms, timer, handle);
        let bound = 1_024 + 4 * (self.servers.len() + self.clients.len());
        let (servers, clients) = (&self.servers, &self.clients);
        // The timer just set is not yet known to its owner.
        self.queue.compact(bound, |entry| {
            entry.deadline == deadline && entry.handle == handle
                || is_wanted(servers, clients, entry)
        });
        deadline
    }
}

/// Does the owner of a timer still wait for it?
fn is_wanted(servers: &Slots<Server>, clients: &Slots<Client>, entry: &Entry) -> bool {
    let server = || servers.get(entry.handle);
    let client = || clients.get(entry.handle);
    let waits_for = match entry.timer {
        Timer::ServerRetransmit => server().map(|server| server.retransmit_at),
        Timer::ServerEnd => server().map(|server| server.end_at),
        Timer::ClientRetransmit => client().map(|client| client.retransmit_at),
        Timer::ClientEnd => client().map(|client| client.end_at),
    };
    waits_for == Some(entry.deadline)
}
