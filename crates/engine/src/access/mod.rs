//! Who may come in. Lives here: lock-outs, devices, stale phones, seen from no protocol in particular.
//! Never here: SIP, sockets, verifying secrets, what an account may do once it is in (rules).
//!
//! A log-in's way: [`Engine::may_log_in`](crate::Engine::may_log_in), before anything is verified; the
//! verifying, which is the protocol's; [`Engine::logged_in`](crate::Engine::logged_in) with what came
//! of it. SIP, web and foreign logs go the same way.

mod agent;
mod atlas;
mod claim;
mod config;
mod device_row;
mod device_table;
mod devices;
mod failures;
mod lock_out;
mod log_in;
mod office;
mod scope;
mod stale;

pub(crate) mod age;
pub mod secret;

mod bans;
mod sparing;

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use types::{
    AccountId, Device, DeviceId, DeviceState, LineId, LockOut, Map, Now, Record, Snapshot,
    StalePhone, Tick,
};

use crate::directory::Directory;
use devices::Devices;
use lock_out::LockOuts;
use stale::StalePhones;

pub use agent::Agent;
pub use atlas::{Atlas, RangeError, Ranges};
pub use bans::Bans;
pub use claim::Claim;
pub use config::{AccessConfig, Budget};
pub use log_in::{Door, Entry, Proof, Way};
pub use office::{DeviceAt, ForeignLogIn};
pub use scope::Likeness;
pub use sparing::Spared;

/// The same thing is not told again before.
const TELL_AGAIN_MS: types::Millis = 3_600_000;
/// Things told that are remembered.
const MOST_TOLD: usize = 10_000;
/// How often what is over is looked for.
const TIDY_MS: types::Millis = 60_000;

/// What is known of sources, devices and failed log-ins.
pub struct Access {
    config: AccessConfig,
    locks: LockOuts,
    devices: Devices,
    stale: StalePhones,
    /// What was told, and until when it is not told again.
    told: Map<(u8, LineId, IpAddr), Tick>,
    tidy_at: Tick,
    /// Sources of which nothing is read.
    pub(crate) bans: Bans,
}

impl Access {
    pub(crate) fn new(config: AccessConfig, hash: types::HashKey) -> Access {
        Access {
            locks: LockOuts::new(hash, &config),
            devices: Devices::new(hash, config.known_ms, config.devices_per_line),
            stale: StalePhones::new(config.stale_digest_ms, config.stale_again_ms),
            told: Map::with_hasher(hash),
            tidy_at: Tick::NEVER,
            bans: Bans::new(hash),
            config,
        }
    }

    pub(crate) fn restore(&mut self, now: Now, snapshot: &Snapshot, directory: &Directory) {
        for device in &snapshot.devices {
            self.devices.restore(device);
        }
        for lock in &snapshot.lock_outs {
            let is_own = match &lock.scope {
                types::LockScope::Device { .. } => true,
                types::LockScope::User { user } => directory.line_of_user(user).is_some(),
                _ => false,
            };
            self.locks.restore(now, lock, is_own);
        }
        if !snapshot.devices.is_empty() {
            self.tidy_at = now.tick.plus_ms(TIDY_MS);
        }
    }

    /// The limits in force.
    pub fn config(&self) -> &AccessConfig {
        &self.config
    }

    /// Was a device that showed a right secret heard last from exactly this socket?
    pub fn is_known_socket(&self, peer: SocketAddr) -> bool {
        self.devices.is_at_socket(peer)
    }

    /// Was a device that showed a right secret last at this address? Then the source is never banned as
    /// a whole.
    pub fn knows_source(&self, source: IpAddr) -> bool {
        self.devices.is_any_at(types::Source::of(source))
    }

    /// Was such a device last within this network?
    pub fn knows_within(&self, network: IpNet) -> bool {
        self.devices.is_any_within(network)
    }

    /// Bans, to look into.
    pub fn bans(&self) -> &Bans {
        &self.bans
    }

    /// Lock-outs in force, those that end first before the others.
    pub fn lock_outs(&self) -> impl Iterator<Item = &LockOut> {
        self.locks.all()
    }

    /// Figures: lock-outs in force, failures that are counted, devices known.
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.locks.len(), self.locks.counted(), self.devices.len())
    }

    /// How well a device is known.
    pub fn state_of(&self, id: DeviceId) -> Option<DeviceState> {
        self.devices.state(id)
    }

    /// A device.
    pub fn device(&self, id: DeviceId) -> Option<Device> {
        self.devices.find(id)
    }

    /// The devices of a line, by id.
    pub fn devices_of(&self, line: LineId) -> Vec<Device> {
        self.devices.of_line(line)
    }

    /// Phones that used a secret that was changed, heard lately and not told of yet.
    pub fn stale_of(&self, account: AccountId) -> impl Iterator<Item = &StalePhone> {
        self.stale.of(account)
    }

    /// A line has another secret: who used an old one before is not named for it any more.
    pub(crate) fn secret_changed(&mut self, line: LineId) {
        self.stale.forget(line);
    }

    /// Adds to what a new device has spent; its record, if it is new.
    pub(crate) fn spent(&mut self, id: DeviceId, amount: types::Money) -> Option<Record> {
        self.devices.spent(id, amount)
    }

    /// When `handle_timeout` wants to be called next.
    pub(crate) fn next_timeout(&self) -> Option<Tick> {
        let tidy = (self.tidy_at != Tick::NEVER).then_some(self.tidy_at);
        [self.locks.next_timeout(), self.stale.next_timeout(), tidy].into_iter().flatten().min()
    }

    /// What time brings: lock-outs end, messages are due, new devices become known.
    pub(crate) fn handle_timeout(&mut self, now: Now, records: &mut Vec<Record>) {
        if self.next_timeout().is_none_or(|tick| tick > now.tick) {
            return;
        }
        self.locks.handle_timeout(now, records);
        self.stale.handle_timeout(now, records);
        if self.tidy_at <= now.tick {
            records.extend(self.devices.end_seasons(now.wall));
            self.told.retain(|_, until| now.tick < *until);
            self.tidy_at = now.tick.plus_ms(TIDY_MS);
        }
    }

    /// Is this worth telling, or was it told not long ago?
    fn is_news(&mut self, now: Tick, kind: u8, line: LineId, source: IpAddr) -> bool {
        let key = (kind, line, source.to_canonical());
        if self.told.get(&key).is_some_and(|until| now < *until) || self.told.len() >= MOST_TOLD {
            return false;
        }
        self.told.insert(key, now.plus_ms(TELL_AGAIN_MS));
        self.tidy_at = self.tidy_at.min(now.plus_ms(TIDY_MS));
        true
    }
}
