//! People with phones. Lives here: registering, calling, answering, holding, losing patience, pulling the plug.
//! Never here: SIP below the user agent, carriers.

use sip::flow::Transport;
use types::{Dice, Millis};

use crate::agent::{Agent, CallRef, CallState, Happened};
use crate::story::Story;

/// What somebody does with a ringing phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Answers after so long.
    Answer(Millis),
    /// Refuses with this status after so long.
    Reject(u16, Millis),
    /// Lets it ring.
    Ignore,
    /// Does not even let it ring: the phone says nothing at all.
    Silent,
}

/// How somebody lives when no script tells him. All chances are per mille.
#[derive(Clone, Debug)]
pub struct Habits {
    /// What he calls, each as likely as the next.
    pub numbers: Vec<String>,
    /// Between two calls, on average.
    pub gap_ms: Millis,
    /// Longest talk.
    pub talk_ms: Millis,
    /// Longest patience with ringing.
    pub patience_ms: Millis,
    /// Gives a call up within a blink.
    pub early_cancel: u64,
    /// Holds and resumes.
    pub holds: u64,
    /// Hangs up without saying so.
    pub vanishes: u64,
    /// Loses power in a call, and comes back after a while.
    pub crashes: u64,
    /// Swallows its ACKs for a call.
    pub loses_acks: u64,
    /// Claims another's number.
    pub spoofs: u64,
    /// Starts no call after this instant.
    pub until: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Deed {
    Register,
    Dial,
    GiveUp(CallRef),
    HangUp(CallRef),
    Answer(CallRef),
    Reject(CallRef, u16),
    Hold(CallRef),
    Resume(CallRef),
    Vanish(CallRef),
    PullPlug,
    Return,
}

/// Somebody's phone.
#[derive(Debug)]
pub struct Phone {
    /// Its user agent.
    pub agent: Agent,
    /// How it treats incoming calls; `None`: as the dice fall.
    pub manner: Option<Manner>,
    /// How it lives; `None`: by script only.
    pub habits: Option<Habits>,
    /// Number it claims as the caller's.
    pub shown: Option<String>,
    /// How long it registers for.
    pub expires_s: u32,
    /// Is it registered, as far as it knows?
    pub registered: bool,
    todo: Vec<(u64, Deed)>,
}

impl Phone {
    /// A phone that registers at `start`.
    pub fn new(agent: Agent, start: u64) -> Phone {
        Phone {
            agent,
            manner: None,
            habits: None,
            shown: None,
            expires_s: 600,
            registered: false,
            todo: vec![(start, Deed::Register)],
        }
    }

    /// Begins to live by habit.
    pub fn live(&mut self, habits: Habits, start: u64) {
        let first = start + self.agent.dice().below(habits.gap_ms * 1_000);
        self.habits = Some(habits);
        self.todo.push((first, Deed::Dial));
    }

    /// When it wants to act next.
    pub fn next_timeout(&self) -> u64 {
        let due = self.todo.iter().map(|(at, _)| *at).min().unwrap_or(u64::MAX);
        due.min(self.agent.next_timeout())
    }

    /// Calls now.
    pub fn call(&mut self, now: u64, dialled: &str, story: &mut Story) -> CallRef {
        let user = self.agent.user.clone();
        story.tell(now, || format!("{user} calls {dialled}"));
        let shown = self.shown.clone();
        self.agent.call(now, dialled, shown.as_deref())
    }

    /// Hangs up, or gives up, every call.
    pub fn hang_up_all(&mut self, now: u64, story: &mut Story) {
        let live: Vec<CallRef> = self.agent.live().collect();
        for call in live {
            self.hang_up(now, call, story);
        }
    }

    /// Offers a new session in every call.
    pub fn reinvite_all(&mut self, now: u64, direction: &str, story: &mut Story) {
        let live: Vec<CallRef> = self.agent.live().collect();
        for call in live {
            let user = &self.agent.user;
            story.tell(now, || format!("{user} offers {direction}"));
            self.agent.reinvite(now, call, direction);
        }
    }

    /// Asks for every call to be transferred.
    pub fn refer_all(&mut self, now: u64, number: &str, story: &mut Story) {
        let live: Vec<CallRef> = self.agent.live().collect();
        for call in live {
            let user = &self.agent.user;
            story.tell(now, || format!("{user} wants a transfer to {number}"));
            self.agent.refer(now, call, number);
        }
    }

