//! Running SIPp. Lives here: its command line, its files, what it says at its end.
//! Never here: scenarios (peers/sipp).

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::{Guard, free_port, loopback};
use crate::shell_out::root;

/// A running SIPp.
pub struct Sipp {
    guard: Guard,
    address: SocketAddr,
    dir: PathBuf,
    name: String,
}

/// What SIPp counted.
#[derive(Debug, PartialEq, Eq)]
pub struct Counted {
    /// Calls that went as the scenario says.
    pub successful: u64,
    /// Calls that did not.
    pub failed: u64,
    /// Messages that the scenario does not have.
    pub unexpected: u64,
}

impl Sipp {
    /// A carrier that answers `calls` calls and then ends.
    pub fn carrier(dir: &Path, name: &str, tcp: bool, calls: usize) -> Result<Sipp> {
        Sipp::start(dir, name, "carrier.xml", tcp, calls, &[])
    }

    /// Phones that place `calls` calls, `rate` a second, with the users of a file, to one number.
    pub fn callers(
        dir: &Path,
        name: &str,
        tcp: bool,
        server: SocketAddr,
        users: &Path,
        (number, calls, rate): (&str, usize, usize),
    ) -> Result<Sipp> {
        let rate = rate.to_string();
        let uri = format!("{number}@example.com");
        let (server, users) = (server.to_string(), users.to_string_lossy().into_owned());
        let arguments = [
            &server,
            "-inf",
            &users,
            "-key",
            "number",
            number,
            "-auth_uri",
            &uri,
            "-r",
            &rate,
            "-l",
            "5000",
        ];
        Sipp::start(dir, name, "caller.xml", tcp, calls, &arguments)
    }

    fn start(
        dir: &Path,
        name: &str,
        file: &str,
        tcp: bool,
        calls: usize,
        more: &[&str],
    ) -> Result<Sipp> {
        let port = free_port()?;
        let mut command = Command::new("sipp");
        command.current_dir(dir).args(more);
        command.arg("-sf").arg(root().join("peers/sipp").join(file));
        command.args(["-i", "127.0.0.1", "-p", &port.to_string(), "-m", &calls.to_string()]);
        command.args(["-t", if tcp { "t1" } else { "u1" }, "-nostdin", "-buff_size", "1048576"]);
        command.args(["-trace_stat", "-stf", &format!("{name}.csv"), "-fd", "2"]);
        command.args(["-trace_err", "-error_file", &format!("{name}.err")]);
        command.args(["-trace_logs", "-log_file", &format!("{name}.log")]);
        let guard = Guard::start(name, &mut command, &dir.join(format!("{name}.out")))?;
        Ok(Sipp { guard, address: loopback(port), dir: dir.to_owned(), name: name.to_owned() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for its end; an error unless every call went as the scenario says.
    pub fn finish(mut self, limit: Duration) -> Result<Counted> {
        let code = self.guard.wait(limit)?;
        let counted = self.counted();
        match (code, counted) {
            (Some(0), Ok(counted)) if counted.failed == 0 && counted.unexpected == 0 => Ok(counted),
            (code, counted) => {
                let errors = std::fs::read_to_string(self.dir.join(format!("{}.err", self.name)));
                let errors: String = errors.unwrap_or_default().chars().take(1_500).collect();
                bail!("{} ended with {code:?}, counted {counted:?}: {errors}", self.name)
            }
        }
    }

    /// As [`Sipp::finish`], with the milliseconds from answer to hang-up that callers noted, by Call-ID.
    pub fn finish_with_durations(
        self,
        limit: Duration,
    ) -> Result<(Counted, BTreeMap<String, u64>)> {
        let log = self.dir.join(format!("{}.log", self.name));
        let counted = self.finish(limit)?;
        Ok((counted, read_durations(&std::fs::read_to_string(log)?)?))
    }

    fn counted(&self) -> Result<Counted> {
        let text = std::fs::read_to_string(self.dir.join(format!("{}.csv", self.name)))?;
        read_statistics(&text)
    }
}

/// The last line of a statistics file, by its column names.
fn read_statistics(text: &str) -> Result<Counted> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().context("no statistics")?.split(';').collect();
    let last: Vec<&str> = lines.next_back().context("no statistics")?.split(';').collect();
    let column = |name: &str| -> Result<u64> {
        let at =
            names.iter().position(|found| *found == name).with_context(|| format!("no {name}"))?;
        Ok(last.get(at).context("a short line")?.parse()?)
    };
    Ok(Counted {
        successful: column("SuccessfulCall(C)")?,
        failed: column("FailedCall(C)")?,
        unexpected: column("FailedUnexpectedMessage(C)")? + column("OutOfCallMsgs(C)")?,
    })
}

/// Reads lines `up CALL-ID MS` and `down CALL-ID MS`.
fn read_durations(text: &str) -> Result<BTreeMap<String, u64>> {
    let (mut up, mut talked) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [what, call_id, at] = words[..] else { continue };
        let at: u64 = at.parse().with_context(|| format!("no time: {line}"))?;
        match what {
            "up" => _ = up.insert(call_id, at),
            "down" => {
                let from = up.get(call_id).with_context(|| format!("down before up: {line}"))?;
                talked.insert(call_id.to_owned(), at - from);
            }
            _ => {}
        }
    }
    Ok(talked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations() {
        let got = read_durations("up a@b 5\nup c@d 7\ndown a@b 1005\ndown c@d 8\n").expect("good");
        assert_eq!(got, BTreeMap::from([("a@b".to_owned(), 1_000), ("c@d".to_owned(), 1)]));
        assert!(read_durations("down a 5\n").is_err());
    }

    #[test]
    fn reads_statistics() {
        let text = "A;SuccessfulCall(C);FailedCall(C);FailedUnexpectedMessage(C);OutOfCallMsgs(C);\n\
                    0;1;0;0;0;\n0;7;2;1;1;\n";
        let want = Counted { successful: 7, failed: 2, unexpected: 2 };
        assert_eq!(read_statistics(text).expect("statistics"), want);
        assert!(read_statistics("A;B\n1;2\n").is_err());
    }
}
