//! Real phones and a real carrier's proxy: what people do with telephones.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::driven::{Baresip, Pjsua};
use super::{House, LONDON, SECRET};
use crate::kamailio::Kamailio;
use crate::process::{loopback, until};
use crate::ringfence::{Ringfence, Setup};
use crate::sip_client::{Behaviour, Carrier, Dialog, Message, Phone, Wire};

const PSTN: &str = "sip:02083661177@example.com";

/// pjsua2 over UDP with MD5.
pub fn pjsua2_udp_md5() -> Result<()> {
    pjsua2("udp", "MD5")
}

/// pjsua2 over TCP with SHA-256.
pub fn pjsua2_tcp_sha256() -> Result<()> {
    pjsua2("tcp", "SHA-256")
}

/// pjsua2 over TLS with SHA-256; it looks at the certificate.
pub fn pjsua2_tls() -> Result<()> {
    pjsua2("tls", "SHA-256")
}

fn pjsua2(transport: &str, algorithm: &str) -> Result<()> {
    let setup = Setup { tls: transport == "tls", ..Setup::default() };
    let house = House::open(setup, |_| Behaviour::Answer(100))?;
    let authority = house.ringfence.authority_file().to_string_lossy().into_owned();
    let (server, more) = match transport {
        "tls" => {
            let more = vec!["--algorithm", algorithm, "--authority", &authority];
            (house.ringfence.tls_address(), more)
        }
        _ => (house.ringfence.address(), vec!["--algorithm", algorithm]),
    };
    let mut alice = Pjsua::start_with(server, transport, "alice", SECRET, &more)?;
    let mut bob = Pjsua::start_with(server, transport, "bob", SECRET, &more)?;

    // Alice calls bob; hold, take back, no transfer; bob hangs up.
    alice.press("call sip:bob@example.com")?;
    bob.expect("incoming", &[])?;
    bob.press("answer")?;
    alice.expect("call", &[("state", "confirmed")])?;
    bob.expect("call", &[("state", "confirmed")])?;
    hold(&mut alice)?;
    alice.press("unhold")?;
    alice.expect("unheld", &[("status", "200")])?;
    alice.press("transfer sip:+2348031234567@example.com")?;
    let answer = alice.expect("transfer", &[])?;
    let status = answer["status"].as_u64().unwrap_or(0);
    ensure!((400..700).contains(&status) && status != 408, "transfer got {answer}");
    bob.press("hangup")?;
    alice.expect("call", &[("state", "disconnected")])?;
    bob.expect("call", &[("state", "disconnected")])?;

    // Bob calls the outside world and hangs up himself; then once more, held meanwhile.
    bob.press(&format!("call {PSTN}"))?;
    bob.expect("call", &[("state", "confirmed")])?;
    hold(&mut bob)?;
    bob.press("hangup")?;
    bob.expect("call", &[("state", "disconnected")])?;
    carrier_is_quit_of(&house.carrier, 1)?;

    // A refusal says why.
    alice.press("call sip:+8816123456@example.com")?;
    let refused = alice.expect("call", &[("state", "disconnected")])?;
    ensure!(refused["reason"].to_string().contains("barred-class"), "no reason in {refused}");
    let records = records(&house.ringfence, 3)?;
    let directions: Vec<&str> =
        records.iter().filter_map(|call| call["direction"].as_str()).collect();
    ensure!(directions == ["on-net", "outgoing", "outgoing"], "{directions:?}");
    Ok(())
}

/// Presses hold, once, right after the answer.
fn hold(phone: &mut Pjsua) -> Result<()> {
    phone.press("hold")?;
    let held = phone.expect("held", &[])?;
    ensure!(held["status"].as_u64() == Some(200), "hold got {held}");
    Ok(())
}

/// Every call at the carrier has ended with a BYE.
fn carrier_is_quit_of(carrier: &Carrier, calls: usize) -> Result<()> {
    until(Duration::from_secs(3), "the carrier gets BYE", || {
        let bill = carrier.bill();
        let over = bill.values().filter(|entry| entry.byes > 0).count();
        (bill.len() == calls && over == calls).then_some(())
    })
}

fn records(ringfence: &Ringfence, calls: usize) -> Result<Vec<Value>> {
    until(Duration::from_secs(5), "every call has its record", || {
        ringfence.calls().ok().filter(|records| records.len() == calls)
    })
}

/// baresip over UDP.
pub fn baresip_udp() -> Result<()> {
    baresip("udp")
}

/// baresip over TCP.
pub fn baresip_tcp() -> Result<()> {
    baresip("tcp")
}

/// baresip over TLS; it looks at the certificate.
pub fn baresip_tls() -> Result<()> {
    baresip("tls")
}

