//! A stolen password, as its holder lives it: a mail, the page, "Not mine". Lives here: the thief's phone, the holder's browser.
//! Never here: how pages look (portal).

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::alerts::Told;
use super::driven::Baresip;
use super::web_client::{Browser, PASSWORD};
use super::{House, LONDON, SECRET};
use crate::process::{free_port, until};
use crate::ringfence::Setup;
use crate::sip_client::{Behaviour, Phone};

const USER: &str = "alice@example.com";
/// What the thief's phone says that it is.
const THIEF: &str = "Canary Thief";
/// From REGISTER to page and mail.
const LIMIT: Duration = Duration::from_secs(2);

/// How long until a live part says this.
fn shown(mut stream: BufReader<TcpStream>, words: &str, since: Instant) -> Result<Duration> {
    let mut line = String::new();
    loop {
        line.clear();
        ensure!(stream.read_line(&mut line)? > 0, "the stream ended before it said `{words}`");
        if line.contains(words) {
            return Ok(since.elapsed());
        }
    }
}

fn device<'d>(devices: &'d [Value], agent: &str) -> Result<&'d Value> {
    let found = devices.iter().find(|one| one["agent"] == agent);
    found.with_context(|| format!("no device `{agent}`: {devices:?}"))
}

/// A house with pages and a mail server, and who is told.
fn open() -> Result<(House, Told, u16, String)> {
    let (web, mail) = (free_port()?, free_port()?);
    let more = vec![
        format!("[alerts]\nportal_url = \"http://localhost:{web}\""),
        format!("[mail]\nserver = \"127.0.0.1\"\nport = {mail}\ntls = \"none\""),
    ];
    // baresip 1.0 gives up when any of the challenges is SHA-256.
    let setup = Setup { web: Some(web), more, digest: vec!["md5"], ..Setup::default() };
    let house = House::open(setup, |_| Behaviour::Answer(600))?;
    let mut mails = Told::new(&house.ringfence, "mail", mail, &[]);
    mails.start()?;
    house.ringfence.command(&["contact", "add", "a", "mail=alice@example.org"])?;
    let added = house.ringfence.json(&["user", "add", "a", USER])?;
    let link = added.first().and_then(|value| value["link"].as_str()).context("no link")?;
    let link = link.to_owned();
    Ok((house, mails, web, link))
}

