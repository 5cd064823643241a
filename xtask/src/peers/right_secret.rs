//! A8 of security.md: during a lock-out the right password never passes. Lives here: three kinds of lock-outs,
//! UDP, TCP and TLS, the instant at which one ends, a crash within. Never here: a million tries (crates/sim).

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};

use super::login::{ask, challenge, house_with};
use super::{House, SECRET};
use crate::digest::{Answer, Challenge};
use crate::process::{pause, until};
use crate::ringfence::Setup;
use crate::sip_client::{Phone, Way};

/// Tries with the right secret.
const TRIES: usize = 10_000;
/// Addresses from which alice's name is locked out, one by one.
const SOURCES: u8 = 8;
/// An address that is locked out whatever the name.
const LOCKED_SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 31, 1, 1));
/// An address from which nobody has failed.
const FRESH_SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 31, 2, 1));
const WAYS: [Way; 3] = [Way::Udp, Way::Tcp, Way::Tls];
const URI: &str = "sip:example.com";

/// Shown times are whole milliseconds, cut off: the lock-out may end so much later, and for as long no
/// answer says anything.
const SHOWN_US: i64 = 1_000;

/// Somebody with the right secret at a door that is shut.
struct Holder {
    phone: Phone,
    nonce: Challenge,
    nc: u32,
    /// What has to be over before he gets in.
    lock: String,
}

/// Ten thousand right secrets, by three ways, before and after a crash, and to the millisecond at the end.
pub fn never_passes() -> Result<()> {
    let access = ["first_lock_min = 1", "failures_per_user = 60"].map(str::to_owned).to_vec();
    let mut house = house_with(Setup { tls: true, access, ..Setup::default() })?;
    let mut holders = shut_all(&house)?;
    let ends = ends(&house, &holders)?;
    let mut refused = 0;
    while refused < TRIES / 2 {
        refused += one_each(&mut holders, &ends)?;
    }
    drop(holders);
    house.ringfence.kill()?;
    house.ringfence.start()?;
    ensure!(ends == self::ends(&house, &places(&house)?)?, "the crash has moved the ends");
    let mut holders = places(&house)?;
    while refused < TRIES {
        refused += one_each(&mut holders, &ends)?;
    }
    let status = house.ringfence.json(&["status"])?;
    let locked = status[0]["node"]["log_ins_locked"].as_u64().unwrap_or(0);
    ensure!(locked >= TRIES as u64 / 2, "{locked} of {TRIES} counted since the crash");
    let (last, first) = at_the_end(&mut holders, &ends)?;
    println!(
        "        {refused} right secrets refused; the last one {:.1} ms before an end as shown, the first \
         one let in {:.1} ms after it",
        last as f64 / 1_000.0,
        first as f64 / 1_000.0
    );
    Ok(())
}

/// Fails until the doors are shut.
fn shut_all(house: &House) -> Result<Vec<Holder>> {
    for at in 0..SOURCES {
        fail(house, source(at), &["alice"; 5])?;
        // The ends are so far from each other that each can be watched.
        pause(100);
    }
    // One address, thirty names.
    let names: Vec<String> = (0..30).map(|at| format!("guessed{at}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    fail(house, LOCKED_SOURCE, &names)?;
    // Bob, from everywhere.
    for at in 0..15 {
        fail(house, Ipv4Addr::new(127, 31, 3, at + 1).into(), &["bob"; 4])?;
    }
    places(house)
}

fn source(at: u8) -> IpAddr {
    Ipv4Addr::new(127, 31, 0, at + 1).into()
}

/// Wrong secrets by UDP; each is refused.
fn fail(house: &House, from: IpAddr, users: &[&str]) -> Result<()> {
    let mut phone = Phone::on(house.ringfence.wire(Way::Udp, from)?, "", "wrong-secret");
    for user in users {
        phone.user = (*user).to_owned();
        let told = phone.register(60)?;
        ensure!(told.status() == Some(403), "a wrong secret got {}", told.start);
    }
    Ok(())
}

/// Those who know the secret, at each door and by each way.
fn places(house: &House) -> Result<Vec<Holder>> {
    let mut holders = Vec::new();
    for way in WAYS {
        for at in 0..SOURCES {
            let from = source(at);
            holders.push(Holder::at(house, way, from, "alice", &format!("alice@{from}"))?);
        }
        holders.push(Holder::at(house, way, LOCKED_SOURCE, "alice", &LOCKED_SOURCE.to_string())?);
        holders.push(Holder::at(house, way, FRESH_SOURCE, "bob", "bob")?);
    }
    Ok(holders)
}

impl Holder {
    fn at(house: &House, way: Way, from: IpAddr, user: &str, lock: &str) -> Result<Holder> {
        let mut phone = Phone::on(house.ringfence.wire(way, from)?, user, SECRET);
        let nonce = challenge(&mut phone, "REGISTER", URI)?;
        Ok(Holder { phone, nonce, nc: 0, lock: lock.to_owned() })
    }

    /// Shows the right secret once: when it was sent, when the answer was there, what it was.
    fn show(&mut self) -> Result<(i64, i64, u16)> {
        self.nc += 1;
        let user = self.phone.user.clone();
        let answer = Answer {
            user: &user,
            secret: SECRET,
            method: "REGISTER",
            uri: URI,
            nc: self.nc,
            cnonce: "c0ffee",
        };
        let line = format!("Expires: 0\r\nAuthorization: {}\r\n", answer.to(&self.nonce));
        let sent = now_us()?;
        let told = ask(&mut self.phone, "REGISTER", URI, &line)?;
        let heard = now_us()?;
        let status = told.status().context("an answer without status")?;
        if status == 401 {
            // The nonce is too old: a new one for the next time.
            self.nonce = challenge(&mut self.phone, "REGISTER", URI)?;
            self.nc = 0;
        }
        Ok((sent, heard, status))
    }
}

fn now_us() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?)
}

