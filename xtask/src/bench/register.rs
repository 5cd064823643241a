//! Registrations at load. Lives here: the pace, the messages, the tally of one generator that asks
//! any server the same. Never here: which server it is.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Tally, user, wire};
use crate::digest::{Algorithm, Challenge};

/// One phone.
#[derive(Clone, Default)]
struct Phone {
    cseq: u32,
    state: State,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Idle,
    Challenged,
    Answered,
}

/// Phones that register in turn, each with a challenge.
pub struct Registrations {
    socket: UdpSocket,
    local: SocketAddr,
    phones: Vec<Phone>,
    next: usize,
    buffer: Vec<u8>,
}

impl Registrations {
    /// `phones` phones on one socket that talk to `server` only.
    pub fn new(server: SocketAddr, phones: usize) -> Result<Registrations> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        super::enlarge(&socket)?;
        socket.connect(server)?;
        socket.set_nonblocking(true)?;
        let local = socket.local_addr()?;
        Ok(Registrations {
            socket,
            local,
            phones: vec![Phone::default(); phones],
            next: 0,
            buffer: vec![0; 65_536],
        })
    }

    /// Runs `count` registrations, `rate` a second, evenly spaced; slower when too many are open.
    pub fn run(&mut self, count: usize, rate: u32) -> Result<Tally> {
        let mut tally = Tally::default();
        let start = Instant::now();
        let spacing = Duration::from_secs(1) / rate;
        let mut started = 0usize;
        let mut last_progress = start;
        while tally.completed + tally.failed < count {
            let now = Instant::now();
            while started < count
                && now >= start + spacing * started as u32
                && started - tally.completed - tally.failed < super::WINDOW
            {
                self.begin(&mut tally)?;
                started += 1;
            }
            if self.receive(&mut tally)? {
                last_progress = now;
            } else if now > last_progress + Duration::from_secs(3) {
                let missing = count - tally.completed - tally.failed;
                bail!("{missing} of {count} registrations got no answer; {tally:?}");
            }
        }
        tally.seconds = start.elapsed().as_secs_f64();
        Ok(tally)
    }

    fn begin(&mut self, tally: &mut Tally) -> Result<()> {
        let index = self.next;
        self.next = (self.next + 1) % self.phones.len();
        let phone = &mut self.phones[index];
        if phone.state != State::Idle {
            tally.failed += 1;
            tally.unexpected("the phone's last registration is still open");
        }
        phone.cseq += 1;
        phone.state = State::Challenged;
        let text = request(index, phone.cseq, self.local, None);
        super::send(&self.socket, text.as_bytes())
    }

    /// Handles one message; false when there was none.
    fn receive(&mut self, tally: &mut Tally) -> Result<bool> {
        let length = match self.socket.recv(&mut self.buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let message = &self.buffer[..length];
        let index = wire::operation(message, 'r').filter(|index| *index < self.phones.len());
        let (Some(index), Some(status)) = (index, wire::status(message)) else {
            tally.unexpected("not an answer to a registration");
            return Ok(true);
        };
        let phone = &mut self.phones[index];
        match (status, phone.state) {
            (401, State::Challenged) => {
                let challenge = wire::headers(message, "WWW-Authenticate", "WWW-Authenticate")
                    .filter_map(Challenge::parse)
                    .find(|challenge| challenge.algorithm == Algorithm::Md5);
                let Some(challenge) = challenge else { bail!("a 401 without an MD5 challenge") };
                phone.cseq += 1;
                phone.state = State::Answered;
                let text = request(index, phone.cseq, self.local, Some(&challenge));
                super::send(&self.socket, text.as_bytes())?;
            }
            (200, State::Answered) => {
                phone.state = State::Idle;
                tally.completed += 1;
            }
            (status, _) => {
                phone.state = State::Idle;
                tally.failed += 1;
                tally.unexpected(&status.to_string());
            }
        }
        Ok(true)
    }
}

fn request(index: usize, cseq: u32, local: SocketAddr, challenge: Option<&Challenge>) -> String {
    let user = user(index);
    let authorization = challenge.map_or(String::new(), |challenge| {
        let answer = super::answer(&user, "REGISTER", "sip:example.com");
        format!("Authorization: {}\r\n", answer.to(challenge))
    });
    format!(
        "REGISTER sip:example.com SIP/2.0\r\n\
         Via: SIP/2.0/UDP {local};branch=z9hG4bKr{index}x{cseq};rport\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:{user}@example.com>;tag=f{index}\r\n\
         To: <sip:{user}@example.com>\r\n\
         Call-ID: r{index}@bench.example.com\r\n\
         CSeq: {cseq} REGISTER\r\n\
         Contact: <sip:{user}@{local};transport=udp>\r\n\
         Expires: 3600\r\n\
         Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY\r\n\
         Supported: path, outbound\r\n\
         User-Agent: Bench Phone 1.0\r\n\
         {authorization}Content-Length: 0\r\n\r\n"
    )
}
