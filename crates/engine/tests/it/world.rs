//! A small provider: two accounts, three lines, two carriers, one deck for each side.

use std::net::IpAddr;

use engine::{Admission, Attempt, Caller, Command, Ended, Engine, EngineConfig, Refusal, Verdict};
use types::account::Ha1;
use types::cdr::{HangupCause, LegRecord};
use types::record::Deck;
use types::{
    Account, AccountId, AccountStatus, Controls, DecisionId, DeckId, DialPlan, HangupSide, HashKey,
    Line, LineId, Money, Now, Number, Rate, RateRow, Record, Snapshot, Tick, Trunk, TrunkId,
    TrunkNumberFormat, TrunkRoute, TrunkTransport, UnixMicros,
};

/// Tuesday 2026-11-24, noon in London: no off hours.
pub const NOON: UnixMicros = UnixMicros::from_seconds(1_795_521_600);
pub const ALICE: AccountId = AccountId(1);
pub const BOB: AccountId = AccountId(2);
pub const ALICE_LINE: LineId = LineId(1);
pub const ALICE_DESK: LineId = LineId(2);
pub const BOB_LINE: LineId = LineId(3);
pub const SELL: DeckId = DeckId(1);
pub const COST: DeckId = DeckId(2);
pub const MAIN_TRUNK: TrunkId = TrunkId(1);
pub const EMERGENCY_TRUNK: TrunkId = TrunkId(2);
pub const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(198, 51, 100, 7));

/// 0.012 a minute, cheap.
pub const LONDON: &str = "02079460123";
/// 0.024 a minute, by the second: 0.012 for 30 s. Costly.
pub const PARIS: &str = "0033142345678";
/// 0.03 a minute, a hotspot of this world. Costly.
pub const RIGA: &str = "0037167001234";

pub fn config() -> EngineConfig {
    let mut config = EngineConfig::new(HashKey(3, 5));
    config.numbering.hotspots = vec!["371".to_owned()];
    config.numbering.support = vec!["150".to_owned()];
    config
}

pub fn snapshot() -> Snapshot {
    let number = |digits: &str, account, line| Number {
        number: digits.parse().expect("a number"),
        account,
        line,
    };
    Snapshot {
        accounts: vec![account(ALICE, "Alice"), account(BOB, "Bob")],
        lines: vec![
            line(ALICE_LINE, ALICE, "alice"),
            line(ALICE_DESK, ALICE, "alice-desk"),
            line(BOB_LINE, BOB, "1001"),
        ],
        numbers: vec![
            number("+442079460001", ALICE, None),
            number("+442079460009", ALICE, Some(ALICE_DESK)),
            number("+442079460002", BOB, Some(BOB_LINE)),
        ],
        trunks: vec![trunk(MAIN_TRUNK, &[("", 10)]), {
            let routes = &[("4420", 20)];
            Trunk { emergency: true, cost_deck: None, ..trunk(EMERGENCY_TRUNK, routes) }
        }],
        decks: vec![deck(SELL, 1), deck(COST, 2)],
        newest: NOON,
        ..Snapshot::default()
    }
}

pub fn account(id: AccountId, name: &str) -> Account {
    Account {
        id,
        name: name.into(),
        status: AccountStatus::Active,
        controls: Controls { calls: 1_000, costly_calls: 1_000, ..Controls::residential() },
        dial_plan: DialPlan::default(),
        sell_deck: SELL,
        reseller: None,
        time_zone: "Europe/London".into(),
        billing_day: 1,
    }
}

pub fn line(id: LineId, account: AccountId, user: &str) -> Line {
    let ha1 = Ha1 { md5: [1; 16], sha256: [2; 32] };
    Line::new(id, account, user.into(), ha1, types::UnixMicros(0))
}

pub fn trunk(id: TrunkId, routes: &[(&str, u16)]) -> Trunk {
    let route = |&(prefix, priority): &(&str, u16)| TrunkRoute { prefix: prefix.into(), priority };
    Trunk {
        id,
        name: format!("carrier {id}"),
        address: ([192, 0, 2, id.0 as u8], 5060).into(),
        transport: TrunkTransport::Udp,
        host: "carrier.example".into(),
        auth: None,
        sources: vec![format!("192.0.2.{id}/32").parse().expect("a network")],
        routes: routes.iter().map(route).collect(),
        cost_deck: Some(COST),
        number_format: TrunkNumberFormat::E164Plus,
        dial_plan: types::DialPlan::default(),
        emergency: false,
        enabled: true,
    }
}

