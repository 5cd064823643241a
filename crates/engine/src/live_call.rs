//! Calls in progress. Lives here: a call's state, the table of calls, its timers and counts.
//! Never here: money decisions (metering, ending), SIP.
//!
//! ```text
//!           ┌─────────┐ answered ┌──────────┐ end
//! admit ──► │ Ringing │ ───────► │ Answered │ ────► settle or expire
//!           └────┬────┘          └──┬────▲──┘
//!                │ end              └────┘ extend, extension_stored
//!                ▼
//!             release
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rating::Slice;
use types::cdr::HangupCause;
use types::{
    AccountId, DecisionId, DestinationClass, Direction, Finding, HashKey, Hold, HoldState, Map,
    Millis, Money, Now, Rate, Tick, UnixMicros,
};

/// When a live call wants attention. Both are `Tick::NEVER` for calls that nobody pays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// When the next slice is asked for.
    pub extend_at: Tick,
    /// When the call is cut, unless the next slice is stored before.
    pub hard_stop: Tick,
}

impl Deadlines {
    /// Of a call that nobody pays, and of one that is not answered.
    pub const NEVER: Deadlines = Deadlines { extend_at: Tick::NEVER, hard_stop: Tick::NEVER };
}

/// The answer to asking for the next slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extension {
    /// The money is held; write `Engine::hold`, then say `extension_stored` or `extension_failed`.
    Granted,
    /// It is not; the call ends at its hard stop unless asking again succeeds before.
    Refused(Vec<Finding>),
}

/// What the engine wants done with a live call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOrder {
    /// Ask for the next slice: `Engine::extend`. Given again a second later if it was refused or
    /// could not be stored.
    Extend(DecisionId),
    /// Hang up both legs, then `Engine::end`. Given once.
    Cut(DecisionId, HangupCause),
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Ringing,
    /// Answered at `at`; `before_us` of the talk lie before that: before this start of the program.
    Answered {
        at: Tick,
        before_us: u64,
    },
}

/// A call in progress.
pub(crate) struct Call {
    /// As it is written: with everything that is held, stored or not.
    pub hold: Hold,
    pub costly: bool,
    pub phase: Phase,
    /// Talk time that is paid for on disk: the hard stop never lies beyond it.
    pub stored_ms: Millis,
    /// A slice whose money is held and whose record is not known to be on disk.
    pub asked: Option<Slice>,
    pub deadlines: Deadlines,
    /// Hanging up was ordered; nothing moves the hard stop any more.
    pub is_cut: bool,
    /// A carrier answered when nobody waited for it any more; it bills that.
    pub answered_in_vain: Option<Now>,
    /// It was live before this start of the program.
    pub recovered: bool,
    /// It was hung up: nobody talks any more, only the records are missing.
    pub hung_up: Option<Now>,
    /// Where the caller speaks from; `None` when no line of ours calls.
    pub peer: Option<IpAddr>,
    /// When the timer table wakes it.
    armed: Option<Tick>,
}

impl Call {
    pub fn new(hold: Hold) -> Call {
        Call {
            costly: hold.destination.class.is_costly(),
            phase: Phase::Ringing,
            stored_ms: hold.covered_ms,
            asked: None,
            deadlines: Deadlines::NEVER,
            is_cut: false,
            answered_in_vain: None,
            recovered: false,
            hung_up: None,
            peer: None,
            armed: None,
            hold,
        }
    }

    /// Does the holder pay?
    pub fn chargeable(&self) -> bool {
        self.hold.explanation.rate.as_ref().is_some_and(charges)
    }

    /// Does it count as one of the account's calls at once? Incoming, emergency and support calls do not.
    pub fn is_counted(&self) -> bool {
        let exempt = matches!(
            self.hold.destination.class,
            DestinationClass::Emergency | DestinationClass::Support
        );
        self.hold.direction != Direction::Incoming && !exempt
    }

    /// Talk time so far, or until the call was hung up.
    pub fn talk_us(&self, now: Tick) -> u64 {
        let now = self.hung_up.map_or(now, |then| then.tick.min(now));
        match self.phase {
            Phase::Ringing => 0,
            Phase::Answered { at, before_us } => before_us.saturating_add(now.micros_since(at)),
        }
    }

    pub fn answered_at(&self) -> Option<UnixMicros> {
        match self.hold.state {
            HoldState::Pending => None,
            HoldState::Answered(at) => Some(at),
        }
    }
}

/// Does a call at this rate cost anything?
pub(crate) fn charges(rate: &Rate) -> bool {
    !rate.connect_fee.is_zero() || !rate.per_minute.is_zero()
}

/// What goes on in an account.
#[derive(Default)]
pub(crate) struct Activity {
    /// Calls at once that count.
    pub calls: u16,
    /// Those of them that are costly.
    pub costly: u16,
    /// Every live call.
    pub live: Vec<DecisionId>,
    /// Times of calls to hotspots within the last twelve hours, those in progress among them.
    pub hotspots: Vec<UnixMicros>,
    /// The highest warning level that the holder was told of.
    pub warned: Money,
    /// When the next one will be crossed, if by the calls in progress.
    warn_at: Option<Tick>,
}

impl Activity {
    fn is_idle(&self) -> bool {
        let is_quiet = self.live.is_empty() && self.hotspots.is_empty();
        is_quiet && self.warned.is_zero() && self.warn_at.is_none()
    }
}

