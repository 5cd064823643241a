//! Raises with an end. Lives here: what is beneath the controls in force, what ends when.
//! Never here: who may raise what (change), the records of a change (standing).
//!
//! A lowering lowers what is beneath and every raise in force too: so an end never allows anything that was
//! lowered meanwhile. A raise for good does away with the raises before it. Of several with an end the last holds.

use std::collections::{BTreeMap, BTreeSet};

use types::{
    AccountId, AccountRaises, AccountStatus, Changed, ControlRequest, LockTrial, Now, Raise,
    Record, Region, Risk, Setting, Tick, UnixMicros,
};

use super::Done;
use super::risk::{both, less, safer_of, union};

/// The shortest sleep: where the wall clock goes slower than time passes, an end comes no nearer by asking. No
/// decision waits for it: each looks at the ends itself.
const NOT_BEFORE_MS: u64 = 1;
/// The longest sleep before the wall clock is looked at again: it may have been set meanwhile.
const LOOK_AGAIN_MS: u64 = 60_000;

/// Everything about controls that is not in force, or not for good.
#[derive(Default)]
pub(crate) struct Raises {
    of: BTreeMap<AccountId, AccountRaises>,
    ends: BTreeSet<(UnixMicros, AccountId)>,
    wake: Option<Tick>,
    /// Requests that nobody has looked at yet.
    pub requests: BTreeMap<u32, ControlRequest>,
    pub last_request: u32,
    /// What ended raises brought, and nobody has taken yet.
    pub ended: Option<Box<Done>>,
}

impl Raises {
    pub fn restore(&mut self, now: Now, raises: &[AccountRaises]) {
        for state in raises {
            self.put(now, state.clone());
        }
    }

    /// What is beneath an account's controls.
    pub fn of(&self, account: AccountId) -> Option<&AccountRaises> {
        self.of.get(&account)
    }

    /// When something ends next.
    pub fn next_end(&self) -> Option<UnixMicros> {
        self.ends.first().map(|&(until, _)| until)
    }

    /// When to look whether something ended.
    pub fn next_timeout(&self) -> Option<Tick> {
        self.wake
    }

    /// Looks at the clock again when the next end is there, or in a while.
    pub fn arm(&mut self, now: Now) {
        self.wake = self.next_end().map(|until| {
            let left_us = until.0.saturating_sub(now.wall.0).max(0).cast_unsigned();
            let end = Tick(now.tick.0.saturating_add(left_us));
            end.clamp(now.tick.plus_ms(NOT_BEFORE_MS), now.tick.plus_ms(LOOK_AGAIN_MS))
        });
        if self.ended.is_some() {
            self.wake = Some(now.tick);
        }
    }

    /// Takes up what was changed; the record to write, if there is something new to remember.
    pub fn follow(
        &mut self,
        now: Now,
        account: AccountId,
        changes: &[Changed],
        until: Option<UnixMicros>,
    ) -> Option<Record> {
        let mut state = self.of.get(&account).cloned().unwrap_or(AccountRaises::none(account));
        changes.iter().for_each(|change| follow_one(&mut state, change, until));
        let is_known = self.of.get(&account).unwrap_or(&AccountRaises::none(account)) == &state;
        (!is_known).then(|| self.put(now, state))
    }

    /// Takes out what ends first, at or before a time: whose, when, and which settings have which values then.
    pub fn end_first(&mut self, now: Now) -> Option<EndedRaise> {
        let &(until, account) = self.ends.first().filter(|(until, _)| *until <= now.wall)?;
        let mut state = self.of.get(&account)?.clone();
        let ended = state.raises.iter().filter(|raise| raise.until <= until);
        let names: BTreeSet<&str> = ended.map(|raise| raise.to.name()).collect();
        state.raises = left_after(&state, until);
        let mut values = Vec::new();
        for name in names {
            let raised = state.raises.iter().rfind(|raise| raise.to.name() == name);
            let beneath = state.beneath.iter().position(|one| one.name() == name);
            values.extend(match (raised, beneath) {
                (Some(raise), _) => Some(raise.to.clone()),
                (None, Some(position)) => Some(state.beneath.remove(position)),
                (None, None) => None,
            });
        }
        let on_trial = state.trial.take_if(|trial| trial.until <= until);
        let is_trial = on_trial.is_some();
        values.extend(on_trial.map(|trial| Setting::IpLock(trial.before)));
        Some(EndedRaise { account, until, values, is_trial, record: self.put(now, state) })
    }

    /// Puts an account's lock on trial, or takes it off; the record to write.
    pub fn put_trial(&mut self, now: Now, account: AccountId, trial: Option<LockTrial>) -> Record {
        let mut state = self.of.get(&account).cloned().unwrap_or(AccountRaises::none(account));
        state.trial = trial;
        self.put(now, state)
    }

    fn put(&mut self, now: Now, state: AccountRaises) -> Record {
        let account = state.account;
        if let Some(before) = self.of.remove(&account) {
            for until in ends_of(&before) {
                self.ends.remove(&(until, account));
            }
        }
        self.ends.extend(ends_of(&state).map(|until| (until, account)));
        let record = Record::Raises(Box::new(state.clone()));
        if !state.is_empty() {
            self.of.insert(account, state);
        }
        self.arm(now);
        record
    }
}