/// Prices in millionths a minute, divided for the cost side.
pub fn deck(id: DeckId, divisor: i64) -> Deck {
    let row = |&(prefix, per_minute, connect_fee, first): &(&str, i64, i64, u32)| RateRow {
        prefix: prefix.into(),
        name: prefix.into(),
        rate: Rate {
            connect_fee: Money::from_micros(connect_fee / divisor),
            per_minute: Money::from_micros(per_minute / divisor),
            minimum_s: 0,
            first_increment_s: first,
            increment_s: if first > 1 { 60 } else { 1 },
        },
        effective: UnixMicros(0),
    };
    let rows = [
        ("44", 12_000, 0, 1),
        ("4480", 0, 0, 1),
        ("449", 1_500_000, 0, 1),
        ("33", 24_000, 0, 1),
        ("371", 30_000, 0, 1),
        ("49", 60_000, 0, 1),
        ("34", 20_000, 110_000, 1),
        ("353", 24_000, 0, 60),
        ("8816", 40_000, 0, 1),
    ];
    Deck { id, name: format!("deck {id}"), rows: rows.iter().map(row).collect() }
}

/// A world with a clock that the test moves.
pub struct World {
    pub engine: Engine,
    pub now: Now,
}

impl World {
    pub fn new() -> World {
        World::from(&snapshot(), NOON)
    }

    pub fn from(snapshot: &Snapshot, wall: UnixMicros) -> World {
        let now = Now { tick: Tick(1_000_000), wall };
        World { engine: Engine::new(config(), snapshot, now).expect("a good snapshot"), now }
    }

    /// A world whose engine has other settings.
    pub fn with_config(change: impl FnOnce(&mut EngineConfig)) -> World {
        let (mut config, now) = (config(), Now { tick: Tick(1_000_000), wall: NOON });
        change(&mut config);
        World { engine: Engine::new(config, &snapshot(), now).expect("a good snapshot"), now }
    }

    /// A world in which Alice's controls are changed.
    pub fn with(change: impl FnOnce(&mut Controls)) -> World {
        let mut snapshot = snapshot();
        change(&mut snapshot.accounts[0].controls);
        World::from(&snapshot, NOON)
    }

    pub fn pass_ms(&mut self, ms: u64) {
        self.now = Now { tick: self.now.tick.plus_ms(ms), wall: self.now.wall.plus_ms(ms) };
    }

    pub fn attempt(&mut self, from: Caller, dialled: &str, claimed: Option<&str>) -> Verdict {
        let attempt = Attempt { from, device: None, dialled, claimed_caller: claimed, peer: PEER };
        self.engine.admit(self.now, attempt)
    }

    #[expect(clippy::result_large_err, reason = "tests look into it, and it is made once a call")]
    pub fn dial(&mut self, line: LineId, dialled: &str) -> Result<Admission, Refusal> {
        match self.attempt(Caller::Line(line), dialled, None) {
            Verdict::Admit(admission) => Ok(admission),
            Verdict::Refuse(refusal) => Err(refusal),
        }
    }

    /// Alice's call, which must be admitted; it is on its way by the first trunk.
    pub fn call(&mut self, dialled: &str) -> DecisionId {
        let admission = self.dial(ALICE_LINE, dialled).expect("the call is admitted");
        let decision = admission.decision();
        if let engine::Target::Trunks { trunks, .. } = admission.into_route().target {
            self.engine.use_trunk(decision, trunks[0]);
        }
        decision
    }

    /// Codes of what speaks against Alice's call; none if it was admitted.
    pub fn codes(&mut self, dialled: &str) -> Vec<&'static str> {
        match self.dial(ALICE_LINE, dialled) {
            Ok(_) => Vec::new(),
            Err(refusal) => {
                refusal.findings.iter().map(|finding| finding.reason().code()).collect()
            }
        }
    }

    pub fn end(&mut self, decision: DecisionId, cause: HangupCause) -> Vec<Record> {
        self.engine.end(self.now, decision, ended(cause))
    }

    pub fn set_status(&mut self, status: AccountStatus) -> Vec<DecisionId> {
        let command = Command::SetStatus(ALICE, status);
        self.engine.command(self.now, command).expect("Alice is known").cut
    }

    pub fn usage(&self) -> engine::Usage {
        self.engine.usage(self.now, ALICE).expect("Alice is known")
    }
}

pub fn ended(cause: HangupCause) -> Ended {
    Ended {
        cause,
        status: 200,
        side: HangupSide::Caller,
        a_leg: LegRecord::default(),
        b_leg: LegRecord::default(),
        trunk: None,
        lost_after: None,
        finding: None,
    }
}

pub fn micros(micros: i64) -> Money {
    Money::from_micros(micros)
}

/// The CDR among records.
pub fn cdr(records: &[Record]) -> &types::Cdr {
    let cdr = |record: &'_ Record| matches!(record, Record::Cdr(_));
    match records.iter().find(|record| cdr(record)) {
        Some(Record::Cdr(cdr)) => cdr,
        _ => panic!("no CDR among {records:?}"),
    }
}
