//! The world: virtual time, the real node, the network, the store, the people, the auditor. Lives here: what happens
//! when, and who is told. Never here: what anybody wants, what is right.

mod deeds;
mod traffic;

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;

use edge::{Input, Node, NodeConfig, Outputs};
use sip::flow::Flow;
use types::{Dice, HashKey, Millis, Now, Record, Tick, UnixMicros};

use crate::actor::Actor;
use crate::auditor::Auditor;
use crate::clock::Clock;
use crate::disk::{Disk, DiskEvent, DiskFaults};
use crate::network::{Network, NetworkFaults};
use crate::planted::Planted;
use crate::story::Story;
use crate::wire::Wire;
pub use deeds::Deed;

/// The node's only address; it listens there on UDP and TCP.
pub const NODE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 1)), 5060);

/// Streams of dice: actors take theirs from 100 on.
const NETWORK_DICE: u64 = 1;
const DISK_DICE: u64 = 2;
const SECRET_DICE: u64 = 3;
const LATENESS_DICE: u64 = 4;

/// How a world begins.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Its seed.
    pub seed: u64,
    /// Wall-clock time at its beginning.
    pub start: UnixMicros,
    /// The node's settings; its secrets are drawn by the world.
    pub config: NodeConfig,
    /// What the store holds.
    pub records: Vec<Record>,
    /// The network.
    pub network: NetworkFaults,
    /// The store.
    pub disk: DiskFaults,
    /// The node wakes up late, by up to so long; less than the engine's cut margin.
    pub wakes_late_ms: Millis,
    /// A bug to be found.
    pub planted: Option<Planted>,
    /// Is the story kept?
    pub told: bool,
}

#[derive(Clone, Debug)]
enum Event {
    ToNode {
        from: usize,
        connection: Option<u32>,
        bytes: Vec<u8>,
    },
    ToActor {
        to: usize,
        bytes: Vec<u8>,
    },
    /// A message that a planted bug kept back.
    Late {
        flow: Flow,
        bytes: Vec<u8>,
    },
    Closed(Flow),
    Deed(Deed),
}

/// The world.
pub struct World {
    /// Microseconds since its beginning.
    pub now: u64,
    /// What happened, in words.
    pub story: Story,
    /// The second model.
    pub auditor: Auditor,
    /// Everybody else.
    pub actors: Vec<Actor>,
    /// The store.
    pub disk: Disk,
    /// Answers to commands, newest last.
    pub replies: Vec<Result<String, String>>,
    node: Option<Node>,
    /// World time at the node's start.
    epoch: u64,
    starts: u64,
    config: NodeConfig,
    secrets: Dice,
    clock: Clock,
    network: Network,
    /// Does it go on when the auditor has found something? For those who look for what the other auditor finds.
    pub goes_on: bool,
    /// Does the story show every message at the node's door, and how often the network will deliver it?
    pub shows_wire: bool,
    /// Does the story name decisions? Good for finding mistakes, bad for reading.
    pub names_decisions: bool,
    /// The node dies right after it has done so many things: asked for a write, sent a message, had a write on disk.
    pub dies_after: Option<u64>,
    /// So many things it has done.
    pub things_done: u64,
    wakes_late_ms: Millis,
    /// Has everybody gone home?
    is_resting: bool,
    planted: Option<Planted>,
    addresses: BTreeMap<SocketAddr, usize>,
    wakes: Vec<u64>,
    connections: BTreeMap<usize, u32>,
    last_connection: u32,
    last_arrival: BTreeMap<(usize, bool), u64>,
    queue: BTreeMap<(u64, u64), Event>,
    last_event: u64,
    steps: u64,
    /// Timeouts of the node within this instant, and within this second.
    spins: [(u64, u64); 2],
    seed: u64,
    digest: siphasher::sip::SipHasher13,
    outputs: Outputs,
}

