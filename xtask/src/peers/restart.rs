//! kill -9 with two hundred live calls: security.md M7 and M8. Lives here: what became of each of them, by its
//! Call-ID: hung up, or metered, which is seen by further holds and by the end of its money.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{House, SECRET, unbilled};
use crate::money::{Deck, cost_again, micros, rate_again};
use crate::process::{pause, until};
use crate::ringfence::{DECK_CSV, Setup};
use crate::sip_client::crowd::{Crowd, Plan};
use crate::sip_client::{Behaviour, Phone};

const CALLS: usize = 200;
/// Nothing is long enough to be over before the crash, nor so long that all would still run at the end.
const SLICE_S: u64 = 6;
/// The level pays for so many slices of each call.
const SLICES: u64 = 3;
/// 5p a minute by the second: six seconds are exactly 5,000 millionths.
const NIGERIA: &str = "+2348031234567";
const LEVEL_MICROS: u64 = CALLS as u64 * SLICES * 5_000;
/// From a cut to the BYE at the peers, on a machine that does other things, too.
const LATE: Duration = Duration::from_millis(1_000);

/// Decision and what it holds, for every live call.
fn live(house: &House) -> Result<BTreeMap<String, Value>> {
    let calls = house.ringfence.json(&["calls", "--live"])?;
    let named = calls.into_iter().map(|call| {
        let decision = call["decision"].as_str().context("a live call has a decision")?.to_owned();
        Ok((decision, call))
    });
    named.collect()
}

fn held(calls: &BTreeMap<String, Value>) -> Result<i64> {
    let each = calls.values().map(|call| micros(&call["held"]).context("a live call holds money"));
    each.sum()
}

/// 200 calls are up; the server dies and comes back; each is metered until its money ends.
pub fn live_calls() -> Result<()> {
    let slices = ["first_slice_s", "slice_s"].map(|name| format!("{name} = {SLICE_S}"));
    let money = [&slices[..], &["extend_lead_s = 1".to_owned()]].concat();
    let mut house = House::open(Setup { money, ..Setup::default() }, |_| Behaviour::Answer(20))?;
    house.ringfence.lift_limits("a")?;
    let level =
        format!("stop_level_24h={}.{:06}", LEVEL_MICROS / 1_000_000, LEVEL_MICROS % 1_000_000);
    house.ringfence.set("a", &[&level, "hotspot_calls=60000"])?;
    let plan = Plan { number: NIGERIA.to_owned(), talk: None };
    let phone = Phone::udp(house.ringfence.address(), "alice", SECRET)?;
    let mut crowd = Crowd::start(phone, &vec![plan; CALLS])?;
    let up = crowd.run(Duration::from_secs(4), |fate| fate.answered.is_some())?;
    ensure!(up, "not all {CALLS} calls are up");
    crowd.run(Duration::from_millis(500), |_| false)?;
    let before = live(&house)?;
    ensure!(before.len() == CALLS, "{} calls are live before the crash", before.len());

    house.ringfence.kill()?;
    pause(300);
    house.ringfence.start()?;
    let after = live(&house)?;
    let taken_up: BTreeSet<String> = after.keys().cloned().collect();
    let held_after = held(&after)?;
    ensure!(held_after >= held(&before)?, "the crash freed money");

    // Further slices are held while people talk on ...
    let mut most = held_after;
    let end = Instant::now() + Duration::from_secs(SLICE_S * SLICES + 5);
    while Instant::now() < end && crowd.fates().iter().any(|fate| fate.ended.is_none()) {
        crowd.run(Duration::from_secs(2), |fate| fate.ended.is_some())?;
        most = most.max(held(&live(&house)?)?);
    }
    ensure!(most > held_after, "no further slice was held after the restart: {most}");
    ensure!(most <= i64::try_from(LEVEL_MICROS)?, "{most} held of {LEVEL_MICROS}");
    // ... and it comes to an end for every one of them, on both sides.
    let open = crowd.fates().iter().filter(|fate| fate.ended.is_none()).count();
    ensure!(open == 0, "{open} callers were never hung up on");
    judge(&house, &crowd, &taken_up)
}

/// Each Call-ID on both sides, our record of it, and the sums.
fn judge(house: &House, crowd: &Crowd, taken_up: &BTreeSet<String>) -> Result<()> {
    let bill = until(LATE, "the carrier gets every BYE", || {
        let bill = house.carrier.bill();
        bill.values().all(|entry| entry.byes > 0).then_some(bill)
    })?;
    ensure!(bill.len() == CALLS, "{} calls on the carrier's bill", bill.len());
    let records = until(Duration::from_secs(5), "all records written", || {
        house.ringfence.calls().ok().filter(|records| records.len() >= CALLS)
    })?;
    ensure!(records.len() == CALLS, "{} records of {CALLS} calls", records.len());
    let fates = crowd.by_call_id();
    let (mut callers, mut metered, mut hung_up) = (BTreeSet::new(), 0, 0);
    let longest = Duration::from_secs(SLICE_S * SLICES);
    for record in &records {
        let a_leg = record["a_leg"]["call_id"].as_str().context("a record names its A leg")?;
        let b_leg = record["b_leg"]["call_id"].as_str().context("a record names its B leg")?;
        let decision = record["decision"].as_str().context("a record names its decision")?;
        ensure!(callers.insert(a_leg), "two records of {a_leg}");
        let fate = fates.get(a_leg).with_context(|| format!("nobody placed {a_leg}"))?;
        ensure!(fate.cut, "{a_leg} was not hung up on: {fate:?}");
        let entry = bill.get(b_leg).with_context(|| format!("the carrier has no {b_leg}"))?;
        let theirs = entry.talked(Instant::now());
        let ours = Duration::from_millis(record["duration_ms"].as_u64().context("no duration")?);
        ensure!(theirs <= longest + LATE, "{theirs:?} of talk, {longest:?} are paid for");
        ensure!(ours + LATE >= theirs && ours <= theirs + LATE, "{ours:?} here, {theirs:?} there");
        match record["cause"].as_str() {
            Some("money-ended") if taken_up.contains(decision) => metered += 1,
            _ if !taken_up.contains(decision) => hung_up += 1,
            cause => anyhow::bail!("{a_leg} was taken up and ended with {cause:?}"),
        }
    }
    ensure!(metered + hung_up == CALLS, "{metered} metered, {hung_up} hung up, of {CALLS}");
    ensure!(metered > 0, "no call was taken up");
    let deck = Deck::read(DECK_CSV)?;
    let sum = rate_again(&records, &deck)?;
    ensure!(sum.charged <= i64::try_from(LEVEL_MICROS)?, "{} of {LEVEL_MICROS}", sum.charged);
    cost_again(&records, &deck)?;
    let owed = unbilled(&house.ringfence.json(&["account", "show", "a"])?)?;
    ensure!(owed == sum.charged, "the account owes {owed}, its records say {}", sum.charged);
    house.ringfence.command(&["doctor"]).map(drop)
}
