//! The way of a log-in. Lives here: who is looked at, what a right, an old and a wrong secret lead to.
//! Never here: how a secret is verified, SIP.
//!
//! Each log-in is counted in one lane. Somebody like a known device (its socket, its name, its Call-ID,
//! its look) has that device's lane for himself: whoever guesses from elsewhere, or from behind the
//! same address, does not know what makes him like it, and cannot use up what is forgiven to it.
//! All others from a source share the lane of source and user name; strangers are also counted by
//! source, and by user name over all sources.

use types::StalePhone;
use types::{
    AccountId, BanReason, DeviceId, DeviceNotices, DeviceState, Fact, FormerSecret, Line, LineId,
    LineKind, LockOut, Now, Record, Source,
};

use super::Access;
use super::agent::Agent;
use super::claim::Claim;
use super::devices::{Match, Seen, Shown};
use super::scope::{Likeness, Scope};
use crate::engine::Engine;
use types::Finding;

/// May a log-in be looked at?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// It may: verify, then say what came of it.
    Open(Way),
    /// It may not, whatever secret it brings. To the outside the same as a wrong secret.
    Shut,
}

/// How a log-in is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The line of the user name, if there is one that can be used.
    pub line: Option<LineId>,
    like: Option<Match>,
}

/// What came of verifying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The secret is the line's.
    Right {
        /// Was it shown with MD5?
        md5: bool,
    },
    /// It is the line's n-th former one.
    Former {
        /// Which: 0 is the last one before.
        nth: usize,
        /// Was it shown with MD5?
        md5: bool,
    },
    /// It is none of them, or there is no such user.
    Wrong,
}

/// What becomes of a log-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// He is in.
    In {
        /// As whom.
        line: LineId,
        /// With which device; `None` from outside of the IP lock.
        device: Option<DeviceId>,
    },
    /// The secret is wrong, or so it is to look.
    Wrong,
    /// The secret was the line's, and there is something else in the way that he may be told.
    Refused(Finding),
}

/// Kinds of things that are told once an hour.
const LEAKED: u8 = 1;
const OUTSIDE: u8 = 2;
const BANNED: u8 = 3;

impl Engine {
    /// May this log-in be looked at? Asked before anything is verified: during a lock-out the right
    /// secret does not pass either (A8).
    pub fn may_log_in(&self, now: Now, claim: &Claim<'_>) -> Door {
        let line = self.line_by_user(claim.user);
        let access = &self.access;
        let like = access.devices.most_like(now.wall, line.map(|line| line.id), claim);
        let wants_new_secret = line.is_some_and(|line| line.wants_new_secret);
        let is_shut = match like {
            Some(like) if like.likeness < Likeness::Source => {
                access.is_locked(now, device_scope(claim.user, like))
            }
            Some(_) => wants_new_secret || access.is_locked(now, source_user(claim)),
            None => {
                access.locks.is_full()
                    || wants_new_secret
                    || access.is_locked(now, source_user(claim))
                    || access.is_locked(now, Scope::Source(Source::of(claim.peer.ip())))
                    || access.is_locked(now, Scope::User(claim.user))
            }
        };
        if is_shut { Door::Shut } else { Door::Open(Way { line: line.map(|line| line.id), like }) }
    }

    /// Does somebody look like a device that is known, by more than its address? Under a flood such as
    /// he are served first.
    pub fn is_familiar(&self, now: Now, claim: &Claim<'_>) -> bool {
        let line = self.line_by_user(claim.user);
        let line = line.map(|line| line.id);
        let like = self.access.devices.most_like(now.wall, line, claim);
        like.is_some_and(|like| like.likeness < Likeness::Source)
    }

    /// What came of a log-in that was looked at. Facts and devices are written with the next records.
    pub fn logged_in(&mut self, now: Now, claim: &Claim<'_>, way: Way, proof: Proof) -> Entry {
        // Nothing is copied for a wrong secret, and a name that nobody has is looked for as others are:
        // who guesses at a line and who guesses at nobody is to cost the same (A7).
        let line = self.directory.line(way.line.unwrap_or(LineId::NOBODY));
        let account = line.map(|line| line.account);
        let of_secret = match proof {
            Proof::Wrong => None,
            Proof::Right { .. } | Proof::Former { .. } => line.cloned(),
        };
        match (of_secret, proof) {
            (Some(line), Proof::Right { md5 }) => self.right_secret(now, claim, way, &line, md5),
            (Some(line), Proof::Former { nth, md5 }) if line.former.len() > nth => {
                self.former_secret(now, claim, way, &line, (&line.former[nth], md5))
            }
            _ => {
                self.wrong_secret(now, claim, way, account);
                Entry::Wrong
            }
        }
    }

