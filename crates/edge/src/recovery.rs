//! After a restart. Lives here: bindings loaded, live calls taken up and their sides asked, ringing calls cancelled.
//! Never here: what their money is (engine).

use std::mem;

use sip::b2bua::{Call, CallSnapshot, LegSnapshot, PeerKind};
use sip::flow::Flow;
use sip::message::{Message, Method};
use types::cdr::{HangupCause, HangupSide, LegRecord};
use types::{DecisionId, Direction, Fact, Hold, Millis, Record, Snapshot, Tick, TrunkId};

use engine::{Ended, Target};

use crate::call_end::ended;
use crate::legs::{Kept, Live, is_exempt, witness};
use crate::node::Node;
use crate::routing;

/// Who hung up while the program was down repeats the BYE for 32 s, every 4 s at the longest (RFC 3261 §17.1.2.1,
/// T2): it is heard before anybody is asked.
const PROBE_AFTER_MS: Millis = 4_100;
/// Within which time the calls that were taken up are asked, one after the other, in microseconds.
const PROBE_WITHIN_US: u64 = 4_000_000;
/// The shortest time between two of them, in microseconds.
const PROBE_LEAST_US: u64 = 500;

/// An unanswered call of an earlier run: its carrier may still answer.
#[derive(Debug)]
pub struct Orphan {
    /// Until its money was released.
    decision: Option<DecisionId>,
    legs: Vec<OrphanLeg>,
    /// Both sides, for the CDR.
    a_leg: LegRecord,
    b_leg: LegRecord,
    cancel_at: Tick,
    interval_ms: Millis,
    until: Tick,
}

/// One INVITE of it.
#[derive(Debug)]
struct OrphanLeg {
    invite: LegSnapshot,
    /// The CANCEL arrived.
    heard: bool,
    /// It was refused: nothing more can come of it.
    over: bool,
}

impl Orphan {
    /// When the node looks after it next.
    pub fn next_timeout(&self) -> Tick {
        match self.legs.iter().all(OrphanLeg::is_quiet) {
            true => self.until,
            false => self.cancel_at.min(self.until),
        }
    }
}

impl OrphanLeg {
    fn is_quiet(&self) -> bool {
        self.heard || self.over
    }
}

impl Node {
    /// Takes up what the snapshot says was going on.
    pub(crate) fn recover(&mut self, snapshot: &Snapshot) {
        // Locks and lines may have changed while no node was running.
        for binding in &snapshot.bindings {
            if self.engine.ip_allowed(binding.line, binding.peer.ip()) {
                self.registrar.load(self.now, binding);
            }
        }
        let recovered = self.engine.recovered();
        let mut probe_at = self.now.tick.plus_ms(PROBE_AFTER_MS);
        let probe_every_us = PROBE_WITHIN_US / (recovered.len() as u64).max(1);
        let mut adopted_holds = Vec::new();
        // They are in order, and may be thousands.
        let is_recovered = |hold: &&Hold| recovered.binary_search(&hold.decision).is_ok();
        for hold in snapshot.holds.iter().filter(is_recovered) {
            let Ok(mut kept) = postcard::from_bytes::<Kept>(&hold.legs) else {
                self.end_unrecoverable(hold);
                continue;
            };
            if let CallSnapshot::Pending(invites) = kept.signalling {
                self.add_orphan(hold.decision, invites, (kept.a_leg, kept.b_leg));
                continue;
            }
            // Were there several crashes, the program counts that was the last to hear of the witness.
            kept.carried_until.get_or_insert(snapshot.newest);
            probe_at = Tick(probe_at.0.saturating_add(probe_every_us.max(PROBE_LEAST_US)));
            if self.adopt(hold, kept, probe_at) {
                adopted_holds.push(hold.decision);
            } else {
                self.end_unrecoverable(hold);
            }
        }
        let recovered = u32::try_from(recovered.len()).unwrap_or(u32::MAX);
        let fact = Fact::Started { recovered };
        self.remember_adopted(&adopted_holds);
        self.must_store(vec![Record::Fact(self.now.wall, fact)]);
        self.after_command();
        self.orphans_timeout();
    }

