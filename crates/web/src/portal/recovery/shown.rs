//! A report in words, for the page that shows it. Lives here: times, amounts and states as one says them to a holder. Never here:
//! filling it in, sending it (`report`), its text for staff (types).

use types::{RecoveryReport, StepOutcome};

use crate::page::{clock, full_moment, moment, round_money};

/// A report as a page shows it.
pub struct Shown {
    /// The report.
    pub report: RecoveryReport,
    /// When the steps were begun, when it was made, when he noticed.
    pub times: (String, String, String),
    /// What the account may do.
    pub status: &'static str,
    /// Steps: title, how it stands, what the record shows, what he says, is it over.
    pub steps: Vec<(&'static str, String, String, String, bool)>,
    /// Calls: number, what of it, cost.
    pub calls: Vec<(String, String, String)>,
    /// Phones: what, where and when, how it stands.
    pub phones: Vec<(String, String, &'static str)>,
    /// What the calls cost together.
    pub price: String,
}

impl Shown {
    /// With times at this place.
    pub fn of(report: RecoveryReport, currency: &str, zone: &str) -> Shown {
        let (when, full) = (|at| moment(at, zone), |at| full_moment(at, zone));
        let steps = report.steps.iter().map(|step| {
            let at = step.at.map_or_else(String::new, |at| format!(" · {}", when(at)));
            let outcome = match step.outcome {
                StepOutcome::Proved => "Done, on record",
                StepOutcome::Confirmed => "Done, you say",
                StepOutcome::Skipped => "Left out",
                StepOutcome::Open => "Not done",
            };
            let is_over = step.outcome != StepOutcome::Open;
            (
                step.step.title(),
                format!("{outcome}{at}"),
                step.proof.clone(),
                step.words.clone(),
                is_over,
            )
        });
        let calls = report.calls.iter().map(|call| {
            let mut about = vec![when(call.started), call.place.clone()];
            match (call.is_refused, call.talk_ms) {
                (true, _) => {}
                (false, 0) => about.push("not answered".to_owned()),
                (false, ms) => about.push(clock(ms)),
            }
            about.extend(call.source.map(|ip| format!("from {ip}")));
            if !call.agent.is_empty() {
                about.push(call.agent.clone());
            }
            let cost = match call.is_refused {
                true => "Stopped".to_owned(),
                false => round_money(call.price, currency),
            };
            (call.number.clone(), about.join(" · "), cost)
        });
        let phones = report.phones.iter().map(|phone| {
            let agent =
                if phone.agent.is_empty() { "A phone without a name" } else { &phone.agent };
            let (first, last) = phone.seen;
            let about = format!(
                "{}, line {}, {} to {}",
                phone.address,
                phone.lines.join(", "),
                when(first),
                if phone.is_registered { "now".to_owned() } else { when(last) }
            );
            let state = match phone.state.as_str() {
                "banned" => "Not yours",
                "new" => "New",
                _ => "Known",
            };
            (agent.to_owned(), about, state)
        });
        Shown {
            times: (
                full(report.started),
                full(report.made),
                report.noticed.map_or_else(|| "not said".to_owned(), full),
            ),
            status: status(&report.status),
            steps: steps.collect(),
            calls: calls.collect(),
            phones: phones.collect(),
            price: round_money(report.price, currency),
            report,
        }
    }
}

/// A status as one says it to a holder.
fn status(code: &str) -> &'static str {
    match code {
        "frozen" => "stopped for outgoing calls, by you",
        "limited" => "stopped for costly calls, by us",
        "suspended" => "stopped for outgoing calls, by your provider",
        "watched" => "watched: costly calls one at a time",
        "closed" => "closed",
        _ => "open for calls",
    }
}
