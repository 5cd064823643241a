//! A carrier of our own making: answers calls over UDP and keeps its own bill, by its own clock.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::message::{Message, user_of};
use super::sdp;

/// What the carrier does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Rings, and answers after so many milliseconds.
    Answer(u64),
    /// Refuses with this status.
    Reject(u16),
    /// Rings and never answers.
    Ring,
    /// Says nothing at all.
    Silent,
}

/// One call on the carrier's own bill.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The INVITE as it came.
    pub invite: Message,
    /// The number called.
    pub number: String,
    /// When the 200 left.
    pub answered: Option<Instant>,
    /// When BYE or CANCEL came.
    pub ended: Option<Instant>,
    /// How many BYEs came.
    pub byes: u32,
    /// Did an ACK to the 200 come?
    pub acked: bool,
    /// Further INVITEs within the call, in order.
    pub again: Vec<Message>,
}

impl Entry {
    /// Time that the carrier charges, up to `now` when the call still runs.
    pub fn talked(&self, now: Instant) -> Duration {
        self.answered.map_or(Duration::ZERO, |from| self.ended.unwrap_or(now).duration_since(from))
    }
}

type Bill = BTreeMap<String, Entry>;

/// A running carrier; stops with its guard.
pub struct Carrier {
    address: SocketAddr,
    bill: Arc<Mutex<Bill>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Carrier {
    /// Starts on a free port; `decide` says what becomes of a call by its number.
    pub fn start(decide: impl Fn(&str) -> Behaviour + Send + 'static) -> Result<Carrier> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        let _ = nix::sys::socket::setsockopt(
            &socket,
            nix::sys::socket::sockopt::RcvBufForce,
            &(8 << 20),
        );
        socket.set_read_timeout(Some(Duration::from_millis(5)))?;
        let address = socket.local_addr()?;
        let bill = Arc::new(Mutex::new(Bill::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let work = Work {
            socket,
            local: address,
            bill: bill.clone(),
            due: Vec::new(),
            unacked: Vec::new(),
        };
        let flag = stop.clone();
        let thread = std::thread::spawn(move || work.run(&decide, &flag));
        Ok(Carrier { address, bill, stop, thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its bill so far, by Call-ID.
    pub fn bill(&self) -> Bill {
        lock(&self.bill).clone()
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn lock(bill: &Mutex<Bill>) -> MutexGuard<'_, Bill> {
    bill.lock().expect("nobody panics while writing the bill")
}

/// T1 and 64 × T1 of RFC 3261.
const FIRST_REPEAT: Duration = Duration::from_millis(500);
const GIVE_UP: Duration = Duration::from_secs(32);

/// How often the carrier looks whom to answer.
const GLANCE: Duration = Duration::from_millis(4);

fn answer(invite: &Message, local: SocketAddr) -> String {
    let contact = format!("Contact: <sip:{local}>\r\n");
    invite.reply(200, "OK", "carrier", &contact, &sdp(local, "sendrecv"))
}

struct Work {
    socket: UdpSocket,
    local: SocketAddr,
    bill: Arc<Mutex<Bill>>,
    /// Calls to be answered, and when.
    due: Vec<(Instant, String, SocketAddr)>,
    /// Answers without an ACK so far: when to send again, after how long the next time.
    unacked: Vec<(Instant, Duration, String, SocketAddr)>,
}

impl Work {
    fn run(mut self, decide: &dyn Fn(&str) -> Behaviour, stop: &AtomicBool) {
        let mut buffer = vec![0; 65_536];
        let mut looked = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            if let Ok((length, peer)) = self.socket.recv_from(&mut buffer)
                && let Some(message) = Message::parse(&buffer[..length])
            {
                self.handle(&message, peer, decide);
            }
            // Not after every message: there may be thousands of calls.
            if looked.elapsed() >= GLANCE {
                looked = Instant::now();
                self.answer_due();
                self.answer_again();
            }
        }
    }

    fn handle(&mut self, message: &Message, peer: SocketAddr, decide: &dyn Fn(&str) -> Behaviour) {
        match message.method() {
            "INVITE" => self.invited(message, peer, decide),
            "ACK" => {
                if let Some(entry) = lock(&self.bill).get_mut(message.call_id()) {
                    entry.acked |= entry.answered.is_some();
                }
            }
            // RFC 3261 §12.2.2: a call that has ended is no dialog any more.
            method if method != "CANCEL" && self.has_ended(message.call_id()) => {
                self.say(peer, &message.reply(481, "No Such Call", "carrier", "", ""));
                self.ended(message, peer);
            }
            "BYE" | "CANCEL" => {
                self.say(peer, &message.reply(200, "OK", "carrier", "", ""));
                self.ended(message, peer);
            }
            "" => {}
            _ => self.say(peer, &message.reply(200, "OK", "carrier", "", "")),
        }
    }

    fn invited(&mut self, invite: &Message, peer: SocketAddr, decide: &dyn Fn(&str) -> Behaviour) {
        let number = user_of(invite.uri()).to_owned();
        let known = lock(&self.bill).contains_key(invite.call_id());
        if known {
            // A re-INVITE or a retransmission: agree again.
            if invite.header("To").contains(";tag=") {
                if let Some(entry) = lock(&self.bill).get_mut(invite.call_id()) {
                    entry.again.push(invite.clone());
                }
                self.say(peer, &answer(invite, self.local));
            }
            return;
        }
        let behaviour = decide(&number);
        let entry = Entry {
            invite: invite.clone(),
            number,
            answered: None,
            ended: None,
            byes: 0,
            acked: false,
            again: Vec::new(),
        };
        lock(&self.bill).insert(invite.call_id().to_owned(), entry);
        let contact = format!("Contact: <sip:{}>\r\n", self.local);
        let ringing = invite.reply(180, "Ringing", "carrier", &contact, "");
        match behaviour {
            Behaviour::Answer(after_ms) => {
                self.say(peer, &ringing);
                let due = Instant::now() + Duration::from_millis(after_ms);
                self.due.push((due, invite.call_id().to_owned(), peer));
            }
            Behaviour::Reject(status) => {
                self.say(peer, &invite.reply(status, "Refused", "carrier", "", ""));
            }
            Behaviour::Ring => self.say(peer, &ringing),
            Behaviour::Silent => {}
        }
    }

    fn answer_due(&mut self) {
        let now = Instant::now();
        let (ready, later) =
            std::mem::take(&mut self.due).into_iter().partition(|(due, ..)| *due <= now);
        self.due = later;
        let ready: Vec<(Instant, String, SocketAddr)> = ready;
        for (_, call_id, peer) in ready {
            let mut bill = lock(&self.bill);
            let Some(entry) = bill.get_mut(&call_id) else { continue };
            if entry.ended.is_some() {
                continue;
            }
            entry.answered = Some(Instant::now());
            let text = answer(&entry.invite, self.local);
            drop(bill);
            self.say(peer, &text);
            self.unacked.push((now + FIRST_REPEAT, FIRST_REPEAT, call_id, peer));
        }
    }

    /// RFC 3261 §13.3.1.4: the 200 is sent again until the ACK comes; without one the call ends.
    fn answer_again(&mut self) {
        let now = Instant::now();
        for (at, wait, call_id, peer) in std::mem::take(&mut self.unacked) {
            let mut bill = lock(&self.bill);
            let Some(entry) = bill.get_mut(&call_id) else { continue };
            if entry.acked || entry.ended.is_some() {
                continue;
            }
            if entry.answered.is_some_and(|answered| now > answered + GIVE_UP) {
                entry.ended = Some(now);
                continue;
            }
            let mut next = (at, wait, call_id, peer);
            if at <= now {
                let text = answer(&entry.invite, self.local);
                next.1 = (wait * 2).min(Duration::from_secs(4));
                next.0 = now + next.1;
                drop(bill);
                self.say(peer, &text);
            }
            self.unacked.push(next);
        }
    }

    fn has_ended(&self, call_id: &str) -> bool {
        lock(&self.bill).get(call_id).is_some_and(|entry| entry.ended.is_some())
    }

    fn ended(&mut self, message: &Message, peer: SocketAddr) {
        let mut bill = lock(&self.bill);
        let Some(entry) = bill.get_mut(message.call_id()) else { return };
        if message.method() != "CANCEL" {
            entry.ended.get_or_insert_with(Instant::now);
            entry.byes += u32::from(message.method() == "BYE");
            return;
        }
        // RFC 3261 §9.2: after a final response CANCEL has no effect.
        if entry.answered.is_none() {
            entry.ended.get_or_insert_with(Instant::now);
            let text = entry.invite.reply(487, "Request Terminated", "carrier", "", "");
            drop(bill);
            self.say(peer, &text);
        }
    }

    fn say(&self, peer: SocketAddr, text: &str) {
        let _ = self.socket.send_to(text.as_bytes(), peer);
    }
}
