//! Bodies, looked at and passed on untouched. Lives here: what kind of body it is, how deep and how much. Never here:
//! changing one, codecs, media addresses.

use arrayvec::ArrayVec;

use crate::message::{HeaderError, Name, media_type};

/// Most parts of a multipart body, those of inner ones included.
pub const MAX_PARTS: usize = 16;

/// How deep multiparts may stand in each other.
pub const MAX_DEPTH: usize = 3;

/// Most `m=` lines of a session.
pub const MAX_MEDIA: usize = 64;

/// Most lines of a session.
pub const MAX_SDP_LINES: usize = 2_000;

/// Which way media flow, as the sender of the session sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum MediaDirection {
    /// Both ways.
    #[default]
    SendRecv,
    /// Only from the sender: the other side is on hold.
    SendOnly,
    /// Only to the sender.
    RecvOnly,
    /// Not at all.
    Inactive,
}

/// What a session description offers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// Its `m=` lines.
    pub media: u8,
    /// Those with a port, that is, not refused.
    pub active_media: u8,
    /// Which way the first active medium flows.
    pub direction: MediaDirection,
    /// Does it put the other side on hold? By direction, or by the address 0.0.0.0 as RFC 2543 did.
    pub is_hold: bool,
}

/// What a body is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodySummary {
    /// The first session description in it.
    pub session: Option<Session>,
    /// Parts of a multipart, all levels together; 1 for any other body, 0 for none.
    pub parts: u8,
    /// How deep multiparts stand in each other; 0 for none.
    pub depth: u8,
}

/// Why a body is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// A body without Content-Type: nobody knows what it is.
    #[error("Content-Type missing")]
    NoContentType,
    /// A Content-Type that is none, or a multipart without boundary.
    #[error("Content-Type: {0}")]
    ContentType(HeaderError),
    /// No boundary line where one must be.
    #[error("multipart does not end with its boundary")]
    Boundary,
    /// Multiparts deeper than [`MAX_DEPTH`].
    #[error("multipart too deep")]
    TooDeep,
    /// More parts than [`MAX_PARTS`].
    #[error("too many parts")]
    TooManyParts,
    /// A line of a session description that is none: number from 1.
    #[error("SDP line {0} is not `letter=value`")]
    SdpLine(usize),
    /// A session description that does not begin with `v=0`.
    #[error("SDP does not begin with v=0")]
    SdpVersion,
    /// More lines or media than are looked at.
    #[error("SDP too long")]
    SdpTooLong,
}

/// Looks at a body. Content-Type is that of the message; the body is all of it.
pub fn inspect(content_type: Option<&str>, body: &[u8]) -> Result<BodySummary, BodyError> {
    if body.is_empty() {
        return Ok(BodySummary::default());
    }
    let content_type = content_type.ok_or(BodyError::NoContentType)?;
    match kind_of(content_type)? {
        Kind::Session => {
            let session = Some(read_session(body)?);
            Ok(BodySummary { session, parts: 1, depth: 0 })
        }
        Kind::Multipart(boundary) => read_multipart(boundary, body),
        Kind::Other => Ok(BodySummary { session: None, parts: 1, depth: 0 }),
    }
}

/// What a Content-Type says.
enum Kind<'a> {
    Session,
    Multipart(&'a str),
    Other,
}

fn kind_of(content_type: &str) -> Result<Kind<'_>, BodyError> {
    let media = media_type(content_type).map_err(BodyError::ContentType)?;
    if media.is("application", "sdp") {
        return Ok(Kind::Session);
    }
    if !media.kind.eq_ignore_ascii_case("multipart") {
        return Ok(Kind::Other);
    }
    let boundary = media.params.value("boundary").filter(|b| (1..=70).contains(&b.len()));
    boundary.map(Kind::Multipart).ok_or(BodyError::ContentType(HeaderError::Missing))
}

/// Walks over the lines once. Inner multiparts are kept on a stack of boundaries, so that nothing calls itself.
fn read_multipart<'a>(boundary: &'a str, body: &'a [u8]) -> Result<BodySummary, BodyError> {
    let mut open: ArrayVec<Level<'a>, MAX_DEPTH> = ArrayVec::new();
    open.push(Level::new(boundary));
    let mut summary = BodySummary { session: None, parts: 0, depth: 1 };
    let mut part: Option<Part<'a>> = None;
    let mut at = 0;
    while at < body.len() {
        let (line, next) = line_at(body, at);
        let delimiter = open.iter().rposition(|level| level.delimiter(line).is_some());
        let Some(level) = delimiter else {
            if let Some(part) = &mut part
                && let Some(inner) = part.take_line(line, next)?
            {
                open.try_push(Level::new(inner)).map_err(|_| BodyError::TooDeep)?;
                summary.depth = summary.depth.max(open.len() as u8);
            }
            at = next;
            continue;
        };
        if let Some(part) = part.take() {
            part.finish(body, at, &mut summary)?;
        }
        // An outer boundary ends the inner ones, even those without their own end (RFC 2046 §5.1.2).
        open.truncate(level + 1);
        let is_last = open[level].delimiter(line) == Some(true);
        open[level].is_closed = is_last;
        part = (!is_last).then(Part::default);
        at = next;
    }
    match open.first() {
        Some(outer) if outer.is_closed => Ok(summary),
        _ => Err(BodyError::Boundary),
    }
}

/// A multipart that is being read.
struct Level<'a> {
    boundary: &'a str,
    is_closed: bool,
}

