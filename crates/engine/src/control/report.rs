//! What holders report. Lives here: that a call was not theirs. Never here: whose call it is (who asks has looked), what
//! staff do about it.

use serde::{Deserialize, Serialize};
use types::{AccountId, DecisionId, Fact, Now, Record};

use super::together::Made;
use super::{CommandError, Done, checks};
use crate::engine::Engine;

/// A holder did not make a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallReport {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub decision: DecisionId,
    /// Who says so: a web user.
    pub by: String,
    /// What he says about it; may be empty.
    pub words: String,
}

impl Engine {
    pub(super) fn check_report(
        &self,
        report: &CallReport,
        made: &Made,
    ) -> Result<(), CommandError> {
        checks::note(&report.by)?;
        if !report.words.is_empty() {
            checks::note(&report.words)?;
        }
        self.account_exists(report.account, made)
    }
}

pub(super) fn keep(now: Now, report: CallReport) -> Done {
    let CallReport { account, decision, by, words } = report;
    let message = format!("call {decision} of account {account}: reported by {by}");
    let fact = Fact::CallReported { account, decision, by, words };
    Done { records: vec![Record::Fact(now.wall, fact)], message, ..Done::default() }
}
