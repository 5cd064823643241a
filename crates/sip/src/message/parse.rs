//! One message, from bytes to parts. Lives here: lines, folding, the start line, and the headers without which there
//! is no message. Never here: what other headers mean; they are read when somebody asks.
//!
//! One pass finds the lines, unfolds them in place and remembers where each header is. Nothing is allocated.

use arrayvec::ArrayVec;

use super::error::{Fault, ParseError, ParseErrorKind};
use super::headers::{Kind, NAMES, Name};
use super::message::{Message, Slot};
use super::name_addr::{NameAddr, read_name_addr};
use super::scan::{self, Scanner, TOKEN};
use super::start_line::read_start_line;
use super::uri::Uri;
use super::values::{CSeq, check_call_id, read_cseq, read_number};
use super::via::{Via, read_via};
use super::{MAX_HEAD, MAX_HEADERS, MAX_MESSAGE, Origin, StartLine};

/// Most bytes from the start of a header line to its colon.
const MAX_NAME: usize = 255;

/// What the first pass found: offsets, so that the bytes can be unfolded meanwhile.
struct Lines {
    /// Start line.
    start: (usize, usize),
    /// Number of the start line, from 1.
    start_line: usize,
    /// First byte of the body.
    body: usize,
    /// Number of the empty line.
    end_line: usize,
    slots: ArrayVec<Slot, MAX_HEADERS>,
    /// Number of each header line, for faults.
    numbers: ArrayVec<u16, MAX_HEADERS>,
    /// First slot by name.
    first: [u8; NAMES],
}

/// A fault by kind, place and line.
struct Place(ParseErrorKind, usize, usize);

impl Lines {
    fn new() -> Lines {
        Lines {
            start: (0, 0),
            start_line: 1,
            body: 0,
            end_line: 0,
            slots: ArrayVec::new(),
            numbers: ArrayVec::new(),
            first: [u8::MAX; NAMES],
        }
    }
}

pub(super) fn parse(bytes: &mut [u8], origin: Origin) -> Result<Message<'_>, ParseError> {
    let mut lines = Lines::new();
    let found = find_lines(bytes, &mut lines);
    let bytes: &[u8] = bytes;
    let error = |Place(kind, at, line)| {
        ParseError::new(kind, line, at, bytes.get(at..).unwrap_or_default())
    };
    found.map_err(error)?;
    let head = std::str::from_utf8(&bytes[..lines.body]).map_err(|utf8| {
        let at = utf8.valid_up_to();
        error(Place(ParseErrorKind::NotUtf8, at, line_of(&lines, at)))
    })?;
    let parts = read(head, &bytes[lines.body..], &lines, origin).map_err(error)?;
    Ok(Message {
        start: parts.start,
        body: parts.body,
        length: bytes.len(),
        head,
        target: parts.target,
        via: parts.via,
        from: parts.from,
        to: parts.to,
        call_id: parts.call_id,
        cseq: parts.cseq,
        max_forwards: parts.max_forwards,
        first: lines.first,
        // A copy of the slots in use is cheaper than moving all of them.
        slots: lines.slots.iter().copied().collect(),
    })
}

/// The line of an offset, for a fault.
fn line_of(lines: &Lines, at: usize) -> usize {
    let before = lines.slots.iter().rposition(|slot| usize::from(slot.name_at) <= at);
    before.map_or(lines.start_line, |index| lines.numbers[index].into())
}

