//! What the auditor says. Lives here: is it behind, did it find something that nobody has looked at?
//! Never here: judging calls.

use serde_json::Value;
use store::SqliteStore;

use super::{Found, Good, Warning, Wrong};
use crate::audit::unseen;

/// Behind for longer, something keeps it from its work.
const LATE_MS: u64 = 60_000;

/// Does it follow?
pub fn follows(status: &anyhow::Result<Option<Value>>) -> Option<Found> {
    let status = status.as_ref().ok()?.as_ref()?;
    let audit = &status["audit"];
    let (behind_ms, links) = (audit["behind_ms"].as_u64()?, audit["links_behind"].as_u64()?);
    let judged = &audit["judged"];
    Some(match behind_ms > LATE_MS && links > 0 {
        false => Good(format!("it follows; {judged} calls judged since the start")),
        true => Warning(
            format!("it is {links} links of the record behind, for {} s", behind_ms / 1_000),
            "after a restart it catches up by itself; otherwise the log tells why it cannot"
                .to_owned(),
        ),
    })
}

/// Is there something that nobody has looked at?
pub fn mismatches(reader: &SqliteStore) -> anyhow::Result<Found> {
    let found = unseen(reader)?;
    Ok(match found.first() {
        None => Good("nothing that nobody has looked at".to_owned()),
        Some(newest) => Wrong(
            format!(
                "{} calls do not fit what stood for them, the newest {}: {}",
                found.len(),
                newest.decision,
                newest.what.join("; ")
            ),
            format!(
                "ringfence audit --unseen; then ringfence audit --seen {} --why \"…\"",
                newest.decision
            ),
        ),
    })
}
