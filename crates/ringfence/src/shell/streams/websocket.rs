//! SIP in WebSocket frames (RFC 7118). Lives here: the upgrade's place, frames in and out, pings and the
//! close. Never here: sockets, TLS, what messages say.

use std::io::{self, Read, Write};
use std::sync::Arc;

use sip::message::MAX_MESSAGE;
use tungstenite::Error;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Message, Role, WebSocketConfig};

use super::upgrade::{self, Answer};

/// Memory of a connection that says nothing is about this.
const BUFFER: usize = 2 * 1024;

/// What a peer sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// One SIP message, or what claims to be one.
    Message(Vec<u8>),
    /// Two line ends, to be answered with one (RFC 5626 §3.5.1, RFC 7118 §6).
    Ping,
    /// Nothing to answer: it lives.
    Pong,
}

/// The connection is over when what is queued is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended;

/// The server's side of one WebSocket.
pub struct WebSocket(State);

enum State {
    Upgrading { head: Vec<u8>, origins: Arc<[String]> },
    Open(Box<tungstenite::WebSocket<Pipe>>),
    Ended,
}

impl WebSocket {
    /// A connection on which the request to upgrade is awaited.
    pub fn new(origins: Arc<[String]>) -> WebSocket {
        WebSocket(State::Upgrading { head: Vec::new(), origins })
    }

    /// Takes what was read from the connection.
    pub fn push(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Upgrading { head, .. } => head.extend_from_slice(bytes),
            State::Open(socket) => socket.get_mut().push(bytes),
            State::Ended => {}
        }
    }

    /// What came next; what is to be said in answer goes to `out`.
    pub fn next(&mut self, out: &mut Vec<u8>) -> Result<Option<Incoming>, Ended> {
        if let State::Upgrading { head, origins } = &self.0 {
            match upgrade::judge(head, origins) {
                Answer::Wait => return Ok(None),
                Answer::Refuse(response) => {
                    out.extend_from_slice(response.as_bytes());
                    self.0 = State::Ended;
                }
                Answer::Open(response, length) => {
                    out.extend_from_slice(response.as_bytes());
                    self.0 = State::Open(Box::new(open(&head[length..])));
                }
            }
        }
        let State::Open(socket) = &mut self.0 else { return Err(Ended) };
        let read = socket.read();
        let incoming = match read {
            Ok(Message::Text(text)) => Ok(Some(sort(text.as_bytes()))),
            Ok(Message::Binary(bytes)) => Ok(Some(sort(&bytes))),
            Ok(_) => Ok(Some(Incoming::Pong)),
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => {
                // Only the close itself may follow, and it stays within us until it is taken.
                drop(socket.close(Some(CloseFrame { code: code_of(&error), reason: "".into() })));
                Err(Ended)
            }
        };
        // Answers to pings and the like; into memory, which always takes them.
        drop(socket.flush());
        out.append(&mut socket.get_mut().outgoing);
        if incoming.is_err() {
            self.0 = State::Ended;
        }
        incoming
    }

    /// Frames a message of ours.
    pub fn send(&mut self, message: &[u8], out: &mut Vec<u8>) {
        // Browsers hand over text as text; RFC 7118 §5 allows both.
        self.write(
            out,
            match std::str::from_utf8(message) {
                Ok(text) => Message::text(text),
                Err(_) => Message::binary(message.to_vec()),
            },
        );
    }

    /// Asks whether the peer is there, so that what stands between keeps the connection.
    pub fn ping(&mut self, out: &mut Vec<u8>) {
        self.write(out, Message::Ping(Vec::new().into()));
    }

    fn write(&mut self, out: &mut Vec<u8>, message: Message) {
        let State::Open(socket) = &mut self.0 else { return };
        // A socket that is closing takes nothing more; it ends with its next read.
        drop(socket.send(message));
        out.append(&mut socket.get_mut().outgoing);
    }

    /// Does the peer wait for the end of the upgrade?
    pub fn is_upgrading(&self) -> bool {
        matches!(self.0, State::Upgrading { .. })
    }
}

fn open(rest: &[u8]) -> tungstenite::WebSocket<Pipe> {
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let mut pipe = Pipe::default();
    pipe.push(rest);
    tungstenite::WebSocket::from_raw_socket(pipe, Role::Server, Some(config))
}

fn sort(bytes: &[u8]) -> Incoming {
    match bytes {
        b"\r\n\r\n" => Incoming::Ping,
        b"\r\n" | b"" => Incoming::Pong,
        message => Incoming::Message(message.to_vec()),
    }
}

/// RFC 6455 §7.4.1.
fn code_of(error: &Error) -> CloseCode {
    match error {
        Error::Capacity(_) => CloseCode::Size,
        Error::Utf8(_) => CloseCode::Invalid,
        Error::Protocol(_) => CloseCode::Protocol,
        _ => CloseCode::Normal,
    }
}

/// Bytes in, bytes out: what tungstenite takes for a socket.
#[derive(Default)]
struct Pipe {
    incoming: Vec<u8>,
    read: usize,
    outgoing: Vec<u8>,
}

impl Pipe {
    fn push(&mut self, bytes: &[u8]) {
        self.incoming.extend_from_slice(bytes);
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.incoming[self.read..];
        if rest.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.read += count;
        if self.read == self.incoming.len() {
            (self.incoming, self.read) = (Vec::new(), 0);
        }
        Ok(count)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.outgoing.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
