//! Rule: the peer's address is outside the networks that the account, or the line, is locked to.
//!
//! I1: judged by the socket's peer address only. Both locks must let it in; an empty lock lets
//! everybody in. An IPv4 address that arrives as v4-mapped IPv6 is the IPv4 address.

use std::net::IpAddr;

use ipnet::IpNet;
use types::Finding;

/// Emergency and support calls are not asked.
pub(crate) fn check(account: &[IpNet], line: &[IpNet], peer: IpAddr) -> Option<Finding> {
    let peer = peer.to_canonical();
    let admits = |lock: &[IpNet]| lock.is_empty() || lock.iter().any(|net| net.contains(&peer));
    (!admits(account) || !admits(line)).then_some(Finding::IpLock { peer })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_locks_must_let_the_peer_in() {
        fn check_row(account: &[&str], line: &[&str], peer: &str, want: bool) {
            let nets = |lock: &[&str]| -> Vec<IpNet> {
                lock.iter().map(|net| net.parse().expect("a network")).collect()
            };
            let peer: IpAddr = peer.parse().expect("an address");
            let finding = Finding::IpLock { peer: peer.to_canonical() };
            let got = check(&nets(account), &nets(line), peer);
            assert_eq!(got, (!want).then_some(finding), "{account:?} {line:?} {peer}");
        }
        let office = "198.51.100.0/24";
        check_row(&[], &[], "203.0.113.9", true);
        check_row(&[office], &[], "198.51.100.255", true);
        check_row(&[office], &[], "198.51.101.0", false);
        check_row(&[], &["203.0.113.9/32"], "203.0.113.9", true);
        check_row(&[], &["203.0.113.9/32"], "203.0.113.8", false);
        // The line's lock narrows the account's, it does not widen it.
        check_row(&[office], &["198.51.100.7/32"], "198.51.100.7", true);
        check_row(&[office], &["198.51.100.7/32"], "198.51.100.8", false);
        check_row(&[office], &["203.0.113.9/32"], "203.0.113.9", false);
        // v4-mapped addresses are the IPv4 addresses they hold.
        check_row(&[office], &[], "::ffff:198.51.100.7", true);
        check_row(&[office], &[], "::ffff:198.51.101.7", false);
        check_row(&["2001:db8:1::/48"], &[], "2001:db8:1::5", true);
        check_row(&["2001:db8:1::/48"], &[], "2001:db8:2::5", false);
        check_row(&["2001:db8:1::/48", office], &[], "198.51.100.1", true);
        // Every IPv6 address does not mean the IPv4 addresses in it.
        check_row(&["::/0"], &[], "198.51.100.1", false);
        check_row(&["::/0"], &[], "::ffff:198.51.100.1", false);
        check_row(&["0.0.0.0/0"], &[], "2001:db8::1", false);
    }
}
