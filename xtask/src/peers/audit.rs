//! The auditor beside a node that lives an eventful day. Lives here: that it accuses nobody while decks and controls change
//! in the middle of calls and the node dies. Never here: what it finds (crates/ringfence/tests/audit.rs), planted bugs (sim).

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{House, LONDON, SECRET};
use crate::process::until;
use crate::ringfence::{DECK, DECK_CSV, Setup};
use crate::sip_client::crowd::{Crowd, Plan};
use crate::sip_client::{Behaviour, Phone};

/// Calls of a round.
const CALLS: u64 = 40;

/// Calls come and go; meanwhile the deck is imported anew at other prices, controls are raised and lowered, the account is
/// frozen and thawed, the node dies and comes back. Every call fits what stood for it.
pub fn accuses_nobody() -> Result<()> {
    let mut house = House::open(Setup::default(), |_| Behaviour::Answer(30))?;
    house.ringfence.lift_limits("a")?;
    for round in 0..4_u64 {
        let talk = |at: u64| Duration::from_millis(200 + at * 37 % 1_500);
        let plans: Vec<Plan> =
            (0..CALLS).map(|at| Plan { number: LONDON.to_owned(), talk: Some(talk(at)) }).collect();
        let phone = Phone::udp(house.ringfence.address(), "alice", SECRET)?;
        let mut crowd = Crowd::start(phone, &plans)?;
        crowd.run(Duration::from_millis(150), |_| false)?;
        import(&house, round)?;
        crowd.run(Duration::from_millis(150), |_| false)?;
        let ringfence = &house.ringfence;
        match round % 3 {
            0 => ringfence.set("a", &["price_cap_national=0.001"])?,
            1 => ringfence.command(&["account", "freeze", "a"]).map(drop)?,
            _ => ringfence.set("a", &["stop_level_24h=0.05", "stop_level_all_24h=0.05"])?,
        }
        crowd.run(Duration::from_millis(200), |_| false)?;
        let dies = round % 2 == 1;
        if dies {
            house.ringfence.kill()?;
            house.ringfence.start()?;
        }
        crowd.run(Duration::from_secs(15), |fate| {
            fate.ended.is_some() || fate.status.is_some_and(|status| status >= 300)
        })?;
        if round % 3 == 1 {
            house.ringfence.command(&["account", "activate", "a"])?;
        }
        house.ringfence.set("a", &["price_cap_national=0.20"])?;
        house.ringfence.lift_limits("a")?;
    }
    until(Duration::from_secs(45), "nothing is live", || {
        house.ringfence.json(&["calls", "--live"]).ok().filter(Vec::is_empty)
    })?;
    let status = until(Duration::from_secs(20), "the auditor has caught up", || {
        let status = house.ringfence.json(&["status"]).ok()?.into_iter().next()?;
        (status["audit"]["links_behind"] == 0).then_some(status)
    })?;
    ensure!(status["audit"]["mismatches"] == 0, "{}", status["audit"]);
    let said = first(house.ringfence.json(&["audit"])?)?;
    ensure!(said["ok"] == true, "{said}");
    ensure!(said["judged"].as_u64() >= Some(CALLS), "too few calls: {said}");
    ensure!(house.ringfence.json(&["audit", "--unseen"])?.is_empty(), "something was told");
    println!("        {} calls judged, {} µs each by hand", said["judged"], said["us_per_call"]);
    Ok(())
}

/// The deck anew, each time a little dearer.
fn import(house: &House, round: u64) -> Result<()> {
    let dearer = DECK_CSV.replace("0.01,", &format!("0.01{},", round + 1));
    let file = house.ringfence.dir().join("dearer.csv");
    std::fs::write(&file, dearer)?;
    let file = file.to_str().context("a path in UTF-8")?;
    house.ringfence.command(&["rates", "import", file, "--deck", DECK]).map(drop)
}

fn first(said: Vec<Value>) -> Result<Value> {
    said.into_iter().next().context("audit says something")
}
