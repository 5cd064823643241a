//! The check-up, as the record has it, and the look from outside. Lives here: what was said and found, whose address may be
//! looked at, how often. Never here: knocking (`ports`), judging (web).

use std::collections::BTreeMap;
use std::net::{IpAddr, UdpSocket};
use std::sync::TryLockError;

use notify::address::is_public;
use store::{CallFilter, Reader};
use types::record::Spending;
use types::{AccountId, CheckPoint, DeviceState, Fact, UnixMicros};
use web::{CheckUp, CheckUpDesk, Desk, DeskError, PointSaid, PortsSeen, Software};

use super::desk::NodeUsers;
use super::{ports, software};
use crate::commands::greatest_of_a_day;

/// What was said of points that is looked through.
const MOST_SAID: u32 = 400;
/// What may be said of points in a day.
const MOST_A_DAY: usize = 100;
/// Looks that are kept in sight.
const LOOKS: u32 = 20;
/// An account may have one look in so long.
const LOOK_EVERY_MS: u64 = 10 * 60_000;
/// Days back from which limits are judged.
const MONTH_US: i64 = 31 * DAY_US;
/// The newest calls that cost something, from which that is done; so many are looked at for them.
const CALLS: u32 = 500;
const CALLS_LOOKED_AT: u32 = 2_000;
const DAY_US: i64 = 86_400 * 1_000_000;

impl CheckUpDesk for NodeUsers {
    fn check_up(&self, account: AccountId) -> Result<CheckUp, DeskError> {
        let mut said = BTreeMap::new();
        for stored in self.told(account, "check-up-said", None, MOST_SAID)? {
            if let Fact::CheckUpSaid { point, is_done, by, .. } = stored.fact {
                // The newest comes first.
                said.entry(point).or_insert(PointSaid { at: stored.at, is_done, by });
            }
        }
        let mut ports: Vec<PortsSeen> = Vec::new();
        for stored in self.told(account, "ports-checked", None, LOOKS)? {
            let Some(seen) = ports_seen(stored.at, stored.fact) else { continue };
            if !ports.iter().any(|newer| newer.address == seen.address) {
                ports.push(seen);
            }
        }
        let since = UnixMicros(self.now().0 - MONTH_US);
        let calls = CallFilter {
            account: Some(account),
            since: Some(since),
            charged: Some(true),
            limit: CALLS,
            ..CallFilter::default()
        };
        let (devices, calls) = self.read(|reader| {
            Ok((reader.devices(Some(account))?, reader.call_page(&calls, CALLS_LOOKED_AT)?))
        })?;
        // Who was called within the platform did not pay.
        let own = calls.calls.iter().rev().filter(|call| call.account == account);
        let spent: Vec<Spending> = own
            .map(|call| Spending {
                account,
                at: call.ended,
                amount: call.price,
                costly: call.destination.class.is_costly(),
            })
            .collect();
        let own = devices.iter().filter(|device| device.state != DeviceState::Banned);
        let agents: Vec<&str> = own.map(|device| device.agent.as_str()).collect();
        let software = software::old(&agents).into_iter();
        let software = software.map(|(agent, trouble)| Software { agent, trouble }).collect();
        Ok(CheckUp { said, ports, software, most_spent: greatest_of_a_day(&spent) })
    }

    fn say_point(
        &self,
        account: AccountId,
        point: CheckPoint,
        is_done: bool,
        by: &str,
    ) -> Result<(), DeskError> {
        let since = Some(UnixMicros(self.now().0 - DAY_US));
        let today = self.told(account, "check-up-said", since, MOST_SAID)?.len();
        if today >= MOST_A_DAY {
            return Err(DeskError::Refused("enough was said of the check-up today".to_owned()));
        }
        self.keep(Fact::CheckUpSaid { account, point, is_done, by: by.to_owned() })
    }

