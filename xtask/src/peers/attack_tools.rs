//! Attack tools get nothing: SIPVicious, and nmap's SIP scripts. Lives here: running them against our port,
//! reading what they print. Never here: the tools, or what we make of a User-Agent.
//!
//! Each tool is first shown to work: against a line whose secret is the first that it tries it reports the
//! secret. With the same secret behind a lock-out in its list it must report nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::SECRET;
use super::login::house_with;
use crate::process::Guard;
use crate::ringfence::{Ringfence, Setup};
use crate::setup::python_with;

/// Lines that exist, besides alice and bob.
const LINES: [&str; 5] = ["100", "104", "200", "300", "301"];
/// Names that are asked for: ours and nobody's.
const ASKED: [&str; 10] =
    ["100", "101", "102", "103", "104", "105", "200", "alice", "bob", "nobody"];
/// Wrong secrets before the right one: more than are forgiven.
const WRONG: usize = 20;
/// No tool may take longer.
const PATIENCE: Duration = Duration::from_secs(90);
/// What a phone of these days calls itself.
const PHONE: &str = "Yealink SIP-T46U 108.86.0.20";

/// A house to attack. MD5 alone is offered, which is all that the tools speak.
struct Target<'h> {
    ringfence: &'h Ringfence,
    dir: &'h Path,
    runs: AtomicUsize,
}

/// All tools, one after the other.
pub fn get_nothing() -> Result<()> {
    let house = house_with(Setup { digest: vec!["md5"], ..Setup::default() })?;
    for line in LINES {
        house.ringfence.add_line("a", line, SECRET)?;
    }
    let ringfence = &house.ringfence;
    let target = Target { ringfence, dir: ringfence.dir(), runs: AtomicUsize::new(0) };
    target.write_lists()?;
    let mut said = vec![svmap(&target)?];
    said.extend(svwar(&target)?);
    said.push(svcrack(&target)?);
    said.push(nmap(&target)?);
    let locks = ringfence.json(&["access", "locks"])?;
    let status = ringfence.json(&["status"])?;
    let node = &status[0]["node"];
    let locked = node["log_ins_locked"].as_u64().unwrap_or(0);
    ensure!(locked > 0 && !locks.is_empty(), "no lock-out: {node}, {locks:?}");
    // What is counted as refused is little: the lock-outs have eaten the rest.
    for line in said {
        println!("        {line}");
    }
    println!("        {} lock-outs, {locked} log-ins not looked at", locks.len());
    Ok(())
}

impl Target<'_> {
    /// Lists of names and secrets for the tools.
    fn write_lists(&self) -> Result<()> {
        let wrong = (0..WRONG).map(|at| format!("wrong-{at}"));
        let late: Vec<String> = wrong.clone().chain([SECRET.to_owned()]).collect();
        let early: Vec<String> = [SECRET.to_owned()].into_iter().chain(wrong).collect();
        for (name, lines) in [("late", late.join("\n")), ("early", early.join("\n"))] {
            fs::write(self.dir.join(name), lines + "\n")?;
        }
        fs::write(self.dir.join("asked"), ASKED.join("\n") + "\n")?;
        Ok(())
    }

    fn file(&self, name: &str) -> String {
        self.dir.join(name).to_string_lossy().into_owned()
    }

    fn port(&self) -> String {
        self.ringfence.address().port().to_string()
    }

    /// Runs a tool to its end; what it printed.
    fn run(&self, command: &mut Command) -> Result<String> {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        let log = self.dir.join(format!("tool-{run}.log"));
        let name = format!("{command:?}");
        let mut guard = Guard::start("an attack tool", command, &log)?;
        let end = guard.wait(PATIENCE)?;
        let text = fs::read_to_string(&log)?;
        end.with_context(|| format!("{name} did not end: {text}"))?;
        ensure!(!text.contains("Traceback"), "{name} broke: {text}");
        Ok(text)
    }

    /// A tool of SIPVicious, from an address of its own, calling itself as it likes.
    fn sipvicious(
        &self,
        tool: &str,
        from: u8,
        agent: Option<&str>,
        arguments: &[&str],
    ) -> Result<String> {
        let python = python_with("sipvicious").context("SIPVicious is not installed")?;
        // No option sets the User-Agent, and the one for the address is not heeded by all of them; whoever
        // means harm changes a word in the program.
        let agent = agent.unwrap_or("friendly-scanner");
        let script = format!(
            "import socket, sys\n\
             import sipvicious.libs.svhelper as h\n\
             bind = socket.socket.bind\n\
             socket.socket.bind = lambda self, address: bind(self, ('127.51.0.{from}', address[1]))\n\
             h.makeRequest.__defaults__ = tuple({agent:?} if value == 'friendly-scanner' else value \
             for value in h.makeRequest.__defaults__)\n\
             from sipvicious.{tool} import main\n\
             sys.exit(main())"
        );
        let mut command = Command::new(python);
        command.args(["-c", &script, "-p", &self.port(), "-P", "15060"]);
        command.args(arguments).arg("127.0.0.1").env("HOME", self.dir);
        self.run(&mut command)
    }
}

