//! The IP lock: security.md I1. Transports, header tricks, methods and states: each cell from outside of the lock,
//! and the same cell from home. Lives here: the product of them. Never here: v4-mapped addresses, which no socket
//! of ours brings (crates/edge).

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use anyhow::{Context, Result, ensure};

use super::login::challenge;
use super::{House, LONDON, SECRET};
use crate::digest::Answer;
use crate::ringfence::{Ringfence, Setup};
use crate::sip_client::{Behaviour, Dialog, Message, Phone, Way};

/// Alice may be used from here only.
const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));
/// The attacker knows her secret and sits here.
const AWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 3));
const URI: &str = "sip:+442083661177@example.com";
/// What the carrier says to a call that costs nothing to try.
const REACHED: u16 = 486;

/// Header lines by which an attacker may say that he is at home; the last one is what his topmost Via says.
const TRICKS: [&str; 10] = [
    "",
    "X-Forwarded-For: 127.0.0.2\r\n",
    "X-Real-IP: 127.0.0.2\r\nForwarded: for=127.0.0.2\r\n",
    "Via: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bKdeep\r\n",
    "Via: SIP/2.0/UDP 127.0.0.9:5060;received=127.0.0.2;branch=z9hG4bKdeep\r\n",
    "Route: <sip:127.0.0.2;lr>\r\n",
    "Path: <sip:127.0.0.2;lr>\r\nSupported: path\r\n",
    "P-Asserted-Identity: <sip:alice@127.0.0.2>\r\n",
    "Record-Route: <sip:127.0.0.2;lr>\r\nP-Access-Network-Info: 127.0.0.2\r\n",
    TOPMOST_VIA,
];
const TOPMOST_VIA: &str = "X-Topmost-Via: home\r\n";

/// Methods that ask for credentials, and what they get when they are let in.
const NEW: [(&str, &str, u16); 2] =
    [("REGISTER", "sip:example.com", 200), ("INVITE", URI, REACHED)];
/// Requests within a dialog, and what they get from home. BYE comes last there.
const WITHIN: [(&str, u16); 7] = [
    ("INVITE", 200),
    ("UPDATE", 200),
    ("INFO", 200),
    ("OPTIONS", 200),
    ("PRACK", 200),
    ("REFER", 403),
    ("BYE", 200),
];

/// From outside nothing passes; from home everything does.
pub fn ip_lock() -> Result<()> {
    let house = open(|_| Behaviour::Reject(REACHED))?;
    let lock = ["ip_lock=127.0.0.2/32"];
    for way in Way::ALL {
        // Sockets, and connections, from before the lock are judged as any other.
        house.ringfence.set("a", &["ip_lock="])?;
        let mut reused = at(AWAY, &house.ringfence, way)?;
        ensure!(reused.register(0)?.status() == Some(200), "without a lock");
        house.ringfence.set("a", &lock)?;
        for (method, uri, home_gets) in NEW {
            for trick in TRICKS {
                let what = format!("{method}, {way:?}, {trick:?}");
                let told =
                    with_credentials(&mut at(AWAY, &house.ringfence, way)?, method, uri, trick)?;
                locked_out(&told, &what)?;
                let told = with_credentials(&mut reused, method, uri, trick)?;
                locked_out(&told, &format!("{what}, from before the lock"))?;
                let told = stolen_nonce(&house.ringfence, way, method, uri, trick)?;
                let unproven = if method == "REGISTER" { 401 } else { 407 };
                ensure!(told.status() == Some(unproven), "{what}, stolen nonce: {}", told.start);
                let told =
                    with_credentials(&mut at(HOME, &house.ringfence, way)?, method, uri, trick)?;
                ensure!(told.status() == Some(home_gets), "{what}, from home: {}", told.start);
            }
        }
    }
    let reached = house.carrier.bill().len();
    let from_home = Way::ALL.len() * TRICKS.len();
    ensure!(reached == from_home, "{reached} INVITEs reached the carrier, {from_home} from home");
    lines_lock(&house)?;
    other_family(&house)?;
    within_a_dialog()
}

fn open(decide: impl Fn(&str) -> Behaviour + Send + 'static) -> Result<House> {
    let house = House::open(Setup { ipv6: true, tls: true, ..Setup::default() }, decide)?;
    house.ringfence.lift_limits("a")?;
    Ok(house)
}

fn at(from: IpAddr, server: &Ringfence, way: Way) -> Result<Phone> {
    Ok(Phone::on(server.wire(way, from)?, "alice", SECRET))
}

/// A request with right credentials and a trick; its final response.
fn with_credentials(phone: &mut Phone, method: &str, uri: &str, trick: &str) -> Result<Message> {
    let asked = challenge(phone, method, uri)?;
    answer_to(phone, &asked, method, uri, trick)
}

fn answer_to(
    phone: &mut Phone,
    asked: &crate::digest::Challenge,
    method: &str,
    uri: &str,
    trick: &str,
) -> Result<Message> {
    let answer = Answer { user: "alice", secret: SECRET, method, uri, nc: 1, cnonce: "aa" };
    let name = if method == "REGISTER" { "Authorization" } else { "Proxy-Authorization" };
    // No binding is kept: a line may have ten of them only.
    let expires = if method == "REGISTER" { "Expires: 0\r\n" } else { "" };
    let line = format!("{trick}{expires}{name}: {}\r\n", answer.to(asked));
    claim(phone, trick);
    let told = super::login::ask(phone, method, uri, &line);
    phone.claims = None;
    told
}

