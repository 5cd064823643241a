//! Lock-outs that never hit the victim. Lives here: phones that re-register and call while their account is
//! guessed at from everywhere, their own address included; an office whose passwords were changed.
//! Never here: ten thousand attackers for a day (crates/sim).

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;

use super::login::house_with;
use super::{House, LONDON, SECRET};
use crate::digest::Algorithm;
use crate::process::{pause, until};
use crate::ringfence::{Ringfence, Setup};
use crate::sip_client::{Phone, Way};

/// Addresses that guess at alice; each fourth of them is her own, with other ports.
const SOURCES: usize = 200;
/// At how many of them a thread goes round.
const SOURCES_EACH: usize = 50;
/// What her phones do meanwhile, each of them.
const ROUNDS: usize = 100;

/// The home of alice's phones.
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 41, 0, 1));

/// Her phones re-register and call without fail.
pub fn victims() -> Result<()> {
    let house = house_with(Setup::default())?;
    house.ringfence.lift_limits("a")?;
    let ways = [Way::Udp, Way::Tcp];
    let mut phones = Vec::new();
    for way in ways {
        let mut phone = Phone::on(house.ringfence.wire(way, HOME)?, "alice", SECRET);
        ensure!(phone.register(600)?.status() == Some(200), "in peace");
        phones.push(phone);
    }
    let guesses = Guesses::default();
    let [register, call] = std::thread::scope(|scope| -> Result<[Duration; 2]> {
        let crews: Vec<_> = (0..SOURCES / SOURCES_EACH)
            .map(|crew| {
                let (guesses, ringfence) = (&guesses, &house.ringfence);
                scope.spawn(move || guesses.go_on(ringfence, crew_of(crew)))
            })
            .collect();
        let lived = guesses.while_they_do(|| live(&house, &mut phones));
        guesses.is_over.store(true, Ordering::Relaxed);
        for crew in crews {
            crew.join().expect("a crew does not panic")?;
        }
        lived
    })?;
    let (count, passed) =
        (guesses.count.load(Ordering::Relaxed), guesses.passed.load(Ordering::Relaxed));
    println!(
        "        {count} guesses from {SOURCES} sources; {} registrations, the longest {register:.1?}, and as many \
         calls, the longest {call:.1?}",
        phones.len() * ROUNDS
    );
    ensure!(passed == 0, "{passed} guesses passed");
    let locks = house.ringfence.json(&["access", "locks"])?;
    let names: Vec<&str> = locks.iter().filter_map(|lock| lock["name"].as_str()).collect();
    ensure!(names.contains(&"alice"), "alice is not locked to strangers: {names:?}");
    let at_home = format!("alice@{HOME}");
    ensure!(names.contains(&at_home.as_str()), "{at_home} is not locked: {names:?}");
    // The right secret from elsewhere is a stranger's meanwhile.
    let elsewhere = Ipv4Addr::new(127, 41, 99, 1).into();
    let mut stranger = Phone::on(house.ringfence.wire(Way::Udp, elsewhere)?, "alice", SECRET);
    let told = stranger.register(600)?;
    ensure!(told.status() == Some(403), "a stranger got {}", told.start);
    Ok(())
}

/// Addresses of a crew; each fourth is the victim's own.
fn crew_of(crew: usize) -> Vec<(Way, IpAddr)> {
    let first = crew * SOURCES_EACH;
    (first..first + SOURCES_EACH)
        .map(|at| {
            let way = if at % 8 < 4 { Way::Udp } else { Way::Tcp };
            let elsewhere = Ipv4Addr::new(127, 41, 1, at as u8).into();
            (way, if at % 4 == 0 { HOME } else { elsewhere })
        })
        .collect()
}

/// What attackers do, and how far they have come.
#[derive(Default)]
struct Guesses {
    count: AtomicUsize,
    passed: AtomicUsize,
    is_over: AtomicBool,
}

