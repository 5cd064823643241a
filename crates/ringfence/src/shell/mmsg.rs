//! Many datagrams in one system call. Lives here: `recvmmsg` and `sendmmsg`, unsafe because
//! the system reads and writes what pointers name. Never here: what the datagrams say.

use std::io;
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::RawFd;
use std::ptr;

/// Datagrams taken by one call.
pub const BATCH: usize = 64;
/// No UDP datagram is longer.
const LONGEST: usize = 65_536;
/// Buffers are not whole pages apart, so that their beginnings do not share cache lines' places.
const STRIDE: usize = LONGEST + 13 * 64;

/// Receives datagrams. Its memory is touched only as far as datagrams reach.
pub struct Receiver {
    bytes: Box<[u8]>,
    addresses: Box<[libc::sockaddr_storage]>,
    /// Kept because `headers` points to them.
    _vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
}

impl Receiver {
    /// Buffers for one batch.
    pub fn new() -> Receiver {
        let mut bytes = vec![0; BATCH * STRIDE].into_boxed_slice();
        let base = bytes.as_mut_ptr();
        let mut addresses = vec![no_address(); BATCH].into_boxed_slice();
        let mut vectors: Box<[libc::iovec]> = (0..BATCH)
            .map(|at| libc::iovec {
                iov_base: base.wrapping_add(at * STRIDE).cast(),
                iov_len: LONGEST,
            })
            .collect();
        let headers = addresses
            .iter_mut()
            .zip(vectors.iter_mut())
            .map(|(address, vector)| header(address, vector))
            .collect();
        Receiver { bytes, addresses, _vectors: vectors, headers }
    }

    /// Takes what has come, up to a batch, without waiting. Fewer than a batch: nothing is left.
    pub fn receive(&mut self, socket: RawFd) -> io::Result<usize> {
        // SAFETY: `headers` holds BATCH headers whose pointers lead into the boxes of `self`, which
        // live as long and do not move; each vector is LONGEST bytes of its own stride.
        let count = unsafe {
            libc::recvmmsg(
                socket,
                self.headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        if count < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock { Ok(0) } else { Err(error) };
        }
        Ok(count as usize)
    }

    /// One of the datagrams just received, and where it came from.
    pub fn datagram(&mut self, at: usize) -> Option<(SocketAddr, &mut [u8])> {
        let length = (self.headers[at].msg_len as usize).min(LONGEST);
        let peer = read_address(&self.addresses[at]);
        self.headers[at].msg_hdr.msg_namelen = mem::size_of::<libc::sockaddr_storage>() as _;
        let start = at * STRIDE;
        Some((peer?, &mut self.bytes[start..start + length]))
    }
}

/// Sends datagrams.
pub struct Sender {
    addresses: Vec<libc::sockaddr_storage>,
    vectors: Vec<libc::iovec>,
    headers: Vec<libc::mmsghdr>,
}

// SAFETY: the pointers are set and used within one call of `send`.
unsafe impl Send for Sender {}

impl Sender {
    /// Room for a batch.
    pub fn new() -> Sender {
        Sender {
            addresses: Vec::with_capacity(BATCH),
            vectors: Vec::with_capacity(BATCH),
            headers: Vec::with_capacity(BATCH),
        }
    }

    /// Sends the datagrams in order, without waiting; returns how many were lost here: datagrams may be.
    pub fn send<'a>(
        &mut self,
        socket: RawFd,
        datagrams: impl Iterator<Item = (SocketAddr, &'a [u8])>,
    ) -> usize {
        let mut lost = 0;
        let mut datagrams = datagrams.peekable();
        while datagrams.peek().is_some() {
            self.load(datagrams.by_ref().take(BATCH));
            lost += self.flush(socket);
        }
        lost
    }

    fn load<'a>(&mut self, datagrams: impl Iterator<Item = (SocketAddr, &'a [u8])>) {
        self.addresses.clear();
        self.vectors.clear();
        self.headers.clear();
        for (peer, bytes) in datagrams {
            let (address, length) = write_address(peer);
            self.addresses.push(address);
            self.vectors.push(libc::iovec {
                iov_base: bytes.as_ptr().cast_mut().cast(),
                iov_len: bytes.len(),
            });
            let mut one = header(&mut no_address(), &mut no_vector());
            one.msg_hdr.msg_namelen = length;
            self.headers.push(one);
        }
        // Only now, when the vectors have their final place.
        for (at, one) in self.headers.iter_mut().enumerate() {
            one.msg_hdr.msg_name = (&raw mut self.addresses[at]).cast();
            one.msg_hdr.msg_iov = &raw mut self.vectors[at];
        }
    }

    fn flush(&mut self, socket: RawFd) -> usize {
        let (mut sent, mut lost) = (0, 0);
        while sent < self.headers.len() {
            let rest = &mut self.headers[sent..];
            // SAFETY: every header points to an address and a vector of `self` at its final place,
            // and every vector to bytes that outlive the call: `load` was called with them just before.
            let count = unsafe {
                libc::sendmmsg(
                    socket,
                    rest.as_mut_ptr(),
                    rest.len() as libc::c_uint,
                    libc::MSG_DONTWAIT as _,
                )
            };
            if count > 0 {
                sent += count as usize;
            } else if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                // The first of the rest cannot be sent: full buffer, or no way to the peer.
                sent += 1;
                lost += 1;
            }
        }
        lost
    }
}

