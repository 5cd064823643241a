//! Who is told of a fact, and when. Lives here: recipients, turns, quiet hours, digests, retries: functions of their
//! arguments. Never here: a clock, the store, words, sending.

mod quiet;
mod recipients;
mod turn;

use std::collections::BTreeMap;

use store::{ContactEntry, StoredFact};
use types::{
    Alert, AlertId, AlertState, ContactId, EventClass, Fact, Millis, Severity, UnixMicros,
    catalogue,
};

pub use quiet::quiet_until;
pub use recipients::{People, contact_of, recipients};
pub use turn::turn;

/// How long, how often, how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// So many messages of one class to one contact within `digest_ms` go out by themselves; what comes then is gathered.
    pub digest_over: usize,
    /// How long is counted, and gathered.
    pub digest_ms: Millis,
    /// How long what is critical is gathered.
    pub critical_digest_ms: Millis,
    /// Pause before the second try; each that follows is three times as long.
    pub first_pause_ms: Millis,
    /// Longest pause.
    pub longest_pause_ms: Millis,
    /// After so long nothing is tried any more.
    pub give_up_ms: Millis,
    /// The longest time after which the next contact is told of something critical when those before it were not reached.
    pub critical_wait_ms: Millis,
    /// How far back a former address is told of what allows more.
    pub former_ms: Millis,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            digest_over: 5,
            digest_ms: 600_000,
            critical_digest_ms: 60_000,
            first_pause_ms: 5_000,
            longest_pause_ms: 1_800_000,
            give_up_ms: 86_400_000,
            critical_wait_ms: 45_000,
            former_ms: 7 * 86_400_000,
        }
    }
}

/// What became of a try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The next one took it.
    Delivered,
    /// Not now: try again.
    Failed(String),
    /// Never: this address is of no use.
    Refused(String),
}

/// Alerts of a contact that were made not long ago, by contact and class, the newest first.
pub type Recent = BTreeMap<(ContactId, EventClass), Vec<Alert>>;

/// The alerts of a fact, as they begin. `recent` is what was made within the time of a digest; what is made here is
/// added to it.
pub fn derive(
    fact: &StoredFact,
    people: &People,
    recent: &mut Recent,
    rules: &Rules,
    now: UnixMicros,
) -> Vec<Alert> {
    let about = catalogue::of(&fact.fact);
    let told = recipients(fact, people);
    let mut alerts = Vec::with_capacity(told.len());
    for entry in &told {
        let contact = &entry.contact;
        let rank = |one: &&ContactEntry| one.contact.account == contact.account;
        let first = told.iter().filter(rank).map(|one| one.contact.order).min().unwrap_or(0);
        let mut alert = Alert {
            id: AlertId { fact: fact.seq, entry: entry.seq },
            account: contact.account,
            contact: contact.id,
            class: about.class,
            severity: about.severity,
            made: now,
            order: contact.order,
            wait_ms: contact.wait_ms,
            state: AlertState::Due { at: now },
            tries: 0,
            trouble: String::new(),
            members: Vec::new(),
        };
        let key = (contact.id, about.class);
        let known = recent.entry(key).or_default();
        alert.state = if is_at_once(&fact.fact) {
            AlertState::Due { at: now }
        } else if contact.order > first {
            let wait = match about.severity {
                Severity::Critical => contact.wait_ms.min(rules.critical_wait_ms),
                _ => contact.wait_ms,
            };
            AlertState::Waiting { until: now.plus_ms(wait) }
        } else {
            begin(&alert, entry, people.zone(contact.account), known, rules, now)
        };
        known.insert(0, alert.clone());
        alerts.push(alert);
    }
    alerts
}

/// Answers to what somebody just did: he waits for them.
fn is_at_once(fact: &Fact) -> bool {
    matches!(fact, Fact::AlertTested { .. } | Fact::ContactChanged { .. })
}

/// The state of an alert whose turn has come: at once, after the quiet hours, or with others.
pub fn begin(
    alert: &Alert,
    entry: &ContactEntry,
    zone: &str,
    recent: &[Alert],
    rules: &Rules,
    now: UnixMicros,
) -> AlertState {
    let is_critical = alert.severity == Severity::Critical;
    let quiet = entry.contact.quiet.filter(|_| !is_critical);
    if let Some(until) = quiet.and_then(|quiet| quiet_until(quiet, zone, now)) {
        return AlertState::Gathering { until };
    }
    let since = UnixMicros(now.0.saturating_sub((rules.digest_ms * 1_000).cast_signed()));
    let counts = |one: &&Alert| {
        let is_told = !matches!(one.state, AlertState::Waiting { .. } | AlertState::NotNeeded);
        one.made > since && one.id != alert.id && is_told
    };
    let told: Vec<&Alert> = recent.iter().filter(counts).collect();
    if told.len() < rules.digest_over {
        return AlertState::Due { at: now };
    }
    if is_critical {
        return AlertState::Gathering { until: now.plus_ms(rules.critical_digest_ms) };
    }
    // What gathers already says when.
    let gathering = told.iter().find_map(|one| match one.state {
        AlertState::Gathering { until } if until > now => Some(until),
        _ => None,
    });
    AlertState::Gathering { until: gathering.unwrap_or(now.plus_ms(rules.digest_ms)) }
}

/// What was gathered, as one: the first leads, and has the others within it.
pub fn digest(gathered: Vec<Alert>, now: UnixMicros) -> Vec<Alert> {
    let mut alerts = gathered;
    alerts.sort_by_key(|alert| alert.id);
    let Some((leader, others)) = alerts.split_first_mut() else { return alerts };
    leader.state = AlertState::Due { at: now };
    leader.members = others.iter().map(|other| other.id).collect();
    for other in others {
        other.state = AlertState::Digested { leader: leader.id };
    }
    alerts
}

/// An alert after a try, and its members with it; and whether it was given up.
pub fn after_try(
    alert: &Alert,
    members: Vec<Alert>,
    outcome: &Outcome,
    rules: &Rules,
    now: UnixMicros,
) -> (Vec<Alert>, bool) {
    let tries = alert.tries.saturating_add(1);
    let is_over = now.ms_since(alert.made) >= rules.give_up_ms;
    let (state, trouble) = match outcome {
        Outcome::Delivered => (AlertState::Delivered { at: now }, String::new()),
        Outcome::Refused(why) => (AlertState::GivenUp { at: now }, why.clone()),
        Outcome::Failed(why) if is_over => (AlertState::GivenUp { at: now }, why.clone()),
        Outcome::Failed(why) => {
            (AlertState::Due { at: now.plus_ms(pause(tries, rules)) }, why.clone())
        }
    };
    let is_given_up = matches!(state, AlertState::GivenUp { .. });
    let is_final = state.due().is_none();
    let mut alerts = vec![Alert { state: state.clone(), tries, trouble, ..alert.clone() }];
    if is_final {
        // Somebody may have acknowledged one of them meanwhile.
        let shares = |one: &Alert| matches!(one.state, AlertState::Digested { .. });
        alerts.extend(
            members.into_iter().filter(shares).map(|one| Alert { state: state.clone(), ..one }),
        );
    }
    (alerts, is_given_up)
}

/// The pause after so many tries.
fn pause(tries: u32, rules: &Rules) -> Millis {
    let times = 3_u64.saturating_pow(tries.saturating_sub(1));
    rules.first_pause_ms.saturating_mul(times).min(rules.longest_pause_ms)
}

#[cfg(test)]
mod tests;
