//! A carrier by TLS. Lives here: TLS put before our UDP carrier, and what a call by it has to show.
//! Never here: the carrier itself.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{LONDON, SECRET};
use crate::process::{pause, until};
use crate::ringfence::{Ringfence, Setup};
use crate::sip_client::tls::Authority;
use crate::sip_client::{Behaviour, Carrier, Phone};

/// How often both sides are looked at.
const GLANCE_MS: u64 = 5;

/// Speaks TLS towards Ringfence and UDP towards a carrier.
struct Front {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Front {
    fn start(carrier: SocketAddr, authority: &Authority, name: &str) -> Result<Front> {
        let dir = tempfile::tempdir()?;
        let (certificate, key) = (dir.path().join("certificate.pem"), dir.path().join("key.pem"));
        authority.issue(&[name], &certificate, &key)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_file(&certificate)?],
                PrivateKeyDer::from_pem_file(&key)?,
            )?;
        let config = Arc::new(config);
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let connections = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (count, flag) = (connections.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let mut pipes = Vec::new();
            while !flag.load(Ordering::Relaxed) {
                if let Ok((stream, _)) = listener.accept() {
                    let (config, count, flag) = (config.clone(), count.clone(), flag.clone());
                    pipes.push(std::thread::spawn(move || {
                        // A peer that hangs up, or does not believe us, is no failure of the front.
                        let _ = carry(stream, config, carrier, &count, &flag);
                    }));
                }
                pause(GLANCE_MS);
            }
            pipes.into_iter().for_each(|pipe| drop(pipe.join()));
        });
        Ok(Front { address, connections, stop, thread: Some(thread) })
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// One connection, until one side ends it.
fn carry(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    carrier: SocketAddr,
    connections: &AtomicUsize,
    stop: &AtomicBool,
) -> Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut tls = StreamOwned::new(ServerConnection::new(config)?, stream);
    while tls.conn.is_handshaking() {
        tls.conn.complete_io(&mut tls.sock)?;
    }
    // In TLS 1.3 a client that does not believe us says so only now, if at all: only what speaks counts.
    tls.sock.set_read_timeout(Some(Duration::from_millis(GLANCE_MS)))?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(carrier)?;
    socket.set_nonblocking(true)?;
    let (mut pending, mut buffer, mut has_spoken) = (Vec::new(), vec![0; 65_536], false);
    while !stop.load(Ordering::Relaxed) {
        match tls.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => {
                if !has_spoken {
                    connections.fetch_add(1, Ordering::Relaxed);
                }
                has_spoken = true;
                pending.extend_from_slice(&buffer[..length]);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error.into()),
        }
        while let Some(length) = message_length(&pending) {
            socket.send(&pending[..length])?;
            pending.drain(..length);
        }
        while let Ok(length) = socket.recv(&mut buffer) {
            tls.write_all(&buffer[..length])?;
        }
    }
    Ok(())
}

/// Length of the whole message that begins here.
fn message_length(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let body = text.lines().find_map(|line| line.strip_prefix("content-length:"))?.trim();
    Some(head + body.parse::<usize>().ok()?).filter(|length| *length <= bytes.len())
}

/// A call by TLS to a carrier that is who he says, on one connection; to one that is not, nothing is said.
pub fn verified() -> Result<()> {
    let carrier = Carrier::start(|_| Behaviour::Answer(20))?;
    let authority = Authority::new()?;
    let dir = tempfile::tempdir()?;
    let roots = dir.path().join("roots.pem");
    std::fs::write(&roots, authority.pem())?;
    let call = |front: &Front, host: &str| -> Result<u16> {
        let setup = Setup { tls: true, trunk_ca: Some(roots.clone()), ..Setup::default() };
        let mut ringfence = Ringfence::prepare(setup)?;
        let terms = ["--emergency", "--transport", "tls", "--host", host];
        ringfence.add_trunk("carrier", front.address, &terms)?;
        ringfence.add_account("a", "residential")?;
        ringfence.add_line("a", "alice", SECRET)?;
        ringfence.start()?;
        let mut alice = Phone::udp(ringfence.address(), "alice", SECRET)?;
        for round in 1..=2 {
            let answered = alice.invite(LONDON)?;
            let Some(mut dialog) = answered.dialog else {
                let log = ringfence.log();
                ensure!(
                    log.contains("invalid peer certificate"),
                    "the log does not say why: {log}"
                );
                return Ok(answered.status());
            };
            ensure!(alice.bye(&mut dialog)?.status() == Some(200), "BYE in round {round}");
        }
        let doctor = ringfence.command(&["doctor"])?;
        ensure!(doctor.contains("ok       trunk carrier"), "{doctor}");
        Ok(200)
    };
    let good = Front::start(carrier.address(), &authority, "sip.carrier.example")?;
    ensure!(call(&good, "sip.carrier.example")? == 200, "the calls are not answered");
    until(Duration::from_secs(3), "both calls end at the carrier", || {
        let bill = carrier.bill();
        let over = bill.values().filter(|entry| entry.byes == 1).count();
        (bill.len() == 2 && over == 2).then_some(())
    })?;
    let invite = carrier.bill().into_values().next().context("a call")?.invite;
    ensure!(invite.header("Via").starts_with("SIP/2.0/TLS "), "{}", invite.header("Via"));
    ensure!(invite.contact_uri().ends_with(";transport=tls"), "{}", invite.contact_uri());
    // One for the calls, one for doctor.
    let used = good.connections.load(Ordering::Relaxed);
    ensure!(used == 2, "{used} connections for two calls and a doctor");

    // Somebody else's name, and somebody else's authority.
    let wrong_name = Front::start(carrier.address(), &authority, "sip.other.example")?;
    let stranger = Front::start(carrier.address(), &Authority::new()?, "sip.carrier.example")?;
    for front in [&wrong_name, &stranger] {
        let status = call(front, "sip.carrier.example")?;
        ensure!(status >= 400, "answered with {status}");
        ensure!(front.connections.load(Ordering::Relaxed) == 0, "a stranger was spoken to");
    }
    ensure!(carrier.bill().len() == 2, "a stranger got a call");
    Ok(())
}
