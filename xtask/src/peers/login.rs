//! Who is calling: security.md A1, A2, A3 and A9, with a client that answers challenges wrongly on purpose.

use anyhow::{Context, Result, bail, ensure};

use super::{House, SECRET};
use crate::digest::{Algorithm, Answer, Challenge};
use crate::ringfence::Setup;
use crate::sip_client::{Behaviour, Message, Phone, Wire};

/// What the carrier says to every call: a caller who gets it was let through.
const LET_THROUGH: u16 = 486;
/// How a request without good credentials may be answered.
const KEPT_OUT: [u16; 4] = [400, 401, 403, 407];

/// A house whose carrier refuses every call.
pub fn house() -> Result<House> {
    house_with(Setup::default())
}

/// The same, set up differently.
pub fn house_with(setup: Setup) -> Result<House> {
    House::open(setup, |_| Behaviour::Reject(LET_THROUGH))
}

/// Methods and URIs that need credentials.
const ASKS: [(&str, &str); 2] =
    [("REGISTER", "sip:example.com"), ("INVITE", "sip:+442083661177@example.com")];

/// Sends a request with these header lines outside of any dialog; its final response.
pub fn ask(phone: &mut Phone, method: &str, uri: &str, lines: &str) -> Result<Message> {
    let call_id = phone.fresh("ask");
    let text = phone.request(method, uri, 1, &call_id, lines);
    phone.wire.send(text.as_bytes())?;
    let response = phone.final_response(&call_id, 1)?;
    if method == "INVITE" {
        phone.ack_refusal(&text, &response)?;
    }
    Ok(response)
}

/// A fresh challenge with the hash that the phone prefers.
pub fn challenge(phone: &mut Phone, method: &str, uri: &str) -> Result<Challenge> {
    let response = ask(phone, method, uri, "")?;
    let header = if method == "REGISTER" { "WWW-Authenticate" } else { "Proxy-Authenticate" };
    let algorithm = phone.algorithm;
    let found = response
        .all(header)
        .filter_map(Challenge::parse)
        .find(|challenge| challenge.algorithm == algorithm);
    found.with_context(|| format!("no {} challenge: {}", algorithm.name(), response.start))
}

fn line(method: &str, value: &str) -> String {
    let name = if method == "REGISTER" { "Authorization" } else { "Proxy-Authorization" };
    format!("{name}: {value}\r\n")
}

fn good<'a>(user: &'a str, method: &'a str, uri: &'a str) -> Answer<'a> {
    Answer { user, secret: SECRET, method, uri, nc: 1, cnonce: "c0ffee" }
}

/// Was a request with good credentials let through?
fn passed(method: &str, response: &Message) -> bool {
    response.status() == Some(if method == "REGISTER" { 200 } else { LET_THROUGH })
}

fn kept_out(response: &Message) -> bool {
    response.status().is_some_and(|status| KEPT_OUT.contains(&status))
}

/// Makes the credentials of a request from its challenge, method and URI.
type Make = fn(&Challenge, &str, &str) -> String;

/// A1: kinds of bad credentials.
const BAD: [(&str, Make); 16] = [
    ("wrong secret", |c, m, u| Answer { secret: "guess", ..good("alice", m, u) }.to(c)),
    ("another's name", |c, m, u| Answer { secret: "guess", ..good("bob", m, u) }.to(c)),
    ("unknown user", |c, m, u| good("mallory", m, u).to(c)),
    ("another uri, hashed", |c, m, _| good("alice", m, "sip:+447700900123@example.com").to(c)),
    ("another method, hashed", |c, _, u| good("alice", "OPTIONS", u).to(c)),
    ("uri changed after hashing", |c, m, u| {
        good("alice", m, u).to(c).replace(u, "sip:other.example")
    }),
    ("nonce of our own", |c, m, u| {
        good("alice", m, u).to(&Challenge { nonce: "00000000000000000000".into(), ..c.clone() })
    }),
    ("nonce with one character changed", |c, m, u| {
        let mut nonce = c.nonce.clone().into_bytes();
        let last = nonce.len() - 1;
        nonce[last] = if nonce[last] == b'0' { b'1' } else { b'0' };
        let nonce = String::from_utf8_lossy(&nonce).into_owned();
        good("alice", m, u).to(&Challenge { nonce, ..c.clone() })
    }),
    ("no qop", |c, m, u| {
        let h = c.algorithm;
        let ha1 = h.hash(&["alice", &c.realm, SECRET]);
        let response = h.hash(&[&ha1, &c.nonce, &h.hash(&[m, u])]);
        format!(
            "Digest username=\"alice\", realm=\"{}\", nonce=\"{}\", uri=\"{u}\", response=\"{response}\", algorithm={}",
            c.realm,
            c.nonce,
            h.name()
        )
    }),
    ("response cut short", |c, m, u| cut_response(&good("alice", m, u).to(c), 8)),
    ("response empty", |c, m, u| cut_response(&good("alice", m, u).to(c), 0)),
    ("hash of one kind, name of another", |c, m, u| {
        let value = good("alice", m, u).to(c);
        let other = if c.algorithm == Algorithm::Md5 { "SHA-256" } else { "MD5" };
        value.replace(&format!("algorithm={}", c.algorithm.name()), &format!("algorithm={other}"))
    }),
    ("nc that is no number", |c, m, u| {
        good("alice", m, u).to(c).replace("nc=00000001", "nc=zzzzzzzz")
    }),
    ("nc changed after hashing", |c, m, u| {
        good("alice", m, u).to(c).replace("nc=00000001", "nc=00000002")
    }),
    ("Basic", |_, _, _| "Basic YWxpY2U6dnV6b24=".to_owned()),
    ("no parameters", |_, _, _| "Digest".to_owned()),
];

