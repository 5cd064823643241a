//! Bytes on the wire: security.md P1, P2, D1 on real sockets.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::House;
use super::login::house;
use crate::process::{memory_bytes, pause};
use crate::shell_out::root;
use crate::sip_client::{Wire, options, ping};

/// One message of the torture set and what is expected of it.
struct Torture {
    file: String,
    bytes: Vec<u8>,
    layer: String,
    stream: String,
    above: String,
}

fn torture_set() -> Result<Vec<Torture>> {
    let dir: PathBuf = root().join("crates/sip/tests/torture");
    let manifest = std::fs::read_to_string(dir.join("manifest.tsv"))?;
    let mut rows = manifest.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let names: Vec<&str> = rows.next().context("an empty manifest")?.split('\t').collect();
    let column = |name: &str| {
        names.iter().position(|found| *found == name).with_context(|| format!("no column {name}"))
    };
    let (file, layer, stream, above) =
        (column("file")?, column("layer")?, column("stream")?, column("above")?);
    rows.map(|row| {
        let cells: Vec<&str> = row.split('\t').collect();
        let cell = |at: usize| cells.get(at).map(|text| (*text).to_owned()).context("a short row");
        Ok(Torture {
            bytes: std::fs::read(dir.join(cell(file)?))?,
            file: cell(file)?,
            layer: cell(layer)?,
            stream: cell(stream)?,
            above: cell(above)?,
        })
    })
    .collect()
}

impl Torture {
    /// Are these final statuses what the manifest wants of a node?
    fn fits(&self, want: &str, got: &[u16]) -> bool {
        let finals: Vec<u16> = got.iter().copied().filter(|status| *status >= 200).collect();
        let login_first =
            self.layer == "above" && finals.iter().any(|s| [401, 403, 407].contains(s));
        match want {
            "none" => finals.is_empty(),
            "any" => !finals.is_empty(),
            "4xx" => finals.iter().any(|status| (400..500).contains(status)),
            number => finals.iter().any(|status| status.to_string() == number) || login_first,
        }
    }
}

/// P1 over UDP: each message, and an OPTIONS answered after it.
pub fn torture_udp() -> Result<()> {
    let mut house = house()?;
    let server = house.ringfence.address();
    let set = torture_set()?;
    ensure!(set.len() > 50, "only {} messages in the set", set.len());
    let mut wrong = Vec::new();
    for (at, torture) in set.iter().enumerate() {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.set_read_timeout(Some(Duration::from_millis(1_000)))?;
        socket.send_to(&torture.bytes, server)?;
        let id = format!("after{at}");
        socket.send_to(options(server, socket.local_addr()?, "UDP", &id).as_bytes(), server)?;
        let mut got = Vec::new();
        let mut buffer = vec![0; 65_536];
        let answered = loop {
            let Ok((length, from)) = socket.recv_from(&mut buffer) else { break false };
            ensure!(from == server, "an answer from {from}");
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.contains(&format!("{id}@tester")) {
                break true;
            }
            got.extend(statuses(&text));
        };
        if !answered {
            wrong.push(format!("{}: no answer to the OPTIONS after it", torture.file));
        } else if !torture.fits(&torture.above, &got) {
            wrong.push(format!("{}: want {}, got {got:?}", torture.file, torture.above));
        }
    }
    verdict(&mut house, &wrong)
}

/// P1 over TCP: each message on a connection of its own, and an OPTIONS answered after it on another.
pub fn torture_tcp() -> Result<()> {
    let mut house = house()?;
    let server = house.ringfence.address();
    let mut wrong = Vec::new();
    for (at, torture) in torture_set()?.iter().enumerate() {
        let (text, closed) = exchange(server, &torture.bytes)?;
        let got = statuses(&text);
        for part in torture.stream.split('+') {
            let fits = match part.split_once(':') {
                Some(("frame", status)) => closed || torture.fits(status, &got),
                _ => match part {
                    "ok" => torture.fits(&torture.above, &got),
                    "waits" => got.is_empty() && !closed,
                    "ping" => text.starts_with("\r\n"),
                    status => {
                        torture.fits(status, &got) || (torture.above == "none" && got.is_empty())
                    }
                },
            };
            if !fits {
                wrong.push(format!("{}: want {part}, got {got:?}, closed {closed}", torture.file));
            }
        }
        let mut wire = Wire::tcp(server)?;
        let text = options(server, wire.local(), "TCP", &format!("after{at}"));
        wire.send(text.as_bytes())?;
        if wire.receive(Duration::from_secs(1))?.is_none() {
            wrong.push(format!("{}: no answer to the OPTIONS after it", torture.file));
        }
    }
    verdict(&mut house, &wrong)
}

fn verdict(house: &mut House, wrong: &[String]) -> Result<()> {
    ensure!(house.ringfence.is_running(), "the server is gone:\n{}", house.ringfence.log());
    if !wrong.is_empty() {
        bail!("{} messages:\n    {}", wrong.len(), wrong.join("\n    "));
    }
    Ok(())
}

