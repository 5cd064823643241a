//! Is a trunk there? Lives here: one OPTIONS and its answer. Never here: what follows from it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::time::Duration;

use types::{Trunk, TrunkTransport};

use crate::config::Config;
use crate::shell::certificate::{TrunkRoots, trunk_name};
use crate::shell::secrets::random;

const PATIENCE: Duration = Duration::from_secs(2);
/// A lost datagram is sent once more.
const TRIES: usize = 2;

/// Asks a trunk; the status line it answered with, or why there is none.
pub fn reach(trunk: &Trunk, config: &Config) -> Result<String, String> {
    let answered = match trunk.transport {
        TrunkTransport::Udp => ask_udp(trunk),
        TrunkTransport::Tcp => connect(trunk).and_then(|stream| ask(trunk, "TCP", stream)),
        TrunkTransport::Tls => ask_tls(trunk, config),
    };
    let bytes = answered.map_err(|error| match error.kind() {
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut => "no answer".to_owned(),
        _ => error.to_string(),
    })?;
    let text = String::from_utf8_lossy(&bytes);
    let first = text.lines().next().unwrap_or_default();
    match first.strip_prefix("SIP/2.0 ") {
        Some(status) => Ok(format!("{} answers OPTIONS: {status}", trunk.address)),
        None => Err("the answer is not SIP".to_owned()),
    }
}

fn ask_udp(trunk: &Trunk) -> std::io::Result<Vec<u8>> {
    let any = if trunk.address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any)?;
    socket.connect(trunk.address)?;
    socket.set_read_timeout(Some(PATIENCE / TRIES as u32))?;
    let request = options(trunk, "UDP", socket.local_addr()?)?;
    let mut answer = vec![0; 65_536];
    let mut outcome = Err(std::io::ErrorKind::TimedOut.into());
    for _ in 0..TRIES {
        socket.send(&request)?;
        outcome = socket.recv(&mut answer);
        if outcome.is_ok() {
            break;
        }
    }
    let length = outcome?;
    answer.truncate(length);
    Ok(answer)
}

fn connect(trunk: &Trunk) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&trunk.address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// The carrier has to show a certificate for its name, as when it is called.
fn ask_tls(trunk: &Trunk, config: &Config) -> std::io::Result<Vec<u8>> {
    let tls = TrunkRoots::new(config.tls_trunk_ca.clone())
        .config()
        .map_err(|error| std::io::Error::other(format!("{error:#}")))?;
    let name = trunk_name(trunk).try_into().map_err(std::io::Error::other)?;
    let session = rustls::ClientConnection::new(tls, name).map_err(std::io::Error::other)?;
    ask(trunk, "TLS", rustls::StreamOwned::new(session, connect(trunk)?))
}

fn ask(trunk: &Trunk, transport: &str, mut stream: impl Read + Write) -> std::io::Result<Vec<u8>> {
    // Answers come on the connection, whatever Via says.
    let request = options(trunk, transport, SocketAddr::from(([127, 0, 0, 1], 5060)))?;
    stream.write_all(&request)?;
    let mut answer = vec![0; 4_096];
    let length = stream.read(&mut answer)?;
    answer.truncate(length);
    Ok(answer)
}

/// RFC 3261 §11.1.
fn options(trunk: &Trunk, transport: &str, local: SocketAddr) -> std::io::Result<Vec<u8>> {
    let unique = u128::from_le_bytes(random().map_err(std::io::Error::other)?);
    let host = &trunk.host;
    Ok(format!(
        "OPTIONS sip:{host} SIP/2.0\r\nVia: SIP/2.0/{transport} {local};rport;branch=z9hG4bK{unique:x}\r\n\
         Max-Forwards: 70\r\nFrom: <sip:doctor@{local}>;tag={unique:x}\r\nTo: <sip:{host}>\r\n\
         Call-ID: {unique:x}\r\nCSeq: 1 OPTIONS\r\nContact: <sip:doctor@{local}>\r\nContent-Length: 0\r\n\r\n"
    )
    .into_bytes())
}
