//! What a log-in shows of itself before it has proven anything. Never here: secrets.

use std::hash::BuildHasher;
use std::net::{IpAddr, SocketAddr};

use types::{HashKey, Source};

use super::agent::Agent;
use super::scope::Likeness;

/// Who somebody says that he is, and where he is.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The user name, in canonical form (A9).
    pub user: &'a str,
    /// The socket's peer: no header is believed.
    pub peer: SocketAddr,
    /// How it came: `udp`, `tcp`, `tls`, `ws`, or what else log-ins come by: `web`, `log`.
    pub transport: &'a str,
    /// Does the way keep secrets from those in between?
    pub is_secure: bool,
    /// What it says that it is: the User-Agent.
    pub agent: &'a str,
    /// Its own name for itself (`+sip.instance`), if it gives one.
    pub instance: Option<&'a str>,
    /// Host and port of its Contact as written; empty if it gives none.
    pub contact: &'a str,
    /// What names this conversation: the Call-ID of a registration; empty if it means nothing.
    pub call_id: &'a str,
}

/// The parts of a claim by which a device is known again, hashed: small, and of equal size whatever a
/// stranger writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    pub peer: Peer,
    pub instance: Mark,
    pub call: Mark,
    /// Of agent, Contact and source.
    pub look: Mark,
    /// Of the agent's name, without its version.
    pub name: u32,
}

/// A socket in 18 bytes. An IPv4 socket that arrives as v4-mapped IPv6 is the IPv4 socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Peer {
    /// IPv4 addresses as v4-mapped ones.
    address: [u8; 16],
    port: u16,
}

const V4_MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/// 48 bits of a keyed hash. A stranger who does not know what was hashed has it once in 2⁴⁸ log-ins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark([u16; 3]);

impl<'a> Claim<'a> {
    /// A claim that shows nothing but a user name and a socket, by a way that others may listen to.
    pub fn bare(user: &'a str, peer: SocketAddr, transport: &'a str) -> Claim<'a> {
        Claim {
            user,
            peer,
            transport,
            is_secure: false,
            agent: "",
            instance: None,
            contact: "",
            call_id: "",
        }
    }

    pub(super) fn marks(&self, hash: HashKey) -> Marks {
        let of = |kind: u8, text: &str| match text {
            "" => Mark::NONE,
            text => Mark::of(hash.hash_one((kind, text))),
        };
        let name = Agent::name_of(self.agent);
        let look = (4u8, name, self.contact, Source::of(self.peer.ip()));
        Marks {
            peer: Peer::of(self.peer),
            instance: self.instance.map_or(Mark::NONE, |text| of(1, text)),
            call: of(2, self.call_id),
            look: Mark::of(hash.hash_one(look)),
            name: (hash.hash_one((3u8, name)) >> 32) as u32,
        }
    }
}

impl Mark {
    /// It has no such thing.
    pub const NONE: Mark = Mark([0; 3]);

    const fn of(hash: u64) -> Mark {
        Mark([hash as u16, (hash >> 16) as u16, (hash >> 32) as u16])
    }

    /// As a number, for tables of others.
    pub fn number(self) -> u64 {
        self.0.into_iter().fold(0, |number, part| number << 16 | u64::from(part))
    }

    /// Have both the same, and not just nothing?
    fn is_shared(self, other: Mark) -> bool {
        self != Mark::NONE && self == other
    }
}

impl Peer {
    pub fn of(peer: SocketAddr) -> Peer {
        let address = match peer.ip() {
            IpAddr::V4(v4) => v4.to_ipv6_mapped(),
            IpAddr::V6(v6) => v6,
        };
        Peer { address: address.octets(), port: peer.port() }
    }

    pub fn socket(self) -> SocketAddr {
        SocketAddr::new(self.ip(), self.port)
    }

    pub fn ip(self) -> IpAddr {
        IpAddr::from(self.address).to_canonical()
    }

    /// Are both sources one? Asked of each device of a line at each log-in: quicker than making both.
    fn is_same_source(self, other: Peer) -> bool {
        let is_v4 = |peer: Peer| peer.address[..12] == V4_MAPPED;
        self.address[..8] == other.address[..8]
            && match (is_v4(self), is_v4(other)) {
                (true, true) => self.address[12..] == other.address[12..],
                (false, false) => true,
                _ => false,
            }
    }
}

impl Marks {
    pub fn source(&self) -> Source {
        Source::of(self.peer.ip())
    }

    /// In which way is somebody like this, the surest way if in several?
    pub fn likeness(&self, other: &Marks) -> Option<Likeness> {
        if self.peer == other.peer {
            Some(Likeness::Socket)
        } else if self.instance.is_shared(other.instance) {
            Some(Likeness::Instance)
        } else if self.call.is_shared(other.call) {
            Some(Likeness::Call)
        } else if self.look == other.look {
            Some(Likeness::Look)
        } else if self.peer.is_same_source(other.peer) {
            Some(Likeness::Source)
        } else {
            None
        }
    }

    /// Both give themselves names, and different ones.
    pub fn is_other_instance(&self, other: &Marks) -> bool {
        let are_named = self.instance != Mark::NONE && other.instance != Mark::NONE;
        are_named && self.instance != other.instance
    }

    /// The same kind of phone at the same source.
    pub fn is_same_kind(&self, other: &Marks) -> bool {
        self.name == other.name && self.peer.is_same_source(other.peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_kept_in_canonical_form() {
        fn check(peer: &str, want: &str) {
            let peer: SocketAddr = peer.parse().expect("a socket");
            assert_eq!(Peer::of(peer).socket().to_string(), want);
        }
        check("192.0.2.7:5060", "192.0.2.7:5060");
        check("[::ffff:192.0.2.7]:65535", "192.0.2.7:65535");
        check("[2001:db8::7]:9", "[2001:db8::7]:9");
        check("[fe80::1%3]:9", "[fe80::1]:9");
    }

    #[test]
    fn sources_are_compared_as_they_are_named() {
        let peers = [
            "192.0.2.7:5060",
            "192.0.2.7:9",
            "192.0.2.8:5060",
            "[::ffff:192.0.2.7]:1",
            "[2001:db8::7]:5060",
            "[2001:db8::8:0:0:9]:5060",
            "[2001:db8:0:1::7]:5060",
            "[::1]:5060",
        ];
        let peers = peers.map(|peer| Peer::of(peer.parse().expect("an address")));
        for one in &peers {
            for other in &peers {
                let want = Source::of(one.ip()) == Source::of(other.ip());
                assert_eq!(one.is_same_source(*other), want, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn marks_are_small() {
        assert_eq!(size_of::<Marks>(), 40);
    }
}
