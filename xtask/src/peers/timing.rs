//! A7 of security.md: to the outside an unknown user is a known one. Lives here: tries of two kinds, at random
//! one after the other, the time each takes and the bytes it gets. Never here: who is let in.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::login::house_with;
use super::{House, SECRET};
use crate::digest::{Algorithm, Answer, Challenge};
use crate::ringfence::Setup;
use crate::sip_client::message::tag_of;
use crate::sip_client::{Message, Phone};

/// Tries of each kind.
const TRIES: usize = 20_000;
/// Of one user name from one source: fewer than lock it out.
const TRIES_EACH: usize = 4;
/// User names of each kind: three, so that no source fails thirty times.
const NAMES: usize = 3;
/// Sockets open at one time.
const SOCKETS: usize = 200;
/// An area under the curve within these is no use to anybody.
const LEAST: f64 = 0.45;
const MOST: f64 = 0.55;

/// Whose secret is guessed, and with what.
#[derive(Clone, Copy)]
struct Kind {
    /// Their names begin so; all names are of one length.
    name: &'static str,
    secret: &'static str,
}

impl Kind {
    fn guessing(self) -> Kind {
        Kind { secret: WRONG, ..self }
    }
}

/// Two kinds that nobody may tell apart.
struct Pair {
    what: &'static str,
    algorithm: Algorithm,
    kinds: [Kind; 2],
    /// Fail so often beforehand.
    before: usize,
}

const WRONG: &str = "no-such-secret-99";
const UNKNOWN: Kind = Kind { name: "ghost", secret: WRONG };
const KNOWN: Kind = Kind { name: "plain", secret: WRONG };
/// Lines with three former secrets.
const CHANGED: Kind = Kind { name: "often", secret: WRONG };
/// Lines with as many known devices as a line can have.
const BUSY: Kind = Kind { name: "multi", secret: WRONG };
const RIGHT: Kind = Kind { name: "plain", secret: SECRET };
/// Known devices of each busy line.
const DEVICES: u8 = 64;

const PAIRS: [Pair; 7] = [
    pair("unknown and known", Algorithm::Sha256, UNKNOWN, KNOWN, 0),
    pair("unknown and known", Algorithm::Md5, UNKNOWN, KNOWN, 0),
    pair("three former secrets and none", Algorithm::Sha256, CHANGED, KNOWN, 0),
    pair("three former secrets and unknown", Algorithm::Md5, CHANGED, UNKNOWN, 0),
    pair("many known devices and unknown", Algorithm::Md5, BUSY, UNKNOWN, 0),
    pair("locked out, unknown and the right secret", Algorithm::Sha256, UNKNOWN, RIGHT, 5),
    pair("locked out, the wrong and the right secret", Algorithm::Md5, KNOWN, RIGHT, 5),
];

const fn pair(
    what: &'static str,
    algorithm: Algorithm,
    one: Kind,
    other: Kind,
    before: usize,
) -> Pair {
    Pair { what, algorithm, kinds: [one, other], before }
}

/// Same bytes, same time.
pub fn unknown_is_known() -> Result<()> {
    // No lock-out but those that are wanted: of one name from one source.
    let access = ["failures_per_user = 10000", "failures_per_source = 10000"];
    let access = access.map(str::to_owned).to_vec();
    let house = house_with(Setup { access, ..Setup::default() })?;
    prepare(&house)?;
    let mut beyond = Vec::new();
    for (at, pair) in PAIRS.iter().enumerate() {
        let before = locked(&house)?;
        let measured = measure(&house, pair, at)?;
        let is_shut = locked(&house)? - before >= 2 * TRIES as u64;
        ensure!(is_shut == (pair.before > 0), "{}: tries met a lock-out: {is_shut}", pair.what);
        let [one, other] = &measured.times_ns;
        let area = area_under_curve(one, other);
        println!(
            "        {}, {}: {} and {} tries, medians {:.1} and {:.1} us, AUC {area:.3}",
            pair.what,
            pair.algorithm.name(),
            one.len(),
            other.len(),
            median_us(one),
            median_us(other),
        );
        let [one, other] = &measured.shapes;
        ensure!(one == other, "{}: answers differ: {one:#?} and {other:#?}", pair.what);
        ensure!(one.len() == 1, "{}: answers of several kinds: {one:#?}", pair.what);
        if !(LEAST..=MOST).contains(&area) {
            beyond.push(format!("{}: AUC {area:.3}", pair.what));
        }
    }
    ensure!(beyond.is_empty(), "told apart: {}", beyond.join("; "));
    Ok(())
}

