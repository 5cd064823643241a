//! The build that the proofs run: optimised as what is shipped, not linked as slowly. Lives here: what belongs to it, building it
//! once, all of it with one set of features. Never here: the proofs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell_out::cargo;

/// Tests that try more, or allow less, in such a build: package, test binary, what its name contains. The first one is timed:
/// it has the machine to itself.
pub const TESTS: [(&str, &str, &str); 8] = [
    ("sip", "properties", "the_worst_message"),
    ("sim", "million", "a_million_calls"),
    ("ringfence", "bill_run", "a_bill_run_that_is_killed"),
    ("engine", "attackers", "nobody_loses_more_until_then"),
    ("engine", "attackers", "nobody_loses_more_in_one_moment"),
    ("sim", "siege", "a_day_under_siege"),
    ("sim", "siege", "a_million_right_secrets"),
    ("edge", "million_sources", "d2_a_million_strangers"),
];

/// What was built.
pub struct Built {
    /// The programs by name, the tests by package and name.
    programs: BTreeMap<String, PathBuf>,
}

impl Built {
    /// Builds it, the first time.
    pub fn get() -> Result<&'static Built> {
        static BUILT: OnceLock<Built> = OnceLock::new();
        if let Some(built) = BUILT.get() {
            return Ok(built);
        }
        let mut arguments = vec!["test", "--profile", "proof", "--no-run"];
        for (package, test, _) in TESTS {
            arguments.extend(["--package", package, "--test", test]);
        }
        let programs = executables(&arguments)?;
        Ok(BUILT.get_or_init(|| Built { programs }))
    }

    /// A program of ours: `ringfence`, `sim`.
    pub fn program(&self, name: &str) -> Result<&Path> {
        let found = self.programs.get(name).with_context(|| format!("{name} was not built"))?;
        Ok(found)
    }

    /// A test binary of a package.
    pub fn test(&self, package: &str, test: &str) -> Result<&Path> {
        self.program(&format!("{package}/{test}"))
    }
}

/// What cargo built with these arguments: programs by name, tests as `package/name`.
pub fn executables(arguments: &[&str]) -> Result<BTreeMap<String, PathBuf>> {
    let mut command = cargo();
    command.args(arguments).args(["--quiet", "--message-format=json-render-diagnostics"]);
    let output = command.stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cargo {} fails", arguments.join(" "));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(messages.filter_map(|message| named(&message)).collect())
}

fn named(message: &Value) -> Option<(String, PathBuf)> {
    let path = PathBuf::from(message["executable"].as_str()?);
    let name = message["target"]["name"].as_str()?;
    if message["profile"]["test"] != true {
        return Some((name.to_owned(), path));
    }
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let package = manifest.parent()?.file_name()?.to_str()?;
    Some((format!("{package}/{name}"), path))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn executables_are_named() {
        fn check(message: &Value, want: Option<&str>) {
            assert_eq!(named(message).map(|(name, _)| name).as_deref(), want, "{message}");
        }
        let built = |test: bool, executable: Value| {
            json!({ "executable": executable, "target": { "name": "siege" }, "profile": { "test": test },
                "manifest_path": "/somewhere/crates/sim/Cargo.toml" })
        };
        check(&built(false, json!("/t/siege")), Some("siege"));
        check(&built(true, json!("/t/siege-1")), Some("sim/siege"));
        check(&built(true, Value::Null), None);
        check(&json!({ "reason": "build-finished" }), None);
    }
}