fn cut_response(value: &str, length: usize) -> String {
    let (head, rest) = value.split_once("response=\"").unwrap_or((value, ""));
    let (response, tail) = rest.split_once('"').unwrap_or((rest, ""));
    format!("{head}response=\"{}\"{tail}", &response[..length.min(response.len())])
}

/// A1: methods × hashes × transports × bad credentials, each beside its good neighbour.
pub fn bound_to_everything() -> Result<()> {
    // Each kind is judged for itself: no lock-out answers for it.
    let access = ["failures = 100", "failures_per_source = 10000", "failures_per_user = 10000"];
    let access = access.map(str::to_owned).to_vec();
    let house = house_with(Setup { access, ..Setup::default() })?;
    let server = house.ringfence.address();
    for (method, uri) in ASKS {
        for algorithm in [Algorithm::Md5, Algorithm::Sha256] {
            for tcp in [false, true] {
                let mut phone = match tcp {
                    true => Phone::tcp(server, "alice", SECRET)?,
                    false => Phone::udp(server, "alice", SECRET)?,
                };
                phone.algorithm = algorithm;
                for (what, make) in BAD {
                    let challenge = challenge(&mut phone, method, uri)?;
                    let value = make(&challenge, method, uri);
                    let response = ask(&mut phone, method, uri, &line(method, &value))?;
                    ensure!(kept_out(&response), "{method} with {what} got {}", response.start);
                }
                let challenge = challenge(&mut phone, method, uri)?;
                let value = good("alice", method, uri).to(&challenge);
                let response = ask(&mut phone, method, uri, &line(method, &value))?;
                ensure!(passed(method, &response), "good {method} got {}", response.start);
            }
        }
    }
    let let_through = house.carrier.bill().len();
    ensure!(let_through == 4, "{let_through} INVITEs reached the carrier, not 4");
    every_other_method(&house)
}

/// No method but those above and OPTIONS does anything for somebody without credentials.
fn every_other_method(house: &House) -> Result<()> {
    let mut phone = house.phone("alice")?;
    let others = [
        "MESSAGE",
        "SUBSCRIBE",
        "PUBLISH",
        "NOTIFY",
        "REFER",
        "INFO",
        "UPDATE",
        "PRACK",
        "BYE",
        "FOO",
    ];
    for method in others {
        let response = ask(&mut phone, method, "sip:bob@example.com", "")?;
        let status = response.status().unwrap_or(0);
        ensure!(
            (400..600).contains(&status),
            "{method} without credentials got {}",
            response.start
        );
    }
    Ok(())
}

/// A2: alone they are no credentials; beside ours they do no harm.
pub fn other_realm() -> Result<()> {
    let house = house()?;
    for (method, uri) in ASKS {
        let mut phone = house.phone("alice")?;
        let ours = challenge(&mut phone, method, uri)?;
        let theirs = Challenge { realm: "elsewhere.example".into(), ..ours.clone() };
        let foreign = line(method, &good("alice", method, uri).to(&theirs));
        let response = ask(&mut phone, method, uri, &foreign)?;
        let asked = if method == "REGISTER" { 401 } else { 407 };
        ensure!(response.status() == Some(asked), "{method}, foreign alone: {}", response.start);

        let ours = challenge(&mut phone, method, uri)?;
        let own = line(method, &good("alice", method, uri).to(&ours));
        let response = ask(&mut phone, method, uri, &format!("{foreign}{own}"))?;
        ensure!(passed(method, &response), "{method}, foreign beside ours: {}", response.start);
    }
    Ok(())
}

