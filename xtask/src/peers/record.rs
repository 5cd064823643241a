//! The record across kill -9, on the real program. Lives here: that every link and row is there together after a
//! crash, and that a copy made under load is whole. Never here: sums of calls (crash).

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{House, LONDON, SECRET};
use crate::process::until;
use crate::ringfence::Setup;
use crate::sip_client::crowd::{Crowd, Plan};
use crate::sip_client::{Behaviour, Phone};

/// What `verify` says; an error if it found anything.
fn verified(house: &House, more: &[&str]) -> Result<Value> {
    let said = house.ringfence.json(&[&["verify"], more].concat())?;
    let said = said.into_iter().next().context("verify says something")?;
    ensure!(said["ok"] == true, "{said}");
    Ok(said)
}

/// A node dies with live calls, again and again: after each start the record holds, and goes through every
/// anchor that was told before.
pub fn survives() -> Result<()> {
    let mut house = House::open(Setup::default(), |_| Behaviour::Answer(30))?;
    house.ringfence.lift_limits("a")?;
    let mut anchors: Vec<String> = Vec::new();
    for round in 0..4_u64 {
        let plans: Vec<Plan> = (0..60)
            .map(|at| Plan {
                number: LONDON.to_owned(),
                talk: Some(Duration::from_millis(100 + at * 37 % 900)),
            })
            .collect();
        let phone = Phone::udp(house.ringfence.address(), "alice", SECRET)?;
        let mut crowd = Crowd::start(phone, &plans)?;
        crowd.run(Duration::from_millis(40 + round * 170), |_| false)?;
        anchors.push(anchor(&house)?);
        crowd.run(Duration::from_millis(20 + round * 90), |_| false)?;
        house.ringfence.kill()?;
        for since in &anchors {
            verified(&house, &["--since", since])?;
        }
        house.ringfence.start()?;
        verified(&house, &[])?;
        crowd.run(Duration::from_secs(15), |fate| {
            fate.ended.is_some() || fate.status.is_some_and(|status| status >= 300)
        })?;
    }
    until(Duration::from_secs(45), "nothing is live", || {
        house.ringfence.json(&["calls", "--live"]).ok().filter(Vec::is_empty)
    })?;
    house.ringfence.stop()?;
    let said = verified(&house, &["--since", &anchors[0]])?;
    ensure!(said["calls"].as_u64() >= Some(100), "too few calls: {said}");
    ensure!(said["links"].as_u64() >= Some(300), "too few links: {said}");
    Ok(())
}

fn anchor(house: &House) -> Result<String> {
    Ok(house.ringfence.command(&["verify", "--anchor"])?.trim().to_owned())
}

/// Copied while calls come and go, then restored elsewhere: verified, with every call that was on record before.
pub fn is_copied() -> Result<()> {
    let house = House::open(Setup::default(), |_| Behaviour::Answer(1))?;
    house.ringfence.lift_limits("a")?;
    let plan = Plan { number: LONDON.to_owned(), talk: Some(Duration::from_millis(300)) };
    let phone = Phone::udp(house.ringfence.address(), "alice", SECRET)?;
    let mut crowd = Crowd::start(phone, &vec![plan; 300])?;
    crowd.run(Duration::from_millis(600), |_| false)?;
    let known = decisions(&house.ringfence.calls()?)?;
    let copy = house.ringfence.dir().join("copy.db");
    let copy = copy.to_str().context("a path in UTF-8")?;
    let binary = crate::ringfence::binary(false)?;
    let config = house.ringfence.dir().join("ringfence.toml");
    let mut copying = std::process::Command::new(binary)
        .args(["backup", copy, "--pages", "8", "--pause-ms", "5", "--json", "--config"])
        .arg(config)
        .stdout(std::process::Stdio::null())
        .spawn()
        .context("cannot run backup")?;
    let mut rounds = 0;
    let status = loop {
        crowd.run(Duration::from_millis(50), |_| false)?;
        rounds += 1;
        match copying.try_wait()? {
            Some(status) => break status,
            None if rounds > 600 => {
                copying.kill()?;
                bail!("the copy is not done after 30 s");
            }
            None => {}
        }
    };
    ensure!(status.success(), "backup failed: {status}");
    crowd.run(Duration::from_secs(15), |fate| fate.ended.is_some())?;
    verified(&house, &[])?;
    let elsewhere = house.ringfence.dir().join("elsewhere");
    let elsewhere = elsewhere.to_str().context("a path in UTF-8")?;
    house.ringfence.command(&["restore", copy, "--data-dir", elsewhere])?;
    let restored = format!("{elsewhere}/ringfence.db");
    let said = verified(&house, &[&restored])?;
    let calls = said["calls"].as_u64().context("verify counts calls")?;
    ensure!(calls >= known.len() as u64, "{calls} calls in the copy, {} were known", known.len());
    ensure!(!known.is_empty(), "nothing was on record when the copy began");
    Ok(())
}

fn decisions(records: &[Value]) -> Result<BTreeSet<String>> {
    let named = records.iter().map(|record| record["decision"].as_str().map(str::to_owned));
    named.collect::<Option<_>>().context("a record names its decision")
}
