//! Devices that have shown a right secret. Lives here: which device somebody is, what became of it.
//! Never here: whether a secret is right, what a new device may spend.
//!
//! A device is known again by its own name for itself; by its socket; by its Call-ID; by what it says
//! that it is, its Contact and its source together; and where a device was not heard for a day, the
//! next of its kind on the same line at the same source is taken for it, begun anew. A phone that moves
//! and has no name for itself is a new device.

use std::borrow::Cow;
use std::hint::black_box;
use std::net::SocketAddr;

use ipnet::IpNet;
use types::{
    AccountId, Device, DeviceId, DeviceState, HashKey, LineId, Millis, Money, Now, Place, Record,
    Source, UnixMicros,
};

use super::claim::{Claim, Mark, Marks};
use super::device_row::{NewRow, Row, Transport, seconds};
use super::device_table::DeviceTable;
use super::scope::Likeness;

/// Bytes of a User-Agent, and of an instance, that are kept.
const AGENT_KEPT: usize = 128;
/// Bytes of a Contact that are kept.
const CONTACT_KEPT: usize = 64;
/// The last use is written so long after it was written last.
const WRITE_AFTER_S: u32 = 6 * 3_600;

/// A phone that was not heard for so long may have begun anew on another port.
const SILENT_S: u32 = 24 * 3_600;

/// A device that somebody is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    pub device: DeviceId,
    pub likeness: Likeness,
}

impl Match {
    /// Failures are counted by this.
    pub fn key(&self) -> u64 {
        u64::from(self.device.0)
    }
}

/// What became of a device when it showed a right secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is known, and where it was.
    Again,
    /// It is known, and is elsewhere, or says that it is something else.
    Moved { new_agent: bool, new_address: bool },
    /// It was never seen; `first`: nor was any other on the line.
    New { new_agent: bool, new_address: bool, first: bool },
    /// Somebody said that it is not the holder's.
    Banned,
}

/// A right secret that was shown.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    pub now: Now,
    pub account: AccountId,
    pub line: LineId,
    /// All lines of the account.
    pub lines: &'a [LineId],
    pub claim: &'a Claim<'a>,
    /// Where in the world its address is.
    pub place: Place,
}

/// All devices.
pub struct Devices {
    hash: HashKey,
    known_s: u32,
    per_line: usize,
    table: DeviceTable,
}

impl Devices {
    pub fn new(hash: HashKey, known_ms: Millis, per_line: usize) -> Devices {
        Devices {
            hash,
            known_s: u32::try_from(known_ms / 1_000).unwrap_or(u32::MAX),
            per_line: per_line.max(1),
            table: DeviceTable::new(hash),
        }
    }