/// The topmost Via names the home address where that is the trick.
fn claim(phone: &mut Phone, trick: &str) {
    let port = phone.wire.local().port();
    phone.claims = (trick == TOPMOST_VIA).then(|| SocketAddr::new(HOME, port));
}

/// Refused, and because of the lock.
fn locked_out(told: &Message, what: &str) -> Result<()> {
    let reason = told.header("Reason");
    ensure!(
        told.status() == Some(403) && reason.contains("ip-lock"),
        "{what}: {}, Reason: {reason}",
        told.start
    );
    Ok(())
}

/// A nonce that was given to the home address, used from away.
fn stolen_nonce(
    server: &Ringfence,
    way: Way,
    method: &str,
    uri: &str,
    trick: &str,
) -> Result<Message> {
    let stolen = challenge(&mut at(HOME, server, way)?, method, uri)?;
    answer_to(&mut at(AWAY, server, way)?, &stolen, method, uri, trick)
}

/// A lock of the line alone.
fn lines_lock(house: &House) -> Result<()> {
    house.ringfence.set("a", &["ip_lock="])?;
    house.ringfence.command(&["line", "set", "alice", "ip_lock=127.0.0.2/32"])?;
    for (method, uri, home_gets) in NEW {
        for way in Way::ALL {
            for trick in TRICKS {
                let what = format!("{method}, {way:?}, {trick:?}, the line's lock");
                let told =
                    with_credentials(&mut at(AWAY, &house.ringfence, way)?, method, uri, trick)?;
                locked_out(&told, &what)?;
            }
            let told = with_credentials(&mut at(HOME, &house.ringfence, way)?, method, uri, "")?;
            ensure!(told.status() == Some(home_gets), "{method} from home: {}", told.start);
        }
    }
    house.ringfence.command(&["line", "set", "alice", "ip_lock=none"]).map(drop)
}

/// The same line over IPv6: a lock on an address of one family keeps the other out.
fn other_family(house: &House) -> Result<()> {
    let here: IpAddr = Ipv6Addr::LOCALHOST.into();
    for (lock, inside, outside) in [("127.0.0.2/32", HOME, here), ("::1/128", here, HOME)] {
        house.ringfence.set("a", &[&format!("ip_lock={lock}")])?;
        for (method, uri, home_gets) in NEW {
            for way in Way::ALL {
                for trick in TRICKS {
                    let what = format!("{method}, {way:?}, {trick:?}, lock {lock}");
                    let mut away = at(outside, &house.ringfence, way)?;
                    let told = with_credentials(&mut away, method, uri, trick)?;
                    locked_out(&told, &what)?;
                }
                let mut home = at(inside, &house.ringfence, way)?;
                let told = with_credentials(&mut home, method, uri, "")?;
                ensure!(told.status() == Some(home_gets), "{method}, lock {lock}: {}", told.start);
            }
        }
    }
    Ok(())
}

/// Dialogs that were set up from home are used from away, with right credentials.
fn within_a_dialog() -> Result<()> {
    let house = open(|_| Behaviour::Answer(1))?;
    house.ringfence.set("a", &["ip_lock=127.0.0.2/32"])?;
    for way in Way::ALL {
        let mut home = at(HOME, &house.ringfence, way)?;
        let mut dialog = home.invite(LONDON)?.dialog.context("the call from home is answered")?;
        for (method, home_gets) in WITHIN {
            for trick in TRICKS {
                let what = format!("{method} in a dialog of home, {way:?}, {trick:?}");
                for away_way in Way::ALL {
                    let mut away = at(AWAY, &house.ringfence, away_way)?;
                    claim(&mut away, trick);
                    let told = within(&mut away, &mut dialog.clone(), method, trick)?;
                    locked_out(&told, &what)?;
                }
                let bill = house.carrier.bill();
                let live = bill.values().filter(|entry| entry.ended.is_none()).count();
                ensure!(live == 1, "{what}: {live} calls run at the carrier");
                if method != "BYE" {
                    claim(&mut home, trick);
                    let told = within(&mut home, &mut dialog, method, trick)?;
                    home.claims = None;
                    ensure!(told.status() == Some(home_gets), "{what}: home got {}", told.start);
                }
            }
        }
        let told = home.bye(&mut dialog)?;
        ensure!(told.status() == Some(200), "BYE from home: {}", told.start);
    }
    Ok(())
}

fn within(phone: &mut Phone, dialog: &mut Dialog, method: &str, trick: &str) -> Result<Message> {
    let more = match method {
        "REFER" => "Refer-To: <sip:+2348031234567@example.com>\r\n",
        "PRACK" => "RAck: 1 1 INVITE\r\n",
        _ => "",
    };
    let told = phone.ask_within(dialog, method, &format!("{trick}{more}"), "")?;
    if method == "INVITE" && told.status() == Some(200) {
        phone.within(dialog, "ACK", "", "")?;
    }
    Ok(told)
}
