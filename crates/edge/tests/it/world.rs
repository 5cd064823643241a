//! A node with virtual time and everybody's post. Lives here: time, delivery, the checks that hold for every test.
//! Never here: scripts, what was written (store).

mod store;

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;

use edge::{Input, Node, Outputs, Stats, StoreRequest};
use sip::flow::{Flow, Transport};
use types::*;

use crate::town::{NOON, Town};
use crate::ua::Ua;
use crate::wire::Got;
use store::is_about_devices;
pub use store::{Store, in_a_line};

/// What lies in somebody's inbox, by transport and address.
type Post = BTreeMap<(Transport, SocketAddr), VecDeque<Got>>;

struct Inner {
    town: Town,
    node: Node,
    now: Now,
    post: Post,
    store: Store,
    /// Requests that the store answered, and those of them, by their count, that it did not write.
    answered: u64,
    failing: std::ops::Range<u64>,
    waiting: VecDeque<StoreRequest>,
    /// Requests so far.
    asked: usize,
    written: Vec<Record>,
    holds: BTreeMap<DecisionId, Hold>,
    bindings: BTreeMap<(LineId, String), BindingRecord>,
    /// Decisions of holds that were ever written.
    held: Vec<DecisionId>,
    replies: Vec<(u64, Result<edge::Reply, String>)>,
    names: u64,
    outputs: Outputs,
}

/// A node and the world around it. Clones are the same world.
#[derive(Clone)]
pub struct World(Rc<RefCell<Inner>>);

impl World {
    pub fn new() -> World {
        World::with(|_| {})
    }

    pub fn with(change: impl FnOnce(&mut Town)) -> World {
        let mut town = Town::new();
        change(&mut town);
        let now = Now { tick: Tick(7_000_000), wall: UnixMicros::from_seconds(NOON) };
        let holds = town.snapshot.holds.iter().map(|hold| (hold.decision, hold.clone())).collect();
        let node = Node::new(town.config.clone(), town.snapshot.clone(), now).unwrap();
        let world = World(Rc::new(RefCell::new(Inner {
            town,
            node,
            now,
            post: Post::new(),
            store: Store::Up,
            answered: 0,
            failing: 0..0,
            waiting: VecDeque::new(),
            asked: 0,
            written: Vec::new(),
            holds,
            bindings: BTreeMap::new(),
            held: Vec::new(),
            replies: Vec::new(),
            names: 0,
            outputs: Outputs::default(),
        })));
        world.0.borrow_mut().settle();
        world
    }

    /// Somebody at an address, by UDP.
    pub fn ua(&self, address: &str, user: (&'static str, &'static str)) -> Ua {
        Ua::new(self.clone(), Transport::Udp, address, user)
    }

    /// Somebody at an address, by TCP.
    pub fn tcp_ua(&self, address: &str, user: (&'static str, &'static str)) -> Ua {
        Ua::new(self.clone(), Transport::Tcp, address, user)
    }

    /// Somebody at an address, by any transport.
    pub fn ua_by(
        &self,
        transport: Transport,
        address: &str,
        user: (&'static str, &'static str),
    ) -> Ua {
        Ua::new(self.clone(), transport, address, user)
    }

    pub fn receive(&self, flow: Flow, text: &[u8]) {
        let mut bytes = text.to_vec();
        self.0.borrow_mut().input(Input::Received { flow, bytes: &mut bytes });
    }

    pub fn flow_closed(&self, flow: Flow) {
        self.0.borrow_mut().input(Input::FlowClosed(flow));
    }

    pub fn command(&self, command: engine::Command) -> Result<edge::Reply, String> {
        let mut inner = self.0.borrow_mut();
        inner.input(Input::Command { id: 77, commands: vec![command] });
        inner.replies.pop().expect("a command is answered").1
    }

    // ---- time

    pub fn wall(&self) -> types::UnixMicros {
        self.0.borrow().now.wall
    }

    /// Lets time pass; the node is woken when it wants to be.
    pub fn advance(&self, ms: Millis) {
        self.0.borrow_mut().advance(ms);
    }

    /// The program dies and starts again `down_ms` later from what was written.
    pub fn restart(&self, down_ms: Millis) {
        let mut inner = self.0.borrow_mut();
        inner.waiting.clear();
        let wall = inner.now.wall.plus_ms(down_ms);
        inner.now = Now { tick: Tick(1_000_000), wall };
        let snapshot = inner.snapshot();
        // Secrets are drawn anew at each start.
        let secrets = &mut inner.town.config.secrets;
        secrets.tokens[3] = secrets.tokens[3].wrapping_add(1);
        secrets.hash = HashKey(secrets.hash.0 + 1, 22);
        inner.town.config.engine.hash = HashKey(inner.town.config.secrets.hash.0, 23);
        inner.node = Node::new(inner.town.config.clone(), snapshot, inner.now).unwrap();
        inner.settle();
    }

    // ---- the node

    pub fn stats(&self) -> Stats {
        self.0.borrow().node.stats()
    }

    pub fn held(&self, account: u32) -> Money {
        let inner = self.0.borrow();
        inner.node.engine().usage(inner.now, AccountId(account)).unwrap().held
    }

    pub fn set_busy(&self, is_busy: bool) {
        self.0.borrow_mut().node.set_busy(is_busy);
    }

    pub fn begin_shutdown(&self) {
        let mut inner = self.0.borrow_mut();
        let now = inner.now;
        inner.node.begin_shutdown(now);
    }

    // ---- the post