fn prepare(house: &House) -> Result<()> {
    let ringfence = &house.ringfence;
    for (at, pair) in PAIRS.iter().enumerate() {
        let known: BTreeSet<&str> = pair.kinds.iter().map(|kind| kind.name).collect();
        for kind in known.into_iter().filter(|kind| *kind != UNKNOWN.name) {
            for user in names(kind, at) {
                ringfence.add_line("a", &user, SECRET)?;
                match kind {
                    "often" => change_secrets(house, &user)?,
                    "multi" => use_from_everywhere(house, &user)?,
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

fn change_secrets(house: &House, user: &str) -> Result<()> {
    for secret in ["kelop-vutam-31\n", "dazim-rofeg-52\n", "bupik-lanov-76\n"] {
        house.ringfence.command_with(&["line", "secret", user, "--secret-stdin"], secret)?;
    }
    Ok(())
}

fn use_from_everywhere(house: &House, user: &str) -> Result<()> {
    for at in 0..DEVICES {
        let from = Ipv4Addr::new(127, 200, 0, at + 1);
        let mut phone = Phone::udp_from(from.into(), house.ringfence.address(), user, SECRET)?;
        let told = phone.register(0)?;
        ensure!(told.status() == Some(200), "{user} at {from}: {}", told.start);
    }
    Ok(())
}

/// Log-ins that met a lock-out so far.
fn locked(house: &House) -> Result<u64> {
    let status = house.ringfence.json(&["status"])?;
    status[0]["node"]["log_ins_locked"].as_u64().context("status counts no lock-outs")
}

/// The user names of a kind in the n-th pair: each pair has its own, so that none fails too often.
fn names(kind: &str, nth: usize) -> impl Iterator<Item = String> {
    (0..NAMES).map(move |at| format!("{kind}{nth}{at}"))
}

/// What was measured, of each kind.
#[derive(Default)]
struct Measured {
    times_ns: [Vec<u64>; 2],
    /// Answers, without what came from the request itself.
    shapes: [BTreeSet<String>; 2],
}

/// One try, ready to be sent.
struct Try {
    kind: usize,
    socket: usize,
    text: String,
    /// What only this try has.
    own: Vec<String>,
}

fn measure(house: &House, pair: &Pair, nth: usize) -> Result<Measured> {
    let mut dice = types::Dice::simulated(7, nth as u64);
    let mut measured = Measured::default();
    let sources = TRIES.div_ceil(TRIES_EACH * NAMES);
    for first in (0..sources).step_by(SOCKETS) {
        let mut tries = Vec::new();
        let mut sockets = Vec::new();
        for at in first..(first + SOCKETS).min(sources) {
            let from = Ipv4Addr::new(127, 100 + nth as u8, (at / 250) as u8, (at % 250) as u8 + 1);
            let source = Source::open(house.ringfence.address(), from, pair)?;
            for _ in 0..pair.before {
                // The right secret is shown during a lock-out only: on the way there it is wrong.
                for one in source.tries(nth, pair.kinds.map(Kind::guessing), sockets.len(), 1) {
                    ask(&source.socket, &one)?;
                }
            }
            tries.extend(source.tries(nth, pair.kinds, sockets.len(), TRIES_EACH));
            sockets.push(source.socket);
        }
        for last in (1..tries.len()).rev() {
            tries.swap(last, dice.below(last as u64 + 1) as usize);
        }
        for one in &tries {
            let (took, answer) = ask(&sockets[one.socket], one)?;
            measured.times_ns[one.kind].push(u64::try_from(took.as_nanos())?);
            measured.shapes[one.kind].insert(shape(&answer, one)?);
        }
    }
    Ok(measured)
}

/// A source of tries, with a nonce that it may use for all of them: wrong ones do not use it up.
struct Source {
    socket: UdpSocket,
    local: SocketAddr,
    nonce: Challenge,
}

impl Source {
    fn open(server: SocketAddr, from: Ipv4Addr, pair: &Pair) -> Result<Source> {
        let socket = UdpSocket::bind((from, 0))?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        let local = socket.local_addr()?;
        let first = request(local, "nobody", 0, "");
        socket.send(first.as_bytes())?;
        let mut buffer = [0; 2_048];
        let length = socket.recv(&mut buffer).context("no challenge")?;
        let told = Message::parse(&buffer[..length]).context("not a challenge")?;
        let mut offered = told.all("WWW-Authenticate").filter_map(Challenge::parse);
        let nonce = offered.find(|challenge| challenge.algorithm == pair.algorithm);
        let nonce = nonce.with_context(|| format!("no such challenge: {}", told.start))?;
        Ok(Source { socket, local, nonce })
    }

    /// So many of each name of each kind.
    fn tries(&self, nth: usize, kinds: [Kind; 2], socket: usize, each: usize) -> Vec<Try> {
        let mut tries = Vec::new();
        for (kind, Kind { name, secret }) in kinds.into_iter().enumerate() {
            for (at, user) in names(name, nth).enumerate() {
                for round in 0..each {
                    let number = (kind * NAMES + at) * 10 + round + 1_000_000_000;
                    let answer = Answer {
                        user: &user,
                        secret,
                        method: "REGISTER",
                        uri: "sip:example.com",
                        nc: u32::try_from(number).unwrap_or(1),
                        cnonce: "c0ffee",
                    };
                    let line = format!("Authorization: {}\r\n", answer.to(&self.nonce));
                    let text = request(self.local, &user, number, &line);
                    let own = vec![self.local.to_string(), user.clone(), number.to_string()];
                    tries.push(Try { kind, socket, text, own });
                }
            }
        }
        tries
    }
}

fn request(local: SocketAddr, user: &str, number: usize, line: &str) -> String {
    format!(
        "REGISTER sip:example.com SIP/2.0\r\n\
         Via: SIP/2.0/UDP {local};branch=z9hG4bK-try-{number};rport\r\n\
         Max-Forwards: 70\r\n\
         From: <sip:{user}@example.com>;tag=from-{number}\r\n\
         To: <sip:{user}@example.com>\r\n\
         Call-ID: call-{number}-of-a-try-that-is-long-enough-for-two-challenges@{local}\r\n\
         CSeq: 1 REGISTER\r\n\
         Contact: <sip:{user}@{local}>\r\n\
         User-Agent: Yealink SIP-T46U 108.86.0.20\r\n\
         Expires: 0\r\n{line}Content-Length: 0\r\n\r\n"
    )
}

fn ask(socket: &UdpSocket, one: &Try) -> Result<(Duration, Vec<u8>)> {
    let mut buffer = [0; 2_048];
    let began = Instant::now();
    socket.send(one.text.as_bytes())?;
    let length = socket.recv(&mut buffer).context("a try got no answer")?;
    let took = began.elapsed();
    Ok((took, buffer[..length].to_vec()))
}

/// An answer without what is this try's own, and without the tag, but for its length.
fn shape(answer: &[u8], one: &Try) -> Result<String> {
    let text = std::str::from_utf8(answer).context("an answer that is no text")?;
    let told = Message::parse(answer).context("an answer that is none")?;
    if told.status() != Some(403) {
        bail!("a try got {}", told.start);
    }
    let tag = tag_of(told.header("To"));
    ensure!(!tag.is_empty(), "no tag: {text}");
    let mut shape = text.replace(tag, &"T".repeat(tag.len()));
    for own in &one.own {
        shape = shape.replace(own.as_str(), "*");
    }
    // rport and received: the source's, too.
    let port = one.own[0].rsplit(':').next().unwrap_or("");
    let host = one.own[0].split(':').next().unwrap_or("");
    Ok(shape.replace(host, "*").replace(port, "*"))
}

/// How often a try of one kind took longer than one of the other; ties count half (Mann and Whitney 1947).
fn area_under_curve(one: &[u64], other: &[u64]) -> f64 {
    let mut all: Vec<(u64, bool)> = one.iter().map(|time| (*time, true)).collect();
    all.extend(other.iter().map(|time| (*time, false)));
    all.sort_unstable();
    let (mut below, mut wins) = (0.0, 0.0);
    for same in all.chunk_by(|a, b| a.0 == b.0) {
        let ones = same.iter().filter(|(_, is_one)| *is_one).count() as f64;
        let others = same.len() as f64 - ones;
        wins += ones * (below + others / 2.0);
        below += others;
    }
    wins / (one.len() as f64 * other.len() as f64)
}

fn median_us(times_ns: &[u64]) -> f64 {
    let mut sorted = times_ns.to_vec();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or(0) as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas() {
        fn check(one: &[u64], other: &[u64], want: f64) {
            let got = area_under_curve(one, other);
            assert!((got - want).abs() < 1e-9, "{one:?} {other:?}: {got}");
        }
        check(&[1, 2, 3], &[1, 2, 3], 0.5);
        check(&[4, 5], &[1, 2, 3], 1.0);
        check(&[1, 2], &[3, 4], 0.0);
        check(&[2], &[1, 3], 0.5);
        check(&[1, 3], &[1, 2], 0.625);
    }

    #[test]
    fn medians() {
        assert!((median_us(&[3_000, 1_000, 2_000]) - 2.0).abs() < 1e-9);
        assert!(median_us(&[]) < 1e-9);
    }
}
