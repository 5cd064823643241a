//! The torture messages on real sockets: security.md P1. Lives here: who sends them, what comes back.
//! Never here: the messages and what is expected of them (crates/sip/tests/torture).

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::login::challenge;
use super::{House, SECRET};
use crate::digest::Answer;
use crate::ringfence::Setup;
use crate::shell_out::root;
use crate::sip_client::tls::shake_hands;
use crate::sip_client::{Behaviour, Message, Phone, Way, Wire, options};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// What the carrier and Dave's phone say to every call: a call that got there got through.
const REACHED: u16 = 486;

/// One message of the torture set and what is expected of it.
struct Torture {
    file: String,
    bytes: Vec<u8>,
    stream: String,
    above: String,
    is_judged_above: bool,
}

/// The set; whoever registers Dave anew comes last, so that calls to him ring at one phone.
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
    let row = |row: &str| -> Result<Torture> {
        let cells: Vec<&str> = row.split('\t').collect();
        let cell = |at: usize| cells.get(at).map(|text| (*text).to_owned()).context("a short row");
        Ok(Torture {
            bytes: std::fs::read(dir.join(cell(file)?))?,
            file: cell(file)?,
            stream: cell(stream)?,
            above: cell(above)?,
            is_judged_above: cell(layer)? == "above",
        })
    };
    let mut set = rows.map(row).collect::<Result<Vec<_>>>()?;
    ensure!(set.len() > 50, "only {} messages in the set", set.len());
    set.sort_by_key(|torture| torture.text().contains("REGISTER"));
    Ok(set)
}

impl Torture {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// Where its start line begins and ends.
    fn start_line(&self) -> Option<(usize, usize)> {
        let from = self.bytes.iter().position(|byte| !b"\r\n".contains(byte))?;
        let length = self.bytes[from..].windows(2).position(|two| two == b"\r\n")?;
        Some((from, from + length))
    }

    /// Method and URI, when it is a request for which somebody has to log in.
    fn asks(&self) -> Option<(String, String)> {
        let (from, to) = self.start_line().filter(|_| self.is_judged_above)?;
        let line = String::from_utf8_lossy(&self.bytes[from..to]).into_owned();
        let words: Vec<&str> = line.split(' ').collect();
        let needs_login = ["INVITE", "REGISTER"].contains(words.first()?);
        needs_login.then(|| (words[0].to_owned(), words[1].to_owned()))
    }

    /// The message as it is sent on this wire: with good credentials where they are asked for.
    fn for_wire(&self, wire: Wire) -> Result<(Phone, Vec<u8>)> {
        let is_daves = self.text().contains("To: <sip:dave@") && self.text().contains("REGISTER");
        let mut phone = Phone::on(wire, if is_daves { "dave" } else { "carol" }, SECRET);
        let Some((method, uri)) = self.asks() else { return Ok((phone, self.bytes.clone())) };
        let challenge = challenge(&mut phone, &method, "sip:+442083661177@example.com")?;
        let (user, secret) = (phone.user.as_str(), SECRET);
        let answer =
            Answer { user, secret, method: &method, uri: &uri, nc: 1, cnonce: "ab" }.to(&challenge);
        let name = if method == "REGISTER" { "Authorization" } else { "Proxy-Authorization" };
        let (_, end) = self.start_line().context("it has a start line")?;
        let line = format!("\r\n{name}: {answer}");
        Ok((phone, [&self.bytes[..end], line.as_bytes(), &self.bytes[end..]].concat()))
    }
}

/// Final statuses, each once.
fn finals(mut got: Vec<u16>) -> Vec<u16> {
    got.retain(|status| *status >= 200);
    got.dedup();
    got
}

fn keeps(want: &str, got: &[u16]) -> bool {
    match want {
        "none" => got.is_empty(),
        number => got.len() == 1 && got[0].to_string() == number,
    }
}

/// A house to which the names of the messages belong, and Dave's phone, which is always busy.
struct Town {
    house: House,
    stop: Arc<AtomicBool>,
}

