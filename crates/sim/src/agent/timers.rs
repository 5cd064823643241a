//! What an agent does when nothing came: repeat, give up, forget.

use super::{Agent, CallState, Happened, LIFE, Phase, T2};

impl Agent {
    /// When it wants to be called next; `u64::MAX`: never.
    pub fn next_timeout(&self) -> u64 {
        if self.dead {
            return u64::MAX;
        }
        let clients = self.clients.iter().map(|one| one.again.min(one.until));
        let servers = self.servers.iter().map(|one| one.again.min(one.until));
        clients.chain(servers).min().unwrap_or(u64::MAX)
    }

    /// Repeats what is due and forgets what is over.
    pub fn tick(&mut self, now: u64) -> Vec<Happened> {
        self.now = now;
        let mut happened = Vec::new();
        if !self.dead {
            self.tick_clients(&mut happened);
            self.tick_servers(&mut happened);
        }
        happened
    }

    fn tick_clients(&mut self, happened: &mut Vec<Happened>) {
        for at in 0..self.clients.len() {
            if self.clients[at].again <= self.now {
                let (request, to) = (self.clients[at].request.clone(), self.clients[at].to);
                self.put(to, &request);
                let one = &mut self.clients[at];
                one.interval *= 2;
                if one.method != "INVITE" {
                    one.interval = one.interval.min(T2);
                }
                one.again = self.now + one.interval;
            }
            if self.clients[at].until <= self.now {
                let one = self.clients[at].clone();
                let unanswered = matches!(one.phase, Phase::Trying | Phase::Proceeding);
                self.clients[at].phase = Phase::Done;
                match (one.method.as_str(), one.call) {
                    _ if !unanswered => {}
                    ("REGISTER", _) => happened.push(Happened::Registered(408)),
                    ("INVITE", Some(call)) if self.calls[call].answered.is_none() => {
                        self.calls[call].status = 408;
                        self.end(call);
                        happened.push(Happened::Refused(call, 408));
                    }
                    ("BYE", Some(call)) => {
                        self.end(call);
                        happened.push(Happened::Response(call, one.method, 408));
                    }
                    (_, Some(call)) => happened.push(Happened::Response(call, one.method, 408)),
                    (_, None) => {}
                }
            }
        }
        let now = self.now;
        self.clients.retain(|one| one.until > now);
    }

    fn tick_servers(&mut self, happened: &mut Vec<Happened>) {
        for at in 0..self.servers.len() {
            let one = &mut self.servers[at];
            if one.unacked && one.until <= self.now {
                one.unacked = false;
                let accepted = one
                    .last
                    .as_ref()
                    .and_then(|last| last.status())
                    .is_some_and(|status| status < 300);
                if let Some(call) = one.call.filter(|_| accepted)
                    && self.calls[call].state == CallState::Talking
                {
                    // RFC 3261 §13.3.1.4: no ACK in 64·T1 ends the session.
                    let now = self.now;
                    self.servers[at].until = now + LIFE;
                    self.servers[at].again = u64::MAX;
                    self.calls[call].given_up = true;
                    self.hang_up(now, call);
                    happened.push(Happened::NoAck(call));
                }
            } else if one.again <= self.now {
                one.interval = (one.interval * 2).min(T2);
                one.again = if one.unacked { self.now + one.interval } else { u64::MAX };
                if let (true, Some(last)) = (one.unacked, one.last.clone()) {
                    let to = one.to;
                    self.put(to, &last);
                }
            }
        }
        let now = self.now;
        self.servers.retain(|one| one.until > now);
    }
}
