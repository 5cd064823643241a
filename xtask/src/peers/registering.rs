//! How a line may be registered, and what as: security.md A4, F7, and lines by TLS only, on real sockets.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::driven::Pjsua;
use super::login::{ask, challenge, house, house_with};
use super::{House, SECRET};
use crate::digest::{Algorithm, Answer, Challenge};
use crate::process::until;
use crate::ringfence::Setup;
use crate::sip_client::{Message, Phone, Way};

const SERVER: &str = "sip:example.com";

/// A4: SHA-256 is offered first; a line that is set to it refuses MD5, crafted or by a phone that has both.
pub fn sha256_only() -> Result<()> {
    let house = house()?;
    house.ringfence.command(&["line", "set", "alice", "sha256_only=yes"])?;
    let mut phone = house.phone("alice")?;
    for (method, header) in [("REGISTER", "WWW-Authenticate"), ("INVITE", "Proxy-Authenticate")] {
        let response = ask(&mut phone, method, "sip:bob@example.com", "")?;
        let offered: Vec<Algorithm> = response
            .all(header)
            .filter_map(Challenge::parse)
            .map(|challenge| challenge.algorithm)
            .collect();
        ensure!(offered == [Algorithm::Sha256, Algorithm::Md5], "{method} offers {offered:?}");
    }
    let try_with = |user: &str, algorithm, secret: &str| -> Result<Message> {
        let mut phone = house.phone(user)?;
        phone.algorithm = algorithm;
        let challenge = challenge(&mut phone, "REGISTER", SERVER)?;
        let answer = Answer { user, secret, method: "REGISTER", uri: SERVER, nc: 1, cnonce: "c" };
        let line = format!("Authorization: {}\r\n", answer.to(&challenge));
        ask(&mut phone, "REGISTER", SERVER, &line)
    };
    let says_so = |response: &Message| response.header("Reason").contains("[sha256-only]");
    let right = try_with("alice", Algorithm::Md5, SECRET)?;
    ensure!(right.status() == Some(403) && says_so(&right), "MD5: {right:?}");
    let guess = try_with("alice", Algorithm::Md5, "a guess")?;
    ensure!(guess.status() == Some(403) && !says_so(&guess), "a guess is told: {guess:?}");
    for (user, algorithm) in [("alice", Algorithm::Sha256), ("bob", Algorithm::Md5)] {
        let response = try_with(user, algorithm, SECRET)?;
        ensure!(response.status() == Some(200), "{user}, {algorithm:?}: {}", response.start);
    }
    // A phone that has both, and one that is told to use MD5.
    let server = house.ringfence.address();
    let more = ["--algorithm", "SHA-256"];
    drop(Pjsua::start_with(server, "udp", "alice", SECRET, &more)?);
    let weak = Pjsua::start_with(server, "udp", "alice", SECRET, &["--algorithm", "MD5"]);
    ensure!(weak.is_err(), "a phone with MD5 has registered");
    Ok(())
}

/// A line by TLS only: by UDP and TCP the right secret is told so, by TLS and WSS it is let in.
pub fn tls_only() -> Result<()> {
    let house = house_with(Setup { tls: true, ..Setup::default() })?;
    house.ringfence.command(&["line", "set", "alice", "tls_only=yes"])?;
    for way in Way::ALL {
        let is_open = matches!(way, Way::Udp | Way::Tcp);
        let wire = house.ringfence.wire(way, Ipv4Addr::LOCALHOST.into())?;
        let mut phone = Phone::on(wire, "alice", SECRET);
        let response = phone.register(60)?;
        let (status, reason) = (response.status(), response.header("Reason"));
        let is_told = reason.contains("[tls-only]");
        let want = if is_open { (Some(403), true) } else { (Some(200), false) };
        ensure!((status, is_told) == want, "{way:?}: {} {reason}", response.start);
    }
    Ok(())
}