/// Sends bytes on a new connection and reads until nothing comes any more; was it closed?
fn exchange(server: SocketAddr, bytes: &[u8]) -> Result<(String, bool)> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_millis(120)))?;
    // The server may close while we are still writing.
    let _ = stream.write_all(bytes);
    let mut all = Vec::new();
    let mut buffer = [0; 16_384];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok((String::from_utf8_lossy(&all).into_owned(), true)),
            Ok(length) => all.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Ok((String::from_utf8_lossy(&all).into_owned(), false));
            }
            Err(_) => return Ok((String::from_utf8_lossy(&all).into_owned(), true)),
        }
    }
}

fn statuses(text: &str) -> Vec<u16> {
    text.split("\r\n")
        .filter_map(|line| line.strip_prefix("SIP/2.0 "))
        .filter_map(|rest| rest.get(..3)?.parse().ok())
        .collect()
}

/// Lengths that must not be believed, and how many bytes follow.
const LENGTHS: [&str; 6] =
    ["4294967297", "99999999999999999999", "-1", "2147483647", "60000", "10\r\nContent-Length: 20"];

/// P2: a thousand connections, each with such a length; memory grows by less than a mebibyte.
pub fn impossible_lengths() -> Result<()> {
    let mut house = house()?;
    let server = house.ringfence.address();
    // As many with honest lengths let the allocator, which takes 2 MiB at a time, and the tables take
    // what they keep.
    drop(hold_connections(server, 0, 1_000, &["9"])?);
    pause(500);
    let before = memory_bytes(house.ringfence.id());
    let held = hold_connections(server, 1, 1_000, &LENGTHS)?;
    let mut highest = 0;
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        highest = highest.max(memory_bytes(house.ringfence.id()));
        pause(100);
    }
    let grown = highest.saturating_sub(before);
    ensure!(ping(server), "the server no longer answers");
    ensure!(house.ringfence.is_running(), "the server is gone");
    ensure!(grown < 1 << 20, "memory grew by {grown} bytes with {} connections", held.len());
    Ok(())
}

/// Opens connections from many addresses of the loopback net and begins a message on each.
fn hold_connections(
    server: SocketAddr,
    round: u8,
    count: usize,
    lengths: &[&str],
) -> Result<Vec<Wire>> {
    let mut held = Vec::with_capacity(count);
    for at in 0..count {
        let from = [127, 1 + round, (at / 8 / 250) as u8, (at / 8 % 250) as u8 + 1];
        let mut wire = Wire::tcp_from(from.into(), server)
            .with_context(|| format!("connection {at} of {count}"))?;
        let text = options(server, wire.local(), "TCP", &format!("len{at}"));
        let length = lengths[at % lengths.len()];
        let text = text.replace("Content-Length: 0", &format!("Content-Length: {length}"));
        // The server may refuse and close at once.
        let _ = wire.send(text.as_bytes());
        held.push(wire);
    }
    Ok(held)
}

/// D1: Via, maddr and received that name somebody else bring him nothing; answers are no larger than
/// one and a half times the question.
pub fn source_only() -> Result<()> {
    let house = house()?;
    let server = house.ringfence.address();
    let victim = UdpSocket::bind("127.0.0.55:0")?;
    victim.set_read_timeout(Some(Duration::from_millis(300)))?;
    let attacker = UdpSocket::bind("127.0.0.66:0")?;
    // The shortest get no answer, and are waited for.
    attacker.set_read_timeout(Some(Duration::from_millis(150)))?;
    let (there, here) = (victim.local_addr()?, attacker.local_addr()?);
    let vias = [
        format!("SIP/2.0/UDP {there};branch=z9hG4bKd"),
        format!("SIP/2.0/UDP {here};branch=z9hG4bKd;rport={}", there.port()),
        format!("SIP/2.0/UDP {here};branch=z9hG4bKd;maddr={};ttl=8", there.ip()),
        format!(
            "SIP/2.0/UDP {here};branch=z9hG4bKd;received={};rport={}",
            there.ip(),
            there.port()
        ),
        format!("SIP/2.0/TCP {there};branch=z9hG4bKd"),
    ];
    let mut answers = 0;
    for (at, via) in vias.iter().enumerate() {
        let methods = ["OPTIONS", "REGISTER", "INVITE", "MESSAGE"];
        let sizes = [0, 60, 200];
        for (method, size) in methods.iter().flat_map(|method| sizes.map(|size| (method, size))) {
            let id = format!("src{at}{method}{size}");
            let text = options(server, here, "UDP", &id);
            let plain = format!("SIP/2.0/UDP {here};branch=z9hG4bK{id};rport");
            let contact =
                format!("Contact: <sip:a@{there}>\r\nUser-Agent: {}\r\n", "x".repeat(size));
            let text = text
                .replace(&plain, &via.replace("z9hG4bKd", &format!("z9hG4bK{id}")))
                .replace("OPTIONS", method)
                .replace("Content-Length", &format!("{contact}Content-Length"));
            attacker.send_to(text.as_bytes(), server)?;
            let mut buffer = vec![0; 65_536];
            if let Ok((length, _)) = attacker.recv_from(&mut buffer) {
                answers += 1;
                ensure!(
                    length * 2 <= text.len() * 3,
                    "{length} bytes of answer to {} of {method}",
                    text.len()
                );
            }
        }
    }
    let mut buffer = vec![0; 65_536];
    if let Ok((length, from)) = victim.recv_from(&mut buffer) {
        bail!("{from} sent {length} bytes to somebody who asked nothing");
    }
    ensure!(answers > 20, "the source got {answers} answers: the check sees nothing");
    Ok(())
}
