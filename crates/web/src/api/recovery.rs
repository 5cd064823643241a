//! A recovery, for programs: that one is open, and the reports that were sent. Lives here: what is on record of them. Never here: the
//! steps themselves, which are for people (`portal/recovery`).

use serde::Serialize;
use types::{RecoveryReport, RecoveryStep, StepWord};
use utoipa::ToSchema;

use super::fault::Fault;
use super::op::{Caller, Sent};
use super::values::{Amount, Moment, Nothing};
use crate::desk::Recovery;

/// Is something wrong?
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RecoveryState {
    /// The recovery that is open, if one is.
    open: Option<OpenRecovery>,
}

/// A recovery that was begun and not ended.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OpenRecovery {
    /// Which of the account: 1 for the first.
    number: u32,
    /// When it was begun.
    started: Moment,
    /// By whom.
    by: String,
    /// What was said of its steps.
    said: Vec<SaidStep>,
}

/// What was said of a step.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SaidStep {
    /// Which.
    step: &'static str,
    /// Its title.
    title: &'static str,
    /// Was it left out?
    is_left_out: bool,
    /// By whom.
    by: String,
    /// When.
    at: Moment,
    /// Why, or what else was said; may be empty.
    words: String,
}

impl From<Recovery> for OpenRecovery {
    fn from(recovery: Recovery) -> OpenRecovery {
        let said = RecoveryStep::ALL.into_iter().filter_map(|step| {
            let said = recovery.said.get(&step)?;
            Some(SaidStep {
                step: step.code(),
                title: step.title(),
                is_left_out: said.word == StepWord::Skipped,
                by: said.by.clone(),
                at: said.at.into(),
                words: said.words.clone(),
            })
        });
        OpenRecovery {
            number: recovery.number,
            started: recovery.started.into(),
            said: said.collect(),
            by: recovery.by,
        }
    }
}

async fn state(caller: &Caller) -> Result<RecoveryState, Fault> {
    let account = caller.account;
    let found = caller.ask(move |desk| desk.recovery(account)).await?;
    Ok(RecoveryState { open: found.map(OpenRecovery::from) })
}

/// GET /api/v1/recovery
pub async fn show(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<RecoveryState, Fault> {
    state(&caller).await
}

/// POST /api/v1/recovery: begins one; if one is open, that one goes on. Its steps are on the page.
pub async fn begin(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<RecoveryState, Fault> {
    let (account, by) = (caller.account, caller.in_words());
    caller.ask(move |desk| desk.begin_recovery(account, &by)).await?;
    state(&caller).await
}

/// Reports that were sent.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Reports {
    /// The newest first.
    reports: Vec<Report>,
}

/// A report that was sent.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Report {
    /// Which recovery of the account.
    number: u32,
    /// When the recovery was begun.
    started: Moment,
    /// When the report was sent.
    sent: Moment,
    /// By whom.
    by: String,
    /// How many calls it names that were not the holder's.
    calls: usize,
    /// What they cost together.
    price: Amount,
    /// All of it, as plain text.
    text: String,
}

/// GET /api/v1/reports
pub async fn reports(caller: Caller, _: Sent<Nothing, Nothing>) -> Result<Reports, Fault> {
    let account = caller.account;
    let currency = caller.overview().await?.currency;
    let found = caller.ask(move |desk| desk.reports(account)).await?;
    let report = |report: RecoveryReport| Report {
        number: report.recovery,
        started: report.started.into(),
        sent: report.made.into(),
        calls: report.calls.len().saturating_add(report.more_calls as usize),
        price: report.price.into(),
        text: report.text(&currency, &|at| at.to_string()),
        by: report.by.1,
    };
    Ok(Reports { reports: found.into_iter().map(report).collect() })
}
