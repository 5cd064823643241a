//! `cargo xtask test`: the tiers in order. Lives here: what belongs to which tier, progress and the last
//! line. Never here: the tests themselves.

use std::process::Command;
use std::time::Instant;

use anyhow::{Result, anyhow, bail};
use clap::{Args, ValueEnum};

use crate::proof::{Built, TESTS};
use crate::setup::{Need, provide};
use crate::shell_out::{cargo, is_ci, output, quiet, root};
use crate::{peers, tidy};

/// One tier of tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Tier {
    /// Format, lints, walls between crates, purity, documents.
    Tidy,
    /// Unit and property tests of all crates.
    Unit,
    /// What only a release build can show: a million calls, a million strangers, ten milliseconds for the worst message.
    Release,
    /// A thousand simulated seeds with faults.
    Sim,
    /// Real peers and security checks on real sockets.
    Peers,
    /// kill -9 with live calls.
    Crash,
    /// Each fuzz target for a while.
    Fuzz,
}

/// `cargo xtask test`
#[derive(Args, Debug)]
pub struct Options {
    /// Only this tier; may be given more than once.
    #[arg(long)]
    tier: Vec<Tier>,
    /// In the tiers `peers` and `crash`: only checks whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Say what there is, run nothing.
    #[arg(long)]
    list: bool,
    /// Simulated seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// Seconds for each fuzz target; fifteen in CI, else ten seconds.
    #[arg(long)]
    fuzz_seconds: Option<u32>,
    /// A tier whose programs this machine lacks is passed over; otherwise that is a failure.
    #[arg(long)]
    allow_skips: bool,
}

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
}

impl Count {
    fn add(&mut self, other: Count) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

impl Tier {
    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    fn needs(self) -> &'static [Need] {
        match self {
            Tier::Peers => &[
                Need::Sipp,
                Need::Kamailio,
                Need::Baresip,
                Need::Pjsua2,
                Need::Chromium,
                Need::JsSip,
                Need::Playwright,
                Need::OpenSsl,
                Need::Firewalls,
                Need::SipVicious,
                Need::Nmap,
                Need::Aiosmtpd,
                Need::Schemathesis,
                Need::Wapiti,
                Need::Curl,
            ],
            Tier::Crash => &[Need::Aiosmtpd],
            Tier::Fuzz => &[Need::CargoFuzz],
            _ => &[],
        }
    }

    fn run(self, options: &Options) -> Result<Count> {
        let only = options.only.as_deref();
        match self {
            Tier::Tidy => tidy::run().map(|passed| Count { passed, failed: 0 }),
            Tier::Unit => unit(),
            Tier::Release => release(),
            Tier::Sim => sim_and_thieves(options.seeds),
            Tier::Peers => Ok(peers::run(peers::PEERS, only)),
            Tier::Crash => Ok(peers::run(peers::CRASH, only)),
            Tier::Fuzz => fuzz(options.fuzz_seconds.unwrap_or(if is_ci() { 15 } else { 10 })),
        }
    }
}

/// Runs the tiers asked for, all by default; an error when anything failed.
pub fn run(options: &Options) -> Result<()> {
    let tiers: Vec<Tier> = Tier::value_variants()
        .iter()
        .copied()
        .filter(|tier| options.tier.is_empty() || options.tier.contains(tier))
        .collect();
    if options.list {
        list(&tiers);
        return Ok(());
    }
    let start = Instant::now();
    let mut total = Count::default();
    for tier in tiers {
        total.add(run_tier(tier, options));
    }
    println!("all tiers: {:.0} s", start.elapsed().as_secs_f64());
    println!("{total}");
    if total.failed > 0 {
        bail!("some tests failed");
    }
    Ok(())
}

fn run_tier(tier: Tier, options: &Options) -> Count {
    let start = Instant::now();
    println!("{}: ...", tier.name());
    let missing = provide(tier.needs());
    if !missing.is_empty() {
        return skip(tier, &missing, options.allow_skips);
    }
    let count = tier.run(options).unwrap_or_else(|error| {
        println!("{error:#}");
        Count { passed: 0, failed: 1 }
    });
    let word = if count.failed == 0 { "ok" } else { "FAILED" };
    let seconds = start.elapsed().as_secs_f64();
    println!("{}: {word}, {count} ({seconds:.0} s)", tier.name());
    count
}