fn baresip(transport: &str) -> Result<()> {
    // baresip 1.0 gives up when any of the challenges is SHA-256.
    let setup = Setup { digest: vec!["md5"], tls: transport == "tls", ..Setup::default() };
    let house = House::open(setup, |_| Behaviour::Answer(100))?;
    let server = house.ringfence.address();
    let (place, authority) = match transport {
        "tls" => (house.ringfence.tls_address(), house.ringfence.authority()?.pem()),
        _ => (server, String::new()),
    };
    let mut bob = Baresip::start(place, transport, "bob", SECRET, &authority)?;

    // Bob calls the outside world and hangs up.
    bob.press("dial", PSTN)?;
    bob.expect("CALL_ESTABLISHED")?;
    bob.press("hold", "")?;
    direction_at(&house.carrier, "sendonly")?;
    bob.press("resume", "")?;
    direction_at(&house.carrier, "sendrecv")?;
    bob.press("hangup", "")?;
    bob.expect("CALL_CLOSED")?;
    carrier_is_quit_of(&house.carrier, 1)?;

    // A pjsua2 phone calls him, and hangs up.
    let mut alice = Pjsua::start(server, "udp", "alice", SECRET, "MD5")?;
    alice.press("call sip:bob@example.com")?;
    bob.expect("CALL_INCOMING")?;
    bob.press("accept", "")?;
    alice.expect("call", &[("state", "confirmed")])?;
    bob.expect("CALL_ESTABLISHED")?;
    alice.press("hangup")?;
    bob.expect("CALL_CLOSED")?;

    // He calls her; a transfer is refused, upon which baresip hangs up.
    bob.press("dial", "sip:alice@example.com")?;
    alice.expect("incoming", &[])?;
    alice.press("answer")?;
    bob.expect("CALL_ESTABLISHED")?;
    bob.press("transfer", "sip:+2348031234567@example.com")?;
    bob.expect("TRANSFER_FAILED")?;
    alice.expect("call", &[("state", "disconnected")])?;
    records(&house.ringfence, 3).map(drop)
}

/// The carrier is invited again, with media going this way.
fn direction_at(carrier: &Carrier, direction: &str) -> Result<()> {
    until(Duration::from_secs(5), &format!("the carrier hears {direction}"), || {
        let bill = carrier.bill();
        let last = bill.values().find_map(|entry| entry.again.last())?;
        last.body.contains(&format!("a={direction}\r\n")).then_some(())
    })
}

/// Kamailio stays in the dialog as the carrier's proxy, in front of a switch; calls in both directions.
pub fn kamailio_carrier() -> Result<()> {
    let switch = Carrier::start(|_| Behaviour::Answer(50))?;
    let kamailio = Kamailio::carrier(switch.address())?;
    for transport in ["udp", "tcp"] {
        both_ways(transport)?;
    }
    for transport in ["udp", "tcp"] {
        let mut ringfence = Ringfence::prepare(Setup::default())?;
        ringfence.add_trunk("kamailio", kamailio.address(), &["--transport", transport])?;
        ringfence.add_account("a", "residential")?;
        ringfence.add_line("a", "alice", SECRET)?;
        ringfence.start()?;
        let before = switch.bill().len();
        let mut alice = Phone::udp(ringfence.address(), "alice", SECRET)?;
        let answered = alice.invite(LONDON)?;
        let mut dialog = answered.dialog.with_context(|| answered.response.start.clone())?;
        let body = crate::sip_client::sdp(alice.wire.local(), "sendonly");
        let held = alice.ask_within(&mut dialog, "INVITE", "", &body)?;
        ensure!(held.status() == Some(200), "hold got {}", held.start);
        alice.within(&mut dialog, "ACK", "", "")?;
        ensure!(alice.bye(&mut dialog)?.status() == Some(200), "BYE is not agreed to");
        let bill = until(Duration::from_secs(3), "the switch gets BYE", || {
            let bill = switch.bill();
            bill.values().all(|entry| entry.byes == 1).then_some(bill)
        })?;
        ensure!(bill.len() == before + 1, "{} calls at the switch", bill.len());
        records(&ringfence, 1)?;
    }
    Ok(())
}

