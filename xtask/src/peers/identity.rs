//! Who pays, who is shown, what is sent, who may speak: security.md F1, F3, F4, F6.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::login::house;
use super::{House, LONDON};
use crate::money::micros;
use crate::ringfence::Setup;
use crate::sip_client::message::{tag_of, uri_of, user_of};
use crate::sip_client::{Behaviour, Dialog, Phone, Wire};

const ALICES_NUMBER: &str = "+442033221100";
const BOBS_NUMBER: &str = "+442033221101";

/// Where the stranger sits.
const ELSEWHERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 66));

/// Lines by which a caller may claim to be bob, or to have been forwarded by him.
const CLAIMS: &str = "P-Asserted-Identity: <sip:+442033221101@example.com>\r\n\
    P-Preferred-Identity: <tel:+442033221101>\r\n\
    Remote-Party-ID: <sip:+442033221101@example.com>;party=calling;screen=yes\r\n\
    Diversion: <sip:+442033221101@example.com>;reason=unconditional\r\n\
    History-Info: <sip:+442033221101@example.com>;index=1\r\n\
    Referred-By: <sip:bob@example.com>\r\n\
    X-Account: b\r\nX-Planted: canary-4711\r\nSubject: canary-4711\r\n";

/// F1 and P4: the record names the authenticated account; the carrier sees none of the claims.
pub fn who_pays() -> Result<()> {
    let house = house()?;
    let account = house.account("a")?;
    let uri = format!("sip:{LONDON}@example.com");
    for claimed in
        ["alice", ALICES_NUMBER, BOBS_NUMBER, "bob", "02033221101", "anonymous", "+1900555"]
    {
        let mut phone = house.phone("alice")?;
        let call_id = phone.fresh("claim");
        let from = format!("\"Bob\" <sip:{claimed}@example.com>;tag=f{call_id}");
        phone.invite_as(&uri, &call_id, &from, &format!("<{uri}>"), CLAIMS)?;
    }
    let bill = house.carrier.bill();
    ensure!(!bill.is_empty(), "no call came to the carrier");
    for entry in bill.values() {
        let shown = user_of(uri_of(entry.invite.header("From"))).to_owned();
        let own = [ALICES_NUMBER, "anonymous"].contains(&shown.as_str());
        ensure!(own, "the carrier sees {shown}");
        let text = format!("{:?}", entry.invite);
        for word in
            ["canary-4711", "442033221101", "2033221101", "X-Account", "Test Phone", "claim"]
        {
            ensure!(!text.contains(word), "`{word}` came through to the carrier: {text}");
        }
    }
    let records = house.records(7)?;
    ensure!(records.len() == 7, "{} records of 7 calls", records.len());
    let other = records.iter().find(|call| call["account"].as_u64() != Some(account));
    ensure!(other.is_none(), "somebody else pays: {other:?}");
    Ok(())
}

/// F3: whatever form is dialled, the carrier gets the number that the record was priced by.
pub fn number_sent() -> Result<()> {
    let house = house()?;
    let same = [
        "sip:+442083661177@example.com",
        "sip:00442083661177@example.com",
        "sip:02083661177@example.com",
        "sip:%2B442083661177@example.com",
        "sip:%2b44208366%31177@example.com;user=phone",
        "sip:+44-20-8366-1177@example.com",
        "sip:02083661177;phone-context=+44@example.com;user=phone",
        "tel:+442083661177",
        "tel:+44-20-8366-1177",
        "tel:02083661177;phone-context=+44",
    ];
    for uri in same {
        let sent = dial(&house, uri)?;
        ensure!(sent.as_deref() == Some(LONDON), "{uri} was sent as {sent:?}");
    }
    let odd = [
        "sip:+442083661177;postd=pp900123@example.com",
        "sip:+442083661177p900123@example.com",
        "sip:+442083661177,,1@example.com",
        "sip:+442083661177;ext=99@example.com",
        "sip:+442083661177%3Bx@example.com",
        "sip:+442083661177%00@example.com",
        "sip:+442083661177%0d%0aX:1@example.com",
        "sip:02083661177;phone-context=+234@example.com",
        "tel:7042;phone-context=example.com",
    ];
    for uri in odd {
        if let Some(sent) = dial(&house, uri)? {
            let plain =
                sent.starts_with('+') && sent[1..].bytes().all(|byte| byte.is_ascii_digit());
            ensure!(plain, "{uri} was sent as {sent}");
        }
    }
    Ok(())
}

