//! What can be asked of a stranger's message before it is looked at: is there a binding at this socket, at
//! this source, with this Call-ID or Contact? Lives here: counted fingerprints, 8 bytes each.
//! Never here: bindings themselves (table).
//!
//! Two things have the same fingerprint by chance once in 2⁴⁰; the key is secret, so nobody can look for
//! such a pair. All that hangs on it is whether a message is held to the rate of strangers.

use std::hash::{BuildHasher, Hash};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use hashbrown::HashTable;
use types::HashKey;

use crate::flow::Transport;

/// The low bits of an entry count, the others are the fingerprint.
const COUNT_BITS: u32 = 24;
const MOST: u64 = (1 << COUNT_BITS) - 1;

/// Something that a binding has, perhaps with others.
#[derive(Clone, Copy, Hash)]
pub(super) enum Mark<'a> {
    /// The peer's socket.
    Socket(Transport, SocketAddr),
    /// The peer's address, or its IPv6 /64.
    Source(IpAddr),
    /// A Call-ID or a Contact, as heard from this source.
    Face(IpAddr, &'a str),
}

impl<'a> Mark<'a> {
    pub fn socket(transport: Transport, peer: SocketAddr) -> Mark<'a> {
        Mark::Socket(transport, peer)
    }

    pub fn source(peer: IpAddr) -> Mark<'a> {
        Mark::Source(source(peer))
    }

    pub fn face(peer: IpAddr, text: &'a str) -> Mark<'a> {
        Mark::Face(source(peer), text)
    }
}

/// An IPv6 host has 2⁶⁴ addresses of one network.
fn source(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

/// How many bindings have what.
pub(super) struct Marks {
    key: HashKey,
    entries: HashTable<u64>,
}

impl Marks {
    pub fn new(key: HashKey) -> Marks {
        Marks { key, entries: HashTable::new() }
    }

    pub fn has(&self, mark: Mark<'_>) -> bool {
        let print = self.print(mark);
        self.entries.find(place(print), same(print)).is_some()
    }

    pub fn add(&mut self, mark: Mark<'_>) {
        let print = self.print(mark);
        match self.entries.find_mut(place(print), same(print)) {
            // One that was counted so often is never forgotten.
            Some(entry) if *entry & MOST == MOST => {}
            Some(entry) => *entry += 1,
            None => {
                self.entries.insert_unique(place(print), print | 1, |entry| place(entry & !MOST));
            }
        }
    }

    pub fn remove(&mut self, mark: Mark<'_>) {
        let print = self.print(mark);
        let Ok(mut entry) = self.entries.find_entry(place(print), same(print)) else { return };
        match *entry.get() & MOST {
            MOST => {}
            1 => drop(entry.remove()),
            _ => *entry.get_mut() -= 1,
        }
    }

    /// Gives back memory when nothing is left.
    pub fn shrink(&mut self) {
        if self.entries.is_empty() {
            self.entries = HashTable::new();
        }
    }

    fn print(&self, mark: Mark<'_>) -> u64 {
        self.key.hash_one(mark) & !MOST
    }
}

/// The table looks at the highest and at the lowest bits of a hash: both must differ.
const fn place(print: u64) -> u64 {
    print ^ print.rotate_left(u64::BITS - COUNT_BITS)
}

fn same(print: u64) -> impl Fn(&u64) -> bool {
    move |entry| entry & !MOST == print
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_have_is_known_until_the_last_is_gone() {
        let mut marks = Marks::new(HashKey(1, 2));
        let at = |text: &str| text.parse::<IpAddr>().expect("an address");
        let (first, second) = (Mark::source(at("192.0.2.1")), Mark::source(at("192.0.2.2")));
        marks.add(first);
        marks.add(first);
        assert!(marks.has(first) && !marks.has(second));
        marks.remove(first);
        marks.remove(second);
        assert!(marks.has(first));
        assert!(marks.has(Mark::source(at("::ffff:192.0.2.1"))));
        marks.remove(first);
        assert!(!marks.has(first) && marks.entries.is_empty());
        marks.add(Mark::source(at("2001:db8::1")));
        assert!(marks.has(Mark::source(at("2001:db8::ffff:1"))));
        assert!(!marks.has(Mark::source(at("2001:db8:0:1::1"))));
        marks.add(Mark::face(at("192.0.2.1"), "call"));
        assert!(marks.has(Mark::face(at("192.0.2.1"), "call")));
        assert!(!marks.has(Mark::face(at("192.0.2.2"), "call")));
    }

    #[test]
    fn many_marks_are_kept_apart() {
        let mut marks = Marks::new(HashKey(3, 4));
        let name = |n: u32| Mark::Source(std::net::Ipv4Addr::from_bits(n).into());
        (0..50_000).for_each(|n| marks.add(name(n)));
        assert_eq!(marks.entries.len(), 50_000);
        assert!((0..50_000).all(|n| marks.has(name(n))));
        assert!(!(50_000..100_000).any(|n| marks.has(name(n))));
        (0..50_000).for_each(|n| marks.remove(name(n)));
        assert!(marks.entries.is_empty());
    }
}
