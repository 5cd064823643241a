//! One way to a server: a UDP socket or a connection (TCP, TLS, WebSocket), blocking, with time limits.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustls::ClientConfig;
use tungstenite::WebSocket;
use tungstenite::protocol::{Message as WebMessage, Role};

use super::message::Message;
use super::tls::{TlsStream, shake_hands, upgrade};

/// A socket and whom it talks to.
pub struct Wire {
    kind: Kind,
    server: SocketAddr,
    local: SocketAddr,
}

enum Kind {
    Udp(UdpSocket),
    Tcp(TcpStream, Vec<u8>),
    Tls(Box<TlsStream>, Vec<u8>),
    Wss(Box<WebSocket<TlsStream>>),
}

/// How a wire goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// A stream within TLS.
    Tls,
    /// WebSocket within TLS.
    Wss,
}

impl Way {
    /// All of them.
    pub const ALL: [Way; 4] = [Way::Udp, Way::Tcp, Way::Tls, Way::Wss];
}

impl Wire {
    /// UDP from an address of the loopback net.
    pub fn udp(from: IpAddr, server: SocketAddr) -> Result<Wire> {
        let socket = UdpSocket::bind((from, 0))?;
        let _ = nix::sys::socket::setsockopt(
            &socket,
            nix::sys::socket::sockopt::RcvBufForce,
            &(4 << 20),
        );
        let local = socket.local_addr()?;
        Ok(Wire { kind: Kind::Udp(socket), server, local })
    }

    /// TCP from wherever the system likes.
    pub fn tcp(server: SocketAddr) -> Result<Wire> {
        let stream = TcpStream::connect_timeout(&server, Duration::from_secs(2))
            .with_context(|| format!("no TCP connection to {server}"))?;
        Wire::of_stream(stream, server)
    }

