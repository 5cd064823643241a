//! Whole towns: accounts, lines, numbers, trunks, decks, people, drawn from a seed. Lives here: what a world is made
//! of. Never here: what happens in it.

use std::net::SocketAddr;

use edge::{Limits, Listener, NodeConfig, ScreenConfig, Secrets, Timers};
use engine::EngineConfig;
use sip::flow::Transport;
use types::record::Deck;
use types::{
    Account, AccountId, AccountStatus, Controls, DeckId, DialPlan, E164, HashKey, Line, LineId,
    Money, Number, Rate, RateRow, Record, Trunk, TrunkId, TrunkNumberFormat, TrunkRoute,
    TrunkTransport, UnixMicros,
};

use crate::carrier::CostLine;
use crate::planted::Planted;
use crate::world::NODE;

/// The domain of every world.
pub const DOMAIN: &str = "ringfence.example";
/// The deck that accounts are priced by.
pub const SELL: DeckId = DeckId(1);
/// The deck that carriers charge by.
pub const COST: DeckId = DeckId(2);

/// Prefix, sold a minute, bought a minute (millionths), fee sold, fee bought, first and further increment.
pub type PriceRow = (&'static str, i64, i64, i64, i64, u32, u32);

/// A small deck with something for every rule.
pub const PRICES: [PriceRow; 13] = [
    ("4420", 10_000, 6_000, 0, 0, 1, 1),
    ("441", 10_000, 6_000, 0, 0, 1, 1),
    ("447", 40_000, 25_000, 0, 0, 60, 60),
    ("44808", 0, 0, 0, 0, 1, 1),
    ("4484", 70_000, 50_000, 0, 0, 1, 1),
    ("449", 1_500_000, 900_000, 500_000, 300_000, 60, 60),
    ("33", 15_000, 9_000, 0, 0, 1, 1),
    ("1", 12_000, 5_000, 0, 0, 6, 6),
    ("49", 20_000, 11_000, 90_000, 40_000, 1, 1),
    ("234", 50_000, 38_000, 0, 0, 30, 6),
    ("371", 48_000, 30_000, 20_000, 10_000, 60, 60),
    ("53", 850_000, 600_000, 0, 0, 60, 60),
    ("881", 6_000_000, 4_000_000, 0, 0, 60, 60),
];

/// Numbers to call: cheap, dear, barred, free, impossible. All in the dial plan of Great Britain.
pub const NUMBERS: [&str; 22] = [
    "02079460000",
    "+442079460001",
    "01632960000",
    "07400123456",
    "+447400123457",
    "08081570192",
    "08431234567",
    "09061234567",
    "0033142685300",
    "+33142685301",
    "0012125550123",
    "004930123456",
    "+2348031234567",
    "002348031234568",
    "+37129123456",
    "+5372041234",
    "+88163123456",
    "999",
    "112",
    "12",
    "08*7",
    "+4420794600001234",
];

/// A node's settings for simulations; everything that matters is the default.
pub fn config(session_expires_s: u32) -> NodeConfig {
    let mut engine = EngineConfig::new(HashKey(1, 2));
    engine.numbering.support = vec!["150".to_owned()];
    NodeConfig {
        realm: DOMAIN.to_owned(),
        domains: vec![DOMAIN.to_owned()],
        listeners: [Transport::Udp, Transport::Tcp]
            .map(|transport| Listener { transport, local: NODE, advertised: NODE })
            .to_vec(),
        secrets: Secrets { nonce: [0; 32], tokens: [0; 16], hash: HashKey(1, 2) },
        limits: Limits::default(),
        timers: Timers { session_expires_s, ..Timers::default() },
        screen: ScreenConfig::default(),
        engine,
    }
}

/// An account that calls by the sell deck, in UTC.
pub fn account(id: u32, name: &str, controls: Controls) -> Account {
    Account {
        id: AccountId(id),
        name: name.to_owned(),
        status: AccountStatus::Active,
        controls,
        dial_plan: DialPlan::default(),
        sell_deck: SELL,
        reseller: None,
        time_zone: "UTC".to_owned(),
        billing_day: 1,
    }
}

/// The password of a user in every world.
pub fn password(user: &str) -> String {
    format!("secret of {user}")
}

/// A line with its verifiers.
pub fn line(id: u32, account: AccountId, user: &str, caller_id: Option<E164>) -> Line {
    let ha1 = crate::digest::verifiers(user, DOMAIN, &password(user));
    let line = Line::new(LineId(id), account, user.to_owned(), ha1, types::UnixMicros(0));
    Line { caller_id, ..line }
}

/// The address of the n-th carrier.
pub fn carrier_address(id: u32) -> SocketAddr {
    SocketAddr::from(([198, 51, 100, id as u8], 5060))
}

/// The address of the n-th phone.
pub fn phone_address(id: u32) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, id as u8], 5060))
}

/// A trunk that takes everything.
pub fn trunk(id: u32, priority: u16, transport: TrunkTransport) -> Trunk {
    Trunk {
        id: TrunkId(id),
        name: format!("carrier{id}"),
        address: carrier_address(id),
        transport,
        host: String::new(),
        auth: None,
        sources: vec![std::net::IpAddr::from([198, 51, 100, id as u8]).into()],
        routes: vec![TrunkRoute { prefix: String::new(), priority }],
        cost_deck: Some(COST),
        number_format: TrunkNumberFormat::E164Plus,
        dial_plan: types::DialPlan::default(),
        emergency: true,
        enabled: true,
    }
}

