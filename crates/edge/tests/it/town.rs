//! Who lives in the tests: accounts, lines, numbers, carriers, prices. Never here: what they do.

use edge::{Limits, Listener, NodeConfig, ScreenConfig, Secrets, Timers};
use engine::EngineConfig;
use sip::flow::Transport;
use types::record::Deck;
use types::*;

use crate::digest::{self, REALM};

pub const ALICE: (&str, &str) = ("alice1", "a secret of Alice");
pub const ALICE2: (&str, &str) = ("alice2", "another secret of Alice");
pub const BOB: (&str, &str) = ("bob1", "a secret of Bob");
pub const EVE: (&str, &str) = ("eve1", "a secret of Eve");
pub const OFF: (&str, &str) = ("off1", "a secret of nobody");

/// The number of line alice1.
pub const ALICE_NUMBER: &str = "+442079460001";
/// The number of line alice2.
pub const ALICE2_NUMBER: &str = "+442079460011";
/// The number of Bob: all his lines ring.
pub const BOB_NUMBER: &str = "+442079460002";
/// Fixed, 1.2p a minute, by the second.
pub const FIXED: &str = "+442079460999";
/// Mobile, 6p a minute, by the second, 1p connection.
pub const MOBILE: &str = "+447400123456";
/// France, 3p a minute, 60 s then by the second.
pub const FRANCE: &str = "+33140000000";

pub const NODE_UDP: &str = "192.0.2.10:5060";
pub const NODE_UDP6: &str = "[2001:db8::10]:5060";
pub const NODE_TLS: &str = "192.0.2.10:5061";
pub const NODE_WSS: &str = "192.0.2.10:8443";
pub const CARRIER: &str = "198.51.100.1:5060";
pub const CARRIER2: &str = "198.51.100.2:5060";

/// 2026-11-23, a Monday, 12:00 UTC.
pub const NOON: i64 = 1_795_435_200;

/// What a world is made of; tests change it before the start.
pub struct Town {
    pub snapshot: Snapshot,
    pub config: NodeConfig,
}

impl Town {
    pub fn new() -> Town {
        let accounts =
            vec![account(1, "Alice Ltd"), account(2, "Bob"), account(3, "Eve"), account(4, "Off")];
        let lines = vec![
            line(1, 1, ALICE),
            line(2, 1, ALICE2),
            line(3, 2, BOB),
            line(4, 3, EVE),
            Line { status: LineStatus::Disabled, ..line(5, 4, OFF) },
        ];
        let numbers = vec![
            number(ALICE_NUMBER, 1, Some(1)),
            number(ALICE2_NUMBER, 1, Some(2)),
            number(BOB_NUMBER, 2, None),
        ];
        let trunks = vec![trunk(1, CARRIER, 10), trunk(2, CARRIER2, 20)];
        let decks = vec![sell_deck(), cost_deck()];
        let snapshot = Snapshot { accounts, lines, numbers, trunks, decks, ..Snapshot::default() };
        Town { snapshot, config: config() }
    }

    pub fn account(&mut self, id: u32) -> &mut Account {
        self.snapshot.accounts.iter_mut().find(|account| account.id.0 == id).unwrap()
    }

    pub fn line(&mut self, id: u32) -> &mut Line {
        self.snapshot.lines.iter_mut().find(|line| line.id.0 == id).unwrap()
    }

    pub fn trunk(&mut self, id: u32) -> &mut Trunk {
        self.snapshot.trunks.iter_mut().find(|trunk| trunk.id.0 == id).unwrap()
    }
}

fn config() -> NodeConfig {
    let hash = HashKey(11, 22);
    let listener = |transport, address: &str| {
        let local = address.parse().unwrap();
        Listener { transport, local, advertised: local }
    };
    NodeConfig {
        realm: REALM.to_owned(),
        domains: vec!["voip.test".to_owned()],
        listeners: vec![
            listener(Transport::Udp, NODE_UDP),
            listener(Transport::Tcp, NODE_UDP),
            listener(Transport::Tls, NODE_TLS),
            listener(Transport::Wss, NODE_WSS),
            listener(Transport::Udp, NODE_UDP6),
            listener(Transport::Tcp, NODE_UDP6),
        ],
        secrets: Secrets { nonce: [3; 32], tokens: [4; 16], hash },
        limits: Limits::default(),
        timers: Timers::default(),
        screen: ScreenConfig::default(),
        engine: EngineConfig::new(hash),
    }
}

/// Strangers may send as much as they like: for tests of something else.
pub fn unlimited(town: &mut Town) {
    town.config.screen = ScreenConfig { stranger_rate: 1_000_000, stranger_burst: 4_000_000 };
}

fn account(id: u32, name: &str) -> Account {
    Account {
        id: AccountId(id),
        name: name.to_owned(),
        status: AccountStatus::Active,
        controls: Controls::residential(),
        dial_plan: DialPlan::default(),
        sell_deck: DeckId(1),
        reseller: None,
        time_zone: "Europe/London".to_owned(),
        billing_day: 1,
    }
}

pub fn line(id: u32, account: u32, (user, secret): (&str, &str)) -> Line {
    let (id, account) = (LineId(id), AccountId(account));
    Line::new(id, account, user.to_owned(), digest::ha1(user, secret), types::UnixMicros(0))
}

pub fn number(number: &str, account: u32, line: Option<u32>) -> Number {
    Number { number: number.parse().unwrap(), account: AccountId(account), line: line.map(LineId) }
}

fn trunk(id: u32, address: &str, priority: u16) -> Trunk {
    let address: std::net::SocketAddr = address.parse().unwrap();
    Trunk {
        id: TrunkId(id),
        name: format!("carrier {id}"),
        address,
        transport: TrunkTransport::Udp,
        host: String::new(),
        auth: None,
        sources: vec![address.ip().into()],
        routes: vec![TrunkRoute { prefix: String::new(), priority }],
        cost_deck: Some(DeckId(2)),
        number_format: TrunkNumberFormat::E164Plus,
        dial_plan: types::DialPlan::default(),
        emergency: id == 1,
        enabled: true,
    }
}

pub fn rate(connect: i64, per_minute: i64, first: u32) -> Rate {
    Rate {
        connect_fee: Money::from_micros(connect),
        per_minute: Money::from_micros(per_minute),
        minimum_s: 0,
        first_increment_s: first,
        increment_s: 1,
    }
}

pub fn row(prefix: &str, rate: Rate) -> RateRow {
    RateRow {
        prefix: prefix.to_owned(),
        name: format!("to {prefix}").into(),
        rate,
        effective: UnixMicros(0),
    }
}

fn sell_deck() -> Deck {
    let rows = vec![
        row("442", rate(0, 12_000, 1)),
        row("447", rate(10_000, 60_000, 1)),
        row("4490", rate(0, 100_000, 1)),
        row("33", rate(0, 30_000, 60)),
        row("49", rate(0, 51_000, 1)),
        row("39", rate(101_000, 10_000, 1)),
        row("1473", rate(0, 40_000, 1)),
    ];
    Deck { id: DeckId(1), name: "sell".to_owned(), rows }
}

fn cost_deck() -> Deck {
    let rows = vec![row("44", rate(0, 6_000, 1)), row("33", rate(0, 15_000, 1))];
    Deck { id: DeckId(2), name: "cost".to_owned(), rows }
}
