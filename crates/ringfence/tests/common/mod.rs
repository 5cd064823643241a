//! A sandbox for the built program. Lives here: temporary directories, running commands, a node.
//! Never here: expectations.
#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_ringfence");

/// A chosen secret that will do.
pub const SECRET: &str = "lusab.gutih.tugad.42";

/// A directory with a configuration.
pub struct Sandbox {
    dir: tempfile::TempDir,
}

/// What a command did.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    /// All of it, for snapshots.
    pub fn shown(&self) -> String {
        let mut text = format!("exit {}\n{}", self.code, self.out);
        if !self.err.is_empty() {
            text.push_str(&format!("--- stderr\n{}", self.err));
        }
        text
    }

    /// Standard output as JSON lines.
    pub fn json(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
    }
}

impl Sandbox {
    pub fn new() -> Sandbox {
        Sandbox::with("")
    }

    /// With more lines of configuration.
    pub fn with(more: &str) -> Sandbox {
        let dir = tempfile::tempdir().expect("a directory");
        let sandbox = Sandbox { dir };
        let text = format!(
            "[node]\ndata_dir = \"{}\"\nrealm = \"example.com\"\n[access]\nallow = [\"127.0.0.0/8\"]\n[web]\nlisten = \"none\"\nurl = \"https://portal.example.com\"\n[sip]\nlisten = [\"udp:127.0.0.1:0\", \"tcp:127.0.0.1:0\"]\n{more}",
            sandbox.path("data").display()
        );
        sandbox.write("ringfence.toml", &text);
        sandbox
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    /// Runs a command; words are split at spaces.
    pub fn run(&self, words: &str) -> Ran {
        self.run_with(&words.split_whitespace().collect::<Vec<_>>(), "", &[])
    }

    /// Runs a command that must succeed.
    pub fn ok(&self, words: &str) -> Ran {
        let ran = self.run(words);
        assert_eq!(ran.code, 0, "{words}: {}", ran.shown());
        ran
    }

    pub fn run_with(&self, words: &[&str], stdin: &str, environment: &[(&str, &str)]) -> Ran {
        let mut child = self
            .command(words)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut input = child.stdin.take().expect("piped");
        input.write_all(stdin.as_bytes()).expect("written");
        drop(input);
        let done = child.wait_with_output().expect("it ends");
        Ran {
            code: done.status.code().unwrap_or(-1),
            out: self.hide(&String::from_utf8_lossy(&done.stdout)),
            err: self.hide(&String::from_utf8_lossy(&done.stderr)),
        }
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words).current_dir(self.dir.path());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RINGFENCE_")) {
            command.env_remove(name);
        }
        command.env("RINGFENCE_CONFIG", "ringfence.toml").env("RINGFENCE_STAFF", "eve");
        command
    }

    /// The sandbox's place differs from run to run.
    fn hide(&self, text: &str) -> String {
        text.replace(&self.dir.path().display().to_string(), "DIR")
    }

    /// An account with a line (user `alice`, secret [`SECRET`]), a deck and a trunk.
    pub fn settle(&self, trunk: SocketAddr) {
        self.write("deck.csv", DECK);
        self.ok("rates import deck.csv --deck retail");
        self.ok("account add alice");
        let line = ["line", "add", "alice", "alice", "--secret-stdin"];
        let added = self.run_with(&line, &format!("{SECRET}\n"), &[]);
        assert_eq!(added.code, 0, "{}", added.shown());
        self.ok(&format!("trunk add carrier {trunk} --source 127.0.0.9/32 --emergency"));
    }
}

pub const DECK: &str = "prefix,name,per_minute,connect_fee,first_increment,increment\n\
    44,United Kingdom,0.01,0,1,1\n447,United Kingdom mobile,0.03,0,1,1\n33,France,0.012,0,1,1\n53,Cuba,0.72,0.05,60,60\n";

/// A running node; killed when it goes out of scope.
pub struct Node {
    child: Child,
    lines: BufReader<std::process::ChildStderr>,
    pub udp: SocketAddr,
    pub tcp: SocketAddr,
    pub log: Vec<Value>,
}

impl Node {
    /// Starts and waits until it listens.
    pub fn start(sandbox: &Sandbox) -> Node {
        let mut child = sandbox
            .command(&["serve"])
            .env("RINGFENCE_LOG__FORMAT", "json")
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(child.stderr.take().expect("piped"));
        let none = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut node = Node { child, lines, udp: none, tcp: none, log: Vec::new() };
        while node.udp == none || node.tcp == none {
            let line = node.line().expect("it listens before it ends");
            if line["message"] == "listening" {
                let local = line["local"].as_str().and_then(|text| text.parse().ok());
                let local = local.expect("an address");
                if line["transport"] == "udp" { node.udp = local } else { node.tcp = local }
            }
        }
        node
    }

    /// The next log line; `None` at the end.
    fn line(&mut self) -> Option<Value> {
        let mut text = String::new();
        self.lines.read_line(&mut text).ok().filter(|count| *count > 0)?;
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        self.log.push(value.clone());
        Some(value)
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id")
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.pid());
        nix::sys::signal::kill(pid, signal).expect("the process is there");
    }

    /// Waits for its end: exit code and remaining log.
    pub fn wait(mut self) -> (Option<i32>, Vec<Value>) {
        while self.line().is_some() {}
        let status = self.child.wait().expect("it ends");
        (status.code(), std::mem::take(&mut self.log))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The repository's root.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