/// What ended.
pub(crate) struct EndedRaise {
    /// Whose.
    pub account: AccountId,
    /// When.
    pub until: UnixMicros,
    /// What stands from then on.
    pub values: Vec<Setting>,
    /// Was it a lock on trial, that nobody confirmed?
    pub is_trial: bool,
    /// What is beneath from then on.
    pub record: Record,
}

/// The raises that go on after a time. Of a set each gave something of its own: what an ended one gave is gone from those
/// that came after it.
fn left_after(state: &AccountRaises, until: UnixMicros) -> Vec<Raise> {
    let mut left: Vec<Raise> = Vec::new();
    for (position, raise) in state.raises.iter().enumerate() {
        let is_same = |one: &&Setting| one.name() == raise.to.name();
        let beneath = || state.beneath.iter().find(is_same);
        let earlier = state.raises[..position].iter().map(|raise| &raise.to);
        let from = earlier.rev().find(is_same).or_else(beneath);
        let kept = left.iter().rev().map(|raise| &raise.to).find(is_same).or_else(beneath);
        let to = match from.zip(kept) {
            Some((from, kept)) => {
                opened_like(kept, from, &raise.to).unwrap_or_else(|| raise.to.clone())
            }
            None => raise.to.clone(),
        };
        if raise.until > until {
            left.push(Raise { to, until: raise.until });
        }
    }
    left
}

/// A set from which that is taken which was taken from another; `None`: it is no set of what is barred.
fn opened_like(kept: &Setting, from: &Setting, to: &Setting) -> Option<Setting> {
    match (kept, from, to) {
        (Setting::Barred(kept), Setting::Barred(from), Setting::Barred(to)) => {
            Some(Setting::Barred(less(*kept, less(*from, *to))))
        }
        (
            Setting::BarredCountries(kept),
            Setting::BarredCountries(from),
            Setting::BarredCountries(to),
        ) => {
            let opened = |region: &&Region| from.contains(region) && !to.contains(region);
            let left = kept.iter().filter(|region| !opened(region)).copied();
            Some(Setting::BarredCountries(left.collect()))
        }
        (Setting::BarredHours(kept), Setting::BarredHours(from), Setting::BarredHours(to)) => {
            Some(Setting::BarredHours(kept.less(from.less(*to))))
        }
        _ => None,
    }
}

/// A set to which that is added which was added to another.
fn closed_like(kept: &Setting, from: &Setting, to: &Setting) -> Setting {
    match (kept, from, to) {
        (Setting::Barred(kept), Setting::Barred(from), Setting::Barred(to)) => {
            Setting::Barred(union(*kept, less(*to, *from)))
        }
        (
            Setting::BarredCountries(kept),
            Setting::BarredCountries(from),
            Setting::BarredCountries(to),
        ) => {
            let closed = to.iter().filter(|region| !from.contains(region)).copied();
            Setting::BarredCountries(both(kept, &closed.collect::<Vec<_>>()))
        }
        (Setting::BarredHours(kept), Setting::BarredHours(from), Setting::BarredHours(to)) => {
            Setting::BarredHours(kept.union(to.less(*from)))
        }
        _ => kept.clone(),
    }
}

/// When something of it ends.
fn ends_of(state: &AccountRaises) -> impl Iterator<Item = UnixMicros> {
    let trial = state.trial.iter().map(|trial| trial.until);
    state.raises.iter().map(|raise| raise.until).chain(trial)
}

fn follow_one(state: &mut AccountRaises, change: &Changed, until: Option<UnixMicros>) {
    let Changed { from, to, risk } = change;
    if let (Setting::Status(from), Setting::Status(to)) = (from, to) {
        state.frozen_from = (*to == AccountStatus::Frozen).then_some(*from);
        return;
    }
    // Whatever else becomes of a lock: it is not on trial any more.
    if matches!(to, Setting::IpLock(_)) {
        state.trial = None;
    }
    let is_same = |one: &Setting| one.name() == to.name();
    match (risk, until) {
        (Risk::Riskier, Some(until)) => {
            if !state.beneath.iter().any(is_same) {
                state.beneath.push(from.clone());
            }
            state.raises.push(Raise { to: to.clone(), until });
        }
        // What is opened for good is opened beneath as well; what else is open for a time still ends.
        (Risk::Riskier, None) if opened_like(from, from, to).is_some() => {
            let beneath = state.beneath.iter_mut();
            let raised = state.raises.iter_mut().map(|raise| &mut raise.to);
            for one in beneath.chain(raised).filter(|one| is_same(one)) {
                let opened = opened_like(one, from, to).unwrap_or_else(|| to.clone());
                // It may have closed something besides.
                *one = closed_like(&opened, from, to);
            }
        }
        (Risk::Riskier, None) => {
            state.beneath.retain(|one| !is_same(one));
            state.raises.retain(|raise| !is_same(&raise.to));
        }
        (Risk::Safer | Risk::Neutral, _) => {
            let beneath = state.beneath.iter_mut();
            let raised = state.raises.iter_mut().map(|raise| &mut raise.to);
            for one in beneath.chain(raised).filter(|one| is_same(one)) {
                *one = safer_of(one, to);
            }
        }
    }
}