impl Town {
    fn open() -> Result<Town> {
        let domains = vec!["example.org", "example.net", "[2001:db8::21]", "[2001:db8::21:5070]"];
        let setup = Setup { domains, tls: true, ..Setup::default() };
        let house = House::open(setup, |_| Behaviour::Reject(REACHED))?;
        house.ringfence.add_line("a", "carol", SECRET)?;
        house.ringfence.add_line("b", "dave", SECRET)?;
        let mut dave = house.phone("dave")?;
        ensure!(dave.register(600)?.status() == Some(200), "Dave's phone is not registered");
        let stop = Arc::new(AtomicBool::new(false));
        let flag = stop.clone();
        std::thread::spawn(move || {
            while !flag.load(Ordering::Relaxed) {
                if let Ok(Some(request)) = dave.wire.receive(Duration::from_millis(50))
                    && request.method() == "INVITE"
                {
                    let busy = request.reply(REACHED, "Busy Here", "dave", "", "");
                    let _ = dave.wire.send(busy.as_bytes());
                }
            }
        });
        Ok(Town { house, stop })
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// P1 over UDP: each message from somebody known, its exact answer, and an OPTIONS answered after it.
pub fn udp() -> Result<()> {
    one_by_one(Way::Udp)
}

/// P1 over WebSocket: the same, one message a frame.
pub fn wss() -> Result<()> {
    one_by_one(Way::Wss)
}

fn one_by_one(way: Way) -> Result<()> {
    let mut town = Town::open()?;
    let server = town.house.ringfence.address();
    let mut wrong = Vec::new();
    for (at, torture) in torture_set()?.iter().enumerate() {
        let (mut phone, bytes) = torture.for_wire(town.house.ringfence.wire(way, HERE)?)?;
        phone.wire.send(&bytes)?;
        let limit = if torture.above == "none" { 30 } else { 1_500 };
        let got = finals(collect(&mut phone, Duration::from_millis(limit))?);
        if !keeps(&torture.above, &got) {
            wrong.push(format!("{}: want {}, got {got:?}", torture.file, torture.above));
        }
        if !still_answers(server, at)? {
            wrong.push(format!("{}: no answer to the OPTIONS after it", torture.file));
        }
    }
    verdict(&mut town.house, &wrong)
}

/// Statuses that come, up to a final one.
fn collect(phone: &mut Phone, limit: Duration) -> Result<Vec<u16>> {
    let (end, mut got) = (Instant::now() + limit, Vec::new());
    while got.iter().all(|status| *status < 200) {
        let left = end.saturating_duration_since(Instant::now());
        match phone.wire.receive(left)? {
            Some(message) => got.extend(message.status()),
            None if left.is_zero() => break,
            None => {}
        }
    }
    // A second final answer would be one too many.
    while let Some(message) = phone.wire.receive(Duration::from_millis(2))? {
        got.extend(message.status());
    }
    Ok(got)
}

fn still_answers(server: SocketAddr, at: usize) -> Result<bool> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(Duration::from_millis(1_000)))?;
    let text = options(server, socket.local_addr()?, "UDP", &format!("after{at}"));
    socket.send_to(text.as_bytes(), server)?;
    let mut buffer = vec![0; 65_536];
    let Ok((length, from)) = socket.recv_from(&mut buffer) else { return Ok(false) };
    let answer = Message::parse(&buffer[..length]);
    Ok(from == server && answer.and_then(|answer| answer.status()) == Some(200))
}

/// P1 over TCP: each message on a connection of its own, and an OPTIONS answered after it on another.
pub fn tcp() -> Result<()> {
    streams(Way::Tcp)
}

/// P1 over TLS: the same.
pub fn tls() -> Result<()> {
    streams(Way::Tls)
}

