//! Many calls by SIPp on both sides, and the money they add up to.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::SECRET;
use super::sipp::Sipp;
use crate::money::{Deck, cost_again, rate_again};
use crate::process::until;
use crate::ringfence::{DECK_CSV, Ringfence, Setup};

const CALLS: usize = 10_000;
const RATE: usize = 200;
const USERS: usize = 100;
/// We hear an answer before the caller does, and his BYE after he has sent it: no call is shorter here than there,
/// but for SIPp's clock, which stands still while it works off what came.
const SHORTER_MS: u64 = 30;
/// Where the machine was busy it stands for longer: for one call in so many.
const STRAYS: usize = 100;
/// And none is longer or shorter by more than messages need on a busy machine.
const APART_MS: u64 = 500;

/// What is called, and the share of all calls in tenths.
const NUMBERS: [(&str, usize); 2] = [("+442083661177", 6), ("+33612345678", 4)];

/// Callers and carrier over UDP.
pub fn udp() -> Result<()> {
    run(false)
}

/// Callers and carrier over TCP.
pub fn tcp() -> Result<()> {
    run(true)
}

fn run(tcp: bool) -> Result<()> {
    let setup = Setup { digest: vec!["md5", "sha-256"], ..Setup::default() };
    let mut ringfence = Ringfence::prepare(setup)?;
    let dir = ringfence.dir().to_owned();
    let carrier = Sipp::carrier(&dir, "carrier", tcp, CALLS)?;
    let transport = if tcp { "tcp" } else { "udp" };
    ringfence.add_trunk(
        "carrier",
        carrier.address(),
        &["--transport", transport, "--emergency"],
    )?;
    let users =
        (0..USERS).map(|at| (format!("load{}", at % 10), format!("load{at}"), SECRET.to_owned()));
    ringfence.import_lines(users)?;
    for account in 0..10 {
        ringfence.lift_limits(&format!("load{account}"))?;
    }
    let mut file = String::from("SEQUENTIAL\n");
    for at in 0..USERS {
        file.push_str(&format!("load{at};[authentication username=load{at} password={SECRET}]\n"));
    }
    std::fs::write(dir.join("users.csv"), file)?;
    ringfence.start()?;

    let mut callers = Vec::new();
    for (at, (number, tenths)) in NUMBERS.into_iter().enumerate() {
        let plan = (number, CALLS * tenths / 10, RATE * tenths / 10);
        let users = dir.join("users.csv");
        callers.push(Sipp::callers(
            &dir,
            &format!("callers{at}"),
            tcp,
            ringfence.address(),
            &users,
            plan,
        )?);
    }
    let limit = Duration::from_secs(60 + (CALLS / RATE) as u64);
    let (mut placed, mut talked) = (0, BTreeMap::new());
    for caller in callers {
        let (counted, durations) = caller.finish_with_durations(limit)?;
        placed += counted.successful;
        talked.extend(durations);
    }
    let answered = carrier.finish(Duration::from_secs(20))?.successful;
    ensure!(
        placed == CALLS as u64 && answered == CALLS as u64,
        "{placed} placed, {answered} answered"
    );
    let records = sums_agree(&ringfence, CALLS)?;
    durations_agree(&records, &talked)?;
    ringfence.stop()
}

/// Each record is as long as the caller's own clock says.
fn durations_agree(records: &[Value], talked: &BTreeMap<String, u64>) -> Result<()> {
    ensure!(talked.len() == CALLS, "SIPp noted {} durations", talked.len());
    let mut strays = Vec::new();
    for record in records {
        let call_id = record["a_leg"]["call_id"].as_str().context("a record names its A leg")?;
        let theirs = talked.get(call_id).with_context(|| format!("nobody placed {call_id}"))?;
        let ours = record["duration_ms"].as_u64().context("a record without a duration")?;
        let both = format!("{call_id}: {ours} ms here, {theirs} ms there");
        ensure!(ours.abs_diff(*theirs) <= APART_MS, "{both}");
        if ours + SHORTER_MS < *theirs {
            strays.push(both);
        }
    }
    let few = strays.len() <= CALLS / STRAYS;
    ensure!(few, "{} calls are too short, among them {}", strays.len(), strays[0]);
    Ok(())
}

/// One record for each call, and three sums that are one: the records' prices, a second rating, what the
/// accounts owe.
fn sums_agree(ringfence: &Ringfence, calls: usize) -> Result<Vec<Value>> {
    let records = until(Duration::from_secs(10), "all records written", || {
        ringfence.calls().ok().filter(|records| records.len() >= calls)
    })?;
    let mut decisions: Vec<String> =
        records.iter().map(|call| call["decision"].to_string()).collect();
    decisions.sort();
    decisions.dedup();
    ensure!(
        records.len() == calls && decisions.len() == calls,
        "{} records of {calls} calls",
        records.len()
    );
    let sum = rate_again(&records, &Deck::read(DECK_CSV)?)?;
    ensure!(sum.answered == calls, "{sum:?}");
    ensure!(sum.charged == sum.rated_again, "{sum:?}");
    let mut owed = 0;
    for account in 0..10 {
        let shown = ringfence.json(&["account", "show", &format!("load{account}")])?;
        owed += super::unbilled(&shown)?;
    }
    ensure!(owed == sum.charged, "accounts owe {owed}, records say {}", sum.charged);
    let costs = cost_again(&records, &Deck::read(DECK_CSV)?)?;
    ensure!(costs > 0, "carriers cost nothing");
    ringfence.command(&["doctor"])?;
    Ok(records)
}
