//! Calls at load: callers and the carrier of one generator. Lives here: INVITE, 407, ACK, INVITE with
//! digest, 180, 200, ACK, a fiftieth of a second of talk, BYE, 200. Never here: which server relays them.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{Tally, user, wire};
use crate::digest::{Algorithm, Challenge};

const TALK: Duration = Duration::from_millis(20);
const DIALLED: &str = "+442083661177";

#[derive(Default)]
struct Call {
    state: State,
    /// Request-URI, Route lines and To of requests within the dialog, once it is up.
    target: String,
    routes: String,
    to: String,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Invited,
    Answering,
    Talking,
    HangingUp,
    Over,
}

/// Callers on one socket, the carrier on another.
pub struct Calls {
    server: SocketAddr,
    callers: UdpSocket,
    carrier: UdpSocket,
    local: SocketAddr,
    users: usize,
    calls: Vec<Call>,
    hang_up: VecDeque<(Instant, usize)>,
    buffer: Vec<u8>,
    first: usize,
}

impl Calls {
    /// Callers that talk to `server` only; the carrier answers at the socket given.
    pub fn new(server: SocketAddr, carrier: UdpSocket, users: usize) -> Result<Calls> {
        let callers = UdpSocket::bind("127.0.0.1:0")?;
        callers.connect(server)?;
        for socket in [&callers, &carrier] {
            super::enlarge(socket)?;
            socket.set_nonblocking(true)?;
        }
        let local = callers.local_addr()?;
        Ok(Calls {
            server,
            callers,
            carrier,
            local,
            users,
            calls: Vec::new(),
            hang_up: VecDeque::new(),
            buffer: vec![0; 65_536],
            first: 0,
        })
    }

    /// Runs `count` calls, `rate` a second, evenly spaced; slower when too many are open.
    pub fn run(&mut self, count: usize, rate: u32) -> Result<Tally> {
        self.first += self.calls.len();
        self.calls.clear();
        let mut tally = Tally::default();
        let start = Instant::now();
        let spacing = Duration::from_secs(1) / rate;
        let mut last_progress = start;
        while tally.completed + tally.failed < count {
            let now = Instant::now();
            while self.calls.len() < count
                && now >= start + spacing * self.calls.len() as u32
                && self.calls.len() - tally.completed - tally.failed < super::WINDOW
            {
                self.begin()?;
            }
            while self.hang_up.front().is_some_and(|(due, _)| *due <= now) {
                let (_, index) = self.hang_up.pop_front().expect("it was just looked at");
                self.bye(index)?;
            }
            if self.answer_as_carrier()? | self.receive(now, &mut tally)? {
                last_progress = now;
            } else if now > last_progress + Duration::from_secs(3) {
                let missing = count - tally.completed - tally.failed;
                bail!("{missing} of {count} calls hang; {tally:?}");
            }
        }
        tally.seconds = start.elapsed().as_secs_f64();
        Ok(tally)
    }

    fn begin(&mut self) -> Result<()> {
        let index = self.calls.len();
        self.calls.push(Call::default());
        let text = self.invite(index, 1, None);
        super::send(&self.callers, text.as_bytes())
    }

