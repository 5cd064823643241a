//! A phone for tests: one request, one answer, with digest. Lives here: writing and reading SIP.
//! Never here: expectations.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use sip::digest::uac;
use sip::message::{Message, Method, Name, Origin};

const PATIENCE: Duration = Duration::from_secs(5);

/// The way to the node.
pub enum Way {
    Udp(UdpSocket, SocketAddr),
    Tcp(TcpStream),
}

impl Way {
    pub fn udp(server: SocketAddr) -> Way {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Way::Udp(socket, server)
    }

    pub fn tcp(server: SocketAddr) -> Way {
        let stream = TcpStream::connect(server).expect("connected");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Way::Tcp(stream)
    }

    pub fn local(&self) -> SocketAddr {
        match self {
            Way::Udp(socket, _) => socket.local_addr(),
            Way::Tcp(stream) => stream.local_addr(),
        }
        .expect("an address")
    }

    fn via(&self) -> &'static str {
        match self {
            Way::Udp(..) => "UDP",
            Way::Tcp(_) => "TCP",
        }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        match self {
            Way::Udp(socket, server) => drop(socket.send_to(bytes, *server).expect("sent")),
            Way::Tcp(stream) => stream.write_all(bytes).expect("sent"),
        }
    }

    /// One datagram, or what one read gives.
    pub fn receive(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 65_536];
        let length = match self {
            Way::Udp(socket, _) => socket.recv(&mut bytes).expect("an answer"),
            Way::Tcp(stream) => stream.read(&mut bytes).expect("an answer"),
        };
        bytes.truncate(length);
        bytes
    }

    /// A request without a body, and the final answer's status; a challenge is answered.
    pub fn ask(&mut self, method: Method<'_>, uri: &str, login: (&str, &str)) -> u16 {
        let (status, challenge) = self.once(method, uri, login.0, 1, b"");
        if !matches!(status, 401 | 407) {
            return status;
        }
        let mut bytes = challenge;
        let message = Message::parse(&mut bytes, Origin::Datagram).expect("an answer");
        let mut line = Vec::new();
        let attempt = uac::Attempt {
            method,
            uri,
            user: login.0,
            secret: login.1,
            realm: "example.com",
            cnonce: "0a4f113b",
            nc: 1,
        };
        uac::answer_response(&mut line, &message, &attempt).expect("a challenge");
        self.once(method, uri, login.0, 2, &line).0
    }

    fn once(
        &mut self,
        method: Method<'_>,
        uri: &str,
        user: &str,
        cseq: u32,
        authorization: &[u8],
    ) -> (u16, Vec<u8>) {
        let (name, via, local) = (method.as_str(), self.via(), self.local());
        let transport = if via == "TCP" { ";transport=tcp" } else { "" };
        let mut request = format!(
            "{name} {uri} SIP/2.0\r\nVia: SIP/2.0/{via} {local};rport;branch=z9hG4bKt{cseq}p{}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@example.com>;tag=t{}\r\nTo: <sip:{user}@example.com>\r\n\
             Call-ID: c{}\r\nCSeq: {cseq} {name}\r\nContact: <sip:{user}@{local}{transport}>\r\n",
            local.port(),
            local.port(),
            local.port(),
        )
        .into_bytes();
        request.extend_from_slice(authorization);
        request.extend_from_slice(b"Content-Length: 0\r\n\r\n");
        self.send(&request);
        loop {
            let bytes = self.receive();
            let mut copy = bytes.clone();
            let message = Message::parse(&mut copy, Origin::Datagram).expect("an answer");
            let status = message.status().expect("an answer");
            if status >= 200 {
                assert_eq!(message.cseq().number, cseq);
                assert!(message.header(Name::CallId).is_some());
                return (status, bytes);
            }
        }
    }
}