    fn right_secret(
        &mut self,
        now: Now,
        claim: &Claim<'_>,
        way: Way,
        line: &Line,
        md5: bool,
    ) -> Entry {
        if line.tls_only && !claim.is_secure {
            return Entry::Refused(Finding::TlsOnly);
        }
        if line.sha256_only && md5 {
            return Entry::Refused(Finding::Sha256Only);
        }
        if let Some(like) = way.like
            && like.likeness < Likeness::Source
        {
            self.access.locks.passed(device_scope(claim.user, like));
        }
        self.let_in(now, claim, line)
    }

    /// Whoever is in is in with a device, but from outside of the IP lock: emergency calls go out from
    /// there, and nothing is learnt.
    fn let_in(&mut self, now: Now, claim: &Claim<'_>, line: &Line) -> Entry {
        let peer = claim.peer;
        if !self.ip_allowed(line.id, peer.ip()) {
            if self.access.is_news(now.tick, OUTSIDE, line.id, peer.ip()) {
                let fact = Fact::OutsideLock { account: line.account, line: line.id, peer };
                self.facts.push(Record::Fact(now.wall, fact));
            }
            return Entry::In { line: line.id, device: None };
        }
        let account = self.directory.account(line.account);
        let (Some(account), place) = (account, self.config.atlas.place(peer.ip())) else {
            return Entry::Wrong;
        };
        let (cap, notices) = (account.controls.new_device_cap, account.controls.device_notices);
        let (account, lines) = (line.account, account.lines());
        let shown = Shown { now, account, line: line.id, lines, claim, place };
        let mut records = Vec::new();
        let (device, seen) = self.access.devices.proven(&shown, &mut records);
        self.facts.append(&mut records);
        match seen {
            Seen::Again => {}
            Seen::Moved { new_agent: false, new_address: false } => {}
            Seen::Moved { new_agent, new_address } => {
                let (agent, tell) = (agent_text(claim), tells(notices, new_agent, new_address));
                let fact = Fact::DeviceMoved {
                    account,
                    device,
                    peer,
                    agent,
                    new_agent,
                    new_address,
                    tell,
                };
                self.facts.push(Record::Fact(now.wall, fact));
            }
            Seen::New { new_agent, new_address, first } => {
                let until = now.wall.plus_ms(self.access.config.season_ms);
                // One more of the kind at an address that is known is the holder's as much as the first.
                let is_strange = !first && (new_agent || new_address);
                let state = match cap.is_some() && is_strange {
                    true => DeviceState::Seasoning { until, spent: types::Money::ZERO },
                    false => DeviceState::Known,
                };
                self.facts.extend(self.access.devices.set_state(device, state));
                let tick = now.tick.plus_ms(super::TIDY_MS);
                self.access.tidy_at = self.access.tidy_at.min(tick);
                let fact = Fact::NewDevice {
                    account,
                    line: line.id,
                    device,
                    peer,
                    agent: agent_text(claim),
                    new_agent,
                    new_address,
                    tell: tells(notices, new_agent, new_address),
                };
                self.facts.push(Record::Fact(now.wall, fact));
                self.recognise_switch(now, claim, line);
            }
            Seen::Banned => {
                if self.access.is_news(now.tick, BANNED, line.id, peer.ip()) {
                    let line = line.id;
                    let fact = Fact::BannedDeviceTried { account, line, device, peer };
                    self.facts.push(Record::Fact(now.wall, fact));
                }
                return Entry::Wrong;
            }
        }
        Entry::In { line: line.id, device: Some(device) }
    }

    /// What says that it is a switch, on a line of phones, is told of; it gets no other limits for that.
    fn recognise_switch(&mut self, now: Now, claim: &Claim<'_>, line: &Line) {
        if let Some(family) = Agent::read(claim.agent).pbx
            && line.kind == LineKind::Phone
        {
            let (account, line) = (line.account, line.id);
            let fact = Fact::PbxRecognised { account, line, family: family.to_owned() };
            self.facts.push(Record::Fact(now.wall, fact));
        }
    }