/// Each of these, some at a time: the tools spend their time waiting.
fn together<T: Sync, R: Send>(all: &[T], act: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let mut done = Vec::new();
    for some in all.chunks(5) {
        std::thread::scope(|scope| {
            let runs: Vec<_> = some.iter().map(|one| scope.spawn(|| act(one))).collect();
            done.extend(runs.into_iter().map(|run| run.join().expect("a run does not panic")));
        });
    }
    done.into_iter().collect()
}

/// The rows of the tables that SIPVicious prints, cells apart.
fn rows(text: &str) -> Vec<Vec<String>> {
    text.lines()
        .filter(|line| line.contains('|') && !line.contains("---"))
        .map(|line| {
            line.trim().trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()
        })
        .collect()
}

/// Finds that somebody speaks SIP here; not what.
fn svmap(target: &Target<'_>) -> Result<String> {
    let methods = [(1, "OPTIONS"), (2, "REGISTER"), (3, "INVITE")];
    let runs =
        methods.map(|(from, method)| [(from, method, None), (from + 3, method, Some(PHONE))]);
    let found = together(&runs.concat(), |(from, method, agent)| {
        let text = target.sipvicious("svmap", *from, *agent, &["-m", method])?;
        let is_named = text.to_lowercase().contains("ringfence");
        ensure!(!is_named, "svmap {method} reads our name: {text}");
        // A scanner that says so may be left without an answer; a phone is answered.
        let is_found = text.contains(&target.port());
        ensure!(is_found || agent.is_none(), "svmap {method} got no answer: {text}");
        Ok(usize::from(is_found))
    })?;
    let (runs, found) = (found.len(), found.iter().sum::<usize>());
    Ok(format!("svmap: {found} of {runs} scans saw that somebody speaks SIP, none saw what"))
}

/// How svwar goes about it.
struct Asking {
    from: u8,
    method: &'static str,
    agent: Option<&'static str>,
    /// Short header names, and no User-Agent.
    is_compact: bool,
}

/// Asks for names by three methods, as itself, as a phone, and without a User-Agent.
fn svwar(target: &Target<'_>) -> Result<Vec<String>> {
    let list = target.file("asked");
    let mut all = Vec::new();
    for method in ["REGISTER", "INVITE", "OPTIONS"] {
        for (agent, is_compact) in [(None, false), (Some(PHONE), false), (None, true)] {
            all.push(Asking { from: 10 + all.len() as u8, method, agent, is_compact });
        }
    }
    together(&all, |asking| {
        let method = asking.method;
        let mut arguments = vec!["-m", method, "-d", &list, "--force", "-v"];
        if asking.is_compact {
            arguments.push("-c");
        }
        let text = target.sipvicious("svwar", asking.from, asking.agent, &arguments)?;
        let told = told_of(&text);
        let is_fair = told.is_empty() || told.len() == ASKED.len();
        ensure!(is_fair, "svwar {method} lists some and not others: {text}");
        let kinds: BTreeSet<&String> = told.values().collect();
        ensure!(kinds.len() <= 1, "svwar {method} tells them apart: {text}");
        let how = match (asking.is_compact, asking.agent) {
            (true, _) => ", without User-Agent",
            (false, Some(_)) => ", as a phone",
            (false, None) => "",
        };
        Ok(format!("svwar {method}{how}: {} of {} names listed", told.len(), ASKED.len()))
    })
}

/// What svwar lists of each name.
fn told_of(text: &str) -> BTreeMap<String, String> {
    let known: BTreeSet<&str> = ASKED.into_iter().collect();
    rows(text)
        .into_iter()
        .filter(|row| row.len() >= 2 && known.contains(row[0].as_str()))
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect()
}

/// Guesses at names: known ones and nobody's.
fn svcrack(target: &Target<'_>) -> Result<String> {
    let early = ["-u", "300", "-d", &target.file("early")];
    let text = target.sipvicious("svcrack", 30, Some(PHONE), &early)?;
    ensure!(text.contains(SECRET), "svcrack does not find what is first in its list: {text}");
    let late = target.file("late");
    let mut all = Vec::new();
    for user in ["100", "104", "200", "alice", "nobody"] {
        for (agent, flags) in [(None, &[][..]), (Some(PHONE), &[]), (Some(PHONE), &["-n"])] {
            all.push((40 + all.len() as u8, user, agent, flags));
        }
    }
    let said = together(&all, |(from, user, agent, flags)| {
        let arguments = [&["-u", user, "-d", late.as_str()], *flags].concat();
        let text = target.sipvicious("svcrack", *from, *agent, &arguments)?;
        ensure!(!text.contains(SECRET), "svcrack found the secret of {user}: {text}");
        Ok((agent.is_some(), text))
    })?;
    // A scanner that says so may be left without an answer; what calls itself a phone meets lock-outs.
    let kinds: BTreeSet<&String> =
        said.iter().filter(|(is_phone, _)| *is_phone).map(|(_, text)| text).collect();
    ensure!(kinds.len() == 1, "svcrack tells them apart: {kinds:#?}");
    ensure!(kinds.iter().all(|text| text.contains("found nothing")), "svcrack: {kinds:#?}");
    let locks = target.ringfence.json(&["access", "locks"])?;
    for (from, user, ..) in all.iter().filter(|(_, _, agent, _)| agent.is_some()) {
        let name = format!("{user}@127.51.0.{from}");
        ensure!(locks.iter().any(|lock| lock["name"] == name.as_str()), "{name}: {locks:#?}");
    }
    let runs = all.len();
    Ok(format!(
        "svcrack: {runs} runs, the secret as number {} of each list: nothing found",
        WRONG + 1
    ))
}

