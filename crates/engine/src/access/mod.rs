//! Who may come in. Lives here: lock-outs, devices, bans, seen from no protocol in particular.
//! Never here: SIP, sockets, what an account may do once it is in (rules).

mod bans;
mod sparing;

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use types::HashKey;

pub use bans::Bans;
pub use sparing::{Spared, source_of};

/// What is known of sources, devices and failed log-ins.
pub struct Access {
    /// Sources of which nothing is read.
    pub(crate) bans: Bans,
}

impl Access {
    /// Nothing is known yet.
    pub(crate) fn new(hash: HashKey) -> Access {
        Access { bans: Bans::new(hash) }
    }

    /// Bans, to look into.
    pub fn bans(&self) -> &Bans {
        &self.bans
    }

    /// Has a device been proven to sit behind exactly this socket, not long ago?
    pub fn is_known_socket(&self, _peer: SocketAddr) -> bool {
        false
    }

    /// Has a device been proven to sit at this address, not long ago? Then the source is never banned
    /// as a whole.
    pub fn knows_source(&self, _source: IpAddr) -> bool {
        false
    }

    /// Has a device been proven to sit within this network, not long ago?
    pub fn knows_within(&self, _network: IpNet) -> bool {
        false
    }
}
