//! Stream sockets. Lives here: accepting, opening, framing, bounded write queues, slow and idle peers.
//! Never here: what messages say.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};

use anyhow::Context;
use edge::Input;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use sip::flow::{Flow, Transport};
use sip::stream::{Frame, Framer};
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use types::Tick;

use super::log::Pii;

/// A message that was begun, and the first message of a connection, must be whole after this time.
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
    listeners: Vec<(TcpListener, SocketAddr)>,
    connections: BTreeMap<u32, Connection>,
    by_peer: BTreeMap<SocketAddr, u32>,
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
}

struct Connection {
    stream: TcpStream,
    flow: Flow,
    framer: Framer,
    queue: Vec<u8>,
    written: usize,
    is_open: bool,
    /// We asked for it by peer, not by id: both names of the flow end with it.
    was_opened: bool,
    /// Nothing more is read.
    is_last: bool,
    /// Close when the queue is empty.
    is_ending: bool,
    /// Messages that came and may want an answer: more came than were sent.
    owed: u32,
    /// When it must have become whole what was begun.
    finish_by: Option<Tick>,
    used: Tick,
}

impl Streams {
    /// No socket yet.
    pub fn new(registry: Registry, first_token: usize, limits: StreamLimits) -> Streams {
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
        }
    }

    /// Opens a listener and returns its own address.
    pub fn open(&mut self, address: SocketAddr, token: Token) -> anyhow::Result<SocketAddr> {
        let mut listener =
            bind(address).with_context(|| format!("cannot listen on tcp:{address}"))?;
        self.registry.register(&mut listener, token, Interest::READABLE)?;
        let local = listener.local_addr()?;
        self.listeners.push((listener, local));
        Ok(local)
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
            let (listener, local) = &self.listeners[at];
            let local = *local;
            match listener.accept() {
                Ok((stream, peer)) => self.accepted(stream, local, peer, now),
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

    fn accepted(&mut self, stream: TcpStream, local: SocketAddr, peer: SocketAddr, now: Tick) {
        let from_there = self.by_address.get(&peer.ip()).copied().unwrap_or(0);
        if self.connections.len() >= self.limits.connections
            || from_there >= self.limits.per_address
        {
            self.refused += 1;
            return;
        }
        if let Err(error) = self.add(stream, local, peer, true, now) {
            tracing::warn!(%error, "a connection cannot be watched");
        }
    }

    fn add(
        &mut self,
        mut stream: TcpStream,
        local: SocketAddr,
        peer: SocketAddr,
        is_open: bool,
        now: Tick,
    ) -> io::Result<u32> {
        let id = self.free_id();
        // Without these a connection works, only worse.
        drop(stream.set_nodelay(true));
        let probes = TcpKeepalive::new().with_time(std::time::Duration::from_secs(60));
        drop(SockRef::from(&stream).set_tcp_keepalive(&probes));
        let token = Token(self.first_token + id as usize);
        self.registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        let connection = Connection {
            stream,
            flow: Flow::tcp(local, peer, id),
            framer: Framer::new(),
            queue: Vec::new(),
            written: 0,
            is_open,
            was_opened: !is_open,
            is_last: false,
            is_ending: false,
            owed: 0,
            finish_by: Some(now.plus_ms(FINISH_MS)),
            used: now,
        };
        self.connections.insert(id, connection);
        self.by_peer.insert(peer, id);
        *self.by_address.entry(peer.ip()).or_insert(0) += 1;
        Ok(id)
    }

    fn free_id(&mut self) -> u32 {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            let is_special = self.last_id == 0 || self.last_id == Flow::ANY_CONNECTION;
            if !is_special && !self.connections.contains_key(&self.last_id) {
                return self.last_id;
            }
        }
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
        if readable {
            self.read(id, now, take);
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
            connection.finish_by = None;
        } else if error.is_some() {
            self.close(id);
        }
    }

    /// One turn of a connection: what it sent is handed over, up to a bound.
    pub fn read(&mut self, id: u32, now: Tick, take: &mut dyn FnMut(Input<'_>)) {
        for _ in 0..TURN {
            let Some(connection) = self.connections.get_mut(&id) else { return };
            match connection.stream.read(&mut self.buffer) {
                Ok(0) => return self.close(id),
                Ok(count) => {
                    connection.framer.push(&self.buffer[..count]);
                    if connection.take_frames(now, take) {
                        self.unsent.insert(id);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return self.close(id),
            }
        }
        self.ready.insert(id);
    }

    /// Queues a message; `flush` sends it.
    pub fn send(&mut self, flow: &Flow, bytes: &[u8], now: Tick) {
        let Some(id) = self.connection_of(flow, now) else {
            self.closed.push(*flow);
            return;
        };
        let Some(connection) = self.connections.get_mut(&id) else { return };
        if connection.queue.len() - connection.written + bytes.len() > WRITE_QUEUE {
            tracing::warn!(peer = %Pii(flow.peer), "a connection is closed: its peer does not read");
            return self.close(id);
        }
        connection.queue.extend_from_slice(bytes);
        connection.used = now;
        connection.owed = connection.owed.saturating_sub(1);
        connection.is_ending |= connection.is_last && connection.owed == 0;
        self.unsent.insert(id);
    }

    fn connection_of(&mut self, flow: &Flow, now: Tick) -> Option<u32> {
        if flow.connection != Flow::ANY_CONNECTION {
            return self.connections.contains_key(&flow.connection).then_some(flow.connection);
        }
        match self.by_peer.get(&flow.peer) {
            Some(id) => Some(*id),
            None => self.connect(flow, now),
        }
    }

    fn connect(&mut self, flow: &Flow, now: Tick) -> Option<u32> {
        let opened = TcpStream::connect(flow.peer)
            .and_then(|stream| self.add(stream, flow.local, flow.peer, false, now));
        opened.ok()
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
        if connection.write().is_err() || (connection.is_ending && connection.queue.is_empty()) {
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
    }

    /// Flows that ended since the last look.
    pub fn take_closed(&mut self) -> Vec<Flow> {
        std::mem::take(&mut self.closed)
    }

    fn close(&mut self, id: u32) {
        let Some(mut connection) = self.connections.remove(&id) else { return };
        // The descriptor is closed below, which ends the watching in any case.
        drop(self.registry.deregister(&mut connection.stream));
        let flow = connection.flow;
        if self.by_peer.get(&flow.peer) == Some(&id) {
            self.by_peer.remove(&flow.peer);
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

impl Connection {
    /// Hands over every whole frame; true: there is something to write.
    fn take_frames(&mut self, now: Tick, take: &mut dyn FnMut(Input<'_>)) -> bool {
        // Nobody knows where the next message would begin: what still comes is read and forgotten.
        if self.is_last {
            return false;
        }
        let before = self.queue.len();
        let mut got_message = false;
        loop {
            match self.framer.next() {
                Ok(Some(Frame::Message(bytes))) => {
                    got_message = true;
                    self.owed = self.owed.saturating_add(1);
                    take(Input::Received { flow: self.flow, bytes });
                }
                // RFC 5626 §4.4.1: a ping is answered with one line end.
                Ok(Some(Frame::KeepAlivePing)) => {
                    got_message = true;
                    if self.queue.len() < WRITE_QUEUE {
                        self.queue.extend_from_slice(b"\r\n");
                    }
                }
                Ok(Some(Frame::Pong)) => {}
                Ok(None) => break,
                Err(_) => {
                    // The parser refuses it for the same reason and answers it, if it can.
                    let mut broken = self.framer.broken_head().to_vec();
                    take(Input::Received { flow: self.flow, bytes: &mut broken });
                    self.is_last = true;
                    self.is_ending = self.owed == 0;
                    let wait_ms = if self.is_ending { FINISH_MS } else { LINGER_MS };
                    self.finish_by = Some(now.plus_ms(wait_ms));
                    return true;
                }
            }
        }
        self.watch_pace(got_message, now);
        self.queue.len() > before
    }

    /// A message begun must end; the first message must come.
    fn watch_pace(&mut self, got_message: bool, now: Tick) {
        if got_message {
            self.used = now;
            self.finish_by = None;
        }
        if self.framer.is_inside() && self.finish_by.is_none() {
            self.finish_by = Some(now.plus_ms(FINISH_MS));
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while self.written < self.queue.len() {
            match self.stream.write(&self.queue[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.written = 0;
        if self.queue.capacity() > READ {
            self.queue = Vec::new();
        }
        self.queue.clear();
        Ok(())
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    debug_assert_eq!(Transport::Tcp.uri_param(), "tcp");
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(1_024)?;
    Ok(TcpListener::from_std(socket.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection to somebody who says nothing.
    fn connection() -> (Connection, std::net::TcpStream) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
        let local = listener.local_addr().expect("an address");
        let stream = std::net::TcpStream::connect(local).expect("connected");
        stream.set_nonblocking(true).expect("it can");
        let (other, peer) = listener.accept().expect("connected");
        let connection = Connection {
            stream: TcpStream::from_std(stream),
            flow: Flow::tcp(local, peer, 1),
            framer: Framer::new(),
            queue: Vec::new(),
            written: 0,
            is_open: true,
            was_opened: false,
            is_last: false,
            is_ending: false,
            owed: 0,
            finish_by: None,
            used: Tick(0),
        };
        (connection, other)
    }

    #[test]
    fn a_broken_message_is_answered_once_however_much_follows() {
        let (mut connection, _other) = connection();
        let mut handed_over = 0;
        for bytes in [&b"OPTIONS sip:a SIP/2.0\r\nVia: x\nTo: y\r\n\r\n"[..], b"more", b"more"] {
            connection.framer.push(bytes);
            connection.take_frames(Tick(0), &mut |_| handed_over += 1);
        }
        assert_eq!(handed_over, 1);
        assert!(connection.is_last && connection.is_ending);
    }

    #[test]
    fn what_was_asked_before_a_stream_broke_is_answered() {
        let (mut connection, _other) = connection();
        let whole = "OPTIONS sip:a SIP/2.0\r\nVia: x\r\nContent-Length: 0\r\n\r\n";
        connection.framer.push(format!("{whole}more\r\n\r\n").as_bytes());
        let mut handed_over = 0;
        connection.take_frames(Tick(0), &mut |_| handed_over += 1);
        assert_eq!(handed_over, 2);
        assert!(connection.is_last && !connection.is_ending);
        assert_eq!(connection.finish_by, Some(Tick(LINGER_MS * 1_000)));
    }
}