impl World {
    /// A world at its first instant, with its node running.
    pub fn new(setup: Setup) -> World {
        let dice = |stream| Dice::simulated(setup.seed, stream);
        let mut disk = Disk::new(setup.disk, dice(DISK_DICE), setup.planted);
        let stood = crate::audited::what_stood(&setup.records);
        let auditor = Auditor::new(&setup.records);
        disk.load(crate::town::as_told(setup.records, setup.planted));
        disk.load(stood);
        let mut world = World {
            now: 0,
            story: Story::new(setup.told),
            auditor,
            actors: Vec::new(),
            disk,
            replies: Vec::new(),
            node: None,
            epoch: 0,
            starts: 0,
            config: setup.config,
            secrets: dice(SECRET_DICE),
            clock: Clock::new(setup.start),
            network: Network::new(setup.network, dice(NETWORK_DICE)),
            goes_on: false,
            shows_wire: false,
            names_decisions: true,
            dies_after: None,
            things_done: 0,
            wakes_late_ms: setup.wakes_late_ms,
            is_resting: false,
            planted: setup.planted,
            addresses: BTreeMap::new(),
            wakes: Vec::new(),
            connections: BTreeMap::new(),
            last_connection: 0,
            last_arrival: BTreeMap::new(),
            queue: BTreeMap::new(),
            last_event: 0,
            steps: 0,
            spins: [(0, 0); 2],
            seed: setup.seed,
            digest: HashKey(0, 0).build_hasher(),
            outputs: Outputs::default(),
        };
        world.restart();
        world
    }

    /// Dice for the next actor.
    pub fn actor_dice(&self) -> Dice {
        Dice::simulated(self.seed, 100 + self.actors.len() as u64)
    }

    /// Somebody joins.
    pub fn add(&mut self, actor: Actor) -> usize {
        let at = self.actors.len();
        self.addresses.insert(actor.agent().address, at);
        if let Actor::Carrier(carrier) = &actor {
            self.auditor.add_carrier(at, carrier.trunk);
        }
        self.wakes.push(actor.next_timeout());
        self.actors.push(actor);
        at
    }

    /// Something will happen.
    pub fn at(&mut self, when: u64, deed: Deed) {
        self.push(when, Event::Deed(deed));
    }

    /// Lets an actor do something now, and sends what it has to say.
    pub fn act<T>(&mut self, at: usize, act: impl FnOnce(&mut Actor, u64, &mut Story) -> T) -> T {
        let result = act(&mut self.actors[at], self.now, &mut self.story);
        self.collect(at);
        result
    }

    /// The node's settings.
    pub fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// Is the node running?
    pub fn node(&self) -> Option<&Node> {
        self.node.as_ref()
    }

    /// A hash of everything that the node sent and wanted stored.
    pub fn digest(&self) -> u64 {
        self.digest.finish()
    }

    /// How many steps the world made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Changes the network.
    pub fn set_network(&mut self, faults: NetworkFaults) {
        self.network.set(faults);
    }

    /// Lets time pass until `end`, or until something is found to be wrong.
    pub fn run_until(&mut self, end: u64) {
        while self.goes_on || self.auditor.violations.is_empty() {
            let next = self.next_instant();
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            self.step();
        }
        self.now = self.now.max(end);
    }

    fn next_instant(&self) -> u64 {
        let queued = self.queue.first_key_value().map_or(u64::MAX, |((at, _), _)| *at);
        let actors = self.wakes.iter().copied().min().unwrap_or(u64::MAX);
        queued.min(actors).min(self.node_timeout()).min(self.disk.next_timeout())
    }

    fn node_timeout(&self) -> u64 {
        if self.planted == Some(Planted::TickLost) && self.now > 600_000_000 {
            return u64::MAX;
        }
        let next = self.node.as_ref().and_then(Node::next_timeout);
        next.map_or(u64::MAX, |tick| {
            let due = self.epoch.saturating_add(tick.0);
            due.saturating_add(self.lateness(due)).max(self.now)
        })
    }

    /// How late the node wakes up for this instant: always the same, so that asking changes nothing.
    fn lateness(&self, due: u64) -> u64 {
        if self.wakes_late_ms == 0 {
            return 0;
        }
        Dice::simulated(self.seed ^ due, LATENESS_DICE).below(self.wakes_late_ms * 1_000)
    }

    /// Everything that is due at this instant, one thing at a time, always in the same order.
    fn step(&mut self) {
        self.steps += 1;
        let now = self.now;
        if self.disk.next_timeout() <= now {
            self.disk_events();
        }
        while let Some(entry) = self.queue.first_entry()
            && entry.key().0 <= now
        {
            let event = entry.remove();
            self.event(event);
        }
        for at in 0..self.actors.len() {
            if self.wakes[at] <= now {
                let Self { actors, story, .. } = self;
                actors[at].tick(now, story);
                self.collect(at);
            }
        }
        if self.node_timeout() <= now {
            self.spin_check();
            self.feed(Input::Timeout);
        }
    }

