//! A small blocking SIP client for tests. Lives here: wires, messages as text, one phone.
//! Never here: a line of `crates/sip`; nor cleverness: a test says byte for byte what it sends when it wants to.

pub mod carrier;
pub mod crowd;
pub mod flood;
pub mod honest;
pub mod message;
pub mod phone;
pub mod tls;
pub mod wire;

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

pub use carrier::{Behaviour, Carrier};
pub use message::Message;
pub use phone::{Dialog, Phone};
pub use wire::{Way, Wire};

/// Does anything at this address answer an OPTIONS within a fifth of a second?
pub fn ping(server: SocketAddr) -> bool {
    let Ok(socket) = UdpSocket::bind("127.0.0.1:0") else { return false };
    let Ok(local) = socket.local_addr() else { return false };
    let _ = socket.set_read_timeout(Some(Duration::from_millis(200)));
    let text = options(server, local, "UDP", "ping");
    let mut buffer = [0; 2048];
    socket.send_to(text.as_bytes(), server).is_ok()
        && matches!(socket.recv_from(&mut buffer), Ok((_, from)) if from == server)
}

/// An OPTIONS to the server itself.
pub fn options(server: SocketAddr, local: SocketAddr, transport: &str, id: &str) -> String {
    format!(
        "OPTIONS sip:{server} SIP/2.0\r\n\
         Via: SIP/2.0/{transport} {local};branch=z9hG4bK{id};rport\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:tester@example.com>;tag=t{id}\r\n\
         To: <sip:{server}>\r\n\
         Call-ID: {id}@tester\r\n\
         CSeq: 1 OPTIONS\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// A body that offers one audio stream.
pub fn sdp(address: SocketAddr, direction: &str) -> String {
    let ip = address.ip();
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8 0\r\n\
         a={direction}\r\n"
    )
}