    /// A secret that was changed. It still works for devices that were given time; another phone that is
    /// known here is told, and its holder; a stranger has it from a leak.
    fn former_secret(
        &mut self,
        now: Now,
        claim: &Claim<'_>,
        way: Way,
        line: &Line,
        (former, md5): (&FormerSecret, bool),
    ) -> Entry {
        let Some(like) = way.like else {
            if self.access.is_news(now.tick, LEAKED, line.id, claim.peer.ip()) {
                let fact = Fact::OldSecretLeaked {
                    account: line.account,
                    line: line.id,
                    peer: claim.peer,
                    agent: agent_text(claim),
                    changed: former.replaced,
                };
                self.facts.push(Record::Fact(now.wall, fact));
            }
            self.wrong_secret(now, claim, way, Some(line.account));
            return Entry::Wrong;
        };
        self.note_stale(now, claim, line, former);
        let has_time = former.grace_until.is_some_and(|until| now.wall < until)
            && former.grace_devices.contains(&like.device)
            && like.likeness < Likeness::Source;
        if has_time {
            self.right_secret(now, claim, way, line, md5)
        } else {
            Entry::Refused(Finding::OldSecret)
        }
    }

    fn note_stale(&mut self, now: Now, claim: &Claim<'_>, line: &Line, former: &FormerSecret) {
        let phone = StalePhone {
            line: line.id,
            user: line.user.clone(),
            agent: agent_text(claim),
            peer: claim.peer,
            changed: former.replaced,
        };
        let look = self.access.devices.look_of(claim);
        self.access.stale.heard(now.tick, line.account, look, phone);
    }

    /// Counts a failure wherever it counts.
    fn wrong_secret(&mut self, now: Now, claim: &Claim<'_>, way: Way, account: Option<AccountId>) {
        let access = &mut self.access;
        let config = &access.config;
        let (by_user, by_source, over_all) = (config.source_user, config.source, config.user);
        let mut locked: Vec<LockOut> = Vec::new();
        match way.like {
            Some(like) if like.likeness < Likeness::Source => {
                let scope = device_scope(claim.user, like);
                locked.extend(access.locks.failed(now, scope, by_user, true));
            }
            _ => {
                let source = Source::of(claim.peer.ip());
                let known = u16::try_from(access.devices.count_at(source)).unwrap_or(u16::MAX);
                let by_source = super::Budget {
                    failures: by_source.failures.saturating_add(known),
                    ..by_source
                };
                locked.extend(access.locks.failed(now, source_user(claim), by_user, false));
                locked.extend(access.locks.failed(now, Scope::Source(source), by_source, false));
                let scope = Scope::User(claim.user);
                locked.extend(access.locks.failed(now, scope, over_all, account.is_some()));
            }
        }
        // A source that goes on after a lock-out is not even read.
        let goes_on = |lock: &LockOut| {
            matches!(lock.scope, types::LockScope::Source { .. }) && lock.level > 0
        };
        if locked.iter().any(goes_on) {
            self.ban_for(now, claim.peer.ip(), BanReason::LogIns);
        }
        for lock in locked.into_iter().filter(|lock| is_told(lock, account.is_some())) {
            self.facts.push(Record::Fact(now.wall, Fact::LockedOut { account, lock }));
        }
    }
}

impl Access {
    fn is_locked(&self, now: Now, scope: Scope<'_>) -> bool {
        self.locks.locked_until(now.tick, &scope).is_some()
    }
}

/// Lock-outs of names that nobody has are not worth a fact each: sources and users are.
fn is_told(lock: &LockOut, is_user: bool) -> bool {
    match lock.scope {
        types::LockScope::Source { .. } => true,
        _ => is_user,
    }
}

fn source_user<'a>(claim: &Claim<'a>) -> Scope<'a> {
    Scope::SourceUser(Source::of(claim.peer.ip()), claim.user)
}

fn device_scope(user: &str, like: Match) -> Scope<'_> {
    Scope::Device(user, like.likeness, like.key())
}

const fn tells(notices: DeviceNotices, new_agent: bool, new_address: bool) -> bool {
    match notices {
        DeviceNotices::Both => new_agent || new_address,
        DeviceNotices::AgentOnly => new_agent,
        DeviceNotices::Off => false,
    }
}

/// The agent as it is kept in facts: cut, without control characters.
fn agent_text(claim: &Claim<'_>) -> String {
    claim.agent.chars().filter(|c| !c.is_control()).take(128).collect()
}
