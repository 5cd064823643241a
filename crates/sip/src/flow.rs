//! Ways to peers and what is to be sent on them. Lives here: transports, flows, the outbox.
//! Never here: sockets, names to be resolved, the meaning of messages.

use std::net::SocketAddr;
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// How messages travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Datagrams.
    Udp,
    /// A stream.
    Tcp,
    /// A stream within TLS.
    Tls,
    /// WebSocket within TLS (RFC 7118).
    Wss,
}

impl Transport {
    /// All of them.
    pub const ALL: [Transport; 4] =
        [Transport::Udp, Transport::Tcp, Transport::Tls, Transport::Wss];

    /// Does the transport itself repeat what was lost? Then transactions do not (RFC 3261 §17).
    pub const fn is_reliable(self) -> bool {
        match self {
            Transport::Udp => false,
            Transport::Tcp | Transport::Tls | Transport::Wss => true,
        }
    }

    /// Can nobody on the way read it? Then it may carry what a `sips` URI asks for (RFC 5630).
    pub const fn is_secure(self) -> bool {
        matches!(self, Transport::Tls | Transport::Wss)
    }

    /// As written in Via: `UDP`.
    pub const fn via_name(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
            Transport::Tls => "TLS",
            Transport::Wss => "WSS",
        }
    }

    /// As people write it, and as it is stored: `udp`.
    pub const fn name(self) -> &'static str {
        match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
            Transport::Tls => "tls",
            Transport::Wss => "wss",
        }
    }

    /// As written in the `transport` parameter of a URI: `udp`. It is `ws` with and without TLS
    /// (RFC 7118 §5.2).
    pub const fn uri_param(self) -> &'static str {
        match self {
            Transport::Wss => "ws",
            other => other.name(),
        }
    }

    /// From any spelling, in any case; `None` for transports that are not served.
    pub fn parse(name: &str) -> Option<Transport> {
        let is_named = |transport: &Transport| {
            name.eq_ignore_ascii_case(transport.name())
                || name.eq_ignore_ascii_case(transport.uri_param())
        };
        Transport::ALL.into_iter().find(is_named)
    }
}

/// One way to a peer: what came in on it can be answered on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Flow {
    /// How.
    pub transport: Transport,
    /// Our socket.
    pub local: SocketAddr,
    /// The peer's socket, as the kernel says.
    pub peer: SocketAddr,
    /// 0 for UDP; for streams the shell's number of the connection, or [`Flow::ANY_CONNECTION`].
    pub connection: u32,
}

impl Flow {
    /// Open a connection to the peer, or use one that is open.
    pub const ANY_CONNECTION: u32 = u32::MAX;

    /// A datagram flow.
    pub const fn udp(local: SocketAddr, peer: SocketAddr) -> Flow {
        Flow { transport: Transport::Udp, local, peer, connection: 0 }
    }

    /// A TCP flow.
    pub const fn tcp(local: SocketAddr, peer: SocketAddr, connection: u32) -> Flow {
        Flow { transport: Transport::Tcp, local, peer, connection }
    }
}

/// One message to send: a stretch of the outbox's arena.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Send {
    /// On which flow.
    pub flow: Flow,
    /// Which bytes of the arena.
    pub range: Range<usize>,
}

/// What is to be sent; drained by the shell before the next input. One arena for all messages,
/// so that sending allocates nothing once the arena has grown.
#[derive(Debug, Default)]
pub struct Outbox {
    /// The bytes of all messages, one behind the other.
    pub arena: Vec<u8>,
    /// The messages, in order.
    pub sends: Vec<Send>,
}

impl Outbox {
    /// An empty outbox.
    pub const fn new() -> Outbox {
        Outbox { arena: Vec::new(), sends: Vec::new() }
    }

    /// Where the next message starts: write it to `arena`, then call [`Outbox::finish`].
    pub fn begin(&mut self) -> usize {
        self.arena.len()
    }

    /// Ends the message that was begun at `start`, and returns its bytes.
    pub fn finish(&mut self, start: usize, flow: Flow) -> &[u8] {
        let range = start..self.arena.len();
        self.sends.push(Send { flow, range: range.clone() });
        &self.arena[range]
    }

    /// Drops what was written since `start`.
    pub fn abandon(&mut self, start: usize) {
        self.arena.truncate(start);
    }

    /// Adds a whole message.
    pub fn push(&mut self, flow: Flow, bytes: &[u8]) {
        let start = self.begin();
        self.arena.extend_from_slice(bytes);
        self.finish(start, flow);
    }

    /// Forgets everything, and keeps the memory, unless a burst made it large.
    pub fn clear(&mut self) {
        const KEEP: usize = 1 << 20;
        self.arena.clear();
        self.sends.clear();
        if self.arena.capacity() > KEEP {
            self.arena.shrink_to(KEEP / 4);
            self.sends.shrink_to(KEEP / 1_024);
        }
    }

    /// The messages, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Flow, &[u8])> {
        self.sends.iter().map(|send| (send.flow, &self.arena[send.range.clone()]))
    }

    /// Is there nothing to send?
    pub fn is_empty(&self) -> bool {
        self.sends.is_empty()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    fn flow(port: u16) -> Flow {
        Flow::udp("192.0.2.1:5060".parse().unwrap(), SocketAddr::from(([192, 0, 2, 9], port)))
    }

    #[test]
    fn keeps_messages_apart_and_in_order() {
        let mut out = Outbox::new();
        out.push(flow(1), b"one");
        let start = out.begin();
        out.arena.extend_from_slice(b"two");
        assert_eq!(out.finish(start, flow(2)), b"two");
        let start = out.begin();
        out.arena.extend_from_slice(b"never sent");
        out.abandon(start);
        let sent: Vec<_> = out.iter().map(|(flow, bytes)| (flow.peer.port(), bytes)).collect();
        assert_eq!(sent, [(1, &b"one"[..]), (2, b"two")]);
        out.clear();
        assert!(out.is_empty() && out.arena.is_empty());
    }

    #[test]
    fn memory_of_a_burst_comes_back() {
        let mut out = Outbox::new();
        out.push(flow(1), &vec![0; 4 << 20]);
        out.clear();
        assert!(out.arena.capacity() <= 1 << 20);
    }

    #[test]
    fn transports_by_name() {
        for (name, want) in [
            ("UDP", Some(Transport::Udp)),
            ("tcp", Some(Transport::Tcp)),
            ("Tls", Some(Transport::Tls)),
            ("WSS", Some(Transport::Wss)),
            ("ws", Some(Transport::Wss)),
            ("sctp", None),
        ] {
            assert_eq!(Transport::parse(name), want, "{name}");
        }
        for transport in Transport::ALL {
            assert_eq!(Transport::parse(transport.name()), Some(transport));
            assert_eq!(Transport::parse(transport.via_name()), Some(transport));
            assert_eq!(Transport::parse(transport.uri_param()), Some(transport));
        }
    }
}
