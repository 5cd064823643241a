//! Records to test with. Lives here: one of each kind, whole calls. Never here: assertions.

use std::net::SocketAddr;

use store::{Backend, Batch, CallFilter, FactFilter, SnapshotWindow, StoredFact};
use types::account::Ha1;
use types::cdr::{HangupCause, LegRecord};
use types::decision::{Destination, Explanation, Outcome};
use types::record::Deck;
use types::*;

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
        trial: Some(LockTrial { before: vec!["192.0.2.0/24".parse().unwrap()], until: at(MINUTE) }),
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

/// The hold of the n-th call, as it is before the answer.
pub fn hold(n: u32, account: u32) -> Hold {
    Hold {
        decision: decision(n),
        account: AccountId(account),
        line: Some(LineId(1)),
        device: None,
        to_account: None,
        direction: cdr::Direction::Outgoing,
        amount: Money::from_micros(35_000),
        covered_ms: 30_000,
        state: HoldState::Pending,
        started: at(i64::from(n) * SECOND),
        dialled: "00 33 1 23 45".to_owned(),
        caller: "+442079460000".to_owned(),
        destination: destination(DestinationClass::International),
        trunk: Some(TrunkId(1)),
        cost_rate: Some(rate(8_000)),
        explanation: Explanation {
            outcome: Outcome::Admitted,
            findings: Vec::new(),
            rate: Some(rate(12_500)),
            rate_prefix: Some("33".to_owned()),
        },
        legs: (0..=255).cycle().take(600).collect(),
    }
}

/// The CDR of the n-th call, a minute long.
pub fn cdr(n: u32, account: u32, price: i64) -> Cdr {
    let hold = hold(n, account);
    Cdr {
        decision: hold.decision,
        account: hold.account,
        line: hold.line,
        device: None,
        to_account: None,
        direction: hold.direction,
        caller: hold.caller,
        dialled: hold.dialled,
        destination: hold.destination,
        started: hold.started,
        answered: Some(UnixMicros(hold.started.0 + 5 * SECOND)),
        ended: UnixMicros(hold.started.0 + 65 * SECOND),
        duration_ms: 60_000,
        price: Money::from_micros(price),
        cost: Money::from_micros(price / 2),
        cost_rate: hold.cost_rate,
        trunk: hold.trunk,
        a_leg: LegRecord {
            peer: Some(peer(5070)),
            call_id: format!("{n}@a.example"),
            user_agent: "Phone/1.0".to_owned(),
        },
        b_leg: LegRecord {
            peer: Some(peer(5060)),
            call_id: format!("{n}@b.example"),
            user_agent: "Carrier".to_owned(),
        },
        cause: HangupCause::Normal,
        status: 200,
        side: HangupSide::Caller,
        explanation: hold.explanation,
    }
}

/// A call that was refused.
pub fn refused(n: u32, account: u32) -> Cdr {
    let findings = vec![
        Finding::BarredClass { class: DestinationClass::Premium },
        Finding::PriceCap { per_minute: Money::from_units(1), cap: Money::from_cents(5) },
        Finding::IpLock { peer: "203.0.113.9".parse().unwrap() },
    ];
    Cdr {
        answered: None,
        duration_ms: 0,
        cost_rate: None,
        trunk: None,
        cause: HangupCause::Refused,
        status: 403,
        side: HangupSide::Ringfence,
        explanation: Explanation {
            outcome: Outcome::Refused,
            findings,
            rate: None,
            rate_prefix: None,
        },
        b_leg: LegRecord::default(),
        ..cdr(n, account, 0)
    }
}

pub fn charge(cdr: &Cdr) -> Transfer {
    Transfer {
        decision: cdr.decision,
        kind: TransferKind::Charge,
        debit: LedgerAccount::Receivable(cdr.account),
        credit: LedgerAccount::Revenue,
        amount: cdr.price,
        at: cdr.ended,
    }
}

pub fn cost(cdr: &Cdr) -> Transfer {
    Transfer {
        decision: cdr.decision,
        kind: TransferKind::Cost,
        debit: LedgerAccount::CarrierCost,
        credit: LedgerAccount::CarrierPayable(TrunkId(1)),
        amount: cdr.cost,
        at: cdr.ended,
    }
}

pub fn held(n: u32, account: u32) -> Record {
    Record::Hold(Box::new(hold(n, account)))
}

pub fn answered(n: u32, account: u32) -> Record {
    let answered = UnixMicros(at(i64::from(n) * SECOND).0 + 5 * SECOND);
    let state = HoldState::Answered(answered);
    let amount = Money::from_micros(70_000);
    Record::Hold(Box::new(Hold { state, amount, covered_ms: 60_000, ..hold(n, account) }))
}

