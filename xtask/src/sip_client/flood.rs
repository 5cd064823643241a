//! Bad packets by the ten thousand, from many addresses of the loopback net, at an even pace. Lives here: what
//! attackers send, who they say they are. Never here: what is expected of a server.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::socket::{setsockopt, sockopt};

use crate::digest::{Algorithm, Challenge};

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bad {
    /// Bytes that are no SIP.
    Garbage,
    /// A REGISTER whose CSeq is none.
    Malformed,
    /// A REGISTER without credentials.
    NoCredentials,
    /// A REGISTER whose nonce is good and whose digest is not; without a nonce, one that asks for it.
    LogIn,
    /// A call to an emergency number without credentials.
    Emergency,
    /// An OPTIONS of a tool for scanning.
    Scan,
}

/// A nonce is used for so long: servers take theirs for a minute at most.
const NONCE_LIFE: Duration = Duration::from_secs(40);
/// Packets go out every millisecond.
const BEAT: Duration = Duration::from_millis(1);

struct Source {
    socket: UdpSocket,
    local: SocketAddr,
    nonce: Option<(String, Instant)>,
    nc: u32,
}

/// What went out and what came back.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    /// Packets that left.
    pub sent: usize,
    /// Packets that the system did not take.
    pub not_taken: usize,
    /// Answers that were seen.
    pub answers: usize,
    /// How long it took.
    pub seconds: f64,
}

impl Sent {
    /// Packets a second.
    pub fn rate(&self) -> f64 {
        self.sent as f64 / self.seconds.max(0.001)
    }
}

/// The attackers.
pub struct Flood {
    sources: Vec<Source>,
    users: Vec<String>,
    text: String,
    buffer: Vec<u8>,
    number: usize,
}

impl Flood {
    /// One socket for each address in `from`; bad log-ins name `users` in turn.
    pub fn open(
        server: SocketAddr,
        from: impl Iterator<Item = IpAddr>,
        users: Vec<String>,
    ) -> Result<Flood> {
        let open = |address: IpAddr| -> Result<Source> {
            let socket = UdpSocket::bind((address, 0)).context("cannot bind a flood's socket")?;
            let _ = setsockopt(&socket, sockopt::RcvBuf, &(1 << 18));
            socket.connect(server)?;
            socket.set_nonblocking(true)?;
            let local = socket.local_addr()?;
            Ok(Source { socket, local, nonce: None, nc: 0 })
        };
        let sources = from.map(open).collect::<Result<Vec<_>>>()?;
        anyhow::ensure!(
            !sources.is_empty() && !users.is_empty(),
            "a flood needs sources and users"
        );
        Ok(Flood { sources, users, text: String::new(), buffer: vec![0; 65_536], number: 0 })
    }

    /// Sends `kinds` in turn, `rate` a second, until `stop` or for so long.
    pub fn run(
        &mut self,
        kinds: &[Bad],
        rate: usize,
        limit: Duration,
        stop: &AtomicBool,
    ) -> Result<Sent> {
        let (start, mut sent) = (Instant::now(), Sent::default());
        let mut tried = 0;
        loop {
            let passed = start.elapsed();
            if passed >= limit || stop.load(Ordering::Relaxed) {
                break;
            }
            let due = (passed.as_secs_f64() * rate as f64) as usize;
            // After a stall no more than a tenth of a second is made up for: the rate is what it is.
            tried = tried.max(due.saturating_sub(rate / 10));
            while tried < due {
                let kind = kinds[tried % kinds.len()];
                tried += 1;
                match self.one(kind, &mut sent) {
                    true => sent.sent += 1,
                    false => sent.not_taken += 1,
                }
            }
            std::thread::sleep(BEAT);
        }
        sent.seconds = start.elapsed().as_secs_f64();
        for at in 0..self.sources.len() {
            while self.hear(at) {
                sent.answers += 1;
            }
        }
        Ok(sent)
    }

    /// No source has a nonce any more.
    pub fn forget_nonces(&mut self) {
        self.sources.iter_mut().for_each(|source| source.nonce = None);
    }

