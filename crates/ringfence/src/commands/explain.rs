//! `explain`. Lives here: a decision told in sentences. Never here: making decisions.

use ::audit::Verdict;
use serde_json::{Value, json};
use store::{Decided, Reader};
use types::cdr::{HangupCause, HangupSide};
use types::decision::{Destination, Explanation, Outcome};
use types::{
    AccountId, Cdr, DecisionId, Direction, Hold, HoldState, LineId, TransferKind, TrunkId,
};

use super::Context;
use super::output::printable;
use super::rates::rate_text;
use super::standing;
use super::when::span;
use crate::audit::judge_one;
use crate::shell::open::open_to_read;

#[derive(Debug, clap::Args)]
#[command(after_help = "Example:
  ringfence explain 0D5KZQ4M2T8GR

The decision stands in the Reason header of the SIP answer, in `ringfence calls` and in the log.")]
pub struct Args {
    /// The decision: 13 characters
    decision: DecisionId,
}

pub fn run(args: Args, context: &Context) -> anyhow::Result<()> {
    let config = context.load()?.config;
    let reader = open_to_read(&config)?;
    let Some(decided) = reader.decision(args.decision)? else {
        anyhow::bail!(
            "there is no decision {} in {}; `ringfence calls` shows those there are",
            args.decision,
            config.database().display()
        );
    };
    let story = Story { reader: &reader, currency: &config.currency };
    let (mut sentences, record, account, line) = match &decided {
        Decided::Ended(cdr) => (story.ended(cdr)?, json!(cdr), cdr.account, cdr.line),
        Decided::Open(hold) => (story.open(hold)?, open_record(hold), hold.account, hold.line),
    };
    // By the decision's own time: it is surely before or after each change.
    let at = args.decision.time();
    let stood = reader.controls_at(account, at)?;
    let line_stood = line.map(|line| reader.line_at(line, at)).transpose()?.flatten();
    sentences.extend(stood.as_ref().map(standing::sentence));
    sentences.extend(line_stood.as_ref().and_then(standing::line_sentence));
    let mut mismatches = Vec::new();
    if let Decided::Ended(cdr) = &decided
        && cdr.explanation.outcome == Outcome::Admitted
    {
        let verdict = judge_one(&reader, cdr, &config)?;
        mismatches.extend(verdict.mismatches.iter().map(ToString::to_string));
        sentences.extend(judged(&verdict));
    }
    let text = sentences.iter().map(|line| printable(line)).collect::<Vec<_>>().join("\n");
    let value = json!({
        "decision": args.decision.to_string(),
        "sentences": sentences,
        "record": record,
        "stood": stood.as_ref().map(standing::view),
        "mismatches": mismatches,
        "line_stood": line_stood.as_ref().map(standing::line_view),
    });
    context.output.one(&text, &value)
}

/// What the auditor says of the call.
fn judged(verdict: &Verdict) -> Vec<String> {
    if !verdict.is_good() {
        let what = verdict.mismatches.iter().map(|one| format!("  - {one}."));
        let first = "The auditor found that it does not fit what stood for it:".to_owned();
        return std::iter::once(first).chain(what).collect();
    }
    vec![match verdict.unknown.is_empty() {
        true => "The auditor found that it fits what stood for it.".to_owned(),
        false => format!(
            "The auditor found nothing wrong; it could not learn {}.",
            verdict.unknown.join(" nor ")
        ),
    }]
}

/// A hold without its dialogs, which say nothing to people.
fn open_record(hold: &Hold) -> Value {
    let mut value = json!(hold);
    if let Some(fields) = value.as_object_mut() {
        fields.remove("legs");
    }
    value
}

struct Story<'a, R> {
    reader: &'a R,
    currency: &'a str,
}