    /// The plug is pulled.
    pub fn pull_plug(&mut self, now: u64, story: &mut Story) {
        let user = &self.agent.user;
        story.tell(now, || format!("{user} loses power"));
        self.agent.dead = true;
        self.registered = false;
    }

    /// Power comes back: everything is forgotten.
    pub fn power_up(&mut self, now: u64, story: &mut Story) {
        let user = self.agent.user.clone();
        story.tell(now, || format!("{user} has power again"));
        self.agent.reboot(now);
        self.todo.retain(|(_, deed)| *deed == Deed::Dial);
        self.todo.push((now, Deed::Register));
    }

    /// The world ends soon: nothing new is started, every call is ended.
    pub fn rest(&mut self, now: u64, story: &mut Story) {
        if let Some(habits) = &mut self.habits {
            habits.until = 0;
        }
        self.manner = Some(Manner::Reject(480, 10));
        let back = self.agent.dead;
        self.todo.clear();
        if back {
            self.power_up(now, story);
        }
        self.hang_up_all(now, story);
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
        while let Some(at) = self.todo.iter().position(|(at, _)| *at <= now) {
            let (_, deed) = self.todo.remove(at);
            if !self.agent.dead || deed == Deed::Return {
                self.act(now, deed, story);
            } else if deed == Deed::Dial {
                // A phone without power calls later.
                self.todo.push((now + 10_000_000, Deed::Dial));
            }
        }
    }

    fn act(&mut self, now: u64, deed: Deed, story: &mut Story) {
        match deed {
            Deed::Register => {
                self.agent.register(now, self.expires_s);
            }
            Deed::Dial => self.dial(now, story),
            Deed::GiveUp(call) => {
                if self.agent.calls[call].answered.is_none() {
                    self.hang_up(now, call, story);
                }
            }
            Deed::HangUp(call) => self.hang_up(now, call, story),
            Deed::Answer(call) => {
                if matches!(self.agent.calls[call].state, CallState::Calling | CallState::Ringing) {
                    let user = &self.agent.user;
                    story.tell(now, || format!("{user} answers"));
                    self.agent.respond(now, call, 200, "OK");
                    self.begin_talk(now, call);
                }
            }
            Deed::Reject(call, status) => {
                let user = &self.agent.user;
                story.tell(now, || format!("{user} rejects with {status}"));
                self.agent.respond(now, call, status, "Not Now");
            }
            Deed::Hold(call) => {
                self.agent.reinvite(now, call, "sendonly");
                self.todo.push((now + 7_000_000, Deed::Resume(call)));
            }
            Deed::Resume(call) => self.agent.reinvite(now, call, "sendrecv"),
            Deed::Vanish(call) => {
                let user = &self.agent.user;
                story.tell(now, || format!("{user} forgets a call without a word"));
                self.agent.forget(now, call);
            }
            Deed::PullPlug => {
                self.pull_plug(now, story);
                let back = now + 5_000_000 + self.agent.dice().below(120_000_000);
                self.todo.push((back, Deed::Return));
            }
            Deed::Return => self.power_up(now, story),
        }
    }

    fn hang_up(&mut self, now: u64, call: CallRef, story: &mut Story) {
        let word = match self.agent.calls[call].state {
            CallState::Talking => "hangs up",
            CallState::Calling | CallState::Ringing => "gives up",
            CallState::Ending | CallState::Over => return,
        };
        let user = &self.agent.user;
        story.tell(now, || format!("{user} {word}"));
        self.agent.hang_up(now, call);
    }

    /// Calls somebody, by habit, and plans the next call.
    fn dial(&mut self, now: u64, story: &mut Story) {
        let Some(habits) = self.habits.clone() else { return };
        if now >= habits.until || habits.numbers.is_empty() {
            return;
        }
        let dice = self.agent.dice();
        let dialled = habits.numbers[dice.below(habits.numbers.len() as u64) as usize].clone();
        let gap = habits.gap_ms * 1_000;
        let (next, patience) = (gap / 2 + dice.below(gap), 1 + dice.below(habits.patience_ms));
        let (early, blink) = (dice.chance(habits.early_cancel), 1 + dice.below(600));
        let (spoofs, loses) = (dice.chance(habits.spoofs), dice.chance(habits.loses_acks));
        self.todo.push((now + next, Deed::Dial));
        self.shown = spoofs.then(|| "+442079460999".to_owned());
        self.agent.loses_acks = loses;
        let call = self.call(now, &dialled, story);
        let give_up = if early { blink } else { patience.max(1_000) };
        self.todo.push((now + give_up * 1_000, Deed::GiveUp(call)));
    }

