//! Where in the world addresses are, as somebody's tables say: soft evidence, tables disagree on 5–9 % of
//! addresses. Lives here: ranges and looking them up. Never here: files.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use types::{Place, Region};

/// Ranges of addresses and what is said of each.
#[derive(Clone, Debug)]
pub struct Ranges<T> {
    v4: Vec<(u32, u32, T)>,
    v6: Vec<(u128, u128, T)>,
}

/// A range that cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    /// IPv4 on one side, IPv6 on the other.
    #[error("{0} and {1} are not of one kind")]
    Kinds(IpAddr, IpAddr),
    /// The last is before the first.
    #[error("{0} is behind {1}")]
    Order(IpAddr, IpAddr),
    /// It overlaps another.
    #[error("the ranges that begin at {0} and at {1} overlap")]
    Overlap(IpAddr, IpAddr),
}

impl<T> Default for Ranges<T> {
    fn default() -> Ranges<T> {
        Ranges { v4: Vec::new(), v6: Vec::new() }
    }
}

impl<T: Copy> Ranges<T> {
    /// Adds a range, its last address within it. Ranges may come in any order; call
    /// [`Ranges::finish`] when all are there.
    pub fn push(&mut self, first: IpAddr, last: IpAddr, what: T) -> Result<(), RangeError> {
        if first > last {
            return Err(RangeError::Order(first, last));
        }
        match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                self.v4.push((first.into(), last.into(), what));
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => {
                self.v6.push((first.into(), last.into(), what));
            }
            _ => return Err(RangeError::Kinds(first, last)),
        }
        Ok(())
    }

    /// Puts the ranges in order; an error when two overlap.
    pub fn finish(&mut self) -> Result<(), RangeError> {
        self.v4.sort_unstable_by_key(|(first, ..)| *first);
        self.v6.sort_unstable_by_key(|(first, ..)| *first);
        self.v4.shrink_to_fit();
        self.v6.shrink_to_fit();
        let v4 = |at: u32| IpAddr::from(Ipv4Addr::from(at));
        let v6 = |at: u128| IpAddr::from(Ipv6Addr::from(at));
        if let Some(pair) = self.v4.windows(2).find(|pair| pair[0].1 >= pair[1].0) {
            return Err(RangeError::Overlap(v4(pair[0].0), v4(pair[1].0)));
        }
        if let Some(pair) = self.v6.windows(2).find(|pair| pair[0].1 >= pair[1].0) {
            return Err(RangeError::Overlap(v6(pair[0].0), v6(pair[1].0)));
        }
        Ok(())
    }

    /// What is said of an address.
    pub fn find(&self, address: IpAddr) -> Option<T> {
        match address.to_canonical() {
            IpAddr::V4(v4) => within(&self.v4, v4.into()),
            IpAddr::V6(v6) => within(&self.v6, v6.into()),
        }
    }

    /// How many ranges.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Is nothing said of any address?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn within<N: Ord + Copy, T: Copy>(ranges: &[(N, N, T)], at: N) -> Option<T> {
    let behind = ranges.partition_point(|(first, ..)| *first <= at);
    let (_, last, what) = ranges.get(behind.checked_sub(1)?)?;
    (at <= *last).then_some(*what)
}

/// Countries and network operators by address.
#[derive(Clone, Default)]
pub struct Atlas {
    /// Countries.
    pub countries: Ranges<Region>,
    /// Numbers of autonomous systems.
    pub networks: Ranges<u32>,
}

impl Atlas {
    /// Where an address is.
    pub fn place(&self, address: IpAddr) -> Place {
        Place { country: self.countries.find(address), asn: self.networks.find(address) }
    }
}

impl fmt::Debug for Atlas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Atlas({} countries', {} networks')", self.countries.len(), self.networks.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn addresses_are_found_between_first_and_last() {
        let mut ranges = Ranges::default();
        for (first, last, what) in [
            ("198.51.100.0", "198.51.100.255", 3),
            ("192.0.2.0", "192.0.2.127", 1),
            ("192.0.2.128", "192.0.2.128", 2),
            ("2001:db8::", "2001:db8:0:ffff:ffff:ffff:ffff:ffff", 4),
        ] {
            ranges.push(ip(first), ip(last), what).expect("a range");
        }
        ranges.finish().expect("no two overlap");
        fn check(ranges: &Ranges<u32>, address: &str, want: Option<u32>) {
            assert_eq!(ranges.find(ip(address)), want, "{address}");
        }
        check(&ranges, "192.0.2.0", Some(1));
        check(&ranges, "192.0.2.127", Some(1));
        check(&ranges, "::ffff:192.0.2.128", Some(2));
        check(&ranges, "192.0.2.129", None);
        check(&ranges, "192.0.1.255", None);
        check(&ranges, "198.51.100.255", Some(3));
        check(&ranges, "203.0.113.1", None);
        check(&ranges, "2001:db8:0:1::", Some(4));
        check(&ranges, "2001:db8:1::", None);
    }

    #[test]
    fn ranges_that_cannot_be() {
        let mut ranges = Ranges::default();
        let kinds = RangeError::Kinds(ip("192.0.2.0"), ip("2001:db8::"));
        assert_eq!(ranges.push(ip("192.0.2.0"), ip("2001:db8::"), ()), Err(kinds));
        let order = RangeError::Order(ip("192.0.2.9"), ip("192.0.2.8"));
        assert_eq!(ranges.push(ip("192.0.2.9"), ip("192.0.2.8"), ()), Err(order));
        ranges.push(ip("192.0.2.0"), ip("192.0.2.9"), ()).expect("a range");
        ranges.push(ip("192.0.2.9"), ip("192.0.2.20"), ()).expect("a range");
        let overlap = RangeError::Overlap(ip("192.0.2.0"), ip("192.0.2.9"));
        assert_eq!(ranges.finish(), Err(overlap));
    }
}
