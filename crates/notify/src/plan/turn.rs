//! Whose turn it is. Lives here: when the next contact is told because those before it were not reached. Never here: who
//! comes before whom.

use types::{Alert, AlertState, Severity, UnixMicros};

use super::Rules;

/// What becomes of an alert that waits for its turn: `None`: its turn has come. `all` are the alerts of the same fact and
/// account; of what was digested, the state of the leader.
pub fn turn(alert: &Alert, all: &[Alert], rules: &Rules, now: UnixMicros) -> Option<AlertState> {
    let before: Vec<&AlertState> =
        all.iter().filter(|one| one.order < alert.order).map(|one| &one.state).collect();
    if before.iter().any(|state| matches!(state, AlertState::Acknowledged { .. })) {
        return Some(AlertState::NotNeeded);
    }
    let delivered = before.iter().filter_map(|state| match state {
        AlertState::Delivered { at } => Some(*at),
        _ => None,
    });
    let until = match (alert.severity, delivered.min()) {
        // Somebody who does not acknowledge may be asleep.
        (Severity::Critical, Some(at)) => at.plus_ms(alert.wait_ms),
        (Severity::Critical, None) => alert.made.plus_ms(alert.wait_ms.min(rules.critical_wait_ms)),
        (_, Some(_)) => return Some(AlertState::NotNeeded),
        (_, None) => {
            let is_lost = |state: &&AlertState| matches!(state, AlertState::GivenUp { .. });
            if before.iter().all(is_lost) {
                return None;
            }
            // Those before it are told after their quiet hours, and have their time then.
            let begun = before.iter().filter_map(|state| match state {
                AlertState::Gathering { until } => Some(*until),
                _ => None,
            });
            begun.fold(alert.made, UnixMicros::max).plus_ms(alert.wait_ms)
        }
    };
    (until > now).then_some(AlertState::Waiting { until })
}
