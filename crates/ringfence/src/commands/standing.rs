//! What stood when. Lives here: one set of controls for people and programs, the list of all of them.
//! Never here: what it means.

use serde_json::{Value, json};
use store::Reader;
use types::{AccountStatus, LineStanding, LineStatus, Setting, Standing};

use super::Context;
use super::account::controls_view;
use super::lookup::find_account;
use super::output::Table;
use crate::config::Config;
use crate::config::levels::levels_view;
use crate::shell::open::open_to_read;

/// As JSON.
pub fn view(stood: &Standing) -> Value {
    json!({
        "account": stood.account,
        "since": stood.at.to_string(),
        "since_us": stood.at.0,
        "status": stood.status,
        "controls": controls_view(&stood.controls),
        "by": stood.by,
        "why": stood.why,
    })
}

/// What bounded a line's use, as JSON.
pub fn line_view(stood: &LineStanding) -> Value {
    json!({
        "line": stood.line,
        "account": stood.account,
        "since": stood.at.to_string(),
        "since_us": stood.at.0,
        "security": {
            "status": stood.security.status,
            "tls_only": stood.security.tls_only,
            "sha256_only": stood.security.sha256_only,
            "ip_lock": stood.security.ip_lock,
            "stop_levels": levels_view(&stood.security.stop_levels),
        },
        "by": stood.by,
        "why": stood.why,
    })
}

/// For people, a line each.
pub fn sheet(name: &str, stood: &Standing) -> Vec<String> {
    let why = if stood.why.is_empty() { String::new() } else { format!(": {}", stood.why) };
    let mut lines = vec![
        format!("account {}: {name}, {}", stood.account, stood.status),
        format!("  since {} by {}{why}", stood.at, stood.by),
        "controls".to_owned(),
    ];
    let settings = Setting::all(stood.status, &stood.controls).into_iter().skip(1);
    lines.extend(settings.map(|setting| format!("  {:<24} {setting}", setting.name())));
    lines
}

/// All settings in one sentence.
pub fn sentence(stood: &Standing) -> String {
    let settings = Setting::all(stood.status, &stood.controls).into_iter().skip(1);
    let settings: Vec<String> =
        settings.map(|setting| format!("{} {setting}", setting.name())).collect();
    format!(
        "The account was {} and had these controls since {}, by {}: {}.",
        stood.status,
        stood.at,
        stood.by,
        settings.join(", ")
    )
}

/// What bounded a line's use, in one sentence; nothing if nothing did.
pub fn line_sentence(stood: &LineStanding) -> Option<String> {
    let words = bounds(stood);
    (!words.is_empty())
        .then(|| format!("The line was bound since {}: {}.", stood.at, words.join(", ")))
}

fn bounds(stood: &LineStanding) -> Vec<String> {
    let security = &stood.security;
    let lock = Setting::IpLock(security.ip_lock.clone());
    let levels = security.stop_levels.named();
    [
        (security.status == LineStatus::Disabled).then(|| "disabled".to_owned()),
        security.tls_only.then(|| "TLS only".to_owned()),
        security.sha256_only.then(|| "SHA-256 only".to_owned()),
        (!security.ip_lock.is_empty()).then(|| format!("IP lock {lock}")),
    ]
    .into_iter()
    .flatten()
    .chain(levels.into_iter().filter_map(|(name, level)| Some(format!("{name} {}", level?))))
    .collect()
}

/// Everything that stood for an account and its lines, the newest first.
pub fn history(text: &str, limit: u32, config: &Config, context: &Context) -> anyhow::Result<()> {
    let reader = open_to_read(config)?;
    let account = find_account(&reader, text)?;
    // One more: what the oldest shown changed is seen from the one before it.
    let stood = reader.account_history(account.id, limit.saturating_add(1))?;
    let mut rows: Vec<(i64, Vec<String>, Value)> = Vec::new();
    for (position, one) in stood.iter().take(limit as usize).enumerate() {
        let what = match stood.get(position + 1) {
            None => format!("{}, first controls", one.status),
            Some(before) => differences(before, one),
        };
        let row = [one.at.to_string(), what, one.by.to_string(), one.why.clone()];
        rows.push((one.at.0, row.to_vec(), view(one)));
    }
    for line in reader.lines(Some(account.id))? {
        for one in reader.line_history(line.id)? {
            let mut words = bounds(&one);
            if words.is_empty() {
                words.push("no bounds of its own".to_owned());
            }
            let what = format!("line {}: {}", line.user, words.join(", "));
            let row = [one.at.to_string(), what, one.by.to_string(), one.why.clone()];
            rows.push((one.at.0, row.to_vec(), line_view(&one)));
        }
    }
    rows.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
    rows.truncate(limit as usize);
    let mut table = Table::new(&["since", "what", "by", "why"], "nothing is known yet");
    let (texts, values): (Vec<_>, Vec<_>) =
        rows.into_iter().map(|(_, row, value)| (row, value)).unzip();
    texts.into_iter().for_each(|row| table.row(row));
    context.output.list(&table, values.into_iter())
}

fn differences(before: &Standing, after: &Standing) -> String {
    let of = |one: &'_ Standing| -> (AccountStatus, types::Controls) {
        (one.status, one.controls.clone())
    };
    let (from, to) = (of(before), of(after));
    let changes = engine::changes((from.0, &from.1), (to.0, &to.1));
    changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
