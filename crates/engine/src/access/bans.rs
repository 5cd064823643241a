//! Bans: sources of which nothing is read. Lives here: which are in force, their ends, what is written
//! of them. Never here: why a source is banned (edge's screen, staff), who is spared (sparing).
//!
//! ```text
//!              15 min, doubling to 12 h              a day
//! made ─► in force ────────────────────► ended ──────────────► forgotten
//!            │  ▲                          │
//!            │  └── again: one level up ───┘
//!            └─► lifted by staff: forgotten at once
//! ```
//!
//! A ban is written once when it is made and once when it is forgotten, never for a packet; what the
//! screen bans by itself is written at most [`WRITES_PER_S`] times a second, the rest waits.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use ipnet::IpNet;
use types::{Ban, BanReason, Fact, HashKey, Map, Millis, Now, Record, Tick, UnixMicros};

/// Most bans at once, ended ones that are still remembered included.
pub const MOST: usize = 50_000;
/// Length of a first ban that nobody ordered.
const FIRST_MS: Millis = 15 * 60_000;
/// The longest that such a ban grows.
const LONGEST_MS: Millis = 12 * 3_600_000;
/// How long after its end a ban makes the next one longer.
pub const REMEMBER_MS: Millis = 24 * 3_600_000;
/// Rows written in a second, but for what staff order.
pub const WRITES_PER_S: u32 = 50;

/// The sources of which nothing is read.
pub struct Bans {
    by_source: BTreeMap<IpNet, Ban>,
    in_force: InForce,
    /// When each ban in force ends that does.
    ends: BTreeSet<(UnixMicros, IpNet)>,
    /// When each ended one is forgotten.
    forgets: BTreeSet<(UnixMicros, IpNet)>,
    /// Rows of the store that are not as they are here.
    unwritten: VecDeque<IpNet>,
    /// Rows written in this second.
    written: (i64, u32),
    due: Tick,
    most: usize,
    not_made: u64,
}

