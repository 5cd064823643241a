//! What people say about devices and lock-outs. Lives here: mine, not mine, lifting, foreign log-ins.
//! Never here: who may say it.

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};
use types::{DeviceId, DeviceState, Fact, LineId, LockScope, Now, Record};

use super::claim::Claim;
use super::log_in::{Door, Proof};
use super::scope::{Likeness, Scope};
use crate::control::{CommandError, Done};
use crate::engine::Engine;

/// A log-in that failed or was let in elsewhere: at a portal, at another server whose log was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignLogIn {
    /// From where.
    pub source: IpAddr,
    /// The user name that was tried.
    pub user: String,
    /// What the client said that it is.
    pub agent: String,
    /// What the client is known by there, if it is: something that nobody else can show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<u64>,
}

impl Engine {
    /// The device is the holder's: it may spend as others may, and a ban ends.
    pub(crate) fn device_mine(&mut self, now: Now, id: DeviceId) -> Done {
        self.judge_device(now, id, DeviceState::Known, "said to be the holder's")
    }

    /// The device is not the holder's: it is refused, its calls end, its bindings go, and only known
    /// devices may use its lines until they have new secrets.
    pub(crate) fn device_not_mine(&mut self, now: Now, id: DeviceId) -> Done {
        let mut done =
            self.judge_device(now, id, DeviceState::Banned, "said not to be the holder's");
        let Some(device) = self.access.device(id) else { return done };
        let calls = |call: &crate::live_call::Call| call.hold.device == Some(id);
        done.cut = self.order_cuts(device.account, calls);
        for line in &device.lines {
            let Some(mut line) = self.directory.line(*line).cloned() else { continue };
            if !line.wants_new_secret {
                line.wants_new_secret = true;
                let fact = Fact::LineChanged {
                    account: line.account,
                    line: line.id,
                    change: "wants a new secret: its own may be in strange hands".to_owned(),
                };
                self.directory.put_line(&line);
                done.records.push(Record::Line(Box::new(line)));
                done.records.push(Record::Fact(now.wall, fact));
            }
        }
        let lines = device.lines.len();
        let plural = if lines == 1 { "line wants" } else { "lines want" };
        done.message = format!(
            "device {id} ({}) is refused from now on, {} live calls cut; {lines} {plural} a new secret",
            device.agent,
            done.cut.len()
        );
        done.ousted = device.lines.iter().map(|line| DeviceAt::new(*line, &device)).collect();
        done
    }

    fn judge_device(&mut self, now: Now, id: DeviceId, state: DeviceState, words: &str) -> Done {
        let record = self.access.devices.set_state(id, state);
        let account = self.access.device(id).map(|device| device.account).unwrap_or_default();
        let fact = Fact::DeviceChanged { account, device: id, change: words.to_owned() };
        let mut records: Vec<Record> = record.into_iter().collect();
        records.push(Record::Fact(now.wall, fact));
        Done { records, message: format!("device {id}: {words}"), ..Done::default() }
    }

    /// Ends a lock-out before its time.
    pub(crate) fn lift(&mut self, now: Now, scope: LockScope) -> Done {
        let user = match &scope {
            LockScope::SourceUser { user, .. }
            | LockScope::Device { user, .. }
            | LockScope::User { user } => Some(user.as_str()),
            LockScope::Source { .. } => None,
        };
        let line = user.and_then(|user| self.directory.line_of_user(user));
        let account = line.map(|line| line.account);
        if let Some(scope) = Scope::read(&scope) {
            self.access.locks.lift(scope);
        }
        let message = format!("{scope} may log in again");
        let fact = Fact::LockLifted { account, scope: scope.clone() };
        let records = vec![Record::LockOutGone(scope), Record::Fact(now.wall, fact)];
        Done { records, message, ..Done::default() }
    }