/// When the doors of these open again, as `access locks` shows it, in microseconds since 1970.
fn ends(house: &House, holders: &[Holder]) -> Result<Vec<i64>> {
    let locks = house.ringfence.json(&["access", "locks"])?;
    holders
        .iter()
        .map(|holder| {
            let name = holder.lock.as_str();
            let lock = locks.iter().find(|lock| lock["name"] == name);
            let lock = lock.with_context(|| format!("no lock-out {name} among {locks:?}"))?;
            let text = lock["until"].as_str().context("a lock-out without end")?;
            micros(text).with_context(|| format!("`{text}` is no time"))
        })
        .collect()
}

/// Microseconds since 1970 of `2026-11-22T08:41:03.250Z`.
fn micros(text: &str) -> Option<i64> {
    let parts: Vec<i64> =
        text.split(['-', 'T', ':', '.', 'Z']).map_while(|part| part.parse().ok()).collect();
    let &[year, month, day, hour, minute, second, milli] = parts.as_slice() else { return None };
    // Years that begin in March have their odd day at the end.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let days =
        year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468;
    Some(((((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000 + milli) * 1_000)
}

/// One try at each door that is still shut; how many were refused.
fn one_each(holders: &mut [Holder], ends: &[i64]) -> Result<usize> {
    let mut refused = 0;
    for (holder, end) in holders.iter_mut().zip(ends) {
        let (_, heard, status) = holder.show()?;
        ensure!(heard < *end, "{TRIES} tries took longer than a lock-out");
        match status {
            403 => refused += 1,
            401 => {}
            other => bail!("{:?} got {other} {} us before the end", holder.lock, end - heard),
        }
    }
    // Not faster than a patient attacker: so that nobody takes it for a flood.
    pause(20);
    Ok(refused)
}

/// Around the end of each lock-out, as fast as it goes: nobody is in before it, everybody is after it.
/// How long before its end the last was refused, and after it the first was let in.
fn at_the_end(holders: &mut [Holder], ends: &[i64]) -> Result<(i64, i64)> {
    let (mut last, mut first) = (i64::MAX, i64::MAX);
    let mut order: Vec<usize> = (0..holders.len()).collect();
    // Those at one door one after the other, each way first somewhere.
    let doors = holders.len() / WAYS.len();
    order.sort_by_key(|at| (ends[*at], (at / doors + at % doors) % WAYS.len()));
    for at in order {
        let (holder, end) = (&mut holders[at], ends[at]);
        holder.nonce = challenge(&mut holder.phone, "REGISTER", URI)?;
        holder.nc = 0;
        until(Duration::from_secs(70), "the end of a lock-out", || {
            (now_us().unwrap_or(i64::MAX) > end - 20_000).then_some(())
        })?;
        loop {
            let (sent, heard, status) = holder.show()?;
            match status {
                403 => {
                    ensure!(
                        sent <= end + SHOWN_US,
                        "{:?} was refused {} us after the end",
                        holder.lock,
                        sent - end
                    );
                    if heard < end {
                        last = last.min(end - heard);
                    }
                }
                200 => {
                    ensure!(heard >= end, "{:?} was let in {} us early", holder.lock, end - heard);
                    first = first.min(heard - end);
                    break;
                }
                other => bail!("{:?} got {other} at the end", holder.lock),
            }
        }
    }
    Ok((last, first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        fn check(text: &str, want: Option<i64>) {
            assert_eq!(micros(text), want, "{text}");
        }
        check("1970-01-01T00:00:00.000Z", Some(0));
        check("2000-02-29T12:00:00.001Z", Some(951_825_600_001_000));
        check("2026-11-22T08:41:03.250Z", Some(1_795_336_863_250_000));
        check("2026-11-22", None);
    }
}