/// A tier that cannot run on this machine: what was not tried has not passed.
fn skip(tier: Tier, missing: &[&str], is_allowed: bool) -> Count {
    let word = if is_allowed { "skipped" } else { "FAILED (--allow-skips passes it over)" };
    println!("{}: {word}, because this machine has no {}", tier.name(), missing.join(", no "));
    Count { passed: 0, failed: usize::from(!is_allowed) }
}

fn list(tiers: &[Tier]) {
    for tier in tiers {
        println!("{}", tier.name());
        let checks = match tier {
            Tier::Peers => peers::PEERS,
            Tier::Crash => peers::CRASH,
            _ => &[],
        };
        for check in checks {
            println!("  {}", check.name);
        }
    }
}

fn unit() -> Result<Count> {
    if crate::shell_out::works("cargo-nextest", &["--version"]) {
        let arguments =
            ["nextest", "run", "--workspace", "--no-fail-fast", "--status-level", "fail"];
        return Ok(count_nextest(&quiet("cargo nextest", cargo().args(arguments))?));
    }
    let text = quiet("cargo test", cargo().args(["test", "--workspace", "--no-fail-fast"]))?;
    Ok(count_cargo_test(&text))
}

fn release() -> Result<Count> {
    let built = Built::get()?;
    let [timed, others @ ..] = &TESTS;
    let mut total = proof_test(built, *timed)?;
    for pair in others.chunks(2) {
        let counts: Vec<Result<Count>> = std::thread::scope(|scope| {
            let runs: Vec<_> =
                pair.iter().map(|test| scope.spawn(|| proof_test(built, *test))).collect();
            runs.into_iter().map(|run| run.join().expect("a test does not panic here")).collect()
        });
        for count in counts {
            total.add(count?);
        }
    }
    Ok(total)
}

fn proof_test(built: &Built, (package, binary, test): (&str, &str, &str)) -> Result<Count> {
    let mut command = Command::new(built.test(package, binary)?);
    command.arg(test).current_dir(root().join("crates").join(package));
    let count = count_cargo_test(&quiet(&format!("{package} {test}"), &mut command)?);
    anyhow::ensure!(count.passed == 1, "{package}: no test `{test}` in {binary}");
    Ok(count)
}

/// Reads `Summary [ 1.234s] 812 tests run: 812 passed (1 slow), 0 skipped`.
fn count_nextest(text: &str) -> Count {
    let line = text.lines().rfind(|line| line.contains(" tests run: ")).unwrap_or("");
    let before = |word: &str| {
        let head = line.split(word).next().unwrap_or("");
        head.rsplit([' ', ',', ':'])
            .find(|part| !part.is_empty())
            .and_then(|part| part.parse().ok())
    };
    let failed = if line.contains(" failed") { before(" failed").unwrap_or(1) } else { 0 };
    Count { passed: before(" passed").unwrap_or(0), failed }
}

/// Adds up the lines `test result: ok. 12 passed; 0 failed; …`.
fn count_cargo_test(text: &str) -> Count {
    let mut count = Count::default();
    for line in text.lines().filter(|line| line.starts_with("test result:")) {
        let number = |word: &str| {
            let head = line.split(word).next().unwrap_or("");
            head.trim_end().rsplit(' ').next().and_then(|part| part.parse().ok()).unwrap_or(0)
        };
        count.add(Count { passed: number("passed;"), failed: number("failed;") });
    }
    count
}

/// Seeds, and a batch with a thief in every world.
fn sim_and_thieves(count: u64) -> Result<Count> {
    let mut total = sim(0, count)?;
    total.add(play(0, count.div_ceil(5), &["--thief"])?);
    Ok(total)
}

/// Seeds in the virtual world.
pub fn sim(first: u64, count: u64) -> Result<Count> {
    play(first, count, &[])
}