    /// Counts log-ins that failed elsewhere, as if they had failed here; how many counted.
    pub(crate) fn note_foreign(&mut self, now: Now, tries: &[ForeignLogIn]) -> Done {
        let mut counted = 0;
        for tried in tries {
            if let Some(key) = tried.known {
                counted += usize::from(self.known_client_failed(now, &tried.user, key));
                continue;
            }
            let peer = SocketAddr::new(tried.source, 0);
            let claim = Claim { agent: &tried.agent, ..Claim::bare(&tried.user, peer, "log") };
            if let Door::Open(way) = self.may_log_in(now, &claim) {
                self.logged_in(now, &claim, way, Proof::Wrong);
                counted += 1;
            }
        }
        let message = format!(
            "{counted} failed log-ins counted, {} came during a lock-out",
            tries.len() - counted
        );
        Done { records: std::mem::take(&mut self.facts), message, ..Done::default() }
    }

    /// May a client be looked at that is known elsewhere by this key? It has a lane for itself, as a device has that calls
    /// itself by its own name: whatever strangers get wrong under the user name is not its own.
    pub fn may_known_log_in(&self, now: Now, user: &str, key: u64) -> bool {
        self.access.locks.locked_until(now.tick, &known_client(user, key)).is_none()
    }

    /// It failed; `false` if it is locked out.
    fn known_client_failed(&mut self, now: Now, user: &str, key: u64) -> bool {
        if !self.may_known_log_in(now, user, key) {
            return false;
        }
        let budget = self.access.config.source_user;
        let lock = self.access.locks.failed(now, known_client(user, key), budget, true);
        let told = lock.map(|lock| Record::Fact(now.wall, Fact::LockedOut { account: None, lock }));
        self.facts.extend(told);
        true
    }

    /// Does a binding of a line, with this peer and User-Agent, end with what was done?
    pub fn ends_binding(&self, done: &Done, line: LineId, peer: SocketAddr, agent: &str) -> bool {
        let is_left_out = |(overlapping, stay): &(LineId, Vec<DeviceId>)| {
            let mut devices = stay.iter().filter_map(|device| self.access.device(*device));
            *overlapping == line
                && !devices.any(|device| DeviceAt::new(line, &device).is_at(peer, agent))
        };
        done.unbound.contains(&line)
            || (done.relocked.contains(&line) && !self.ip_allowed(line, peer.ip()))
            || done.overlapping.iter().any(is_left_out)
            || done.ousted.iter().any(|device| device.line == line && device.is_at(peer, agent))
    }

    /// Is there such a device?
    pub(crate) fn check_device(&self, id: DeviceId) -> Result<(), CommandError> {
        let known = self.access.device(id).map(drop);
        known.ok_or(CommandError::UnknownDevice(id))
    }

    /// Is there such a lock-out?
    pub(crate) fn check_lock(&self, now: Now, scope: &LockScope) -> Result<(), CommandError> {
        let is_locked = Scope::read(scope)
            .is_some_and(|scope| self.access.locks.locked_until(now.tick, &scope).is_some());
        if is_locked { Ok(()) } else { Err(CommandError::NotLocked(scope.clone())) }
    }
}

fn known_client(user: &str, key: u64) -> Scope<'_> {
    Scope::Device(user, Likeness::Instance, key)
}

/// A device on a line, to know its bindings by: one that is thrown out, and whose bindings end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAt {
    /// The line.
    pub line: LineId,
    /// Where the device was last.
    pub peer: SocketAddr,
    /// What it says that it is.
    pub agent: String,
}

impl DeviceAt {
    /// The device on this line.
    pub fn new(line: LineId, device: &types::Device) -> DeviceAt {
        DeviceAt { line, peer: device.peer, agent: device.agent.clone() }
    }

    /// Is a binding with this peer and User-Agent the device's?
    pub fn is_at(&self, peer: SocketAddr, agent: &str) -> bool {
        let same_host = peer.ip().to_canonical() == self.peer.ip().to_canonical();
        same_host && (peer.port() == self.peer.port() || agent == self.agent)
    }
}