impl<'a> Level<'a> {
    fn new(boundary: &'a str) -> Level<'a> {
        Level { boundary, is_closed: false }
    }

    /// Is the line this boundary: `Some(false)`, or its last: `Some(true)`?
    fn delimiter(&self, line: &[u8]) -> Option<bool> {
        if self.is_closed {
            return None;
        }
        let after = line.strip_prefix(b"--")?.strip_prefix(self.boundary.as_bytes())?;
        match after.trim_ascii_end() {
            b"" => Some(false),
            b"--" => Some(true),
            _ => None,
        }
    }
}

/// A part that is being read.
#[derive(Default)]
struct Part<'a> {
    /// Where its body begins, once its headers are over.
    body_at: Option<usize>,
    content_type: Option<&'a str>,
}

impl<'a> Part<'a> {
    /// Takes a line of headers; returns the boundary when the headers are over and an inner multipart begins.
    fn take_line(&mut self, line: &'a [u8], next: usize) -> Result<Option<&'a str>, BodyError> {
        if self.body_at.is_some() {
            return Ok(None);
        }
        if !line.is_empty() {
            if let Some(colon) = line.iter().position(|&b| b == b':')
                && Name::find(line[..colon].trim_ascii_end()) == Name::ContentType
            {
                self.content_type = std::str::from_utf8(line[colon + 1..].trim_ascii()).ok();
            }
            return Ok(None);
        }
        self.body_at = Some(next);
        match self.content_type.map(kind_of).transpose()? {
            Some(Kind::Multipart(boundary)) => Ok(Some(boundary)),
            _ => Ok(None),
        }
    }

    /// Counts the part, which ends before the delimiter line at `end`.
    fn finish(self, body: &[u8], end: usize, summary: &mut BodySummary) -> Result<(), BodyError> {
        if usize::from(summary.parts) == MAX_PARTS {
            return Err(BodyError::TooManyParts);
        }
        summary.parts += 1;
        let kind = self.content_type.map(kind_of).transpose()?;
        if let (Some(Kind::Session), Some(from), None) = (kind, self.body_at, summary.session) {
            summary.session = Some(read_session(&body[from.min(end)..end])?);
        }
        Ok(())
    }
}

/// The line from `at`, without its end, and where the next begins.
fn line_at(body: &[u8], at: usize) -> (&[u8], usize) {
    let rest = &body[at..];
    let (line, next) = match rest.iter().position(|&b| b == b'\n') {
        Some(end) => (&rest[..end], at + end + 1),
        None => (rest, body.len()),
    };
    (line.strip_suffix(b"\r").unwrap_or(line), next)
}

/// What lines of one level (the session, or one medium) say.
#[derive(Clone, Copy, Default)]
struct Said {
    direction: Option<MediaDirection>,
    /// Was there a `c=` line, and was its address 0.0.0.0?
    is_zero: Option<bool>,
}

impl Said {
    fn take(&mut self, letter: u8, value: &[u8]) {
        match (letter, value) {
            (b'a', b"sendrecv") => self.direction = Some(MediaDirection::SendRecv),
            (b'a', b"sendonly") => self.direction = Some(MediaDirection::SendOnly),
            (b'a', b"recvonly") => self.direction = Some(MediaDirection::RecvOnly),
            (b'a', b"inactive") => self.direction = Some(MediaDirection::Inactive),
            (b'c', address) => self.is_zero = Some(address == b"IN IP4 0.0.0.0"),
            _ => {}
        }
    }
}

/// Reads a session description (RFC 8866). Line ends may lack their CR, as that RFC says.
fn read_session(body: &[u8]) -> Result<Session, BodyError> {
    let mut session = Session::default();
    let mut common = Said::default();
    // What is said of the first active medium.
    let mut first: Option<Said> = None;
    // Is the line at hand of that medium?
    let mut is_in_first = false;
    let (mut at, mut number) = (0, 0);
    let end = body.trim_ascii_end().len();
    while at < end {
        let (line, next) = line_at(&body[..end], at);
        (at, number) = (next, number + 1);
        let (letter, value) = match line {
            [letter, b'=', value @ ..] if letter.is_ascii_lowercase() => (*letter, value),
            _ => return Err(BodyError::SdpLine(number)),
        };
        match (number, letter) {
            (1, _) if line != b"v=0" => return Err(BodyError::SdpVersion),
            (MAX_SDP_LINES.., _) => return Err(BodyError::SdpTooLong),
            (_, b'm') => {
                let is_active = read_medium(value, &mut session, number)?;
                is_in_first = is_active && first.is_none();
                if is_in_first {
                    first = Some(Said::default());
                }
            }
            _ if session.media == 0 => common.take(letter, value),
            _ if is_in_first => first.iter_mut().for_each(|said| said.take(letter, value)),
            _ => {}
        }
    }
    if number == 0 {
        return Err(BodyError::SdpVersion);
    }
    let said = first.unwrap_or_default();
    session.direction = said.direction.or(common.direction).unwrap_or_default();
    let is_zero = said.is_zero.or(common.is_zero).unwrap_or(false);
    session.is_hold =
        is_zero || matches!(session.direction, MediaDirection::SendOnly | MediaDirection::Inactive);
    Ok(session)
}

/// Counts an `m=` line; is the medium in use, that is, has it a port?
fn read_medium(value: &[u8], session: &mut Session, number: usize) -> Result<bool, BodyError> {
    if usize::from(session.media) == MAX_MEDIA {
        return Err(BodyError::SdpTooLong);
    }
    let port = value.split(|&b| b == b' ').nth(1).unwrap_or_default();
    let port = port.split(|&b| b == b'/').next().unwrap_or_default();
    if port.is_empty() || !port.iter().all(u8::is_ascii_digit) {
        return Err(BodyError::SdpLine(number));
    }
    let is_active = port.iter().any(|&digit| digit != b'0');
    session.media += 1;
    session.active_media += u8::from(is_active);
    Ok(is_active)
}

#[cfg(test)]
mod tests;
