//! Stream sockets: TCP, TLS, and WebSocket within TLS. Lives here: accepting, opening, limits, whose turn it
//! is, slow and idle peers. Never here: the layers of one connection (connection), certificates, what
//! messages say.

mod connection;
mod listener;
mod opening;
mod secure;
mod upgrade;
mod websocket;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use edge::Input;
use mio::{Interest, Registry, Token};
use rustls::ServerConfig;
use sip::flow::{Flow, Transport};
use types::Tick;

use self::connection::Connection;
use self::listener::{Listener, bind};
use super::certificate::TrunkRoots;

use super::log::Pii;

/// A message that was begun, and the first message of a connection, must be whole after this time. The
/// handshake of TLS and the upgrade to WebSocket are part of it.
const FINISH_MS: u64 = 10_000;
/// A connection that broke behind whole messages stays for so long at most: their answers may wait
/// for the disk.
const LINGER_MS: u64 = 1_000;
/// A connection without a message for this long is closed: longer than the longest registration.
const IDLE_MS: u64 = 4_000_000;
/// Bytes that wait for a slow reader before he is given up.
const WRITE_QUEUE: usize = 512 * 1024;
/// Bytes taken from one connection before others get their turn.
const TURN: usize = 4;
/// Connections accepted before others get their turn.
const ACCEPTS: usize = 64;
/// Steps of TLS handshakes in one turn of the loop: they cost more than anything else a stranger can ask
/// for, and must not keep the rest waiting.
const HANDSHAKES: u32 = 32;
/// A WebSocket that was quiet for so long is asked whether it is there (RFC 7118 §6).
const PING_AFTER_MS: u64 = 45_000;
/// Size of one read.
const READ: usize = 64 * 1024;

/// Bounds of what strangers can open.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Connections at once.
    pub connections: usize,
    /// Connections at once from one address.
    pub per_address: usize,
}

/// All stream sockets.
pub struct Streams {
    listeners: Vec<Listener>,
    connections: BTreeMap<u32, Connection>,
    /// Connections that may be used for whoever has this address: by TLS only such as we opened, and
    /// whose certificate we have seen.
    by_peer: BTreeMap<(Transport, SocketAddr), u32>,
    by_address: BTreeMap<IpAddr, usize>,
    limits: StreamLimits,
    last_id: u32,
    /// Token of the connection with id 0; listeners' tokens are their own.
    first_token: usize,
    registry: Registry,
    buffer: Box<[u8]>,
    /// Connections whose turn ended before they were empty.
    ready: BTreeSet<u32>,
    /// Connections with something new to write.
    unsent: BTreeSet<u32>,
    /// Flows that ended since the last look.
    closed: Vec<Flow>,
    refused: u64,
    /// What new TLS connections are shown; open ones keep what they began with.
    tls: Option<Arc<ServerConfig>>,
    roots: TrunkRoots,
    /// Pages that may open a WebSocket; empty: all.
    origins: Arc<[String]>,
    handshakes_left: u32,
}

impl Streams {
    /// No socket yet.
    pub fn new(
        registry: Registry,
        first_token: usize,
        limits: StreamLimits,
        roots: TrunkRoots,
        origins: Vec<String>,
    ) -> Streams {
        Streams {
            listeners: Vec::new(),
            connections: BTreeMap::new(),
            by_peer: BTreeMap::new(),
            by_address: BTreeMap::new(),
            limits,
            last_id: 0,
            first_token,
            registry,
            buffer: vec![0; READ].into_boxed_slice(),
            ready: BTreeSet::new(),
            unsent: BTreeSet::new(),
            closed: Vec::new(),
            refused: 0,
            tls: None,
            roots,
            origins: origins.into(),
            handshakes_left: HANDSHAKES,
        }
    }

    /// Opens a listener and returns its own address.
    pub fn open(
        &mut self,
        transport: Transport,
        address: SocketAddr,
        token: Token,
    ) -> anyhow::Result<SocketAddr> {
        let mut socket = bind(address)
            .with_context(|| format!("cannot listen on {}:{address}", transport.name()))?;
        self.registry.register(&mut socket, token, Interest::READABLE)?;
        let local = socket.local_addr()?;
        self.listeners.push(Listener { socket, transport, local });
        Ok(local)
    }

    /// From now on new connections are shown this.
    pub fn show(&mut self, tls: Arc<ServerConfig>) {
        self.tls = Some(tls);
    }

    /// A turn of the loop begins.
    pub fn begin_turn(&mut self) {
        self.handshakes_left = HANDSHAKES;
    }