    /// Plans a talk that began just now.
    fn begin_talk(&mut self, now: u64, call: CallRef) {
        let Some(habits) = self.habits.clone() else { return };
        let dice = self.agent.dice();
        let talk = 1 + dice.below(habits.talk_ms) * 1_000;
        let (holds, vanishes, crashes) =
            (dice.chance(habits.holds), dice.chance(habits.vanishes), dice.chance(habits.crashes));
        let deed = if vanishes { Deed::Vanish(call) } else { Deed::HangUp(call) };
        self.todo.push((now + talk, deed));
        if holds {
            self.todo.push((now + talk / 3, Deed::Hold(call)));
        }
        if crashes {
            self.todo.push((now + talk / 2, Deed::PullPlug));
        }
    }

    fn follow_up(&mut self, now: u64, happened: Vec<Happened>, story: &mut Story) {
        for one in happened {
            let user = self.agent.user.clone();
            match one {
                Happened::Registered(status) => self.registered(now, status, story),
                Happened::Provisional(_, status) => {
                    story.tell(now, || format!("{user} hears {status}"));
                }
                Happened::Answered(call) => {
                    story.tell(now, || format!("{user} is answered"));
                    self.begin_talk(now, call);
                }
                Happened::Refused(call, status) => {
                    let why = self.agent.calls[call].why.clone();
                    story.tell(now, || format!("{user} hears {status}{why}"));
                }
                Happened::Incoming(call) => self.incoming(now, call, story),
                Happened::Cancelled(call) => {
                    story.tell(now, || format!("{user} stops ringing"));
                    self.agent.respond(now, call, 487, "Request Terminated");
                }
                Happened::NoAck(_) => story.tell(now, || format!("{user} got no ACK and hangs up")),
                Happened::HungUp(call) => {
                    let why = self.agent.calls[call].why.clone();
                    story.tell(now, || format!("{user} is hung up on{why}"));
                }
                Happened::Response(_, method, status) if method != "BYE" => {
                    story.tell(now, || format!("{user} gets {status} to {method}"));
                }
                Happened::Challenged(_)
                | Happened::Acked(_)
                | Happened::Reinvited(_)
                | Happened::Response(..) => {}
            }
        }
    }

    fn registered(&mut self, now: u64, status: u16, story: &mut Story) {
        let user = self.agent.user.clone();
        let fresh = self.registered != (status == 200);
        self.registered = status == 200;
        if fresh {
            story.tell(now, || match status {
                200 => format!("{user} is registered"),
                _ => format!("{user} is not registered: {status}"),
            });
        }
        let again_s = if status == 200 { u64::from(self.expires_s) / 2 } else { 10 };
        self.todo.retain(|(_, deed)| *deed != Deed::Register);
        self.todo.push((now + again_s * 1_000_000, Deed::Register));
    }

    fn incoming(&mut self, now: u64, call: CallRef, story: &mut Story) {
        let manner = self.manner.unwrap_or_else(|| {
            let dice = self.agent.dice();
            match dice.below(10) {
                0 => Manner::Ignore,
                1 => Manner::Reject([486, 480, 603][dice.below(3) as usize], dice.below(3_000)),
                _ => Manner::Answer(500 + dice.below(8_000)),
            }
        });
        if manner == Manner::Silent {
            return;
        }
        let user = self.agent.user.clone();
        let from = crate::wire::user_of(&crate::wire::uri_of(
            self.agent.calls[call].invite.get("From").unwrap_or_default(),
        ));
        story.tell(now, || format!("{user} rings, shows {from}"));
        self.agent.respond(now, call, 180, "Ringing");
        match manner {
            Manner::Answer(after_ms) => {
                self.todo.push((now + after_ms * 1_000, Deed::Answer(call)))
            }
            Manner::Reject(status, after_ms) => {
                self.todo.push((now + after_ms * 1_000, Deed::Reject(call, status)));
            }
            Manner::Ignore | Manner::Silent => {}
        }
    }
}

/// A phone's user agent at an address of its own.
pub fn phone_agent(
    user: &str,
    address: std::net::SocketAddr,
    transport: Transport,
    server: std::net::SocketAddr,
    domain: &str,
    password: &str,
    dice: Dice,
) -> Agent {
    let mut agent = Agent::new(user, address, transport, server, domain, dice);
    let sha256 = agent.dice().chance(500);
    agent.log_in =
        Some(crate::digest::LogIn { user: user.to_owned(), password: password.to_owned(), sha256 });
    agent.product = format!("SimPhone {user}");
    agent
}
