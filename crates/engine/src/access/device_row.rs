//! What is kept of a device. Lives here: its row, small because there is one for each phone.
//! Never here: where rows are, which device somebody is.

use std::net::SocketAddr;

use types::{AccountId, DeviceId, DeviceState, LineId, Place, Region, TextId, UnixMicros};

use super::claim::Marks;

/// No row.
pub(super) const NONE: u32 = u32::MAX;

/// A device in memory. Times are whole seconds since 1970.
#[derive(Clone, Debug)]
pub struct Row {
    pub id: DeviceId,
    pub account: AccountId,
    /// The line that it used first.
    pub line: LineId,
    /// The next one on that line, as the table counts them.
    pub(super) next: u32,
    pub marks: Marks,
    pub(super) agent: TextId,
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
    pub(super) has_more_lines: bool,
    pub(super) is_seasoning: bool,
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
    /// Not on any line yet.
    pub(super) fn new(new: &NewRow<'_>, line: LineId, agent: TextId) -> Row {
        Row {
            id: new.id,
            account: new.account,
            line,
            next: NONE,
            marks: new.marks,
            agent,
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
        }
    }

    pub fn peer(&self) -> SocketAddr {
        self.marks.peer.socket()
    }

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

/// Whole seconds since 1970; what was before is 1970, what is after 2106 stays there.
pub fn seconds(at: UnixMicros) -> u32 {
    u32::try_from(at.seconds().max(0)).unwrap_or(u32::MAX)
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
    /// What it says that it is.
    pub agent: &'a str,
    pub contact: &'a str,
    pub instance: &'a str,
    pub first_seen: UnixMicros,
    pub last_seen: UnixMicros,
    pub place: Place,
    pub transport: Transport,
    pub state: DeviceState,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_small() {
        assert!(size_of::<Option<Row>>() <= 104, "{}", size_of::<Option<Row>>());
    }
}
