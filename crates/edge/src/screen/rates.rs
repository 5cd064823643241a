//! How much strangers are heard. Lives here: a token bucket for each source, in a table of fixed size.
//! Never here: who is no stranger.
//!
//! All that is kept of a source is 20 bytes. Where the table is
//! full, the source that has least to answer for gives way: from a million addresses each is heard as if
//! it were new, which is what it is.

use std::hash::BuildHasher;
use std::net::IpAddr;

use types::{HashKey, Source, Tick};

use super::sets::{Sets, WAYS};

const SETS: usize = 1 << 16;
/// INVITEs to emergency codes beyond the rate of a source, a second and at once: no office places so
/// many, and so many cost no more than a challenge each.
const EMERGENCY_RATE: u32 = 5;
const EMERGENCY_BURST: u32 = 30;
/// A source is banned that sends so many things a second that are no SIP …
const GARBAGE_PER_S: u16 = 50;
/// … for so many seconds in a row.
const GARBAGE_SECONDS: u8 = 5;

/// A token bucket, as what has been taken out of it: all zeroes is a full one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bucket {
    at_ms: u32,
    /// In thousandths of a token.
    taken: u32,
}

impl Bucket {
    /// Takes a token, if there is one. `rate` a second come back, up to `burst`.
    pub fn take(&mut self, now: Tick, rate: u32, burst: u32) -> bool {
        self.refill(millis(now), rate);
        let can = u64::from(self.taken) + 1_000 <= u64::from(burst) * 1_000;
        self.taken += if can { 1_000 } else { 0 };
        can
    }

    /// A thousandth of a token a millisecond for each token a second.
    fn refill(&mut self, now_ms: u32, rate: u32) {
        let back = now_ms.wrapping_sub(self.at_ms).saturating_mul(rate);
        self.taken = self.taken.saturating_sub(back);
        self.at_ms = now_ms;
    }
}

/// What is kept of a source.
#[derive(Clone, Copy, Default)]
struct Place {
    /// The upper half of the source's fingerprint; 0: free. The set says 16 bits more.
    print: u32,
    bucket: Bucket,
    /// Emergency tokens taken, in hundredths; they come back with the bucket's.
    emergencies: u16,
    /// Pieces of garbage in that second.
    garbage: u16,
    /// The low bits of the second of the last piece of garbage.
    garbage_s: u16,
    /// Seconds in a row with too much of it.
    garbage_run: u8,
}

/// The sources.
pub struct Rates {
    hash: HashKey,
    rate: u32,
    burst: u32,
    sets: Sets<Place, SETS>,
}

impl Rates {
    /// Each source may send `rate` messages a second, and `burst` at once.
    pub fn new(hash: HashKey, rate: u32, burst: u32) -> Rates {
        Rates { hash, rate, burst, sets: Sets::new() }
    }

    /// Takes one message of a source; false: it is beyond the rate.
    pub fn take(&mut self, now: Tick, source: IpAddr) -> bool {
        let (rate, burst) = (self.rate, self.burst);
        self.place(now, source).bucket.take(now, rate, burst)
    }

    /// Takes one emergency INVITE that is beyond the rate.
    pub fn take_emergency(&mut self, now: Tick, source: IpAddr) -> bool {
        let source = self.place(now, source);
        let can = u32::from(source.emergencies) + 100 <= EMERGENCY_BURST * 100;
        source.emergencies += if can { 100 } else { 0 };
        can
    }

    /// Notes a piece of garbage; true: the source has gone on with it for too long.
    pub fn garbage(&mut self, now: Tick, source: IpAddr) -> bool {
        let second = (now.0 / 1_000_000) as u16;
        let source = self.place(now, source);
        if source.garbage_s != second {
            let goes_on = source.garbage_s.wrapping_add(1) == second;
            let was_much = source.garbage >= GARBAGE_PER_S;
            source.garbage_run =
                if goes_on && was_much { source.garbage_run.saturating_add(1) } else { 0 };
            (source.garbage_s, source.garbage) = (second, 0);
        }
        source.garbage = source.garbage.saturating_add(1);
        source.garbage == GARBAGE_PER_S && source.garbage_run + 1 >= GARBAGE_SECONDS
    }