/// Calls a URI; the number that reached the carrier, which must be the one in the record.
fn dial(house: &House, uri: &str) -> Result<Option<String>> {
    let known = house.carrier.bill();
    let mut phone = house.phone("alice")?;
    let answered = phone.invite_uri(uri, "")?;
    let bill = house.carrier.bill();
    let Some(entry) = bill.iter().find(|(id, _)| !known.contains_key(*id)).map(|(_, entry)| entry)
    else {
        ensure!(answered.status() >= 400, "{uri} got {}", answered.response.start);
        return Ok(None);
    };
    let leg = entry.invite.call_id();
    let last = crate::process::until(Duration::from_secs(3), "the record is written", || {
        let calls = house.ringfence.calls().ok()?;
        calls.into_iter().find(|call| call["b_leg"]["call_id"] == leg)
    })?;
    let rated = last["destination"]["e164"].clone();
    let rated = rated
        .as_str()
        .map_or_else(|| format!("+{rated}"), |text| format!("+{}", text.trim_start_matches('+')));
    ensure!(rated == entry.number, "{uri}: rated {rated}, sent {}", entry.number);
    Ok(Some(entry.number.clone()))
}

/// F4: emergency numbers work on a suspended account; what merely begins like one is refused.
pub fn emergency() -> Result<()> {
    let house = house()?;
    house.ringfence.command(&["account", "suspend", "a"])?;
    let check = |dialled: &str, want: u16| -> Result<()> {
        let before = house.carrier.bill().len();
        let answered = house.phone("alice")?.invite(dialled)?;
        let reached = house.carrier.bill().len() - before;
        ensure!(answered.status() == want, "{dialled} got {}", answered.response.start);
        ensure!(reached == usize::from(want == 486), "{dialled}: {reached} INVITEs at the carrier");
        Ok(())
    };
    for dialled in ["999", "112"] {
        check(dialled, 486)?;
    }
    for dialled in ["999123", "9991", "1120", "0999", "112999", LONDON] {
        let answered = house.phone("alice")?.invite(dialled)?;
        ensure!(
            (400..500).contains(&answered.status()),
            "{dialled} got {}",
            answered.response.start
        );
    }
    ensure!(
        house.carrier.bill().len() == 2,
        "{} INVITEs reached the carrier",
        house.carrier.bill().len()
    );
    let calls = house.records(8)?;
    let charged = calls.iter().filter(|call| micros(&call["price"]).unwrap_or(1) != 0).count();
    ensure!(charged == 0, "{charged} of these calls were charged");
    Ok(())
}

/// F6: a stranger who knows Call-ID, tags and CSeq of both legs can do nothing, elsewhere or on
/// another port of the phone's and the carrier's own host.
pub fn stranger() -> Result<()> {
    let house = House::open(Setup::default(), |_| Behaviour::Answer(1))?;
    let mut alice = house.phone("alice")?;
    let mut dialog = alice.invite(LONDON)?.dialog.context("the call is answered")?;
    let bill = house.carrier.bill();
    let entry = bill.values().next().context("the carrier has the call")?;
    let b_leg = Dialog {
        call_id: entry.invite.call_id().to_owned(),
        ours: format!("{};tag=carrier", entry.invite.header("To")),
        theirs: entry.invite.header("From").to_owned(),
        target: entry.invite.contact_uri().to_owned(),
        routes: Vec::new(),
        cseq: 1,
    };
    ensure!(!tag_of(&b_leg.theirs).is_empty(), "the B leg has no tag");
    let neighbour = IpAddr::V4(Ipv4Addr::LOCALHOST);
    for (leg, from) in
        [&dialog, &b_leg].into_iter().flat_map(|leg| [(leg, ELSEWHERE), (leg, neighbour)])
    {
        for tcp in [false, true] {
            let server = house.ringfence.address();
            let mut stranger = match tcp {
                true => Phone::on(Wire::tcp_from(from, server)?, "mallory", "guess"),
                false => Phone::udp_from(from, server, "mallory", "guess")?,
            };
            for method in ["INVITE", "UPDATE", "INFO", "BYE"] {
                let mut stolen = leg.clone();
                stolen.cseq += 5;
                stranger.within(&mut stolen, method, "", "")?;
                let response = stranger
                    .final_response(&stolen.call_id, stolen.cseq)
                    .with_context(|| format!("{method} of a stranger at {from}, tcp {tcp}"))?;
                match response.status() {
                    Some(400..=499) => {}
                    _ => {
                        bail!("{method} of a stranger at {from}, tcp {tcp}, got {}", response.start)
                    }
                }
            }
        }
    }
    let bill = house.carrier.bill();
    ensure!(
        bill.values().all(|entry| entry.ended.is_none()),
        "the stranger ended the call at the carrier"
    );
    let response = alice.ask_within(&mut dialog, "INFO", "", "")?;
    ensure!(response.status() != Some(481), "alice's call is gone: {}", response.start);
    let response = alice.bye(&mut dialog)?;
    ensure!(response.status() == Some(200), "alice's BYE: {}", response.start);
    crate::process::until(Duration::from_secs(2), "the carrier gets its BYE", || {
        house.carrier.bill().values().all(|entry| entry.byes > 0).then_some(())
    })
}