/// A switch behind Kamailio hangs up a call that it took, and one that it made.
fn both_ways(transport: &str) -> Result<()> {
    let at_home = [127, 0, 0, 5].into();
    // Whom it talks to is known a moment later.
    let mut wire = Wire::udp([127, 0, 0, 1].into(), loopback(9))?;
    let kamailio = Kamailio::carrier(wire.local())?;
    wire.turn_to(kamailio.address());
    let mut switch = Phone::on(wire, "+442083661177", "");
    let mut ringfence = Ringfence::prepare(Setup::default())?;
    let address = kamailio.address().to_string();
    let trunk =
        ["trunk", "add", "kamailio", &address, "--transport", transport, "--route", "all:10"];
    let terms = ["--source", "127.0.0.1/32", "--cost-deck", crate::ringfence::DECK];
    ringfence.command(&[&trunk[..], &terms[..]].concat())?;
    ringfence.add_account("a", "residential")?;
    ringfence.add_line("a", "alice", SECRET)?;
    ringfence.command(&["number", "add", "+442033221100", "a", "alice"])?;
    ringfence.start()?;
    let server = ringfence.address();
    let mut alice = Phone::udp_from(at_home, server, "alice", SECRET)?;

    // She calls; the switch hangs up.
    let call = std::thread::spawn(move || {
        let answered = alice.invite(LONDON);
        (alice, answered)
    });
    let invite = switch.expect("INVITE", Duration::from_secs(5))?;
    ensure!(!invite.header("Record-Route").is_empty(), "Kamailio is not in the dialog");
    let mut there = switch.pick_up(&invite)?;
    let (mut alice, answered) = call.join().expect("alice's thread does not panic");
    answered?.dialog.context("her call is answered")?;
    let gone = hangs_up(&mut switch, &mut there, &mut alice)?;
    ensure!(gone.status() == Some(200), "the switch's BYE got {}", gone.start);

    // The switch calls her number, and hangs up.
    ensure!(alice.register(600)?.status() == Some(200), "alice is not registered");
    let uri = format!("sip:+442033221100@{server};transport={transport}");
    let call = std::thread::spawn(move || {
        let answered = switch.invite_uri(&uri, "");
        (switch, answered)
    });
    let invite = alice.expect("INVITE", Duration::from_secs(5))?;
    ensure!(
        invite.header("From").contains("+442083661177"),
        "alice sees {}",
        invite.header("From")
    );
    alice.pick_up(&invite)?;
    let (mut switch, answered) = call.join().expect("the switch's thread does not panic");
    let mut there = answered?.dialog.context("the switch's call is answered")?;
    let gone = hangs_up(&mut switch, &mut there, &mut alice)?;
    ensure!(gone.status() == Some(200), "the switch's BYE got {}", gone.start);

    let records = records(&ringfence, 2)?;
    let directions: Vec<_> = records.iter().map(|call| call["direction"].as_str()).collect();
    ensure!(directions == [Some("outgoing"), Some("incoming")], "{directions:?}");
    ensure!(records.iter().all(|call| call["cause"] == "normal"), "{records:?}");
    Ok(())
}

/// BYE from the switch's side arrives at alice's, and is agreed to.
fn hangs_up(switch: &mut Phone, there: &mut Dialog, alice: &mut Phone) -> Result<Message> {
    switch.within(there, "BYE", "", "")?;
    let bye = alice.expect("BYE", Duration::from_secs(5))?;
    alice.wire.send(bye.reply(200, "OK", "", "", "").as_bytes())?;
    switch.final_response(&there.call_id, there.cseq)
}

/// Each refusal has its status, a phrase, and a Reason header with the code and the decision's id.
pub fn caller_sees_why() -> Result<()> {
    let house = House::open(Setup::default(), |_| Behaviour::Reject(486))?;
    let check = |dialled: &str, code: &str| -> Result<()> {
        let before = house.ringfence.calls()?.len();
        let answered = house.phone("alice")?.invite(dialled)?;
        let reason = answered.response.header("Reason");
        ensure!(
            answered.status() >= 400 && reason.contains(code),
            "{dialled}: {} / {reason}",
            answered.response.start
        );
        let records = records(&house.ringfence, before + 1).with_context(|| dialled.to_owned())?;
        let last = &records[before];
        let findings = last["explanation"]["findings"].to_string();
        // A call to one of ours is admitted before it is known that no phone is there.
        ensure!(findings.contains(code), "{dialled}: recorded {findings}");
        let shown = decision(last);
        ensure!(shown.iter().any(|id| reason.contains(id)), "{shown:?} is not in {reason}");
        let told = house.ringfence.command(&["explain", &shown[0]])?;
        ensure!(!told.is_empty(), "explain says nothing");
        Ok(())
    };
    check("+449061234567", "barred-class")?;
    check("+8816123456", "barred-class")?;
    check("+25261234567", "price-cap")?;
    check("+81312345678", "no-rate")?;
    check("12", "invalid-number")?;
    check("nobody", "invalid-number")?;
    check("bob", "not-registered")?;
    house.ringfence.set("a", &["stop_level_24h=0.001"])?;
    check("+2348031234567", "stop-level")?;
    house.ringfence.set("a", &["calls=0"])?;
    check(LONDON, "call-limit")?;
    house.ringfence.command(&["account", "freeze", "a"])?;
    check(LONDON, "account-status")
}

/// The decision's id as people read it, from a record that may have it as text or number.
fn decision(record: &Value) -> Vec<String> {
    let texts = [&record["decision"], &record["decision_id"]];
    let mut found: Vec<String> =
        texts.into_iter().filter_map(|id| id.as_str().map(str::to_owned)).collect();
    if let Some(number) = record["decision"].as_u64() {
        found.insert(0, types::DecisionId(number).to_string());
    }
    found
}