/// Why a ban could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Bans {
    /// No bans.
    pub fn new(hash: HashKey) -> Bans {
        Bans::with_room(hash, MOST)
    }

    fn with_room(hash: HashKey, most: usize) -> Bans {
        Bans {
            by_source: BTreeMap::new(),
            in_force: InForce { lengths: Vec::new(), until: Map::with_hasher(hash) },
            ends: BTreeSet::new(),
            forgets: BTreeSet::new(),
            unwritten: VecDeque::new(),
            written: (0, 0),
            due: Tick::NEVER,
            most,
            not_made: 0,
        }
    }

    /// Takes over what the store holds; more than there is room for is left out.
    pub fn restore(&mut self, bans: &[Ban], now: Now) {
        for ban in bans.iter().take(self.most) {
            self.insert(ban.clone());
        }
        self.sweep(now);
        self.set_due(now);
    }

    /// Is an address banned? It is as long as the ban's own times say, to the microsecond.
    pub fn is_banned(&self, source: IpAddr, now: UnixMicros) -> bool {
        !self.in_force.lengths.is_empty() && self.in_force.find(source, now).is_some()
    }

    /// The ban in force that an address falls under: the narrowest.
    pub fn find(&self, source: IpAddr, now: UnixMicros) -> Option<&Ban> {
        self.by_source.get(&self.in_force.find(source, now)?)
    }

    /// The ban of exactly this network, in force or ended.
    pub fn ban(&self, source: IpNet) -> Option<&Ban> {
        self.by_source.get(&source)
    }

    /// All bans in force, by source.
    pub fn iter(&self, now: UnixMicros) -> impl Iterator<Item = &Ban> {
        self.by_source.values().filter(move |ban| ban.until.is_none_or(|until| until > now))
    }

    /// How many there are, ended ones that are still remembered included.
    pub fn len(&self) -> usize {
        self.by_source.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.by_source.is_empty()
    }

    /// Bans that nobody ordered and that could not be made, because too many were in force.
    pub fn not_made(&self) -> u64 {
        self.not_made
    }

    /// Bans a source that nobody ordered to be banned; each time longer than the last. False: it is
    /// banned already, or there is no room.
    pub fn add_automatic(&mut self, now: Now, source: IpNet, reason: BanReason) -> bool {
        let before = self.by_source.get(&source);
        if before.is_some_and(|ban| ban.until.is_none_or(|until| until > now.wall)) {
            return false;
        }
        let level = before.map_or(0, |ban| ban.level.saturating_add(1));
        if before.is_none() && self.make_room(false).is_err() {
            self.not_made += 1;
            return false;
        }
        let length_ms = (FIRST_MS << level.min(16)).min(LONGEST_MS);
        let until = Some(now.wall.plus_ms(length_ms));
        let note = String::new();
        self.insert(Ban { source, reason, note, since: now.wall, until, level });
        self.unwritten.push_back(source);
        self.set_due(now);
        true
    }

    /// Bans a source on the word of staff, and returns what is to be written.
    pub fn add_ordered(
        &mut self,
        now: Now,
        source: IpNet,
        until: Option<UnixMicros>,
        note: String,
    ) -> Result<Vec<Record>, Full> {
        let level = self.by_source.get(&source).map(|ban| ban.level);
        if level.is_none() {
            self.make_room(true)?;
        }
        let (reason, level) = (BanReason::Staff, level.unwrap_or(0));
        let ban = Ban { source, reason, note, since: now.wall, until, level };
        self.insert(ban.clone());
        self.sweep(now);
        self.set_due(now);
        let fact = Fact::Banned { ban: ban.clone() };
        Ok(vec![Record::Ban(Box::new(ban)), Record::Fact(now.wall, fact)])
    }

    /// Is there room for one more that staff order?
    pub fn has_room(&self, source: IpNet) -> bool {
        self.by_source.len() < self.most
            || self.by_source.contains_key(&source)
            || !self.forgets.is_empty()
            || self.shortest_automatic().is_some()
    }

    /// Lifts the ban of exactly this network and forgets it, also one that has ended and would make the next
    /// one longer; what is to be written, `None` if there is none.
    pub fn lift(&mut self, now: Now, source: IpNet) -> Option<Vec<Record>> {
        let is_in_force = self.by_source.get(&source)?.until.is_none_or(|until| until > now.wall);
        self.remove(source);
        self.set_due(now);
        let fact = Record::Fact(now.wall, Fact::BanLifted { source });
        let told = is_in_force.then_some(fact);
        Some([Record::BanGone(source)].into_iter().chain(told).collect())
    }

    /// All networks that are banned or remembered.
    pub fn sources(&self) -> impl Iterator<Item = IpNet> {
        self.by_source.keys().copied()
    }

    /// When [`Bans::handle_timeout`] is to be called.
    pub fn next_timeout(&self) -> Tick {
        self.due
    }

    /// Ends what has ended, forgets what is old enough, and gives what may be written now.
    pub fn handle_timeout(&mut self, now: Now) -> Vec<Record> {
        self.sweep(now);
        let records = self.take_records(now);
        self.set_due(now);
        records
    }

    fn sweep(&mut self, now: Now) {
        while let Some((until, source)) = self.ends.first().copied() {
            if until > now.wall {
                break;
            }
            self.ends.pop_first();
            self.in_force.remove(source);
            self.forgets.insert((until.plus_ms(REMEMBER_MS), source));
        }
        while let Some((at, source)) = self.forgets.first().copied() {
            if at > now.wall {
                break;
            }
            self.remove(source);
            self.unwritten.push_back(source);
        }
    }

    /// Rows to be written, as they are now: a ban that was lifted before it was written is none.
    fn take_records(&mut self, now: Now) -> Vec<Record> {
        let second = now.wall.seconds();
        if self.written.0 != second {
            self.written = (second, 0);
        }
        let mut records = Vec::new();
        while self.written.1 < WRITES_PER_S {
            let Some(source) = self.unwritten.pop_front() else { break };
            self.written.1 += 1;
            match self.by_source.get(&source) {
                Some(ban) => {
                    records.push(Record::Ban(Box::new(ban.clone())));
                    records.push(Record::Fact(now.wall, Fact::Banned { ban: ban.clone() }));
                }
                None => records.push(Record::BanGone(source)),
            }
        }
        records
    }

    fn set_due(&mut self, now: Now) {
        let ends = [self.ends.first(), self.forgets.first()].into_iter().flatten();
        let next = ends.map(|(at, _)| *at).min();
        let after_us = |at: UnixMicros| u64::try_from(at.0 - now.wall.0).unwrap_or(0);
        let due = next.map_or(Tick::NEVER, |at| Tick(now.tick.0.saturating_add(after_us(at))));
        self.due = match (self.unwritten.is_empty(), self.written) {
            (true, _) => due,
            (false, (second, WRITES_PER_S)) if second == now.wall.seconds() => {
                let next_second = UnixMicros::from_seconds(second + 1);
                due.min(Tick(now.tick.0.saturating_add(after_us(next_second))))
            }
            (false, _) => now.tick,
        };
    }

    /// Puts a ban in the place of the one of the same source.
    fn insert(&mut self, ban: Ban) {
        self.remove(ban.source);
        self.in_force.insert(ban.source, ban.until.unwrap_or(UnixMicros(i64::MAX)));
        if let Some(until) = ban.until {
            self.ends.insert((until, ban.source));
        }
        self.by_source.insert(ban.source, ban);
    }

    fn remove(&mut self, source: IpNet) {
        let Some(ban) = self.by_source.remove(&source) else { return };
        if let Some(until) = ban.until {
            self.ends.remove(&(until, source));
            self.forgets.remove(&(until.plus_ms(REMEMBER_MS), source));
        }
        self.in_force.remove(source);
    }

    /// Room for one more: an ended one is forgotten, or the automatic one that ends first gives way to
    /// staff. A ban in force never gives way to another that nobody ordered.
    fn make_room(&mut self, is_ordered: bool) -> Result<(), Full> {
        if self.by_source.len() < self.most {
            return Ok(());
        }
        let ended = self.forgets.first().map(|(_, source)| *source);
        let victim = ended.or_else(|| self.shortest_automatic().filter(|_| is_ordered));
        let source = victim.ok_or(Full)?;
        self.remove(source);
        self.unwritten.push_back(source);
        Ok(())
    }

    fn shortest_automatic(&self) -> Option<IpNet> {
        let by_end = self.ends.iter().map(|(_, source)| *source);
        by_end.into_iter().find(|source| self.by_source[source].reason != BanReason::Staff)
    }
}

