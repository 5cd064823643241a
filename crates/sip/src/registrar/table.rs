//! Bindings in little memory. Lives here: their storage, by line, by end and by connection.
//! Never here: the rules of REGISTER.
//!
//! A binding is a row of fixed size and one piece of text. Rows of a line are chained; ends are kept
//! in a heap with one entry a row: a refresh only moves the row's own end, and the entry follows
//! when it comes up.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::hash::BuildHasher;
use std::net::SocketAddr;

use hashbrown::HashTable;
use types::{Chunks, HashKey, LineId, Prints, SharedTexts, TextId, Tick};

use super::marks::Mark;
use crate::flow::{Flow, Transport};

/// A place in the table; good until the row is removed.
pub(super) type RowId = u32;

const NONE: RowId = RowId::MAX;

/// What is kept of a binding besides its text. Times are whole seconds of the monotonic clock.
pub(super) struct Row {
    /// Contact URI, Call-ID, instance, then the Path values with a line end after each; empty in
    /// a free row.
    text: Box<str>,
    peer: SocketAddr,
    line: LineId,
    next: RowId,
    connection: u32,
    pub cseq: u32,
    pub expires_s: u32,
    /// As far as the store knows.
    pub persisted_s: u32,
    /// The instant of its entry in the heap.
    due_s: u32,
    /// RFC 5626; 0 without outbound.
    reg_id: u32,
    user_agent: TextId,
    contact_len: u16,
    local: u16,
    call_id_len: u8,
    instance_len: u8,
    transport: Transport,
    /// In thousandths.
    pub q: u16,
    /// The way to it is closed.
    pub gone: bool,
}

/// The texts of a binding, before they are stored.
pub(super) struct Texts<'a> {
    /// Contact URI.
    pub contact: &'a str,
    /// At most 255 bytes.
    pub call_id: &'a str,
    /// At most 255 bytes.
    pub user_agent: &'a str,
    /// At most 255 bytes; which of the phone's flows it is (RFC 5626).
    pub outbound: Option<OutboundKey<'a>>,
    /// Each value followed by a line end.
    pub path: &'a str,
}

/// What names a binding of a phone with several flows, whatever its Contact (RFC 5626 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutboundKey<'a> {
    /// `+sip.instance`, as it was written.
    pub instance: &'a str,
    /// `reg-id`; never 0.
    pub reg_id: u32,
}

/// A binding before it is stored.
pub(super) struct NewRow<'a> {
    pub line: LineId,
    pub texts: Texts<'a>,
    pub flow: Flow,
    pub cseq: u32,
    pub expires_s: u32,
    pub persisted_s: u32,
    pub q: u16,
    pub gone: bool,
}

impl Row {
    pub fn contact(&self) -> &str {
        &self.text[..usize::from(self.contact_len)]
    }

    pub fn call_id(&self) -> &str {
        let from = usize::from(self.contact_len);
        &self.text[from..from + usize::from(self.call_id_len)]
    }

    /// Which of the phone's flows it is.
    pub fn outbound(&self) -> Option<OutboundKey<'_>> {
        let from = self.instance_from();
        let instance = &self.text[from..from + usize::from(self.instance_len)];
        (self.reg_id != 0).then_some(OutboundKey { instance, reg_id: self.reg_id })
    }

    /// Path values, each followed by a line end.
    pub fn path_text(&self) -> &str {
        &self.text[self.instance_from() + usize::from(self.instance_len)..]
    }

    fn instance_from(&self) -> usize {
        usize::from(self.contact_len) + usize::from(self.call_id_len)
    }

    pub fn line(&self) -> LineId {
        self.line
    }

    fn has_own_texts(&self, texts: &Texts<'_>) -> bool {
        self.contact() == texts.contact
            && self.call_id() == texts.call_id
            && self.outbound() == texts.outbound
            && self.path_text() == texts.path
    }

    fn set_texts(&mut self, texts: &Texts<'_>) {
        let instance = texts.outbound.map_or("", |outbound| outbound.instance);
        let parts = [texts.contact, texts.call_id, instance, texts.path];
        let mut text = String::with_capacity(parts.iter().map(|part| part.len()).sum());
        parts.into_iter().for_each(|part| text.push_str(part));
        self.text = text.into_boxed_str();
        self.instance_len = instance.len() as u8;
        self.reg_id = texts.outbound.map_or(0, |outbound| outbound.reg_id);
        self.contact_len = texts.contact.len() as u16;
        self.call_id_len = texts.call_id.len() as u8;
    }
}

/// All bindings.
pub(super) struct Table {
    key: HashKey,
    rows: Chunks<Row>,
    free: Vec<RowId>,
    /// The newest row of each line.
    by_line: HashTable<RowId>,
    by_end: BinaryHeap<Reverse<(u32, RowId)>>,
    by_connection: BTreeSet<(u32, RowId)>,
    /// Our sockets, as seen in flows.
    locals: Vec<SocketAddr>,
    /// What bindings can be recognised by.
    marks: Prints,
    /// What phones say that they are: few are different.
    user_agents: SharedTexts,
}