fn streams(way: Way) -> Result<()> {
    let mut town = Town::open()?;
    let mut wrong = Vec::new();
    for (at, torture) in torture_set()?.iter().enumerate() {
        let ringfence = &town.house.ringfence;
        let seen = match (torture.asks(), way) {
            (Some(_), _) => known_exchange(torture, ringfence.wire(way, HERE)?)?,
            (None, Way::Tls) => {
                let stream = patient(ringfence.tls_address())?;
                let config = ringfence.authority()?.client()?;
                exchange(shake_hands(stream, &config)?, &torture.bytes)
            }
            (None, _) => exchange(patient(ringfence.address())?, &torture.bytes),
        };
        for part in torture.stream.split('+') {
            if !seen.fits(part, &torture.above) {
                wrong.push(format!("{}: want {part}, got {seen:?}", torture.file));
            }
        }
        let mut wire = ringfence.wire(way, HERE)?;
        let server = ringfence.address();
        let text = options(server, wire.local(), wire.transport(), &format!("after{at}"));
        wire.send(text.as_bytes())?;
        let answer = wire.receive(Duration::from_secs(1))?;
        if answer.and_then(|answer| answer.status()) != Some(200) {
            wrong.push(format!("{}: no answer to the OPTIONS after it", torture.file));
        }
    }
    verdict(&mut town.house, &wrong)
}

/// What came over a connection.
#[derive(Debug)]
struct Seen {
    finals: Vec<u16>,
    begins_with_line_end: bool,
    is_closed: bool,
}

impl Seen {
    fn fits(&self, part: &str, above: &str) -> bool {
        let has = |want: &str| self.finals.iter().any(|status| status.to_string() == want);
        match (part, part.split_once(':')) {
            (_, Some(("frame", status))) => self.is_closed || has(status),
            ("ok", _) if above == "none" => self.finals.is_empty(),
            ("ok", _) => has(above),
            ("waits", _) => self.finals.is_empty() && !self.is_closed,
            ("ping", _) => self.begins_with_line_end,
            (status, _) => has(status) || (above == "none" && self.finals.is_empty()),
        }
    }
}

/// A message of somebody known, on a connection on which he was challenged before.
fn known_exchange(torture: &Torture, wire: Wire) -> Result<Seen> {
    let (mut phone, bytes) = torture.for_wire(wire)?;
    phone.wire.send(&bytes)?;
    let (end, mut got, mut is_closed) =
        (Instant::now() + Duration::from_secs(2), Vec::new(), false);
    while Instant::now() < end {
        let has_final = got.iter().any(|status| *status >= 200);
        let patience = Duration::from_millis(if has_final { 60 } else { 500 });
        match phone.wire.receive(patience) {
            Ok(Some(message)) => got.extend(message.status()),
            Ok(None) if has_final => break,
            Ok(None) => {}
            Err(_) => {
                is_closed = true;
                break;
            }
        }
    }
    Ok(Seen { finals: finals(got), begins_with_line_end: false, is_closed })
}

/// A connection on which nobody waits for long.
fn patient(server: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(Duration::from_millis(120)))?;
    Ok(stream)
}

/// Sends bytes on a new connection and reads until nothing comes any more.
fn exchange(mut stream: impl Read + Write, bytes: &[u8]) -> Seen {
    // The server may close while we are still writing.
    let _ = stream.write_all(bytes);
    let mut all = Vec::new();
    let mut buffer = [0; 16_384];
    let is_closed = loop {
        match stream.read(&mut buffer) {
            Ok(0) => break true,
            Ok(length) => all.extend_from_slice(&buffer[..length]),
            Err(error) => break error.kind() != ErrorKind::WouldBlock,
        }
    };
    let text = String::from_utf8_lossy(&all);
    let statuses = text
        .split("\r\n")
        .filter_map(|line| line.strip_prefix("SIP/2.0 "))
        .filter_map(|rest| rest.get(..3)?.parse().ok());
    let begins_with_line_end = text.starts_with("\r\n");
    Seen { finals: finals(statuses.collect()), begins_with_line_end, is_closed }
}

fn verdict(house: &mut House, wrong: &[String]) -> Result<()> {
    ensure!(house.ringfence.is_running(), "the server is gone:\n{}", house.ringfence.log());
    if !wrong.is_empty() {
        bail!("{} messages:\n    {}", wrong.len(), wrong.join("\n    "));
    }
    Ok(())
}
