//! Raises with an end. Lives here: what is beneath the controls in force, what ends when.
//! Never here: who may raise what (change), the records of a change (standing).
//!
//! A lowering lowers what is beneath and every raise in force too: so an end never allows anything that was
//! lowered meanwhile. A raise for good does away with the raises before it. Of several with an end the last holds.

use std::collections::{BTreeMap, BTreeSet};

use types::{
    AccountId, AccountRaises, AccountStatus, Changed, ControlRequest, Now, Raise, Record, Risk,
    Setting, Tick, UnixMicros,
};

use super::Done;
use super::risk::safer_of;

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
    pub fn end_first(&mut self, now: Now) -> Option<(AccountId, UnixMicros, Vec<Setting>, Record)> {
        let &(until, account) = self.ends.first().filter(|(until, _)| *until <= now.wall)?;
        let mut state = self.of.get(&account)?.clone();
        let (ended, left): (Vec<Raise>, Vec<Raise>) =
            state.raises.drain(..).partition(|raise| raise.until <= until);
        state.raises = left;
        let names: BTreeSet<&str> = ended.iter().map(|raise| raise.to.name()).collect();
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
        Some((account, until, values, self.put(now, state)))
    }

    fn put(&mut self, now: Now, state: AccountRaises) -> Record {
        let account = state.account;
        if let Some(before) = self.of.remove(&account) {
            for raise in &before.raises {
                self.ends.remove(&(raise.until, account));
            }
        }
        self.ends.extend(state.raises.iter().map(|raise| (raise.until, account)));
        let record = Record::Raises(Box::new(state.clone()));
        if !state.is_empty() {
            self.of.insert(account, state);
        }
        self.arm(now);
        record
    }
}

fn follow_one(state: &mut AccountRaises, change: &Changed, until: Option<UnixMicros>) {
    let Changed { from, to, risk } = change;
    if let (Setting::Status(from), Setting::Status(to)) = (from, to) {
        state.frozen_from = (*to == AccountStatus::Frozen).then_some(*from);
        return;
    }
    let is_same = |one: &Setting| one.name() == to.name();
    match (risk, until) {
        (Risk::Riskier, Some(until)) => {
            if !state.beneath.iter().any(is_same) {
                state.beneath.push(from.clone());
            }
            state.raises.push(Raise { to: to.clone(), until });
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
