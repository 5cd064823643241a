//! The portal in a real browser (W2, W4, S2, and whether people can use it). Lives here: a house with a live call, the script
//! that looks at every page, what it says. Never here: what the pages are (web).

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{House, LONDON};
use crate::process::{free_port, until};
use crate::ringfence::Setup;
use crate::setup::playwright;
use crate::shell_out::root;
use crate::sip_client::Behaviour;

/// Who signs in.
const USER: &str = "alice@example.com";
/// What he chooses: the script's own.
const PASSWORD: &str = "velvet.harbour.mosaic.tundra";
/// Dearer than the account's cap.
const SOMALIA: &str = "+252611234567";
/// What a new phone says that it is (W2).
const STRANGER: &str = "Evil <img src=x onerror=alert(1)>";
/// Fewer checks than this are not the whole of it.
const LEAST: usize = 518;

/// Every page at 360 and 1,280 px, light and dark, with and without script; axe-core finds nothing; stopping calls
/// by keyboard alone hangs the live one up; the password lies in no file.
pub fn pages() -> Result<()> {
    let setup = Setup { web: Some(free_port()?), ..Setup::default() };
    let house = House::open(setup, |_| Behaviour::Answer(600))?;
    let ringfence = &house.ringfence;
    ringfence.command(&["contact", "add", "a", "mail=alice@example.org", "name=Alice"])?;
    let added = ringfence.json(&["user", "add", "a", USER])?;
    let link = added.first().and_then(|value| value["link"].as_str()).context("no link")?;
    let mut phone = house.phone("alice")?;
    phone.register(3_600)?;
    let stopped = phone.invite(SOMALIA)?;
    ensure!(stopped.status() == 403, "Somalia was called: {}", stopped.status());
    let call = phone.invite(LONDON)?;
    ensure!(call.status() == 200, "the call was not answered: {}", call.status());
    let mut stranger = house.phone("alice")?;
    STRANGER.clone_into(&mut stranger.agent);
    ensure!(stranger.register(600)?.status() == Some(200), "a new phone registers");
    let pictures = crate::shell_out::logs().join("portal");
    let mut node = Command::new("node");
    node.arg(root().join("peers/portal_pages.js")).arg(link).arg(&pictures);
    node.env("NODE_PATH", playwright()).env("PORTAL_USER", USER);
    let output = node.output().context("node is not there")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let checks: Vec<Value> =
        said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let failed: Vec<String> = checks
        .iter()
        .filter(|check| check["ok"] != true)
        .map(|check| format!("{}: {}", check["check"], check["detail"]))
        .collect();
    ensure!(failed.is_empty(), "{} of {}: {}", failed.len(), checks.len(), failed.join("; "));
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(checks.len() >= LEAST, "only {} checks: {errors}", checks.len());
    println!("        {} looks at pages", checks.len());
    // The stop hung it up, on both sides.
    phone.expect("BYE", Duration::from_secs(5))?;
    until(Duration::from_secs(5), "the carrier has its BYE", || {
        house.carrier.bill().values().all(|entry| entry.byes > 0).then_some(())
    })?;
    reported(&house)?;
    nothing_is_left(&house, link)
}

/// What the browser sent is what staff see, and the record holds.
fn reported(house: &House) -> Result<()> {
    let ringfence = &house.ringfence;
    let reports = ringfence.json(&["report", "list"])?;
    ensure!(reports.len() == 1, "{reports:?}");
    let report = &reports[0];
    ensure!(report["words"] == "It rang at two. Nobody was in the office.", "{report}");
    ensure!(report["calls"].as_array().is_some_and(|calls| calls.len() == 2), "{report}");
    let outcome = |step: &str| -> Option<String> {
        let steps = report["steps"].as_array()?;
        let found = steps.iter().find(|one| one["step"] == step)?;
        Some(found["outcome"].as_str()?.to_owned())
    };
    for (step, want) in [
        ("stop", "proved"),
        ("mail", "confirmed"),
        ("web", "proved"),
        ("sessions", "proved"),
        ("lines", "proved"),
        ("phones", "proved"),
        ("authenticator", "skipped"),
        ("calls", "proved"),
    ] {
        ensure!(outcome(step).as_deref() == Some(want), "{step}: {report}");
    }
    let name = report["report"].as_str().context("its name")?;
    let shown = ringfence.command(&["report", "show", name])?;
    ensure!(shown.contains("Account number") && shown.contains("It rang at two"), "{shown}");
    ensure!(ringfence.json(&["report", "list", "--open"])?.is_empty(), "none is open");
    Ok(())
}

/// S1: neither the password nor the link lies in a file.
fn nothing_is_left(house: &House, link: &str) -> Result<()> {
    let mut canaries = super::canaries::Canaries::default();
    canaries.plant("password", PASSWORD.as_bytes());
    let token = link.rsplit_once('-').map_or(link, |(_, token)| token);
    canaries.plant("link", token.as_bytes());
    let found = canaries.find(house.ringfence.dir(), &[])?;
    ensure!(found.is_empty(), "found: {found:?}");
    Ok(())
}
