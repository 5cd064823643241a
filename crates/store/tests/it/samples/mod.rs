//! Records to test with. Lives here: one of each kind of the directory, stores to put them into. Never here: assertions.

mod access;
mod calls;
mod everything;

use std::net::SocketAddr;

use store::{Backend, Batch, SnapshotWindow};
use types::account::Ha1;
use types::decision::Destination;
use types::record::Deck;
use types::*;

pub use access::*;
pub use calls::*;
pub use everything::*;

pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
/// 2026-11-22T08:41:03Z.
pub const T0: i64 = 1_795_336_863 * SECOND;

pub fn at(offset: i64) -> UnixMicros {
    UnixMicros(T0 + offset)
}

/// The id of the n-th call.
pub fn decision(n: u32) -> DecisionId {
    DecisionId(at(i64::from(n) * SECOND).0.cast_unsigned() << 8)
}

pub fn e164(digits: &str) -> E164 {
    E164::from_digits(digits).unwrap()
}

pub fn peer(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 7], port))
}

pub fn account(id: u32) -> Account {
    Account {
        id: AccountId(id),
        name: format!("Account {id} — “quoted”, 'apostrophe', ünïcode"),
        status: AccountStatus::Active,
        controls: Controls {
            ip_lock: vec!["192.0.2.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
            stop_level_1h: Some(Money::from_units(7)),
            ..Controls::residential()
        },
        dial_plan: DialPlan { outside_line: Some('9'), ..DialPlan::default() },
        sell_deck: DeckId(1),
        reseller: Some(types::ResellerId(2)),
        time_zone: "Europe/London".to_owned(),
        billing_day: 1,
    }
}

fn ha1(n: u8) -> Ha1 {
    Ha1 { md5: [n; 16], sha256: [n + 1; 32] }
}

/// Former secrets with these verifiers.
pub fn former(verifiers: &[u8]) -> Vec<types::FormerSecret> {
    let one = |n: &u8| types::FormerSecret {
        ha1: ha1(*n),
        replaced: UnixMicros(1_000),
        grace_until: Some(UnixMicros(2_000)),
        grace_devices: vec![types::DeviceId(3)],
    };
    verifiers.iter().map(one).collect()
}

pub fn line(id: u32, account: u32, user: &str) -> Line {
    Line {
        id: LineId(id),
        account: AccountId(account),
        user: user.to_owned(),
        kind: types::LineKind::Pbx,
        ha1: ha1(id as u8),
        secret_set: UnixMicros(1_000),
        former: former(&[id as u8 + 7]),
        reminded_days: 80,
        wants_new_secret: true,
        tls_only: true,
        sha256_only: true,
        status: LineStatus::Active,
        caller_id: Some(e164("442079460000")),
        ip_lock: vec!["198.51.100.0/25".parse().unwrap()],
        stop_levels: Some(Box::new(stop_levels())),
    }
}

pub fn stop_levels() -> types::StopLevels {
    types::StopLevels { stop_level_24h: Some(Money::from_units(3)), ..types::StopLevels::NONE }
}

pub fn reseller(id: u32) -> types::Reseller {
    let (id, stop_levels) = (types::ResellerId(id), stop_levels());
    types::Reseller { id, name: "“Resell & Sons”".to_owned(), stop_levels }
}

pub fn number(digits: &str, account: u32) -> Number {
    Number { number: e164(digits), account: AccountId(account), line: Some(LineId(1)) }
}

pub fn trunk(id: u32) -> Trunk {
    Trunk {
        id: TrunkId(id),
        name: format!("Carrier {id}"),
        address: peer(5060),
        transport: TrunkTransport::Tcp,
        host: "carrier.example".to_owned(),
        auth: Some(TrunkAuth {
            user: "us".to_owned(),
            secret: "s3cret".to_owned(),
            realm: "carrier.example".to_owned(),
            register: true,
        }),
        sources: vec!["203.0.113.0/24".parse().unwrap()],
        routes: vec![
            TrunkRoute { prefix: "44".to_owned(), priority: 2 },
            TrunkRoute { prefix: String::new(), priority: 1 },
        ],
        cost_deck: Some(DeckId(2)),
        number_format: TrunkNumberFormat::National,
        dial_plan: types::DialPlan::default(),
        emergency: true,
        enabled: true,
    }
}

pub fn rate(per_minute: i64) -> Rate {
    Rate {
        connect_fee: Money::from_micros(10_000),
        per_minute: Money::from_micros(per_minute),
        minimum_s: 1,
        first_increment_s: 30,
        increment_s: 6,
    }
}

pub fn deck(id: u32, prefixes: &[&str]) -> Deck {
    let rows = prefixes.iter().map(|prefix| RateRow {
        prefix: (*prefix).to_owned(),
        name: format!("Place {prefix}").into(),
        rate: rate(12_500),
        effective: at(0),
    });
    Deck { id: DeckId(id), name: format!("Deck {id}"), rows: rows.collect() }
}

/// A deck put so many microseconds after `T0`.
pub fn put_deck(offset: i64, deck: Deck) -> Record {
    Record::Deck(at(offset), Box::new(deck))
}

pub fn binding(line: u32, contact: &str) -> BindingRecord {
    BindingRecord {
        line: LineId(line),
        contact: contact.to_owned(),
        path: vec!["<sip:p.example;lr>".to_owned()],
        call_id: "a84b4c76e66710".to_owned(),
        cseq: 4,
        expires: at(HOUR),
        transport: "udp".to_owned(),
        peer: peer(5070),
        local: "[2001:db8::1]:5060".parse().unwrap(),
        user_agent: "Phone/1.0 \"x\"".to_owned(),
        outbound: Some(types::record::Outbound {
            instance: format!("<urn:uuid:00000000-0000-1000-8000-{line:012}>"),
            reg_id: 2,
        }),
    }
}

pub fn destination(class: DestinationClass) -> Destination {
    Destination {
        class,
        e164: Some(e164("33123456789")),
        region: Some("FR".parse().unwrap()),
        tier: Some(InternationalTier::Low),
        hotspot: false,
    }
}

/// What stood for an account from the n-th second on.
pub fn standing(n: u32, account_id: u32) -> Standing {
    let Account { status, controls, sell_deck, reseller, time_zone, .. } = account(account_id);
    let controls = Controls { calls: n as u16, ..controls };
    let (account, at) = (AccountId(account_id), at(i64::from(n) * SECOND));
    let (by, why) = (By::staff("eve"), format!("“{n}”"));
    Standing { account, at, status, controls, sell_deck, reseller, time_zone, by, why }
}

/// What bounded a line from the n-th second on.
pub fn line_standing(n: u32, line_id: u32) -> LineStanding {
    LineStanding {
        line: LineId(line_id),
        account: AccountId(1),
        at: at(i64::from(n) * SECOND),
        security: LineSecurity::of(&line(line_id, 1, "alice")),
        by: By::Holder { proof: Proof::Fresh },
        why: n.to_string(),
    }
}

/// What a trunk cost from the n-th second on.
pub fn trunk_standing(n: u32, trunk: u32) -> TrunkStanding {
    let at = at(i64::from(n) * SECOND);
    TrunkStanding { trunk: TrunkId(trunk), at, cost_deck: Some(DeckId(n)) }
}

/// An account with raises and a frozen past.
pub fn raises(account: u32) -> AccountRaises {
    let raise = |amount, until| Raise {
        to: Setting::StopLevel1h(Some(Money::from_units(amount))),
        until: at(until),
    };
    AccountRaises {
        account: AccountId(account),
        beneath: vec![Setting::StopLevel1h(None), Setting::Barred(ClassSet::barred_by_default())],
        raises: vec![raise(30, HOUR), raise(40, MINUTE)],
        frozen_from: Some(AccountStatus::Limited),
    }
}

/// A request that waits.
pub fn request(id: u32, account: u32) -> ControlRequest {
    let (from, to) = (Setting::StopLevel24h(Money::ZERO), Setting::StopLevel24h(Money::MAX));
    ControlRequest {
        id,
        account: AccountId(account),
        asked: vec![Changed { from, to, risk: Risk::Riskier }],
        until: Some(at(HOUR)),
        by: By::Holder { proof: Proof::Fresh },
        at: at(i64::from(id)),
        note: "trade fair — 'ünïcode'".to_owned(),
        state: RequestState::Open,
    }
}

pub fn batch(ticket: u64, records: Vec<Record>) -> Batch {
    Batch { ticket, records }
}

/// Commits the records as one batch, and expects it to work.
pub fn put(store: &mut dyn Backend, records: Vec<Record>) {
    store.commit(&[batch(0, records)]).expect("a commit without faults works");
}

/// A window that leaves nothing out.
pub const ALL_TIME: SnapshotWindow = SnapshotWindow {
    now: UnixMicros(0),
    spending_since: UnixMicros(0),
    hotspots_since: UnixMicros(0),
    bans_since: UnixMicros(i64::MIN),
};

/// What seals in these tests.
pub fn sealer() -> std::sync::Arc<store::Sealer> {
    sealer_with(&[7])
}

/// The same with these keys, the newest first.
pub fn sealer_with(keys: &[u8]) -> std::sync::Arc<store::Sealer> {
    use store::seal::{Key, Keys};
    let key = |byte: &u8| Key::new([*byte; 32].into(), None);
    let keys = Keys::new(keys.iter().map(key).collect()).unwrap();
    std::sync::Arc::new(store::Sealer::new("example.com", "the key file", keys))
}

/// How stores are opened in these tests.
pub fn options() -> store::OpenOptions {
    store::OpenOptions { sealer: Some(sealer()), ..store::OpenOptions::default() }
}
