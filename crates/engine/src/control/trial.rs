//! An IP lock on trial. Lives here: trying one, confirming it, giving it up. Never here: what a lock does to phones and
//! calls (standing), when a trial is over (raises).
//!
//! A lock that its holder cannot be reached behind would lock himself out. So it is tried: it holds at once, as every
//! lowering, and what stood before stands again after ten minutes, unless somebody behind it confirms it. The end is kept
//! with the raises: it comes after a restart as well, and whatever else is done to the lock does away with it.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use types::{AccountId, By, Fact, LockTrial, Now, Record, Setting};

use super::{CommandError, ControlChange, Done, Weighed, field, risk};
use crate::engine::Engine;

/// A lock is on trial for so long.
const TRIAL_MS: u64 = 600_000;

/// A lock to try.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockOrder {
    /// Whose.
    pub account: AccountId,
    /// Networks from which the account may be used.
    pub lock: Vec<IpNet>,
    /// Who tries it.
    pub by: By,
}

/// What becomes of a lock on trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrialEnd {
    /// Whose.
    pub account: AccountId,
    /// Does it stay? Else what stood before stands again at once, as it would by itself.
    pub keep: bool,
    /// Who says so.
    pub by: By,
}

impl LockOrder {
    /// The same as a change.
    fn change(&self) -> ControlChange {
        ControlChange {
            account: self.account,
            settings: vec![Setting::IpLock(self.lock.clone())],
            by: self.by.clone(),
            why: "on trial".to_owned(),
            until: None,
        }
    }
}

impl Engine {
    pub(super) fn check_trial(&self, now: Now, order: &LockOrder) -> Result<Weighed, CommandError> {
        if order.lock.is_empty() {
            return Err(field("ip_lock", "name the networks to try".to_owned()));
        }
        let weighed = self.weigh(now, &order.change())?;
        let raises = self.raises.of(order.account);
        let is_lock = |setting: &Setting| matches!(setting, Setting::IpLock(_));
        if raises.is_some_and(|state| state.trial.is_some()) {
            return Err(field("ip_lock", "another lock is on trial".to_owned()));
        }
        if raises.is_some_and(|state| state.raises.iter().any(|raise| is_lock(&raise.to))) {
            return Err(field("ip_lock", "it is raised for a time: end that first".to_owned()));
        }
        if weighed.now.is_empty() || !weighed.asked.is_empty() {
            return Err(field("ip_lock", "there is nothing to try: this lock stands".to_owned()));
        }
        Ok(weighed)
    }

    pub(super) fn check_trial_end(&self, end: &TrialEnd) -> Result<(), CommandError> {
        let is_there = self.raises.of(end.account).is_some_and(|state| state.trial.is_some());
        match is_there {
            true => Ok(()),
            false => Err(field("ip_lock", "no lock is on trial".to_owned())),
        }
    }

    pub(super) fn try_lock(&mut self, now: Now, order: LockOrder, weighed: Weighed) -> Done {
        let account = order.account;
        let known = self.directory.account(account).expect("it was looked up");
        let before = known.controls.ip_lock.clone();
        let mut done = self.change_controls(now, order.change(), weighed);
        let trial = LockTrial { before, until: now.wall.plus_ms(TRIAL_MS) };
        done.message = format!("{}; on trial until {}", done.message, trial.until);
        done.records.push(self.raises.put_trial(now, account, Some(trial)));
        done
    }

    pub(super) fn end_trial(&mut self, now: Now, end: TrialEnd) -> Done {
        let TrialEnd { account, keep, by } = end;
        let state = self.raises.of(account).and_then(|state| state.trial.clone());
        let before = state.expect("it was looked up").before;
        if keep {
            let words = format!("the IP lock was confirmed by {by}");
            let message = format!("account {account}: {words}");
            let fact = Fact::AccountChanged { account, change: words };
            let trial = self.raises.put_trial(now, account, None);
            let records = vec![trial, Record::Fact(now.wall, fact)];
            return Done { records, message, ..Done::default() };
        }
        let known = self.directory.account(account).expect("it was looked up");
        let (status, controls) = (known.status, types::Controls::clone(&known.controls));
        let open = types::Controls { ip_lock: before, ..controls.clone() };
        let changes = risk::changes((status, &controls), (status, &open));
        let done = self.set(now, account, changes, None, by, "the trial was given up".to_owned());
        let message = format!("account {account}: the lock that was tried is gone");
        Done { message, ..done }
    }
}
