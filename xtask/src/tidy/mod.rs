//! The order of the house, proved. Lives here: which checks there are. Never here: tests of behaviour.

mod purity;
mod text;
mod walls;

use anyhow::{Result, anyhow};

use crate::docs;
use crate::shell_out::{cargo, quiet, works};

type Check = fn() -> Result<()>;

/// Runs every check; all complaints together are the error.
pub fn run() -> Result<usize> {
    let checks: [(&str, Check); 8] = [
        ("fmt", fmt),
        ("walls", walls::check),
        ("purity", purity::check),
        ("paths", text::check_paths),
        ("headers", text::check_headers),
        ("reasons", docs::check),
        ("clippy", clippy),
        ("deny", deny),
    ];
    let mut complaints = Vec::new();
    for (name, check) in checks {
        if let Err(error) = check() {
            complaints.push(format!("{name}: {error:#}"));
        }
    }
    for line in text::long_files()? {
        println!("  note: {line}");
    }
    if complaints.is_empty() { Ok(checks.len()) } else { Err(anyhow!("{}", complaints.join("\n"))) }
}

fn fmt() -> Result<()> {
    quiet("cargo fmt", cargo().args(["fmt", "--all", "--check"])).map(drop)
}

fn clippy() -> Result<()> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
    quiet("cargo clippy", cargo().args(arguments)).map(drop)
}

/// Licences, duplicate crates, sources: with cargo-deny when it is installed.
fn deny() -> Result<()> {
    if !works("cargo-deny", &["--version"]) {
        println!("  note: cargo-deny is not installed; licences are not checked");
        return Ok(());
    }
    let arguments = ["deny", "--offline", "check", "bans", "licenses", "sources"];
    quiet("cargo deny", cargo().args(arguments)).map(drop)
}