/// baresip is the holder's phone; a thief registers with its password and calls. The mail's link leads, through
/// sign-in, to the page that asks; "Not mine" cuts the call, and no phone of the thief's comes back, with the password
/// that is right. The holder's phone goes on, and its new password is made on the next page.
pub fn not_mine() -> Result<()> {
    let (house, mails, web, link) = open()?;
    let ringfence = &house.ringfence;
    let mut browser = Browser::welcome(web, &link)?;
    let empty = browser.get("/phones")?.body;
    ensure!(empty.contains("No phone yet") && empty.contains("<svg"), "what to enter: {empty}");
    let own = Baresip::start(ringfence.address(), "udp", "alice", SECRET, "")?;
    let stream = browser.ask("GET", "/phones/live", "")?;

    let mut thief = house.phone("alice")?;
    THIEF.clone_into(&mut thief.agent);
    let start = Instant::now();
    let at_us = jiff::Timestamp::now().as_microsecond();
    ensure!(thief.register(600)?.status() == Some(200), "the thief registers");
    let on_page = shown(stream, THIEF, start)?;
    let mail = mails.wait("the mail about the thief", Duration::from_secs(10), |mail| {
        mail["text"].as_str().is_some_and(|text| text.contains(THIEF))
    })?;
    let in_mail = mail["at_us"].as_i64().context("a time")? - at_us;
    println!(
        "        on the page {} ms after REGISTER, at the mail server {} ms after it",
        on_page.as_millis(),
        in_mail / 1_000
    );
    ensure!(on_page <= LIMIT && in_mail <= 2_000_000, "too late");

    let call = thief.invite(LONDON)?;
    ensure!(call.status() == 200, "the thief's call: {}", call.status());
    // Another browser, where nobody is signed in: the mail leads there.
    let text = mail["text"].as_str().unwrap_or_default();
    let place = text.split_whitespace().find_map(|word| word.split_once("/alerts/"));
    let path = format!("/alerts/{}", place.context("a link in the mail")?.1);
    let mut elsewhere = Browser::new(web);
    let asked = elsewhere.get(&path)?;
    ensure!(
        asked.location == format!("/sign-in?then={path}"),
        "{} {}",
        asked.status,
        asked.location
    );
    let form = format!("name=alice%40example.com&password={PASSWORD}&then={path}");
    ensure!(elsewhere.post("/sign-in", &form)?.location == path, "back to the alert");
    let page = elsewhere.get(&path)?.body;
    let refuse = page.split("href=\"").find(|part| part.contains("/not-mine\""));
    let refuse = refuse.and_then(|part| part.split('"').next()).context("Not mine")?.to_owned();
    ensure!(elsewhere.get(&refuse)?.body.contains("Keep it out"), "it asks");
    let devices = ringfence.json(&["device", "list", "--account", "a"])?;
    ensure!(device(&devices, THIEF)?["state"] == "new", "looking changes nothing: {devices:?}");

    let start = Instant::now();
    ensure!(elsewhere.post(&refuse, "")?.location == "/passwords", "refused");
    thief.expect("BYE", Duration::from_secs(5))?;
    println!("        the call is cut {} ms after Not mine", start.elapsed().as_millis());
    until(Duration::from_secs(5), "the carrier has its BYE", || {
        house.carrier.bill().values().all(|entry| entry.byes > 0).then_some(())
    })?;
    let devices = ringfence.json(&["device", "list", "--account", "a"])?;
    ensure!(device(&devices, THIEF)?["state"] == "banned", "{devices:?}");
    let lines = ringfence.json(&["line", "list", "--account", "a"])?;
    let bound = &lines[0]["phones"];
    ensure!(!bound.to_string().contains(THIEF), "its registration is forgotten: {bound}");
    ensure!(bound.to_string().contains("baresip"), "the holder's is not: {bound}");
    stays_out(&house, &mut thief)?;
    // The holder's own phone still calls.
    let mut own = own;
    own.press("dial", &format!("sip:{LONDON}@example.com"))?;
    own.expect("CALL_ESTABLISHED")?;
    own.press("hangup", "")?;
    own.expect("CALL_CLOSED")?;

    let line = lines[0]["id"].as_u64().context("a line")?;
    let made = elsewhere.post(&format!("/passwords/{line}"), "shape=type&overlap=none")?.body;
    let secret =
        made.split("<code class=\"shown\">").nth(1).and_then(|part| part.split('<').next());
    let secret = secret.context("a new password")?;
    ensure!(secret != SECRET && secret.len() > 20, "{secret}");
    stays_out(&house, &mut thief)?;
    let mut phone = Phone::udp(ringfence.address(), "alice", secret)?;
    ensure!(phone.register(600)?.status() == Some(200), "the new password works");
    let mut canaries = super::canaries::Canaries::default();
    canaries.plant_line("alice", secret)?;
    let found = canaries.find(ringfence.dir(), &[])?;
    ensure!(found.is_empty(), "the new password is found: {found:?}");
    Ok(())
}

/// With the right password: as itself, as another phone, and as another phone from another address.
fn stays_out(house: &House, thief: &mut Phone) -> Result<()> {
    let status = thief.register(600)?.status();
    ensure!(status != Some(200), "the thief is back");
    ensure!(thief.invite(LONDON)?.status() != 200, "the thief calls");
    let server = house.ringfence.address();
    for from in [[127, 0, 0, 1], [127, 0, 0, 77]] {
        let mut other = Phone::udp_from(from.into(), server, "alice", SECRET)?;
        "Another Phone".clone_into(&mut other.agent);
        let status = other.register(600)?.status();
        ensure!(status != Some(200), "the thief is back as another phone at {from:?}");
    }
    Ok(())
}

/// kill -9, and the browser is signed in still; signed out, it is not after the next.
pub fn stays_signed_in() -> Result<()> {
    let (mut house, _mails, web, link) = open()?;
    let mut browser = Browser::welcome(web, &link)?;
    let mut other = Browser::new(web);
    let form = format!("name=alice%40example.com&password={PASSWORD}");
    other.post("/sign-in", &form)?;
    other.post("/sign-out", "")?;
    let gone = other.cookies.clone();
    house.ringfence.kill()?;
    house.ringfence.start()?;
    until(Duration::from_secs(10), "the browser is signed in still", || {
        (browser.get("/").ok()?.status == 200).then_some(())
    })?;
    other.cookies = gone;
    ensure!(other.get("/")?.status == 303, "who signed out is out");
    // What was shown before is not fresh.
    ensure!(browser.post("/phones/1/mine", "").is_err(), "there is no such phone");
    let asked = browser.get("/log-in/authenticator")?;
    ensure!(asked.location == "/confirm", "{} {}", asked.status, asked.location);
    browser.post("/sign-out", "")?;
    house.ringfence.kill()?;
    house.ringfence.start()?;
    until(Duration::from_secs(10), "the pages answer", || browser.get("/sign-in").ok())?;
    ensure!(browser.get("/")?.status == 303, "it signed out");
    Ok(())
}
