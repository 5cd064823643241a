//! What pages cost: CPU of the server for each, for an account with many calls beside one with few; a start with many who are
//! signed in beside one with nobody. Lives here: the pages, the databases. Never here: what is on them.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::Row;
use crate::peers::web_client::Browser;
use crate::process::{cpu_seconds, free_port, memory_bytes, pause};
use crate::ringfence::{Ringfence, Setup};
use crate::shell_out::cargo;

const MANY: u32 = 100_000;
const FEW: u32 = 1_000;
const SIGNED_IN: u32 = 300_000;
/// Each is asked so often in one round.
const OFTEN: u32 = 50;
const IDLE: Duration = Duration::from_secs(2);

/// Names and paths; the filters find something, few and nothing.
const PAGES: [(&str, &str); 9] = [
    ("page /", "/"),
    ("page /calls", "/calls"),
    ("page stopped", "/calls?outcome=stopped"),
    ("page number", "/calls?number=252612"),
    ("page no number", "/calls?number=99"),
    ("page a day", "/calls?since=2026-01-02&until=2026-01-03"),
    ("page /phones", "/phones"),
    ("page /where", "/where"),
    ("page /from-where", "/from-where"),
];

/// A house whose account `a` has made so many calls, and its browser.
struct House {
    ringfence: Ringfence,
    browser: Browser,
}

impl House {
    fn open(calls: u32) -> Result<House> {
        let web = free_port()?;
        let mut ringfence = Ringfence::prepare(Setup { web: Some(web), ..Setup::default() })?;
        ringfence.add_account("a", "residential")?;
        ringfence.add_line("a", "alice", "vuzon-kilud-tapos-47")?;
        fill(&ringfence, "calls", calls)?;
        ringfence.start()?;
        let added = ringfence.json(&["user", "add", "a", "alice@example.com"])?;
        let link = added.first().and_then(|value| value["link"].as_str()).context("no link")?;
        let browser = Browser::welcome(web, link)?;
        Ok(House { ringfence, browser })
    }

    /// Milliseconds of the server's CPU for a page.
    fn cost(&mut self, path: &str) -> Result<f64> {
        let id = self.ringfence.id();
        let before = cpu_seconds(id);
        for _ in 0..OFTEN {
            let page = self.browser.get(path)?;
            ensure!(page.status == 200, "{path}: {}", page.status);
        }
        Ok((cpu_seconds(id) - before) * 1_000.0 / f64::from(OFTEN))
    }
}

/// A row for each page, and those of a start.
pub fn rows(rounds: usize) -> Result<Vec<Row>> {
    let mut houses = [House::open(MANY)?, House::open(FEW)?];
    let mut rows = Vec::new();
    for (name, path) in PAGES {
        let mut best = [f64::INFINITY; 2];
        for _ in 0..rounds {
            for (house, best) in houses.iter_mut().zip(&mut best) {
                *best = best.min(house.cost(path)?);
            }
        }
        rows.push(Row::new(name, "ms-cpu", best.map(Some)).beside("1,000 calls"));
    }
    drop(houses);
    rows.extend(start()?);
    Ok(rows)
}

/// CPU until it answers, and memory, with everybody signed in and with nobody.
fn start() -> Result<[Row; 2]> {
    let mut cpu = [None; 2];
    let mut memory = [None; 2];
    for (at, users) in [SIGNED_IN, 0].into_iter().enumerate() {
        let web = free_port()?;
        let mut ringfence = Ringfence::prepare(Setup { web: Some(web), ..Setup::default() })?;
        fill(&ringfence, "users", users)?;
        ringfence.start()?;
        let mut browser = Browser::new(web);
        ensure!(browser.get("/sign-in")?.status == 200, "the pages answer");
        pause(u64::try_from(IDLE.as_millis())?);
        let id = ringfence.id();
        (cpu[at], memory[at]) =
            (Some(cpu_seconds(id)), Some(memory_bytes(id) as f64 / f64::from(1 << 20)));
        ringfence.stop()?;
    }
    let beside = "nobody";
    Ok([
        Row::new("start 300,000", "s-cpu", cpu).beside(beside),
        Row::new("start 300,000", "MiB", memory).beside(beside),
    ])
}

/// The store is filled by a program that may use it: the walls keep it from us.
fn fill(ringfence: &Ringfence, what: &str, count: u32) -> Result<()> {
    let data = ringfence.dir().join("data");
    let databases: Vec<PathBuf> = std::fs::read_dir(&data)
        .with_context(|| data.display().to_string())?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "db"))
        .collect();
    let [database] = databases.as_slice() else { anyhow::bail!("one database: {databases:?}") };
    let mut command = cargo();
    command.args(["run", "--quiet", "--release", "--package", "store", "--example", "fill", "--"]);
    let status = command.arg(database).args([what, &count.to_string()]).status()?;
    ensure!(status.success(), "the database was not filled");
    Ok(())
}