fn play(first: u64, count: u64, flags: &[&str]) -> Result<Count> {
    let range = format!("{first}..{}", first + count);
    let mut command = Command::new(Built::get()?.program("sim")?);
    quiet("sim", command.args(["seeds", &range]).args(flags))?;
    Ok(Count { passed: usize::try_from(count)?, failed: 0 })
}

/// Seeds of a soak, however short it is.
const SOAK_SEEDS: usize = 10_000;

/// A hundred thousand attackers against the most that can be lost; then ever more seeds, none of which CI has
/// tried, until one fails, or the time is up and there were ten thousand (M4).
pub fn soak(minutes: u64) -> Result<()> {
    let start = Instant::now();
    let mut command = Command::new(Built::get()?.test("engine", "attackers")?);
    quiet("attackers", command.env("RINGFENCE_ATTACKERS", "100000"))?;
    println!("100,000 attackers have not lost more than the bound says");
    let mut first = 1_000_000 + u64::from(std::process::id()) * 100_000;
    let mut total = Count::default();
    while start.elapsed().as_secs() < minutes * 60 || total.passed < SOAK_SEEDS {
        total.add(sim(first, 500)?);
        first += 500;
        println!("{:.0} min: {total}", start.elapsed().as_secs_f64() / 60.0);
    }
    Ok(())
}

/// Each fuzz target for some seconds, two at a time.
pub fn fuzz(seconds: u32) -> Result<Count> {
    let list = output(cargo().args(["fuzz", "list"]))?;
    let targets: Vec<&str> = list.lines().filter(|line| !line.is_empty()).collect();
    if targets.is_empty() {
        return Err(anyhow!("there is no fuzz target"));
    }
    quiet("fuzz build", cargo().args(["fuzz", "build", "-s", "none"]))?;
    let mut count = Count::default();
    for pair in targets.chunks(2) {
        let runs: Vec<Result<String>> = std::thread::scope(|scope| {
            let runs: Vec<_> =
                pair.iter().map(|target| scope.spawn(move || fuzz_one(target, seconds))).collect();
            runs.into_iter().map(|run| run.join().expect("a fuzz run does not panic")).collect()
        });
        for (target, run) in pair.iter().zip(runs) {
            match run {
                Ok(_) => count.passed += 1,
                Err(error) => {
                    println!("  FAIL {target}: {error:#}");
                    count.failed += 1;
                }
            }
        }
    }
    Ok(count)
}

fn fuzz_one(target: &str, seconds: u32) -> Result<String> {
    // Finds go into a place of their own: the corpus in the checkout holds hand-picked seeds only.
    let finds = tempfile::tempdir()?;
    let seeds = root().join("fuzz/corpus").join(target);
    let mut command: Command = cargo();
    command.args(["fuzz", "run", "-s", "none", target]).arg(finds.path());
    if seeds.is_dir() {
        command.arg(seeds);
    }
    let limit = format!("-max_total_time={seconds}");
    command.args(["--", &limit, "-timeout=5", "-rss_limit_mb=2048", "-max_len=70000"]);
    quiet(&format!("fuzz {target}"), &mut command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_tried_has_not_passed() {
        assert_eq!(skip(Tier::Peers, &["SIPp"], false), Count { passed: 0, failed: 1 });
        assert_eq!(skip(Tier::Peers, &["SIPp"], true), Count { passed: 0, failed: 0 });
    }

    #[test]
    fn counts_tests() {
        fn check(got: Count, passed: usize, failed: usize) {
            assert_eq!(got, Count { passed, failed });
        }
        check(
            count_nextest(
                "     Summary [   0.1s] 812 tests run: 810 passed (1 slow), 2 failed, 0 skipped",
            ),
            810,
            2,
        );
        check(count_nextest("     Summary [   0.1s] 5 tests run: 5 passed, 0 skipped"), 5, 0);
        check(count_nextest("nothing"), 0, 0);
        let lines = "test result: ok. 12 passed; 0 failed; 0 ignored\ntest result: FAILED. 3 passed; 1 failed; 0 ignored";
        check(count_cargo_test(lines), 15, 1);
    }
}
