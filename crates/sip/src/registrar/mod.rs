//! The registrar (RFC 3261 §10.3, RFC 3327, RFC 3581). Lives here: where lines can be reached, and
//! for how long. Never here: who may register, lock-outs, the store.
//!
//! Calls go to a binding on the flow that its REGISTER came on. The Contact is what the phone wants
//! to see in the request line, and is never looked up: a Contact at a third party leads nowhere (F7).

mod binding;
mod marks;
mod outbound;
mod rules;
mod table;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that panics has failed")]
mod tests;

use std::net::{IpAddr, SocketAddr};

use arrayvec::ArrayVec;
use types::record::{BindingRecord, Outbound};
use types::{HashKey, LineId, Now, Tick, UnixMicros};

use self::marks::Mark;
use self::outbound::asks_for_outbound;
use self::rules::{in_order, read_path, same_contact};
use self::table::{NewRow, OutboundKey, RowId, Table, Texts};
use crate::flow::{Flow, Transport};
use crate::message::{Contacts, HeaderError, MAX_CONTACTS, Message, Name, NameAddr, print};

pub use self::binding::Binding;

/// What a binding may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bindings of one line.
    pub bindings_per_line: usize,
    /// Shortest life, in seconds: less is refused with 423.
    pub min_expires_s: u32,
    /// Longest life, in seconds: more is cut to it.
    pub max_expires_s: u32,
    /// Life when the phone names none, in seconds.
    pub default_expires_s: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bindings_per_line: 10,
            min_expires_s: 60,
            max_expires_s: 3_600,
            default_expires_s: 3_600,
        }
    }
}

/// Most bytes of a Contact URI.
pub const MAX_CONTACT: usize = 512;
/// Most bytes of all Path values together.
pub const MAX_PATH: usize = 512;
/// Most bytes of a Call-ID.
pub const MAX_CALL_ID: usize = 255;
/// Most bytes of a `+sip.instance`.
pub const MAX_INSTANCE: usize = 255;
/// Bytes of a User-Agent that are kept.
pub const MAX_USER_AGENT: usize = 128;

/// What a REGISTER did, as far as it is to be written down. Empty when it only asked, or only
/// refreshed what the store knows for long enough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registered {
    /// In the order in which they are to be written.
    pub changes: Vec<Change>,
}

/// One change among the bindings of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A new binding.
    Added(Box<BindingRecord>),
    /// A binding that leads elsewhere now, or is another phone's: to be written again.
    Changed(Box<BindingRecord>),
    /// A binding that was only refreshed, and is to be written again because what is written ends soon.
    Persist(Box<BindingRecord>),
    /// A binding was removed.
    Removed {
        /// Its Contact URI.
        contact: String,
    },
}

/// Why a REGISTER is refused; nothing of it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct RegisterError {
    /// Status of the response.
    pub status: u16,
    /// Why, in words.
    pub reason: &'static str,
    /// For 423: the value of Min-Expires.
    pub min_expires: Option<u32>,
}

/// Where lines can be reached.
pub struct Registrar {
    limits: Limits,
    own: Vec<SocketAddr>,
    own_hosts: Vec<String>,
    table: Table,
}

/// A REGISTER that is being judged.
struct Asked<'a> {
    now: Now,
    line: LineId,
    request: &'a Message<'a>,
    flow: &'a Flow,
    /// Path values, each followed by a line end.
    path: String,
}

/// What is to be done with one Contact of a request.
struct Planned<'a> {
    contact: NameAddr<'a>,
    outbound: Option<OutboundKey<'a>>,
    existing: Option<RowId>,
    /// 0: remove.
    seconds: u32,
    q: u16,
}

type Plan<'a> = ArrayVec<Planned<'a>, MAX_CONTACTS>;

impl Registrar {
    /// No bindings. `own` are our sockets and `own_hosts` our domains: no Contact may be there.
    pub fn new(
        key: HashKey,
        limits: Limits,
        own: Vec<SocketAddr>,
        own_hosts: Vec<String>,
    ) -> Registrar {
        Registrar { limits, own, own_hosts, table: Table::new(key) }
    }

