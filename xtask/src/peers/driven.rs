//! Real phones on a leash: pjsua2 by lines and JSON, baresip by its TCP control. Lives here: starting them,
//! pressing their buttons, hearing what they say. Never here: what is expected.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::process::{Guard, free_port, loopback, until};
use crate::shell_out::root;

const PATIENCE: Duration = Duration::from_secs(10);

/// A pjsua2 phone.
pub struct Pjsua {
    child: Child,
    ear: Ear,
}

impl Pjsua {
    /// Starts one and waits until it is registered.
    pub fn start(
        server: SocketAddr,
        transport: &str,
        user: &str,
        secret: &str,
        algorithm: &str,
    ) -> Result<Pjsua> {
        Pjsua::start_with(server, transport, user, secret, &["--algorithm", algorithm])
    }

    /// As [`Pjsua::start`], with more arguments.
    pub fn start_with(
        server: SocketAddr,
        transport: &str,
        user: &str,
        secret: &str,
        more: &[&str],
    ) -> Result<Pjsua> {
        let mut child = Command::new(crate::setup::python())
            .arg(root().join("peers/pjsua_phone.py"))
            .args(["--server", &server.to_string(), "--transport", transport, "--user", user])
            .args(["--secret", secret])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start pjsua2")?;
        let out = child.stdout.take().context("its output")?;
        let (sender, said) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if let Ok(value) = serde_json::from_str(&line)
                    && sender.send(value).is_err()
                {
                    return;
                }
            }
        });
        let mut phone = Pjsua { child, ear: Ear::new("pjsua2", said) };
        phone.expect("registered", &[("status", "200")])?;
        Ok(phone)
    }

    /// Presses a button.
    pub fn press(&mut self, line: &str) -> Result<()> {
        let stdin = self.child.stdin.as_mut().context("its input")?;
        writeln!(stdin, "{line}").context("pjsua2 is gone")
    }

    /// Waits for an event with these fields; what came before it is passed over.
    pub fn expect(&mut self, event: &str, fields: &[(&str, &str)]) -> Result<Value> {
        self.ear.expect(event, fields)
    }
}

/// Hears what a phone says.
pub struct Ear {
    name: &'static str,
    said: Receiver<Value>,
    heard: Vec<Value>,
}

impl Ear {
    /// Nothing heard yet.
    pub fn new(name: &'static str, said: Receiver<Value>) -> Ear {
        Ear { name, said, heard: Vec::new() }
    }

    /// Waits for an event with these fields; what came before it is passed over.
    pub fn expect(&mut self, event: &str, fields: &[(&str, &str)]) -> Result<Value> {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.said.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(value) => {
                    self.heard.push(value.clone());
                    let fits = value["event"] == event
                        && fields.iter().all(|(name, want)| plain(&value[*name]) == *want);
                    if fits {
                        return Ok(value);
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    let heard: Vec<String> = self.heard.iter().map(Value::to_string).collect();
                    let (name, heard) = (self.name, heard.join(" "));
                    bail!("{name} did not say {event} {fields:?}; it said {heard}");
                }
            }
        }
    }

    /// All events of one kind so far.
    pub fn heard(&self, event: &str) -> Vec<Value> {
        self.heard.iter().filter(|value| value["event"] == event).cloned().collect()
    }
}