    fn adopt(&mut self, hold: &Hold, kept: Kept, probe_at: Tick) -> bool {
        let CallSnapshot::Answered { caller, callee, mark, timers } = kept.signalling else {
            return false;
        };
        let key = self.calls.next_key();
        let peer = match hold.direction {
            Direction::Outgoing => {
                let trunk = self.engine.trunk(TrunkId(mark));
                PeerKind::Trunk(
                    trunk.and_then(|trunk| trunk.auth.as_ref()).map(routing::credentials),
                )
            }
            Direction::Incoming | Direction::OnNet => PeerKind::Phone,
        };
        let place = caller.flow.peer.ip();
        let mut wire = self.wire();
        let adopted = Call::adopt(key, *caller, *callee, peer, (mark, timers), &mut wire);
        let Some(mut call) = adopted else {
            return false;
        };
        call.probe(probe_at);
        let tags = call.adopted_tags().map(str::to_owned);
        let outgoing = hold.direction == Direction::Outgoing || hold.direction == Direction::OnNet;
        let live = Live {
            call,
            decision: hold.decision,
            caller: hold.caller.clone(),
            target: Target::Lines(Vec::new()),
            gated: false,
            exempt: is_exempt(hold.destination.class),
            sips: false,
            trunks_tried: 0,
            vain_leg: None,
            from_line: hold.line.filter(|_| outgoing),
            from_trunk: hold.trunk.filter(|_| !outgoing),
            witness: witness(!outgoing),
            request: String::new(),
            a_leg: kept.a_leg,
            private: false,
            b_agent: kept.b_leg.user_agent,
            carried_until: kept.carried_until,
            best_status: 0,
            finding: None,
            ending: None,
            settled: false,
            wake: Tick::NEVER,
        };
        self.calls.insert(live);
        self.engine.sits_at(hold.decision, place);
        self.by_decision.insert(hold.decision, key);
        for tag in tags {
            self.adopted.insert(tag, key);
        }
        self.schedule(key);
        true
    }

    /// Writes the adopted dialogs again, until it is done: were the program to die once more, the next must use higher
    /// CSeq than this one, and know how long the one lived that was the last to hear of the witness.
    fn remember_adopted(&mut self, adopted: &[DecisionId]) {
        for decision in adopted {
            if let Some(key) = self.by_decision.get(decision).copied() {
                self.record_answer(key);
            }
        }
    }

    fn add_orphan(
        &mut self,
        decision: DecisionId,
        legs: Vec<LegSnapshot>,
        (a_leg, b_leg): (LegRecord, LegRecord),
    ) {
        let now = self.now.tick;
        let name = legs.first().map_or_else(|| decision.to_string(), |leg| leg.call_id.clone());
        let legs = legs.into_iter().map(|invite| OrphanLeg { invite, heard: false, over: false });
        let orphan = Orphan {
            decision: Some(decision),
            legs: legs.collect(),
            a_leg,
            b_leg,
            cancel_at: now,
            interval_ms: self.timers.sip.t1_ms,
            until: now.plus_ms(self.timers.orphan_ms),
        };
        for leg in &orphan.legs {
            self.orphan_legs.insert(leg.invite.call_id.clone(), name.clone());
        }
        self.orphans_at = now;
        self.orphans.insert(name, orphan);
    }

