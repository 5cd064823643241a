//! What every message of ours has in common. Lives here: our addresses, names and timers.
//! Never here: the state of a call.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use types::{Millis, Now, Tick};

use crate::flow::{Flow, Outbox, Transport};
use crate::session_timer;
use crate::tokens::Tokens;
use crate::transaction::Transactions;

/// A socket of ours and the address by which peers know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// How.
    pub transport: Transport,
    /// The socket's own address, as in `Flow::local`.
    pub local: SocketAddr,
    /// What goes into Via and Contact.
    pub advertised: SocketAddr,
}

/// What every message of ours has in common.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our sockets; never empty.
    pub listeners: Vec<Listener>,
    /// Host part of the addresses of our lines.
    pub realm: String,
    /// User-Agent and Server.
    pub product: String,
    /// Longest time from INVITE to answer.
    pub ring_ms: Millis,
    /// Session timers that we ask for and accept (RFC 4028).
    pub session: session_timer::Policy,
    /// First interval of 2xx retransmission (RFC 3261 §13.3.1.4).
    pub t1_ms: Millis,
    /// Longest interval of 2xx retransmission.
    pub t2_ms: Millis,
}

impl Settings {
    /// The listener a flow belongs to; the first of its transport for flows that we open ourselves.
    pub fn listener(&self, flow: &Flow) -> &Listener {
        let same_transport = || self.listeners.iter().filter(|l| l.transport == flow.transport);
        same_transport()
            .find(|listener| listener.local == flow.local)
            .or_else(|| same_transport().next())
            .unwrap_or(&self.listeners[0])
    }

    /// Our Contact on a flow, with angle brackets; in a dialog that is sips it is, too (RFC 3261 §12.1.1).
    pub fn contact(&self, flow: &Flow, sips: bool) -> Contact {
        Contact { listener: *self.listener(flow), transport: flow.transport, sips }
    }

    /// The start of a Via of ours on a flow: transport and sent-by, without a branch.
    pub fn sent_by(&self, flow: &Flow) -> SentBy {
        SentBy(flow.transport, self.listener(flow).advertised)
    }
}

/// Prints our Contact: `<sip:ringfence@192.0.2.1:5060;transport=tcp>`.
pub struct Contact {
    listener: Listener,
    transport: Transport,
    sips: bool,
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.sips { "sips" } else { "sip" };
        write!(f, "<{scheme}:ringfence@{}", HostPort(self.listener.advertised))?;
        match self.transport {
            Transport::Udp => {}
            // RFC 5630 §3.1.4: sips says it, and transport=tls says it less well.
            Transport::Tls if self.sips => {}
            other => write!(f, ";transport={}", other.uri_param())?,
        }
        f.write_str(">")
    }
}

/// Prints the start of a Via: `SIP/2.0/UDP 192.0.2.1:5060`.
pub struct SentBy(Transport, SocketAddr);

impl fmt::Display for SentBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}", self.0.via_name(), HostPort(self.1))
    }
}

/// Prints a socket address as a SIP host and port; IPv6 in brackets.
pub struct HostPort(pub SocketAddr);

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.ip().to_canonical() {
            IpAddr::V4(ip) => write!(f, "{ip}:{}", self.0.port()),
            IpAddr::V6(ip) => write!(f, "[{ip}]:{}", self.0.port()),
        }
    }
}

/// What a call needs to act on the wire, lent for the length of one input.
pub struct Wire<'a> {
    /// The instant of the input.
    pub now: Now,
    /// The transaction layer.
    pub transactions: &'a mut Transactions,
    /// What is to be sent.
    pub out: &'a mut Outbox,
    /// Unguessable names.
    pub tokens: &'a mut Tokens,
    /// What every message has in common.
    pub settings: &'a Settings,
}

impl Wire<'_> {
    /// The monotonic instant of the input.
    pub fn tick(&self) -> Tick {
        self.now.tick
    }
}
