//! A parsed message and what can be asked of it. Lives here: access. Never here: reading (`parse`), printing (`print`).

use arrayvec::ArrayVec;

use super::auth::{Challenge, Credentials};
use super::error::HeaderError;
use super::headers::{Kind, NAMES, Name};
use super::method::Method;
use super::name_addr::{Contacts, NameAddr};
use super::scan::{Scanner, split_list};
use super::uri::Uri;
use super::values::{
    CSeq, RAck, SessionExpires, read_delta, read_number, read_rack, read_session_expires,
};
use super::via::Via;
use super::{Header, MAX_HEADERS, Origin, ParseError, StartLine};

/// Where a header is: offsets into the header section.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    pub name: Name,
    pub name_len: u8,
    pub name_at: u16,
    pub value_at: u16,
    pub value_len: u16,
}

impl Slot {
    pub fn value<'a>(&self, head: &'a str) -> &'a str {
        let at = usize::from(self.value_at);
        &head[at..at + usize::from(self.value_len)]
    }

    fn header<'a>(&self, head: &'a str) -> Header<'a> {
        let at = usize::from(self.name_at);
        let raw_name = &head[at..at + usize::from(self.name_len)];
        Header { name: self.name, raw_name, value: self.value(head) }
    }
}

/// A message; borrows the bytes that it was parsed from.
#[derive(Clone)]
pub struct Message<'a> {
    /// Request line or status line.
    pub start: StartLine<'a>,
    /// As long as Content-Length says.
    pub body: &'a [u8],
    /// Bytes of the whole message as it came, with whatever stood before and behind it.
    pub length: usize,
    pub(super) head: &'a str,
    pub(super) target: Option<Uri<'a>>,
    pub(super) via: Via<'a>,
    pub(super) from: NameAddr<'a>,
    pub(super) to: NameAddr<'a>,
    pub(super) call_id: &'a str,
    pub(super) cseq: CSeq<'a>,
    pub(super) max_forwards: Option<u8>,
    pub(super) first: [u8; NAMES],
    pub(super) slots: ArrayVec<Slot, MAX_HEADERS>,
}

impl<'a> Message<'a> {
    /// Parses one datagram or one framed stream message. Folded header lines are unfolded in place (CR LF and the
    /// white space after it become three spaces), hence `&mut`; nothing else changes.
    pub fn parse(bytes: &'a mut [u8], origin: Origin) -> Result<Message<'a>, ParseError> {
        super::parse::parse(bytes, origin)
    }

    /// The method of a request.
    pub fn method(&self) -> Option<Method<'a>> {
        match self.start {
            StartLine::Request { method, .. } => Some(method),
            StartLine::Response { .. } => None,
        }
    }

    /// The status of a response.
    pub fn status(&self) -> Option<u16> {
        match self.start {
            StartLine::Request { .. } => None,
            StartLine::Response { status, .. } => Some(status),
        }
    }

