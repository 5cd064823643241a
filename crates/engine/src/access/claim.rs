//! What a log-in shows of itself before it has proven anything. Never here: secrets.

use std::hash::{BuildHasher, Hash};
use std::net::{IpAddr, SocketAddr};

use types::HashKey;

use super::agent::Agent;
use super::scope::{Likeness, Source};

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
/// stranger writes. 0: it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Marks {
    /// In canonical form.
    pub peer: SocketAddr,
    pub instance: u64,
    pub call: u64,
    /// Of agent, Contact and source.
    pub look: u64,
    /// Of the agent's name, without its version.
    pub name: u32,
}

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
        let of =
            |kind: u8, text: &str| if text.is_empty() { 0 } else { hash_of(hash, (kind, text)) };
        let name = Agent::name_of(self.agent);
        Marks {
            peer: canonical(self.peer),
            instance: self.instance.map_or(0, |text| of(1, text)),
            call: of(2, self.call_id),
            look: hash_of(hash, (4u8, name, self.contact, Source::of(self.peer.ip()))),
            name: (hash_of(hash, (3u8, name)) >> 32) as u32,
        }
    }
}

impl Marks {
    pub fn source(&self) -> Source {
        Source::of(self.peer.ip())
    }

    /// In which way is somebody like this, the surest way if in several?
    pub fn likeness(&self, other: &Marks) -> Option<Likeness> {
        let same = |one: u64, other: u64| one != 0 && one == other;
        if self.peer == other.peer {
            Some(Likeness::Socket)
        } else if same(self.instance, other.instance) {
            Some(Likeness::Instance)
        } else if same(self.call, other.call) {
            Some(Likeness::Call)
        } else if self.look == other.look {
            Some(Likeness::Look)
        } else if self.is_same_source(other) {
            Some(Likeness::Source)
        } else {
            None
        }
    }

    /// Both give themselves names, and different ones.
    pub fn is_other_instance(&self, other: &Marks) -> bool {
        self.instance != 0 && other.instance != 0 && self.instance != other.instance
    }

    /// The same kind of phone at the same source.
    pub fn is_same_kind(&self, other: &Marks) -> bool {
        self.name == other.name && self.is_same_source(other)
    }

    /// Are both sources one? Asked of each device of a line at each log-in: quicker than making both.
    fn is_same_source(&self, other: &Marks) -> bool {
        match (self.peer.ip(), other.peer.ip()) {
            (IpAddr::V4(one), IpAddr::V4(other)) => one == other,
            (IpAddr::V6(one), IpAddr::V6(other)) => one.octets()[..8] == other.octets()[..8],
            _ => false,
        }
    }
}

/// An IPv4 socket that arrives as v4-mapped IPv6 is the IPv4 socket.
pub fn canonical(peer: SocketAddr) -> SocketAddr {
    SocketAddr::new(peer.ip().to_canonical(), peer.port())
}

fn hash_of(hash: HashKey, what: impl Hash) -> u64 {
    hash.hash_one(what)
}

#[cfg(test)]
mod tests {
    use super::*;

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
        ];
        let marks = peers.map(|peer| {
            let peer = peer.parse().expect("an address");
            Claim::bare("alice", peer, "udp").marks(HashKey(1, 2))
        });
        for one in &marks {
            for other in &marks {
                let want = one.source() == other.source();
                assert_eq!(one.is_same_source(other), want, "{one:?} {other:?}");
            }
        }
    }
}
