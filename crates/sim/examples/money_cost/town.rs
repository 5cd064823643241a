//! Whose calls they are: ten thousand accounts, a deck of twenty thousand prefixes, a carrier.

use engine::{Engine, EngineConfig};
use types::account::Ha1;
use types::record::Deck;
use types::{
    Account, AccountId, AccountStatus, Controls, DeckId, DialPlan, HashKey, Line, LineId, Money,
    Now, Number, Rate, RateRow, Snapshot, Tick, Trunk, TrunkId, TrunkNumberFormat, TrunkRoute,
    TrunkTransport, UnixMicros,
};

pub const ACCOUNTS: u32 = 10_000;

pub fn engine() -> (Engine, Now) {
    let now = Now { tick: Tick(0), wall: UnixMicros::from_seconds(1_795_521_600) };
    let mut config = EngineConfig::new(HashKey(1, 2));
    config.numbering.hotspots.clear();
    (Engine::new(config, &snapshot(), now).expect("a good snapshot"), now)
}

fn snapshot() -> Snapshot {
    let own = |id: u32| 442_071_000_000_u64 + u64::from(id);
    let number = |id| Number {
        number: own(id).try_into().expect("a number"),
        account: AccountId(id),
        line: None,
    };
    Snapshot {
        accounts: (1..=ACCOUNTS).map(account).collect(),
        lines: (1..=ACCOUNTS).map(line).collect(),
        numbers: (1..=ACCOUNTS).map(number).collect(),
        trunks: vec![trunk()],
        decks: vec![deck()],
        ..Snapshot::default()
    }
}

fn account(id: u32) -> Account {
    Account {
        id: AccountId(id),
        name: format!("Holder {id}"),
        status: AccountStatus::Active,
        controls: Controls::residential(),
        dial_plan: DialPlan::default(),
        sell_deck: DeckId(1),
        reseller: None,
        time_zone: "Europe/London".into(),
        billing_day: 1,
    }
}

fn line(id: u32) -> Line {
    let ha1 = Ha1 { md5: [0; 16], sha256: [0; 32] };
    Line::new(LineId(id), AccountId(id), format!("user{id}"), ha1, UnixMicros(0))
}

fn trunk() -> Trunk {
    Trunk {
        id: TrunkId(1),
        name: "carrier".into(),
        address: ([192, 0, 2, 9], 5060).into(),
        transport: TrunkTransport::Udp,
        host: "carrier.example".into(),
        auth: None,
        sources: Vec::new(),
        routes: vec![TrunkRoute { prefix: String::new(), priority: 10 }],
        cost_deck: Some(DeckId(1)),
        number_format: TrunkNumberFormat::E164Plus,
        dial_plan: DialPlan::default(),
        emergency: true,
        enabled: true,
    }
}

fn deck() -> Deck {
    let rate = Rate { per_minute: Money::from_micros(2_400), ..Rate::FREE };
    let row = |prefix: String| RateRow {
        prefix,
        name: "somewhere".into(),
        rate,
        effective: UnixMicros(0),
    };
    let rows = (10_000..30_000).map(|n| row(n.to_string()));
    let rows = rows.chain(["33", "44"].map(|prefix| row(prefix.to_owned()))).collect();
    Deck { id: DeckId(1), name: "deck".into(), rows }
}
