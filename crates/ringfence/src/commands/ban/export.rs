//! Bans as firewalls read them. Lives here: nftables, ipset, plain. Never here: which firewall there is.
//!
//! Sources that are spared by now are left out, and so are networks within a wider one that is banned as
//! well: an interval set takes no two that overlap.

use ipnet::IpNet;
use serde_json::Value;

/// Where the sets are.
const NFT_TABLE: &str = "inet ringfence";
/// Room in an ipset, twice what a node bans at most.
const IPSET_ROOM: u32 = 100_000;
/// The longest timeout that ipset takes, in seconds; a list that is read every minute renews it.
const IPSET_LONGEST_S: u64 = 2_147_483;

/// A network, and for how many seconds; `None`: until it is lifted.
type Banned = (IpNet, Option<u64>);

/// One network a line, a single address without its length.
pub fn plain(bans: &[Value]) -> Vec<String> {
    exported(bans).into_iter().map(|(net, _)| short(net)).collect()
}

/// For `nft -f`: makes the sets if they are not there, and replaces what they hold in one transaction.
pub fn nft(bans: &[Value]) -> String {
    let mut rows = vec![format!("add table {NFT_TABLE}")];
    for (set, kind) in [("banned4", "ipv4_addr"), ("banned6", "ipv6_addr")] {
        rows.push(format!("add set {NFT_TABLE} {set} {{ type {kind}; flags interval, timeout; }}"));
        rows.push(format!("flush set {NFT_TABLE} {set}"));
    }
    for (net, left_s) in exported(bans) {
        let set = if net.addr().is_ipv4() { "banned4" } else { "banned6" };
        let timeout = left_s.map_or_else(String::new, |left| format!(" timeout {left}s"));
        rows.push(format!("add element {NFT_TABLE} {set} {{ {}{timeout} }}", short(net)));
    }
    rows.join("\n")
}

/// For `ipset restore`: makes the sets if they are not there, and replaces what they hold.
pub fn ipset(bans: &[Value]) -> String {
    let mut rows = Vec::new();
    for (set, family) in [("ringfence4", "inet"), ("ringfence6", "inet6")] {
        rows.push(format!(
            "create {set} hash:net family {family} maxelem {IPSET_ROOM} timeout 0 -exist"
        ));
        rows.push(format!("flush {set}"));
    }
    for (net, left_s) in exported(bans) {
        let set = if net.addr().is_ipv4() { "ringfence4" } else { "ringfence6" };
        // No end is 0.
        let timeout = left_s.map_or(0, |left| left.clamp(1, IPSET_LONGEST_S));
        rows.push(format!("add {set} {} timeout {timeout}", short(net)));
    }
    rows.join("\n")
}

fn exported(bans: &[Value]) -> Vec<Banned> {
    let is_spared = |ban: &&Value| !ban["spared"].is_null();
    let read = |ban: &Value| Some((super::network(ban)?, ban["left_s"].as_u64()));
    let mut all: Vec<Banned> = bans.iter().filter(|ban| !is_spared(ban)).filter_map(read).collect();
    // A network comes right before everything within it.
    all.sort_by_key(|(net, _)| (net.addr(), net.prefix_len()));
    let mut widest: Option<IpNet> = None;
    all.retain(|(net, _)| {
        let is_within = widest.is_some_and(|wide| wide.contains(net));
        if !is_within {
            widest = Some(*net);
        }
        !is_within
    });
    all
}

fn short(net: IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bans() -> Vec<Value> {
        vec![
            json!({ "source": "192.0.2.7/32", "left_s": 900, "spared": null }),
            json!({ "source": "198.51.100.0/24", "left_s": null, "spared": null }),
            json!({ "source": "198.51.100.9/32", "left_s": 9_000_000, "spared": null }),
            json!({ "source": "203.0.113.0/24", "left_s": 60, "spared": "trunk 1 is there" }),
            json!({ "source": "203.0.113.9/32", "left_s": 9_000_000, "spared": null }),
            json!({ "source": "2001:db8:7::/64", "left_s": 1, "spared": null }),
        ]
    }

    #[test]
    fn what_firewalls_read() {
        insta::assert_snapshot!(plain(&bans()).join("\n"), @r"
        192.0.2.7
        198.51.100.0/24
        203.0.113.9
        2001:db8:7::/64
        ");
        insta::assert_snapshot!(nft(&bans()), @r"
        add table inet ringfence
        add set inet ringfence banned4 { type ipv4_addr; flags interval, timeout; }
        flush set inet ringfence banned4
        add set inet ringfence banned6 { type ipv6_addr; flags interval, timeout; }
        flush set inet ringfence banned6
        add element inet ringfence banned4 { 192.0.2.7 timeout 900s }
        add element inet ringfence banned4 { 198.51.100.0/24 }
        add element inet ringfence banned4 { 203.0.113.9 timeout 9000000s }
        add element inet ringfence banned6 { 2001:db8:7::/64 timeout 1s }
        ");
        insta::assert_snapshot!(ipset(&bans()), @r"
        create ringfence4 hash:net family inet maxelem 100000 timeout 0 -exist
        flush ringfence4
        create ringfence6 hash:net family inet6 maxelem 100000 timeout 0 -exist
        flush ringfence6
        add ringfence4 192.0.2.7 timeout 900
        add ringfence4 198.51.100.0/24 timeout 0
        add ringfence4 203.0.113.9 timeout 2147483
        add ringfence6 2001:db8:7::/64 timeout 1
        ");
    }

    #[test]
    fn nobody_is_banned() {
        assert!(plain(&[]).is_empty());
        assert!(!nft(&[]).contains("add element"));
        assert!(!ipset(&[]).contains("add "));
    }
}
