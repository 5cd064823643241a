//! Programs under test. Lives here: starting, watching and ending children, ports, CPU and memory of
//! processes. Never here: what is asked of them.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A child that does not outlive its guard.
pub struct Guard {
    child: Child,
    name: String,
}

impl Guard {
    /// Starts `command` with its output in `log`, in a process group of its own.
    pub fn start(name: &str, command: &mut Command, log: &Path) -> Result<Guard> {
        use std::os::unix::process::CommandExt as _;
        let out = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        // SAFETY: prctl is async-signal-safe and touches nothing of ours. The child goes when we are killed.
        unsafe {
            command.pre_exec(|| Ok(nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?));
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Guard { child, name: name.to_owned() })
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Is it still running?
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for its end; `None` when it takes longer than `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<Option<i32>> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status.code().unwrap_or(-1)));
            }
            if Instant::now() >= end {
                return Ok(None);
            }
            pause(10);
        }
    }

    /// Sends a signal to the process itself.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(pid(self.id()), signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// SIGTERM, then waits; an error when it does not end in time.
    pub fn stop(mut self, limit: Duration) -> Result<i32> {
        self.signal(Signal::SIGTERM)?;
        match self.wait(limit)? {
            Some(code) => Ok(code),
            None => bail!("{} did not stop within {limit:?}", self.name),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let mut all = family(self.id());
            all.reverse();
            for process in all {
                let _ = kill(pid(process), Signal::SIGKILL);
            }
            let _ = self.child.wait();
        }
    }
}

fn pid(id: u32) -> Pid {
    Pid::from_raw(i32::try_from(id).expect("process ids fit in 31 bits"))
}

/// Waits; the one place where a test does, always inside a loop that looks for something.
pub fn pause(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// Looks every few milliseconds until `found` gives something, at most for `limit`.
pub fn until<T>(limit: Duration, what: &str, mut found: impl FnMut() -> Option<T>) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(thing) = found() {
            return Ok(thing);
        }
        if Instant::now() >= end {
            bail!("{what}: not within {limit:?}");
        }
        pause(5);
    }
}

/// A port that is free for UDP and TCP on 127.0.0.1 at this moment.
pub fn free_port() -> Result<u16> {
    for _ in 0..100 {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = udp.local_addr()?.port();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port is free for UDP and TCP")
}

/// 127.0.0.1 with a port.
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// `command`, on one core when asked.
pub fn pinned(program: &Path, core: Option<usize>) -> Command {
    match core {
        Some(core) => {
            let mut command = Command::new("taskset");
            command.arg("-c").arg(core.to_string()).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// Puts this process on one core.
pub fn pin_self(core: usize) -> Result<()> {
    let mut set = nix::sched::CpuSet::new();
    set.set(core)?;
    nix::sched::sched_setaffinity(Pid::from_raw(0), &set).context("cannot pin to a core")
}

/// A process and all its descendants.
pub fn family(root: u32) -> Vec<u32> {
    let mut parents: Vec<(u32, u32)> = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Some(parent) = stat_field(id, 4) {
            parents.push((id, parent as u32));
        }
    }
    let mut found = vec![root];
    let mut at = 0;
    while at < found.len() {
        let parent = found[at];
        found.extend(parents.iter().filter(|(_, p)| *p == parent).map(|(id, _)| *id));
        at += 1;
    }
    found
}

/// Field of `/proc/PID/stat` by its number in proc(5), from 3 on.
fn stat_field(id: u32, field: usize) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let after_name = &text[text.rfind(')')? + 2..];
    after_name.split(' ').nth(field - 3)?.parse().ok()
}

/// CPU time of a process and its descendants so far, user and system, in seconds.
pub fn cpu_seconds(root: u32) -> f64 {
    let ticks_per_second =
        nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100) as f64;
    let ticks: u64 = family(root)
        .into_iter()
        .map(|id| stat_field(id, 14).unwrap_or(0) + stat_field(id, 15).unwrap_or(0))
        .sum();
    ticks as f64 / ticks_per_second
}

/// CPU time of each thread of a process so far, in seconds, by the thread's name.
pub fn cpu_by_thread(id: u32) -> std::collections::BTreeMap<String, f64> {
    let mut all = std::collections::BTreeMap::new();
    for entry in std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten() {
        let read = |file| std::fs::read_to_string(entry.path().join(file));
        let (Ok(name), Ok(statistics)) = (read("comm"), read("schedstat")) else { continue };
        let nanos: f64 =
            statistics.split(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0.0);
        *all.entry(name.trim().to_owned()).or_insert(0.0) += nanos / 1e9;
    }
    all
}

/// Memory of a process and its descendants in bytes, shared pages counted once.
pub fn memory_bytes(root: u32) -> u64 {
    family(root)
        .into_iter()
        .filter_map(|id| std::fs::read_to_string(format!("/proc/{id}/smaps_rollup")).ok())
        .filter_map(|text| {
            let line = text.lines().find(|line| line.starts_with("Pss:"))?;
            line.split_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .sum::<u64>()
        * 1024
}

/// Datagrams for 127.0.0.1 and this port that the kernel threw away because nobody read them in time: the
/// last column of the socket's line.
pub fn lost_by_kernel(port: u16) -> Result<u64> {
    let table = std::fs::read_to_string("/proc/net/udp")?;
    let address = format!("0100007F:{port:04X}");
    let line = table.lines().find(|line| line.contains(&address)).context("the server's socket")?;
    Ok(line.split_whitespace().next_back().and_then(|drops| drops.parse().ok()).unwrap_or(0))
}

/// Is there a program of this name on the path?
pub fn on_path(name: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|dir| dir.join(name).is_file())
        || Path::new("/usr/sbin").join(name).is_file()
}