    pub fn take(&self, flow: &Flow, fits: impl Fn(&Got) -> bool) -> Option<Got> {
        let mut inner = self.0.borrow_mut();
        let inbox = inner.post.get_mut(&(flow.transport, flow.peer))?;
        let at = inbox.iter().position(fits)?;
        inbox.remove(at)
    }

    pub fn inbox(&self, flow: &Flow) -> Vec<Got> {
        let inner = self.0.borrow();
        let inbox = inner.post.get(&(flow.transport, flow.peer));
        inbox.into_iter().flatten().cloned().collect()
    }

    /// Throws away what lies in everybody's inbox.
    pub fn forget_post(&self) {
        self.0.borrow_mut().post.clear();
    }

    /// A new name.
    pub fn name(&self) -> u64 {
        let mut inner = self.0.borrow_mut();
        inner.names += 1;
        inner.names
    }

    /// Nobody has post that he did not expect.
    pub fn no_post(&self) {
        let inner = self.0.borrow();
        for (whose, inbox) in &inner.post {
            let names: Vec<String> = inbox.iter().map(Got::text).collect();
            assert!(inbox.is_empty(), "unexpected at {whose:?}:\n{}", names.join("\n"));
        }
    }

    /// Everything is over: nothing unexpected was sent, each hold was closed with one CDR, and within
    /// 70 seconds nothing of calls and transactions is left.
    pub fn finish(&self) {
        self.no_post();
        self.finish_with_post();
    }

    /// As [`World::finish`], where somebody's retransmissions are nobody's business.
    pub fn finish_with_post(&self) {
        self.advance(70_000);
        let inner = self.0.borrow();
        let stats = inner.node.stats();
        assert_eq!(stats.calls, 0, "calls left");
        assert_eq!(stats.transactions, (0, 0), "transactions left");
        assert_eq!(stats.stores_open, inner.waiting.len(), "store requests left");
        assert_eq!(inner.node.engine().live().count(), 0, "calls left in the engine");
        inner.node.engine().audit().unwrap();
        for account in &inner.town.snapshot.accounts {
            let usage = inner.node.engine().usage(inner.now, account.id).unwrap();
            assert_eq!(usage.held, Money::ZERO, "held for account {}", account.id);
        }
        assert!(inner.holds.is_empty(), "holds left in the store: {:#?}", inner.holds);
        let cdrs = inner.written.iter().filter_map(|record| match record {
            Record::Cdr(cdr) => Some(cdr.decision),
            _ => None,
        });
        let mut seen: Vec<DecisionId> = cdrs.collect();
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), count, "a decision has one CDR");
        assert!(inner.held.iter().all(|held| seen.binary_search(held).is_ok()), "a hold has a CDR");
    }
}

impl Inner {
    fn input(&mut self, input: Input<'_>) {
        self.node.handle(self.now, input);
        self.settle();
    }

    fn advance(&mut self, ms: Millis) {
        let target = self.now.tick.plus_ms(ms);
        let mut rounds = 0;
        while let Some(next) = self.node.next_timeout().filter(|next| *next <= target) {
            rounds += 1;
            assert!(rounds < 100_000, "the node wants to be woken for ever");
            let next = next.max(self.now.tick);
            self.pass(next);
            self.input(Input::Timeout);
        }
        self.pass(target);
    }

    fn pass(&mut self, to: Tick) {
        let micros = to.micros_since(self.now.tick);
        self.now = Now { tick: to, wall: UnixMicros(self.now.wall.0 + micros as i64) };
    }

    /// Delivers and writes until there is nothing more to do.
    fn settle(&mut self) {
        loop {
            let mut outputs = std::mem::take(&mut self.outputs);
            self.node.drain(&mut outputs);
            for (flow, bytes) in outputs.sends.iter() {
                self.deliver(Got::parse(flow, bytes));
            }
            self.asked += outputs.stores.len();
            for request in outputs.stores.drain(..) {
                // Nobody waits for what is learnt of devices: it is not among what tests answer by hand.
                if self.store == Store::Silent && is_about_devices(&request.records) {
                    self.answer(request, true);
                } else {
                    self.waiting.push_back(request);
                }
            }
            self.replies.append(&mut outputs.replies);
            self.outputs = outputs;
            let ok = match self.store {
                Store::Up => true,
                Store::Failing => false,
                Store::Silent => return,
            };
            match self.waiting.pop_front() {
                Some(request) => self.answer(request, ok),
                None => return,
            }
        }
    }

    fn deliver(&mut self, got: Got) {
        crate::typed::check(&got);
        let trunks = &self.town.snapshot.trunks;
        let to_carrier = trunks.iter().any(|trunk| trunk.address == got.flow.peer);
        if to_carrier && got.method == "INVITE" && got.to_tag().is_empty() {
            self.check_held(&got);
        }
        self.post.entry((got.flow.transport, got.flow.peer)).or_default().push_back(got);
    }

    /// M7: no INVITE leaves for a carrier before its hold is written; emergency calls excepted.
    fn check_held(&self, invite: &Got) {
        let call_id = invite.call_id().as_bytes();
        let names_it = |hold: &Hold| hold.legs.windows(call_id.len()).any(|part| part == call_id);
        let is_emergency = ["sip:999@", "sip:112@"].iter().any(|code| invite.uri.starts_with(code));
        let is_held = self.holds.values().any(names_it);
        assert!(is_held || is_emergency, "an INVITE without a hold:\n{}", invite.text());
    }
}