    /// How many bindings there are.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Does what an authenticated REGISTER of a line asks, all of it or nothing (RFC 3261 §10.3).
    pub fn register(
        &mut self,
        now: Now,
        line: LineId,
        request: &Message<'_>,
        flow: &Flow,
    ) -> Result<Registered, RegisterError> {
        if request.call_id().len() > MAX_CALL_ID {
            return Err(refused(400, "Call-ID is too long"));
        }
        let contacts = match request.contacts() {
            Ok(Contacts::Star) => return self.remove_all(line, request),
            Ok(Contacts::List(contacts)) => contacts,
            Err(HeaderError::TooMany) => return Err(refused(403, "too many contacts")),
            Err(_) => return Err(refused(400, "Contact cannot be read")),
        };
        let asked = Asked { now, line, request, flow, path: read_path(request)? };
        let mut plan = Plan::new();
        for contact in contacts {
            let planned = self.plan(&asked, contact)?;
            if plan.iter().any(|other| same_contact(&other.contact, &planned.contact)) {
                return Err(refused(400, "the same Contact twice"));
            }
            plan.push(planned);
        }
        outbound::check(request, flow, &plan)?;
        let evicted = self.make_room(&asked, &plan)?;
        if !self.table.learn_local(flow.local) {
            return Err(refused(500, "too many local addresses"));
        }
        // After this point it must succeed.
        let mut registered = Registered::default();
        for id in evicted {
            registered.removed(self.table.remove(id));
        }
        for planned in &plan {
            self.carry_out(&asked, planned, &mut registered);
        }
        Ok(registered)
    }

