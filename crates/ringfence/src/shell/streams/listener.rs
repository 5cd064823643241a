//! Sockets that take connections. Lives here: binding. Never here: what comes over a connection.

use std::io;
use std::net::SocketAddr;

use mio::net::TcpListener;
use sip::flow::Transport;
use socket2::{Domain, Protocol, Socket, Type};

/// A socket that takes connections of one kind.
pub struct Listener {
    /// The socket.
    pub socket: TcpListener,
    /// What is spoken on its connections.
    pub transport: Transport,
    /// Its own address.
    pub local: SocketAddr,
}

/// How many connections the kernel keeps for us until they are taken.
const BACKLOG: i32 = 1_024;

/// Opens a listening socket.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}
