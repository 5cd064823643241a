//! WebSocket without a socket.

use std::io::{Read, Write};

use sip::message::MAX_MESSAGE;
use tungstenite::Message;
use tungstenite::protocol::Role;

use super::super::websocket::{Ended, Incoming, WebSocket};

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: sip\r\n\r\n";

/// What a client writes, and what it is given to read.
#[derive(Default)]
struct Ends {
    written: Vec<u8>,
    to_read: Vec<u8>,
}

impl Read for Ends {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.to_read.len().min(buffer.len());
        if count == 0 {
            return Err(std::io::ErrorKind::WouldBlock.into());
        }
        buffer[..count].copy_from_slice(&self.to_read[..count]);
        self.to_read.drain(..count);
        Ok(count)
    }
}

impl Write for Ends {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.written.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A client whose upgrade was taken, and our side.
fn pair() -> (tungstenite::WebSocket<Ends>, WebSocket) {
    let mut web = WebSocket::new(Vec::new().into());
    let mut out = Vec::new();
    // In two parts: the first is no request yet.
    let (first, second) = UPGRADE.split_at(40);
    web.push(first.as_bytes());
    assert_eq!(web.next(&mut out), Ok(None));
    assert!(web.is_upgrading() && out.is_empty());
    web.push(second.as_bytes());
    assert_eq!(web.next(&mut out), Ok(None));
    assert!(!web.is_upgrading() && out.starts_with(b"HTTP/1.1 101 "));
    (tungstenite::WebSocket::from_raw_socket(Ends::default(), Role::Client, None), web)
}

/// What the client sends, as it is written.
fn sent(client: &mut tungstenite::WebSocket<Ends>, message: Message) -> Vec<u8> {
    client.send(message).expect("into memory");
    std::mem::take(&mut client.get_mut().written)
}

#[test]
fn a_message_a_frame_however_it_is_cut() {
    let (mut client, mut web) = pair();
    let text = "OPTIONS sip:h SIP/2.0\r\n\r\n";
    let mut bytes = sent(&mut client, Message::text(text));
    bytes.extend(sent(&mut client, Message::binary(b"\xff\xfe".to_vec())));
    bytes.extend(sent(&mut client, Message::text("\r\n\r\n")));
    bytes.extend(sent(&mut client, Message::text("\r\n")));
    let want = [
        Incoming::Message(text.as_bytes().to_vec()),
        Incoming::Message(vec![0xff, 0xfe]),
        Incoming::Ping,
        Incoming::Pong,
    ];
    for step in [1, 7, bytes.len()] {
        let (_, mut fresh) = pair();
        let (mut got, mut out) = (Vec::new(), Vec::new());
        for part in bytes.chunks(step) {
            fresh.push(part);
            while let Some(incoming) = fresh.next(&mut out).expect("good frames") {
                got.push(incoming);
            }
        }
        assert_eq!(got, want, "in steps of {step}");
        assert!(out.is_empty());
    }
    // And the other way.
    let mut out = Vec::new();
    web.send(b"SIP/2.0 200 OK\r\n\r\n", &mut out);
    web.send(b"\xff", &mut out);
    client.get_mut().to_read = out;
    assert_eq!(client.read().expect("a frame"), Message::text("SIP/2.0 200 OK\r\n\r\n"));
    assert_eq!(client.read().expect("a frame"), Message::binary(b"\xff".to_vec()));
}

#[test]
fn pings_and_the_close_are_answered() {
    let (mut client, mut web) = pair();
    let mut out = Vec::new();
    web.push(&sent(&mut client, Message::Ping(b"x".to_vec().into())));
    assert_eq!(web.next(&mut out), Ok(Some(Incoming::Pong)));
    assert_eq!(web.next(&mut out), Ok(None));
    client.get_mut().to_read = std::mem::take(&mut out);
    assert_eq!(client.read().expect("a frame"), Message::Pong(b"x".to_vec().into()));
    web.ping(&mut out);
    client.get_mut().to_read = std::mem::take(&mut out);
    assert!(matches!(client.read(), Ok(Message::Ping(_))));
    web.push(&sent(&mut client, Message::Close(None)));
    let ended =
        std::iter::from_fn(|| Some(web.next(&mut out))).take(3).any(|next| next == Err(Ended));
    assert!(ended);
    client.get_mut().to_read = std::mem::take(&mut out);
    assert!(matches!(client.read(), Ok(Message::Close(_))));
    web.send(b"too late", &mut out);
    assert!(out.is_empty());
}

#[test]
fn what_is_too_large_or_no_frame_ends_it() {
    fn check(bytes: &[u8], code: u16) {
        let (mut client, mut web) = pair();
        let mut out = Vec::new();
        web.push(bytes);
        assert_eq!(web.next(&mut out), Err(Ended));
        client.get_mut().to_read = out;
        match client.read() {
            Ok(Message::Close(Some(frame))) => assert_eq!(u16::from(frame.code), code),
            other => panic!("{other:?}"),
        }
        assert_eq!(web.next(&mut Vec::new()), Err(Ended), "and stays so");
    }
    let (mut client, mut web) = pair();
    let large = |length| Message::binary(vec![b'x'; length]);
    check(&sent(&mut client, large(MAX_MESSAGE + 1)), 1_009);
    let mut out = Vec::new();
    web.push(&sent(&mut client, large(MAX_MESSAGE)));
    assert!(
        matches!(web.next(&mut out), Ok(Some(Incoming::Message(bytes))) if bytes.len() == MAX_MESSAGE)
    );
    // The head alone says so; nothing is reserved for what it promises.
    check(&[0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4], 1_009);
    // A frame that is not masked, reserved bits, an opcode that nobody knows.
    check(&[0x81, 0x01, b'x'], 1_002);
    check(&[0xf1, 0x81, 1, 2, 3, 4, b'x'], 1_002);
    check(&[0x83, 0x81, 1, 2, 3, 4, b'x'], 1_002);
    // Text that is not UTF-8.
    check(&[0x81, 0x81, 0, 0, 0, 0, 0xff], 1_007);
    // Many small parts of one message.
    let mut parts = vec![0x02, 0xfe, 0x40, 0x00, 0, 0, 0, 0];
    parts.extend([b'x'; 0x4000]);
    for _ in 0..4 {
        parts.extend([0x00, 0xfe, 0x40, 0x00, 0, 0, 0, 0]);
        parts.extend([b'x'; 0x4000]);
    }
    check(&parts, 1_009);
}