/// A number of ours.
pub fn number(digits: &str, account: AccountId, line: Option<LineId>) -> Number {
    Number {
        number: E164::from_digits(digits).expect("a simulation's numbers are numbers"),
        account,
        line,
    }
}

/// The two decks made of price rows.
pub fn decks(rows: &[PriceRow]) -> [Deck; 2] {
    let deck = |id, name: &str, pick: fn(&PriceRow) -> (i64, i64)| Deck {
        id,
        name: name.to_owned(),
        rows: rows
            .iter()
            .map(|row| {
                let (minute, fee) = pick(row);
                RateRow {
                    prefix: row.0.to_owned(),
                    name: row.0.into(),
                    rate: Rate {
                        connect_fee: Money::from_micros(fee),
                        per_minute: Money::from_micros(minute),
                        minimum_s: 0,
                        first_increment_s: row.5,
                        increment_s: row.6,
                    },
                    effective: UnixMicros(0),
                }
            })
            .collect(),
    };
    [deck(SELL, "retail", |row| (row.1, row.3)), deck(COST, "wholesale", |row| (row.2, row.4))]
}

/// The carrier's own table of the same prices.
pub fn cost_table(rows: &[PriceRow]) -> Vec<(String, CostLine)> {
    rows.iter()
        .map(|row| {
            let line = CostLine {
                fee: row.4,
                minute: row.2,
                first_s: u64::from(row.5),
                next_s: u64::from(row.6),
            };
            (row.0.to_owned(), line)
        })
        .collect()
}

/// What the node's store is told, which some planted bugs falsify.
pub fn as_told(mut records: Vec<Record>, planted: Option<Planted>) -> Vec<Record> {
    let accounts = records.iter().filter(|one| matches!(one, Record::Account(_))).count() as u32;
    for record in &mut records {
        match (planted, record) {
            (Some(Planted::WrongPayer), Record::Line(line)) => {
                line.account = AccountId(line.account.0 % accounts + 1);
            }
            (Some(planted), Record::Account(account)) => falsify(&mut account.controls, planted),
            _ => {}
        }
    }
    records
}

fn falsify(controls: &mut Controls, planted: Planted) {
    let tenfold = |level: Money| Money::from_micros(level.micros() * 10);
    match planted {
        Planted::LevelsTenfold => {
            controls.stop_level_24h = tenfold(controls.stop_level_24h);
            controls.stop_level_all_24h = tenfold(controls.stop_level_all_24h);
            controls.stop_level_1h = controls.stop_level_1h.map(tenfold);
            controls.stop_level_7d = controls.stop_level_7d.map(tenfold);
            controls.stop_level_off_hours = controls.stop_level_off_hours.map(tenfold);
        }
        Planted::LimitsForgotten => {
            let limits =
                [&mut controls.calls, &mut controls.costly_calls, &mut controls.hotspot_calls];
            limits.into_iter().for_each(|limit| *limit = u16::MAX);
        }
        Planted::LockForgotten => controls.ip_lock.clear(),
        Planted::BarsForgotten => {
            controls.barred = types::ClassSet::EMPTY;
            controls.price_cap_national = Money::from_units(100);
            controls.price_cap_international = Money::from_units(100);
            controls.connect_fee_cap = Money::from_units(100);
        }
        _ => {}
    }
}

/// The decision that a record belongs to, for those who look for a mistake.
pub fn decision_of(record: &Record) -> String {
    match record {
        Record::Hold(hold) => format!("{} {:?} ", hold.decision, hold.state),
        Record::Cdr(cdr) => format!("{} ", cdr.decision),
        _ => String::new(),
    }
}

/// A record in words, when it is worth telling.
pub fn in_words(record: &Record) -> Option<String> {
    use types::decision::Outcome;
    match record {
        Record::Hold(hold) if hold.amount.is_zero() => None,
        Record::Hold(hold) => Some(format!(
            "held for account {}: {} covering {} s",
            hold.account,
            hold.amount,
            hold.covered_ms / 1_000
        )),
        Record::Cdr(cdr) if cdr.explanation.outcome == Outcome::Refused => {
            let reasons: Vec<String> =
                cdr.explanation.findings.iter().map(|one| one.to_string()).collect();
            Some(format!("refused: {}", reasons.join("; ")))
        }
        Record::Cdr(cdr) => Some(format!(
            "recorded: {} call ({}) to {} shown as from {}: {} ms, price {}, cost {}; {} by {:?}, {}",
            cdr.direction.code(),
            cdr.destination.class,
            cdr.dialled,
            cdr.caller,
            cdr.duration_ms,
            cdr.price,
            cdr.cost,
            cdr.cause,
            cdr.side,
            cdr.status
        )),
        Record::Fact(_, fact) => match fact {
            types::Fact::WarningLevel { account, level, usage } => {
                Some(format!("account {account} is warned: {usage} used, level {level}"))
            }
            types::Fact::TrunkReachable { trunk, reachable } => {
                Some(format!("trunk {trunk} is {}", if *reachable { "back" } else { "silent" }))
            }
            _ => None,
        },
        _ => None,
    }
}
