//! Recoveries, as the record has them: each is what was said of it. Lives here: which one is open, one at a time; what
//! changed since. Never here: whether a step is done (web).

use std::collections::BTreeMap;

use store::{FactFilter, Reader, StoredFact};
use types::{
    AccountId, AccountStatus, Fact, LineStatus, RecoveryReport, RecoveryStep, Setting, UnixMicros,
};
use web::{Desk, DeskError, LineSecret, OnRecord, PageUser, Recovery, RecoveryDesk, StepSaid};

use super::desk::{NodeUsers, lock};
use crate::change::Change;

/// What was said of steps that is looked through; no more is taken.
const MOST_SAID: u32 = 200;
/// Recoveries that may be begun in a day: whoever has a log-in of the holder's must not cry wolf for him.
const MOST_A_DAY: usize = 5;
const DAY_US: i64 = 86_400 * 1_000_000;
/// Lowerings that are looked through.
const LOWERINGS: u32 = 200;
/// Reports that are shown.
const REPORTS: u32 = 50;

impl NodeUsers {
    /// Facts of one kind of an account, the newest first.
    pub(super) fn told(
        &self,
        account: AccountId,
        kind: &str,
        since: Option<UnixMicros>,
        limit: u32,
    ) -> Result<Vec<StoredFact>, DeskError> {
        let kind = Some(kind.to_owned());
        let filter = FactFilter { account: Some(account), since, kind, limit, until: None };
        self.read(|reader| reader.facts(&filter))
    }

    /// Keeps what a holder does about trouble.
    pub(super) fn keep(&self, fact: Fact) -> Result<(), DeskError> {
        self.change(Change::KeepOfHolder(Box::new(fact))).map(drop)
    }

    fn open(&self, account: AccountId) -> Result<(u32, UnixMicros, String), DeskError> {
        let found = self.recovery(account)?;
        let found = found.map(|open| (open.number, open.started, open.by));
        found.ok_or_else(|| DeskError::Refused("the steps were ended meanwhile".to_owned()))
    }
}

impl RecoveryDesk for NodeUsers {
    fn recovery(&self, account: AccountId) -> Result<Option<Recovery>, DeskError> {
        let begun = self.told(account, "recovery-started", None, 1)?.pop();
        let Some((started, Fact::RecoveryStarted { recovery: number, by, .. })) =
            begun.map(|stored| (stored.at, stored.fact))
        else {
            return Ok(None);
        };
        for kind in ["recovery-reported", "recovery-ended"] {
            let ended = self.told(account, kind, Some(started), 1)?.pop();
            if ended.and_then(|stored| recovery_of(&stored.fact)) == Some((account, number)) {
                return Ok(None);
            }
        }
        let mut said = BTreeMap::new();
        for stored in self.told(account, "recovery-step-said", Some(started), MOST_SAID)? {
            let at = stored.at;
            if let Fact::RecoveryStepSaid { recovery, step, word, by, words, .. } = stored.fact
                && recovery == number
            {
                // The newest comes first.
                said.entry(step).or_insert(StepSaid { at, word, by, words });
            }
        }
        Ok(Some(Recovery { number, started, by, said }))
    }

    fn on_record(&self, account: AccountId, since: UnixMicros) -> Result<OnRecord, DeskError> {
        let (users, lines) = self
            .read(|reader| Ok((reader.web_users(Some(account))?, reader.lines(Some(account))?)))?;
        let users = users.into_iter().filter(|user| !user.is_removed).map(|user| PageUser {
            id: user.id,
            has_totp: user.totp.is_some(),
            password_since: user.password_since,
            name: user.name,
        });
        let active = lines.into_iter().filter(|line| line.status == LineStatus::Active);
        let lines =
            active.map(|line| LineSecret { line: line.id, user: line.user, set: line.secret_set });
        let (users, lines) = (users.collect(), lines.collect());
        let mut found = OnRecord { users, lines, stopped: None, lowered: None };
        for stored in self.told(account, "lowered", Some(since), LOWERINGS)? {
            let Fact::Lowered { changes, .. } = stored.fact else { continue };
            let stops = |to: &Setting| *to == Setting::Status(AccountStatus::Frozen);
            if changes.iter().any(|change| stops(&change.to)) {
                found.stopped.get_or_insert(stored.at);
            }
            let is_limit = |to: &Setting| !matches!(to, Setting::Status(_));
            if changes.iter().any(|change| is_limit(&change.to)) {
                found.lowered.get_or_insert(stored.at);
            }
        }
        Ok(found)
    }

    fn begin_recovery(&self, account: AccountId, by: &str) -> Result<(), DeskError> {
        let _alone = lock(&self.changing);
        if self.recovery(account)?.is_some() {
            return Ok(());
        }
        let begun = self.told(account, "recovery-started", None, MOST_A_DAY as u32)?;
        let recent = begun.iter().filter(|stored| stored.at.0 > self.now().0 - DAY_US).count();
        if recent >= MOST_A_DAY {
            let why =
                "this was begun many times today: call your provider, who helps you from here";
            return Err(DeskError::Refused(why.to_owned()));
        }
        let last = begun
            .first()
            .and_then(|stored| recovery_of(&stored.fact))
            .map_or(0, |(_, number)| number);
        let recovery = last.saturating_add(1);
        self.keep(Fact::RecoveryStarted { account, recovery, by: by.to_owned() })
    }

    fn say_step(
        &self,
        account: AccountId,
        step: RecoveryStep,
        said: &StepSaid,
    ) -> Result<(), DeskError> {
        let _alone = lock(&self.changing);
        let (recovery, started, _) = self.open(account)?;
        let so_far = self.told(account, "recovery-step-said", Some(started), MOST_SAID)?;
        // What is not looked through any more would be as if it had not been said.
        if so_far.len() + 1 >= MOST_SAID as usize {
            return Err(DeskError::Refused("too much was said of these steps".to_owned()));
        }
        let StepSaid { word, by, words, .. } = said.clone();
        self.keep(Fact::RecoveryStepSaid { account, recovery, step, word, by, words })
    }

    fn end_recovery(&self, account: AccountId, by: &str, why: &str) -> Result<(), DeskError> {
        let _alone = lock(&self.changing);
        let (recovery, ..) = self.open(account)?;
        let (by, why) = (by.to_owned(), why.to_owned());
        self.keep(Fact::RecoveryEnded { account, recovery, by, why })
    }

    fn send_report(&self, report: RecoveryReport) -> Result<(), DeskError> {
        let _alone = lock(&self.changing);
        let (recovery, ..) = self.open(report.account)?;
        if report.recovery != recovery {
            return Err(DeskError::Refused("this report was sent already".to_owned()));
        }
        self.keep(Fact::RecoveryReported { account: report.account, report: Box::new(report) })
    }

    fn reports(&self, account: AccountId) -> Result<Vec<RecoveryReport>, DeskError> {
        let told = self.told(account, "recovery-reported", None, REPORTS)?.into_iter();
        Ok(told
            .filter_map(|stored| match stored.fact {
                Fact::RecoveryReported { report, .. } => Some(*report),
                _ => None,
            })
            .collect())
    }
}

/// Whose recovery a fact is about, and which.
pub fn recovery_of(fact: &Fact) -> Option<(AccountId, u32)> {
    match fact {
        Fact::RecoveryStarted { account, recovery, .. }
        | Fact::RecoveryStepSaid { account, recovery, .. }
        | Fact::RecoveryEnded { account, recovery, .. } => Some((*account, *recovery)),
        Fact::RecoveryReported { account, report } => Some((*account, report.recovery)),
        _ => None,
    }
}
