//! Phones that do as RFC 3261 says, many on one thread: they register, call and hang up, and send again what is
//! not answered (T1 half a second, doubling). Lives here: attempts and what became of them; an attempt is one,
//! however often its packets had to be sent. Never here: who disturbs them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{setsockopt, sockopt};

use super::message::Message;
use super::{phone::Dialog, sdp};
use crate::digest::{Algorithm, Answer, Challenge};

const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);
/// A transaction is given up after 64 × T1.
const GIVE_UP: Duration = Duration::from_secs(32);
/// How long people talk.
const TALK: Duration = Duration::from_millis(200);

/// What is attempted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Errand {
    /// A registration is refreshed.
    Register,
    /// A registration is refreshed from another port: the NAT forgot the old one.
    Move,
    /// An ordinary call.
    Call,
    /// An emergency call.
    Emergency,
    /// An emergency call from a socket that nobody has seen before.
    NewEmergency,
}

/// How errands of a kind went.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Begun.
    pub tried: usize,
    /// Done.
    pub done: usize,
    /// Packets that had to be sent again.
    pub repeated: usize,
    /// Statuses and time-outs of those that failed.
    pub failures: BTreeMap<String, usize>,
}

impl Outcome {
    /// Share that was done.
    pub fn success(&self) -> f64 {
        if self.tried == 0 { 1.0 } else { self.done as f64 / self.tried as f64 }
    }
}

/// How everything went.
pub type Outcomes = BTreeMap<Errand, Outcome>;

struct Phone {
    user: String,
    socket: UdpSocket,
    local: SocketAddr,
    /// What its Contact says: the address it had when it registered first.
    contact: String,
    cseq: u32,
}

/// One transaction that waits for an answer.
struct Open {
    text: String,
    again: Instant,
    interval: Duration,
    until: Instant,
    /// A provisional response stops the repeating of an INVITE.
    is_heard: bool,
}

struct Attempt {
    errand: Errand,
    phone: usize,
    cseq: u32,
    uri: String,
    invite: String,
    answered: bool,
    open: Option<Open>,
    hang_up: Option<Instant>,
    dialog: Option<Dialog>,
}

/// The phones.
pub struct Honest {
    server: SocketAddr,
    secret: String,
    phones: Vec<Phone>,
    open: BTreeMap<String, Attempt>,
    outcomes: Outcomes,
    number: usize,
    buffer: Vec<u8>,
}

impl Honest {
    /// One phone for each user, at the address that stands beside it.
    pub fn open(server: SocketAddr, secret: &str, users: Vec<(String, IpAddr)>) -> Result<Honest> {
        let phones = users.into_iter().map(|(user, address)| {
            let (socket, local) = bind(address, server)?;
            let contact = format!("<sip:{user}@{local}>");
            Ok(Phone { user, socket, local, contact, cseq: 0 })
        });
        Ok(Honest {
            server,
            secret: secret.to_owned(),
            phones: phones.collect::<Result<_>>()?,
            open: BTreeMap::new(),
            outcomes: Outcomes::new(),
            number: 0,
            buffer: vec![0; 65_536],
        })
    }

    /// Does one errand after the other, each so often a second, for so long; then waits for what is open.
    pub fn run(&mut self, errands: &[(Errand, usize)], lasts: Duration) -> Result<Outcomes> {
        self.outcomes.clear();
        let start = Instant::now();
        let mut begun = vec![0; errands.len()];
        while start.elapsed() < lasts || !self.open.is_empty() {
            let passed = start.elapsed().min(lasts).as_secs_f64();
            for (at, (errand, per_s)) in errands.iter().enumerate() {
                while begun[at] < (passed * *per_s as f64) as usize {
                    begun[at] += 1;
                    self.begin(*errand)?;
                }
            }
            self.look_at_clock()?;
            self.listen()?;
        }
        Ok(std::mem::take(&mut self.outcomes))
    }

    /// Registers every phone once.
    pub fn register_all(&mut self) -> Result<Outcomes> {
        self.outcomes.clear();
        for _ in 0..self.phones.len() {
            self.begin(Errand::Register)?;
            self.listen()?;
        }
        while !self.open.is_empty() {
            self.look_at_clock()?;
            self.listen()?;
        }
        Ok(std::mem::take(&mut self.outcomes))
    }

    fn begin(&mut self, errand: Errand) -> Result<()> {
        self.number += 1;
        let phone = self.number % self.phones.len();
        if matches!(errand, Errand::Move | Errand::NewEmergency) {
            let (socket, local) = bind(self.phones[phone].local.ip(), self.server)?;
            (self.phones[phone].socket, self.phones[phone].local) = (socket, local);
        }
        let (uri, call_id) = match errand {
            // RFC 3261 §10.2: all registrations of a phone have one Call-ID.
            Errand::Register | Errand::Move => {
                ("sip:example.com".to_owned(), format!("r{phone}@honest"))
            }
            Errand::Call => {
                ("sip:+442083661177@example.com".to_owned(), format!("c{}@honest", self.number))
            }
            _ => ("sip:999@example.com".to_owned(), format!("e{}@honest", self.number)),
        };
        if self.open.contains_key(&call_id) {
            // The phone's last registration is still open: this one would be too early.
            return Ok(());
        }
        self.outcomes.entry(errand).or_default().tried += 1;
        let attempt = Attempt {
            errand,
            phone,
            cseq: 0,
            uri,
            invite: String::new(),
            answered: false,
            open: None,
            hang_up: None,
            dialog: None,
        };
        self.open.insert(call_id.clone(), attempt);
        self.ask(&call_id, "")
    }

