//! What the auditor sees on the wire at the node's door. Lives here: legs, their answers and ends, whose hold they
//! are. Never here: the node's own idea of them.

use std::collections::{BTreeMap, BTreeSet};

use types::{DecisionId, E164, Hold, HoldState, TrunkId, UnixMicros};

use crate::auditor::books::Books;
use crate::carrier::international;
use crate::wire::Wire;

/// A word of a peer is on record after so long.
const NEW_WORD_US: u64 = 1_500_000;
/// Timer B, and Timer H: 64·T1.
const TIMER_B_US: u64 = 32_000_000;

/// One leg between the node and somebody.
#[derive(Clone, Debug)]
pub struct Leg {
    /// The carrier's trunk, for legs that go out.
    pub trunk: Option<TrunkId>,
    /// Did the node send the INVITE?
    pub out: bool,
    /// The number in the INVITE.
    pub number: String,
    /// Whose hold stands behind it.
    pub decision: Option<DecisionId>,
    /// World time of the first INVITE.
    pub invited: u64,
    /// World time of the first response.
    heard: Option<u64>,
    /// World time of the first 2xx at the node's door.
    pub answered: Option<u64>,
    /// How wrong the node's wall clock was then.
    pub drift_us: i64,
    /// The node has sent an ACK for it.
    acked: bool,
    /// World time of the first BYE at the node's door, either way.
    pub bye: Option<u64>,
    /// How wrong the node's wall clock was then.
    pub bye_drift_us: i64,
    /// The first word of the peer since the node came back from a crash: does it say that it has no such dialog?
    pub lost: Option<bool>,
    /// World time of that word.
    word_at: u64,
    /// After a crash: the newest durable time of the last node that heard of the peer, and whether its store may not
    /// have known that it did: it had not written for longer than a mark of life may take, or the word was too new.
    pub carried_until: Option<(UnixMicros, bool)>,
    /// Nobody pays for it, and at a crash no durable record named it as answered: the node cannot know of it any
    /// more, and its peer finds out by itself.
    pub forgotten: bool,
    /// A final refusal passed.
    pub refused: bool,
    /// To tag of the first 2xx: a second branch of a fork has another, and is hung up at once.
    pub tag: String,
}

/// All legs.
#[derive(Debug, Default)]
pub struct Legs {
    carriers: BTreeMap<usize, TrunkId>,
    legs: BTreeMap<(usize, String), Leg>,
    talking: BTreeSet<(usize, String)>,
    /// How wrong the node's wall clock is.
    drift_us: i64,
}

impl Legs {
    /// An actor is the carrier behind a trunk.
    pub fn add_carrier(&mut self, actor: usize, trunk: TrunkId) {
        self.carriers.insert(actor, trunk);
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&(usize, String), &Leg)> {
        self.legs.iter()
    }

    /// Those on which somebody talks.
    pub fn talking(&self) -> impl Iterator<Item = (&(usize, String), &Leg)> {
        self.talking.iter().filter_map(|key| self.legs.get_key_value(key))
    }

    /// One of them.
    pub fn find(&self, actor: usize, call_id: &str) -> Option<&Leg> {
        self.legs.get(&(actor, call_id.to_owned()))
    }

    /// The node sent something. `Err`: it should not have.
    pub fn sent(
        &mut self,
        now: u64,
        to: usize,
        wire: &Wire,
        free: bool,
        kept: &Books,
    ) -> Result<(), String> {
        let key = (to, wire.call_id().to_owned());
        match (wire.is_request(), wire.method()) {
            (true, "INVITE") if wire.to_tag().is_empty() && !self.legs.contains_key(&key) => {
                let trunk = self.carriers.get(&to).copied();
                let number = wire.dialled();
                let decision = match trunk {
                    Some(trunk) => backing(trunk, &number, wire.call_id(), free, kept)?,
                    None => None,
                };
                self.legs
                    .insert(key, Leg { trunk, out: true, number, decision, ..Leg::begun(now) });
            }
            (true, "BYE") => self.ended(now, &key, wire),
            (true, "ACK") => {
                let leg = self.legs.get_mut(&key).filter(|leg| leg.answered.is_some());
                leg.into_iter().for_each(|leg| leg.acked = true);
            }
            (false, "INVITE") => self.responded(now, &key, wire, false),
            _ => {}
        }
        Ok(())
    }

    /// The node's wall clock is wrong by so much.
    pub fn drift(&mut self, by_us: i64) {
        self.drift_us = by_us;
    }

    /// Something came to the node.
    pub fn received(&mut self, now: u64, from: usize, wire: &Wire) {
        let key = (from, wire.call_id().to_owned());
        self.heard_of(now, &key, wire);
        match (wire.is_request(), wire.method()) {
            (true, "INVITE") if wire.to_tag().is_empty() => {
                let leg = Leg { number: wire.dialled(), ..Leg::begun(now) };
                self.legs.entry(key).or_insert(leg);
            }
            (true, "BYE") => self.ended(now, &key, wire),
            (false, "INVITE") => {
                self.responded(now, &key, wire, true);
                if let Some(leg) = self.legs.get_mut(&key).filter(|leg| leg.answered == Some(now)) {
                    leg.drift_us = self.drift_us;
                }
            }
            _ => {}
        }
    }

