//! The auditor at work: asks the store for what the judges want to know. Lives here: evidence from a store, calls judged in
//! batches, what is reported. Never here: judging (`audit`), what follows from a report (the engine).

mod evidence;
mod known;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use ::audit::{Calendar, Verdict, judge};
use engine::{AuditReport, Misfit};
use store::{FactFilter, Reader, StoreError, StoredFact};
use types::decision::Outcome;
use types::{AccountId, Cdr, DecisionId, Fact, Money, UnixMicros};

use crate::config::Config;
pub use evidence::StoreEvidence;

/// When it is off hours by this configuration, which holds since then.
pub fn calendar(config: &Config, since: UnixMicros) -> Calendar {
    let hours = &config.off_hours;
    let night = (hours.weekday_from_h, hours.weekday_to_h);
    Calendar::new(since, night, hours.weekends, hours.bank_holidays.iter().copied())
}

/// When the node started, each time, oldest first.
pub fn starts(reader: &dyn Reader) -> Result<Vec<UnixMicros>, StoreError> {
    let kind = Some("started".to_owned());
    let found = reader.facts(&FactFilter { kind, limit: u32::MAX, ..FactFilter::default() })?;
    let mut starts: Vec<UnixMicros> = found.into_iter().map(|stored| stored.at).collect();
    starts.sort_unstable();
    Ok(starts)
}

/// A call that does not fit.
pub struct Bad {
    /// The call.
    pub cdr: Cdr,
    /// What is wrong with it.
    pub verdict: Verdict,
}

impl Bad {
    /// What is wrong, a sentence each.
    pub fn words(&self) -> Vec<String> {
        self.verdict.mismatches.iter().map(ToString::to_string).collect()
    }

    /// What is given back for it.
    pub fn given_back(&self) -> Money {
        if self.verdict.concerns_holder() { self.cdr.price } else { Money::ZERO }
    }
}

/// Judges those of some calls that were admitted: how many these were, and which do not fit.
pub fn judge_calls<'c, R: Reader>(
    calls: impl Iterator<Item = &'c Cdr>,
    evidence: &mut StoreEvidence<R>,
    calendar: &Calendar,
) -> Result<(u64, Vec<Bad>), StoreError> {
    let (mut judged, mut bad) = (0, Vec::new());
    for cdr in calls.filter(|cdr| cdr.explanation.outcome == Outcome::Admitted) {
        let verdict = judge(cdr, evidence, calendar)?;
        judged += 1;
        if !verdict.is_good() {
            bad.push(Bad { cdr: cdr.clone(), verdict });
        }
    }
    Ok((judged, bad))
}

/// Judges one call.
pub fn judge_one(reader: &dyn Reader, cdr: &Cdr, config: &Config) -> Result<Verdict, StoreError> {
    let starts = starts(reader)?;
    let since = starts.last().copied().unwrap_or(UnixMicros(i64::MAX));
    let mut evidence = StoreEvidence::new(reader, starts);
    evidence.begin()?;
    judge(cdr, &mut evidence, &calendar(config, since))
}

/// What the engine is told of calls that do not fit.
pub fn report(reader: &dyn Reader, bad: &[Bad], mark: Option<u64>) -> anyhow::Result<AuditReport> {
    let mut told: BTreeMap<AccountId, BTreeSet<DecisionId>> = BTreeMap::new();
    for account in bad.iter().map(|bad| bad.cdr.account) {
        if let Entry::Vacant(slot) = told.entry(account) {
            slot.insert(told_of(reader, account)?);
        }
    }
    let misfit = |bad: &Bad| -> anyhow::Result<Misfit> {
        Ok(Misfit {
            call: crate::commands::call_facts(reader, bad.cdr.decision)?,
            what: bad.words(),
            free: bad.verdict.concerns_holder(),
            told: told[&bad.cdr.account].contains(&bad.cdr.decision),
        })
    };
    Ok(AuditReport { mark, found: bad.iter().map(misfit).collect::<Result<_, _>>()? })
}

/// Calls of an account whose mismatches are on record.
fn told_of(reader: &dyn Reader, account: AccountId) -> Result<BTreeSet<DecisionId>, StoreError> {
    let told = mismatches(reader, &FactFilter { account: Some(account), ..every() })?;
    Ok(told.into_iter().map(|known| known.decision).collect())
}

fn every() -> FactFilter {
    FactFilter { limit: u32::MAX, ..FactFilter::default() }
}

/// A mismatch on record.
pub struct Told {
    /// When it was found.
    pub at: UnixMicros,
    /// Of which call.
    pub decision: DecisionId,
    /// What.
    pub what: Vec<String>,
    /// Was the call given back for it?
    pub freed: bool,
}

fn mismatches(reader: &dyn Reader, filter: &FactFilter) -> Result<Vec<Told>, StoreError> {
    let kind = Some("audit-mismatch".to_owned());
    let facts = reader.facts(&FactFilter { kind, ..filter.clone() })?;
    let told = facts.into_iter().filter_map(|stored| match stored.fact {
        Fact::AuditMismatch { decision, what, freed, .. } => {
            Some(Told { at: stored.at, decision, what, freed })
        }
        _ => None,
    });
    Ok(told.collect())
}

/// Mismatches that nobody of staff has looked at, newest first.
pub fn unseen(reader: &dyn Reader) -> Result<Vec<Told>, StoreError> {
    let kind = Some("mismatch-seen".to_owned());
    let facts = reader.facts(&FactFilter { kind, ..every() })?;
    let decision = |stored: StoredFact| match stored.fact {
        Fact::MismatchSeen { decision, .. } => Some(decision),
        _ => None,
    };
    let seen: BTreeSet<DecisionId> = facts.into_iter().filter_map(decision).collect();
    let mut told = mismatches(reader, &every())?;
    told.retain(|one| !seen.contains(&one.decision));
    Ok(told)
}
