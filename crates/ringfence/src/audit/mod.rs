//! The auditor at work: asks the store for what the judges want to know. Lives here: evidence from a store, calls judged in
//! batches, what is reported. Never here: judging (`audit`), what follows from a report (the engine).

mod evidence;
mod known;

use ::audit::{Calendar, Verdict, judge};
use engine::{AuditReport, Misfit};
use store::{FactFilter, Reader, StoreError};
use types::decision::Outcome;
use types::{Cdr, DecisionId, Fact, Money, UnixMicros};

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
    let misfit = |bad: &Bad| -> anyhow::Result<Misfit> {
        Ok(Misfit {
            call: crate::commands::call_facts(reader, bad.cdr.decision)?,
            what: bad.words(),
            free: bad.verdict.concerns_holder(),
            told: is_told(reader, &bad.cdr)?,
        })
    };
    Ok(AuditReport { mark, found: bad.iter().map(misfit).collect::<Result<_, _>>()? })
}

fn is_told(reader: &dyn Reader, cdr: &Cdr) -> Result<bool, StoreError> {
    let told = mismatches(reader, &FactFilter { account: Some(cdr.account), ..every() })?;
    Ok(told.iter().any(|known| known.decision == cdr.decision))
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
    let seen = reader.facts(&FactFilter { kind, ..every() })?;
    let is_seen = |decision: DecisionId| {
        seen.iter().any(
            |stored| matches!(&stored.fact, Fact::MismatchSeen { decision: id, .. } if *id == decision),
        )
    };
    let mut told = mismatches(reader, &every())?;
    told.retain(|one| !is_seen(one.decision));
    Ok(told)
}
