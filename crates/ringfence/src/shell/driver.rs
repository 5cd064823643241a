//! The node's thread: one poll, everything that came, everything that is to go out. Lives here: the
//! loop and its order. Never here: what any of it means; that is the node's.
//!
//! ```text
//! poll ─► datagrams ─► streams ─► store's answers ─► commands ─► timers ─► poll
//!            └─────────────┴─────────────┴──────────────┴────────────┴──► drain: send, store, reply
//! ```

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender};
use std::time::Duration;

use anyhow::Context;
use edge::{Input, Node, Outputs};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use sip::flow::Transport;
use store::SqliteStore;
use types::{Now, Tick, Trunk, TrunkTransport};

use super::alerts::Alerts;
use super::auditor::Auditor;
use super::certificate::{Renewal, trunk_name};
use super::clock::Clock;
use super::control::{Ask, Job, JobReply, NodeStatus, live_view, usage_view};
use super::pace::Pace;
use super::signals::{Signals, Wish};
use super::store_link::{Answer, StoreLink};
use super::streams::Streams;
use super::systemd::notify;
use super::udp::Datagrams;
use super::writes::Writes;
use crate::change::{self, Change};
use crate::look;

const WAKER: Token = Token(0);
const SIGNALS: Token = Token(1);
const FIRST_UDP: usize = 2;
const FIRST_LISTENER: usize = 1_000;
/// Tokens from here on are connections of streams.
pub const FIRST_CONNECTION: usize = 10_000;
/// Commands taken in one turn.
const COMMANDS: usize = 256;
/// Outputs may cause inputs (a flow that cannot be opened): this often within one turn.
const ROUNDS: usize = 16;
const SWEEP_MS: u64 = 1_000;
/// How often it is looked whether the certificate was renewed.
const RENEWAL_MS: u64 = 5_000;

/// The token of a stream listener.
pub const fn listener_token(at: usize) -> Token {
    Token(FIRST_LISTENER + at)
}

/// What the thread owns.
pub struct Driver {
    /// Its clock.
    pub clock: Clock,
    /// The node.
    pub node: Node,
    /// Datagram sockets.
    pub datagrams: Datagrams,
    /// Stream sockets.
    pub streams: Streams,
    /// Watches the certificate, if there is one.
    pub renewal: Option<Renewal>,
    /// The store.
    pub store: StoreLink<SqliteStore>,
    /// Signals of the process.
    pub signals: Signals,
    /// Who tells people: he writes through us.
    pub alerts: Alerts,
    /// Commands and questions from the control socket.
    pub jobs: Receiver<Job>,
    /// Judges calls again, beside the node.
    pub auditor: Auditor,
    /// How long a graceful stop waits for calls.
    pub stop_wait_ms: u64,
    /// The poll; its waker is told of store answers and commands.
    pub poll: Poll,
}

/// The loop's own state.
struct Turn {
    outputs: Outputs,
    answers: Vec<Answer>,
    /// Who waits for which change, and what he is told when it is on disk.
    commands: BTreeMap<u64, (SyncSender<JobReply>, change::Answer)>,
    last_command: u64,
    /// Transactions in which the node has no part.
    writes: Writes,
    sweep_at: Tick,
    renewal_at: Tick,
    store_at: Tick,
    /// Commands were left for the next turn.
    has_more: bool,
    stop: Stop,
    pace: Pace,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    No,
    /// Wait for calls until this time.
    By(Tick),
    Now,
}

/// A poll and the waker that other threads have.
pub fn poll() -> anyhow::Result<(Poll, Arc<Waker>)> {
    let poll = Poll::new().context("cannot make a poll")?;
    let waker = Waker::new(poll.registry(), WAKER).context("cannot make a waker")?;
    Ok((poll, Arc::new(waker)))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a pause under load, far shorter than any timer of SIP"
)]
fn nap(pause: Duration) {
    std::thread::sleep(pause);
}

