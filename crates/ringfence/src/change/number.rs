//! Numbers of ours. Lives here: whose they are. Never here: numbers of others.

use anyhow::bail;
use engine::{Command, Engine};
use serde_json::json;
use types::{E164, Number};

use super::{Plan, find_account, find_line};

pub fn add(
    number: E164,
    account: &str,
    line: Option<&str>,
    engine: &Engine,
) -> anyhow::Result<Plan> {
    let account = find_account(engine, account)?;
    let line = line.map(|user| find_line(engine, user)).transpose()?;
    if let Some(line) = line
        && line.account != account.id
    {
        bail!(
            "line `{}` belongs to account {}, not to `{}`",
            line.user,
            line.account,
            account.name
        );
    }
    let record = Number { number, account: account.id, line: line.map(|line| line.id) };
    let answer = json!({
        "number": number.to_string(),
        "account": account.id,
        "line": line.map(|line| &line.user),
    });
    Ok(Plan::one(Command::PutNumber(record), answer))
}
