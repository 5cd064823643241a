//! A day under siege: ten thousand addresses guess, fast and slowly, from everywhere and from behind the
//! victims' own address, and the victims' phones register all the same. Lives here: the day, the
//! attackers, the phones. Never here: a line of the product's digest or of its lock-outs.
//!
//! A debug build has a smaller day; the release build of `cargo xtask test --tier release` has the whole.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed")]

use std::net::{Ipv4Addr, SocketAddr};

use edge::{Input, Node, Outputs};
use sim::digest::{Challenge, LogIn};
use sim::town::{self, DOMAIN};
use sim::world::NODE;
use sip::flow::Flow;
use types::{AccountId, Controls, Dice, Now, Snapshot, Tick, UnixMicros};

const START: i64 = 1_795_521_600_000_000;
const MINUTE_US: u64 = 60_000_000;
/// How much smaller a debug build's numbers are.
const SCALE: u64 = if cfg!(debug_assertions) { 50 } else { 1 };
/// A day, or a quarter of one.
const MINUTES: u64 = if cfg!(debug_assertions) { 360 } else { 1_440 };

struct Siege {
    node: Node,
    outputs: Outputs,
    now: Now,
    answers: Vec<(SocketAddr, Vec<u8>)>,
}

impl Siege {
    fn new(users: &[String]) -> Siege {
        let lines =
            users.iter().zip(1..).map(|(user, id)| town::line(id, AccountId(id), user, None));
        let accounts = (1..=users.len() as u32)
            .map(|id| town::account(id, &format!("account {id}"), Controls::residential()));
        let snapshot = Snapshot {
            accounts: accounts.collect(),
            lines: lines.collect(),
            decks: town::decks(&[]).to_vec(),
            ..Snapshot::default()
        };
        let now = Now { tick: Tick(1), wall: UnixMicros(START) };
        let node = Node::new(town::config(1_800), snapshot, now).unwrap();
        Siege { node, outputs: Outputs::default(), now, answers: Vec::new() }
    }

    fn wait_until(&mut self, us: u64) {
        while let Some(tick) = self.node.next_timeout().filter(|tick| tick.0 < us) {
            self.at(tick.0);
            self.node.handle(self.now, Input::Timeout);
            self.settle();
        }
        self.at(us);
    }

    fn at(&mut self, us: u64) {
        let us = us.max(self.now.tick.0);
        self.now = Now { tick: Tick(us), wall: UnixMicros(START + us.cast_signed()) };
    }

    fn settle(&mut self) {
        loop {
            self.node.drain(&mut self.outputs);
            if self.outputs.is_empty() {
                return;
            }
            for (flow, bytes) in self.outputs.sends.iter() {
                self.answers.push((flow.peer, bytes.to_vec()));
            }
            let tickets: Vec<u64> = self.outputs.stores.iter().map(|store| store.ticket).collect();
            for ticket in tickets {
                self.node.handle(self.now, Input::Stored { ticket, ok: true });
            }
        }
    }

    fn send(&mut self, phone: &Phone, text: &str) -> Option<String> {
        self.answers.clear();
        let mut bytes = text.as_bytes().to_vec();
        let flow = Flow::udp(NODE, phone.peer);
        self.node.handle(self.now, Input::Received { flow, bytes: &mut bytes });
        self.settle();
        let answer = self.answers.iter().find(|(peer, _)| *peer == phone.peer)?;
        Some(String::from_utf8(answer.1.clone()).unwrap())
    }
}

/// Whoever registers: a phone, or somebody who pretends to be one.
#[derive(Clone)]
struct Phone {
    log_in: LogIn,
    peer: SocketAddr,
    contact: String,
    agent: &'static str,
    call_id: String,
    cseq: u32,
    challenge: Option<(u64, Challenge)>,
}

impl Phone {
    fn new(user: &str, peer: SocketAddr, contact: String, agent: &'static str) -> Phone {
        let log_in = LogIn { user: user.to_owned(), password: town::password(user), sha256: true };
        let call_id = format!("{user}-{peer}");
        Phone { log_in, peer, contact, agent, call_id, cseq: 0, challenge: None }
    }

