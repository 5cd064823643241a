//! A real browser as phone: JsSIP registers over WSS, calls and is called.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::browser::Browser;
use super::{House, SECRET};
use crate::ringfence::Setup;
use crate::sip_client::Behaviour;

/// Two browser phones call each other, both ways, and their voices are encrypted from end to end: what their
/// session descriptions say of it passes untouched.
pub fn jssip() -> Result<()> {
    // JsSIP knows MD5 only, and looks at the last challenge only: as it comes by default.
    let setup = Setup { tls: true, ..Setup::default() };
    let house = House::open(setup, |_| Behaviour::Answer(20))?;
    let server = format!("wss://{}", house.ringfence.wss_address());
    let mut browser = Browser::start()?;
    for user in ["alice", "bob"] {
        browser.press(&format!("{user} start {SECRET} {server}"))?;
        browser.expect(user, "registered", &[("status", "200")])?;
    }
    for (round, (caller, called)) in [("alice", "bob"), ("bob", "alice")].into_iter().enumerate() {
        browser.press(&format!("{caller} call sip:{called}@example.com"))?;
        let incoming = browser.expect(called, "incoming", &[])?;
        let from = incoming["from"].to_string();
        ensure!(from.contains(caller) || from.contains("+44"), "{called} sees {from}");
        browser.press(&format!("{called} answer"))?;
        browser.expect(called, "call", &[("state", "confirmed")])?;
        for user in [caller, called] {
            let is_connected = |media: &Value| media["state"] == "connected";
            while browser.heard(user, "media").into_iter().filter(is_connected).count() <= round {
                browser.expect(user, "media", &[("state", "connected")])?;
            }
        }
        // Who is called hangs up.
        browser.press(&format!("{called} hangup"))?;
        browser.expect(caller, "call", &[("state", "ended")])?;
        for kind in ["offer", "answer"] {
            let (from, to) = if kind == "offer" { (caller, called) } else { (called, caller) };
            passes_untouched(&browser, from, to, kind)?;
        }
    }
    let records = house.records(2)?;
    ensure!(records.iter().all(|record| record["direction"] == "on-net"), "{records:?}");
    // The page goes, and with it the phone: whoever calls hears so at once.
    browser.press("bob stop")?;
    browser.expect("bob", "unregistered", &[])?;
    browser.press("alice call sip:bob@example.com")?;
    browser.expect("alice", "call", &[("state", "failed"), ("cause", "Unavailable")])?;
    Ok(())
}

/// What one side sent last is what the other got.
fn passes_untouched(browser: &Browser, from: &str, to: &str, kind: &str) -> Result<()> {
    let last = |user: &str, originator: &str| -> Value {
        let of_kind = |sdp: &Value| sdp["kind"] == kind && sdp["originator"] == originator;
        let sdps = browser.heard(user, "sdp");
        sdps.into_iter().rfind(of_kind).map_or(Value::Null, |sdp| sdp["sdp"].clone())
    };
    let (sent, got) = (last(from, "local"), last(to, "remote"));
    ensure!(sent.to_string().contains("a=fingerprint:"), "{from} sent {sent}");
    ensure!(sent == got, "the {kind} of {from} was changed:\n{sent}\n{got}");
    Ok(())
}
