//! When something is wrong, as holder and staff live it: begun in one browser, gone on with in another after a crash, reported
//! once; the look from outside. Lives here: browsers as plain HTTP. Never here: how pages look (portal).

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::House;
use super::portal_phones::open;
use super::web_client::Browser;
use crate::process::{free_port, until};
use crate::ringfence::{Ringfence, Setup};
use crate::sip_client::Behaviour;

/// Somebody else who signs in at an account.
fn another(ringfence: &Ringfence, web: u16, account: &str, name: &str) -> Result<Browser> {
    let added = ringfence.json(&["user", "add", account, name])?;
    let link = added.first().and_then(|value| value["link"].as_str()).context("no link")?;
    Browser::welcome(web, link)
}

/// Begun by one user, gone on with after kill -9 by another one of the account, seen by nobody of another account; one report,
/// however often it is sent; contacts and staff are told.
pub fn goes_on() -> Result<()> {
    let (mut house, mails, web, link) = open()?;
    house.ringfence.command(&["contact", "add", "--staff", "mail=duty@example.com"])?;
    let mut alice = Browser::welcome(web, &link)?;
    let mut amy = another(&house.ringfence, web, "a", "amy@example.com")?;
    let mut bob = another(&house.ringfence, web, "b", "bob@example.com")?;
    ensure!(alice.get("/wrong")?.body.contains("Stop outgoing calls now, and begin"), "a way in");
    alice.post("/wrong", "stop=yes")?;
    let status = house.ringfence.json(&["account", "show", "a"])?;
    ensure!(status[0]["status"] == "frozen", "{status:?}");
    alice.post("/wrong/mail", "how=done")?;

    house.ringfence.kill()?;
    house.ringfence.start()?;
    until(Duration::from_secs(10), "the pages answer", || amy.get("/sign-in").ok())?;
    amy.post("/wrong", "stop=no")?;
    let page = amy.get("/wrong/mail")?.body;
    ensure!(page.contains("This step is done"), "the step is on record: {page}");
    ensure!(amy.get("/")?.body.contains("Go on with the steps"), "and every page leads there");
    ensure!(!bob.get("/")?.body.contains("Go on with the steps"), "not another's");
    let under_way = house.ringfence.json(&["report", "list", "--open"])?;
    ensure!(under_way.len() == 1 && under_way[0]["report"] == "1-1", "one: {under_way:?}");

    // The password of amy is older than the beginning, or not; that of the line is.
    amy.post("/wrong/lines", "how=done")?;
    ensure!(!amy.get("/wrong/lines")?.body.contains("This step is done"), "a tick proves nothing");
    amy.post("/wrong/report", "words=at+night&left=no+time")?;
    let again = amy.page("POST", "/wrong/report", "words=twice&left=no+time")?;
    ensure!(again.location == "/wrong", "{} {}", again.status, again.location);
    let reports = house.ringfence.json(&["report", "list"])?;
    ensure!(reports.len() == 1 && reports[0]["words"] == "at night", "{reports:?}");
    ensure!(house.ringfence.json(&["report", "list", "--open"])?.is_empty(), "none is open");
    ensure!(alice.get("/wrong/reports/1")?.body.contains("at night"), "both see it");
    for path in ["/wrong/reports/1", "/wrong/reports/1/text", "/wrong/report/text"] {
        let page = bob.get(path)?;
        ensure!(page.status == 404, "{path} is there for another: {}", page.status);
    }
    for to in ["alice@example.org", "duty@example.com"] {
        for words in ["something is wrong", "reports unauthorised use"] {
            mails.wait(&format!("`{words}` to {to}"), Duration::from_secs(20), |mail| {
                let text = mail["text"].as_str().unwrap_or_default();
                mail["to"].to_string().contains(to) && text.contains(words)
            })?;
        }
    }
    crying_wolf(&mut alice)?;
    house.ringfence.command(&["verify"])?;
    Ok(())
}

/// Nobody begins more than five a day.
fn crying_wolf(browser: &mut Browser) -> Result<()> {
    for _ in 1..5 {
        browser.post("/wrong", "stop=no")?;
        browser.post("/wrong/nothing", "why=a+test")?;
    }
    let page = browser.page("POST", "/wrong", "stop=no")?;
    ensure!(page.status == 422 && page.body.contains("call your provider"), "{}", page.body);
    Ok(())
}

/// At the address of one's own phone, when it is asked for, once in ten minutes, over a restart too; nowhere else. Private
/// networks only where the operator says so.
pub fn looks_outside() -> Result<()> {
    let setup = Setup { web: Some(free_port()?), ..Setup::default() };
    let web = setup.web.context("a port")?;
    let mut house = House::open(setup, |_| Behaviour::Answer(600))?;
    let mut phone = house.phone("alice")?;
    ensure!(phone.register(3_600)?.status() == Some(200), "the phone registers");
    let mut alice = another(&house.ringfence, web, "a", "alice@example.com")?;
    let mut bob = another(&house.ringfence, web, "b", "bob@example.com")?;
    let address = "address=127.0.0.1";
    for (browser, body) in [(&mut alice, "address=127.0.0.2"), (&mut bob, address)] {
        let page = browser.page("POST", "/check-up/outside", body)?;
        ensure!(page.status == 404, "{body}: {}", page.status);
    }
    let start = Instant::now();
    alice.post("/check-up/outside", address)?;
    println!("        fourteen ports looked at in {} ms", start.elapsed().as_millis());
    ensure!(start.elapsed() < Duration::from_secs(15), "a look is short");
    let page = alice.get("/check-up")?.body;
    ensure!(page.contains("Looked at on") && page.contains("of 14 ports"), "{page}");
    let often = alice.page("POST", "/check-up/outside", address)?;
    ensure!(often.status == 422 && often.body.contains("ten minutes"), "{}", often.body);
    house.ringfence.kill()?;
    house.ringfence.start()?;
    until(Duration::from_secs(10), "the pages answer", || alice.get("/sign-in").ok())?;
    let often = alice.page("POST", "/check-up/outside", address)?;
    ensure!(often.status == 422 && often.body.contains("ten minutes"), "{}", often.body);
    ensure!(alice.get("/check-up")?.body.contains("of 14 ports"), "what was found is kept");
    // As operators have it: never into private networks.
    let file = house.ringfence.config_file();
    let text = std::fs::read_to_string(&file)?;
    std::fs::write(&file, text.replace("look_at_private = true", "look_at_private = false"))?;
    house.ringfence.kill()?;
    house.ringfence.start()?;
    until(Duration::from_secs(10), "the pages answer", || alice.get("/sign-in").ok())?;
    let private = alice.page("POST", "/check-up/outside", address)?;
    ensure!(private.status == 422 && private.body.contains("private network"), "{}", private.body);
    Ok(())
}
