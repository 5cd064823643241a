//! What the tests need on this machine. Lives here: which programs, how they are installed on Debian by
//! root, what is said elsewhere. Never here: the tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::process::{on_path, pause};
use crate::shell_out::{quiet, root, works};

/// A program that a tier needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// SIPp.
    Sipp,
    /// Kamailio with its usual modules.
    Kamailio,
    /// baresip.
    Baresip,
    /// nftables and ipset, in networks of their own.
    Firewalls,
    /// Python with pjsua2.
    Pjsua2,
    /// Chromium.
    Chromium,
    /// JsSIP, in one file for a browser.
    JsSip,
    /// playwright-core and axe-core.
    Playwright,
    /// The `openssl` command.
    OpenSsl,
    /// SIPVicious: svmap, svwar, svcrack.
    SipVicious,
    /// nmap and its scripts.
    Nmap,
    /// A mail server in Python.
    Aiosmtpd,
    /// `cargo fuzz`.
    CargoFuzz,
    /// Schemathesis: a client that tries everything that a description of an API allows, and what it does not.
    Schemathesis,
    /// Wapiti: a scanner of web pages.
    Wapiti,
    /// curl.
    Curl,
}

impl Need {
    fn is_there(self) -> bool {
        match self {
            Need::Sipp => on_path("sipp"),
            Need::Kamailio => on_path("kamailio"),
            Need::Baresip => on_path("baresip"),
            Need::Firewalls => {
                works("unshare", &["-n", "nft", "--version"])
                    && works("unshare", &["-n", "ipset", "--version"])
            }
            Need::Pjsua2 => works(&python(), &["-c", "import pjsua2"]),
            Need::Chromium => on_path("chromium"),
            Need::JsSip => jssip().exists(),
            Need::Playwright => playwright().join("axe-core").exists(),
            Need::OpenSsl => on_path("openssl"),
            Need::SipVicious => python_with("sipvicious").is_some(),
            Need::Nmap => on_path("nmap"),
            Need::Aiosmtpd => python_with("aiosmtpd").is_some(),
            Need::Schemathesis => schemathesis().exists(),
            Need::Wapiti => wapiti().exists(),
            Need::Curl => on_path("curl"),
            Need::CargoFuzz => works("cargo-fuzz", &["--version"]) || on_path("cargo-fuzz"),
        }
    }

    fn packages(self) -> &'static [&'static str] {
        match self {
            Need::Sipp => &["sip-tester"],
            Need::Kamailio => &["kamailio", "kamailio-extra-modules"],
            Need::Baresip => &["baresip-core"],
            Need::Firewalls => &["nftables", "ipset"],
            Need::Pjsua2 => &["python3-venv", "python3-pip"],
            Need::Chromium => &["chromium"],
            Need::JsSip | Need::Playwright => &["npm"],
            Need::OpenSsl => &["openssl"],
            Need::SipVicious | Need::Aiosmtpd | Need::Schemathesis | Need::Wapiti => {
                &["python3-venv", "python3-pip"]
            }
            Need::Curl => &["curl"],
            Need::Nmap => &["nmap"],
            Need::CargoFuzz => &["g++"],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Need::Sipp => "SIPp",
            Need::Kamailio => "Kamailio",
            Need::Baresip => "baresip",
            Need::Firewalls => "nftables and ipset",
            Need::Pjsua2 => "pjsua2 for Python",
            Need::Chromium => "Chromium",
            Need::JsSip => "JsSIP (npm)",
            Need::Playwright => "playwright-core and axe-core (npm)",
            Need::OpenSsl => "openssl",
            Need::SipVicious => "SIPVicious",
            Need::Nmap => "nmap",
            Need::Aiosmtpd => "aiosmtpd for Python",
            Need::CargoFuzz => "cargo-fuzz",
            Need::Schemathesis => "Schemathesis",
            Need::Wapiti => "Wapiti",
            Need::Curl => "curl",
        }
    }

    fn install(self, can_apt: bool) -> Result<()> {
        let missing_package = match self {
            Need::Pjsua2
            | Need::SipVicious
            | Need::Aiosmtpd
            | Need::Schemathesis
            | Need::Wapiti => !works("python3", &["-m", "venv", "--help"]),
            Need::CargoFuzz => !works("c++", &["--version"]),
            Need::JsSip | Need::Playwright => !on_path("npm"),
            _ => true,
        };
        if missing_package && can_apt {
            apt(self.packages())?;
        }
        match self {
            Need::Pjsua2 => pip("pjsua2-python"),
            Need::SipVicious => pip("sipvicious"),
            Need::Aiosmtpd => pip("aiosmtpd"),
            Need::Schemathesis => pip("schemathesis"),
            // It wants other versions of what Schemathesis stands on.
            Need::Wapiti => pip_in(&ours().join("venv-wapiti"), "wapiti3"),
            Need::JsSip => {
                let dir = npm();
                std::fs::create_dir_all(&dir)?;
                let mut npm = Command::new("npm");
                npm.args(["install", "--silent", "--no-fund", "--no-audit", "--prefix"]).arg(&dir);
                retry("npm install", npm.args(["jssip@3", "esbuild"]))?;
                let mut bundle = Command::new(dir.join("node_modules/.bin/esbuild"));
                bundle
                    .arg(dir.join("node_modules/jssip/lib/JsSIP.js"))
                    .args(["--bundle", "--format=iife", "--global-name=JsSIP", "--log-level=error"])
                    .arg(format!("--outfile={}", jssip().display()));
                quiet("bundle JsSIP", &mut bundle).map(drop)
            }
            Need::Playwright => {
                std::fs::create_dir_all(npm())?;
                let mut install = Command::new("npm");
                install
                    .args(["install", "--silent", "--no-fund", "--no-audit", "--prefix"])
                    .arg(npm());
                retry("npm install", install.args(["playwright-core@1", "axe-core@4"]))
            }
            Need::CargoFuzz => {
                let mut install = Command::new("cargo");
                retry(
                    "install cargo-fuzz",
                    install.args(["install", "--quiet", "--locked", "cargo-fuzz"]),
                )
            }
            _ => Ok(()),
        }
    }
}

