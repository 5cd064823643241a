//! Devices in little memory. Lives here: their storage, by id, by line, by source and by socket.
//! Never here: which device somebody is.
//!
//! A device is a row of fixed size and one piece of text. Rows that belong to one line are chained;
//! the few devices with more lines than one stand in a table of their own besides.

use std::hash::BuildHasher;
use std::net::SocketAddr;
use std::sync::Arc;

use hashbrown::HashTable;
use types::{
    AccountId, Device, DeviceId, DeviceState, HashKey, LineId, Map, Money, Place, Region,
    UnixMicros,
};

use super::claim::Marks;
use super::scope::Source;
use crate::intern::Shared;

const NONE: u32 = u32::MAX;

/// A device in memory. Times are whole seconds since 1970.
#[derive(Clone, Debug)]
pub struct Row {
    pub id: DeviceId,
    pub account: AccountId,
    /// The line that it used first.
    pub line: LineId,
    next: u32,
    pub marks: Marks,
    pub agent: Arc<Shared<String>>,
    /// Contact, a line end, its own name for itself.
    text: Box<str>,
    pub first_seen_s: u32,
    pub last_seen_s: u32,
    /// The last use as the store knows it.
    pub written_s: u32,
    pub asn: u32,
    pub country: Option<Region>,
    pub transport: Transport,
    pub is_banned: bool,
    has_more_lines: bool,
    is_seasoning: bool,
}

/// How a device comes, in a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport(u8);

const TRANSPORTS: [&str; 7] = ["other", "udp", "tcp", "tls", "ws", "web", "log"];

impl Transport {
    pub fn of(name: &str) -> Transport {
        let at = TRANSPORTS.iter().position(|known| *known == name).unwrap_or(0);
        Transport(at as u8)
    }

    pub fn name(self) -> &'static str {
        TRANSPORTS[usize::from(self.0)]
    }
}

impl Row {
    pub fn contact(&self) -> &str {
        self.text.split('\n').next().unwrap_or("")
    }

    pub fn instance(&self) -> Option<&str> {
        self.text.split('\n').nth(1).filter(|text| !text.is_empty())
    }

    /// Neither may hold a line end. Says whether something changed.
    pub fn set_text(&mut self, contact: &str, instance: &str) -> bool {
        if (self.contact(), self.instance().unwrap_or("")) == (contact, instance) {
            return false;
        }
        self.text = text(contact, instance);
        true
    }

    pub fn place(&self) -> Place {
        Place { country: self.country, asn: (self.asn != 0).then_some(self.asn) }
    }
}

fn text(contact: &str, instance: &str) -> Box<str> {
    format!("{contact}\n{instance}").into()
}

/// What becomes a row.
pub struct NewRow<'a> {
    pub id: DeviceId,
    pub account: AccountId,
    pub lines: &'a [LineId],
    pub marks: Marks,
    pub agent: Arc<Shared<String>>,
    pub contact: &'a str,
    pub instance: &'a str,
    pub first_seen: UnixMicros,
    pub last_seen: UnixMicros,
    pub place: Place,
    pub transport: Transport,
    pub state: DeviceState,
}

/// All devices.
pub struct DeviceTable {
    hash: HashKey,
    rows: Vec<Option<Row>>,
    free: Vec<u32>,
    by_id: HashTable<u32>,
    /// The first device of each line.
    heads: HashTable<u32>,
    at_source: HashTable<u32>,
    at_socket: HashTable<u32>,
    /// Further lines of devices that have several, and the devices on them.
    more_lines: Map<DeviceId, Vec<LineId>>,
    more_devices: Map<LineId, Vec<u32>>,
    /// New devices: until when, and what they have spent.
    seasons: Map<DeviceId, (UnixMicros, Money)>,
    last_id: DeviceId,
}

impl DeviceTable {
    pub fn new(hash: HashKey) -> DeviceTable {
        DeviceTable {
            hash,
            rows: Vec::new(),
            free: Vec::new(),
            by_id: HashTable::new(),
            heads: HashTable::new(),
            at_source: HashTable::new(),
            at_socket: HashTable::new(),
            more_lines: Map::with_hasher(hash),
            more_devices: Map::with_hasher(hash),
            seasons: Map::with_hasher(hash),
            last_id: DeviceId(0),
        }
    }

