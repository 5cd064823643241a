//! Changes in words, for messages and histories. Lives here: what differs between before and after.
//! Never here: secrets.

use rating::DeckDiff;
use types::{Account, Changed, Line, LineSecurity, Reseller};

use super::risk::{self, changes, level};

/// What changes about an account besides controls and status.
pub(super) fn other_changes(known: &Account, account: &Account) -> Vec<String> {
    let changes = [
        (known.name != account.name).then(|| "name".to_owned()),
        (known.dial_plan != account.dial_plan).then(|| "dial plan".to_owned()),
        (known.sell_deck != account.sell_deck)
            .then(|| format!("deck {} to {}", known.sell_deck, account.sell_deck)),
        (known.reseller != account.reseller).then(|| match account.reseller {
            Some(reseller) => format!("reseller {reseller}"),
            None => "no reseller".to_owned(),
        }),
        (known.time_zone != account.time_zone)
            .then(|| format!("time zone {} to {}", known.time_zone, account.time_zone)),
    ];
    changes.into_iter().flatten().collect()
}

pub(super) fn changes_of(known: &Account, account: &Account) -> Vec<Changed> {
    changes((known.status, &known.controls), (account.status, &account.controls))
}

pub(super) fn line_change(known: Option<&Line>, line: &Line) -> String {
    let Some(known) = known else {
        return format!("added as {}", line.user);
    };
    let mut changes: Vec<String> = [
        (known.user != line.user).then(|| format!("user {} to {}", known.user, line.user)),
        (known.kind != line.kind).then(|| format!("kind {} to {}", known.kind, line.kind)),
        (known.caller_id != line.caller_id).then(|| "caller id".to_owned()),
    ]
    .into_iter()
    .flatten()
    .collect();
    let bounds = risk::line_changes(&LineSecurity::of(known), &LineSecurity::of(line));
    changes.extend(
        bounds.iter().map(|(name, from, to, risk)| format!("{name} {from} to {to} ({risk})")),
    );
    in_words("changed", &changes)
}

pub(super) fn reseller_change(known: Option<&Reseller>, reseller: &Reseller) -> String {
    let Some(known) = known else { return "added".to_owned() };
    let renamed = (known.name != reseller.name).then(|| "name".to_owned());
    let levels = known.stop_levels.named().into_iter().zip(reseller.stop_levels.named());
    let levels = levels.filter(|(old, new)| old != new);
    let levels =
        levels.map(|((name, old), (_, new))| format!("{name} {} to {}", level(old), level(new)));
    in_words("changed", &renamed.into_iter().chain(levels).collect::<Vec<_>>())
}

pub(super) fn deck_change(diff: &DeckDiff) -> String {
    let counts = [
        (diff.added.len(), "added"),
        (diff.removed.len(), "removed"),
        (diff.dearer.len(), "dearer"),
        (diff.cheaper.len(), "cheaper"),
        (diff.changed.len(), "changed otherwise"),
    ];
    let counted = counts.iter().filter(|(count, _)| *count > 0);
    in_words("rows", &counted.map(|(count, what)| format!("{count} {what}")).collect::<Vec<_>>())
}

pub(super) fn in_words(verb: &str, changes: &[String]) -> String {
    if changes.is_empty() {
        "unchanged".to_owned()
    } else {
        format!("{verb}: {}", changes.join(", "))
    }
}