/// The Python that has pjsua2: the system's when it has, else one of our own.
pub fn python() -> String {
    python_with("pjsua2").unwrap_or_else(our_python)
}

/// The Python that has a module, if one has: the system's or one of our own.
pub fn python_with(module: &str) -> Option<String> {
    let import = format!("import {module}");
    ["python3".to_owned(), our_python()].into_iter().find(|python| works(python, &["-c", &import]))
}

fn our_python() -> String {
    venv().join("bin/python3").to_string_lossy().into_owned()
}

/// Installs a package of Python in a place of our own.
fn pip(package: &str) -> Result<()> {
    pip_in(&venv(), package)
}

fn pip_in(venv: &Path, package: &str) -> Result<()> {
    let mut make = Command::new("python3");
    retry("python venv", make.args(["-m", "venv"]).arg(venv))?;
    // Not `bin/pip`: it names the place where it was made, and the target directory may have been copied.
    let mut pip = Command::new(venv.join("bin/python3"));
    retry("pip install", pip.args(["-m", "pip", "install", "--quiet", package]))
}

/// Schemathesis, in a place of our own.
pub fn schemathesis() -> PathBuf {
    venv().join("bin/schemathesis")
}

/// Wapiti, in a place of its own. Debian's does not run with the Python of the same Debian.
pub fn wapiti() -> PathBuf {
    ours().join("venv-wapiti/bin/wapiti")
}

/// JsSIP as a browser takes it.
pub fn jssip() -> PathBuf {
    npm().join("jssip.js")
}

/// Where Node finds playwright-core and axe-core.
pub fn playwright() -> PathBuf {
    npm().join("node_modules")
}

fn npm() -> PathBuf {
    ours().join("npm")
}

fn venv() -> PathBuf {
    ours().join("venv")
}

/// Where we keep what is not the system's.
fn ours() -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    target.join("xtask")
}

/// Makes sure that all of these are there; the names of those that are not.
pub fn provide(needs: &[Need]) -> Vec<&'static str> {
    let missing: Vec<Need> = needs.iter().copied().filter(|need| !need.is_there()).collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let can_apt = nix::unistd::geteuid().is_root() && on_path("apt-get");
    let allowed = can_apt || crate::shell_out::is_ci();
    for need in &missing {
        if allowed {
            println!("  installing {}", need.name());
            if let Err(error) = need.install(can_apt) {
                println!("  {error:#}");
            }
        }
    }
    missing.into_iter().filter(|need| !need.is_there()).map(Need::name).collect()
}

fn apt(packages: &[&str]) -> Result<()> {
    let mut update = Command::new("apt-get");
    retry("apt-get update", update.args(["-qq", "update"]))?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    // Services of installed packages are not wanted: their default configuration would take port 5060.
    install.env("RUNLEVEL", "1");
    install.args(["-qq", "-y", "--no-install-recommends", "install"]).args(packages);
    retry("apt-get install", &mut install)?;
    if packages.contains(&"kamailio") && works("systemctl", &["is-active", "kamailio"]) {
        let _ = quiet(
            "stop kamailio",
            Command::new("systemctl").args(["disable", "--now", "kamailio"]),
        );
    }
    Ok(())
}

fn retry(name: &str, command: &mut Command) -> Result<()> {
    for attempt in 1.. {
        match quiet(name, command) {
            Ok(_) => return Ok(()),
            Err(error) if attempt == 3 => bail!("{error:#}"),
            Err(_) => pause(2_000),
        }
    }
    Ok(())
}