/// All calls in progress, their timers, and what goes on in each account.
pub(crate) struct Calls {
    calls: BTreeMap<DecisionId, Box<Call>>,
    timers: BTreeSet<(Tick, DecisionId)>,
    warnings: BTreeSet<(Tick, AccountId)>,
    activity: Map<AccountId, Activity>,
}

impl Calls {
    pub fn new(hash: HashKey) -> Calls {
        Calls {
            calls: BTreeMap::new(),
            timers: BTreeSet::new(),
            warnings: BTreeSet::new(),
            activity: Map::with_hasher(hash),
        }
    }

    pub fn find(&self, decision: DecisionId) -> Option<&Call> {
        self.calls.get(&decision).map(Box::as_ref)
    }

    pub fn find_mut(&mut self, decision: DecisionId) -> Option<&mut Call> {
        self.calls.get_mut(&decision).map(Box::as_mut)
    }

    /// Every call, oldest first.
    pub fn all(&self) -> impl Iterator<Item = &Call> {
        self.calls.values().map(Box::as_ref)
    }

    pub fn activity(&self, account: AccountId) -> Option<&Activity> {
        self.activity.get(&account)
    }

    pub fn activity_mut(&mut self, account: AccountId) -> &mut Activity {
        self.activity.entry(account).or_default()
    }

    /// The account's live calls, oldest first.
    pub fn of_account(&self, account: AccountId) -> impl Iterator<Item = &Call> {
        let live = self.activity.get(&account).map_or(&[][..], |activity| &activity.live);
        live.iter().filter_map(|decision| self.find(*decision))
    }

    /// A new call: counted, listed and armed.
    pub fn insert(&mut self, call: Call) {
        let (decision, counted) = (call.hold.decision, call.is_counted());
        let activity = self.activity_mut(call.hold.account);
        activity.live.push(decision);
        activity.calls = activity.calls.saturating_add(u16::from(counted));
        activity.costly = activity.costly.saturating_add(u16::from(counted && call.costly));
        if call.hold.destination.hotspot && counted {
            activity.hotspots.push(call.hold.started);
        }
        self.calls.insert(decision, Box::new(call));
        self.arm(decision);
    }

    /// A call is over: neither counted nor listed nor armed any more. One that was never answered
    /// did not reach its hotspot.
    pub fn remove(&mut self, decision: DecisionId) -> Option<Box<Call>> {
        let call = self.calls.remove(&decision)?;
        if let Some(tick) = call.armed {
            self.timers.remove(&(tick, decision));
        }
        let (account, counted) = (call.hold.account, call.is_counted());
        let activity = self.activity_mut(account);
        activity.live.retain(|&live| live != decision);
        activity.calls = activity.calls.saturating_sub(u16::from(counted));
        activity.costly = activity.costly.saturating_sub(u16::from(counted && call.costly));
        if call.hold.destination.hotspot && call.phase == Phase::Ringing {
            let started = call.hold.started;
            if let Some(position) = activity.hotspots.iter().position(|&at| at == started) {
                activity.hotspots.remove(position);
            }
        }
        self.forget_idle(account);
        Some(call)
    }

    /// Drops what no window of the account reaches any more.
    pub fn forget_idle(&mut self, account: AccountId) {
        if self.activity.get(&account).is_some_and(Activity::is_idle) {
            self.activity.remove(&account);
        }
    }

    /// Sets the call's timer to its next deadline, or takes it away.
    pub fn arm(&mut self, decision: DecisionId) {
        let Some(call) = self.calls.get_mut(&decision) else {
            return;
        };
        let next = call.deadlines.extend_at.min(call.deadlines.hard_stop);
        let wanted = (next != Tick::NEVER && !call.is_cut).then_some(next);
        if call.armed == wanted {
            return;
        }
        if let Some(tick) = std::mem::replace(&mut call.armed, wanted) {
            self.timers.remove(&(tick, decision));
        }
        if let Some(tick) = wanted {
            self.timers.insert((tick, decision));
        }
    }

    /// Sets when an account's next warning is due, or takes it away.
    pub fn arm_warning(&mut self, account: AccountId, at: Option<Tick>) {
        let Some(activity) = self.activity.get_mut(&account) else {
            return;
        };
        if let Some(before) = std::mem::replace(&mut activity.warn_at, at) {
            self.warnings.remove(&(before, account));
        }
        self.warnings.extend(at.map(|at| (at, account)));
    }

    /// When the next warning is due.
    pub fn next_warning(&self) -> Option<Tick> {
        self.warnings.first().map(|&(tick, _)| tick)
    }

    /// An account whose warning is due; it is armed anew afterwards.
    pub fn warning_due(&mut self, now: Tick) -> Option<AccountId> {
        let &(_, account) = self.warnings.first().filter(|(tick, _)| *tick <= now)?;
        self.arm_warning(account, None);
        Some(account)
    }

    pub fn next_timer(&self) -> Option<Tick> {
        self.timers.first().map(|&(tick, _)| tick)
    }

    /// The first call whose timer is due.
    pub fn due(&self, now: Tick) -> Option<DecisionId> {
        self.timers.first().filter(|(tick, _)| *tick <= now).map(|&(_, decision)| decision)
    }
}
