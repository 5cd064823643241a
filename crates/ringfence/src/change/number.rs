//! Numbers of ours. Lives here: whose they are. Never here: numbers of others.

use anyhow::bail;
use engine::Command;
use serde_json::{Value, json};
use store::Reader;
use types::{E164, Number};

use super::{Executor, find_account, find_line};

pub fn add(
    number: E164,
    account: &str,
    line: Option<&str>,
    reader: &dyn Reader,
    executor: &mut dyn Executor,
) -> anyhow::Result<Value> {
    let account = find_account(reader, account)?;
    let line = line.map(|user| find_line(reader, user)).transpose()?;
    if let Some(line) = &line
        && line.account != account.id
    {
        bail!(
            "line `{}` belongs to account {}, not to `{}`",
            line.user,
            line.account,
            account.name
        );
    }
    let record = Number { number, account: account.id, line: line.as_ref().map(|line| line.id) };
    let message = executor.one(Command::PutNumber(record))?;
    Ok(json!({
        "number": number.to_string(),
        "account": account.id,
        "line": line.map(|line| line.user),
        "message": message,
    }))
}
