//! Changes in words, for messages and histories. Lives here: what differs between before and after.
//! Never here: secrets.

use rating::DeckDiff;
use types::{Account, Line, LineStatus, Money, Reseller};

pub(super) fn account_change(known: &Account, account: &Account) -> String {
    let changes = [
        (known.name != account.name).then(|| "name".to_owned()),
        (known.status != account.status)
            .then(|| format!("status {} to {}", known.status, account.status)),
        (known.controls != account.controls).then(|| "controls".to_owned()),
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
    in_words("changed", &changes.into_iter().flatten().collect::<Vec<_>>())
}

pub(super) fn line_change(known: Option<&Line>, line: &Line) -> String {
    let Some(known) = known else {
        return format!("added as {}", line.user);
    };
    let changes = [
        (known.user != line.user).then(|| format!("user {} to {}", known.user, line.user)),
        (known.kind != line.kind).then(|| format!("kind {} to {}", known.kind, line.kind)),
        (known.status != line.status).then(|| match line.status {
            LineStatus::Active => "enabled".to_owned(),
            LineStatus::Disabled => "disabled".to_owned(),
        }),
        (known.caller_id != line.caller_id).then(|| "caller id".to_owned()),
        (known.ip_lock != line.ip_lock).then(|| "IP lock".to_owned()),
        (known.stop_levels != line.stop_levels).then(|| "stop levels".to_owned()),
        (known.tls_only != line.tls_only).then(|| switched("TLS only", line.tls_only)),
        (known.sha256_only != line.sha256_only).then(|| switched("SHA-256 only", line.sha256_only)),
    ];
    in_words("changed", &changes.into_iter().flatten().collect::<Vec<_>>())
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

fn level(level: Option<Money>) -> String {
    level.map_or_else(|| "none".to_owned(), |level| level.to_string())
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

fn switched(what: &str, on: bool) -> String {
    format!("{what} {}", if on { "on" } else { "off" })
}

fn in_words(verb: &str, changes: &[String]) -> String {
    if changes.is_empty() {
        "unchanged".to_owned()
    } else {
        format!("{verb}: {}", changes.join(", "))
    }
}
