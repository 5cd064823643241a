//! Where strangers come from. Lives here: what of an address is counted and banned.
//! Never here: who is counted, who is banned.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Whose doings count together: an IPv4 address, or the /64 that an IPv6 host draws its addresses from.
/// An IPv4 address that arrives as v4-mapped IPv6 is the IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    V4(u32),
    /// The upper half.
    V6(u64),
}

impl Source {
    /// The source that an address belongs to.
    pub fn of(address: IpAddr) -> Source {
        Source(match address.to_canonical() {
            IpAddr::V4(v4) => Kind::V4(v4.to_bits()),
            IpAddr::V6(v6) => Kind::V6((v6.to_bits() >> 64) as u64),
        })
    }

    /// As a network.
    pub fn network(self) -> IpNet {
        let (address, length): (IpAddr, u8) = match self.0 {
            Kind::V4(bits) => (Ipv4Addr::from_bits(bits).into(), 32),
            Kind::V6(bits) => (Ipv6Addr::from_bits(u128::from(bits) << 64).into(), 64),
        };
        IpNet::new_assert(address, length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_addresses_or_sixty_fours() {
        fn check(address: &str, want: &str) {
            let source = Source::of(address.parse().expect("an address"));
            assert_eq!(source.network().to_string(), want);
        }
        check("192.0.2.7", "192.0.2.7/32");
        check("::ffff:192.0.2.7", "192.0.2.7/32");
        check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64");
        check("::1", "::/64");
    }

    #[test]
    fn low_networks_are_not_old_addresses() {
        let of = |text: &str| Source::of(text.parse().expect("an address"));
        assert_ne!(of("::1"), of("0.0.0.0"));
        assert_ne!(of("0:0:c000:207::1"), of("192.0.2.7"));
    }
}