    fn check_ports(
        &self,
        account: AccountId,
        address: IpAddr,
        by: &str,
    ) -> Result<Option<PortsSeen>, DeskError> {
        let (now, address) = (self.now(), address.to_canonical());
        let bindings = self.read(|reader| reader.bindings(Some(account)))?;
        let is_there = |binding: &types::BindingRecord| {
            binding.expires > now && binding.peer.ip().to_canonical() == address
        };
        if !bindings.iter().any(is_there) {
            return Ok(None);
        }
        if !self.looks_at_private {
            self.is_foreign(address)?;
        }
        // One look at a time, whoever asks: nobody is knocked at by us from many sides at once.
        let _turn = match self.looking.try_lock() {
            Ok(turn) => turn,
            Err(TryLockError::Poisoned(turn)) => turn.into_inner(),
            Err(TryLockError::WouldBlock) => {
                let why = "we are looking for somebody else just now: try again in half a minute";
                return Err(DeskError::Refused(why.to_owned()));
            }
        };
        let lately = UnixMicros(now.0 - (LOOK_EVERY_MS * 1_000) as i64);
        if !self.told(account, "ports-checked", Some(lately), 1)?.is_empty() {
            let why =
                "we have looked for you within the last ten minutes: try again a little later";
            return Err(DeskError::Refused(why.to_owned()));
        }
        let found = ports::look(address, &ports::USUAL);
        let (open, by) = (found.open, by.to_owned());
        let fact = Fact::PortsChecked { account, address, by, tried: found.tried, open };
        self.keep(fact.clone())?;
        Ok(ports_seen(self.now(), fact))
    }
}

impl NodeUsers {
    /// Nobody is to look through us at our own machines, or at a network that only we can see.
    fn is_foreign(&self, address: IpAddr) -> Result<(), DeskError> {
        let refused = |why: &str| Err(DeskError::Refused(why.to_owned()));
        if !is_public(address) {
            return refused(
                "this address is within a private network: there is no outside to look from",
            );
        }
        let trunks = self.read(|reader| reader.trunks())?;
        let listens = self.listen.iter().any(|one| one.address.ip().to_canonical() == address);
        let is_ours = listens || self.advertise == Some(address) || is_this_machine(address);
        if is_ours || is_of_trunk(address, &trunks) {
            return refused("this address is one of your provider’s own");
        }
        Ok(())
    }
}

/// Is it a carrier's?
fn is_of_trunk(address: IpAddr, trunks: &[types::Trunk]) -> bool {
    trunks.iter().any(|trunk| {
        let is_source = trunk.sources.iter().any(|source| source.contains(&address));
        is_source || trunk.address.ip().to_canonical() == address
    })
}

/// Would we speak to ourselves? The kernel answers without a packet: to its own address it speaks from it.
fn is_this_machine(address: IpAddr) -> bool {
    let any: IpAddr = match address {
        IpAddr::V4(_) => [0, 0, 0, 0].into(),
        IpAddr::V6(_) => [0_u16; 8].into(),
    };
    let socket = UdpSocket::bind((any, 0));
    let socket = socket.and_then(|socket| socket.connect((address, 9)).map(|()| socket));
    let local = socket.and_then(|socket| socket.local_addr());
    local.is_ok_and(|local| local.ip().to_canonical() == address)
}

fn ports_seen(at: UnixMicros, fact: Fact) -> Option<PortsSeen> {
    match fact {
        Fact::PortsChecked { address, tried, open, .. } => {
            Some(PortsSeen { at, address, tried, open })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known() {
        assert!(is_this_machine([127, 0, 0, 1].into()));
        assert!(!is_this_machine([192, 0, 2, 1].into()));
    }

    #[test]
    fn carriers_are_known_by_address_and_source() {
        let mut trunk = types::record_samples::trunk();
        trunk.address = ([198, 51, 100, 9], 5060).into();
        trunk.sources = vec!["203.0.113.0/24".parse().expect("a network")];
        let check = |address: [u8; 4], want: bool| {
            assert_eq!(
                is_of_trunk(address.into(), std::slice::from_ref(&trunk)),
                want,
                "{address:?}"
            );
        };
        check([198, 51, 100, 9], true);
        check([198, 51, 100, 10], false);
        check([203, 0, 113, 77], true);
        check([203, 0, 114, 77], false);
    }
}
