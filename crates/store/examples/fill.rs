//! Fills a node's database, which does not run, with what there would be after a long time.
//!
//! ```text
//! cargo run --release -p store --example fill -- DATABASE calls 100000
//! cargo run --release -p store --example fill -- DATABASE users 300000
//! ```
//!
//! `calls`: of account 1 and its first line, one a minute until now, to ten countries; every seventh was refused for its
//! price. `users`: one more account each, with a web user who is signed in.

use store::{Backend, Batch, OpenOptions, SqliteStore, Synchronous};
use types::cdr::HangupCause;
use types::decision::Outcome;
use types::*;

type Failure = Box<dyn std::error::Error>;

/// Records of one transaction.
const AT_ONCE: u32 = 2_000;
const COUNTRIES: [&str; 10] = [
    "252612", "33142", "49302", "371671", "537123", "882161", "234803", "121255", "447700",
    "442083",
];
const MINUTE_US: i64 = 60_000_000;

fn now() -> UnixMicros {
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    UnixMicros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [database, what, count] = arguments.as_slice() else {
        return Err("fill DATABASE calls|users COUNT".into());
    };
    let count: u32 = count.parse()?;
    // Nothing is lost here but with the whole measurement.
    let options = OpenOptions { synchronous: Synchronous::Normal, ..OpenOptions::default() };
    let mut store = SqliteStore::open(database.as_str(), options)?;
    let make = match what.as_str() {
        "calls" => call,
        "users" => user,
        _ => return Err(format!("there is no `{what}`: calls or users").into()),
    };
    let now = now();
    let all: Vec<u32> = (0..count).collect();
    for some in all.chunks(AT_ONCE as usize) {
        let records = some.iter().flat_map(|at| make(*at, count, now)).collect();
        store.commit(&[Batch { ticket: 0, records }])?;
    }
    Ok(())
}

/// The call before so many minutes.
fn call(at: u32, count: u32, now: UnixMicros) -> Vec<Record> {
    let started = UnixMicros(now.0 - i64::from(count - at) * MINUTE_US);
    let country = COUNTRIES.get(at as usize % COUNTRIES.len()).copied().unwrap_or_default();
    let number = format!("+{country}{:05}", at % 100_000);
    let minute = 12_000 + i64::from(at % 50) * 1_000;
    let rate = record_samples::rate(minute);
    let mut cdr = record_samples::call(AccountId(1), &number, started, 30_000, rate);
    cdr.destination.region =
        ["SO", "FR", "DE", "LV"].get(at as usize % 4).and_then(|code| code.parse().ok());
    if at.is_multiple_of(7) {
        (cdr.answered, cdr.ended, cdr.duration_ms, cdr.trunk) = (None, started, 0, None);
        (cdr.cause, cdr.status) = (HangupCause::Refused, 403);
        cdr.explanation.outcome = Outcome::Refused;
        let (per_minute, cap) = (Money::from_cents(92), Money::from_cents(10));
        cdr.explanation.findings = vec![Finding::PriceCap { per_minute, cap }];
    } else {
        cdr.price = Money::from_micros(minute / 2);
        cdr.cost = Money::from_micros(minute / 4);
    }
    record_samples::settled(cdr)
}

/// An account beyond the first, and who is signed in at its pages.
fn user(at: u32, _count: u32, now: UnixMicros) -> Vec<Record> {
    let id = at + 10;
    let kept = KeptSession {
        hash: format!("{at:064x}"),
        since: now,
        seen: now,
        source: std::net::Ipv4Addr::from(0x0a00_0000 + at).into(),
        agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned(),
    };
    let user = WebUser {
        id: WebUserId(id),
        account: AccountId(id),
        name: format!("user{id}@example.com"),
        password: Some("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g".to_owned()),
        password_since: Some(now),
        link: None,
        totp: None,
        totp_step: 0,
        recovery: Vec::new(),
        created: now,
        last_seen: Some(now),
        sessions: vec![kept],
        browsers: Vec::new(),
        tokens: Vec::new(),
        tokens_made: 0,
        is_removed: false,
    };
    vec![Record::Account(Box::new(record_samples::account(id))), Record::WebUser(Box::new(user))]
}
