//! Five hundred calls in one breath on an account that can hold ten: security.md M4 and M5 on real sockets.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{House, SECRET};
use crate::money::{Deck, cost_again, micros, rate_again};
use crate::process::until;
use crate::ringfence::{DECK_CSV, Setup};
use crate::sip_client::carrier::Entry;
use crate::sip_client::crowd::{Crowd, Plan};
use crate::sip_client::{Behaviour, Phone};

const CALLS: usize = 500;
const HOLDS: usize = 10;
/// Seconds that one hold covers in this check.
const SLICE_S: u64 = 3;
/// 5p a minute by the second: three seconds are exactly 2,500 millionths.
const NIGERIA: &str = "+2348031234567";
const LEVEL: &str = "0.025";
const LEVEL_MICROS: i64 = 25_000;
/// Longest time from the end of the money to the BYE that we allow here.
const OVERRUN: Duration = Duration::from_millis(1_000);

/// Exactly ten reach the carrier; these are cut at the end of what was held; all bills agree.
pub fn five_hundred() -> Result<()> {
    let money = vec![
        format!("first_slice_s = {SLICE_S}"),
        format!("slice_s = {SLICE_S}"),
        "extend_lead_s = 1".to_owned(),
    ];
    let setup = Setup { money, ..Setup::default() };
    let house = House::open(setup, |_| Behaviour::Answer(50))?;
    let level = format!("stop_level_24h={LEVEL}");
    house
        .ringfence
        .set("a", &[&level, "costly_calls=60000", "calls=60000", "hotspot_calls=60000"])?;

    let plan = Plan { number: NIGERIA.to_owned(), talk: None };
    let phone = Phone::udp(house.ringfence.address(), "alice", SECRET)?;
    let mut crowd = Crowd::start(phone, &vec![plan; CALLS])?;
    let over = |fate: &crate::sip_client::crowd::Fate| {
        fate.status.is_some_and(|status| status >= 300) || fate.ended.is_some()
    };
    let done = crowd.run(Duration::from_secs(20), over)?;
    let fates = crowd.fates();
    ensure!(done, "{} calls hang", fates.iter().filter(|fate| !over(fate)).count());

    let answered: Vec<_> = fates.iter().filter(|fate| fate.answered.is_some()).collect();
    ensure!(answered.len() == HOLDS, "{} calls were answered, not {HOLDS}", answered.len());
    ensure!(answered.iter().all(|fate| fate.cut), "not every caller got a BYE");
    for fate in &fates {
        ensure!(fate.unexpected.is_empty(), "unexpected: {:?}", fate.unexpected);
        if let Some(response) = &fate.response {
            let reason = response.header("Reason");
            ensure!(response.status() == Some(403), "refused with {}", response.start);
            ensure!(reason.contains("stop-level"), "Reason: {reason}");
        }
    }

    let bill = until(OVERRUN, "the carrier gets every BYE", || {
        let bill = house.carrier.bill();
        bill.values().all(|entry| entry.ended.is_some()).then_some(bill)
    })?;
    ensure!(bill.len() == HOLDS, "{} INVITEs reached the carrier, not {HOLDS}", bill.len());
    let slice = Duration::from_secs(SLICE_S);
    let now = Instant::now();
    for entry in bill.values() {
        let talked = entry.talked(now);
        ensure!(entry.byes >= 1 && entry.acked, "the carrier got no BYE or no ACK: {entry:?}");
        ensure!(talked + Duration::from_millis(300) >= slice, "cut too early: {talked:?}");
    }

    let records = until(Duration::from_secs(5), "all records written", || {
        house.ringfence.calls().ok().filter(|records| records.len() == CALLS)
    })?;
    let deck = Deck::read(DECK_CSV)?;
    let sum = rate_again(&records, &deck)?;
    ensure!(sum.answered == HOLDS && sum.unanswered == CALLS - HOLDS, "{sum:?}");
    ensure!(sum.charged <= LEVEL_MICROS, "charged {} of {LEVEL_MICROS}", sum.charged);
    let costs = cost_again(&records, &deck)?;
    let carriers_sum = bills_agree(&bill, &records, &deck)?;
    ensure!(carriers_sum == costs, "the carrier's own bill is {carriers_sum}, ours {costs}");
    ensure!(carriers_sum <= LEVEL_MICROS, "{carriers_sum} was talked, {LEVEL_MICROS} was held");
    let ended = records.iter().filter(|call| call["cause"] == "money-ended").count();
    ensure!(ended == HOLDS, "{ended} records say money-ended");
    Ok(())
}

/// The carrier charges each call by its own clock, in its own increments, what our record says it costs; the sum.
fn bills_agree(bill: &BTreeMap<String, Entry>, records: &[Value], deck: &Deck) -> Result<i64> {
    let now = Instant::now();
    let mut sum = 0;
    for (call_id, entry) in bill {
        let record = records.iter().find(|record| record["b_leg"]["call_id"] == call_id.as_str());
        let record =
            record.with_context(|| format!("no record of the carrier's call {call_id}"))?;
        let ours = micros(&record["cost"]).context("a record without a cost")?;
        let talked = entry.talked(now);
        let theirs = deck.price(&entry.number, u64::try_from(talked.as_millis())?);
        ensure!(theirs == Some(ours), "{talked:?}: {theirs:?} there, {ours} here: {record}");
        sum += ours;
    }
    Ok(sum)
}
