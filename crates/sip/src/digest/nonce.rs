//! Nonces that prove themselves. Lives here: issuing, checking, counting their use. Never here: users.
//!
//! A nonce is its time of issue and a MAC over that time, the source's address and transport, and
//! (through the key) the realm. Issuing one remembers nothing. Uses are counted only for nonces that
//! came with a right secret, so only who has one can make this table grow, and it is bounded.
//!
//! The MAC is SipHash-2-4 with 128 bits under a key drawn from the 32-byte secret by SHA-256: a
//! pseudorandom function made for short inputs, some ten times cheaper than HMAC-SHA-256, and
//! challenges are what a flood makes us compute.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::net::IpAddr;

use sha2::{Digest, Sha256};
use siphasher::sip128::{Hasher128, SipHasher24};
use subtle::ConstantTimeEq;
use types::{Millis, UnixMicros};

use crate::flow::{Flow, Transport};

/// Characters of a nonce.
pub(super) const NONCE_LENGTH: usize = 32;

/// A nonce as text.
pub(super) type NonceText = [u8; NONCE_LENGTH];

/// Microseconds since 1970, made different for each nonce: its name.
pub(super) type Stamp = u64;

pub(super) struct Nonces {
    key: [u8; 16],
    life_us: u64,
    max_counted: usize,
    /// The first instant seen: older nonces are another life's, and what was used of them is forgotten.
    started: Option<Stamp>,
    last: Stamp,
    counted: BTreeMap<Stamp, Window>,
    /// Nonces up to here are refused, because their uses had to be forgotten.
    floor: Stamp,
}

/// Which counts of a nonce were used: the highest, and one bit for it and each of the 63 before.
#[derive(Clone, Copy, Default)]
struct Window {
    highest: u32,
    used: u64,
}

impl Nonces {
    pub fn new(realm: &str, secret: &[u8; 32], life_ms: Millis, max_counted: usize) -> Nonces {
        let digest = Sha256::new()
            .chain_update(b"ringfence nonce\0")
            .chain_update(secret)
            .chain_update(realm.as_bytes())
            .finalize();
        let mut key = [0; 16];
        key.copy_from_slice(&digest[..16]);
        Nonces {
            key,
            life_us: life_ms.saturating_mul(1_000),
            max_counted: max_counted.max(1),
            started: None,
            last: 0,
            counted: BTreeMap::new(),
            floor: 0,
        }
    }

    /// A new nonce for whoever sends from the flow's peer.
    pub fn issue(&mut self, now: UnixMicros, source: &Flow) -> NonceText {
        let stamp = self.at(now).max(self.last + 1);
        self.last = stamp;
        let mut bytes = [0; 24];
        bytes[..8].copy_from_slice(&stamp.to_be_bytes());
        bytes[8..].copy_from_slice(&self.mac(stamp, source));
        encode(&bytes)
    }

    /// The stamp of a nonce of ours, for this source, not too old; `None` for every other text.
    pub fn check(&mut self, now: UnixMicros, source: &Flow, text: &str) -> Option<Stamp> {
        let now = self.at(now);
        let bytes = decode(text.as_bytes())?;
        let (stamp, mac) = bytes.split_at(8);
        let stamp = Stamp::from_be_bytes(stamp.try_into().ok()?);
        let is_ours: bool = self.mac(stamp, source).as_slice().ct_eq(mac).into();
        let is_fresh = now.saturating_sub(stamp) <= self.life_us
            && stamp >= self.started.unwrap_or(0)
            && stamp > self.floor;
        (is_ours && is_fresh).then_some(stamp)
    }

