//! SIGTERM with a live call: the stop in good order. Lives here: that it waits, that it can be hurried, and that a call
//! that is left over is taken up at the next start. Never here: SIGKILL (restart, crash).

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{House, LONDON};
use crate::money::{Deck, cost_again, rate_again};
use crate::process::{pause, until};
use crate::ringfence::{DECK_CSV, Setup};
use crate::sip_client::{Behaviour, Dialog, Phone};

/// A house that waits so long for its calls, and one call of alice's.
fn talking(stop_wait_s: u64) -> Result<(House, Phone, Dialog)> {
    let more = vec![format!("[limits]\nstop_wait_s = {stop_wait_s}")];
    let house = House::open(Setup { more, ..Setup::default() }, |_| Behaviour::Answer(1))?;
    let mut alice = house.phone("alice")?;
    let dialog = alice.invite(LONDON)?.dialog.context("the call is answered")?;
    Ok((house, alice, dialog))
}

fn is_live(house: &House) -> Result<bool> {
    Ok(!house.ringfence.json(&["calls", "--live"])?.is_empty())
}

/// The one answered call's record, with the sums as they must be.
fn record(house: &House, cause: &str) -> Result<Value> {
    let records = until(Duration::from_secs(5), "the record is written", || {
        let records = house.ringfence.calls().ok()?;
        records.into_iter().find(|record| !record["answered"].is_null())
    })?;
    ensure!(records["cause"] == cause, "ended as {records}");
    let all = house.ringfence.calls()?;
    let deck = Deck::read(DECK_CSV)?;
    let sum = rate_again(&all, &deck)?;
    cost_again(&all, &deck)?;
    ensure!(sum.answered == 1, "{} records of one answered call", sum.answered);
    Ok(records)
}

/// It waits for the call, takes no new one, and goes when the call is over.
pub fn waits() -> Result<()> {
    let (mut house, mut alice, mut dialog) = talking(30)?;
    house.ringfence.terminate()?;
    until(Duration::from_secs(2), "a new call is refused", || {
        let refused = house.phone("bob").ok()?.invite(LONDON).ok()?;
        (refused.status() == 503).then_some(())
    })?;
    pause(1_000);
    ensure!(house.ringfence.is_running(), "it did not wait for its call");
    ensure!(is_live(&house)?, "the call is gone");
    let held = alice.ask_within(&mut dialog, "INFO", "", "")?;
    ensure!(held.status() == Some(200), "within the call: {}", held.start);
    ensure!(alice.bye(&mut dialog)?.status() == Some(200), "BYE is not agreed to");
    let hung_up = Instant::now();
    ensure!(house.ringfence.ended(Duration::from_secs(10))? == 0, "it failed");
    ensure!(hung_up.elapsed() < Duration::from_secs(10), "it waited on");
    ensure!(house.carrier.bill().values().any(|entry| entry.byes > 0), "the carrier got no BYE");
    record(&house, "normal").map(drop)
}

/// A second SIGTERM ends it at once; the call is taken up at the next start.
pub fn hurried() -> Result<()> {
    let (mut house, alice, dialog) = talking(60)?;
    house.ringfence.terminate()?;
    pause(300);
    ensure!(house.ringfence.is_running(), "it did not wait for its call");
    house.ringfence.terminate()?;
    ensure!(house.ringfence.ended(Duration::from_secs(3))? == 0, "it failed");
    taken_up(&mut house, alice, dialog)
}

/// The time to wait is over; the call is taken up at the next start.
pub fn patience_ends() -> Result<()> {
    let (mut house, alice, dialog) = talking(2)?;
    let asked = Instant::now();
    house.ringfence.terminate()?;
    ensure!(house.ringfence.ended(Duration::from_secs(6))? == 0, "it failed");
    let waited = asked.elapsed();
    ensure!(waited >= Duration::from_millis(1_900), "it waited {waited:?} of two seconds");
    taken_up(&mut house, alice, dialog)
}

fn taken_up(house: &mut House, mut alice: Phone, mut dialog: Dialog) -> Result<()> {
    let entry = house.carrier.bill().into_values().next().context("the carrier has the call")?;
    ensure!(entry.ended.is_none(), "the call was hung up on");
    house.ringfence.start()?;
    ensure!(is_live(house)?, "the call was not taken up");
    pause(1_000);
    ensure!(alice.bye(&mut dialog)?.status() == Some(200), "BYE is not agreed to");
    let entry = until(Duration::from_secs(3), "the carrier gets BYE", || {
        house.carrier.bill().into_values().find(|entry| entry.byes > 0)
    })?;
    let record = record(house, "normal")?;
    let ours = Duration::from_millis(record["duration_ms"].as_u64().context("no duration")?);
    let theirs = entry.talked(Instant::now());
    ensure!(
        ours.abs_diff(theirs) < Duration::from_millis(500),
        "{ours:?} here, {theirs:?} there: not metered on"
    );
    Ok(())
}