impl Table {
    pub fn new(key: HashKey) -> Table {
        Table {
            key,
            rows: Chunks::new(),
            free: Vec::new(),
            by_line: HashTable::new(),
            by_end: BinaryHeap::new(),
            by_connection: BTreeSet::new(),
            locals: Vec::new(),
            marks: Prints::new(key),
            user_agents: SharedTexts::new(key),
        }
    }

    pub fn len(&self) -> usize {
        self.rows.len() - self.free.len()
    }

    pub fn row(&self, id: RowId) -> &Row {
        &self.rows[id]
    }

    pub fn row_mut(&mut self, id: RowId) -> &mut Row {
        &mut self.rows[id]
    }

    /// The rows of a line, the newest first.
    pub fn of_line(&self, line: LineId) -> impl Iterator<Item = (RowId, &Row)> {
        let mut next = self.head(line).unwrap_or(NONE);
        std::iter::from_fn(move || {
            let row = self.rows.get(next as usize)?;
            let id = next;
            next = row.next;
            Some((id, row))
        })
    }

    fn head(&self, line: LineId) -> Option<RowId> {
        let is_it = |&id: &RowId| self.rows[id].line == line;
        self.by_line.find(self.key.hash_one(line), is_it).copied()
    }

    /// What the phone of a row says that it is.
    pub fn user_agent(&self, row: &Row) -> &str {
        self.user_agents.get(row.user_agent)
    }

    /// Has any binding this?
    pub fn has(&self, mark: Mark<'_>) -> bool {
        self.marks.has(mark)
    }

    pub fn flow(&self, row: &Row) -> Flow {
        Flow {
            transport: row.transport,
            local: self.locals[usize::from(row.local)],
            peer: row.peer,
            connection: row.connection,
        }
    }

    /// Makes a socket of ours known; false when they are more than can be counted.
    pub fn learn_local(&mut self, local: SocketAddr) -> bool {
        let is_known = self.locals.contains(&local);
        if !is_known && self.locals.len() < usize::from(u16::MAX) {
            self.locals.push(local);
            return true;
        }
        is_known
    }

    /// Stores a binding; its local socket has been made known.
    pub fn insert(&mut self, new: &NewRow<'_>) -> RowId {
        let local = self.local(new.flow.local);
        let mut row = Row {
            text: Box::default(),
            peer: new.flow.peer,
            line: new.line,
            next: NONE,
            connection: new.flow.connection,
            cseq: new.cseq,
            expires_s: new.expires_s,
            persisted_s: new.persisted_s,
            due_s: new.expires_s,
            reg_id: 0,
            user_agent: self.user_agents.take(new.texts.user_agent),
            contact_len: 0,
            local,
            call_id_len: 0,
            instance_len: 0,
            transport: new.flow.transport,
            q: new.q,
            gone: new.gone,
        };
        row.set_texts(&new.texts);
        let id = self.place(row);
        self.chain(id, new.line);
        self.by_end.push(Reverse((new.expires_s, id)));
        self.track(id);
        self.mark(id);
        id
    }

    /// The binding's texts are these now.
    pub fn set_texts(&mut self, id: RowId, texts: &Texts<'_>) {
        if self.user_agent(self.row(id)) != texts.user_agent {
            let new = self.user_agents.take(texts.user_agent);
            let old = std::mem::replace(&mut self.rows[id].user_agent, new);
            self.user_agents.let_go(old);
        }
        if self.rows[id].has_own_texts(texts) {
            return;
        }
        self.unmark(id);
        self.rows[id].set_texts(texts);
        self.mark(id);
    }

    /// The binding is reached another way now; the local socket has been made known.
    pub fn set_flow(&mut self, id: RowId, flow: &Flow) {
        let local = self.local(flow.local);
        self.untrack(id);
        self.unmark(id);
        let row = &mut self.rows[id];
        (row.local, row.peer, row.transport) = (local, flow.peer, flow.transport);
        (row.connection, row.gone) = (flow.connection, false);
        self.track(id);
        self.mark(id);
    }

    pub fn set_end(&mut self, id: RowId, expires_s: u32) {
        let row = &mut self.rows[id];
        row.expires_s = expires_s;
        if expires_s < row.due_s {
            row.due_s = expires_s;
            self.by_end.push(Reverse((expires_s, id)));
            self.compact();
        }
    }

    /// Removes a binding and returns its Contact URI, unless another flow of the same phone is bound with
    /// the same (RFC 5626 §4.2): it is still known by that name.
    pub fn remove(&mut self, id: RowId) -> Option<String> {
        let is_last = self.is_last_of_its_name(id);
        self.untrack(id);
        self.unmark(id);
        self.unchain(id);
        let row = &mut self.rows[id];
        let contact = row.contact().to_owned();
        row.text = Box::default();
        row.due_s = u32::MAX;
        let user_agent = row.user_agent;
        self.user_agents.let_go(user_agent);
        self.free.push(id);
        if self.len() == 0 {
            self.rows = Chunks::new();
            self.free = Vec::new();
            self.by_end = BinaryHeap::new();
            self.by_line = HashTable::new();
            self.marks.shrink();
        }
        self.compact();
        is_last.then_some(contact)
    }

