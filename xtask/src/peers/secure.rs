//! TLS and WebSocket on real sockets: versions, certificates that are renewed, slow strangers (D3), what is not
//! SIP. Lives here: what clients of our own see. Never here: real phones (phones, browser_calls).

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tungstenite::protocol::{Message as Frame, Role, WebSocket};

use super::{House, LONDON, SECRET};
use crate::process::{pause, until};
use crate::ringfence::{Ringfence, Setup};
use crate::sip_client::tls::{TlsStream, ask_for_upgrade, read_head, shake_hands, upgrade};
use crate::sip_client::{Behaviour, Phone, Way};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn open(more: &[&str]) -> Result<House> {
    let more = more.iter().map(|line| (*line).to_owned()).collect();
    House::open(Setup { tls: true, more, ..Setup::default() }, |_| Behaviour::Answer(20))
}

fn tls(ringfence: &Ringfence, address: SocketAddr) -> Result<TlsStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    shake_hands(stream, &ringfence.authority()?.client()?)
}

/// TLS 1.2 and 1.3, and nothing older.
pub fn versions() -> Result<()> {
    let house = open(&[])?;
    let authority = house.ringfence.authority_file();
    for address in [house.ringfence.tls_address(), house.ringfence.wss_address()] {
        let check = |version: &str, is_spoken: bool| -> Result<()> {
            let output = Command::new("openssl")
                .args(["s_client", "-connect", &address.to_string(), version, "-brief"])
                // Without this openssl itself refuses what is old.
                .args(["-cipher", "ALL:@SECLEVEL=0", "-verify_return_error", "-CAfile"])
                .arg(&authority)
                .stdin(Stdio::null())
                .output()
                .context("cannot run openssl")?;
            let told = String::from_utf8_lossy(&output.stderr).into_owned();
            let is_there = told.contains("CONNECTION ESTABLISHED");
            ensure!(is_there == is_spoken, "{version} at {address}: {told}");
            // It must be the server that refuses.
            ensure!(is_there || told.contains("alert"), "{version} at {address}: {told}");
            Ok(())
        };
        check("-tls1", false)?;
        check("-tls1_1", false)?;
        check("-tls1_2", true)?;
        check("-tls1_3", true)?;
    }
    Ok(())
}

/// The certificate that a new connection is shown.
fn shown(ringfence: &Ringfence) -> Result<Vec<u8>> {
    let stream = tls(ringfence, ringfence.tls_address())?;
    let chain = stream.conn.peer_certificates().context("a certificate is shown")?;
    Ok(chain[0].to_vec())
}

/// A certificate is renewed under a live call: new connections see it, the call goes on; a bad one is not taken.
pub fn renewal() -> Result<()> {
    let house = open(&[])?;
    let ringfence = &house.ringfence;
    let mut alice = Phone::on(ringfence.wire(Way::Tls, HERE)?, "alice", SECRET);
    ensure!(alice.register(600)?.status() == Some(200), "alice is not registered");
    let mut dialog = alice.invite(LONDON)?.dialog.context("her call is answered")?;
    let first = shown(ringfence)?;

    ringfence.renew_certificate()?;
    ringfence.hang_up()?;
    let second = until(Duration::from_secs(3), "SIGHUP is heard", || {
        shown(ringfence).ok().filter(|now| *now != first)
    })?;

    let (certificate, key) = ringfence.certificate_files();
    std::fs::write(&certificate, "not a certificate")?;
    until(Duration::from_secs(15), "a bad certificate is noticed", || {
        ringfence.log().contains("no certificate in PEM in it").then_some(())
    })?;
    ensure!(shown(ringfence)? == second, "the bad certificate changed something");

    // Both files are new, and nobody says so.
    ringfence.authority()?.issue(&["127.0.0.1"], &certificate, &key)?;
    until(Duration::from_secs(15), "the renewed files are noticed", || {
        shown(ringfence).ok().filter(|now| *now != second)
    })?;
    let errors = ringfence.log().matches("the old one stays").count();
    ensure!(errors <= 2, "{errors} errors for one bad file");
    let status = ringfence.json(&["status"])?;
    ensure!(status[0]["certificate_until"].is_string(), "status: {}", status[0]);

    ensure!(alice.register(600)?.status() == Some(200), "her connection is not what it was");
    ensure!(alice.bye(&mut dialog)?.status() == Some(200), "her call is gone");
    Ok(())
}

/// So many strangers who never finish what they began.
const SLOW: usize = 5_000;

/// D3: slow strangers have ten seconds, and nobody else waits for them.
pub fn slow() -> Result<()> {
    raise_file_limit()?;
    let limits = ["[limits]", "tcp_connections = 20000", "tcp_connections_per_address = 20000"];
    let house = open(&limits)?;
    let ringfence = &house.ringfence;
    let began = Instant::now();
    let mut strangers = Vec::with_capacity(SLOW);
    for at in 0..SLOW {
        strangers.push(Stranger::open(ringfence, at)?);
    }
    let opened = began.elapsed();
    ensure!(opened < Duration::from_secs(9), "the strangers took {opened:?} to come");
    let there = connections(ringfence)?;
    ensure!(there >= SLOW as u64, "only {there} connections");
    let mut longest = Duration::ZERO;
    for _ in 0..20 {
        let began = Instant::now();
        let mut alice = Phone::on(ringfence.wire(Way::Tls, HERE)?, "alice", SECRET);
        let told = alice.register(600)?;
        ensure!(told.status() == Some(200), "alice: {}", told.start);
        longest = longest.max(began.elapsed());
        // One byte more from each kind keeps nobody alive.
        strangers.iter_mut().take(100).for_each(Stranger::drip);
    }
    println!(
        "        {there} connections, opened in {opened:.1?}; longest TLS registration {longest:.1?}"
    );
    ensure!(longest <= Duration::from_secs(1), "a registration took {longest:?}");
    let limit = Duration::from_secs(14).saturating_sub(began.elapsed()) + opened;
    until(limit, "the strangers are gone", || {
        strangers.iter_mut().take(100).for_each(Stranger::drip);
        pause(200);
        // Alice's own connections stay.
        connections(ringfence).ok().filter(|left| *left <= 40)
    })
    .with_context(|| format!("{:?} connections are left", connections(ringfence)))?;
    Ok(())
}