    /// Registers, answering a challenge; the last status, 0 for silence.
    fn register(&mut self, siege: &mut Siege) -> u16 {
        let now_us = siege.now.tick.0;
        // A nonce is good for a minute.
        self.challenge.take_if(|(at, _)| now_us - *at > 50_000_000);
        for _ in 0..2 {
            let text = self.request();
            let Some(answer) = siege.send(self, &text) else { return 0 };
            let status = answer[8..11].parse().unwrap();
            if status != 401 {
                return status;
            }
            let values = answer.lines().filter_map(|line| line.strip_prefix("WWW-Authenticate: "));
            self.challenge = Challenge::choose(values, false, true).map(|it| (now_us, it));
        }
        401
    }

    fn request(&mut self) -> String {
        self.cseq += 1;
        let Phone { log_in, peer, contact, agent, call_id, cseq, .. } = &*self;
        let (user, uri, cnonce) = (log_in.user.clone(), format!("sip:{DOMAIN}"), u64::from(*cseq));
        let mut text = format!(
            "REGISTER {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {peer};branch=z9hG4bK{cseq}x{};rport\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{user}@{DOMAIN}>;tag=t\r\nTo: <sip:{user}@{DOMAIN}>\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} REGISTER\r\nContact: <sip:{user}@{contact}>\r\n\
             Expires: 3600\r\nUser-Agent: {agent}\r\nAllow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE\r\n\
             Supported: path, timer, replaces, 100rel, outbound, gruu, norefersub, from-change\r\n",
            call_id.len()
        );
        if let Some((_, challenge)) = &mut self.challenge {
            let (name, value) = challenge.answer(&self.log_in, "REGISTER", &uri, cnonce);
            text += &format!("{name}: {value}\r\n");
        }
        text + "Content-Length: 0\r\n\r\n"
    }
}

const HOUSE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const IN_THE_HOUSE: usize = 50;
const USERS: usize = 200;

fn victims() -> Vec<Phone> {
    let place = |n: usize| match n < IN_THE_HOUSE {
        true => SocketAddr::from((HOUSE, 20_000 + n as u16)),
        false => SocketAddr::from(([100, 64, (n / 200) as u8, (n % 200) as u8], 5_060)),
    };
    (0..USERS)
        .map(|n| {
            let contact = format!("192.168.1.{}:5060", n + 1);
            Phone::new(&format!("user{n}"), place(n), contact, "Yealink SIP-T46S 66.84.0.15")
        })
        .collect()
}