    fn receive(&mut self, now: Instant, tally: &mut Tally) -> Result<bool> {
        let length = match self.callers.recv(&mut self.buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let message = self.buffer[..length].to_vec();
        let index = wire::operation(&message, 'c')
            .and_then(|number| number.checked_sub(self.first))
            .filter(|index| *index < self.calls.len());
        let (Some(index), Some(status)) = (index, wire::status(&message)) else {
            tally.unexpected("not an answer to a call");
            return Ok(true);
        };
        let state = self.calls[index].state;
        match (wire::cseq_method(&message), status, state) {
            ("INVITE", 100..=199, _) => {}
            ("INVITE", 407, State::Invited) => {
                self.ack_refusal(index, 1, &message)?;
                let challenge = wire::headers(&message, "Proxy-Authenticate", "Proxy-Authenticate")
                    .filter_map(Challenge::parse)
                    .find(|challenge| challenge.algorithm == Algorithm::Md5);
                let Some(challenge) = challenge else { bail!("a 407 without an MD5 challenge") };
                self.calls[index].state = State::Answering;
                let text = self.invite(index, 2, Some(&challenge));
                super::send(&self.callers, text.as_bytes())?;
            }
            ("INVITE", 200, State::Answering) => {
                self.establish(index, &message);
                self.ack(index)?;
                self.hang_up.push_back((now + TALK, index));
            }
            ("INVITE", 200, _) => {
                tally.repeated += 1;
                self.ack(index)?;
            }
            ("BYE", 200, State::HangingUp) => {
                self.calls[index].state = State::Over;
                tally.completed += 1;
            }
            ("BYE", 200, State::Over) => tally.repeated += 1,
            (method, status, state) => {
                if method == "INVITE" && status >= 300 {
                    self.ack_refusal(index, if state == State::Invited { 1 } else { 2 }, &message)?;
                }
                if state != State::Over {
                    self.calls[index].state = State::Over;
                    tally.failed += 1;
                }
                tally.unexpected(&format!("{status} to {method}"));
            }
        }
        Ok(true)
    }

    fn establish(&mut self, index: usize, message: &[u8]) {
        let call = &mut self.calls[index];
        call.state = State::Talking;
        call.target = wire::uri_of(wire::header(message, "Contact", "m")).to_owned();
        call.to = wire::header(message, "To", "t").to_owned();
        let mut routes: Vec<&str> = wire::headers(message, "Record-Route", "Record-Route")
            .flat_map(|line| line.split(','))
            .collect();
        routes.reverse();
        call.routes = routes.iter().map(|route| format!("Route: {}\r\n", route.trim())).collect();
    }

    fn invite(&self, index: usize, cseq: u32, challenge: Option<&Challenge>) -> String {
        let number = self.first + index;
        let (user, local) = (user(number % self.users), self.local);
        let uri = format!("sip:{DIALLED}@example.com");
        let authorization = challenge.map_or(String::new(), |challenge| {
            let answer = super::answer(&user, "INVITE", &uri);
            format!("Proxy-Authorization: {}\r\n", answer.to(challenge))
        });
        let body = sdp(local);
        format!(
            "INVITE {uri} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};branch=z9hG4bKc{number}x{cseq};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:{user}@example.com>;tag=f{number}\r\n\
             To: <{uri}>\r\n\
             Call-ID: c{number}@bench.example.com\r\n\
             CSeq: {cseq} INVITE\r\n\
             Contact: <sip:{user}@{local}>\r\n\
             Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY\r\n\
             User-Agent: Bench Phone 1.0\r\n\
             {authorization}Content-Type: application/sdp\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    /// ACK to a final response other than 2xx: same branch and Request-URI as the INVITE.
    fn ack_refusal(&self, index: usize, cseq: u32, response: &[u8]) -> Result<()> {
        let number = self.first + index;
        let (user, local) = (user(number % self.users), self.local);
        let text = format!(
            "ACK sip:{DIALLED}@example.com SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};branch=z9hG4bKc{number}x{cseq};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:{user}@example.com>;tag=f{number}\r\n\
             To: {}\r\n\
             Call-ID: c{number}@bench.example.com\r\n\
             CSeq: {cseq} ACK\r\n\
             Content-Length: 0\r\n\r\n",
            wire::header(response, "To", "t")
        );
        super::send(&self.callers, text.as_bytes())
    }

    fn ack(&self, index: usize) -> Result<()> {
        let text = self.within_dialog(index, "ACK", 2);
        super::send(&self.callers, text.as_bytes())
    }

    fn bye(&mut self, index: usize) -> Result<()> {
        self.calls[index].state = State::HangingUp;
        let text = self.within_dialog(index, "BYE", 3);
        super::send(&self.callers, text.as_bytes())
    }

    fn within_dialog(&self, index: usize, method: &str, cseq: u32) -> String {
        let number = self.first + index;
        let (user, local) = (user(number % self.users), self.local);
        let Call { target, routes, to, .. } = &self.calls[index];
        format!(
            "{method} {target} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};branch=z9hG4bK{method}{number};rport\r\n\
             {routes}Max-Forwards: 70\r\n\
             From: <sip:{user}@example.com>;tag=f{number}\r\n\
             To: {to}\r\n\
             Call-ID: c{number}@bench.example.com\r\n\
             CSeq: {cseq} {method}\r\n\
             User-Agent: Bench Phone 1.0\r\n\
             Content-Length: 0\r\n\r\n"
        )
    }

    /// The carrier: rings and answers at once, agrees to each BYE; keeps no state.
    fn answer_as_carrier(&mut self) -> Result<bool> {
        let (length, peer) = match self.carrier.recv_from(&mut self.buffer) {
            Ok(received) => received,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let message = &self.buffer[..length];
        let local = self.carrier.local_addr()?;
        debug_assert_eq!(peer, self.server);
        if message.starts_with(b"INVITE ") {
            let head = response_head(message);
            let ringing = format!(
                "SIP/2.0 180 Ringing\r\n{head}Contact: <sip:{local}>\r\nContent-Length: 0\r\n\r\n"
            );
            let body = sdp(local);
            let answer = format!(
                "SIP/2.0 200 OK\r\n{head}Contact: <sip:{local}>\r\nContent-Type: application/sdp\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            super::send_to(&self.carrier, ringing.as_bytes(), peer)?;
            super::send_to(&self.carrier, answer.as_bytes(), peer)?;
        } else if !message.starts_with(b"ACK ") && !message.starts_with(b"SIP/2.0") {
            let text =
                format!("SIP/2.0 200 OK\r\n{}Content-Length: 0\r\n\r\n", response_head(message));
            super::send_to(&self.carrier, text.as_bytes(), peer)?;
        }
        Ok(true)
    }
}

/// Via, Record-Route, From, To with our tag, Call-ID and CSeq of a request, for its answers.
fn response_head(request: &[u8]) -> String {
    let mut head = String::with_capacity(512);
    for (long, compact) in [("Via", "v"), ("Record-Route", "Record-Route"), ("From", "f")] {
        for value in wire::headers(request, long, compact) {
            head.push_str(&format!("{long}: {value}\r\n"));
        }
    }
    let to = wire::header(request, "To", "t");
    let tag = if to.contains(";tag=") { "" } else { ";tag=carrier" };
    let call_id = wire::header(request, "Call-ID", "i");
    let cseq = wire::header(request, "CSeq", "CSeq");
    head.push_str(&format!("To: {to}{tag}\r\nCall-ID: {call_id}\r\nCSeq: {cseq}\r\n"));
    head
}

fn sdp(address: SocketAddr) -> String {
    let ip = address.ip();
    format!(
        "v=0\r\no=- 1 1 IN IP4 {ip}\r\ns=-\r\nc=IN IP4 {ip}\r\nt=0 0\r\n\
         m=audio 40000 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
         a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\n"
    )
}