    /// How many listeners there are.
    pub fn listeners(&self) -> usize {
        self.listeners.len()
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Connections refused because of a limit.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Takes new connections; true: there may be more.
    pub fn accept(&mut self, at: usize, now: Tick) -> bool {
        for _ in 0..ACCEPTS {
            let Listener { socket, transport, local } = &self.listeners[at];
            let (transport, local) = (*transport, *local);
            match socket.accept() {
                Ok((stream, peer)) => {
                    let flow = Flow { transport, local, peer, connection: 0 };
                    self.accepted(stream, flow, now);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be taken");
                    return false;
                }
            }
        }
        true
    }

    /// A connection can be read or written.
    pub fn event(
        &mut self,
        token: Token,
        readable: bool,
        writable: bool,
        now: Tick,
        take: &mut dyn FnMut(Input<'_>),
    ) {
        let id = (token.0 - self.first_token) as u32;
        if writable {
            self.opened(id);
            self.write(id);
        }
        let is_handshaking = self.connections.get(&id).is_some_and(Connection::is_handshaking);
        match (readable, is_handshaking) {
            (false, _) => {}
            // Those that began before go first: the turn's handshakes may be used up.
            (true, true) => drop(self.ready.insert(id)),
            (true, false) => self.read(id, now, take),
        }
    }

    /// Connections whose turn had ended before they were empty; each is to be read on.
    pub fn take_ready(&mut self) -> BTreeSet<u32> {
        std::mem::take(&mut self.ready)
    }

    /// Is there a connection whose turn had ended before it was empty?
    pub fn is_any_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    fn opened(&mut self, id: u32) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.is_open {
            return;
        }
        let error = connection.stream.take_error().unwrap_or_else(Some);
        if error.is_none() && connection.stream.peer_addr().is_ok() {
            connection.is_open = true;
            if connection.secure.is_none() {
                connection.finish_by = None;
            }
        } else if error.is_some() {
            self.close(id);
        }
    }

    /// One turn of a connection: what it sent is handed over, up to a bound.
    pub fn read(&mut self, id: u32, now: Tick, take: &mut dyn FnMut(Input<'_>)) {
        for _ in 0..TURN {
            let Some(connection) = self.connections.get_mut(&id) else { return };
            if connection.is_handshaking() {
                if self.handshakes_left == 0 {
                    break;
                }
                self.handshakes_left -= 1;
            }
            let read = connection.read(&mut self.buffer);
            connection.note_handshake();
            let has_answer = match read {
                Ok(count) => connection.take(&self.buffer[..count], now, take),
                Err(_) => false,
            };
            if has_answer || connection.is_unsent() {
                self.unsent.insert(id);
            }
            match read {
                Ok(0) => return self.close(id),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    if connection.was_opened && connection.secure.is_some() {
                        let trunk = connection.flow.peer;
                        tracing::warn!(%trunk, %error, "TLS to a trunk has failed");
                    }
                    return self.close(id);
                }
            }
        }
        self.ready.insert(id);
    }

    /// Queues a message; `flush` sends it. `name`: whose certificate is wanted, should a TLS connection
    /// have to be opened for it.
    pub fn send(
        &mut self,
        flow: &Flow,
        bytes: &[u8],
        now: Tick,
        name: impl FnOnce() -> Option<String>,
    ) {
        let Some(id) = self.connection_of(flow, now, name) else {
            self.closed.push(*flow);
            return;
        };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.waiting() + bytes.len() > WRITE_QUEUE {
            tracing::warn!(peer = %Pii(flow.peer), "a connection is closed: its peer does not read");
            return self.close(id);
        }
        connection.send(bytes, now);
        self.unsent.insert(id);
    }

    /// Is there something to write, or a flow that ended and was not told of?
    pub fn is_any_unsent(&self) -> bool {
        !self.unsent.is_empty() || !self.closed.is_empty()
    }

    /// Writes what was queued.
    pub fn flush(&mut self) {
        for id in std::mem::take(&mut self.unsent) {
            self.write(id);
        }
    }

    fn write(&mut self, id: u32) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if !connection.is_open {
            return;
        }
        if connection.write().is_err() || (connection.is_ending && !connection.is_unsent()) {
            self.close(id);
        }
    }

    /// Closes what is too slow or was not used for long.
    pub fn sweep(&mut self, now: Tick) {
        let is_over = |connection: &Connection| {
            connection.finish_by.is_some_and(|by| by <= now)
                || now.ms_since(connection.used) > IDLE_MS
        };
        let over: Vec<u32> = self
            .connections
            .iter()
            .filter(|(_, connection)| is_over(connection))
            .map(|(id, _)| *id)
            .collect();
        over.into_iter().for_each(|id| self.close(id));
        self.check_lives(now);
    }

    fn check_lives(&mut self, now: Tick) {
        let mut dead = Vec::new();
        for (id, connection) in &mut self.connections {
            if !connection.check_life(now) {
                dead.push(*id);
            } else if connection.is_unsent() {
                self.unsent.insert(*id);
            }
        }
        dead.into_iter().for_each(|id| self.close(id));
    }

    /// Flows that ended since the last look.
    pub fn take_closed(&mut self) -> Vec<Flow> {
        std::mem::take(&mut self.closed)
    }

    fn close(&mut self, id: u32) {
        let Some(mut connection) = self.connections.remove(&id) else { return };
        // The descriptor is closed below, which ends the watching in any case.
        drop(self.registry.deregister(&mut connection.stream));
        if let Some(secure) = &mut connection.secure {
            secure.say_goodbye(&mut connection.stream);
        }
        let flow = connection.flow;
        if self.by_peer.get(&(flow.transport, flow.peer)) == Some(&id) {
            self.by_peer.remove(&(flow.transport, flow.peer));
        }
        if let Some(count) = self.by_address.get_mut(&flow.peer.ip()) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&flow.peer.ip());
            }
        }
        self.closed.push(flow);
        if connection.was_opened {
            self.closed.push(Flow { connection: Flow::ANY_CONNECTION, ..flow });
        }
    }
}