    pub fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }

    /// The id after the highest.
    pub fn next_id(&self) -> DeviceId {
        DeviceId(self.last_id.0.saturating_add(1))
    }

    pub fn find(&self, id: DeviceId) -> Option<&Row> {
        let at = self.position(id)?;
        self.rows[at as usize].as_ref()
    }

    /// To change what no index looks at.
    pub fn find_mut(&mut self, id: DeviceId) -> Option<&mut Row> {
        let at = self.position(id)?;
        self.rows[at as usize].as_mut()
    }

    fn position(&self, id: DeviceId) -> Option<u32> {
        let is_it = |&at: &u32| self.row(at).id == id;
        self.by_id.find(self.hash.hash_one(id), is_it).copied()
    }

    fn row(&self, at: u32) -> &Row {
        self.rows[at as usize].as_ref().expect("an index names rows that are there")
    }

    /// The line's devices, the newest first.
    pub fn of_line(&self, line: LineId) -> impl Iterator<Item = &Row> {
        let head = self.heads.find(self.hash.hash_one(line), |&at| self.row(at).line == line);
        let chain = std::iter::successors(head.copied(), |&at| {
            Some(self.row(at).next).filter(|next| *next != NONE)
        });
        let more = self.more_devices.get(&line).map_or(&[][..], Vec::as_slice);
        chain.chain(more.iter().copied()).map(|at| self.row(at))
    }

    /// Devices, in no order that means anything.
    pub fn all(&self) -> impl Iterator<Item = &Row> + Clone {
        self.rows.iter().flatten()
    }

    /// How many devices were last at this source.
    pub fn count_at(&self, source: Source) -> usize {
        let at_source = self.at_source.iter_hash(self.hash.hash_one(source));
        at_source.filter(|&&at| self.row(at).marks.source() == source).count()
    }

    /// Was one last at this source?
    pub fn is_any_at(&self, source: Source) -> bool {
        let is_there = |&at: &u32| self.row(at).marks.source() == source;
        self.at_source.find(self.hash.hash_one(source), is_there).is_some()
    }

    /// Was one heard last from exactly this socket?
    pub fn is_at_socket(&self, peer: SocketAddr) -> bool {
        let is_there = |&at: &u32| self.row(at).marks.peer == peer;
        self.at_socket.find(self.hash.hash_one(peer), is_there).is_some()
    }

    /// All lines of a device, by id.
    pub fn lines_of(&self, row: &Row) -> Vec<LineId> {
        let mut lines = vec![row.line];
        if row.has_more_lines {
            lines.extend(self.more_lines.get(&row.id).into_iter().flatten());
            lines.sort_unstable();
        }
        lines
    }

    /// How well a device is known.
    pub fn state_of(&self, row: &Row) -> DeviceState {
        if row.is_banned {
            return DeviceState::Banned;
        }
        match self.seasons.get(&row.id).filter(|_| row.is_seasoning) {
            Some(&(until, spent)) => DeviceState::Seasoning { until, spent },
            None => DeviceState::Known,
        }
    }

    /// Changes how well a device is known; does nothing when there is no such device.
    pub fn set_state(&mut self, id: DeviceId, state: DeviceState) {
        let Some(row) = self.find_mut(id) else { return };
        row.is_banned = state == DeviceState::Banned;
        row.is_seasoning = matches!(state, DeviceState::Seasoning { .. });
        match state {
            DeviceState::Seasoning { until, spent } => {
                self.seasons.insert(id, (until, spent));
            }
            DeviceState::Known | DeviceState::Banned => {
                self.seasons.remove(&id);
            }
        }
    }

    /// New devices and until when they are.
    pub fn seasons(&self) -> impl Iterator<Item = (DeviceId, UnixMicros)> {
        self.seasons.iter().map(|(id, (until, _))| (*id, *until))
    }

    /// As it is kept.
    pub fn to_device(&self, row: &Row) -> Device {
        Device {
            id: row.id,
            account: row.account,
            state: self.state_of(row),
            agent: String::clone(&row.agent),
            instance: row.instance().map(str::to_owned),
            contact: row.contact().to_owned(),
            peer: row.marks.peer,
            transport: row.transport.name().to_owned(),
            place: row.place(),
            first_seen: UnixMicros::from_seconds(row.first_seen_s.into()),
            last_seen: UnixMicros::from_seconds(row.last_seen_s.into()),
            lines: self.lines_of(row),
        }
    }

    /// Adds a device; its first line chains it.
    pub fn insert(&mut self, new: NewRow<'_>) {
        let Some((&line, more)) = new.lines.split_first() else { return };
        let id = new.id;
        self.last_id = self.last_id.max(id);
        let row = Row {
            id,
            account: new.account,
            line,
            next: NONE,
            marks: new.marks,
            agent: new.agent,
            text: text(new.contact, new.instance),
            first_seen_s: seconds(new.first_seen),
            last_seen_s: seconds(new.last_seen),
            written_s: seconds(new.last_seen),
            asn: new.place.asn.unwrap_or(0),
            country: new.place.country,
            transport: new.transport,
            is_banned: false,
            has_more_lines: false,
            is_seasoning: false,
        };
        let at = match self.free.pop() {
            Some(at) => at,
            None => {
                if self.rows.len() == self.rows.capacity() {
                    self.rows.reserve_exact(self.rows.len() / 8 + 16);
                }
                self.rows.push(None);
                (self.rows.len() - 1) as u32
            }
        };
        self.rows[at as usize] = Some(row);
        let (rows, hash) = (&self.rows, self.hash);
        let id_hash = |at: u32| hash.hash_one(row_at(rows, at).id);
        self.by_id.insert_unique(id_hash(at), at, |&at| id_hash(at));
        self.chain(at, line);
        self.settle(at);
        for line in more {
            self.add_line(id, *line);
        }
        self.set_state(id, new.state);
    }

    fn chain(&mut self, at: u32, line: LineId) {
        let line_hash = self.hash.hash_one(line);
        let rows = &self.rows;
        let head = self.heads.find_entry(line_hash, |&at| row_at(rows, at).line == line);
        let next = match head {
            Ok(mut head) => std::mem::replace(head.get_mut(), at),
            Err(_) => {
                let (rows, hash) = (&self.rows, self.hash);
                let rehash = |&at: &u32| hash.hash_one(row_at(rows, at).line);
                self.heads.insert_unique(line_hash, at, rehash);
                NONE
            }
        };
        if let Some(row) = &mut self.rows[at as usize] {
            row.next = next;
        }
    }

    fn unchain(&mut self, at: u32, line: LineId) {
        let next = self.row(at).next;
        let (rows, line_hash) = (&self.rows, self.hash.hash_one(line));
        let Ok(mut head) = self.heads.find_entry(line_hash, |&at| row_at(rows, at).line == line)
        else {
            return;
        };
        let mut before = *head.get();
        if before == at {
            if next == NONE {
                head.remove();
            } else {
                *head.get_mut() = next;
            }
            return;
        }
        while before != NONE && self.row(before).next != at {
            before = self.row(before).next;
        }
        if let Some(Some(row)) = self.rows.get_mut(before as usize) {
            row.next = next;
        }
    }

    fn settle(&mut self, at: u32) {
        let (rows, hash) = (&self.rows, self.hash);
        let source = |at: u32| hash.hash_one(row_at(rows, at).marks.source());
        self.at_source.insert_unique(source(at), at, |&at| source(at));
        let socket = |at: u32| hash.hash_one(row_at(rows, at).marks.peer);
        self.at_socket.insert_unique(socket(at), at, |&at| socket(at));
    }

    fn leave(&mut self, at: u32) {
        let marks = self.row(at).marks;
        let (source, socket) = (self.hash.hash_one(marks.source()), self.hash.hash_one(marks.peer));
        if let Ok(entry) = self.at_source.find_entry(source, |&other| other == at) {
            entry.remove();
        }
        if let Ok(entry) = self.at_socket.find_entry(socket, |&other| other == at) {
            entry.remove();
        }
    }

    /// The device is somewhere, or something, else.
    pub fn set_marks(&mut self, id: DeviceId, marks: Marks) {
        let Some(at) = self.position(id) else { return };
        let moves = self.row(at).marks.peer != marks.peer;
        if moves {
            self.leave(at);
        }
        if let Some(row) = &mut self.rows[at as usize] {
            row.marks = marks;
        }
        if moves {
            self.settle(at);
        }
    }

    /// The device uses one more line; false if it did before.
    pub fn add_line(&mut self, id: DeviceId, line: LineId) -> bool {
        let Some(at) = self.position(id) else { return false };
        let more = self.more_lines.get(&id);
        if self.row(at).line == line || more.is_some_and(|lines| lines.contains(&line)) {
            return false;
        }
        self.more_lines.entry(id).or_default().push(line);
        self.more_devices.entry(line).or_default().push(at);
        if let Some(row) = &mut self.rows[at as usize] {
            row.has_more_lines = true;
        }
        true
    }

    /// Forgets a device.
    pub fn remove(&mut self, id: DeviceId) -> Option<Row> {
        let at = self.position(id)?;
        self.leave(at);
        self.unchain(at, self.row(at).line);
        let id_hash = self.hash.hash_one(id);
        if let Ok(entry) = self.by_id.find_entry(id_hash, |&other| other == at) {
            entry.remove();
        }
        for line in self.more_lines.remove(&id).unwrap_or_default() {
            if let Some(devices) = self.more_devices.get_mut(&line) {
                devices.retain(|other| *other != at);
            }
        }
        self.seasons.remove(&id);
        self.free.push(at);
        self.rows[at as usize].take()
    }
}

