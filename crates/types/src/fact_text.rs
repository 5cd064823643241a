//! Facts in words. Lives here: one sentence for each kind of fact, the same in lists, mails and pages. Never here: who is
//! told, where; titles and advice (`catalogue`).

use crate::controls::Changed;
use crate::fact::{Fact, StalePhone};
use crate::ids::LineId;
use crate::recovery::{RecoveryReport, StepOutcome, StepWord};
use crate::stop_level::{LevelNotice, LevelScope};

/// One sentence for a person, without the full stop; lines go by their numbers.
pub fn fact_text(fact: &Fact, currency: &str) -> String {
    fact_text_with(fact, currency, &|line| line.to_string())
}

/// One sentence for a person, without the full stop; `name` says what a line is called.
pub fn fact_text_with(fact: &Fact, currency: &str, name: &dyn Fn(LineId) -> String) -> String {
    match fact {
        Fact::WarningLevel { level, usage, .. } => {
            format!("un-billed usage of {usage} {currency} crossed the warning level of {level}")
        }
        Fact::StopLevelNear(notice) => level_text("comes near", notice, currency, name),
        Fact::StopLevelReached(notice) => level_text("has reached", notice, currency, name),
        Fact::MoneyEnded { decision, .. } => {
            format!("call {decision} was cut: no more money could be held")
        }
        Fact::Registered { line, peer, user_agent, .. } => {
            format!("line {} registered from {peer} with {user_agent}", name(*line))
        }
        Fact::AccountChanged { change, .. } => change.clone(),
        Fact::LineChanged { line, change, .. } => {
            format!("line {}: {change}", name(*line))
        }
        Fact::ResellerChanged { reseller, change } => format!("reseller {reseller}: {change}"),
        Fact::Raised { changes, until, by, why, .. } => {
            let until = until.map_or_else(String::new, |until| format!(" until {until}"));
            format!("raised{until} by {by}: {}{}", listed(changes), reason(why))
        }
        Fact::Lowered { changes, by, why, .. } => {
            format!("lowered by {by}: {}{}", listed(changes), reason(why))
        }
        Fact::RaiseEnded { changes, .. } => format!("a raise ended: {}", listed(changes)),
        Fact::RequestMade { request, asked, .. } => {
            format!("the holder asks in request {request}: {}", listed(asked))
        }
        Fact::RequestApproved { request, by, reason, .. } => {
            format!("request {request} approved by {by}: {reason}")
        }
        Fact::RequestRefused { request, by, reason, .. } => {
            format!("request {request} refused by {by}: {reason}")
        }
        Fact::NumberChanged { number, change, .. } => format!("number {number}: {change}"),
        Fact::LockedOut { lock, .. } => format!(
            "log-ins of {} are refused until {}: {} of them failed",
            lock.scope, lock.until, lock.failures
        ),
        Fact::LockLifted { scope, .. } => format!("the lock-out of {scope} was lifted"),
        Fact::SecretAge { line, days, .. } => {
            format!("the password of line {} is {days} days old: time for a new one", name(*line))
        }
        Fact::Banned { ban } => match ban.until {
            Some(until) => format!("{} is banned until {until}: {}", ban.source, ban.reason),
            None => format!("{} is banned: {}", ban.source, ban.reason),
        },
        Fact::BanLifted { source } => format!("the ban of {source} was lifted"),
        Fact::TrunkReachable { trunk, reachable: true } => format!("trunk {trunk} can be reached"),
        Fact::TrunkReachable { trunk, .. } => format!("trunk {trunk} cannot be reached"),
        Fact::TrunkChanged { trunk, change } => format!("trunk {trunk}: {change}"),
        Fact::DeckImported { deck, change } => format!("rate deck {deck}: {change}"),
        Fact::Overrun { decision, amount, .. } => {
            format!("call {decision} cost {amount} {currency} more than was held for it")
        }
        Fact::AuditMismatch { decision, what, freed, .. } => {
            let then = if *freed { "; it was given back" } else { "" };
            format!("call {decision} does not fit what stood for it: {}{then}", what.join("; "))
        }
        Fact::MismatchSeen { decision, by, note, .. } => {
            format!("{by} looked at what the auditor found of call {decision}: {note}")
        }
        Fact::CallReported { decision, by, words, .. } => {
            format!("{by} did not make call {decision}{}", reason(words))
        }
        Fact::TokenChanged { user, change, .. } => format!("{user}: {change}"),
        Fact::RecoveryStarted { recovery, by, .. } => {
            format!("{by} says that something is wrong (recovery {recovery})")
        }
        Fact::RecoveryStepSaid { recovery, step, word, by, words, .. } => {
            let word = match word {
                StepWord::Done => "done",
                StepWord::Skipped => "left out",
            };
            let title = step.title().to_lowercase();
            format!("recovery {recovery}, {title}: {word}, as {by} says{}", reason(words))
        }
        Fact::RecoveryReported { report, .. } => reported(report, currency),
        Fact::RecoveryEnded { recovery, by, why, .. } => {
            format!("{by} ended recovery {recovery} without a report{}", reason(why))
        }
        Fact::CheckUpSaid { point, is_done, by, .. } => {
            let state = if *is_done { "done" } else { "to do" };
            format!("check-up, {point}: {state}, as {by} says")
        }
        Fact::PortsChecked { address, by, tried, open, .. } => {
            let count = open.len();
            format!("{by} had {address} looked at: {count} of {tried} ports answer")
        }
        Fact::Started { recovered } => format!("the node started; {recovered} calls were live"),
        Fact::Stopped => "the node stopped".to_owned(),
        Fact::ContactChanged { contact, change, by, why, .. } => {
            format!("contact {contact} {change}, by {by}{}", reason(why))
        }
        Fact::AlertTested { contact, by, .. } => {
            format!("a test of contact {contact}, ordered by {by}")
        }
        Fact::AlertGivenUp { contact, alert, channel, why, .. } => {
            format!("alert {alert} could not be delivered to contact {contact}, {channel}: {why}")
        }
        about_devices => device_fact_text(about_devices, name),
    }
}