    /// The bindings of a line that can be reached, the newest first.
    pub fn contacts(&self, line: LineId) -> impl Iterator<Item = Binding<'_>> {
        self.bindings(line).filter(|binding| !binding.is_gone())
    }

    /// All bindings of a line, the newest first.
    pub fn bindings(&self, line: LineId) -> impl Iterator<Item = Binding<'_>> {
        let table = &self.table;
        table.of_line(line).map(|(_, row)| Binding {
            row,
            flow: table.flow(row),
            user_agent: table.user_agent(row),
        })
    }

    /// Writes the Contact lines of a 200 (RFC 3261 §10.3 step 8).
    pub fn write_contacts(&self, line: LineId, now: Now, out: &mut Vec<u8>) {
        for binding in self.bindings(line) {
            let seconds = binding.expires().micros_since(now.tick) / 1_000_000;
            let uri = binding.uri();
            let flow = outbound::Params(binding.row.outbound());
            match binding.q() {
                1_000 => print::header(
                    out,
                    Name::Contact,
                    format_args!("<{uri}>;expires={seconds}{flow}"),
                ),
                q => print::header(
                    out,
                    Name::Contact,
                    format_args!("<{uri}>;q=0.{q:03};expires={seconds}{flow}"),
                ),
            }
        }
    }

    /// Writes the Path lines of a 200: those of the request, if they were taken in (RFC 3327 §5.3).
    pub fn write_path(request: &Message<'_>, out: &mut Vec<u8>) {
        if request.has_option(Name::Supported, "path") {
            request.values(Name::Path).for_each(|value| print::header(out, Name::Path, value));
        }
    }

    /// Writes what makes a 200 one of outbound, if the REGISTER asked for it and it came where it is done
    /// (RFC 5626 §6): the phone knows then that requests come down this very flow.
    pub fn write_outbound(request: &Message<'_>, flow: &Flow, out: &mut Vec<u8>) {
        if asks_for_outbound(request, flow) {
            print::header(out, Name::Require, "outbound");
            print::header(out, Name::FlowTimer, outbound::FLOW_TIMER_S);
        }
    }

    /// When [`Registrar::handle_timeout`] is to be called; it may then find nothing to do.
    pub fn next_timeout(&self) -> Option<Tick> {
        self.table.next_end()
    }

    /// Removes what has ended: line and Contact URI of each.
    pub fn handle_timeout(&mut self, now: Now) -> Vec<(LineId, String)> {
        let mut gone = Vec::new();
        while let Some(id) = self.table.ended(now.tick) {
            let line = self.table.row(id).line();
            gone.extend(self.table.remove(id).map(|contact| (line, contact)));
        }
        gone
    }

    /// Takes in a binding that was written down before a restart. One that has ended since is
    /// reported by the next [`Registrar::handle_timeout`], so that the store forgets it, too. One on
    /// a stream cannot be reached until the phone connects again. False: the record is nonsense.
    pub fn load(&mut self, now: Now, record: &BindingRecord) -> bool {
        let Some(transport) = Transport::parse(&record.transport) else { return false };
        let outbound = record
            .outbound
            .as_ref()
            .map(|outbound| OutboundKey { instance: &outbound.instance, reg_id: outbound.reg_id });
        let fits = !record.contact.is_empty()
            && record.contact.len() <= MAX_CONTACT
            && outbound.is_none_or(|key| key.instance.len() <= MAX_INSTANCE && key.reg_id > 0)
            && record.call_id.len() <= MAX_CALL_ID;
        if !fits || self.find(record.line, &record.contact).is_some() {
            return false;
        }
        let left_us = u64::try_from(record.expires.0.saturating_sub(now.wall.0)).unwrap_or(0);
        let expires_s = seconds_up(Tick(now.tick.0.saturating_add(left_us)));
        let is_stream = transport.is_reliable();
        let path: String = record.path.iter().flat_map(|value| [value.as_str(), "\n"]).collect();
        let new = NewRow {
            line: record.line,
            texts: Texts {
                contact: &record.contact,
                call_id: &record.call_id,
                user_agent: cut(&record.user_agent),
                outbound,
                path: &path,
            },
            flow: Flow {
                transport,
                local: record.local,
                peer: record.peer,
                connection: if is_stream { Flow::ANY_CONNECTION } else { 0 },
            },
            cseq: record.cseq,
            expires_s,
            persisted_s: expires_s,
            q: 1_000,
            gone: is_stream || left_us == 0,
        };
        self.table.learn_local(record.local) && {
            self.table.insert(&new);
            true
        }
    }

    /// Is there a binding at exactly this socket?
    pub fn knows_socket(&self, transport: Transport, peer: SocketAddr) -> bool {
        self.table.has(Mark::socket(transport, peer))
    }

    /// Is there a binding at this address, or in its IPv6 /64?
    pub fn knows_source(&self, peer: IpAddr) -> bool {
        self.table.has(Mark::source(peer))
    }

    /// Is this the Call-ID or the Contact of a binding at this source?
    pub fn knows_face(&self, peer: IpAddr, text: &str) -> bool {
        self.table.has(Mark::face(peer, text))
    }

    /// A stream was closed: its bindings cannot be reached any more.
    pub fn flow_closed(&mut self, flow: &Flow) {
        if flow.transport.is_reliable() {
            self.table.close(flow.connection);
        }
    }

    /// Removes all bindings of a line and returns their Contact URIs.
    pub fn remove(&mut self, line: LineId) -> Vec<String> {
        let ids: Vec<RowId> = self.table.of_line(line).map(|(id, _)| id).collect();
        ids.into_iter().filter_map(|id| self.table.remove(id)).collect()
    }

    /// Removes the bindings of a line that `ends` picks by the phone's socket and User-Agent, and returns
    /// their Contact URIs.
    pub fn remove_where(
        &mut self,
        line: LineId,
        ends: impl Fn(SocketAddr, &str) -> bool,
    ) -> Vec<String> {
        let table = &self.table;
        let ended = table
            .of_line(line)
            .filter(|(_, row)| ends(table.flow(row).peer, table.user_agent(row)));
        let ids: Vec<RowId> = ended.map(|(id, _)| id).collect();
        ids.into_iter().filter_map(|id| self.table.remove(id)).collect()
    }

    /// `Contact: *`
    fn remove_all(
        &mut self,
        line: LineId,
        request: &Message<'_>,
    ) -> Result<Registered, RegisterError> {
        if request.expires() != Some(0) {
            return Err(refused(400, "Contact: * needs Expires: 0"));
        }
        for (_, row) in self.table.of_line(line) {
            in_order(row, request)?;
        }
        let mut registered = Registered::default();
        self.remove(line).into_iter().for_each(|contact| registered.removed(Some(contact)));
        Ok(registered)
    }

    /// Does what one Contact asks.
    fn carry_out(&mut self, asked: &Asked<'_>, planned: &Planned<'_>, registered: &mut Registered) {
        let texts = Texts {
            contact: planned.contact.uri,
            call_id: asked.request.call_id(),
            user_agent: cut(asked.request.header(Name::UserAgent).unwrap_or("")),
            outbound: planned.outbound,
            path: &asked.path,
        };
        let expires_s = seconds_up(asked.now.tick.plus_ms(u64::from(planned.seconds) * 1_000));
        match (planned.existing, planned.seconds) {
            (None, 0) => {}
            (Some(id), 0) => registered.removed(self.table.remove(id)),
            (None, _) => {
                let id = self.table.insert(&NewRow {
                    line: asked.line,
                    texts,
                    flow: *asked.flow,
                    cseq: asked.request.cseq().number,
                    expires_s,
                    persisted_s: expires_s,
                    q: planned.q,
                    gone: false,
                });
                registered.changes.push(Change::Added(Box::new(self.record(asked.now, id))));
            }
            (Some(id), _) => {
                if self.table.is_last_of_its_name(id)
                    && self.table.row(id).contact() != texts.contact
                {
                    registered.removed(Some(self.table.row(id).contact().to_owned()));
                }
                let Some(change) = self.refresh(id, asked, planned, &texts, expires_s) else {
                    return;
                };
                self.table.row_mut(id).persisted_s = expires_s;
                registered.changes.push(change(Box::new(self.record(asked.now, id))));
            }
        }
    }

    /// Refreshes a binding; returns as what it is to be written down, if it is.
    fn refresh(
        &mut self,
        id: RowId,
        asked: &Asked<'_>,
        planned: &Planned<'_>,
        texts: &Texts<'_>,
        expires_s: u32,
    ) -> Option<fn(Box<BindingRecord>) -> Change> {
        let (row, flow) = (self.table.row(id), asked.flow);
        let old = self.table.flow(row);
        let is_elsewhere =
            (old.transport, old.local, old.peer) != (flow.transport, flow.local, flow.peer);
        let is_other = row.contact() != texts.contact
            || self.table.user_agent(row) != texts.user_agent
            || row.outbound() != texts.outbound
            || row.path_text() != texts.path;
        // Phones that refresh after half of the time are written each time, others every now and
        // then, and what is written never ends before the next refresh.
        let written_us = (u64::from(row.persisted_s) * 1_000_000).saturating_sub(asked.now.tick.0);
        let ends_soon = written_us <= u64::from(planned.seconds) * 500_000;
        if old != *flow || row.gone {
            self.table.set_flow(id, flow);
        }
        self.table.set_end(id, expires_s);
        let row = self.table.row_mut(id);
        (row.cseq, row.q) = (asked.request.cseq().number, planned.q);
        self.table.set_texts(id, texts);
        match (is_elsewhere || is_other, ends_soon) {
            (true, _) => Some(Change::Changed),
            (false, true) => Some(Change::Persist),
            (false, false) => None,
        }
    }

    fn record(&self, now: Now, id: RowId) -> BindingRecord {
        let row = self.table.row(id);
        let flow = self.table.flow(row);
        let left_us = (u64::from(row.expires_s) * 1_000_000).saturating_sub(now.tick.0);
        BindingRecord {
            line: row.line(),
            contact: row.contact().to_owned(),
            path: row.path_text().lines().map(str::to_owned).collect(),
            call_id: row.call_id().to_owned(),
            cseq: row.cseq,
            expires: UnixMicros(now.wall.0.saturating_add_unsigned(left_us)),
            transport: flow.transport.name().to_owned(),
            peer: flow.peer,
            local: flow.local,
            user_agent: self.table.user_agent(row).to_owned(),
            outbound: row
                .outbound()
                .map(|key| Outbound { instance: key.instance.to_owned(), reg_id: key.reg_id }),
        }
    }
}

impl Registered {
    fn removed(&mut self, contact: Option<String>) {
        self.changes.extend(contact.map(|contact| Change::Removed { contact }));
    }
}

const fn refused(status: u16, reason: &'static str) -> RegisterError {
    RegisterError { status, reason, min_expires: None }
}

fn cut(user_agent: &str) -> &str {
    &user_agent[..user_agent.floor_char_boundary(MAX_USER_AGENT)]
}

fn seconds_up(tick: Tick) -> u32 {
    u32::try_from(tick.0.div_ceil(1_000_000)).unwrap_or(u32::MAX - 1)
}
