//! What a decision costs: nanoseconds of CPU for one admit and one end, with everything in between that
//! the engine does. Run with `cargo run --release -p engine --example decision_cost [ROUNDS]`.

use engine::{Attempt, Caller, Ended, Engine, EngineConfig, Verdict};
use types::cdr::{HangupCause, LegRecord};
use types::record_samples::town;
use types::{HangupSide, HashKey, LineId, Now, Tick, TrunkId, UnixMicros};

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
    let mut engine = Engine::new(config, &town(ACCOUNTS), now).expect("a good snapshot");
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
