//! What happens in the demo, and when. Lives here: the thread of phones, carrier and thief.
//! Never here: what is printed about calls (narrator).

use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::agent::{Agent, Event, Login};
use super::narrator::Teller;
use crate::shell::clock::Clock;

/// When the secret is stolen.
const THEFT_MS: u64 = 12_000;
/// The thief comes back.
const THEFT_AGAIN_MS: u64 = 20_000;
/// Calls he places at once.
const THEFT_CALLS: usize = 60;
/// The honest part repeats.
const CYCLE_MS: u64 = 30_000;
/// Example numbers of dear countries.
const DEAR: [&str; 9] = [
    "005351234567",
    "0023225123456",
    "002203012345",
    "009607712345",
    "00263712345678",
    "00224601123456",
    "0021620123456",
    "00355672123456",
    "00992917123456",
];

/// Figures that the script knows and nobody else.
#[derive(Debug, Default)]
pub struct Tally {
    /// Calls the thief tried.
    pub tried: AtomicU64,
    /// Of them answered by the carrier.
    pub answered: AtomicU64,
    /// Of them refused.
    pub refused: AtomicU64,
    /// The script has ended.
    pub over: AtomicBool,
}

/// Who speaks SIP.
pub struct Actors {
    pub alice: Agent,
    pub bakery: Agent,
    pub shop: Agent,
    pub carrier: Agent,
    pub thief: Agent,
}

enum Step {
    Register,
    /// Who, whom, for how long.
    Call(Who, &'static str, u64),
}

#[derive(Clone, Copy)]
enum Who {
    Alice,
    Bakery,
    Shop,
    Carrier,
}

/// Within each cycle: when, what.
const STORY: [(u64, Step); 9] = [
    (200, Step::Register),
    (1_000, Step::Call(Who::Alice, "02079460018", 8_000)),
    (2_500, Step::Call(Who::Bakery, "00442079460100", 6_000)),
    (4_000, Step::Call(Who::Alice, "09098790879", 1_000)),
    (5_000, Step::Call(Who::Shop, "0033142685300", 9_000)),
    (6_500, Step::Call(Who::Carrier, "+442079460101", 5_000)),
    (8_000, Step::Call(Who::Alice, "00881612345678", 1_000)),
    (9_500, Step::Call(Who::Bakery, "999", 4_000)),
    (11_000, Step::Call(Who::Alice, "01632960123x", 1_000)),
];

impl Actors {
    /// Everybody but the reader.
    pub fn new(
        server: SocketAddr,
        carrier: SocketAddr,
        logins: &[Login],
    ) -> anyhow::Result<Actors> {
        let any = || SocketAddr::from(([127, 0, 0, 1], 0));
        let phone = |login: &Login| Agent::new(any(), server, login.clone(), 700);
        let nobody = Login {
            user: "carrier".to_owned(),
            secret: String::new(),
            realm: "carrier".to_owned(),
        };
        Ok(Actors {
            alice: phone(&logins[0])?,
            bakery: phone(&logins[1])?,
            shop: phone(&logins[2])?,
            thief: phone(&logins[2])?,
            carrier: Agent::new(carrier, server, nobody, 500)?,
        })
    }

    fn all(&mut self) -> [&mut Agent; 5] {
        [&mut self.alice, &mut self.bakery, &mut self.shop, &mut self.carrier, &mut self.thief]
    }

    fn who(&mut self, who: Who) -> &mut Agent {
        match who {
            Who::Alice => &mut self.alice,
            Who::Bakery => &mut self.bakery,
            Who::Shop => &mut self.shop,
            Who::Carrier => &mut self.carrier,
        }
    }
}

/// Plays until `end_ms`, or for ever; `is_over` is set when everybody has hung up.
pub fn play(mut actors: Actors, end_ms: Option<u64>, tally: &Arc<Tally>, teller: &Teller) {
    let mut clock = Clock::new(types::UnixMicros(0));
    let mut next_theft = THEFT_MS;
    let mut cursor = 0;
    let mut events = Vec::new();
    loop {
        let now_ms = clock.now().tick.0 / 1_000;
        if end_ms.is_some_and(|end| now_ms >= end) {
            break;
        }
        let (cycle, step) = (cursor / STORY.len() as u64, (cursor % STORY.len() as u64) as usize);
        if now_ms >= cycle * CYCLE_MS + STORY[step].0 {
            perform(&mut actors, &STORY[step].1);
            cursor += 1;
        }
        if now_ms >= next_theft {
            steal(&mut actors.thief, next_theft == THEFT_MS, tally, teller);
            next_theft += THEFT_AGAIN_MS;
        }
        turn(&mut actors, now_ms, &mut events, tally);
        wait(&mut actors);
    }
    finish(&mut actors, &mut clock, tally);
}

fn perform(actors: &mut Actors, step: &Step) {
    match step {
        Step::Register => {
            actors.alice.register();
            actors.bakery.register();
            actors.shop.register();
        }
        Step::Call(who, number, talk_ms) => actors.who(*who).call(number, *talk_ms),
    }
}

fn steal(thief: &mut Agent, is_first: bool, tally: &Tally, teller: &Teller) {
    if is_first {
        teller.say("theft", "--- somebody has stolen the SIP log-in of the corner shop, and calls dear countries ---");
    } else {
        teller.say("theft", "--- the thief tries again ---");
    }
    for number in DEAR.iter().cycle().take(THEFT_CALLS) {
        thief.call(number, u64::MAX);
    }
    tally.tried.fetch_add(THEFT_CALLS as u64, Ordering::Relaxed);
}

fn turn(actors: &mut Actors, now_ms: u64, events: &mut Vec<Event>, tally: &Tally) {
    for agent in actors.all() {
        events.clear();
        agent.turn(now_ms, events);
    }
    // The thief came last.
    for event in events.iter() {
        match event {
            Event::Answered => tally.answered.fetch_add(1, Ordering::Relaxed),
            Event::Refused(_) => tally.refused.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
    }
}

fn wait(actors: &mut Actors) {
    let agents = actors.all();
    let mut sockets: Vec<PollFd<'_>> =
        agents.iter().map(|agent| PollFd::new(agent.socket().as_fd(), PollFlags::POLLIN)).collect();
    // A signal only shortens the wait.
    let _ = poll(&mut sockets, PollTimeout::from(20_u8));
}

/// Everybody hangs up, and answers what is still asked of him.
fn finish(actors: &mut Actors, clock: &mut Clock, tally: &Tally) {
    let end_ms = clock.now().tick.0 / 1_000 + 600;
    actors.all().into_iter().for_each(Agent::hang_up_all);
    let mut events = Vec::new();
    while clock.now().tick.0 / 1_000 < end_ms {
        let now_ms = clock.now().tick.0 / 1_000;
        turn(actors, now_ms, &mut events, tally);
        wait(actors);
    }
    tally.over.store(true, Ordering::Release);
}
