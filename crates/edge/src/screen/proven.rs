//! Sockets from which a secret was shown not long ago. Lives here: a table of fixed size.
//! Never here: bindings, which have an index of their own (sip::registrar).
//!
//! Switches call without registering: the first log-in makes their socket known.

use std::hash::BuildHasher;

use sip::flow::Flow;
use types::{HashKey, Tick};

use super::sets::{Sets, WAYS};

const SETS: usize = 1 << 14;
/// How long a log-in makes a socket known, in seconds.
const HOLDS_S: u32 = 3_600;

#[derive(Clone, Copy, Default)]
struct Entry {
    /// The upper half of the fingerprint; 0: free. The set says 14 bits more.
    print: u32,
    at_s: u32,
}

/// The sockets.
pub struct Proven {
    hash: HashKey,
    sets: Sets<Entry, SETS>,
}

impl Proven {
    pub fn new(hash: HashKey) -> Proven {
        Proven { hash, sets: Sets::new() }
    }

    pub fn note(&mut self, now: Tick, flow: &Flow) {
        let print = self.print(flow);
        let set = self.sets.set(print);
        let print = upper(print);
        let same = set.iter().position(|entry| entry.print == print);
        let oldest = || (0..WAYS).min_by_key(|at| set[*at].at_s).unwrap_or(0);
        let at = same.unwrap_or_else(oldest);
        set[at] = Entry { print, at_s: seconds(now) };
    }

    pub fn has(&self, now: Tick, flow: &Flow) -> bool {
        let print = self.print(flow);
        let mut set = self.sets.find(print).into_iter().flatten();
        let print = upper(print);
        set.any(|entry| entry.print == print && seconds(now) - entry.at_s < HOLDS_S)
    }

    fn print(&self, flow: &Flow) -> u64 {
        self.hash.hash_one((flow.transport, flow.peer)) | 1 << 63
    }
}

const fn upper(print: u64) -> u32 {
    (print >> 32) as u32
}

fn seconds(now: Tick) -> u32 {
    u32::try_from(now.0 / 1_000_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_in_makes_its_socket_known_for_an_hour() {
        let mut proven = Proven::new(HashKey(1, 2));
        let flow =
            |port: u16| Flow::udp(([192, 0, 2, 1], 5060).into(), ([192, 0, 2, 9], port).into());
        let at = |s: u64| Tick(s * 1_000_000);
        proven.note(at(5), &flow(7));
        let check = |s: u64, port: u16, want: bool| {
            assert_eq!(proven.has(at(s), &flow(port)), want, "port {port} at {s}");
        };
        check(5, 7, true);
        check(5, 8, false);
        check(3_604, 7, true);
        check(3_605, 7, false);
    }
}