/// F7: `Contact: *`, ten thousand contacts, a contact at a third party or at ourselves.
pub fn contacts() -> Result<()> {
    let mut house = house()?;
    let server = house.ringfence.address();
    stars(&house)?;
    // As many as there is room for in one message, and more than a line may have, one by one.
    let mut phone = house.phone("alice")?;
    let places = |count: usize| -> Vec<String> {
        (0..count).map(|at| format!("<sip:alice@127.9.{}.{}>", at / 250, at % 250 + 1)).collect()
    };
    for count in [11, 200, 1_500] {
        let response = register(&mut phone, &format!("Contact: {}\r\n", places(count).join(", ")))?;
        let status = response.status().unwrap_or(0);
        ensure!((400..600).contains(&status), "{count} contacts got {}", response.start);
    }
    ensure!(bindings(&house)? == 0, "a REGISTER that was refused left bindings");
    let all = places(10_000);
    let several: Vec<_> = all
        .chunks(500)
        .map(|places| {
            let (places, mut phone) = (places.to_vec(), house.phone("alice")?);
            Ok(std::thread::spawn(move || one_by_one(&mut phone, &places)))
        })
        .collect::<Result<_>>()?;
    let mut taken = 0;
    for phone in several {
        taken += phone.join().expect("a phone's thread does not panic")?;
    }
    ensure!(bindings(&house)? <= 10, "{} bindings of one line", bindings(&house)?);
    ensure!(taken >= 10, "only {taken} of ten thousand were taken: the check sees nothing");
    register(&mut phone, "Contact: *\r\nExpires: 0\r\n")?;
    third_party(&house)?;
    for own in [format!("sip:alice@{server}"), "sip:alice@example.com".to_owned()] {
        let response = register(&mut phone, &format!("Contact: <{own}>\r\n"))?;
        ensure!(response.status() == Some(403), "a contact at {own} got {}", response.start);
    }
    ensure!(house.ringfence.is_running(), "the server is gone");
    Ok(())
}

/// Registers one contact after the other: how many were taken.
fn one_by_one(phone: &mut Phone, places: &[String]) -> Result<usize> {
    let mut taken = 0;
    for place in places {
        let response = register(phone, &format!("Contact: {place}\r\n"))?;
        taken += usize::from(response.status() == Some(200));
    }
    Ok(taken)
}

/// `Contact: *` ends all bindings with `Expires: 0` and alone, and does nothing otherwise.
fn stars(house: &House) -> Result<()> {
    let mut phone = house.phone("alice")?;
    let mine = format!("Contact: {}\r\n", phone.contact());
    let rows = [
        ("Contact: *\r\n".to_owned(), 400, 1),
        ("Contact: *\r\nExpires: 3600\r\n".to_owned(), 400, 1),
        (format!("Contact: *\r\n{mine}Expires: 0\r\n"), 400, 1),
        ("Contact: *\r\nExpires: 0\r\n".to_owned(), 200, 0),
    ];
    for (lines, status, left) in rows {
        let response = register(&mut phone, &mine)?;
        ensure!(response.status() == Some(200), "a plain contact got {}", response.start);
        let response = register(&mut phone, &lines)?;
        ensure!(response.status() == Some(status), "{lines:?} got {}", response.start);
        ensure!(bindings(house)? == left, "{lines:?} leaves {} bindings", bindings(house)?);
    }
    Ok(())
}

/// A contact at somebody who asked for nothing: the call goes to whoever registered, he hears nothing.
fn third_party(house: &House) -> Result<()> {
    let third = UdpSocket::bind("127.0.0.99:0")?;
    third.set_read_timeout(Some(Duration::from_millis(500)))?;
    let there: SocketAddr = third.local_addr()?;
    let mut alice = house.phone("alice")?;
    let response = register(&mut alice, &format!("Contact: <sip:alice@{there}>\r\n"))?;
    ensure!(response.status() == Some(200), "{}", response.start);
    let mut bob = house.phone("bob")?;
    let call = std::thread::spawn(move || bob.invite("alice"));
    let invite = alice.expect("INVITE", Duration::from_secs(3))?;
    ensure!(invite.uri().contains(&there.to_string()), "alice is asked for {}", invite.uri());
    alice.wire.send(invite.reply(486, "Busy", "alice", "", "").as_bytes())?;
    let answered = call.join().expect("the caller's thread does not panic")?;
    ensure!(answered.status() == 486, "bob hears {}", answered.response.start);
    let mut buffer = [0; 2_048];
    let heard = third.recv_from(&mut buffer);
    ensure!(heard.is_err(), "the third party was sent something");
    register(&mut alice, "Contact: *\r\nExpires: 0\r\n").map(drop)
}

/// A REGISTER of the phone's user with these header lines instead of its own Contact, and credentials.
fn register(phone: &mut Phone, lines: &str) -> Result<Message> {
    let challenge = challenge(phone, "REGISTER", SERVER)?;
    let user = phone.user.clone();
    let answer =
        Answer { user: &user, secret: SECRET, method: "REGISTER", uri: SERVER, nc: 1, cnonce: "c" };
    let call_id = phone.fresh("reg");
    let text = phone.request("REGISTER", SERVER, 1, &call_id, "");
    let own = format!("Contact: {}\r\n", phone.contact());
    let lines = format!("{lines}Authorization: {}\r\n", answer.to(&challenge));
    let text = text.replacen(&own, &lines, 1);
    phone.wire.send(text.as_bytes()).context("the REGISTER does not leave")?;
    phone.final_response(&call_id, 1)
}

fn bindings(house: &House) -> Result<u64> {
    until(Duration::from_secs(2), "a count of bindings", || {
        let status = house.ringfence.json(&["status"]).ok()?.pop()?;
        status["node"]["bindings"].as_u64()
    })
}
