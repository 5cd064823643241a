//! The IP lock: security.md I1. Every way in that we could think of, from an address outside of the lock.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, bail, ensure};

use super::login::{ask, challenge, house};
use super::{House, SECRET};
use crate::digest::Answer;
use crate::sip_client::{Message, Phone, Wire};

/// Alice may be used from here only.
const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));
/// The attacker knows her secret and sits here.
const AWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 3));
const URI: &str = "sip:+442083661177@example.com";

/// Header lines by which an attacker may say that he is at home.
const TRICKS: [&str; 9] = [
    "",
    "X-Forwarded-For: 127.0.0.2\r\n",
    "X-Real-IP: 127.0.0.2\r\nForwarded: for=127.0.0.2\r\n",
    "Via: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bKdeep\r\n",
    "Via: SIP/2.0/UDP 127.0.0.9:5060;received=127.0.0.2;branch=z9hG4bKdeep\r\n",
    "Route: <sip:127.0.0.2;lr>\r\n",
    "Path: <sip:127.0.0.2;lr>\r\nSupported: path\r\n",
    "P-Asserted-Identity: <sip:alice@127.0.0.2>\r\n",
    "Record-Route: <sip:127.0.0.2;lr>\r\nP-Access-Network-Info: 127.0.0.2\r\n",
];

/// Zero pass from outside, on each transport, method, trick and state; from inside it works.
pub fn ip_lock() -> Result<()> {
    let house = house()?;
    house.ringfence.set("a", &["ip_lock=127.0.0.2/32"])?;
    let server = house.ringfence.address();
    for method in ["REGISTER", "INVITE"] {
        let uri = if method == "REGISTER" { "sip:example.com" } else { URI };
        for tcp in [false, true] {
            for trick in TRICKS {
                let mut phone = phone(AWAY, server, tcp)?;
                let response = with_credentials(&mut phone, method, uri, trick)?;
                refused(&response, &format!("{method}, tcp {tcp}, {trick:?}"))?;
            }
            via_of_home(server, method, uri, tcp)?;
            stolen_nonce(server, method, uri, tcp)?;
            let mut home = phone(HOME, server, tcp)?;
            let response = with_credentials(&mut home, method, uri, "")?;
            let want = if method == "REGISTER" { 200 } else { 486 };
            ensure!(response.status() == Some(want), "{method} from home: {}", response.start);
        }
    }
    ensure!(
        house.carrier.bill().len() == 2,
        "{} INVITEs reached the carrier",
        house.carrier.bill().len()
    );
    reused_connection(&house)?;
    within_a_dialog()
}

fn phone(from: IpAddr, server: SocketAddr, tcp: bool) -> Result<Phone> {
    let wire = if tcp { Wire::tcp_from(from, server)? } else { Wire::udp(from, server)? };
    Ok(Phone::on(wire, "alice", SECRET))
}

/// A request with right credentials; its final response.
fn with_credentials(phone: &mut Phone, method: &str, uri: &str, extra: &str) -> Result<Message> {
    let response = ask(phone, method, uri, extra)?;
    if !matches!(response.status(), Some(401 | 407)) {
        return Ok(response);
    }
    let line = phone.authorization(&response, method, uri)?;
    ask(phone, method, uri, &format!("{extra}{line}"))
}

fn refused(response: &Message, what: &str) -> Result<()> {
    match response.status() {
        Some(400..=499) if response.status() != Some(486) => Ok(()),
        _ => bail!("{what} got {}", response.start),
    }
}

/// The topmost Via says that the request comes from home.
fn via_of_home(server: SocketAddr, method: &str, uri: &str, tcp: bool) -> Result<()> {
    let mut phone = phone(AWAY, server, tcp)?;
    let challenge = challenge(&mut phone, method, uri)?;
    let answer = Answer { user: "alice", secret: SECRET, method, uri, nc: 1, cnonce: "aa" };
    let name = if method == "REGISTER" { "Authorization" } else { "Proxy-Authorization" };
    let line = format!("{name}: {}\r\n", answer.to(&challenge));
    let call_id = phone.fresh("via");
    let text = phone.request(method, uri, 1, &call_id, &line);
    let local = phone.wire.local();
    let text =
        text.replacen(&format!("{local};branch"), &format!("127.0.0.2:{};branch", local.port()), 1);
    phone.wire.send(text.as_bytes())?;
    let response = phone.final_response(&call_id, 1)?;
    refused(&response, &format!("{method}, tcp {tcp}, topmost Via of home"))
}

/// A nonce that was given to the home address, used from away.
fn stolen_nonce(server: SocketAddr, method: &str, uri: &str, tcp: bool) -> Result<()> {
    let mut home = phone(HOME, server, tcp)?;
    let stolen = challenge(&mut home, method, uri)?;
    let answer = Answer { user: "alice", secret: SECRET, method, uri, nc: 1, cnonce: "aa" };
    let name = if method == "REGISTER" { "Authorization" } else { "Proxy-Authorization" };
    let line = format!("{name}: {}\r\n", answer.to(&stolen));
    let mut away = phone(AWAY, server, tcp)?;
    let response = ask(&mut away, method, uri, &line)?;
    refused(&response, &format!("{method}, tcp {tcp}, stolen nonce"))
}

/// A connection that was fine stays in use after the lock was set: each request is judged anew.
fn reused_connection(house: &House) -> Result<()> {
    house.ringfence.set("a", &["ip_lock="])?;
    let mut phone = phone(AWAY, house.ringfence.address(), true)?;
    let response = phone.register(600)?;
    ensure!(response.status() == Some(200), "without a lock: {}", response.start);
    house.ringfence.set("a", &["ip_lock=127.0.0.2/32"])?;
    let response = phone.register(600)?;
    refused(&response, "REGISTER on a connection from before the lock")?;
    let response = with_credentials(&mut phone, "INVITE", URI, "")?;
    refused(&response, "INVITE on a connection from before the lock")
}

/// A dialog that was set up from home is used from away, with right credentials.
fn within_a_dialog() -> Result<()> {
    let house = House::open(crate::ringfence::Setup::default(), |_| {
        crate::sip_client::Behaviour::Answer(1)
    })?;
    house.ringfence.set("a", &["ip_lock=127.0.0.2/32"])?;
    let server = house.ringfence.address();
    let mut home = phone(HOME, server, false)?;
    let mut dialog =
        home.invite(super::LONDON)?.dialog.context("the call from home is answered")?;
    let mut away = phone(AWAY, server, false)?;
    for method in ["INVITE", "UPDATE", "INFO", "REFER", "BYE"] {
        let mut stolen = dialog.clone();
        let extra =
            if method == "REFER" { "Refer-To: <sip:+2348031234567@example.com>\r\n" } else { "" };
        let response = away.ask_within(&mut stolen, method, extra, "")?;
        refused(&response, &format!("{method} in a dialog of home"))?;
    }
    let bill = house.carrier.bill();
    ensure!(bill.values().all(|entry| entry.ended.is_none()), "the stranger ended the call");
    let response = home.bye(&mut dialog)?;
    ensure!(response.status() == Some(200), "BYE from home: {}", response.start);
    Ok(())
}