fn row_at(rows: &[Option<Row>], at: u32) -> &Row {
    rows[at as usize].as_ref().expect("an index names rows that are there")
}

/// Whole seconds since 1970; what was before is 1970, what is after 2106 stays there.
pub fn seconds(at: UnixMicros) -> u32 {
    u32::try_from(at.seconds().max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::claim::Claim;
    use super::*;
    use crate::intern::Interner;

    fn marks(peer: &str) -> Marks {
        let claim = Claim {
            user: "alice",
            peer: peer.parse().expect("a socket"),
            transport: "udp",
            is_secure: false,
            agent: "phone",
            instance: None,
            contact: "10.0.0.1",
            call_id: "",
        };
        claim.marks(HashKey(1, 2))
    }

    fn add(table: &mut DeviceTable, lines: &[u32], peer: &str) -> DeviceId {
        let lines: Vec<LineId> = lines.iter().map(|line| LineId(*line)).collect();
        let id = table.next_id();
        table.insert(NewRow {
            id,
            account: AccountId(1),
            lines: &lines,
            marks: marks(peer),
            agent: Interner::new(HashKey(1, 2)).intern("phone".to_owned()),
            contact: "10.0.0.1",
            instance: "",
            first_seen: UnixMicros::from_seconds(100),
            last_seen: UnixMicros::from_seconds(200),
            place: Place::default(),
            transport: Transport::of("udp"),
            state: DeviceState::Known,
        });
        id
    }

    fn on_line(table: &DeviceTable, line: u32) -> Vec<u32> {
        let mut ids: Vec<u32> = table.of_line(LineId(line)).map(|row| row.id.0).collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn every_index_follows() {
        let mut table = DeviceTable::new(HashKey(1, 2));
        let source = |text: &str| Source::of(text.parse().expect("an address"));
        let one = add(&mut table, &[1], "192.0.2.1:5060");
        let two = add(&mut table, &[1, 2], "192.0.2.1:5062");
        let three = add(&mut table, &[1], "192.0.2.3:5060");
        assert_eq!((on_line(&table, 1), on_line(&table, 2)), (vec![1, 2, 3], vec![2]));
        assert_eq!(table.count_at(source("192.0.2.1")), 2);
        assert!(table.is_at_socket("192.0.2.1:5062".parse().expect("a socket")));
        table.set_marks(two, marks("192.0.2.9:1000"));
        assert_eq!(table.count_at(source("192.0.2.1")), 1);
        assert!(table.is_any_at(source("192.0.2.9")));
        assert!(!table.is_at_socket("192.0.2.1:5062".parse().expect("a socket")));
        assert!(table.add_line(one, LineId(2)) && !table.add_line(one, LineId(2)));
        for (gone, left) in [(two, vec![1, 3]), (three, vec![1]), (one, vec![])] {
            assert_eq!(table.remove(gone).map(|row| row.id), Some(gone));
            assert_eq!(on_line(&table, 1), left);
            assert!(table.find(gone).is_none());
        }
        assert_eq!((table.len(), on_line(&table, 2)), (0, vec![]));
        assert!(!table.is_any_at(source("192.0.2.9")) && !table.is_any_at(source("192.0.2.1")));
        // An id is never given again, a place in memory is.
        assert_eq!(add(&mut table, &[7], "192.0.2.1:5060"), DeviceId(4));
        assert_eq!(on_line(&table, 7), [4]);
    }

    #[test]
    fn a_device_reads_back() {
        let mut table = DeviceTable::new(HashKey(1, 2));
        let id = add(&mut table, &[3, 1], "192.0.2.1:5060");
        let state = DeviceState::Seasoning { until: UnixMicros(5), spent: Money::from_cents(7) };
        table.set_state(id, state);
        let row = table.find_mut(id).expect("it is there");
        assert!(row.set_text("10.0.0.2:5060", "urn:uuid:7"));
        assert!(!row.set_text("10.0.0.2:5060", "urn:uuid:7"));
        let device = table.to_device(table.find(id).expect("it is there"));
        assert_eq!((device.state, device.lines), (state, vec![LineId(1), LineId(3)]));
        assert_eq!(device.instance.as_deref(), Some("urn:uuid:7"));
        assert_eq!((device.contact.as_str(), device.transport.as_str()), ("10.0.0.2:5060", "udp"));
        for state in [DeviceState::Banned, DeviceState::Known] {
            table.set_state(id, state);
            assert_eq!(table.state_of(table.find(id).expect("it is there")), state);
            assert_eq!(table.seasons().count(), 0);
        }
    }

    #[test]
    fn a_device_is_small() {
        assert!(size_of::<Option<Row>>() <= 136, "{}", size_of::<Option<Row>>());
    }
}
