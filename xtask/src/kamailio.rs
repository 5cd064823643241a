//! Kamailio as a peer: the one Ringfence is measured beside, and a carrier that relays.
//! Never here: what is asked of it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::process::{Guard, free_port, loopback, pinned, until};
use crate::sip_client;

/// A running Kamailio, ended with its guard.
pub struct Kamailio {
    guard: Guard,
    port: u16,
    _dir: TempDir,
}

impl Kamailio {
    /// The registrar and relay of the benches: carrier on `carrier_port`, one secret for all users, with
    /// these definitions of the configuration's.
    pub fn registrar(
        carrier_port: u16,
        secret: &str,
        children: u32,
        core: usize,
        defines: &[&str],
    ) -> Result<Kamailio> {
        let template = include_str!("../../peers/kamailio-bench.cfg");
        let changes = [
            ("@CARRIER@", carrier_port.to_string()),
            ("@SECRET@", secret.to_owned()),
            ("@CHILDREN@", children.to_string()),
        ];
        Kamailio::start(template, &changes, Some(core), defines)
    }

    /// A carrier's proxy that relays what it gets to `behind` and back.
    pub fn carrier(behind: SocketAddr) -> Result<Kamailio> {
        let template = include_str!("../../peers/kamailio-carrier.cfg");
        let changes =
            [("@BEHIND@", behind.to_string()), ("@BEHIND_PORT@", behind.port().to_string())];
        Kamailio::start(template, &changes, None, &[])
    }

    fn start(
        template: &str,
        changes: &[(&str, String)],
        core: Option<usize>,
        defines: &[&str],
    ) -> Result<Kamailio> {
        let dir = tempfile::tempdir()?;
        let port = free_port()?;
        let mut text = template.replace("@PORT@", &port.to_string());
        for (from, to) in changes {
            text = text.replace(from, to);
        }
        let config = dir.path().join("kamailio.cfg");
        std::fs::write(&config, text)?;
        let log = dir.path().join("log");
        let mut command = pinned(&program(), core);
        // The tlsf allocator: Debian's default costs three times the CPU.
        command.args(["-DD", "-x", "tlsf", "-X", "tlsf", "-m", "1024", "-M", "64"]);
        for define in defines {
            command.args(["-A", define]);
        }
        command.arg("-f").arg(&config).arg("-Y").arg(dir.path()).arg("-w").arg(dir.path());
        let mut guard = Guard::start("kamailio", &mut command, &log)?;
        until(Duration::from_secs(15), "kamailio answers OPTIONS", || {
            (!guard.is_running() || sip_client::ping(loopback(port))).then_some(())
        })
        .with_context(|| said(&log))?;
        anyhow::ensure!(guard.is_running(), "kamailio ended at once: {}", said(&log));
        Ok(Kamailio { guard, port, _dir: dir })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        loopback(self.port)
    }

    /// Its main process.
    pub fn id(&self) -> u32 {
        self.guard.id()
    }
}

fn program() -> PathBuf {
    let debian = Path::new("/usr/sbin/kamailio");
    if debian.is_file() { debian.to_owned() } else { PathBuf::from("kamailio") }
}

fn said(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}