fn connections(ringfence: &Ringfence) -> Result<u64> {
    let status = ringfence.json(&["status"])?;
    status[0]["tcp_connections"].as_u64().context("status tells of connections")
}

fn raise_file_limit() -> Result<()> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    ensure!(most > 2 * SLOW as u64, "only {most} files may be open");
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}

/// Somebody who is slow on purpose.
enum Stranger {
    /// Says nothing, or begins a TLS handshake.
    Plain(TcpStream),
    /// Shook hands, and says nothing, or begins a request.
    Tls(Box<TlsStream>),
}

impl Stranger {
    fn open(ringfence: &Ringfence, at: usize) -> Result<Stranger> {
        let address =
            if at.is_multiple_of(2) { ringfence.tls_address() } else { ringfence.wss_address() };
        match at % 20 {
            0..=9 => Ok(Stranger::Plain(TcpStream::connect(address)?)),
            10..=17 => {
                let mut stream = TcpStream::connect(address)?;
                // A ClientHello of 512 bytes begins.
                stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3])?;
                Ok(Stranger::Plain(stream))
            }
            18 => Ok(Stranger::Tls(Box::new(tls(ringfence, ringfence.tls_address())?))),
            _ => {
                let mut stream = tls(ringfence, ringfence.wss_address())?;
                stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n")?;
                Ok(Stranger::Tls(Box::new(stream)))
            }
        }
    }

    /// One byte more; whether it is taken, time tells.
    fn drip(&mut self) {
        let _ = match self {
            Stranger::Plain(stream) => stream.write(&[0]),
            Stranger::Tls(stream) => stream.write(b"x"),
        };
    }
}

/// What is not WebSocket, or not SIP in it, is refused and does no harm.
pub fn web() -> Result<()> {
    let house = open(&["[wss]", "origins = [\"https://phone.example.com\"]"])?;
    let ringfence = &house.ringfence;
    let address = ringfence.wss_address();
    let check = |protocol: &str, origin: &str, want: &str| -> Result<()> {
        let answer = ask_for_upgrade(&mut tls(ringfence, address)?, protocol, origin)?;
        ensure!(answer.starts_with(&format!("HTTP/1.1 {want} ")), "{protocol}: {answer}");
        Ok(())
    };
    check("sip", "https://phone.example.com", "101")?;
    check("sip", "https://elsewhere.example.com", "403")?;
    check("msrp", "https://phone.example.com", "400")?;
    for garbage in
        ["GET / HTTP/1.1\r\nHost: h\r\n\r\n", "OPTIONS sip:h SIP/2.0\r\n\r\n", "\0\0\r\n\r\n"]
    {
        let mut stream = tls(ringfence, address)?;
        stream.write_all(garbage.as_bytes())?;
        let answer = read_head(&mut stream)?;
        ensure!(answer.starts_with("HTTP/1.1 400 "), "{garbage:?}: {answer:?}");
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).context("it is closed in good order")?;
    }
    // Who does not speak TLS at all is hung up on.
    for address in [address, ringfence.tls_address()] {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"OPTIONS sip:h SIP/2.0\r\nVia: SIP/2.0/TLS h;branch=z9hG4bK1\r\n\r\n")?;
        let mut rest = Vec::new();
        // A reset is as good as an end.
        let _ = stream.read_to_end(&mut rest);
        ensure!(!rest.starts_with(b"SIP"), "SIP without TLS");
    }
    frames(ringfence)
}

fn socket(ringfence: &Ringfence) -> Result<WebSocket<TlsStream>> {
    let mut stream = tls(ringfence, ringfence.wss_address())?;
    upgrade(&mut stream)?;
    Ok(WebSocket::from_raw_socket(stream, Role::Client, None))
}

/// Pings, keep-alives, the close, and messages that are too large.
fn frames(ringfence: &Ringfence) -> Result<()> {
    let mut web = socket(ringfence)?;
    web.send(Frame::Ping(b"there?".to_vec().into()))?;
    ensure!(web.read()? == Frame::Pong(b"there?".to_vec().into()), "no pong");
    web.send(Frame::text("\r\n\r\n"))?;
    ensure!(web.read()? == Frame::text("\r\n"), "no answer to a keep-alive");
    web.close(None)?;
    ensure!(matches!(web.read()?, Frame::Close(_)), "the close is not answered");

    let mut web = socket(ringfence)?;
    let head = "OPTIONS sip:example.com SIP/2.0\r\nX: ";
    web.send(Frame::text(format!("{head}{}\r\n\r\n", "x".repeat(70_000))))?;
    let Frame::Close(Some(why)) = web.read()? else { bail!("a large message is not refused") };
    ensure!(u16::from(why.code) == 1_009, "closed with {}", why.code);
    Ok(())
}