/// nmap's scripts, as they are and taught what a phone knows.
fn nmap(target: &Target<'_>) -> Result<String> {
    let taught = teach(target.dir)?;
    let brute = |users: &str, secrets: &str| {
        format!(
            "userdb={},passdb={},brute.firstonly=false,brute.threads=1,unpwdb.timelimit=60s",
            target.file(users),
            target.file(secrets)
        )
    };
    fs::write(target.dir.join("one"), "301\n")?;
    let early = brute("one", "early");
    let text = target.nmap(60, Some(&taught), "+sip-brute", &early, false)?;
    ensure!(text.contains("301:"), "nmap does not find what is first in its list: {text}");
    let udp = nix::unistd::geteuid().is_root();
    let mut runs = 0;
    let enumerate = format!(
        "sip-enum-users.minext=99,sip-enum-users.maxext=106,sip-enum-users.users=1,\
         sip-enum-users.userslist={}",
        target.file("asked")
    );
    // The one that says its name comes last: whoever bans it bans its address.
    for (at, data) in [Some(taught.as_path()), None].into_iter().enumerate() {
        for datagrams in [false, true].into_iter().filter(|datagrams| udp || !datagrams) {
            let from = u8::try_from(61 + 2 * at + usize::from(datagrams))?;
            let text = target.nmap(from, data, "+sip-enum-users", &enumerate, datagrams)?;
            ensure!(
                !text.contains("Auth required") && !text.contains("No auth"),
                "nmap lists users: {text}"
            );
            let text = target.nmap(from, data, "+sip-brute", &brute("asked", "late"), datagrams)?;
            ensure!(!text.contains(SECRET), "nmap found a secret: {text}");
            ensure!(!text.contains("Valid credentials"), "nmap found credentials: {text}");
            runs += 2;
        }
    }
    Ok(format!("nmap: {runs} runs of sip-enum-users and sip-brute: nobody listed, no secret found"))
}

impl Target<'_> {
    fn nmap(
        &self,
        from: u8,
        data: Option<&Path>,
        script: &str,
        arguments: &str,
        datagrams: bool,
    ) -> Result<String> {
        let mut command = Command::new("nmap");
        command.args(["-Pn", "-n", if datagrams { "-sU" } else { "-sT" }, "-p", &self.port()]);
        command.args(["--script", script, "--script-args", arguments, "--script-timeout", "60s"]);
        // Its scripts' sockets are bound only when the interface is named as well.
        command.args(["-e", "lo", "-S", &format!("127.51.0.{from}"), "127.0.0.1"]);
        if let Some(data) = data {
            command.arg("--datadir").arg(data);
        }
        let text = self.run(&mut command)?;
        ensure!(text.contains("Nmap done"), "nmap did not finish: {text}");
        Ok(text)
    }
}

/// nmap's SIP library knows digest as it was in 1997, and says its name: a copy that has qop, as we ask for, and
/// calls itself a phone.
fn teach(dir: &Path) -> Result<PathBuf> {
    let library = ["/usr/share/nmap", "/usr/local/share/nmap"]
        .into_iter()
        .map(|dir| Path::new(dir).join("nselib/sip.lua"))
        .find(|path| path.is_file())
        .context("nmap has no SIP library")?;
    let mut text = fs::read_to_string(&library)?;
    for (old, new) in [
        ("\"Nmap NSE\"", "\"Yealink SIP-T46U 108.86.0.20\""),
        ("self.nonce ..\":\" .. HA2", "self.nonce ..\":00000001:c0ffee:auth:\" .. HA2"),
        (
            "response=\\\"%s\\\", algorithm=%s\"",
            "response=\\\"%s\\\", algorithm=%s, qop=auth, nc=00000001, cnonce=\\\"c0ffee\\\"\"",
        ),
    ] {
        ensure!(text.contains(old), "nmap's SIP library has no `{old}`");
        text = text.replace(old, new);
    }
    let data = dir.join("nmap");
    fs::create_dir_all(data.join("nselib"))?;
    fs::write(data.join("nselib/sip.lua"), text)?;
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_read() {
        let text = "+-----------+----------+\n| Extension | Authentication |\n+====+\n\
                    | 100 | reqauth |\n+----+\n| 7 | noauth |\nINFO: done\n";
        let want = BTreeMap::from([("100".to_owned(), "reqauth".to_owned())]);
        assert_eq!(told_of(text), want);
        assert!(told_of("WARNING:root:found nothing").is_empty());
    }
}
