//! A node with virtual time, a store that answers when it is told to, and everybody's post. Lives
//! here: time, delivery, what was written, the checks that hold for every test. Never here: scripts.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;

use edge::{Input, Node, Outputs, Stats, StoreRequest};
use sip::flow::{Flow, Transport};
use types::record::Spending;
use types::*;

use crate::town::{NOON, Town};
use crate::ua::Ua;
use crate::wire::Got;

/// How the store answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// At once: written.
    Up,
    /// Not at all, until it is told otherwise.
    Silent,
    /// At once: not written.
    Failing,
}

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

    // ---- the store

    pub fn store(&self, store: Store) {
        let mut inner = self.0.borrow_mut();
        inner.store = store;
        inner.settle();
    }

    /// The store does not write these of its requests, counted from the first of all.
    pub fn fail_writes(&self, which: std::ops::Range<u64>) {
        self.0.borrow_mut().failing = which;
    }

    /// So many requests have had an answer.
    pub fn writes_answered(&self) -> u64 {
        self.0.borrow().answered
    }

    pub fn store_health(&self, up: bool) {
        self.0.borrow_mut().input(Input::StoreHealth(up));
    }

    /// Requests that have had no answer.
    pub fn unanswered(&self) -> Vec<StoreRequest> {
        self.0.borrow().waiting.iter().cloned().collect()
    }

    /// How often the store was asked to write something.
    pub fn asked(&self) -> usize {
        self.0.borrow().asked
    }

    /// The oldest request that waits is answered.
    pub fn answer_store(&self, ok: bool) {
        let mut inner = self.0.borrow_mut();
        let request = inner.waiting.pop_front().expect("a request waits");
        inner.answer(request, ok);
        inner.settle();
    }

    /// What was written besides what was learnt of devices.
    pub fn written_but_devices(&self) -> usize {
        let written = self.written();
        written.iter().filter(|record| !is_about_devices(std::slice::from_ref(record))).count()
    }

    pub fn written(&self) -> Vec<Record> {
        self.0.borrow().written.clone()
    }

    pub fn open_holds(&self) -> Vec<Hold> {
        self.0.borrow().holds.values().cloned().collect()
    }

    /// Overwrites what a hold says about its legs.
    pub fn spoil_legs(&self) {
        for hold in self.0.borrow_mut().holds.values_mut() {
            hold.legs = vec![0xFF; 9];
        }
    }

    pub fn bindings(&self) -> Vec<BindingRecord> {
        self.0.borrow().bindings.values().cloned().collect()
    }

    pub fn facts(&self) -> Vec<Fact> {
        let written = self.written();
        let fact = |record| match record {
            Record::Fact(_, fact) => Some(fact),
            _ => None,
        };
        written.into_iter().filter_map(fact).collect()
    }

    pub fn cdrs(&self) -> Vec<Cdr> {
        let written = self.written();
        let cdr = |record| match record {
            Record::Cdr(cdr) => Some(*cdr),
            _ => None,
        };
        written.into_iter().filter_map(cdr).collect()
    }

    /// The one CDR that was written.
    pub fn cdr(&self) -> Cdr {
        let mut cdrs = self.cdrs();
        assert_eq!(cdrs.len(), 1, "one CDR: {cdrs:#?}");
        cdrs.remove(0)
    }

    /// The end of the one call, in a line: direction, milliseconds, millionths charged, cause,
    /// status, side.
    pub fn ended_as(&self, want: &str) -> Cdr {
        let cdr = self.cdr();
        assert_eq!(in_a_line(&cdr), want, "{cdr:#?}");
        cdr
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

/// The time that a record tells of.
fn time_of(record: &Record) -> UnixMicros {
    match record {
        Record::Alive(at) | Record::Fact(at, _) => *at,
        Record::Cdr(cdr) => cdr.ended,
        Record::Standing(standing) => standing.at,
        Record::Hold(hold) => match hold.state {
            HoldState::Answered(at) => at,
            HoldState::Pending => hold.started,
        },
        _ => UnixMicros(0),
    }
}

/// A CDR in a line.
pub fn in_a_line(cdr: &Cdr) -> String {
    let (price, cost) = (cdr.price.micros(), cdr.cost.micros());
    let (direction, ms, cause) = (cdr.direction.code(), cdr.duration_ms, cdr.cause.code());
    format!("{direction} {ms}ms {price}/{cost} {cause} {} {:?}", cdr.status, cdr.side)
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

    fn answer(&mut self, request: StoreRequest, ok: bool) {
        self.answered += 1;
        let ok = ok && !self.failing.contains(&self.answered);
        if ok {
            request.records.into_iter().for_each(|record| self.write(record));
        }
        self.node.handle(self.now, Input::Stored { ticket: request.ticket, ok });
    }

    fn write(&mut self, record: Record) {
        match &record {
            Record::Hold(hold) => {
                self.held.push(hold.decision);
                self.holds.insert(hold.decision, (**hold).clone());
            }
            Record::HoldClosed(decision) => {
                self.holds.remove(decision);
            }
            Record::Binding(binding) => {
                let key = (binding.line, binding.contact.clone());
                self.bindings.insert(key, (**binding).clone());
            }
            Record::BindingGone(line, contact) => {
                self.bindings.remove(&(*line, contact.clone()));
            }
            _ => {}
        }
        self.written.push(record);
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

    fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.town.snapshot.clone();
        snapshot.holds = self.holds.values().cloned().collect();
        snapshot.bindings = self.bindings.values().cloned().collect();
        snapshot.newest = self.written.iter().map(time_of).max().unwrap_or_default();
        let mut bans = BTreeMap::new();
        for record in &self.written {
            remember(&mut snapshot, record, self.now.wall);
            match record {
                Record::Ban(ban) => drop(bans.insert(ban.source, Ban::clone(ban))),
                Record::BanGone(source) => drop(bans.remove(source)),
                _ => {}
            }
            if let Record::Cdr(cdr) = record {
                let costly = cdr.destination.class.is_costly();
                snapshot.last_decision = snapshot.last_decision.max(cdr.decision);
                snapshot.spending.push(Spending {
                    account: cdr.account,
                    at: cdr.ended,
                    amount: cdr.price,
                    costly,
                });
            }
        }
        snapshot.bans = bans.into_values().collect();
        snapshot
    }
}

/// Devices, lock-outs, changed accounts and lines outlive the program.
fn remember(snapshot: &mut Snapshot, record: &Record, now: types::UnixMicros) {
    match record {
        Record::Device(device) => {
            snapshot.devices.retain(|known| known.id != device.id);
            snapshot.devices.push((**device).clone());
        }
        Record::DeviceGone(id) => snapshot.devices.retain(|known| known.id != *id),
        Record::LockOut(lock) => {
            snapshot.lock_outs.retain(|known| known.scope != lock.scope);
            snapshot.lock_outs.push((**lock).clone());
            snapshot.lock_outs.retain(|known| known.until > now);
        }
        Record::LockOutGone(scope) => snapshot.lock_outs.retain(|known| known.scope != *scope),
        Record::Account(account) => {
            snapshot.accounts.retain(|known| known.id != account.id);
            snapshot.accounts.push((**account).clone());
        }
        Record::Raises(raises) => {
            snapshot.raises.retain(|known| known.account != raises.account);
            snapshot.raises.push((**raises).clone());
            snapshot.raises.retain(|known| !known.is_empty());
        }
        Record::Line(line) => {
            snapshot.lines.retain(|known| known.id != line.id);
            snapshot.lines.push((**line).clone());
        }
        _ => {}
    }
}

/// Is this only what was learnt of devices?
fn is_about_devices(records: &[Record]) -> bool {
    records.iter().all(|record| {
        matches!(
            record,
            Record::Device(_)
                | Record::DeviceGone(_)
                | Record::Fact(_, types::Fact::NewDevice { .. } | types::Fact::DeviceMoved { .. })
        )
    })
}