    /// The Request-URI as it came.
    pub fn request_uri(&self) -> Option<&'a str> {
        self.target.map(|uri| uri.raw)
    }

    /// The Request-URI in its parts.
    pub fn target(&self) -> Option<&Uri<'a>> {
        self.target.as_ref()
    }

    /// Is it a request?
    pub fn is_request(&self) -> bool {
        self.target.is_some()
    }

    /// The topmost Via.
    pub fn via(&self) -> &Via<'a> {
        &self.via
    }

    /// Each Via value, the topmost first.
    pub fn vias(&self) -> impl Iterator<Item = &'a str> + use<'_, 'a> {
        self.values(Name::Via)
    }

    /// From.
    pub fn from(&self) -> &NameAddr<'a> {
        &self.from
    }

    /// To.
    pub fn to(&self) -> &NameAddr<'a> {
        &self.to
    }

    /// Call-ID.
    pub fn call_id(&self) -> &'a str {
        self.call_id
    }

    /// CSeq.
    pub fn cseq(&self) -> CSeq<'a> {
        self.cseq
    }

    /// Max-Forwards; RFC 2543 knew none.
    pub fn max_forwards(&self) -> Option<u8> {
        self.max_forwards
    }

    /// Start line and headers as they came, but unfolded.
    pub fn head(&self) -> &'a str {
        self.head
    }

    /// All header lines in order.
    pub fn lines(&self) -> impl Iterator<Item = Header<'a>> + use<'_, 'a> {
        self.slots.iter().map(|slot| slot.header(self.head))
    }

    /// The value of the first line with this name.
    pub fn header(&self, name: Name) -> Option<&'a str> {
        let first = usize::from(self.first[name as usize]);
        self.slots.get(first).map(|slot| slot.value(self.head))
    }

    /// The value of each line with this name.
    pub fn headers(&self, name: Name) -> impl Iterator<Item = &'a str> + use<'_, 'a> {
        let first = usize::from(self.first[name as usize]).min(self.slots.len());
        let lines = self.slots[first..].iter().filter(move |slot| slot.name == name);
        lines.map(|slot| slot.value(self.head))
    }

    /// Each value of a header that is a list; each line of one that is not.
    pub fn values(&self, name: Name) -> impl Iterator<Item = &'a str> + use<'_, 'a> {
        let is_list = name.kind() == Kind::List;
        let mut lines = self.headers(name);
        let mut rest: Option<&'a str> = None;
        std::iter::from_fn(move || {
            let line = rest.take().or_else(|| lines.next())?;
            if !is_list {
                return Some(line);
            }
            let (value, after) = split_list(line);
            rest = after;
            Some(value)
        })
    }

    /// The value of each line with this name, whatever it is; case does not count.
    pub fn named<'n>(&'n self, raw_name: &'n str) -> impl Iterator<Item = &'a str> + use<'n, 'a> {
        let lines = self.lines().filter(|line| line.raw_name.eq_ignore_ascii_case(raw_name));
        lines.map(|line| line.value)
    }

    /// Contact: `*` or addresses, up to [`super::MAX_CONTACTS`].
    pub fn contacts(&self) -> Result<Contacts<'a>, HeaderError> {
        let mut list = ArrayVec::new();
        let mut values = self.values(Name::Contact);
        while let Some(value) = values.next() {
            if value == "*" {
                let is_alone = list.is_empty() && values.next().is_none();
                return if is_alone { Ok(Contacts::Star) } else { Err(HeaderError::Star) };
            }
            let contact = NameAddr::parse(value)?;
            list.try_push(contact).map_err(|_| HeaderError::TooMany)?;
        }
        Ok(Contacts::List(list))
    }

    /// Each address of a header (Contact, Route, Record-Route, Path, P-Asserted-Identity, …).
    pub fn name_addrs(
        &self,
        name: Name,
    ) -> impl Iterator<Item = Result<NameAddr<'a>, HeaderError>> + use<'_, 'a> {
        self.values(name).map(NameAddr::parse)
    }

    /// Each Digest credential; other schemes are `Err(HeaderError::Scheme)`.
    pub fn credentials(
        &self,
        name: Name,
    ) -> impl Iterator<Item = Result<Credentials<'a>, HeaderError>> + use<'_, 'a> {
        self.headers(name).map(Credentials::parse)
    }

    /// Each Digest challenge; other schemes are `Err(HeaderError::Scheme)`.
    pub fn challenges(
        &self,
        name: Name,
    ) -> impl Iterator<Item = Result<Challenge<'a>, HeaderError>> + use<'_, 'a> {
        self.headers(name).map(Challenge::parse)
    }

    /// Is the option tag among the values (Supported, Require, …)? Case does not count.
    pub fn has_option(&self, name: Name, tag: &str) -> bool {
        self.values(name).any(|value| value.eq_ignore_ascii_case(tag))
    }

    /// Expires in seconds. A value that is no number is as none (RFC 3261 §20.19); one too large is the largest.
    pub fn expires(&self) -> Option<u32> {
        let value = self.header(Name::Expires)?;
        delta_seconds(value)
    }

    /// Content-Type.
    pub fn content_type(&self) -> Option<&'a str> {
        self.header(Name::ContentType)
    }

    /// Session-Expires.
    pub fn session_expires(&self) -> Option<Result<SessionExpires, HeaderError>> {
        self.read(Name::SessionExpires, read_session_expires)
    }

    /// Min-SE in seconds.
    pub fn min_se(&self) -> Option<Result<u32, HeaderError>> {
        self.read(Name::MinSe, read_delta)
    }

    /// RAck.
    pub fn rack(&self) -> Option<Result<RAck<'a>, HeaderError>> {
        self.read(Name::RAck, read_rack)
    }

    /// RSeq; never zero (RFC 3262 §7.1).
    pub fn rseq(&self) -> Option<Result<u32, HeaderError>> {
        let number = self.read(Name::RSeq, |scanner| read_number(scanner, u32::MAX))?;
        Some(number.and_then(|n| if n == 0 { Err(HeaderError::Range) } else { Ok(n) }))
    }

    fn read<T>(
        &self,
        name: Name,
        read: impl FnOnce(&mut Scanner<'a>) -> Result<T, super::error::Fault>,
    ) -> Option<Result<T, HeaderError>> {
        let value = self.header(name)?;
        Some(read(&mut Scanner::new(value)).map_err(|fault| fault.error))
    }
}

impl std::fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Message({:?}, {} bytes of body)", self.head, self.body.len())
    }
}

/// Seconds; too many are the most there can be, and what is no number is `None`.
pub fn delta_seconds(text: &str) -> Option<u32> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u32::MAX))
}