    /// The place of a source, refilled up to now.
    fn place(&mut self, now: Tick, address: IpAddr) -> &mut Place {
        let print = self.hash.hash_one(Source::of(address)) | 1 << 63;
        let (rate, now_ms) = (self.rate, millis(now));
        let set = self.sets.set(print);
        let print = (print >> 32) as u32;
        let place = match set.iter().position(|place| place.print == print) {
            Some(place) => place,
            None => {
                let debt = |source: &Place| {
                    let back = now_ms.wrapping_sub(source.bucket.at_ms).saturating_mul(rate);
                    (source.bucket.taken.saturating_sub(back), source.bucket.at_ms)
                };
                let least = (0..WAYS).min_by_key(|at| debt(&set[*at])).unwrap_or(0);
                let bucket = Bucket { at_ms: now_ms, taken: 0 };
                set[least] = Place { print, bucket, ..Place::default() };
                least
            }
        };
        let source = &mut set[place];
        let since_ms = now_ms.wrapping_sub(source.bucket.at_ms);
        if since_ms > 0 {
            let back = since_ms.saturating_mul(EMERGENCY_RATE * 100) / 1_000;
            let back = u16::try_from(back).unwrap_or(u16::MAX);
            source.emergencies = source.emergencies.saturating_sub(back);
            source.bucket.refill(now_ms, rate);
        }
        source
    }
}

fn millis(now: Tick) -> u32 {
    (now.0 / 1_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Tick {
        Tick(60_000_000 + ms * 1_000)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn rates() -> Rates {
        Rates::new(HashKey(1, 2), 20, 100)
    }

    #[test]
    fn a_source_is_kept_in_20_bytes() {
        assert_eq!(size_of::<Place>(), 20);
    }

    #[test]
    fn a_source_has_a_burst_and_then_its_rate() {
        let mut rates = rates();
        let mut heard = |ms: u64, source: &str, tries: usize| {
            (0..tries).filter(|_| rates.take(at(ms), ip(source))).count()
        };
        assert_eq!(heard(0, "192.0.2.1", 300), 100);
        assert_eq!(heard(49, "192.0.2.1", 9), 0);
        assert_eq!(heard(50, "192.0.2.1", 9), 1);
        assert_eq!(heard(1_050, "192.0.2.1", 99), 20);
        assert_eq!(heard(1_050, "192.0.2.2", 300), 100);
        assert_eq!(heard(1_050, "::ffff:192.0.2.2", 9), 0);
        assert_eq!(heard(60_000, "192.0.2.1", 300), 100);
        assert_eq!(heard(0, "2001:db8::1", 300), 100);
        assert_eq!(heard(0, "2001:db8::2:1", 9), 0);
        assert_eq!(heard(0, "2001:db8:0:1::1", 9), 9);
    }

    #[test]
    fn slow_trickles_come_back_whole() {
        let mut rates = rates();
        (0..100).for_each(|_| assert!(rates.take(at(0), ip("192.0.2.1"))));
        let heard = (1..=1_000).filter(|ms| rates.take(at(*ms), ip("192.0.2.1"))).count();
        assert_eq!(heard, 20);
    }

    #[test]
    fn emergencies_have_tokens_of_their_own() {
        let mut rates = rates();
        let mut heard = |ms: u64, tries: usize| {
            (0..tries).filter(|_| rates.take_emergency(at(ms), ip("192.0.2.1"))).count()
        };
        assert_eq!(heard(0, 99), 30);
        assert_eq!(heard(1_000, 99), 5);
    }

    #[test]
    fn a_million_sources_do_not_make_the_busy_ones_forgotten() {
        let mut rates = rates();
        let loud: Vec<IpAddr> =
            (0..1_000).map(|n| IpAddr::from([192, 0, (n / 250) as u8, (n % 250) as u8])).collect();
        for source in &loud {
            (0..100).for_each(|_| assert!(rates.take(at(0), *source)));
        }
        for n in 0..1_000_000_u32 {
            rates.take(at(0), std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).into());
        }
        let heard = loud.iter().filter(|source| rates.take(at(0), **source)).count();
        assert_eq!(heard, 0, "of {} that were over their rate", loud.len());
    }

    #[test]
    fn garbage_must_go_on_for_five_seconds() {
        // Pieces a second, and the second in which it is too much.
        fn check(per_s: &[u64], want: Option<usize>) {
            let mut rates = rates();
            let source = ip("192.0.2.1");
            let mut told = None;
            for (second, pieces) in per_s.iter().enumerate() {
                for piece in 0..*pieces {
                    let ms = second as u64 * 1_000 + piece * 1_000 / pieces.max(&1);
                    if rates.garbage(at(ms), source) {
                        told.get_or_insert(second);
                    }
                }
            }
            assert_eq!(told, want, "{per_s:?}");
        }
        check(&[50, 50, 50, 50, 50], Some(4));
        check(&[900, 900, 900, 900, 49, 900], None);
        check(&[900, 900, 0, 900, 900, 900, 900, 900], Some(7));
        check(&[49; 20], None);
    }
}
