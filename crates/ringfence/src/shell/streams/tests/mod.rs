//! Connections without a node.

mod frames;
mod layers;

use mio::net::TcpStream;
use sip::stream::Framer;

use super::connection::Framing;
use super::*;

/// A connection to somebody who says nothing.
fn connection() -> (Connection, std::net::TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
    let local = listener.local_addr().expect("an address");
    let stream = std::net::TcpStream::connect(local).expect("connected");
    stream.set_nonblocking(true).expect("it can");
    let (other, peer) = listener.accept().expect("connected");
    let connection = Connection {
        stream: TcpStream::from_std(stream),
        flow: Flow::tcp(local, peer, 1),
        secure: None,
        framing: Framing::Stream(Framer::new()),
        queue: Vec::new(),
        written: 0,
        is_open: true,
        was_opened: false,
        is_last: false,
        is_ending: false,
        owed: 0,
        finish_by: None,
        used: Tick(0),
        heard: Tick(0),
        asked: Tick(0),
    };
    (connection, other)
}

#[test]
fn a_broken_message_is_answered_once_however_much_follows() {
    let (mut connection, _other) = connection();
    let mut handed_over = 0;
    for bytes in [&b"OPTIONS sip:a SIP/2.0\r\nVia: x\nTo: y\r\n\r\n"[..], b"more", b"more"] {
        connection.take(bytes, Tick(0), &mut |_| handed_over += 1);
    }
    assert_eq!(handed_over, 1);
    assert!(connection.is_last && connection.is_ending);
}

#[test]
fn what_was_asked_before_a_stream_broke_is_answered() {
    let (mut connection, _other) = connection();
    let whole = "OPTIONS sip:a SIP/2.0\r\nVia: x\r\nContent-Length: 0\r\n\r\n";
    let mut handed_over = 0;
    let bytes = format!("{whole}more\r\n\r\n");
    connection.take(bytes.as_bytes(), Tick(0), &mut |_| handed_over += 1);
    assert_eq!(handed_over, 2);
    assert!(connection.is_last && !connection.is_ending);
    assert_eq!(connection.finish_by, Some(Tick(LINGER_MS * 1_000)));
}
