//! Who is never banned. Lives here: the allow list, trunks, sources where customers are known; and
//! bans that nobody ordered. Never here: how bans are kept (bans), who is a nuisance (edge's screen).

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use types::{Ban, BanReason, Now, Source, TrunkId};

use crate::engine::Engine;

/// Why a source is not banned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spared {
    /// This network of the allow list is in it, or it in that.
    Allowed(IpNet),
    /// An enabled trunk is there.
    Trunk(TrunkId),
    /// Customers' devices are known there.
    Known,
}

impl fmt::Display for Spared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Spared::Allowed(net) => write!(f, "access.allow spares {net}"),
            Spared::Trunk(trunk) => write!(f, "trunk {trunk} is there"),
            Spared::Known => f.write_str("customers' phones are known there"),
        }
    }
}

impl Engine {
    /// Is nothing read from this address at this time?
    pub fn is_banned(&self, now: Now, address: IpAddr) -> bool {
        self.access.bans.is_banned(address, now.wall)
    }

    /// Is the address on the allow list, or a trunk's?
    pub fn is_allowed(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.config.allow.iter().any(|net| net.contains(&address))
            || self.directory.trunk_at(address)
    }

    /// Bans the source of an address because of what came from there, unless it is spared. True: it
    /// was not banned before.
    pub fn ban_for(&mut self, now: Now, address: IpAddr, reason: BanReason) -> bool {
        let source = Source::of(address).network();
        if self.spared(source).is_some() || self.access.knows_source(address) {
            return false;
        }
        let is_new = self.access.bans.add_automatic(now, source, reason);
        if is_new {
            self.facts.extend(self.access.bans.handle_timeout(now));
        }
        is_new
    }

    /// Why a network must not be banned, if it must not. An allow-listed network within a wide one
    /// counts, and so does one around it.
    pub fn spared(&self, source: IpNet) -> Option<Spared> {
        let overlaps = |net: &IpNet| net.contains(&source) || source.contains(net);
        if let Some(net) = self.config.allow.iter().find(|net| overlaps(net)) {
            return Some(Spared::Allowed(*net));
        }
        let is_there = |trunk: &types::Trunk| {
            trunk.sources.iter().any(overlaps) || overlaps(&IpNet::from(trunk.address.ip()))
        };
        if let Some(trunk) = self.trunks().find(|trunk| trunk.enabled && is_there(trunk)) {
            return Some(Spared::Trunk(trunk.id));
        }
        self.access.knows_within(source).then_some(Spared::Known)
    }

    /// Bans in force, by source, with the reason why they are not to be handed to a firewall, if there is
    /// one: who was spared may have been banned before.
    pub fn bans(&self, now: Now) -> impl Iterator<Item = (&Ban, Option<Spared>)> {
        self.access.bans.iter(now.wall).map(|ban| (ban, self.spared(ban.source)))
    }
}
