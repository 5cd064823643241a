//! What a holder does about trouble. Lives here: that only such facts are kept in his name, and only what can be read. Never
//! here: whose account it is (who asks has looked), how a recovery stands.

use types::recovery::{MOST_REPORTED_CALLS, MOST_REPORTED_PHONES};
use types::{AccountId, Fact, Now, Record, RecoveryReport, StepWord};

use super::together::Made;
use super::{CommandError, Done, checks};
use crate::engine::Engine;

/// Open ports of one look, at most.
const MOST_PORTS: usize = 64;
/// Longest text that a phone, a port or a person puts into a report, in bytes.
const LONGEST_TEXT: usize = 4_000;

impl Engine {
    pub(super) fn check_of_holder(&self, fact: &Fact, made: &Made) -> Result<(), CommandError> {
        self.account_exists(judged(fact)?, made)
    }
}

/// Whose it is, if it is a fact of this kind, and fit to be kept.
fn judged(fact: &Fact) -> Result<AccountId, CommandError> {
    match fact {
        Fact::RecoveryStarted { account, by, .. } | Fact::CheckUpSaid { account, by, .. } => {
            checks::note(by)?;
            Ok(*account)
        }
        Fact::RecoveryStepSaid { account, word, by, words, .. } => {
            checks::note(by)?;
            // What is left is left for a reason.
            if *word == StepWord::Skipped || !words.is_empty() {
                checks::note(words)?;
            }
            Ok(*account)
        }
        Fact::RecoveryEnded { account, by, why, .. } => {
            checks::note(by)?;
            checks::note(why)?;
            Ok(*account)
        }
        Fact::RecoveryReported { account, report } => {
            check_report(*account, report)?;
            Ok(*account)
        }
        Fact::PortsChecked { account, by, open, .. } => {
            checks::note(by)?;
            let is_long = open.iter().any(|port| port.says.len() > LONGEST_TEXT);
            if open.len() > MOST_PORTS || is_long {
                return Err(wrong("open", "more than anybody reads"));
            }
            Ok(*account)
        }
        _ => Err(wrong("fact", "this is not said in a holder's name")),
    }
}

fn wrong(field: &'static str, problem: &str) -> CommandError {
    CommandError::Field { field, problem: problem.to_owned() }
}

fn check_report(account: AccountId, report: &RecoveryReport) -> Result<(), CommandError> {
    if report.account != account {
        return Err(wrong("account", "the report is another's"));
    }
    checks::note(&report.by.0)?;
    checks::note(&report.by.1)?;
    let is_much =
        report.calls.len() > MOST_REPORTED_CALLS || report.phones.len() > MOST_REPORTED_PHONES;
    let steps = report.steps.iter().map(|step| step.proof.len() + step.words.len());
    if is_much || steps.sum::<usize>() > 10 * LONGEST_TEXT || report.words.len() > LONGEST_TEXT {
        return Err(wrong("report", "more than anybody reads"));
    }
    Ok(())
}

pub(super) fn keep(now: Now, fact: Fact) -> Done {
    let message = types::catalogue::of(&fact).title.to_owned();
    Done { records: vec![Record::Fact(now.wall, fact)], message, ..Done::default() }
}