/// Splits the header section into lines; folded lines become one (RFC 3261 §7.3.1).
fn find_lines(bytes: &mut [u8], lines: &mut Lines) -> Result<(), Place> {
    if bytes.len() > MAX_MESSAGE {
        return Err(Place(ParseErrorKind::TooLarge, MAX_MESSAGE, 1));
    }
    let limit = bytes.len().min(MAX_HEAD);
    let end_missing = match limit < bytes.len() {
        true => ParseErrorKind::HeadTooLarge,
        false => ParseErrorKind::Truncated,
    };
    // RFC 3261 §7.5: line ends before the start line are overlooked.
    let mut from = 0;
    while bytes[from..limit].starts_with(b"\r\n") {
        from += 2;
    }
    let start_line = from / 2 + 1;
    if from == bytes.len() {
        return Err(Place(ParseErrorKind::Empty, from, start_line));
    }
    lines.start_line = start_line;
    let (mut line, mut line_here) = (start_line, start_line);
    // Has the line a control character after a backslash?
    let mut has_escaped = false;
    let mut at = from;
    loop {
        at = scan::find_control(&bytes[..limit], at);
        if at >= limit {
            return Err(Place(end_missing, limit, line_here));
        }
        let is_start = lines.start.1 == 0;
        match (bytes[at], bytes[..limit].get(at + 1)) {
            (b'\t', _) => {
                at += 1;
                continue;
            }
            (b'\r', Some(b'\n')) => {}
            (b'\r', None) => return Err(Place(end_missing, limit, line_here)),
            (b'\r', _) => return Err(Place(ParseErrorKind::BareCarriageReturn, at, line_here)),
            (b'\n', _) => return Err(Place(ParseErrorKind::BareLineFeed, at, line_here)),
            // RFC 3261 §25.1 quoted-pair: in a quoted string any character but CR and LF may be escaped.
            _ if at > from && bytes[at - 1] == b'\\' && !is_start => {
                (has_escaped, at) = (true, at + 1);
                continue;
            }
            _ => return Err(Place(ParseErrorKind::Control, at, line_here)),
        }
        let next = at + 2;
        line_here += 1;
        if at == from {
            (lines.body, lines.end_line) = (next, line);
            return Ok(());
        }
        if let Some(b' ' | b'\t') = bytes[..limit].get(next) {
            // RFC 3261 §25.1 HCOLON: a line may be folded after the colon, not before.
            let name_end = at.min(from + MAX_NAME + 1);
            if is_start || !bytes[from..name_end].contains(&b':') {
                return Err(Place(ParseErrorKind::HeaderName, next, line_here));
            }
            bytes[at..=next].fill(b' ');
            at = next + 1;
            continue;
        }
        if std::mem::take(&mut has_escaped)
            && let Some(bare) = find_bare_control(&bytes[from..at])
        {
            return Err(Place(ParseErrorKind::Control, from + bare, line));
        }
        match is_start {
            true => lines.start = (from, at),
            false => add_header(lines, bytes, from, at, line)?,
        }
        (from, line, at) = (next, line_here, next);
    }
}

/// The first control character that is not escaped in a quoted string.
fn find_bare_control(line: &[u8]) -> Option<usize> {
    let mut in_quotes = false;
    let mut at = 0;
    while let Some(&byte) = line.get(at) {
        match byte {
            b'"' => in_quotes = !in_quotes,
            b'\\' if in_quotes => at += 1,
            b'\t' => {}
            0..0x20 | 0x7f => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// Remembers the header in `bytes[from..to]`.
fn add_header(
    lines: &mut Lines,
    bytes: &[u8],
    from: usize,
    to: usize,
    line: usize,
) -> Result<(), Place> {
    let bad_name = Err(Place(ParseErrorKind::HeaderName, from, line));
    let text = &bytes[from..to];
    let name_len = text.iter().position(|&b| !scan::is(TOKEN, b)).unwrap_or(0);
    // RFC 3261 §25.1 HCOLON: white space may stand before the colon.
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t');
    let blanks = text[name_len..].iter().take_while(|&b| is_blank(b)).count();
    let colon = name_len + blanks;
    if name_len == 0 || colon > MAX_NAME || text.get(colon) != Some(&b':') {
        return bad_name;
    }
    let value = &text[colon + 1..];
    let leading = value.iter().take_while(|&b| is_blank(b)).count();
    let value = &value[leading..];
    let trailing = value.iter().rev().take_while(|&b| is_blank(b)).count();
    let value_at = from + colon + 1 + leading;
    let value_len = value.len() - trailing;
    let name = Name::find(&text[..name_len]);
    let index = lines.slots.len() as u8;
    let first = &mut lines.first[name as usize];
    if *first == u8::MAX {
        *first = index;
    } else if name.kind() == Kind::One {
        return Err(Place(ParseErrorKind::Duplicate(name), from, line));
    }
    let slot = Slot {
        name,
        name_len: name_len as u8,
        name_at: from as u16,
        value_at: value_at as u16,
        value_len: value_len as u16,
    };
    let too_many = |_| Place(ParseErrorKind::TooManyHeaders, from, line);
    lines.numbers.try_push(line as u16).map_err(too_many)?;
    lines.slots.push(slot);
    Ok(())
}

/// What every message has.
struct Parts<'a> {
    start: StartLine<'a>,
    body: &'a [u8],
    target: Option<Uri<'a>>,
    via: Via<'a>,
    from: NameAddr<'a>,
    to: NameAddr<'a>,
    call_id: &'a str,
    cseq: CSeq<'a>,
    max_forwards: Option<u8>,
}

/// Reads start line and mandatory headers, then cuts the body.
fn read<'a>(
    head: &'a str,
    rest: &'a [u8],
    lines: &Lines,
    origin: Origin,
) -> Result<Parts<'a>, Place> {
    let (from, to) = lines.start;
    let (start, target) = read_start_line(&head[from..to])
        .map_err(|(kind, at)| Place(kind, from + at, lines.start_line))?;
    let reader = Reader { head, lines };
    let via = reader.vias()?;
    let from = reader.must(Name::From, read_name_addr)?;
    let to = reader.must(Name::To, read_name_addr)?;
    let call_id = reader
        .must(Name::CallId, |scanner| check_call_id(scanner.rest()).map(|()| scanner.rest()))?;
    let cseq: CSeq<'a> = reader.must(Name::CSeq, read_cseq)?;
    let max_forwards = reader.may(Name::MaxForwards, |scanner| read_number(scanner, 255))?;
    if let StartLine::Request { method, .. } = start
        && method != cseq.method
    {
        return Err(reader.fault(Name::CSeq, 0, ParseErrorKind::MethodMismatch));
    }
    let body = reader.body(rest, origin)?;
    Ok(Parts {
        start,
        body,
        target,
        via,
        from,
        to,
        call_id,
        cseq,
        max_forwards: max_forwards.map(|hops| hops as u8),
    })
}