fn reported(report: &RecoveryReport, currency: &str) -> String {
    let left = |wanted| report.steps.iter().filter(|step| step.outcome == wanted).count();
    let left = left(StepOutcome::Skipped) + left(StepOutcome::Open);
    let done = report.steps.len() - left;
    let calls = report.calls.len() + report.more_calls as usize;
    format!(
        "{} reports unauthorised use (recovery {}): {done} of {} steps done, {calls} calls of {} {currency} not the holder's",
        report.by.1,
        report.recovery,
        report.steps.len(),
        report.price
    )
}

fn level_text(
    verb: &str,
    notice: &LevelNotice,
    currency: &str,
    name: &dyn Fn(LineId) -> String,
) -> String {
    let LevelNotice { scope, account, line, reseller, window, usage, level } = notice;
    let whose = match (scope, line, reseller) {
        (LevelScope::Line, Some(line), _) => format!("line {}", name(*line)),
        (LevelScope::Reseller, _, Some(reseller)) => format!("reseller {reseller}"),
        (LevelScope::Platform, ..) => "the platform".to_owned(),
        _ => format!("account {account}"),
    };
    format!(
        "{whose} {verb} its stop level of {level} {currency} in {window}: {usage} spent and held"
    )
}

fn listed(changes: &[Changed]) -> String {
    changes.iter().map(Changed::words).collect::<Vec<_>>().join(", ")
}

fn reason(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(" ({why})") }
}

fn device_fact_text(fact: &Fact, name: &dyn Fn(LineId) -> String) -> String {
    match fact {
        Fact::NewDevice { line, device, peer, agent, new_agent, new_address, .. } => {
            let what = news(*new_agent, *new_address);
            let (agent, line) = (named(agent), name(*line));
            format!("{what}: device {device}, {agent} at {peer}, on line {line}")
        }
        Fact::DeviceMoved { device, peer, agent, new_agent, new_address, .. } => {
            let what = news(*new_agent, *new_address);
            format!("{what}: device {device} is now {} at {peer}", named(agent))
        }
        Fact::DeviceChanged { device, change, .. } => format!("device {device}: {change}"),
        Fact::BannedDeviceTried { line, device, peer, .. } => format!(
            "device {device}, which is not the holder's, showed the right password of line {} from {peer}",
            name(*line)
        ),
        Fact::PbxRecognised { line, family, .. } => format!(
            "line {} is used by a switch ({family}); `line set USER kind=pbx` gives it a switch's limits",
            name(*line)
        ),
        Fact::StaleSecrets { phones, .. } => stale(phones),
        Fact::OldSecretLeaked { line, peer, agent, changed, .. } => format!(
            "a stranger, {} at {peer}, showed the password of line {} that was changed on {}",
            named(agent),
            name(*line),
            day(&changed.to_string())
        ),
        Fact::OutsideLock { line, peer, .. } => format!(
            "the right password of line {} was shown from {peer}, outside of the IP lock",
            name(*line)
        ),
        _ => "something happened that has no words yet".to_owned(),
    }
}

fn news(new_agent: bool, new_address: bool) -> &'static str {
    match (new_agent, new_address) {
        (true, true) => "new phone at a new address",
        (true, false) => "new phone",
        (false, true) => "new address",
        (false, false) => "one more phone",
    }
}

/// All phones that still use a changed password, in one sentence.
fn stale(phones: &[StalePhone]) -> String {
    let named: Vec<String> = phones
        .iter()
        .map(|phone| {
            format!(
                "{} at {} still uses the password of {} that was changed on {}",
                named(&phone.agent),
                phone.peer.ip(),
                phone.user,
                day(&phone.changed.to_string())
            )
        })
        .collect();
    named.join("; ")
}

fn named(agent: &str) -> &str {
    if agent.is_empty() { "a phone that does not say what it is" } else { agent }
}

/// The day of a time as printed.
fn day(at: &str) -> &str {
    at.split('T').next().unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AccountId, DeviceId, UnixMicros};

    #[test]
    fn one_sentence_names_all_stale_phones() {
        let phone = |user: &str, agent: &str| StalePhone {
            line: LineId(1),
            user: user.to_owned(),
            agent: agent.to_owned(),
            peer: ([192, 0, 2, 7], 5060).into(),
            changed: UnixMicros(1_777_800_000_000_000),
        };
        let phones = vec![phone("desk", "Yealink SIP-T46S"), phone("hall", "")];
        let fact = Fact::StaleSecrets { account: AccountId(1), phones };
        assert_eq!(
            fact_text(&fact, "GBP"),
            "Yealink SIP-T46S at 192.0.2.7 still uses the password of desk that was changed on 2026-05-03; \
             a phone that does not say what it is at 192.0.2.7 still uses the password of hall that was changed \
             on 2026-05-03"
        );
        let changed = Fact::DeviceChanged {
            account: AccountId(1),
            device: DeviceId(7),
            change: "not mine".to_owned(),
        };
        assert_eq!(fact_text(&changed, "GBP"), "device 7: not mine");
    }
}