    /// CANCELs again and again; after the last chance of a late answer the hold is released.
    pub(crate) fn orphans_timeout(&mut self) {
        let now = self.now.tick;
        // There may be thousands: they are gone through when one of them is due, not for each packet.
        if self.orphans_at > now {
            return;
        }
        let hash = *self.by_decision.hasher();
        let mut orphans = std::mem::replace(&mut self.orphans, types::Map::with_hasher(hash));
        let t2_ms = self.timers.sip.t2_ms;
        let mut over = Vec::new();
        orphans.retain(|_, orphan| {
            if now >= orphan.until {
                let legs = (mem::take(&mut orphan.a_leg), mem::take(&mut orphan.b_leg));
                over.extend(orphan.decision.map(|decision| (decision, legs)));
                return false;
            }
            if now >= orphan.cancel_at {
                let mut wire = self.wire();
                let open = orphan.legs.iter().filter(|leg| !leg.is_quiet());
                open.for_each(|leg| leg.invite.cancel(&mut wire));
                orphan.cancel_at = now.plus_ms(orphan.interval_ms);
                orphan.interval_ms = (orphan.interval_ms * 2).min(t2_ms);
            }
            true
        });
        let next = orphans.values().map(Orphan::next_timeout).min();
        self.orphans_at = next.unwrap_or(Tick::NEVER);
        self.orphan_legs.retain(|_, name| orphans.contains_key(name));
        self.orphans = orphans;
        over.sort_unstable_by_key(|(decision, _)| *decision);
        for (decision, legs) in over {
            self.end_orphan(decision, legs);
        }
    }

    /// A response that belongs to no transaction: perhaps to an INVITE of an earlier run.
    pub(crate) fn stray_response(&mut self, response: &Message<'_>, flow: &Flow) {
        let status = response.status().unwrap_or(0);
        let is_answer = (200..300).contains(&status);
        match response.cseq().method {
            Method::Invite if is_answer && self.answer_of_adopted(response, flow) => {}
            Method::Invite if status >= 200 => self.orphan_answered(response, flow),
            Method::Cancel if status >= 200 => {
                if let Some((_, leg)) = self.orphan_leg(response, flow) {
                    leg.heard = true;
                }
            }
            _ => {}
        }
    }

    /// A 2xx again, of a call that was taken up: the earlier run's ACK was lost.
    fn answer_of_adopted(&mut self, response: &Message<'_>, flow: &Flow) -> bool {
        let tag = response.from().tag().unwrap_or("");
        let Some(key) = self.adopted.get(tag).copied() else { return false };
        let Some(live) = self.calls.find(key) else { return false };
        let peer = live.call.flow_of(sip::b2bua::Side::Callee, 0).map(|flow| flow.peer.ip());
        if peer == Some(flow.peer.ip()) {
            self.with_call(key, |live, wire, _| {
                live.call.side_spoke(sip::b2bua::Side::Callee);
                live.call.acknowledge_again(wire, response);
            });
        }
        true
    }

    /// A late answer is acknowledged and hung up at once; a refusal is acknowledged, and releases
    /// the hold when no leg is left that may answer.
    fn orphan_answered(&mut self, response: &Message<'_>, flow: &Flow) {
        let Some((name, leg)) = self.orphan_leg(response, flow) else {
            return self.late_answer(response, flow);
        };
        leg.heard = true;
        if response.status().is_some_and(|status| status < 300) {
            return self.hang_up_late(response, flow);
        }
        leg.over = true;
        let invite = leg.invite.clone();
        invite.acknowledge(&mut self.wire(), response);
        let Some(orphan) = self.orphans.get_mut(&name) else { return };
        if orphan.legs.iter().all(|leg| leg.over)
            && let Some(decision) = orphan.decision.take()
        {
            let legs = (orphan.a_leg.clone(), orphan.b_leg.clone());
            self.end_orphan(decision, legs);
        }
    }

    fn orphan_leg(
        &mut self,
        response: &Message<'_>,
        flow: &Flow,
    ) -> Option<(String, &mut OrphanLeg)> {
        let name = self.orphan_legs.get(response.call_id())?;
        let mut legs = self.orphans.get_mut(name)?.legs.iter_mut();
        let leg = legs.find(|leg| leg.invite.is_answered_by(response, flow))?;
        Some((name.clone(), leg))
    }

    fn end_orphan(&mut self, decision: DecisionId, (a_leg, b_leg): (LegRecord, LegRecord)) {
        let ended = Ended { b_leg, ..ended(HangupCause::Fault, 500, HangupSide::Ringfence, a_leg) };
        let records = self.engine.end(self.now, decision, ended);
        self.must_store(records);
    }

    /// A hold without readable dialogs: nobody can be hung up on, so it is settled for what it held time for.
    fn end_unrecoverable(&mut self, hold: &Hold) {
        self.end_orphan(hold.decision, Default::default());
    }
}
