//! D2 of security.md: two hundred thousand strangers leave nothing behind, on real sockets. Lives here: their
//! packets, each from an address of its own. Never here: floods beside honest phones (flood).

use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg};
use serde_json::Value;

use super::login::house_with;
use crate::process::{memory_bytes, pause};
use crate::ringfence::{Ringfence, Setup};
use crate::sip_client::{options, ping};

/// Strangers, each with one address and one packet of each kind.
const STRANGERS: u32 = 200_000;
/// Packets between two pauses of a millisecond.
const BURST: u32 = 40;
const METHODS: [&str; 4] = ["REGISTER", "INVITE", "OPTIONS", "MESSAGE"];

/// No transaction, record or log line for any of them, and at most 128 bytes.
pub fn leave_nothing() -> Result<()> {
    let house = house_with(Setup { screens_loopback: true, ..Setup::default() })?;
    let SocketAddr::V4(server) = house.ringfence.address() else { bail!("no IPv4 address") };
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let port = socket.local_addr()?.port();
    let before = Figures::take(&house.ringfence)?;
    send(&socket, port, server, 0..STRANGERS)?;
    pause(500);
    let after = Figures::take(&house.ringfence)?;
    let heard = after.count("node", "received") - before.count("node", "received");
    let grown = after.memory.saturating_sub(before.memory);
    println!(
        "        {heard} of {STRANGERS} packets heard; memory {} bytes each",
        grown / u64::from(STRANGERS)
    );
    ensure!(
        heard > u64::from(STRANGERS) * 9 / 10,
        "only {heard} were heard: the check sees nothing"
    );
    ensure!(grown <= 128 * u64::from(STRANGERS), "memory grew by {grown} bytes");
    let written = after.count("store", "written") - before.count("store", "written");
    ensure!(written == 0, "{written} records were written for strangers");
    let open = &after.status["node"]["transactions"];
    ensure!(*open == serde_json::json!([0, 0]), "transactions are left: {open}");
    ensure!(after.log == before.log, "strangers are in the log:\n{}", house.ringfence.log());
    ensure!(ping(house.ringfence.address()), "the server no longer answers");
    Ok(())
}

/// What the server had taken up to a moment.
struct Figures {
    memory: u64,
    status: Value,
    log: usize,
}

impl Figures {
    fn take(ringfence: &Ringfence) -> Result<Figures> {
        let status = ringfence.json(&["status"])?.pop().context("a status")?;
        let memory = memory_bytes(ringfence.id());
        Ok(Figures { memory, status, log: ringfence.log().len() })
    }

    fn count(&self, part: &str, name: &str) -> u64 {
        self.status[part][name].as_u64().unwrap_or(0)
    }
}

/// One packet from each of these strangers: their addresses are all the loopback net's.
fn send(
    socket: &UdpSocket,
    port: u16,
    server: SocketAddrV4,
    strangers: std::ops::Range<u32>,
) -> Result<()> {
    for at in strangers {
        let from = Ipv4Addr::from_bits(0x7f10_0001 + at);
        let here = SocketAddr::from((from, port));
        let text = options(server.into(), here, "UDP", &format!("stranger{at:0>12}"));
        let text = text.replace("OPTIONS", METHODS[at as usize % METHODS.len()]);
        let text =
            text.replace("User-Agent: ", "User-Agent: Desk Phone, as long as phones' names are, ");
        let source = libc::in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: libc::in_addr { s_addr: from.to_bits().to_be() },
            ipi_addr: libc::in_addr { s_addr: 0 },
        };
        let control = [ControlMessage::Ipv4PacketInfo(&source)];
        let to = SockaddrIn::from(server);
        let parts = [IoSlice::new(text.as_bytes())];
        sendmsg(socket.as_raw_fd(), &parts, &control, MsgFlags::empty(), Some(&to))
            .with_context(|| format!("a packet from {from} does not leave"))?;
        if at % BURST == 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    Ok(())
}