/// A3: the same credentials again: same source, other source, other transport, after a restart.
pub fn replay() -> Result<()> {
    let mut house = house()?;
    let server = house.ringfence.address();
    for (method, uri) in ASKS {
        let mut phone = house.phone("alice")?;
        let used = challenge(&mut phone, method, uri)?;
        let value = line(method, &good("alice", method, uri).to(&used));
        let response = ask(&mut phone, method, uri, &value)?;
        ensure!(passed(method, &response), "first use of {method}: {}", response.start);
        let response = ask(&mut phone, method, uri, &value)?;
        ensure!(kept_out(&response), "second use of {method}: {}", response.start);
        ensure!(says_stale(&response), "a replay is not called stale: {response:?}");

        let next = line(method, &Answer { nc: 2, ..good("alice", method, uri) }.to(&used));
        let mut elsewhere = Phone::udp_from([127, 0, 0, 77].into(), server, "alice", SECRET)?;
        let response = ask(&mut elsewhere, method, uri, &next)?;
        ensure!(kept_out(&response), "{method} from another address: {}", response.start);
        let mut stream = Phone::on(Wire::tcp(server)?, "alice", SECRET);
        let response = ask(&mut stream, method, uri, &next)?;
        ensure!(kept_out(&response), "{method} over another transport: {}", response.start);
        let response = ask(&mut phone, method, uri, &next)?;
        ensure!(passed(method, &response), "the next count of {method}: {}", response.start);
    }
    after_restart(&mut house)
}

/// A restart forgets which counts were used: what was used before it, and what was not, is stale.
fn after_restart(house: &mut House) -> Result<()> {
    let mut asked = Vec::new();
    for (method, uri) in ASKS {
        for is_used in [false, true] {
            let mut phone = house.phone("alice")?;
            let nonce = challenge(&mut phone, method, uri)?;
            let value = line(method, &good("alice", method, uri).to(&nonce));
            if is_used {
                let response = ask(&mut phone, method, uri, &value)?;
                ensure!(passed(method, &response), "{method} before: {}", response.start);
            }
            asked.push((phone, method, uri, value, is_used));
        }
    }
    let reached = house.carrier.bill().len();
    house.ringfence.kill()?;
    house.ringfence.start()?;
    for (phone, method, uri, value, is_used) in &mut asked {
        let what = format!("{method} with a nonce from before the restart, used {is_used}");
        let response = ask(phone, method, uri, value)?;
        ensure!(kept_out(&response), "{what}: {}", response.start);
        ensure!(says_stale(&response), "{what} is not called stale: {response:?}");
    }
    let after = house.carrier.bill().len();
    ensure!(after == reached, "{} replayed calls reached the carrier", after - reached);
    Ok(())
}

fn says_stale(response: &Message) -> bool {
    response
        .all("WWW-Authenticate")
        .chain(response.all("Proxy-Authenticate"))
        .filter_map(Challenge::parse)
        .any(|challenge| challenge.stale)
}

/// A9: however the name is written, the record names one account and one line, or the call is refused.
pub fn spellings() -> Result<()> {
    let house = house()?;
    let account = house.account("a")?;
    let uri = ASKS[1].1;
    let names = [
        "alice",
        "ALICE",
        "Alice",
        "%61lice",
        "alic%65",
        "%41LICE",
        "alice%20",
        "alice;x=1",
        " alice",
    ];
    let mut let_in = 0;
    for name in names {
        for hashed in [name, "alice"] {
            let mut phone = house.phone("alice")?;
            let challenge = challenge(&mut phone, "INVITE", uri)?;
            let own = good(hashed, "INVITE", uri).to(&challenge);
            let value =
                own.replace(&format!("username=\"{hashed}\""), &format!("username=\"{name}\""));
            let response = ask(&mut phone, "INVITE", uri, &line("INVITE", &value))?;
            match response.status() {
                Some(LET_THROUGH) => let_in += 1,
                _ => ensure!(kept_out(&response), "`{name}` got {}", response.start),
            }
        }
    }
    ensure!(let_in >= 2, "not even the plain spelling was let in");
    for claimed in ["bob", "ALICE", "a%6cice", "+442033221101", "anonymous"] {
        let mut phone = house.phone("alice")?;
        let call_id = phone.fresh("from");
        let from = format!("<sip:{claimed}@example.com>;tag=f{call_id}");
        let answered = phone.invite_as(uri, &call_id, &from, &format!("<{uri}>"), "")?;
        match answered.status() {
            LET_THROUGH => let_in += 1,
            403 => {}
            _ => bail!("From {claimed} got {}", answered.response.start),
        }
    }
    let records = house.records(let_in)?;
    let other = records.iter().find(|call| call["account"].as_u64() != Some(account));
    ensure!(other.is_none(), "a call of alice's is recorded elsewhere: {other:?}");
    Ok(())
}
