//! A carrier: takes calls as it pleases, places calls, and keeps a bill of its own. Lives here: its answers, its
//! table of costs, its arithmetic. Never here: our decks, our rating, our records.

mod bill;

use std::collections::BTreeMap;

use types::{Millis, TrunkId};

use crate::agent::{Agent, CallRef, CallState, Happened};
use crate::story::Story;
use crate::wire;

use bill::charge;
pub use bill::{Billed, CostLine, international};

/// What the carrier does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// Rings, answers after so long, and hangs up after so much talk if told so.
    Answer {
        /// From INVITE to 200.
        after_ms: Millis,
        /// From 200 to its own BYE.
        talk_ms: Option<Millis>,
    },
    /// Refuses after so long.
    Reject {
        /// With which status.
        status: u16,
        /// From INVITE to refusal.
        after_ms: Millis,
    },
    /// Says where else to try.
    Redirect,
    /// Rings for ever.
    Ring,
    /// Says nothing at all.
    Silent,
    /// Says 100 and then nothing.
    Trying,
    /// Rings, and answers when the call is taken back: CANCEL and 200 cross.
    AnswerCancelled,
    /// Early dialogs on several branches; one of them answers.
    Fork {
        /// From INVITE to 200.
        after_ms: Millis,
    },
    /// As `Fork`, and a second branch answers too.
    ForkTwice {
        /// From INVITE to 200.
        after_ms: Millis,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Deed {
    Reply(CallRef, u16),
    Early(CallRef, u16, &'static str),
    AnswerAs(CallRef, &'static str, bool),
    HangUp(CallRef),
    CallIn,
}

/// How the carrier lives when no script tells it.
#[derive(Clone, Debug)]
pub struct Life {
    /// Our numbers that it calls.
    pub dids: Vec<String>,
    /// Between two such calls, on average.
    pub gap_ms: Millis,
    /// Starts no call after this instant.
    pub until: u64,
    /// How much of what it does is trouble, per mille.
    pub trouble: u64,
}

/// A carrier.
#[derive(Debug)]
pub struct Carrier {
    /// Its user agent.
    pub agent: Agent,
    /// Which trunk of ours leads to it.
    pub trunk: TrunkId,
    /// Its table: digits in front (no `+`), cost.
    pub table: Vec<(String, CostLine)>,
    /// Its bill.
    pub bill: Vec<Billed>,
    /// It ends every call after so long.
    pub session_limit_ms: Millis,
    /// What it does with numbers that begin so; the last entry that fits counts. Empty: as the dice fall.
    pub manners: Vec<(String, Manner)>,
    /// Its own wishes.
    pub life: Option<Life>,
    /// What it decided for each call.
    drawn: BTreeMap<CallRef, Manner>,
    todo: Vec<(u64, Deed)>,
}

impl Carrier {
    /// A carrier with an empty bill.
    pub fn new(agent: Agent, trunk: TrunkId, table: Vec<(String, CostLine)>) -> Carrier {
        Carrier {
            agent,
            trunk,
            table,
            bill: Vec::new(),
            session_limit_ms: 2 * 3_600_000,
            manners: Vec::new(),
            life: None,
            drawn: BTreeMap::new(),
            todo: Vec::new(),
        }
    }

    /// Begins to live by itself.
    pub fn live(&mut self, life: Life, start: u64) {
        if !life.dids.is_empty() {
            self.todo.push((start + self.agent.dice().below(life.gap_ms * 1_000), Deed::CallIn));
        }
        self.life = Some(life);
    }

    /// When it wants to act next.
    pub fn next_timeout(&self) -> u64 {
        let due = self.todo.iter().map(|(at, _)| *at).min().unwrap_or(u64::MAX);
        due.min(self.agent.next_timeout())
    }

    /// What the carrier charges for a call of its bill, were it to end now.
    pub fn charge(&self, billed: &Billed, now: u64) -> i64 {
        let digits = international(&billed.number);
        let line = self.table.iter().filter(|(prefix, _)| digits.starts_with(prefix.as_str()));
        let Some((_, line)) = line.max_by_key(|(prefix, _)| prefix.len()) else { return 0 };
        charge(line, billed.ended.unwrap_or(now).saturating_sub(billed.answered))
    }

    /// Calls one of our numbers now.
    pub fn call(&mut self, now: u64, dialled: &str, shown: &str, story: &mut Story) -> CallRef {
        let name = &self.agent.user;
        story.tell(now, || format!("{name} delivers a call from {shown} to {dialled}"));
        self.agent.call(now, dialled, Some(shown))
    }

    /// Hangs up every call.
    pub fn hang_up_all(&mut self, now: u64, story: &mut Story) {
        let live: Vec<CallRef> = self.agent.live().collect();
        for call in live {
            self.hang_up(now, call, story);
        }
    }

    /// The world ends soon.
    pub fn rest(&mut self, now: u64, story: &mut Story) {
        if let Some(life) = &mut self.life {
            life.until = 0;
        }
        self.manners = vec![(String::new(), Manner::Reject { status: 480, after_ms: 10 })];
        self.todo.retain(|(_, deed)| matches!(deed, Deed::HangUp(_)));
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
            self.act(now, deed, story);
        }
    }

    fn act(&mut self, now: u64, deed: Deed, story: &mut Story) {
        match deed {
            Deed::Reply(call, 200) => self.answer(now, call, None, story),
            Deed::Reply(call, status) => self.reply(now, call, status, story),
            Deed::Early(call, status, tag) => {
                if self.is_open(call) {
                    self.agent.respond_with(now, call, status, "Ringing", Some(tag), &[]);
                }
            }
            Deed::AnswerAs(call, tag, twice) => {
                let open = self.is_open(call);
                self.answer(now, call, Some(tag), story);
                if twice && open {
                    let other = self.agent.answer_fork(now, call, "other");
                    self.open_bill(now, other);
                }
            }
            Deed::HangUp(call) => self.hang_up(now, call, story),
            Deed::CallIn => {
                let Some(life) = self.life.clone() else { return };
                if now < life.until {
                    let dice = self.agent.dice();
                    let did = life.dids[dice.below(life.dids.len() as u64) as usize].clone();
                    let next = life.gap_ms * 500 + dice.below(life.gap_ms * 1_000);
                    let end = now + 1_000_000 + dice.below(90_000_000);
                    self.todo.push((now + next, Deed::CallIn));
                    let call = self.call(now, &did, "+447700900999", story);
                    self.todo.push((end, Deed::HangUp(call)));
                }
            }
        }
    }

    fn is_open(&self, call: CallRef) -> bool {
        matches!(self.agent.calls[call].state, CallState::Calling | CallState::Ringing)
    }

    fn reply(&mut self, now: u64, call: CallRef, status: u16, story: &mut Story) {
        if !self.is_open(call) {
            return;
        }
        if status >= 300 {
            let name = &self.agent.user;
            story.tell(now, || format!("{name} refuses with {status}"));
        }
        let headers: Vec<(&str, String)> = match status {
            300..400 => vec![("Contact", "<sip:+2348012345678@198.51.100.99>".to_owned())],
            _ => Vec::new(),
        };
        let reason = if status < 200 { "Ringing" } else { "No" };
        self.agent.respond_with(now, call, status, reason, None, &headers);
    }

    fn answer(&mut self, now: u64, call: CallRef, tag: Option<&str>, story: &mut Story) {
        if !self.is_open(call) {
            return;
        }
        let name = &self.agent.user;
        story.tell(now, || format!("{name} answers"));
        self.agent.respond_with(now, call, 200, "OK", tag, &[]);
        self.open_bill(now, call);
    }

    /// The carrier charges from its own 200 on.
    fn open_bill(&mut self, now: u64, call: CallRef) {
        let one = &self.agent.calls[call];
        self.bill.push(Billed {
            call_id: one.call_id.clone(),
            tag: self.agent.tag(call).to_owned(),
            number: one.dialled.clone(),
            answered: now,
            ended: None,
        });
        self.todo.push((now + self.session_limit_ms * 1_000, Deed::HangUp(call)));
    }

    fn hang_up(&mut self, now: u64, call: CallRef, story: &mut Story) {
        if self.agent.calls[call].state == CallState::Over {
            return;
        }
        let name = &self.agent.user;
        story.tell(now, || format!("{name} hangs up"));
        self.agent.hang_up(now, call);
        self.close_bill(now, call);
    }

    /// The carrier stops charging when it sees the end.
    fn close_bill(&mut self, now: u64, call: CallRef) {
        let (call_id, tag) = (&self.agent.calls[call].call_id, self.agent.tag(call));
        let found = |one: &&mut Billed| one.call_id == *call_id && one.tag == tag;
        if let Some(billed) = self.bill.iter_mut().find(found) {
            billed.ended.get_or_insert(now);
        }
    }

    fn follow_up(&mut self, now: u64, happened: Vec<Happened>, story: &mut Story) {
        for one in happened {
            let name = self.agent.user.clone();
            match one {
                Happened::Incoming(call) => self.incoming(now, call, story),
                Happened::Cancelled(call) => {
                    if self.drawn.get(&call) == Some(&Manner::AnswerCancelled) {
                        self.answer(now, call, None, story);
                    } else {
                        story.tell(now, || format!("{name} stops ringing"));
                        self.agent.respond(now, call, 487, "Request Terminated");
                    }
                }
                Happened::HungUp(call) => {
                    story.tell(now, || format!("{name} is hung up on"));
                    self.close_bill(now, call);
                }
                Happened::NoAck(call) => {
                    story.tell(now, || format!("{name} got no ACK and hangs up"));
                    self.close_bill(now, call);
                }
                Happened::Answered(_) => story.tell(now, || format!("{name}'s call is answered")),
                Happened::Refused(_, status) => {
                    story.tell(now, || format!("{name}'s call is refused with {status}"));
                }
                _ => {}
            }
        }
    }

    fn manner(&self, dialled: &str) -> Option<Manner> {
        let digits = international(dialled);
        let fits = |prefix: &str| digits.starts_with(prefix) || dialled.starts_with(prefix);
        self.manners.iter().rev().find(|(prefix, _)| fits(prefix)).map(|(_, manner)| *manner)
    }

    fn incoming(&mut self, now: u64, call: CallRef, story: &mut Story) {
        let one = &self.agent.calls[call];
        let (name, dialled) = (&self.agent.user, one.dialled.clone());
        let from = wire::user_of(&wire::uri_of(one.invite.get("From").unwrap_or_default()));
        story.tell(now, || format!("{name} gets a call to {dialled}, shows {from}"));
        let trouble = self.life.as_ref().map_or(0, |life| life.trouble);
        let manner = self.manner(&dialled).unwrap_or_else(|| self.draw(trouble));
        self.drawn.insert(call, manner);
        let us = |ms: Millis| now + ms * 1_000;
        if manner != Manner::Silent {
            self.agent.respond(now, call, 100, "Trying");
        }
        match manner {
            Manner::Answer { after_ms, talk_ms } => {
                let early = if self.agent.dice().chance(200) { 183 } else { 180 };
                self.todo.push((us(after_ms / 4), Deed::Reply(call, early)));
                self.todo.push((us(after_ms), Deed::Reply(call, 200)));
                if let Some(talk_ms) = talk_ms {
                    self.todo.push((us(after_ms + talk_ms), Deed::HangUp(call)));
                }
            }
            Manner::Reject { status, after_ms } => {
                self.todo.push((us(after_ms), Deed::Reply(call, status)))
            }
            Manner::Redirect => self.todo.push((us(100), Deed::Reply(call, 302))),
            Manner::Ring | Manner::AnswerCancelled => {
                self.todo.push((us(200), Deed::Reply(call, 180)))
            }
            Manner::Silent | Manner::Trying => {}
            Manner::Fork { after_ms } | Manner::ForkTwice { after_ms } => {
                self.todo.push((us(after_ms / 4), Deed::Early(call, 180, "one")));
                self.todo.push((us(after_ms / 3), Deed::Early(call, 183, "two")));
                let twice = matches!(manner, Manner::ForkTwice { .. });
                self.todo.push((us(after_ms), Deed::AnswerAs(call, "two", twice)));
            }
        }
    }

    /// What happens to a call when nobody said what should.
    fn draw(&mut self, trouble: u64) -> Manner {
        let dice = self.agent.dice();
        let after_ms = 200 + dice.below(6_000);
        let talk_ms = dice.chance(400).then(|| 1_000 + dice.below(180_000));
        let status = [404, 480, 486, 500, 503, 603][dice.below(6) as usize];
        let kind = dice.below(9);
        if !dice.chance(trouble) {
            return Manner::Answer { after_ms, talk_ms };
        }
        match kind {
            0 => Manner::Redirect,
            1 => Manner::Ring,
            2 => Manner::Silent,
            3 => Manner::Trying,
            4 => Manner::AnswerCancelled,
            5 => Manner::Fork { after_ms },
            6 => Manner::ForkTwice { after_ms },
            7 => Manner::Answer { after_ms: 20_000 + dice.below(150_000), talk_ms },
            _ => Manner::Reject { status, after_ms: after_ms / 4 },
        }
    }
}
