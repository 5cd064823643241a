//! Messages on their way: datagrams, streams, and who is told of them. Never here: what they mean.

use sip::flow::{Flow, Transport};

use super::{Event, NODE, World};
use crate::agent::Packet;
use crate::planted::Planted;
use crate::wire::Wire;

/// So much later than the node wants does a planted bug hang up.
const LATE_US: u64 = 20_000_000;

impl World {
    /// A message from the node to somebody.
    pub(super) fn transmit(&mut self, flow: Flow, bytes: &[u8]) {
        let wire = match Wire::parse(bytes) {
            Ok(wire) => wire,
            Err(_) if bytes == b"\r\n" => return,
            Err(error) => {
                let text = String::from_utf8_lossy(bytes).into_owned();
                return self
                    .auditor
                    .blame(self.now, format!("the node sent bad SIP: {error}\n{text}"));
            }
        };
        if self.planted == Some(Planted::ByeSwallowed)
            && wire.is_request()
            && wire.method() == "BYE"
        {
            return;
        }
        if self.planted == Some(Planted::ByeLate) && wire.is_request() && wire.method() == "BYE" {
            let late = Event::Late { flow, bytes: bytes.to_vec() };
            return self.push(self.now + LATE_US, late);
        }
        self.send_out(flow, bytes);
    }

    /// A message leaves the house.
    pub(super) fn send_out(&mut self, flow: Flow, bytes: &[u8]) {
        let Ok(wire) = Wire::parse(bytes) else { return };
        let Some(to) = self.addresses.get(&flow.peer).copied() else {
            // Nobody lives there. What a redirect or a stranger's Contact names must never be rung.
            if wire.is_request() && wire.method() == "INVITE" {
                self.auditor.blame(self.now, format!("INVITE to a stranger at {}", flow.peer));
            }
            return;
        };
        self.auditor.sent(self.now, to, &wire);
        if flow.transport == Transport::Udp {
            let arrivals = self.network.datagram();
            self.show(to, ">", &wire, arrivals.len());
            for delay in arrivals {
                self.push(self.now + delay, Event::ToActor { to, bytes: bytes.to_vec() });
            }
            return;
        }
        self.show(to, ">", &wire, 1);
        let open = self.connections.get(&to).copied();
        let is_dead = self.actors[to].agent().dead;
        match open {
            Some(id) if flow.connection == id || flow.connection == Flow::ANY_CONNECTION => {}
            None if flow.connection == Flow::ANY_CONNECTION && !is_dead => {
                self.connect(to);
            }
            _ => return self.push(self.now + 1_000, Event::Closed(flow)),
        }
        let at = self.stream_arrival(to, false);
        self.push(at, Event::ToActor { to, bytes: bytes.to_vec() });
    }

    /// What an actor has to say goes on its way.
    pub(super) fn collect(&mut self, from: usize) {
        let packets = self.actors[from].agent_mut().drain();
        for packet in packets {
            self.carry(from, packet);
        }
        let agent = self.actors[from].agent();
        if agent.dead {
            self.connections.remove(&from);
        }
        for complaint in self.actors[from].agent_mut().complaints.split_off(0) {
            self.auditor.blame(self.now, complaint);
        }
        self.wakes[from] = self.actors[from].next_timeout();
    }

    fn carry(&mut self, from: usize, packet: Packet) {
        if packet.to != NODE {
            let name = &self.actors[from].agent().user;
            return self.auditor.blame(self.now, format!("{name} was led to {}", packet.to));
        }
        if packet.transport == Transport::Udp {
            for delay in self.network.datagram() {
                let event = Event::ToNode { from, connection: None, bytes: packet.bytes.clone() };
                self.push(self.now + delay, event);
            }
            return;
        }
        if self.node.is_none() {
            return;
        }
        let id = match self.connections.get(&from) {
            Some(id) => *id,
            None => self.connect(from),
        };
        let at = self.stream_arrival(from, true);
        self.push(at, Event::ToNode { from, connection: Some(id), bytes: packet.bytes });
    }

    pub(super) fn show(&mut self, who: usize, way: &str, wire: &Wire, times: usize) {
        if self.shows_wire {
            let user = &self.actors[who].agent().user;
            let line = format!(
                "    {way} {user} x{times} {} | {} | {} | from {} to {} | {}",
                wire.start,
                wire.get("CSeq").unwrap_or_default(),
                wire.call_id(),
                wire.from_tag(),
                wire.to_tag(),
                wire.branch()
            );
            self.story.tell(self.now, || line);
        }
    }

    fn connect(&mut self, actor: usize) -> u32 {
        self.last_connection += 1;
        self.connections.insert(actor, self.last_connection);
        self.last_connection
    }

    /// Streams keep their order.
    fn stream_arrival(&mut self, actor: usize, to_node: bool) -> u64 {
        let last = self.last_arrival.entry((actor, to_node)).or_insert(0);
        *last = (self.now + self.network.stream()).max(*last);
        *last
    }
}
