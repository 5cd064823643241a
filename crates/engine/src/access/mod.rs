//! Who may come in. Lives here: lock-outs, devices, bans, seen from no protocol in particular.
//! Never here: SIP, sockets, what an account may do once it is in (rules).

pub(crate) mod age;
pub mod secret;

use std::net::{IpAddr, SocketAddr};

/// What is known of sources, devices and failed log-ins.
#[derive(Default)]
pub struct Access {}

impl Access {
    /// Has a device been proven to sit behind exactly this socket, not long ago?
    pub fn is_known_socket(&self, _peer: SocketAddr) -> bool {
        false
    }

    /// Has a device been proven to sit at this address, not long ago? Then the source is never banned
    /// as a whole.
    pub fn knows_source(&self, _source: IpAddr) -> bool {
        false
    }
}
