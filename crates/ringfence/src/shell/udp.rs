//! Datagram sockets. Lives here: binding, reading in batches, sending in batches.
//! Never here: what datagrams say.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use anyhow::Context;
use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBufForce;
use sip::flow::Flow;
use socket2::{Domain, Protocol, Socket, Type};

use super::mmsg::{BATCH, Receiver, Sender, thrown_away};

/// Batches taken from one socket before others get their turn.
const TURN: usize = 8;

/// All datagram sockets.
pub struct Datagrams {
    sockets: Vec<One>,
    receiver: Receiver,
    sender: Sender,
    lost: u64,
    taken: usize,
}

struct One {
    socket: UdpSocket,
    local: SocketAddr,
    /// Something may have come since the last read.
    is_ready: bool,
}

impl Datagrams {
    /// No socket yet.
    pub fn new() -> Datagrams {
        Datagrams {
            sockets: Vec::new(),
            receiver: Receiver::new(),
            sender: Sender::new(),
            lost: 0,
            taken: 0,
        }
    }

    /// Opens a socket and returns its own address.
    pub fn open(
        &mut self,
        address: SocketAddr,
        receive_buffer: usize,
    ) -> anyhow::Result<SocketAddr> {
        let socket = bind(address, receive_buffer)
            .with_context(|| format!("cannot listen on udp:{address}"))?;
        let local = socket.local_addr().context("a bound socket has an address")?;
        self.sockets.push(One { socket, local, is_ready: true });
        Ok(local)
    }

    /// Sockets by position, for the poll.
    pub fn descriptors(&self) -> impl Iterator<Item = std::os::fd::RawFd> {
        self.sockets.iter().map(|one| one.socket.as_raw_fd())
    }

    /// Notes that a socket can be read.
    pub fn set_ready(&mut self, at: usize) {
        self.sockets[at].is_ready = true;
    }

    /// Is there a socket whose turn ended before it was empty?
    pub fn is_any_ready(&self) -> bool {
        self.sockets.iter().any(|one| one.is_ready)
    }

    /// How many sockets there are.
    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Reads one batch of a socket, hands every datagram over, and says if it may hold more.
    pub fn read(&mut self, at: usize, mut take: impl FnMut(Flow, &mut [u8])) -> bool {
        let one = &mut self.sockets[at];
        if !one.is_ready {
            return false;
        }
        let count = match self.receiver.receive(one.socket.as_raw_fd()) {
            Ok(count) => count,
            // An earlier datagram met a closed port, or a signal came: read on.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return true,
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return true,
            Err(error) => {
                tracing::error!(%error, "a datagram socket cannot be read");
                0
            }
        };
        // Fewer than a batch: the kernel had no more, and tells when it has.
        one.is_ready = count == BATCH;
        self.taken += count;
        for position in 0..count {
            if let Some((peer, bytes)) = self.receiver.datagram(position) {
                take(Flow::udp(one.local, peer), bytes);
            }
        }
        one.is_ready
    }

    /// How many batches a socket may have in its turn.
    pub const fn turn() -> usize {
        TURN
    }

    /// Sends the datagrams of one socket, in order; `local` names it.
    pub fn send<'a>(
        &mut self,
        local: SocketAddr,
        datagrams: impl Iterator<Item = (SocketAddr, &'a [u8])>,
    ) {
        let socket = match &self.sockets[..] {
            [only] => only,
            many => {
                let same = many.iter().find(|one| one.local == local);
                let family = |one: &&One| one.local.is_ipv4() == local.is_ipv4();
                match same.or_else(|| many.iter().find(family)) {
                    Some(one) => one,
                    None => return,
                }
            }
        };
        self.lost += self.sender.send(socket.socket.as_raw_fd(), datagrams) as u64;
    }

    /// Datagrams that came since the last look.
    pub fn take_count(&mut self) -> usize {
        std::mem::take(&mut self.taken)
    }

    /// Datagrams that the kernel threw away because the buffer was full.
    pub fn unread(&self) -> u64 {
        self.sockets.iter().map(|one| thrown_away(one.socket.as_raw_fd())).sum()
    }

    /// Datagrams that the kernel did not take.
    pub fn lost(&self) -> u64 {
        self.lost
    }
}

fn bind(address: SocketAddr, receive_buffer: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    // More than the system allows (net.core.rmem_max) is cut by it, unless we may exceed it: a wish, no
    // failure. At 8 MiB a flood of small datagrams may last a fifth of a second while we do something else.
    if setsockopt(&socket, RcvBufForce, &receive_buffer).is_err() {
        drop(socket.set_recv_buffer_size(receive_buffer));
    }
    drop(socket.set_send_buffer_size(receive_buffer));
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}
