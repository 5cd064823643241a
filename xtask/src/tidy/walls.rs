//! Which of our crates may use which (ARCHITECTURE.md), checked from `cargo metadata`.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell_out::{cargo, output};

/// Crate, what of ours it may use.
const MAY_USE: [(&str, &[&str]); 13] = [
    ("types", &[]),
    ("sip", &["types"]),
    ("rating", &["types"]),
    ("ledger", &["types"]),
    ("audit", &["types"]),
    ("engine", &["types", "rating", "ledger"]),
    ("edge", &["types", "sip", "engine"]),
    ("store", &["types"]),
    ("web", &["types"]),
    ("notify", &["types", "store"]),
    ("sim", &["types", "sip", "rating", "ledger", "audit", "engine", "edge", "store"]),
    (
        "ringfence",
        &[
            "types", "sip", "rating", "ledger", "audit", "engine", "edge", "store", "notify",
            "sim", "web",
        ],
    ),
    ("xtask", &["types"]),
];

/// Crates of others that bring sockets, files, clocks or dice: never in the pure zone.
const IMPURE: [&str; 12] = [
    "tokio",
    "async-std",
    "mio",
    "socket2",
    "nix",
    "libc",
    "rusqlite",
    "sqlx",
    "getrandom",
    "rand",
    "chrono",
    "tracing-subscriber",
];

/// The pure zone.
pub const PURE: [&str; 7] = ["types", "sip", "rating", "ledger", "audit", "engine", "edge"];

/// An error for each dependency that goes through a wall.
pub fn check() -> Result<()> {
    let text = output(cargo().args(["metadata", "--format-version", "1", "--no-deps"]))?;
    let metadata: Value = serde_json::from_str(&text)?;
    let complaints = complaints(&metadata)?;
    if !complaints.is_empty() {
        bail!("{}", complaints.join("\n"));
    }
    Ok(())
}

fn complaints(metadata: &Value) -> Result<Vec<String>> {
    let packages = metadata["packages"].as_array().context("cargo metadata lists packages")?;
    let ours: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut complaints = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let Some((_, allowed)) = MAY_USE.iter().find(|(room, _)| *room == name) else {
            complaints.push(format!(
                "{name}: a crate without a row in the table of xtask's tidy/walls.rs"
            ));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            // Tests may look over a wall.
            if dependency["kind"] == "dev" {
                continue;
            }
            let used = dependency["name"].as_str().unwrap_or_default();
            if ours.contains(&used) && !allowed.contains(&used) {
                complaints.push(format!("{name} may not use {used}"));
            }
            if PURE.contains(&name) && IMPURE.contains(&used) {
                complaints.push(format!("{name} is in the pure zone and may not use {used}"));
            }
        }
    }
    Ok(complaints)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn finds_holes() {
        fn check(name: &str, used: &str, kind: Value, want: usize) {
            let metadata = json!({"packages": [
                {"name": name, "dependencies": [{"name": used, "kind": kind}]},
                {"name": "store", "dependencies": []},
            ]});
            let got = complaints(&metadata).expect("metadata as cargo gives it");
            assert_eq!(got.len(), want, "{name} uses {used}: {got:?}");
        }
        check("engine", "store", Value::Null, 1);
        check("engine", "store", json!("dev"), 0);
        check("sim", "store", Value::Null, 0);
        check("sip", "mio", Value::Null, 1);
        check("ringfence", "mio", Value::Null, 0);
        check("unknown", "serde", Value::Null, 1);
    }
}
