//! Carriers: their calls to us, silence, refusals, and callers who give up.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::{House, LONDON, SECRET};
use crate::money::micros;
use crate::process::until;
use crate::ringfence::{Ringfence, Setup};
use crate::sip_client::{Behaviour, Carrier, Phone};

/// Where calls of the trunk come from (see `Ringfence::add_trunk`).
const TRUNKS_SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 200));

/// A carrier calls a number of ours; the phone rings, talks, and either side hangs up.
pub fn inbound() -> Result<()> {
    let house = House::open(Setup::default(), |_| Behaviour::Reject(500))?;
    let server = house.ringfence.address();
    for callee_hangs_up in [false, true] {
        let mut alice = house.phone("alice")?;
        ensure!(alice.register(600)?.status() == Some(200), "alice is not registered");
        let mut carrier = Phone::udp_from(TRUNKS_SOURCE, server, "+442083661177", "")?;
        let call = std::thread::spawn(move || {
            let answered = carrier.invite("+442033221100");
            (carrier, answered)
        });
        let invite = alice.expect("INVITE", Duration::from_secs(3))?;
        let shown = invite.header("From");
        ensure!(shown.contains("+442083661177"), "alice sees {shown}");
        let mut here = alice.pick_up(&invite)?;
        let (mut carrier, answered) = call.join().expect("the carrier's thread does not panic");
        let mut there = answered?.dialog.context("the carrier's call is answered")?;
        if callee_hangs_up {
            alice.bye(&mut here)?;
            let bye = carrier.expect("BYE", Duration::from_secs(3))?;
            carrier.wire.send(bye.reply(200, "OK", "", "", "").as_bytes())?;
        } else {
            carrier.bye(&mut there)?;
            let bye = alice.expect("BYE", Duration::from_secs(3))?;
            alice.wire.send(bye.reply(200, "OK", "", "", "").as_bytes())?;
        }
        ensure!(alice.register(0)?.status() == Some(200), "alice cannot leave");
    }
    let mut carrier = Phone::udp_from(TRUNKS_SOURCE, server, "+442083661177", "")?;
    let unknown = carrier.invite("+442033229999")?;
    ensure!(unknown.status() == 404, "a number that is not ours: {}", unknown.response.start);
    let records = until(Duration::from_secs(3), "every call has its record", || {
        house.ringfence.calls().ok().filter(|records| records.len() >= 2)
    })?;
    ensure!(records.iter().all(|call| micros(&call["price"]) == Some(0)), "somebody was charged");
    Ok(())
}

/// The first carrier refuses or says nothing: the next one gets the call; the caller notices nothing else.
pub fn failover() -> Result<()> {
    for first in [Behaviour::Reject(503), Behaviour::Silent] {
        let setup = Setup { sip: vec!["trunk_silence_ms = 1000".to_owned()], ..Setup::default() };
        let mut ringfence = Ringfence::prepare(setup)?;
        let bad = Carrier::start(move |_| first)?;
        let good = Carrier::start(|_| Behaviour::Answer(1))?;
        ringfence.add_trunk("bad", bad.address(), &[])?;
        ringfence.command(&[
            "trunk",
            "add",
            "good",
            &good.address().to_string(),
            "--route",
            "all:20",
            "--source",
            "127.0.0.201/32",
            "--cost-deck",
            crate::ringfence::DECK,
        ])?;
        ringfence.add_account("a", "residential")?;
        ringfence.add_line("a", "alice", SECRET)?;
        ringfence.start()?;
        let mut alice = Phone::udp(ringfence.address(), "alice", SECRET)?;
        let answered = alice.invite(LONDON)?;
        let mut dialog =
            answered.dialog.with_context(|| format!("{first:?}: {}", answered.response.start))?;
        alice.bye(&mut dialog)?;
        ensure!(
            bad.bill().len() == 1 && good.bill().len() == 1,
            "not both carriers were asked once"
        );
        let records = until(Duration::from_secs(3), "one record", || {
            ringfence.calls().ok().filter(|records| !records.is_empty())
        })?;
        ensure!(records.len() == 1, "{} records of one call", records.len());
    }
    Ok(())
}

/// The caller gives up while it rings: CANCEL at the carrier, 487 for the caller, nothing to pay.
pub fn cancel() -> Result<()> {
    let house = House::open(Setup::default(), |_| Behaviour::Ring)?;
    let mut alice = house.phone("alice")?;
    let uri = format!("sip:{LONDON}@example.com");
    let challenge = super::login::ask(&mut alice, "INVITE", &uri, "")?;
    let line = alice.authorization(&challenge, "INVITE", &uri)?;
    let call_id = alice.fresh("cancel");
    let invite = alice.request("INVITE", &uri, 1, &call_id, &line);
    alice.wire.send(invite.as_bytes())?;
    until(Duration::from_secs(3), "it rings at the carrier", || {
        (house.carrier.bill().len() == 1).then_some(())
    })?;
    until(Duration::from_secs(3), "it rings here", || {
        let message = alice.wire.receive(Duration::from_millis(500)).ok()??;
        (message.status() == Some(180)).then_some(())
    })?;
    let lines = invite.split("\r\n").filter(|line| {
        ["Via:", "From:", "To:", "Call-ID:", "Max-Forwards:"]
            .iter()
            .any(|name| line.starts_with(name))
    });
    let head: String = lines.map(|line| format!("{line}\r\n")).collect();
    let cancel =
        format!("CANCEL {uri} SIP/2.0\r\n{head}CSeq: 1 CANCEL\r\nContent-Length: 0\r\n\r\n");
    alice.wire.send(cancel.as_bytes())?;
    let mut finals = Vec::new();
    while finals.len() < 2 {
        let response = alice.final_response(&call_id, 1)?;
        alice.ack_refusal(&invite, &response)?;
        finals.push((response.cseq_method().to_owned(), response.status().unwrap_or(0)));
    }
    finals.sort();
    let want = [("CANCEL".to_owned(), 200), ("INVITE".to_owned(), 487)];
    ensure!(finals == want, "{finals:?}");
    until(Duration::from_secs(3), "CANCEL at the carrier", || {
        house
            .carrier
            .bill()
            .values()
            .all(|entry| entry.ended.is_some() && entry.byes == 0)
            .then_some(())
    })?;
    let records = until(Duration::from_secs(3), "one record", || {
        house.ringfence.calls().ok().filter(|records| !records.is_empty())
    })?;
    ensure!(records[0]["cause"] == "cancelled", "{}", records[0]);
    ensure!(micros(&records[0]["price"]) == Some(0), "{}", records[0]);
    Ok(())
}