    /// Is no other binding of the line known by the same Contact URI?
    pub fn is_last_of_its_name(&self, id: RowId) -> bool {
        let row = self.row(id);
        let same = |other: &Row| other.contact() == row.contact();
        self.of_line(row.line).all(|(other, row)| other == id || !same(row))
    }

    /// When to look for ended bindings; perhaps there is none then.
    pub fn next_end(&self) -> Option<Tick> {
        let Reverse((at_s, _)) = self.by_end.peek()?;
        Some(Tick(u64::from(*at_s) * 1_000_000))
    }

    /// A binding that has ended; the caller removes it.
    pub fn ended(&mut self, now: Tick) -> Option<RowId> {
        while let Some(Reverse((due_s, id))) = self.by_end.peek().copied() {
            if u64::from(due_s) * 1_000_000 > now.0 {
                return None;
            }
            self.by_end.pop();
            let Some(row) = self.rows.get_mut(id as usize) else { continue };
            if row.text.is_empty() || row.due_s != due_s {
                continue;
            }
            if row.expires_s <= due_s {
                return Some(id);
            }
            row.due_s = row.expires_s;
            self.by_end.push(Reverse((row.expires_s, id)));
        }
        None
    }

    /// Marks the bindings of a stream as gone.
    pub fn close(&mut self, connection: u32) {
        let on_it = self.by_connection.range((connection, 0)..=(connection, NONE));
        let ids: Vec<RowId> = on_it.map(|(_, id)| *id).collect();
        for id in ids {
            self.by_connection.remove(&(connection, id));
            self.rows[id].gone = true;
        }
    }

    fn place(&mut self, row: Row) -> RowId {
        if let Some(id) = self.free.pop() {
            self.rows[id] = row;
            return id;
        }
        self.rows.push(row) as RowId
    }

    fn local(&self, local: SocketAddr) -> u16 {
        let known = self.locals.iter().position(|known| *known == local);
        debug_assert!(known.is_some(), "the caller made it known");
        known.unwrap_or(0) as u16
    }

    fn track(&mut self, id: RowId) {
        let row = &self.rows[id];
        if row.transport.is_reliable() && !row.gone && row.connection != Flow::ANY_CONNECTION {
            self.by_connection.insert((row.connection, id));
        }
    }

    fn untrack(&mut self, id: RowId) {
        let row = &self.rows[id];
        if row.transport.is_reliable() {
            self.by_connection.remove(&(row.connection, id));
        }
    }

    fn mark(&mut self, id: RowId) {
        marks_of(&self.rows[id]).into_iter().for_each(|mark| self.marks.add(mark));
    }

    fn unmark(&mut self, id: RowId) {
        marks_of(&self.rows[id]).into_iter().for_each(|mark| self.marks.remove(mark));
    }

    fn chain(&mut self, id: RowId, line: LineId) {
        let (hash, rows) = (self.key.hash_one(line), &self.rows);
        let next = match self.by_line.find_mut(hash, |&id| rows[id].line == line) {
            Some(head) => std::mem::replace(head, id),
            None => {
                let rehash = |&id: &RowId| self.key.hash_one(rows[id].line);
                self.by_line.insert_unique(hash, id, rehash);
                NONE
            }
        };
        self.rows[id].next = next;
    }

    fn unchain(&mut self, id: RowId) {
        let (rows, Row { line, next: after, .. }) = (&self.rows, &self.rows[id]);
        let hash = self.key.hash_one(line);
        let Ok(mut head) = self.by_line.find_entry(hash, |&id| rows[id].line == *line) else {
            return;
        };
        if *head.get() == id {
            match *after {
                NONE => drop(head.remove()),
                after => *head.get_mut() = after,
            }
            return;
        }
        let (after, mut at) = (*after, *head.get());
        while let Some(row) = self.rows.get_mut(at as usize) {
            if row.next == id {
                row.next = after;
                return;
            }
            at = row.next;
        }
    }

    /// Drops entries of the heap that no row waits for, when they are most of it.
    fn compact(&mut self) {
        if self.by_end.len() > 2 * self.len() + 64 {
            let rows = &self.rows;
            self.by_end.retain(|Reverse((due_s, id))| {
                rows.get(*id as usize)
                    .is_some_and(|row| !row.text.is_empty() && row.due_s == *due_s)
            });
            self.by_end.shrink_to(2 * self.by_end.len());
        }
    }

    #[cfg(test)]
    pub fn heap_len(&self) -> usize {
        self.by_end.len()
    }
}

/// What a binding can be recognised by.
fn marks_of(row: &Row) -> [Mark<'_>; 4] {
    let ip = row.peer.ip();
    [
        Mark::socket(row.transport, row.peer),
        Mark::source(ip),
        Mark::face(ip, row.contact()),
        Mark::face(ip, row.call_id()),
    ]
}