/// How many datagrams a socket's kernel has thrown away because its buffer was full.
pub fn thrown_away(socket: RawFd) -> u64 {
    /// `SK_MEMINFO_DROPS` of linux/sock_diag.h.
    const DROPS: usize = 8;
    let mut figures = [0_u32; 16];
    let mut length = mem::size_of_val(&figures) as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes to `figures`, which is so long.
    let done = unsafe {
        libc::getsockopt(
            socket,
            libc::SOL_SOCKET,
            libc::SO_MEMINFO,
            figures.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if done == 0 { u64::from(figures[DROPS]) } else { 0 }
}

fn no_vector() -> libc::iovec {
    libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 }
}

fn no_address() -> libc::sockaddr_storage {
    // SAFETY: all zeroes is an address of family "unspecified".
    unsafe { mem::zeroed() }
}

fn header(address: &mut libc::sockaddr_storage, vector: &mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: all zeroes is a header without address, vectors and control data.
    let mut header: libc::mmsghdr = unsafe { mem::zeroed() };
    header.msg_hdr.msg_name = (&raw mut *address).cast();
    header.msg_hdr.msg_namelen = mem::size_of::<libc::sockaddr_storage>() as _;
    header.msg_hdr.msg_iov = &raw mut *vector;
    header.msg_hdr.msg_iovlen = 1;
    header
}

fn read_address(address: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(address.ss_family) {
        libc::AF_INET => {
            // SAFETY: the family says that this is an IPv4 address; storage is large enough and aligned.
            let v4 = unsafe { &*(&raw const *address).cast::<libc::sockaddr_in>() };
            let ip = Ipv4Addr::from_bits(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddrV4::new(ip, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above, for IPv6.
            let v6 = unsafe { &*(&raw const *address).cast::<libc::sockaddr_in6>() };
            let ip = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            let port = u16::from_be(v6.sin6_port);
            Some(SocketAddrV6::new(ip, port, v6.sin6_flowinfo, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}

fn write_address(peer: SocketAddr) -> (libc::sockaddr_storage, libc::socklen_t) {
    let mut storage = no_address();
    let length = match peer {
        SocketAddr::V4(v4) => {
            // SAFETY: storage is large enough and aligned for every address family.
            let to = unsafe { &mut *(&raw mut storage).cast::<libc::sockaddr_in>() };
            to.sin_family = libc::AF_INET as _;
            to.sin_port = v4.port().to_be();
            to.sin_addr.s_addr = v4.ip().to_bits().to_be();
            mem::size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(v6) => {
            // SAFETY: as above.
            let to = unsafe { &mut *(&raw mut storage).cast::<libc::sockaddr_in6>() };
            to.sin6_family = libc::AF_INET6 as _;
            to.sin6_port = v6.port().to_be();
            to.sin6_addr.s6_addr = v6.ip().octets();
            to.sin6_flowinfo = v6.flowinfo();
            to.sin6_scope_id = v6.scope_id();
            mem::size_of::<libc::sockaddr_in6>()
        }
    };
    (storage, length as libc::socklen_t)
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsRawFd;

    use super::*;

    fn exchange(address: &str) {
        let ours = UdpSocket::bind(address).expect("a socket");
        let theirs = UdpSocket::bind(address).expect("a socket");
        let peer = ours.local_addr().expect("bound");
        let messages: Vec<Vec<u8>> = (0..BATCH + 9).map(|n| vec![n as u8; 40 + n]).collect();
        let lost = Sender::new()
            .send(theirs.as_raw_fd(), messages.iter().map(|bytes| (peer, bytes.as_slice())));
        assert_eq!(lost, 0);
        let mut receiver = Receiver::new();
        let mut got = Vec::new();
        for want in [BATCH, 9, 0] {
            let count = receiver.receive(ours.as_raw_fd()).expect("received");
            assert_eq!(count, want);
            for at in 0..count {
                let (from, bytes) = receiver.datagram(at).expect("an address");
                assert_eq!(from, theirs.local_addr().expect("bound"));
                got.push(bytes.to_vec());
            }
        }
        assert_eq!(got, messages);
    }

    #[test]
    fn datagrams_come_whole_and_in_order() {
        exchange("127.0.0.1:0");
        exchange("[::1]:0");
    }

    #[test]
    fn the_kernel_says_what_it_threw_away() {
        let ours = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let theirs = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        theirs.connect(ours.local_addr().expect("bound")).expect("connected");
        assert_eq!(thrown_away(ours.as_raw_fd()), 0);
        // More than the default buffer holds.
        (0..2_000).for_each(|_| drop(theirs.send(&[7; 1_000])));
        let mut receiver = Receiver::new();
        let mut got = 0;
        loop {
            match receiver.receive(ours.as_raw_fd()).expect("received") {
                0 => break,
                count => got += count as u64,
            }
        }
        assert!(got < 2_000);
        assert_eq!(got + thrown_away(ours.as_raw_fd()), 2_000);
    }

    #[test]
    fn one_that_cannot_be_sent_does_not_stop_the_rest() {
        let ours = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let theirs = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let peer = ours.local_addr().expect("bound");
        let nowhere: SocketAddr = "[::1]:9".parse().expect("an address");
        let messages = [(peer, &b"one"[..]), (nowhere, b"lost"), (peer, b"two")];
        let lost = Sender::new().send(theirs.as_raw_fd(), messages.into_iter());
        assert_eq!(lost, 1);
        let mut receiver = Receiver::new();
        assert_eq!(receiver.receive(ours.as_raw_fd()).expect("received"), 2);
    }
}
