//! A5 of security.md: whose challenges we answer, on real sockets. Lives here: a carrier that asks for
//! credentials, and others who would like to have some.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::login::house;
use super::{LONDON, SECRET};
use crate::ringfence::{DECK, Ringfence, Setup};
use crate::sip_client::{Message, Phone, Wire};

const CARRIERS: &str = "lomed-tarip-gusot-41";
const WAIT: Duration = Duration::from_secs(3);

/// A challenge in the name of this realm.
fn challenge(request: &Message, status: u16, realm: &str) -> String {
    let header = if status == 401 { "WWW-Authenticate" } else { "Proxy-Authenticate" };
    let line = format!(
        "{header}: Digest realm=\"{realm}\", nonce=\"f00dfeed\", qop=\"auth\", algorithm=MD5\r\n"
    );
    request.reply(status, "Who Are You", "asks", &line, "")
}

fn shows_credentials(request: &Message) -> bool {
    !request.header("Authorization").is_empty() || !request.header("Proxy-Authorization").is_empty()
}

/// A phone that challenges our INVITE and our BYE, in whatever name, gets no credentials.
pub fn by_a_phone() -> Result<()> {
    let house = house()?;
    for realm in ["example.com", "itsp.example", "elsewhere.example"] {
        for status in [401, 407] {
            let (mut alice, mut bob) = (house.phone("alice")?, house.phone("bob")?);
            ensure!(bob.register(60)?.status() == Some(200), "bob is not registered");
            let call = std::thread::spawn(move || {
                let answered = alice.invite("bob");
                (alice, answered)
            });
            let invite = bob.expect("INVITE", WAIT)?;
            bob.wire.send(challenge(&invite, status, realm).as_bytes())?;
            let (mut alice, answered) = call.join().expect("the caller's thread does not panic");
            let heard = answered?.status();
            ensure!((400..700).contains(&heard), "{realm}: alice hears {heard}");
            nothing_shown(&mut bob.wire, &format!("an INVITE, {status} {realm}"))?;

            // The next call is answered, and the BYE of it challenged.
            let call = std::thread::spawn(move || {
                let answered = alice.invite("bob");
                (alice, answered)
            });
            let invite = bob.expect("INVITE", WAIT)?;
            drop(bob.pick_up(&invite)?);
            let (mut alice, answered) = call.join().expect("the caller's thread does not panic");
            let mut dialog = answered?.dialog.context("bob's answer")?;
            alice.bye(&mut dialog)?;
            let bye = bob.expect("BYE", WAIT)?;
            bob.wire.send(challenge(&bye, status, realm).as_bytes())?;
            nothing_shown(&mut bob.wire, &format!("a BYE, {status} {realm}"))?;
            ensure!(bob.register(0)?.status() == Some(200), "bob cannot leave");
        }
    }
    Ok(())
}

/// Nothing that comes within a moment has credentials.
fn nothing_shown(wire: &mut Wire, what: &str) -> Result<()> {
    while let Some(message) = wire.receive(Duration::from_millis(250))? {
        ensure!(!shows_credentials(&message), "credentials for {what}: {message:?}");
        if !message.method().is_empty() && message.method() != "ACK" {
            wire.send(message.reply(200, "OK", "polite", "", "").as_bytes())?;
        }
    }
    Ok(())
}

/// A carrier is answered for its own realm and from its own address, and nobody else is.
pub fn by_a_carrier() -> Result<()> {
    let mut ringfence = Ringfence::prepare(Setup::default())?;
    let mut carrier = Wire::udp(Ipv4Addr::LOCALHOST.into(), ringfence.address())?;
    let address = carrier.local().to_string();
    // Phones sit where the carrier listens: its calls to us would come from elsewhere.
    let words = ["trunk", "add", "acme", &address, "--route", "all:10", "--cost-deck", DECK];
    let login = ["--source", "127.0.0.200/32", "--user", "acme", "--realm", "itsp.example"];
    let words = [&words[..], &login, &["--secret-stdin"]].concat();
    ringfence.command_with(&words, &format!("{CARRIERS}\n"))?;
    ringfence.add_account("a", "residential")?;
    ringfence.add_line("a", "alice", SECRET)?;
    ringfence.start()?;
    carrier.turn_to(ringfence.address());
    let server = ringfence.address();
    // Somebody who sees all that is on the wire is faster, or the carrier asks for a realm of others.
    for (by_a_thief, realm, is_answered) in [
        (false, "itsp.example", true),
        (true, "itsp.example", false),
        (false, "example.com", false),
        (false, "ITSP.example", false),
    ] {
        let call = std::thread::spawn(move || -> Result<u16> {
            Ok(Phone::udp(server, "alice", SECRET)?.invite(LONDON)?.status())
        });
        let invite = request(&mut carrier, "INVITE")?;
        ensure!(!shows_credentials(&invite), "credentials before anybody asked");
        let asks = challenge(&invite, 407, realm);
        if by_a_thief {
            let mut thief = Wire::udp([127, 0, 0, 66].into(), server)?;
            thief.send(asks.as_bytes())?;
            nothing_shown(&mut thief, "a thief, to him")?;
        } else {
            carrier.send(asks.as_bytes())?;
        }
        if is_answered {
            let again = until_shown(&mut carrier)?;
            let value = again.header("Proxy-Authorization").to_owned();
            ensure!(value.contains("username=\"acme\"") && value.contains(realm), "{value}");
            carrier.send(again.reply(486, "Busy", "busy", "", "").as_bytes())?;
        } else {
            nothing_shown(&mut carrier, realm)?;
        }
        let heard = call.join().expect("the caller's thread does not panic")?;
        ensure!((400..700).contains(&heard), "{realm}: alice hears {heard}");
    }
    Ok(())
}

/// The next request of this method, whatever lies before it.
fn request(wire: &mut Wire, method: &str) -> Result<Message> {
    while let Some(message) = wire.receive(WAIT)? {
        if message.method() == method {
            return Ok(message);
        }
    }
    anyhow::bail!("no {method} came")
}

/// The INVITE that answers a challenge, behind ACKs and repetitions.
fn until_shown(wire: &mut Wire) -> Result<Message> {
    loop {
        let invite = request(wire, "INVITE")?;
        if shows_credentials(&invite) {
            return Ok(invite);
        }
    }
}
