//! kill -9 with calls in progress: security.md M7 and M8 on the real program.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::{House, LONDON, SECRET, unbilled};
use crate::money::{Deck, rate_again};
use crate::process::until;
use crate::ringfence::{DECK_CSV, Setup};
use crate::sip_client::carrier::Entry;
use crate::sip_client::crowd::{Crowd, Plan};
use crate::sip_client::{Behaviour, Phone};

/// After a restart each call is hung up or metered again within this time.
const RECOVERY: Duration = Duration::from_secs(10);
/// How much longer than a call lasted it may be charged for that had ended, but whose record was not written when the
/// server died: the age of the last mark of life.
const MARK: Duration = Duration::from_millis(1_500);
/// How far our duration of a call may be from the carrier's.
const CLOCKS: Duration = Duration::from_millis(1_500);

/// Our records beside the carrier's own bill, call by call, and the sums.
fn compare(house: &House, records: &[Value], bill: &BTreeMap<String, Entry>) -> Result<()> {
    let mut by_leg: BTreeMap<&str, &Value> = BTreeMap::new();
    let mut interrupted = 0;
    for record in records {
        if record["answered"].is_null() {
            interrupted += usize::from(record["cause"] == "fault");
            continue;
        }
        let leg = record["b_leg"]["call_id"].as_str().context("a record names its B leg")?;
        if by_leg.insert(leg, record).is_some() {
            bail!("two records of the call {leg}");
        }
    }
    let now = Instant::now();
    let mut unlike = Vec::new();
    let mut late = 0;
    for (leg, entry) in bill.iter().filter(|(_, entry)| entry.answered.is_some()) {
        let Some(record) = by_leg.get(leg.as_str()) else {
            // Answered while the server was dead or dying: acknowledged, hung up, nobody pays (ADR 5).
            late += 1;
            ensure!(entry.talked(now) <= RECOVERY, "late and long: {entry:?}");
            continue;
        };
        let ours = Duration::from_millis(record["duration_ms"].as_u64().context("no duration")?);
        let theirs = entry.talked(now);
        if ours + CLOCKS < theirs || theirs + MARK + CLOCKS < ours {
            unlike.push(format!("{ours:?} here, {theirs:?} there: {record}"));
        }
    }
    ensure!(
        late <= interrupted,
        "{late} late answers, but only {interrupted} records of interrupted calls"
    );
    ensure!(unlike.is_empty(), "{} calls differ, the first: {}", unlike.len(), unlike[0]);
    let sum = rate_again(records, &Deck::read(DECK_CSV)?)?;
    let owed = unbilled(&house.ringfence.json(&["account", "show", "a"])?)?;
    ensure!(owed == sum.charged, "the account owes {owed}, its records say {}", sum.charged);
    Ok(())
}

/// Calls come and go; the server dies five times at odd moments.
pub fn again_and_again() -> Result<()> {
    let mut house = House::open(Setup::default(), |_| Behaviour::Answer(30))?;
    house.ringfence.lift_limits("a")?;
    for round in 0..5_u64 {
        let plans: Vec<Plan> = (0..60)
            .map(|at| Plan {
                number: LONDON.to_owned(),
                talk: Some(Duration::from_millis(100 + at * 37 % 900)),
            })
            .collect();
        let phone = Phone::udp(house.ringfence.address(), "alice", SECRET)?;
        let mut crowd = Crowd::start(phone, &plans)?;
        // At some odd moment: while INVITEs are being judged, held, rung, answered, hung up.
        crowd.run(Duration::from_millis(7 + round * round * 61), |_| false)?;
        house.ringfence.kill()?;
        house.ringfence.start()?;
        crowd.run(Duration::from_secs(15), |fate| {
            fate.ended.is_some() || fate.status.is_some_and(|status| status >= 300)
        })?;
    }
    // Calls whose callers went away while the server was down are asked about, and hung up when nobody answers.
    let bill = until(Duration::from_secs(60), "the carrier gets every BYE or CANCEL", || {
        let bill = house.carrier.bill();
        bill.values().all(|entry| entry.ended.is_some()).then_some(bill)
    })?;
    ensure!(bill.values().any(|entry| entry.answered.is_some()), "no call was ever answered");
    until(Duration::from_secs(45), "nothing is live", || {
        house.ringfence.json(&["calls", "--live"]).ok().filter(Vec::is_empty)
    })?;
    let records = until(Duration::from_secs(10), "all records written", || {
        house.ringfence.calls().ok().filter(|records| records.len() >= bill.len())
    })?;
    compare(&house, &records, &bill)?;
    house.ringfence.command(&["doctor"]).map(drop)
}
