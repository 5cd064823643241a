//! Everybody who is not the node, under one roof. Lives here: dispatch. Never here: what they do.

use std::net::SocketAddr;

use crate::agent::Agent;
use crate::attackers::race::Racer;
use crate::carrier::Carrier;
use crate::customers::Phone;
use crate::story::Story;

/// A simulated person or machine with a SIP address.
#[derive(Debug)]
pub enum Actor {
    /// A customer's phone.
    Phone(Box<Phone>),
    /// A carrier.
    Carrier(Box<Carrier>),
    /// An attacker who races.
    Racer(Box<Racer>),
}

impl Actor {
    /// Its user agent.
    pub fn agent(&self) -> &Agent {
        match self {
            Actor::Phone(phone) => &phone.agent,
            Actor::Carrier(carrier) => &carrier.agent,
            Actor::Racer(racer) => &racer.agent,
        }
    }

    /// Its user agent, to be used.
    pub fn agent_mut(&mut self) -> &mut Agent {
        match self {
            Actor::Phone(phone) => &mut phone.agent,
            Actor::Carrier(carrier) => &mut carrier.agent,
            Actor::Racer(racer) => &mut racer.agent,
        }
    }

    /// When it wants to act next; `u64::MAX`: never.
    pub fn next_timeout(&self) -> u64 {
        match self {
            Actor::Phone(phone) => phone.next_timeout(),
            Actor::Carrier(carrier) => carrier.next_timeout(),
            Actor::Racer(racer) => racer.next_timeout(),
        }
    }

    /// One message for it.
    pub fn receive(&mut self, now: u64, from: SocketAddr, bytes: &[u8], story: &mut Story) {
        match self {
            Actor::Phone(phone) => phone.receive(now, from, bytes, story),
            Actor::Carrier(carrier) => carrier.receive(now, from, bytes, story),
            Actor::Racer(racer) => racer.receive(now, from, bytes, story),
        }
    }

    /// What is due.
    pub fn tick(&mut self, now: u64, story: &mut Story) {
        match self {
            Actor::Phone(phone) => phone.tick(now, story),
            Actor::Carrier(carrier) => carrier.tick(now, story),
            Actor::Racer(racer) => racer.tick(now, story),
        }
    }

    /// It ends what it does, and starts nothing new.
    pub fn rest(&mut self, now: u64, story: &mut Story) {
        match self {
            Actor::Phone(phone) => phone.rest(now, story),
            Actor::Carrier(carrier) => carrier.rest(now, story),
            Actor::Racer(racer) => racer.rest(now),
        }
    }
}