impl<R: Reader> Story<'_, R> {
    fn ended(&self, cdr: &Cdr) -> anyhow::Result<Vec<String>> {
        let mut told = vec![format!(
            "{}: {} {} {}.",
            cdr.started,
            self.who(cdr)?,
            if cdr.direction == Direction::Incoming { "was called at" } else { "called" },
            place(&cdr.dialled, &cdr.destination),
        )];
        if let Some(peer) = cdr.a_leg.peer {
            let agent = &cdr.a_leg.user_agent;
            let with = if agent.is_empty() { String::new() } else { format!(" with {agent}") };
            told.push(format!("The request came from {peer}{with}."));
        }
        told.extend(verdict(&cdr.explanation));
        told.extend(self.price(&cdr.explanation));
        told.extend(self.carried(cdr)?);
        told.push(ending(cdr));
        told.extend(self.money(cdr)?);
        Ok(told)
    }

    fn open(&self, hold: &Hold) -> anyhow::Result<Vec<String>> {
        let account = self.account_name(hold.account)?;
        let mut told = vec![format!(
            "{}: account {account}{} called {}.",
            hold.started,
            self.line_name(hold.line)?,
            place(&hold.dialled, &hold.destination),
        )];
        told.extend(verdict(&hold.explanation));
        told.extend(self.price(&hold.explanation));
        if let Some(trunk) = hold.trunk {
            told.push(format!("It goes out by trunk {}.", self.trunk_name(trunk)?));
        }
        told.push(match hold.state {
            HoldState::Pending => "It is in progress and not answered yet.".to_owned(),
            HoldState::Answered(at) => format!("It is in progress, answered at {at}."),
        });
        told.push(format!(
            "{} {} is held for it, enough for {} of talk.",
            hold.amount,
            self.currency,
            span(hold.covered_ms)
        ));
        Ok(told)
    }

    fn who(&self, cdr: &Cdr) -> anyhow::Result<String> {
        if cdr.account == AccountId(0) {
            return Ok("nobody of ours".to_owned());
        }
        let account = self.account_name(cdr.account)?;
        let line = self.line_name(cdr.line)?;
        Ok(match cdr.direction {
            Direction::Incoming => format!("account {account}{line}"),
            _ => format!("account {account}{line}, shown as {},", cdr.caller),
        })
    }

    fn account_name(&self, id: AccountId) -> anyhow::Result<String> {
        let account = self.reader.account(id)?;
        Ok(account.map_or_else(|| id.to_string(), |account| format!("{id} ({})", account.name)))
    }

    fn line_name(&self, id: Option<LineId>) -> anyhow::Result<String> {
        let Some(id) = id else { return Ok(String::new()) };
        let line = self.reader.lines(None)?.into_iter().find(|line| line.id == id);
        Ok(line.map_or_else(|| format!(", line {id}"), |line| format!(", line {}", line.user)))
    }

    fn trunk_name(&self, id: TrunkId) -> anyhow::Result<String> {
        let trunk = self.reader.trunks()?.into_iter().find(|trunk| trunk.id == id);
        Ok(trunk.map_or_else(|| id.to_string(), |trunk| trunk.name))
    }

    fn price(&self, explanation: &Explanation) -> Option<String> {
        let rate = explanation.rate?;
        let prefix = explanation.rate_prefix.as_deref().unwrap_or("");
        let by = if prefix.is_empty() {
            String::new()
        } else {
            format!(", by prefix {prefix} of its rate deck")
        };
        Some(format!("The price was {} {}{by}.", rate_text(&rate), self.currency))
    }

    fn carried(&self, cdr: &Cdr) -> anyhow::Result<Option<String>> {
        let Some(trunk) = cdr.trunk else { return Ok(None) };
        let way = if cdr.direction == Direction::Incoming { "came in" } else { "went out" };
        Ok(Some(format!("It {way} by trunk {}.", self.trunk_name(trunk)?)))
    }

    fn money(&self, cdr: &Cdr) -> anyhow::Result<Vec<String>> {
        let currency = self.currency;
        let mut told = Vec::new();
        for transfer in self.reader.transfers(cdr.decision)? {
            told.push(match transfer.kind {
                TransferKind::Charge => {
                    format!("{} {currency} was charged to the account.", transfer.amount)
                }
                TransferKind::Cost => {
                    format!("The carrier's cost is {} {currency}.", transfer.amount)
                }
                TransferKind::ZeroRating => {
                    format!("{} {currency} was given back: the call is free.", transfer.amount)
                }
                TransferKind::CostPrice => {
                    format!("{} {currency} was given back: it is charged at cost.", transfer.amount)
                }
                TransferKind::CarrierCredit => {
                    format!("The carrier gave {} {currency} back.", transfer.amount)
                }
                other => format!("{} {currency} was posted as {other}.", transfer.amount),
            });
        }
        if told.is_empty() {
            told.push("Nothing was charged.".to_owned());
        }
        Ok(told)
    }
}

fn place(dialled: &str, destination: &Destination) -> String {
    let mut text = match destination.e164 {
        Some(number) if number.to_string() == dialled => dialled.to_owned(),
        Some(number) => format!("{dialled} ({number})"),
        None => dialled.to_owned(),
    };
    text.push_str(&format!(", class {}", destination.class));
    if let Some(region) = destination.region {
        text.push_str(&format!(" in {region}"));
    }
    if destination.hotspot {
        text.push_str(", a known fraud hotspot");
    }
    text
}

fn verdict(explanation: &Explanation) -> Vec<String> {
    if explanation.outcome == Outcome::Admitted {
        if explanation.findings.is_empty() {
            return vec!["It was admitted.".to_owned()];
        }
        let mut told = vec!["It was admitted, but did not go out because:".to_owned()];
        told.extend(reasons(explanation));
        return told;
    }
    let mut told = vec!["It was refused because:".to_owned()];
    told.extend(reasons(explanation));
    told
}

fn reasons(explanation: &Explanation) -> impl Iterator<Item = String> {
    explanation.findings.iter().map(|finding| format!("  - {finding} [{}].", finding.reason()))
}

fn ending(cdr: &Cdr) -> String {
    let who = match cdr.side {
        HangupSide::Caller => "the caller",
        HangupSide::Callee => "the called side",
        HangupSide::Ringfence => "Ringfence",
    };
    if cdr.answered.is_none() {
        let how = match cdr.cause {
            HangupCause::Refused => "It ended at once".to_owned(),
            HangupCause::Cancelled => "The caller hung up before an answer".to_owned(),
            HangupCause::NoAnswer => "Nobody answered in time".to_owned(),
            cause => format!("It was not answered: {cause}, by {who}"),
        };
        return format!("{how}; the caller got SIP status {}.", cdr.status);
    }
    let how = match cdr.cause {
        HangupCause::Normal => format!("{who} hung up"),
        HangupCause::MoneyEnded => "Ringfence hung up: no more money could be held".to_owned(),
        HangupCause::Cut => "Ringfence hung up: the account's status or staff cut it".to_owned(),
        HangupCause::SessionExpired => "Ringfence hung up: a side had gone silent".to_owned(),
        cause => format!("it ended by {who}: {cause}"),
    };
    format!("It was answered and lasted {}; {how} at {}.", span(cdr.duration_ms), cdr.ended)
}