    /// Sends the errand's request, with or without credentials.
    fn ask(&mut self, call_id: &str, credentials: &str) -> Result<()> {
        let Some(attempt) = self.open.get_mut(call_id) else { return Ok(()) };
        let phone = &mut self.phones[attempt.phone];
        phone.cseq += 1;
        attempt.cseq = phone.cseq;
        let is_register = matches!(attempt.errand, Errand::Register | Errand::Move);
        let method = if is_register { "REGISTER" } else { "INVITE" };
        let (user, local, contact, cseq) = (&phone.user, phone.local, &phone.contact, phone.cseq);
        let (to, body, more) = match is_register {
            true => (format!("<sip:{user}@example.com>"), String::new(), "Expires: 3600\r\n"),
            false => {
                let body = sdp(local, "sendrecv");
                (format!("<{}>", attempt.uri), body, "Content-Type: application/sdp\r\n")
            }
        };
        let text = format!(
            "{method} {} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKh{call_id}x{cseq};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@example.com>;tag=h{call_id}\r\nTo: {to}\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\nContact: {contact}\r\n\
             User-Agent: Honest Phone 1.0\r\nAllow: INVITE, ACK, CANCEL, BYE, OPTIONS, NOTIFY\r\n\
             {more}{credentials}Content-Length: {}\r\n\r\n{body}",
            attempt.uri,
            body.len()
        );
        attempt.invite.clone_from(&text);
        attempt.open = Some(Open::new(text.clone()));
        send(&phone.socket, &text);
        Ok(())
    }

    fn listen(&mut self) -> Result<()> {
        let mut descriptors: Vec<PollFd<'_>> = self
            .phones
            .iter()
            .map(|phone| PollFd::new(phone.socket.as_fd(), PollFlags::POLLIN))
            .collect();
        poll(&mut descriptors, PollTimeout::from(4_u8))?;
        let ready: Vec<usize> =
            (0..descriptors.len()).filter(|at| descriptors[*at].any().unwrap_or(false)).collect();
        for phone in ready {
            while let Ok(length) = self.phones[phone].socket.recv(&mut self.buffer) {
                if let Some(message) = Message::parse(&self.buffer[..length]) {
                    self.handle(phone, &message)?;
                }
            }
        }
        Ok(())
    }

    fn handle(&mut self, phone: usize, message: &Message) -> Result<()> {
        let call_id = message.call_id().to_owned();
        let Some(status) = message.status() else {
            // A BYE that crosses ours, an OPTIONS: anything is agreed to.
            if message.method() != "ACK" {
                send(&self.phones[phone].socket, &message.reply(200, "OK", "h", "", ""));
            }
            return Ok(());
        };
        let Some(attempt) = self.open.get_mut(&call_id) else { return Ok(()) };
        let method = message.cseq_method().to_owned();
        if method == "INVITE" && status >= 300 {
            let ack = ack_of(&attempt.invite, message);
            send(&self.phones[attempt.phone].socket, &ack);
        }
        if method != "BYE" && message.cseq_number() != attempt.cseq {
            return Ok(());
        }
        match (method.as_str(), status) {
            (_, 100..=199) => {
                if let Some(open) = &mut attempt.open {
                    open.is_heard = true;
                }
            }
            // RFC 7616 §3.3: stale means that the digest was good and the nonce is not.
            ("REGISTER" | "INVITE", 401 | 407) if !attempt.answered || is_stale(message) => {
                attempt.answered = true;
                let credentials = self.credentials(&call_id, message)?;
                return self.ask(&call_id, &credentials);
            }
            ("INVITE", 200) => self.talk(&call_id, message),
            ("REGISTER" | "BYE", 200) => self.done(&call_id, None),
            (_, status) => self.done(&call_id, Some(format!("{status} to {method}"))),
        }
        Ok(())
    }

    fn credentials(&self, call_id: &str, challenge: &Message) -> Result<String> {
        let attempt = &self.open[call_id];
        let (asks, answers) = match challenge.status() {
            Some(401) => ("WWW-Authenticate", "Authorization"),
            _ => ("Proxy-Authenticate", "Proxy-Authorization"),
        };
        let offered = challenge.all(asks).filter_map(Challenge::parse);
        let offered = offered.into_iter().find(|one| one.algorithm == Algorithm::Md5);
        let Some(offered) = offered else { anyhow::bail!("a challenge without MD5") };
        let method = if asks == "WWW-Authenticate" { "REGISTER" } else { "INVITE" };
        let user = &self.phones[attempt.phone].user;
        let answer = Answer {
            user,
            secret: &self.secret,
            method,
            uri: &attempt.uri,
            nc: 1,
            cnonce: "0a4f113b",
        };
        Ok(format!("{answers}: {}\r\n", answer.to(&offered)))
    }