/// All that is written when the n-th call ends.
pub fn ended(n: u32, account: u32, price: i64) -> Vec<Record> {
    let cdr = cdr(n, account, price);
    vec![
        Record::HoldClosed(cdr.decision),
        Record::Transfer(charge(&cdr)),
        Record::Transfer(cost(&cdr)),
        Record::Cdr(Box::new(cdr)),
    ]
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

/// Everything that can be asked of a store.
#[derive(Debug, PartialEq)]
pub struct Everything {
    pub snapshot: Snapshot,
    pub accounts: Vec<Account>,
    pub lines: Vec<Line>,
    pub numbers: Vec<Number>,
    pub history: Vec<Standing>,
    pub line_history: Vec<LineStanding>,
    pub trunk_history: Vec<TrunkStanding>,
    pub on_links: Vec<(u64, Cdr)>,
    pub audited: u64,
    pub requests: Vec<ControlRequest>,
    pub calls: Vec<Cdr>,
    pub transfers: Vec<Transfer>,
    pub balances: Vec<store::Balance>,
    pub facts: Vec<StoredFact>,
    pub verification: store::Verification,
    /// Links of the chain.
    pub links: u64,
    /// Where it breaks.
    pub breaks: Vec<store::Break>,
}

pub fn everything(store: &dyn Backend) -> Everything {
    let calls = store.calls(&CallFilter { limit: u32::MAX, ..CallFilter::default() }).unwrap();
    let transfers = calls.iter().flat_map(|cdr| store.transfers(cdr.decision).unwrap());
    let chain = walked(store);
    Everything {
        snapshot: store.snapshot(ALL_TIME).unwrap(),
        accounts: store.accounts().unwrap(),
        lines: store.lines(None).unwrap(),
        numbers: store.numbers(None).unwrap(),
        history: (1..=4)
            .flat_map(|id| store.account_history(AccountId(id), u32::MAX).unwrap())
            .collect(),
        line_history: (1..=40).flat_map(|id| store.line_history(LineId(id)).unwrap()).collect(),
        trunk_history: (1..=160)
            .filter_map(|n| {
                store.trunk_at(TrunkId(n / 40 + 1), at(i64::from(n % 40) * SECOND)).unwrap()
            })
            .collect(),
        on_links: store.calls_after(3, 1_000).unwrap().calls,
        audited: store.audited().unwrap(),
        requests: store.control_requests(None).unwrap(),
        transfers: transfers.collect(),
        balances: store.balances().unwrap(),
        facts: store.facts(&FactFilter { limit: u32::MAX, ..FactFilter::default() }).unwrap(),
        verification: store.verify().unwrap(),
        links: chain.links,
        breaks: chain.breaks,
        calls,
    }
}

/// What a whole walk along the chain finds.
pub fn walked(store: &dyn Backend) -> store::ChainReport {
    store.verify_chain(&store::ChainQuestion::default(), &mut |_, _| {}).unwrap()
}

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

pub fn device(id: u32, account: u32) -> types::Device {
    types::Device {
        id: types::DeviceId(id),
        account: AccountId(account),
        state: types::DeviceState::Seasoning {
            until: UnixMicros(9_000),
            spent: Money::from_micros(1),
        },
        agent: "Yealink SIP-T46S 66.86.0.15".to_owned(),
        instance: Some("<urn:uuid:00000000-0000-1000-8000-000A95A0E128>".to_owned()),
        contact: "192.168.1.20:5060".to_owned(),
        peer: "192.0.2.7:5060".parse().unwrap(),
        transport: "udp".to_owned(),
        place: types::Place { country: Some("GB".parse().unwrap()), asn: Some(64_496) },
        first_seen: UnixMicros(1_000),
        last_seen: UnixMicros(2_000),
        lines: vec![LineId(1)],
    }
}

pub fn lock_out(scope: types::LockScope, until: UnixMicros) -> types::LockOut {
    types::LockOut { scope, since: UnixMicros(1_000), until, level: 2, failures: 5 }
}

/// One of each kind.
pub fn lock_scopes() -> [types::LockScope; 4] {
    use types::LockScope::*;
    let user = || "alice".to_owned();
    let source = "192.0.2.7/32".parse().unwrap();
    [
        SourceUser { source, user: user() },
        Device { user: user(), by: "instance".to_owned(), key: u64::MAX },
        Source { source: "2001:db8::/64".parse().unwrap() },
        User { user: user() },
    ]
}

pub fn ban(source: &str, until: Option<UnixMicros>) -> types::Ban {
    types::Ban {
        source: source.parse().unwrap(),
        reason: types::BanReason::Scanner,
        note: "friendly-scanner".to_owned(),
        since: UnixMicros(1_000),
        until,
        level: 1,
    }
}
