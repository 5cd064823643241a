//! Bytes on the wire: security.md P2, D1 on real sockets.

use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::login::house;
use crate::process::{memory_bytes, pause};
use crate::sip_client::{Wire, options, ping};

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