    /// The node died: free legs that are not on record are out of its mind.
    pub fn forget(&mut self, now: u64, kept: &Books, newest: UnixMicros, was_blind: bool) {
        for ((_, call_id), leg) in &mut self.legs {
            if leg.lost.take().is_some() || leg.carried_until.is_none() {
                let is_new = now < leg.word_at + NEW_WORD_US;
                leg.carried_until = Some((newest, was_blind || is_new));
            }
            let on_record = |hold: &Hold| hold.state != HoldState::Pending && names(hold, call_id);
            let over = leg.bye.is_some() || leg.refused;
            if leg.decision.is_none() && !over && !kept.holds.values().any(on_record) {
                leg.forgotten = true;
            }
        }
    }

    fn responded(&mut self, now: u64, key: &(usize, String), wire: &Wire, to_node: bool) {
        let Some(leg) = self.legs.get_mut(key).filter(|leg| leg.out == to_node) else { return };
        leg.heard.get_or_insert(now);
        if leg.is_given_up() {
            return;
        }
        match wire.status() {
            Some(200..300) if leg.answered.is_none() => {
                leg.answered = Some(now);
                if leg.bye.is_none() {
                    self.talking.insert(key.clone());
                }
                leg.tag = wire.to_tag().to_owned();
            }
            Some(300..) if leg.answered.is_none() => {
                leg.refused = !matches!(wire.status(), Some(401 | 407));
            }
            _ => {}
        }
    }

    /// What a peer says within the dialog tells whether it has one. 408 is no word of the peer's.
    fn heard_of(&mut self, now: u64, key: &(usize, String), wire: &Wire) {
        let is_word = match (wire.is_request(), wire.status()) {
            (true, _) => !wire.to_tag().is_empty() && wire.method() != "ACK",
            (false, Some(status)) => status >= 200 && status != 408,
            (false, None) => false,
        };
        if let Some(leg) = self.legs.get_mut(key).filter(|leg| is_word && leg.lost.is_none()) {
            (leg.lost, leg.word_at) = (Some(wire.status() == Some(481)), now);
        }
    }

    fn ended(&mut self, now: u64, key: &(usize, String), wire: &Wire) {
        if let Some(leg) = self.legs.get_mut(key)
            && (leg.tag.is_empty() || leg.tag == wire.to_tag() || leg.tag == wire.from_tag())
        {
            if leg.bye.is_none() {
                (leg.bye, leg.bye_drift_us) = (Some(now), self.drift_us);
            }
            self.talking.remove(key);
        }
    }
}

/// The durable hold that allows an INVITE to a carrier: of this trunk and number, and it names this leg, so that it
/// can be hung up on after a crash.
fn backing(
    trunk: TrunkId,
    number: &str,
    call_id: &str,
    free: bool,
    kept: &Books,
) -> Result<Option<DecisionId>, String> {
    let called = E164::from_digits(&international(number)).ok();
    let fits = |hold: &&Hold| hold.trunk == Some(trunk) && hold.destination.e164 == called;
    match kept.holds.values().find(|hold| fits(hold) && names(hold, call_id)) {
        Some(hold) => Ok(Some(hold.decision)),
        None if free => Ok(None),
        None => Err(format!(
            "INVITE for {number} left for trunk {trunk} without a durable hold that names its leg"
        )),
    }
}

/// Do the dialogs kept with a hold contain this Call-ID?
fn names(hold: &Hold, call_id: &str) -> bool {
    hold.legs.windows(call_id.len()).any(|bytes| bytes == call_id.as_bytes())
}

impl Leg {
    /// RFC 3261 §13.3.1.4: a peer that has had no ACK for its 2xx within 64·T1 has hung up by now, even if its BYE met
    /// nobody. An answer that is not on record gets none.
    pub fn gave_up(&self, now: u64) -> bool {
        let waited_us = now.saturating_sub(self.answered.unwrap_or(now));
        self.out && !self.acked && waited_us > TIMER_B_US
    }

    /// RFC 3261 §17.1.1.2: after 64·T1 without any response the INVITE is forgotten. A peer that speaks later, and even
    /// answers, is hung up on at once; by then the call may have its CDR.
    pub fn is_given_up(&self) -> bool {
        self.out && self.heard.is_some_and(|heard| heard > self.invited + TIMER_B_US)
    }

    fn begun(now: u64) -> Leg {
        Leg {
            trunk: None,
            out: false,
            number: String::new(),
            decision: None,
            invited: now,
            heard: None,
            answered: None,
            drift_us: 0,
            acked: false,
            bye: None,
            bye_drift_us: 0,
            lost: None,
            word_at: 0,
            carried_until: None,
            forgotten: false,
            refused: false,
            tag: String::new(),
        }
    }
}
