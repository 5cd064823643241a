//! The calls of a node in memory. Lives here: the slab with generations, what the node knows about a
//! call besides its signalling. Never here: decisions, messages.

use std::collections::BTreeSet;

use engine::Target;
use serde::{Deserialize, Serialize};
use sip::b2bua::{Call, CallKey, CallSnapshot, Leg, Side};
use slab::Slab;
use types::cdr::{HangupCause, HangupSide, LegRecord};
use types::{DecisionId, DestinationClass, Finding, LineId, Tick, TrunkId, UnixMicros};

/// A call in memory.
#[derive(Debug)]
pub struct Live {
    /// Its signalling.
    pub call: Call,
    /// Its decision.
    pub decision: DecisionId,
    /// What is shown as the caller.
    pub caller: String,
    /// Where it may go; taken from the admission.
    pub target: Target,
    /// Must its hold be durable before an INVITE leaves?
    pub gated: bool,
    /// An emergency or support call: the caller's IP lock does not count.
    pub exempt: bool,
    /// A call to a sips address: it goes on over TLS or not at all (RFC 5630).
    pub sips: bool,
    /// How many trunks of the route were tried.
    pub trunks_tried: usize,
    /// The leg of a carrier that answered when nobody waited for it any more.
    pub vain_leg: Option<u8>,
    /// The line that called, when one of ours did.
    pub from_line: Option<LineId>,
    /// The trunk that called, when a carrier did.
    pub from_trunk: Option<TrunkId>,
    /// Whose word counts for when a call ended that was taken up after a restart.
    pub witness: Side,
    /// Call-ID, From tag and CSeq of its INVITE; empty when they are not known any more.
    pub request: String,
    /// The caller's side, for the CDR.
    pub a_leg: LegRecord,
    /// Does the caller ask that its number stays hidden?
    pub private: bool,
    /// Of a call taken up after a restart: what the called side said it was.
    pub b_agent: String,
    /// Of a call taken up after a restart, until its witness is heard: the last that is known of the program that
    /// carried it.
    pub carried_until: Option<UnixMicros>,
    /// Best final status of the legs so far.
    pub best_status: u16,
    /// What kept it from going out, if something of ours did.
    pub finding: Option<Finding>,
    /// How it ended, once it has.
    pub ending: Option<(HangupSide, HangupCause, u16)>,
    /// Has the engine been told of the end?
    pub settled: bool,
    /// Earliest instant at which the node looks after it.
    pub wake: Tick,
}

impl Live {
    /// The leg that the CDR tells of: that which was answered, if only in vain, or the last.
    pub fn told_leg(&self) -> Option<&Leg> {
        let vain = self.vain_leg.and_then(|leg| self.call.legs().get(usize::from(leg)));
        self.call.winning_leg().or(vain).or_else(|| self.call.legs().last())
    }

    /// The called side, for the CDR.
    pub fn b_leg(&self) -> LegRecord {
        self.told_leg().map_or_else(LegRecord::default, |leg| LegRecord {
            peer: Some(leg.plan.flow.peer),
            call_id: leg.call_id.clone(),
            user_agent: match leg.user_agent.as_str() {
                "" => self.b_agent.clone(),
                heard => heard.to_owned(),
            },
        })
    }
}

/// What is kept with a hold, to go on with the call or to hang it up after a restart.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kept {
    /// Its dialogs, or the INVITEs under way.
    pub signalling: CallSnapshot,
    /// The caller's side, as the CDR names it.
    pub a_leg: LegRecord,
    /// The called side.
    pub b_leg: LegRecord,
    /// The last that is known of the program that carried it, if none has since heard of its witness.
    pub carried_until: Option<UnixMicros>,
}

/// The calls of a node.
#[derive(Debug, Default)]
pub struct Calls {
    slab: Slab<Box<Live>>,
    generations: Vec<u16>,
    /// INVITEs that calls came from.
    requests: BTreeSet<String>,
}

impl Calls {
    /// How many.
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    /// The place that the next call will have.
    pub fn next_key(&self) -> CallKey {
        let slot = self.slab.vacant_key();
        let generation = self.generations.get(slot).copied().unwrap_or(0);
        CallKey { slot: slot as u32, generation }
    }

    /// Puts a call into the place that `next_key` named.
    pub fn insert(&mut self, live: Live) -> CallKey {
        let key = self.next_key();
        debug_assert_eq!(key, live.call.key());
        if !live.request.is_empty() {
            self.requests.insert(live.request.clone());
        }
        let slot = self.slab.insert(Box::new(live));
        if self.generations.len() <= slot {
            self.generations.resize(slot + 1, 0);
        }
        key
    }

    /// Is there a call that came from this INVITE?
    pub fn has_request(&self, request: &str) -> bool {
        self.requests.contains(request)
    }

    /// A call, unless its place has another tenant by now.
    pub fn find(&mut self, key: CallKey) -> Option<&mut Live> {
        let slot = key.slot as usize;
        if self.generations.get(slot) != Some(&key.generation) {
            return None;
        }
        self.slab.get_mut(slot).map(|live| &mut **live)
    }

    /// Gives a call's place away.
    pub fn remove(&mut self, key: CallKey) -> Option<Live> {
        self.find(key)?;
        let slot = key.slot as usize;
        self.generations[slot] = self.generations[slot].wrapping_add(1);
        let live = *self.slab.remove(slot);
        self.requests.remove(&live.request);
        Some(live)
    }
}

/// The side that can bill for a call: the carrier's, else the called one.
pub const fn witness(from_carrier: bool) -> Side {
    if from_carrier { Side::Caller } else { Side::Callee }
}

/// Emergency and support calls work from every address.
pub const fn is_exempt(class: DestinationClass) -> bool {
    matches!(class, DestinationClass::Emergency | DestinationClass::Support)
}