    /// TCP from an address of the loopback net.
    pub fn tcp_from(from: IpAddr, server: SocketAddr) -> Result<Wire> {
        let domain = socket2::Domain::for_address(server);
        let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(from, 0).into())?;
        socket.connect_timeout(&server.into(), Duration::from_secs(2))?;
        Wire::of_stream(socket.into(), server)
    }

    /// TLS on a connection of its own.
    pub fn tls_from(from: IpAddr, server: SocketAddr, config: &Arc<ClientConfig>) -> Result<Wire> {
        let Wire { kind, server, local } = Wire::tcp_from(from, server)?;
        let Kind::Tcp(stream, pending) = kind else { bail!("a TCP wire is one") };
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        let tls = shake_hands(stream, config)?;
        Ok(Wire { kind: Kind::Tls(Box::new(tls), pending), server, local })
    }

    /// A WebSocket within TLS.
    pub fn wss_from(from: IpAddr, server: SocketAddr, config: &Arc<ClientConfig>) -> Result<Wire> {
        let Wire { kind, server, local } = Wire::tls_from(from, server, config)?;
        let Kind::Tls(mut tls, _) = kind else { bail!("a TLS wire is one") };
        upgrade(&mut *tls)?;
        let socket = WebSocket::from_raw_socket(*tls, Role::Client, None);
        Ok(Wire { kind: Kind::Wss(Box::new(socket)), server, local })
    }

    fn of_stream(stream: TcpStream, server: SocketAddr) -> Result<Wire> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        let local = stream.local_addr()?;
        Ok(Wire { kind: Kind::Tcp(stream, Vec::new()), server, local })
    }

    /// From now on it talks to somebody else (UDP).
    pub fn turn_to(&mut self, server: SocketAddr) {
        self.server = server;
    }

    /// Our own address.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// `UDP`, `TCP`, `TLS` or `WSS`, as in Via.
    pub fn transport(&self) -> &'static str {
        match self.kind {
            Kind::Udp(_) => "UDP",
            Kind::Tcp(..) => "TCP",
            Kind::Tls(..) => "TLS",
            Kind::Wss(..) => "WSS",
        }
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.kind {
            Kind::Udp(socket) => {
                socket.send_to(bytes, self.server)?;
            }
            Kind::Tcp(stream, _) => stream.write_all(bytes)?,
            Kind::Tls(tls, _) => tls.write_all(bytes)?,
            Kind::Wss(socket) => socket.send(match std::str::from_utf8(bytes) {
                Ok(text) => WebMessage::text(text),
                Err(_) => WebMessage::binary(bytes.to_vec()),
            })?,
        }
        Ok(())
    }

    /// The next message from the server, or `None` when there is none within `limit`.
    pub fn receive(&mut self, limit: Duration) -> Result<Option<Message>> {
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            match &mut self.kind {
                Kind::Udp(socket) => {
                    let mut buffer = [0; 65_536];
                    let Some((length, from)) = timed(
                        left,
                        |t| socket.set_read_timeout(t),
                        || socket.recv_from(&mut buffer),
                    )?
                    else {
                        return Ok(None);
                    };
                    if from != self.server {
                        bail!("a packet from {from}, not from {}", self.server);
                    }
                    if let Some(message) = Message::parse(&buffer[..length]) {
                        return Ok(Some(message));
                    }
                }
                Kind::Tcp(stream, pending) => {
                    if let Some(message) = take_framed(pending) {
                        return Ok(Some(message));
                    }
                    let mut buffer = [0; 16_384];
                    let set = stream.try_clone()?;
                    let Some(length) =
                        timed(left, |t| set.set_read_timeout(t), || stream.read(&mut buffer))?
                    else {
                        return Ok(None);
                    };
                    if length == 0 {
                        bail!("the server closed the connection");
                    }
                    pending.extend_from_slice(&buffer[..length]);
                }
                Kind::Tls(tls, pending) => {
                    if let Some(message) = take_framed(pending) {
                        return Ok(Some(message));
                    }
                    let mut buffer = [0; 16_384];
                    let set = tls.sock.try_clone()?;
                    let Some(length) =
                        timed(left, |t| set.set_read_timeout(t), || tls.read(&mut buffer))?
                    else {
                        return Ok(None);
                    };
                    if length == 0 {
                        bail!("the server closed the connection");
                    }
                    pending.extend_from_slice(&buffer[..length]);
                }
                Kind::Wss(socket) => {
                    let set = socket.get_ref().sock.try_clone()?;
                    let read = || match socket.read() {
                        Err(tungstenite::Error::Io(error)) => Err(error),
                        Err(error) => Err(std::io::Error::other(error)),
                        Ok(message) => Ok(message),
                    };
                    let Some(frame) = timed(left, |t| set.set_read_timeout(t), read)? else {
                        return Ok(None);
                    };
                    let bytes = frame.into_data();
                    if let Some(message) = Message::parse(&bytes) {
                        return Ok(Some(message));
                    }
                }
            }
        }
    }
}

/// One blocking read with a limit; `None` at its end.
fn timed<T>(
    left: Duration,
    set: impl Fn(Option<Duration>) -> std::io::Result<()>,
    mut read: impl FnMut() -> std::io::Result<T>,
) -> Result<Option<T>> {
    set(Some(left.max(Duration::from_micros(100))))?;
    match read() {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Ok(None)
        }
        // The kernel reports that a datagram sent before met a closed port.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Takes one whole message, by its Content-Length, off the front of a stream's bytes.
fn take_framed(pending: &mut Vec<u8>) -> Option<Message> {
    while pending.starts_with(b"\r\n") {
        pending.drain(..2);
    }
    let head_end = pending.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = Message::parse(&pending[..head_end])?;
    let length: usize = head.header("Content-Length").parse().unwrap_or(0);
    if pending.len() < head_end + length {
        return None;
    }
    let message = Message::parse(&pending[..head_end + length]);
    pending.drain(..head_end + length);
    message
}
