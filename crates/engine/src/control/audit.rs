//! What the auditor found. Lives here: its facts, the price given back. Never here: judging (the auditor's own crate).

use serde::{Deserialize, Serialize};
use types::{AccountId, DecisionId, Fact, Now, Record};

use super::money::{CallFacts, PostOrder, PostWhat};
use super::together::Made;
use super::{CommandError, Done, checks, field};
use crate::engine::Engine;

/// Findings of one report.
const MOST_FINDINGS: usize = 10_000;
/// Sentences kept of one call, and bytes of each.
const MOST_WORDS: usize = 20;
const LONGEST_WORDS: usize = 400;
/// Calls of which is remembered that they were told.
const MOST_TOLD: usize = 100_000;

/// What the auditor has to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditReport {
    /// Calls up to this link of the chain were looked at; `None`: some calls by hand.
    pub mark: Option<u64>,
    /// Calls that do not fit what stood for them.
    pub found: Vec<Misfit>,
}

/// A call that does not fit what stood for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misfit {
    /// The call.
    pub call: CallFacts,
    /// What does not fit, a sentence each.
    pub what: Vec<String>,
    /// Is its price given back? Not where only the carrier's side is wrong.
    pub free: bool,
    /// Is it on record already?
    pub told: bool,
}

/// Somebody has looked at what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Whose call.
    pub account: AccountId,
    /// Which.
    pub decision: DecisionId,
    /// Who.
    pub by: String,
    /// What he says about it.
    pub note: String,
}

impl Engine {
    pub(super) fn check_audit(&self, report: &AuditReport) -> Result<(), CommandError> {
        match report.found.len() > MOST_FINDINGS {
            true => Err(field("found", format!("expected at most {MOST_FINDINGS} calls"))),
            false => Ok(()),
        }
    }

    pub(super) fn check_seen(&self, seen: &Seen, made: &Made) -> Result<(), CommandError> {
        checks::note(&seen.note)?;
        checks::note(&seen.by)?;
        self.account_exists(seen.account, made)
    }

    /// Puts on record what was found, once for each call, and gives back what was charged, in the same transaction. Told
    /// again, it changes nothing.
    pub(super) fn take_audit(&mut self, now: Now, report: AuditReport) -> Done {
        let (mut records, mut told, mut freed) = (Vec::new(), 0, 0);
        for misfit in report.found {
            let Misfit { call, mut what, free, told: is_told } = misfit;
            if is_told || !self.told_misfits.insert(call.decision) {
                continue;
            }
            what.truncate(MOST_WORDS);
            for words in &mut what {
                words.truncate(words.floor_char_boundary(LONGEST_WORDS));
            }
            let posted = if free { self.give_back(now, &call, &what) } else { Vec::new() };
            let is_freed = !posted.is_empty() || call.zero_rated.is_some();
            (told, freed) = (told + 1, freed + u32::from(!posted.is_empty()));
            let CallFacts { account, decision, price, .. } = call;
            let fact = Fact::AuditMismatch { account, decision, what, price, freed: is_freed };
            records.push(Record::Fact(now.wall, fact));
            records.extend(posted);
        }
        while self.told_misfits.len() > MOST_TOLD {
            self.told_misfits.pop_first();
        }
        records.extend(report.mark.map(Record::Audited));
        let message = match told {
            0 => String::from("nothing new was found"),
            _ => format!("{told} calls do not fit what stood for them, {freed} given back"),
        };
        Done { records, message, ..Done::default() }
    }

    /// What is left of the price, as if staff gave it back.
    fn give_back(&mut self, now: Now, call: &CallFacts, what: &[String]) -> Vec<Record> {
        let is_there = self.directory.account(call.account).is_some();
        if !is_there || call.zero_rated.is_some() || call.price.is_zero() {
            return Vec::new();
        }
        let mut note = what.join("; ");
        note.truncate(note.floor_char_boundary(LONGEST_WORDS));
        let what = PostWhat::ZeroRate(*call);
        let order = PostOrder { what, reference: None, at: None, by: "auditor".to_owned(), note };
        // Nothing may be left: staff have given it back already.
        self.post_order(now, &order).records
    }

    pub(super) fn note_seen(&mut self, now: Now, seen: Seen) -> Done {
        let Seen { account, decision, by, note } = seen;
        let message = format!("call {decision}: looked at by {by}");
        let fact = Fact::MismatchSeen { account, decision, by, note };
        Done { records: vec![Record::Fact(now.wall, fact)], message, ..Done::default() }
    }
}