#[test]
fn a_day_under_siege() {
    let mut phones = victims();
    let users: Vec<String> = phones.iter().map(|phone| phone.log_in.user.clone()).collect();
    let mut siege = Siege::new(&users);
    let mut dice = Dice::simulated(7, 1);
    // They were registered the day before.
    phones.iter_mut().for_each(|phone| assert_eq!(phone.register(&mut siege), 200));
    let attacker = |peer: SocketAddr| {
        let mut robot = Phone::new("user0", peer, "10.9.9.9:5060".to_owned(), "robot");
        robot.log_in.password = "a guess".to_owned();
        robot
    };
    let bot = |n: u64| SocketAddr::from((Ipv4Addr::from(0x2d00_0000 + n as u32 * 7), 5_060));
    let mut botnet: Vec<Phone> = (0..10_000 / SCALE).map(|n| attacker(bot(n))).collect();
    let mut fast: Vec<Phone> = (0..20).map(|n| attacker(bot(20_000 + n))).collect();
    let mut neighbours: Vec<Phone> =
        (0..5).map(|n| attacker(SocketAddr::from((HOUSE, 40_000 + n)))).collect();
    let (mut honest, mut failed, mut broken_in, mut tries) = (0_u64, Vec::new(), 0_u64, 0_u64);
    for minute in 0..MINUTES {
        siege.wait_until(1 + minute * MINUTE_US);
        let mut guess = |siege: &mut Siege, robot: &mut Phone, of: u64| {
            robot.log_in.user.clone_from(&users[dice.below(of) as usize]);
            tries += 1;
            broken_in += u64::from(robot.register(siege) == 200);
        };
        for _ in 0..200 / SCALE {
            let n = (minute * 7_919 + tries_of(&botnet)) as usize % botnet.len();
            guess(&mut siege, &mut botnet[n], USERS as u64);
        }
        for robot in &mut fast {
            (0..10_u64.div_ceil(SCALE)).for_each(|_| guess(&mut siege, robot, USERS as u64));
        }
        for robot in &mut neighbours {
            let often = 10_u64.div_ceil(SCALE);
            (0..often).for_each(|_| guess(&mut siege, robot, IN_THE_HOUSE as u64));
        }
        for (n, phone) in phones.iter_mut().enumerate() {
            if !(minute as usize + n).is_multiple_of(30) {
                continue;
            }
            // Some are switched off and on: another port, another Call-ID.
            if minute % 97 == n as u64 % 97 {
                phone.peer.set_port(phone.peer.port() ^ 0x0800);
                phone.call_id.push('x');
                (phone.cseq, phone.challenge) = (0, None);
            }
            honest += 1;
            match phone.register(&mut siege) {
                200 => {}
                status => failed.push((minute, n, status)),
            }
        }
    }
    let stats = siege.node.stats();
    println!(
        "{tries} guesses, {} looked at, {} refused unseen; {honest} honest re-registrations, {} failed; \
         lock-outs, counts, devices: {:?}",
        stats.log_ins_refused,
        stats.log_ins_locked,
        failed.len(),
        siege.node.engine().access().counts()
    );
    assert!(failed.len() as u64 * 1_000 <= honest, "{} of {honest}: {failed:?}", failed.len());
    assert_eq!(broken_in, 0);
    // A hundred a day over all sources, and one more after each lock-out of 15 min, 30 min, …, 12 h; where the
    // attacker sits behind the victim's address five in each of these times.
    let budget = USERS * (100 + 9) + IN_THE_HOUSE * 5 * 9;
    assert!(stats.log_ins_refused <= budget as u64, "{} > {budget}", stats.log_ins_refused);
}

/// How many requests these sent: picks the next.
fn tries_of(botnet: &[Phone]) -> u64 {
    botnet.first().map_or(0, |first| u64::from(first.cseq))
}

#[test]
fn a_million_right_secrets_during_lock_outs() {
    let tries_each = 1_000;
    let sources = 1_000 / SCALE;
    let mut siege = Siege::new(&["user0".to_owned()]);
    let mut tried = 0;
    for n in 0..sources {
        // Each source begins a day later, so that the account itself is not locked for all.
        let start = n * 25 * 60 * MINUTE_US;
        siege.wait_until(1 + start);
        let peer = SocketAddr::from((Ipv4Addr::from(0x2d00_0000 + n as u32), 5_060));
        let mut thief = Phone::new("user0", peer, "10.9.9.9:5060".to_owned(), "robot");
        let right = std::mem::replace(&mut thief.log_in.password, "a guess".to_owned());
        (0..5).for_each(|_| assert_eq!(thief.register(&mut siege), 403));
        let locked_at = siege.now.tick.0;
        thief.log_in.password = right;
        let length = 15 * MINUTE_US;
        for step in 0..tries_each {
            siege.wait_until(locked_at + step * (length - 1) / (tries_each - 1));
            assert_eq!(thief.register(&mut siege), 403, "source {n}, try {step}");
            tried += 1;
        }
        siege.wait_until(locked_at + length);
        if n % 10 == 0 {
            assert_eq!(thief.register(&mut siege), 200, "the lock-out of source {n} is over");
            // What got in makes the next source no less a stranger.
        }
    }
    assert_eq!(siege.node.stats().log_ins_locked, tried);
    assert_eq!(tried, sources * tries_each);
}
