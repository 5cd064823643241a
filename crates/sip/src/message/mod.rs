//! SIP messages: bounded, zero-copy, strict. Lives here: reading and printing. Never here: transactions, dialogs,
//! sockets, memory of earlier messages.
//!
//! `parse` finds lines and reads what every message must have; every other header is read when it is asked for. What is
//! malformed is refused with its place, and nothing is ever read in two ways.

mod auth;
mod describe;
mod error;
mod headers;
#[expect(clippy::module_inception, reason = "the type gives the room its name")]
mod message;
mod method;
mod name_addr;
mod params;
mod parse;
pub mod print;
mod reply;
mod scan;
mod start_line;
mod uri;
mod values;
mod via;

pub use auth::{Challenge, Credentials};
pub use describe::{
    BodyDescription, Description, HeaderDescription, ParamDescription, Part, StartDescription,
    UriDescription, describe,
};
pub use error::{HeaderError, ParseError, ParseErrorKind, UriError};
pub use headers::{Kind, Name};
pub use message::{Message, delta_seconds};
pub use method::Method;
pub use name_addr::{Contacts, MAX_CONTACTS, NameAddr};
pub use params::{Param, Params};
pub use reply::{ReplyHead, Salvaged, reply_stateless, salvage};
pub use uri::{Scheme, Uri, decode, host_ip};
pub use values::{CSeq, MediaType, RAck, Refresher, SessionExpires, media_type};
pub use via::Via;

/// Most bytes of a message.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// Most bytes of start line and headers, the empty line included.
pub const MAX_HEAD: usize = 16 * 1024;

/// Most header lines.
pub const MAX_HEADERS: usize = 128;

/// How a message came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Alone in a datagram: its end is the end of the body, if Content-Length says no less.
    Datagram,
    /// Cut out of a stream by Content-Length.
    Stream,
}

/// Request line or status line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine<'a> {
    /// `INVITE sip:… SIP/2.0`
    Request {
        /// What is asked.
        method: Method<'a>,
        /// Of whom.
        uri: &'a str,
    },
    /// `SIP/2.0 200 OK`
    Response {
        /// 100 to 699.
        status: u16,
        /// For people.
        reason: &'a str,
    },
}

/// One header line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Which.
    pub name: Name,
    /// As it came.
    pub raw_name: &'a str,
    /// Unfolded, without white space at both ends.
    pub value: &'a str,
}
