//! Plays seeds and scenarios. Lives here: the command line. Never here: the world.
//!
//! `sim seeds 0..1000` plays seeds and stops at the first that fails; `sim seed 17` tells its story;
//! `sim scenario FILE` plays a scenario. `--planted NAME` plants a bug, `--thief` puts a thief into
//! every world, `--minutes N` sets the length.

use std::process::ExitCode;

use sim::planted::Planted;
use sim::seeds::{Options, run_seed};

const USAGE: &str =
    "usage: sim seeds FROM..TO [--minutes N] [--planted NAME] [--thief] [--keep-going]
       sim seed N [--minutes N] [--planted NAME] [--thief] [--wire]
       sim scenario FILE...";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<bool, String> {
    let (command, rest) = arguments.split_first().ok_or("what is to be played?")?;
    match command.as_str() {
        "seeds" => seeds(rest),
        "seed" => seed(rest),
        "scenario" => scenarios(rest),
        other => Err(format!("`{other}` is none of seeds, seed, scenario")),
    }
}

/// What is to be played, the options, and whether to go on after a failure.
fn options(rest: &[String]) -> Result<(&str, Options, bool), String> {
    let (what, flags) = rest.split_first().ok_or("which?")?;
    let (mut options, mut keep_going) = (Options::default(), false);
    let mut flags = flags.iter();
    while let Some(flag) = flags.next() {
        let mut value = || flags.next().ok_or(format!("{flag} needs a value"));
        match flag.as_str() {
            "--minutes" => {
                options.minutes = value()?.parse().map_err(|error| format!("--minutes: {error}"))?
            }
            "--planted" => {
                let name = value()?;
                let found = Planted::ALL.into_iter().find(|one| format!("{one:?}") == *name);
                options.planted =
                    Some(found.ok_or(format!("`{name}` is none of {:?}", Planted::ALL))?);
            }
            "--thief" => options.thief = true,
            "--wire" => options.wire = true,
            "--keep-going" => keep_going = true,
            other => return Err(format!("`{other}` is no option")),
        }
    }
    Ok((what, options, keep_going))
}

fn seeds(rest: &[String]) -> Result<bool, String> {
    let (range, options, keep_going) = options(rest)?;
    let (from, to) = range.split_once("..").ok_or(format!("`{range}` is not FROM..TO"))?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("`{text}`: {error}"));
    let (from, to) = (number(from)?, number(to)?);
    let (mut failed, mut steps, mut calls) = (0, 0, 0);
    for seed in from..to {
        let report = run_seed(seed, options);
        steps += report.steps;
        calls += report.tally.admitted;
        if !report.violations.is_empty() {
            failed += 1;
            println!("seed {seed} failed: {}", report.violations.join("\n  "));
            println!(
                "  repeat: cargo run -p sim --release -- seed {seed} --minutes {}",
                options.minutes
            );
            if !keep_going {
                return Ok(false);
            }
        }
        if (seed + 1 - from) % 100 == 0 {
            println!(
                "{} of {} seeds, {calls} calls admitted, {steps} steps, {failed} failed",
                seed + 1 - from,
                to - from
            );
        }
    }
    println!("{} seeds, {calls} calls admitted, {steps} steps, {failed} failed", to - from);
    Ok(failed == 0)
}

fn seed(rest: &[String]) -> Result<bool, String> {
    let (seed, options, _) = options(rest)?;
    let seed = seed.parse().map_err(|error| format!("`{seed}`: {error}"))?;
    let report = run_seed(seed, Options { told: true, ..options });
    print!("{}", report.story);
    println!("{}", serde_json::to_string_pretty(&report.tally).expect("a tally can be written"));
    println!("digest {:016x}", report.digest);
    report.violations.iter().for_each(|what| println!("violation: {what}"));
    Ok(report.violations.is_empty())
}

fn scenarios(files: &[String]) -> Result<bool, String> {
    let mut good = true;
    for file in files {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
        match sim::scenario::play(&text) {
            Ok(told) => print!("{told}"),
            Err(error) => {
                good = false;
                println!("{file}:{error}");
            }
        }
    }
    Ok(good)
}
