//! The program under test. Lives here: building it, its configuration, its commands, starting and killing.
//! Never here: its code; only what an operator can do is done.

use std::io::Write as _;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Guard, free_port, loopback, pinned, until};
use crate::proof::{Built, executables};
use crate::sip_client::tls::Authority;
use crate::sip_client::{self, Way, Wire};

/// What a test wants differently from the rest.
#[derive(Clone, Default)]
pub struct Setup {
    /// As it is shipped: its speed is the question.
    pub is_measured: bool,
    /// Run the server on this core only.
    pub core: Option<usize>,
    /// Digest algorithms offered, in order; empty: the program's default.
    pub digest: Vec<&'static str>,
    /// More domains that are ours.
    pub domains: Vec<&'static str>,
    /// Listen at the loopback address of IPv6, too.
    pub ipv6: bool,
    /// Listen for TLS and WebSocket, too.
    pub tls: bool,
    /// Who vouches for trunks.
    pub trunk_ca: Option<PathBuf>,
    /// Hold strangers on the loopback net to a rate and ban them: elsewhere our own tests are strangers.
    pub screens_loopback: bool,
    /// More lines for the `[money]` section.
    pub money: Vec<String>,
    /// More lines for the `[sip]` section.
    pub sip: Vec<String>,
    /// More lines for the end of the configuration.
    pub more: Vec<String>,
    /// Serve the pages at this port.
    pub web: Option<u16>,
    /// More lines of `[web]`.
    pub web_more: Vec<String>,
    /// Lines of `[access]`.
    pub access: Vec<String>,
}

/// One installation in a directory of its own, running or not.
pub struct Ringfence {
    binary: PathBuf,
    dir: TempDir,
    port: u16,
    secure: Option<SecurePorts>,
    core: Option<usize>,
    guard: Option<Guard>,
}

/// Where TLS is spoken, and who vouches for it.
struct SecurePorts {
    tls: u16,
    wss: u16,
    authority: Authority,
}

/// The names of the server in tests.
const NAMES: [&str; 4] = ["127.0.0.1", "::1", "localhost", "example.com"];

/// The deck that every account of the tests gets.
pub const DECK: &str = "test";

/// The price list of the tests: round figures that people can add up.
pub const DECK_CSV: &str = include_str!("../../peers/deck.csv");

impl Ringfence {
    /// Writes a configuration and imports the deck; nothing runs yet.
    pub fn prepare(setup: Setup) -> Result<Ringfence> {
        let dir = tempfile::tempdir()?;
        let port = free_port()?;
        let secure = if setup.tls { Some(SecurePorts::prepare(dir.path())?) } else { None };
        let config = config(dir.path(), port, secure.as_ref(), &setup);
        std::fs::write(dir.path().join("ringfence.toml"), config)?;
        let deck = dir.path().join("deck.csv");
        std::fs::write(&deck, DECK_CSV)?;
        let made = Ringfence {
            binary: binary(setup.is_measured)?,
            dir,
            port,
            secure,
            core: setup.core,
            guard: None,
        };
        made.command(&["rates", "import", &deck.to_string_lossy(), "--deck", DECK])?;
        Ok(made)
    }

    /// Starts the server and waits until it answers.
    pub fn start(&mut self) -> Result<()> {
        let log = self.dir.path().join("serve.log");
        let mut command = pinned(&self.binary, self.core);
        command.arg("serve").arg("-c").arg(self.config_file());
        let mut guard = Guard::start("ringfence serve", &mut command, &log)?;
        let address = self.address();
        until(Duration::from_secs(30), "ringfence answers OPTIONS", || {
            (!guard.is_running() || sip_client::ping(address)).then_some(())
        })
        .with_context(|| self.log())?;
        if !guard.is_running() {
            bail!("ringfence serve ended at once:\n{}", self.log());
        }
        self.guard = Some(guard);
        Ok(())
    }

    /// SIGKILL: no chance to write anything more.
    pub fn kill(&mut self) -> Result<()> {
        let mut guard = self.guard.take().context("the server does not run")?;
        guard.signal(Signal::SIGKILL)?;
        guard.wait(Duration::from_secs(5))?.context("it survived SIGKILL")?;
        Ok(())
    }

    /// SIGTERM, and no waiting.
    pub fn terminate(&self) -> Result<()> {
        self.guard.as_ref().context("the server does not run")?.signal(Signal::SIGTERM)
    }

    /// Its exit code, once it has ended by itself.
    pub fn ended(&mut self, limit: Duration) -> Result<i32> {
        let mut guard = self.guard.take().context("the server does not run")?;
        guard
            .wait(limit)?
            .with_context(|| format!("it still runs after {limit:?}:\n{}", self.log()))
    }

