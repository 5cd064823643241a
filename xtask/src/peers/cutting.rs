//! Two thousand live calls, and the end of them: security.md M5. Lives here: a bound on how long it takes until
//! both peers have their BYE, by the peers' own clock. Never here: how fast the machine is (bench).

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{House, SECRET};
use crate::process::until;
use crate::ringfence::Setup;
use crate::sip_client::crowd::{Crowd, Plan};
use crate::sip_client::{Behaviour, Phone};

const CALLS: usize = 2_000;
/// 99 of 100 calls are over at both peers within this time.
const LIMIT: Duration = Duration::from_secs(1);
/// 5p a minute by the second.
const NIGERIA: &str = "+2348031234567";
/// Talk that the first hold covers where the money ends, long enough to set all calls up: fifteen seconds are
/// exactly 12,500 millionths.
const SLICE_S: u64 = 15;
const SLICE_MICROS: u64 = 12_500;

/// All calls are up at both peers.
fn two_thousand(house: &House) -> Result<Crowd> {
    let plan = Plan { number: NIGERIA.to_owned(), talk: None };
    let phone = Phone::udp(house.ringfence.address(), "alice", SECRET)?;
    let mut crowd = Crowd::start(phone, &vec![plan; CALLS])?;
    let up = crowd.run(Duration::from_secs(20), |fate| fate.answered.is_some())?;
    let down = crowd.fates().into_iter().find(|fate| fate.answered.is_none());
    ensure!(up, "not all {CALLS} calls are up: {down:?}");
    until(Duration::from_secs(5), "the carrier has every ACK", || {
        house.carrier.bill().values().all(|entry| entry.acked).then_some(())
    })?;
    Ok(crowd)
}

/// How long the 99th of 100 took.
fn p99(mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    took[took.len() * 99 / 100]
}

/// When each call was over at the caller and at the carrier, as time since `since` says of its answer there.
fn over(
    house: &House,
    crowd: &Crowd,
    since: impl Fn(Instant) -> Instant,
) -> Result<(Vec<Duration>, Vec<Duration>)> {
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for fate in crowd.fates() {
        ensure!(fate.cut && fate.unexpected.is_empty(), "not cut, or odd: {fate:?}");
        let (answered, ended) = fate.answered.zip(fate.ended).context("a call without times")?;
        here.push(ended.saturating_duration_since(since(answered)));
    }
    for entry in house.carrier.bill().values() {
        let (answered, ended) = entry.answered.zip(entry.ended).context("a call without a BYE")?;
        ensure!(entry.byes > 0, "a call ended without a BYE: {entry:?}");
        there.push(ended.saturating_duration_since(since(answered)));
    }
    ensure!(here.len() == CALLS && there.len() == CALLS, "{} and {}", here.len(), there.len());
    Ok((here, there))
}

/// Both peers have their BYEs in time, and every call has a record with this cause.
fn in_time(
    house: &House,
    crowd: &mut Crowd,
    cause: &str,
    since: impl Fn(Instant) -> Instant,
) -> Result<()> {
    let done = crowd.run(Duration::from_secs(15), |fate| fate.ended.is_some())?;
    ensure!(done, "not every caller got a BYE");
    until(Duration::from_secs(15), "the carrier gets every BYE", || {
        house.carrier.bill().values().all(|entry| entry.ended.is_some()).then_some(())
    })?;
    let (here, there) = over(house, crowd, since)?;
    let (here, there) = (p99(here), p99(there));
    ensure!(
        here <= LIMIT && there <= LIMIT,
        "p99 {here:?} at the caller, {there:?} at the carrier"
    );
    let records = until(Duration::from_secs(10), "all records written", || {
        house.ringfence.calls().ok().filter(|records| records.len() >= CALLS)
    })?;
    let other = records.iter().find(|record| record["cause"] != cause);
    ensure!(records.len() == CALLS && other.is_none(), "{} records, {other:?}", records.len());
    Ok(())
}

