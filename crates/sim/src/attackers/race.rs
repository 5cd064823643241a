//! The INVITE race: with a stolen log-in, as many calls as possible in the same instant, before any limit can see
//! the others.

use crate::agent::{Agent, CallState, Happened};
use crate::story::Story;

/// An attacker with somebody's password.
#[derive(Debug)]
pub struct Racer {
    /// Its user agent.
    pub agent: Agent,
    /// Whom it calls, in turn.
    pub numbers: Vec<String>,
    /// How many calls.
    pub count: usize,
    /// When.
    pub start: u64,
    started: bool,
    loose: bool,
}

impl Racer {
    /// An attacker who waits for his moment.
    pub fn new(mut agent: Agent, numbers: Vec<String>, count: usize, start: u64) -> Racer {
        // One challenge is enough for all calls: the nonce is used again with a higher count.
        agent.keeps_nonce = true;
        Racer { agent, numbers, count, start, started: false, loose: false }
    }

    /// When it wants to act next.
    pub fn next_timeout(&self) -> u64 {
        let start = if self.started { u64::MAX } else { self.start };
        start.min(self.agent.next_timeout())
    }

    /// Calls of his that are answered now.
    pub fn talking(&self) -> usize {
        self.agent.calls.iter().filter(|call| call.state == CallState::Talking).count()
    }

    /// He gives up.
    pub fn rest(&mut self, now: u64) {
        self.started = true;
        self.loose = true;
        let live: Vec<usize> = self.agent.live().collect();
        for call in live {
            self.agent.hang_up(now, call);
        }
    }

    /// One message.
    pub fn receive(
        &mut self,
        now: u64,
        from: std::net::SocketAddr,
        bytes: &[u8],
        story: &mut Story,
    ) {
        let happened = self.agent.receive(now, from, bytes);
        self.follow_up(now, happened, story);
    }

    /// What is due.
    pub fn tick(&mut self, now: u64, story: &mut Story) {
        let happened = self.agent.tick(now);
        self.follow_up(now, happened, story);
        if !self.started && now >= self.start {
            self.started = true;
            let (user, count) = (&self.agent.user, self.count);
            story.tell(now, || {
                format!("a thief with {user}'s password starts {count} calls at once")
            });
            self.agent.call(now, &self.numbers[0].clone(), None);
        }
    }

    fn follow_up(&mut self, now: u64, happened: Vec<Happened>, story: &mut Story) {
        let user = self.agent.user.clone();
        for one in happened {
            match one {
                Happened::Challenged(_) if !self.loose => {
                    self.loose = true;
                    for at in 1..self.count {
                        let number = self.numbers[at % self.numbers.len()].clone();
                        self.agent.call(now, &number, None);
                    }
                }
                Happened::Answered(_) => {
                    story.tell(now, || format!("the thief at {user}'s is answered"))
                }
                Happened::HungUp(call) => {
                    let why = self.agent.calls[call].why.clone();
                    story.tell(now, || format!("the thief at {user}'s is hung up on{why}"));
                }
                _ => {}
            }
        }
    }
}