    /// The call is up: an ACK for every 200, and a BYE after a while.
    fn talk(&mut self, call_id: &str, answer: &Message) {
        let Some(attempt) = self.open.get_mut(call_id) else { return };
        let phone = &self.phones[attempt.phone];
        attempt.open = None;
        let dialog = attempt.dialog.get_or_insert_with(|| Dialog {
            call_id: call_id.to_owned(),
            ours: format!("<sip:{}@example.com>;tag=h{call_id}", phone.user),
            theirs: answer.header("To").to_owned(),
            target: answer.contact_uri().to_owned(),
            routes: answer.route_set(),
            cseq: attempt.cseq,
        });
        send(&phone.socket, &within(dialog, "ACK", phone.local));
        attempt.hang_up.get_or_insert_with(|| Instant::now() + TALK);
    }

    fn look_at_clock(&mut self) -> Result<()> {
        let now = Instant::now();
        let mut over = Vec::new();
        for (call_id, attempt) in &mut self.open {
            let phone = &self.phones[attempt.phone];
            if attempt.hang_up.is_some_and(|due| due <= now)
                && attempt.open.is_none()
                && let Some(dialog) = &mut attempt.dialog
            {
                dialog.cseq += 1;
                let text = within(dialog, "BYE", phone.local);
                send(&phone.socket, &text);
                attempt.open = Some(Open::new(text));
            }
            let Some(open) = &mut attempt.open else { continue };
            if open.until <= now {
                over.push(call_id.clone());
            } else if open.again <= now && !open.is_heard {
                open.interval = (open.interval * 2).min(T2);
                open.again = now + open.interval;
                send(&phone.socket, &open.text);
                self.outcomes.entry(attempt.errand).or_default().repeated += 1;
            }
        }
        for call_id in over {
            self.done(&call_id, Some("no answer".to_owned()));
        }
        Ok(())
    }

    fn done(&mut self, call_id: &str, failure: Option<String>) {
        let Some(attempt) = self.open.remove(call_id) else { return };
        let outcome = self.outcomes.entry(attempt.errand).or_default();
        match failure {
            None => outcome.done += 1,
            Some(failure) => *outcome.failures.entry(failure).or_default() += 1,
        }
    }
}

fn is_stale(challenge: &Message) -> bool {
    let offered = ["WWW-Authenticate", "Proxy-Authenticate"].map(|name| challenge.all(name));
    offered.into_iter().flatten().filter_map(Challenge::parse).any(|one| one.stale)
}

impl Open {
    fn new(text: String) -> Open {
        let now = Instant::now();
        Open { text, again: now + T1, interval: T1, until: now + GIVE_UP, is_heard: false }
    }
}

fn bind(address: IpAddr, server: SocketAddr) -> Result<(UdpSocket, SocketAddr)> {
    let socket = UdpSocket::bind((address, 0))?;
    let _ = setsockopt(&socket, sockopt::RcvBuf, &(1 << 20));
    socket.connect(server)?;
    socket.set_nonblocking(true)?;
    let local = socket.local_addr()?;
    Ok((socket, local))
}

/// What the system does not take is sent again in half a second, as if it had been lost.
fn send(socket: &UdpSocket, text: &str) {
    let _ = socket.send(text.as_bytes());
}

/// A request within a dialog, without a body.
fn within(dialog: &Dialog, method: &str, local: SocketAddr) -> String {
    let routes: String = dialog.routes.iter().map(|route| format!("Route: {route}\r\n")).collect();
    let Dialog { call_id, ours, theirs, target, cseq, .. } = dialog;
    format!(
        "{method} {target} SIP/2.0\r\nVia: SIP/2.0/UDP {local};branch=z9hG4bKw{call_id}x{method}{cseq};rport\r\n\
         {routes}Max-Forwards: 70\r\nFrom: {ours}\r\nTo: {theirs}\r\nCall-ID: {call_id}\r\n\
         CSeq: {cseq} {method}\r\nContent-Length: 0\r\n\r\n"
    )
}

/// RFC 3261 §17.1.1.3: the ACK of a refusal has the INVITE's Via and the response's To.
fn ack_of(invite: &str, refusal: &Message) -> String {
    let mut lines = invite.lines();
    let uri = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap_or("");
    let kept: String = lines
        .take_while(|line| !line.is_empty())
        .filter(|line| ["Via:", "From:", "Call-ID:"].iter().any(|name| line.starts_with(name)))
        .map(|line| format!("{line}\r\n"))
        .collect();
    format!(
        "ACK {uri} SIP/2.0\r\n{kept}To: {}\r\nCSeq: {} ACK\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
        refusal.header("To"),
        refusal.cseq_number()
    )
}