    /// SIGTERM and a clean end.
    pub fn stop(&mut self) -> Result<()> {
        let guard = self.guard.take().context("the server does not run")?;
        match guard.stop(Duration::from_secs(60))? {
            0 => Ok(()),
            code => bail!("serve ended with {code}:\n{}", self.log()),
        }
    }

    /// Does it still run?
    pub fn is_running(&mut self) -> bool {
        self.guard.as_mut().is_some_and(Guard::is_running)
    }

    /// Where it listens, UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        loopback(self.port)
    }

    /// Where it listens for TLS.
    pub fn tls_address(&self) -> SocketAddr {
        loopback(self.secure.as_ref().map_or(0, |ports| ports.tls))
    }

    /// Where it listens for WebSocket.
    pub fn wss_address(&self) -> SocketAddr {
        loopback(self.secure.as_ref().map_or(0, |ports| ports.wss))
    }

    /// Who vouches for it.
    pub fn authority(&self) -> Result<&Authority> {
        Ok(&self.secure.as_ref().context("the server has no TLS")?.authority)
    }

    /// The same in a file.
    pub fn authority_file(&self) -> PathBuf {
        self.dir().join("authority.pem")
    }

    /// Where its certificate and key are.
    pub fn certificate_files(&self) -> (PathBuf, PathBuf) {
        certificate_files(self.dir())
    }

    /// A new certificate in place of the old one.
    pub fn renew_certificate(&self) -> Result<()> {
        let (certificate, key) = self.certificate_files();
        self.authority()?.issue(&NAMES, &certificate, &key)
    }

    /// A wire to it, from an address of ours; whose family says to which of its addresses.
    pub fn wire(&self, way: Way, from: IpAddr) -> Result<Wire> {
        let port = match way {
            Way::Udp | Way::Tcp => self.port,
            Way::Tls => self.tls_address().port(),
            Way::Wss => self.wss_address().port(),
        };
        let server = match from {
            IpAddr::V4(_) => loopback(port),
            IpAddr::V6(_) => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), port),
        };
        match way {
            Way::Udp => Wire::udp(from, server),
            Way::Tcp => Wire::tcp_from(from, server),
            Way::Tls => Wire::tls_from(from, server, &self.authority()?.client()?),
            Way::Wss => Wire::wss_from(from, server, &self.authority()?.client()?),
        }
    }

    /// SIGHUP.
    pub fn hang_up(&self) -> Result<()> {
        self.guard.as_ref().context("the server does not run")?.signal(Signal::SIGHUP)
    }

    /// Process id of the server.
    pub fn id(&self) -> u32 {
        self.guard.as_ref().map_or(0, Guard::id)
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Its configuration.
    pub fn config_file(&self) -> PathBuf {
        self.dir.path().join("ringfence.toml")
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(self.dir.path().join("serve.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Runs a command; its output, or an error with what it said.
    pub fn command(&self, arguments: &[&str]) -> Result<String> {
        self.command_with(arguments, "")
    }

    /// Runs a command with a text on its standard input.
    pub fn command_with(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut child = Command::new(&self.binary)
            .args(arguments)
            .env("RINGFENCE_CONFIG", self.config_file())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that reads nothing may be gone already.
            let _ = stdin.write_all(input.as_bytes());
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!(
                "`ringfence {}` failed: {}{}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs a command with `--json`; its objects, from one array or one a line.
    pub fn json(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        let text = self.command(&arguments)?;
        let mut found = Vec::new();
        for value in serde_json::Deserializer::from_str(&text).into_iter::<Value>() {
            match value.with_context(|| format!("not JSON: {text}"))? {
                Value::Array(values) => found.extend(values),
                value => found.push(value),
            }
        }
        Ok(found)
    }

    /// An account with the deck of the tests.
    pub fn add_account(&self, name: &str, kind: &str) -> Result<()> {
        self.command(&["account", "add", name, "--kind", kind, "--deck", DECK]).map(drop)
    }

    /// Changes controls: `key=value`.
    pub fn set(&self, account: &str, changes: &[&str]) -> Result<()> {
        self.command(&[&["account", "set", account], changes].concat()).map(drop)
    }

    /// No limit that a test would meet.
    pub fn lift_limits(&self, account: &str) -> Result<()> {
        self.set(
            account,
            &[
                "calls=60000",
                "costly_calls=60000",
                "stop_level_24h=100000000",
                "stop_level_off_hours=none",
                "stop_level_all_24h=100000000",
                "warning_level=100000000",
            ],
        )
    }

    /// A line with a chosen secret.
    pub fn add_line(&self, account: &str, user: &str, secret: &str) -> Result<()> {
        self.command_with(&["line", "add", account, user, "--secret-stdin"], &format!("{secret}\n"))
            .map(drop)
    }

    /// Many lines at once: account, user, secret.
    pub fn import_lines(
        &self,
        lines: impl Iterator<Item = (String, String, String)>,
    ) -> Result<()> {
        let file = self.dir.path().join("lines.csv");
        let mut text = String::from("account,user,secret\n");
        for (account, user, secret) in lines {
            text.push_str(&format!("{account},{user},{secret}\n"));
        }
        std::fs::write(&file, text)?;
        let file = file.to_string_lossy().into_owned();
        self.command(&[
            "line",
            "import",
            &file,
            "--create-accounts",
            "--kind",
            "pbx",
            "--deck",
            DECK,
        ])
        .map(drop)
    }

    /// A trunk that takes all numbers. Its calls to us would come from an address of their own: phones of
    /// the tests sit where the carrier listens, and must not be taken for it.
    pub fn add_trunk(&self, name: &str, address: SocketAddr, more: &[&str]) -> Result<()> {
        let address = address.to_string();
        let base = [
            "trunk",
            "add",
            name,
            &address,
            "--route",
            "all:10",
            "--source",
            "127.0.0.200/32",
            "--cost-deck",
            DECK,
        ];
        self.command(&[&base[..], more].concat()).map(drop)
    }

    /// All call records, the newest last.
    pub fn calls(&self) -> Result<Vec<Value>> {
        let mut calls = self.json(&["calls", "--limit", "0"])?;
        calls.sort_by_key(|call| (call["started"].as_i64(), call["decision"].to_string()));
        Ok(calls)
    }
}

impl SecurePorts {
    fn prepare(dir: &Path) -> Result<SecurePorts> {
        let ports =
            SecurePorts { tls: free_port()?, wss: free_port()?, authority: Authority::new()? };
        let (certificate, key) = certificate_files(dir);
        std::fs::write(dir.join("authority.pem"), ports.authority.pem())?;
        ports.authority.issue(&NAMES, &certificate, &key)?;
        Ok(ports)
    }
}

fn certificate_files(dir: &Path) -> (PathBuf, PathBuf) {
    (dir.join("certificate.pem"), dir.join("key.pem"))
}

fn config(dir: &Path, port: u16, secure: Option<&SecurePorts>, setup: &Setup) -> String {
    let digest = match setup.digest.as_slice() {
        [] => String::new(),
        names => format!("digest = {names:?}\n"),
    };
    let mut listen = vec![format!("udp:127.0.0.1:{port}"), format!("tcp:127.0.0.1:{port}")];
    if setup.ipv6 {
        listen.extend([format!("udp:[::1]:{port}"), format!("tcp:[::1]:{port}")]);
    }
    let mut tls = String::new();
    if let Some(ports) = secure {
        let addresses = if setup.ipv6 { &["127.0.0.1", "[::1]"][..] } else { &["127.0.0.1"] };
        for address in addresses {
            listen.push(format!("tls:{address}:{}", ports.tls));
            listen.push(format!("wss:{address}:{}", ports.wss));
        }
        let (certificate, key) = certificate_files(dir);
        tls = format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n");
        if let Some(roots) = &setup.trunk_ca {
            tls.push_str(&format!("trunk_ca = {roots:?}\n"));
        }
        tls.push('\n');
    }
    let allow = match setup.screens_loopback {
        true => "",
        false => "allow = [\"127.0.0.0/8\", \"::1/128\"]\n",
    };
    let web = setup.web.map_or_else(|| "none".to_owned(), |port| format!("127.0.0.1:{port}"));
    let access = format!("[access]\n{allow}{}\n\n", setup.access.join("\n"));
    let domains = [&["example.com", "127.0.0.1"], setup.domains.as_slice()].concat();
    format!(
        "[node]\ndata_dir = {:?}\nrealm = \"example.com\"\ndomains = {domains:?}\n\n\
         [sip]\nlisten = {listen:?}\n{digest}{}\n\n\
         [web]\nlisten = \"{web}\"\nlook_at_private = true\n{}\n\n[platform]\nhome = \"GB\"\ncurrency = \"GBP\"\n\n{tls}{access}[money]\n{}\n\n{}\n",
        dir.join("data"),
        setup.sip.join("\n"),
        setup.web_more.join("\n"),
        setup.money.join("\n"),
        setup.more.join("\n")
    )
}

/// The program: that of the proofs, or as it is shipped where it is measured; or the one that `XTASK_RINGFENCE` names.
pub fn binary(is_measured: bool) -> Result<PathBuf> {
    static SHIPPED: OnceLock<PathBuf> = OnceLock::new();
    if let Some(named) = std::env::var_os("XTASK_RINGFENCE") {
        return Ok(PathBuf::from(named));
    }
    if !is_measured {
        return Ok(Built::get()?.program("ringfence")?.to_owned());
    }
    if let Some(path) = SHIPPED.get() {
        return Ok(path.clone());
    }
    let mut built = executables(&["build", "--release", "--package", "ringfence"])?;
    let path = built.remove("ringfence").context("cargo named no executable")?;
    Ok(SHIPPED.get_or_init(|| path).clone())
}