    /// A node that wants time to pass without end would hold the world up.
    fn spin_check(&mut self) {
        for (spin, (length_us, most)) in
            self.spins.iter_mut().zip([(1, 1_000), (1_000_000, 100_000)])
        {
            if spin.0 != self.now / length_us {
                *spin = (self.now / length_us, 0);
            }
            spin.1 += 1;
            if spin.1 > most {
                let what =
                    format!("the node wants more than {most} timeouts within {length_us} µs");
                self.auditor.violations.push(what);
            }
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::ToNode { from, connection, mut bytes } => {
                if self.node.is_none()
                    || connection.is_some_and(|id| self.connections.get(&from) != Some(&id))
                {
                    return;
                }
                let peer = self.actors[from].agent().address;
                let flow = match connection {
                    Some(id) => Flow::tcp(NODE, peer, id),
                    None => Flow::udp(NODE, peer),
                };
                if let Ok(wire) = Wire::parse(&bytes) {
                    self.node_now();
                    self.show(from, "<", &wire, 1);
                    self.auditor.received(self.now, (from, peer.ip()), &wire);
                }
                self.feed(Input::Received { flow, bytes: &mut bytes });
            }
            Event::ToActor { to, bytes } => {
                let Self { actors, story, .. } = self;
                actors[to].receive(self.now, NODE, &bytes, story);
                self.collect(to);
            }
            Event::Late { flow, bytes } => self.send_out(flow, &bytes),
            Event::Closed(flow) => self.feed(Input::FlowClosed(flow)),
            Event::Deed(deed) => self.deed(deed),
        }
    }

    /// The instant as the node is told it.
    pub fn node_now(&mut self) -> Now {
        let wall = self.clock.wall(self.now);
        self.auditor.drift(self.clock.drift_us(self.now));
        Now { tick: Tick(self.now - self.epoch), wall }
    }

    /// One input for the node, and everything that follows from it.
    fn feed(&mut self, input: Input<'_>) {
        let now = self.node_now();
        if let Some(node) = &mut self.node {
            node.handle(now, input);
            self.drain();
        }
    }

    fn drain(&mut self) {
        let now = self.node_now();
        let mut outputs = std::mem::take(&mut self.outputs);
        if let Some(node) = &mut self.node {
            node.drain(&mut outputs);
        }
        // As the shell does: what is recorded as hung up has been hung up on.
        for (flow, bytes) in outputs.sends.iter() {
            if self.node.is_none() {
                break;
            }
            self.digest.write_u64(self.now.to_le());
            self.digest.write(bytes);
            self.transmit(flow, bytes);
            self.dies_now();
        }
        for request in outputs.stores.drain(..) {
            if self.node.is_none() {
                break;
            }
            let text = serde_json::to_vec(&request.records).expect("records can always be written");
            self.digest.write_u64(self.now.to_le());
            self.digest.write(&text);
            self.tell_records(&request.records);
            self.auditor.asked(self.now, now.wall, &request.records);
            self.disk.submit(self.now, request);
            self.dies_now();
        }
        for (_, reply) in outputs.replies.drain(..) {
            let reply = reply.map(|reply| reply.message);
            self.story.tell(self.now, || match &reply {
                Ok(message) => format!("staff are told: {message}"),
                Err(message) => format!("staff are told of a failure: {message}"),
            });
            self.replies.push(reply);
        }
        self.outputs = outputs;
        if let Some(node) = &self.node {
            self.auditor.step(self.now, now, node);
        }
    }

    fn disk_events(&mut self) {
        for event in self.disk.tick(self.now) {
            match event {
                DiskEvent::Durable(records) => {
                    self.auditor.durable(&records);
                    if self.dies_now() {
                        break;
                    }
                }
                DiskEvent::Stored { ticket, ok } => self.feed(Input::Stored { ticket, ok }),
                DiskEvent::Health(up) => {
                    let word = if up { "back" } else { "down" };
                    self.story.tell(self.now, || format!("the store is {word}"));
                    self.feed(Input::StoreHealth(up));
                }
            }
        }
    }

    fn tell_records(&mut self, records: &[Record]) {
        for record in records {
            if let Some(line) = crate::town::in_words(record) {
                let id = if self.names_decisions {
                    crate::town::decision_of(record)
                } else {
                    String::new()
                };
                self.story.tell(self.now, || id + &line);
            }
        }
    }

    fn push(&mut self, when: u64, event: Event) {
        self.last_event += 1;
        self.queue.insert((when, self.last_event), event);
    }
}
