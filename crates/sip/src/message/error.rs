//! What can be wrong with a message, and where. Lives here: the faults of a message, of a header value and of a URI,
//! with the status that answers them. Never here: what is done about them.

use std::fmt;

use arrayvec::ArrayString;

use super::headers::Name;

/// What is wrong with a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// No scheme before a colon.
    #[error("no scheme")]
    Scheme,
    /// User part with a character that must be escaped, or none at all before `@`.
    #[error("bad user part")]
    User,
    /// Password with a character that must be escaped.
    #[error("bad password")]
    Password,
    /// No host, or not a host.
    #[error("bad host")]
    Host,
    /// Port that is not a number up to 65535.
    #[error("bad port")]
    Port,
    /// Parameter without a name, or with a character that must be escaped.
    #[error("bad parameter")]
    Parameter,
    /// The same parameter twice.
    #[error("parameter given twice")]
    Duplicate,
    /// `?` with something else than headers after it.
    #[error("bad headers")]
    Headers,
    /// `%` without two hexadecimal digits.
    #[error("bad escape")]
    Escape,
    /// A telephone number with something else than digits and separators.
    #[error("bad telephone number")]
    Number,
    /// A character that no URI may have.
    #[error("bad character")]
    Character,
}

/// What is wrong with a header value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Nothing there.
    #[error("is empty")]
    Empty,
    /// A token was expected.
    #[error("token expected")]
    Token,
    /// A quoted string without its end, or with a bad escape.
    #[error("quoted string does not end")]
    Quote,
    /// A display name with a character that needs quotes.
    #[error("display name needs quotes")]
    DisplayName,
    /// `<` without `>`, or a URI that needs them.
    #[error("`<` and `>` around the URI expected")]
    Bracket,
    /// Not `SIP/2.0/transport`.
    #[error("`SIP/2.0/` and a transport expected")]
    Protocol,
    /// Not a host.
    #[error("host expected")]
    Host,
    /// Not a port.
    #[error("port is not a number up to 65535")]
    Port,
    /// Not a number.
    #[error("number expected")]
    Number,
    /// A number too large, or too small.
    #[error("number out of range")]
    Range,
    /// A parameter without a name or with a bad value.
    #[error("parameter expected")]
    Parameter,
    /// The same parameter twice.
    #[error("parameter given twice")]
    Duplicate,
    /// A parameter that must be there is not.
    #[error("parameter missing")]
    Missing,
    /// An authentication scheme other than Digest.
    #[error("scheme is not Digest")]
    Scheme,
    /// A URI that is none.
    #[error("URI: {0}")]
    Uri(UriError),
    /// Something after the end of the value.
    #[error("end of value expected")]
    Trailing,
    /// `*` beside other values, or a parameter after it.
    #[error("`*` must stand alone")]
    Star,
    /// More values than are looked at.
    #[error("too many values")]
    TooMany,
}

/// A fault in a value and its byte offset there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub error: HeaderError,
    pub at: usize,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseErrorKind {
    /// Nothing but line ends.
    #[error("no message")]
    Empty,
    /// More than [`super::MAX_MESSAGE`] bytes.
    #[error("message too large")]
    TooLarge,
    /// Start line and headers of more than [`super::MAX_HEAD`] bytes.
    #[error("header section too large")]
    HeadTooLarge,
    /// More than [`super::MAX_HEADERS`] header lines.
    #[error("too many header lines")]
    TooManyHeaders,
    /// No empty line after the headers.
    #[error("header section does not end")]
    Truncated,
    /// LF without CR.
    #[error("line feed without carriage return")]
    BareLineFeed,
    /// CR without LF.
    #[error("carriage return without line feed")]
    BareCarriageReturn,
    /// NUL or another control character.
    #[error("control character")]
    Control,
    /// Not UTF-8.
    #[error("not UTF-8")]
    NotUtf8,
    /// Neither a request line nor a status line.
    #[error("request line or status line expected")]
    StartLine,
    /// A method that is no token.
    #[error("method expected")]
    Method,
    /// A Request-URI that is none.
    #[error("Request-URI: {0}")]
    RequestUri(UriError),
    /// A status that is not three digits from 100 to 699.
    #[error("status from 100 to 699 expected")]
    Status,
    /// A version of SIP that is not 2.0.
    #[error("version is not SIP/2.0")]
    Version,
    /// A header line without name and colon.
    #[error("header name and colon expected")]
    HeaderName,
    /// A mandatory header is not there.
    #[error("{} missing", .0.as_str())]
    Missing(Name),
    /// A header that may be there once is there twice.
    #[error("{} given twice", .0.as_str())]
    Duplicate(Name),
    /// A header value that is none.
    #[error("{name}: {1}", name = .0.as_str())]
    Header(Name, HeaderError),
    /// The methods of request line and CSeq differ.
    #[error("CSeq: method is not that of the request line")]
    MethodMismatch,
    /// Fewer bytes after the headers than Content-Length says.
    #[error("Content-Length: body is shorter")]
    BodyTooShort,
}

impl ParseErrorKind {
    /// The status that answers a request with this fault.
    pub const fn status(self) -> u16 {
        match self {
            ParseErrorKind::Version => 505,
            ParseErrorKind::TooLarge
            | ParseErrorKind::HeadTooLarge
            | ParseErrorKind::TooManyHeaders => 513,
            _ => 400,
        }
    }
}

/// A fault in a message and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What.
    pub kind: ParseErrorKind,
    /// In which line, from 1; folded lines count as they came.
    pub line: usize,
    /// At which byte of the message, from 0.
    pub at: usize,
    /// What was found there: printable, cut.
    found: ArrayString<24>,
}

impl ParseError {
    pub(crate) fn new(kind: ParseErrorKind, line: usize, at: usize, rest: &[u8]) -> ParseError {
        ParseError { kind, line, at, found: excerpt(rest) }
    }

    /// What was found at the place: the next word, printable, cut; empty at the end of a line.
    pub fn found(&self) -> &str {
        &self.found
    }

    /// The status that answers a request with this fault.
    pub const fn status(&self) -> u16 {
        self.kind.status()
    }
}

/// The first word of `rest`, at most 20 bytes, with other than printable ASCII as `?`.
fn excerpt(rest: &[u8]) -> ArrayString<24> {
    let mut found = ArrayString::new();
    for (i, &b) in rest.iter().take(20).enumerate() {
        match b {
            b'\r' | b'\n' => break,
            b' ' | b'\t' if i > 0 => break,
            0x20..=0x7e => found.push(char::from(b)),
            _ => found.push('?'),
        }
    }
    found
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.kind)?;
        match self.kind {
            ParseErrorKind::Missing(_) | ParseErrorKind::TooLarge | ParseErrorKind::Empty => Ok(()),
            _ if self.found.is_empty() => f.write_str(", found the end of the line"),
            _ => write!(f, ", found `{}`", self.found),
        }
    }
}

impl std::error::Error for ParseError {}
