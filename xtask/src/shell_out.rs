//! Running commands of the toolchain. Lives here: quiet runs whose output is kept in a log and shown
//! when they fail. Never here: programs under test (see `process`).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The root of the checkout.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Where logs of quiet runs go.
pub fn logs() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("xtask")
}

/// The cargo that runs us.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Runs a command; its whole output (standard output and error together) is returned, or shown and an error.
pub fn quiet(name: &str, command: &mut Command) -> Result<String> {
    std::fs::create_dir_all(logs())?;
    let path = logs().join(format!("{}.log", name.replace(' ', "-")));
    let log = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let status = command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .status()
        .with_context(|| format!("cannot run {name}"))?;
    let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
    if status.success() {
        return Ok(text);
    }
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines[lines.len().saturating_sub(120)..].join("\n");
    bail!("{name} failed ({status}):\n{tail}")
}

/// Standard output of a command that must succeed.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", output.status);
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Can this command be run with `--version`?
pub fn works(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Is this a run of CI, which takes its time?
pub fn is_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| says_yes(&value))
}

/// Runners say `true`, `1`, or their own name; only an explicit no is a no.
fn says_yes(value: &str) -> bool {
    !matches!(value.trim().to_ascii_lowercase().as_str(), "" | "0" | "false" | "no" | "off")
}

#[cfg(test)]
mod tests {
    #[test]
    fn ci_by_any_name() {
        for value in ["true", "1", "True", "yes", "woodpecker"] {
            assert!(super::says_yes(value), "{value}");
        }
        for value in ["", "0", "false", "FALSE", "no"] {
            assert!(!super::says_yes(value), "{value}");
        }
    }
}
