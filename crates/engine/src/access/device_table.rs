//! Devices in little memory. Lives here: their storage, by id, by line, by source and by socket.
//! Never here: which device somebody is.
//!
//! A device is a row of fixed size and one piece of text. Rows that belong to one line are chained;
//! the few devices with more lines than one stand in a table of their own besides.

use std::hash::BuildHasher;
use std::net::SocketAddr;

use hashbrown::HashTable;
use types::{
    Chunks, Device, DeviceId, DeviceState, HashKey, LineId, Map, Money, Prints, SharedTexts,
    Source, UnixMicros,
};

use super::claim::{Marks, Peer};
use super::device_row::{NONE, NewRow, Row, Standing};

#[cfg(test)]
#[path = "device_table_tests.rs"]
mod tests;

type Rows = Chunks<Option<Row>>;

/// All devices.
pub struct DeviceTable {
    hash: HashKey,
    rows: Rows,
    free: Vec<u32>,
    by_id: HashTable<u32>,
    /// The first device of each line.
    heads: HashTable<u32>,
    /// Where devices were last: how many at which source, and at which socket.
    at: Prints,
    /// What devices say that they are: few are different.
    agents: SharedTexts,
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
            rows: Chunks::new(),
            free: Vec::new(),
            by_id: HashTable::new(),
            heads: HashTable::new(),
            at: Prints::new(hash),
            agents: SharedTexts::new(hash),
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
        self.rows[at].as_ref()
    }

    /// To change what no index looks at.
    pub fn find_mut(&mut self, id: DeviceId) -> Option<&mut Row> {
        let at = self.position(id)?;
        self.rows[at].as_mut()
    }

    fn position(&self, id: DeviceId) -> Option<u32> {
        let is_it = |&at: &u32| self.row(at).id == id;
        self.by_id.find(self.hash.hash_one(id), is_it).copied()
    }

    fn row(&self, at: u32) -> &Row {
        self.rows[at].as_ref().expect("an index names rows that are there")
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
        self.at.count(source)
    }

    /// Was one heard last from exactly this socket?
    pub fn is_at_socket(&self, peer: SocketAddr) -> bool {
        self.at.has(socket(Peer::of(peer)))
    }

    /// What the device says that it is.
    pub fn agent(&self, row: &Row) -> &str {
        self.agents.get(row.agent)
    }

    /// The device says that it is something else.
    pub fn set_agent(&mut self, id: DeviceId, agent: &str) {
        let Some(at) = self.position(id) else { return };
        let new = self.agents.take(agent);
        if let Some(row) = &mut self.rows[at] {
            self.agents.let_go(std::mem::replace(&mut row.agent, new));
        }
    }

    /// All lines of a device, by id.
    pub fn lines_of(&self, row: &Row) -> Vec<LineId> {
        let mut lines = vec![row.line];
        if let Some(more) = self.more_lines.get(&row.id) {
            lines.extend(more);
            lines.sort_unstable();
        }
        lines
    }

    /// How well a device is known.
    pub fn state_of(&self, row: &Row) -> DeviceState {
        let season = || self.seasons.get(&row.id);
        match row.standing {
            Standing::Banned => DeviceState::Banned,
            Standing::Known => DeviceState::Known,
            Standing::Seasoning => season().map_or(DeviceState::Known, |&(until, spent)| {
                DeviceState::Seasoning { until, spent }
            }),
        }
    }

    /// Changes how well a device is known; does nothing when there is no such device.
    pub fn set_state(&mut self, id: DeviceId, state: DeviceState) {
        let Some(row) = self.find_mut(id) else { return };
        row.standing = match state {
            DeviceState::Known => Standing::Known,
            DeviceState::Seasoning { .. } => Standing::Seasoning,
            DeviceState::Banned => Standing::Banned,
        };
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
            agent: self.agent(row).to_owned(),
            instance: row.instance().map(str::to_owned),
            contact: row.contact().to_owned(),
            peer: row.peer(),
            transport: row.transport.name().to_owned(),
            place: row.place(),
            first_seen: UnixMicros::from_seconds(row.first_seen_s.into()),
            last_seen: UnixMicros::from_seconds(row.last_seen_s.into()),
            lines: self.lines_of(row),
        }
    }

    /// Adds a device; its first line chains it.
    pub fn insert(&mut self, new: &NewRow<'_>) {
        let Some((&line, more)) = new.lines.split_first() else { return };
        let id = new.id;
        self.last_id = self.last_id.max(id);
        let row = Some(Row::new(new, line, self.agents.take(new.agent)));
        let at = match self.free.pop() {
            Some(at) => {
                self.rows[at] = row;
                at
            }
            None => self.rows.push(row) as u32,
        };
        let (rows, hash) = (&self.rows, self.hash);
        let id_hash = |at: u32| hash.hash_one(row_at(rows, at).id);
        self.by_id.insert_unique(id_hash(at), at, |&at| id_hash(at));
        self.chain(at, line);
        self.settle(new.marks.peer);
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
        if let Some(row) = &mut self.rows[at] {
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

    fn settle(&mut self, peer: Peer) {
        self.at.add(Source::of(peer.ip()));
        self.at.add(socket(peer));
    }

    fn leave(&mut self, peer: Peer) {
        self.at.remove(Source::of(peer.ip()));
        self.at.remove(socket(peer));
    }

    /// The device is somewhere, or something, else.
    pub fn set_marks(&mut self, id: DeviceId, marks: Marks) {
        let Some(at) = self.position(id) else { return };
        let Some(row) = &mut self.rows[at] else { return };
        let old = std::mem::replace(&mut row.marks, marks);
        if old.peer != marks.peer {
            self.leave(old.peer);
            self.settle(marks.peer);
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
        true
    }

    /// Forgets a device; false if there is none.
    pub fn remove(&mut self, id: DeviceId) -> bool {
        let Some(at) = self.position(id) else { return false };
        self.leave(self.row(at).marks.peer);
        self.agents.let_go(self.row(at).agent);
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
        self.rows[at] = None;
        true
    }
}

fn row_at(rows: &Rows, at: u32) -> &Row {
    rows[at].as_ref().expect("an index names rows that are there")
}

/// A socket, told apart from a source.
fn socket(peer: Peer) -> (u8, Peer) {
    (1, peer)
}