/// Reads headers and knows where they are.
struct Reader<'a, 'l> {
    head: &'a str,
    lines: &'l Lines,
}

impl<'a> Reader<'a, '_> {
    fn slot(&self, name: Name) -> Option<&Slot> {
        self.lines.slots.get(usize::from(self.lines.first[name as usize]))
    }

    fn read<T>(
        &self,
        slot: &Slot,
        read: impl FnOnce(&mut Scanner<'a>) -> Result<T, Fault>,
    ) -> Result<T, Place> {
        read(&mut Scanner::new(slot.value(self.head))).map_err(|Fault { error, at }| {
            let at = usize::from(slot.value_at) + at;
            Place(ParseErrorKind::Header(slot.name, error), at, line_of(self.lines, at))
        })
    }

    fn may<T>(
        &self,
        name: Name,
        read: impl FnOnce(&mut Scanner<'a>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Place> {
        self.slot(name).map(|slot| self.read(slot, read)).transpose()
    }

    fn must<T>(
        &self,
        name: Name,
        read: impl FnOnce(&mut Scanner<'a>) -> Result<T, Fault>,
    ) -> Result<T, Place> {
        self.may(name, read)?.ok_or_else(|| self.missing(name))
    }

    /// A fault at byte `at` of the first value of `name`, which is there.
    fn fault(&self, name: Name, at: usize, kind: ParseErrorKind) -> Place {
        let at = at + self.slot(name).map_or(0, |slot| usize::from(slot.value_at));
        Place(kind, at, line_of(self.lines, at))
    }

    /// The empty line is the place of what should have come before it.
    fn missing(&self, name: Name) -> Place {
        let end = self.lines.body.saturating_sub(2);
        Place(ParseErrorKind::Missing(name), end, self.lines.end_line)
    }

    /// All Via values are read, so that none further down is malformed; the topmost is kept.
    fn vias(&self) -> Result<Via<'a>, Place> {
        let mut top = None;
        let first = usize::from(self.lines.first[Name::Via as usize]);
        for slot in self.lines.slots.iter().skip(first).filter(|slot| slot.name == Name::Via) {
            self.read(slot, |scanner| {
                loop {
                    let via = read_via(scanner)?;
                    top.get_or_insert(via);
                    if !scanner.eat(b',') {
                        return scanner.end();
                    }
                }
            })?;
        }
        top.ok_or_else(|| self.missing(Name::Via))
    }

    /// The body: as long as Content-Length says; without one, all that came in a datagram, or nothing of a stream.
    fn body(&self, rest: &'a [u8], origin: Origin) -> Result<&'a [u8], Place> {
        let len = self.may(Name::ContentLength, |scanner| read_number(scanner, u32::MAX))?;
        match (len, origin) {
            (Some(len), _) => rest
                .get(..len as usize)
                .ok_or_else(|| self.fault(Name::ContentLength, 0, ParseErrorKind::BodyTooShort)),
            (None, Origin::Datagram) => Ok(rest),
            // RFC 3261 §18.3: on a stream it must be there.
            (None, Origin::Stream) => Err(self.missing(Name::ContentLength)),
        }
    }
}

#[cfg(test)]
mod tests;
