//! Which number is shown as the caller. Lives here: the account's own numbers and what strangers
//! claim. Never here: who pays; a claim decides nothing else (F1).

use types::decision::Destination;
use types::{DestinationClass, DialPlan, E164, Line};

use crate::dial_cache::DialCache;
use crate::directory::AccountEntry;
use crate::intern::Shared;

/// Shown when there is nothing to show.
pub(crate) const ANONYMOUS: &str = "anonymous";
/// Longest caller shown as a stranger claims it.
const LONGEST: usize = 32;

/// The caller of a line: the claimed number if it is the account's own, else the line's, else the
/// account's first number, else nothing.
pub(crate) fn own(
    cache: &mut DialCache,
    account: &AccountEntry,
    line: &Line,
    claimed: Option<&str>,
) -> Option<E164> {
    let numbers = account.numbers();
    let is_own = |number: &E164| numbers.binary_search(number).is_ok();
    let claimed = claimed.filter(|_| !numbers.is_empty()).and_then(|claimed| {
        let number = claimed.parse().ok();
        number.or_else(|| cache.classify(&account.dial_plan, claimed).destination.e164)
    });
    claimed.filter(is_own).or(line.caller_id).or(numbers.first().copied())
}

/// The caller of an incoming call: the claimed number in canonical form if it is one, else what is
/// harmless of it.
pub(crate) fn foreign(
    cache: &mut DialCache,
    plan: &Shared<DialPlan>,
    claimed: Option<&str>,
) -> String {
    let Some(claimed) = claimed else {
        return ANONYMOUS.to_owned();
    };
    let Destination { class, e164, .. } = cache.classify(plan, claimed).destination;
    if let Some(number) = e164.filter(|_| class != DestinationClass::Invalid) {
        return number.to_string();
    }
    let harmless = |c: &char| c.is_ascii_alphanumeric() || "+._-*#".contains(*c);
    let shown: String = claimed.chars().filter(harmless).take(LONGEST).collect();
    if shown.is_empty() { ANONYMOUS.to_owned() } else { shown }
}