    /// Counts one use; false when it was used before, or is too far behind to tell.
    pub fn count(&mut self, now: UnixMicros, stamp: Stamp, nc: u32) -> bool {
        let oldest = self.at(now).saturating_sub(self.life_us);
        while let Some(first) = self.counted.first_entry()
            && *first.key() < oldest
        {
            first.remove();
        }
        if let Some(window) = self.counted.get_mut(&stamp) {
            return window.take(nc);
        }
        if self.counted.len() >= self.max_counted {
            // What is forgotten must not become usable again.
            if let Some((forgotten, _)) = self.counted.pop_first() {
                self.floor = self.floor.max(forgotten);
            }
            if stamp <= self.floor {
                return false;
            }
        }
        self.counted.entry(stamp).or_default().take(nc)
    }

    #[cfg(test)]
    pub fn counted_len(&self) -> usize {
        self.counted.len()
    }

    fn at(&mut self, now: UnixMicros) -> Stamp {
        let now = Stamp::try_from(now.0).unwrap_or(0);
        self.started.get_or_insert(now);
        now
    }

    fn mac(&self, stamp: Stamp, source: &Flow) -> [u8; 16] {
        let mut hasher = SipHasher24::new_with_key(&self.key);
        let mut input = [0; 26];
        input[..8].copy_from_slice(&stamp.to_le_bytes());
        // The address, not the port: NATs change ports between two requests.
        match source.peer.ip().to_canonical() {
            IpAddr::V4(ip) => {
                input[8] = 4;
                input[9..13].copy_from_slice(&ip.octets());
            }
            IpAddr::V6(ip) => {
                input[8] = 6;
                input[9..25].copy_from_slice(&ip.octets());
            }
        }
        input[25] = match source.transport {
            Transport::Udp => 0,
            Transport::Tcp => 1,
            Transport::Tls => 2,
            Transport::Wss => 3,
        };
        hasher.write(&input);
        hasher.finish128().as_bytes()
    }
}

