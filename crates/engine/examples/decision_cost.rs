//! What a decision costs: nanoseconds of CPU for one admit and one end, with everything in between that
//! the engine does. Run with `cargo run --release -p engine --example decision_cost [ROUNDS]`.

use engine::{Attempt, Caller, Ended, Engine, EngineConfig, Verdict};
use types::account::Ha1;
use types::cdr::{HangupCause, LegRecord};
use types::record::Deck;
use types::{
    Account, AccountId, AccountStatus, Controls, DeckId, DialPlan, HangupSide, HashKey, Line,
    LineId, Money, Now, Number, Rate, RateRow, Snapshot, Tick, Trunk, TrunkId, TrunkNumberFormat,
    TrunkRoute, TrunkTransport, UnixMicros,
};

const ACCOUNTS: u32 = 10_000;
const ROUNDS: u64 = 300_000;

fn main() {
    let rounds = std::env::args().nth(1);
    let rounds = rounds.map_or(ROUNDS, |text| text.parse().expect("a count of rounds"));
    let now = Now { tick: Tick(0), wall: UnixMicros::from_seconds(1_795_521_600) };
    let known: Vec<String> = (0..1_000).map(|n| format!("0033142{n:06}")).collect();
    let fresh: Vec<String> = (0..rounds).map(|n| format!("0033{:09}", 142_000_000 + n)).collect();
    let national: Vec<String> = (0..1_000).map(|n| format!("0207946{n:04}")).collect();
    run("costly, numbers called before", &known, now, false, rounds);
    run("costly, every number new", &fresh, now, false, rounds);
    run("national, numbers called before", &national, now, false, rounds);
    run("costly, answered and settled", &known, now, true, rounds);
    run("refused (no such number)", &["12".to_owned()], now, false, rounds);
}

fn run(name: &str, dialled: &[String], mut now: Now, answer: bool, rounds: u64) {
    let mut config = EngineConfig::new(HashKey(1, 2));
    config.numbering.hotspots.clear();
    let mut engine = Engine::new(config, &snapshot(), now).expect("a good snapshot");
    let start = cpu_ns();
    for round in 0..rounds {
        now = Now { tick: now.tick.plus_ms(10), wall: now.wall.plus_ms(10) };
        let attempt = Attempt {
            from: Caller::Line(LineId(1 + (round as u32).wrapping_mul(7_919) % ACCOUNTS)),
            device: None,
            dialled: &dialled[round as usize % dialled.len()],
            claimed_caller: Some("+442079460000"),
            peer: [192, 0, 2, 1].into(),
        };
        let records = match engine.admit(now, attempt) {
            Verdict::Admit(admission) => {
                let decision = admission.into_route().decision;
                engine.use_trunk(decision, TrunkId(1));
                if answer {
                    engine.answered(now, decision);
                }
                engine.end(now, decision, ended())
            }
            Verdict::Refuse(refusal) => engine.refused(now, refusal, LegRecord::default(), 404),
        };
        assert!(!std::hint::black_box(records).is_empty());
    }
    let ns = (cpu_ns() - start) / rounds;
    println!("{ns:>6} ns  {name}");
}

/// Time that this thread was on a processor, so that a busy machine does not count.
fn cpu_ns() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("this is Linux");
    let on_cpu = stat.split(' ').next().expect("three figures");
    on_cpu.parse().expect("nanoseconds")
}

fn ended() -> Ended {
    Ended {
        cause: HangupCause::Normal,
        status: 200,
        side: HangupSide::Caller,
        a_leg: LegRecord::default(),
        b_leg: LegRecord::default(),
        trunk: None,
        lost_after: None,
        finding: None,
    }
}

fn snapshot() -> Snapshot {
    let per = |id: u32| 442_071_000_000_u64 + u64::from(id);
    Snapshot {
        accounts: (1..=ACCOUNTS).map(account).collect(),
        lines: (1..=ACCOUNTS).map(line).collect(),
        numbers: (1..=ACCOUNTS)
            .map(|id| Number {
                number: per(id).try_into().expect("a number"),
                account: AccountId(id),
                line: None,
            })
            .collect(),
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
        dial_plan: types::DialPlan::default(),
        emergency: true,
        enabled: true,
    }
}

/// 20,000 prefixes, as decks have them.
fn deck() -> Deck {
    let row = |prefix: String| RateRow {
        prefix,
        name: "somewhere".into(),
        rate: Rate {
            connect_fee: Money::ZERO,
            per_minute: Money::from_micros(2_400),
            minimum_s: 0,
            first_increment_s: 1,
            increment_s: 1,
        },
        effective: UnixMicros(0),
    };
    let rows = (10_000..30_000).map(|n| row(n.to_string()));
    let rows = rows.chain(["33", "44"].map(|prefix| row(prefix.to_owned()))).collect();
    Deck { id: DeckId(1), name: "deck".into(), rows }
}