    /// Every source gets itself a nonce, as far as the server gives one.
    pub fn fetch_nonces(&mut self) -> Result<usize> {
        for _ in 0..20 {
            for at in 0..self.sources.len() {
                if self.sources[at].nonce.is_none() {
                    self.number = self.number.next_multiple_of(self.sources.len()) + at;
                    self.one(Bad::NoCredentials, &mut Sent::default());
                }
                if at % 64 == 63 {
                    crate::process::pause(2);
                }
            }
            crate::process::pause(50);
            (0..self.sources.len()).for_each(|at| while self.hear(at) {});
            if self.sources.iter().all(|source| source.nonce.is_some()) {
                break;
            }
        }
        Ok(self.sources.iter().filter(|source| source.nonce.is_some()).count())
    }

    /// Sends one packet from the next source and takes an answer, if there is one.
    fn one(&mut self, kind: Bad, sent: &mut Sent) -> bool {
        let at = self.number % self.sources.len();
        self.number += 1;
        self.write(kind, at);
        let has_left = match kind {
            Bad::Garbage => {
                let noise = self.number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
                let bytes: Vec<u8> =
                    noise.iter().cycle().take(300).map(|byte| byte | 0x80).collect();
                self.sources[at].socket.send(&bytes)
            }
            _ => self.sources[at].socket.send(self.text.as_bytes()),
        };
        while self.hear(at) {
            sent.answers += 1;
        }
        has_left.is_ok()
    }

    fn write(&mut self, kind: Bad, at: usize) {
        let (number, source) = (self.number, &mut self.sources[at]);
        let (user, local) = (&self.users[number % self.users.len()], source.local);
        let (method, uri, cseq) = match kind {
            Bad::Emergency => ("INVITE", "sip:999@example.com", "1"),
            Bad::Scan => ("OPTIONS", "sip:100@example.com", "1"),
            Bad::Malformed => ("REGISTER", "sip:example.com", "one"),
            _ => ("REGISTER", "sip:example.com", "1"),
        };
        let agent = if kind == Bad::Scan { "friendly-scanner" } else { "Desk Phone 2.1" };
        self.text.clear();
        let _ = write!(
            self.text,
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKf{number};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@example.com>;tag=f{number}\r\n\
             To: <sip:{user}@example.com>\r\nCall-ID: f{number}@flood.example.com\r\n\
             CSeq: {cseq} {method}\r\nContact: <sip:{user}@{local}>\r\nExpires: 3600\r\n\
             Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY\r\nUser-Agent: {agent}\r\n"
        );
        let fresh = source.nonce.as_ref().filter(|(_, since)| since.elapsed() < NONCE_LIFE);
        if let (Bad::LogIn, Some((nonce, _))) = (kind, fresh) {
            source.nc += 1;
            let _ = write!(
                self.text,
                "Authorization: Digest username=\"{user}\", realm=\"example.com\", nonce=\"{nonce}\", \
                 uri=\"{uri}\", response=\"{:032x}\", algorithm=MD5, cnonce=\"0a4f113b\", qop=auth, \
                 nc={:08x}\r\n",
                u128::from(number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835),
                source.nc
            );
        }
        self.text.push_str("Content-Length: 0\r\n\r\n");
    }

    /// Takes one answer; false: there is none.
    fn hear(&mut self, at: usize) -> bool {
        let source = &mut self.sources[at];
        let Ok(length) = source.socket.recv(&mut self.buffer) else { return false };
        let is_stale = source.nonce.as_ref().is_none_or(|(_, since)| since.elapsed() > NONCE_LIFE);
        if is_stale && self.buffer.starts_with(b"SIP/2.0 401") {
            let text = String::from_utf8_lossy(&self.buffer[..length]);
            let challenge = text
                .lines()
                .filter_map(|line| line.strip_prefix("WWW-Authenticate: "))
                .filter_map(Challenge::parse)
                .find(|challenge| challenge.algorithm == Algorithm::Md5);
            if let Some(challenge) = challenge {
                source.nonce = Some((challenge.nonce, Instant::now()));
                source.nc = 0;
            }
        }
        true
    }
}