impl Window {
    /// RFC 7616 §3.4.6, with room for datagrams that overtake each other.
    fn take(&mut self, nc: u32) -> bool {
        if nc > self.highest {
            let ahead = nc - self.highest;
            self.used = if ahead < 64 { self.used << ahead } else { 0 };
            self.used |= 1;
            self.highest = nc;
            return true;
        }
        let behind = self.highest - nc;
        if behind >= 64 || self.used >> behind & 1 == 1 {
            return false;
        }
        self.used |= 1 << behind;
        true
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn encode(bytes: &[u8; 24]) -> NonceText {
    let mut text = [0; NONCE_LENGTH];
    for (four, three) in text.chunks_exact_mut(4).zip(bytes.chunks_exact(3)) {
        let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        for (position, symbol) in four.iter_mut().enumerate() {
            *symbol = ALPHABET[(bits >> (18 - 6 * position) & 63) as usize];
        }
    }
    text
}

fn decode(text: &[u8]) -> Option<[u8; 24]> {
    if text.len() != NONCE_LENGTH {
        return None;
    }
    let mut bytes = [0; 24];
    for (three, four) in bytes.chunks_exact_mut(3).zip(text.chunks_exact(4)) {
        let mut bits = 0;
        for symbol in four {
            bits = bits << 6 | sextet(*symbol)?;
        }
        three.copy_from_slice(&bits.to_be_bytes()[1..]);
    }
    Some(bytes)
}

fn sextet(symbol: u8) -> Option<u32> {
    let value = match symbol {
        b'A'..=b'Z' => symbol - b'A',
        b'a'..=b'z' => symbol - b'a' + 26,
        b'0'..=b'9' => symbol - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests {
    use super::*;

    const START: i64 = 1_800_000_000_000_000;

    fn nonces(max_counted: usize) -> Nonces {
        let mut nonces = Nonces::new("ringfence.example", &[7; 32], 60_000, max_counted);
        nonces.at(UnixMicros(START));
        nonces
    }

    fn source(text: &str, transport: Transport) -> Flow {
        let local = "192.0.2.1:5060".parse().unwrap();
        Flow { transport, local, peer: text.parse().unwrap(), connection: 0 }
    }

    fn text(nonce: &NonceText) -> &str {
        std::str::from_utf8(nonce).unwrap()
    }

    #[test]
    fn bound_to_source_transport_key_and_time() {
        let home = source("198.51.100.7:5060", Transport::Udp);
        let mut nonces = nonces(10);
        let nonce = nonces.issue(UnixMicros(START), &home);
        let mut check = |source: &Flow, after_us: i64, want: bool| {
            let got = nonces.check(UnixMicros(START + after_us), source, text(&nonce)).is_some();
            assert_eq!(got, want, "{source:?} {after_us}");
        };
        check(&home, 0, true);
        check(&source("198.51.100.7:999", Transport::Udp), 1, true);
        check(&source("[::ffff:198.51.100.7]:5060", Transport::Udp), 1, true);
        for other in [Transport::Tcp, Transport::Tls, Transport::Wss] {
            check(&source("198.51.100.7:5060", other), 1, false);
        }
        check(&source("198.51.100.8:5060", Transport::Udp), 1, false);
        check(&home, 60_000_000, true);
        check(&home, 60_000_001, false);
    }

    #[test]
    fn of_another_realm_secret_or_life_is_refused() {
        let home = source("198.51.100.7:5060", Transport::Udp);
        let later = UnixMicros(START + 1_000_000);
        let nonce = nonces(10).issue(UnixMicros(START), &home);
        let mut same = nonces(10);
        assert!(same.check(later, &home, text(&nonce)).is_some(), "the control");
        for mut other in [
            Nonces::new("other.example", &[7; 32], 60_000, 10),
            Nonces::new("ringfence.example", &[8; 32], 60_000, 10),
        ] {
            other.at(UnixMicros(START));
            assert!(other.check(later, &home, text(&nonce)).is_none());
        }
        let mut restarted = Nonces::new("ringfence.example", &[7; 32], 60_000, 10);
        assert!(restarted.check(later, &home, text(&nonce)).is_none(), "issued before the start");
    }

    #[test]
    fn no_two_alike_and_changed_ones_refused() {
        let home = source("198.51.100.7:5060", Transport::Udp);
        let mut nonces = nonces(10);
        let first = nonces.issue(UnixMicros(START), &home);
        let second = nonces.issue(UnixMicros(START), &home);
        assert_ne!(first, second);
        for position in 0..NONCE_LENGTH {
            let mut changed = first;
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            assert!(nonces.check(UnixMicros(START), &home, text(&changed)).is_none());
        }
        for bad in ["", "x", &text(&first)[1..], &format!("{}A", text(&first))] {
            assert!(nonces.check(UnixMicros(START), &home, bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn each_count_once_in_any_near_order() {
        let mut window = Window::default();
        for (nc, want) in [
            (1, true),
            (1, false),
            (3, true),
            (2, true),
            (2, false),
            (66, true),
            (3, false),
            (4, true),
            (2, false),
            (1_000_000, true),
            (66, false),
            (u32::MAX, true),
            (u32::MAX, false),
        ] {
            assert_eq!(window.take(nc), want, "{nc}");
        }
    }

    #[test]
    fn counts_are_bounded_and_never_usable_again() {
        let home = source("198.51.100.7:5060", Transport::Udp);
        let mut nonces = nonces(100);
        let now = UnixMicros(START);
        let texts: Vec<_> = (0..1_000).map(|_| nonces.issue(now, &home)).collect();
        for nonce in &texts {
            let stamp = nonces.check(now, &home, text(nonce)).expect("issued after the others");
            assert!(nonces.count(now, stamp, 1));
            assert!(nonces.counted_len() <= 100);
        }
        for nonce in &texts {
            let again = nonces.check(now, &home, text(nonce));
            assert!(again.is_none_or(|stamp| !nonces.count(now, stamp, 1)));
        }
        let later = UnixMicros(START + 61_000_000);
        let nonce = nonces.issue(later, &home);
        let stamp = nonces.check(later, &home, text(&nonce)).unwrap();
        assert!(nonces.count(later, stamp, 1));
        assert_eq!(nonces.counted_len(), 1, "old counts go");
    }
}