impl Drop for Pjsua {
    fn drop(&mut self) {
        let _ = self.press("quit");
        let end = Instant::now() + Duration::from_secs(3);
        while Instant::now() < end {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            crate::process::pause(20);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A baresip phone.
pub struct Baresip {
    _guard: Guard,
    dir: TempDir,
    control: TcpStream,
    pending: Vec<u8>,
    events: VecDeque<Value>,
    heard: Vec<String>,
}

impl Baresip {
    /// Starts one and waits until it is registered.
    /// `authority`: in PEM, whom it believes about the server's certificate; empty without TLS.
    pub fn start(
        server: SocketAddr,
        transport: &str,
        user: &str,
        secret: &str,
        authority: &str,
    ) -> Result<Baresip> {
        let dir = tempfile::tempdir()?;
        let port = free_port()?;
        let config = include_str!("../../../peers/baresip.config")
            .replace("@SIP@", &loopback(free_port()?).to_string())
            .replace("@CONTROL@", &loopback(port).to_string())
            .replace("@MODULES@", &modules());
        let authorities = dir.path().join("authority.pem");
        std::fs::write(&authorities, authority)?;
        // It does not start with a file that names nobody.
        let line = match authority {
            "" => String::new(),
            _ => format!("sip_cafile {}", authorities.display()),
        };
        let config = config.replace("@AUTHORITY@", &line);
        std::fs::write(dir.path().join("config"), config)?;
        let account = format!(
            "<sip:{user}@example.com;transport={transport}>;auth_user={user};auth_pass={secret};\
             outbound=\"sip:{server};transport={transport}\";regint=600;answermode=manual\n"
        );
        std::fs::write(dir.path().join("accounts"), account)?;
        std::fs::write(dir.path().join("contacts"), "")?;
        let mut command = Command::new("baresip");
        command.arg("-f").arg(dir.path()).arg("-s");
        let guard = Guard::start("baresip", &mut command, &dir.path().join("log"))?;
        let control = until(Duration::from_secs(10), "baresip takes commands", || {
            TcpStream::connect(loopback(port)).ok()
        })
        .with_context(|| std::fs::read_to_string(dir.path().join("log")).unwrap_or_default())?;
        control.set_read_timeout(Some(Duration::from_millis(50)))?;
        let mut phone = Baresip {
            _guard: guard,
            dir,
            control,
            pending: Vec::new(),
            events: VecDeque::new(),
            heard: Vec::new(),
        };
        // It may have registered before anybody listened to its events: its trace tells.
        let log = phone.dir.path().join("log");
        until(PATIENCE, "baresip registers", || {
            std::fs::read_to_string(&log).ok().filter(|trace| trace.contains("SIP/2.0 200 OK"))
        })
        .with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
        phone.listen()?;
        phone.events.clear();
        Ok(phone)
    }

    /// Gives a command.
    pub fn press(&mut self, command: &str, parameters: &str) -> Result<()> {
        let text = serde_json::json!({"command": command, "params": parameters}).to_string();
        // Netstring framing.
        write!(self.control, "{}:{text},", text.len()).context("baresip is gone")
    }

    /// Waits for an event of this type.
    pub fn expect(&mut self, kind: &str) -> Result<Value> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            while let Some(event) = self.events.pop_front() {
                self.heard.push(format!("{} {}", event["type"], event["param"]));
                if event["type"] == kind {
                    return Ok(event);
                }
            }
            self.listen()?;
        }
        let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
        let end: String = log.chars().skip(log.chars().count().saturating_sub(4_000)).collect();
        bail!("baresip did not say {kind}; it said {}\n{end}", self.heard.join(", "))
    }

    fn listen(&mut self) -> Result<()> {
        let mut buffer = [0; 4096];
        match self.control.read(&mut buffer) {
            Ok(0) => bail!("baresip closed its control connection"),
            Ok(length) => self.pending.extend_from_slice(&buffer[..length]),
            Err(_) => {}
        }
        while let Some((text, rest)) = netstring(&self.pending) {
            if let Ok(value) = serde_json::from_slice::<Value>(&text)
                && value["event"] == true
            {
                self.events.push_back(value);
            }
            self.pending = rest;
        }
        Ok(())
    }
}

/// The first whole netstring, and what follows it.
fn netstring(bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let colon = bytes.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(&bytes[..colon]).ok()?.parse().ok()?;
    let text = bytes.get(colon + 1..colon + 1 + length)?;
    let rest = bytes.get(colon + 2 + length..)?;
    Some((text.to_vec(), rest.to_vec()))
}

fn modules() -> String {
    let places = ["/usr/lib/baresip/modules", "/usr/lib/x86_64-linux-gnu/baresip/modules"];
    let found = places.into_iter().find(|place| Path::new(place).is_dir());
    found.unwrap_or("/usr/local/lib/baresip/modules").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_netstrings() {
        assert_eq!(netstring(b"3:abc,2:x"), Some((b"abc".to_vec(), b"2:x".to_vec())));
        assert_eq!(netstring(b"3:ab"), None);
        assert_eq!(netstring(b"12"), None);
    }
}