impl Guesses {
    /// Each source guesses again and again, until it is over.
    fn go_on(&self, ringfence: &Ringfence, sources: Vec<(Way, IpAddr)>) -> Result<()> {
        let open = |(way, from): &(Way, IpAddr)| {
            anyhow::Ok(Phone::on(ringfence.wire(*way, *from)?, "alice", "a-guess-of-ours"))
        };
        let mut phones = sources.iter().map(open).collect::<Result<Vec<Phone>>>()?;
        while !self.is_over.load(Ordering::Relaxed) {
            for (phone, source) in phones.iter_mut().zip(&sources) {
                let told = phone.register(600);
                self.count.fetch_add(1, Ordering::Relaxed);
                match told {
                    Ok(told) if told.status() == Some(200) => {
                        self.passed.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(_) => {}
                    // Who attacks may be hung up on.
                    Err(_) => *phone = open(source)?,
                }
                // Many sources, none of them fast.
                pause(1);
            }
        }
        Ok(())
    }

    /// Begins when each source has guessed twice on average.
    fn while_they_do<T>(&self, act: impl FnOnce() -> Result<T>) -> Result<T> {
        until(Duration::from_secs(20), "the attack begins", || {
            (self.count.load(Ordering::Relaxed) > 2 * SOURCES).then_some(())
        })?;
        act()
    }
}

/// Her phones do what phones do; the longest time that a registration and a call took.
fn live(house: &House, phones: &mut [Phone]) -> Result<[Duration; 2]> {
    let mut longest = [Duration::ZERO; 2];
    for round in 0..ROUNDS {
        for phone in phones.iter_mut() {
            let way = phone.wire.transport();
            let began = Instant::now();
            let told = phone.register(600)?;
            ensure!(told.status() == Some(200), "{way}, {round}: {}", told.start);
            longest[0] = longest[0].max(began.elapsed());
            let began = Instant::now();
            let answered = phone.invite(LONDON)?;
            ensure!(answered.status() == 486, "{way}, {round}: {}", answered.response.start);
            longest[1] = longest[1].max(began.elapsed());
            pause(10);
        }
    }
    ensure!(house.carrier.bill().len() == phones.len() * ROUNDS, "calls are missing");
    Ok(longest)
}

/// Phones whose password is changed, and those of colleagues, all behind one address.
const CHANGED: usize = 50;
const COLLEAGUES: usize = 5;
/// How often a phone goes on with the old one: more often than a guesser may.
const STUBBORN: usize = 12;
const OFFICE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 42, 0, 1));
const NEW_SECRET: &str = "fodal-gimur-petov-58";

/// Fifty stale phones are told so, named once and together, and hurt nobody.
pub fn stale_phones() -> Result<()> {
    let access = vec!["stale_digest_s = 5".to_owned()];
    let house = house_with(Setup { access, ..Setup::default() })?;
    house.ringfence.lift_limits("a")?;
    let user = |at: usize| format!("desk{at}");
    for at in 0..CHANGED + COLLEAGUES {
        house.ringfence.add_line("a", &user(at), SECRET)?;
    }
    let mut phones = Vec::new();
    for at in 0..CHANGED + COLLEAGUES {
        let way = if at % 2 == 0 { Way::Udp } else { Way::Tcp };
        let mut phone = Phone::on(house.ringfence.wire(way, OFFICE)?, &user(at), SECRET);
        if at % 3 == 0 {
            phone.algorithm = Algorithm::Sha256;
        }
        ensure!(phone.register(600)?.status() == Some(200), "{} before the change", user(at));
        phones.push(phone);
    }
    for at in 0..CHANGED {
        let secret = format!("{NEW_SECRET}\n");
        house.ringfence.command_with(&["line", "secret", &user(at), "--secret-stdin"], &secret)?;
    }
    let (changed, colleagues) = phones.split_at_mut(CHANGED);
    for _ in 0..STUBBORN {
        for phone in changed.iter_mut() {
            told_politely(phone)?;
        }
        for phone in colleagues.iter_mut() {
            let told = phone.register(600)?;
            ensure!(told.status() == Some(200), "a colleague got {}", told.start);
        }
    }
    let locks = house.ringfence.json(&["access", "locks"])?;
    ensure!(locks.is_empty(), "somebody is locked out: {locks:?}");
    let named = until(Duration::from_secs(15), "the phones are named", || {
        stale_facts(&house).ok().filter(|facts| !facts.is_empty())
    })?;
    // Nor are they named again when they go on.
    for phone in changed.iter_mut() {
        told_politely(phone)?;
    }
    let call = colleagues[0].invite(LONDON)?;
    ensure!(call.status() == 486, "a colleague's call got {}", call.response.start);
    // A phone that is given the new one is in at once, from the same socket.
    changed[0].secret = NEW_SECRET.to_owned();
    let told = changed[0].register(600)?;
    ensure!(told.status() == Some(200), "with the new password: {}", told.start);
    // A new phone with the new one, too.
    let mut fresh = Phone::on(house.ringfence.wire(Way::Udp, OFFICE)?, &user(1), NEW_SECRET);
    ensure!(fresh.register(600)?.status() == Some(200), "a new phone");
    ensure!(named.len() == 1, "{} messages: {named:?}", named.len());
    let text = named[0].to_string();
    let missing: Vec<String> =
        (0..CHANGED).map(user).filter(|user| !text.contains(&format!("\"{user}\""))).collect();
    ensure!(missing.is_empty(), "not named: {missing:?} in {text}");
    let colleague = user(CHANGED);
    ensure!(!text.contains(&format!("\"{colleague}\"")), "{colleague} is named: {text}");
    println!(
        "        {CHANGED} phones, {} old passwords refused, one message",
        CHANGED * (STUBBORN + 1)
    );
    Ok(())
}

fn told_politely(phone: &mut Phone) -> Result<()> {
    let told = phone.register(600)?;
    let reason = told.header("Reason");
    ensure!(
        told.status() == Some(403) && reason.contains("old-secret"),
        "{} got {}, Reason: {reason}",
        phone.user,
        told.start
    );
    Ok(())
}

/// Messages about stale phones in the account's history.
fn stale_facts(house: &House) -> Result<Vec<Value>> {
    let history = house.ringfence.json(&["account", "history", "a", "--limit", "10000"])?;
    let stale = |fact: &Value| fact.to_string().contains("stale");
    Ok(history.into_iter().filter(stale).collect())
}