impl Driver {
    /// Runs until a signal ends it. Returns when the store has everything.
    pub fn run(mut self) -> anyhow::Result<()> {
        self.watch()?;
        let mut turn = Turn {
            outputs: Outputs::default(),
            answers: Vec::new(),
            commands: BTreeMap::new(),
            last_command: 0,
            writes: Writes::default(),
            sweep_at: Tick(0),
            renewal_at: Tick(0),
            store_at: Tick(0),
            has_more: false,
            stop: Stop::No,
            pace: Pace::new(2_000, 32, 2_000),
        };
        let mut events = Events::with_capacity(1_024);
        let now = self.clock.now();
        self.flush(now, &mut turn);
        notify("READY=1");
        while !self.is_over(&turn) {
            let timeout = match self.gather(&mut turn) {
                true => Some(Duration::ZERO),
                false => self.timeout(&turn),
            };
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error).context("the poll failed"),
            }
            self.turn(&events, &mut turn);
        }
        notify("STOPPING=1");
        self.finish(&mut turn)
    }

    fn watch(&mut self) -> anyhow::Result<()> {
        let registry = self.poll.registry();
        let add = |descriptor: RawFd, token: usize| {
            registry.register(&mut SourceFd(&descriptor), Token(token), Interest::READABLE)
        };
        add(self.signals.descriptor(), SIGNALS.0).context("cannot watch signals")?;
        for (at, descriptor) in self.datagrams.descriptors().enumerate() {
            add(descriptor, FIRST_UDP + at).context("cannot watch a socket")?;
        }
        Ok(())
    }

    /// Under load, lets datagrams gather for a moment, so that one system call takes many.
    fn gather(&mut self, turn: &mut Turn) -> bool {
        turn.pace.note(self.clock.now().tick, self.datagrams.take_count());
        let pause_us = turn.pace.pause_us();
        if pause_us == 0 || self.datagrams.is_any_ready() || self.streams.is_any_ready() {
            return false;
        }
        nap(Duration::from_micros(pause_us));
        true
    }

    fn timeout(&mut self, turn: &Turn) -> Option<Duration> {
        let is_ready = self.datagrams.is_any_ready() || self.streams.is_any_ready();
        if is_ready || turn.has_more || !turn.answers.is_empty() {
            return Some(Duration::ZERO);
        }
        let stop_at = match turn.stop {
            Stop::By(tick) => tick,
            Stop::No | Stop::Now => Tick::NEVER,
        };
        let sweep_at = if self.streams.len() > 0 { turn.sweep_at } else { Tick::NEVER };
        let renewal_at = if self.renewal.is_some() { turn.renewal_at } else { Tick::NEVER };
        let node_at = self.node.next_timeout().unwrap_or(Tick::NEVER);
        let next = node_at.min(sweep_at).min(renewal_at).min(turn.store_at).min(stop_at);
        if next == Tick::NEVER {
            return None;
        }
        Some(Duration::from_micros(next.micros_since(self.clock.now().tick)))
    }

    fn turn(&mut self, events: &Events, turn: &mut Turn) {
        turn.has_more = false;
        self.streams.begin_turn();
        let now = self.clock.now();
        for event in events {
            match event.token() {
                WAKER => {}
                SIGNALS => self.signalled(now, turn),
                Token(token) if token < FIRST_LISTENER => {
                    self.datagrams.set_ready(token - FIRST_UDP);
                }
                Token(token) if token < FIRST_CONNECTION => {
                    while self.streams.accept(token - FIRST_LISTENER, now.tick) {}
                }
                token => {
                    let (readable, writable) = (
                        event.is_readable() || event.is_read_closed() || event.is_error(),
                        event.is_writable(),
                    );
                    let now = self.clock.now();
                    let node = &mut self.node;
                    let mut take = |input: Input<'_>| node.handle(now, input);
                    self.streams.event(token, readable, writable, now.tick, &mut take);
                    // The answers to one connection leave before the next is read.
                    self.flush(now, turn);
                }
            }
        }
        self.read_datagrams(turn);
        for id in self.streams.take_ready() {
            let now = self.clock.now();
            let node = &mut self.node;
            self.streams.read(id, now.tick, &mut |input| node.handle(now, input));
            self.flush(now, turn);
        }
        let now = self.clock.now();
        self.hear_store(now, turn);
        self.take_jobs(now, turn);
        self.run_timers(now, turn);
        self.flush(now, turn);
        turn.store_at = self.store.tick(now.tick, &mut turn.answers);
    }

    fn read_datagrams(&mut self, turn: &mut Turn) {
        let mut is_more = false;
        for at in 0..self.datagrams.len() {
            for round in 1..=Datagrams::turn() {
                let now = self.clock.now();
                let node = &mut self.node;
                let may_hold_more = self
                    .datagrams
                    .read(at, |flow, bytes| node.handle(now, Input::Received { flow, bytes }));
                self.flush(now, turn);
                if !may_hold_more {
                    break;
                }
                is_more |= round == Datagrams::turn();
            }
        }
        // A whole turn was not enough: what waits in the kernel grows, and strangers are shed first.
        self.node.set_busy(is_more);
    }

    fn hear_store(&mut self, now: Now, turn: &mut Turn) {
        self.store.hear(now.tick, &mut turn.answers);
        self.answer_node(now, turn);
    }

    fn answer_node(&mut self, now: Now, turn: &mut Turn) {
        for answer in turn.answers.drain(..) {
            let input = match answer {
                Answer::Stored(ticket, ok) => {
                    if turn.writes.stored(ticket, ok) {
                        continue;
                    }
                    Input::Stored { ticket, ok }
                }
                Answer::Health(up) => Input::StoreHealth(up),
            };
            self.node.handle(now, input);
        }
    }

    fn run_timers(&mut self, now: Now, turn: &mut Turn) {
        if self.node.next_timeout().is_some_and(|tick| tick <= now.tick) {
            self.node.handle(now, Input::Timeout);
        }
        if turn.sweep_at <= now.tick {
            self.streams.sweep(now.tick);
            turn.sweep_at = now.tick.plus_ms(SWEEP_MS);
        }
        if turn.renewal_at <= now.tick {
            self.look_at_certificate(false);
            turn.renewal_at = now.tick.plus_ms(RENEWAL_MS);
        }
    }

    fn look_at_certificate(&mut self, is_wished: bool) {
        if let Some(renewed) = self.renewal.as_mut().and_then(|renewal| renewal.look(is_wished)) {
            self.streams.show(renewed);
        }
    }

    fn take_jobs(&mut self, now: Now, turn: &mut Turn) {
        for _ in 0..COMMANDS {
            let Ok(Job { ask, reply }) = self.jobs.try_recv() else { return };
            let answer = match ask {
                Ask::Change(change) => {
                    self.change(now, turn, *change, reply);
                    continue;
                }
                Ask::Write(records) => {
                    if !self.store.takes_records() {
                        drop(reply.try_send(Err("the store is down".to_owned())));
                        continue;
                    }
                    let request = turn.writes.begin(records, reply);
                    self.store.submit(now.tick, std::iter::once(request), &mut turn.answers);
                    continue;
                }
                Ask::Now => now.wall.0.into(),
                Ask::Usage(account) => usage_view(self.node.engine(), now, account),
                Ask::Live => live_view(self.node.engine(), now),
                Ask::Look(question) => {
                    let answer = look::answer(&question, self.node.engine(), now);
                    // Who asked may have gone.
                    drop(reply.try_send(answer.map_err(|error| format!("{error:#}"))));
                    continue;
                }
                Ask::Stop => {
                    self.stop(now, turn);
                    serde_json::Value::Null
                }
                Ask::Status => NodeStatus {
                    stats: self.node.stats(),
                    uptime_ms: now.tick.0 / 1_000,
                    wall: now.wall,
                    clock_lag_us: self.clock.lag_us(),
                    certificate_until: self.renewal.as_ref().map(Renewal::until),
                    connections: self.streams.len(),
                    connections_refused: self.streams.refused(),
                    datagrams_lost: self.datagrams.lost(),
                    datagrams_unread: self.datagrams.unread(),
                    store_up: self.store.is_up(),
                    store: self.store.health(),
                    audit: self.auditor.view(),
                }
                .view(),
            };
            // Who asked may have gone.
            drop(reply.try_send(Ok(answer)));
        }
        turn.has_more = true;
    }

    /// Plans a change on the engine's own records and carries it out in the same breath, so that two
    /// changes cannot undo each other; the answer waits for the disk.
    fn change(&mut self, now: Now, turn: &mut Turn, change: Change, reply: SyncSender<JobReply>) {
        match change::plan(change, now.wall, self.node.engine()) {
            Err(error) => drop(reply.try_send(Err(format!("{error:#}")))),
            Ok(plan) => {
                turn.last_command += 1;
                let id = turn.last_command;
                turn.commands.insert(id, (reply, plan.answer));
                self.node.handle(now, Input::Command { id, commands: plan.commands });
            }
        }
    }

    /// Does what the node wants done, until it wants nothing more.
    fn flush(&mut self, now: Now, turn: &mut Turn) {
        for _ in 0..ROUNDS {
            self.node.drain(&mut turn.outputs);
            if turn.outputs.is_empty() && !self.streams.is_any_unsent() {
                return;
            }
            // Messages first: were we to die in between, a call that is recorded as over would never be hung up.
            self.send(now, &turn.outputs);
            self.streams.flush();
            self.store.submit(now.tick, turn.outputs.stores.drain(..), &mut turn.answers);
            for (id, outcome) in turn.outputs.replies.drain(..) {
                if let Some((reply, answer)) = turn.commands.remove(&id) {
                    drop(reply.try_send(outcome.map(|done| answer.with(done.message))));
                }
            }
            for flow in self.streams.take_closed() {
                self.node.handle(now, Input::FlowClosed(flow));
            }
            self.answer_node(now, turn);
        }
    }

    fn send(&mut self, now: Now, outputs: &Outputs) {
        let sends = &outputs.sends.sends;
        let mut at = 0;
        while let Some(first) = sends.get(at) {
            if first.flow.transport.is_reliable() {
                let bytes = &outputs.sends.arena[first.range.clone()];
                let engine = self.node.engine();
                let name = || name_of(engine, first.flow.peer);
                self.streams.send(&first.flow, bytes, now.tick, name);
                at += 1;
                continue;
            }
            // As many as go out on the same socket, in one call.
            let local = first.flow.local;
            let same = |send: &&sip::flow::Send| {
                send.flow.transport == Transport::Udp && send.flow.local == local
            };
            let run = sends[at..].iter().take_while(same).count();
            let datagrams = sends[at..at + run]
                .iter()
                .map(|send| (send.flow.peer, &outputs.sends.arena[send.range.clone()]));
            self.datagrams.send(local, datagrams);
            at += run;
        }
    }

    fn signalled(&mut self, now: Now, turn: &mut Turn) {
        while let Some(wish) = self.signals.next() {
            match wish {
                Wish::Stop => self.stop(now, turn),
                Wish::Reload => {
                    tracing::info!(
                        "only the certificate is read again: commands take effect at once, the configuration file at a restart"
                    );
                    self.look_at_certificate(true);
                }
                Wish::Nothing => {}
            }
        }
    }

    /// Once: no new calls. Again: at once.
    fn stop(&mut self, now: Now, turn: &mut Turn) {
        turn.stop = match turn.stop {
            Stop::No => {
                self.node.begin_shutdown(now);
                self.alerts.stop();
                let calls = self.node.stats().calls;
                tracing::info!(calls, "stopping: no new calls; again to stop at once");
                Stop::By(now.tick.plus_ms(self.stop_wait_ms))
            }
            Stop::By(_) | Stop::Now => Stop::Now,
        };
    }

    fn is_over(&mut self, turn: &Turn) -> bool {
        match turn.stop {
            Stop::No => false,
            Stop::By(tick) => {
                let stats = self.node.stats();
                let is_quiet = stats.calls == 0 && self.store.is_idle() && self.alerts.is_quiet();
                is_quiet || self.clock.now().tick >= tick
            }
            Stop::Now => true,
        }
    }

    /// The last words: what is queued is written; calls that are left are taken up at the next start.
    fn finish(mut self, turn: &mut Turn) -> anyhow::Result<()> {
        let now = self.clock.now();
        self.flush(now, turn);
        let calls = self.node.engine().live().count();
        let stopped = types::Record::Fact(now.wall, types::Fact::Stopped);
        let request = edge::StoreRequest { ticket: 0, records: vec![stopped] };
        self.store.submit(now.tick, std::iter::once(request), &mut turn.answers);
        drop(self.store.stop());
        tracing::info!(calls_left = calls, "stopped");
        Ok(())
    }
}

/// Who a trunk with TLS has to be.
fn name_of(engine: &engine::Engine, peer: SocketAddr) -> Option<String> {
    let is_there = |trunk: &&Trunk| trunk.address == peer && trunk.transport == TrunkTransport::Tls;
    engine.trunks().find(is_there).map(trunk_name)
}