/// The money of all of them ends.
pub fn money() -> Result<()> {
    let slices = ["first_slice_s", "slice_s"].map(|name| format!("{name} = {SLICE_S}"));
    let money = [&slices[..], &["extend_lead_s = 1".to_owned()]].concat();
    let house = House::open(Setup { money, ..Setup::default() }, |_| Behaviour::Answer(20))?;
    house.ringfence.lift_limits("a")?;
    let level = CALLS as u64 * SLICE_MICROS;
    let level = format!("stop_level_24h={}.{:06}", level / 1_000_000, level % 1_000_000);
    house.ringfence.set("a", &[&level, "hotspot_calls=60000"])?;
    let mut crowd = two_thousand(&house)?;
    in_time(&house, &mut crowd, "money-ended", |answered| answered + Duration::from_secs(SLICE_S))
}

/// An operator's order ends all of them; counted from when he presses return.
fn ordered(arguments: &[&str]) -> Result<()> {
    let house = House::open(Setup::default(), |_| Behaviour::Answer(20))?;
    house.ringfence.lift_limits("a")?;
    house.ringfence.set("a", &["hotspot_calls=60000"])?;
    let mut crowd = two_thousand(&house)?;
    let order = Instant::now();
    std::thread::scope(|scope| {
        let pressed = scope.spawn(|| house.ringfence.command(arguments));
        in_time(&house, &mut crowd, "cut", |_| order)?;
        pressed.join().expect("a command does not panic").map(drop)
    })
}

/// The holder's "stop outgoing calls now".
pub fn freeze() -> Result<()> {
    ordered(&["account", "freeze", "a"])
}

/// An IP lock that the running calls do not fit.
pub fn ip_lock() -> Result<()> {
    ordered(&["account", "set", "a", "ip_lock=127.0.0.2/32"])
}

/// A cap that is lowered ends the dear call at both sides within a second, and leaves the cheap one alone.
pub fn lowered_cap() -> Result<()> {
    let house = House::open(Setup::default(), |_| Behaviour::Answer(20))?;
    house.ringfence.lift_limits("a")?;
    let plan = |number: &str| Plan { number: number.to_owned(), talk: None };
    let phone = Phone::udp(house.ringfence.address(), "alice", SECRET)?;
    let mut crowd = Crowd::start(phone, &[plan(NIGERIA), plan(super::LONDON)])?;
    let up = crowd.run(Duration::from_secs(10), |fate| fate.answered.is_some())?;
    ensure!(up, "not both calls are up: {:?}", crowd.fates());
    let order = Instant::now();
    let said = house.ringfence.command(&["account", "set", "a", "price_cap_international=0.01"])?;
    ensure!(said.contains("1 live calls cut"), "said: {said}");
    crowd.run(LIMIT, |fate| fate.ended.is_some())?;
    let fates = crowd.fates();
    let ended = fates[0].ended.context("the dear call was not cut at the caller")?;
    ensure!(fates[0].cut && ended - order <= LIMIT, "the dear call: {:?}", fates[0]);
    ensure!(fates[1].ended.is_none(), "the cheap call was cut: {:?}", fates[1]);
    let bill = house.carrier.bill();
    let of = |number: &str| bill.values().find(|entry| number.ends_with(&entry.number));
    let dear = of(NIGERIA).context("the carrier has no dear call")?;
    let ended = dear.ended.context("the dear call was not cut at the carrier")?;
    ensure!(dear.byes > 0 && ended - order <= LIMIT, "the dear call at the carrier: {dear:?}");
    let cheap = of(super::LONDON).context("the carrier has no cheap call")?;
    ensure!(cheap.ended.is_none(), "the cheap call was cut at the carrier: {cheap:?}");
    let record = house.records(1)?.pop().context("no record")?;
    ensure!(record["cause"] == "cut" && record["dialled"] == NIGERIA, "the record: {record}");
    Ok(())
}