    /// Takes over a device of an earlier life.
    pub fn restore(&mut self, device: &Device) {
        let claim = Claim {
            user: "",
            peer: device.peer,
            transport: &device.transport,
            is_secure: false,
            agent: &device.agent,
            instance: device.instance.as_deref(),
            contact: &device.contact,
            call_id: "",
        };
        self.table.insert(&NewRow {
            id: device.id,
            account: device.account,
            lines: &device.lines,
            marks: claim.marks(self.hash),
            agent: &device.agent,
            contact: &device.contact,
            instance: device.instance.as_deref().unwrap_or(""),
            first_seen: device.first_seen,
            last_seen: device.last_seen,
            place: device.place,
            transport: Transport::of(&device.transport),
            state: device.state,
        });
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// A device, as it is kept.
    pub fn find(&self, id: DeviceId) -> Option<Device> {
        self.table.find(id).map(|row| self.table.to_device(row))
    }

    /// The devices of a line, as they are kept, by id.
    pub fn of_line(&self, line: LineId) -> Vec<Device> {
        let mut devices: Vec<Device> =
            self.table.of_line(line).map(|row| self.table.to_device(row)).collect();
        devices.sort_by_key(|device| device.id);
        devices
    }

    /// How well a device is known.
    pub fn state(&self, id: DeviceId) -> Option<DeviceState> {
        self.table.find(id).map(|row| self.table.state_of(row))
    }

    /// Changes how well a device is known; its record.
    pub fn set_state(&mut self, id: DeviceId, state: DeviceState) -> Option<Record> {
        self.table.set_state(id, state);
        self.find(id).map(|device| Record::Device(Box::new(device)))
    }

    /// How many devices were last at this source.
    pub fn count_at(&self, source: Source) -> usize {
        self.table.count_at(source)
    }

    /// Was one last at this source?
    pub fn is_any_at(&self, source: Source) -> bool {
        self.table.count_at(source) > 0
    }

    /// Was one last within this network? A network that is one source is looked up, others are searched for.
    pub fn is_any_within(&self, network: IpNet) -> bool {
        let source = Source::of(network.addr());
        if source.network() == network {
            return self.is_any_at(source);
        }
        self.table.all().any(|row| network.contains(&row.marks.peer.ip()))
    }

    /// Was a device heard last from exactly this socket?
    pub fn is_at_socket(&self, peer: SocketAddr) -> bool {
        self.table.is_at_socket(peer)
    }

    /// A hash of what a claim says that it is, its Contact and its source.
    pub fn look_of(&self, claim: &Claim<'_>) -> u64 {
        claim.marks(self.hash).look.number()
    }

    /// The known device of a line that the claim is most like.
    ///
    /// As many devices are looked at as a line can have: a line's own, then others for nothing. So neither
    /// how many devices a line has nor whether there is one can be told by the time it takes (A7).
    pub fn most_like(
        &self,
        now: UnixMicros,
        line: Option<LineId>,
        claim: &Claim<'_>,
    ) -> Option<Match> {
        let (marks, now_s) = (claim.marks(self.hash), seconds(now));
        let like = |row: &Row| {
            let is_fresh = !row.is_banned() && now_s.saturating_sub(row.last_seen_s) < self.known_s;
            is_fresh.then(|| Some((row.marks.likeness(&marks)?, row.id))).flatten()
        };
        let (mut best, mut left) = (None, self.per_line);
        for row in self.table.of_line(line.unwrap_or(LineId::NOBODY)) {
            left = left.saturating_sub(1);
            best = like(row).into_iter().chain(best).min();
        }
        for row in self.table.all().cycle().take(left) {
            black_box(like(row));
        }
        let (likeness, device) = best?;
        Some(Match { device, likeness })
    }

    /// A right secret was shown: which device it was and what became of it. Its record is added if it
    /// is to be written. A device that is banned stays what it was.
    pub fn proven(&mut self, shown: &Shown<'_>, records: &mut Vec<Record>) -> (DeviceId, Seen) {
        let marks = shown.claim.marks(self.hash);
        match self.same_device(shown, &marks) {
            Some(row) if row.is_banned() => (row.id, Seen::Banned),
            Some(row) => (row.id, self.met_again(row.id, shown, marks, records)),
            None => self.met_first(shown, marks, records),
        }
    }

    /// The device of the account that this is.
    fn same_device<'a>(&'a self, shown: &Shown<'a>, marks: &Marks) -> Option<&'a Row> {
        let (on_line, now_s) = (self.table.of_line(shown.line), seconds(shown.now.wall));
        let is_sure = |row: &&Row| {
            let like = row.marks.likeness(marks);
            let is_silent = now_s.saturating_sub(row.last_seen_s) >= SILENT_S;
            like.is_some_and(|like| like < Likeness::Source)
                || (is_silent && row.marks.is_same_kind(marks))
        };
        let best = on_line
            .filter(|row| !row.marks.is_other_instance(marks))
            .filter(is_sure)
            .min_by_key(|row| (row.marks.likeness(marks), row.id));
        best.or_else(|| {
            let others = self.of_lines(shown.lines);
            let mut same = others.filter(|row| {
                let like = row.marks.likeness(marks);
                matches!(like, Some(Likeness::Instance | Likeness::Look))
            });
            same.find(|row| !row.marks.is_other_instance(marks))
        })
    }

    fn of_lines<'a>(&'a self, lines: &'a [LineId]) -> impl Iterator<Item = &'a Row> {
        lines.iter().flat_map(|line| self.table.of_line(*line))
    }

    fn met_again(
        &mut self,
        id: DeviceId,
        shown: &Shown<'_>,
        marks: Marks,
        records: &mut Vec<Record>,
    ) -> Seen {
        let old = self.table.find(id).expect("it was looked up").marks;
        let marks = with_what_is_not_said(marks, &old, shown.claim);
        let is_elsewhere = old.source() != marks.source();
        let is_renamed = old.name != marks.name;
        let lines = shown.lines;
        let new_agent = is_renamed && !self.of_lines(lines).any(|row| row.marks.name == marks.name);
        let source = marks.source();
        let new_address =
            is_elsewhere && !self.of_lines(lines).any(|row| row.marks.source() == source);
        if old != marks {
            self.table.set_marks(id, marks);
        }
        let is_changed = self.note_changes(id, shown, is_elsewhere);
        let has_one_more = self.table.add_line(id, shown.line);
        let now_s = seconds(shown.now.wall);
        let row = self.table.find_mut(id).expect("it was looked up");
        row.last_seen_s = now_s;
        let is_due = now_s.saturating_sub(row.written_s) >= WRITE_AFTER_S;
        if is_changed || has_one_more || is_elsewhere || is_renamed || is_due {
            row.written_s = now_s;
            let row = self.table.find(id).expect("it was looked up");
            records.push(Record::Device(Box::new(self.table.to_device(row))));
        }
        if is_renamed || is_elsewhere {
            Seen::Moved { new_agent, new_address }
        } else {
            Seen::Again
        }
    }

    /// Takes over what the device says of itself now; says whether something is different.
    fn note_changes(&mut self, id: DeviceId, shown: &Shown<'_>, is_elsewhere: bool) -> bool {
        let claim = shown.claim;
        let row = self.table.find(id).expect("it was looked up");
        let agent = kept(claim.agent, AGENT_KEPT);
        let mut is_changed = !agent.is_empty() && self.table.agent(row) != agent;
        if is_changed {
            self.table.set_agent(id, &agent);
        }
        let row = self.table.find_mut(id).expect("it was looked up");
        if is_elsewhere {
            row.set_place(shown.place);
        }
        if !claim.contact.is_empty() {
            let contact = kept(claim.contact, CONTACT_KEPT);
            let said = claim.instance.map(|text| kept(text, AGENT_KEPT));
            let known = row.instance().map(str::to_owned);
            let instance = said.as_deref().or(known.as_deref()).unwrap_or("");
            is_changed |= row.set_text(&contact, instance);
        }
        let transport = Transport::of(claim.transport);
        is_changed |= row.transport != transport;
        row.transport = transport;
        is_changed
    }

    fn met_first(
        &mut self,
        shown: &Shown<'_>,
        marks: Marks,
        records: &mut Vec<Record>,
    ) -> (DeviceId, Seen) {
        let source = marks.source();
        let seen = Seen::New {
            new_agent: !self.of_lines(shown.lines).any(|row| row.marks.name == marks.name),
            new_address: !self.of_lines(shown.lines).any(|row| row.marks.source() == source),
            first: self.table.of_line(shown.line).next().is_none(),
        };
        self.make_room(shown.line, records);
        let (id, claim) = (self.table.next_id(), shown.claim);
        self.table.insert(&NewRow {
            id,
            account: shown.account,
            lines: &[shown.line],
            marks,
            agent: &kept(claim.agent, AGENT_KEPT),
            contact: &kept(claim.contact, CONTACT_KEPT),
            instance: &kept(claim.instance.unwrap_or(""), AGENT_KEPT),
            first_seen: shown.now.wall,
            last_seen: shown.now.wall,
            place: shown.place,
            transport: Transport::of(claim.transport),
            state: DeviceState::Known,
        });
        (id, seen)
    }

    /// Forgets the line's device that was not used for longest, if there are too many; banned ones last.
    fn make_room(&mut self, line: LineId, records: &mut Vec<Record>) {
        if self.table.of_line(line).count() < self.per_line {
            return;
        }
        let on_line = self.table.of_line(line);
        let oldest = on_line.min_by_key(|row| (row.is_banned(), row.last_seen_s, row.id));
        if let Some(oldest) = oldest.map(|row| row.id)
            && self.table.remove(oldest)
        {
            records.push(Record::DeviceGone(oldest));
        }
    }

    /// New devices whose first time is over become known; their records.
    pub fn end_seasons(&mut self, now: UnixMicros) -> Vec<Record> {
        let mut over: Vec<DeviceId> =
            self.table.seasons().filter(|(_, until)| *until <= now).map(|(id, _)| id).collect();
        over.sort_unstable();
        over.into_iter().filter_map(|id| self.set_state(id, DeviceState::Known)).collect()
    }

    /// Adds to what a new device has spent; its record, if it is new.
    pub fn spent(&mut self, id: DeviceId, amount: Money) -> Option<Record> {
        let Some(DeviceState::Seasoning { until, spent }) = self.state(id) else { return None };
        let spent = spent.saturating_add(amount);
        self.set_state(id, DeviceState::Seasoning { until, spent })
    }
}

/// A request that does not say all that a registration says is not another device for that.
fn with_what_is_not_said(marks: Marks, old: &Marks, claim: &Claim<'_>) -> Marks {
    let mut marks = marks;
    if marks.call == Mark::NONE {
        marks.call = old.call;
    }
    if marks.instance == Mark::NONE {
        marks.instance = old.instance;
    }
    if claim.agent.is_empty() || claim.contact.is_empty() {
        (marks.name, marks.look) = (old.name, old.look);
    }
    marks
}

/// A stranger's text as it is kept: cut, without control characters.
fn kept(text: &str, most: usize) -> Cow<'_, str> {
    let cut = &text[..text.floor_char_boundary(most)];
    if cut.chars().any(char::is_control) {
        return cut.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    }
    Cow::Borrowed(cut)
}