/// Networks by address: one look per length of prefix in use, none when nothing is banned.
struct InForce {
    /// Family, length of prefix and how many there are; the longest prefixes first.
    lengths: Vec<(bool, u8, u32)>,
    until: Map<IpNet, UnixMicros>,
}

impl InForce {
    fn find(&self, source: IpAddr, now: UnixMicros) -> Option<IpNet> {
        let source = source.to_canonical();
        let of_family = self.lengths.iter().filter(|(is_v6, ..)| *is_v6 == source.is_ipv6());
        let nets = of_family.filter_map(|(_, length, _)| IpNet::new(source, *length).ok());
        nets.map(|net| net.trunc())
            .find(|net| self.until.get(net).is_some_and(|until| *until > now))
    }

    fn insert(&mut self, net: IpNet, until: UnixMicros) {
        if self.until.insert(net, until).is_some() {
            return;
        }
        let (is_v6, length) = (net.addr().is_ipv6(), net.prefix_len());
        match self.lengths.iter_mut().find(|row| (row.0, row.1) == (is_v6, length)) {
            Some(row) => row.2 += 1,
            None => {
                self.lengths.push((is_v6, length, 1));
                self.lengths.sort_by_key(|row| std::cmp::Reverse(row.1));
            }
        }
    }

    fn remove(&mut self, net: IpNet) {
        if self.until.remove(&net).is_none() {
            return;
        }
        let key = (net.addr().is_ipv6(), net.prefix_len());
        if let Some(row) = self.lengths.iter_mut().find(|row| (row.0, row.1) == key) {
            row.2 -= 1;
        }
        self.lengths.retain(|row| row.2 > 0);
    }
}

#[cfg(test)]
mod tests;
