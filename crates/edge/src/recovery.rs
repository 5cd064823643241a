//! After a restart. Lives here: bindings loaded, live calls taken up, ringing calls cancelled.
//! Never here: what their money is (engine).

use sip::b2bua::{Call, CallSnapshot, LegSnapshot, PeerKind};
use sip::flow::Flow;
use sip::message::{Message, Method};
use types::cdr::{HangupCause, HangupSide, LegRecord};
use types::{DecisionId, Direction, Fact, Hold, Millis, Record, Snapshot, Tick};

use engine::{Ended, Target};

use crate::legs::{Live, is_exempt};
use crate::node::Node;
use crate::routing;

/// An unanswered call of an earlier run: its carrier may still answer.
#[derive(Debug)]
pub struct Orphan {
    decision: DecisionId,
    legs: Vec<LegSnapshot>,
    cancel_at: Tick,
    interval_ms: Millis,
    until: Tick,
}

impl Orphan {
    /// When the node looks after it next.
    pub fn next_timeout(&self) -> Tick {
        self.cancel_at.min(self.until)
    }
}

impl Node {
    /// Takes up what the snapshot says was going on.
    pub(crate) fn recover(&mut self, snapshot: &Snapshot) {
        for binding in &snapshot.bindings {
            self.registrar.load(self.now, binding);
        }
        let recovered = self.engine.recovered();
        for hold in snapshot.holds.iter().filter(|hold| recovered.contains(&hold.decision)) {
            let legs = postcard::from_bytes::<CallSnapshot>(&hold.legs).ok();
            let adopted = match legs {
                Some(CallSnapshot::Answered { caller, callee }) => {
                    self.adopt(hold, *caller, *callee)
                }
                Some(CallSnapshot::Pending(legs)) => {
                    self.add_orphan(hold.decision, legs);
                    true
                }
                None => false,
            };
            if !adopted {
                self.end_unrecoverable(hold);
            }
        }
        let recovered = u32::try_from(recovered.len()).unwrap_or(u32::MAX);
        let fact = Fact::Started { recovered };
        self.must_store(vec![Record::Fact(self.now.wall, fact)]);
        self.after_command();
        self.orphans_timeout();
    }

    fn adopt(
        &mut self,
        hold: &Hold,
        caller: sip::dialog::Dialog,
        callee: sip::dialog::Dialog,
    ) -> bool {
        let key = self.calls.next_key();
        let trunk = hold.trunk.and_then(|trunk| self.engine.trunk(trunk));
        let (peer, mark) = match (hold.direction, trunk) {
            (Direction::Outgoing, Some(trunk)) => {
                (PeerKind::Trunk(trunk.auth.as_ref().map(routing::credentials)), trunk.id.0)
            }
            (Direction::Outgoing, None) => (PeerKind::Trunk(None), 0),
            _ => (PeerKind::Phone, hold.line.map_or(0, |line| line.0)),
        };
        let a_leg = LegRecord {
            peer: Some(caller.flow.peer),
            call_id: caller.call_id.clone(),
            user_agent: String::new(),
        };
        let mut wire = self.wire();
        let Some(call) = Call::adopt(key, caller, callee, peer, mark, &mut wire) else {
            return false;
        };
        let tags = call.adopted_tags().map(str::to_owned);
        let outgoing = hold.direction == Direction::Outgoing || hold.direction == Direction::OnNet;
        let live = Live {
            call,
            decision: hold.decision,
            account: hold.account,
            caller: hold.caller.clone(),
            target: Target::Lines(Vec::new()),
            gated: false,
            exempt: is_exempt(hold.destination.class),
            trunks_tried: 0,
            from_line: hold.line.filter(|_| outgoing),
            from_trunk: hold.trunk.filter(|_| !outgoing),
            a_leg,
            private: false,
            best_status: 0,
            ending: None,
            settled: false,
            wake: Tick::NEVER,
        };
        self.calls.insert(live);
        self.by_decision.insert(hold.decision, key);
        for tag in tags {
            self.adopted.insert(tag, key);
        }
        self.schedule(key);
        true
    }

    fn add_orphan(&mut self, decision: DecisionId, legs: Vec<LegSnapshot>) {
        let now = self.now.tick;
        let name = legs.first().map_or_else(|| decision.to_string(), |leg| leg.call_id.clone());
        let until = now.plus_ms(self.timers.orphan_ms);
        let interval_ms = self.timers.sip.t1_ms;
        self.orphans.insert(name, Orphan { decision, legs, cancel_at: now, interval_ms, until });
    }

    /// CANCELs again and again; after the last chance of a late answer the hold is released.
    pub(crate) fn orphans_timeout(&mut self) {
        let now = self.now.tick;
        if self.orphans.values().all(|orphan| orphan.next_timeout() > now) {
            return;
        }
        let mut orphans = std::mem::replace(
            &mut self.orphans,
            types::Map::with_hasher(*self.by_decision.hasher()),
        );
        let t2_ms = self.timers.sip.t2_ms;
        let mut over = Vec::new();
        orphans.retain(|_, orphan| {
            if now >= orphan.until {
                over.push(orphan.decision);
                return false;
            }
            if now >= orphan.cancel_at {
                let mut wire = self.wire();
                orphan.legs.iter().for_each(|leg| leg.cancel(&mut wire));
                orphan.cancel_at = now.plus_ms(orphan.interval_ms);
                orphan.interval_ms = (orphan.interval_ms * 2).min(t2_ms);
            }
            true
        });
        self.orphans = orphans;
        over.sort_unstable();
        for decision in over {
            self.end_orphan(decision);
        }
    }

    /// A response that belongs to no transaction: a late answer to an INVITE of an earlier run is
    /// acknowledged and hung up at once.
    pub(crate) fn stray_response(&mut self, response: &Message<'_>, flow: &Flow) {
        if response.cseq().method != Method::Invite {
            return;
        }
        let is_answer = response.status().is_some_and(|status| (200..300).contains(&status));
        let is_final = response.status().is_some_and(|status| status >= 300);
        let call_id = response.call_id();
        let leg_of = |orphan: &&Orphan| orphan.legs.iter().any(|leg| leg.call_id == call_id);
        let Some((name, peer)) = self
            .orphans
            .iter()
            .find(|(_, orphan)| leg_of(orphan))
            .map(|(name, orphan)| (name.clone(), orphan.legs[0].flow.peer))
        else {
            return;
        };
        if peer.ip() != flow.peer.ip() {
            return;
        }
        let mut wire = self.wire();
        if is_answer {
            sip::b2bua::refuse_answer(&mut wire, response, flow);
        } else if is_final {
            if let Some(orphan) = self.orphans.remove(&name) {
                self.end_orphan(orphan.decision);
            }
        }
    }

    fn end_orphan(&mut self, decision: DecisionId) {
        let ended = Ended {
            cause: HangupCause::Fault,
            status: 500,
            side: HangupSide::Ringfence,
            a_leg: LegRecord::default(),
            b_leg: LegRecord::default(),
            trunk: None,
        };
        let records = self.engine.end(self.now, decision, ended);
        self.must_store(records);
    }

    /// A hold without readable dialogs: nobody can be hung up on, so it is settled for what it held time for.
    fn end_unrecoverable(&mut self, hold: &Hold) {
        self.end_orphan(hold.decision);
    }
}
