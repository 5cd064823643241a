//! What is kept of a device. Lives here: its row, small because there is one for each phone.
//! Never here: where rows are, which device somebody is.

use std::net::SocketAddr;

use types::{AccountId, DeviceId, DeviceState, LineId, Place, TextId, UnixMicros};

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
    /// 0: not known.
    asn: u32,
    /// Zeroes: not known.
    country: [u8; 2],
    pub transport: Transport,
    pub(super) standing: Standing,
}

/// How well a device is known; what a new one has spent stands elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Known,
    Seasoning,
    Banned,
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
        let mut row = Row {
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
            asn: 0,
            country: [0; 2],
            transport: new.transport,
            standing: Standing::Known,
        };
        row.set_place(new.place);
        row
    }

    pub fn is_banned(&self) -> bool {
        self.standing == Standing::Banned
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
        let country = std::str::from_utf8(&self.country).ok();
        Place {
            country: country.and_then(|letters| letters.parse().ok()),
            asn: (self.asn != 0).then_some(self.asn),
        }
    }

    pub fn set_place(&mut self, place: Place) {
        self.asn = place.asn.unwrap_or(0);
        let letters = place.country.map(|country| country.as_str().as_bytes().try_into());
        self.country = letters.and_then(Result::ok).unwrap_or([0; 2]);
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
    fn places_read_back() {
        fn check(country: Option<&str>, asn: Option<u32>) {
            let country = country.map(|letters| letters.parse().expect("a country"));
            let place = Place { country, asn };
            let claim = super::super::claim::Claim {
                user: "",
                peer: ([192, 0, 2, 1], 5060).into(),
                transport: "udp",
                is_secure: false,
                agent: "",
                instance: None,
                contact: "",
                call_id: "",
            };
            let hash = types::HashKey(1, 2);
            let new = NewRow {
                id: DeviceId(1),
                account: AccountId(1),
                lines: &[],
                marks: claim.marks(hash),
                agent: "",
                contact: "",
                instance: "",
                first_seen: UnixMicros(0),
                last_seen: UnixMicros(0),
                place,
                transport: Transport::of("udp"),
                state: DeviceState::Known,
            };
            let mut row = Row::new(&new, LineId(1), types::SharedTexts::new(hash).take(""));
            assert_eq!(row.place(), place);
            row.set_place(Place::default());
            assert_eq!(row.place(), Place::default());
        }
        check(Some("GB"), Some(64_496));
        check(Some("XG"), None);
        check(None, Some(u32::MAX));
        check(None, None);
    }

    #[test]
    fn a_device_is_small() {
        assert!(size_of::<Option<Row>>() <= 96, "{}", size_of::<Option<Row>>());
    }
}
