//! Connections that begin. Lives here: those we take, with their limits, and those we open. Never here: what
//! comes over them.

use std::io;

use anyhow::Context;
use mio::net::TcpStream;
use mio::{Interest, Token};
use rustls::pki_types::ServerName;
use sip::flow::{Flow, Transport};
use sip::stream::Framer;
use socket2::{SockRef, TcpKeepalive};
use types::Tick;

use super::connection::{Connection, Framing};
use super::secure::Secure;
use super::websocket::WebSocket;
use super::{FINISH_MS, Streams};

impl Streams {
    /// Somebody connected.
    pub(super) fn accepted(&mut self, stream: TcpStream, flow: Flow, now: Tick) {
        let from_there = self.by_address.get(&flow.peer.ip()).copied().unwrap_or(0);
        if self.connections.len() >= self.limits.connections
            || from_there >= self.limits.per_address
        {
            self.refused += 1;
            return;
        }
        let secure = match (&self.tls, flow.transport.is_secure()) {
            (_, false) => None,
            (Some(tls), true) => match Secure::accept(tls.clone()) {
                Ok(secure) => Some(secure),
                Err(error) => return tracing::warn!(%error, "a TLS session cannot be begun"),
            },
            // No socket of this kind is opened without a certificate.
            (None, true) => return,
        };
        if let Err(error) = self.add(stream, flow, secure, true, now) {
            tracing::warn!(%error, "a connection cannot be watched");
        }
    }

    /// The connection of a flow, opened if that is wished.
    pub(super) fn connection_of(
        &mut self,
        flow: &Flow,
        now: Tick,
        name: impl FnOnce() -> Option<String>,
    ) -> Option<u32> {
        if flow.connection != Flow::ANY_CONNECTION {
            return self.connections.contains_key(&flow.connection).then_some(flow.connection);
        }
        match self.by_peer.get(&(flow.transport, flow.peer)) {
            Some(id) => Some(*id),
            None => self.connect(flow, now, name),
        }
    }

    fn connect(
        &mut self,
        flow: &Flow,
        now: Tick,
        name: impl FnOnce() -> Option<String>,
    ) -> Option<u32> {
        let secure = match flow.transport {
            Transport::Tls => Some(self.begin_tls(&name()?)?),
            // Nobody is called by a WebSocket of ours.
            Transport::Wss | Transport::Udp => return None,
            Transport::Tcp => None,
        };
        let stream = TcpStream::connect(flow.peer).ok()?;
        self.add(stream, *flow, secure, false, now).ok()
    }

    fn begin_tls(&mut self, name: &str) -> Option<Secure> {
        let begun = ServerName::try_from(name.to_owned())
            .context("it has no name that a certificate could be for: set its host")
            .and_then(|name| Ok(Secure::connect(self.roots.config()?, name)?));
        begun
            .inspect_err(|error| {
                tracing::error!(trunk = name, error = %format!("{error:#}"), "no TLS to a trunk");
            })
            .ok()
    }

    fn add(
        &mut self,
        mut stream: TcpStream,
        flow: Flow,
        secure: Option<Secure>,
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
        let Flow { transport, peer, .. } = flow;
        let framing = match transport {
            Transport::Wss => Framing::Web(Box::new(WebSocket::new(self.origins.clone()))),
            _ => Framing::Stream(Framer::new()),
        };
        let connection = Connection {
            stream,
            flow: Flow { connection: id, ..flow },
            secure: secure.map(Box::new),
            framing,
            queue: Vec::new(),
            written: 0,
            is_open,
            was_opened: !is_open,
            is_last: false,
            is_ending: false,
            owed: 0,
            finish_by: Some(now.plus_ms(FINISH_MS)),
            used: now,
            heard: now,
            asked: Tick(0),
        };
        self.connections.insert(id, connection);
        if transport == Transport::Tcp || !is_open {
            self.by_peer.insert((transport, peer), id);
        }
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
}
