//! Five hundred browsers that watch their account at once. Lives here: who watches, how soon a call is seen, what it costs.
//! Never here: how pages look (portal).

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::web_client::Browser;
use super::{House, LONDON, SECRET};
use crate::process::{cpu_seconds, free_port, pause};
use crate::ringfence::Setup;
use crate::sip_client::{Behaviour, Phone};

const ACCOUNTS: usize = 25;
/// As many as the pages give to one account.
const EACH: usize = 25;
/// Streams at once; the issue asks for 500.
const ALL: usize = ACCOUNTS * EACH;
/// Until a call that is answered is on the page.
const LIMIT: Duration = Duration::from_secs(2);
const WATCHED_MS: u64 = 5_000;

/// 625 streams of 25 accounts, half of them of the money and half of the phones: each account sees its own call within two
/// seconds and nobody else's; one more of an account is refused, and pages answer beside them.
pub fn five_hundred() -> Result<()> {
    let web = free_port()?;
    let house =
        House::open(Setup { web: Some(web), ..Setup::default() }, |_| Behaviour::Answer(600))?;
    let ringfence = &house.ringfence;
    let before = cpu_seconds(ringfence.id());
    pause(WATCHED_MS);
    let idle = cpu_seconds(ringfence.id()) - before;
    let mut watched = Vec::new();
    let mut browsers = Vec::new();
    for at in 0..ACCOUNTS {
        let name = format!("watch{at}");
        ringfence.add_account(&name, "residential")?;
        ringfence.set(&name, &["stop_level_off_hours=none"])?;
        ringfence.add_line(&name, &name, SECRET)?;
        let added = ringfence.json(&["user", "add", &name, &format!("{name}@example.com")])?;
        let link = added.first().and_then(|value| value["link"].as_str()).context("no link")?;
        let browser = Browser::welcome(web, link)?;
        for stream in 0..EACH {
            let part = if stream % 2 == 0 { "/live" } else { "/phones/live" };
            watched.push((at, part, open(&browser, part)?));
        }
        browsers.push(browser);
    }
    let before = cpu_seconds(ringfence.id());
    pause(WATCHED_MS);
    let busy = cpu_seconds(ringfence.id()) - before - idle;
    println!(
        "        {ALL} streams cost {:.1} % of a core",
        busy / Duration::from_millis(WATCHED_MS).as_secs_f64() * 100.0
    );
    for browser in &mut browsers {
        let page = browser.get("/live")?;
        ensure!(page.status == 503, "one stream too many: {}", page.status);
        ensure!(browser.get("/")?.status == 200, "the page beside its streams");
    }
    // One account calls: its streams show it, and no other.
    let caller = ACCOUNTS / 2;
    let mut phone = Phone::udp(ringfence.address(), &format!("watch{caller}"), SECRET)?;
    phone.register(600)?;
    let mut call = phone.invite(LONDON)?;
    ensure!(call.status() == 200, "the call was not answered: {}", call.status());
    let start = Instant::now();
    let mut slowest = Duration::ZERO;
    for (at, part, stream) in &mut watched {
        if *at == caller {
            let words = if *part == "/live" { "/cut" } else { "127.0.0.1" };
            slowest = slowest.max(seen(stream, words, start)?);
        }
    }
    println!("        a call is on all streams of its account within {} ms", slowest.as_millis());
    ensure!(slowest <= LIMIT, "too late");
    phone.bye(call.dialog.as_mut().context("it was not answered")?)?;
    for (at, _, stream) in &mut watched {
        if *at != caller {
            ensure!(!has(stream, "/cut")?, "the call is on another account's page");
        }
    }
    Ok(())
}

/// A stream whose head has come.
fn open(browser: &Browser, part: &str) -> Result<BufReader<TcpStream>> {
    let mut stream = browser.ask("GET", part, "")?;
    let mut line = String::new();
    stream.read_line(&mut line)?;
    ensure!(line.contains(" 200 "), "{part}: {line}");
    Ok(stream)
}

/// How long after `start` a stream says this.
fn seen(stream: &mut BufReader<TcpStream>, words: &str, start: Instant) -> Result<Duration> {
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line)? == 0 {
            bail!("a stream ended before it said `{words}`");
        }
        if line.contains(words) {
            return Ok(start.elapsed());
        }
    }
}

/// Has a stream said this, in what has come of it?
fn has(stream: &mut BufReader<TcpStream>, words: &str) -> Result<bool> {
    stream.get_ref().set_read_timeout(Some(Duration::from_millis(1)))?;
    let mut line = String::new();
    loop {
        line.clear();
        match stream.read_line(&mut line) {
            Ok(0) => bail!("a stream has ended"),
            Ok(_) if line.contains(words) => return Ok(true),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}
